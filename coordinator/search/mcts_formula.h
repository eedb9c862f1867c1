/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SEARCH_MCTS_FORMULA_H
#define ESP_COORDINATOR_SEARCH_MCTS_FORMULA_H

/* mcts_formula.h - selection values of Monte-Carlo tree search; pure
 *
 * value         V, mean backed-up value of the child, or its initial PRM value when unvisited
 * prior         P, in [0, 1]; priors of siblings sum to 1 (PUCT)
 * parent_visits N_p, child_visits N_c; both count visits that are still in flight
 */

/* V + [ln ((N_p + c_base + 1) / c_base) + c_init] sqrt (N_p) / (N_c + 1) P.
 * Source: Silver et al. 2018 (AlphaZero); openreasoner/openr, reason/guided_search/tree.py (c_base 19652, c_init 1.25). */
double mcts_puct (double value, double prior, double parent_visits, double child_visits, double c_base, double c_init);

/* V + w sqrt (ln N_p / N_c); infinite when N_c is 0.  Source: Kocsis and Szepesvari 2006. */
double mcts_uct (double value, double parent_visits, double child_visits, double w);

/* V + w P sqrt (ln N_p / N_c).  Source: SakanaAI/treequest, algos/standard_mcts.py. */
double mcts_uct_prior (double value, double prior, double parent_visits, double child_visits, double w);

#endif
