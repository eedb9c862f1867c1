/* SPDX-License-Identifier: Apache-2.0 */
/* kind_vllm.c - vLLM 0.32: limits, finish reasons, models, tokenizer, metrics; scoring is in vllm_score.c */

#include <string.h>
#include "tests/support/model_server/oai.h"
#include "tests/support/model_server/vllm.h"

enum { MOST_N = 16384, MOST_LOGPROBS = 20 };

static bool refuse (const asked *q, answer *a, const char *param, const char *message)
{
    answer_refuse (q, a, 400, "BadRequestError", param, "%s", message);
    return false;
}

static bool check_n (const asked *q, answer *a, const oai_order *o)
{
    if (o->n < 1)
        answer_refuse (q, a, 400, "BadRequestError", NULL, "n must be at least 1, got %lld.", o->n);
    else if (o->n > MOST_N)
        answer_refuse (q, a, 400, "BadRequestError", NULL,
                       "n must be at most %d, got %lld. To increase this limit, set the "
                       "VLLM_MAX_N_SEQUENCES environment variable.",
                       MOST_N, o->n);
    else if (o->n > 1 && o->ask.temperature <= 0)
        answer_refuse (q, a, 400, "BadRequestError", NULL,
                       "n must be 1 when using greedy sampling, got %lld.", o->n);
    return !a->json;
}

static bool check_samplers (const asked *q, answer *a, const oai_order *o)
{
    double t = o->ask.temperature;
    if (t < 0)
        answer_refuse (
            q, a, 400, "BadRequestError", "temperature",
            "temperature must be non-negative, got %.1f. (parameter=temperature, value=%.1f)", t,
            t);
    else if (t > 2)
        answer_refuse (
            q, a, 400, "BadRequestError", "temperature",
            "temperature must be in [0, 2], got %.1f. (parameter=temperature, value=%.1f)", t, t);
    else if (o->logprobs > MOST_LOGPROBS)
        answer_refuse (q, a, 400, "BadRequestError", "logprobs",
                       "Requested sample logprobs of %lld, which is greater than max allowed: %d "
                       "(parameter=logprobs, value=%lld)",
                       o->logprobs, MOST_LOGPROBS, o->logprobs);
    else if (o->label_ids && o->logprobs < 0)
        refuse (q, a, "logprob_token_ids",
                "when using `logprob_token_ids`, `logprobs` must be set. "
                "(parameter=logprob_token_ids)");
    else if (!o->stream && json_is_object (json_object_get (q->body, "stream_options")))
        refuse (
            q, a, "stream_options",
            "Stream options can only be defined when `stream=True`. (parameter=stream_options)");
    return !a->json;
}

bool vllm_check_model (const asked *q, answer *a)
{
    const char *model = field_text (q, "model");
    if (!model || strcmp (model, q->model) == 0)
        return true;
    answer_refuse (q, a, 404, "NotFoundError", "model",
                   "The model `%s` does not exist. Valid aliases: %s.", model, q->model);
    return false;
}

bool vllm_check_length (const asked *q, answer *a, size_t count)
{
    if (count <= q->server->max_model_len)
        return true;
    answer_refuse (q, a, 400, "BadRequestError", "input_tokens",
                   "This model's maximum context length is %zu tokens. However, your prompt "
                   "contains at least %zu input tokens, which "
                   "exceeds this limit even without any output tokens. Please reduce the length of "
                   "the input prompt. "
                   "(parameter=input_tokens, value=%zu)",
                   q->server->max_model_len, count, count);
    return false;
}

static bool check (const asked *q, answer *a, oai_order *o)
{
    size_t most = q->server->max_model_len;
    if (!vllm_check_model (q, a) || !check_n (q, a, o) || !check_samplers (q, a, o))
        return false;
    for (size_t i = 0; i < o->prompts.count; i++) {
        if (!vllm_check_length (q, a, o->prompts.rows[i].token_count))
            return false;
        if (o->prompts.rows[i].token_count == most)
            o->ask.max_tokens = 0;
    }
    if (o->ask.max_tokens == 0 && !o->echo)
        return refuse (q, a, "max_tokens",
                       "max_tokens must be at least 1, got 0. (parameter=max_tokens, value=0)");
    if (o->ask.max_tokens > most) {
        answer_refuse (q, a, 400, "BadRequestError", "max_tokens",
                       "max_tokens=%zu cannot be greater than max_model_len=%zu. Please request "
                       "fewer output tokens. "
                       "(parameter=max_tokens, value=%zu)",
                       o->ask.max_tokens, most, o->ask.max_tokens);
        return false;
    }
    return true;
}

static json_t *prompt_logprobs (const struct prompt_row *row)
{
    json_t *ids = prompt_ids (row), *list = json_pack ("[n]");
    for (size_t i = 1; i < json_array_size (ids); i++) {
        uint32_t id = (uint32_t)json_integer_value (json_array_get (ids, i));
        char key[16];
        snprintf (key, sizeof (key), "%u", id);
        (void)json_array_append_new (list,
                                     json_pack ("{s:{s:f, s:i, s:o}}", key, "logprob",
                                                prompt_logprob (span_make (row->text, row->len), i),
                                                "rank", 1, "decoded_token", token_text (id)));
    }
    json_decref (ids);
    return list;
}

static void finish (const oai_order *o, const sample *s, json_t *c)
{
    json_t *reason = s->finish == FINISH_STOP ? json_string (s->stop) : json_null ();
    uint32_t last = s->ids.count ? s->ids.ids[s->ids.count - 1] : 0;
    if (s->finish == FINISH_STOP_ID || (s->finish == FINISH_END && last == TOKEN_END_OF_TEXT))
        reason = json_integer (last);
    (void)json_object_set_new (c, "stop_reason", reason);
    (void)json_object_set_new (c, "token_ids", json_null ());
    if (o->stream && !o->chat)
        (void)json_object_set_new (c, "prompt_token_ids", json_null ());
    if (o->stream)
        return;
    if (!o->chat) {
        (void)json_object_set_new (c, "prompt_logprobs",
                                   o->prompt_logprobs >= 0 ? prompt_logprobs (&o->prompts.rows[0])
                                                           : json_null ());
        (void)json_object_set_new (c, "prompt_token_ids", json_null ());
    } else {
        json_t *message = json_object_get (c, "message");
        json_object_update_new (message,
                                json_pack ("{s:n, s:n, s:n, s:n, s:n}", "refusal", "annotations",
                                           "audio", "function_call", "reasoning"));
    }
    (void)json_object_set_new (c, "routed_experts", json_null ());
}

static json_t *logprobs (const oai_order *o, const struct prompt_row *prompt, const sample *s,
                         size_t from, size_t to)
{
    if (o->logprobs < 0)
        return json_null ();
    return o->chat ? oai_logprobs_content (o, prompt, s, from, to)
                   : oai_logprobs_lists (o, prompt, s, from, to);
}

static void decorate (const asked *q, const oai_order *o, json_t *whole)
{
    json_t *usage = json_object_get (whole, "usage");
    (void)q;
    (void)json_object_set_new (usage, "completion_tokens_details", json_null ());
    json_object_update_new (whole,
                            json_pack ("{s:n, s:s, s:n, s:n, s:n}", "service_tier",
                                       "system_fingerprint", "vllm-0.32.0-07192199",
                                       "kv_transfer_params", "ec_transfer_params", "metrics"));
    if (o->chat)
        json_object_update_new (whole, json_pack ("{s:n, s:n, s:o}", "prompt_logprobs",
                                                  "prompt_token_ids", "prompt_text",
                                                  field_bool (q, "return_prompt_text", false)
                                                      ? json_string (o->prompts.rows[0].text)
                                                      : json_null ()));
}

static json_t *
usage (const asked *q, const oai_order *o, size_t generated, size_t first_generated, size_t cached)
{
    json_t *all = oai_usage (q, o, generated, first_generated, cached);
    if (q->server->prompt_details)
        (void)json_object_set_new (all, "prompt_tokens_details",
                                   json_pack ("{s:I, s:n, s:n}", "cached_tokens",
                                              (json_int_t)cached, "created_cache_tokens",
                                              "multimodal_tokens"));
    else
        (void)json_object_set_new (all, "prompt_tokens_details", json_null ());
    return all;
}

static void decorate_usage (json_t *event) /* fewer details than without a stream */
{
    json_t *details = json_object_get (json_object_get (event, "usage"), "prompt_tokens_details");
    (void)json_object_del (details, "created_cache_tokens");
    (void)json_object_del (details, "multimodal_tokens");
}

static const oai_dialect dialect = {.most_stops = 4,
                                    .check = check,
                                    .finish = finish,
                                    .logprobs = logprobs,
                                    .decorate = decorate,
                                    .usage = usage,
                                    .decorate_usage = decorate_usage};

static void completions (const asked *q, answer *a)
{
    oai_completions (q, a, &dialect);
}

static void chat (const asked *q, answer *a)
{
    oai_chat (q, a, &dialect);
}

static void version (const asked *q, answer *a)
{
    (void)q;
    answer_json (a, json_pack ("{s:s}", "version", "0.32.0"));
}

static void nothing (const asked *q, answer *a)
{
    (void)q;
    a->text = text_copy (span_of (""));
}

static void models (const asked *q, answer *a)
{
    json_t *list = oai_models (q, "vllm"),
           *row = json_array_get (json_object_get (list, "data"), 0);
    json_object_update_new (row, json_pack ("{s:s, s:n, s:I, s:[]}", "root", "models/test",
                                            "parent", "max_model_len",
                                            (json_int_t)q->server->max_model_len, "permission"));
    answer_json (a, list);
}

static void tokenize (const asked *q, answer *a)
{
    json_t *messages = json_object_get (q->body, "messages"), *prompt = NULL, *ids,
           *names = json_array ();
    esp_buf text = {0};
    prompts p = {0};
    bool good =
        !messages || chat_prompt (q, a, messages, field_bool (q, "add_generation_prompt", true),
                                  field_bool (q, "continue_final_message", false), &text);
    prompt = messages ? json_stringn (esp_buf_text (&text), text.len)
                      : json_incref (json_object_get (q->body, "prompt"));
    if (good &&
        prompts_read (q, a, prompt, !messages && field_bool (q, "add_special_tokens", true), &p)) {
        ids = prompt_ids (&p.rows[0]);
        for (size_t i = 0; i < json_array_size (ids); i++)
            (void)json_array_append_new (
                names, token_text ((uint32_t)json_integer_value (json_array_get (ids, i))));
        answer_json (a,
                     json_pack ("{s:I, s:I, s:o, s:O}", "count", (json_int_t)json_array_size (ids),
                                "max_model_len", (json_int_t)q->server->max_model_len, "tokens",
                                ids, "token_strs", names));
        if (!field_bool (q, "return_token_strs", false))
            (void)json_object_set_new (a->json, "token_strs", json_null ());
    }
    json_decref (names);
    json_decref (prompt);
    esp_buf_free (&text);
    prompts_free (&p);
}

static void detokenize (const asked *q, answer *a)
{
    json_t *ids = json_object_get (q->body, "tokens");
    tokens t = {0};
    esp_buf text = {0};
    for (size_t i = 0; i < json_array_size (ids); i++) {
        json_int_t id = json_integer_value (json_array_get (ids, i));
        if (id < 0) {
            answer_refuse (q, a, 400, "Bad Request", "body.tokens.0",
                           "1 validation error:\n  {'type': 'greater_than_equal', 'loc': "
                           "'body.tokens.%zu', 'msg': 'Input should be "
                           "greater than or equal to 0', 'input': '%lld', 'ctx': {'ge': 0}}",
                           i, (long long)id);
            break;
        }
        if (tokens_add (&t, id < UINT32_MAX ? (uint32_t)id : UINT32_MAX) != ESP_OK)
            out_of_memory ();
    }
    if (tokens_text (&t, &text) != ESP_OK)
        out_of_memory ();
    if (!a->json)
        answer_json (a, json_pack ("{s:o}", "prompt", json_text (esp_buf_span (&text))));
    tokens_free (&t);
    esp_buf_free (&text);
}

static void
add_metric (esp_buf *out, const asked *q, const char *name, const char *type, double value)
{
    if (esp_buf_printf (out, "# TYPE vllm:%s %s\nvllm:%s{engine=\"0\",model_name=\"%s\"} %.1f\n",
                        name, type, name, q->model, value) != ESP_OK)
        out_of_memory ();
}

static void metrics (const asked *q, answer *a)
{
    esp_buf text = {0};
    add_metric (&text, q, "num_requests_running", "gauge", running (q));
    add_metric (&text, q, "num_requests_waiting", "gauge", waiting (q));
    add_metric (&text, q, "kv_cache_usage_perc", "gauge", 0);
    add_metric (&text, q, "prefix_cache_queries_total", "counter", (double)cache_queries ());
    add_metric (&text, q, "prefix_cache_queries_created", "gauge",
                1.7e9); /* a twin that is to be passed over */
    add_metric (&text, q, "prefix_cache_hits_total", "counter", (double)cache_hits ());
    a->text = text_copy (esp_buf_span (&text));
    a->type = "text/plain; version=0.0.4; charset=utf-8";
    esp_buf_free (&text);
}

static void
error (answer *a, unsigned status, const char *type, const char *param, const char *message)
{
    a->status = status;
    answer_json (a, json_pack ("{s:{s:s, s:s, s:s?, s:i}}", "error", "message", message, "type",
                               type, "param", param, "code", (int)status));
}

static void no_route (answer *a, bool other_method)
{
    a->status = other_method ? 405 : 404;
    answer_json (a,
                 json_pack ("{s:s}", "detail", other_method ? "Method Not Allowed" : "Not Found"));
}

static bool guarded (const char *path) /* /pooling, /tokenize, /metrics are not */
{
    return strncmp (path, "/v1/", 4) == 0 || strncmp (path, "/v2/", 4) == 0 ||
           strncmp (path, "/inference/", 11) == 0;
}

static void unauthorized (answer *a)
{
    a->status = 401;
    answer_json (a, json_pack ("{s:s}", "error", "Unauthorized"));
}

static void bad_body (answer *a, const char *body, const json_error_t *error_at)
{
    char param[32] = "body", message[256];
    if (body[0] == '{') {
        snprintf (param, sizeof (param), "body.%d", error_at->position);
        snprintf (message, sizeof (message),
                  "1 validation error:\n  {'type': 'json_invalid', 'loc': '%s', 'msg': 'JSON "
                  "decode error', 'input': '<dict of 0 items>'}",
                  param);
    } else
        snprintf (message, sizeof (message),
                  "1 validation error:\n  {'type': '%s', 'loc': 'body', 'msg': '%s'}",
                  body[0] ? "model_attributes_type" : "missing",
                  body[0] ? "Input should be a valid dictionary or object to extract fields from"
                          : "Field required");
    error (a, 400, "Bad Request", param, message);
}

static const route routes[] = {
    {"GET", "/version", SERVES_ALL, version},
    {"GET", "/health", SERVES_ALL, nothing},
    {"GET", "/ping", SERVES_ALL, nothing},
    {"GET", "/v1/models", SERVES_ALL, models},
    {"GET", "/metrics", SERVES_ALL, metrics},
    {"POST", "/tokenize", SERVES_ALL, tokenize},
    {"POST", "/detokenize", SERVES_ALL, detokenize},
    {"POST", "/v1/completions", SERVES_GENERATE, completions},
    {"POST", "/v1/chat/completions", SERVES_GENERATE, chat},
    {"POST", "/generative_scoring", SERVES_GENERATE, vllm_generative_scoring},
    {"POST", "/pooling", SERVES_PRM | SERVES_CAUSAL | SERVES_CLASSIFY | SERVES_EMBED, vllm_pooling},
    {"POST", "/classify", SERVES_CLASSIFY, vllm_classify},
    {"POST", "/score", SERVES_CLASSIFY, vllm_score},
    {"POST", "/v1/score", SERVES_CLASSIFY, vllm_score},
    {"POST", "/rerank", SERVES_CLASSIFY, vllm_rerank},
    {NULL, NULL, 0, NULL},
};

const kind kind_vllm = {"vllm", routes, error, no_route, guarded, unauthorized, bad_body};
