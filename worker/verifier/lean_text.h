/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_VERIFIER_LEAN_TEXT_H
#define ESP_WORKER_VERIFIER_LEAN_TEXT_H

/* lean_text.h - the Lean 4 text of one proof: our statement, the branch's proof, and the question which axioms it rests on
 *
 *     theorem t : 1 + 1 = 2
 *       := by
 *       norm_num
 *
 *     #print axioms t
 *
 * The statement is always ours: where the branch states the theorem again, only what follows that statement is taken.
 * Threads: pure.  Input is hostile.
 */

#include "proto/base/text.h"

enum { LEAN_NAME_MOST = 128 };

typedef struct lean_case {
    char name[LEAN_NAME_MOST]; /* of the theorem */
    size_t by_line; /* of ":= by", counted from 1 in the body: errors above are the statement's */
} lean_case;

/* Append the header (empty: the row has none) and the body.  *reason: NULL, or why there is nothing to run: "no-theorem", "bad-problem"
 * (the row's fault), "forbidden-command", "statement-changed", "proof-too-long"; *word is the forbidden one then.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err lean_body (span json, span text, esp_buf *header, esp_buf *body,
                                  lean_case *out, const char **reason, const char **word);

/* The first word in the proof that none may use, outside of comments and strings, or NULL. */
const char *lean_forbidden (span text);

#endif
