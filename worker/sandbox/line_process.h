/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_SANDBOX_LINE_PROCESS_H
#define ESP_WORKER_SANDBOX_LINE_PROCESS_H

/* line_process.h - a child process that is told lines and answers lines
 *
 * Its standard input and output are one socket; it has a process group of its own, no other descriptor of ours (but one that it is
 * given), and /dev/null as standard error.  Nothing here waits, but line_process_destroy() for a child that was killed.
 *
 * A child must end by itself when its parent dies: its input ends; better still, it calls prctl (PR_SET_PDEATHSIG).
 * Ownership: the caller owns the object.  Threads: none.
 */

#include <stdbool.h>
#include "proto/base/text.h"

typedef struct line_process line_process; /* private to line_process.c */

enum line_heard {
    LINE_NONE, /* nothing yet */
    LINE_HEARD,
    LINE_ENDED, /* the child closed its end */
    LINE_LONG   /* it said a line that is too long; nothing more is heard of it */
};

enum { LINE_PROCESS_FD = 3, LINE_PROCESS_GIVE = 2, LINE_PROCESS_LINE = 1 << 16 };

typedef struct line_process_setup {
    const char *const *argv; /* NULL at the end; argv[0] is looked up in PATH */
    size_t line_most;        /* bytes of a line that it says; 0 = LINE_PROCESS_LINE */
    /* Files that it finds as descriptors LINE_PROCESS_FD and on, read from their start; <= 0: none.  Our own numbers are larger than those. */
    int give[LINE_PROCESS_GIVE];
} line_process_setup;

/* Errors with a sentence: ESP_ENOENT (no such program), ESP_EPERMISSION, ESP_EIO, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err line_process_start (const line_process_setup *setup, line_process **out,
                                           esp_error *error);
/* Accepts NULL.  Kills the group and reaps the child. */
void line_process_destroy (line_process *p);

/* Send a line (without its newline); what does not fit now goes with line_process_flush().  Errors: ESP_EPEER, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err line_process_say (line_process *p, span line);
ESP_MUST_CHECK esp_err line_process_flush (line_process *p); /* ESP_EPEER */
bool line_process_full (const line_process *p); /* something waits for line_process_flush() */

void line_process_end (
    line_process *p); /* nothing more will be said: its input ends behind what was */

/* The next line; borrowed until the next call.  Running out of memory is LINE_LONG. */
enum line_heard line_process_hear (line_process *p, span *line);

int line_process_fd (const line_process *p); /* readable when there is something to hear */

/* Kill the whole group, now. */
void line_process_kill (line_process *p);
/* Has the child been reaped?  Never waits. */
bool line_process_gone (line_process *p);
/* As waitpid gives it, once it is gone; -1: not known. */
int line_process_status (const line_process *p);

#endif
