/* SPDX-License-Identifier: Apache-2.0 */
/* kind_llamacpp.c - llama.cpp's server (b11549): /completion, its own tokenizer and template routes, /v1 */

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "tests/support/model_server/oai.h"

typedef struct order { /* one /completion, read */
    sample_ask ask;
    long long n, seed, n_probs;
    bool stream, ids, list;
    json_t *fields;
} order;

static json_t *timings (size_t prompt, size_t cached, size_t made)
{
    double ms = 1.0 + (double)made;
    return json_pack ("{s:I, s:I, s:f, s:f, s:f, s:I, s:f, s:f, s:f}", "cache_n",
                      (json_int_t)cached, "prompt_n", (json_int_t)(prompt - cached), "prompt_ms",
                      1.0, "prompt_per_token_ms", 1.0, "prompt_per_second", 1000.0, "predicted_n",
                      (json_int_t)made, "predicted_ms", ms, "predicted_per_token_ms", 1.0,
                      "predicted_per_second", 1000.0);
}

/* Of the tokens [from, to). */
static json_t *probabilities (const order *o, const struct prompt_row *row, const sample *s,
                              size_t from, size_t to)
{
    oai_order as_v1 = {.logprobs = o->n_probs, .entry_ids = true};
    json_t *content = oai_logprobs_content (&as_v1, row, s, from, to),
           *list = json_incref (json_object_get (content, "content"));
    json_decref (content);
    return list;
}

static json_t *settings (const order *o)
{
    json_t *stops = json_array ();
    for (size_t i = 0; i < o->ask.stop_count; i++)
        (void)json_array_append_new (stops, json_string (o->ask.stops[i]));
    return json_pack ("{s:I, s:f, s:o, s:I, s:I, s:b, s:I}", "seed", (json_int_t)(uint32_t)o->seed,
                      "temperature", o->ask.temperature, "stop", stops, "max_tokens",
                      (json_int_t)o->ask.max_tokens, "n_predict", (json_int_t)o->ask.max_tokens,
                      "stream", (int)o->stream, "n_probs", (json_int_t)o->n_probs);
}

static const char *stop_type (const sample *s)
{
    static const char *const types[] = {"limit", "eos", "eos", "word"};
    return types[s->finish];
}

/* The whole reply; in a stream its last frame, which repeats no text. */
static json_t *whole (const asked *q, const order *o, const struct prompt_row *row, const sample *s,
                      size_t index, size_t cached)
{
    size_t end = s->finish == FINISH_STOP ? s->cut : s->text.len; /* the stop word is never kept */
    json_t *r = json_pack (
        "{s:I, s:o, s:o, s:I, s:b, s:s, s:I, s:I, s:o, s:o}", "index", (json_int_t)index, "content",
        json_text (span_make (esp_buf_text (&s->text), o->stream ? 0 : end)), "tokens",
        o->ids && !o->stream ? ids_json (s->ids.ids, s->ids.count) : json_array (), "id_slot",
        (json_int_t)(index % q->server->slots), "stop", 1, "model", q->model, "tokens_predicted",
        (json_int_t)s->ids.count, "tokens_evaluated", (json_int_t)row->token_count,
        "generation_settings", settings (o), "prompt", json_text (span_make (row->text, row->len)));
    json_object_update_new (
        r, json_pack ("{s:b, s:b, s:s, s:s, s:I, s:o}", "has_new_line",
                      strchr (esp_buf_text (&s->text), '\n') != NULL, "truncated", 0, "stop_type",
                      stop_type (s), "stopping_word", s->stop ? s->stop : "", "tokens_cached",
                      (json_int_t)(row->token_count + s->ids.count - 1), "timings",
                      timings (row->token_count, cached, s->ids.count)));
    if (o->n_probs > 0 && !o->stream)
        (void)json_object_set_new (r, "completion_probabilities",
                                   probabilities (o, row, s, 0, s->ids.count));
    return r;
}

/* {"content": .., "timings/prompt_n": ..}: the keys asked for, flat. */
static json_t *only_fields (json_t *r, json_t *fields)
{
    json_t *few = json_object ();
    for (size_t i = 0; i < json_array_size (fields); i++) {
        const char *name = json_string_value (json_array_get (fields, i)),
                   *slash = name ? strchr (name, '/') : NULL;
        json_t *value = name ? json_object_get (r, name) : NULL;
        if (slash) {
            char *outer = text_copy (span_make (name, (size_t)(slash - name)));
            value = json_object_get (json_object_get (r, outer), slash + 1);
            esp_free (outer);
        }
        if (value)
            (void)json_object_set (few, name, value);
    }
    json_decref (r);
    return few;
}

static void stream_one (const asked *q, answer *a, const order *o, const struct prompt_row *row,
                        const sample *s, size_t index, size_t cached)
{
    size_t end = s->finish == FINISH_STOP ? s->cut : s->text.len;
    json_t *frame;
    for (size_t i = 0; i < s->ids.count; i++) {
        size_t from = sample_sent (s, i), to = sample_sent (s, i + 1);
        from = from < end ? from : end;
        to = to < end ? to : end;
        frame = json_pack (
            "{s:I, s:o, s:[I], s:b, s:i, s:I, s:I}", "index", (json_int_t)index, "content",
            json_text (span_make (esp_buf_text (&s->text) + from, to - from)), "tokens",
            (json_int_t)s->ids.ids[i], "stop", 0, "id_slot", -1, "tokens_predicted",
            (json_int_t)i + 1, "tokens_evaluated", (json_int_t)row->token_count);
        if (o->n_probs > 0)
            (void)json_object_set_new (frame, "completion_probabilities",
                                       probabilities (o, row, s, i, i + 1));
        answer_event (a, frame);
    }
    answer_event (a, whole (q, o, row, s, index, cached));
}

static bool read_order (const asked *q, answer *a, order *o)
{
    json_t *many = json_object_get (q->body, "n_cmpl"),
           *predict = json_object_get (q->body, "n_predict"),
           *stop = json_object_get (q->body, "stop");
    long long most = -1;
    *o = (order){.ask = {.temperature = 0.8, .style = q->server->style}, .n = 1, .seed = 0};
    if (predict && !json_is_number (predict)) {
        answer_refuse (
            q, a, 400, "invalid_request_error", NULL,
            "Field 'n_predict': [json.exception.type_error.302] type must be number, but is %s",
            json_is_string (predict) ? "string" : "null");
        return false;
    }
    if (!field_integer (q, a, many ? "n_cmpl" : "n", &o->n) ||
        !field_integer (q, a, "n_predict", &most) || !field_integer (q, a, "seed", &o->seed) ||
        !field_integer (q, a, "n_probs", &o->n_probs) ||
        !field_number (q, a, "temperature", &o->ask.temperature) ||
        !(json_is_number (stop) ||
          field_stops (q, a, stop, MOST_STOPS, &o->ask))) /* a number is silently no stop */
        return false;
    if (o->n < 1 || o->n > (long long)q->server->slots) {
        answer_refuse (q, a, 400, "invalid_request_error", NULL,
                       "Field 'n_cmpl': Value must be between 1 <= value <= %u, but got %lld",
                       q->server->slots, o->n);
        return false;
    }
    o->seed = (uint32_t)o->seed;
    o->n_probs = o->n_probs > 100 ? 100 : o->n_probs;
    o->ask.max_tokens = most == 0 ? 1 : most < 0 ? q->server->max_model_len : (size_t)most;
    o->ask.ignore_end = field_bool (q, "ignore_eos", false);
    o->stream = field_bool (q, "stream", false);
    o->ids = field_bool (q, "return_tokens", false);
    o->fields = json_object_get (q->body, "response_fields");
    return true;
}

static bool fits (const asked *q, answer *a, const prompts *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->rows[i].token_count >= q->server->max_model_len) {
            answer_refuse (q, a, 400, "exceed_context_size_error", NULL,
                           "request (%zu tokens) exceeds the available context size (%zu tokens), "
                           "try increasing it",
                           p->rows[i].token_count, q->server->max_model_len);
            json_object_update_new (json_object_get (a->json, "error"),
                                    json_pack ("{s:I, s:I}", "n_prompt_tokens",
                                               (json_int_t)p->rows[i].token_count, "n_ctx",
                                               (json_int_t)q->server->max_model_len));
            return false;
        }
    return true;
}

static void complete_one (const asked *q, answer *a, const order *o, const struct prompt_row *row,
                          size_t index, json_t *list, size_t cached)
{
    sample_ask ask = o->ask;
    sample s;
    json_t *r;
    ask.prompt = span_make (row->text, row->len);
    ask.seed = (uint32_t)((uint64_t)o->seed + index % (size_t)o->n);
    if (ask.max_tokens > q->server->max_model_len - row->token_count)
        ask.max_tokens = q->server->max_model_len - row->token_count;
    if (q->too_many_tokens)
        ask.max_tokens = ask.max_tokens * 2 + 64, ask.stop_count = 0, ask.ignore_end = true;
    if (sample_make (&ask, &s) != ESP_OK)
        out_of_memory ();
    answer_made (a, s.ids.count);
    if (o->stream)
        stream_one (q, a, o, row, &s, index, cached);
    else {
        r = whole (q, o, row, &s, index, cached);
        (void)json_array_append_new (list,
                                     json_array_size (o->fields) ? only_fields (r, o->fields) : r);
    }
    sample_free (&s);
}

/* [1, "a", 2] is one prompt here; only lists inside are several. */
static bool read_prompt (const asked *q, answer *a, prompts *p, bool *several)
{
    json_t *prompt = json_object_get (q->body, "prompt");
    *several = json_is_array (prompt) && !json_is_integer (json_array_get (prompt, 0));
    if (!prompt) {
        answer_refuse (q, a, 400, "invalid_request_error", NULL,
                       "[json.exception.out_of_range.403] key 'prompt' not found");
        return false;
    }
    return prompts_read (q, a, prompt, true, p) && fits (q, a, p);
}

static void completion (const asked *q, answer *a)
{
    json_t *list = json_array ();
    prompts p = {0};
    order o;
    bool several, cached = field_bool (q, "cache_prompt", true);
    if (read_prompt (q, a, &p, &several) && read_order (q, a, &o)) {
        o.list = several || o.n > 1;
        for (size_t i = 0; i < p.count * (size_t)o.n; i++) {
            const struct prompt_row *row = &p.rows[i / (size_t)o.n];
            complete_one (q, a, &o, row, i, list, cached ? cached_tokens (row) : 0);
        }
        if (!o.stream)
            answer_json (a, json_incref (o.list ? list : json_array_get (list, 0)));
    }
    json_decref (list);
    prompts_free (&p);
}

static void props (const asked *q, answer *a)
{
    answer_json (a,
                 json_pack ("{s:{s:{s:I, s:f}, s:I}, s:I, s:s, s:s, s:b, s:b, s:s, s:s, s:s, s:s}",
                            "default_generation_settings", "params", "seed", (json_int_t)UINT32_MAX,
                            "temperature", 0.8, "n_ctx", (json_int_t)q->server->max_model_len,
                            "total_slots", (json_int_t)q->server->slots, "model_alias", q->model,
                            "model_path", "model.gguf", "endpoint_slots", 1, "endpoint_metrics", 1,
                            "chat_template", "{% for message in messages %}<|im_start|>...",
                            "bos_token", q->server->bos ? "<s>" : "", "eos_token", "<|im_end|>",
                            "build_info", "b11549-test"));
}

static void health (const asked *q, answer *a)
{
    (void)q;
    answer_json (a, json_pack ("{s:s}", "status", "ok"));
}

static void models (const asked *q, answer *a)
{
    json_t *list = oai_models (q, "llamacpp"),
           *row = json_array_get (json_object_get (list, "data"), 0);
    json_object_update_new (row, json_pack ("{s:{s:I, s:I}}", "meta", "n_vocab",
                                            (json_int_t)token_vocabulary (), "n_ctx",
                                            (json_int_t)q->server->max_model_len));
    answer_json (a, list);
}

static void metrics (const asked *q, answer *a)
{
    char text[256];
    snprintf (text, sizeof (text),
              "# TYPE llamacpp:requests_processing gauge\nllamacpp:requests_processing %u\n"
              "# TYPE llamacpp:requests_deferred gauge\nllamacpp:requests_deferred %u\n",
              running (q), waiting (q));
    a->text = text_copy (span_of (text));
    a->type = "text/plain; version=0.0.4";
}

static void slots (const asked *q, answer *a)
{
    json_t *list = json_array ();
    for (unsigned i = 0; i < q->server->slots; i++)
        (void)json_array_append_new (list,
                                     json_pack ("{s:i, s:I, s:b, s:b}", "id", (int)i, "n_ctx",
                                                (json_int_t)q->server->max_model_len, "speculative",
                                                0, "is_processing", i < running (q)));
    answer_json (a, list);
}

static void apply_template (const asked *q, answer *a)
{
    json_t *messages = json_object_get (q->body, "messages"),
           *last = json_array_get (messages, json_array_size (messages) - 1);
    const char *role = json_string_value (json_object_get (last, "role"));
    bool prefill =
        role && strcmp (role, "assistant") == 0; /* appended raw, behind the generation prompt */
    esp_buf text = {0};
    if (chat_prompt (q, a, messages, !prefill, prefill, &text))
        answer_json (a, json_pack ("{s:o}", "prompt", json_text (esp_buf_span (&text))));
    esp_buf_free (&text);
}

static void tokenize (const asked *q, answer *a)
{
    prompts p = {0};
    json_t *ids, *list = json_array ();
    bool pieces = field_bool (q, "with_pieces", false);
    if (prompts_read (q, a, json_object_get (q->body, "content"),
                      field_bool (q, "add_special", false), &p)) {
        ids = prompt_ids (&p.rows[0]);
        for (size_t i = 0; i < json_array_size (ids); i++) {
            json_t *id = json_array_get (ids, i);
            (void)json_array_append_new (
                list, pieces ? json_pack ("{s:O, s:o}", "id", id, "piece",
                                          token_text ((uint32_t)json_integer_value (id)))
                             : json_incref (id));
        }
        json_decref (ids);
        answer_json (a, json_pack ("{s:O}", "tokens", list));
    }
    json_decref (list);
    prompts_free (&p);
}

static void detokenize (const asked *q, answer *a)
{
    prompts p = {0};
    if (prompts_read (q, a, json_object_get (q->body, "tokens"), false, &p))
        answer_json (a, json_pack ("{s:o}", "content",
                                   json_text (span_make (p.rows[0].text, p.rows[0].len))));
    prompts_free (&p);
}

static bool check (const asked *q, answer *a, oai_order *o)
{
    if (o->n < 1 || o->n > (long long)q->server->slots) {
        answer_refuse (q, a, 400, "invalid_request_error", NULL,
                       "Field 'n_cmpl': Value must be between 1 <= value <= %u, but got %lld",
                       q->server->slots, o->n);
        return false;
    }
    o->echo = o->return_ids = o->keep_stop = false; /* silently ignored */
    o->entry_ids = true;
    o->logprobs = o->logprobs > 100 ? 100 : o->logprobs;
    return fits (q, a, &o->prompts);
}

static void finish (const oai_order *o, const sample *s, json_t *c)
{
    (void)s; /* an end and a stop word look alike */
    if (o->chat && json_is_null (json_object_get (c, "logprobs")))
        (void)json_object_del (c, "logprobs");
}

static json_t *logprobs (const oai_order *o, const struct prompt_row *prompt, const sample *s,
                         size_t from, size_t to)
{
    return o->logprobs < 0 ? json_null () : oai_logprobs_content (o, prompt, s, from, to);
}

static json_t *
usage (const asked *q, const oai_order *o, size_t generated, size_t first_generated, size_t cached)
{
    json_t *one = oai_usage (q, o, first_generated, first_generated,
                             cached); /* of one choice only, whatever n is */
    size_t prompt = o->prompts.rows[0].token_count;
    (void)generated;
    json_object_update_new (
        one, json_pack ("{s:I, s:I, s:{s:I}}", "prompt_tokens", (json_int_t)prompt, "total_tokens",
                        (json_int_t)(prompt + first_generated), "prompt_tokens_details",
                        "cached_tokens", (json_int_t)cached));
    return one;
}

static void decorate (const asked *q, const oai_order *o, json_t *reply)
{
    (void)q;
    json_object_update_new (reply,
                            json_pack ("{s:s, s:o}", "system_fingerprint", "b11549-test", "timings",
                                       timings (o->prompts.rows[0].token_count, 0, 1)));
}

static void decorate_usage (json_t *event)
{
    (void)json_object_set_new (event, "timings", timings (1, 0, 1));
}

static const oai_dialect dialect = {.most_stops = MOST_STOPS,
                                    .check = check,
                                    .finish = finish,
                                    .logprobs = logprobs,
                                    .decorate = decorate,
                                    .usage = usage,
                                    .one_token_at_zero = true,
                                    .decorate_usage = decorate_usage,
                                    .usage_in_finish = true};

static void v1_completions (const asked *q, answer *a)
{
    oai_completions (q, a, &dialect);
}

static void v1_chat (const asked *q, answer *a)
{
    oai_chat (q, a, &dialect);
}

static void
refuse (answer *a, unsigned status, const char *type, const char *param, const char *message)
{
    bool own = strstr (type, "_error") != NULL; /* vLLM's names come from the shared readers */
    (void)param;
    a->status = status;
    answer_json (a, json_pack ("{s:{s:i, s:s, s:s}}", "error", "code", (int)status, "message",
                               message, "type", own ? type : "invalid_request_error"));
}

static void no_route (answer *a, bool other_method)
{
    (void)other_method;
    refuse (a, 404, "not_found_error", NULL, "File Not Found");
}

static bool guarded (const char *path)
{
    return strcmp (path, "/health") != 0;
}

static void unauthorized (answer *a)
{
    refuse (a, 401, "authentication_error", NULL, "Invalid API Key");
}

static void bad_body (answer *a, const char *body, const json_error_t *error)
{
    (void)body;
    refuse (a, 400, "invalid_request_error", NULL,
            error->text[0] ? "[json.exception.parse_error.101] parse error at line 1"
                           : "not an object");
}

static const route routes[] = {
    {"GET", "/health", SERVES_ALL, health},
    {"GET", "/props", SERVES_ALL, props},
    {"GET", "/v1/models", SERVES_ALL, models},
    {"GET", "/metrics", SERVES_ALL, metrics},
    {"GET", "/slots", SERVES_ALL, slots},
    {"POST", "/completion", SERVES_GENERATE, completion},
    {"POST", "/v1/completions", SERVES_GENERATE, v1_completions},
    {"POST", "/v1/chat/completions", SERVES_GENERATE, v1_chat},
    {"POST", "/apply-template", SERVES_ALL, apply_template},
    {"POST", "/tokenize", SERVES_ALL, tokenize},
    {"POST", "/detokenize", SERVES_ALL, detokenize},
    {NULL, NULL, 0, NULL},
};

const kind kind_llamacpp = {"llamacpp", routes, refuse, no_route, guarded, unauthorized, bad_body};
