/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SEARCH_STRATEGY_BEAM_H
#define ESP_COORDINATOR_SEARCH_STRATEGY_BEAM_H

/* strategy_beam.h - the inside of beam search, shared by strategy_beam.c and strategy_beam_sure.c */

#include "coordinator/search/strategy_help.h"

enum beam_rule { RULE_TILED, RULE_FIXED, RULE_HEAP };

typedef struct beam_options {
    int64_t keep, expand;
    int64_t width; /* 0 = keep x expand; search-and-learn allows n that keep does not divide */
    int rule;
    bool filter_duplicates, sort_completed;
} beam_options;

typedef struct beam {
    node_list done;     /* finished branches in the order they ended */
    node_list frontier; /* fixed: all candidates; heap: the nodes that were expanded, best first */
    uint32_t level;
    uint32_t places; /* heap: beam_size less the finished ones */
} beam;

const beam_options *beam_options_of (const search *s);
bool beam_last_level (const search *s, const beam *me); /* runs to the end of the sequence */
ask beam_step (const search *s, const beam *me, node_ref from, uint64_t tag);

bool beam_fixed_ended (const search *s, node_ref ref);
/* The candidates after this level, before the cut: finished ones stay where they are.  As many as me->frontier has. */
size_t beam_fixed_candidates (const search *s, const beam *me, const item *items, size_t n,
                              node_ref *out, double *scores);

/* strategy.sure */
size_t beam_sure (const search *s, const void *state, const item *items, size_t n, ask *asks,
                  size_t max, size_t *most);

#endif
