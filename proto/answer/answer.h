/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_ANSWER_ANSWER_H
#define ESP_PROTO_ANSWER_ANSWER_H

/* answer.h - final answers: found in a text, brought to one form, compared
 *
 * Both ends use it: votes group answers whose forms have one text, the verifier compares a form with that of the reference.
 * Values are exact (rationals, square roots, powers of pi, i, letters), and so is every list of them; nothing is rounded
 * and nothing is guessed: what is not understood equals only what is written alike, and differs from nothing.
 * docs/answers.md lists what is understood.
 *
 * Ownership: spans returned point into the text or the form they come from.
 * Threads:   pure.
 * Errors:    texts are hostile: their length, depth and the size of numbers are bounded, and finding is linear.
 */

#include <stdbool.h>
#include "proto/base/err.h"
#include "proto/base/text.h"

enum {
    ANSWER_BYTES = 4096, /* a longer answer is no answer */
    ANSWER_PHRASE = 200  /* the same for what follows "the answer is" */
};

/* The answer that a text states, trimmed, never empty: the last \boxed{...} or \fbox{...} that closes (or \boxed 5), else what
 * follows the last "####" on its line, else what stands below the last heading "# Answer", else what follows the last "answer is" or
 * "answer:", else a "(B)" at the very end.
 * Sources: search-and-learn utils/qwen_math_parser.py (last box), GSM8K (####), PRM800K ("# Answer"), math-verify parser.py (phrases). */
bool answer_find (span text, span *answer);

typedef struct answer_form answer_form; /* private to answer_form.c */

/* Errors: ESP_EINVAL (out is NULL), ESP_EFORMAT (nothing in it, or longer than ANSWER_BYTES), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err answer_form_create (span answer, answer_form **out);
void answer_form_destroy (answer_form *a); /* accepts NULL */

/* Canonical text, valid as long as the form: "-3/4", "1+2*\sqrt{3}", "(2, \infty)", "even".  The form of this text has the
 * same text. */
span answer_form_text (const answer_form *a);

/* False: the text is compared as it stands. */
bool answer_form_understood (const answer_form *a);

enum answer_match {
    ANSWER_SAME,   /* equal values, or equal texts */
    ANSWER_OTHER,  /* both are understood, and their values differ */
    ANSWER_UNKNOWN /* one is not understood, or it depends on what was meant (50 and 50%) */
};

/* Symmetric; a form is the same as itself and as the form of its own text.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err answer_form_compare (const answer_form *a, const answer_form *b,
                                            enum answer_match *out);

#endif
