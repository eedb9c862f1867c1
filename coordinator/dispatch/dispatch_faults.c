/* SPDX-License-Identifier: Apache-2.0 */
/* dispatch_faults.c - heartbeats, silence, late leases, and tasks that may kill their workers
 *
 * One death says nothing about the hundred tasks that were there: they go out again like any others.  A task that was at two
 * is a suspect: it runs next alone on an idle worker.  Only a death while alone counts against it; after two (one, if that
 * was the last able worker) it is poisoned (docs/architecture.md, "Workers fail").  The counts live with the flight: an
 * answer forgets them.  The loop journals every death, and recalls the counts in a new start: else one task could end every start.
 *
 * The last able worker runs suspects when nothing else is left to do: what it does until then stays, whatever they do to it.
 */

#include <stdio.h>
#include <string.h>
#include "coordinator/dispatch/dispatch_private.h"
#include "proto/base/alloc.h"
#include "proto/base/log.h"

enum {
    /* fewer: every node failure leaves workers idle while its tasks run one by one; more: poison eats more workers */
    DEATHS_SUSPECT = 2,
    /* fewer: a node failure ends problems; more: a poisonous task eats more workers */
    DEATHS_ALONE = 2,
    NAMED = 16 /* suspects in one line of the log; all are in the journal */
};

bool dispatch_is_suspect (const flight *f)
{
    return f->deaths >= DEATHS_SUSPECT;
}

static void poison (dispatch *d, uint32_t handle)
{
    task_id id = lease_flight_at (d->leases, handle)->task.id;
    result r = {.id = id, .error = ESP_EPOISONED};
    esp_log (LOG_ERROR, "DISPATCH-POISONED",
             "task %u of problem %u killed %u workers while alone; its problem ends", id.number,
             problem_number (id.problem), lease_flight_at (d->leases, handle)->alone);
    d->stats.poisoned++;
    dispatch_end_flight (d, handle);
    if (d->world.wants (d->world.ctx, id))
        d->world.result (d->world.ctx, &r, 0);
}

esp_err dispatch_recall (dispatch *d, const task *t, uint32_t deaths, uint32_t alone)
{
    uint32_t handle;
    flight *f;
    esp_err err = lease_flight (d->leases, t, &handle);
    if (err != ESP_OK)
        return err;
    f = lease_flight_at (d->leases, handle);
    f->deaths += deaths;
    f->alone += alone;
    f->waiting = true;
    return ESP_OK;
}

esp_err dispatch_suspect (dispatch *d, uint32_t handle)
{
    flight *f = lease_flight_at (d->leases, handle);
    if (esp_grow (&d->suspects, &d->suspect_cap, d->suspect_count + 1, sizeof (*d->suspects)) != 0)
        return ESP_ENOMEM;
    d->suspects[d->suspect_count++] = handle;
    f->waiting = true;
    return ESP_OK;
}

void dispatch_retry (dispatch *d, uint32_t handle)
{
    flight *f = lease_flight_at (d->leases, handle);
    task again = f->task;
    if (dispatch_is_suspect (f) && dispatch_suspect (d, handle) == ESP_OK)
        return;
    f->waiting = true;
    d->world.again (d->world.ctx, &again);
}

static void lose_lease (dispatch *d, uint32_t lease_handle)
{
    const lease *l = lease_at (d->leases, lease_handle);
    uint32_t handle = l->flight;
    bool alone = l->alone;
    flight *f;
    dispatch_end_lease (d, lease_handle);
    f = lease_flight_at (d->leases, handle);
    f->deaths++;
    f->alone += alone;
    if (alone && (f->alone >= DEATHS_ALONE ||
                  roster_hopeful (d->roster, (enum task_kind)f->task.kind) == 0)) {
        poison (d, handle);
        return;
    }
    if (esp_grow (&d->lost, &d->lost_cap, d->lost_count + 1, sizeof (*d->lost)) == 0)
        d->lost[d->lost_count++] = f->task.id; /* else only this start knows */
    if (f->leases == 0 && !f->waiting)
        dispatch_retry (d, handle);
}

static void lose_leases (dispatch *d, worker *w)
{
    bool alone = w->first_lease && lease_at (d->leases, w->first_lease)->alone;
    d->lost_count = 0;
    while (w->first_lease)
        lose_lease (d, w->first_lease);
    if (d->lost_count > 0 && d->world.death)
        d->world.death (d->world.ctx, w->rank, alone, d->lost, d->lost_count);
}

/* Nobody is left to try them alone: a person reads here what may have done it. */
static void name_suspects (const dispatch *d, enum task_kind kind)
{
    char names[NAMED * 40 + 8] = "";
    size_t used = 0, count = 0;
    for (size_t i = 0; i < d->suspect_count; i++) {
        const flight *f = d->suspects[i] ? lease_flight_at (d->leases, d->suspects[i]) : NULL;
        if (!f || f->task.kind != kind || count++ >= NAMED)
            continue;
        used += (size_t)snprintf (names + used, sizeof (names) - used, "%stask %u of problem %u",
                                  used ? ", " : "", f->task.id.number,
                                  problem_number (f->task.id.problem));
    }
    if (count > 0)
        esp_log (
            LOG_WARN, "DISPATCH-SUSPECTS",
            "no worker is left that can %s; %zu tasks were there when two workers died (%s%s): "
            "resume runs them alone and finds out whether one of them does it",
            task_kind_names[kind], count, names, count > NAMED ? ", ..." : "");
}

static void drop_box (outbox *box)
{
    box->count = box->cancel_count = 0;
}

void dispatch_worker_down (dispatch *d, int rank, const char *why)
{
    worker *w = roster_worker (d->roster, rank);
    if (w->state == WORKER_DEAD || w->state == WORKER_ABSENT)
        return;
    if (d->stopping && roster_in_flight (w) == 0) { /* it left, as asked */
        w->state = WORKER_DEAD;
        roster_update (d->roster, w);
        return;
    }
    esp_log (LOG_WARN, "DISPATCH-DEAD", "rank %d on %s: %s; its %u tasks go elsewhere", rank,
             w->host, why, roster_in_flight (w));
    w->state = WORKER_DEAD;
    if (d->reserved_rank == rank)
        d->reserved_rank = 0;
    w->reserved = false;
    d->saw_death = true;
    d->stats.deaths++;
    drop_box (&d->boxes[rank]);
    roster_update (d->roster, w);
    lose_leases (d, w);
    for (int k = 0; k < TASK_KINDS; k++)
        if (w->can[k] && roster_hopeful (d->roster, (enum task_kind)k) == 0)
            name_suspects (d, (enum task_kind)k);
}

/* ---- the tick ---- */

static void check_silence (dispatch *d, uint64_t now)
{
    uint64_t limit = (uint64_t)(d->options.silence_s * 1e9);
    for (int rank = 1; rank < roster_size (d->roster); rank++) {
        const worker *w = roster_worker (d->roster, rank);
        if ((w->state == WORKER_READY || w->state == WORKER_OPENING) && now - w->heard_ns > limit)
            dispatch_worker_down (d, rank, "silent for too long (dispatch.silence_s)");
    }
}

static void send_pings (dispatch *d)
{
    wire_message ping = {.kind = WIRE_PING, .run_id = d->run_id, .u.ping.sequence = ++d->ping};
    ping.u.ping.watched = d->watched;
    for (int rank = 1; rank < roster_size (d->roster); rank++)
        if (roster_worker (d->roster, rank)->state != WORKER_ABSENT &&
            dispatch_message (d, rank, &ping) != ESP_OK)
            continue; /* a full queue: it is being spoken to anyway */
}

static void expire_leases (dispatch *d, uint64_t now)
{
    uint64_t limit = (uint64_t)(d->options.lease_s * 1e9);
    for (int k = 0; k < TASK_KINDS; k++)
        for (uint32_t l; (l = lease_oldest (d->leases, (enum task_kind)k)) != 0;) {
            const lease *old = lease_at (d->leases, l);
            flight *f = lease_flight_at (d->leases, old->flight);
            if (now - old->sent_ns < limit)
                break;
            d->stats.expired++;
            esp_log (LOG_WARN, "DISPATCH-LEASE-EXPIRED",
                     "task %u of problem %u: no result from rank %d in %.0f s; "
                     "sent again elsewhere (dispatch.lease_s)",
                     f->task.id.number, problem_number (f->task.id.problem), old->rank,
                     d->options.lease_s);
            lease_mark_late (d->leases, l);
            if (!f->waiting)
                dispatch_retry (d, old->flight);
        }
}

/* No idle worker: keep new work from the one that will be idle first. */
static void reserve_one (dispatch *d, enum task_kind kind)
{
    worker *best = NULL;
    for (int rank = 1; rank < roster_size (d->roster) && !d->reserved_rank; rank++) {
        worker *w = roster_worker (d->roster, rank);
        if (w->state == WORKER_READY && !w->draining && !w->reserved && w->slots[kind] > 0 &&
            (!best || roster_in_flight (w) < roster_in_flight (best)))
            best = w;
    }
    if (best) {
        best->reserved = true;
        d->reserved_rank = best->rank;
        roster_update (d->roster, best);
    }
}

static void release_reserved (dispatch *d)
{
    worker *w;
    if (!d->reserved_rank)
        return;
    w = roster_worker (d->roster, d->reserved_rank);
    d->reserved_rank = 0;
    w->reserved = false;
    roster_update (d->roster, w);
}

static worker *alone_worker (dispatch *d, enum task_kind kind)
{
    if (d->reserved_rank && roster_in_flight (roster_worker (d->roster, d->reserved_rank)) == 0)
        release_reserved (d);
    return roster_idle (d->roster, kind);
}

/* One that may take the last able worker with it waits for all that is out, and keeps nobody free of work that is there. */
static esp_err place_suspects (dispatch *d)
{
    size_t kept = 0;
    bool waits = d->world.waiting && d->world.waiting (d->world.ctx), reserve = false;
    bool last[TASK_KINDS];
    esp_err err = ESP_OK;
    for (int k = 0; k < TASK_KINDS; k++)
        last[k] = roster_hopeful (d->roster, (enum task_kind)k) <= 1;
    for (size_t i = 0; i < d->suspect_count; i++) {
        uint32_t handle = d->suspects[i];
        enum task_kind kind;
        worker *w;
        if (!handle)
            continue; /* cancelled */
        d->suspects[kept++] = handle;
        kind = (enum task_kind)lease_flight_at (d->leases, handle)->task.kind;
        if (d->stopping || err != ESP_OK || (last[kind] && waits))
            continue;
        reserve = true;
        w = last[kind] && dispatch_in_flight (d) > 0 ? NULL : alone_worker (d, kind);
        if (!w)
            reserve_one (d, kind);
        else if ((err = dispatch_lease_to (d, handle, w, true)) == ESP_OK)
            kept--;
    }
    d->suspect_count = kept;
    if (kept == 0 || !reserve)
        release_reserved (d);
    return err;
}

static void note_able (dispatch *d, uint64_t now)
{
    bool out = false, opening = false, looked = false;
    for (int k = 0; k < TASK_KINDS; k++) {
        bool able = roster_able (d->roster, (enum task_kind)k) > 0;
        if (!able && !looked) {
            opening = roster_count (d->roster, WORKER_OPENING) > 0;
            looked = true;
        }
        if (able || opening)
            d->able_ns[k] = now;
        out = out || (!able && roster_hopeful (d->roster, (enum task_kind)k) > 0);
    }
    if (!out)
        d->outage[0] = 0;
}

esp_err dispatch_tick (dispatch *d)
{
    uint64_t now = esp_clock_ns (&d->clock);
    note_able (d, now);
    if (d->compare_ns > 0 && now >= d->compare_ns)
        d->compare_ns = 0;
    expire_leases (d, now);
    if (now >= d->next_ping_ns) {
        d->next_ping_ns = now + (uint64_t)(d->options.heartbeat_s * 1e9);
        check_silence (d, now);
        send_pings (d);
    }
    return d->suspect_count > 0 ? place_suspects (d) : ESP_OK;
}

double dispatch_stranded_s (const dispatch *d, enum task_kind kind)
{
    return (double)(esp_clock_ns (&d->clock) - d->able_ns[kind]) / 1e9;
}
