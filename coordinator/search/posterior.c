/* SPDX-License-Identifier: Apache-2.0 */
/* posterior.c - see posterior.h
 *
 * Moments are kept as mean and deviations (Welford 1962; joined as Chan et al. 1979 do), because sums of squares would lose the
 * variance of rewards that are nearly equal.
 */

#include "coordinator/search/posterior.h"
#include <math.h>
#include "proto/base/fmath.h"

void moments_add (moments *m, double x)
{
    double before = x - m->mean;
    m->count++;
    m->mean += before / m->count;
    m->deviations += before * (x - m->mean);
}

void moments_join (moments *m, const moments *more)
{
    double n = (double)m->count + more->count, apart = more->mean - m->mean;
    if (more->count == 0)
        return;
    m->deviations += more->deviations + apart * apart * ((double)m->count * more->count / n);
    m->mean += apart * (more->count / n);
    m->count += more->count;
}

gaussian_belief gaussian_update (gaussian_belief prior, const moments *seen)
{
    double n = seen->count, apart = prior.m - seen->mean;
    gaussian_belief b = {.kappa = prior.kappa + n, .nu = prior.nu + n};
    if (seen->count == 0)
        return prior;
    b.m = (prior.kappa * prior.m + n * seen->mean) / b.kappa;
    b.tau_square = (prior.nu * prior.tau_square + seen->deviations +
                    n * prior.kappa * apart * apart / (prior.kappa + n)) /
                   b.nu;
    return b;
}

beta_belief beta_update (beta_belief prior, const moments *seen)
{
    double sum = seen->count * seen->mean;
    return (beta_belief){prior.a + sum, prior.b + (seen->count - sum)};
}

double gaussian_mean_sd (gaussian_belief b, double *sd)
{
    *sd = sqrt (b.tau_square / b.kappa);
    return b.m;
}

double beta_mean_sd (beta_belief b, double *sd)
{
    double sum = b.a + b.b;
    *sd = sqrt (b.a * b.b / (sum * sum * (sum + 1.0)));
    return b.a / sum;
}

/* ---- draws ---- */

static double above_zero (uniforms u) /* in (0, 1]: fit for a logarithm */
{
    return 1.0 - u.next (u.ctx);
}

double draw_normal (uniforms u)
{
    static const double two_pi = 6.283185307179586;
    double radius = sqrt (-2.0 * esp_ln (above_zero (u)));
    return radius * esp_cos (two_pi * u.next (u.ctx));
}

/* shape >= 1: squeeze-free form of the method; about 1.05 rounds a draw. */
static double large_gamma (double shape, uniforms u)
{
    double d = shape - 1.0 / 3.0, c = 1.0 / sqrt (9.0 * d);
    for (;;) {
        double x = draw_normal (u), v = 1.0 + c * x;
        v = v * v * v;
        if (v > 0.0 && esp_ln (above_zero (u)) < 0.5 * x * x + d - d * v + d * esp_ln (v))
            return d * v;
    }
}

double draw_gamma (double shape, uniforms u)
{
    double g;
    if (shape >= 1.0)
        return large_gamma (shape, u);
    g = large_gamma (shape + 1.0, u);
    return g * esp_pow (above_zero (u), 1.0 / shape);
}

double draw_gaussian_belief (gaussian_belief b, uniforms u)
{
    static const double least =
        1e-280; /* a small shape can underflow; the variance must stay finite */
    double g = draw_gamma (b.nu / 2.0, u);
    double variance = b.nu * b.tau_square / 2.0 / (g > least ? g : least);
    return b.m + sqrt (variance / b.kappa) * draw_normal (u);
}

double draw_beta_belief (beta_belief b, uniforms u)
{
    double x = draw_gamma (b.a, u), y = draw_gamma (b.b, u);
    return x + y > 0.0 ? x / (x + y) : b.a / (b.a + b.b);
}
