/* SPDX-License-Identifier: Apache-2.0 */
// LINK: esp_config
/* test_strategy_dvts.c - lanes with their own accounts, lookahead, leaves: what the golden traces leave out */

#include "tests/unit/coordinator/search/selects.h"

static void every_variant_keeps_order_caps_and_memory (void)
{
    static const char *const sections[] = {
        "strategy: dvts, keep: 3, expand: 2, max_steps: 6",
        "strategy: dvts, keep: 2, expand: 3, max_steps: 6, lookahead: 2, aggregate: min",
        "strategy: dvts, keep: 4, expand: 1, max_steps: 1", NULL};
    keeps_all_promises (sections);
}

static void select_is_what_follows (void)
{
    select_is_what_joined_asks ("strategy: dvts, keep: 3, expand: 3, max_steps: 6");
    select_is_what_joined_asks ("strategy: dvts, keep: 2, expand: 2, max_steps: 3, lookahead: 1");
}

static void the_last_level_runs_to_the_end (void)
{
    player p;
    size_t ends = 0, longest = 0;
    PASS (player_read (&p, "strategy: dvts, keep: 4, expand: 2, max_steps: 2"));
    world_open (&p.w);
    while (p.w.err == ESP_OK && p.w.queued > 0 && !search_finished (p.w.s)) {
        task t = p.w.queue[0];
        uint32_t depth = search_node (p.w.s, t.node)->depth;
        if (t.kind == TASK_GENERATE) {
            CHECK (depth < 2 && (t.mode == TASK_TO_END) == (depth == 1));
            ends += t.mode == TASK_TO_END;
        }
        longest = depth > longest ? depth : longest;
        world_answer (&p.w, 0);
    }
    CHECK (search_finished (p.w.s) && ends == 8 && longest == 2);
    player_close (&p);
}

/* Answer the task at the front with a text. */
static void say (player *p, const char *text, enum node_finish finish)
{
    world_send (&p->w, &(result){.id = p->w.queue[0].id,
                                 .text = span_of (text),
                                 .tokens = 1,
                                 .steps = 1,
                                 .finish = (uint8_t)finish,
                                 .mean_logprob = NAN});
}

static void score (player *p, const double *scores, uint32_t count)
{
    CHECK (p->w.queue[0].kind == TASK_SCORE);
    world_send (
        &p->w,
        &(result){.id = p->w.queue[0].id, .scores = scores, .score_count = count, .score_own = 1});
}

static void a_lookahead_ends_with_the_sequence (void)
{
    player p;
    PASS (player_read (
        &p,
        "strategy: dvts, keep: 1, expand: 1, max_steps: 9, lookahead: 3, budget.generations: 5"));
    world_open (&p.w);
    say (&p, "one\n\n", FINISH_STOP);
    CHECK (p.w.queued == 1 && p.w.queue[0].child == NODE_NONE && p.w.queue[0].k == TASK_K_GREEDY);
    say (&p, "two\n\n", FINISH_STOP);
    CHECK (p.w.queued == 1 && span_is (p.w.queue[0].extra, "two\n\n"));
    say (&p, "\\boxed{1}", FINISH_EOS); /* the third greedy step is not asked */
    CHECK (p.w.queued == 1 && span_is (p.w.queue[0].extra, "two\n\n\\boxed{1}"));
    score (&p, (double[]){0.1, 0.2, 0.7}, 3);
    CHECK (search_used (p.w.s).generations == 3); /* of the 4 that were held */
    CHECK (search_node (p.w.s, 1)->score == 0.7 && search_node (p.w.s, 1)->score_own == 1);
    CHECK (search_finished (p.w.s) &&
           search_reason (p.w.s) == REASON_BUDGET); /* 4 more: too many */
    player_close (&p);
}

static void a_finished_step_has_no_lookahead (void)
{
    player p;
    PASS (player_read (&p, "strategy: dvts, keep: 1, expand: 1, max_steps: 9, lookahead: 3"));
    p.w.setup.has_verifier = false;
    world_open (&p.w);
    say (&p, "\\boxed{1}", FINISH_EOS);
    score (&p, (double[]){0.5}, 1);
    CHECK (search_finished (p.w.s) && search_answers (p.w.s, NULL, 0) == 1);
    player_close (&p);
}

static void an_answer_inside_a_step_ends_the_subtree (void)
{
    player p;
    node_ref leaf = NODE_NONE;
    PASS (player_read (&p, "strategy: dvts, keep: 1, expand: 2, max_steps: 9"));
    p.w.setup.has_verifier = false;
    world_open (&p.w);
    say (&p, "so \\boxed{1}\n\n", FINISH_STOP);
    say (&p, "hm\n\n", FINISH_STOP);
    score (&p, (double[]){0.5}, 1);
    score (&p, (double[]){0.25}, 1);
    CHECK (search_finished (p.w.s) && search_answers (p.w.s, &leaf, 1) == 1 && leaf == 1);
    player_close (&p);
}

static void a_subtree_that_cannot_pay_does_not_stop_the_others (void)
{
    player p;
    size_t ended = 0;
    /* shares of 5 and 4: two levels of two each, then one step more in the first subtree alone */
    PASS (player_read (&p,
                       "strategy: dvts, keep: 2, expand: 2, max_steps: 9, budget.generations: 9"));
    p.w.setup.has_verifier = false;
    world_open (&p.w);
    for (int wave = 0; p.w.queued > 0 && wave < 100; wave++) {
        const node *n = search_node (p.w.s, p.w.queue[0].node);
        bool last = n->depth == 2;
        if (p.w.queue[0].kind == TASK_SCORE)
            score (&p, (double[]){0.5}, 1);
        else
            say (&p, last ? "\\boxed{1}" : "s\n\n", last ? FINISH_EOS : FINISH_STOP);
    }
    CHECK (search_finished (p.w.s) && search_reason (p.w.s) == REASON_BUDGET);
    CHECK (search_used (p.w.s).generations == 9);
    for (node_ref r = 1; r < tree_size (search_tree (p.w.s)); r++)
        ended += search_node (p.w.s, r)->finish == FINISH_EOS;
    CHECK (ended == 1 && search_answers (p.w.s, NULL, 0) == ended);
    player_close (&p);
}

static void nothing_that_came_ends_a_subtree_with_its_leaves (void)
{
    player p;
    PASS (player_read (&p, "strategy: dvts, keep: 1, expand: 2, max_steps: 9"));
    p.w.setup.has_verifier = false;
    world_open (&p.w);
    for (int i = 0; i < 2; i++)
        world_send (&p.w, &(result){.id = p.w.queue[0].id, .error = ESP_EENGINE});
    CHECK (search_finished (p.w.s) && search_reason (p.w.s) == REASON_ERROR);
    CHECK (search_answers (p.w.s, NULL, 0) == 0);
    player_close (&p);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"every variant keeps order, caps and memory", every_variant_keeps_order_caps_and_memory},
        {"select is what follows", select_is_what_follows},
        {"the last level runs to the end", the_last_level_runs_to_the_end},
        {"a lookahead ends with the sequence", a_lookahead_ends_with_the_sequence},
        {"a finished step has no lookahead", a_finished_step_has_no_lookahead},
        {"an answer inside a step ends the subtree", an_answer_inside_a_step_ends_the_subtree},
        {"a subtree that cannot pay does not stop the others",
         a_subtree_that_cannot_pay_does_not_stop_the_others},
        {"nothing that came ends a subtree with its leaves",
         nothing_that_came_ends_a_subtree_with_its_leaves},
        {NULL, NULL},
    };
    return suite_main ("strategy_dvts", cases);
}
