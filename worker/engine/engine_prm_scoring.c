/* SPDX-License-Identifier: Apache-2.0 */
/* engine_prm_scoring.c - label probabilities of many texts in one call: vLLM /generative_scoring, SGLang /v1/score
 *
 * Both join a query and an item; each part is tokenized by itself, so the query is left empty and the item is the whole text.
 * vLLM gives the first label's share of all labels, so only one spelling of each is sent there; SGLang gives one number per label.
 */

#include "worker/engine/engines.h"
#include "worker/engine/prm_reply.h"
#include "worker/engine/prm_servings.h"

static void write_common (json_out *o, const prm_ask *ask, size_t spellings)
{
    json_out_text (o, "query", span_of (""));
    prm_write_texts (o, ask, "items");
    prm_write_labels (o, ask, "label_token_ids", spellings);
    json_out_bool (o, "apply_softmax", true);
    json_out_bool (o, "item_first", false);
}

static esp_err take_score (const json_t *value, double *score, esp_error *why)
{
    if (!prm_number (value, score))
        return esp_error_set (why, ESP_EFORMAT, "a score is no finite number");
    if (*score < 0 || *score > 1.000001)
        return esp_error_set (why, ESP_EFORMAT, "%g is no probability", *score);
    *score = *score > 1 ? 1 : *score;
    return ESP_OK;
}

/* ---- vLLM ---- */

static esp_err generative_write (const prm_ask *ask, esp_buf *path, esp_buf *json)
{
    json_out o = prm_write_begin (ask, "/generative_scoring", path, json);
    write_common (&o, ask, 1);
    json_out_bool (&o, "add_special_tokens", ask->add_special);
    return prm_write_end (&o);
}

static esp_err take_item (const prm_ask *ask, const prm_text *t, const json_t *item, esp_error *why)
{
    (void)ask;
    return take_score (json_object_get (item, "score"), &t->scores[0], why);
}

static esp_err generative_read (const prm_ask *ask, span json, uint64_t *tokens, esp_error *why)
{
    return prm_read_list (ask, json, "data", take_item, tokens, why);
}

const prm_serving prm_vllm_generative = {.name = "vllm-generative-scoring",
                                         .family = "vllm",
                                         .layout = "judge",
                                         .readings = {READ_NEXT},
                                         .needs_labels = true,
                                         .caches = true,
                                         .start_how = "a model that generates (--runner generate)",
                                         .write = generative_write,
                                         .read = generative_read};

const engine_kind engine_vllm_generative = PRM_KIND ("vllm-generative-scoring");

/* ---- SGLang ---- */

static esp_err score_write (const prm_ask *ask, esp_buf *path, esp_buf *json)
{
    json_out o = prm_write_begin (ask, "/v1/score", path, json);
    write_common (&o, ask, LAYOUT_LABELS);
    return prm_write_end (&o);
}

/* One number per label, the good ones first. */
static esp_err take_labels (const prm_ask *ask, const json_t *row, double *score, esp_error *why)
{
    const prm_labels *l = ask->labels;
    size_t n = json_array_size (row);
    double good = 0, all = 0, p;
    esp_err err;
    if (n != (size_t)l->good_count + l->bad_count)
        return esp_error_set (why, ESP_EFORMAT, "%zu numbers for %d labels", n,
                              l->good_count + l->bad_count);
    for (size_t i = 0; i < n; i++) {
        if ((err = take_score (json_array_get (row, i), &p, why)) != ESP_OK)
            return err;
        all += p;
        good += i < l->good_count ? p : 0;
    }
    if (all <= 0)
        return esp_error_set (why, ESP_EFORMAT, "the labels have no probability at all");
    *score = good / all;
    return ESP_OK;
}

static esp_err score_read (const prm_ask *ask, span json, uint64_t *tokens, esp_error *why)
{
    json_t *root = prm_load (json, why);
    const json_t *rows = json_object_get (root, "scores");
    esp_err err = root ? ESP_OK : ESP_EFORMAT;
    if (root && json_array_size (rows) != ask->count)
        err = esp_error_set (why, ESP_EFORMAT, "%zu scores for %zu texts", json_array_size (rows),
                             ask->count);
    for (size_t i = 0; err == ESP_OK && i < ask->count; i++)
        err = take_labels (ask, json_array_get (rows, i), &ask->texts[i].scores[0], why);
    *tokens = err == ESP_OK ? prm_count_at (root, "usage", "prompt_tokens") : 0;
    json_decref (root);
    return err;
}

const prm_serving prm_sglang_score = {.name = "sglang-score",
                                      .family = "sglang",
                                      .layout = "judge",
                                      .readings = {READ_NEXT},
                                      .needs_labels = true,
                                      .caches = true,
                                      .adds_bos = true,
                                      .start_how = "a model that generates",
                                      .write = score_write,
                                      .read = score_read};

const engine_kind engine_sglang_score = PRM_KIND ("sglang-score");
