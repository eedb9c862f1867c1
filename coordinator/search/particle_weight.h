/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SEARCH_PARTICLE_WEIGHT_H
#define ESP_COORDINATOR_SEARCH_PARTICLE_WEIGHT_H

/* particle_weight.h - what particles weigh and which one a draw takes; pure
 *
 * Source: Puri et al. 2025 (arXiv:2502.01618), section 3; its_hub, algorithms/particle_gibbs.py.
 * The weight is that of the present step, no product: resampling resets the rest.
 */

#include <stddef.h>

/* ln (x / (1 - x)), x = score kept in [clip, 1 - clip]; a score that is NaN counts as clip. */
double particle_log_weight (double score, double clip);

/* weights[i] = exp ((l_i - max l) / temperature) / sum; n >= 1. */
void particle_softmax (const double *log_weights, size_t n, double temperature, double *weights);

/* Inverse CDF: c_i = c_(i-1) + w_i in index order; the first i with c_i > u c_last, the last index
 * when there is none.  u in [0, 1); n >= 1. */
size_t particle_draw (const double *weights, size_t n, double u);

#endif
