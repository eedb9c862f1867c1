/* SPDX-License-Identifier: Apache-2.0 */
// LINK: esp_config
/* test_strategy_ab_mcts.c - real draws, drafts, several children out at once: what the golden traces leave out */

#include "tests/unit/coordinator/search/plays.h"

static void every_variant_keeps_order_caps_and_memory (void)
{
    static const char *const sections[] = {
        "strategy: ab_mcts, max_steps: 5, samples: 40, in_flight: 4",
        "strategy: ab_mcts, max_steps: 5, samples: 40, distribution: beta, actions: 2",
        "strategy: ab_mcts, max_steps: 5, samples: 40, selection: multiarm_bandit_ucb, actions: 3, "
        "in_flight: 5",
        "strategy: ab_mcts, max_steps: 5, samples: 40, selection: stack, actions: 2, in_flight: 3",
        "strategy: ab_mcts, max_steps: 5, samples: 30, mode: draft, reward: verifier, in_flight: 2",
        "strategy: ab_mcts, max_steps: 5, samples: 30, draw: affine, spread: 3",
        NULL};
    keeps_all_promises (sections);
}

static void it_makes_as_many_children_as_it_may (void)
{
    player p;
    given_played (&p, "strategy: ab_mcts, max_steps: 8, samples: 37, in_flight: 5", 9);
    CHECK (search_used (p.w.s).generations == 37 && tree_size (search_tree (p.w.s)) == 38);
    player_close (&p);
}

/* Answer until the search ends or `inputs` were made: children get `text`, scores come from the function. */
static void play_with (player *p, double (*value) (const search *s, node_ref n), size_t inputs)
{
    while (p->w.err == ESP_OK && p->w.queued > 0 && p->w.inputs < inputs &&
           !search_finished (p->w.s)) {
        task t = p->w.queue[0];
        double score = t.kind == TASK_SCORE ? value (p->w.s, t.node) : 0.0;
        result r = {.id = t.id,
                    .tokens = 1,
                    .steps = 1,
                    .text = span_of ("x\n\n"),
                    .finish = FINISH_STOP,
                    .mean_logprob = NAN,
                    .share = NAN,
                    .verdict = VERDICT_FAIL};
        if (t.kind == TASK_SCORE)
            r = (result){.id = t.id, .scores = &score, .score_count = 1, .score_own = 1};
        world_send (&p->w, &r);
    }
    CHECK (search_finished (p->w.s) || p->w.inputs == inputs);
}

static double first_child_is_good (const search *s, node_ref n)
{
    while (search_node (s, n)->depth > 1)
        n = search_node (s, n)->parent;
    return search_node (s, n)->ordinal == 0 ? 0.9 : 0.1;
}

static void draws_lead_where_the_rewards_are (void)
{
    static const char *const hows[] = {"distribution: gaussian", "distribution: beta",
                                       "selection: stack", "distribution: gaussian, in_flight: 8"};
    for (size_t i = 0; i < 4; i++) {
        player p;
        char section[200];
        node_value good;
        snprintf (section, sizeof (section), "strategy: ab_mcts, samples: 300, max_steps: 1000, %s",
                  hows[i]);
        PASS (player_read (&p, section));
        world_open (&p.w);
        play_with (&p, first_child_is_good, SIZE_MAX);
        CHECK (search_value (p.w.s, 1, &good) && fabs (good.q - 0.9) < 1e-9);
        CHECK (good.visits > 200);
        player_close (&p);
    }
}

/* sum over the tree: every node counts itself and all below it */
static void visits_are_the_sizes_of_the_subtrees (void)
{
    player p;
    uint32_t below[64] = {0}, size;
    given_played (&p, "strategy: ab_mcts, samples: 60, max_steps: 9, in_flight: 3", 4);
    size = tree_size (search_tree (p.w.s));
    CHECK (size == 61);
    for (node_ref r = size - 1; r > 0 && size <= 64; r--) {
        node_value v;
        CHECK (search_value (p.w.s, r, &v) && v.visits == below[r] + 1);
        below[search_node (p.w.s, r)->parent] += below[r] + 1;
    }
    player_close (&p);
}

static void a_finished_branch_is_never_extended (void)
{
    player p;
    given_played (&p, "strategy: ab_mcts, samples: 200, max_steps: 4", WORLD_PLAN);
    for (node_ref r = 1; r < tree_size (search_tree (p.w.s)); r++) {
        const node *n = search_node (p.w.s, r);
        CHECK (n->children == 0 || (!node_ended (n) && n->depth < 4));
    }
    CHECK (search_answers (p.w.s, NULL, 0) > 3 && search_reason (p.w.s) == REASON_ANSWERED);
    player_close (&p);
}

static void drafts_improve_drafts (void)
{
    player p;
    node_ref refs[128];
    size_t n, deeper = 0;
    given_played (&p, "strategy: ab_mcts, samples: 60, max_steps: 6, mode: draft, reward: verifier",
                  WORLD_PLAN);
    n = search_answers (p.w.s, refs, 128);
    CHECK (n == 60);
    for (size_t i = 0; i < n && i < 128; i++) {
        esp_buf text = {0};
        PASS (tree_path_text (search_tree (p.w.s), refs[i], &text));
        CHECK (span_equal (esp_buf_span (&text), node_text (search_node (p.w.s, refs[i]))));
        CHECK (search_node (p.w.s, refs[i])->verdict != VERDICT_NONE);
        deeper += search_node (p.w.s, refs[i])->depth > 1;
        esp_buf_free (&text);
    }
    CHECK (deeper > 0);
    player_close (&p);
}

static void drafts_are_steered_by_visible_tests_and_graded_by_all (void)
{
    player p;
    node_ref refs[64];
    size_t visible = 0, all = 0;
    PASS (player_read (&p, "strategy: ab_mcts, samples: 20, max_steps: 6, mode: draft, reward: "
                           "verifier, in_flight: 3"));
    p.w.setup.hidden_tests = true;
    world_open (&p.w);
    while (!search_finished (p.w.s) && p.w.queued > 0) {
        const task *t = &p.w.queue[0];
        if (t->kind == TASK_VERIFY) {
            visible += t->reading == VERIFY_VISIBLE;
            all += t->reading == VERIFY_ALL;
            CHECK (t->reading == VERIFY_ALL || all == 0);
        }
        world_answer (&p.w, 0);
    }
    CHECK (visible == 20 && all == 20 && search_answers (p.w.s, refs, 64) == 20);
    for (size_t i = 0; i < 20; i++)
        CHECK (search_node (p.w.s, refs[i])->verdict != VERDICT_NONE &&
               search_node (p.w.s, refs[i])->extra->visible != VERDICT_NONE);
    player_close (&p);
}

static void a_draft_is_told_what_the_verifier_said_of_its_parent (void)
{
    player p;
    size_t deeper = 0;
    PASS (player_read (&p, "strategy: ab_mcts, samples: 40, max_steps: 6, mode: draft, reward: "
                           "verifier"));
    world_open (&p.w);
    while (!search_finished (p.w.s) && p.w.queued > 0) {
        const task t = p.w.queue[0];
        if (t.kind == TASK_GENERATE) {
            CHECK (span_is (t.extra, t.node == NODE_ROOT ? "" : "1 of 3 tests failed"));
            deeper += t.node != NODE_ROOT;
        }
        if (t.kind == TASK_VERIFY)
            world_send (&p.w, &(result){.id = t.id,
                                        .verdict = VERDICT_FAIL,
                                        .share = 2.0 / 3,
                                        .observation = span_of ("1 of 3 tests failed")});
        else
            world_answer (&p.w, 0);
    }
    CHECK (deeper > 3);
    player_close (&p);
}

static void ucb_tries_every_action_that_is_not_out_yet (void)
{
    player p;
    PASS (player_read (
        &p, "strategy: ab_mcts, selection: multiarm_bandit_ucb, actions: 4, in_flight: 4"));
    world_open (&p.w);
    CHECK (p.w.queued == 4);
    for (uint16_t a = 0; a < 4 && a < p.w.queued; a++)
        CHECK (p.w.queue[a].action == a);
    player_close (&p);
}

static void a_child_that_failed_is_not_heard_of (void)
{
    player p;
    node_value v;
    PASS (player_read (&p, "strategy: ab_mcts, samples: 2"));
    world_open (&p.w);
    world_send (&p.w,
                &(result){.id = p.w.queue[0].id, .error = ESP_EENGINE, .finish = FINISH_ERROR});
    CHECK (!search_value (p.w.s, 1, &v) && search_value (p.w.s, NODE_ROOT, &v) && v.visits == 0 &&
           isnan (v.q));
    world_play (&p.w, WORLD_PLAN);
    CHECK (search_finished (p.w.s) && search_value (p.w.s, NODE_ROOT, &v) && v.visits == 1);
    player_close (&p);
}

static double worth_nothing (const search *s, node_ref n)
{
    (void)s;
    (void)n;
    return 0.0;
}

static void equal_draws_make_a_new_child (void)
{
    player p;
    PASS (
        player_read (&p, "strategy: ab_mcts, samples: 20, draw: affine, spread: 0, max_steps: 30"));
    world_open (&p.w);
    play_with (&p, worth_nothing, SIZE_MAX);
    CHECK (search_node (p.w.s, NODE_ROOT)->children == 20);
    player_close (&p);
}

static double far_outside (const search *s, node_ref n)
{
    return search_node (s, n)->ordinal % 2 ? 1e9 : -1e9;
}

static void beta_cuts_rewards_to_its_range (void)
{
    player p;
    node_value v;
    PASS (player_read (&p, "strategy: ab_mcts, samples: 50, distribution: beta, max_steps: 1000"));
    world_open (&p.w);
    play_with (&p, far_outside, SIZE_MAX);
    CHECK (search_value (p.w.s, NODE_ROOT, &v) && v.q >= 0.0 && v.q <= 1.0 && v.visits == 50);
    player_close (&p);
}

static void a_pruned_branch_gets_no_children (void)
{
    player p;
    node_value before, behind;
    PASS (player_read (&p, "strategy: ab_mcts, samples: 200, max_steps: 1000"));
    world_open (&p.w);
    play_with (&p, first_child_is_good, 150);
    CHECK (search_value (p.w.s, 1, &before) && before.visits > 30);
    world_command (&p.w, COMMAND_PRUNE, 1, "");
    play_with (&p, first_child_is_good, SIZE_MAX);
    CHECK (search_value (p.w.s, 1, &behind) && behind.visits == before.visits);
    CHECK (search_value (p.w.s, NODE_ROOT, &behind) && behind.visits > 150);
    player_close (&p);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"every variant keeps order, caps and memory", every_variant_keeps_order_caps_and_memory},
        {"it makes as many children as it may", it_makes_as_many_children_as_it_may},
        {"draws lead where the rewards are", draws_lead_where_the_rewards_are},
        {"visits are the sizes of the subtrees", visits_are_the_sizes_of_the_subtrees},
        {"a finished branch is never extended", a_finished_branch_is_never_extended},
        {"drafts improve drafts", drafts_improve_drafts},
        {"drafts are steered by visible tests and graded by all",
         drafts_are_steered_by_visible_tests_and_graded_by_all},
        {"a draft is told what the verifier said of its parent",
         a_draft_is_told_what_the_verifier_said_of_its_parent},
        {"ucb tries every action that is not out yet", ucb_tries_every_action_that_is_not_out_yet},
        {"a child that failed is not heard of", a_child_that_failed_is_not_heard_of},
        {"equal draws make a new child", equal_draws_make_a_new_child},
        {"beta cuts rewards to its range", beta_cuts_rewards_to_its_range},
        {"a pruned branch gets no children", a_pruned_branch_gets_no_children},
        {NULL, NULL},
    };
    return suite_main ("strategy_ab_mcts", cases);
}
