/* SPDX-License-Identifier: Apache-2.0 */
/* conf_best_first.c - tq_best_first (3.10) */

#include "tests/conformance/conf.h"
#include "tests/conformance/tree_trace.h"

void conf_best_first (const golden_case *c, outcome *o)
{
    const json_t *params = golden_params (c, o);
    int64_t samples = golden_need_int (o, params, "num_samples"),
            steps = golden_need_int (o, params, "steps");
    tree_actions actions;
    driver_hook hook = {0};
    driver *d = NULL;
    if (!tree_actions_read (c, o, &actions))
        return;
    hook.world = (fake_world){.actions = actions.names, .action_count = actions.count};
    if (!o->failed)
        d = golden_search (
            c, o, &hook,
            "strategy: best_first, expand: %lld, actions: %zu, expansions: 0, max_steps: 1000, "
            "budget.generations: %lld",
            (long long)samples, actions.count, (long long)steps);
    if (d && tree_trace_compare (c, o, d, &actions))
        tree_best_compare (c, o, d);
    driver_close (d);
}
