/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SINK_LABEL_HUMAN_H
#define ESP_COORDINATOR_SINK_LABEL_HUMAN_H

/* label_human.h - what people said of the steps of a branch: ratings that the problem row brings
 *
 * The shape is PRM800K's: label.steps[i].completions[].{text, rating}, human_completion, chosen_completion.  A branch follows a row
 * as long as its steps are those that the labeler chose (worker/engine/given.h); the next one may be any that was rated.
 * Rating 1 and 0 (neutral) are good, -1 is bad, null says nothing.  White space at the ends of a step does not matter.  A rated step that is
 * several steps here: each is good when it is; when it is bad, the last is.
 *
 * The row is outside input: what has another shape says nothing.  Threads: none.
 */

#include <jansson.h>
#include "coordinator/sink/label_steps.h"

/* Fill in `human` of the steps that the row rates.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err labels_add_human (const json_t *row, label_step *steps, size_t count);

#endif
