/* SPDX-License-Identifier: Apache-2.0 */
/* engine_external_asks.c - what is out at the peer: given, answered, taken back
 *
 * Invariants: those of engine_external.c.
 */

#include "worker/engine/engine_external.h"
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/log.h"

enum {
    LOSSES_BEFORE_ALONE = 2,
    LOSSES_ALONE =
        2, /* fewer: an accident ends a problem; more: a bad job takes longer to be found */
    MESSAGE_BYTES = 4 << 20,  /* tasks go in a further message beyond that */
    TASK_BYTES_MAX = 60 << 20 /* a larger one is refused: peers limit what they read */
};

/* ---- asks ---- */

static size_t ask_at (const external *e, uint64_t number)
{
    size_t low = 0, high = e->ask_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (e->asks[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The room it took is free again; its items are the caller's. */
void external_drop_ask (external *e, size_t at)
{
    external_ask *a = &e->asks[at];
    e->out -= a->n;
    e->alone = e->alone && !a->alone;
    esp_free (a->items);
    memmove (a, a + 1, (e->ask_count - at - 1) * sizeof (*a));
    e->ask_count--;
}

/* The session is over: back into the queue, in the old order, before all that wait.  A job may have to go alone. */
void external_take_back (external *e, bool counts)
{
    external_item *last = NULL;
    uint64_t now = esp_clock_ns (e->setup.clock);
    while (e->ask_count > 0) {
        external_ask *a = &e->asks[0];
        for (uint32_t s = 0; s < a->n; s++) {
            external_item *i = a->items[s];
            if (!i)
                continue;
            i->losses = (uint8_t)(i->losses + (counts && i->losses < UINT8_MAX));
            i->alone = (uint8_t)(i->alone + (counts && a->alone));
            i->since_ns = now;
            external_link_behind (&e->queue, last, i);
            last = i;
        }
        external_drop_ask (e, 0);
    }
    for (external_item *i = e->queue.first, *next; i; i = next) {
        next = i->after;
        if (i->alone < LOSSES_ALONE)
            continue;
        esp_log (
            LOG_ERROR, "EXTERNAL-POISONED",
            "%s was lost %d times while it did nothing but task %u of problem %u; that task ends",
            external_peer_name (e->peer), LOSSES_ALONE, i->job->task.id.number,
            problem_number (i->job->task.id.problem));
        external_unlink (&e->queue, i);
        external_fail (e, i, ESP_EPOISONED);
    }
}

/* ---- giving ---- */

static bool same_sampling (const sampling *a, const sampling *b)
{
    return memcmp (&a->temperature, &b->temperature, sizeof (double)) == 0 &&
           memcmp (&a->top_p, &b->top_p, sizeof (double)) == 0 && a->top_k == b->top_k &&
           a->max_step_tokens == b->max_step_tokens;
}

static bool siblings (const job *a, const job *b)
{
    const task *s = &a->task, *t = &b->task;
    return s->kind == TASK_GENERATE && t->kind == TASK_GENERATE && s->id.problem == t->id.problem &&
           s->node == t->node && s->mode == t->mode && s->engine == t->engine &&
           s->action == t->action && s->max_tokens == t->max_tokens &&
           s->max_steps == t->max_steps && same_sampling (&s->how, &t->how) &&
           a->step_count == b->step_count && span_equal (s->extra, t->extra);
}

/* How many from the head of the queue are one task of the peer. */
static uint32_t group_of (const external *e, uint32_t room)
{
    const external_item *first = e->queue.first;
    uint32_t n = 1, most = external_peer_hello (e->peer)->n;
    if (first->losses >= LOSSES_BEFORE_ALONE)
        return 1;
    for (const external_item *i = first->after; i && n < room && n < most; i = i->after) {
        if (i->losses >= LOSSES_BEFORE_ALONE || !siblings (first->job, i->job))
            break;
        n++;
    }
    return n;
}

/* The first n of the queue become one ask, written into e->bytes.  Errors: ESP_ENOMEM (nothing changed but e->bytes),
 * ESP_ETOOBIG (as well). */
static esp_err make_ask (external *e, uint32_t n, bool first)
{
    external_ask a = {.number = e->next_number, .n = n};
    external_item **items = esp_calloc (n, sizeof (external_item *));
    const job **jobs = esp_calloc (n, sizeof (const job *));
    external_item *i = e->queue.first;
    esp_err err = ESP_ENOMEM;
    size_t before = e->bytes.len;
    for (uint32_t s = 0; items && jobs && s < n; s++, i = i->after) {
        items[s] = i;
        jobs[s] = i->job;
    }
    if (items && jobs && esp_grow (&e->asks, &e->ask_cap, e->ask_count + 1, sizeof (*e->asks)) == 0)
        err = external_write_task (&e->bytes, a.number, jobs, n, e->separator, first, &a.asked);
    esp_free (jobs);
    if (err == ESP_OK && e->bytes.len - before > TASK_BYTES_MAX)
        err = ESP_ETOOBIG;
    if (err != ESP_OK) {
        esp_free (items);
        e->bytes.len = before;
        return err;
    }
    a.items = items;
    a.given_ns = esp_clock_ns (e->setup.clock);
    a.alone = items[0]->losses >= LOSSES_BEFORE_ALONE;
    for (uint32_t s = 0; s < n; s++)
        external_unlink (&e->queue, items[s]);
    e->next_number++;
    e->out += n;
    e->alone = a.alone;
    e->asks[e->ask_count++] = a;
    return ESP_OK;
}

static uint32_t room_of (const external *e)
{
    uint32_t credits = external_peer_hello (e->peer)->credits;
    if (!e->queue.first || e->alone || e->out >= credits)
        return 0;
    if (e->queue.first->losses >= LOSSES_BEFORE_ALONE)
        return e->out == 0;
    return credits - e->out;
}

/* One message of tasks into e->bytes; *count: how many.  Errors: ESP_ENOMEM. */
static esp_err fill_message (external *e, uint32_t *count)
{
    uint32_t room, batch = external_peer_hello (e->peer)->batch;
    esp_err err;
    esp_buf_clear (&e->bytes);
    err = external_write_begin (&e->bytes, external_peer_session (e->peer));
    while (err == ESP_OK && *count < batch && e->bytes.len < MESSAGE_BYTES &&
           (room = room_of (e)) > 0) {
        err = make_ask (e, group_of (e, room), *count == 0);
        if (err == ESP_ETOOBIG) {
            external_item *i = e->queue.first;
            external_unlink (&e->queue, i);
            external_fail (e, i, err);
            err = ESP_OK;
        } else if (err == ESP_OK) {
            ++*count;
        }
    }
    return err == ESP_OK ? external_write_end (&e->bytes) : err;
}

void external_give (external *e)
{
    while (external_peer_is_ready (e->peer) && room_of (e) > 0) {
        uint32_t count = 0;
        esp_err err = fill_message (e, &count);
        if (err == ESP_OK && count > 0)
            err = external_peer_send (e->peer, esp_buf_span (&e->bytes));
        if (err == ESP_OK)
            continue;
        external_peer_drop (e->peer,
                            "out of memory for a message"); /* what was made into asks comes back */
        external_fail_waiting (e, ESP_ENOMEM);
    }
}

/* ---- results ---- */

static void
end_sample (external *e, const external_message *m, size_t index, external_ask *a, uint32_t s)
{
    external_item *i = a->items[s];
    result r;
    esp_error error = {0};
    esp_err err;
    a->asked.job = i->job;
    a->asked.sample = s;
    a->asked.n = a->n;
    err = external_result_read (m, index, &a->asked, &e->scores, &r, &error);
    if (err == ESP_OK) {
        external_peer_did_well (e->peer);
        e->good_ns = esp_clock_ns (e->setup.clock);
        external_finish (e, i, &r);
        return;
    }
    if (err != ESP_ENOMEM)
        external_complain (e, error.text);
    external_fail (e, i,
                   err == ESP_EFORMAT ? ESP_EIO
                                      : err); /* garbage may be an accident: once more elsewhere */
}

static void take_result (external *e, const external_message *m, size_t index)
{
    uint64_t number = external_result_id (m, index);
    size_t at = ask_at (e, number);
    external_ask a;
    if (at == e->ask_count || e->asks[at].number != number) {
        external_complain (e, "a result for a task that is not out (or answered twice); left out");
        return;
    }
    a = e->asks[at];
    e->asks[at].items = NULL;
    external_drop_ask (e, at);
    for (uint32_t s = 0; s < a.n; s++)
        if (a.items[s])
            end_sample (e, m, index, &a, s);
    esp_free (a.items);
}

void external_take_message (void *ctx, const external_message *m)
{
    external *e = ctx;
    if (m->kind == EXTERNAL_RESULTS) {
        for (size_t i = 0; i < m->result_count; i++)
            take_result (e, m, i);
        return;
    }
    external_complain (e, m->text[0] ? m->text : "an error"); /* of all that is out */
    while (e->ask_count > 0) {
        external_ask a = e->asks[e->ask_count - 1];
        e->asks[e->ask_count - 1].items = NULL;
        external_drop_ask (e, e->ask_count - 1);
        for (uint32_t s = 0; s < a.n; s++)
            if (a.items[s])
                external_fail (e, a.items[s], m->retryable ? ESP_EIO : ESP_EENGINE);
        esp_free (a.items);
    }
}
