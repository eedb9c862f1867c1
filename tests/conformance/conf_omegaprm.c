/* SPDX-License-Identifier: Apache-2.0 */
/* conf_omegaprm.c - openr_omegaprm, openr_formulas (3.9)
 *
 * The trace is walked event by event next to the generations of the run: an estimate is the next k of them.  Priorities are
 * computed from what was counted up to the event; that the search follows them shows in which prefix it estimates next.
 */

#include <stdio.h>
#include <string.h>
#include "coordinator/search/mcts_formula.h"
#include "coordinator/search/omegaprm_formula.h"
#include "proto/base/alloc.h"
#include "proto/base/hash.h"
#include "tests/conformance/compare.h"
#include "tests/conformance/conf.h"

typedef struct known_state {
    node_ref node;
    double mc;
    uint32_t visits, rollouts;
} known_state;

typedef struct walk {
    driver *d;
    const json_t *params;
    const request *all; /* generations */
    size_t n, at, k;
    known_state *states; /* owned; by number */
    size_t count;
    uint64_t visits, searches;
} walk;

static bool answer_verdict (void *ctx, driver *d, const task *t, result *r)
{
    if (t->kind != TASK_VERIFY)
        return false;
    r->verdict = span_find (driver_text (d, t->node), span_of (ctx)) < driver_text (d, t->node).len
                     ? VERDICT_PASS
                     : VERDICT_FAIL;
    return true;
}

/* ---- events ---- */

static bool prompt_agrees (outcome *o, const char *where, const json_t *row, const request *q)
{
    uint8_t hash[ESP_SHA256_BYTES];
    char name[ESP_SHA256_HEX + 1];
    esp_sha256 (q->prompt, hash);
    esp_hex (hash, sizeof (hash), name);
    return compare_text (o, where, json_object_get (row, "prefix"), q->prompt) &&
           compare_text (o, where, json_object_get (row, "p"), span_of (name));
}

static bool take_estimate (outcome *o, walk *w, const json_t *row, const char *where)
{
    const json_t *rollouts = golden_need_array (o, row, "rollouts");
    const search *s = driver_search (w->d);
    known_state *st = &w->states[w->count];
    int64_t first_k = golden_int (o, row, "first_k", 0), right = 0;
    if (!rollouts || !compare_int (o, where, json_object_get (row, "state"), (int64_t)w->count++) ||
        !compare_size (o, where, json_array_size (rollouts), w->k) ||
        !compare_size (o, where, w->k, w->n - w->at < w->k ? w->n - w->at : w->k))
        return false;
    *st = (known_state){w->all[w->at].planned.node, 0.0, 1, (uint32_t)w->k};
    for (size_t i = 0; i < w->k; i++) {
        const request *q = &w->all[w->at + i];
        if (!prompt_agrees (o, where, row, q) || q->planned.node != st->node ||
            !compare_text (o, where, json_array_get (rollouts, i), q->text) ||
            !compare_size (o, where, (size_t)first_k + i, q->planned.k)) {
            outcome_fail (o, "%s: rollout %zu starts at another node", where, i);
            return false;
        }
        if (search_node (s, q->node)->verdict != VERDICT_PASS)
            continue;
        right++;
        w->states[w->count++] = (known_state){q->node, 1.0, 0, 0};
    }
    w->at += w->k;
    w->visits++;
    st->mc = (double)right / (double)w->k;
    return compare_int (o, where, json_object_get (row, "correct"), right) &&
           compare_exact (o, where, json_object_get (row, "mc"), st->mc);
}

static size_t words_of (const char *text)
{
    size_t count = 0;
    for (bool inside = false; *text; text++) {
        bool space = strchr (" \t\n\v\f\r", *text) != NULL;
        count += !space && !inside;
        inside = !space;
    }
    return count;
}

static const known_state *
state_of_event (outcome *o, const walk *w, const json_t *row, const char *where)
{
    int64_t number = golden_need_int (o, row, "state");
    if (!o->failed && number >= 0 && (size_t)number < w->count)
        return &w->states[number];
    outcome_fail (o, "malformed: %s names a state that is not there", where);
    return NULL;
}

static bool take_candidate (outcome *o, walk *w, const json_t *row, const char *where)
{
    const known_state *st = state_of_event (o, w, row, where);
    const char *rollout = golden_need_text (o, row, "rollout");
    bool found = false;
    double q, u;
    for (size_t i = 0; st && i < w->at && !found; i++)
        found = w->all[i].planned.node == st->node && span_is (w->all[i].text, rollout) &&
                search_node (driver_search (w->d), w->all[i].node)->verdict != VERDICT_PASS;
    if (!found) {
        outcome_fail (o, "%s: no wrong rollout of the state", where);
        return false;
    }
    q = omegaprm_q (st->mc, (double)words_of (rollout), golden_number (o, w->params, "alpha", 0.5),
                    golden_number (o, w->params, "beta", 0.9),
                    golden_number (o, w->params, "L", 500));
    u = omegaprm_u (st->visits, (double)w->visits, golden_number (o, w->params, "c_puct", 0.125));
    return compare_near (o, where, json_object_get (row, "priority"), q + u);
}

/* What is estimated next lies below the selected state. */
static bool take_select (outcome *o, walk *w, const json_t *row, const char *where)
{
    const known_state *st = state_of_event (o, w, row, where);
    const search *s = driver_search (w->d);
    node_ref ref = w->at < w->n ? w->all[w->at].planned.node : NODE_NONE;
    w->searches++;
    while (st && ref != NODE_NONE && ref != st->node)
        ref = search_node (s, ref)->parent;
    if (st && ref == NODE_NONE)
        outcome_fail (o, "%s: another state was searched", where);
    return !o->failed;
}

static bool walk_trace (const golden_case *c, outcome *o, walk *w)
{
    const json_t *trace = golden_trace (c, o), *row;
    char where[60];
    size_t i;
    json_array_foreach (trace, i, row)
    {
        const char *kind = golden_need_text (o, row, "event");
        bool good = false;
        snprintf (where, sizeof (where), "event %zu, %.20s", i, kind);
        if (strcmp (kind, "estimate") == 0)
            good = take_estimate (o, w, row, where);
        else if (strcmp (kind, "candidate") == 0)
            good = take_candidate (o, w, row, where);
        else if (strcmp (kind, "select") == 0)
            good = take_select (o, w, row, where);
        else
            outcome_fail (o, "malformed: %s", where);
        if (!good)
            return false;
    }
    return trace && compare_size (o, "rollouts", w->at, w->n);
}

/* ---- results ---- */

/* The nearest state above that was there before it. */
static int64_t parent_of (const walk *w, size_t number)
{
    const search *s = driver_search (w->d);
    for (node_ref ref = search_node (s, w->states[number].node)->parent; ref != NODE_NONE;
         ref = search_node (s, ref)->parent)
        for (size_t i = 0; i < number; i++)
            if (w->states[i].node == ref && w->states[i].rollouts > 0)
                return (int64_t)i;
    return -1;
}

static bool state_agrees (outcome *o, const walk *w, const json_t *want, size_t i)
{
    const known_state *st = &w->states[i];
    span text = driver_text (w->d, st->node);
    node_value value;
    char where[40];
    snprintf (where, sizeof (where), "state %zu", i);
    if (span_ends (text, "\n\n"))
        text.len -= 2;
    if (!search_value (driver_search (w->d), st->node, &value)) {
        outcome_fail (o, "%s: the strategy has no value for it", where);
        return false;
    }
    return compare_int (o, where, json_object_get (want, "state"), (int64_t)i) &&
           compare_text (o, where, json_object_get (want, "text"), text) &&
           compare_int (o, where, json_object_get (want, "parent"), parent_of (w, i)) &&
           compare_exact (o, where, json_object_get (want, "mc"), value.q) &&
           compare_int (o, where, json_object_get (want, "visits"), (int64_t)value.visits) &&
           compare_int (o, where, json_object_get (want, "rollouts"), st->rollouts);
}

static void results_agree (const golden_case *c, outcome *o, const walk *w)
{
    const json_t *found = golden_object (o, c->body, "results"),
                 *states = golden_need_array (o, found, "states"), *one;
    size_t i;
    if (!states || !compare_size (o, "states", json_array_size (states), w->count))
        return;
    json_array_foreach (states, i, one) if (!state_agrees (o, w, one, i)) return;
    if (compare_int (o, "searches", json_object_get (found, "searches"), (int64_t)w->searches) &&
        compare_int (o, "total_rollouts", json_object_get (found, "total_rollouts"), (int64_t)w->n))
        compare_counts (o, json_object_get (c->body, "counts"), w->d);
}

void conf_omegaprm (const golden_case *c, outcome *o)
{
    walk w = {.params = golden_params (c, o)};
    char gold[200];
    driver_hook hook = {.answer = answer_verdict, .ctx = gold, .verifier = true, .no_prm = true};
    int64_t k = golden_need_int (o, w.params, "k");
    snprintf (gold, sizeof (gold), "\\boxed{%s}", golden_need_text (o, w.params, "gold"));
    if (!o->failed)
        w.d = golden_search (
            c, o, &hook,
            "strategy: omegaprm, k: %lld, max_searches: %lld, rollout_budget: %lld, c_puct: %.17g, "
            "alpha: %.17g, beta: %.17g, L: %.17g",
            (long long)k, (long long)golden_need_int (o, w.params, "max_searches"),
            (long long)golden_need_int (o, w.params, "rollout_budget"),
            golden_number (o, w.params, "c_puct", 0.125), golden_number (o, w.params, "alpha", 0.5),
            golden_number (o, w.params, "beta", 0.9), golden_number (o, w.params, "L", 500));
    if (w.d) {
        w.all = driver_requests (w.d, &w.n);
        w.k = (size_t)k;
        if (!(w.states = esp_calloc (2 * w.n + 2, sizeof (*w.states))))
            outcome_fail (o, "out of memory");
        else if (walk_trace (c, o, &w))
            results_agree (c, o, &w);
    }
    driver_close (w.d);
    esp_free (w.states);
}

/* ---- formulas ---- */

static void conf_puct (const golden_case *c, outcome *o)
{
    const json_t *b = c->body;
    double visits = golden_number (o, b, "child_visits", 0),
           sum = golden_number (o, b, "child_value_sum", 0);
    double value = visits > 0 ? sum / visits : golden_number (o, b, "child_initial_value", 0);
    compare_near (o, "score", json_object_get (b, "score"),
                  mcts_puct (value, golden_number (o, b, "prior", 0),
                             golden_number (o, b, "parent_visits", 0), visits,
                             golden_number (o, b, "c_base", 0), golden_number (o, b, "c_init", 0)));
}

void conf_openr_formulas (const golden_case *c, outcome *o)
{
    const json_t *b = c->body, *all = golden_array (o, b, "visits_all_states"), *one;
    double sum = 0.0, q, u;
    size_t i;
    if (!golden_has (b, "mc")) {
        conf_puct (c, o);
        return;
    }
    json_array_foreach (all, i, one) sum += json_number_value (one);
    q = omegaprm_q (golden_number (o, b, "mc", 0), golden_number (o, b, "words", 0),
                    golden_number (o, b, "alpha", 0), golden_number (o, b, "beta", 0),
                    golden_number (o, b, "L", 0));
    u = omegaprm_u (golden_number (o, b, "visits", 0), sum, golden_number (o, b, "c_puct", 0));
    if (compare_near (o, "Q", json_object_get (b, "Q"), q) &&
        compare_near (o, "U", json_object_get (b, "U"), u))
        compare_near (o, "score", json_object_get (b, "score"), q + u);
}
