/* SPDX-License-Identifier: Apache-2.0 */
/* particle_weight.c - see particle_weight.h */

#include "coordinator/search/particle_weight.h"
#include <math.h>
#include "proto/base/fmath.h"

double particle_log_weight (double score, double clip)
{
    double p = isnan (score) || score < clip ? clip : score > 1.0 - clip ? 1.0 - clip : score;
    return esp_logit (p);
}

void particle_softmax (const double *log_weights, size_t n, double temperature, double *weights)
{
    double most = log_weights[0], sum = 0.0;
    for (size_t i = 1; i < n; i++)
        most = log_weights[i] > most ? log_weights[i] : most;
    for (size_t i = 0; i < n; i++)
        sum += weights[i] = esp_exp ((log_weights[i] - most) / temperature);
    for (size_t i = 0; i < n; i++)
        weights[i] /= sum;
}

size_t particle_draw (const double *weights, size_t n, double u)
{
    double total = 0.0, reached = 0.0;
    for (size_t i = 0; i < n; i++)
        total += weights[i];
    for (size_t i = 0; i < n; i++)
        if ((reached += weights[i]) > u * total)
            return i;
    return n - 1;
}
