/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CLI_RUN_PROGRESS_H
#define ESP_CLUSTER_CLI_RUN_PROGRESS_H

/* run_progress.h - the progress line on stderr: redrawn on a terminal, one line per 10 s elsewhere */

#include "proto/base/clock.h"
#include "proto/wire/wire.h"

typedef struct run_progress {
    uint64_t next_ns;
    bool terminal, drawn;
    bool graded; /* a verifier tells what is solved */
} run_progress;

void run_progress_start (run_progress *p, bool graded);
bool run_progress_due (const run_progress *p, uint64_t now_ns);
void run_progress_draw (run_progress *p, uint64_t now_ns, const run_status *status);
void run_progress_end (run_progress *p); /* leaves the terminal on a fresh line */

/* ", 3 solved", or nothing where no verifier looks; static buffer of the caller. */
const char *run_progress_solved (bool graded, uint64_t solved, char *out, size_t size);

/* "1h02m", "3m20s", "12s", "?" for NaN; static buffer of the caller. */
const char *run_progress_time (double seconds, char *out, size_t size);

#endif
