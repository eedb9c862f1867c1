/* SPDX-License-Identifier: Apache-2.0 */
/* engine_prm_classify.c - vLLM /classify and /score: outcome models, one number for the whole text
 *
 * /score takes pairs, whose texts the server joins; a head with one label gives the same there as on /classify.
 */

#include "worker/engine/engines.h"
#include <string.h>
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

static esp_err take_item (const prm_ask *ask, const prm_text *t, const json_t *item, esp_error *why)
{
    const char *key = ask->options->route == ROUTE_SCORE ? "score" : "probs";
    const json_t *row = json_object_get (item, key);
    if (!row)
        return esp_error_set (why, ESP_EFORMAT, "text %zu has no %s", (size_t)(t - ask->texts),
                              key);
    return prm_row (ask->plan, row, &t->scores[0], why);
}

static esp_err classify_read (const prm_ask *ask, span json, uint64_t *tokens, esp_error *why)
{
    return prm_read_list (ask, json, "data", take_item, tokens, why);
}

const prm_serving prm_vllm_classify = {.name = "vllm-classify",
                                       .family = "vllm",
                                       .layout = "outcome",
                                       .readings = {READ_WHOLE},
                                       .start_how = "--runner pooling --convert classify",
                                       .write = classify_write,
                                       .read = classify_read};

const engine_kind engine_vllm_classify = PRM_KIND ("vllm-classify");
