/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_ANSWER_ANSWER_POLY_H
#define ESP_PROTO_ANSWER_ANSWER_POLY_H

/* answer_poly.h - exact sums of terms: rational * sqrt(d) * pi^k * i * powers of letters
 *
 * d is a squarefree whole number, so that equal values have equal terms: square roots of different squarefree numbers are
 * linearly independent over the rationals (Besicovitch 1940), pi is transcendental, letters are free.
 * Threads: pure.
 * Errors:  ESP_ENOMEM; ESP_EUNSUPPORTED when the value leaves this form or its limits (64 terms, numbers of 16,384 bits,
 *          square roots of numbers up to 2^36); the operand *a may then hold anything that can be destroyed.
 */

#include <stdbool.h>
#include "proto/base/err.h"
#include "proto/base/text.h"

typedef struct answer_poly answer_poly; /* private to answer_poly_private.h */

/* "1,234.5e-3": the spelling of ANSWER_NUMBER. */
ESP_MUST_CHECK esp_err answer_poly_number (span text, answer_poly **out);
/* 0.1\overline{6}: += period / (10^decimals * (10^n - 1)), n the digits of the period. */
ESP_MUST_CHECK esp_err answer_poly_repeat (answer_poly *a, size_t decimals, span period);
ESP_MUST_CHECK esp_err answer_poly_letter (char c,
                                           answer_poly **out); /* 'i' is the imaginary unit */
ESP_MUST_CHECK esp_err answer_poly_pi (answer_poly **out);
void answer_poly_destroy (answer_poly *p); /* accepts NULL */

ESP_MUST_CHECK esp_err answer_poly_add (answer_poly *a, const answer_poly *b, bool minus);
ESP_MUST_CHECK esp_err answer_poly_multiply (answer_poly *a, const answer_poly *b);
ESP_MUST_CHECK esp_err answer_poly_divide (answer_poly *a, const answer_poly *b);
ESP_MUST_CHECK esp_err answer_poly_power (answer_poly *a, const answer_poly *exponent);
ESP_MUST_CHECK esp_err answer_poly_root (answer_poly *a, unsigned long index);
void answer_poly_negate (answer_poly *a);
/* Divide by the coefficient of the first term. */
ESP_MUST_CHECK esp_err answer_poly_lead_with_one (answer_poly *a);

/* Append "1/2*x^{2}-3*\sqrt{2}"; "0" for nothing. */
ESP_MUST_CHECK esp_err answer_poly_print (const answer_poly *p, esp_buf *out);

bool answer_poly_is_rational (const answer_poly *p);
bool answer_poly_has_letters (const answer_poly *p);
bool answer_poly_has_letter (const answer_poly *p, char c);
bool answer_poly_has_pi (const answer_poly *p);
int answer_poly_order (const answer_poly *a,
                       const answer_poly *b); /* of two rationals: <0, 0, >0 */
bool answer_poly_equal (const answer_poly *a, const answer_poly *b);
/* a is factor times b. */
ESP_MUST_CHECK esp_err answer_poly_scaled (const answer_poly *a, unsigned long factor,
                                           const answer_poly *b, bool *out);
/* One is a constant c, the other c times letters: "5 m" and "5". */
bool answer_poly_letters_apart (const answer_poly *a, const answer_poly *b);

#endif
