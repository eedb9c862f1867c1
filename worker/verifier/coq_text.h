/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_VERIFIER_COQ_TEXT_H
#define ESP_WORKER_VERIFIER_COQ_TEXT_H

/* coq_text.h - the two files that coqc gets for one proof
 *
 *     candidate   header, statement, the branch's text                    compiled as a module of its own
 *     check       header, statement (admitted: it is only stated), then
 *                 Require candidate (no Import), a constant that is the candidate's theorem at exactly our type, and its assumptions
 *
 * What the statement means is settled in the second file before anything of the candidate is read there.
 * Source of the method: tried on 89 wrong and 54 right proofs; the same check in one file was fooled by notations, modules,
 * sections and names.
 * Threads: pure.  Input is hostile.
 */

#include "proto/base/text.h"

#define COQ_CANDIDATE "Espalier_candidate"
#define COQ_CHECK     "Espalier_check"

enum { COQ_NAME_MOST = 128 };

typedef struct coq_case {
    char name[COQ_NAME_MOST];      /* of the theorem */
    size_t first_line, last_line;  /* of the branch's text in the candidate's file */
    size_t require_line, chk_line; /* in the check */
    bool
        new_types; /* the header defines what is another thing in each file: Inductive, Axiom ... */
} coq_case;

/* Append both files.  *reason: NULL, or why there is nothing to run: "no-theorem", "bad-problem" (the row's fault), "forbidden-command",
 * "proof-too-long"; *word is the forbidden one then.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err coq_files (span json, span text, esp_buf *candidate, esp_buf *check,
                                  coq_case *out, const char **reason, const char **word);

/* The first command in the text that no proof may use, or NULL. */
const char *coq_forbidden (span text);

#endif
