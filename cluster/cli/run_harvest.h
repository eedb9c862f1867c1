/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CLI_RUN_HARVEST_H
#define ESP_CLUSTER_CLI_RUN_HARVEST_H

/* run_harvest.h - the samples of a run, at its end or again (coordinator/harvest), and what is said of them */

#include "cluster/cli/run_config.h"

/* Nothing to do without section `samples`.  Says on stderr what came of it, a line for each item.  known: the models of this start, or NULL: as the last harvest.  Errors: those of
 * harvest_run. */
ESP_MUST_CHECK esp_err run_harvest (const run_config *c, const models *known, esp_error *error);

/* Before a run: which of its problems stand in evaluation sets?  Says how many on stderr.  Errors: ESP_EINVAL (all of them, and no item allows
 * that: nothing could come of the run), those of eval_sets_add, of problem_source_get. */
ESP_MUST_CHECK esp_err run_harvest_check (const run_config *c, problem_source *source,
                                          esp_error *error);

#endif
