/* SPDX-License-Identifier: Apache-2.0 */
/* engine_prm_logprobs.c - vLLM /v1/completions: the logprobs of the labels as the one next token
 *
 * logprob_token_ids (2026) gives exactly the labels; an older server ignores it and gives the most likely tokens, among
 * which the labels mostly are.  Keys are "token_id:648".  Logprobs are raw: temperature 0 does not change them.
 */

#include "worker/engine/engines.h"
#include "proto/base/alloc.h"
#include "worker/engine/prm_reply.h"
#include "worker/engine/prm_servings.h"

static esp_err logprobs_write (const prm_ask *ask, esp_buf *path, esp_buf *json)
{
    json_out o = prm_write_begin (ask, "/v1/completions", path, json);
    prm_write_texts (&o, ask, "prompt");
    prm_write_labels (&o, ask, "logprob_token_ids", LAYOUT_LABELS);
    json_out_i64 (&o, "logprobs", ask->options->top_logprobs);
    json_out_bool (&o, "return_tokens_as_token_ids", true);
    json_out_u64 (&o, "max_tokens", 1);
    json_out_u64 (&o, "n", 1);
    json_out_u64 (&o, "temperature", 0);
    json_out_bool (&o, "stream", false);
    json_out_bool (&o, "add_special_tokens", ask->add_special);
    return prm_write_end (&o);
}

static esp_err take_choice (const prm_ask *ask, const json_t *choice, double *score, esp_error *why)
{
    const json_t *lists = json_object_get (json_object_get (choice, "logprobs"), "top_logprobs");
    json_t *top = json_array_get (lists, 0);
    const char *key;
    json_t *value;
    prm_mass mass;
    esp_err err = ESP_OK;
    if (!json_is_object (top))
        return esp_error_set (why, ESP_EFORMAT,
                              "no top_logprobs came: the server gives no logprobs, which this PRM "
                              "needs");
    prm_mass_begin (&mass);
    json_object_foreach (top, key, value)
    {
        uint64_t id;
        double logprob;
        if (!prm_number (value, &logprob))
            return esp_error_set (why, ESP_EFORMAT, "a log probability is no number");
        if (prm_token_id (key, &id) &&
            (err = prm_mass_add (&mass, ask->labels, id, logprob, true, why)) != ESP_OK)
            return err;
    }
    return prm_mass_score (&mass, score, why);
}

static esp_err take_all (const prm_ask *ask, const json_t *root, esp_error *why)
{
    const json_t **items = esp_calloc (ask->count, sizeof (*items));
    esp_err err =
        items ? prm_items (json_object_get (root, "choices"), "choices", ask->count, items, why)
              : ESP_ENOMEM;
    for (size_t i = 0; err == ESP_OK && i < ask->count; i++)
        err = take_choice (ask, items[i], &ask->texts[i].scores[0], why);
    esp_free (items);
    return err;
}

static esp_err logprobs_read (const prm_ask *ask, span json, uint64_t *tokens, esp_error *why)
{
    json_t *root = prm_load (json, why);
    esp_err err = root ? take_all (ask, root, why) : ESP_EFORMAT;
    *tokens = err == ESP_OK ? prm_count_at (root, "usage", "prompt_tokens") : 0;
    json_decref (root);
    return err;
}

const prm_serving prm_vllm_logprobs = {.name = "vllm-logprobs",
                                       .family = "vllm",
                                       .layout = "judge",
                                       .readings = {READ_NEXT},
                                       .needs_labels = true,
                                       .caches = true,
                                       .start_how = "a model that generates (--runner generate)",
                                       .write = logprobs_write,
                                       .read = logprobs_read};

static esp_err logprobs_open (const engine_setup *setup, void **state, esp_error *error)
{
    return prm_open (&prm_vllm_logprobs, setup, state, error);
}

const engine_kind engine_vllm_logprobs = PRM_KIND ("vllm-logprobs", logprobs_open);
