/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_SUPPORT_MODEL_SERVER_WORDS_H
#define ESP_TESTS_SUPPORT_MODEL_SERVER_WORDS_H

/* words.h - the test generator: what it would write behind a prompt, a pure function of (prompt, seed)
 *
 * The question's first 7 integers are put together from left to right, each by the sign before it (+ when there is
 * none), one number a step:
 *     Step 1: 12 + 7 = 19.\n\n   Step 2: Now 19 - 4 = 15.\n\n   The answer is \boxed{15}.
 * Two to six steps; one step in four (--wrong) has a wrong result, from which the next one goes on.  Fewer than two
 * numbers: made up from the question.  The question is the last user turn of a ChatML prompt, else what stands before
 * the last "Step 1:"; of it, the last line with a question mark.
 */

#include <stdbool.h>
#include "proto/base/text.h"

typedef struct words_style {
    double wrong; /* share of the steps with a wrong result */
    bool think;   /* <think> first, in which the same is said without "Step" */
} words_style;

esp_err
words_continue (span prompt, uint64_t seed, const words_style *style, esp_buf *out); /* appends */
bool words_answer (span prompt,
                   long long *answer); /* the right one; false: the question names no numbers */

#endif
