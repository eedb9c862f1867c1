/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SEARCH_MCTS_FORMULA_H
#define ESP_COORDINATOR_SEARCH_MCTS_FORMULA_H

/* mcts_formula.h - selection values of Monte-Carlo tree search; pure
 *
 * value         V, mean backed-up value of the child, or its initial PRM value when unvisited
 * prior         P, in [0, 1]; priors of siblings sum to 1 (PUCT)
 * parent_visits N_p, child_visits N_c; both count visits that are still in flight
 *
 * What depends on the parent alone costs a logarithm of several microseconds: a loop over siblings takes
 * the factor once.
 */

/* V + [ln ((N_p + c_base + 1) / c_base) + c_init] sqrt (N_p) / (N_c + 1) P.
 * Source: Silver et al. 2018 (AlphaZero); openreasoner/openr, reason/guided_search/tree.py (c_base 19652, c_init 1.25). */
double mcts_puct (double value, double prior, double parent_visits, double child_visits,
                  double c_base, double c_init);
/* The parent's part: [ln ((N_p + c_base + 1) / c_base) + c_init] sqrt (N_p); and the rest. */
double mcts_puct_factor (double parent_visits, double c_base, double c_init);
double mcts_puct_of (double value, double prior, double child_visits, double factor);

/* V + w sqrt (ln N_p / N_c); infinite when N_c is 0.  Source: Kocsis and Szepesvari 2006. */
double mcts_uct (double value, double parent_visits, double child_visits, double w);

/* V + w P sqrt (ln N_p / N_c).  Source: SakanaAI/treequest, algos/standard_mcts.py. */
double
mcts_uct_prior (double value, double prior, double parent_visits, double child_visits, double w);
/* The parent's part: ln N_p; and the rest.  prior 1: UCT. */
double mcts_uct_factor (double parent_visits);
double mcts_uct_of (double value, double prior, double child_visits, double factor, double w);

/* mean + w sqrt (ln total / n): an arm of a bandit that was pulled n of `total` times; infinite when n is 0.
 * Source: Auer et al. 2002 (UCB1, w = sqrt 2); the bandit of SakanaAI/treequest. */
double bandit_ucb (double mean, double n, double total, double w);

#endif
