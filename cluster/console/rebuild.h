/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CONSOLE_REBUILD_H
#define ESP_CLUSTER_CONSOLE_REBUILD_H

/* rebuild.h - searches from the journal of a run, finished or going on
 *
 * Threads: none.  Errors carry sentences that name the folder or file.
 */

#include "cluster/cli/run_config.h"

typedef struct rebuild {
    const char *output; /* borrowed */
    run_config *config; /* owned */
    run_config **
        older; /* owned list: those of earlier starts that planned otherwise (a budget grew since) */
    size_t older_count, older_cap;
    const run_config *now;  /* of the segment that is being read: config or one of older */
    problem_source *source; /* owned */
    uint64_t diverged_at;   /* journal number where a digest differed; 0 = none */
} rebuild;

/* Read OUTPUT/run.yaml and the problems file it names.  Errors: ESP_ENOENT, ESP_EFORMAT, those of
 * problem_source_open. */
ESP_MUST_CHECK esp_err rebuild_open (const char *output, rebuild *r, esp_error *error);
void rebuild_close (rebuild *r);

/* The problem called `id` ("#17": by number).  Errors: ESP_ENOENT (names the nearest id). */
ESP_MUST_CHECK esp_err rebuild_find (rebuild *r, const char *id, uint32_t repeat, problem_key *key,
                                     esp_error *error);

/* Inputs from here on were recorded under this (resolved) run file: sets r->now.  Errors: ESP_EFORMAT, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err rebuild_under (rebuild *r, span run_file, esp_error *error);

/* Its search after every input the journal has; the caller destroys it.  Errors: ESP_EEMPTY (never opened),
 * ESP_EDAMAGE, ... */
ESP_MUST_CHECK esp_err rebuild_search (rebuild *r, problem_key key, search **out, esp_error *error);

#endif
