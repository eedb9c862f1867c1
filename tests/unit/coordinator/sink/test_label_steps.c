/* SPDX-License-Identifier: Apache-2.0 */
// LINK: esp_config esp_search
/* test_label_steps.c - what coordinator/sink/label_steps.h promises */

#include "coordinator/sink/label_steps.h"
#include "tests/unit/coordinator/search/plays.h"
#include "tests/unit/coordinator/search/shepherd_world.h"

enum { CANDIDATES_MOST = 4000 };

/* Does any verified text that begins so pass? */
static bool is_known_good (const herd *h, const esp_buf *prefix)
{
    bool good = false;
    for (node_ref r = 1; r < tree_size (search_tree (h->p.w.s)) && !good; r++) {
        esp_buf text = {0};
        if (search_node (h->p.w.s, r)->verdict != VERDICT_PASS)
            continue;
        PASS (tree_path_text (search_tree (h->p.w.s), r, &text));
        good = strncmp (esp_buf_text (&text), esp_buf_text (prefix), prefix->len) == 0;
        esp_buf_free (&text);
    }
    return good;
}

typedef struct seen {
    size_t good, bad, open;
} seen;

/* The texts of the steps are the branch; a good one has a pass, that of a branch that passed is good. */
static void check_branch (const herd *h, const label *all, node_ref leaf, seen *sum)
{
    label_step *steps = NULL;
    size_t count = 0;
    esp_buf whole = {0}, so_far = {0};
    PASS (tree_path_text (search_tree (h->p.w.s), leaf, &whole));
    PASS (labels_of_steps (h->p.w.s, all, leaf, &steps, &count));
    CHECK (count > 0);
    for (size_t i = 0; i < count; i++) {
        const label *l = &steps[i].label;
        PASS (esp_buf_add (&so_far, steps[i].text));
        CHECK (l->hard != LABEL_GOOD || is_known_good (h, &so_far));
        CHECK (l->hard == LABEL_GOOD || search_node (h->p.w.s, leaf)->verdict != VERDICT_PASS);
        CHECK (l->rollouts ? l->value == (double)l->passed / l->rollouts && l->low <= l->value
                           : isnan (l->value));
        sum->good += l->hard == LABEL_GOOD;
        sum->bad += l->hard == LABEL_BAD;
        sum->open += l->hard == LABEL_UNDECIDED;
    }
    CHECK (span_equal (esp_buf_span (&so_far), esp_buf_span (&whole)));
    esp_free (steps);
    esp_buf_free (&whole);
    esp_buf_free (&so_far);
}

static void check_run (const char *section, seen *sum)
{
    node_ref *refs = esp_calloc (CANDIDATES_MOST, sizeof (*refs));
    CHECK (refs != NULL);
    for (uint64_t key = 0; key < 5 && refs; key++) {
        herd h;
        label *all = NULL;
        size_t n;
        given_herd (&h, section, key);
        herd_play (&h);
        PASS (labels_of_search (h.p.w.s, &all));
        n = search_answers (h.p.w.s, refs, CANDIDATES_MOST);
        CHECK (n > 0 && n <= CANDIDATES_MOST);
        for (size_t i = 0; i < n; i++)
            check_branch (&h, all, refs[i], sum);
        esp_free (all);
        herd_close (&h);
    }
    esp_free (refs);
}

static void steps_of_every_strategy_are_its_branches (void)
{
    static const char *const sections[] = {"strategy: math_shepherd, solutions: 4, completions: 4",
                                           "strategy: omegaprm, k: 6, max_searches: 6",
                                           "strategy: best_of_n, n: 20",
                                           "strategy: rmaxts, samples: 20"};
    for (size_t i = 0; i < 4; i++) {
        seen sum = {0};
        check_run (sections[i], &sum);
        CHECK (sum.good > 0 && sum.bad > 0 && (sum.open > 0 || i == 0));
    }
}

/* Wrong rollouts that omegaprm searched: their steps have the estimates of the nodes beside them. */
static void pieces_of_a_rollout_have_the_labels_of_the_steps_beside_it (void)
{
    size_t found = 0, bad = 0;
    herd h;
    label *all = NULL;
    given_herd (&h, "strategy: omegaprm, k: 6, max_searches: 8", 2);
    herd_play (&h);
    PASS (labels_of_search (h.p.w.s, &all));
    for (node_ref r = search_node (h.p.w.s, NODE_ROOT)->first_child; r != NODE_NONE;
         r = search_node (h.p.w.s, r)->next_sibling) {
        label_step *steps = NULL;
        size_t count = 0;
        if (search_node (h.p.w.s, r)->verdict == VERDICT_NONE)
            continue; /* an adopted step */
        PASS (labels_of_steps (h.p.w.s, all, r, &steps, &count));
        CHECK (count == HERD_STEPS && steps[count - 1].node == r);
        for (size_t i = 0; i + 1 < count; i++) {
            if (steps[i].node == NODE_NONE) {
                CHECK (steps[i].label.rollouts == 1);
                continue;
            }
            found++;
            bad += steps[i].label.hard == LABEL_BAD;
            CHECK (search_node (h.p.w.s, steps[i].node)->depth == i + 1);
            CHECK (!steps[i].label.strategy || steps[i].label.rollouts >= 6);
        }
        esp_free (steps);
    }
    CHECK (found > 0 && bad > 0);
    esp_free (all);
    herd_close (&h);
}

/* The PRM read the rollout at once: a score a step (shepherd_world.h). */
static void steps_have_the_scores_of_the_prm (void)
{
    static const char *const sections[] = {"strategy: best_of_n, n: 1",
                                           "strategy: math_shepherd, solutions: 1"};
    for (size_t k = 0; k < 2; k++) {
        herd h;
        label *all = NULL;
        label_step *steps = NULL;
        node_ref leaf;
        size_t count = 0;
        given_herd (&h, sections[k], 0);
        h.p.w.setup.has_prm = true;
        herd_play (&h);
        PASS (labels_of_search (h.p.w.s, &all));
        CHECK (search_answers (h.p.w.s, &leaf, 1) == 1);
        PASS (labels_of_steps (h.p.w.s, all, leaf, &steps, &count));
        CHECK (count == HERD_STEPS);
        for (size_t i = 0; i < count; i++)
            CHECK (steps[i].score == 0.25 * (double)(i + 1) && steps[i].human == LABEL_UNDECIDED);
        esp_free (steps);
        esp_free (all);
        herd_close (&h);
    }
}

static void every_failed_allocation_leaves_nothing (void)
{
    herd h;
    label *all = NULL;
    node_ref leaf;
    long before;
    esp_err err = ESP_ENOMEM;
    given_herd (&h, "strategy: best_of_n, n: 1", 0);
    herd_play (&h);
    PASS (labels_of_search (h.p.w.s, &all));
    CHECK (search_answers (h.p.w.s, &leaf, 1) == 1);
    before = esp_alloc_live ();
    for (long n = 0; err != ESP_OK && n < 50; n++) {
        label_step *steps = NULL;
        size_t count;
        esp_alloc_fail_after (n);
        err = labels_of_steps (h.p.w.s, all, leaf, &steps, &count);
        esp_alloc_fail_after (-1);
        esp_free (steps);
        CHECK (esp_alloc_live () == before && (err == ESP_OK || err == ESP_ENOMEM));
    }
    CHECK (err == ESP_OK);
    esp_free (all);
    herd_close (&h);
}

int main (void)
{
    return suite_main (
        "coordinator/sink/label_steps",
        (const struct suite_case[]){
            {"steps of every strategy are its branches", steps_of_every_strategy_are_its_branches},
            {"pieces of a rollout have the labels of the steps beside it",
             pieces_of_a_rollout_have_the_labels_of_the_steps_beside_it},
            {"steps have the scores of the PRM", steps_have_the_scores_of_the_prm},
            {"every failed allocation leaves nothing", every_failed_allocation_leaves_nothing},
            {NULL, NULL}});
}
