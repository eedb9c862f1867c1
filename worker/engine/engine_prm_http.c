/* SPDX-License-Identifier: Apache-2.0 */
/* engine_prm_http.c - anything that takes {"inputs": [text, ...]} and gives {"scores": [[number, ...], ...]}
 *
 * A list per text, one number per step of it; a list of one, or a bare number, is the score of the last step.  Texts are those
 * of layout generic, or of any layout with tags.
 */

#include "worker/engine/engines.h"
#include "worker/engine/prm_reply.h"
#include "worker/engine/prm_servings.h"

static esp_err http_write (const prm_ask *ask, esp_buf *path, esp_buf *json)
{
    const char *own = ask->options->path ? ask->options->path : "";
    esp_err err = own[0] && own[0] != '/' ? esp_buf_puts (path, "/") : ESP_OK;
    json_out o = prm_write_begin (ask, own, path, json);
    prm_write_texts (&o, ask, "inputs");
    return err == ESP_OK ? prm_write_end (&o) : err;
}

static esp_err take_text (const prm_ask *ask, const prm_text *t, const json_t *row, esp_error *why)
{
    size_t n = json_is_array (row) ? json_array_size (row) : 1;
    esp_err err = ESP_OK;
    if (n != t->rows && !(n == 1 && t->want == 1))
        return esp_error_set (why, ESP_EFORMAT, "%zu scores for %u steps", n, (unsigned)t->rows);
    for (uint32_t i = 0; err == ESP_OK && i < t->want; i++)
        err = prm_row (ask->plan, json_is_array (row) ? json_array_get (row, n - t->want + i) : row,
                       &t->scores[i], why);
    return err;
}

static esp_err http_read (const prm_ask *ask, span json, uint64_t *tokens, esp_error *why)
{
    json_t *root = prm_load (json, why);
    const json_t *rows = json_object_get (root, "scores");
    esp_err err = root ? ESP_OK : ESP_EFORMAT;
    if (root && json_array_size (rows) != ask->count)
        err = esp_error_set (why, ESP_EFORMAT, "%zu lists in scores, asked for were %zu",
                             json_array_size (rows), ask->count);
    for (size_t i = 0; err == ESP_OK && i < ask->count; i++)
        err = take_text (ask, &ask->texts[i], json_array_get (rows, i), why);
    *tokens = err == ESP_OK ? prm_count_at (root, "usage", "prompt_tokens") : 0;
    json_decref (root);
    return err;
}

const prm_serving prm_http_scores = {.name = "http-scores",
                                     .layout = "generic",
                                     .readings = {READ_LIST, READ_ROWS},
                                     .start_how = "a service that answers {\"scores\": [[...]]}",
                                     .write = http_write,
                                     .read = http_read};

const engine_kind engine_http_scores = PRM_KIND ("http-scores");
