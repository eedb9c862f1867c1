/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_MERGE_ANSWER_KEY_H
#define ESP_COORDINATOR_MERGE_ANSWER_KEY_H

/* answer_key.h - the bytes that are equal for equal answers
 *
 * Votes group by key and show the first spelling (search-and-learn utils/math.py does so, with sympy for the key).
 * Pure.
 */

#include "proto/base/text.h"

enum answer_equality {
    ANSWER_BY_VALUE, /* 1/2, 0.5 and \frac{1}{2} are one answer: the canonical text of proto/answer */
    ANSWER_BY_TEXT   /* answers are equal when their bytes are */
};
#define ANSWER_EQUALITIES "value|text"

/* Replace *out by the key of an answer; empty for none.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err answer_key (span answer, enum answer_equality equality, esp_buf *out);

#endif
