/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_ENGINE_EXTERNAL_PROCESS_H
#define ESP_WORKER_ENGINE_EXTERNAL_PROCESS_H

/* external_process.h - a program that runs beside the worker: started, listened to, ended
 *
 * It is the leader of its own process group, gets SIGKILL when the worker dies, has no descriptor of ours but its standard
 * ones, reads nothing, and what it writes to stdout and stderr comes line by line.
 * A command without characters that mean something to a shell is started as it is, so that nothing stands between the worker
 * and the program; any other one by /bin/sh -c.
 * Threads: none; start from the thread that lives as long as the process (PR_SET_PDEATHSIG is bound to it).
 */

#include <stdbool.h>
#include "proto/base/err.h"

typedef struct external_process external_process;

/* variables: "NAME=value", NULL at the end; added to the worker's environment.
 * Errors: ESP_ENOENT (no such program), ESP_EPERMISSION, ESP_EINVAL (empty), ESP_EIO, ESP_ENOMEM; with a sentence. */
ESP_MUST_CHECK esp_err external_process_start (const char *command, const char *const *variables,
                                               external_process **out, esp_error *error);
/* Kill the group with SIGTERM, then SIGKILL after grace_ms; accepts NULL. */
void external_process_stop (external_process *p, int grace_ms);

/* Hand on the lines that came; false when the process has ended and all was read. */
bool external_process_poll (external_process *p, void (*line) (void *ctx, const char *text),
                            void *ctx);
/* "status 1" or "signal 9"; "" while it runs. */
const char *external_process_end (const external_process *p);
/* Its last lines, the last one first; NULL behind the oldest that is kept (8). */
const char *external_process_said (const external_process *p, unsigned back);
/* To the log, the oldest first. */
void external_process_show_said (const external_process *p, const char *name);
int external_process_fd (const external_process *p); /* to sleep on; -1: nothing comes any more */
long external_process_id (const external_process *p);

#endif
