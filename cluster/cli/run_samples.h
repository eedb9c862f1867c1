/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CLI_RUN_SAMPLES_H
#define ESP_CLUSTER_CLI_RUN_SAMPLES_H

/* run_samples.h - section `samples`: a map, or a list of maps, each with its format
 *
 *     samples: [{format: sft, want: 4}, {format: stepwise}]
 */

#include "cluster/cli/run_config.h"

/* Bind it into c->samples, after every other section.  Mistakes are added to the run file's. */
ESP_MUST_CHECK esp_err run_samples_bind (run_config *c);

/* "; samples: sft, stepwise"; nothing without. */
ESP_MUST_CHECK esp_err run_samples_meaning (const run_config *c, esp_buf *out);

#endif
