/* SPDX-License-Identifier: Apache-2.0 */
/* dispatch_send.c - outboxes become messages
 *
 * A batch names the prefix of its tasks by node ids; a text goes along only where the worker is not known to hold it.  Siblings
 * share one prefix.
 */

#include <assert.h>
#include <math.h>
#include "coordinator/dispatch/dispatch_private.h"
#include "proto/base/alloc.h"
#include "proto/base/log.h"

esp_err dispatch_message (dispatch *d, int rank, const wire_message *m)
{
    esp_err err;
    esp_buf_clear (&d->bytes);
    if ((err = wire_encode (d->out, m, &d->bytes)) != ESP_OK)
        return err;
    return link_send (d->link, rank, esp_buf_span (&d->bytes));
}

static esp_err add_problem (dispatch *d, worker *w, const problem *p, bool whole)
{
    struct scratch *s = &d->scratch;
    if (!whole && roster_knows (w, p->key, NODE_ROOT))
        return ESP_OK;
    for (size_t i = 0; i < s->problem_count; i++)
        if (s->problems[i].key == p->key)
            return ESP_OK;
    if (esp_grow (&s->problems, &s->problem_cap, s->problem_count + 1, sizeof (*s->problems)) != 0)
        return ESP_ENOMEM;
    s->problems[s->problem_count++] = *p;
    roster_learn (w, p->key, NODE_ROOT);
    return ESP_OK;
}

static esp_err add_steps (dispatch *d, worker *w, problem_key key, size_t count, bool whole)
{
    struct scratch *s = &d->scratch;
    if (esp_grow (&s->steps, &s->step_cap, s->step_count + count, sizeof (*s->steps)) != 0)
        return ESP_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        wire_step step = {.node = s->path[i],
                          .has_text = whole || !roster_knows (w, key, s->path[i])};
        if (step.has_text) {
            step.text = d->world.text (d->world.ctx, key, s->path[i], &step.tokens);
            roster_learn (w, key, s->path[i]);
        }
        s->steps[s->step_count++] = step;
    }
    return ESP_OK;
}

static esp_err add_prefix (dispatch *d, worker *w, const task *t, bool whole)
{
    struct scratch *s = &d->scratch;
    size_t count;
    if (s->task_count > 0) {
        const task *before = &s->tasks[s->task_count - 1].task;
        if (before->id.problem == t->id.problem && before->node == t->node)
            return ESP_OK; /* a sibling */
    }
    count = d->world.path (d->world.ctx, t->id.problem, t->node, s->path, s->path_cap);
    if (count > s->path_cap) {
        if (esp_grow (&s->path, &s->path_cap, count, sizeof (*s->path)) != 0)
            return ESP_ENOMEM;
        d->world.path (d->world.ctx, t->id.problem, t->node, s->path, s->path_cap);
    }
    if (esp_grow (&s->prefixes, &s->prefix_cap, s->prefix_count + 1, sizeof (*s->prefixes)) != 0 ||
        esp_grow (&s->starts, &s->start_cap, s->prefix_count + 1, sizeof (*s->starts)) != 0)
        return ESP_ENOMEM;
    s->starts[s->prefix_count] = s->step_count;
    s->prefixes[s->prefix_count++] = (wire_prefix){.problem = t->id.problem, .step_count = count};
    return add_steps (d, w, t->id.problem, count, whole);
}

static esp_err add_task (dispatch *d, worker *w, const struct sending *sending)
{
    struct scratch *s = &d->scratch;
    /* else it ended while it waited for room on the link */
    bool out = lease_find (d->leases, sending->lease) != 0;
    const flight *f = out ? lease_flight_at (d->leases, sending->flight) : NULL;
    const problem *p = out ? d->world.find (d->world.ctx, f->task.id.problem) : NULL;
    esp_err err;
    if (!p)
        return ESP_OK; /* it ended meanwhile; its flights were cancelled */
    if ((err = add_problem (d, w, p, f->whole)) != ESP_OK ||
        (err = add_prefix (d, w, &f->task, f->whole)) != ESP_OK)
        return err;
    if (esp_grow (&s->tasks, &s->task_cap, s->task_count + 1, sizeof (*s->tasks)) != 0)
        return ESP_ENOMEM;
    s->tasks[s->task_count++] =
        (wire_task){f->task, (uint32_t)(s->prefix_count - 1), sending->lease};
    return ESP_OK;
}

static esp_err send_batch (dispatch *d, worker *w, const struct sending *tasks, size_t count)
{
    struct scratch *s = &d->scratch;
    wire_message m = {.kind = WIRE_BATCH, .run_id = d->run_id};
    esp_err err = ESP_OK;
    s->problem_count = s->prefix_count = s->step_count = s->task_count = 0;
    for (size_t i = 0; i < count && err == ESP_OK; i++)
        err = add_task (d, w, &tasks[i]);
    if (err != ESP_OK || s->task_count == 0)
        return err;
    for (size_t i = 0; i < s->prefix_count; i++)
        s->prefixes[i].steps = s->prefixes[i].step_count ? s->steps + s->starts[i] : NULL;
    m.u.batch.problems = s->problems;
    m.u.batch.problem_count = s->problem_count;
    m.u.batch.prefixes = s->prefixes;
    m.u.batch.prefix_count = s->prefix_count;
    m.u.batch.tasks = s->tasks;
    m.u.batch.task_count = s->task_count;
    d->stats.batches++;
    return dispatch_message (d, w->rank, &m);
}

/* Its problem or the texts above it are larger than any message: no worker will ever get it.  It leaves the outbox. */
static void give_up (dispatch *d, struct sending sending)
{
    result r = {.error = ESP_ETOOBIG, .logprob = NAN, .mean_logprob = NAN, .share = NAN};
    assert (lease_find (d->leases, sending.lease) != 0); /* what ended is in no batch */
    r.id = lease_flight_at (d->leases, sending.flight)->task.id;
    esp_log (LOG_ERROR, "DISPATCH-TOO-BIG",
             "task %u of problem %u: its problem or its steps are larger than a message may be; it "
             "has failed",
             r.id.number, problem_number (r.id.problem));
    d->stats.errors++;
    dispatch_end_flight (d, sending.flight);
    if (d->world.wants (d->world.ctx, r.id))
        d->world.result (d->world.ctx, &r, 0);
}

/* The link has no room for this worker: its tasks wait for the next flush (they keep their leases). */
static esp_err send_tasks (dispatch *d, worker *w, outbox *box)
{
    size_t sent = 0, most = (size_t)d->options.max_batch;
    esp_err err = ESP_OK;
    while (sent < box->count && err == ESP_OK) {
        size_t n = box->count - sent < most ? box->count - sent : most;
        err = send_batch (d, w, box->tasks + sent, n);
        if (err == ESP_OK) {
            sent += n;
            continue;
        }
        roster_forget_all (w); /* what was noted as sent was not */
        if (err != ESP_ETOOBIG)
            break;
        err = ESP_OK;
        if (n > 1)
            most = n / 2;
        else
            give_up (d, box->tasks[sent]);
    }
    for (size_t i = sent; i < box->count; i++)
        box->tasks[i - sent] = box->tasks[i];
    box->count -= sent;
    return err;
}

static esp_err send_box (dispatch *d, worker *w, outbox *box)
{
    wire_message m = {.run_id = d->run_id};
    esp_err err = ESP_OK;
    if (box->cancel_count > 0) {
        m.kind = WIRE_CANCEL;
        m.u.ids.ids = box->cancels;
        m.u.ids.count = box->cancel_count;
        if ((err = dispatch_message (d, w->rank, &m)) != ESP_OK)
            return err;
        box->cancel_count = 0;
    }
    if (box->count > 0 && (err = send_tasks (d, w, box)) != ESP_OK)
        return err;
    return ESP_OK;
}

esp_err dispatch_flush (dispatch *d)
{
    size_t kept = 0;
    esp_err err = ESP_OK;
    for (size_t i = 0; i < d->dirty_count; i++) {
        int rank = d->dirty[i];
        outbox *box = &d->boxes[rank];
        esp_err sent = err == ESP_OK ? send_box (d, roster_worker (d->roster, rank), box) : err;
        if (sent == ESP_OK) {
            box->dirty = false;
            continue;
        }
        d->dirty[kept++] = rank;
        if (sent == ESP_ENOMEM)
            err = sent;
        else if (sent != ESP_EFULL)
            esp_log (LOG_WARN, "DISPATCH-SEND", "cannot send to rank %d: %s", rank,
                     esp_err_text (sent));
    }
    d->dirty_count = kept;
    return err;
}
