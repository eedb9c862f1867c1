/* SPDX-License-Identifier: Apache-2.0 */
/* phases.c - see phases.h */

#include "worker/engine/phases.h"
#include "worker/prompt/chat.h"

esp_err phases_begin (const engine_setup *setup, span row, bool *thinking)
{
    const struct chat *c = setup->chat;
    esp_buf messages = {0}, prefill = {0}, prompt = {0};
    esp_err err;
    *thinking = false;
    if (!setup->step || !step_rule_has_phases (setup->step) || !c)
        return ESP_OK;
    err = chat_messages (c, row, NULL, &messages, &prefill, NULL);
    if (err == ESP_OK && chat_how (c) != TEMPLATE_SERVER)
        err = chat_render (c, esp_buf_span (&messages), &prompt, NULL);
    if (err == ESP_OK)
        *thinking = step_rule_begins (setup->step, esp_buf_span (&prompt), esp_buf_span (&prefill));
    esp_buf_free (&messages);
    esp_buf_free (&prefill);
    esp_buf_free (&prompt);
    return err == ESP_ENOMEM ? err : ESP_OK; /* a row without messages may still have a question */
}
