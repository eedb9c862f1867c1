/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CLI_RUN_LISTS_H
#define ESP_CLUSTER_CLI_RUN_LISTS_H

/* run_lists.h - named lists of generators and PRMs, and the list of actions
 *
 *     generator: [{name: small, engine: ...}, {name: large, engine: ...}]
 *     prm: [{name: a, engine: ..., weight: 2}, {name: b, engine: ...}]
 *     actions: [{generator: small}, {generator: large, temperature: 0.3, system: "Think twice."}]
 *
 * Action i of a strategy (search.actions of them) is item i of `actions`; without that list, generator i.  Each action samples as
 * its generator's section says, but for a temperature of its own; the coordinator puts that into the tasks that it
 * plans.  search.actions that is not given is the length of the list.
 *
 * The scores of a list of PRMs are averaged by weight (worker/engine/engine_list.h).
 */

#include "cluster/cli/run_config.h"

extern const esp_option action_option_rows[]; /* section `actions` */

/* Does this generator bring texts that are there already (engine: file)? */
bool run_lists_is_given (const run_config *c, size_t generator);
/* Before `search` is bound: search.actions, where it is not given, becomes how many actions the file has. */
ESP_MUST_CHECK esp_err run_lists_count_actions (run_config *c, const strategy *how);
/* After that: mistakes of search.actions against the lists. */
ESP_MUST_CHECK esp_err run_lists_check_actions (run_config *c);
/* After all engines of kind k are bound: mistakes of their names; the list as workers open it. */
ESP_MUST_CHECK esp_err run_lists_make (run_config *c, int k);
/* Bind `actions`; fills c->actions, c->action_means and c->search.actions. */
ESP_MUST_CHECK esp_err run_lists_bind_actions (run_config *c);
/* The engine of kind k for a worker: one as it is, or the list as one.  *setup: options, model_name and actions are filled. */
const engine_kind *run_lists_engine (run_config *c, int k, engine_setup *setup);
/* "; actions: small, large"; nothing without a list. */
ESP_MUST_CHECK esp_err run_lists_meaning (const run_config *c, esp_buf *out);

#endif
