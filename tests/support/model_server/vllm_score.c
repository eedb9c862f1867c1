/* SPDX-License-Identifier: Apache-2.0 */
/* vllm_score.c - the scoring routes of vLLM: /pooling, /classify, /score, /rerank, /generative_scoring */

#include <math.h>
#include <string.h>
#include <time.h>
#include "proto/base/hash.h"
#include "tests/support/model_server/judge.h"
#include "tests/support/model_server/sample.h"
#include "tests/support/model_server/vllm.h"

enum { EMBEDDING = 8 };

static json_t *pair (double good, bool raw)
{
    if (!raw)
        return json_pack ("[f, f]", 1 - good, good);
    return json_pack ("[f, f]", log (1 - good), log (good)); /* logits: their softmax is the pair */
}

static json_t *rows_of_tags (const asked *q, span text, bool raw)
{
    json_t *rows = json_array ();
    span tag = span_of (q->server->tag);
    for (size_t at = 0, found; at < text.len; at = found + tag.len) {
        span tail = span_make (text.ptr + at, text.len - at);
        found = at + span_find (tail, tag);
        if (found >= text.len)
            break;
        (void)json_array_append_new (rows, pair (judge_text (span_make (text.ptr, found)), raw));
    }
    return rows;
}

/* One row [P(+), P(-)] for each token: what stands before it is judged. */
static json_t *rows_of_tokens (span text)
{
    json_t *rows = json_array ();
    tokens t = {0};
    char piece[TOKEN_LONGEST];
    if (tokens_of (&t, text) != ESP_OK)
        out_of_memory ();
    for (size_t i = 0, at = 0; i < t.count; i++) {
        double good;
        at += token_piece (t.ids[i], piece);
        good = judge_text (span_make (text.ptr, at));
        (void)json_array_append_new (rows, json_pack ("[f, f]", good, 1 - good));
    }
    tokens_free (&t);
    return rows;
}

static json_t *embedding (span text)
{
    json_t *list = json_array ();
    for (unsigned i = 0; i < EMBEDDING; i++)
        (void)json_array_append_new (
            list,
            json_real ((double)(esp_hash64 (text.ptr, text.len, i) >> 40) / 16777216.0 - 0.5));
    return list;
}

static json_t *rows (const asked *q, span text, bool raw)
{
    if (q->server->serves & SERVES_PRM)
        return rows_of_tags (q, text, raw);
    if (q->server->serves & SERVES_CAUSAL)
        return rows_of_tokens (text);
    return q->server->serves & SERVES_EMBED ? embedding (text)
                                            : json_pack ("[f]", judge_text (text));
}

static json_t *usage_of (size_t prompt, size_t made)
{
    return json_pack ("{s:I, s:I, s:I, s:n, s:n}", "prompt_tokens", (json_int_t)prompt,
                      "total_tokens", (json_int_t)(prompt + made), "completion_tokens",
                      (json_int_t)made, "prompt_tokens_details", "completion_tokens_details");
}

static json_t *reply (const asked *q, const char *prefix, json_t *data, size_t prompt, size_t made)
{
    return json_pack ("{s:o, s:s, s:I, s:s, s:o, s:o}", "id",
                      json_sprintf ("%s-%016x", prefix, (unsigned)time (NULL)), "object", "list",
                      "created", (json_int_t)time (NULL), "model", q->model, "data", data, "usage",
                      usage_of (prompt, made));
}

static bool check_task (const asked *q, answer *a)
{
    const char *task = field_text (q, "task");
    const char *has = q->server->serves & (SERVES_PRM | SERVES_CAUSAL) ? "token_classify"
                      : q->server->serves & SERVES_EMBED               ? "embed"
                                                                       : "classify";
    if (!task || strcmp (task, has) == 0)
        return true;
    answer_refuse (q, a, 400, "BadRequestError", "task",
                   "Unsupported task: '%s' Supported tasks: ['%s'] (parameter=task)", task, has);
    return false;
}

/* "input" or "messages"; false: refused. */
static bool read_inputs (const asked *q, answer *a, prompts *p, size_t *count)
{
    json_t *messages = json_object_get (q->body, "messages"),
           *input = json_object_get (q->body, "input"), *text;
    esp_buf chat = {0};
    bool good;
    if (!vllm_check_model (q, a) || !check_task (q, a))
        return false;
    if (!input && !messages) {
        answer_refuse (q, a, 400, "Bad Request", "body.input",
                       "3 validation errors:\n  {'type': 'missing', 'loc': 'body.input', 'msg': "
                       "'Field required'}");
        return false;
    }
    if (json_is_string (input) && json_string_length (input) == 0) {
        answer_refuse (q, a, 400, "BadRequestError", NULL, "The decoder prompt cannot be empty");
        return false;
    }
    if (messages && !chat_prompt (q, a, messages, field_bool (q, "add_generation_prompt", false),
                                  field_bool (q, "continue_final_message", false), &chat))
        return false;
    text = messages ? json_stringn (esp_buf_text (&chat), chat.len) : json_incref (input);
    good = prompts_read (q, a, text, !messages && field_bool (q, "add_special_tokens", true), p);
    *count = 0;
    for (size_t i = 0; good && i < p->count; i++) {
        *count += p->rows[i].token_count;
        good = vllm_check_length (q, a,
                                  p->rows[i].token_count); /* one too long fails the whole batch */
    }
    json_decref (text);
    esp_buf_free (&chat);
    return good;
}

void vllm_pooling (const asked *q, answer *a)
{
    prompts p = {0};
    size_t count;
    json_t *data = json_array ();
    bool raw = !field_bool (q, "use_activation", true);
    if (read_inputs (q, a, &p, &count)) {
        for (size_t i = 0; i < p.count; i++)
            (void)json_array_append_new (
                data, json_pack ("{s:I, s:s, s:o}", "index", (json_int_t)i, "object", "pooling",
                                 "data", rows (q, span_make (p.rows[i].text, p.rows[i].len), raw)));
        answer_json (a, reply (q, "pooling", json_incref (data), count, 0));
    }
    json_decref (data);
    prompts_free (&p);
}

void vllm_classify (const asked *q, answer *a)
{
    prompts p = {0};
    size_t count;
    json_t *data = json_array ();
    if (read_inputs (q, a, &p, &count)) {
        for (size_t i = 0; i < p.count; i++)
            (void)json_array_append_new (
                data,
                json_pack ("{s:I, s:s, s:[f], s:i}", "index", (json_int_t)i, "label", "LABEL_0",
                           "probs", judge_text (span_make (p.rows[i].text, p.rows[i].len)),
                           "num_classes", 1));
        answer_json (a, reply (q, "classify", json_incref (data), count, 0));
    }
    json_decref (data);
    prompts_free (&p);
}

static json_t *named (const asked *q, const char *const *names)
{
    for (; *names; names++)
        if (json_object_get (q->body, *names))
            return json_object_get (q->body, *names);
    return NULL;
}

static double judge_pair (const char *first, const char *second)
{
    esp_buf text = {0};
    double good;
    if (esp_buf_printf (&text, "%s%s", first ? first : "", second ? second : "") != ESP_OK)
        out_of_memory ();
    good = judge_text (esp_buf_span (&text));
    esp_buf_free (&text);
    return good;
}

static const char *nth (json_t *texts, size_t i)
{
    if (json_is_string (texts))
        return json_string_value (texts);
    return json_string_value (json_array_get (texts, json_array_size (texts) == 1 ? 0 : i));
}

void vllm_score (const asked *q, answer *a)
{
    static const char *const first[] = {"queries", "text_1", "data_1", "query", NULL},
                             *const second[] = {"documents", "text_2", "data_2", "items", NULL};
    json_t *queries = named (q, first), *documents = named (q, second), *data;
    size_t count = json_is_array (documents) ? json_array_size (documents)
                   : documents               ? 1
                                             : 0,
           length = 0;
    if (!vllm_check_model (q, a))
        return;
    if (!queries || count == 0) {
        answer_refuse (q, a, 400, "BadRequestError", NULL, "You must pass at least one prompt");
        return;
    }
    data = json_array ();
    for (size_t i = 0; i < count; i++) {
        double good = judge_pair (nth (queries, i), nth (documents, i));
        length += 2;
        (void)json_array_append_new (data, json_pack ("{s:I, s:s, s:f}", "index", (json_int_t)i,
                                                      "object", "score", "score", good));
    }
    answer_json (a, reply (q, "score", data, length, 0));
}

void vllm_rerank (const asked *q, answer *a)
{
    json_t *documents = json_object_get (q->body, "documents"), *results = json_array ();
    size_t count = json_array_size (documents);
    if (!vllm_check_model (q, a)) {
        json_decref (results);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        double good = judge_pair (field_text (q, "query"), nth (documents, i));
        size_t at = 0;
        while (at < json_array_size (results) &&
               json_real_value (
                   json_object_get (json_array_get (results, at), "relevance_score")) >= good)
            at++;
        (void)json_array_insert_new (results, at,
                                     json_pack ("{s:I, s:{s:s?, s:n}, s:f}", "index", (json_int_t)i,
                                                "document", "text", nth (documents, i),
                                                "multi_modal", "relevance_score", good));
    }
    answer_json (a, json_pack ("{s:s, s:s, s:{s:i, s:i}, s:o}", "id", "score-1", "model", q->model,
                               "usage", "prompt_tokens", 1, "total_tokens", 1, "results", results));
}

/* A string or a list of ids as text. */
static void add_piece (json_t *value, esp_buf *out)
{
    tokens t = {0};
    for (size_t i = 0; i < json_array_size (value); i++)
        if (tokens_add (&t, (uint32_t)json_integer_value (json_array_get (value, i))) != ESP_OK)
            out_of_memory ();
    if (tokens_text (&t, out) != ESP_OK ||
        (json_is_string (value) && esp_buf_puts (out, json_string_value (value)) != ESP_OK))
        out_of_memory ();
    tokens_free (&t);
}

double vllm_label_probability (span prompt, json_t *labels, bool softmax)
{
    sample_ask ask = {.prompt = prompt, .max_tokens = 1, .style = {0}};
    sample s;
    double sum = 0, first = 0;
    if (sample_make (&ask, &s) != ESP_OK)
        out_of_memory ();
    s.judged = true;
    s.good = judge_text (prompt);
    for (size_t i = 0; i < json_array_size (labels); i++) {
        double p = exp (
            sample_logprob_of (&s, 0, (uint32_t)json_integer_value (json_array_get (labels, i))));
        sum += p;
        first = i == 0 ? p : first;
    }
    sample_free (&s);
    return softmax && sum > 0 ? first / sum : first;
}

void vllm_generative_scoring (const asked *q, answer *a)
{
    json_t *items = json_object_get (q->body, "items"),
           *labels = json_object_get (q->body, "label_token_ids");
    json_t *query = json_object_get (q->body, "query"), *data;
    bool item_first = field_bool (q, "item_first", false),
         softmax = field_bool (q, "apply_softmax", true);
    size_t count = json_array_size (items), length = 0;
    if (!vllm_check_model (q, a))
        return;
    if (!query || count == 0 || json_array_size (labels) == 0) {
        answer_refuse (q, a, 400, "Bad Request", "body.items",
                       "1 validation error:\n  {'type': 'missing', 'loc': 'body.items', 'msg': "
                       "'Field required'}");
        return;
    }
    data = json_array ();
    for (size_t i = 0; i < count; i++) {
        esp_buf text = {0};
        tokens t = {0};
        add_piece (item_first ? json_array_get (items, i) : query, &text);
        add_piece (item_first ? query : json_array_get (items, i), &text);
        if (tokens_of (&t, esp_buf_span (&text)) != ESP_OK)
            out_of_memory ();
        length += t.count;
        (void)json_array_append_new (
            data, json_pack ("{s:I, s:s, s:f}", "index", (json_int_t)i, "object", "score", "score",
                             vllm_label_probability (esp_buf_span (&text), labels, softmax)));
        tokens_free (&t);
        esp_buf_free (&text);
    }
    answer_json (a, reply (q, "generative-scoring", data, length, count));
}
