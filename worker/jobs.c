/* SPDX-License-Identifier: Apache-2.0 */
/* jobs.c - see jobs.h
 *
 * Invariants:
 *   I1  a job is in the table from start() until done() or cancel(); its problem is pinned as long
 *   I2  the texts of `ready` live in `kept`, which is emptied when the last of them is sent
 */

#include "worker/jobs.h"
#include <assert.h>
#include <math.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/arena.h"
#include "proto/base/hash.h"
#include "worker/store.h"

enum {
    TABLE = 1024,        /* chains of jobs by hash, a power of two; more jobs than that share */
    KEPT_CHUNK = 65536,  /* bytes */
    PART_NS = 250000000, /* between two partial texts of a task: faster than anybody reads */
    PART_BYTES = 1000,   /* its end: what a line of a terminal shows, and some more */
    PARTS_MOST = 1024    /* that wait for the link; more are dropped */
};

struct work { /* a job and what it owns */
    job job;
    uint64_t lease;
    uint64_t got_ns, part_ns; /* received; last partial text */
    struct work *next;        /* same hash */
    span steps[];
};

struct jobs {
    const esp_clock *clock;        /* borrowed */
    const worker_engines *engines; /* borrowed */
    store *store;                  /* owned */
    struct work **table;           /* owned; jobs by task id */
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
    struct part { /* a partial text */
        task_id id;
        size_t at, len; /* in part_texts */
    } * parts;          /* owned */
    size_t part_count, part_cap, part_head;
    esp_buf part_texts;
    bool moved, no_memory, watched;
};

/* ---- life ---- */

esp_err
jobs_create (const esp_clock *clock, const worker_engines *engines, size_t store_bytes, jobs **out)
{
    jobs *j = esp_calloc (1, sizeof (*j));
    if (!j)
        return ESP_ENOMEM;
    j->clock = clock;
    j->engines = engines;
    if (!(j->table = esp_calloc (TABLE, sizeof (struct work *))) ||
        esp_arena_create (KEPT_CHUNK, &j->kept) != ESP_OK ||
        store_create (store_bytes, &j->store) != ESP_OK) {
        jobs_destroy (j);
        return ESP_ENOMEM;
    }
    *out = j;
    return ESP_OK;
}

void jobs_destroy (jobs *j)
{
    if (!j)
        return;
    for (size_t i = 0; j->table && i < TABLE; i++)
        for (struct work *k = j->table[i], *next; k; k = next) {
            next = k->next;
            esp_free (k);
        }
    esp_free (j->table);
    esp_free (j->ready);
    esp_free (j->missing);
    esp_free (j->batch);
    esp_free (j->starting);
    esp_free (j->parts);
    esp_buf_free (&j->part_texts);
    esp_arena_destroy (j->kept);
    store_destroy (j->store);
    esp_free (j);
}

const uint32_t *jobs_in_flight (const jobs *j)
{
    return j->in_flight;
}

bool jobs_moved (jobs *j)
{
    bool moved = j->moved;
    j->moved = false;
    return moved;
}

bool jobs_no_memory (const jobs *j)
{
    return j->no_memory;
}

/* ---- what waits for the link ---- */

static wire_result failed_result (uint64_t lease, task_id id, esp_err error)
{
    return (wire_result){
        .lease = lease,
        .result = {.id = id, .error = error, .logprob = NAN, .mean_logprob = NAN, .share = NAN}};
}

const wire_result *jobs_ready (const jobs *j, size_t *count)
{
    *count = j->ready_count;
    return j->ready;
}

void jobs_ready_spoil (jobs *j, size_t index)
{
    wire_result *r = &j->ready[index];
    *r = failed_result (r->lease, r->result.id, ESP_EENGINE);
}

void jobs_ready_sent (jobs *j, size_t sent)
{
    for (size_t i = sent; i < j->ready_count; i++)
        j->ready[i - sent] = j->ready[i];
    j->ready_count -= sent;
    if (j->ready_count == 0)
        esp_arena_reset (j->kept);
}

const task_id *jobs_missing (const jobs *j, size_t *count)
{
    *count = j->missing_count;
    return j->missing;
}

void jobs_missing_sent (jobs *j)
{
    j->missing_count = 0;
}

/* ---- from start to done ---- */

static struct work **find_work (jobs *j, task_id id)
{
    struct work **at = &j->table[(size_t)(esp_hash_fast (id.problem, id.number) & (TABLE - 1))];
    while (*at &&
           ((*at)->job.task.id.problem != id.problem || (*at)->job.task.id.number != id.number))
        at = &(*at)->next;
    return at;
}

static void drop_work (jobs *j, struct work **at)
{
    struct work *gone = *at;
    *at = gone->next;
    j->in_flight[gone->job.task.kind]--;
    store_unpin (j->store, gone->job.task.id.problem);
    esp_free (gone);
}

static esp_err copy_result (jobs *j, const result *r, span server, wire_result *out)
{
    double *scores = NULL;
    out->result = *r;
    if (esp_arena_copy (j->kept, r->text, &out->result.text) != ESP_OK ||
        esp_arena_copy (j->kept, r->answer, &out->result.answer) != ESP_OK ||
        esp_arena_copy (j->kept, r->observation, &out->result.observation) != ESP_OK ||
        esp_arena_copy (j->kept, r->reason, &out->result.reason) != ESP_OK ||
        esp_arena_copy (j->kept, r->token_data, &out->result.token_data) != ESP_OK ||
        esp_arena_copy (j->kept, server, &out->result.server) != ESP_OK)
        return ESP_ENOMEM;
    if (r->score_count > 0) {
        if (!(scores = esp_arena_alloc (j->kept, r->score_count * sizeof (*scores))))
            return ESP_ENOMEM;
        memcpy (scores, r->scores, r->score_count * sizeof (*scores));
    }
    out->result.scores = scores;
    return ESP_OK;
}

void jobs_done (void *ctx, const job *ended, const result *r)
{
    jobs *j = ctx;
    const task *t = &ended->task;
    struct work **at = find_work (j, t->id), *done = *at;
    const engine_kind *kind = j->engines->of[t->kind].kind;
    span server = r->server;
    wire_result made = {0};
    assert (done && &done->job == ended);
    made.lease = done->lease;
    made.busy_us = (uint32_t)((esp_clock_ns (j->clock) - done->got_ns) / 1000);
    j->moved = true;
    if (server.len == 0 && kind) /* no server but the engine itself: "embedded", "answer" */
        server = span_of (kind->name);
    if (esp_grow (&j->ready, &j->ready_cap, j->ready_count + 1, sizeof (*j->ready)) != 0 ||
        copy_result (j, r, server, &made) != ESP_OK) {
        j->no_memory = true;
    } else {
        made.result.id = t->id;
        j->ready[j->ready_count++] = made;
        if (t->kind == TASK_GENERATE && r->error == ESP_OK && t->child != NODE_NONE &&
            store_text (j->store, t->id.problem, t->child, r->text, r->tokens) == ESP_ENOMEM)
            j->no_memory = true;
    }
    drop_work (j, at);
}

/* ---- partial texts, for observers ---- */

void jobs_watched (jobs *j, bool watched)
{
    j->watched = watched;
}

/* The last bytes, from the start of a character on. */
static span end_of (span text)
{
    size_t skip = text.len > PART_BYTES ? text.len - PART_BYTES : 0;
    while (skip > 0 && skip < text.len && ((unsigned char)text.ptr[skip] & 0xc0) == 0x80)
        skip++;
    return span_make (text.ptr + skip, text.len - skip);
}

void jobs_progress (void *ctx, const job *part, span text)
{
    jobs *j = ctx;
    struct work *w = j->watched && text.len > 0 ? *find_work (j, part->task.id) : NULL;
    span end = end_of (text);
    struct part made;
    uint64_t now;
    if (!w || j->part_count >= PARTS_MOST)
        return;
    now = esp_clock_ns (j->clock);
    if (w->part_ns != 0 && now - w->part_ns < PART_NS)
        return;
    made = (struct part){part->task.id, j->part_texts.len, end.len};
    if (esp_grow (&j->parts, &j->part_cap, j->part_count + 1, sizeof (*j->parts)) != 0 ||
        esp_buf_add (&j->part_texts, end) != ESP_OK)
        return; /* an observer misses it */
    w->part_ns = now;
    j->parts[j->part_count++] = made;
}

bool jobs_progress_next (jobs *j, wire_message *out)
{
    const struct part *p;
    if (j->part_head >= j->part_count) {
        jobs_progress_forget (j);
        return false;
    }
    p = &j->parts[j->part_head++];
    *out = (wire_message){.kind = WIRE_PROGRESS};
    out->u.progress.id = p->id;
    out->u.progress.text = span_make (esp_buf_text (&j->part_texts) + p->at, p->len);
    return true;
}

void jobs_progress_forget (jobs *j)
{
    j->part_head = j->part_count = 0;
    esp_buf_clear (&j->part_texts);
}

/* ---- from a batch to jobs ---- */

static void reply_error (jobs *j, const wire_task *t, esp_err error)
{
    wire_result made = failed_result (t->lease, t->task.id, error);
    if (esp_grow (&j->ready, &j->ready_cap, j->ready_count + 1, sizeof (*j->ready)) != 0)
        j->no_memory = true;
    else
        j->ready[j->ready_count++] = made;
}

static void note_missing (jobs *j, task_id id)
{
    if (esp_grow (&j->missing, &j->missing_cap, j->missing_count + 1, sizeof (*j->missing)) != 0)
        j->no_memory = true;
    else
        j->missing[j->missing_count++] = id;
}

/* NULL: something is missing (noted), or memory is out. */
static struct work *make_work (jobs *j, const wire_task *t, const wire_prefix *prefix)
{
    size_t extra = t->task.extra.len, n = prefix->step_count;
    struct work *made =
        esp_calloc (1, sizeof (*made) + n * (sizeof (span) + sizeof (uint32_t)) + extra);
    uint32_t *tokens = made ? (uint32_t *)(made->steps + n) : NULL;
    bool whole;
    if (!made) {
        j->no_memory = true;
        return NULL;
    }
    whole = store_find_problem (j->store, prefix->problem, &made->job.problem);
    for (size_t i = 0; whole && i < n; i++)
        whole = store_find_text (j->store, prefix->problem, prefix->steps[i].node, &made->steps[i],
                                 &tokens[i]);
    if (!whole) {
        note_missing (j, t->task.id);
        esp_free (made);
        return NULL;
    }
    made->job.task = t->task;
    made->job.steps = made->steps;
    made->job.step_count = n;
    made->job.step_tokens = tokens;
    made->lease = t->lease;
    made->got_ns = esp_clock_ns (j->clock);
    if (extra > 0) {
        char *copy = (char *)(tokens + n);
        memcpy (copy, t->task.extra.ptr, extra);
        made->job.task.extra = span_make (copy, extra);
    }
    return made;
}

static void take_task (jobs *j, const wire_task *t, const wire_prefix *prefix)
{
    struct work *made, **at = find_work (j, t->task.id);
    if (*at) { /* sent again while it runs here: the newer lease is answered */
        (*at)->lease = t->lease;
        return;
    }
    if (!j->engines->of[t->task.kind].kind) {
        reply_error (j, t, ESP_EUNSUPPORTED);
        return;
    }
    if (!(made = make_work (j, t, prefix)))
        return;
    if (esp_grow (&j->batch, &j->batch_cap, j->batch_count + 1, sizeof (*j->batch)) != 0) {
        j->no_memory = true;
        esp_free (made);
        return;
    }
    store_pin (j->store, t->task.id.problem);
    j->in_flight[t->task.kind]++;
    *at = made;
    j->batch[j->batch_count++] = made;
}

/* Hand the batch to the engines, kind by kind, in the order sent: siblings stand together. */
static void start_batch (jobs *j)
{
    if (j->batch_count == 0)
        return;
    if (esp_grow (&j->starting, &j->starting_cap, j->batch_count, sizeof (*j->starting)) != 0) {
        j->no_memory = true;
        return;
    }
    for (int k = 0; k < TASK_KINDS; k++) {
        size_t n = 0;
        for (size_t i = 0; i < j->batch_count; i++)
            if (j->batch[i] && j->batch[i]->job.task.kind == k) {
                j->starting[n++] = &j->batch[i]->job;
                j->batch[i] = NULL; /* it may be freed inside start */
            }
        if (n > 0)
            j->engines->of[k].kind->start (j->engines->of[k].state, j->starting, n);
    }
    j->batch_count = 0;
}

void jobs_batch (jobs *j, const wire_message *m)
{
    for (size_t i = 0; i < m->u.batch.problem_count; i++)
        if (store_problem (j->store, m->u.batch.problems[i].key, m->u.batch.problems[i].json) !=
            ESP_OK)
            j->no_memory = true;
    for (size_t i = 0; i < m->u.batch.prefix_count; i++) {
        const wire_prefix *p = &m->u.batch.prefixes[i];
        for (size_t k = 0; k < p->step_count; k++)
            if (p->steps[k].has_text &&
                store_text (j->store, p->problem, p->steps[k].node, p->steps[k].text,
                            p->steps[k].tokens) == ESP_ENOMEM)
                j->no_memory = true;
    }
    for (size_t i = 0; i < m->u.batch.task_count; i++)
        take_task (j, &m->u.batch.tasks[i], &m->u.batch.prefixes[m->u.batch.tasks[i].prefix]);
    start_batch (j);
}

void jobs_cancel (jobs *j, const wire_message *m)
{
    for (size_t i = 0; i < m->u.ids.count; i++) {
        struct work **at = find_work (j, m->u.ids.ids[i]);
        const engine_kind *kind = *at ? j->engines->of[(*at)->job.task.kind].kind : NULL;
        if (!kind || !kind->cancel)
            continue;
        kind->cancel (j->engines->of[(*at)->job.task.kind].state, &(*at)->job);
        drop_work (j, at);
    }
}
