/* SPDX-License-Identifier: Apache-2.0 */
/* run_prompt.c - see run_prompt.h */

#include "cluster/cli/run_prompt.h"

static esp_err bind_one (config *yaml, const char *section, const esp_option *rows, void *into)
{
    return config_bind (yaml, section, &rows, &into, 1);
}

esp_err run_prompt_bind (run_prompt *p, config *yaml, bool files)
{
    esp_error error = {0};
    esp_err err;
    if ((err = bind_one (yaml, "step", step_option_rows, &p->step_how)) != ESP_OK ||
        (err = bind_one (yaml, "prompt", prompt_option_rows, &p->chat_how)) != ESP_OK)
        return err;
    err = step_rule_create (&p->step_how, &p->step, &error);
    if (err != ESP_OK && err != ESP_ENOMEM)
        err = config_mistake_of (yaml, "step", &error);
    if (err != ESP_OK || !files)
        return err;
    err = chat_create (&p->chat_how, &p->chat, &error);
    if (err != ESP_OK && err != ESP_ENOMEM)
        err = config_mistake_of (yaml, "prompt", &error);
    return err;
}

static bool thinks_at (const void *rule, span path, size_t at)
{
    return step_rule_thinks (rule, step_rule_began (rule, path), span_make (path.ptr, at));
}

static bool next_step (const void *rule, bool *thinking, span *rest, span *step)
{
    return step_rule_next (rule, thinking, rest, step);
}

step_split run_prompt_split (const run_prompt *p)
{
    if (!p->step)
        return (step_split){.next = NULL};
    return (step_split){p->step, thinks_at, next_step, step_rule_end (p->step)};
}

void run_prompt_free (run_prompt *p)
{
    step_rule_destroy (p->step);
    chat_destroy (p->chat);
    *p = (run_prompt){.step = NULL};
}

esp_err run_prompt_check_problem (const run_prompt *p, span json, esp_error *error)
{
    esp_buf messages = {0}, prefill = {0};
    esp_err err = ESP_OK;
    if (p->chat)
        err = chat_messages (p->chat, json, NULL, &messages, &prefill, error);
    esp_buf_free (&messages);
    esp_buf_free (&prefill);
    return err;
}
