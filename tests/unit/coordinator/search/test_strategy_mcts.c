/* SPDX-License-Identifier: Apache-2.0 */
// LINK: esp_config
/* test_strategy_mcts.c - several simulations at once, virtual loss, dead ends, budgets, memory
 *
 * search_check runs after every input (world.h): mcts_check asserts there that what is in flight at the root is the number of
 * open joins, and nothing at the end.
 */

#include "coordinator/search/mcts_formula.h"
#include "tests/unit/coordinator/search/plays.h"

static void every_variant_keeps_order_caps_and_memory (void)
{
    static const char *const sections[] = {
        "strategy: mcts, expand: 3, simulations: 12, max_steps: 6",
        "strategy: mcts, expand: 3, simulations: 12, max_steps: 6, in_flight: 4",
        "strategy: mcts, selection: uct, expand: 2, simulations: 15, max_steps: 6, in_flight: 3",
        "strategy: mcts, selection: uct_prior, expand: 2, actions: 2, simulations: 15, max_steps: "
        "6, in_flight: 5, virtual_loss: 3",
        NULL};
    keeps_all_promises (sections);
}

static void values_grow_with_the_parent_and_fall_with_visits (void)
{
    CHECK (mcts_puct (0.5, 0.25, 16, 0, 19652, 1.25) > mcts_puct (0.5, 0.25, 16, 1, 19652, 1.25));
    CHECK (mcts_puct (0.5, 0.25, 16, 1, 19652, 1.25) > mcts_puct (0.5, 0.25, 9, 1, 19652, 1.25));
    CHECK (mcts_puct (0.5, 0.0, 16, 1, 19652, 1.25) == 0.5);
    CHECK (mcts_puct (0.5, 1.0, 0, 0, 19652, 1.25) == 0.5);
    CHECK (isinf (mcts_uct (0.5, 10, 0, 1.0)) && mcts_uct (0.5, 1, 1, 1.0) == 0.5);
    CHECK (mcts_uct (0.5, 10, 2, 1.0) > mcts_uct (0.5, 10, 3, 1.0));
    CHECK (mcts_uct_prior (0.5, 1.0, 10, 2, 1.0) == mcts_uct (0.5, 10, 2, 1.0));
}

static void too_wide_an_expansion_is_refused (void)
{
    player p;
    FAILS (player_read (&p, "strategy: mcts, expand: 65536, actions: 65535"), ESP_EINVAL);
    player_close (&p);
}

/* Answer until `joins` simulations are out, or the search ends. */
static void play_until_open (player *p, size_t joins)
{
    while (p->w.err == ESP_OK && !search_finished (p->w.s) && search_open_joins (p->w.s, 0) < joins)
        world_answer (&p->w, 0);
    CHECK (search_open_joins (p->w.s, 0) == joins);
}

/* The leaf whose expansion a task belongs to. */
static node_ref leaf_of (const player *p, const task *t)
{
    return t->kind == TASK_GENERATE ? t->node : search_node (p->w.s, t->node)->parent;
}

/* In plan order the tasks of a leaf stand together. */
static size_t leaves_out (const player *p)
{
    size_t count = p->w.queued > 0;
    for (size_t i = 1; i < p->w.queued; i++)
        count += leaf_of (p, &p->w.queue[i]) != leaf_of (p, &p->w.queue[i - 1]);
    return count;
}

static void simulations_in_flight_go_to_different_leaves (void)
{
    for (int loss = 0; loss < 2; loss++) { /* without virtual loss, too */
        player p;
        char section[200];
        snprintf (section, sizeof (section),
                  "strategy: mcts, expand: 4, max_steps: 6, in_flight: 4, simulations: 0, "
                  "virtual_loss: %d, budget.generations: 400",
                  loss);
        PASS (player_read (&p, section));
        world_open (&p.w);
        play_until_open (&p, 4);
        CHECK (leaves_out (&p) == 4);
        world_play (&p.w, 5);
        CHECK (search_finished (p.w.s) && search_reason (p.w.s) == REASON_BUDGET);
        player_close (&p);
    }
}

/* Expand the root of a uct search; its `n` children get these scores. */
static void given_scored_children (player *p, const char *section, const double *scores, size_t n)
{
    PASS (player_read (p, section));
    world_open (&p->w);
    for (size_t i = 0; i < n; i++)
        world_send (&p->w, &(result){.id = p->w.queue[0].id,
                                     .text = span_of (i % 2 ? "odd\n\n" : "even\n\n"),
                                     .tokens = 1,
                                     .steps = 1});
    for (size_t i = 0; i < n; i++)
        world_send (&p->w, &(result){.id = p->w.queue[0].id,
                                     .scores = &scores[i],
                                     .score_count = 1,
                                     .score_own = 1});
}

static void the_first_of_equals_is_walked_to (void)
{
    player p;
    given_scored_children (&p, "strategy: mcts, selection: uct, expand: 3",
                           (double[]){0.25, 0.5, 0.5}, 3);
    CHECK (p.w.queued == 3 && p.w.queue[0].node == 2);
    player_close (&p);
}

static void virtual_loss_turns_the_next_simulation_away (void)
{
    static const double scores[] = {0.6, 0.9}; /* without it the better child's leaf is next, too */
    for (int loss = 0; loss < 2; loss++) {
        player p;
        char section[200];
        node_ref second;
        snprintf (section, sizeof (section),
                  "strategy: mcts, selection: uct, exploration: 0.01, expand: 2, in_flight: 2, "
                  "simulations: 9, virtual_loss: %d",
                  9 * loss);
        given_scored_children (&p, section, scores, 2);
        CHECK (p.w.queued == 4 && p.w.queue[0].node == 2 && p.w.queue[2].node == 1);
        for (int i = 0; i < 2; i++) /* the first child's children come first: nothing moves */
            world_answer (&p.w, 2);
        for (int i = 0; i < 2; i++)
            world_answer (&p.w, 0);
        while (p.w.queued > 0 && p.w.queue[0].kind == TASK_SCORE) {
            double good = leaf_of (&p, &p.w.queue[0]) == 2 ? 0.8 : 0.1;
            world_send (&p.w, &(result){.id = p.w.queue[0].id,
                                        .scores = &good,
                                        .score_count = 1,
                                        .score_own = 1});
        }
        CHECK (leaves_out (&p) == 2);
        second = p.w.queue[p.w.queued - 1].node;
        CHECK (search_node (p.w.s, second)->parent == (loss ? 1U : 2U));
        player_close (&p);
    }
}

/* visits of every node = those of its children + simulations that ended at it */
static void nothing_in_flight_is_left_in_the_counts (void)
{
    player p;
    node_value root, v;
    double ended = 0.0;
    given_played (&p, "strategy: mcts, expand: 3, max_steps: 6, in_flight: 6, simulations: 40", 4);
    CHECK (search_value (p.w.s, NODE_ROOT, &root) && root.visits == 40.0);
    for (node_ref r = 1; r < tree_size (search_tree (p.w.s)); r++)
        if (search_value (p.w.s, r, &v) && search_node (p.w.s, r)->children == 0)
            ended += v.visits;
    CHECK (ended == 40.0 && search_answers (p.w.s, NULL, 0) == 40);
    player_close (&p);
}

static void failures_take_their_virtual_loss_back (void)
{
    for (uint32_t every = 2; every < 6; every++) {
        player p;
        PASS (player_read (&p, "strategy: mcts, expand: 2, max_steps: 6, in_flight: 5, "
                               "simulations: 0, budget.generations: 90"));
        p.w.failing = ESP_EENGINE;
        p.w.fail_every = every;
        world_open (&p.w);
        world_play (&p.w, every);
        CHECK (search_finished (p.w.s) && search_answers (p.w.s, NULL, 0) > 0);
        CHECK (search_reason (p.w.s) != REASON_ERROR); /* then nothing is in flight: mcts_check */
        player_close (&p);
    }
}

static void a_dead_end_does_not_hold_the_search (void)
{
    player p;
    PASS (player_read (&p, "strategy: mcts, expand: 2, max_steps: 6, simulations: 30"));
    p.w.setup.has_verifier = false;
    world_open (&p.w);
    for (int i = 0; i < 4; i++)
        world_answer (&p.w, 0); /* the root's children and their scores */
    for (int i = 0; i < 2; i++)
        world_send (&p.w, &(result){.id = p.w.queue[0].id, .error = ESP_EENGINE});
    CHECK (!search_finished (p.w.s) && p.w.queued > 0); /* the other child is expanded */
    world_play (&p.w, 0);
    CHECK (search_finished (p.w.s) && search_answers (p.w.s, NULL, 0) > 0);
    player_close (&p);
}

static void when_nothing_is_left_the_search_ends (void)
{
    player p;
    PASS (player_read (&p, "strategy: mcts, expand: 2, max_steps: 6, simulations: 0"));
    p.w.setup.has_verifier = false;
    world_open (&p.w);
    for (int i = 0; i < 2; i++)
        world_send (&p.w, &(result){.id = p.w.queue[0].id,
                                    .text = span_of (i ? "\\boxed{1}" : "\\boxed{2}"),
                                    .tokens = 1,
                                    .steps = 1,
                                    .finish = FINISH_EOS,
                                    .mean_logprob = i ? 1e300 : NAN});
    world_play (&p.w, 0);
    CHECK (search_finished (p.w.s) && search_reason (p.w.s) == REASON_ANSWERED);
    CHECK (search_used (p.w.s).generations == 2);
    player_close (&p);
}

static void equal_texts_are_one_child (void)
{
    player p;
    PASS (player_read (&p, "strategy: mcts, expand: 3, max_steps: 6, simulations: 1"));
    world_open (&p.w);
    for (int i = 0; i < 3; i++)
        world_send (&p.w, &(result){.id = p.w.queue[0].id,
                                    .text = span_of ("same\n\n"),
                                    .tokens = 1,
                                    .steps = 1,
                                    .mean_logprob = -1.0});
    for (int i = 0; i < 3; i++)
        world_answer (&p.w, 0);
    node_value v;
    CHECK (search_value (p.w.s, 1, &v) && v.prior == 1.0);
    CHECK (search_node (p.w.s, 2)->mark == MARK_PRUNED &&
           search_node (p.w.s, 3)->mark == MARK_PRUNED);
    CHECK (p.w.queued == 3 && p.w.queue[0].node == 1);
    player_close (&p);
}

static void the_budget_cuts_an_expansion_in_the_middle (void)
{
    for (int cap = 1; cap < 40; cap++) {
        player p;
        char section[200];
        snprintf (section, sizeof (section),
                  "strategy: mcts, expand: 4, max_steps: 6, in_flight: 3, simulations: 0, "
                  "budget.generations: %d",
                  cap);
        given_played (&p, section, (uint64_t)cap);
        CHECK (search_used (p.w.s).generations == (uint64_t)cap);
        player_close (&p);
    }
}

static void no_branch_is_longer_than_max_steps (void)
{
    player p;
    given_played (&p, "strategy: mcts, expand: 4, max_steps: 3, simulations: 60", WORLD_PLAN);
    for (node_ref r = 1; r < tree_size (search_tree (p.w.s)); r++)
        CHECK (search_node (p.w.s, r)->depth <= 3);
    node_ref refs[64];
    size_t n = search_answers (p.w.s, refs, 64);
    CHECK (n > 0);
    for (size_t i = 0; i < n && i < 64; i++) /* what max_steps cut is no candidate */
        CHECK (node_ended (search_node (p.w.s, refs[i])));
    player_close (&p);
}

static void a_pruned_branch_is_not_walked_again (void)
{
    player p;
    uint32_t before;
    given_pruned (&p,
                  "strategy: mcts, expand: 3, max_steps: 6, in_flight: 2, simulations: 0, "
                  "budget.generations: 150",
                  40, 1);
    before = tree_size (search_tree (p.w.s));
    world_play (&p.w, WORLD_PLAN);
    CHECK (search_finished (p.w.s) && tree_size (search_tree (p.w.s)) > before);
    for (node_ref r = before; r < tree_size (search_tree (p.w.s)); r++)
        for (node_ref up = r; up != NODE_ROOT; up = search_node (p.w.s, up)->parent)
            CHECK (up != 1);
    player_close (&p);
}

static void a_human_step_is_explored (void)
{
    static const char *const rules[] = {"puct", "uct", "uct_prior"};
    for (int rule = 0; rule < 3; rule++) {
        player p;
        char section[200];
        node_ref human;
        snprintf (section, sizeof (section),
                  "strategy: mcts, selection: %s, expand: 3, max_steps: 6, simulations: 60",
                  rules[rule]);
        PASS (player_read (&p, section));
        world_open (&p.w);
        for (int i = 0; i < 20; i++)
            world_answer (&p.w, 0);
        human = tree_size (search_tree (p.w.s));
        world_command (&p.w, COMMAND_ADD_STEP, NODE_ROOT, "think again\n\n");
        world_play (&p.w, 0);
        CHECK (search_finished (p.w.s) && search_node (p.w.s, human)->source == SOURCE_HUMAN);
        CHECK (search_node (p.w.s, human)->children > 0);
        player_close (&p);
    }
}

static void a_node_costs_24_bytes_besides_the_tree (void)
{
    player p;
    size_t nodes, bytes;
    PASS (player_read (&p, "strategy: mcts, selection: uct, expand: 4, max_steps: 60000, "
                           "simulations: 0, budget.generations: 40000"));
    p.w.setup.has_verifier = p.w.setup.count_prompts = p.w.setup.want_events = false;
    world_open (&p.w);
    while (p.w.err == ESP_OK && p.w.queued > 0 && !search_finished (p.w.s)) {
        double score = (double)(p.w.queue[0].id.number % 16) / 16.0;
        result r = {.id = p.w.queue[0].id, .tokens = 1, .steps = 1, .text = span_of ("step\n\n")};
        if (p.w.queue[0].kind == TASK_SCORE)
            r = (result){.id = r.id, .scores = &score, .score_count = 1, .score_own = 1};
        input in = {.kind = INPUT_RESULT, .u.result = r};
        p.w.err = search_apply (p.w.s, &in, &p.w.out); /* unchecked: the checks are O (nodes) */
        world_take (&p.w);
    }
    CHECK (search_finished (p.w.s));
    nodes = tree_size (search_tree (p.w.s));
    bytes = tree_bytes (search_tree (p.w.s)); /* the strategy's state is in the same arena */
    CHECK (nodes == 40001);
    CHECK (bytes / nodes <=
           96 + 32 + 16); /* 16: the text, and what the arena's last chunk has left */
    if (bytes / nodes > 96 + 32 + 16)
        printf ("    %zu bytes a node\n", bytes / nodes);
    player_close (&p);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"every variant keeps order, caps and memory", every_variant_keeps_order_caps_and_memory},
        {"values grow with the parent and fall with visits",
         values_grow_with_the_parent_and_fall_with_visits},
        {"too wide an expansion is refused", too_wide_an_expansion_is_refused},
        {"simulations in flight go to different leaves",
         simulations_in_flight_go_to_different_leaves},
        {"the first of equals is walked to", the_first_of_equals_is_walked_to},
        {"virtual loss turns the next simulation away",
         virtual_loss_turns_the_next_simulation_away},
        {"nothing in flight is left in the counts", nothing_in_flight_is_left_in_the_counts},
        {"failures take their virtual loss back", failures_take_their_virtual_loss_back},
        {"a dead end does not hold the search", a_dead_end_does_not_hold_the_search},
        {"when nothing is left the search ends", when_nothing_is_left_the_search_ends},
        {"equal texts are one child", equal_texts_are_one_child},
        {"the budget cuts an expansion in the middle", the_budget_cuts_an_expansion_in_the_middle},
        {"no branch is longer than max_steps", no_branch_is_longer_than_max_steps},
        {"a pruned branch is not walked again", a_pruned_branch_is_not_walked_again},
        {"a human step is explored", a_human_step_is_explored},
        {"a node costs 24 bytes besides the tree", a_node_costs_24_bytes_besides_the_tree},
        {NULL, NULL},
    };
    return suite_main ("strategy_mcts", cases);
}
