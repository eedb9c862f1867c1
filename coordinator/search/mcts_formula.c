/* SPDX-License-Identifier: Apache-2.0 */
/* mcts_formula.c - see mcts_formula.h */

#include "coordinator/search/mcts_formula.h"
#include <math.h>
#include "proto/base/fmath.h"

double mcts_puct (double value, double prior, double parent_visits, double child_visits, double c_base, double c_init)
{
    double weight = esp_ln ((parent_visits + c_base + 1.0) / c_base) + c_init;
    return value + weight * sqrt (parent_visits) / (child_visits + 1.0) * prior;
}

double mcts_uct (double value, double parent_visits, double child_visits, double w)
{
    if (child_visits <= 0.0)
        return INFINITY;
    return value + w * sqrt ((parent_visits > 1.0 ? esp_ln (parent_visits) : 0.0) / child_visits);
}

double mcts_uct_prior (double value, double prior, double parent_visits, double child_visits, double w)
{
    if (child_visits <= 0.0)
        return INFINITY;
    return value + w * prior * sqrt ((parent_visits > 1.0 ? esp_ln (parent_visits) : 0.0) / child_visits);
}
