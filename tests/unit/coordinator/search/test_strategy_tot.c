/* SPDX-License-Identifier: Apache-2.0 */
// LINK: esp_config
/* test_strategy_tot.c - depth first, draws, proposals, duplicates: what the golden traces leave out */

#include "tests/unit/coordinator/search/plays.h"

/* ---- a scripted world: texts by ordinal, values by the text of the path ---- */

typedef struct script {
    const char *(*text) (const char *path, uint32_t ordinal, bool *ends);
    double (*value) (const char *path);
    char expanded[40][40]; /* paths that children were asked of, each once, in order */
    size_t expanded_count, scores;
} script;

static void play_script (player *p, script *sc)
{
    while (p->w.err == ESP_OK && p->w.queued > 0 && !search_finished (p->w.s)) {
        task t = p->w.queue[0];
        esp_buf path = {0};
        double value;
        bool ends = false;
        result r = {.id = t.id, .tokens = 1, .steps = 1, .mean_logprob = NAN, .share = NAN};
        PASS (tree_path_text (search_tree (p->w.s), t.node, &path));
        if (t.kind == TASK_GENERATE) {
            size_t last = sc->expanded_count;
            r.text = span_of (sc->text (esp_buf_text (&path), t.ordinal, &ends));
            r.finish = ends ? FINISH_EOS : FINISH_STOP;
            if (last < 40 &&
                (last == 0 || strcmp (sc->expanded[last - 1], esp_buf_text (&path)) != 0))
                snprintf (sc->expanded[sc->expanded_count++], sizeof (sc->expanded[0]), "%s",
                          esp_buf_text (&path));
        } else {
            value = sc->value (esp_buf_text (&path));
            r.scores = &value;
            r.score_count = r.score_own = 1;
            sc->scores++;
        }
        world_send (&p->w, &r);
        esp_buf_free (&path);
    }
    CHECK (search_finished (p->w.s));
}

static void given_scripted (player *p, const char *section, script *sc)
{
    PASS (player_read (p, section));
    p->w.setup.has_verifier = false;
    world_open (&p->w);
    play_script (p, sc);
}

static bool answer_is (const player *p, size_t index, const char *want)
{
    node_ref refs[64];
    size_t n = search_answers (p->w.s, refs, 64);
    esp_buf text = {0};
    bool same = index < n && index < 64 &&
                tree_path_text (search_tree (p->w.s), refs[index], &text) == ESP_OK &&
                strcmp (esp_buf_text (&text), want) == 0;
    esp_buf_free (&text);
    return same;
}

static const char *letters (const char *path, uint32_t ordinal, bool *ends)
{
    static const char *const names[] = {"a ", "b ", "c ", "d "};
    (void)path;
    *ends = false;
    return names[ordinal % 4];
}

/* ---- all rules ---- */

static void every_variant_keeps_order_caps_and_memory (void)
{
    static const char *const sections[] = {
        "strategy: tot, keep: 3, expand: 4, max_steps: 5, readings: 2",
        "strategy: tot, keep: 3, expand: 4, max_steps: 4, select: sample",
        "strategy: tot, keep: 2, expand: 3, max_steps: 3, generate: propose",
        "strategy: tot, rule: dfs, expand: 3, max_steps: 5, threshold: 0.4, max_visits: 15",
        "strategy: tot, rule: dfs, expand: 2, max_steps: 4, generate: propose, stop_at_answer: "
        "true",
        "strategy: tot, rule: treequest, keep: 2, expand: 4, actions: 2, max_steps: 4",
        NULL};
    keeps_all_promises (sections);
}

static void too_wide_a_step_is_refused (void)
{
    player p;
    FAILS (player_read (&p, "strategy: tot, keep: 60000, expand: 60000"), ESP_EINVAL);
    player_close (&p);
}

/* ---- depth first ---- */

/* b is best at the root, but what follows it is not good enough; a leads on. */
static double dfs_value (const char *path)
{
    static const struct {
        const char *path;
        double value;
    } known[] = {{"a ", 0.6},   {"b ", 0.9},     {"b a ", 0.5},    {"b b ", 0.55}, {"a a ", 0.7},
                 {"a b ", 0.8}, {"a b a ", 0.9}, {"a b b ", 0.95}, {"a a a ", 0.6}};
    for (size_t i = 0; i < sizeof (known) / sizeof (known[0]); i++)
        if (strcmp (known[i].path, path) == 0)
            return known[i].value;
    return 0.1;
}

static void depth_first_goes_to_the_best_and_comes_back (void)
{
    static const char *const visits[] = {"", "b ", "b b ", "a ", "a b ", "a a "};
    player p;
    script sc = {.text = letters, .value = dfs_value};
    given_scripted (&p, "strategy: tot, rule: dfs, expand: 2, max_steps: 3, threshold: 0.5", &sc);
    CHECK (sc.expanded_count == 6);
    for (size_t i = 0; i < 6; i++)
        CHECK (strcmp (sc.expanded[i], visits[i]) == 0);
    CHECK (answer_is (&p, 0, "a b b ") && answer_is (&p, 1, "a b a ") &&
           answer_is (&p, 2, "a a a "));
    CHECK (search_answers (p.w.s, NULL, 0) == 3 && search_reason (p.w.s) == REASON_ANSWERED);
    player_close (&p);
}

static void depth_first_can_stop_at_the_first_answer (void)
{
    player p;
    script sc = {.text = letters, .value = dfs_value};
    given_scripted (
        &p,
        "strategy: tot, rule: dfs, expand: 2, max_steps: 3, threshold: 0.5, stop_at_answer: true",
        &sc);
    CHECK (sc.expanded_count == 5 && answer_is (&p, 0, "a b b ") &&
           search_answers (p.w.s, NULL, 0) == 1);
    player_close (&p);
}

static void depth_first_makes_no_more_visits_than_it_may (void)
{
    player p;
    script sc = {.text = letters, .value = dfs_value};
    given_scripted (
        &p, "strategy: tot, rule: dfs, expand: 2, max_steps: 3, threshold: 0.5, max_visits: 3",
        &sc);
    CHECK (sc.expanded_count == 3 && search_answers (p.w.s, NULL, 0) == 0);
    CHECK (search_reason (p.w.s) == REASON_NO_ANSWER);
    player_close (&p);
}

static void a_pruned_state_is_not_visited (void)
{
    player p;
    script sc = {.text = letters, .value = dfs_value};
    PASS (player_read (&p, "strategy: tot, rule: dfs, expand: 2, max_steps: 3, threshold: 0.5"));
    p.w.setup.has_verifier = false;
    world_open (&p.w);
    while (p.w.queued > 0 && tree_size (search_tree (p.w.s)) < 5) /* until b is being extended */
        world_answer (&p.w, 0);
    world_command (&p.w, COMMAND_PRUNE, 1, "");
    play_script (&p, &sc);
    for (size_t i = 0; i < sc.expanded_count; i++)
        CHECK (sc.expanded[i][0] != 'a');
    player_close (&p);
}

/* ---- breadth first ---- */

static double one_and_three (const char *path) /* their sum is not 1 */
{
    return path[0] == 'a' ? 1.0 : 3.0;
}

static double nothing (const char *path)
{
    (void)path;
    return 0.0;
}

static int chosen_first (double (*value) (const char *path))
{
    int first = 0;
    for (uint64_t seed = 0; seed < 400; seed++) {
        player p;
        script sc = {.text = letters, .value = value};
        PASS (player_read (&p, "strategy: tot, keep: 1, expand: 2, max_steps: 1, select: sample"));
        p.w.setup.run_seed = seed;
        p.w.setup.has_verifier = false;
        world_open (&p.w);
        play_script (&p, &sc);
        first += answer_is (&p, 0, "a ");
        player_close (&p);
    }
    return first;
}

static void draws_are_in_proportion_to_value (void)
{
    int first = chosen_first (one_and_three);
    CHECK (first > 65 && first < 135); /* 100 of 400 expected, deviation 8.7 */
}

static void when_nothing_has_value_all_are_drawn (void)
{
    int first = chosen_first (nothing);
    CHECK (first > 160 && first < 240);
}

static void draws_are_with_replacement (void)
{
    player p;
    script sc = {.text = letters, .value = one_and_three};
    given_scripted (&p, "strategy: tot, keep: 5, expand: 2, max_steps: 1, select: sample", &sc);
    CHECK (search_answers (p.w.s, NULL, 0) == 5);
    player_close (&p);
}

static const char *all_alike (const char *path, uint32_t ordinal, bool *ends)
{
    (void)path;
    (void)ordinal;
    *ends = false;
    return "same ";
}

static void a_duplicate_has_no_value_and_is_not_valued (void)
{
    player p;
    script sc = {.text = all_alike, .value = one_and_three};
    node_ref refs[8];
    given_scripted (&p, "strategy: tot, keep: 2, expand: 3, max_steps: 2, readings: 3", &sc);
    CHECK (sc.scores == 2 * 3);
    CHECK (search_answers (p.w.s, refs, 8) == 2);
    CHECK (search_node (p.w.s, refs[0])->score == 9.0 &&
           search_node (p.w.s, refs[1])->score_count == 0);
    player_close (&p);
}

static const char *b_ends (const char *path, uint32_t ordinal, bool *ends)
{
    *ends = ordinal % 2 == 1;
    (void)path;
    return ordinal % 2 == 1 ? "b ends " : "a ";
}

static void a_finished_branch_keeps_its_place_and_value (void)
{
    player p;
    script sc = {.text = b_ends, .value = one_and_three};
    given_scripted (&p, "strategy: tot, keep: 2, expand: 2, max_steps: 3", &sc);
    CHECK (answer_is (&p, 0, "b ends ")); /* 3; everything else begins with a */
    CHECK (sc.expanded_count == 3 && sc.scores == 2 + 2 + 2);
    player_close (&p);
}

static void when_all_kept_branches_ended_it_is_over (void)
{
    player p;
    script sc = {.text = b_ends, .value = one_and_three};
    given_scripted (&p, "strategy: tot, keep: 1, expand: 2, max_steps: 9", &sc);
    CHECK (sc.expanded_count == 1 && search_answers (p.w.s, NULL, 0) == 1 &&
           answer_is (&p, 0, "b ends "));
    player_close (&p);
}

/* ---- proposals ---- */

static const char *list_of_thoughts (const char *path, uint32_t ordinal, bool *ends)
{
    (void)path;
    (void)ordinal;
    *ends = true;
    return "\n  \nfirst\n\nsecond\nthird\nfourth\n";
}

static double by_length (const char *path)
{
    return (double)strlen (path) / 100.0;
}

static void a_proposal_is_split_at_its_lines (void)
{
    player p;
    script sc = {.text = list_of_thoughts, .value = by_length};
    given_scripted (&p, "strategy: tot, keep: 2, expand: 3, max_steps: 1, generate: propose", &sc);
    CHECK (sc.scores == 3); /* the fourth is one too many */
    CHECK (answer_is (&p, 0, "second\n") && answer_is (&p, 1, "first\n"));
    CHECK (search_answers (p.w.s, NULL, 0) == 2 && search_node (p.w.s, 1)->mark == MARK_PRUNED);
    CHECK (search_used (p.w.s).generations == 1 && search_used (p.w.s).scored_tokens == 3);
    player_close (&p);
}

static void proposed_thoughts_stand_below_the_state_they_extend (void)
{
    player p;
    script sc = {.text = list_of_thoughts, .value = by_length};
    given_scripted (&p, "strategy: tot, keep: 1, expand: 9, max_steps: 3, generate: propose", &sc);
    CHECK (answer_is (&p, 0, "second\nsecond\nsecond\n"));
    CHECK (search_used (p.w.s).generations == 3);
    player_close (&p);
}

static const char *only_blanks (const char *path, uint32_t ordinal, bool *ends)
{
    (void)path;
    (void)ordinal;
    *ends = false;
    return "\n \n\t\n";
}

static void a_proposal_without_thoughts_ends_the_search (void)
{
    player p;
    script sc = {.text = only_blanks, .value = by_length};
    given_scripted (&p, "strategy: tot, keep: 2, expand: 3, max_steps: 4, generate: propose", &sc);
    CHECK (search_answers (p.w.s, NULL, 0) == 0 && search_reason (p.w.s) == REASON_NO_ANSWER);
    player_close (&p);
}

static void without_a_prm_the_first_are_kept (void)
{
    player p;
    script sc = {.text = letters, .value = nothing};
    PASS (player_read (&p, "strategy: tot, keep: 2, expand: 3, max_steps: 2"));
    p.w.setup.has_verifier = p.w.setup.has_prm = false;
    world_open (&p.w);
    play_script (&p, &sc);
    CHECK (answer_is (&p, 0, "a a ") && answer_is (&p, 1, "a b ") && sc.scores == 0);
    player_close (&p);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"every variant keeps order, caps and memory", every_variant_keeps_order_caps_and_memory},
        {"too wide a step is refused", too_wide_a_step_is_refused},
        {"depth first goes to the best and comes back",
         depth_first_goes_to_the_best_and_comes_back},
        {"depth first can stop at the first answer", depth_first_can_stop_at_the_first_answer},
        {"depth first makes no more visits than it may",
         depth_first_makes_no_more_visits_than_it_may},
        {"a pruned state is not visited", a_pruned_state_is_not_visited},
        {"draws are in proportion to value", draws_are_in_proportion_to_value},
        {"when nothing has value all are drawn", when_nothing_has_value_all_are_drawn},
        {"draws are with replacement", draws_are_with_replacement},
        {"a duplicate has no value and is not valued", a_duplicate_has_no_value_and_is_not_valued},
        {"a finished branch keeps its place and value",
         a_finished_branch_keeps_its_place_and_value},
        {"when all kept branches ended it is over", when_all_kept_branches_ended_it_is_over},
        {"a proposal is split at its lines", a_proposal_is_split_at_its_lines},
        {"proposed thoughts stand below the state they extend",
         proposed_thoughts_stand_below_the_state_they_extend},
        {"a proposal without thoughts ends the search",
         a_proposal_without_thoughts_ends_the_search},
        {"without a PRM the first are kept", without_a_prm_the_first_are_kept},
        {NULL, NULL},
    };
    return suite_main ("strategy_tot", cases);
}
