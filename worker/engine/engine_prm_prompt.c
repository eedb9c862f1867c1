/* SPDX-License-Identifier: Apache-2.0 */
/* engine_prm_prompt.c - vLLM prompt_logprobs: all steps of a path in one pass, no prefix cache
 *
 * Entry p is the distribution that predicts token p.  Where a label stands behind each step (RLHFlow) the places are those of the
 * text's last two tokens together; else (Math-Shepherd) each tag, and the entry behind it.  Better than vllm-logprobs only for long
 * texts of many new steps.
 */

#include "worker/engine/engines.h"
#include <math.h>
#include <stdlib.h>
#include "worker/engine/prm_reply.h"
#include "worker/engine/prm_servings.h"

static esp_err prompt_write (const prm_ask *ask, esp_buf *path, esp_buf *json)
{
    json_out o = prm_write_begin (ask, "/v1/completions", path, json);
    prm_write_texts (&o, ask, "prompt");
    json_out_i64 (&o, "prompt_logprobs", ask->options->top_logprobs);
    json_out_bool (&o, "return_token_ids", true);
    json_out_u64 (&o, "max_tokens", 1);
    json_out_u64 (&o, "n", 1);
    json_out_u64 (&o, "temperature", 0);
    json_out_bool (&o, "stream", false);
    json_out_bool (&o, "add_special_tokens", ask->add_special);
    return prm_write_end (&o);
}

static json_int_t id_at (const json_t *ids, size_t at)
{
    const json_t *id = json_array_get (ids, at);
    return json_is_integer (id) ? json_integer_value (id) : -1;
}

/* Is token `at` one whose entry (*entry) holds a step's score? */
static bool is_place (const prm_ask *ask, const json_t *ids, size_t at, size_t *entry)
{
    size_t n = json_array_size (ids);
    bool written = ask->plan->row->label_is_written;
    *entry = written ? at : at + 1;
    if (n < 2 || at + 1 >= n)
        return false;
    if (!written)
        return id_at (ids, at) == (json_int_t)ask->labels->tag;
    return id_at (ids, at) == id_at (ids, n - 2) && id_at (ids, at + 1) == id_at (ids, n - 1);
}

/* The last token but one is the good label that we wrote. */
static bool ends_with_label (const prm_ask *ask, const json_t *ids)
{
    size_t n = json_array_size (ids);
    json_int_t id = n < 2 ? -1 : id_at (ids, n - 2);
    for (size_t i = 0; i < ask->labels->good_count; i++)
        if (id == (json_int_t)ask->labels->good[i])
            return true;
    return false;
}

static esp_err read_entry (const prm_ask *ask, json_t *entry, double *score, esp_error *why)
{
    const char *key;
    json_t *value;
    prm_mass mass;
    esp_err err = ESP_OK;
    prm_mass_begin (&mass);
    json_object_foreach (entry, key, value)
    {
        char *end;
        uint64_t id = strtoull (key, &end, 10);
        double logprob;
        const json_t *rank = json_object_get (value, "rank"); /* the text's own token may be any */
        bool listed = !json_is_integer (rank) ||
                      json_integer_value (rank) <= (json_int_t)ask->options->top_logprobs;
        if (*end != 0 || !prm_number (json_object_get (value, "logprob"), &logprob))
            return esp_error_set (why, ESP_EFORMAT, "an entry of prompt_logprobs has no logprob");
        if ((err = prm_mass_add (&mass, ask->labels, id, logprob, listed, why)) != ESP_OK)
            return err;
    }
    return prm_mass_score (&mass, score, why);
}

static esp_err
take_choice (const prm_ask *ask, const prm_text *t, const json_t *choice, esp_error *why)
{
    const json_t *ids = json_object_get (choice, "prompt_token_ids");
    const json_t *list = json_object_get (choice, "prompt_logprobs");
    size_t n = json_array_size (ids), entry;
    uint32_t found = 0;
    esp_err err = ESP_OK;
    if (ask->plan->row->label_is_written && !ends_with_label (ask, ids))
        return esp_error_set (why, ESP_EFORMAT,
                              "the text does not end in the label's token and one more: model and "
                              "layout do not belong together");
    if (!json_is_array (ids) || !json_is_array (list) || json_array_size (list) != n)
        return esp_error_set (why, ESP_EFORMAT,
                              "prompt_token_ids and prompt_logprobs did not come, or differ in "
                              "length");
    for (size_t i = 0; err == ESP_OK && i < n; i++) {
        if (!is_place (ask, ids, i, &entry))
            continue;
        if (++found > t->rows)
            break;
        if (found > t->rows - t->want)
            err = read_entry (ask, json_array_get (list, entry),
                              &t->scores[found - 1 - (t->rows - t->want)], why);
    }
    if (err == ESP_OK && found != t->rows)
        return esp_error_set (why, ESP_EFORMAT, "%u or more places with a score for %u steps",
                              (unsigned)found, (unsigned)t->rows);
    return err;
}

static esp_err prompt_read (const prm_ask *ask, span json, uint64_t *tokens, esp_error *why)
{
    return prm_read_list (ask, json, "choices", take_choice, tokens, why);
}

const prm_serving prm_vllm_prompt = {.name = "vllm-prompt-logprobs",
                                     .family = "vllm",
                                     .layout = "math-shepherd",
                                     .readings = {READ_PATH},
                                     .needs_labels = true,
                                     .start_how = "a model that generates (--runner generate)",
                                     .write = prompt_write,
                                     .read = prompt_read};

const engine_kind engine_vllm_prompt = PRM_KIND ("vllm-prompt-logprobs");
