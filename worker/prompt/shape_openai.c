/* SPDX-License-Identifier: Apache-2.0 */
/* shape_openai.c - /v1/completions and /v1/chat/completions as anybody serves them
 *
 * Only what OpenAI's own servers take is sent: they refuse unknown fields, so a stop text cannot be kept, and top_k goes out
 * only when it is wanted.  Answers are read with the additions of vLLM (stop_reason, token_ids), SGLang
 * (matched_stop) and llama.cpp (logprobs.content on both paths) where they are there.
 */

#include <jansson.h>
#include <string.h>
#include "worker/prompt/json_out.h"
#include "worker/prompt/shape_inner.h"

/* ---- requests ---- */

/* Without the two flags vLLM closes a last message of the assistant's and opens a new one, SGLang takes it for the user's.
 * OpenAI's own servers cannot go on with it; they refuse the flags, which is better than a new turn. */
void openai_write_messages (const gen_ask *ask, json_out *o)
{
    json_out_raw (o, "messages", ask->messages);
    if (!ask->continues)
        return;
    json_out_bool (o, "add_generation_prompt", false);
    json_out_bool (o, "continue_final_message", true);
}

static void write_logprobs (const gen_ask *ask, bool chat, json_out *o)
{
    if (!ask->logprobs && ask->top_logprobs == 0)
        return;
    if (!chat) {
        json_out_u64 (o, "logprobs", ask->top_logprobs ? ask->top_logprobs : 1);
        return;
    }
    json_out_bool (o, "logprobs", true);
    if (ask->top_logprobs > 0)
        json_out_u64 (o, "top_logprobs", ask->top_logprobs);
}

static esp_err openai_write (const gen_ask *ask, esp_buf *json)
{
    json_out o = json_out_begin (json);
    bool chat = ask->messages.ptr != NULL;
    if (shape_allows (&shape_openai, ask) != ESP_OK)
        return ESP_EUNSUPPORTED;
    json_out_open (&o, NULL, '{');
    if (ask->model)
        json_out_text (&o, "model", span_of (ask->model));
    if (chat)
        openai_write_messages (ask, &o);
    else
        json_out_text (&o, "prompt", ask->prompt);
    json_out_u64 (&o, "n", ask->n);
    json_out_u64 (&o, "max_tokens", ask->max_tokens);
    json_out_double (&o, "temperature", shape_temperature (ask));
    json_out_double (&o, "top_p", ask->top_p);
    if (ask->top_k > 0)
        json_out_i64 (&o, "top_k", ask->top_k);
    json_out_u64 (&o, "presence_penalty", 0);
    json_out_u64 (&o, "frequency_penalty", 0);
    json_out_u64 (&o, "seed", ask->seed);
    json_out_texts (&o, "stop", ask->stop, ask->stop_count);
    write_logprobs (ask, chat, &o);
    json_out_bool (&o, "stream", ask->stream);
    if (ask->stream)
        json_out_raw (&o, "stream_options", span_of ("{\"include_usage\":true}"));
    json_out_close (&o, '}');
    return json_out_end (&o);
}

/* ---- tokens ---- */

/* logprobs of /v1/completions: {"tokens": [..], "token_logprobs": [..], "top_logprobs": [{text: logprob}, ..]} */
static esp_err take_columns (const gen_reply *r, gen_sample *s, const json_t *ids,
                             const json_t *logprobs, esp_error *why)
{
    const json_t *values = json_object_get (logprobs, "token_logprobs");
    const json_t *names = json_object_get (logprobs, "tokens");
    const json_t *tops = json_object_get (logprobs, "top_logprobs");
    size_t id_count = reply_id_count (ids), count = json_array_size (values);
    esp_err err = ESP_OK;
    if (id_count > 0 && count > 0 && id_count != count)
        return esp_error_set (why, ESP_EFORMAT,
                              "sample %u has %zu token ids and %zu log probabilities",
                              reply_number (r, s), id_count, count);
    for (size_t i = 0; err == ESP_OK && i < (count > 0 ? count : json_array_size (ids)); i++) {
        const json_t *id = json_array_get (json_array_size (ids) > 0 ? ids : names, i);
        const char *name;
        json_t *value;
        err = reply_take_token (r, s, id, json_array_get (values, i), why);
        json_object_foreach (json_array_get (tops, i), name, value)
        {
            if (err == ESP_OK && r->top_logprobs > 0)
                err = reply_take_named_top (r, s, name, value, why);
        }
    }
    return err;
}

static esp_err take_tops (const gen_reply *r, gen_sample *s, const json_t *tops, esp_error *why)
{
    esp_err err = ESP_OK;
    for (size_t i = 0; err == ESP_OK && i < json_array_size (tops); i++) {
        const json_t *top = json_array_get (tops, i);
        const json_t *id = json_object_get (top, "id");
        err = reply_take_top (r, s, id ? id : json_object_get (top, "token"),
                              json_object_get (top, "logprob"), why);
    }
    return err;
}

/* logprobs of chat: {"content": [{"token", "logprob", "top_logprobs": [{"token", "logprob"}]}]}; "id" from llama.cpp */
static esp_err
take_rows (const gen_reply *r, gen_sample *s, const json_t *ids, const json_t *rows, esp_error *why)
{
    size_t id_count = reply_id_count (ids), count = json_array_size (rows);
    esp_err err = ESP_OK;
    if (id_count > 0 && id_count != count)
        return esp_error_set (why, ESP_EFORMAT,
                              "sample %u has %zu token ids and %zu log probabilities",
                              reply_number (r, s), id_count, count);
    for (size_t i = 0; err == ESP_OK && i < count; i++) {
        const json_t *row = json_array_get (rows, i);
        const json_t *id =
            json_array_size (ids) > 0 ? json_array_get (ids, i) : json_object_get (row, "id");
        err = reply_take_token (r, s, id ? id : json_object_get (row, "token"),
                                json_object_get (row, "logprob"), why);
        if (err == ESP_OK && r->top_logprobs > 0)
            err = take_tops (r, s, json_object_get (row, "top_logprobs"), why);
    }
    return err;
}

static esp_err take_tokens (const gen_reply *r, gen_sample *s, const json_t *choice, esp_error *why)
{
    const json_t *ids = json_object_get (choice, "token_ids");
    const json_t *logprobs = json_object_get (choice, "logprobs");
    const json_t *rows = json_object_get (logprobs, "content");
    if (json_is_integer (ids) && !json_is_object (logprobs)) /* counted only */
        return reply_add_count (r, s, reply_id_count (ids), why);
    return json_is_array (rows) ? take_rows (r, s, ids, rows, why)
                                : take_columns (r, s, ids, logprobs, why);
}

/* ---- how a sample ended ---- */

static const struct end {
    const char *word;
    enum gen_finish finish;
} ends[] = {
    {"length", GEN_LENGTH},         {"stop", GEN_STOPPED},  {"abort", GEN_ABORTED},
    {"repetition", GEN_LENGTH}, /* vLLM gave it up: cut, as by max_tokens */
    {"stop_sequence", GEN_STOPPED}, {"eos_token", GEN_EOS}, {"eos", GEN_EOS}, /* TGI */
};

static const struct end *find_end (span word)
{
    for (size_t i = 0; i < sizeof (ends) / sizeof (ends[0]); i++)
        if (span_is (word, ends[i].word))
            return &ends[i];
    return NULL;
}

static esp_err
take_end (gen_reply *r, gen_sample *s, const json_t *choice, enum openai_stop stop, esp_error *why)
{
    span word = reply_span (json_object_get (choice, "finish_reason"));
    const json_t *reason = json_object_get (choice, "stop_reason");
    const struct end *end = find_end (word);
    enum gen_finish finish = end ? end->finish : GEN_OPEN;
    if (word.len == 0 && r->stream)
        return ESP_OK;
    if (!end)
        return esp_error_set (why, ESP_EFORMAT, "sample %u ended for the unknown reason \"%.*s\"",
                              reply_number (r, s), (int)(word.len < 40 ? word.len : 40), word.ptr);
    if (!reason)
        reason = json_object_get (choice, "matched_stop");
    if (finish == GEN_STOPPED && json_is_string (reason))
        finish = GEN_STOP;
    else if (finish == GEN_STOPPED && json_is_integer (reason))
        finish = GEN_EOS;
    else if (finish == GEN_STOPPED && reason && stop == OPENAI_NAMED)
        finish = GEN_EOS;
    return reply_end (r, s, finish, reply_span (reason), why);
}

/* ---- answers ---- */

static esp_err refuse_reasoning (const json_t *message, esp_error *why)
{
    if (reply_span (json_object_get (message, "reasoning")).len == 0 &&
        reply_span (json_object_get (message, "reasoning_content")).len == 0)
        return ESP_OK;
    return esp_error_set (
        why, ESP_EFORMAT,
        "the server takes the thinking out of the text, and steps cannot be followed then: start "
        "it without a reasoning parser (vLLM, SGLang: no --reasoning-parser; llama.cpp: "
        "--reasoning-format none)");
}

/* llama.cpp says the message that it goes on with again, unless it streams. */
static void drop_prefill (const gen_reply *r, gen_sample *s)
{
    size_t len = r->prefill.len;
    if (r->stream || len == 0 || s->text.len < len ||
        memcmp (s->text.data, r->prefill.data, len) != 0)
        return;
    s->text.len -= len;
    memmove (s->text.data, s->text.data + len, s->text.len + 1);
}

/* Something that belongs to no sample: servers repeat an ended one, empty, beside the usage. */
static bool is_echo (const gen_reply *r, const json_t *choice, const json_t *text)
{
    const json_t *index = json_object_get (choice, "index");
    json_int_t at = json_integer_value (index);
    return r->stream && reply_span (text).len == 0 && at >= 0 && at < (json_int_t)r->n &&
           r->samples[at].finish != GEN_OPEN &&
           reply_id_count (json_object_get (choice, "token_ids")) == 0;
}

static esp_err take_choice (gen_reply *r, const json_t *choice, size_t place, enum openai_stop stop,
                            bool reasoning, esp_error *why)
{
    const json_t *message = json_object_get (choice, r->stream ? "delta" : "message");
    const json_t *text =
        r->chat ? json_object_get (message, "content") : json_object_get (choice, "text");
    gen_sample *s = NULL;
    esp_err err;
    if (!json_is_object (choice) || (r->chat ? !message : !text && !r->stream))
        return esp_error_set (why, ESP_EFORMAT, "a choice of the answer has no %s",
                              r->chat ? (r->stream ? "delta" : "message") : "text");
    if (is_echo (r, choice, text))
        return ESP_OK;
    if (reasoning && (err = refuse_reasoning (message, why)) != ESP_OK)
        return err;
    if ((err = reply_sample (r, json_object_get (choice, "index"), place, &s, why)) == ESP_OK)
        err = reply_take_text (r, s, text, why);
    if (err == ESP_OK && stop == OPENAI_UNSAID)
        drop_prefill (r, s);
    if (err == ESP_OK)
        err = take_tokens (r, s, choice, why);
    if (err == ESP_OK)
        s->events += r->stream && reply_span (text).len > 0;
    return err == ESP_OK ? take_end (r, s, choice, stop, why) : err;
}

/* llama.cpp, which gives timings, counts one choice only: the others are taken to be as long. */
static void take_usage (gen_reply *r, const json_t *root)
{
    const json_t *usage = json_object_get (root, "usage");
    const json_t *details = json_object_get (usage, "prompt_tokens_details");
    uint32_t before = r->completion_tokens;
    reply_take_count (&r->prompt_tokens, json_object_get (usage, "prompt_tokens"));
    reply_take_count (&r->completion_tokens, json_object_get (usage, "completion_tokens"));
    reply_take_count (&r->cached_tokens, json_object_get (details, "cached_tokens"));
    if (r->completion_tokens > before && r->completion_tokens < UINT32_MAX / REPLY_MOST_N &&
        json_is_object (json_object_get (root, "timings")))
        r->completion_tokens *= r->n;
}

esp_err openai_read (gen_reply *r, span json, enum openai_stop stop, bool reasoning, esp_error *why)
{
    json_t *root = NULL;
    const json_t *choices;
    esp_err err = reply_parse_thin (r, json, "prompt_token_ids", "token_ids", &root, why);
    if (err != ESP_OK)
        return err;
    choices = json_object_get (root, "choices");
    if (!json_is_array (choices))
        err = esp_error_set (why, ESP_EFORMAT, "the answer has no list of choices");
    else if (!r->stream && json_array_size (choices) != r->n)
        err = esp_error_set (why, ESP_EFORMAT, "the answer has %zu choices, %u were asked for",
                             json_array_size (choices), r->n);
    for (size_t i = 0; err == ESP_OK && i < json_array_size (choices); i++)
        err = take_choice (r, json_array_get (choices, i), i, stop, reasoning, why);
    if (err == ESP_OK) {
        reply_take_model (r, json_object_get (root, "model"));
        take_usage (r, root);
    }
    json_decref (root);
    return err;
}

static esp_err read_any (gen_reply *r, span json, esp_error *why)
{
    return openai_read (r, json, OPENAI_UNSAID, false, why);
}

const gen_shape shape_openai = {
    .name = "openai",
    .path = "/v1/completions",
    .chat_path = "/v1/chat/completions",
    .traits =
        {
            .raw = true,
            .chat = true,
            .most_n = 128,
            .most_stops = 4,
            .most_temperature = 2,
            .logprobs = true,
            .cached = true,
        },
    .done_mark = true,
    .write = openai_write,
    .read = read_any,
};
