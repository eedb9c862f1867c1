/* SPDX-License-Identifier: Apache-2.0 */
/* strategy_table.c - one row per strategy */

#include <string.h>
#include "coordinator/search/strategies.h"

static const strategy *const table[] = {
    &strategy_greedy,        &strategy_best_of_n, &strategy_beam,    &strategy_dvts,
    &strategy_rebase,        &strategy_particle,  &strategy_mcts,    &strategy_rmaxts,
    &strategy_best_first,    &strategy_tot,       &strategy_ab_mcts, &strategy_omegaprm,
    &strategy_math_shepherd,
};
enum { STRATEGIES = sizeof (table) / sizeof (table[0]) };

const strategy *strategy_find (const char *name)
{
    for (size_t i = 0; name && i < STRATEGIES; i++)
        if (strcmp (table[i]->name, name) == 0)
            return table[i];
    return NULL;
}

const strategy *strategy_at (size_t index)
{
    return index < STRATEGIES ? table[index] : NULL;
}
