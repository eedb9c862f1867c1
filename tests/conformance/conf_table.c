/* SPDX-License-Identifier: Apache-2.0 */
/* conf_table.c - one row per algorithm of the golden files */

#include <string.h>
#include "tests/conformance/conf.h"

static const conf_row table[] = {
    {"beam_search", conf_beam_tiled, NULL, NULL},
    {"beam_search_fixed_keep", conf_beam_fixed, NULL, NULL},
    {"beam_search_heap", conf_beam_heap, NULL, NULL},
    {"best_of_n_and_votes", conf_best_of_n, NULL, NULL},
    {"best_of_n_and_self_consistency", conf_self_consistency, NULL, NULL},
    {"prm_votes", conf_prm_votes, NULL, NULL},
    {"best_first", conf_best_first, NULL, NULL},
    {"tot_bfs", conf_tot_bfs, NULL, NULL},
    {"tot_bfs_and_bandit_ucb", conf_tot_and_bandit, NULL, NULL},
    {"ab_mcts_a", conf_abmcts, NULL, NULL},
    {"ab_mcts_a_posteriors", conf_posteriors, NULL, NULL},
    {"omegaprm", conf_omegaprm, NULL, NULL},
    {"puct_and_omegaprm_priority", conf_openr_formulas, NULL, NULL},
    {"dvts", conf_dvts, NULL, NULL},
    {"rebase", conf_rebase_search, NULL, NULL},
    {"rebase_allocation", conf_rebase_allocation, NULL, NULL},
    {"particle_filtering", conf_particle, NULL, NULL},
    {"mcts_puct", conf_mcts_puct, NULL, NULL},
    {"mcts_uct_prior", conf_mcts_uct_prior, NULL, NULL},
    {"rmaxts", conf_rmaxts, NULL, NULL},
    {"fake_rules", NULL, conf_fake_rules_count, conf_fake_rules_check},
};

const conf_row *conf_find (const char *algorithm)
{
    for (size_t i = 0; i < sizeof (table) / sizeof (table[0]); i++)
        if (strcmp (table[i].algorithm, algorithm) == 0)
            return &table[i];
    return NULL;
}
