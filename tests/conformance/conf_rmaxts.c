/* SPDX-License-Identifier: Apache-2.0 */
/* conf_rmaxts.c - rmaxts (3.12): the bandit alone, fed with the recorded events */

#include <stdio.h>
#include "coordinator/search/rmaxts_bandit.h"
#include "proto/base/alloc.h"
#include "tests/conformance/compare.h"
#include "tests/conformance/conf.h"

static const double MARGIN = 1e-12; /* absolute: it is a difference of numbers around 1 */

typedef struct bandit {
    rmaxts_node *nodes; /* owned; room for one per event */
    uint32_t count;
    double gamma;
} bandit;

static bool read_node (outcome *o, const bandit *b, const json_t *entry, uint32_t *out)
{
    int64_t index = golden_need_int (o, entry, "node");
    if (!o->failed && (index < 0 || index >= b->count))
        outcome_fail (o, "malformed: node %lld of %u", (long long)index, b->count);
    *out = o->failed ? 0 : (uint32_t)index;
    return !o->failed;
}

static bool take_start (const golden_case *c, outcome *o, bandit *b, const json_t *entry, size_t i)
{
    double margin, want = golden_number (o, entry, "margin", -1.0);
    uint32_t at, mine = rmaxts_select (b->nodes, b->gamma, &margin);
    if (!read_node (o, b, entry, &at))
        return false;
    if (mine != at && golden_quirk_at (c, "tied_selection_events", (int64_t)i))
        outcome_tolerate (o, "tied_selection_events");
    else if (mine != at)
        outcome_fail (o, "event %zu: node %u expected, got %u", i, at, mine);
    else if (want >= 0.0 && !(margin - want <= MARGIN && want - margin <= MARGIN))
        outcome_fail (o, "event %zu: margin %.17g expected, got %.17g", i, want, margin);
    rmaxts_start (b->nodes, at);
    return !o->failed;
}

static bool take_finish (outcome *o, bandit *b, const json_t *entry, size_t i)
{
    uint32_t at;
    if (!read_node (o, b, entry, &at))
        return false;
    if (golden_has (entry, "new_node")) {
        if (golden_need_int (o, entry, "new_node") != b->count)
            outcome_fail (o, "malformed: event %zu makes a node that is not the next", i);
        rmaxts_add (b->nodes, b->count++, at, 0);
    }
    if (b->nodes[at].own.running == 0)
        outcome_fail (o, "malformed: event %zu finishes a job that never started", i);
    else
        rmaxts_finish (b->nodes, at, golden_number (o, entry, "reward", 0.0), b->gamma);
    return !o->failed;
}

static bool replay (const golden_case *c, outcome *o, bandit *b, const json_t *trace)
{
    const json_t *entry;
    size_t i;
    json_array_foreach (trace, i, entry)
    {
        const char *kind = golden_need_text (o, entry, "event");
        if (o->failed || !(span_is (span_of (kind), "start") ? take_start (c, o, b, entry, i)
                                                             : take_finish (o, b, entry, i)))
            return false;
    }
    return true;
}

static bool compare_node (outcome *o, const bandit *b, const json_t *want, size_t i)
{
    const rmaxts_node *n = &b->nodes[i];
    char where[60];
    snprintf (where, sizeof (where), "node %zu", i);
    return compare_int (o, where, json_object_get (want, "parent"),
                        n->parent == RMAXTS_NONE ? -1 : (int64_t)n->parent) &&
           compare_near (o, where, json_object_get (want, "value"),
                         rmaxts_value (&n->own, b->gamma)) &&
           compare_near (o, where, json_object_get (want, "visitation"),
                         rmaxts_visits (&n->own, b->gamma)) &&
           compare_near (o, where, json_object_get (want, "subtree_value"),
                         rmaxts_value (&n->subtree, b->gamma)) &&
           compare_near (o, where, json_object_get (want, "subtree_visitation"),
                         rmaxts_visits (&n->subtree, b->gamma)) &&
           compare_near (o, where, json_object_get (want, "discounted_reward"), n->own.reward) &&
           compare_near (o, where, json_object_get (want, "discounted_visits"), n->own.visits) &&
           compare_int (o, where, json_object_get (want, "running"), n->own.running) &&
           compare_int (o, where, json_object_get (want, "subtree_running"), n->subtree.running);
}

void conf_rmaxts (const golden_case *c, outcome *o)
{
    const json_t *trace = golden_trace (c, o), *params = golden_params (c, o),
                 *nodes = golden_array (o, golden_object (o, c->body, "results"), "nodes");
    bandit b = {.count = 1, .gamma = golden_number (o, params, "gamma", 0.99)};
    if (!(b.gamma > 0.0 && b.gamma <= 1.0))
        outcome_fail (o, "malformed: gamma is %g", b.gamma);
    if (!(b.nodes = esp_calloc (json_array_size (trace) + 1, sizeof (*b.nodes))))
        outcome_fail (o, "out of memory");
    if (!o->failed) {
        rmaxts_add (b.nodes, 0, RMAXTS_NONE, 0);
        if (replay (c, o, &b, trace) && nodes &&
            compare_size (o, "nodes", json_array_size (nodes), b.count))
            for (size_t i = 0; i < b.count && compare_node (o, &b, golden_entry (o, nodes, i), i);
                 i++)
                ;
    }
    esp_free (b.nodes);
}
