/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SINK_SAMPLES_H
#define ESP_COORDINATOR_SINK_SAMPLES_H

/* samples.h - section `samples`: which formats a run writes, and the raw rows of a finished problem
 *
 * While the run goes on every item writes raw rows to samples/raw/NAME.jsonl.zst: a row file of the journal, so each row
 * stands there exactly once whatever was killed (D9).  What compares problems - duplicates, caps, balance, evaluation sets - is decided
 * afterwards in problem-number order by harvest.h, which can be repeated with other settings.
 *
 * Raw row: {"key":K,"set":0,"pass":3,"of":8,"sample":{...}}: the problem's key, enum sample_set, how many of its decided branches passed.
 *
 * Threads: none.  Errors: ESP_ENOMEM.
 */

#include "coordinator/sink/sample.h"

typedef struct sample_options {
    const char *format; /* required */
    const char *name;   /* of its files; NULL: the format's */
    int64_t want;       /* distinct verified samples per problem; 0 = all */
    bool allow_eval;
    esp_strings eval_files;     /* more evaluation sets */
    bool dedupe;                /* equal content once */
    int64_t near;               /* bits of SimHash; -1 = off */
    double pass_low, pass_high; /* pass rate of the problem */
    double balance;             /* 0 = off */
    int64_t shard_bytes;
    bool compress;
} sample_options;
extern const esp_option sample_option_rows[];

typedef struct sample_item { /* one item of `samples` */
    sample_options options;
    const sample_format *format;
    void *own; /* owned: the format's own options */
} sample_item;

typedef struct sample_plan { /* one per run */
    sample_item *items;      /* owned */
    size_t count;
    const char **
        row_files; /* owned: the fixed row files (rows.h), then one for each item; names owned too */
    size_t row_file_count;
    esp_buf
        origin; /* owned: members of `meta` that are the same for the whole run: "\"run\":...,": provenance without host, time or secret */
} sample_plan;

/* After items, formats and origin are filled: the names of the row files. */
ESP_MUST_CHECK esp_err sample_plan_names (sample_plan *p);
void sample_plan_free (sample_plan *p);            /* accepts a zeroed struct */
unsigned sample_plan_needs (const sample_plan *p); /* of all its formats together */

/* When a search of independent samples is enough for all items together; no rule where one of them wants everything. */
stop_rule sample_plan_stop (const sample_plan *p);

/* Append the raw rows of a finished problem: rows[i] for item i. */
ESP_MUST_CHECK esp_err samples_of_search (const search *s, const branches *b, const sample_plan *p,
                                          esp_buf *rows);
/* The lines of one format as they are, for `espalier export`; sets: 1 << SAMPLE_VERIFIED and so on. */
ESP_MUST_CHECK esp_err samples_plain (const search *s, const branches *b, const sample_item *one,
                                      span origin, unsigned sets, esp_buf *out);

#endif
