/* SPDX-License-Identifier: Apache-2.0 */
/* dispatch_receive.c - what workers say
 *
 * A result counts by its task: the first one for a task that is wanted is handed on, whatever lease it answers; the
 * lease only gives the worker its credit back.  Messages of another run, of no known kind or malformed are dropped and said.
 */

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "coordinator/dispatch/dispatch_private.h"
#include "proto/base/log.h"
#include "proto/base/prefetch.h"

/* Workers become ready within moments of each other when their servers are up.  Shorter: two models are found after some
 * tasks were done, and the later worker is put out instead of the run; longer: servers that come late hold back those that are
 * there, once. */
#define COMPARE_NS UINT64_C (10000000000)

static bool retryable (esp_err err)
{
    return err == ESP_EPEER || err == ESP_ETIMEOUT || err == ESP_EIO || err == ESP_ENOMEM;
}

static void refuse (dispatch *d, worker *w, const char *log_id, const char *why)
{
    w->state = WORKER_REFUSED;
    roster_update (d->roster, w);
    esp_log (LOG_ERROR, log_id, "%s", why);
    if (d->trouble[0] == 0)
        snprintf (d->trouble, sizeof (d->trouble), "%s", why);
}

static esp_err take_hello (dispatch *d, worker *w, const wire_message *m)
{
    wire_message welcome = {.kind = WIRE_WELCOME, .run_id = d->run_id};
    if (w->state == WORKER_READY || w->state == WORKER_OPENING)
        dispatch_worker_down (d, w->rank, "it started again");
    if (m->u.hello.version != d->version) {
        char why[200];
        snprintf (why, sizeof (why),
                  "rank %d runs another version of the program (%016" PRIx64 ", here %016" PRIx64
                  "); start all ranks from one build",
                  w->rank, m->u.hello.version, d->version);
        refuse (d, w, "DISPATCH-VERSION", why);
        return ESP_OK;
    }
    memset (w->can, 0, sizeof (w->can));
    w->pid = m->u.hello.pid;
    snprintf (w->host, sizeof (w->host), "%.*s",
              (int)(m->u.hello.host.len > 63 ? 63 : m->u.hello.host.len), m->u.hello.host.ptr);
    w->state = WORKER_OPENING;
    roster_forget_all (w);
    welcome.u.welcome.epoch = d->epoch;
    welcome.u.welcome.run_file = d->run_file;
    welcome.u.welcome.silence_ms = (uint32_t)(d->options.coordinator_silence_s * 1e3);
    return dispatch_message (d, w->rank, &welcome);
}

/* A kind that it did so far, and does not now: READY's line then says why. */
static void note_outage (dispatch *d, const worker *w, const wire_message *m)
{
    for (int k = 0; k < TASK_KINDS; k++) {
        uint32_t now = m->u.ready.slots[k];
        if (now > 0 && w->can[k] && w->slots[k] == 0)
            esp_log (LOG_WARN, "DISPATCH-SLOTS-BACK", "rank %d on %s: takes tasks again (%s)",
                     w->rank, w->host, task_kind_names[k]);
        if (now > 0 || w->slots[k] == 0)
            continue;
        esp_log (LOG_WARN, "DISPATCH-NO-SLOTS", "rank %d on %s: takes no tasks for now (%s): %.*s",
                 w->rank, w->host, task_kind_names[k], (int)m->u.ready.engines.len,
                 m->u.ready.engines.ptr);
        if (d->outage[0] == 0)
            snprintf (d->outage, sizeof (d->outage), "rank %d: %.*s", w->rank,
                      (int)(m->u.ready.engines.len > 250 ? 250 : m->u.ready.engines.len),
                      m->u.ready.engines.ptr);
    }
}

/* It has other models than the run: nothing of it may come in.  What it had goes elsewhere. */
static void put_out (dispatch *d, worker *w, const char *why)
{
    d->mixed = d->mixed || d->stats.sent == 0;
    refuse (d, w, "DISPATCH-MODEL", why);
    while (w->first_lease) {
        uint32_t handle = lease_at (d->leases, w->first_lease)->flight;
        dispatch_end_lease (d, w->first_lease);
        if (lease_flight_at (d->leases, handle)->leases == 0 &&
            !lease_flight_at (d->leases, handle)->waiting)
            dispatch_retry (d, handle);
    }
}

static esp_err take_models (dispatch *d, worker *w, const wire_message *m)
{
    char why[MODELS_WHY];
    esp_err err = ESP_OK;
    for (size_t i = 0; i < m->u.ready.model_count && err == ESP_OK; i++)
        err = models_take (d->models, w->rank, &m->u.ready.models[i], why);
    if (err == ESP_EINVAL)
        put_out (d, w, why);
    if (m->u.ready.model_count > 0 && !d->compared) {
        d->compared = true;
        d->compare_ns = esp_clock_ns (&d->clock) + COMPARE_NS;
    }
    return err == ESP_EINVAL ? ESP_OK : err;
}

/* Has everybody said what they have? */
static void look_at_models (dispatch *d)
{
    if (d->compare_ns > 0 && roster_count (d->roster, WORKER_ABSENT) == 0 &&
        roster_count (d->roster, WORKER_OPENING) == 0)
        d->compare_ns = 0;
}

static esp_err take_ready (dispatch *d, worker *w, const wire_message *m)
{
    bool first = w->state != WORKER_READY;
    esp_err err;
    if (w->state == WORKER_REFUSED)
        return ESP_OK;
    if ((err = take_models (d, w, m)) != ESP_OK || w->state == WORKER_REFUSED)
        return err;
    if (!first)
        note_outage (d, w, m);
    memcpy (w->slots, m->u.ready.slots, sizeof (w->slots));
    w->state = WORKER_READY;
    roster_update (d->roster, w);
    if (first)
        esp_log (LOG_DEBUG, "DISPATCH-READY",
                 "rank %d on %s: %.*s; generate %u, score %u, verify %u at once", w->rank, w->host,
                 (int)m->u.ready.engines.len, m->u.ready.engines.ptr, w->slots[TASK_GENERATE],
                 w->slots[TASK_SCORE], w->slots[TASK_VERIFY]);
    return ESP_OK;
}

static void take_refused (dispatch *d, worker *w, const wire_message *m)
{
    char why[320];
    snprintf (why, sizeof (why), "rank %d: %.*s", w->rank,
              (int)(m->u.refused.len > 250 ? 250 : m->u.refused.len), m->u.refused.ptr);
    refuse (d, w, "DISPATCH-REFUSED", why);
}

/* The worker's credit comes back whatever becomes of the result. */
static uint32_t take_credit (dispatch *d, worker *w, const wire_result *r)
{
    uint32_t l = lease_find (d->leases, r->lease), handle;
    if (!l || lease_at (d->leases, l)->rank != w->rank)
        return lease_find_flight (d->leases, r->result.id);
    handle = lease_at (d->leases, l)->flight;
    d->stats.late += lease_at (d->leases, l)->late;
    dispatch_end_lease (d, l);
    return handle;
}

static void take_error (dispatch *d, uint32_t handle, const worker *w, esp_err error)
{
    flight *f = lease_flight_at (d->leases, handle);
    d->stats.errors++;
    f->errors++;
    f->whole = f->whole || error == ESP_EMISSING;
    esp_log (LOG_WARN, "DISPATCH-RETRY",
             "task %u of problem %u on rank %d: %s; sent again (%u of %lld)", f->task.id.number,
             problem_number (f->task.id.problem), w->rank, esp_err_text (error), f->errors,
             (long long)d->options.retries);
    if (f->leases == 0 && !f->waiting)
        dispatch_retry (d, handle);
}

/* The worker's servers are out of service: nobody's fault, so it may come back any number of times. */
static void take_returned (dispatch *d, uint32_t handle)
{
    const flight *f = lease_flight_at (d->leases, handle);
    d->stats.returned++;
    if (f->leases == 0 && !f->waiting)
        dispatch_retry (d, handle);
}

/* No search sees it.  What it cost is counted. */
static void waste (dispatch *d, const wire_result *r)
{
    d->stats.wasted_tokens += r->result.tokens;
    costs_waste (d->book, r);
}

/* More tokens than were asked for: the budget would be exceeded (D13).  The result is not taken; once may be an accident,
 * a server that always does it makes its tasks fail. */
static esp_err judge (const flight *f, const worker *w, const result *r)
{
    if (r->error != ESP_OK || f->task.kind != TASK_GENERATE || f->task.max_tokens == 0 ||
        r->tokens <= f->task.max_tokens)
        return r->error;
    esp_log (
        LOG_ERROR, "DISPATCH-OVERRUN",
        "task %u of problem %u on rank %d: %u tokens came where at most %u were asked for%s%.*s; "
        "the result is not taken",
        r->id.number, problem_number (r->id.problem), w->rank, r->tokens, f->task.max_tokens,
        r->server.len ? ", from " : "", (int)r->server.len, r->server.len ? r->server.ptr : "");
    return ESP_EENGINE;
}

static void hand_on (dispatch *d, worker *w, uint32_t handle, const wire_result *r, esp_err error)
{
    const flight *f = lease_flight_at (d->leases, handle);
    result got = r->result;
    if (error != got.error) /* refused: nothing of it may reach the search */
        got = (result){.id = got.id,
                       .error = error,
                       .finish = FINISH_ERROR,
                       .logprob = NAN,
                       .mean_logprob = NAN,
                       .share = NAN};
    if (f->task.kind == TASK_GENERATE && error == ESP_OK && f->task.child != NODE_NONE) {
        roster_learn (w, f->task.id.problem, f->task.child); /* it made this text */
        roster_set_home (d->roster, f->task.id.problem, f->task.child, w->rank);
    }
    dispatch_end_flight (d, handle);
    d->stats.results++;
    if (d->world.wants (d->world.ctx, got.id))
        d->world.result (d->world.ctx, &got, w->rank);
    else if (error == r->result.error) /* else it was counted when it was refused */
        waste (d, r);
}

/* The flight that it answers, or NULL: another's, or nobody's. */
static const flight *flight_of (dispatch *d, uint32_t handle, const wire_result *r)
{
    const flight *f = handle ? lease_flight_at (d->leases, handle) : NULL;
    if (!f ||
        (f->task.id.number == r->result.id.number && f->task.id.problem == r->result.id.problem))
        return f;
    if (f->leases == 0 &&
        !f->waiting) /* a confused worker: its lease is of another task, which goes out again */
        dispatch_retry (d, handle);
    return NULL;
}

static void take_one (dispatch *d, worker *w, const wire_result *r)
{
    uint32_t handle = take_credit (d, w, r);
    const flight *f = flight_of (d, handle, r);
    esp_err error;
    w->results++;
    w->busy_us += r->busy_us;
    costs_add (d->book, f ? &f->task : NULL, r);
    if (!f) {
        d->stats.duplicates++;
        waste (d, r);
        return;
    }
    if (r->result.error == ESP_ECANCELED) {
        take_returned (d, handle);
        return;
    }
    error = judge (f, w, &r->result);
    if (error != r->result.error)
        waste (d, r);
    if ((retryable (error) || error != r->result.error) && f->errors < d->options.retries)
        take_error (d, handle, w, error);
    else
        hand_on (d, w, handle, r, error);
}

static void expect_result (const dispatch *d, const wire_result *r)
{
    lease_expect (d->leases, r->lease, r->result.id);
    if (d->world.expect)
        d->world.expect (d->world.ctx, r->result.id);
}

static void take_missing (dispatch *d, worker *w, const wire_message *m)
{
    roster_forget_all (w);
    for (size_t i = 0; i < m->u.ids.count; i++) {
        uint32_t handle = lease_find_flight (d->leases, m->u.ids.ids[i]);
        d->stats.missing++;
        if (!handle)
            continue;
        lease_flight_at (d->leases, handle)->whole = true;
        for (uint32_t l = lease_of_flight (d->leases, handle), next; l; l = next) {
            next = lease_next_of_flight (d->leases, l);
            if (lease_at (d->leases, l)->rank == w->rank)
                dispatch_end_lease (d, l);
        }
        if (lease_flight_at (d->leases, handle)->leases == 0 &&
            !lease_flight_at (d->leases, handle)->waiting)
            dispatch_retry (d, handle);
    }
}

static esp_err take_message (dispatch *d, worker *w, const wire_message *m)
{
    switch ((enum wire_kind)m->kind) {
    case WIRE_HELLO:
        return take_hello (d, w, m);
    case WIRE_READY:
        return take_ready (d, w, m);
    case WIRE_REFUSED:
        take_refused (d, w, m);
        break;
    case WIRE_RESULTS:
        for (size_t i = 0; i < m->u.results.count && w->state != WORKER_REFUSED; i++) {
            expect_result (d, &m->u.results.results[i]);
            take_one (d, w, &m->u.results.results[i]);
        }
        break;
    case WIRE_MISSING:
        take_missing (d, w, m);
        break;
    case WIRE_PROGRESS:
        if (d->world.progress)
            d->world.progress (d->world.ctx, m->u.progress.id, m->u.progress.text);
        break;
    default: /* PONG: it lives; the coordinator's own kinds: ignored */
        break;
    }
    return ESP_OK;
}

static esp_err take_bytes (dispatch *d, int rank, span bytes)
{
    worker *w = roster_worker (d->roster, rank);
    wire_message m;
    esp_err err;
    esp_prefetch (w, offsetof (worker, pid));
    esp_prefetch (&d->boxes[rank], sizeof (d->boxes[rank]));
    err = wire_decode (d->in, bytes, &m);
    if (err == ESP_ENOMEM)
        return err;
    if (err != ESP_OK) {
        esp_log (LOG_ERROR, "DISPATCH-GARBAGE", "a message of %zu bytes from rank %d: %s; dropped",
                 bytes.len, rank, esp_err_text (err));
        return ESP_OK;
    }
    if (m.kind != WIRE_HELLO && m.run_id != d->run_id)
        return ESP_OK; /* a stray of an earlier run */
    w->heard_ns = esp_clock_ns (&d->clock);
    if (w->state == WORKER_DEAD &&
        m.kind != WIRE_HELLO) { /* it was only silent: its leases went elsewhere */
        esp_log (LOG_WARN, "DISPATCH-BACK", "rank %d speaks again", rank);
        w->state = WORKER_READY;
        roster_forget_all (w);
        roster_update (d->roster, w);
    }
    return take_message (d, w, &m);
}

esp_err dispatch_receive (dispatch *d, size_t max, size_t *taken)
{
    link_event got;
    esp_err err = ESP_OK;
    *taken = 0;
    while (*taken < max && (err = link_poll (d->link, &got)) == ESP_OK) {
        ++*taken;
        if (got.rank < 1 || got.rank >= roster_size (d->roster))
            continue;
        if (got.kind == LINK_DOWN) {
            dispatch_worker_down (d, got.rank, "its process ended");
            continue;
        }
        if ((err = take_bytes (d, got.rank, got.bytes)) != ESP_OK)
            return err;
    }
    look_at_models (d);
    return err == ESP_EEMPTY ? ESP_OK : err;
}
