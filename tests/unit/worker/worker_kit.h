/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_WORKER_WORKER_KIT_H
#define ESP_TESTS_UNIT_WORKER_WORKER_KIT_H

/* worker_kit.h - a worker's loop over an in-memory link, with the coordinator's end moved by hand
 *
 * The toy generator keeps its jobs until the test finishes them; the toy scorer finishes them inside start().
 */

#include "worker/loop.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/log.h"
#include "proto/link/link_memory.h"
#include "proto/wire/wire.h"
#include "tests/support/suite.h"

enum { MOST = 64, RUN = 77 };

struct toy { /* the engine's state is the whole kit */
    link_end *ends[2];
    uint64_t now_ns, lease_base; /* leases of the next batch are lease_base + 100 + number */
    esp_clock clock;
    worker_loop *loop;
    wire_codec *in, *out;
    bool refuse, infinite; /* open fails; scores are infinite */
    esp_err ready;         /* what the generator answers when it is asked */
    uint32_t own_slots;    /* the generator's own number */
    bool score_out;        /* the scorer's servers are out */
    unsigned polls;
    unsigned opened, closed, starts;
    engine_setup setup;
    const job *jobs[MOST];
    size_t count;
    size_t largest_start;
    /* what the coordinator heard */
    unsigned kinds[WIRE_KINDS];
    struct {
        uint32_t number;
        uint64_t lease;
        esp_err error;
        char text[64];
    } results[MOST];
    size_t result_count;
    uint32_t missing[MOST];
    size_t missing_count;
    uint32_t in_flight, slots;
    char refused[64], line[64]; /* of READY */
    char part[1100];            /* the last partial text */
    const char *chosen;         /* the model that the generator's servers chose */
    char models[128];           /* of READY: kind entry model server; ... */
};

static inline uint64_t toy_now (void *ctx)
{
    return ((const struct toy *)ctx)->now_ns;
}

/* ---- the engines ---- */

static inline void generate_start (void *state, const job *const *jobs, size_t n)
{
    struct toy *t = state;
    t->starts++;
    t->largest_start = n > t->largest_start ? n : t->largest_start;
    for (size_t i = 0; i < n; i++)
        t->jobs[t->count++] = jobs[i];
}

static inline void generate_cancel (void *state, const job *j)
{
    struct toy *t = state;
    for (size_t i = 0; i < t->count; i++)
        if (t->jobs[i] == j)
            t->jobs[i] = t->jobs[--t->count];
}

static inline void score_start (void *state, const job *const *jobs, size_t n)
{
    struct toy *t = state;
    double score = t->infinite ? INFINITY : 0.5;
    for (size_t i = 0; i < n; i++) {
        result r = {.id = jobs[i]->task.id,
                    .scores = &score,
                    .score_count = 1,
                    .score_own = 1,
                    .logprob = NAN,
                    .mean_logprob = NAN,
                    .share = NAN};
        t->setup.done (t->setup.ctx, jobs[i], &r);
    }
}

static inline void generate_poll (void *state)
{
    ((struct toy *)state)->polls++;
}

static inline esp_err generate_ready (void *state, esp_error *why)
{
    const struct toy *t = state;
    return t->ready == ESP_OK ? ESP_OK : esp_error_set (why, t->ready, "the toy is broken");
}

static inline uint32_t generate_slots (const void *state)
{
    return ((const struct toy *)state)->own_slots;
}

static inline size_t generate_models (const void *state, engine_model *out, size_t max)
{
    const struct toy *t = state;
    if (!t->chosen || max == 0)
        return 0;
    *out = (engine_model){"small", t->chosen, "http://here"};
    return 1;
}

static const engine_kind generate_kind = {.name = "toy",
                                          .start = generate_start,
                                          .poll = generate_poll,
                                          .cancel = generate_cancel,
                                          .slots = generate_slots,
                                          .models = generate_models,
                                          .ready = generate_ready};
static inline esp_err score_ready (void *state, esp_error *why)
{
    const struct toy *t = state;
    return t->score_out ? esp_error_set (why, ESP_EEMPTY, "the toy scorer is out") : ESP_OK;
}

static inline uint32_t score_slots (const void *state)
{
    return ((const struct toy *)state)->score_out ? 0 : 64;
}

static const engine_kind score_kind = {
    .name = "toy", .start = score_start, .slots = score_slots, .ready = score_ready};

static inline esp_err
toy_open (void *ctx, span run_file, const engine_setup *base, worker_engines *out, esp_error *error)
{
    struct toy *t = ctx;
    CHECK (span_is (run_file, "run: {}"));
    if (t->refuse)
        return esp_error_set (error, ESP_ENOENT, "no model here");
    t->opened++;
    t->setup = *base;
    out->of[TASK_GENERATE].kind = &generate_kind;
    out->of[TASK_SCORE].kind = &score_kind;
    out->of[TASK_GENERATE].state = out->of[TASK_SCORE].state = t;
    out->slots[TASK_GENERATE] = 7;
    return ESP_OK;
}

static inline void toy_close (void *ctx, worker_engines *engines)
{
    (void)engines;
    ((struct toy *)ctx)->closed++;
}

/* Finish the job of this task, whose text shows what it got. */
static inline void finish (struct toy *t, uint32_t number)
{
    char text[64] = "";
    for (size_t i = 0; i < t->count; i++) {
        const job *j = t->jobs[i];
        result r = {.id = j->task.id,
                    .tokens = 1,
                    .steps = 1,
                    .logprob = NAN,
                    .mean_logprob = NAN,
                    .share = NAN};
        if (j->task.id.number != number)
            continue;
        for (size_t s = 0; s < j->step_count; s++)
            strncat (text, j->steps[s].ptr, j->steps[s].len);
        strncat (text, "+", 2);
        r.text = span_of (text);
        t->jobs[i] = t->jobs[--t->count];
        t->setup.done (t->setup.ctx, j, &r);
        return;
    }
    CU_FAIL ("the engine has that job");
}

/* ---- the coordinator ---- */

static inline esp_err tell (struct toy *t, wire_message *m)
{
    esp_buf bytes = {0};
    esp_err err;
    m->run_id = m->run_id ? m->run_id : RUN;
    if ((err = wire_encode (t->out, m, &bytes)) == ESP_OK)
        err = link_send (t->ends[0], 1, esp_buf_span (&bytes));
    esp_buf_free (&bytes);
    return err;
}

static inline void tell_kind (struct toy *t, enum wire_kind kind)
{
    wire_message m = {.kind = (uint8_t)kind};
    PASS (tell (t, &m));
}

static inline esp_err welcome (struct toy *t)
{
    wire_message m = {.kind = WIRE_WELCOME, .u.welcome = {1, span_of ("run: {}"), 60000}};
    return tell (t, &m);
}

/* Tasks first .. first + n - 1 below node 2 (path 1, 2); texts go along or not. */
static inline esp_err
give (struct toy *t, uint32_t first, size_t n, enum task_kind kind, bool whole)
{
    problem p = {1, span_of ("p"), span_of ("{}"), 0};
    wire_step steps[2] = {{1, whole, span_of (whole ? "a" : ""), 5},
                          {2, whole, span_of (whole ? "b" : ""), 7}};
    wire_prefix prefix = {1, steps, 2};
    wire_task tasks[MOST] = {{.lease = 0}};
    wire_message m = {.kind = WIRE_BATCH, .u.batch = {&p, whole, &prefix, 1, tasks, n}};
    for (uint32_t i = 0; i < n; i++)
        tasks[i] = (wire_task){.task = {.id = {1, first + i},
                                        .kind = (uint8_t)kind,
                                        .node = 2,
                                        .child = 3 + first + i,
                                        .max_tokens = 9,
                                        .max_steps = 1},
                               .lease = t->lease_base + 100 + first + i};
    return tell (t, &m);
}

static inline void cancel (struct toy *t, uint32_t number)
{
    task_id id = {1, number};
    wire_message m = {.kind = WIRE_CANCEL, .u.ids = {&id, 1}};
    PASS (tell (t, &m));
}

static inline void note (struct toy *t, const wire_message *m)
{
    t->kinds[m->kind]++;
    if (m->kind == WIRE_RESULTS)
        for (size_t i = 0; i < m->u.results.count; i++) {
            const wire_result *r = &m->u.results.results[i];
            t->results[t->result_count].number = r->result.id.number;
            t->results[t->result_count].lease = r->lease;
            t->results[t->result_count].error = r->result.error;
            memset (t->results[t->result_count].text, 0, sizeof (t->results[0].text));
            memcpy (t->results[t->result_count++].text,
                    r->result.text.len ? r->result.text.ptr : "",
                    r->result.text.len < 63 ? r->result.text.len : 63);
        }
    if (m->kind == WIRE_MISSING)
        for (size_t i = 0; i < m->u.ids.count; i++)
            t->missing[t->missing_count++] = m->u.ids.ids[i].number;
    if (m->kind == WIRE_READY) {
        t->slots = m->u.ready.slots[TASK_GENERATE];
        snprintf (t->line, sizeof (t->line), "%.*s", (int)m->u.ready.engines.len,
                  m->u.ready.engines.ptr);
        t->models[0] = 0;
        for (size_t i = 0; i < m->u.ready.model_count; i++) {
            const wire_model *k = &m->u.ready.models[i];
            size_t len = strlen (t->models);
            snprintf (t->models + len, sizeof (t->models) - len, "%d %.*s %.*s %.*s;", k->kind,
                      (int)k->entry.len, k->entry.ptr, (int)k->model.len, k->model.ptr,
                      (int)k->server.len, k->server.ptr);
        }
    }
    if (m->kind == WIRE_PROGRESS)
        snprintf (t->part, sizeof (t->part), "%u:%.*s", m->u.progress.id.number,
                  (int)m->u.progress.text.len, m->u.progress.text.ptr);
    if (m->kind == WIRE_PONG)
        t->in_flight = m->u.ping.in_flight[TASK_GENERATE];
    if (m->kind == WIRE_REFUSED)
        memcpy (t->refused, m->u.refused.ptr, m->u.refused.len < 63 ? m->u.refused.len : 63);
}

static inline void hear (struct toy *t)
{
    link_event got;
    wire_message m;
    while (link_poll (t->ends[0], &got) == ESP_OK)
        if (got.kind == LINK_MESSAGE && wire_decode (t->in, got.bytes, &m) == ESP_OK)
            note (t, &m);
}

static inline bool pass (struct toy *t)
{
    bool busy = false;
    PASS (worker_loop_pass (t->loop, &busy));
    hear (t);
    return busy;
}

static inline esp_err toy_create (struct toy *t)
{
    worker_setup setup = {NULL, &t->clock, 5, 10.0, toy_open, toy_close, t, 0};
    esp_err err;
    t->clock = (esp_clock){toy_now, t};
    t->now_ns = 1;
    if ((err = link_memory_open (2, t->ends)) != ESP_OK)
        return err;
    setup.link = t->ends[1];
    if ((err = wire_codec_create (&t->in)) != ESP_OK ||
        (err = wire_codec_create (&t->out)) != ESP_OK)
        return err;
    return worker_loop_create (&setup, &t->loop);
}

static inline void end (struct toy *t)
{
    worker_loop_destroy (t->loop);
    CHECK (t->closed == t->opened); /* engines are closed as often as opened */
    wire_codec_destroy (t->in);
    wire_codec_destroy (t->out);
    link_close (t->ends[0], true);
    link_close (t->ends[1], true);
    free (t);
    CHECK (esp_alloc_live () == 0);
}

static inline struct toy *given_loop (bool refuse)
{
    struct toy *t = calloc (1, sizeof (*t));
    CU_ASSERT_FATAL (t != NULL);
    t->refuse = refuse;
    t->own_slots = 64;
    PASS (toy_create (t));
    return t;
}

static inline struct toy *given_open_loop (void)
{
    struct toy *t = given_loop (false);
    PASS (welcome (t));
    pass (t);
    return t;
}

#endif
