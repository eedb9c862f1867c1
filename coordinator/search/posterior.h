/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SEARCH_POSTERIOR_H
#define ESP_COORDINATOR_SEARCH_POSTERIOR_H

/* posterior.h - what is believed about a reward after some were seen, and draws from that belief
 *
 * Gaussian: mean and variance are unknown; the conjugate belief is normal-inverse-chi-squared:
 * sigma^2 ~ Inv-Gamma (nu / 2, nu tau^2 / 2), mu ~ N (m, sigma^2 / kappa).  Beta: rewards in [0, 1] count as
 * fractions of successes.
 *
 * Source: Inoue et al. 2025, arXiv:2503.04412, section 3 (AB-MCTS-A); Murphy 2007,
 * "Conjugate Bayesian analysis of the Gaussian distribution", section 5; SakanaAI/treequest, algos/ab_mcts_a/prob_state.py.
 * Threads: pure.  A draw takes as many uniforms as it needs, so equal uniforms give equal draws on every machine (fmath.h).
 */

#include <stdint.h>

typedef struct moments { /* of the rewards seen; zero-initialise */
    double mean;
    double deviations; /* sum of (x - mean)^2 */
    uint32_t count;
} moments;
void moments_add (moments *m, double x);
void moments_join (moments *m, const moments *more); /* as if all of `more` had been added */

typedef struct gaussian_belief {
    double m, kappa, nu, tau_square;
} gaussian_belief;
typedef struct beta_belief {
    double a, b;
} beta_belief;

/* n observations with mean a and v = deviations:
 *     kappa' = kappa + n;  nu' = nu + n;  m' = (kappa m + n a) / kappa';
 *     tau2' = (nu tau2 + v + n kappa (m - a)^2 / (kappa + n)) / nu' */
gaussian_belief gaussian_update (gaussian_belief prior, const moments *seen);
/* a' = a + sum x, b' = b + sum (1 - x) */
beta_belief beta_update (beta_belief prior, const moments *seen);

/* Mean and standard deviation of the believed mean: sqrt (tau2 / kappa) as treequest has it; of the beta. */
double gaussian_mean_sd (gaussian_belief b, double *sd);
double beta_mean_sd (beta_belief b, double *sd);

typedef struct uniforms { /* where draws come from: each call the next number in [0, 1) */
    double (*next) (void *ctx);
    void *ctx;
} uniforms;
double draw_normal (uniforms u);              /* Box and Muller 1958 */
double draw_gamma (double shape, uniforms u); /* scale 1, shape > 0; Marsaglia and Tsang 2000 */
double draw_gaussian_belief (gaussian_belief b, uniforms u); /* mu */
double draw_beta_belief (beta_belief b, uniforms u);         /* X / (X + Y), X and Y gamma */

#endif
