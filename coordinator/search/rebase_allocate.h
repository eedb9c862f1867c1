/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SEARCH_REBASE_ALLOCATE_H
#define ESP_COORDINATOR_SEARCH_REBASE_ALLOCATE_H

/* rebase_allocate.h - how many children each candidate gets; pure
 *
 *     largest weight first (equal weights in reverse input order);  e_i = exp (w_i / T)
 *     S = sum of all e_i
 *     for i in that order:  k_i = ceil (R e_i / S);  R = R - k_i;  S = S - e_i
 *
 * weights     w_i, last PRM score of each candidate, dimensionless, not NaN
 * temperature T > 0
 * places      R, children to give away
 * counts      k_i by input index; their sum is R (0 when n is 0)
 * order       input indexes in the order of allocation
 *
 * Source: Wu et al. 2024 (arXiv:2408.00724), section 3.2; thu-wyz/inference_scaling, rebase.py.
 * Deviations, all about rounding: doubles where the reference has float32; S is summed from the
 * smallest e up, so that nothing is lost by subtraction; a quotient within 1e-12 above an integer
 * is that integer, and nobody gets more than what is left, where the reference can hand out one
 * place too many.
 * Errors: ESP_ENOMEM.
 */

#include <stddef.h>
#include <stdint.h>
#include "proto/base/err.h"

ESP_MUST_CHECK esp_err rebase_allocate (const double *weights, size_t n, double temperature,
                                        uint32_t places, uint32_t *counts, uint32_t *order);

#endif
