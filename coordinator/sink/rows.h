/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SINK_ROWS_H
#define ESP_COORDINATOR_SINK_ROWS_H

/* rows.h - the rows of one finished problem, recomputed from its search (design.md, section 9)
 *
 * No row holds a time, a rank or a host: sorted, the answers and candidates of two runs with one seed are equal byte for byte.
 * The costs are not: they tell what servers read and what their caches held.
 * Threads: none.  Errors: ESP_ENOMEM.
 */

#include "coordinator/merge/vote.h"
#include "coordinator/search/search.h"
#include "coordinator/sink/samples.h"
#include "proto/base/option.h"

typedef struct vote_options { /* section `vote` */
    int rule;                 /* enum vote_rule */
    double power;             /* weighted: score^power */
    int equal;                /* enum answer_equality */
} vote_options;
extern const esp_option vote_option_rows[];

typedef struct row_totals { /* what the run's counters add up */
    bool has_answer, correct, graded, failed;
    size_t candidates;
    enum finish_reason reason;
    budget used;
    uint64_t scored_steps;
} row_totals;

enum { ROW_ANSWERS, ROW_CANDIDATES, ROW_COSTS, ROW_FILES };
extern const char
    *const row_file_names[ROW_FILES]; /* "answers.jsonl", "candidates.jsonl", "costs.jsonl" */

/* Append to each buffer: one line to answers and to costs, one per finished branch (each node once) to candidates; behind these
 * ROW_FILES, to one for each item of `samples`, its raw rows.  samples, totals: may be NULL. */
ESP_MUST_CHECK esp_err rows_of_search (const search *s, const vote_options *options,
                                       const sample_plan *samples, esp_buf *rows,
                                       row_totals *totals);

#endif
