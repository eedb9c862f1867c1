/* SPDX-License-Identifier: Apache-2.0 */
/* engine_prm_logprobs.c - vLLM /v1/completions: the logprobs of the labels as the one next token
 *
 * logprob_token_ids (2026) gives exactly the labels; an older server ignores it and gives the most likely tokens, among
 * which the labels mostly are.  Keys are "token_id:648".  Logprobs are raw: temperature 0 does not change them.
 */

#include "worker/engine/engines.h"
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

static esp_err
take_choice (const prm_ask *ask, const prm_text *t, const json_t *choice, esp_error *why)
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
    return prm_mass_score (&mass, &t->scores[0], why);
}

static esp_err logprobs_read (const prm_ask *ask, span json, uint64_t *tokens, esp_error *why)
{
    return prm_read_list (ask, json, "choices", take_choice, tokens, why);
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

const engine_kind engine_vllm_logprobs = PRM_KIND ("vllm-logprobs");
