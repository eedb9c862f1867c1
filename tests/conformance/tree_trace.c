/* SPDX-License-Identifier: Apache-2.0 */
/* tree_trace.c - see tree_trace.h */

#include "tests/conformance/tree_trace.h"
#include <stdio.h>
#include <string.h>

bool tree_actions_read (const golden_case *c, outcome *o, tree_actions *out)
{
    const json_t *names = golden_need_array (o, golden_params (c, o), "actions"), *name;
    size_t i;
    out->count = 0;
    json_array_foreach (names, i, name)
    {
        if (!json_is_string (name) || i == TREE_ACTIONS) {
            outcome_fail (o, "malformed: actions are not at most %d names", TREE_ACTIONS);
            return false;
        }
        out->names[out->count++] = json_string_value (name);
    }
    if (out->count == 0)
        outcome_fail (o, "malformed: actions is empty");
    return !o->failed;
}

size_t tree_action_of (const tree_actions *actions, const char *name)
{
    size_t i = 0;
    while (i < actions->count && (!name || strcmp (actions->names[i], name) != 0))
        i++;
    return i;
}

static bool row_compare (outcome *o, driver *d, const json_t *row, const request *all, size_t i,
                         const tree_actions *actions)
{
    const char *action = golden_need_text (o, row, "action");
    int64_t parent = golden_need_int (o, row, "parent");
    char where[60], at[100];
    snprintf (where, sizeof (where), "row %zu", i);
    if (o->failed || parent < -1 || parent >= (int64_t)i) {
        outcome_fail (o, "malformed: %s has a parent that comes later", where);
        return false;
    }
    if (all[i].planned.node != (parent < 0 ? NODE_ROOT : all[parent].node)) {
        outcome_fail (o, "%s: another node was expanded, not %lld", where, (long long)parent);
        return false;
    }
    if (all[i].planned.action != tree_action_of (actions, action)) {
        outcome_fail (o, "%s: action %u, not '%s'", where, all[i].planned.action, action);
        return false;
    }
    snprintf (at, sizeof (at), "%s, state", where);
    return compare_text (o, at, json_object_get (row, "state"), driver_text (d, all[i].node)) &&
           compare_exact (o, where, json_object_get (row, "score"),
                          node_last_score (search_node (driver_search (d), all[i].node))) &&
           compare_int (o, where, json_object_get (row, "node"), (int64_t)i);
}

bool tree_trace_compare (const golden_case *c, outcome *o, driver *d, const tree_actions *actions)
{
    const json_t *trace = golden_trace (c, o), *row;
    size_t i, n;
    const request *all = driver_requests (d, &n);
    if (!trace || !compare_size (o, "generations", json_array_size (trace), n))
        return false;
    json_array_foreach (trace, i, row) if (!row_compare (o, d, row, all, i, actions)) return false;
    return true;
}

bool tree_best_compare (const golden_case *c, outcome *o, driver *d)
{
    const json_t *found = golden_object (o, c->body, "results");
    size_t n, best = 0;
    const request *all = driver_requests (d, &n);
    const search *s = driver_search (d);
    for (size_t i = 1; i < n; i++)
        if (node_last_score (search_node (s, all[i].node)) >
            node_last_score (search_node (s, all[best].node)))
            best = i;
    return n > 0 && compare_int (o, "nodes", json_object_get (found, "nodes"), (int64_t)n) &&
           compare_int (o, "best_node", json_object_get (found, "best_node"), (int64_t)best) &&
           compare_text (o, "best_state", json_object_get (found, "best_state"),
                         driver_text (d, all[best].node)) &&
           compare_exact (o, "best_score", json_object_get (found, "best_score"),
                          node_last_score (search_node (s, all[best].node)));
}
