/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_VERIFIER_LEAN_REPLY_H
#define ESP_WORKER_VERIFIER_LEAN_REPLY_H

/* lean_reply.h - a verdict from what the Lean 4 REPL, or a Kimina server around it, answered
 *
 *     {"env": 1, "messages": [{"severity": "error", "pos": {"line": 2, "column": 4}, "data": ".."}], "sorries": [..]}
 *
 * Pass only without an error, without sorries, without "declaration uses 'sorry'", and when #print axioms answered for this very name
 * and every axiom that any such message lists is allowed.
 * Source: the REPL's README and JSON.lean.  Not tried against a real Lean here.
 * Threads: pure.  What Lean said is hostile: the candidate has a hand in it.
 */

#include <jansson.h>
#include "proto/model/task.h"
#include "worker/verifier/lean_text.h"

enum { LEAN_OBSERVATION_MOST = 2000 };

typedef struct lean_verdict {
    uint8_t verdict;    /* enum verdict */
    const char *reason; /* static */
} lean_verdict;

typedef struct lean_rules {
    const char *const *allowed; /* axioms */
    size_t allowed_count;
    size_t header_lines; /* in front of the body, where both are one text */
} lean_rules;

/* Append to *observation what helps to repair the proof.  Errors: ESP_EFORMAT (no answer of a REPL), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err lean_judge (const lean_case *c, const json_t *said, const lean_rules *rules,
                                   lean_verdict *out, esp_buf *observation);

/* The environment that a header made.  Errors: ESP_EFORMAT (no answer of a REPL), ESP_EINVAL (the header has errors). */
ESP_MUST_CHECK esp_err lean_env (const json_t *said, int64_t *env);

#endif
