/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CLI_RUN_COSTS_H
#define ESP_CLUSTER_CLI_RUN_COSTS_H

/* run_costs.h - part "costs" of summary.json (docs/outputs.md)
 *
 * Over all starts from costs.jsonl, which has the problems that are finished; and this start from what dispatch counted, by
 * server, with what was of no use.  Money and FLOPs where the run file has prices and parameters.
 */

#include <jansson.h>
#include "cluster/cli/run_start.h"

/* A new reference; NULL: out of memory. */
json_t *run_costs_json (const run_parts *p);

#endif
