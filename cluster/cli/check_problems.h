/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CLI_CHECK_PROBLEMS_H
#define ESP_CLUSTER_CLI_CHECK_PROBLEMS_H

/* check_problems.h - the part of `espalier check` that says which problems will never get a verdict */

#include "cluster/cli/check_report.h"
#include "cluster/cli/lab.h"
#include "coordinator/problem/problem_source.h"

/* What the lines themselves show. */
void check_doubts (const problem_source *source, const char *file, check_report *r);

/* What only the verifier can show: it judges an empty candidate on the first problems (tests that do not parse, a verifier that
 * crashes).  Errors: with a sentence, only ESP_ENOMEM and those of the problems file. */
ESP_MUST_CHECK esp_err check_verdicts (lab *l, const run_config *c, check_report *r,
                                       esp_error *error);

#endif
