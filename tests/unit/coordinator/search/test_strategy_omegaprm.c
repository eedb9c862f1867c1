/* SPDX-License-Identifier: Apache-2.0 */
// LINK: esp_config
/* test_strategy_omegaprm.c - limits, labels, splitting: what the golden traces leave out */

#include "coordinator/search/omegaprm_formula.h"
#include "tests/unit/coordinator/search/plays.h"

static void every_variant_keeps_order_caps_and_memory (void)
{
    static const char *const sections[] = {
        "strategy: omegaprm, k: 4, max_searches: 5",
        "strategy: omegaprm, k: 3, max_searches: 9, in_flight: 3, reuse: false",
        "strategy: omegaprm, k: 6, max_searches: 9, in_flight: 2, label: hard",
        "strategy: omegaprm, k: 4, max_searches: 4, actions: 2", NULL};
    keeps_all_promises (sections);
}

/* ---- a world in which one step is wrong ---- */

typedef struct wrong_world {
    const char *start; /* what a rollout of the root is, when it is wrong */
    const char *bad;   /* the wrong step: no branch with it can be right */
    bool unknown;      /* the verifier never knows */
    bool all_right;
    size_t verdicts;
} wrong_world;

/* Rollouts of one prefix are wrong and right in turn, unless the prefix holds the wrong step. */
static void play_wrong (player *p, wrong_world *ww)
{
    while (p->w.err == ESP_OK && p->w.queued > 0 && !search_finished (p->w.s)) {
        task t = p->w.queue[0];
        esp_buf path = {0};
        result r = {.id = t.id,
                    .tokens = 1,
                    .steps = 1,
                    .finish = FINISH_EOS,
                    .mean_logprob = NAN,
                    .share = NAN};
        PASS (tree_path_text (search_tree (p->w.s), t.node, &path));
        if (t.kind == TASK_GENERATE)
            r.text = span_of (t.ordinal % 2 && !ww->all_right
                                  ? t.node == NODE_ROOT ? ww->start : "wrong end"
                                  : "right");
        else {
            bool right = span_ends (esp_buf_span (&path), "right") &&
                         !strstr (esp_buf_text (&path), ww->bad);
            r.verdict = ww->unknown ? VERDICT_UNKNOWN : right ? VERDICT_PASS : VERDICT_FAIL;
            ww->verdicts++;
        }
        world_send (&p->w, &r);
        esp_buf_free (&path);
    }
    CHECK (search_finished (p->w.s));
}

static void given_wrong (player *p, const char *section, wrong_world *ww)
{
    PASS (player_read (p, section));
    world_open (&p->w);
    play_wrong (p, ww);
}

/* MC of the node whose path has this text: of the first one in the tree that is a state; -1 = none. */
static double mc_of (const player *p, const char *text)
{
    for (node_ref r = 1; r < tree_size (search_tree (p->w.s)); r++) {
        esp_buf path = {0};
        node_value v;
        bool same = tree_path_text (search_tree (p->w.s), r, &path) == ESP_OK &&
                    strcmp (esp_buf_text (&path), text) == 0 && search_value (p->w.s, r, &v);
        esp_buf_free (&path);
        if (same)
            return v.q;
    }
    return -1.0;
}

static void the_first_wrong_step_is_found (void)
{
    static const char *const steps[] = {"a\n\n", "b\n\n", "c\n\n", "d\n\n",
                                        "e\n\n", "f\n\n", "g\n\n"};
    for (size_t wrong = 0; wrong < 7; wrong++) {
        player p;
        wrong_world ww = {.start = "a\n\nb\n\nc\n\nd\n\ne\n\nf\n\ng", .bad = steps[wrong]};
        char before[64] = "", behind[64] = "";
        node_value root;
        for (size_t i = 0; i <= wrong; i++) {
            strcat (behind, steps[i]);
            strcat (before, i < wrong ? steps[i] : "");
        }
        given_wrong (&p, "strategy: omegaprm, k: 4, max_searches: 1", &ww);
        CHECK (search_value (p.w.s, NODE_ROOT, &root) && root.q == 0.5 && root.visits == 1);
        CHECK (mc_of (&p, behind) == 0.0);
        CHECK (wrong == 0 || mc_of (&p, before) > 0.0);
        player_close (&p);
    }
}

static void an_estimate_is_the_part_of_right_rollouts (void)
{
    player p;
    wrong_world ww = {.start = "a\n\nb", .bad = "b\n\n"};
    given_wrong (&p, "strategy: omegaprm, k: 5, max_searches: 1", &ww);
    CHECK (mc_of (&p, "a\n\n") == 2.0 / 5.0 || mc_of (&p, "a\n\n") == 3.0 / 5.0);
    CHECK (search_used (p.w.s).generations == 15 && search_answers (p.w.s, NULL, 0) == 15);
    player_close (&p);
}

static void separators_stay_where_they_are (void)
{
    player p;
    wrong_world ww = {.start = "\n\na\n\n\n\nb\n\n\nc\n\n", .bad = "zzz"};
    given_wrong (&p, "strategy: omegaprm, k: 4, max_searches: 1", &ww);
    /* three steps; the middle one first, then the last: both keep every newline of the rollout */
    CHECK (mc_of (&p, "\n\na\n\n\n\nb\n\n") > 0.0);
    CHECK (mc_of (&p, "\n\na\n\n\n\nb\n\n\nc\n\n") > 0.0);
    player_close (&p);
}

/* Steps end behind "; ", inside the thinking, which </t> ends, behind ", ". */
static bool next_step (const void *rule, bool *thinking, span *rest, span *step)
{
    span end = span_of (*thinking ? ", " : rule);
    size_t at = span_find (*rest, end);
    if (rest->len == 0)
        return false;
    at += at < rest->len ? end.len : 0;
    *step = span_make (rest->ptr, at);
    *rest = span_make (rest->ptr + at, rest->len - at);
    *thinking = *thinking && span_find (*step, span_of ("</t>")) == step->len;
    return true;
}

static bool thinks (const void *rule, span path, size_t at)
{
    (void)rule;
    return span_find (path, span_of ("</t>")) < path.len &&
           span_find (span_make (path.ptr, at), span_of ("</t>")) == at;
}

static void another_step_rule_splits_otherwise (void)
{
    player p;
    wrong_world ww = {.start = "a; b; c", .bad = "b; "};
    PASS (player_read (&p, "strategy: omegaprm, k: 4, max_searches: 1"));
    p.w.setup.split = (step_split){"; ", NULL, next_step, "; "};
    world_open (&p.w);
    play_wrong (&p, &ww);
    CHECK (mc_of (&p, "a; ") > 0.0 && mc_of (&p, "a; b; ") == 0.0);
    player_close (&p);
}

static void a_rollout_that_begins_inside_the_thinking_is_split_by_its_rule (void)
{
    player p;
    wrong_world ww = {.start = "a; b, c</t>, d; ", .bad = "c</t>, "};
    PASS (player_read (&p, "strategy: omegaprm, k: 4, max_searches: 1"));
    p.w.setup.split = (step_split){"; ", thinks, next_step, ""};
    world_open (&p.w);
    play_wrong (&p, &ww);
    CHECK (mc_of (&p, "a; b, ") > 0.0 && mc_of (&p, "a; b, c</t>, ") == 0.0);
    CHECK (mc_of (&p, "a; ") == -1.0);
    player_close (&p);
}

static void a_question_without_wrong_or_right_rollouts_is_not_searched (void)
{
    for (int all_right = 0; all_right < 2; all_right++) {
        player p;
        wrong_world ww = {.start = "a", .bad = all_right ? "zzz" : "r", .all_right = all_right};
        given_wrong (&p, "strategy: omegaprm, k: 6", &ww);
        CHECK (search_used (p.w.s).generations == 6 && tree_size (search_tree (p.w.s)) == 7);
        player_close (&p);
    }
}

static void unknown_counts_as_wrong (void)
{
    player p;
    node_value root;
    wrong_world ww = {.start = "a", .bad = "zzz", .unknown = true};
    given_wrong (&p, "strategy: omegaprm, k: 6", &ww);
    CHECK (search_value (p.w.s, NODE_ROOT, &root) && root.q == 0.0);
    CHECK (search_used (p.w.s).generations == 6);
    player_close (&p);
}

static void hard_labels_cancel_what_is_not_needed (void)
{
    player p, q;
    node_value all, cut;
    given_played (&p, "strategy: omegaprm, k: 8, max_searches: 4, rollout_budget: 0", WORLD_PLAN);
    given_played (&q, "strategy: omegaprm, k: 8, max_searches: 4, rollout_budget: 0, label: hard",
                  WORLD_PLAN);
    CHECK (p.w.cancelled == 0 && q.w.cancelled > 0);
    CHECK (search_value (p.w.s, NODE_ROOT, &all) && search_value (q.w.s, NODE_ROOT, &cut) &&
           all.q == cut.q);
    for (node_ref r = 1; r < tree_size (search_tree (q.w.s));
         r++) { /* MC of a prefix: 0 or 1 over those heard */
        node_value v;
        if (search_value (q.w.s, r, &v) && v.visits > 0 && v.q > 0.0)
            CHECK (fabs (1.0 / v.q - floor (1.0 / v.q + 0.5)) < 1e-9);
    }
    player_close (&p);
    player_close (&q);
}

static void before_any_visit_the_bonus_is_that_of_one (void)
{
    CHECK (omegaprm_u (0, 0, 0.125) == 0.125 && omegaprm_u (0, 1, 0.125) == 0.125);
    CHECK (omegaprm_u (1, 4, 0.125) == 0.125);
    CHECK (omegaprm_q (1.0, 0, 0.5, 0.9, 500) == 1.0 &&
           omegaprm_q (0.0, 500, 0.5, 0.9, 500) == 0.5 * 0.9);
}

/* All rollouts of the root are wrong; those of another generator are searched all the same. */
static void given_solutions_are_searched_even_when_all_are_wrong (void)
{
    static const action_means means[2] = {{.max_tokens = 64, .given = true},
                                          {.max_tokens = 64, .generator = 1}};
    for (int actions = 1; actions <= 2; actions++) {
        player p;
        char section[120];
        size_t root = 0, other = 0;
        snprintf (section, sizeof (section),
                  "strategy: omegaprm, k: 4, max_searches: 1, actions: %d", actions);
        PASS (player_read (&p, section));
        p.w.setup.actions = means;
        p.w.setup.action_count = p.w.setup.generator_count = 2;
        world_open (&p.w);
        while (p.w.err == ESP_OK && p.w.queued > 0) {
            task t = p.w.queue[0];
            result r = {.id = t.id, .tokens = 1, .steps = 3, .finish = FINISH_EOS, .share = NAN};
            r.text = span_of (t.node == NODE_ROOT ? "a\n\nwrong\n\nc" : "right");
            r.verdict = t.node != NODE_ROOT && search_node (p.w.s, t.node)->depth == 2
                            ? VERDICT_PASS
                            : VERDICT_FAIL; /* only what follows the first step is right */
            root += t.kind == TASK_GENERATE && t.node == NODE_ROOT && t.action == 0;
            other += t.kind == TASK_GENERATE && t.node != NODE_ROOT && t.action == 1;
            world_send (&p.w, &r);
        }
        CHECK (search_finished (p.w.s) && root == 4 && other == (actions == 1 ? 0 : 8));
        CHECK (mc_of (&p, "a\n\n") == (actions == 1 ? -1.0 : 1.0));
        CHECK (mc_of (&p, "a\n\nwrong\n\n") == (actions == 1 ? -1.0 : 0.0));
        player_close (&p);
    }
}

static void limits_end_the_search (void)
{
    player p;
    given_played (&p, "strategy: omegaprm, k: 4, max_searches: 0, rollout_budget: 30", WORLD_PLAN);
    CHECK (search_used (p.w.s).generations >= 30 && search_used (p.w.s).generations < 30 + 4 * 4);
    player_close (&p);
    given_played (&p, "strategy: omegaprm, k: 4, max_searches: 1, rollout_budget: 0", WORLD_PLAN);
    CHECK (search_used (p.w.s).generations <= 4 + 4 * 4);
    player_close (&p);
}

static void without_reuse_the_pool_runs_dry (void)
{
    static const char *const hows[] = {"reuse: false", "reuse: true"};
    for (size_t i = 0; i < 2; i++) {
        player p;
        char section[200];
        wrong_world ww = {.start = "wrong a\n\nwrong b", .bad = "wrong"};
        snprintf (section, sizeof (section),
                  "strategy: omegaprm, k: 4, max_searches: 0, rollout_budget: 0, "
                  "budget.generations: 400, %s",
                  hows[i]);
        given_wrong (&p, section, &ww);
        CHECK (search_used (p.w.s).generations == (i == 0 ? 8 : 400));
        CHECK (search_reason (p.w.s) == (i == 0 ? REASON_ANSWERED : REASON_BUDGET));
        player_close (&p);
    }
}

static void nothing_below_a_pruned_node_is_searched (void)
{
    player p;
    uint32_t before;
    PASS (player_read (&p, "strategy: omegaprm, k: 6, max_searches: 30, rollout_budget: 0"));
    world_open (&p.w);
    while (p.w.queued > 0 && tree_size (search_tree (p.w.s)) < 20)
        world_answer (&p.w, 0);
    world_command (&p.w, COMMAND_PRUNE, NODE_ROOT, ""); /* all that waits is below it */
    before = tree_size (search_tree (p.w.s));
    world_play (&p.w, WORLD_PLAN);
    CHECK (search_finished (p.w.s));
    CHECK (tree_size (search_tree (p.w.s)) <= before + 4 * 7);
    player_close (&p);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"every variant keeps order, caps and memory", every_variant_keeps_order_caps_and_memory},
        {"the first wrong step is found", the_first_wrong_step_is_found},
        {"an estimate is the part of right rollouts", an_estimate_is_the_part_of_right_rollouts},
        {"separators stay where they are", separators_stay_where_they_are},
        {"another step rule splits otherwise", another_step_rule_splits_otherwise},
        {"a rollout that begins inside the thinking is split by its rule",
         a_rollout_that_begins_inside_the_thinking_is_split_by_its_rule},
        {"a question without wrong or right rollouts is not searched",
         a_question_without_wrong_or_right_rollouts_is_not_searched},
        {"unknown counts as wrong", unknown_counts_as_wrong},
        {"hard labels cancel what is not needed", hard_labels_cancel_what_is_not_needed},
        {"before any visit the bonus is that of one", before_any_visit_the_bonus_is_that_of_one},
        {"given solutions are searched even when all are wrong",
         given_solutions_are_searched_even_when_all_are_wrong},
        {"limits end the search", limits_end_the_search},
        {"without reuse the pool runs dry", without_reuse_the_pool_runs_dry},
        {"nothing below a pruned node is searched", nothing_below_a_pruned_node_is_searched},
        {NULL, NULL},
    };
    return suite_main ("strategy_omegaprm", cases);
}
