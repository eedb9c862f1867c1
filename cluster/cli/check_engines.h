/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CLI_CHECK_ENGINES_H
#define ESP_CLUSTER_CLI_CHECK_ENGINES_H

/* check_engines.h - the part of `espalier check` that talks to engines: who is there, what it can do, what a run costs at most */

#include "cluster/cli/run_config.h"

/* Open the engines, wait until they are ready, try them, and print a table on standard error.
 * Returns an exit status of commands.h: EXIT_USAGE when an engine cannot be used. */
int check_engines (const run_config *c);
/* Free space, and what the budgets allow: printed on standard error. */
void check_disk (const run_config *c);
void check_cost (const run_config *c, uint64_t problems);

#endif
