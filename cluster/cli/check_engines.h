/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CLI_CHECK_ENGINES_H
#define ESP_CLUSTER_CLI_CHECK_ENGINES_H

/* check_engines.h - the part of `espalier check` that talks to engines: who is there, what it can do, what a run costs at most */

#include "cluster/cli/check_report.h"
#include "cluster/cli/run_config.h"

/* Open the engines, wait for them and all their servers, try them, and say what was found.  problems: the problems can be
 * read, so a generator is tried with them.  What is wrong goes to the report. */
void check_engines (const run_config *c, bool problems, check_report *r);
/* Free space, and what the budgets allow. */
void check_disk (const run_config *c, check_report *r);
void check_cost (const run_config *c, uint64_t problems);

#endif
