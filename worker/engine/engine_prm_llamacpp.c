/* SPDX-License-Identifier: Apache-2.0 */
/* engine_prm_llamacpp.c - llama.cpp /completion with n_probs: the labels among the most likely next tokens
 *
 * temperature -1 is greedy with a plain softmax; n_probs may be as large as the vocabulary.  The server adds BOS to a text
 * by itself.  A list of one text may come back as an object instead of a list of one.
 */

#include "worker/engine/engines.h"
#include "proto/base/alloc.h"
#include "worker/engine/prm_reply.h"
#include "worker/engine/prm_servings.h"

static esp_err llamacpp_write (const prm_ask *ask, esp_buf *path, esp_buf *json)
{
    json_out o = prm_write_begin (ask, "/completion", path, json);
    prm_write_texts (&o, ask, "prompt");
    json_out_u64 (&o, "n_predict", 1);
    json_out_i64 (&o, "temperature", -1);
    json_out_i64 (&o, "n_probs", ask->options->top_logprobs);
    json_out_bool (&o, "cache_prompt", ask->options->cache_prompt);
    json_out_bool (&o, "stream", false);
    return prm_write_end (&o);
}

static esp_err take_answer (const prm_ask *ask, const json_t *answer, double *score, esp_error *why)
{
    const json_t *first = json_array_get (json_object_get (answer, "completion_probabilities"), 0);
    const json_t *top = json_object_get (first, "top_logprobs");
    prm_mass mass;
    esp_err err = ESP_OK;
    if (json_array_size (top) == 0)
        return esp_error_set (why, ESP_EFORMAT, "no top_logprobs came");
    prm_mass_begin (&mass);
    for (size_t i = 0; err == ESP_OK && i < json_array_size (top); i++) {
        const json_t *entry = json_array_get (top, i), *id = json_object_get (entry, "id");
        double logprob;
        if (!json_is_integer (id) || json_integer_value (id) < 0 ||
            !prm_number (json_object_get (entry, "logprob"), &logprob))
            return esp_error_set (why, ESP_EFORMAT, "an entry of top_logprobs has no id, logprob");
        err = prm_mass_add (&mass, ask->labels, (uint64_t)json_integer_value (id), logprob, true,
                            why);
    }
    return err == ESP_OK ? prm_mass_score (&mass, score, why) : err;
}

static esp_err take_all (const prm_ask *ask, const json_t *root, uint64_t *tokens, esp_error *why)
{
    const json_t **items = esp_calloc (ask->count, sizeof (*items));
    esp_err err = items ? ESP_OK : ESP_ENOMEM;
    if (err == ESP_OK && ask->count == 1 && json_is_object (root))
        items[0] = root;
    else if (err == ESP_OK)
        err = prm_items (root, "the answer", ask->count, items, why);
    for (size_t i = 0; err == ESP_OK && i < ask->count; i++) {
        err = take_answer (ask, items[i], &ask->texts[i].scores[0], why);
        *tokens += prm_count_at (items[i], NULL, "tokens_evaluated");
    }
    esp_free (items);
    return err;
}

static esp_err llamacpp_read (const prm_ask *ask, span json, uint64_t *tokens, esp_error *why)
{
    json_t *root = prm_load (json, why);
    esp_err err;
    *tokens = 0;
    err = root ? take_all (ask, root, tokens, why) : ESP_EFORMAT;
    json_decref (root);
    return err;
}

const prm_serving prm_llamacpp_logprobs = {.name = "llamacpp-logprobs",
                                           .family = "llamacpp",
                                           .layout = "judge",
                                           .readings = {READ_NEXT},
                                           .needs_labels = true,
                                           .caches = true,
                                           .uncached = true,
                                           .adds_bos = true,
                                           .start_how = "a model that generates",
                                           .write = llamacpp_write,
                                           .read = llamacpp_read};

const engine_kind engine_llamacpp_logprobs = PRM_KIND ("llamacpp-logprobs");
