/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CLI_RUN_WORKERS_H
#define ESP_CLUSTER_CLI_RUN_WORKERS_H

/* run_workers.h - section `workers`: which ranks generate, score and verify
 *
 *     workers: {generate: "1-4", score: "5-", verify: all}
 *
 * Ranks are numbered by MPI; 0 coordinates, the workers are 1, 2, ...  A list holds, with commas between them: one rank (5), a
 * range (1-4), all from one on (5-), every n-th of a range (1-8/4: 1 and 5; 2-/2), or the word all.
 *
 * A worker opens the engines of what it serves and no others, so a rank without a GPU needs no server.  Where one process
 * does everything (espalier run without mpirun, try, check) the section counts for nothing: a run file for 9 ranks stays
 * one for a debugger.
 */

#include "cluster/cli/run_config.h"

extern const esp_option workers_option_rows[];

/* Bind the section; a text that is no list of ranks becomes a mistake.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err run_workers_bind (run_config *c);

/* Does this rank serve tasks of kind k (enum task_kind)?  rank >= 1; the section was bound without a mistake. */
bool run_workers_serves (const run_config *c, int k, int rank);

/* Does the section fit a run on ranks 0 to size - 1?  Errors: ESP_EINVAL with a sentence that begins with file and line: a rank
 * that is not there, work that nobody does; ESP_ENOMEM. */
ESP_MUST_CHECK esp_err run_workers_fit (run_config *c, int size, esp_error *error);

/* How many ranks a run needs at least, the coordinator included. */
int run_workers_least (const run_config *c);

/* For the start line: ": generate 1-4, score 5-"; nothing where all do everything. */
ESP_MUST_CHECK esp_err run_workers_meaning (const run_config *c, esp_buf *out);

#endif
