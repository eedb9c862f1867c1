/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_COORDINATOR_SEARCH_SELECTS_H
#define ESP_TESTS_UNIT_COORDINATOR_SEARCH_SELECTS_H

/* selects.h - is strategy.select what joined() asks, and does it leave everything as it was?
 *
 * The strategy under test gets a joined() that runs select on a copy of the state first.
 */

#include "tests/unit/coordinator/search/plays.h"

enum { SELECT_ASKS = 4096, SELECT_STATE = 256 };

static const strategy *select_of; /* under test */
static size_t select_joins, select_asks;

static inline esp_err select_joined (search *s, void *me, join_id id, const item *items, size_t n)
{
    static ask asks[SELECT_ASKS];
    char copy[SELECT_STATE];
    uint32_t before = tree_size (search_tree (s));
    size_t count, few;
    esp_err err;
    CU_ASSERT_FATAL (select_of->state_bytes <= SELECT_STATE);
    memcpy (copy, me, select_of->state_bytes);
    few = select_of->select (s, copy, items, n, asks, 1);
    memcpy (copy, me, select_of->state_bytes);
    count = select_of->select (s, copy, items, n, asks, SELECT_ASKS);
    CHECK (few == count && tree_size (search_tree (s)) == before);
    err = select_of->joined (s, me, id, items, n);
    CHECK (err != ESP_OK || tree_size (search_tree (s)) == before + count);
    for (size_t i = 0; err == ESP_OK && i < count && before + i < tree_size (search_tree (s)); i++)
        CHECK (search_node (s, before + (node_ref)i)->parent == asks[i].from);
    select_joins++;
    select_asks += count;
    return err;
}

static inline void select_is_what_joined_asks (const char *section)
{
    for (uint64_t order = WORLD_PLAN; order < 6; order++) {
        player p;
        strategy watched;
        PASS (player_read (&p, section));
        select_of = p.w.setup.strategy;
        watched = *select_of;
        watched.joined = select_joined;
        p.w.setup.strategy = &watched;
        select_joins = select_asks = 0;
        world_open (&p.w);
        world_play (&p.w, order);
        CHECK (p.w.err == ESP_OK && search_finished (p.w.s));
        CHECK (select_joins > 2 && select_asks > 2);
        player_close (&p);
    }
}

#endif
