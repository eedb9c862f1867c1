/* SPDX-License-Identifier: Apache-2.0 */
/* layout_qwen.c - Qwen2.5-Math-PRM-7B and -72B: a two-class head at each <extra_0>
 *
 * Zhang et al., "The Lessons of Developing Process Reward Models in Mathematical Reasoning", arXiv 2501.07301, and the model
 * card: softmax over (bad, good).  The turn is left open behind the last tag: nothing behind it can change what stands there.
 */

#include "worker/prompt/layout_inner.h"

static esp_err qwen_write (const layout_plan *plan, const layout_path *path, esp_buf *out)
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
    for (size_t i = 0; err == ESP_OK && i < path->count; i++)
        if ((err = layout_put (plan, path->steps[i], out)) == ESP_OK)
            err = esp_buf_puts (out, plan->tag);
    return err;
}

const layout layout_qwen_extra0 = {
    .name = "qwen-extra0",
    .about = "Qwen2.5-Math-PRM: two classes at each <extra_0>",
    .readings = READ_ROWS,
    .chat = "chatml",
    .system = "Please reason step by step, and put your final answer within \\boxed{}.",
    .tag = "<extra_0>",
    .split = "\n\n",
    .tag_id = 151651,
    .good_id = -1,
    .bad_id = -1,
    .column = 1,
    .norm = NORM_PROBABILITY,
    .write = qwen_write};
