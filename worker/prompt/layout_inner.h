/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_PROMPT_LAYOUT_INNER_H
#define ESP_WORKER_PROMPT_LAYOUT_INNER_H

/* layout_inner.h - the rows of layout_table.c, each defined in its own file, and what they share */

#include "worker/prompt/layout.h"

extern const layout layout_qwen_extra0, layout_math_shepherd, layout_rlhflow_deepseek,
    layout_rlhflow_mistral, layout_skywork, layout_thinkprm, layout_judge, layout_outcome,
    layout_generic;

const layout_chat *layout_chat_at (size_t index); /* NULL behind the last; "raw" is the first */
const layout_chat *layout_chat_find (const char *name);

/* The chat's system turn, if the plan has a text for it. */
ESP_MUST_CHECK esp_err layout_system_turn (const layout_plan *plan, esp_buf *out);
/* Append the steps "Step 1: ...", one a line; a step that brings its own number keeps it. */
ESP_MUST_CHECK esp_err layout_numbered (const layout_plan *plan, const layout_path *path,
                                        const char *behind, esp_buf *out);

#endif
