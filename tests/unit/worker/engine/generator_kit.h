/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_WORKER_ENGINE_GENERATOR_KIT_H
#define ESP_TESTS_UNIT_WORKER_ENGINE_GENERATOR_KIT_H

/* generator_kit.h - a generator over HTTP with the sections of a run file, in front of a model server; jobs and what became of them */

#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/config/config.h"
#include "tests/support/model_server.h"
#include "tests/support/suite.h"
#include "worker/engine/generator_inner.h"
#include "worker/server/servers_inner.h"

enum { KIT_JOBS = 16, KIT_TEXT = 4096, KIT_PATIENCE_MS = 30000 };

static const char *const kit_kinds[] = {"vllm", "sglang", "llamacpp", "openai"};
enum { KIT_KINDS = 4 };

#define SUM "{\"problem\":\"What is 12 + 7 + 30?\"}"

struct got {
    unsigned calls;
    result r;
    char text[KIT_TEXT], server[200], reason[100];
    token_data tokens;
    char token_bytes[1 << 16];
};

struct gen {
    model_server *m;
    const engine_kind *kind;
    generator *state;
    engine_setup setup;
    server_options server;
    generator_options own;
    step_options step_how;
    prompt_options chat_how;
    step_rule *step;
    chat *chat;
    config *yaml;
    esp_clock clock;
    uint64_t ahead_ns;
    job jobs[KIT_JOBS];
    struct got got[KIT_JOBS];
    unsigned done, progress, traces;
    char part[KIT_TEXT], trace[KIT_TEXT], what[40];
    esp_error error;
};

static inline uint64_t kit_now (void *ctx)
{
    esp_clock real = esp_clock_monotonic ();
    return esp_clock_ns (&real) + ((const struct gen *)ctx)->ahead_ns;
}

static inline void kit_copy (char *out, size_t size, span text)
{
    snprintf (out, size, "%.*s", (int)text.len, text.ptr ? text.ptr : "");
}

static inline void kit_done (void *ctx, const job *j, const result *r)
{
    struct gen *g = ctx;
    struct got *at = &g->got[j->task.id.number];
    CHECK (j == &g->jobs[j->task.id.number] && r->id.number == j->task.id.number && at->calls == 0);
    at->calls++;
    g->done++;
    at->r = *r;
    kit_copy (at->text, sizeof (at->text), r->text);
    kit_copy (at->server, sizeof (at->server), r->server);
    kit_copy (at->reason, sizeof (at->reason), r->reason);
    if (r->token_data.len > 0 && r->token_data.len <= sizeof (at->token_bytes)) {
        memcpy (at->token_bytes, r->token_data.ptr, r->token_data.len);
        CHECK (token_data_decode (span_make (at->token_bytes, r->token_data.len), &at->tokens) ==
               ESP_OK);
    }
}

static inline void kit_progress (void *ctx, const job *j, span text)
{
    struct gen *g = ctx;
    CHECK (g->got[j->task.id.number].calls == 0 && text.len > 0);
    g->progress++;
    kit_copy (g->part, sizeof (g->part), text);
}

static inline void kit_trace (void *ctx, const char *what, span text)
{
    struct gen *g = ctx;
    g->traces++;
    snprintf (g->what, sizeof (g->what), "%s", what);
    kit_copy (g->trace, sizeof (g->trace), text);
}

/* sections: of a run file, "step: ..\nprompt: ..\ngenerator: .."; url NULL: in them. */
static inline esp_err
kit_try_open (struct gen *g, const char *kind, const char *url, const char *sections)
{
    const esp_option *rows[] = {server_option_rows, generator_option_rows};
    void *into[] = {&g->server, &g->own};
    esp_err err;
    signal (SIGPIPE, SIG_IGN);
    g->kind = engine_find (kind, ENGINE_GENERATOR);
    PASS (config_parse (span_of (sections ? sections : "{}"), "test", &g->yaml, &g->error));
    PASS (config_bind (g->yaml, "generator", rows, into, 2));
    PASS (config_bind (g->yaml, "step", (const esp_option *[]){step_option_rows},
                       (void *[]){&g->step_how}, 1));
    PASS (config_bind (g->yaml, "prompt", (const esp_option *[]){prompt_option_rows},
                       (void *[]){&g->chat_how}, 1));
    CU_ASSERT_EQUAL_FATAL (config_mistakes (g->yaml, NULL), 0);
    PASS (step_rule_create (&g->step_how, &g->step, &g->error));
    PASS (chat_create (&g->chat_how, &g->chat, &g->error));
    if (url)
        g->server.url = url;
    g->server.proxy = "none";
    g->clock = (esp_clock){kit_now, g};
    g->setup.kind = g->kind;
    g->setup.options = &g->own;
    g->setup.role = ENGINE_GENERATOR;
    g->setup.server = &g->server;
    g->setup.step = g->step;
    g->setup.chat = g->chat;
    g->setup.clock = &g->clock;
    g->setup.done = kit_done;
    g->setup.progress = kit_progress;
    g->setup.trace = kit_trace;
    g->setup.ctx = g->setup.trace_ctx = g;
    err = g->kind->open (&g->setup, (void **)&g->state, &g->error);
    return err;
}

static inline void kit_pass (struct gen *g)
{
    int fd = -1;
    (void)g->kind->fds (g->state, &fd, 1);
    (void)poll (&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 5);
    g->kind->poll (g->state);
}

#define UNTIL(g, condition)                                                                        \
    do {                                                                                           \
        esp_clock until_real_ = esp_clock_monotonic ();                                            \
        uint64_t until_ = esp_clock_ns (&until_real_) + (uint64_t)KIT_PATIENCE_MS * 1000000;       \
        while (!(condition) && esp_clock_ns (&until_real_) < until_)                               \
            kit_pass (g);                                                                          \
        CHECK (condition);                                                                         \
    } while (0)

/* Open, and wait until it is ready. */
static inline void kit_open (struct gen *g, const char *kind, const char *url, const char *sections)
{
    PASS (kit_try_open (g, kind, url, sections));
    UNTIL (g, g->kind->ready (g->state, &g->error) != ESP_EEMPTY);
    if (g->kind->ready (g->state, &g->error) != ESP_OK)
        printf ("    %s is not ready: %s\n", kind, g->error.text);
    PASS (g->kind->ready (g->state, &g->error));
}

/* With a model server of that kind; more: its options, NULL at the end, or NULL. */
static inline void
kit_serve (struct gen *g, const char *kind, const char *sections, const char *const *more)
{
    const char *options[16] = {"--kind", kind};
    size_t n = 2;
    for (; more && *more; more++)
        options[n++] = *more;
    memset (g, 0, sizeof (*g));
    g->m = model_server_start (options);
    kit_open (g, kind, model_server_url (g->m), sections);
}

static inline void kit_end (struct gen *g)
{
    g->kind->close (g->state);
    step_rule_destroy (g->step);
    chat_destroy (g->chat);
    config_destroy (g->yaml);
    CHECK (esp_alloc_live () == 0);
    model_server_stop (g->m);
}

/* Job i: a step from the root of problem i / 8 + 1, with seed 100 + i. */
static inline job *
kit_job (struct gen *g, uint32_t i, const char *asked, const span *steps, size_t n)
{
    g->got[i] = (struct got){.calls = 0};
    g->jobs[i] = (job){.task = {.id = {7, i},
                                .kind = TASK_GENERATE,
                                .mode = TASK_STEP,
                                .node = (node_ref)n,
                                .child = 10 + i,
                                .ordinal = i,
                                .seed = 100 + i,
                                .max_tokens = 200,
                                .max_steps = 1,
                                .how = {.temperature = 0.8, .top_p = 1}},
                       .problem = span_of (asked),
                       .steps = steps,
                       .step_count = n};
    return &g->jobs[i];
}

/* Jobs [0, n): the same problem. */
static inline void kit_siblings (struct gen *g, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        kit_job (g, i, SUM, NULL, 0);
}

static inline void kit_start (struct gen *g, uint32_t n)
{
    const job *list[KIT_JOBS];
    for (uint32_t i = 0; i < n; i++)
        list[i] = &g->jobs[i];
    g->done = 0;
    g->kind->start (g->state, list, n);
}

static inline void kit_do (struct gen *g, uint32_t n)
{
    kit_start (g, n);
    UNTIL (g, g->done == n);
}

static inline uint64_t kit_requests (const struct gen *g)
{
    return server_counts_of (servers_at (g->state->servers, 0))->requests;
}

static inline void kit_same (const char *got, const char *want)
{
    CU_ASSERT_STRING_EQUAL (got, want);
    if (strcmp (got, want) != 0)
        printf ("    '%s' is not '%s'\n", got, want);
}

static inline bool has (const char *text, const char *part)
{
    return strstr (text, part) != NULL;
}

#endif
