/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_CONFORMANCE_TREE_TRACE_H
#define ESP_TESTS_CONFORMANCE_TREE_TRACE_H

/* tree_trace.h - the traces of golden README 3.10: one row a node, made by fakegen-1 */

#include "tests/conformance/compare.h"

enum { TREE_ACTIONS = 64 };

typedef struct tree_actions { /* params.actions: names of task.action 0, 1, ... */
    const char *names[TREE_ACTIONS];
    size_t count;
} tree_actions;
bool tree_actions_read (const golden_case *c, outcome *o, tree_actions *out); /* at least one */
/* Index of a name; out->count when there is none (also for NULL). */
size_t tree_action_of (const tree_actions *actions, const char *name);

/* Generation i of the driver is row i: parent, action, state, score, node. */
bool tree_trace_compare (const golden_case *c, outcome *o, driver *d, const tree_actions *actions);
/* results: nodes, best_node (first of the largest scores), best_state, best_score. */
bool tree_best_compare (const golden_case *c, outcome *o, driver *d);

#endif
