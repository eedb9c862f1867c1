/* SPDX-License-Identifier: Apache-2.0 */
// LINK: esp_config
/* test_strategy_rebase.c - the allocation at its edges, and the search around it */

#include "coordinator/search/rebase_allocate.h"
#include "tests/unit/coordinator/search/selects.h"

static void every_variant_keeps_order_caps_and_memory (void)
{
    static const char *const sections[] = {
        "strategy: rebase, width: 8, max_steps: 6",
        "strategy: rebase, width: 5, softmax_temperature: 1e-6, max_steps: 3",
        "strategy: rebase, width: 1, softmax_temperature: 1e6, max_steps: 6", NULL};
    keeps_all_promises (sections);
}

static void select_is_what_follows (void)
{
    select_is_what_joined_asks ("strategy: rebase, width: 9, max_steps: 6");
    select_is_what_joined_asks ("strategy: rebase, width: 4, max_steps: 3");
}

static uint32_t
share (const double *weights, size_t n, double temperature, uint32_t places, uint32_t *counts)
{
    uint32_t order[16], sum = 0;
    PASS (rebase_allocate (weights, n, temperature, places, counts, order));
    for (size_t i = 0; i < n; i++)
        sum += counts[i];
    return sum;
}

static void all_places_are_given_and_no_more (void)
{
    uint32_t counts[12];
    for (uint64_t run = 0; run < 2000; run++) {
        size_t n = 1 + esp_draw_below (run, 1, 12);
        uint32_t places = esp_draw_below (run, 2, 100);
        double weights[12], temperature = 1e-6 + 2.0 * esp_draw_unit (run, 3);
        for (size_t i = 0; i < n; i++)
            weights[i] = (double)esp_draw_below (run, 10 + i, 8) / 8.0; /* ties */
        CHECK (share (weights, n, temperature, places, counts) == places);
    }
}

static void equal_weights_get_equal_shares (void)
{
    uint32_t counts[6];
    CHECK (share ((double[]){0.3, 0.3, 0.3, 0.3, 0.3, 0.3}, 6, 0.2, 12, counts) == 12);
    for (int i = 0; i < 6; i++)
        CHECK (counts[i] == 2);
    CHECK (share ((double[]){0.3, 0.3, 0.3}, 3, 0.2, 4, counts) == 4);
    CHECK (counts[2] == 2 && counts[1] == 1 && counts[0] == 1); /* the last one first */
    /* 35 places for five: 35 e / 5 e is 7.000000000000001 in doubles */
    CHECK (share ((double[]){1.0, 0.74, 0.74, 0.74, 0.74, 0.74}, 6, 0.5, 47, counts) == 47);
    CHECK (counts[0] == 12 && counts[1] == 7 && counts[3] == 7 && counts[5] == 7);
}

static void extreme_temperatures_do_not_overflow (void)
{
    uint32_t counts[3];
    CHECK (share ((double[]){0.1, 0.9, 0.5}, 3, 1e-6, 16, counts) == 16 && counts[1] == 16);
    CHECK (share ((double[]){1e300, -1e300, 0.0}, 3, 1e-6, 16, counts) == 16 && counts[0] == 16);
    CHECK (share ((double[]){0.1, 0.9, 0.5}, 3, 1e6, 16, counts) == 16 && counts[1] == 6);
    CHECK (share ((double[]){1e3, 1e3, 0.0}, 3, 0.2, 16, counts) == 16 && counts[0] == 8);
    CHECK (share (NULL, 0, 0.2, 16, counts) == 0);
}

static void no_memory_is_an_error (void)
{
    uint32_t counts[2], order[2];
    esp_alloc_fail_after (0);
    FAILS (rebase_allocate ((double[]){0.5, 0.5}, 2, 0.2, 4, counts, order), ESP_ENOMEM);
    esp_alloc_fail_after (1);
    FAILS (rebase_allocate ((double[]){0.5, 0.5}, 2, 0.2, 4, counts, order), ESP_ENOMEM);
    esp_alloc_fail_after (-1);
}

static void no_branch_is_longer_than_max_steps (void)
{
    player p;
    uint32_t deepest = 0;
    given_played (&p, "strategy: rebase, width: 16, max_steps: 3", WORLD_PLAN);
    for (node_ref r = 1; r < tree_size (search_tree (p.w.s)); r++)
        deepest = search_node (p.w.s, r)->depth > deepest ? search_node (p.w.s, r)->depth : deepest;
    CHECK (deepest == 3);
    player_close (&p);
}

/* width places in all: a finished node keeps its own, the open ones share the rest */
static void finished_nodes_take_their_places_with_them (void)
{
    player p;
    uint32_t ended = 0, at_level[12] = {0}, done[12] = {0};
    given_played (&p, "strategy: rebase, width: 12, max_steps: 10", 5);
    for (node_ref r = 1; r < tree_size (search_tree (p.w.s)); r++) {
        const node *n = search_node (p.w.s, r);
        at_level[n->depth]++;
        done[n->depth] += node_ended (n);
    }
    for (int level = 1; level < 10 && at_level[level + 1]; level++) {
        ended += done[level];
        CHECK (at_level[level + 1] == 12 - ended);
    }
    CHECK (search_answers (p.w.s, NULL, 0) == 12);
    player_close (&p);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"every variant keeps order, caps and memory", every_variant_keeps_order_caps_and_memory},
        {"select is what follows", select_is_what_follows},
        {"all places are given, and no more", all_places_are_given_and_no_more},
        {"equal weights get equal shares", equal_weights_get_equal_shares},
        {"extreme temperatures do not overflow", extreme_temperatures_do_not_overflow},
        {"no memory is an error", no_memory_is_an_error},
        {"no branch is longer than max_steps", no_branch_is_longer_than_max_steps},
        {"finished nodes take their places with them", finished_nodes_take_their_places_with_them},
        {NULL, NULL},
    };
    return suite_main ("strategy_rebase", cases);
}
