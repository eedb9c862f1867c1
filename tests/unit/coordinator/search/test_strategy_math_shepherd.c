/* SPDX-License-Identifier: Apache-2.0 */
// LINK: esp_config esp_sink
/* test_strategy_math_shepherd.c - labels against plain k per step, and what sharing and early stop save */

#include "coordinator/sink/label.h"
#include "tests/unit/coordinator/search/plays.h"
#include "tests/unit/coordinator/search/shepherd_world.h"

static void every_variant_keeps_order_caps_and_memory (void)
{
    static const char *const sections[] = {
        "strategy: math_shepherd, solutions: 3, completions: 4",
        "strategy: math_shepherd, solutions: 3, completions: 4, until: end",
        "strategy: math_shepherd, solutions: 4, completions: 5, label: soft",
        "strategy: math_shepherd, solutions: 2, completions: 3, early_stop: false, share: false",
        "strategy: math_shepherd, solutions: 5, completions: 4, in_flight: 3, scores: false",
        NULL};
    keeps_all_promises (sections);
}

/* ---- plain k per step, without a search ---- */

enum { SOLUTIONS = 6, K = 5 };

typedef struct plain {
    char solutions[SOLUTIONS][HERD_TEXT];
    bool own[SOLUTIONS][HERD_STEPS]; /* one of the k completions of this step passes */
    bool known[SOLUTIONS]
              [HERD_STEPS]; /* anything of all that plain asks goes through it and passes */
} plain;

static void prefix_of (const char *text, int step, char out[HERD_TEXT])
{
    size_t len = 0;
    for (int i = 0; i <= step && text[len]; i++)
        len += strcspn (text + len, "\n") + (text[len + strcspn (text + len, "\n")] ? 2 : 0);
    snprintf (out, HERD_TEXT, "%.*s", (int)len, text);
}

static void note_pass (plain *p, const char *whole)
{
    for (int i = 0; i < SOLUTIONS; i++)
        for (int step = 0; step < HERD_STEPS; step++) {
            char prefix[HERD_TEXT];
            prefix_of (p->solutions[i], step, prefix);
            if (strncmp (whole, prefix, strlen (prefix)) == 0)
                p->known[i][step] = true;
        }
}

static void given_plain (plain *p, uint64_t key)
{
    memset (p, 0, sizeof (*p));
    for (uint32_t i = 0; i < SOLUTIONS; i++)
        herd_rollout (key, "", i, p->solutions[i]);
    for (int i = 0; i < SOLUTIONS; i++) {
        if (herd_right (p->solutions[i]))
            note_pass (p, p->solutions[i]);
        for (int step = 0; step + 1 < HERD_STEPS; step++)
            for (uint32_t n = 0; n < K; n++) {
                char prefix[HERD_TEXT], behind[HERD_TEXT], whole[2 * HERD_TEXT];
                prefix_of (p->solutions[i], step, prefix);
                herd_rollout (key, prefix, n, behind);
                snprintf (whole, sizeof (whole), "%s%s", prefix, behind);
                if (!herd_right (whole))
                    continue;
                p->own[i][step] = true;
                note_pass (p, whole);
            }
    }
}

typedef struct counts {
    uint64_t good, bad, open, generations;
} counts;

/* Every label of the search is that of plain, where both have one.  Of equal texts the first step in the tree has the label of all. */
static void compare (const herd *h, const plain *p, counts *c)
{
    label *labels = NULL;
    PASS (labels_of_search (h->p.w.s, &labels));
    for (int i = 0; i < SOLUTIONS; i++)
        for (int step = 0; step + 1 < HERD_STEPS; step++) {
            char prefix[HERD_TEXT];
            node_ref ref;
            enum label_hard hard;
            prefix_of (p->solutions[i], step, prefix);
            CHECK ((ref = herd_find (h, prefix)) != NODE_NONE && labels[ref].strategy);
            hard = labels[ref].hard;
            CHECK (hard != LABEL_GOOD || p->known[i][step]);
            CHECK (hard != LABEL_BAD || !p->own[i][step]);
            c->good += hard == LABEL_GOOD;
            c->bad += hard == LABEL_BAD;
            c->open += hard == LABEL_UNDECIDED;
        }
    esp_free (labels);
    c->generations += herd_generations (h);
}

static void check_section (const char *how, counts *c)
{
    *c = (counts){0};
    for (uint64_t key = 0; key < 60; key++) {
        herd h;
        plain p;
        char section[200];
        snprintf (section, sizeof (section),
                  "strategy: math_shepherd, solutions: %d, completions: %d, %s", SOLUTIONS, K, how);
        given_plain (&p, key);
        given_herd (&h, section, key);
        herd_play (&h);
        compare (&h, &p, c);
        herd_close (&h);
    }
    CHECK (c->good > 100 && c->bad > 100);
}

static void labels_are_those_of_plain_k_per_step_where_both_are_decided (void)
{
    const uint64_t whole = 60ULL * (SOLUTIONS + SOLUTIONS * (HERD_STEPS - 1) * K);
    counts all, shared, first;
    check_section ("early_stop: false, share: false", &all);
    CHECK (all.generations == whole && all.open == 0);
    check_section ("until: end", &shared);
    CHECK (10 * shared.generations < 8 * whole && shared.open == 0);
    check_section ("until: first_error", &first);
    CHECK (10 * first.generations < 6 * whole && first.generations < shared.generations);
    CHECK (first.open > 0 && first.good <= shared.good);
}

/* A step with a pass below it, wherever that came from, is good; without one it is never bad before all k were asked. */
static void a_bad_step_had_all_its_completions (void)
{
    for (uint64_t key = 0; key < 40; key++) {
        herd h;
        given_herd (&h, "strategy: math_shepherd, solutions: 6, completions: 5", key);
        herd_play (&h);
        for (node_ref r = 1; r < tree_size (search_tree (h.p.w.s)); r++) {
            node_value v;
            if (search_value (h.p.w.s, r, &v) && v.tried && v.passed == 0 &&
                search_node (h.p.w.s, r)->finish == FINISH_STOP)
                CHECK (h.asked[r] == 5);
        }
        herd_close (&h);
    }
}

/* ---- one thing at a time ---- */

static void a_right_solution_needs_nothing_more (void)
{
    static const char *const texts[] = {"a\n\na\n\na\n\na", "d\n\na\n\na\n\na"};
    herd h;
    node_value v;
    given_herd (&h, "strategy: math_shepherd, solutions: 2", 0);
    h.given = texts;
    herd_play (&h);
    CHECK (herd_generations (&h) == 2 && h.verdicts == 2);
    CHECK (herd_step (&h, "a\n\na\n\n", &v) && v.passed == 1 && v.rollouts == 1);
    CHECK (herd_step (&h, "d\n\n", &v) && v.passed == 1);
    CHECK (search_value (h.p.w.s, NODE_ROOT, &v) && v.rollouts == 2 && v.q == 1.0);
    CHECK (search_reason (h.p.w.s) == REASON_ANSWERED && search_answers (h.p.w.s, NULL, 0) == 2);
    herd_close (&h);
}

static void completions_stop_with_the_first_pass_and_with_the_last_failure (void)
{
    static const char *const texts[] = {
        "a\n\na\n\nx\n\na",                                              /* the solution */
        "x\n\na\n\na",      "x\n\na\n\na", "x\n\na\n\na", "a\n\na\n\na", /* a: the 4th passes */
        "x\n\na",           "x\n\na",      "x\n\na",      "x\n\na",
        "x\n\na",           "x\n\na",      "x\n\na",      "x\n\na"}; /* a a: all 8 fail */
    herd h;
    node_value v;
    given_herd (&h, "strategy: math_shepherd, solutions: 1, completions: 8", 0);
    h.given = texts;
    herd_play (&h);
    CHECK (herd_step (&h, "a\n\n", &v) && v.rollouts == 5 && v.passed == 1);
    /* the passing completion of "a" went through "a a" too: both are good, nothing more is asked about that */
    CHECK (herd_step (&h, "a\n\na\n\n", &v) && v.passed == 1 && v.rollouts == 2);
    CHECK (herd_step (&h, "a\n\na\n\nx\n\n", &v) && v.passed == 0 && v.tried);
    CHECK (herd_generations (&h) == 1 + 4 + 8);
    herd_close (&h);
}

static void behind_the_first_bad_step_there_is_no_label (void)
{
    static const char *const texts[] = {"x\n\na\n\na\n\na", "a\n\na\n\na", "a\n\na\n\na",
                                        "a\n\na\n\na"};
    herd h;
    node_value v;
    given_herd (&h, "strategy: math_shepherd, solutions: 1, completions: 3", 0);
    h.given = texts;
    herd_play (&h);
    CHECK (herd_generations (&h) == 4);
    CHECK (herd_step (&h, "x\n\n", &v) && v.tried && v.passed == 0);
    CHECK (herd_step (&h, "x\n\na\n\n", &v) && !v.tried);
    CHECK (herd_step (&h, "x\n\na\n\na\n\na", &v) && v.tried &&
           v.passed == 0); /* its own verdict */
    herd_close (&h);
}

static void equal_beginnings_are_one (void)
{
    static const char *const texts[] = {"x\n\na\n\na\n\na", "x\n\nb\n\nb\n\nb", "a\n\na\n\na",
                                        "a\n\na\n\na", "a\n\na\n\na"};
    static const char *const shares[] = {"true", "false"};
    for (int i = 0; i < 2; i++) {
        herd h;
        node_value v;
        char section[120];
        const char *twice[8];
        snprintf (section, sizeof (section),
                  "strategy: math_shepherd, solutions: 2, completions: 3, share: %s", shares[i]);
        for (int n = 0; n < 8; n++)
            twice[n] = texts[n < 5 ? n : 4];
        given_herd (&h, section, 0);
        h.given = twice;
        herd_play (&h);
        CHECK (herd_generations (&h) == (i == 0 ? 5 : 8));
        CHECK (herd_step (&h, "x\n\n", &v) && v.rollouts == (i == 0 ? 5 : 3));
        herd_close (&h);
    }
}

static void soft_labels_stop_when_the_interval_is_on_one_side (void)
{
    herd h;
    node_value v;
    given_herd (&h, "strategy: math_shepherd, solutions: 1, completions: 16, label: soft", 0);
    h.verdict = VERDICT_FAIL;
    herd_play (&h);
    /* the solution and 3 or more completions: the waves are 1, 1, 2; 0 of 4 reaches up to 0.49 */
    for (int step = 0; step + 1 < HERD_STEPS; step++) {
        char text[HERD_TEXT], prefix[HERD_TEXT];
        herd_rollout (0, "", 0, text);
        prefix_of (text, step, prefix);
        CHECK (herd_step (&h, prefix, &v) && v.rollouts >= 4 && v.rollouts < 16 && v.tried);
    }
    CHECK (herd_generations (&h) < 1 + 3 * 8);
    herd_close (&h);
    given_herd (
        &h,
        "strategy: math_shepherd, solutions: 1, completions: 16, label: soft, early_stop: false",
        0);
    h.verdict = VERDICT_FAIL;
    herd_play (&h);
    CHECK (herd_generations (&h) == 1 + 3 * 16);
    herd_close (&h);
}

static void unknown_counts_nowhere (void)
{
    herd h;
    node_value v;
    given_herd (&h, "strategy: math_shepherd, solutions: 1, completions: 4", 0);
    h.verdict = VERDICT_UNKNOWN;
    herd_play (&h);
    CHECK (herd_generations (&h) == 1 + 4);
    for (node_ref r = 1; r < tree_size (search_tree (h.p.w.s)); r++)
        if (search_value (h.p.w.s, r, &v))
            CHECK (v.rollouts == 0 && !v.tried && isnan (v.q));
    herd_close (&h);
}

static void truncated_completions_are_no_pass (void)
{
    herd h;
    char text[HERD_TEXT], prefix[HERD_TEXT];
    node_value v;
    given_herd (&h, "strategy: math_shepherd, solutions: 1, completions: 4", 0);
    h.verdict = VERDICT_PASS;
    h.finish = FINISH_LENGTH;
    herd_play (&h);
    herd_rollout (0, "", 0, text);
    prefix_of (text, 0, prefix);
    CHECK (herd_step (&h, prefix, &v) && v.rollouts == 5 && v.passed == 0 && v.tried);
    CHECK (herd_step (&h, text, &v) && !v.tried && v.passed == 0); /* cut, not wrong */
    herd_close (&h);
}

/* A given solution may be the beginning of one. */
static void the_last_step_of_an_unfinished_solution_is_asked_about (void)
{
    static const char *const texts[] = {"a\n\na", "x\n\na\n\na", "d\n\na\n\na", "a\n\na"};
    herd h;
    node_value v;
    given_herd (&h, "strategy: math_shepherd, solutions: 1, completions: 4", 0);
    h.given = texts;
    world_open (&h.p.w);
    herd_answer (&h, 0);
    h.verdict = VERDICT_UNKNOWN;
    herd_answer (&h, 0); /* of the solution */
    h.verdict = VERDICT_NONE;
    while (h.p.w.queued > 0)
        herd_answer (&h, 0);
    CHECK (search_finished (h.p.w.s) && herd_generations (&h) == 4);
    CHECK (herd_step (&h, "a\n\n", &v) && v.rollouts == 2 && v.passed == 1);
    CHECK (herd_step (&h, "a\n\na\n\n", &v) && v.rollouts == 1 && v.passed == 1 && !v.tried);
    herd_close (&h);
}

static void the_candidates_are_the_solutions_as_they_were (void)
{
    static const char *const texts[] = {"a\n\na\n\na\n\na", "", "a\n\na\n\na\n\na",
                                        "\n\nd\n\n\n\na\n\na\n\na\n\n"};
    herd h;
    node_ref refs[4];
    given_herd (&h, "strategy: math_shepherd, solutions: 4", 0);
    h.given = texts;
    herd_play (&h);
    CHECK (search_answers (h.p.w.s, refs, 4) == 3 && refs[0] == refs[1] && refs[1] != refs[2]);
    for (int i = 1; i < 3; i++) {
        const node *n = search_node (h.p.w.s, refs[i]);
        esp_buf text = {0};
        PASS (tree_path_text (search_tree (h.p.w.s), refs[i], &text));
        CHECK (strcmp (esp_buf_text (&text), texts[i + 1]) == 0);
        CHECK (n->verdict == VERDICT_PASS && n->finish == FINISH_EOS && n->depth == HERD_STEPS);
        esp_buf_free (&text);
    }
    CHECK (h.verdicts == 4); /* nobody is asked twice about one text */
    herd_close (&h);
}

static void no_chain_is_longer_than_max_steps (void)
{
    static const char *const texts[] = {"a\n\na\n\na\n\na"};
    herd h;
    node_ref ref;
    given_herd (&h, "strategy: math_shepherd, solutions: 1, max_steps: 2", 0);
    h.given = texts;
    herd_play (&h);
    CHECK (search_answers (h.p.w.s, &ref, 1) == 1 && search_node (h.p.w.s, ref)->depth == 2);
    CHECK (span_is (node_text (search_node (h.p.w.s, ref)), "a\n\na\n\na"));
    herd_close (&h);
}

static void steps_have_the_scores_of_the_prm (void)
{
    static const char *const texts[] = {"a\n\na\n\na\n\na"};
    for (uint32_t cut = 0; cut < 2; cut++) { /* as we cut, and all as one step */
        herd h;
        node_ref ref;
        double path[8];
        given_herd (&h, "strategy: math_shepherd, solutions: 1", 0);
        h.p.w.setup.has_prm = true;
        h.given = texts;
        h.scores = cut;
        herd_play (&h);
        CHECK (search_answers (h.p.w.s, &ref, 1) == 1);
        CHECK (tree_path_scores (search_tree (h.p.w.s), ref, path, 8) == HERD_STEPS);
        CHECK (path[0] == 0.25 && path[3] == (cut ? 0.25 : 1.0));
        CHECK (h.scored == (cut ? 5 : 1));
        herd_close (&h);
    }
}

static void completions_come_from_the_second_action (void)
{
    static const action_means means[2] = {
        {.how = {.max_step_tokens = 8}, .max_tokens = 64, .generator = 0, .given = true},
        {.how = {.max_step_tokens = 8}, .max_tokens = 64, .generator = 1}};
    herd h;
    given_herd (&h, "strategy: math_shepherd, solutions: 3, completions: 4, actions: 2", 1);
    h.p.w.setup.actions = means;
    h.p.w.setup.action_count = h.p.w.setup.generator_count = 2;
    herd_play (&h);
    CHECK (h.by_action[0] == 3 && h.by_action[1] > 0);
    for (node_ref r = 1; r < tree_size (search_tree (h.p.w.s));
         r++) { /* and who wrote what is known */
        node_value v;
        const node *n = search_node (h.p.w.s, r);
        bool solution = n->parent == NODE_ROOT || search_value (h.p.w.s, r, &v);
        CHECK (n->source == (solution ? SOURCE_GIVEN : SOURCE_MODEL));
    }
    herd_close (&h);
}

static void a_rollout_is_asked_only_when_its_whole_length_can_be_paid (void)
{
    herd h;
    given_herd (&h,
                "strategy: math_shepherd, solutions: 9, completions: 4, "
                "budget.generated_tokens: 200",
                1); /* 64 each: three at a time; they use one */
    h.verdict = VERDICT_FAIL;
    world_open (&h.p.w);
    CHECK (h.p.w.queued == 3);
    while (h.p.w.queued > 0) {
        for (size_t i = 0; i < h.p.w.queued; i++)
            CHECK (h.p.w.queue[i].kind != TASK_GENERATE || h.p.w.queue[i].max_tokens == 64);
        herd_answer (&h, 0);
    }
    CHECK (search_finished (h.p.w.s) && search_answers (h.p.w.s, NULL, 0) == 9);
    herd_close (&h);
    given_herd (&h, "strategy: math_shepherd, budget.generated_tokens: 63", 1);
    world_open (&h.p.w);
    CHECK (search_finished (h.p.w.s) && search_reason (h.p.w.s) == REASON_BUDGET);
    herd_close (&h);
}

static void nothing_is_asked_below_a_pruned_step (void)
{
    static const char *const texts[] = {"x\n\na\n\na\n\na", "a\n\na\n\na", "a\n\na\n\na"};
    herd h;
    node_ref step = NODE_NONE;
    given_herd (&h, "strategy: math_shepherd, solutions: 1, completions: 8", 0);
    h.given = texts;
    world_open (&h.p.w);
    herd_answer (&h, 0);
    herd_answer (&h, 0);
    step = h.p.w.queue[0].node;
    CHECK (h.p.w.queued == 1 && step != NODE_ROOT);
    world_command (&h.p.w, COMMAND_PRUNE, step, "");
    CHECK (search_finished (h.p.w.s) && herd_generations (&h) == 2);
    CHECK (search_answers (h.p.w.s, NULL, 0) == 0);
    herd_close (&h);
}

static void what_is_missing_is_said (void)
{
    herd h;
    esp_error error = {0};
    strategy_means has = {.prm = true};
    given_herd (&h, "strategy: math_shepherd", 0);
    FAILS (strategy_math_shepherd.suits (h.p.options, &has, &error), ESP_EINVAL);
    CHECK (strstr (error.text, "add a section verifier") != NULL);
    has.verifier = true;
    PASS (strategy_math_shepherd.suits (h.p.options, &has, &error));
    has.given[0] = has.given[1] = true;
    FAILS (strategy_math_shepherd.suits (h.p.options, &has, &error), ESP_EINVAL);
    CHECK (strstr (error.text, "list a second generator") != NULL);
    herd_close (&h);
    given_herd (&h, "strategy: math_shepherd, actions: 2", 0);
    FAILS (strategy_math_shepherd.suits (h.p.options, &has, &error), ESP_EINVAL);
    has.given[1] = false;
    PASS (strategy_math_shepherd.suits (h.p.options, &has, &error));
    herd_close (&h);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"every variant keeps order, caps and memory", every_variant_keeps_order_caps_and_memory},
        {"labels are those of plain k per step where both are decided",
         labels_are_those_of_plain_k_per_step_where_both_are_decided},
        {"a bad step had all its completions", a_bad_step_had_all_its_completions},
        {"a right solution needs nothing more", a_right_solution_needs_nothing_more},
        {"completions stop with the first pass and with the last failure",
         completions_stop_with_the_first_pass_and_with_the_last_failure},
        {"behind the first bad step there is no label",
         behind_the_first_bad_step_there_is_no_label},
        {"equal beginnings are one", equal_beginnings_are_one},
        {"soft labels stop when the interval is on one side",
         soft_labels_stop_when_the_interval_is_on_one_side},
        {"unknown counts nowhere", unknown_counts_nowhere},
        {"truncated completions are no pass", truncated_completions_are_no_pass},
        {"the last step of an unfinished solution is asked about",
         the_last_step_of_an_unfinished_solution_is_asked_about},
        {"the candidates are the solutions as they were",
         the_candidates_are_the_solutions_as_they_were},
        {"no chain is longer than max_steps", no_chain_is_longer_than_max_steps},
        {"steps have the scores of the PRM", steps_have_the_scores_of_the_prm},
        {"completions come from the second action", completions_come_from_the_second_action},
        {"a rollout is asked only when its whole length can be paid",
         a_rollout_is_asked_only_when_its_whole_length_can_be_paid},
        {"nothing is asked below a pruned step", nothing_is_asked_below_a_pruned_step},
        {"what is missing is said", what_is_missing_is_said},
        {NULL, NULL},
    };
    return suite_main ("strategy_math_shepherd", cases);
}
