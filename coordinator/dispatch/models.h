/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_DISPATCH_MODELS_H
#define ESP_COORDINATOR_DISPATCH_MODELS_H

/* models.h - which model stands behind each generator and PRM of the run, where the servers say it (model: auto)
 *
 * Each entry of the run file - the generator, or one of a list, which may have different models on purpose - has one model
 * in a start of a run: that of the first worker which said one.
 *
 * Threads: none.
 */

#include "proto/base/err.h"
#include "proto/wire/wire.h"

typedef struct models models;
ESP_MUST_CHECK esp_err models_create (models **out);
void models_destroy (models *m); /* accepts NULL */

/* This worker has that model there.  Errors: ESP_EINVAL: another worker, or itself before, began with another one; `why`
 * (MODELS_WHY bytes) names both and what to do.  ESP_ENOMEM. */
enum { MODELS_WHY = 1024 };
ESP_MUST_CHECK esp_err models_take (models *m, int rank, const wire_model *model, char *why);

/* Entry `index` of what is known, borrowed until models_take; false behind the last. */
bool models_at (const models *m, size_t index, wire_model *out);

#endif
