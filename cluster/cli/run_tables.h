/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CLI_RUN_TABLES_H
#define ESP_CLUSTER_CLI_RUN_TABLES_H

/* run_tables.h - the option tables that belong to no module, and the names of the engines' sections
 *
 * Inner: for run_config.c, run_checks.c and run_lists.c.  run_config_tables (run_config.h) walks through all tables.
 */

#include "cluster/cli/run_config.h"

extern const char *const run_sections[TASK_KINDS];  /* "generator", "prm", "verifier" */
extern const unsigned run_roles[TASK_KINDS];        /* enum engine_role */
extern const char *const run_name_keys[TASK_KINDS]; /* the key that names the engine */
extern const esp_option *const run_common_rows[TASK_KINDS];
extern const esp_option run_observe_rows[], run_log_rows[];

/* "prm.url"; in a list "prm[1].url".  key NULL: "prm", "prm[1]". */
void run_engine_key (const run_config *c, int k, size_t i, const char *key, char *out, size_t size);

#endif
