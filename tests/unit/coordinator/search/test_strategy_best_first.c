/* SPDX-License-Identifier: Apache-2.0 */
// LINK: esp_config
/* test_strategy_best_first.c - what is not in the golden traces */

#include "tests/unit/coordinator/search/plays.h"

static void every_variant_keeps_order_caps_and_memory (void)
{
    static const char *const sections[] = {
        "strategy: best_first, max_steps: 6",
        "strategy: best_first, max_steps: 6, in_flight: 3, expand: 2, actions: 2, expansions: 20",
        "strategy: best_first, max_steps: 6, in_flight: 4, stop_at_answer: true, expansions: 40",
        NULL};
    keeps_all_promises (sections);
}

static void too_many_children_are_refused_with_the_key (void)
{
    player p;
    FAILS (player_read (&p, "strategy: best_first, expand: 60000, actions: 100"), ESP_EINVAL);
    player_close (&p);
}

static bool goes_before (const search *s, node_ref a, node_ref b)
{
    const node *x = search_node (s, a), *y = search_node (s, b);
    if (a == NODE_ROOT || b == NODE_ROOT)
        return a == NODE_ROOT;
    if (x->score != y->score)
        return x->score > y->score;
    return x->depth != y->depth ? x->depth < y->depth : a < b;
}

static void each_expanded_node_is_the_best_that_waits (void)
{
    player p;
    node_ref last = NODE_NONE;
    bool done[200] = {false};
    given_played (&p, "strategy: best_first, max_steps: 6, expand: 3, expansions: 30", WORLD_PLAN);
    CHECK (tree_size (search_tree (p.w.s)) > 50 && tree_size (search_tree (p.w.s)) < 200);
    for (node_ref r = 1; r < tree_size (search_tree (p.w.s)); r++) {
        node_ref from = search_node (p.w.s, r)->parent;
        for (node_ref w = NODE_ROOT; w < r && from != last; w++) {
            const node *n = search_node (p.w.s, w);
            bool waits = !done[w] && !node_ended (n) && n->depth < 6 && w != from;
            CHECK (!waits || goes_before (p.w.s, from, w));
        }
        done[from] = true;
        last = from;
    }
    player_close (&p);
}

static void it_stops_when_an_answer_is_the_best (void)
{
    player p, q;
    node_ref first[64];
    size_t n;
    given_played (&p, "strategy: best_first, max_steps: 6, expansions: 60, stop_at_answer: true",
                  WORLD_PLAN);
    given_played (&q, "strategy: best_first, max_steps: 6, expansions: 60", WORLD_PLAN);
    CHECK (search_reason (p.w.s) == REASON_ANSWERED);
    CHECK (search_used (p.w.s).generations < search_used (q.w.s).generations);
    n = search_answers (p.w.s, first, 64);
    CHECK (n >= 1 && n < 64);
    for (node_ref r = 1; r < tree_size (search_tree (p.w.s));
         r++) { /* nothing that waits is better */
        const node *w = search_node (p.w.s, r);
        CHECK (w->state != NODE_GENERATED || w->children > 0 ||
               w->score <= search_node (p.w.s, first[0])->score);
    }
    player_close (&p);
    player_close (&q);
}

static void answers_come_best_first (void)
{
    player p;
    node_ref refs[256];
    size_t n;
    given_played (&p, "strategy: best_first, max_steps: 6, expansions: 40, in_flight: 3", 5);
    n = search_answers (p.w.s, refs, 256);
    CHECK (n > 3 && n <= 256);
    for (size_t i = 1; i < n && i < 256; i++)
        CHECK (search_node (p.w.s, refs[i - 1])->score >= search_node (p.w.s, refs[i])->score);
    player_close (&p);
}

static void no_branch_is_longer_than_max_steps (void)
{
    player p;
    given_played (&p, "strategy: best_first, max_steps: 2, expansions: 0",
                  WORLD_PLAN); /* the tree is finite */
    for (node_ref r = 1; r < tree_size (search_tree (p.w.s)); r++)
        CHECK (search_node (p.w.s, r)->depth <= 2);
    CHECK (tree_size (search_tree (p.w.s)) > 5 && search_reason (p.w.s) != REASON_BUDGET);
    player_close (&p);
}

static void a_pruned_branch_is_not_expanded (void)
{
    player p;
    node_ref top = 1;
    uint32_t before;
    given_pruned (&p, "strategy: best_first, max_steps: 8, expansions: 200, expand: 2", 20, top);
    before = tree_size (search_tree (p.w.s));
    world_play (&p.w, WORLD_PLAN);
    CHECK (search_finished (p.w.s) && tree_size (search_tree (p.w.s)) > before);
    for (node_ref r = before; r < tree_size (search_tree (p.w.s)); r++)
        for (node_ref up = r; up != NODE_ROOT; up = search_node (p.w.s, up)->parent)
            CHECK (up != top);
    player_close (&p);
}

static void without_a_prm_the_shallow_come_first (void)
{
    player p;
    PASS (player_read (&p, "strategy: best_first, max_steps: 6, expand: 2, expansions: 3"));
    p.w.setup.has_prm = false;
    world_open (&p.w);
    world_play (&p.w, WORLD_REVERSE);
    CHECK (search_finished (p.w.s));
    for (node_ref r = 1; r < tree_size (search_tree (p.w.s));
         r++) /* the root, its first, its second child */
        CHECK (search_node (p.w.s, r)->parent == (r - 1) / 2);
    player_close (&p);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"every variant keeps order, caps and memory", every_variant_keeps_order_caps_and_memory},
        {"too many children are refused with the key", too_many_children_are_refused_with_the_key},
        {"each expanded node is the best that waits", each_expanded_node_is_the_best_that_waits},
        {"it stops when an answer is the best", it_stops_when_an_answer_is_the_best},
        {"answers come best first", answers_come_best_first},
        {"no branch is longer than max_steps", no_branch_is_longer_than_max_steps},
        {"a pruned branch is not expanded", a_pruned_branch_is_not_expanded},
        {"without a PRM the shallow come first", without_a_prm_the_shallow_come_first},
        {NULL, NULL},
    };
    return suite_main ("strategy_best_first", cases);
}
