/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_VERIFIER_ANSWER_FORM_H
#define ESP_WORKER_VERIFIER_ANSWER_FORM_H

/* answer_form.h - final answers: found in a text, brought to one form, compared
 *
 * Numbers (integers, decimals, a/b, \frac{a}{b}, thousands commas, percent) are exact rationals; everything
 * else is a string.  Nothing is guessed: what cannot be compared is "unknown".
 * Threads: pure.  Texts are hostile.
 */

#include "proto/base/text.h"
#include "proto/model/task.h"

enum { ANSWER_BYTES = 4096 }; /* a longer answer is no answer */

/* The last \boxed{...} of the text, else what follows the last "####" on its line, trimmed. */
bool answer_find (span text, span *answer);

typedef struct answer_form answer_form; /* private to answer_form.c */

/* Errors: ESP_EFORMAT (empty, longer than ANSWER_BYTES), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err answer_form_create (span answer, answer_form **out);
void answer_form_destroy (answer_form *a); /* accepts NULL */

/* Canonical text: "-3/4" for numbers, the string without decoration else.  Valid as long as the form. */
span answer_form_text (const answer_form *a);

/* VERDICT_PASS, VERDICT_FAIL or VERDICT_UNKNOWN. */
enum verdict answer_form_compare (const answer_form *a, const answer_form *reference);

#endif
