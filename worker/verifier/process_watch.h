/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_VERIFIER_PROCESS_WATCH_H
#define ESP_WORKER_VERIFIER_PROCESS_WATCH_H

/* process_watch.h - what verifiers with child processes share: one descriptor that wakes the loop, and pauses between starts
 *
 * A process that ends or talks nonsense is a failure.  After the second one in a row the next start has to wait, twice as long each time.
 * Zero is not a valid state: process_watch_open() first.  Ownership: the descriptors are its own.  Threads: none.
 */

#include "worker/sandbox/line_process.h"

enum {
    WATCH_FAILURES = 5
}; /* in a row: an error in the log; jobs do not wait for a process any more */

typedef struct process_watch {
    int epoll, timer;    /* -1: none */
    unsigned failures;   /* in a row; whoever gets a verdict sets it back */
    uint64_t restart_ns; /* no process is started before */
} process_watch;

/* name: for the sentence.  Errors: ESP_EIO.  process_watch_close() is due in any case. */
ESP_MUST_CHECK esp_err process_watch_open (process_watch *w, const char *name, esp_error *error);
void process_watch_close (process_watch *w);

/* how: as epoll_ctl's. */
void process_watch_set (const process_watch *w, const line_process *p, bool writing, int how);
/* After something was said: does it have to look for room to write?  *writing: what it looks for now. */
void process_watch_writing (const process_watch *w, const line_process *p, bool *writing);

void process_watch_failed (process_watch *w, uint64_t now_ns); /* the next start may have to wait */

/* Wake the loop at at_ns although nobody says a word; UINT64_MAX: never. */
void process_watch_timer (const process_watch *w, uint64_t at_ns, uint64_t now_ns);
void process_watch_awake (const process_watch *w); /* the timer has been heard */

#endif
