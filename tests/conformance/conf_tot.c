/* SPDX-License-Identifier: Apache-2.0 */
/* conf_tot.c - tot_bfs (3.11), tq_tot_ucb (3.10): ToT-BFS as treequest has it, and its bandit as a formula */

#include <stdio.h>
#include <string.h>
#include "coordinator/search/mcts_formula.h"
#include "proto/base/alloc.h"
#include "tests/conformance/conf.h"
#include "tests/conformance/tree_trace.h"

/* ---- Tree of Thoughts ---- */

enum { LEVELS = 3 };

typedef struct thoughts {
    driver *d;
    bool propose;
    size_t each;        /* candidates per state */
    node_ref *frontier; /* owned */
    size_t frontier_count;
    node_ref *candidates; /* owned */
    size_t candidate_count;
} thoughts;

/* Candidates of the frontier: a proposal's lines are adopted nodes, so they have no request. */
static bool collect (outcome *o, thoughts *t)
{
    const search *s = driver_search (t->d);
    size_t most = 0;
    esp_free (t->candidates);
    for (size_t f = 0; f < t->frontier_count; f++)
        most += search_node (s, t->frontier[f])->children;
    t->candidate_count = 0;
    if (!(t->candidates = esp_reallocarray (NULL, most + 1, sizeof (node_ref)))) {
        outcome_fail (o, "out of memory");
        return false;
    }
    for (size_t f = 0; f < t->frontier_count; f++)
        for (node_ref c = search_node (s, t->frontier[f])->first_child; c != NODE_NONE;
             c = search_node (s, c)->next_sibling)
            if (!driver_request_of (t->d, c) == t->propose)
                t->candidates[t->candidate_count++] = c;
    return true;
}

static bool texts_agree (outcome *o, const char *where, const json_t *want, driver *d,
                         const node_ref *refs, size_t n)
{
    char at[100];
    if (!want || !compare_size (o, where, json_array_size (want), n))
        return false;
    for (size_t i = 0; i < n; i++) {
        snprintf (at, sizeof (at), "%s %zu", where, i);
        if (!compare_text (o, at, json_array_get (want, i), driver_text (d, refs[i])))
            return false;
    }
    return true;
}

/* The states of the next step, as the file selects them: ours must be the same, in the same order. */
static bool follow (outcome *o, const char *where, thoughts *t, const json_t *selected, size_t step)
{
    size_t n, chosen = json_array_size (selected), each = t->propose ? 1 : t->each;
    const request *wave = driver_wave (t->d, (uint32_t)step + 1, &n);
    const node_ref *answers = wave ? NULL : driver_answers (t->d, &n);
    node_ref *next = esp_reallocarray (NULL, chosen + 1, sizeof (*next));
    bool good = next && compare_size (o, where, wave ? chosen * each : chosen, n);
    for (size_t i = 0; i < chosen && good; i++) {
        json_int_t index = json_integer_value (json_array_get (selected, i));
        good = index >= 0 && (size_t)index < t->candidate_count;
        if (good)
            next[i] = t->candidates[index];
        for (size_t k = 0; good && k < each; k++)
            good = next[i] == (wave ? wave[i * each + k].planned.node : answers[i]);
        if (!good)
            outcome_fail (o, "%s: place %zu was given to another state", where, i);
    }
    esp_free (t->frontier);
    t->frontier = next;
    t->frontier_count = chosen;
    return good;
}

static bool step_compare (outcome *o, thoughts *t, const json_t *entry, size_t step)
{
    const search *s = driver_search (t->d);
    const json_t *values = golden_need_array (o, entry, "values");
    char where[60], at[100];
    snprintf (where, sizeof (where), "step %zu, frontier", step);
    if (!texts_agree (o, where, golden_need_array (o, entry, "frontier"), t->d, t->frontier,
                      t->frontier_count) ||
        !collect (o, t))
        return false;
    snprintf (where, sizeof (where), "step %zu, candidates", step);
    if (!texts_agree (o, where, golden_need_array (o, entry, "candidates"), t->d, t->candidates,
                      t->candidate_count))
        return false;
    for (size_t i = 0; i < t->candidate_count; i++) {
        const node *n = search_node (s, t->candidates[i]);
        snprintf (at, sizeof (at), "step %zu, value %zu", step, i);
        if (!compare_exact (o, at, json_array_get (values, i),
                            n->score_count ? node_last_score (n) : 0.0))
            return false;
    }
    snprintf (where, sizeof (where), "step %zu, selected", step);
    return follow (o, where, t, golden_need_array (o, entry, "selected"), step);
}

static bool thoughts_compare (const golden_case *c, outcome *o, thoughts *t)
{
    const json_t *trace = golden_trace (c, o), *found = golden_object (o, c->body, "results"),
                 *entry;
    const search *s = driver_search (t->d);
    size_t i, requests, scored = 0;
    t->frontier = esp_calloc (1, sizeof (node_ref));
    t->frontier_count = t->frontier != NULL;
    json_array_foreach (trace, i, entry) if (!step_compare (o, t, entry, i)) return false;
    for (node_ref r = 1; r < tree_size (search_tree (s)); r++)
        scored += search_node (s, r)->score_count > 0;
    (void)driver_requests (t->d, &requests);
    return trace && compare_size (o, "steps", json_array_size (trace), driver_waves (t->d)) &&
           texts_agree (o, "final", golden_need_array (o, found, "final"), t->d, t->frontier,
                        t->frontier_count) &&
           compare_int (o, "generate_calls", json_object_get (found, "generate_calls"),
                        (int64_t)(requests / (t->propose ? 1 : t->each))) &&
           compare_int (o, "value_calls", json_object_get (found, "value_calls"), (int64_t)scored);
}

void conf_tot_bfs (const golden_case *c, outcome *o)
{
    const json_t *params = golden_params (c, o), *list = golden_array (o, params, "value_levels");
    const char *method = golden_need_text (o, params, "method_generate");
    int64_t each = golden_need_int (o, params, "candidates_per_state");
    double levels[LEVELS];
    thoughts t = {.propose = strcmp (method, "propose") == 0, .each = (size_t)each};
    driver_hook hook = {.world = {.thought = t.propose ? "P|" : "S|",
                                  .candidates = (uint32_t)each,
                                  .levels = levels}};
    for (; hook.world.level_count < json_array_size (list) && hook.world.level_count < LEVELS;
         hook.world.level_count++)
        levels[hook.world.level_count] =
            json_number_value (json_array_get (list, hook.world.level_count));
    if (each < 1 || each > 10000 || json_array_size (list) > LEVELS)
        outcome_fail (o, "malformed: candidates_per_state or value_levels");
    if (!o->failed)
        t.d = golden_search (
            c, o, &hook,
            "strategy: tot, rule: bfs, generate: %.10s, expand: %lld, keep: %lld, readings: %lld, "
            "select: %.10s, max_steps: %lld",
            method, (long long)each, (long long)golden_need_int (o, params, "keep"),
            (long long)golden_need_int (o, params, "n_evaluate"),
            golden_text (o, params, "select", "greedy"),
            (long long)golden_need_int (o, params, "steps"));
    if (t.d && !o->failed)
        thoughts_compare (c, o, &t);
    driver_close (t.d);
    esp_free (t.frontier);
    esp_free (t.candidates);
}

/* ---- treequest ---- */

static void conf_tot_treequest (const golden_case *c, outcome *o, const json_t *params,
                                const tree_actions *actions)
{
    driver_hook hook = {.world = {.actions = actions->names, .action_count = actions->count}};
    driver *d = NULL;
    int64_t breadth = golden_need_int (o, params, "breadth"),
            size = golden_need_int (o, params, "size"),
            steps = golden_need_int (o, params, "steps");
    if (!o->failed)
        d = golden_search (c, o, &hook,
                           "strategy: tot, rule: treequest, keep: %lld, expand: %lld, actions: "
                           "%zu, max_steps: 1000, "
                           "budget.generations: %lld",
                           (long long)breadth, (long long)size, actions->count, (long long)steps);
    if (d && tree_trace_compare (c, o, d, actions))
        tree_best_compare (c, o, d);
    driver_close (d);
}

/* The bandit has no tree: all children hang on the root. */
static void
conf_bandit (const golden_case *c, outcome *o, const json_t *params, const tree_actions *actions)
{
    const json_t *trace = golden_trace (c, o), *row;
    double w = golden_number (o, params, "exploration_weight", 0.0), sums[TREE_ACTIONS] = {0};
    span question = span_of (golden_need_text (o, c->body, "question"));
    uint32_t tries[TREE_ACTIONS] = {0};
    esp_buf state = {0};
    size_t i;
    json_array_foreach (trace, i, row)
    {
        size_t best = 0;
        double most = 0.0, score;
        char where[40];
        for (size_t a = 0; a < actions->count; a++) {
            double value = bandit_ucb (tries[a] ? sums[a] / tries[a] : 0.0, tries[a], (double)i, w);
            if (a == 0 || value > most) {
                best = a;
                most = value;
            }
        }
        snprintf (where, sizeof (where), "row %zu", i);
        esp_buf_clear (&state);
        if (fake_gen_child (actions->names[best], tries[best], &state) != ESP_OK)
            outcome_fail (o, "out of memory");
        score = fake_gen_score (question, esp_buf_span (&state));
        if (!compare_text (o, where, json_object_get (row, "action"),
                           span_of (actions->names[best])) ||
            !compare_text (o, where, json_object_get (row, "state"), esp_buf_span (&state)) ||
            !compare_exact (o, where, json_object_get (row, "score"), score))
            break;
        sums[best] += score;
        tries[best]++;
    }
    if (json_array_size (trace) == 0)
        outcome_fail (o, "malformed: an empty trace");
    esp_buf_free (&state);
}

void conf_tot_and_bandit (const golden_case *c, outcome *o)
{
    const json_t *params = golden_params (c, o);
    tree_actions actions;
    if (!tree_actions_read (c, o, &actions))
        return;
    if (golden_has (params, "exploration_weight"))
        conf_bandit (c, o, params, &actions);
    else
        conf_tot_treequest (c, o, params, &actions);
}
