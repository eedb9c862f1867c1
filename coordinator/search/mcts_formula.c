/* SPDX-License-Identifier: Apache-2.0 */
/* mcts_formula.c - see mcts_formula.h */

#include "coordinator/search/mcts_formula.h"
#include <math.h>
#include "proto/base/fmath.h"

double mcts_puct_factor (double parent_visits, double c_base, double c_init)
{
    double weight = esp_ln ((parent_visits + c_base + 1.0) / c_base) + c_init;
    return weight * sqrt (parent_visits);
}

double mcts_puct_of (double value, double prior, double child_visits, double factor)
{
    return value + factor / (child_visits + 1.0) * prior;
}

double mcts_puct (double value, double prior, double parent_visits, double child_visits,
                  double c_base, double c_init)
{
    return mcts_puct_of (value, prior, child_visits,
                         mcts_puct_factor (parent_visits, c_base, c_init));
}

double mcts_uct_factor (double parent_visits)
{
    return parent_visits > 1.0 ? esp_ln (parent_visits) : 0.0;
}

double mcts_uct_of (double value, double prior, double child_visits, double factor, double w)
{
    if (child_visits <= 0.0)
        return INFINITY;
    return value + w * prior * sqrt (factor / child_visits);
}

double mcts_uct (double value, double parent_visits, double child_visits, double w)
{
    return mcts_uct_of (value, 1.0, child_visits, mcts_uct_factor (parent_visits), w);
}

double
mcts_uct_prior (double value, double prior, double parent_visits, double child_visits, double w)
{
    return mcts_uct_of (value, prior, child_visits, mcts_uct_factor (parent_visits), w);
}

double bandit_ucb (double mean, double n, double total, double w)
{
    return mcts_uct (mean, total, n, w);
}
