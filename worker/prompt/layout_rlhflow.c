/* SPDX-License-Identifier: Apache-2.0 */
/* layout_rlhflow.c - RLHFlow's Llama-3.1-8B PRMs: each step is a turn of the user, the assistant answers + or -
 *
 * Xiong et al., "An Implementation of Generative PRM", RLHFlow 2024 (math-rm/prm_evaluate.py): softmax over the ids of + and - where
 * the assistant's turn begins.  The two models differ in the generator of their training steps, so in the split.
 */

#include "worker/prompt/layout_inner.h"

static esp_err put_user (const layout_plan *plan, const layout_path *path, size_t i, esp_buf *out)
{
    esp_err err = layout_turn_open (plan, 'u', out);
    if (err == ESP_OK && i == 0) {
        err = layout_put (plan, path->problem, out);
        if (err == ESP_OK)
            err = esp_buf_puts (out, " ");
    }
    if (err == ESP_OK)
        err = layout_put (plan, path->steps[i], out);
    return err == ESP_OK ? layout_turn_end (plan, 'u', out) : err;
}

static esp_err rlhflow_write (const layout_plan *plan, const layout_path *path, esp_buf *out)
{
    esp_err err = layout_system_turn (plan, out);
    for (size_t i = 0; err == ESP_OK && i < path->count; i++) {
        err = put_user (plan, path, i, out);
        if (err == ESP_OK)
            err = layout_turn_open (plan, 'a', out);
        if (err != ESP_OK || (i + 1 == path->count && plan->reading != READ_PATH))
            break;
        if ((err = esp_buf_puts (out, plan->good[0])) == ESP_OK)
            err = layout_turn_end (plan, 'a', out);
    }
    return err;
}

#define RLHFLOW_COMMON                                                                             \
    .readings = READ_NEXT | READ_LAST | READ_PATH, .chat = "llama3",                               \
    .system = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n", .good = {"+"}, \
    .bad = {"-"}, .tag_id = -1, .good_id = -1, .bad_id = -1, .column = 0,                          \
    .norm = NORM_PROBABILITY, .write = rlhflow_write, .label_is_written = true

const layout layout_rlhflow_deepseek = {
    .name = "rlhflow-deepseek",
    .about = "RLHFlow/Llama3.1-8B-PRM-Deepseek-Data: the assistant says + or -",
    .split = "\n\n",
    RLHFLOW_COMMON};

const layout layout_rlhflow_mistral = {
    .name = "rlhflow-mistral",
    .about = "RLHFlow/Llama3.1-8B-PRM-Mistral-Data: the assistant says + or -",
    .split = "\n",
    RLHFLOW_COMMON};
