/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CLI_CHECK_RANKS_H
#define ESP_CLUSTER_CLI_CHECK_RANKS_H

/* check_ranks.h - `espalier check` under mpirun: every worker looks at its own servers, rank 0 tells all of it
 *
 * A message is one JSON object, from a worker to rank 0, once.  Nothing else travels.
 */

#include "cluster/cli/check_engines.h"
#include "cluster/cli/ranks.h"

/* Rank >= 1: check, send what was found to rank 0.  c: NULL = the run file could not be used, and `r` says why.  A mistake of the
 * run file itself is told by rank 0 too; it tells it once. */
void check_ranks_work (ranks *all, const run_config *c, check_report *r);

/* Rank 0: the table of ranks, then what each found; warnings and mistakes into r, each once.  c NULL: only wait for them. */
void check_ranks_gather (ranks *all, run_config *c, check_prompt *told, check_report *r);

#endif
