/* SPDX-License-Identifier: Apache-2.0 */
/* loop.c - a worker's pass: link -> jobs -> engines -> results -> link */

#include "worker/loop.h"
#include <string.h>
#include <unistd.h>
#include "proto/base/alloc.h"
#include "proto/base/log.h"
#include "proto/wire/wire.h"
#include "worker/jobs.h"

enum {
    MESSAGES_A_PASS = 64,
    DEFAULT_SLOTS = 64, /* jobs in flight of an engine that states no number */
    MOST_FDS = 64,
    WAIT_SAID_S = 10, /* a line in the log so often while engines are not ready */
    CREDIT_NS =
        100000000, /* changes of credits, other than to and from 0, are said at most this often */
    READY_MOST = 4096 /* results waiting for the link; more: no new messages are taken */
};

struct worker_loop {
    worker_setup setup;
    wire_codec *in, *out; /* owned */
    jobs *jobs;           /* owned */
    worker_engines engines;
    bool open;    /* engines are open */
    bool ready;   /* and every one of them is ready */
    bool refused; /* they never will be: `why` */
    bool owes;    /* READY or REFUSED, which the link did not take yet */
    bool draining;
    uint32_t credits[TASK_KINDS]; /* as said last */
    uint64_t said_ns,
        waits_ns; /* when READY was said; since when, or since the last line, engines are waited for */
    esp_error why;
    enum worker_end end;
    uint64_t run_id, heard_ns, silence_ns;
    esp_buf bytes;
    bool moved;
};

/* ---- sending ---- */

static esp_err say (worker_loop *w, wire_message *m)
{
    esp_err err;
    m->run_id = w->run_id;
    esp_buf_clear (&w->bytes);
    if ((err = wire_encode (w->out, m, &w->bytes)) != ESP_OK)
        return err;
    return link_send (w->setup.link, 0, esp_buf_span (&w->bytes));
}

static esp_err say_hello (worker_loop *w)
{
    wire_message m = {.kind = WIRE_HELLO,
                      .u.hello = {.version = w->setup.version, .pid = (uint32_t)getpid ()}};
    char host[64] = "?";
    (void)gethostname (host, sizeof (host) - 1); /* only for people */
    m.u.hello.host = span_of (host);
    return say (w, &m);
}

/* What the wire refuses - a text over its limit, an infinite score - becomes an error of that one task. */
static esp_err send_ready (worker_loop *w)
{
    size_t sent = 0, count, n;
    const wire_result *ready = jobs_ready (w->jobs, &count);
    esp_err err = ESP_OK;
    if (count == 0)
        return ESP_OK;
    n = count;
    while (sent < count && err == ESP_OK) {
        wire_message m = {.kind = WIRE_RESULTS, .u.results = {ready + sent, n}};
        err = say (w, &m);
        if (err == ESP_OK) {
            sent += n;
            n = count - sent;
        } else if (err == ESP_ETOOBIG || err == ESP_EINVAL) {
            err = ESP_OK;
            if (n == 1)
                jobs_ready_spoil (w->jobs, sent);
            n = (n + 1) / 2;
        }
    }
    jobs_ready_sent (w->jobs, sent);
    w->moved = w->moved || sent > 0;
    return err;
}

static esp_err send_missing (worker_loop *w)
{
    wire_message m = {.kind = WIRE_MISSING};
    esp_err err;
    m.u.ids.ids = jobs_missing (w->jobs, &m.u.ids.count);
    if (m.u.ids.count == 0)
        return ESP_OK;
    if ((err = say (w, &m)) == ESP_OK)
        jobs_missing_sent (w->jobs);
    return err;
}

/* Partial texts that the link does not take are of no use later. */
static esp_err send_progress (worker_loop *w)
{
    wire_message m;
    esp_err err = ESP_OK;
    while (err == ESP_OK && jobs_progress_next (w->jobs, &m))
        err = say (w, &m);
    jobs_progress_forget (w->jobs);
    return err;
}

/* A full link takes them at a later pass. */
static esp_err flush_results (worker_loop *w)
{
    esp_err err = send_ready (w);
    if (err == ESP_OK)
        err = send_missing (w);
    if (err == ESP_OK)
        err = send_progress (w);
    return err == ESP_EFULL ? ESP_OK : err;
}

/* ---- the coordinator speaks ---- */

/* How many jobs of a kind are wanted in flight now. */
static uint32_t credits_now (const worker_loop *w, int k)
{
    const engine_kind *kind = w->engines.of[k].kind;
    uint32_t wanted = w->engines.slots[k], own = DEFAULT_SLOTS;
    if (!kind)
        return 0;
    if (kind->slots)
        own = kind->slots (w->engines.of[k].state);
    return own == 0 || wanted == 0 ? own : wanted;
}

/* As engine_kind.ready, but *why is filled whenever it is not. */
static esp_err engine_ready (const worker_loop *w, int k, esp_error *why)
{
    const engine_kind *kind = w->engines.of[k].kind;
    esp_error own = {0};
    esp_err err = kind && kind->ready ? kind->ready (w->engines.of[k].state, &own) : ESP_OK;
    if (err == ESP_OK)
        return ESP_OK;
    if (own.text[0] == 0)
        esp_error_set (&own, err, "%s %s: not ready", task_kind_names[k], kind->name);
    *why = own;
    return err;
}

/* ESP_EEMPTY: *why says whom we wait for; other errors are for ever. */
static esp_err engines_ready (const worker_loop *w, esp_error *why)
{
    esp_err all = ESP_OK;
    for (int k = 0; k < TASK_KINDS; k++) {
        esp_error own = {0};
        esp_err err = engine_ready (w, k, &own);
        if (err == ESP_OK || (err == ESP_EEMPTY && all != ESP_OK))
            continue;
        *why = own;
        if (err != ESP_EEMPTY)
            return err;
        all = err;
    }
    return all;
}

static span name_of (const char *text)
{
    return text ? span_make (text, strnlen (text, WIRE_NAME_MAX)) : span_of ("");
}

/* What servers chose to have: the coordinator sees to it that all workers have the same. */
static size_t collect_models (const worker_loop *w, wire_model *out)
{
    engine_model own[WIRE_MODELS_MAX];
    size_t n = 0;
    for (int k = 0; k < TASK_KINDS; k++) {
        const engine_kind *kind = w->engines.of[k].kind;
        size_t count = kind && kind->models
                           ? kind->models (w->engines.of[k].state, own, WIRE_MODELS_MAX - n)
                           : 0;
        for (size_t i = 0; i < count; i++)
            out[n++] = (wire_model){(uint8_t)k, name_of (own[i].name), name_of (own[i].model),
                                    name_of (own[i].server)};
    }
    return n;
}

/* Its line: the engines, or why one of them takes nothing: one that did so far, before one that was out already. */
static esp_err say_ready (worker_loop *w)
{
    wire_message m = {.kind = WIRE_READY, .u.ready.engines = span_of (w->engines.line)};
    wire_model models[WIRE_MODELS_MAX];
    esp_error why = {0};
    esp_err err;
    for (int k = 0; k < TASK_KINDS; k++) {
        const engine_kind *kind = w->engines.of[k].kind;
        m.u.ready.slots[k] = credits_now (w, k);
        if (kind && m.u.ready.slots[k] == 0 && (why.text[0] == 0 || w->credits[k] > 0) &&
            engine_ready (w, k, &why) != ESP_OK)
            m.u.ready.engines = span_of (why.text);
    }
    m.u.ready.models = models;
    m.u.ready.model_count = collect_models (w, models);
    if ((err = say (w, &m)) == ESP_OK) {
        memcpy (w->credits, m.u.ready.slots, sizeof (w->credits));
        w->said_ns = esp_clock_ns (w->setup.clock);
    }
    return err;
}

static esp_err say_state (worker_loop *w)
{
    wire_message refused = {.kind = WIRE_REFUSED, .u.refused = span_of (w->why.text)};
    esp_err err = w->refused ? say (w, &refused) : say_ready (w);
    w->owes = err == ESP_EFULL;
    return err == ESP_EFULL ? ESP_OK : err;
}

static bool credits_changed (const worker_loop *w)
{
    bool due = esp_clock_ns (w->setup.clock) - w->said_ns >= CREDIT_NS;
    for (int k = 0; k < TASK_KINDS; k++) {
        uint32_t now = credits_now (w, k);
        if (now != w->credits[k] && (due || now == 0 || w->credits[k] == 0))
            return true;
    }
    return false;
}

static void say_waiting (worker_loop *w, const esp_error *why)
{
    uint64_t now = esp_clock_ns (w->setup.clock);
    if (now - w->waits_ns < (uint64_t)WAIT_SAID_S * 1000000000)
        return;
    w->waits_ns = now;
    esp_log (LOG_WARN, "WORKER-WAITS", "not ready yet: %s", why->text);
}

/* What the coordinator should know about the engines, when it is news. */
static esp_err tell_state (worker_loop *w)
{
    esp_error why = {0};
    esp_err err;
    if (w->open && !w->ready && !w->refused) {
        if ((err = engines_ready (w, &why)) == ESP_EEMPTY) {
            say_waiting (w, &why);
            return ESP_OK;
        }
        w->ready = err == ESP_OK;
        w->refused = err != ESP_OK;
        w->why = why;
        w->owes = true;
    }
    if (w->owes || (w->ready && credits_changed (w)))
        return say_state (w);
    return ESP_OK;
}

static esp_err take_welcome (worker_loop *w, const wire_message *m)
{
    engine_setup base = {.rank = w->setup.link->rank,
                         .local_rank = w->setup.link->local_rank,
                         .clock = w->setup.clock,
                         .done = jobs_done,
                         .progress = jobs_progress,
                         .ctx = w->jobs};
    if (w->open || w->refused) { /* again: say again what is known */
        w->owes = w->ready || w->refused;
        return ESP_OK;
    }
    w->run_id = m->run_id;
    w->silence_ns = (uint64_t)m->u.welcome.silence_ms * 1000000;
    w->open =
        w->setup.open (w->setup.ctx, m->u.welcome.run_file, &base, &w->engines, &w->why) == ESP_OK;
    w->refused = w->owes = !w->open;
    w->waits_ns = esp_clock_ns (w->setup.clock);
    return ESP_OK;
}

static esp_err take_message (worker_loop *w, const wire_message *m)
{
    wire_message pong = {.kind = WIRE_PONG};
    switch ((enum wire_kind)m->kind) {
    case WIRE_WELCOME:
        return take_welcome (w, m);
    case WIRE_BATCH:
        if (w->ready)
            jobs_batch (w->jobs, m);
        return ESP_OK;
    case WIRE_CANCEL:
        jobs_cancel (w->jobs, m);
        return ESP_OK;
    case WIRE_PING:
        jobs_watched (w->jobs, m->u.ping.watched);
        pong.u.ping.sequence = m->u.ping.sequence;
        memcpy (pong.u.ping.in_flight, jobs_in_flight (w->jobs), sizeof (pong.u.ping.in_flight));
        return say (w, &pong);
    case WIRE_DRAIN:
        w->draining = true;
        return ESP_OK;
    case WIRE_STOP:
        w->end = WORKER_TOLD;
        return ESP_OK;
    default: /* a worker's own kinds: a confused peer */
        return ESP_OK;
    }
}

static esp_err take_bytes (worker_loop *w, span bytes)
{
    wire_message m;
    esp_err err = wire_decode (w->in, bytes, &m);
    if (err == ESP_ENOMEM)
        return err;
    if (err != ESP_OK) {
        esp_log (LOG_ERROR, "WORKER-GARBAGE",
                 "a message of %zu bytes from the coordinator: %s; dropped", bytes.len,
                 esp_err_text (err));
        return ESP_OK;
    }
    w->heard_ns = esp_clock_ns (w->setup.clock);
    if (w->run_id && m.run_id != w->run_id)
        return ESP_OK;
    err = take_message (w, &m);
    return err == ESP_EFULL ? ESP_OK : err; /* a pong that does not fit is asked for again */
}

static size_t waiting (const worker_loop *w)
{
    size_t count;
    (void)jobs_ready (w->jobs, &count);
    return count;
}

static esp_err receive (worker_loop *w)
{
    link_event got;
    esp_err err = ESP_OK;
    for (int i = 0; i < MESSAGES_A_PASS && w->end == WORKER_RUNS && waiting (w) < READY_MOST; i++) {
        if ((err = link_poll (w->setup.link, &got)) != ESP_OK)
            break;
        w->moved = true;
        if (got.rank != 0)
            continue;
        if (got.kind == LINK_DOWN)
            w->end = WORKER_ALONE;
        else if ((err = take_bytes (w, got.bytes)) != ESP_OK)
            break;
    }
    return err == ESP_EEMPTY ? ESP_OK : err;
}

/* ---- life ---- */

esp_err worker_loop_create (const worker_setup *setup, worker_loop **out)
{
    worker_loop *w;
    esp_err err;
    if (!setup || !out || !setup->link || !setup->open)
        return ESP_EINVAL;
    if (!(w = esp_calloc (1, sizeof (*w))))
        return ESP_ENOMEM;
    w->setup = *setup;
    w->silence_ns = (uint64_t)(setup->patience_s * 1e9);
    w->heard_ns = esp_clock_ns (setup->clock);
    if ((err = wire_codec_create (&w->in)) != ESP_OK ||
        (err = wire_codec_create (&w->out)) != ESP_OK ||
        (err = jobs_create (setup->clock, &w->engines, setup->store_bytes, &w->jobs)) != ESP_OK ||
        (err = say_hello (w)) != ESP_OK) {
        worker_loop_destroy (w);
        return err;
    }
    *out = w;
    return ESP_OK;
}

void worker_loop_destroy (worker_loop *w)
{
    if (!w)
        return;
    if (w->open)
        w->setup.close (w->setup.ctx, &w->engines); /* first: no done() into freed jobs */
    jobs_destroy (w->jobs);
    esp_buf_free (&w->bytes);
    wire_codec_destroy (w->in);
    wire_codec_destroy (w->out);
    esp_free (w);
}

uint32_t worker_loop_in_flight (const worker_loop *w)
{
    uint32_t sum = 0;
    for (int k = 0; k < TASK_KINDS; k++)
        sum += jobs_in_flight (w->jobs)[k];
    return sum;
}

bool worker_loop_prepares (const worker_loop *w)
{
    return w->open && !w->ready && !w->refused;
}

esp_err worker_loop_pass (worker_loop *w, bool *busy)
{
    esp_err err;
    w->moved = false;
    if ((err = receive (w)) != ESP_OK)
        return err;
    for (int k = 0; w->open && k < TASK_KINDS; k++)
        if (w->engines.of[k].kind && w->engines.of[k].kind->poll)
            w->engines.of[k].kind->poll (w->engines.of[k].state);
    w->moved = jobs_moved (w->jobs) || w->moved;
    /* News of credits first: what is handed back must not be sent here again. */
    if ((err = tell_state (w)) != ESP_OK || (err = flush_results (w)) != ESP_OK)
        return err;
    if (w->draining && worker_loop_in_flight (w) == 0 && waiting (w) == 0)
        w->end = WORKER_TOLD;
    if (!w->moved && w->end == WORKER_RUNS && w->silence_ns > 0 &&
        esp_clock_ns (w->setup.clock) - w->heard_ns > w->silence_ns)
        w->end = WORKER_ALONE;
    *busy = w->moved;
    return jobs_no_memory (w->jobs) ? ESP_ENOMEM : ESP_OK;
}

void worker_loop_wait (worker_loop *w, uint64_t timeout_ns)
{
    int fds[MOST_FDS];
    size_t n = 0;
    for (int k = 0; w->open && k < TASK_KINDS; k++)
        if (w->engines.of[k].kind && w->engines.of[k].kind->fds)
            n += w->engines.of[k].kind->fds (w->engines.of[k].state, fds + n, MOST_FDS - n);
    link_wait (w->setup.link, timeout_ns, fds, n);
}

enum worker_end worker_loop_end (const worker_loop *w)
{
    return w->end;
}
