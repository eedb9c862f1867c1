/* SPDX-License-Identifier: Apache-2.0 */
/* loop.c - a worker's pass: link -> jobs -> engines -> results -> link
 *
 * Invariants:
 *   I1  a job is in the table of jobs from start() until done() or cancel(); its problem is pinned as long
 *   I2  results wait in `ready` until the link took them; their texts live in `kept`
 */

#include "worker/loop.h"
#include <assert.h>
#include <math.h>
#include <string.h>
#include <unistd.h>
#include "proto/base/alloc.h"
#include "proto/base/arena.h"
#include "proto/base/hash.h"
#include "proto/base/log.h"
#include "proto/wire/wire.h"
#include "worker/store.h"

enum {
    MESSAGES_A_PASS = 64,
    DEFAULT_SLOTS = 64, /* jobs in flight of an engine that states no number */
    MOST_FDS = 64,
    READY_MOST = 4096 /* results waiting for the link; more: no new messages are taken */
};

struct work { /* a job and what it owns */
    job job;
    uint64_t lease;
    uint64_t got_ns;
    struct work *next; /* same hash */
    span steps[];
};

struct worker_loop {
    worker_setup setup;
    wire_codec *in, *out; /* owned */
    store *store;         /* owned */
    worker_engines engines;
    bool open; /* engines are open */
    bool draining;
    enum worker_end end;
    uint64_t run_id, heard_ns, silence_ns;
    struct work **table; /* owned; jobs by task id */
    size_t table_cap;
    uint32_t in_flight[TASK_KINDS];
    wire_result *ready; /* owned */
    size_t ready_count, ready_cap;
    esp_arena *kept;  /* texts of ready results */
    task_id *missing; /* owned */
    size_t missing_count, missing_cap;
    struct work **batch; /* owned; jobs of the message being read, in order */
    size_t batch_count, batch_cap;
    const job **starting; /* owned scratch */
    size_t starting_cap;
    esp_buf bytes;
    bool moved, no_memory;
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

static wire_result failed_result (uint64_t lease, task_id id, esp_err error)
{
    return (wire_result){
        .lease = lease,
        .result = {.id = id, .error = error, .logprob = NAN, .mean_logprob = NAN, .share = NAN}};
}

/* What the wire refuses - a text over its limit, an infinite score - becomes an error of that one task. */
static esp_err send_ready (worker_loop *w)
{
    size_t sent = 0, n = w->ready_count;
    esp_err err = ESP_OK;
    while (sent < w->ready_count && err == ESP_OK) {
        wire_message m = {.kind = WIRE_RESULTS, .u.results = {w->ready + sent, n}};
        err = say (w, &m);
        if (err == ESP_OK) {
            sent += n;
            n = w->ready_count - sent;
        } else if (err == ESP_ETOOBIG || err == ESP_EINVAL) {
            err = ESP_OK;
            if (n == 1)
                w->ready[sent] =
                    failed_result (w->ready[sent].lease, w->ready[sent].result.id, ESP_EENGINE);
            n = (n + 1) / 2;
        }
    }
    for (size_t i = sent; i < w->ready_count; i++)
        w->ready[i - sent] = w->ready[i];
    w->ready_count -= sent;
    w->moved = w->moved || sent > 0;
    if (w->ready_count == 0)
        esp_arena_reset (w->kept);
    return err;
}

static esp_err flush_results (worker_loop *w)
{
    wire_message m = {.kind = WIRE_MISSING};
    esp_err err;
    if (w->ready_count > 0 && (err = send_ready (w)) != ESP_OK)
        return err == ESP_EFULL ? ESP_OK : err;
    if (w->missing_count > 0) {
        m.u.ids.ids = w->missing;
        m.u.ids.count = w->missing_count;
        if ((err = say (w, &m)) != ESP_OK)
            return err == ESP_EFULL ? ESP_OK : err;
        w->missing_count = 0;
    }
    return ESP_OK;
}

/* ---- jobs ---- */

static struct work **find_work (worker_loop *w, task_id id)
{
    struct work **at =
        &w->table[(size_t)(esp_hash_fast (id.problem, id.number) & (w->table_cap - 1))];
    while (*at &&
           ((*at)->job.task.id.problem != id.problem || (*at)->job.task.id.number != id.number))
        at = &(*at)->next;
    return at;
}

static void drop_work (worker_loop *w, struct work **at)
{
    struct work *gone = *at;
    *at = gone->next;
    w->in_flight[gone->job.task.kind]--;
    store_unpin (w->store, gone->job.task.id.problem);
    esp_free (gone);
}

static esp_err copy_result (worker_loop *w, const result *r, wire_result *out)
{
    double *scores = NULL;
    out->result = *r;
    if (esp_arena_copy (w->kept, r->text, &out->result.text) != ESP_OK ||
        esp_arena_copy (w->kept, r->answer, &out->result.answer) != ESP_OK ||
        esp_arena_copy (w->kept, r->observation, &out->result.observation) != ESP_OK ||
        esp_arena_copy (w->kept, r->reason, &out->result.reason) != ESP_OK)
        return ESP_ENOMEM;
    if (r->score_count > 0) {
        if (!(scores = esp_arena_alloc (w->kept, r->score_count * sizeof (*scores))))
            return ESP_ENOMEM;
        memcpy (scores, r->scores, r->score_count * sizeof (*scores));
    }
    out->result.scores = scores;
    return ESP_OK;
}

/* engine_setup.done: copy the result away and let the job go. */
static void job_done (void *ctx, const job *j, const result *r)
{
    worker_loop *w = ctx;
    struct work **at = find_work (w, j->task.id), *done = *at;
    wire_result made = {0};
    assert (done && &done->job == j);
    made.lease = done->lease;
    made.busy_us = (uint32_t)((esp_clock_ns (w->setup.clock) - done->got_ns) / 1000);
    w->moved = true;
    if (esp_grow (&w->ready, &w->ready_cap, w->ready_count + 1, sizeof (*w->ready)) != 0 ||
        copy_result (w, r, &made) != ESP_OK) {
        w->no_memory = true;
    } else {
        made.result.id = j->task.id;
        w->ready[w->ready_count++] = made;
        if (j->task.kind == TASK_GENERATE && r->error == ESP_OK && j->task.child != NODE_NONE &&
            store_text (w->store, j->task.id.problem, j->task.child, r->text) == ESP_ENOMEM)
            w->no_memory = true;
    }
    drop_work (w, at);
}

static void reply_error (worker_loop *w, const wire_task *t, esp_err error)
{
    wire_result made = failed_result (t->lease, t->task.id, error);
    if (esp_grow (&w->ready, &w->ready_cap, w->ready_count + 1, sizeof (*w->ready)) != 0)
        w->no_memory = true;
    else
        w->ready[w->ready_count++] = made;
}

static void note_missing (worker_loop *w, task_id id)
{
    if (esp_grow (&w->missing, &w->missing_cap, w->missing_count + 1, sizeof (*w->missing)) != 0)
        w->no_memory = true;
    else
        w->missing[w->missing_count++] = id;
}

/* NULL: something is missing (noted), or memory is out. */
static struct work *make_work (worker_loop *w, const wire_task *t, const wire_prefix *prefix)
{
    size_t extra = t->task.extra.len;
    struct work *made = esp_calloc (1, sizeof (*made) + prefix->step_count * sizeof (span) + extra);
    bool whole;
    if (!made) {
        w->no_memory = true;
        return NULL;
    }
    whole = store_find_problem (w->store, prefix->problem, &made->job.problem);
    for (size_t i = 0; whole && i < prefix->step_count; i++)
        whole = store_find_text (w->store, prefix->problem, prefix->steps[i].node, &made->steps[i]);
    if (!whole) {
        note_missing (w, t->task.id);
        esp_free (made);
        return NULL;
    }
    made->job.task = t->task;
    made->job.steps = made->steps;
    made->job.step_count = prefix->step_count;
    made->lease = t->lease;
    made->got_ns = esp_clock_ns (w->setup.clock);
    if (extra > 0) {
        char *copy = (char *)(made->steps + prefix->step_count);
        memcpy (copy, t->task.extra.ptr, extra);
        made->job.task.extra = span_make (copy, extra);
    }
    return made;
}

static void take_task (worker_loop *w, const wire_task *t, const wire_prefix *prefix)
{
    struct work *made, **at = find_work (w, t->task.id);
    if (*at) { /* sent again while it runs here: the newer lease is answered */
        (*at)->lease = t->lease;
        return;
    }
    if (!w->engines.of[t->task.kind].kind) {
        reply_error (w, t, ESP_EUNSUPPORTED);
        return;
    }
    if (!(made = make_work (w, t, prefix)))
        return;
    if (esp_grow (&w->batch, &w->batch_cap, w->batch_count + 1, sizeof (*w->batch)) != 0) {
        w->no_memory = true;
        esp_free (made);
        return;
    }
    store_pin (w->store, t->task.id.problem);
    w->in_flight[t->task.kind]++;
    *at = made;
    w->batch[w->batch_count++] = made;
}

/* Hand the batch to the engines, kind by kind, in the order sent: siblings stand together. */
static void start_batch (worker_loop *w)
{
    if (w->batch_count == 0)
        return;
    if (esp_grow (&w->starting, &w->starting_cap, w->batch_count, sizeof (*w->starting)) != 0) {
        w->no_memory = true;
        return;
    }
    for (int k = 0; k < TASK_KINDS; k++) {
        size_t n = 0;
        for (size_t i = 0; i < w->batch_count; i++)
            if (w->batch[i] && w->batch[i]->job.task.kind == k) {
                w->starting[n++] = &w->batch[i]->job;
                w->batch[i] = NULL; /* it may be freed inside start */
            }
        if (n > 0)
            w->engines.of[k].kind->start (w->engines.of[k].state, w->starting, n);
    }
    w->batch_count = 0;
}

static void take_batch (worker_loop *w, const wire_message *m)
{
    for (size_t i = 0; i < m->u.batch.problem_count; i++)
        if (store_problem (w->store, m->u.batch.problems[i].key, m->u.batch.problems[i].json) !=
            ESP_OK)
            w->no_memory = true;
    for (size_t i = 0; i < m->u.batch.prefix_count; i++) {
        const wire_prefix *p = &m->u.batch.prefixes[i];
        for (size_t k = 0; k < p->step_count; k++)
            if (p->steps[k].has_text &&
                store_text (w->store, p->problem, p->steps[k].node, p->steps[k].text) == ESP_ENOMEM)
                w->no_memory = true;
    }
    for (size_t i = 0; i < m->u.batch.task_count; i++)
        take_task (w, &m->u.batch.tasks[i], &m->u.batch.prefixes[m->u.batch.tasks[i].prefix]);
    start_batch (w);
}

static void take_cancel (worker_loop *w, const wire_message *m)
{
    for (size_t i = 0; i < m->u.ids.count; i++) {
        struct work **at = find_work (w, m->u.ids.ids[i]);
        const engine_kind *kind = *at ? w->engines.of[(*at)->job.task.kind].kind : NULL;
        if (!kind || !kind->cancel)
            continue;
        kind->cancel (w->engines.of[(*at)->job.task.kind].state, &(*at)->job);
        drop_work (w, at);
    }
}

/* ---- the coordinator speaks ---- */

static esp_err say_ready (worker_loop *w)
{
    wire_message m = {.kind = WIRE_READY, .u.ready.engines = span_of (w->engines.line)};
    memcpy (m.u.ready.slots, w->engines.slots, sizeof (m.u.ready.slots));
    return say (w, &m);
}

static esp_err take_welcome (worker_loop *w, const wire_message *m)
{
    engine_setup base = {
        .rank = w->setup.link->rank, .clock = w->setup.clock, .done = job_done, .ctx = w};
    wire_message refused = {.kind = WIRE_REFUSED};
    esp_error error = {0};
    if (w->open)
        return say_ready (w);
    w->run_id = m->run_id;
    w->silence_ns = (uint64_t)m->u.welcome.silence_ms * 1000000;
    if (w->setup.open (w->setup.ctx, m->u.welcome.run_file, &base, &w->engines, &error) != ESP_OK) {
        w->end = WORKER_UNABLE;
        refused.u.refused = span_of (error.text);
        return say (w, &refused);
    }
    w->open = true;
    for (int k = 0; k < TASK_KINDS; k++)
        if (w->engines.of[k].kind && w->engines.slots[k] == 0)
            w->engines.slots[k] = DEFAULT_SLOTS;
    return say_ready (w);
}

static esp_err take_message (worker_loop *w, const wire_message *m)
{
    wire_message pong = {.kind = WIRE_PONG};
    switch ((enum wire_kind)m->kind) {
    case WIRE_WELCOME:
        return take_welcome (w, m);
    case WIRE_BATCH:
        if (w->open)
            take_batch (w, m);
        return ESP_OK;
    case WIRE_CANCEL:
        take_cancel (w, m);
        return ESP_OK;
    case WIRE_PING:
        pong.u.ping.sequence = m->u.ping.sequence;
        memcpy (pong.u.ping.in_flight, w->in_flight, sizeof (w->in_flight));
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
    return err == ESP_EFULL ? ESP_OK
                            : err; /* a pong or ready that does not fit is asked for again */
}

static esp_err receive (worker_loop *w)
{
    link_event got;
    esp_err err = ESP_OK;
    for (int i = 0; i < MESSAGES_A_PASS && w->end == WORKER_RUNS && w->ready_count < READY_MOST;
         i++) {
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
    esp_err err = ESP_ENOMEM;
    if (!setup || !out || !setup->link || !setup->open)
        return ESP_EINVAL;
    if (!(w = esp_calloc (1, sizeof (*w))))
        return ESP_ENOMEM;
    w->setup = *setup;
    w->silence_ns = (uint64_t)(setup->patience_s * 1e9);
    w->heard_ns = esp_clock_ns (setup->clock);
    w->table_cap = 1024;
    if (!(w->table = esp_calloc (w->table_cap, sizeof (struct work *))) ||
        (err = esp_arena_create (65536, &w->kept)) != ESP_OK ||
        (err = wire_codec_create (&w->in)) != ESP_OK ||
        (err = wire_codec_create (&w->out)) != ESP_OK ||
        (err = store_create (setup->store_bytes, &w->store)) != ESP_OK ||
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
    for (size_t i = 0; w->table && i < w->table_cap; i++)
        for (struct work *k = w->table[i], *next; k; k = next) {
            next = k->next;
            esp_free (k);
        }
    esp_free (w->table);
    esp_free (w->ready);
    esp_free (w->missing);
    esp_free (w->batch);
    esp_free (w->starting);
    esp_buf_free (&w->bytes);
    esp_arena_destroy (w->kept);
    store_destroy (w->store);
    wire_codec_destroy (w->in);
    wire_codec_destroy (w->out);
    esp_free (w);
}

uint32_t worker_loop_in_flight (const worker_loop *w)
{
    uint32_t sum = 0;
    for (int k = 0; k < TASK_KINDS; k++)
        sum += w->in_flight[k];
    return sum;
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
    if ((err = flush_results (w)) != ESP_OK)
        return err;
    if (w->draining && worker_loop_in_flight (w) == 0 && w->ready_count == 0)
        w->end = WORKER_TOLD;
    if (!w->moved && w->end == WORKER_RUNS && w->silence_ns > 0 &&
        esp_clock_ns (w->setup.clock) - w->heard_ns > w->silence_ns)
        w->end = WORKER_ALONE;
    *busy = w->moved;
    return w->no_memory ? ESP_ENOMEM : ESP_OK;
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
