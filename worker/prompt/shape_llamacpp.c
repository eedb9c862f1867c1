/* SPDX-License-Identifier: Apache-2.0 */
/* shape_llamacpp.c - the llama.cpp server's /completion, and its chat path (engines.md A.3, local-models.md 4)
 *
 * /v1/completions is not used: it does not tell a stop text from the end of the sequence.  /v1/chat/completions does not either; where
 * that matters, have the messages rendered by /apply-template and go on raw.
 */

#include <jansson.h>
#include "worker/prompt/json_out.h"
#include "worker/prompt/shape_inner.h"

/* ---- requests ---- */

/* Without it each sample brings 2 KB of settings and the whole prompt back. */
static const char *const answer_fields[] = {
    "index",
    "content",
    "tokens",
    "id_slot",
    "stop",
    "model",
    "tokens_predicted",
    "stop_type",
    "stopping_word",
    "completion_probabilities",
    "tokens_evaluated",
    "timings/cache_n",
};
enum { FIELDS = sizeof (answer_fields) / sizeof (answer_fields[0]) };

/* Everything that a server may have been started with; each is off. */
static void write_samplers (const gen_ask *ask, json_out *o)
{
    json_out_double (o, "temperature", shape_temperature (ask));
    json_out_double (o, "top_p", ask->top_p);
    json_out_i64 (o, "top_k", ask->top_k);
    json_out_u64 (o, "min_p", 0);
    json_out_u64 (o, "typical_p", 1);
    json_out_u64 (o, "repeat_penalty", 1);
    json_out_u64 (o, "presence_penalty", 0);
    json_out_u64 (o, "frequency_penalty", 0);
    json_out_u64 (o, "dry_multiplier", 0);
    json_out_u64 (o, "xtc_probability", 0);
    json_out_u64 (o, "mirostat", 0);
    json_out_u64 (o, "dynatemp_range", 0);
    json_out_u64 (o, "seed", ask->seed);
    json_out_texts (o, "stop", ask->stop, ask->stop_count);
    json_out_bool (o, "cache_prompt", !ask->uncached);
    json_out_i64 (o, "id_slot", ask->slot);
}

static void write_completion (const gen_ask *ask, json_out *o)
{
    uint32_t probs = ask->top_logprobs ? ask->top_logprobs : ask->logprobs;
    json_out_text (o, "prompt", ask->prompt);
    json_out_u64 (o, "n_predict", ask->max_tokens);
    if (ask->n > 1)
        json_out_u64 (o, "n_cmpl", ask->n);
    if (probs > 0)
        json_out_u64 (o, "n_probs", probs);
    json_out_bool (o, "return_tokens", ask->ids);
    json_out_texts (o, "response_fields", answer_fields, FIELDS);
    json_out_bool (o, "stream", ask->stream);
}

static void write_chat (const gen_ask *ask, json_out *o)
{
    json_out_raw (o, "messages", ask->messages);
    json_out_u64 (o, "max_tokens", ask->max_tokens);
    if (ask->n > 1)
        json_out_u64 (o, "n", ask->n);
    if (ask->logprobs || ask->top_logprobs > 0) {
        json_out_bool (o, "logprobs", true);
        json_out_u64 (o, "top_logprobs", ask->top_logprobs ? ask->top_logprobs : 1);
    }
    json_out_bool (o, "stream", ask->stream);
    if (ask->stream)
        json_out_raw (o, "stream_options", span_of ("{\"include_usage\":true}"));
}

static esp_err llamacpp_write (const gen_ask *ask, esp_buf *json)
{
    json_out o = json_out_begin (json);
    if (shape_allows (&shape_llamacpp, ask) != ESP_OK)
        return ESP_EUNSUPPORTED;
    json_out_open (&o, NULL, '{');
    if (ask->model)
        json_out_text (&o, "model", span_of (ask->model));
    if (ask->messages.ptr)
        write_chat (ask, &o);
    else
        write_completion (ask, &o);
    write_samplers (ask, &o);
    json_out_close (&o, '}');
    return json_out_end (&o);
}

/* ---- answers of /completion ---- */

static esp_err
take_probability (const gen_reply *r, gen_sample *s, const json_t *entry, esp_error *why)
{
    const json_t *tops = json_object_get (entry, "top_logprobs");
    esp_err err = reply_take_token (r, s, json_object_get (entry, "id"),
                                    json_object_get (entry, "logprob"), why);
    for (size_t i = 0; err == ESP_OK && r->top_logprobs > 0 && i < json_array_size (tops); i++) {
        const json_t *top = json_array_get (tops, i);
        err = reply_take_top (r, s, json_object_get (top, "id"), json_object_get (top, "logprob"),
                              why);
    }
    return err;
}

/* The probabilities of a stop text's tokens are left out of an answer that is not streamed, its tokens are there. */
static esp_err take_tokens (const gen_reply *r, gen_sample *s, const json_t *item, esp_error *why)
{
    const json_t *ids = json_object_get (item, "tokens");
    const json_t *entries = json_object_get (item, "completion_probabilities");
    size_t count = json_array_size (entries);
    esp_err err = ESP_OK;
    for (size_t i = 0; err == ESP_OK && i < count; i++)
        err = take_probability (r, s, json_array_get (entries, i), why);
    for (size_t i = count; err == ESP_OK && i < json_array_size (ids); i++)
        err = reply_take_token (r, s, json_array_get (ids, i), NULL, why);
    return err;
}

static esp_err take_end (gen_reply *r, gen_sample *s, const json_t *item, esp_error *why)
{
    span type = reply_span (json_object_get (item, "stop_type"));
    span word = reply_span (json_object_get (item, "stopping_word"));
    if (span_is (type, "word"))
        return reply_end (r, s, GEN_STOP, word, why);
    if (span_is (type, "eos"))
        return reply_end (r, s, GEN_EOS, span_make ("", 0), why);
    if (span_is (type, "limit"))
        return reply_end (r, s, GEN_LENGTH, span_make ("", 0), why);
    if (span_is (type, "none")) /* an empty prompt; a request that was given up */
        return reply_end (r, s, GEN_ABORTED, span_make ("", 0), why);
    return esp_error_set (why, ESP_EFORMAT, "sample %u ended for the unknown reason \"%.*s\"",
                          reply_number (r, s), (int)(type.len < 40 ? type.len : 40), type.ptr);
}

static void take_counts (gen_reply *r, gen_sample *s, const json_t *item)
{
    const json_t *timings = json_object_get (item, "timings");
    const json_t *slot = json_object_get (item, "id_slot");
    reply_take_count (&s->tokens, json_object_get (item, "tokens_predicted"));
    reply_take_count (&r->prompt_tokens, json_object_get (item, "tokens_evaluated"));
    reply_take_count (&r->cached_tokens, json_object_get (timings, "cache_n"));
    reply_take_count (&r->cached_tokens, json_object_get (item, "timings/cache_n"));
    reply_take_model (r, json_object_get (item, "model"));
    if (json_is_integer (slot) && json_integer_value (slot) >= 0 &&
        json_integer_value (slot) <= INT32_MAX)
        s->slot = (int)json_integer_value (slot);
}

static esp_err take_item (gen_reply *r, const json_t *item, size_t place, esp_error *why)
{
    const json_t *content = json_object_get (item, "content");
    gen_sample *s = NULL;
    esp_err err = reply_no_error (item, why);
    if (err == ESP_OK && !json_is_string (content))
        err = esp_error_set (why, ESP_EFORMAT, "the answer has no content");
    if (err == ESP_OK)
        err = reply_sample (r, json_object_get (item, "index"), place, &s, why);
    if (err == ESP_OK)
        err = reply_take_text (r, s, content, why);
    if (err == ESP_OK)
        err = take_tokens (r, s, item, why);
    if (err != ESP_OK)
        return err;
    s->events += r->stream && reply_span (content).len > 0;
    take_counts (r, s, item);
    if (r->stream && !json_is_true (json_object_get (item, "stop")))
        return ESP_OK;
    return take_end (r, s, item, why);
}

static esp_err llamacpp_read (gen_reply *r, span json, esp_error *why)
{
    json_t *root = NULL;
    esp_err err;
    if (r->chat)
        return openai_read (r, json, OPENAI_UNSAID, true, why);
    if ((err = reply_parse (r, json, &root, why)) != ESP_OK)
        return err;
    r->tail_unsaid = !r->stream;
    if (!json_is_array (root))
        err = take_item (r, root, 0, why);
    for (size_t i = 0; err == ESP_OK && i < json_array_size (root); i++)
        err = take_item (r, json_array_get (root, i), i, why);
    json_decref (root);
    return err;
}

const gen_shape shape_llamacpp = {
    .name = "llamacpp",
    .path = "/completion",
    .chat_path = "/v1/chat/completions",
    .traits =
        {
            .raw = true,
            .chat = true,
            .most_n = REPLY_MOST_N,
            .n_is_slots = true,
            .slots = true,
            .greedy_n = true,
            .most_stops = 64,
            .says_stop = true,
            .seeds = true,
            .logprobs = true,
            .ids = true,
            .cached = true,
            .usage = true,
            .uncached = true,
        },
    .write = llamacpp_write,
    .read = llamacpp_read,
};
