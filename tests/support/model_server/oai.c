/* SPDX-License-Identifier: Apache-2.0 */
/* oai.c - see oai.h */

#include "tests/support/model_server/oai.h"
#include <string.h>
#include <time.h>
#include "proto/base/alloc.h"
#include "proto/base/hash.h"

const char *oai_finish_reason (const sample *s)
{
    return s->finish == FINISH_LENGTH ? "length" : "stop";
}

static void read_stop_ids (json_t *ids, sample_ask *ask)
{
    for (size_t i = 0; i < json_array_size (ids) && ask->stop_id_count < MOST_STOP_IDS; i++)
        ask->stop_ids[ask->stop_id_count++] =
            (uint32_t)json_integer_value (json_array_get (ids, i));
}

static bool read_logprobs (const asked *q, answer *a, oai_order *o)
{
    json_t *field = json_object_get (q->body, "logprobs");
    o->logprobs = o->prompt_logprobs = -1;
    o->label_ids = json_object_get (q->body, "logprob_token_ids");
    if (o->chat && json_is_true (field)) {
        o->logprobs = 0;
        return field_integer (q, a, "top_logprobs", &o->logprobs);
    }
    if (o->chat || !field || json_is_boolean (field))
        return true;
    return field_integer (q, a, "logprobs", &o->logprobs) &&
           field_integer (q, a, "prompt_logprobs", &o->prompt_logprobs);
}

static bool read_order (const asked *q, answer *a, const oai_dialect *d, oai_order *o)
{
    long long most = o->chat ? 512 : 16, least = 0;
    o->n = 1;
    o->ask = (sample_ask){.temperature = 1, .style = q->server->style};
    if (!field_integer (q, a, "n", &o->n) || !field_integer (q, a, "seed", &o->seed) ||
        !field_integer (q, a, "max_tokens", &most) ||
        !field_integer (q, a, "max_completion_tokens", &most) ||
        !field_integer (q, a, "min_tokens", &least) ||
        !field_number (q, a, "temperature", &o->ask.temperature) || !read_logprobs (q, a, o) ||
        !field_stops (q, a, json_object_get (q->body, "stop"), d->most_stops, &o->ask))
        return false;
    read_stop_ids (json_object_get (q->body, "stop_token_ids"), &o->ask);
    o->ask.ignore_end = field_bool (q, "ignore_eos", false);
    o->keep_stop = field_bool (q, "include_stop_str_in_output", false) ||
                   field_bool (q, "no_stop_trim", false);
    o->echo = field_bool (q, "echo", false);
    o->stream = field_bool (q, "stream", false);
    o->stream_usage = json_is_true (
        json_object_get (json_object_get (q->body, "stream_options"), "include_usage"));
    o->return_ids = field_bool (q, "return_token_ids", false);
    o->tokens_as_ids = field_bool (q, "return_tokens_as_token_ids", false);
    o->ask.min_tokens = least > 0 ? (size_t)least : 0;
    if (most < 0) {
        answer_refuse (
            q, a, 400, "BadRequestError", "max_tokens",
            "max_tokens must be at least 1, got %lld. (parameter=max_tokens, value=%lld)", most,
            most);
        return false;
    }
    o->ask.max_tokens = most == 0 && d->one_token_at_zero ? 1 : (size_t)most;
    return !d->check || d->check (q, a, o);
}

static sample make (const asked *q, const oai_order *o, size_t index)
{
    const struct prompt_row *row = &o->prompts.rows[index / (size_t)o->n];
    size_t room = q->server->max_model_len - row->token_count;
    sample_ask ask = o->ask;
    sample s;
    ask.prompt = span_make (row->text, row->len);
    ask.seed = (uint64_t)o->seed +
               index % (size_t)o->n; /* a batch does not shift the seed of its prompts */
    if (ask.max_tokens > room)
        ask.max_tokens = room; /* silently clipped, as vLLM does */
    if (q->too_many_tokens)
        ask.max_tokens = ask.max_tokens * 2 + 64, ask.stop_count = 0, ask.ignore_end = true;
    if (sample_make (&ask, &s) != ESP_OK)
        out_of_memory ();
    return s;
}

static span kept (const oai_order *o, const sample *s, size_t from, size_t to)
{
    size_t end = s->finish == FINISH_STOP && !o->keep_stop ? s->cut : s->text.len;
    size_t a = sample_sent (s, from), b = sample_sent (s, to);
    a = a < end ? a : end;
    b = b < end && to < s->ids.count ? b : end;
    return span_make (esp_buf_text (&s->text) + a, b - a);
}

/* The choice of one sample, or of its tokens from..to as a part of a stream. */
static json_t *choice (const oai_dialect *d, const oai_order *o, const sample *s, size_t index,
                       size_t from, size_t to)
{
    const struct prompt_row *row = &o->prompts.rows[index / (size_t)o->n];
    json_t *c = json_pack ("{s:I}", "index", (json_int_t)index), *text;
    bool last = to == s->ids.count;
    esp_buf whole = {0};
    if ((o->echo && from == 0 && esp_buf_append (&whole, row->text, row->len) != ESP_OK) ||
        esp_buf_add (&whole, kept (o, s, from, to)) != ESP_OK)
        out_of_memory ();
    text = json_text (esp_buf_span (&whole));
    esp_buf_free (&whole);
    if (o->chat && o->stream)
        (void)json_object_set_new (c, "delta", json_pack ("{s:o}", "content", text));
    else if (o->chat)
        (void)json_object_set_new (c, "message",
                                   json_pack ("{s:s, s:o}", "role", "assistant", "content", text));
    else
        (void)json_object_set_new (c, "text", text);
    (void)json_object_set_new (c, "logprobs", d->logprobs (o, row, s, from, to));
    (void)json_object_set_new (c, "finish_reason",
                               last ? json_string (oai_finish_reason (s)) : json_null ());
    d->finish (o, s, c);
    if (o->return_ids) {
        (void)json_object_set_new (c, "token_ids", ids_json (s->ids.ids + from, to - from));
        if (!o->chat)
            (void)json_object_set_new (c, "prompt_token_ids",
                                       from == 0 ? prompt_ids (row) : json_null ());
    }
    if (!last && json_object_get (c, "stop_reason"))
        (void)json_object_set_new (c, "stop_reason", json_null ());
    return c;
}

static json_t *head (const asked *q, const oai_order *o)
{
    static const char *const objects[2][2] = {{"text_completion", "text_completion"},
                                              {"chat.completion", "chat.completion.chunk"}};
    const char *id = field_text (q, "request_id");
    uint64_t number =
        esp_hash64 (o->prompts.rows[0].text, o->prompts.rows[0].len, (uint64_t)o->seed);
    json_t *name =
        id ? json_sprintf ("%s-%s", o->chat ? "chatcmpl" : "cmpl", id)
           : json_sprintf ("%s-%016llx", o->chat ? "chatcmpl" : "cmpl", (unsigned long long)number);
    return json_pack ("{s:o, s:s, s:I, s:s}", "id", name, "object", objects[o->chat][o->stream],
                      "created", (json_int_t)time (NULL), "model", q->model);
}

/* A chat's stream begins with the role. */
static void announce (const asked *q, answer *a, const oai_order *o, size_t count)
{
    for (size_t i = 0; o->chat && i < count; i++) {
        json_t *event = head (q, o);
        (void)json_object_set_new (event, "choices",
                                   json_pack ("[{s:I, s:{s:s, s:s}, s:n, s:n}]", "index",
                                              (json_int_t)i, "delta", "role", "assistant",
                                              "content", "", "logprobs", "finish_reason"));
        answer_event (a, event);
    }
}

static void
stream_usage (const asked *q, answer *a, const oai_dialect *d, const oai_order *o, json_t *usage)
{
    json_t *event = head (q, o);
    (void)json_object_set_new (event, "choices", json_array ());
    (void)json_object_set_new (event, "usage", usage);
    if (d->decorate_usage)
        d->decorate_usage (event);
    answer_event (a, event);
}

/* Token t of choice i, or the empty end of a choice without tokens; false: it has none. */
static bool stream_token (const asked *q, answer *a, const oai_dialect *d, const oai_order *o,
                          const sample *s, size_t i, size_t t, json_t *usage)
{
    size_t made = s->ids.count;
    json_t *event;
    if (t >= made && !(t == 0 && made == 0))
        return false;
    event = head (q, o);
    (void)json_object_set_new (event, "choices",
                               json_pack ("[o]", choice (d, o, s, i, t, made ? t + 1 : 0)));
    if (d->usage_in_finish && !o->chat && t + 1 >= made)
        (void)json_object_set (event, "usage", usage);
    answer_event (a, event);
    return true;
}

/* Streams give the tokens of all choices in turn, then what was counted, then the end.  usage is taken. */
static void stream (const asked *q, answer *a, const oai_dialect *d, const oai_order *o,
                    const sample *samples, size_t count, json_t *usage)
{
    bool more = true;
    announce (q, a, o, count);
    for (size_t t = 0; more; t++) {
        more = false;
        for (size_t i = 0; i < count; i++)
            more |= stream_token (q, a, d, o, &samples[i], i, t, usage);
    }
    if (o->stream_usage && !(d->usage_in_finish && !o->chat))
        stream_usage (q, a, d, o, json_incref (usage));
    json_decref (usage);
    answer_frame (a, "data: [DONE]\n\n");
}

static void reply (const asked *q, answer *a, const oai_dialect *d, oai_order *o)
{
    size_t count = o->prompts.count * (size_t)o->n, generated = 0, cached = 0, first;
    sample *samples = esp_calloc (count, sizeof (*samples));
    json_t *list = json_array (), *usage, *whole;
    if (!samples)
        out_of_memory ();
    for (size_t i = 0; i < o->prompts.count; i++)
        cached += cached_tokens (&o->prompts.rows[i]);
    for (size_t i = 0; i < count; i++) {
        samples[i] = make (q, o, i);
        generated += samples[i].ids.count;
        answer_made (a, samples[i].ids.count);
    }
    first = samples[0].ids.count;
    usage = d->usage (q, o, generated, first, cached);
    if (o->stream)
        stream (q, a, d, o, samples, count, usage);
    for (size_t i = 0; i < count && !o->stream; i++)
        (void)json_array_append_new (list, choice (d, o, &samples[i], i, 0, samples[i].ids.count));
    if (o->stream)
        json_decref (list);
    else {
        whole = head (q, o);
        (void)json_object_set_new (whole, "choices", list);
        (void)json_object_set_new (whole, "usage", usage);
        if (d->decorate)
            d->decorate (q, o, whole);
        answer_json (a, whole);
    }
    for (size_t i = 0; i < count; i++)
        sample_free (&samples[i]);
    esp_free (samples);
}

void oai_completions (const asked *q, answer *a, const oai_dialect *d)
{
    oai_order o = {0};
    json_t *prompt = json_object_get (q->body, "prompt");
    if (!prompt ||
        (json_is_string (prompt) && json_string_length (prompt) == 0 && !d->one_token_at_zero))
        answer_refuse (
            q, a, 400, "BadRequestError", "prompt",
            "Either prompt or prompt_embeds must be provided and non-empty. (parameter=prompt)");
    else if (prompts_read (q, a, prompt, field_bool (q, "add_special_tokens", true), &o.prompts) &&
             read_order (q, a, d, &o))
        reply (q, a, d, &o);
    prompts_free (&o.prompts);
}

void oai_chat (const asked *q, answer *a, const oai_dialect *d)
{
    oai_order o = {.chat = true};
    esp_buf text = {0};
    bool further = field_bool (q, "continue_final_message", false);
    json_t *prompt = NULL;
    if (chat_prompt (q, a, json_object_get (q->body, "messages"),
                     field_bool (q, "add_generation_prompt", true), further, &text)) {
        prompt = json_stringn (esp_buf_text (&text), text.len);
        if (prompts_read (q, a, prompt, false, &o.prompts) && read_order (q, a, d, &o))
            reply (q, a, d, &o);
    }
    json_decref (prompt);
    esp_buf_free (&text);
    prompts_free (&o.prompts);
}
