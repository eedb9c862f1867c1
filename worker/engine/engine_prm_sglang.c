/* SPDX-License-Identifier: Apache-2.0 */
/* engine_prm_sglang.c - SGLang /generate with token_ids_logprob: the labels' logprobs as the one next token
 *
 * Written from SGLang's code (python/sglang/srt/managers), not run against a server.  A list of texts gives a list of answers
 * in the same order, without an index.
 */

#include "worker/engine/engines.h"
#include "worker/engine/prm_reply.h"
#include "worker/engine/prm_servings.h"

static esp_err sglang_write (const prm_ask *ask, esp_buf *path, esp_buf *json)
{
    json_out o = prm_write_begin (ask, "/generate", path, json);
    prm_write_texts (&o, ask, "text");
    prm_write_labels (&o, ask, "token_ids_logprob", LAYOUT_LABELS);
    json_out_bool (&o, "return_logprob", true);
    json_out_i64 (&o, "logprob_start_len", -1);
    json_out_open (&o, "sampling_params", '{');
    json_out_u64 (&o, "max_new_tokens", 1);
    json_out_u64 (&o, "temperature", 0);
    json_out_close (&o, '}');
    json_out_bool (&o, "stream", false);
    return prm_write_end (&o);
}

/* [[logprob, id, text or null], ...] of the first token generated. */
static esp_err take_answer (const prm_ask *ask, const json_t *answer, double *score, esp_error *why)
{
    const json_t *meta = json_object_get (answer, "meta_info");
    const json_t *first = json_array_get (json_object_get (meta, "output_token_ids_logprobs"), 0);
    prm_mass mass;
    esp_err err = ESP_OK;
    if (json_array_size (first) == 0)
        return esp_error_set (why, ESP_EFORMAT, "no output_token_ids_logprobs came");
    prm_mass_begin (&mass);
    for (size_t i = 0; err == ESP_OK && i < json_array_size (first); i++) {
        const json_t *triple = json_array_get (first, i), *id = json_array_get (triple, 1);
        double logprob;
        if (!json_is_integer (id) || json_integer_value (id) < 0 ||
            !prm_number (json_array_get (triple, 0), &logprob))
            return esp_error_set (why, ESP_EFORMAT, "an entry is no [logprob, id, text]");
        err = prm_mass_add (&mass, ask->labels, (uint64_t)json_integer_value (id), logprob, true,
                            why);
    }
    return err == ESP_OK ? prm_mass_score (&mass, score, why) : err;
}

static esp_err sglang_read (const prm_ask *ask, span json, uint64_t *tokens, esp_error *why)
{
    json_t *root = prm_load (json, why);
    esp_err err = root ? ESP_OK : ESP_EFORMAT;
    uint64_t sum = 0;
    if (root && json_array_size (root) != ask->count)
        err = esp_error_set (why, ESP_EFORMAT, "%zu answers for %zu texts", json_array_size (root),
                             ask->count);
    for (size_t i = 0; err == ESP_OK && i < ask->count; i++) {
        const json_t *answer = json_array_get (root, i);
        err = take_answer (ask, answer, &ask->texts[i].scores[0], why);
        sum += prm_count_at (answer, "meta_info", "prompt_tokens");
    }
    *tokens = sum;
    json_decref (root);
    return err;
}

const prm_serving prm_sglang_logprobs = {.name = "sglang-logprobs",
                                         .family = "sglang",
                                         .layout = "judge",
                                         .readings = {READ_NEXT},
                                         .needs_labels = true,
                                         .caches = true,
                                         .adds_bos = true,
                                         .start_how = "a model that generates",
                                         .write = sglang_write,
                                         .read = sglang_read};

const engine_kind engine_sglang_logprobs = PRM_KIND ("sglang-logprobs");
