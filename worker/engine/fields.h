/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_ENGINE_FIELDS_H
#define ESP_WORKER_ENGINE_FIELDS_H

/* fields.h - what engines and verifiers read from a problem and from a text
 *
 * Threads: pure.  Ownership: spans returned point into the span passed in.
 * Input is hostile: any bytes may stand in a text.
 */

#include "worker/engine/engine.h"

/* Append the question to *out: the first of question_fields, else the whole JSON.
 * Errors: ESP_EFORMAT (not a JSON object), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err fields_question (span json, esp_buf *out);

/* Append the reference answer to *out: the first of gold_fields, a string or a
 * number.  Errors: ESP_EFORMAT, ESP_ENOENT (no such field), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err fields_answer (span json, esp_buf *out);

/* Append the texts of the job's steps; up to step `count` (at most j->step_count). */
ESP_MUST_CHECK esp_err fields_join (const job *j, size_t count, esp_buf *out);

/* Content of the last \boxed{...} with balanced braces; false if there is none.  Only the last
 * few openings are tried, so that a hostile text costs linear time. */
bool fields_boxed (span text, span *content);

/* Words are the tokens of models without a tokenizer: maximal runs of bytes that are not space or newline. */
uint32_t fields_words (span text);
/* The part of text that ends with word number `max`; text itself if it has no more words. */
span fields_cut_words (span text, uint32_t max);

/* Next piece of *rest that ends with separator (or with the text), without the separator; false at the
 * end.  Empty pieces are returned too. */
bool fields_piece (span *rest, const char *separator, span *piece);

#endif
