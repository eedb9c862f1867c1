/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CONSOLE_REPORT_READ_H
#define ESP_CLUSTER_CONSOLE_REPORT_READ_H

/* report_read.h - an output folder as numbers: no texts are kept (about 100 bytes a problem, 32 a candidate)
 *
 * Ids and answers are kept as 64-bit hashes; equal hashes are taken for equal texts.
 * Threads: none.
 */

#include <stdbool.h>
#include "cluster/console/report_stats.h"

typedef struct report_item { /* one row of answers.jsonl: a problem and repeat */
    uint64_t id;             /* hash */
    uint32_t repeat;
    uint32_t group; /* index into group_names, with --by */
    size_t first;   /* its candidates: [first, first + count) of the run, in file order */
    uint32_t count;
    uint8_t correct;                                            /* enum report_correct */
    bool answered;                                              /* answer is not null */
    bool failed;                                                /* finish_reason error */
    double generations, steps, generated_tokens, scored_tokens; /* NaN = not given */
} report_item;

/* The order of items: by id hash and repeat.  For qsort and bsearch. */
int report_item_compare (const void *a, const void *b);

typedef struct report_run {
    char *output;   /* owned: the folder as given */
    char *strategy; /* owned: search.strategy of OUTPUT/run.yaml; "" if not known */
    bool tree;      /* candidates are leaves of one tree: the first k are not a smaller run */
    bool graded;    /* any verdict is known */
    bool scored;    /* any candidate has a score */
    report_item
        *items; /* owned; ordered by id hash and repeat, so the order of rows does not matter */
    size_t item_count;
    report_candidate *candidates; /* owned */
    size_t candidate_count;
    size_t orphans;     /* candidate rows whose problem has no answers row (yet): left out */
    char **group_names; /* owned; ordered by name */
    size_t group_count;
} report_run;

typedef struct report_reading {
    int aggregate;  /* enum report_aggregate over step_scores, or -1 for the row's own score */
    const char *by; /* field of the problem rows, or NULL */
} report_reading;

/* The file of rows `name` of an output folder, or the same packed by its owner: name.gz, name.zst.  Nothing there: the plain one.
 * Errors: ESP_ETOOBIG. */
ESP_MUST_CHECK esp_err report_rows_path (char *path, size_t size, const char *output,
                                         const char *name);

/* Errors (sentences name file and line): ESP_ENOENT, ESP_EFORMAT, ESP_EPERMISSION, ESP_EIO, ESP_ENOMEM; with
 * `by` also those of the problems file that run.yaml names. */
ESP_MUST_CHECK esp_err report_read (const char *output, const report_reading *how, report_run *out,
                                    esp_error *error);
void report_run_free (report_run *run); /* accepts a zeroed one */

#endif
