/* SPDX-License-Identifier: Apache-2.0 */
/* layout_generic.c - one's own server: problem, blank line, steps with the tag behind each */

#include "worker/prompt/layout_inner.h"

static esp_err generic_write (const layout_plan *plan, const layout_path *path, esp_buf *out)
{
    esp_err err = layout_put (plan, path->problem, out);
    if (err == ESP_OK)
        err = esp_buf_puts (out, "\n\n");
    for (size_t i = 0; err == ESP_OK && i < path->count; i++)
        if ((err = layout_put (plan, path->steps[i], out)) == ESP_OK)
            err = esp_buf_puts (out, plan->tag);
    return err;
}

const layout layout_generic = {.name = "generic",
                               .about = "your own server: plain text, a tag behind each step",
                               .readings = READ_LIST,
                               .chat = "raw",
                               .tag = "\n\n",
                               .split = "\n\n",
                               .tag_id = -1,
                               .good_id = -1,
                               .bad_id = -1,
                               .column = 0,
                               .norm = NORM_PROBABILITY,
                               .write = generic_write};
