/* SPDX-License-Identifier: Apache-2.0 */
/* conf_mcts.c - openr_mcts (3.8: selection puct) and tq_mcts (3.10: selection uct_prior) */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "proto/base/alloc.h"
#include "tests/conformance/conf.h"
#include "tests/conformance/tree_trace.h"

/* ---- OpenR: expansions ---- */

static bool is_distinct (const driver *d, node_ref ref)
{
    return search_node (driver_search (d), ref)->mark != MARK_PRUNED;
}

static bool compare_calls (outcome *o, const golden_case *c, driver *d)
{
    const json_t *trace = golden_trace (c, o), *entry;
    char where[60];
    size_t i, n;
    json_array_foreach (trace, i, entry)
    {
        const request *wave = driver_wave (d, (uint32_t)i, &n);
        size_t distinct = 0;
        snprintf (where, sizeof (where), "call %zu", i);
        if (!compare_requests (o, where, golden_need_array (o, entry, "ask"), d, wave, n))
            return false;
        for (size_t k = 0; k < n; k++)
            distinct += is_distinct (d, wave[k].node);
        if (!compare_int (o, where, json_object_get (entry, "call"), (int64_t)i) ||
            !compare_int (o, where, json_object_get (entry, "distinct"), (int64_t)distinct))
            return false;
    }
    return compare_size (o, "calls", json_array_size (trace), driver_waves (d));
}

/* ---- OpenR: nodes, depth first, children in order, twins left out ---- */

typedef struct listing {
    node_ref *refs; /* owned */
    size_t *parents, count;
} listing;

static void list_below (const driver *d, node_ref ref, size_t parent, listing *out)
{
    const search *s = driver_search (d);
    size_t mine = out->count++;
    out->refs[mine] = ref;
    out->parents[mine] = parent;
    for (node_ref c = search_node (s, ref)->first_child; c != NODE_NONE;
         c = search_node (s, c)->next_sibling)
        if (is_distinct (d, c))
            list_below (d, c, mine, out);
}

static bool compare_node (outcome *o, driver *d, const json_t *want, const listing *all, size_t i)
{
    const search *s = driver_search (d);
    const node *n = search_node (s, all->refs[i]);
    bool root = i == 0, over = !root && (node_ended (n) || n->text_len == 0);
    node_value value;
    char where[60];
    snprintf (where, sizeof (where), "node %zu", i);
    if (!search_value (s, all->refs[i], &value)) {
        outcome_fail (o, "%s: the strategy does not know it", where);
        return false;
    }
    if (golden_bool (o, want, "terminated", over) != over ||
        golden_bool (o, want, "expanded", n->children > 0) != (n->children > 0))
        outcome_fail (o, "%s: terminated is %d, expanded is %d", where, over, n->children > 0);
    return !o->failed &&
           compare_int (o, where, json_object_get (want, "parent"),
                        root ? -1 : (int64_t)all->parents[i]) &&
           compare_text (o, where, json_object_get (want, "action"), node_text (n)) &&
           (root || compare_near (o, where, json_object_get (want, "prior"), value.prior)) &&
           compare_exact (o, where, json_object_get (want, "initial_value"),
                          root ? 0.0 : node_last_score (n)) &&
           compare_int (o, where, json_object_get (want, "visits"), (int64_t)value.visits) &&
           compare_near (o, where, json_object_get (want, "value_sum"),
                         value.visits > 0 ? value.q * value.visits : 0.0);
}

static bool compare_nodes (outcome *o, driver *d, const json_t *want)
{
    uint32_t size = tree_size (search_tree (driver_search (d)));
    listing all = {esp_calloc (size, sizeof (*all.refs)), esp_calloc (size, sizeof (*all.parents)),
                   0};
    bool same = all.refs && all.parents;
    if (!same)
        outcome_fail (o, "out of memory");
    else
        list_below (d, NODE_ROOT, 0, &all);
    same = same && compare_size (o, "nodes", json_array_size (want), all.count);
    for (size_t i = 0; same && i < all.count; i++)
        same = compare_node (o, d, golden_entry (o, want, i), &all, i);
    esp_free (all.refs);
    esp_free (all.parents);
    return same;
}

/* ---- OpenR: paths ---- */

static bool is_above (const driver *d, node_ref top, node_ref ref)
{
    while (ref != top && ref != NODE_ROOT)
        ref = search_node (driver_search (d), ref)->parent;
    return ref == top;
}

/* Tokens of the waves that were expanded while the path to `end` was walked, from wave *at on. */
static int64_t tokens_walked (driver *d, node_ref end, uint32_t *at)
{
    int64_t tokens = 0;
    for (; *at < driver_waves (d); ++*at) {
        size_t n;
        const request *wave = driver_wave (d, *at, &n);
        if (!is_above (d, wave[0].planned.node, end))
            break;
        for (size_t i = 0; i < n; i++)
            tokens += search_node (driver_search (d), wave[i].node)->tokens;
    }
    return tokens;
}

static bool compare_paths (outcome *o, driver *d, const json_t *want)
{
    char where[60];
    uint32_t wave = 0;
    size_t n;
    const node_ref *ends = driver_answers (d, &n);
    if (!compare_size (o, "paths", json_array_size (want), n))
        return false;
    for (size_t i = 0; i < n; i++) {
        const json_t *one = golden_entry (o, want, i);
        snprintf (where, sizeof (where), "path %zu", i);
        if (!compare_text (o, where, json_object_get (one, "text"), driver_text (d, ends[i])) ||
            !compare_near (o, where, json_object_get (one, "value"), /* a mean of equal values */
                           node_last_score (search_node (driver_search (d), ends[i]))) ||
            !compare_int (o, where, json_object_get (one, "tokens"),
                          tokens_walked (d, ends[i], &wave)))
            return false;
    }
    return !o->failed;
}

void conf_mcts_puct (const golden_case *c, outcome *o)
{
    const json_t *params = golden_params (c, o), *found = golden_object (o, c->body, "results");
    int64_t width = golden_need_int (o, params, "width"),
            paths = golden_need_int (o, params, "num_path");
    const json_t *nodes = golden_array (o, found, "nodes"),
                 *ends = golden_array (o, found, "paths");
    driver *d = NULL;
    if (!o->failed)
        d = golden_search (c, o, NULL,
                           "strategy: mcts, selection: puct, expand: %lld, simulations: %lld, "
                           "c_base: %.17g, c_init: %.17g, max_steps: %lld",
                           (long long)width, (long long)paths,
                           golden_number (o, params, "pb_c_base", 19652),
                           golden_number (o, params, "pb_c_init", 1.25),
                           (long long)golden_int (o, params, "max_length", 50));
    if (d && compare_calls (o, c, d) && (!nodes || compare_nodes (o, d, nodes)) &&
        (!ends || compare_paths (o, d, ends)))
        compare_counts (o, json_object_get (c->body, "counts"), d);
    driver_close (d);
}

/* ---- treequest ---- */

static bool compare_stats (outcome *o, driver *d, const json_t *stats)
{
    size_t n, i;
    const request *all = driver_requests (d, &n);
    const json_t *one;
    char where[60];
    json_array_foreach (stats, i, one)
    {
        int64_t number = golden_need_int (o, one, "node");
        node_value value;
        if (o->failed || number < -1 || number >= (int64_t)n) {
            outcome_fail (o, "malformed: stats %zu is of node %lld", i, (long long)number);
            return false;
        }
        snprintf (where, sizeof (where), "stats of node %lld", (long long)number);
        if (!search_value (driver_search (d), number < 0 ? NODE_ROOT : all[number].node, &value)) {
            outcome_fail (o, "%s: the strategy does not know it", where);
            return false;
        }
        if (!compare_int (o, where, json_object_get (one, "visits"), (int64_t)value.visits) ||
            !compare_near (o, where, json_object_get (one, "value_sum"), value.q * value.visits) ||
            !compare_near (o, where, json_object_get (one, "prior"), value.prior))
            return false;
    }
    return !stats || compare_size (o, "stats", json_array_size (stats), n + 1);
}

static driver *run_uct (const golden_case *c, outcome *o, const driver_hook *hook, size_t actions,
                        size_t generations)
{
    const json_t *params = golden_params (c, o);
    int64_t samples = golden_need_int (o, params, "samples_per_action");
    double weight = golden_number (o, params, "exploration_weight", sqrt (2.0));
    if (generations == 0) /* would mean: no cap */
        outcome_fail (o, "malformed: the trace is empty");
    if (o->failed)
        return NULL;
    return golden_search (
        c, o, hook,
        "strategy: mcts, selection: uct_prior, expand: %lld, actions: %zu, exploration: %.17g, "
        "simulations: 0, max_steps: 60000, budget.generations: %zu",
        (long long)samples, actions, weight, generations);
}

/* The asynchronous case: the nodes that were accepted, in their order, are what a search of ours makes.  Its refused
 * tells have no counterpart: an expansion is one join of all samples. */

typedef struct accepted {
    const json_t *nodes;
    double *scores; /* owned; of each */
} accepted;

static bool answer_accepted (void *ctx, driver *d, const task *t, result *r)
{
    const accepted *all = ctx;
    size_t i =
        (t->kind == TASK_GENERATE ? t->child : t->node) - 1; /* numbered as they are planned */
    const json_t *state = json_object_get (json_array_get (all->nodes, i), "state");
    if (t->kind == TASK_VERIFY || i >= json_array_size (all->nodes))
        return false;
    if (t->kind == TASK_GENERATE) {
        span text = span_make (json_string_value (state), json_string_length (state)),
             parent = driver_text (d, t->node);
        size_t skip =
            parent.len < text.len ? parent.len : 0; /* another parent: compare_accepted says so */
        r->text = driver_keep (d, span_make (text.ptr + skip, text.len - skip));
        r->steps = r->tokens = 1;
    } else {
        r->scores = &all->scores[i];
        r->score_count = r->score_own = 1;
    }
    return true;
}

static bool read_accepted (outcome *o, const json_t *nodes, accepted *out)
{
    const json_t *one;
    size_t i;
    *out = (accepted){nodes, esp_calloc (json_array_size (nodes) + 1, sizeof (*out->scores))};
    if (!out->scores)
        outcome_fail (o, "out of memory");
    json_array_foreach (nodes, i, one)
    {
        int64_t parent = golden_int (o, one, "parent", -1);
        if (!json_is_string (json_object_get (one, "state")) || parent < -1 || parent >= (int64_t)i)
            outcome_fail (o, "malformed: node %zu has no state, or a parent that comes later", i);
        if (!o->failed)
            out->scores[i] = golden_number (o, one, "score", 0.0);
    }
    return !o->failed;
}

static void compare_accepted (const golden_case *c, outcome *o, const tree_actions *actions)
{
    const json_t *nodes = golden_need_array (o, golden_object (o, c->body, "results"), "nodes");
    accepted all = {0};
    driver_hook hook = {.answer = answer_accepted, .ctx = &all};
    driver *d = NULL;
    size_t n;
    char where[60];
    if (!o->failed && read_accepted (o, nodes, &all))
        d = run_uct (c, o, &hook, actions->count, json_array_size (nodes));
    const request *made = d ? driver_requests (d, &n) : NULL;
    bool same = d && compare_size (o, "accepted nodes", json_array_size (nodes), n);
    for (size_t i = 0; same && i < n; i++) {
        const json_t *one = json_array_get (nodes, i);
        int64_t parent = golden_int (o, one, "parent", -1);
        snprintf (where, sizeof (where), "accepted node %zu", i);
        if (made[i].planned.node != (parent < 0 ? NODE_ROOT : made[parent].node))
            outcome_fail (o, "%s: another node was expanded, not %lld", where, (long long)parent);
        same = !o->failed && compare_text (o, where, json_object_get (one, "state"),
                                           driver_text (d, made[i].node));
    }
    if (same)
        outcome_tolerate (o, "queue_semantics");
    driver_close (d);
    esp_free (all.scores);
}

void conf_mcts_uct_prior (const golden_case *c, outcome *o)
{
    const json_t *found = golden_object (o, c->body, "results"), *trace = golden_trace (c, o);
    tree_actions actions;
    driver *d;
    if (!tree_actions_read (c, o, &actions))
        return;
    if (golden_quirk (c, "queue_semantics")) {
        compare_accepted (c, o, &actions);
        return;
    }
    driver_hook hook = {.world = {.actions = actions.names, .action_count = actions.count}};
    d = run_uct (c, o, &hook, actions.count, json_array_size (trace));
    if (d && tree_trace_compare (c, o, d, &actions) && tree_best_compare (c, o, d))
        compare_stats (o, d, golden_array (o, found, "stats"));
    driver_close (d);
}
