/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SEARCH_AGGREGATE_H
#define ESP_COORDINATOR_SEARCH_AGGREGATE_H

/* aggregate.h - one number from the step scores of a branch
 *
 * last = s_k, min, prod = s_1 s_2 ... s_k multiplied left to right, mean = (s_1 + ... + s_k) / k summed left to right,
 * max.  Source: search-and-learn (utils/score.py) for last, min and prod; compute-optimal-tts for mean.
 */

#include <stddef.h>

enum aggregate { AGGREGATE_LAST, AGGREGATE_MIN, AGGREGATE_PROD, AGGREGATE_MEAN, AGGREGATE_MAX };
#define AGGREGATE_CHOICES "last|min|prod|mean|max"

double aggregate_scores (enum aggregate how, const double *scores, size_t n); /* NaN when n is 0 */

/* Index of the largest of n values, the first of equals; NaN counts as smaller than all; n >= 1. */
size_t argmax_first (const double *values, size_t n);

#endif
