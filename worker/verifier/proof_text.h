/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_VERIFIER_PROOF_TEXT_H
#define ESP_WORKER_VERIFIER_PROOF_TEXT_H

/* proof_text.h - what the row of a theorem and the text of a branch bring, for every prover
 *
 * Threads: pure.  Ownership: spans returned point into the span passed in.  Input is hostile: any bytes may stand in a text.
 */

#include "proto/base/text.h"

enum { PROOF_TEXT_MOST = 256 * 1024 }; /* bytes of a proof; longer ones fail, "proof-too-long" */

/* Append the header (header, preamble or imports; may be missing) and the statement (formal_statement, statement or theorem).
 * Errors: ESP_EFORMAT (not a JSON object), ESP_ENOENT (no statement), ESP_ETOOBIG, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err proof_problem (span json, esp_buf *header, esp_buf *statement);

/* The last block between ``` whose mark is one of marks (NULL at the end) or none; without such a block the whole text. */
span proof_block (span text, const char *const *marks);

size_t proof_lines (span text); /* ends of lines in it */

#endif
