/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_HARVEST_HARVEST_PRIVATE_H
#define ESP_COORDINATOR_HARVEST_HARVEST_PRIVATE_H

/* harvest_private.h - shared by harvest*.c: harvest.c one run, harvest_item.c one item, harvest_choose.c what is kept,
 * harvest_card.c what is said of it
 */

#include "coordinator/harvest/dedupe.h"
#include "coordinator/harvest/eval_sets.h"
#include "coordinator/harvest/harvest.h"
#include "coordinator/harvest/shards.h"

typedef struct raw_row { /* a line of raw rows */
    problem_key key;
    unsigned set;
    uint32_t pass, of;
    span sample; /* JSON object; borrowed */
} raw_row;

/* Errors: ESP_EFORMAT. */
ESP_MUST_CHECK esp_err raw_row_read (span text, raw_row *out);

typedef struct raw_group { /* rows of one problem: they stand together */
    problem_key key;
    uint32_t first, count; /* rows */
    uint32_t pass, of;
} raw_group;

enum {
    ROW_LEFT = 15,
    ROW_UNVERIFIED = 16,
    ROW_EVAL = 32
}; /* bits of a row's mark: enum harvest_left; its set; it stands in an evaluation set */

typedef struct raw_table { /* what is noted of the raw rows */
    dedupe *seen;          /* owned */
    raw_group *groups;     /* owned */
    size_t group_count, group_cap;
    uint8_t *marks; /* owned; one per row */
    size_t mark_cap;
} raw_table;

void raw_table_free (raw_table *t);

/* Decide: the marks say it.  Sorts the groups. */
void harvest_choose (raw_table *t, const sample_options *o, harvest_counts *counts);

typedef struct verdict_count { /* of what was written */
    char what[64];             /* "verified: pass, right-answer" */
    uint64_t rows;
} verdict_count;
enum { VERDICT_KINDS = 64 };

typedef struct harvest_result { /* of one item */
    harvest_counts counts;
    shards *files[SAMPLE_SETS]; /* owned */
    verdict_count verdicts[VERDICT_KINDS];
    size_t verdict_kinds;
} harvest_result;

typedef struct harvest_work { /* of one run */
    const harvest_setup *setup;
    char folder[4096], part[4096]; /* OUTPUT/samples, OUTPUT/samples/part */
    eval_sets *evals;              /* owned */
    calibration calibration;
    json_t *models;          /* owned; a list */
    shards *refused;         /* owned */
    harvest_result *results; /* owned; one per item */
} harvest_work;

/* Both passes over one item; shards are complete in folder `part`. */
ESP_MUST_CHECK esp_err harvest_one (harvest_work *w, size_t index, esp_error *error);

/* Manifest and card into folder. */
ESP_MUST_CHECK esp_err harvest_say (const harvest_work *w, esp_error *error);

#endif
