/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SEARCH_STRATEGIES_H
#define ESP_COORDINATOR_SEARCH_STRATEGIES_H

/* strategies.h - the rows of strategy_table.c, one per strategy, each defined in its own file */

#include "coordinator/search/strategy.h"

extern const strategy strategy_best_of_n, strategy_greedy;
extern const strategy strategy_beam, strategy_dvts, strategy_rebase, strategy_particle,
    strategy_mcts, strategy_rmaxts;
extern const strategy strategy_best_first, strategy_tot, strategy_ab_mcts, strategy_omegaprm,
    strategy_math_shepherd;

#endif
