/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_HARVEST_HARVEST_H
#define ESP_COORDINATOR_HARVEST_HARVEST_H

/* harvest.h - raw rows become the samples of a run (design.md, D9)
 *
 *     OUTPUT/samples/raw/NAME.jsonl.zst     what the search gave, in the order in which problems ended
 *     OUTPUT/samples/NAME-00000.jsonl.zst   samples, verified
 *     OUTPUT/samples/NAME-unverified-...    those that no verifier decided
 *     OUTPUT/samples/refused.jsonl          samples whose problem stands in an evaluation set
 *     OUTPUT/samples/manifest.json          files with rows, bytes, SHA-256; counts of what was left out and why
 *     OUTPUT/samples/README.md              dataset card
 *
 * Two passes over the raw rows.  The first notes a few bytes of each; then it is decided in problem-number order (repeats of a
 * problem together) what is kept: evaluation sets, pass rate, equal content, near-duplicates, `want`, then balance.  The second writes.
 * A pure function of the raw rows and the options: it may be repeated, also with other options, also while the run goes on (then of what is
 * finished).  manifest.json is written last and taken away first: where it stands, the files are whole.
 *
 * Threads: none.  Errors carry sentences that name files.
 */

#include "coordinator/harvest/calibrate.h"
#include "coordinator/sink/samples.h"

enum harvest_left { /* why a raw row is no sample */
                    LEFT_KEPT,
                    LEFT_EVAL,
                    LEFT_PASS_RATE,
                    LEFT_EQUAL,
                    LEFT_NEAR,
                    LEFT_WANT,
                    LEFT_BALANCE,
                    LEFT_KINDS
};
extern const char *const harvest_left_names[LEFT_KINDS]; /* "kept", "evaluation set", ... */

typedef struct harvest_counts {
    uint64_t raw, problems; /* problems that gave a raw row */
    uint64_t left[SAMPLE_SETS][LEFT_KINDS];
    uint64_t eval_kept; /* of evaluation sets, kept as allow_eval says */
} harvest_counts;

typedef struct harvest_setup { /* borrowed */
    const char *output;
    const sample_plan *plan;
    const char *name; /* of the run, for the card */
    span
        models; /* JSON list for the manifest and the card: what servers said of themselves; "" = as the last manifest says */
    int equality; /* enum answer_equality: vote.equal */
    bool calibrate;
    /* Told of what is being done, now and then; may be NULL. */
    void (*progress) (void *ctx, const char *item_name, uint64_t rows);
    void *ctx;
} harvest_setup;

/* counts: one for each item of the plan; may be NULL.
 * Errors: ESP_ENOENT (no raw rows), ESP_EFORMAT (raw rows or an evaluation file damaged), ESP_ENOSPC, ESP_EIO, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err harvest_run (const harvest_setup *setup, harvest_counts *counts,
                                    esp_error *error);

#endif
