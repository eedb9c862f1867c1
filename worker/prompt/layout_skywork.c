/* SPDX-License-Identifier: Apache-2.0 */
/* layout_skywork.c - Skywork-o1-Open-PRM: a value at the line end behind each step
 *
 * skywork-o1-prm-inference (model_utils/io_utils.py): BOS, problem, line end, then each step with a line end; the sigmoid of the value head
 * at that token.  Line ends inside a step become blanks: there they would be read as steps.
 */

#include "worker/prompt/layout_inner.h"

static esp_err skywork_write (const layout_plan *plan, const layout_path *path, esp_buf *out)
{
    esp_err err = layout_put (plan, path->problem, out);
    if (err == ESP_OK)
        err = esp_buf_puts (out, plan->tag);
    for (size_t i = 0; err == ESP_OK && i < path->count; i++)
        if ((err = layout_put (plan, path->steps[i], out)) == ESP_OK)
            err = esp_buf_puts (out, plan->tag);
    return err;
}

const layout layout_skywork = {.name = "skywork",
                               .about =
                                   "Skywork-o1-Open-PRM-Qwen-2.5: a value at the end of each step",
                               .readings = READ_LAST,
                               .chat = "raw",
                               .bos = "<|endoftext|>",
                               .tag = "\n",
                               .split = "\n",
                               .marks = {"<|"},
                               .tag_id = -1,
                               .good_id = -1,
                               .bad_id = -1,
                               .column = 0,
                               .norm = NORM_SIGMOID,
                               .write = skywork_write};
