/* SPDX-License-Identifier: Apache-2.0 */
/* engine_prm_pooling.c - vLLM /pooling: a head gives a row of numbers per tag, or per token
 *
 * READ_ROWS: the server must have STEP pooling, so that the k-th row is that of the k-th tag; a wrong step_tag_id gives 200
 * with no row at all.  READ_LAST: any pooling; the last row is the last token's.  READ_WHOLE: one row for the text.  Causal PRMs
 * are served so too, by --convert classify with classifier_from_token.
 */

#include "worker/engine/engines.h"
#include "worker/engine/prm_reply.h"
#include "worker/engine/prm_servings.h"

static esp_err pooling_write (const prm_ask *ask, esp_buf *path, esp_buf *json)
{
    json_out o = prm_write_begin (ask, "/pooling", path, json);
    prm_write_texts (&o, ask, "input");
    json_out_text (&o, "encoding_format", span_of ("float"));
    json_out_bool (&o, "add_special_tokens", ask->add_special);
    return prm_write_end (&o);
}

static esp_err no_rows (const prm_ask *ask, uint32_t tags, esp_error *why)
{
    char id[16] = "its id";
    if (ask->labels->has_tag)
        snprintf (id, sizeof (id), "%u", (unsigned)ask->labels->tag);
    return esp_error_set (why, ESP_EFORMAT,
                          "no row for %u tags \"%s\": the server pools at another token; start it "
                          "with --pooler-config "
                          "'{\"tok_pooling_type\":\"STEP\",\"step_tag_id\":%s}'",
                          (unsigned)tags, ask->plan->tag, id);
}

static esp_err take_rows (const prm_ask *ask, const prm_text *t, const json_t *rows, esp_error *why)
{
    size_t n = json_array_size (rows);
    esp_err err = ESP_OK;
    if (n == 0)
        return no_rows (ask, t->rows, why);
    if (json_is_number (json_array_get (rows, 0)))
        return esp_error_set (why, ESP_EFORMAT,
                              "%zu numbers for the whole text instead of a row per tag: an "
                              "embedding or classification model, not a PRM with STEP pooling",
                              n);
    if (n != t->rows)
        return esp_error_set (why, ESP_EFORMAT,
                              "%zu rows for %u tags \"%s\": the server does not pool at this tag "
                              "alone",
                              n, (unsigned)t->rows, ask->plan->tag);
    for (uint32_t i = 0; err == ESP_OK && i < t->want; i++)
        err = prm_row (ask->plan, json_array_get (rows, n - t->want + i), &t->scores[i], why);
    return err;
}

/* One score, from the last row or from the only one. */
static esp_err take_last (const prm_ask *ask, const prm_text *t, const json_t *rows, esp_error *why)
{
    size_t n = json_array_size (rows);
    const json_t *last = json_array_get (rows, n - 1);
    if (n == 0)
        return esp_error_set (why, ESP_EFORMAT,
                              "no row for the last token: the server pools at a tag; start it with "
                              "--pooler-config '{\"task\":\"token_classify\"}'");
    return prm_row (ask->plan, json_is_number (last) ? rows : last, &t->scores[0], why);
}

static esp_err take_item (const prm_ask *ask, const prm_text *t, const json_t *item, esp_error *why)
{
    const json_t *rows = json_object_get (item, "data");
    if (!json_is_array (rows))
        return esp_error_set (why, ESP_EFORMAT, "data of text %zu is no list of numbers",
                              (size_t)(t - ask->texts));
    return ask->plan->reading == READ_ROWS ? take_rows (ask, t, rows, why)
                                           : take_last (ask, t, rows, why);
}

static esp_err pooling_read (const prm_ask *ask, span json, uint64_t *tokens, esp_error *why)
{
    return prm_read_list (ask, json, "data", take_item, tokens, why);
}

const prm_serving prm_vllm_pooling = {.name = "vllm-pooling",
                                      .family = "vllm",
                                      .layout = "qwen-extra0",
                                      .readings = {READ_ROWS, READ_LAST, READ_WHOLE},
                                      .start_how = "--runner pooling",
                                      .write = pooling_write,
                                      .read = pooling_read};

const engine_kind engine_vllm_pooling = PRM_KIND ("vllm-pooling");
