/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CLI_RUN_CHECKS_H
#define ESP_CLUSTER_CLI_RUN_CHECKS_H

/* run_checks.h - mistakes in the sections of engines that no option row can say, found before anything is opened: URLs, layouts,
 * stop texts, and what does not fit section `step`
 */

#include "cluster/cli/run_config.h"

/* When section `step` is bound too; mistakes go to c->yaml.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err run_checks_engines (run_config *c);

#endif
