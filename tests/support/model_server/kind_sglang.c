/* SPDX-License-Identifier: Apache-2.0 */
/* kind_sglang.c - SGLang 0.5 from its sources: /generate, /v1 with matched_stop, /tokenize, /v1/score */

#include <stdio.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "tests/support/model_server/oai.h"
#include "tests/support/model_server/vllm.h"

typedef struct order { /* one /generate, read */
    sample_ask ask;
    long long n, seed, top;
    bool keep_stop, stream, logprobs, list; /* list: the reply is an array */
    json_t *labels;                         /* token_ids_logprob of one prompt, or NULL */
} order;

static json_t *finish_reason (const sample *s)
{
    if (s->finish == FINISH_LENGTH)
        return json_pack ("{s:s, s:I}", "type", "length", "length", (json_int_t)s->ids.count);
    if (s->finish == FINISH_STOP)
        return json_pack ("{s:s, s:s}", "type", "stop", "matched", s->stop);
    return json_pack ("{s:s, s:I}", "type", "stop", "matched",
                      (json_int_t)s->ids.ids[s->ids.count - 1]);
}

static json_t *triple (double logprob, uint32_t id)
{
    return json_pack ("[f, I, n]", logprob, (json_int_t)id);
}

static void
add_logprobs (const order *o, const sample *s, const struct prompt_row *row, json_t *meta)
{
    json_t *made = json_array (), *tops = json_array (), *labels = json_array (),
           *inputs = json_array ();
    uint32_t ids[MOST_TOP];
    size_t count;
    for (size_t i = 0; i < s->ids.count; i++) {
        json_t *top = json_array (), *asked_for = json_array ();
        (void)json_array_append_new (made, triple (sample_logprob (s, i), s->ids.ids[i]));
        count = sample_top (s, i, o->top, ids);
        for (size_t j = 0; j < count; j++)
            (void)json_array_append_new (top, triple (sample_logprob_of (s, i, ids[j]), ids[j]));
        (void)json_array_append_new (tops, top);
        for (size_t j = 0; j < json_array_size (o->labels); j++) {
            uint32_t id = (uint32_t)json_integer_value (json_array_get (o->labels, j));
            (void)json_array_append_new (asked_for, triple (sample_logprob_of (s, i, id), id));
        }
        (void)json_array_append_new (labels, asked_for);
    }
    (void)json_array_append_new (
        inputs, json_pack ("[n, I, n]", (json_int_t)(row->len ? row->text[0] + 1 : 0)));
    json_object_update_new (meta, json_pack ("{s:o, s:o}", "output_token_logprobs", made,
                                             "input_token_logprobs", inputs));
    if (o->top > 0)
        (void)json_object_set (meta, "output_top_logprobs", tops);
    if (o->labels) {
        (void)json_object_set (meta, "output_token_ids_logprobs", labels);
        (void)json_object_set_new (meta, "input_token_ids_logprobs", json_pack ("[n]"));
    }
    json_decref (tops);
    json_decref (labels);
}

/* The first `count` tokens: SGLang's stream repeats the text from its beginning. */
static json_t *reply (const asked *q, const order *o, const struct prompt_row *row, const sample *s,
                      size_t count, size_t cached)
{
    bool last = count == s->ids.count;
    size_t end = s->finish == FINISH_STOP && !o->keep_stop ? s->cut : s->text.len;
    size_t so_far = sample_sent (s, count);
    const char *rid = field_text (q, "rid");
    json_t *meta = json_pack (
        "{s:s, s:o, s:I, s:I, s:I, s:i, s:f, s:s}", "id", rid ? rid : "test", "finish_reason",
        last ? finish_reason (s) : json_null (), "prompt_tokens", (json_int_t)row->token_count,
        "completion_tokens", (json_int_t)count, "cached_tokens", (json_int_t)cached,
        "reasoning_tokens", 0, "e2e_latency", 0.01, "weight_version", "default");
    if (o->logprobs)
        add_logprobs (o, s, row, meta);
    return json_pack (
        "{s:o, s:o, s:o}", "text",
        json_text (span_make (esp_buf_text (&s->text), so_far < end && !last ? so_far : end)),
        "output_ids", ids_json (s->ids.ids, count), "meta_info", meta);
}

/* Of prompt i: a list has one for each. */
static json_t *sampling_of (const asked *q, size_t i)
{
    json_t *sampling = json_object_get (q->body, "sampling_params");
    return json_is_array (sampling) ? json_array_get (sampling, i) : sampling;
}

static bool read_order (const asked *q, answer *a, size_t prompt, order *o)
{
    json_t *sampling = sampling_of (q, prompt),
           *labels = json_object_get (q->body, "token_ids_logprob");
    asked inner = {.server = q->server, .body = sampling};
    long long most = 128, least = 0;
    bool good;
    *o = (order){.ask = {.temperature = 1, .style = q->server->style}, .n = 1, .seed = 0};
    good = field_integer (&inner, a, "n", &o->n) &&
           field_integer (&inner, a, "max_new_tokens", &most) &&
           field_integer (&inner, a, "min_new_tokens", &least) &&
           field_integer (&inner, a, "sampling_seed", &o->seed) &&
           field_number (&inner, a, "temperature", &o->ask.temperature) &&
           field_stops (&inner, a, json_object_get (sampling, "stop"), MOST_STOPS, &o->ask) &&
           field_integer (q, a, "top_logprobs_num", &o->top);
    o->ask.max_tokens = most > 0 ? (size_t)most : 0;
    o->ask.min_tokens = least > 0 ? (size_t)least : 0;
    o->ask.ignore_end = field_bool (&inner, "ignore_eos", false);
    o->keep_stop = field_bool (&inner, "no_stop_trim", false);
    o->stream = field_bool (q, "stream", false);
    o->logprobs = field_bool (q, "return_logprob", false);
    o->labels = json_is_array (json_array_get (labels, 0)) ? json_array_get (labels, 0) : labels;
    o->top = o->top > 100 ? 100 : o->top;
    if (good && (o->n < 1 || o->n > 1024)) {
        answer_refuse (q, a, 400, "BadRequestError", NULL, "n must be at least 1, got %lld.", o->n);
        good = false;
    }
    return good;
}

static void generate_one (const asked *q, answer *a, const order *o, const struct prompt_row *row,
                          long long child, json_t *list, size_t cached)
{
    sample_ask ask = o->ask;
    sample s;
    ask.prompt = span_make (row->text, row->len);
    ask.seed = (uint64_t)(o->seed + child);
    if (ask.max_tokens > q->server->max_model_len - row->token_count)
        ask.max_tokens = q->server->max_model_len - row->token_count;
    if (q->too_many_tokens)
        ask.max_tokens = ask.max_tokens * 2 + 64, ask.stop_count = 0, ask.ignore_end = true;
    if (sample_make (&ask, &s) != ESP_OK)
        out_of_memory ();
    for (size_t count = 1; o->stream && count <= s.ids.count; count++) {
        json_t *event = reply (q, o, row, &s, count, cached);
        if (o->list)
            (void)json_object_set_new (event, "index",
                                       json_integer ((json_int_t)json_array_size (list)));
        answer_event (a, event);
    }
    answer_made (a, s.ids.count);
    (void)json_array_append_new (list, reply (q, o, row, &s, s.ids.count, cached));
    sample_free (&s);
}

static bool check_length (const asked *q, answer *a, const prompts *p, size_t max_tokens)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->rows[i].token_count >= q->server->max_model_len) {
            answer_refuse (
                q, a, 400, "BadRequestError", NULL,
                "The input (%zu tokens) is longer than the model's context length (%zu tokens).",
                p->rows[i].token_count, q->server->max_model_len);
            return false;
        } else if (p->rows[i].token_count + max_tokens >= q->server->max_model_len) {
            answer_refuse (q, a, 400, "BadRequestError", NULL,
                           "Requested token count exceeds the model's maximum context length of "
                           "%zu tokens. You requested a total of %zu tokens: %zu tokens from the "
                           "input messages and %zu tokens for the completion.",
                           q->server->max_model_len, p->rows[i].token_count + max_tokens,
                           p->rows[i].token_count, max_tokens);
            return false;
        }
    return true;
}

static void generate (const asked *q, answer *a)
{
    json_t *prompt = json_object_get (q->body, "text"),
           *ids = json_object_get (q->body, "input_ids"), *list = json_array ();
    json_t *given = prompt ? prompt : ids;
    prompts p = {0};
    order o;
    bool good = true;
    if (!given) {
        answer_refuse (q, a, 400, "BadRequestError", NULL,
                       "Either text, input_ids or input_embeds should be provided.");
        good = false;
    }
    good = good && prompts_read (q, a, given, true, &p);
    for (size_t i = p.count; i > 0 && good; i--) /* the first one is used below */
        good = read_order (q, a, i - 1, &o);
    good = good && check_length (q, a, &p, o.ask.max_tokens);
    if (good) {
        bool several = o.n > 1 || p.count > 1 ||
                       (json_is_array (given) && !json_is_integer (json_array_get (given, 0)));
        for (size_t i = 0; i < p.count && read_order (q, a, i, &o); i++) {
            size_t cached = cached_tokens (&p.rows[i]);
            o.list = several;
            for (long long child = 0; child < o.n; child++)
                generate_one (q, a, &o, &p.rows[i], child, list, cached);
        }
        if (o.stream)
            answer_frame (a, "data: [DONE]\n\n");
        else
            answer_json (a, json_incref (several ? list : json_array_get (list, 0)));
    }
    json_decref (list);
    prompts_free (&p);
}

static void matched_stop (const oai_order *o, const sample *s, json_t *c)
{
    json_t *matched = s->finish == FINISH_STOP     ? json_string (s->stop)
                      : s->finish == FINISH_LENGTH ? json_null ()
                                                   : json_integer (s->ids.ids[s->ids.count - 1]);
    (void)o;
    (void)json_object_set_new (c, "matched_stop", matched);
}

static json_t *logprobs (const oai_order *o, const struct prompt_row *prompt, const sample *s,
                         size_t from, size_t to)
{
    if (o->logprobs < 0)
        return json_null ();
    return o->chat ? oai_logprobs_content (o, prompt, s, from, to)
                   : oai_logprobs_lists (o, prompt, s, from, to);
}

static bool check (const asked *q, answer *a, oai_order *o)
{
    o->logprobs = o->logprobs > 100 ? 100 : o->logprobs;
    if (o->n < 1 || o->n > 1024) {
        answer_refuse (q, a, 400, "BadRequestError", NULL, "n must be at least 1, got %lld.", o->n);
        return false;
    }
    return check_length (q, a, &o->prompts, o->ask.max_tokens);
}

static const oai_dialect dialect = {.most_stops = MOST_STOPS,
                                    .check = check,
                                    .finish = matched_stop,
                                    .logprobs = logprobs,
                                    .usage = oai_usage};

static void completions (const asked *q, answer *a)
{
    oai_completions (q, a, &dialect);
}

static void chat (const asked *q, answer *a)
{
    oai_chat (q, a, &dialect);
}

static void model_info (const asked *q, answer *a)
{
    answer_json (a, json_pack ("{s:s, s:s, s:b, s:n, s:s, s:b, s:b}", "model_path", q->model,
                               "tokenizer_path", q->model, "is_generation", 1,
                               "preferred_sampling_params", "weight_version", "default",
                               "has_image_understanding", 0, "has_audio_understanding", 0));
}

static void server_info (const asked *q, answer *a)
{
    answer_json (a, json_pack ("{s:s, s:s, s:I, s:b}", "served_model_name", q->model, "version",
                               "0.5.23", "max_total_num_tokens",
                               (json_int_t)q->server->max_model_len * 16,
                               "enable_deterministic_inference", 1));
}

static void models (const asked *q, answer *a)
{
    json_t *list = oai_models (q, "sglang"),
           *row = json_array_get (json_object_get (list, "data"), 0);
    json_object_update_new (row, json_pack ("{s:s, s:n, s:I}", "root", q->model, "parent",
                                            "max_model_len", (json_int_t)q->server->max_model_len));
    answer_json (a, list);
}

static void health (const asked *q, answer *a)
{
    (void)q;
    a->text = text_copy (span_of (""));
}

static void metrics (const asked *q, answer *a)
{
    char text[400];
    snprintf (
        text, sizeof (text),
        "# TYPE sglang:num_running_reqs gauge\nsglang:num_running_reqs{model_name=\"%s\"} %u.0\n"
        "# TYPE sglang:num_queue_reqs gauge\nsglang:num_queue_reqs{model_name=\"%s\"} %u.0\n",
        q->model, running (q), q->model, waiting (q));
    a->text = text_copy (span_of (text));
    a->type = "text/plain; version=0.0.4; charset=utf-8";
}

static void tokenize (const asked *q, answer *a)
{
    json_t *messages = json_object_get (q->body, "messages"), *prompt, *ids;
    esp_buf text = {0};
    prompts p = {0};
    bool good =
        !messages ||
        chat_prompt (q, a, messages, field_bool (q, "add_generation_prompt", true), false, &text);
    prompt = messages ? json_stringn (esp_buf_text (&text), text.len)
                      : json_incref (json_object_get (q->body, "prompt"));
    if (good &&
        prompts_read (q, a, prompt, !messages && field_bool (q, "add_special_tokens", true), &p)) {
        ids = prompt_ids (&p.rows[0]);
        answer_json (a, json_pack ("{s:I, s:I, s:o}", "count", (json_int_t)json_array_size (ids),
                                   "max_model_len", (json_int_t)q->server->max_model_len, "tokens",
                                   ids));
    }
    json_decref (prompt);
    esp_buf_free (&text);
    prompts_free (&p);
}

/* skip_special_tokens, true unless said otherwise: without control tokens. */
static void detokenize (const asked *q, answer *a)
{
    bool skip = field_bool (q, "skip_special_tokens", true);
    prompts p = {0};
    tokens all = {0}, kept = {0};
    esp_buf text = {0};
    esp_err err = ESP_OK;
    if (prompts_read (q, a, json_object_get (q->body, "tokens"), false, &p)) {
        err = tokens_of (&all, span_make (p.rows[0].text, p.rows[0].len));
        for (size_t i = 0; i < all.count && err == ESP_OK; i++)
            if (!skip || !token_is_control (all.ids[i]))
                err = tokens_add (&kept, all.ids[i]);
        if (err != ESP_OK || tokens_text (&kept, &text) != ESP_OK)
            out_of_memory ();
        answer_json (a, json_pack ("{s:o}", "text", json_text (esp_buf_span (&text))));
    }
    tokens_free (&all);
    tokens_free (&kept);
    esp_buf_free (&text);
    prompts_free (&p);
}

/* POST /v1/score {"query","items","label_token_ids","apply_softmax","item_first","model"} -> {"scores":[[..]]}: a list per item,
 * one number per label. */
static void score (const asked *q, answer *a)
{
    json_t *items = json_object_get (q->body, "items"),
           *labels = json_object_get (q->body, "label_token_ids"), *scores = json_array ();
    const char *query = field_text (q, "query");
    bool softmax = field_bool (q, "apply_softmax", false),
         item_first = field_bool (q, "item_first", false);
    for (size_t i = 0; i < json_array_size (items); i++) {
        const char *item = json_string_value (json_array_get (items, i));
        json_t *row = json_array (), *turned = json_copy (labels);
        esp_buf text = {0};
        if (esp_buf_printf (&text, "%s%s",
                            item_first ? item
                            : query    ? query
                                       : "",
                            item_first ? query ? query : ""
                            : item     ? item
                                       : "") != ESP_OK)
            out_of_memory ();
        for (size_t j = 0; j < json_array_size (labels);
             j++) { /* each label is the first one once */
            (void)json_array_insert (turned, 0, json_array_get (labels, j));
            (void)json_array_remove (turned, j + 1);
            (void)json_array_append_new (
                row, json_real (vllm_label_probability (esp_buf_span (&text), turned, softmax)));
            json_decref (turned);
            turned = json_copy (labels);
        }
        json_decref (turned);
        esp_buf_free (&text);
        (void)json_array_append_new (scores, row);
    }
    answer_json (a, json_pack ("{s:o, s:s, s:s, s:n}", "scores", scores, "model", q->model,
                               "object", "scoring", "usage"));
}

static void
refuse (answer *a, unsigned status, const char *type, const char *param, const char *message)
{
    a->status = status;
    answer_json (a, json_pack ("{s:s, s:s, s:s, s:s?, s:i, s:{s:s}}", "object", "error", "message",
                               message, "type", type, "param", param, "code", (int)status, "error",
                               "message", message));
}

static void no_route (answer *a, bool other_method)
{
    a->status = other_method ? 405 : 404;
    answer_json (a,
                 json_pack ("{s:s}", "detail", other_method ? "Method Not Allowed" : "Not Found"));
}

static bool guarded (const char *path)
{
    return strncmp (path, "/health", 7) != 0;
}

static void unauthorized (answer *a)
{
    a->status = 401;
    answer_json (a, json_pack ("{s:s}", "error", "Unauthorized"));
}

static void bad_body (answer *a, const char *body, const json_error_t *error)
{
    (void)body, (void)error;
    refuse (a, 400, "Bad Request", NULL, "JSON decode error");
}

static const route routes[] = {
    {"GET", "/get_model_info", SERVES_ALL, model_info},
    {"GET", "/server_info", SERVES_ALL, server_info},
    {"GET", "/health", SERVES_ALL, health},
    {"GET", "/health_generate", SERVES_ALL, health},
    {"GET", "/v1/models", SERVES_ALL, models},
    {"GET", "/metrics", SERVES_ALL, metrics},
    {"POST", "/generate", SERVES_GENERATE, generate},
    {"POST", "/v1/completions", SERVES_GENERATE, completions},
    {"POST", "/v1/chat/completions", SERVES_GENERATE, chat},
    {"POST", "/tokenize", SERVES_ALL, tokenize},
    {"POST", "/detokenize", SERVES_ALL, detokenize},
    {"POST", "/v1/score", SERVES_GENERATE, score},
    {"POST", "/abort_request", SERVES_ALL, health},
    {NULL, NULL, 0, NULL},
};

const kind kind_sglang = {"sglang", routes, refuse, no_route, guarded, unauthorized, bad_body};
