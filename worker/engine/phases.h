/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_ENGINE_PHASES_H
#define ESP_WORKER_ENGINE_PHASES_H

/* phases.h - thinking and answer, for who reads texts that a generator made: PRMs
 *
 * Threads: none.  Rows are hostile.
 */

#include "worker/engine/engine.h"
#include "worker/prompt/step_rule.h"

/* Does an answer to this row begin inside the thinking, by the run's prompt?  Where the server renders it,
 * step.think.opened tells.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err phases_begin (const engine_setup *setup, span row, bool *thinking);

#endif
