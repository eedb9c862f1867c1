/* SPDX-License-Identifier: Apache-2.0 */
// LINK: esp_config
/* test_strategy_rmaxts.c - rollouts become nodes and rewards
 *
 * search_check runs after every input (world.h): rmaxts_check asserts there that the running jobs of the root are the open joins.
 */

#include "coordinator/search/strategy_help.h"
#include "tests/unit/coordinator/search/plays.h"

static void every_variant_keeps_order_caps_and_memory (void)
{
    static const char *const sections[] = {
        "strategy: rmaxts, samples: 20, max_steps: 6",
        "strategy: rmaxts, samples: 20, max_steps: 6, in_flight: 5, gamma: 1",
        "strategy: rmaxts, samples: 20, max_steps: 6, in_flight: 3, mode: draft, reward: verified",
        "strategy: rmaxts, samples: 20, max_steps: 4, in_flight: 4, adopt_steps: 1", NULL};
    keeps_all_promises (sections);
    same_rows_in_any_order (
        "strategy: rmaxts, samples: 20, max_steps: 6, in_flight: 6, stop_at_pass: true");
}

static void rollouts_are_split_at_empty_lines_where_there_is_no_rule (void)
{
    player p;
    rollout_walk w;
    span step;
    PASS (player_read (&p, "strategy: rmaxts, samples: 1"));
    world_open (&p.w);
    PASS (rollout_open (p.w.s, NODE_ROOT, &w));
    CHECK (rollout_count (w) == 0);
    w.rest = span_of ("\n\na\n\n\n\nb\nc\n\nd");
    CHECK (rollout_count (w) == 3);
    CHECK (rollout_next (&w, &step) && span_is (step, "\n\na\n\n\n\n"));
    CHECK (rollout_next (&w, &step) && span_is (step, "b\nc\n\n"));
    CHECK (rollout_next (&w, &step) && span_is (step, "d") && w.rest.len == 0);
    CHECK (!rollout_next (&w, &step) && rollout_count (w) == 0);
    w.rest = span_of ("\n\n");
    CHECK (rollout_count (w) == 0 && strcmp (rollout_end (p.w.s), "\n\n") == 0);
    player_close (&p);
}

static void bad_options_name_their_key (void)
{
    player p;
    FAILS (player_read (&p, "strategy: rmaxts, gamma: 1.5"), ESP_EINVAL);
    player_close (&p);
}

/* A problem without PRM: every answer is a whole job. */
static void given_prover (player *p, const char *section)
{
    PASS (player_read (p, section));
    p->w.setup.has_prm = false;
    world_open (&p->w);
}

static void say (player *p, const char *text)
{
    CHECK (p->w.queued > 0 && p->w.queue[0].kind == TASK_GENERATE);
    world_send (&p->w, &(result){.id = p->w.queue[0].id,
                                 .text = span_of (text),
                                 .tokens = 3,
                                 .steps = 3,
                                 .finish = FINISH_EOS,
                                 .mean_logprob = NAN});
}

static void verdict (player *p, enum verdict v)
{
    CHECK (p->w.queued > 0 && p->w.queue[0].kind == TASK_VERIFY);
    world_send (&p->w, &(result){.id = p->w.queue[0].id, .verdict = (uint8_t)v, .share = NAN});
}

/* The node with this path; NODE_NONE = there is none. */
static node_ref named (const player *p, const char *path)
{
    for (node_ref r = 0; r < tree_size (search_tree (p->w.s)); r++)
        if (name_of_node_is (&p->w, r, path))
            return r;
    return NODE_NONE;
}

static node_value value_at (const player *p, const char *path)
{
    node_value v = {.q = NAN, .visits = NAN, .prior = NAN};
    node_ref ref = named (p, path);
    CHECK (ref != NODE_NONE && search_value (p->w.s, ref, &v));
    return v;
}

static bool text_at (const player *p, const char *path, const char *text)
{
    node_ref ref = named (p, path);
    return ref != NODE_NONE && span_is (node_text (search_node (p->w.s, ref)), text);
}

static void a_rollout_is_split_into_new_nodes (void)
{
    player p;
    given_prover (&p, "strategy: rmaxts, samples: 3, max_steps: 9");
    say (&p, "a\n\nb\n\n\\boxed{1}");
    CHECK (text_at (&p, "0", "a\n\nb\n\n\\boxed{1}")); /* the rollout itself */
    CHECK (text_at (&p, "1", "a\n\n") && text_at (&p, "1.0", "b\n\n"));
    CHECK (tree_size (search_tree (p.w.s)) ==
           5); /* root, rollout, a, b, and the next job's child */
    CHECK (value_at (&p, "").q == 1.0 && value_at (&p, "1").visits == 0.0);
    CHECK (name_of_node_is (&p.w, p.w.queue[0].node, "1"));
    say (&p, "b\n\nc\n\n\\boxed{1}"); /* below a: b is known, c is not */
    CHECK (text_at (&p, "1.0.0", "c\n\n") && named (&p, "1.2") == NODE_NONE);
    player_close (&p);
}

static void only_what_is_new_is_rewarded (void)
{
    player p;
    given_prover (&p, "strategy: rmaxts, samples: 4, max_steps: 9, gamma: 1");
    say (&p, "a\n\n\\boxed{1}"); /* root: reward 1 */
    CHECK (name_of_node_is (&p.w, p.w.queue[0].node, "1"));
    say (&p, "\\boxed{2}"); /* at a: an answer at once is no node */
    CHECK (value_at (&p, "1").q == 0.0 && value_at (&p, "").q == 0.5);
    CHECK (name_of_node_is (&p.w, p.w.queue[0].node, ""));
    say (&p, "a\n\n\\boxed{3}"); /* nothing new */
    CHECK (value_at (&p, "").q == 1.0 / 3.0 && value_at (&p, "").visits == 3.0);
    player_close (&p);
}

static void failures_leave_no_trace (void)
{
    player p;
    given_prover (&p, "strategy: rmaxts, samples: 3, max_steps: 9, in_flight: 2");
    world_send (&p.w, &(result){.id = p.w.queue[0].id, .error = ESP_EENGINE});
    CHECK (isnan (value_at (&p, "").q) && search_open_joins (p.w.s, 0) == 2);
    world_send (&p.w, &(result){.id = p.w.queue[0].id, .error = ESP_EENGINE});
    world_send (&p.w, &(result){.id = p.w.queue[0].id, .error = ESP_EENGINE});
    CHECK (search_finished (p.w.s) && search_reason (p.w.s) == REASON_ERROR);
    CHECK (value_at (&p, "").visits == 0.0);
    player_close (&p);
}

static void a_pass_ends_the_problem_when_asked_to (void)
{
    player p;
    given_prover (&p,
                  "strategy: rmaxts, samples: 9, max_steps: 9, in_flight: 3, stop_at_pass: true");
    CHECK (p.w.queued == 3);
    say (&p, "a\n\n\\boxed{1}");
    for (size_t i = 0; i < 2; i++) { /* its verdict stands last */
        task t = p.w.queue[0];
        memmove (p.w.queue, p.w.queue + 1, 2 * sizeof (t));
        p.w.queue[2] = t;
    }
    verdict (&p, VERDICT_FAIL);
    CHECK (!search_finished (p.w.s));
    say (&p, "b\n\n\\boxed{1}");
    while (p.w.queued > 0 && p.w.queue[0].kind != TASK_VERIFY) {
        task t = p.w.queue[0];
        memmove (p.w.queue, p.w.queue + 1, (p.w.queued - 1) * sizeof (t));
        p.w.queue[p.w.queued - 1] = t;
    }
    verdict (&p, VERDICT_PASS);
    CHECK (search_finished (p.w.s) && search_reason (p.w.s) == REASON_ANSWERED);
    CHECK (search_pending (p.w.s) == 0 && search_answers (p.w.s, NULL, 0) == 2);
    player_close (&p);
}

static void a_pass_is_a_reward_when_asked_for (void)
{
    for (int verified = 0; verified < 2; verified++) {
        player p;
        given_prover (&p, verified ? "strategy: rmaxts, samples: 2, reward: verified"
                                   : "strategy: rmaxts, samples: 2");
        say (&p, "\\boxed{1}");
        if (verified)
            verdict (&p, VERDICT_PASS);
        CHECK (value_at (&p, "").q == (verified ? 1.0 : 0.0));
        player_close (&p);
    }
}

static void adopt_steps_cuts_a_rollout (void)
{
    player p;
    given_prover (&p, "strategy: rmaxts, samples: 2, max_steps: 9, adopt_steps: 1");
    say (&p, "a\n\nb\n\nc\n\n\\boxed{1}");
    CHECK (text_at (&p, "1", "a\n\n") && named (&p, "1.0") == p.w.queue[0].child);
    player_close (&p);
}

static void no_node_is_deeper_than_a_rollout_may_start (void)
{
    player p;
    given_prover (&p, "strategy: rmaxts, samples: 2, max_steps: 3");
    say (&p, "a\n\nb\n\nc\n\nd\n\n\\boxed{1}");
    CHECK (text_at (&p, "1.0", "b\n\n") && named (&p, "1.0.0") == NODE_NONE);
    player_close (&p);
}

static void steps_keep_the_scores_of_their_rollout (void)
{
    player p;
    PASS (player_read (&p, "strategy: rmaxts, samples: 1, max_steps: 9, aggregate: min"));
    p.w.setup.has_verifier = false;
    world_open (&p.w);
    say (&p, "a\n\nb\n\n\\boxed{1}");
    world_send (&p.w, &(result){.id = p.w.queue[0].id,
                                .scores = (double[]){0.5, 0.25, 0.75},
                                .score_count = 3,
                                .score_own = 3});
    CHECK (search_finished (p.w.s) && search_node (p.w.s, named (&p, "0"))->score == 0.25);
    CHECK (search_node (p.w.s, named (&p, "1"))->score == 0.5);
    CHECK (node_last_score (search_node (p.w.s, named (&p, "1.0"))) == 0.25);
    player_close (&p);
}

static void a_draft_is_split_from_the_root (void)
{
    player p;
    given_prover (&p, "strategy: rmaxts, samples: 3, max_steps: 9, mode: draft");
    say (&p, "a\n\n\\boxed{1}");
    CHECK (name_of_node_is (&p.w, p.w.queue[0].node, "1") && p.w.queue[0].mode == TASK_DRAFT);
    say (&p, "b\n\n\\boxed{2}"); /* a draft from a, that begins in another way */
    CHECK (text_at (&p, "1.0", "b\n\n\\boxed{2}") && text_at (&p, "2", "b\n\n"));
    player_close (&p);
}

static void a_pruned_node_gets_no_more_jobs (void)
{
    player p;
    node_ref pruned, before;
    given_prover (&p, "strategy: rmaxts, samples: 30, max_steps: 9, in_flight: 2");
    say (&p, "a\n\nb\n\n\\boxed{1}");
    pruned = named (&p, "2");
    CHECK (text_at (&p, "2", "a\n\n"));
    world_command (&p.w, COMMAND_PRUNE, pruned, "");
    before = tree_size (search_tree (p.w.s));
    world_play (&p.w, 3);
    CHECK (search_finished (p.w.s) && tree_size (search_tree (p.w.s)) > before);
    for (node_ref r = before; r < tree_size (search_tree (p.w.s)); r++)
        for (node_ref up = r; up != NODE_ROOT; up = search_node (p.w.s, up)->parent)
            CHECK (up != pruned || span_ends (node_text (search_node (p.w.s, r)), "\n\n"));
    player_close (&p); /* steps of a rollout from the root may pass it; no rollout starts there */
}

static void a_human_step_is_a_node_like_others (void)
{
    player p;
    node_ref human;
    given_prover (&p, "strategy: rmaxts, samples: 30, max_steps: 9");
    say (&p, "a\n\n\\boxed{1}");
    world_command (&p.w, COMMAND_ADD_STEP, NODE_ROOT, "think again\n\n");
    human = tree_size (search_tree (p.w.s)) - 1;
    CHECK (search_node (p.w.s, human)->source == SOURCE_HUMAN);
    world_play (&p.w, 0);
    CHECK (search_finished (p.w.s) && search_node (p.w.s, human)->children > 0);
    player_close (&p);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"every variant keeps order, caps and memory", every_variant_keeps_order_caps_and_memory},
        {"rollouts are split at empty lines where there is no rule",
         rollouts_are_split_at_empty_lines_where_there_is_no_rule},
        {"bad options name their key", bad_options_name_their_key},
        {"a rollout is split into new nodes", a_rollout_is_split_into_new_nodes},
        {"only what is new is rewarded", only_what_is_new_is_rewarded},
        {"failures leave no trace", failures_leave_no_trace},
        {"a pass ends the problem when asked to", a_pass_ends_the_problem_when_asked_to},
        {"a pass is a reward when asked for", a_pass_is_a_reward_when_asked_for},
        {"adopt_steps cuts a rollout", adopt_steps_cuts_a_rollout},
        {"no node is deeper than a rollout may start", no_node_is_deeper_than_a_rollout_may_start},
        {"steps keep the scores of their rollout", steps_keep_the_scores_of_their_rollout},
        {"a draft is split from the root", a_draft_is_split_from_the_root},
        {"a pruned node gets no more jobs", a_pruned_node_gets_no_more_jobs},
        {"a human step is a node like others", a_human_step_is_a_node_like_others},
        {NULL, NULL},
    };
    return suite_main ("strategy_rmaxts", cases);
}
