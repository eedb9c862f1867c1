/* SPDX-License-Identifier: Apache-2.0 */
/* shape_sglang.c - SGLang's /generate (engines.md A.2)
 *
 * n samples by sampling_params.n all have the same seed: with --enable-deterministic-inference they are the same text
 * (tokenizer_manager.py hands one copy of the parameters to each).  So n samples are sent as n prompts, each
 * with its seed; gen_ask.fork sends one prompt, which is prefilled once, where a probe found that seeds are ignored.
 *
 * No chat: it has one seed for all samples, and /tokenize renders messages for /generate.
 *
 * Events of a stream hold the whole text so far, or what is new with --incremental-streaming-output: output_ids tell which,
 * because they come the same way and completion_tokens counts all.
 */

#include <jansson.h>
#include "worker/prompt/json_out.h"
#include "worker/prompt/shape_inner.h"

/* ---- requests ---- */

static void write_sampling (const gen_ask *ask, const char *key, uint32_t sample, json_out *o)
{
    json_out_open (o, key, '{');
    if (ask->fork && ask->n > 1)
        json_out_u64 (o, "n", ask->n);
    json_out_u64 (o, "max_new_tokens", ask->max_tokens);
    json_out_double (o, "temperature", shape_temperature (ask));
    json_out_double (o, "top_p", ask->top_p);
    json_out_i64 (o, "top_k", ask->top_k > 0 ? ask->top_k : -1);
    json_out_u64 (o, "min_p", 0);
    json_out_u64 (o, "presence_penalty", 0);
    json_out_u64 (o, "frequency_penalty", 0);
    json_out_u64 (o, "repetition_penalty", 1);
    json_out_u64 (o, "sampling_seed", ask->seed + sample);
    json_out_texts (o, "stop", ask->stop, ask->stop_count);
    json_out_bool (o, "no_stop_trim", true);
    json_out_bool (o, "skip_special_tokens", true);
    json_out_close (o, '}');
}

static void write_prompts (const gen_ask *ask, json_out *o)
{
    if (ask->n == 1 || ask->fork) {
        json_out_text (o, "text", ask->prompt);
        write_sampling (ask, "sampling_params", 0, o);
        return;
    }
    json_out_open (o, "text", '[');
    for (uint32_t i = 0; i < ask->n; i++)
        json_out_text (o, NULL, ask->prompt);
    json_out_close (o, ']');
    json_out_open (o, "sampling_params", '[');
    for (uint32_t i = 0; i < ask->n; i++)
        write_sampling (ask, NULL, i, o);
    json_out_close (o, ']');
}

static esp_err sglang_write (const gen_ask *ask, esp_buf *json)
{
    json_out o = json_out_begin (json);
    if (shape_allows (&shape_sglang, ask) != ESP_OK)
        return ESP_EUNSUPPORTED;
    json_out_open (&o, NULL, '{');
    write_prompts (ask, &o);
    if (ask->logprobs || ask->top_logprobs > 0) {
        json_out_bool (&o, "return_logprob", true);
        json_out_i64 (&o, "logprob_start_len", -1); /* none of the prompt */
        json_out_u64 (&o, "top_logprobs_num", ask->top_logprobs);
    }
    if (ask->request_id)
        json_out_text (&o, "rid", span_of (ask->request_id));
    json_out_bool (&o, "stream", ask->stream);
    json_out_close (&o, '}');
    return json_out_end (&o);
}

/* ---- answers of /generate ---- */

/* [logprob, token id, text or null] */
static esp_err take_triple (const gen_reply *r, gen_sample *s, const json_t *triple,
                            const json_t *tops, esp_error *why)
{
    esp_err err =
        reply_take_token (r, s, json_array_get (triple, 1), json_array_get (triple, 0), why);
    for (size_t i = 0; err == ESP_OK && i < json_array_size (tops); i++) {
        const json_t *top = json_array_get (tops, i);
        err = reply_take_top (r, s, json_array_get (top, 1), json_array_get (top, 0), why);
    }
    return err;
}

static esp_err take_tokens (const gen_reply *r, gen_sample *s, const json_t *item, esp_error *why)
{
    const json_t *meta = json_object_get (item, "meta_info");
    const json_t *ids = json_object_get (item, "output_ids");
    const json_t *triples = json_object_get (meta, "output_token_logprobs");
    const json_t *tops = json_object_get (meta, "output_top_logprobs");
    esp_err err = ESP_OK;
    for (size_t i = 0; err == ESP_OK && i < json_array_size (triples); i++)
        err = take_triple (r, s, json_array_get (triples, i),
                           r->top_logprobs > 0 ? json_array_get (tops, i) : NULL, why);
    if (json_array_size (triples) > 0)
        return err;
    for (size_t i = 0; err == ESP_OK && i < json_array_size (ids); i++)
        err = reply_take_token (r, s, json_array_get (ids, i), NULL, why);
    return err;
}

static bool is_all_so_far (const json_t *item)
{
    const json_t *meta = json_object_get (item, "meta_info");
    const json_t *ids = json_object_get (item, "output_ids");
    const json_t *count = json_object_get (meta, "completion_tokens");
    return !ids || !json_is_integer (count) ||
           (json_int_t)reply_id_count (ids) >= json_integer_value (count);
}

/* {"type": "stop", "matched": text or id} | {"type": "length"} | {"type": "abort", "message"} */
static esp_err take_end (gen_reply *r, gen_sample *s, const json_t *reason, esp_error *why)
{
    const json_t *matched = json_object_get (reason, "matched");
    span type = reply_span (json_object_get (reason, "type"));
    if (span_is (type, "length"))
        return reply_end (r, s, GEN_LENGTH, span_make ("", 0), why);
    if (span_is (type, "abort"))
        return reply_end (r, s, GEN_ABORTED, span_make ("", 0), why);
    if (span_is (type, "stop"))
        return reply_end (r, s, json_is_string (matched) ? GEN_STOP : GEN_EOS, reply_span (matched),
                          why);
    if (r->stream && (!reason || json_is_null (reason)))
        return ESP_OK;
    return esp_error_set (why, ESP_EFORMAT, "sample %u ended for the unknown reason \"%.*s\"",
                          reply_number (r, s), (int)(type.len < 40 ? type.len : 40), type.ptr);
}

static esp_err take_item (gen_reply *r, const json_t *item, size_t place, esp_error *why)
{
    const json_t *meta = json_object_get (item, "meta_info");
    const json_t *text = json_object_get (item, "text");
    gen_sample *s = NULL;
    esp_err err = reply_no_error (item, why);
    if (err == ESP_OK && (!json_is_string (text) || !json_is_object (meta)))
        err = esp_error_set (why, ESP_EFORMAT, "the answer has no text and meta_info");
    if (err == ESP_OK)
        err = reply_sample (r, json_object_get (item, "index"), place, &s, why);
    if (err != ESP_OK)
        return err;
    if (is_all_so_far (item)) {
        esp_buf_clear (&s->text);
        s->generated_count = s->top_count = 0;
    }
    if ((err = reply_take_text (r, s, text, why)) == ESP_OK)
        err = take_tokens (r, s, item, why);
    if (err != ESP_OK)
        return err;
    s->events += r->stream;
    reply_take_count (&s->tokens, json_object_get (meta, "completion_tokens"));
    reply_take_count (&r->prompt_tokens, json_object_get (meta, "prompt_tokens"));
    reply_take_count (&r->cached_tokens, json_object_get (meta, "cached_tokens"));
    return take_end (r, s, json_object_get (meta, "finish_reason"), why);
}

static esp_err sglang_read (gen_reply *r, span json, esp_error *why)
{
    json_t *root = NULL;
    esp_err err;
    if ((err = reply_parse_thin (r, json, "prompt_token_ids", "output_ids", &root, why)) != ESP_OK)
        return err;
    if (!json_is_array (root))
        err = take_item (r, root, 0, why);
    for (size_t i = 0; err == ESP_OK && i < json_array_size (root); i++)
        err = take_item (r, json_array_get (root, i), i, why);
    json_decref (root);
    return err;
}

const gen_shape shape_sglang = {
    .name = "sglang",
    .path = "/generate",
    .traits =
        {
            .raw = true,
            .most_n = REPLY_MOST_N,
            .greedy_n = true,
            .most_stops = 64,
            .says_stop = true,
            .logprobs = true,
            .ids = true,
            .cached = true,
            .cancels_plain = true,
            .usage = true,
        },
    .done_mark = true,
    .write = sglang_write,
    .read = sglang_read,
};
