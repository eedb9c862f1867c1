/* SPDX-License-Identifier: Apache-2.0 */
/* engine_prm_classify.c - vLLM /classify and /score: outcome models, one number for the whole text
 *
 * /score takes pairs, whose texts the server joins; a head with one label gives the same there as on /classify.
 */

#include "worker/engine/engines.h"
#include <string.h>
#include "proto/base/alloc.h"
#include "worker/engine/prm_reply.h"
#include "worker/engine/prm_servings.h"

/* Bytes of the text that belong to the problem: up to the end of the user's turn. */
static size_t problem_bytes (const prm_ask *ask, span text)
{
    const char *end = ask->plan->chat->user_end;
    size_t at = end[0] ? span_find (text, span_of (end)) : text.len;
    return at < text.len ? at + strlen (end) : 0;
}

static void write_half (json_out *o, const prm_ask *ask, const char *key, bool second)
{
    json_out_open (o, key, '[');
    for (size_t i = 0; i < ask->count; i++) {
        span text = ask->texts[i].text;
        size_t cut = problem_bytes (ask, text);
        json_out_text (o, NULL,
                       second ? span_make (text.ptr + cut, text.len - cut)
                              : span_make (text.ptr, cut));
    }
    json_out_close (o, ']');
}

static esp_err classify_write (const prm_ask *ask, esp_buf *path, esp_buf *json)
{
    bool score = ask->options->route == ROUTE_SCORE;
    json_out o = prm_write_begin (ask, score ? "/score" : "/classify", path, json);
    if (score) {
        write_half (&o, ask, "queries", false);
        write_half (&o, ask, "documents", true);
    } else {
        prm_write_texts (&o, ask, "input");
    }
    json_out_bool (&o, "add_special_tokens", ask->add_special);
    return prm_write_end (&o);
}

static esp_err take_all (const prm_ask *ask, const json_t *root, esp_error *why)
{
    const json_t **items = esp_calloc (ask->count, sizeof (*items));
    const char *key = ask->options->route == ROUTE_SCORE ? "score" : "probs";
    esp_err err = items ? prm_items (json_object_get (root, "data"), "data", ask->count, items, why)
                        : ESP_ENOMEM;
    for (size_t i = 0; err == ESP_OK && i < ask->count; i++) {
        const json_t *row = json_object_get (items[i], key);
        if (!row)
            err = esp_error_set (why, ESP_EFORMAT, "text %zu has no %s", i, key);
        else
            err = prm_row (ask->plan, row, &ask->texts[i].scores[0], why);
    }
    esp_free (items);
    return err;
}

static esp_err classify_read (const prm_ask *ask, span json, uint64_t *tokens, esp_error *why)
{
    json_t *root = prm_load (json, why);
    esp_err err = root ? take_all (ask, root, why) : ESP_EFORMAT;
    *tokens = err == ESP_OK ? prm_count_at (root, "usage", "prompt_tokens") : 0;
    json_decref (root);
    return err;
}

const prm_serving prm_vllm_classify = {.name = "vllm-classify",
                                       .family = "vllm",
                                       .layout = "outcome",
                                       .readings = {READ_WHOLE},
                                       .start_how = "--runner pooling --convert classify",
                                       .write = classify_write,
                                       .read = classify_read};

static esp_err classify_open (const engine_setup *setup, void **state, esp_error *error)
{
    return prm_open (&prm_vllm_classify, setup, state, error);
}

const engine_kind engine_vllm_classify = PRM_KIND ("vllm-classify", classify_open);
