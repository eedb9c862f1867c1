/* SPDX-License-Identifier: Apache-2.0 */
/* layout_outcome.c - outcome reward models: one number for the whole conversation
 *
 * The turn is closed, as their training conversations are.
 */

#include "worker/prompt/layout_inner.h"

static esp_err outcome_write (const layout_plan *plan, const layout_path *path, esp_buf *out)
{
    esp_err err = layout_system_turn (plan, out);
    if (err == ESP_OK)
        err = layout_turn_open (plan, 'u', out);
    if (err == ESP_OK)
        err = layout_put (plan, path->problem, out);
    if (err == ESP_OK)
        err = layout_turn_end (plan, 'u', out);
    if (err == ESP_OK)
        err = layout_turn_open (plan, 'a', out);
    for (size_t i = 0; err == ESP_OK && i < path->count; i++) {
        if (i > 0)
            err = esp_buf_puts (out, "\n\n");
        if (err == ESP_OK)
            err = layout_put (plan, path->steps[i], out);
    }
    return err == ESP_OK ? layout_turn_end (plan, 'a', out) : err;
}

const layout layout_outcome = {.name = "outcome",
                               .about = "an outcome reward model: one number for the whole text",
                               .readings = READ_WHOLE,
                               .chat = "chatml",
                               .tag_id = -1,
                               .good_id = -1,
                               .bad_id = -1,
                               .column = 0,
                               .norm = NORM_PROBABILITY,
                               .write = outcome_write};
