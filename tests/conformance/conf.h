/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_CONFORMANCE_CONF_H
#define ESP_TESTS_CONFORMANCE_CONF_H

/* conf.h - the table of algorithms; README.md says how to add one */

#include "tests/conformance/golden.h"

typedef struct conf_row {
    const char *algorithm; /* the file's field */
    /* One case. */
    void (*run) (const golden_case *c, outcome *o);
    /* Files without `cases`: how many checks there are, and check i; id says what it is.  Used when run is NULL. */
    size_t (*count) (const json_t *file);
    void (*check) (const json_t *file, size_t i, char *id, size_t id_size, outcome *o);
} conf_row;

/* NULL: no strategy yet. */
const conf_row *conf_find (const char *algorithm);

/* conf_beam.c */
void conf_beam_tiled (const golden_case *c, outcome *o);
void conf_beam_fixed (const golden_case *c, outcome *o);
void conf_beam_heap (const golden_case *c, outcome *o);
/* conf_best_of_n.c */
void conf_best_of_n (const golden_case *c, outcome *o);
void conf_self_consistency (const golden_case *c, outcome *o);
/* conf_votes.c */
void conf_prm_votes (const golden_case *c, outcome *o);
/* conf_fake_rules.c */
size_t conf_fake_rules_count (const json_t *file);
void conf_fake_rules_check (const json_t *file, size_t i, char *id, size_t id_size, outcome *o);
/* conf_best_first.c */
void conf_best_first (const golden_case *c, outcome *o);
/* conf_tot.c */
void conf_tot_bfs (const golden_case *c, outcome *o);
void conf_tot_and_bandit (const golden_case *c, outcome *o);
/* conf_abmcts.c */
void conf_abmcts (const golden_case *c, outcome *o);
void conf_posteriors (const golden_case *c, outcome *o);
/* conf_omegaprm.c */
void conf_omegaprm (const golden_case *c, outcome *o);
void conf_openr_formulas (const golden_case *c, outcome *o);
/* conf_dvts.c */
void conf_dvts (const golden_case *c, outcome *o);
/* conf_rebase.c */
void conf_rebase_search (const golden_case *c, outcome *o);
void conf_rebase_allocation (const golden_case *c, outcome *o);
/* conf_particle.c */
void conf_particle (const golden_case *c, outcome *o);
/* conf_mcts.c */
void conf_mcts_puct (const golden_case *c, outcome *o);
void conf_mcts_uct_prior (const golden_case *c, outcome *o);
/* conf_rmaxts.c */
void conf_rmaxts (const golden_case *c, outcome *o);

#endif
