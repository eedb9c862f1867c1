/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_CONFORMANCE_COMPARE_H
#define ESP_TESTS_CONFORMANCE_COMPARE_H

/* compare.h - golden README, section 4, as functions
 *
 * Each compares what the JSON says with what we got, fails the outcome with a sentence that begins with `where`
 * ("level 3, request 2: ..."), and returns whether they agree.  A field that the JSON leaves out agrees.
 */

#include "tests/conformance/golden.h"

bool compare_size (outcome *o, const char *where, size_t want, size_t got);
bool compare_int (outcome *o, const char *where, const json_t *want, int64_t got);
bool compare_text (outcome *o, const char *where, const json_t *want, span got);
/* want is the hex SHA-256 of a text. */
bool compare_sha256 (outcome *o, const char *where, const json_t *want, span got);
bool compare_exact (outcome *o, const char *where, const json_t *want, double got);
/* To a relative 1e-12. */
bool compare_near (outcome *o, const char *where, const json_t *want, double got);
/* A list, exactly. */
bool compare_numbers (outcome *o, const char *where, const json_t *want, const double *got,
                      size_t n);
bool compare_indices (outcome *o, const char *where, const json_t *want, const uint32_t *got,
                      size_t n);

/* One request: p, k, prefix, text, eos, and of its node agg, score, last, scores, avg_logprob, answer. */
bool compare_request (outcome *o, const char *where, const json_t *want, driver *d,
                      const request *got);
/* A list of them, same order. */
bool compare_requests (outcome *o, const char *where, const json_t *want, driver *d,
                       const request *got, size_t n);
/* The multiset of (p, k) of all requests under `trace` (lookahead_ask left out) is that of the driver. */
bool compare_pairs (outcome *o, const json_t *trace, driver *d);

/* counts.generations exactly, counts.generated_tokens as our accounts count them. */
bool compare_counts (outcome *o, const json_t *counts, const driver *d);

#endif
