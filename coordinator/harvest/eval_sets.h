/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_HARVEST_EVAL_SETS_H
#define ESP_COORDINATOR_HARVEST_EVAL_SETS_H

/* eval_sets.h - does a text hold a problem that models are evaluated on?
 *
 * An evaluation problem is known by fingerprints: the hash of all its words, and the 8 smallest hashes of its runs of 8 words
 * (grams; fewer where it is short).  It stands in a text when the text's problem has the same words, or when at
 * least half of its grams, and 4 of them, stand in the text: so a changed name hides it seldom, changed numbers hide a part
 * (docs/samples.md has figures).  A problem of 5 to 10 words has too few grams: it is found where all its words stand in a row in the
 * text's problem; of fewer than 5 words, as the whole problem only.
 *
 * File of fingerprints, a line each: SET ID WORDS GRAM ... - hashes of 16 hex digits, separated by tabs; '#' starts a comment.
 * eval_fingerprints.txt is a part of the program.
 *
 * Threads: none.
 */

#include <stdbool.h>
#include "coordinator/harvest/words.h"

typedef struct eval_sets eval_sets;

/* With the shipped fingerprints.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err eval_sets_create (eval_sets **out);
void eval_sets_destroy (eval_sets *e); /* accepts NULL */

/* Add a file: fingerprints, or a problems file (JSONL, .gz, .zst; the set's name is the file's).  Errors (sentence with path and line): those of
 * line_reader_open, ESP_EFORMAT (no row asks, too), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err eval_sets_add (eval_sets *e, const char *path, esp_error *error);

typedef struct eval_hit {
    const char *set, *id; /* borrowed from the sets */
} eval_hit;

/* problem: the words of a sample's problem; all: those of its texts together.  Errors: ESP_EEMPTY (none), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err eval_sets_find (eval_sets *e, const words *problem, const words *all,
                                       eval_hit *out);
size_t eval_sets_count (const eval_sets *e); /* problems */

/* Append the line of fingerprints of one problem.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err eval_fingerprint (const char *set, span id, const words *problem,
                                         esp_buf *out);

#endif
