/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_SUPPORT_MODEL_SERVER_JUDGE_H
#define ESP_TESTS_SUPPORT_MODEL_SERVER_JUDGE_H

/* judge.h - the test PRM: how good is a solution so far
 *
 * It recomputes the last equation "a + b = c" of the text (+, -, *, x, /): right gives 0.55..0.99, wrong 0.05..0.60, by
 * the hash of the equation, so that some wrong steps look better than some right ones; half of that when an earlier
 * equation is wrong; 0.5..0.7 when there is none.  A step without an equation is as good as the text before it.
 */

#include <stdbool.h>
#include "proto/base/text.h"

double judge_text (span text); /* P(good), in (0, 1) */

/* A prompt whose next token is a judgement: its last turn (the text before a final "ки", the last user turn, or all of
 * a plain text that ends in "?" or ":") holds an equation, or asks for Yes or No. */
bool judge_is_asked (span prompt);

/* The words of a judgement for this prompt: {"+", "-"}, or {" Yes", " No"} where it mentions both. */
void judge_labels (span prompt, const char *labels[2]);

/* The answer of a generative PRM (ThinkPRM's layout): one verdict a step, then Yes or No.  Appends. */
bool judge_critique_is_asked (span prompt);
esp_err judge_critique (span prompt, esp_buf *out);

#endif
