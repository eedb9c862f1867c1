/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SEARCH_REBASE_ALLOCATE_H
#define ESP_COORDINATOR_SEARCH_REBASE_ALLOCATE_H

/* rebase_allocate.h - how many children each candidate gets
 *
 *     largest weight first (equal weights in reverse input order);  e_i = exp (w_i / T);  S = sum of all e_i
 *     for i in that order:  k_i = ceil (R e_i / S);  R = R - k_i;  S = S - e_i
 *
 * weights     w_i, last PRM score of each candidate, dimensionless
 * temperature T > 0
 * places      R, children to give away
 * counts      k_i by input index; their sum is R (or 0 when n is 0)
 * order       input indexes in the order of allocation
 *
 * Source: Wu et al. 2024 (arXiv:2408.00724), section 3.2; thu-wyz/inference_scaling, rebase.py.  Deviations: doubles where
 * the reference has float32; the last candidate gets exactly what is left, where rounding can make the reference overshoot by one.
 * Errors: ESP_ENOMEM.
 */

#include <stddef.h>
#include <stdint.h>
#include "proto/base/err.h"

ESP_MUST_CHECK esp_err rebase_allocate (const double *weights, size_t n, double temperature, uint32_t places,
                                        uint32_t *counts, uint32_t *order);

#endif
