/* SPDX-License-Identifier: Apache-2.0 */
// LINK: esp_config esp_search
/* test_label.c - what coordinator/sink/label.h promises */

#include "coordinator/sink/label.h"
#include "proto/base/wilson.h"
#include "tests/unit/coordinator/search/plays.h"
#include "tests/unit/coordinator/search/probe.h"

/* What the world does with the n-th generated text: 'p' pass, 'f' fail, 'u' unknown, 't' truncated and passed,
 * '-' no text, 's' a step that nobody verified. */
static void play (world *w, const char *script)
{
    size_t made = 0;
    while (w->err == ESP_OK && w->queued > 0 && !search_finished (w->s)) {
        task t = w->queue[0];
        result r = {.id = t.id,
                    .text = span_of ("text\n\n"),
                    .tokens = 1,
                    .steps = 1,
                    .finish = t.mode == TASK_STEP ? FINISH_STOP : FINISH_EOS,
                    .mean_logprob = NAN,
                    .share = NAN};
        if (t.kind == TASK_GENERATE) {
            CHECK (made < strlen (script));
            r.error = script[made] == '-' ? ESP_EENGINE : ESP_OK;
            r.finish = script[made] == 't' ? FINISH_LENGTH : r.finish;
            made++;
        } else {
            char is = script[t.node - 1]; /* nodes are numbered as they are planned here */
            r.verdict = is == 'f' ? VERDICT_FAIL : is == 'u' ? VERDICT_UNKNOWN : VERDICT_PASS;
        }
        world_send (w, &r);
    }
    CHECK (w->err == ESP_OK && search_finished (w->s) && made == strlen (script));
}

static void given_labels (world *w, const char *script, label **out)
{
    world_open (w);
    play (w, script);
    PASS (labels_of_search (w->s, out));
}

static void done (world *w, label *all)
{
    esp_free (all);
    world_close (w);
}

static probe given_rollouts (size_t n)
{
    return (probe){.joins = 1, .asks = n, .like = {.mode = ASK_TO_END, .verifier = 1}};
}

static void decided_verdicts_are_counted_and_unknown_counts_nowhere (void)
{
    probe p = given_rollouts (7);
    world w = given_probe (&p);
    label *all = NULL;
    double low, high;
    w.setup.has_verifier = true;
    given_labels (&w, "pfuf-pt", &all);
    CHECK (all[0].rollouts == 5 && all[0].passed == 2 && all[0].value == 0.4 && !all[0].strategy);
    esp_wilson (2, 5, &low, &high);
    CHECK (all[0].low == low && all[0].high == high && all[0].hard == LABEL_GOOD);
    CHECK (all[1].hard == LABEL_GOOD && all[1].value == 1.0 && all[1].rollouts == 1);
    CHECK (all[2].hard == LABEL_BAD && all[2].value == 0.0);
    CHECK (all[3].hard == LABEL_UNDECIDED && all[3].rollouts == 0 && isnan (all[3].value));
    CHECK (isnan (all[3].low) && isnan (all[3].high));
    CHECK (all[5].hard == LABEL_UNDECIDED && all[5].rollouts == 0);
    done (&w, all);
}

static void a_truncated_text_is_no_pass_and_not_bad_either (void)
{
    probe p = given_rollouts (2);
    world w = given_probe (&p);
    label *all = NULL;
    w.setup.has_verifier = true;
    given_labels (&w, "tt", &all);
    CHECK (all[0].rollouts == 2 && all[0].passed == 0 && all[0].hard == LABEL_UNDECIDED);
    CHECK (all[1].rollouts == 1 && all[1].passed == 0 && all[1].hard == LABEL_UNDECIDED);
    done (&w, all);
}

static void a_node_is_bad_when_enough_below_it_failed (void)
{
    for (size_t n = LABEL_ENOUGH - 1; n <= LABEL_ENOUGH; n++) {
        probe p = given_rollouts (n);
        world w = given_probe (&p);
        label *all = NULL;
        w.setup.has_verifier = true;
        given_labels (&w, &"ffffffff"[LABEL_ENOUGH - n], &all);
        CHECK (all[0].hard == (n == LABEL_ENOUGH ? LABEL_BAD : LABEL_UNDECIDED));
        CHECK (all[0].rollouts == n && all[0].value == 0.0);
        done (&w, all);
    }
}

/* The probe asks below its first item once more: nodes 1, 2 below the root, 3, 4 below node 1. */
static void counts_go_up_to_every_prefix (void)
{
    probe p = {.joins = 1, .asks = 2, .rounds = 1, .like = {.mode = ASK_TO_END, .verifier = 1}};
    world w = given_probe (&p);
    label *all = NULL;
    w.setup.has_verifier = true;
    given_labels (&w, "fpfp", &all);
    CHECK (all[0].rollouts == 4 && all[0].passed == 2);
    CHECK (all[1].rollouts == 3 && all[1].passed == 1 && all[1].hard == LABEL_GOOD);
    CHECK (all[3].hard == LABEL_BAD && all[4].hard == LABEL_GOOD);
    done (&w, all);
}

static void what_stands_below_a_draft_says_nothing_of_what_it_replaced (void)
{
    probe p = {.joins = 1, .asks = 2, .rounds = 1, .like = {.mode = ASK_DRAFT, .verifier = 1}};
    world w = given_probe (&p);
    label *all = NULL;
    w.setup.has_verifier = true;
    given_labels (&w, "ffpf", &all);
    CHECK (all[0].rollouts == 4 && all[0].passed == 1 && all[0].hard == LABEL_GOOD);
    CHECK (all[1].rollouts == 1 && all[1].passed == 0 && all[1].hard == LABEL_BAD);
    done (&w, all);
}

static void steps_that_nobody_verified_have_no_label (void)
{
    probe p = {.joins = 1, .asks = 2, .like = {.mode = ASK_STEP}};
    world w = given_probe (&p);
    label *all = NULL;
    given_labels (&w, "ss", &all);
    for (size_t i = 0; i < 3; i++)
        CHECK (all[i].hard == LABEL_UNDECIDED && all[i].rollouts == 0 && isnan (all[i].value));
    done (&w, all);
}

static void without_verdicts_the_value_is_that_of_the_strategy (void)
{
    player p;
    label *all = NULL;
    uint32_t valued = 0;
    PASS (player_read (&p, "strategy: mcts, simulations: 8"));
    p.w.setup.has_verifier = false;
    world_open (&p.w);
    world_play (&p.w, WORLD_PLAN);
    CHECK (search_finished (p.w.s));
    PASS (labels_of_search (p.w.s, &all));
    for (node_ref i = 0; i < tree_size (search_tree (p.w.s)); i++) {
        node_value v;
        if (!search_value (p.w.s, i, &v) || isnan (v.q))
            continue;
        CHECK (all[i].value == v.q && isnan (all[i].low) && !all[i].strategy);
        valued++;
    }
    CHECK (valued > 0);
    esp_free (all);
    player_close (&p);
}

static void a_strategy_that_counts_has_the_word (void)
{
    player p;
    label *all = NULL;
    uint32_t counted = 0;
    given_played (&p, "strategy: omegaprm, k: 4, max_searches: 5", WORLD_PLAN);
    PASS (labels_of_search (p.w.s, &all));
    for (node_ref i = 0; i < tree_size (search_tree (p.w.s)); i++) {
        node_value v;
        if (!search_value (p.w.s, i, &v) || !v.counted) {
            CHECK (!all[i].strategy);
            continue;
        }
        CHECK (all[i].strategy && all[i].rollouts == v.rollouts && all[i].passed == v.passed);
        CHECK (v.rollouts == 4 * v.visits &&
               all[i].value == v.q); /* this world knows and cuts nothing */
        counted++;
    }
    CHECK (counted > 1 && all[NODE_ROOT].strategy);
    esp_free (all);
    player_close (&p);
}

static void a_failed_allocation_leaves_nothing (void)
{
    probe p = given_rollouts (2);
    world w = given_probe (&p);
    label *all = NULL;
    w.setup.has_verifier = true;
    world_open (&w);
    play (&w, "pf");
    esp_alloc_fail_after (0);
    FAILS (labels_of_search (w.s, &all), ESP_ENOMEM);
    esp_alloc_fail_after (-1);
    CHECK (all == NULL);
    world_close (&w);
}

int main (void)
{
    return suite_main (
        "coordinator/sink/label",
        (const struct suite_case[]){
            {"decided verdicts are counted, unknown counts nowhere",
             decided_verdicts_are_counted_and_unknown_counts_nowhere},
            {"a truncated text is no pass, and not bad either",
             a_truncated_text_is_no_pass_and_not_bad_either},
            {"a node is bad when enough below it failed",
             a_node_is_bad_when_enough_below_it_failed},
            {"counts go up to every prefix", counts_go_up_to_every_prefix},
            {"what stands below a draft says nothing of what it replaced",
             what_stands_below_a_draft_says_nothing_of_what_it_replaced},
            {"steps that nobody verified have no label", steps_that_nobody_verified_have_no_label},
            {"without verdicts the value is that of the strategy",
             without_verdicts_the_value_is_that_of_the_strategy},
            {"a strategy that counts has the word", a_strategy_that_counts_has_the_word},
            {"a failed allocation leaves nothing", a_failed_allocation_leaves_nothing},
            {NULL, NULL}});
}
