/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_ANSWER_ANSWER_EXPR_H
#define ESP_PROTO_ANSWER_ANSWER_EXPR_H

/* answer_expr.h - tokens that are one expression, evaluated exactly
 *
 * sums, products (also without a sign between), a/b, \frac, mixed numbers, powers, \sqrt, \pi, i, letters.  What could be read in two
 * ways is not read: 1/2x, 1/3\sqrt{2}, 3\frac{5}{2}, 2 3, \sqrt13, --1.
 * Threads: pure.  Errors: ESP_EUNSUPPORTED (not understood), ESP_ENOMEM.
 */

#include "proto/answer/answer_poly.h"
#include "proto/answer/answer_token.h"

/* sign +1: \pm is +, \mp is -; -1: the other way.  *two_values: a \pm or \mp was read. */
ESP_MUST_CHECK esp_err answer_expr_read (answer_part part, int sign, answer_poly **out,
                                         bool *two_values);

#endif
