/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_WORKER_ENGINE_PRM_KIT_H
#define ESP_TESTS_UNIT_WORKER_ENGINE_PRM_KIT_H

/* prm_kit.h - an engine of worker/engine/prm.h against a small server that scores by words
 *
 * The server is a vLLM with a PRM: a step with "57" or "bad" in it scores 0.1, any other 0.9; what else it does is in `play`.
 * It answers /pooling with rows, and /v1/completions with the logprobs of tokens 10 and 12.
 */

#include <jansson.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include "proto/base/alloc.h"
#include "proto/base/log.h"
#include "tests/support/http_server.h"
#include "tests/support/suite.h"
#include "worker/engine/engines.h"
#include "worker/engine/prm.h"
#include "worker/prompt/chat.h"
#include "worker/prompt/step_rule.h"
#include "worker/server/servers.h"

enum { JOBS = 64, PATIENCE_S = 20 };

enum trick {
    HONEST,
    NO_ROWS,      /* the server pools at another token */
    GENERATOR,    /* has no /pooling */
    EMBEDDING,    /* a vector for the whole text */
    REVERSED,     /* bad steps score high */
    TAG_OF_TWO,   /* the tag is two tokens */
    FORGETS_ONCE, /* one answer without its last row */
    FORGETS_ODD   /* a text with ODD never has its rows */
};

struct play { /* the server; its thread reads trick, writes the rest */
    http_server *server;
    atomic_int trick, poolings, texts, most_texts, forgotten;
    atomic_int questions; /* bits: question Q0, Q1, ... was seen */
    esp_buf reply;
};

/* ---- the server ---- */

static inline void add_row (esp_buf *out, span step, bool first, bool reversed)
{
    bool bad =
        span_find (step, span_of ("57")) < step.len || span_find (step, span_of ("bad")) < step.len;
    double good = bad != reversed ? 0.1 : 0.9;
    PASS (esp_buf_printf (out, "%s[%.1f,%.1f]", first ? "" : ",", 1 - good, good));
}

/* Rows of one text: one per tag, without the last `less`. */
static inline void add_rows (struct play *p, span text, unsigned less)
{
    static const char tag[] = "<extra_0>";
    size_t tags = span_count (text, span_of (tag));
    for (size_t i = 0; i + less < tags; i++) {
        size_t end = span_find (text, span_of (tag));
        add_row (&p->reply, span_make (text.ptr, end), i == 0, p->trick == REVERSED);
        text = span_make (text.ptr + end + strlen (tag), text.len - end - strlen (tag));
    }
}

static inline void answer_text (struct play *p, const char *text)
{
    unsigned less = 0;
    if (p->trick == NO_ROWS)
        less = 1000;
    if (p->trick == FORGETS_ODD && strstr (text, "ODD"))
        less = 1;
    if (p->trick == FORGETS_ONCE && strstr (text, "ONCE") && p->forgotten++ == 0)
        less = 1;
    if (p->trick == EMBEDDING)
        PASS (esp_buf_puts (&p->reply, "0.1,0.2,0.3,0.4"));
    else
        add_rows (p, span_of (text), less);
}

static inline bool too_long (const json_t *inputs)
{
    for (size_t i = 0; i < json_array_size (inputs); i++)
        if (strstr (json_string_value (json_array_get (inputs, i)), "LONG"))
            return true;
    return false;
}

/* As vLLM says that a text does not fit: all texts of the request are lost. */
static inline void refuse (struct play *p, http_reply *reply)
{
    reply->status = 400;
    PASS (esp_buf_puts (&p->reply,
                        "{\"error\":{\"message\":\"This model's maximum context length is "
                        "1024 tokens. However, your prompt contains at least 1025 input "
                        "tokens\",\"type\":\"BadRequestError\",\"param\":\"input_tokens\","
                        "\"code\":400}}"));
    reply->body = esp_buf_span (&p->reply);
}

static inline void answer_pooling (struct play *p, span body, http_reply *reply)
{
    json_t *root = json_loadb (body.ptr, body.len, 0, NULL);
    const json_t *inputs = json_object_get (root, "input");
    size_t n = json_array_size (inputs);
    p->poolings++;
    p->texts += (int)n;
    if ((int)n > p->most_texts)
        p->most_texts = (int)n;
    esp_buf_clear (&p->reply);
    if (too_long (inputs)) {
        refuse (p, reply);
    } else {
        PASS (esp_buf_puts (&p->reply, "{\"data\":["));
        for (size_t i = 0; i < n; i++) { /* backwards: the index counts */
            PASS (esp_buf_printf (&p->reply, "%s{\"index\":%zu,\"data\":[", i > 0 ? "," : "",
                                  n - 1 - i));
            answer_text (p, json_string_value (json_array_get (inputs, n - 1 - i)));
            PASS (esp_buf_puts (&p->reply, "]}"));
        }
        PASS (esp_buf_printf (&p->reply, "],\"usage\":{\"prompt_tokens\":%zu}}", 10 * n));
    }
    json_decref (root);
    reply->body = esp_buf_span (&p->reply);
}

static inline void answer_completions (struct play *p, span body, http_reply *reply)
{
    json_t *root = json_loadb (body.ptr, body.len, 0, NULL);
    const json_t *prompts = json_object_get (root, "prompt");
    p->texts += (int)json_array_size (prompts);
    esp_buf_clear (&p->reply);
    if (too_long (prompts)) {
        refuse (p, reply);
        json_decref (root);
        return;
    }
    PASS (esp_buf_puts (&p->reply, "{\"choices\":["));
    for (size_t i = 0; i < json_array_size (prompts); i++) {
        const char *text = json_string_value (json_array_get (prompts, i)),
                   *q = strstr (text, "\nQ");
        bool bad = strstr (text, "57") || strstr (text, "bad");
        if (q)
            p->questions |= 1 << (q[2] - '0');
        PASS (esp_buf_printf (&p->reply,
                              "%s{\"index\":%zu,\"logprobs\":{\"top_logprobs\":[{"
                              "\"token_id:10\":%d,\"token_id:12\":%d}]}}",
                              i > 0 ? "," : "", i, bad ? -4 : -1, bad ? -1 : -4));
    }
    PASS (esp_buf_puts (&p->reply, "]}"));
    json_decref (root);
    reply->body = esp_buf_span (&p->reply);
}

static inline void answer (void *ctx, const http_asked *asked, http_reply *reply)
{
    struct play *p = ctx;
    reply->body = span_of ("{\"detail\":\"Not Found\"}");
    if (strcmp (asked->path, "/version") == 0)
        reply->body = span_of ("{\"version\":\"0.32.0\"}");
    else if (strcmp (asked->path, "/v1/models") == 0)
        reply->body =
            span_of ("{\"object\":\"list\",\"data\":[{\"id\":\"prm\",\"max_model_len\":1024}]}");
    else if (strcmp (asked->path, "/tokenize") == 0)
        reply->body = span_of (p->trick == TAG_OF_TWO ? "{\"count\":2,\"tokens\":[1,2]}"
                                                      : "{\"count\":1,\"tokens\":[2003]}");
    else if (strcmp (asked->path, "/pooling") == 0 && p->trick != GENERATOR)
        answer_pooling (p, asked->body, reply);
    else if (strcmp (asked->path, "/v1/completions") == 0)
        answer_completions (p, asked->body, reply);
    else
        reply->status = 404;
}

/* ---- the engine ---- */

struct seen {
    unsigned calls;
    result r;
    double scores[32];
};

struct kit {
    struct play play, other; /* other: a second server, if two */
    bool two;
    const char *urls[2];
    const engine_kind *kind;
    void *state;
    prm_options options;
    server_options server;
    esp_clock clock;
    step_rule *rule;
    int view; /* enum step_view */
    chat *prompts;
    char url[64], traced[4096];
    task tasks[JOBS];
    job jobs[JOBS];
    span steps[JOBS][4];
    struct seen seen[JOBS];
    unsigned done;
};

static inline void on_done (void *ctx, const job *j, const result *r)
{
    struct kit *k = ctx;
    struct seen *s = &k->seen[j - k->jobs];
    s->calls++;
    s->r = *r;
    CHECK (r->id.number == j->task.id.number);
    for (uint32_t i = 0; i < r->score_count && i < 32; i++)
        s->scores[i] = r->scores[i];
    k->done++;
}

static inline void on_trace (void *ctx, const char *what, span text)
{
    struct kit *k = ctx;
    CHECK (strcmp (what, "PRM input") == 0);
    snprintf (k->traced, sizeof (k->traced), "%.*s", (int)text.len, text.ptr);
}

static inline void given_other (struct kit *k)
{
    http_server_setup web = {.answer = answer, .ctx = &k->other};
    PASS (esp_buf_reserve (&k->other.reply, 1 << 16));
    k->other.server = http_server_start (&web);
    k->urls[1] = http_server_url (k->other.server);
}

static inline void name_servers (struct kit *k)
{
    snprintf (k->url, sizeof (k->url), "%s", http_server_url (k->play.server));
    k->server = (server_options){.url = k->url,
                                 .verify_tls = true,
                                 .affinity = true,
                                 .proxy = "none",
                                 .in_flight = 64,
                                 .wait_s = 10,
                                 .first_byte_s = 10,
                                 .idle_s = 10,
                                 .total_s = 20,
                                 .tries = 4};
    if (k->two) {
        k->urls[0] = k->url;
        k->server.url = NULL;
        k->server.urls = (esp_strings){k->urls, 2};
    }
}

static inline esp_err
given_engine (struct kit *k, const char *name, enum trick trick, esp_error *why)
{
    http_server_setup web = {.answer = answer, .ctx = &k->play};
    engine_setup setup = {.options = &k->options,
                          .role = ENGINE_PRM,
                          .run_seed = 42,
                          .server = &k->server,
                          .clock = &k->clock,
                          .step = k->rule,
                          .chat = k->prompts,
                          .view = k->view,
                          .done = on_done,
                          .ctx = k,
                          .trace = on_trace,
                          .trace_ctx = k};
    signal (SIGPIPE, SIG_IGN);
    k->play.trick = (int)trick;
    PASS (esp_buf_reserve (&k->play.reply, 1 << 16)); /* no allocation in the server's thread */
    k->play.server = http_server_start (&web);
    if (k->two)
        given_other (k);
    k->clock = esp_clock_monotonic ();
    name_servers (k);
    if (k->options.batch_texts == 0)
        k->options =
            (prm_options){.cache_prompt = true,
                          .layout = {.tag_id = -1, .good_id = -1, .bad_id = -1, .column = -1},
                          .batch_texts = 32,
                          .batch_bytes = 1000000,
                          .top_logprobs = 20,
                          .samples = 1,
                          .max_tokens = 100};
    k->kind = engine_find (name, ENGINE_PRM);
    CU_ASSERT_PTR_NOT_NULL_FATAL (k->kind);
    setup.kind = k->kind;
    return k->kind->open (&setup, &k->state, why);
}

static inline void end_engine (struct kit *k)
{
    k->kind->close (k->state);
    http_server_stop (k->play.server);
    esp_buf_free (&k->play.reply);
    http_server_stop (k->other.server);
    esp_buf_free (&k->other.reply);
    step_rule_destroy (k->rule);
    chat_destroy (k->prompts);
}

static inline void turn (struct kit *k)
{
    struct pollfd fd = {.events = POLLIN};
    int fds[1];
    CU_ASSERT_EQUAL (k->kind->fds (k->state, fds, 1), 1);
    fd.fd = fds[0];
    (void)poll (&fd, 1, 20);
    k->kind->poll (k->state);
}

/* Until it is ready, or never will be. */
static inline esp_err wait_ready (struct kit *k, esp_error *why)
{
    time_t end = time (NULL) + PATIENCE_S;
    esp_err err = ESP_EEMPTY;
    while (err == ESP_EEMPTY && time (NULL) < end) {
        turn (k);
        *why = (esp_error){0};
        err = k->kind->ready (k->state, why);
    }
    return err;
}

static inline void wait_done (struct kit *k, unsigned done)
{
    time_t end = time (NULL) + PATIENCE_S;
    while (k->done < done && time (NULL) < end)
        turn (k);
    CU_ASSERT_EQUAL (k->done, done);
}

static inline struct kit *given_ready (enum trick trick)
{
    static struct kit k;
    esp_error why = {0};
    memset (&k, 0, sizeof (k));
    PASS (given_engine (&k, "vllm-pooling", trick, &why));
    PASS (wait_ready (&k, &why));
    return &k;
}

/* Job i: a path of up to 4 nodes. */
static inline void
given_job (struct kit *k, unsigned i, const char *const *nodes, const char *extra)
{
    size_t n = 0;
    for (; nodes[n]; n++)
        k->steps[i][n] = span_of (nodes[n]);
    k->jobs[i] =
        (job){.task = {.id = {1, i}, .kind = TASK_SCORE, .node = i, .extra = span_of (extra)},
              .problem = span_of ("{\"question\":\"Q?\"}"),
              .steps = k->steps[i],
              .step_count = n};
}

#define NODES(...) ((const char *const[]){__VA_ARGS__, NULL})

static inline void start (struct kit *k, unsigned first, unsigned count)
{
    const job *jobs[JOBS];
    for (unsigned i = 0; i < count; i++)
        jobs[i] = &k->jobs[first + i];
    k->kind->start (k->state, jobs, count);
}

static inline bool near (double a, double b)
{
    return fabs (a - b) < 1e-9;
}

static inline int run_cases (const char *module, const struct suite_case *cases)
{
    if (esp_log_open (-1, LOG_ERROR, NULL, LOG_ERROR) != ESP_OK)
        return 1;
    return suite_main (module, cases);
}

#endif
