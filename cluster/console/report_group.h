/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CONSOLE_REPORT_GROUP_H
#define ESP_CLUSTER_CONSOLE_REPORT_GROUP_H

/* report_group.h - --by FIELD: which group each problem of a run belongs to
 *
 * The field is looked up in the problems file that the run file names.  A problem without
 * the field is in group "(none)".  Threads: none.
 */

#include "cluster/console/report_read.h"
#include "proto/config/config.h"

/* Fill group_names and items[].group.  run_file: its path, for sentences.
 * Errors: those of problem_source_open; ESP_ETOOBIG (over 200 groups); ESP_EUNKNOWN (no problem has the
 * field); ESP_ENOMEM. */
ESP_MUST_CHECK esp_err report_group_items (report_run *run, const config *c, const char *run_file,
                                           const char *field, esp_error *error);

#endif
