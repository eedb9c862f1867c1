/* SPDX-License-Identifier: Apache-2.0 */
/* aggregate.c - see aggregate.h; the order of additions and products is part of the definition */

#include "coordinator/search/aggregate.h"
#include <math.h>

double aggregate_scores (enum aggregate how, const double *scores, size_t n)
{
    double value;
    if (n == 0)
        return NAN;
    if (how == AGGREGATE_LAST)
        return scores[n - 1];
    value = scores[0];
    for (size_t i = 1; i < n; i++)
        switch (how) {
        case AGGREGATE_LAST:
            break;
        case AGGREGATE_MIN:
            value = scores[i] < value ? scores[i] : value;
            break;
        case AGGREGATE_MAX:
            value = scores[i] > value ? scores[i] : value;
            break;
        case AGGREGATE_PROD:
            value *= scores[i];
            break;
        case AGGREGATE_MEAN:
            value += scores[i];
            break;
        }
    return how == AGGREGATE_MEAN ? value / (double)n : value;
}

size_t argmax_first (const double *values, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (values[i] > values[best] || (isnan (values[best]) && !isnan (values[i])))
            best = i;
    return best;
}
