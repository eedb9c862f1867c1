/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_HARVEST_WORDS_H
#define ESP_COORDINATOR_HARVEST_WORDS_H

/* words.h - a text as the hashes of its words, for near-duplicates and evaluation sets
 *
 * A word is a longest run of ASCII letters and digits, and of characters that are not ASCII, but those that are spaces, punctuation, signs
 * or arrows (no-break spaces, typographic quotes and dashes, full-width commas ...); soft hyphens, byte order marks and what else is not
 * seen are not there.  ASCII letters count as small ones.  So layout, punctuation and LaTeX signs do not matter, numbers and names do.
 *
 * Threads: pure.  The same on every machine.
 */

#include "proto/base/text.h"

enum { GRAM_WORDS = 8 }; /* words of a gram: long enough that two texts share none by chance */

typedef struct words {
    uint64_t *items; /* owned */
    size_t count, capacity;
} words;

/* Append the words of text.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err words_add (words *w, span text);
void words_free (words *w);

/* Hash of the n words from `at` on. */
uint64_t words_gram (const words *w, size_t at, size_t n);

/* SimHash: each run of 3 words votes for the bits of its hash; texts that share most runs differ in few bits.
 * Charikar 2002; Manku, Jain, Das Sarma 2007 (there: weighted features; here each counts once for each time it stands there). */
uint64_t words_simhash (const words *w);

#endif
