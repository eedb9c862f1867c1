/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CONSOLE_REPORT_GROUP_H
#define ESP_CLUSTER_CONSOLE_REPORT_GROUP_H

/* report_group.h - --by FIELD: which group each problem of a run belongs to
 *
 * The field is looked up in the problems file that the run file names.  A problem without
 * the field is in group "(none)".  Threads: none.
 */

#include "cluster/console/report_read.h"
#include "coordinator/problem/problem_source.h"
#include "proto/config/config.h"

/* The problems file that a run file names; bad lines are left out.  why: begins the sentences ("--by level").  Errors: those of
 * problem_source_open. */
ESP_MUST_CHECK esp_err report_problems_open (const config *c, const char *run_file, const char *why,
                                             problem_source **out, esp_error *error);

/* Fill group_names and items[].group.  run_file: its path, for sentences.
 * Errors: those of problem_source_open; ESP_ETOOBIG (over 200 groups); ESP_EUNKNOWN (no problem has the
 * field); ESP_ENOMEM. */
ESP_MUST_CHECK esp_err report_group_items (report_run *run, const config *c, const char *run_file,
                                           const char *field, esp_error *error);

#endif
