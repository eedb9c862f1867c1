/* SPDX-License-Identifier: Apache-2.0 */
/* run_prompt.c - see run_prompt.h */

#include "cluster/cli/run_prompt.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "proto/base/file.h"
#include "proto/base/hash.h"

const esp_option run_prompt_hash_rows[] = {
    {"examples_hash", ESP_OPT_STRING, offsetof (run_prompt, examples_hash), NULL, 0, 0, NULL, "",
     "hash of what is in the file examples: written at the start, looked at by resume and by every "
     "rank",
     ESP_OPT_FIXED, false},
    {"chat_file_hash", ESP_OPT_STRING, offsetof (run_prompt, chat_file_hash), NULL, 0, 0, NULL, "",
     "the same of the file chat_file", ESP_OPT_FIXED, false},
    ESP_OPTION_END,
};

static esp_err bind_one (config *yaml, const char *section, const esp_option *rows, void *into)
{
    return config_bind (yaml, section, &rows, &into, 1);
}

/* The run file says which file; its hash joins the run file, or is that of the run file already.  A file that cannot be read is
 * said by whoever reads it for good. */
static esp_err mark_content (config *yaml, const char *key)
{
    char hash_key[48], now[24], setting[96];
    const char *path = config_peek (yaml, key), *before;
    esp_buf text = {0};
    esp_error why = {0};
    esp_err err = ESP_OK;
    if (!path || !*path)
        return ESP_OK;
    if ((err = esp_file_read (path, CHAT_FILE_BYTES_MOST, &text, &why)) != ESP_OK)
        return err == ESP_ENOMEM ? err : ESP_OK;
    snprintf (now, sizeof (now), "xxh3-%016" PRIx64, esp_hash64 (text.data, text.len, 0));
    esp_buf_free (&text);
    snprintf (hash_key, sizeof (hash_key), "%s_hash", key);
    snprintf (setting, sizeof (setting), "%s=%s", hash_key, now);
    before = config_peek (yaml, hash_key);
    if (!before)
        return config_override (yaml, setting, &why);
    if (strcmp (before, now) == 0)
        return ESP_OK;
    return config_mistake (yaml, key,
                           "%s is another file than the run was started with (%s, it has %s): this "
                           "stays as it is for the life of a run; put it back, or start a new one",
                           path, before, now);
}

static esp_err bind_prompt (run_prompt *p, config *yaml, bool files)
{
    const esp_option *tables[] = {prompt_option_rows, run_prompt_hash_rows};
    void *structs[] = {&p->chat_how, p};
    esp_err err = ESP_OK;
    if (files && ((err = mark_content (yaml, "prompt.examples")) != ESP_OK ||
                  (err = mark_content (yaml, "prompt.chat_file")) != ESP_OK))
        return err;
    return config_bind (yaml, "prompt", tables, structs, 2);
}

esp_err run_prompt_bind (run_prompt *p, config *yaml, bool files)
{
    esp_error error = {0};
    esp_err err;
    if ((err = bind_one (yaml, "step", step_option_rows, &p->step_how)) != ESP_OK ||
        (err = bind_prompt (p, yaml, files)) != ESP_OK)
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
    if (err == ESP_OK && p->chat && p->chat_how.improve) /* it may name fields of the row */
        err = chat_improve (p->chat, json, span_of (""), span_of ("x"), &messages, error);
    esp_buf_free (&messages);
    esp_buf_free (&prefill);
    return err;
}
