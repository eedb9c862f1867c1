/* SPDX-License-Identifier: Apache-2.0 */
/* dispatch.c - life, giving and cancelling; see dispatch.h
 *
 * Invariants:
 *   I1  worker.in_flight[k] counts the worker's leases of kind k
 *   I2  a flight without a lease is waiting: in the frontier (again was called) or among the suspects
 *   I3  a reserved worker has at most one lease, and that one is alone
 */

#include "coordinator/dispatch/dispatch_private.h"
#include <assert.h>
#include <stddef.h>
#include "proto/base/alloc.h"

const esp_option dispatch_option_rows[] = {
    {"lease_s", ESP_OPT_DOUBLE, offsetof (dispatch_options, lease_s), "600", 0.01, 1e6, NULL, "s",
     "a task that is out longer is sent again elsewhere; the first result wins", ESP_OPT_FREE,
     false},
    {"silence_s", ESP_OPT_DOUBLE, offsetof (dispatch_options, silence_s), "30", 0.1, 1e6, NULL, "s",
     "a worker that says nothing so long is given up", ESP_OPT_FREE, false},
    {"heartbeat_s", ESP_OPT_DOUBLE, offsetof (dispatch_options, heartbeat_s), "2", 0.01, 3600, NULL,
     "s", "every worker is pinged so often", ESP_OPT_FREE, false},
    {"no_worker_s", ESP_OPT_DOUBLE, offsetof (dispatch_options, no_worker_s), "60", 0, 1e6, NULL,
     "s", "with no able worker for so long the run stops, resumable (exit 3)", ESP_OPT_FREE, false},
    {"coordinator_silence_s", ESP_OPT_DOUBLE, offsetof (dispatch_options, coordinator_silence_s),
     "60", 0.1, 1e6, NULL, "s", "a worker leaves when the coordinator says nothing so long",
     ESP_OPT_FREE, false},
    {"affinity", ESP_OPT_INT, offsetof (dispatch_options, affinity), "4", 0, 4096, NULL, "tasks",
     "a task goes to the worker that holds its prefix unless that one is so much busier than the "
     "least loaded",
     ESP_OPT_FREE, false},
    {"max_batch", ESP_OPT_INT, offsetof (dispatch_options, max_batch), "256", 1, 65536, NULL,
     "tasks", "tasks per message", ESP_OPT_FREE, false},
    {"retries", ESP_OPT_INT, offsetof (dispatch_options, retries), "8", 0, 1000, NULL, "errors",
     "retryable errors of one task before it fails for good", ESP_OPT_FREE, false},
    ESP_OPTION_END,
};

esp_err dispatch_create (const dispatch_options *options, link_end *link, const esp_clock *clock,
                         uint64_t run_id, uint32_t epoch, uint64_t version, span run_file,
                         const dispatch_world *world, dispatch **out)
{
    dispatch *d;
    if (!options || !link || !clock || !world || !out)
        return ESP_EINVAL;
    if (!(d = esp_calloc (1, sizeof (*d))))
        return ESP_ENOMEM;
    d->options = *options;
    d->world = *world;
    d->link = link;
    d->clock = *clock;
    d->run_id = run_id;
    d->epoch = epoch;
    d->version = version;
    d->run_file = run_file;
    d->next_ping_ns = esp_clock_ns (clock);
    for (int k = 0; k < TASK_KINDS; k++)
        d->able_ns[k] = d->next_ping_ns;
    d->boxes = esp_calloc ((size_t)link->size, sizeof (*d->boxes));
    d->dirty = esp_calloc ((size_t)link->size, sizeof (*d->dirty));
    if (!d->boxes || !d->dirty || roster_create (link->size, &d->roster) != ESP_OK ||
        lease_table_create (&d->leases) != ESP_OK || costs_create (&d->book) != ESP_OK ||
        models_create (&d->models) != ESP_OK || wire_codec_create (&d->in) != ESP_OK ||
        wire_codec_create (&d->out) != ESP_OK) {
        dispatch_destroy (d);
        return ESP_ENOMEM;
    }
    *out = d;
    return ESP_OK;
}

void dispatch_destroy (dispatch *d)
{
    if (!d)
        return;
    for (int i = 0; d->boxes && i < d->link->size; i++) {
        esp_free (d->boxes[i].tasks);
        esp_free (d->boxes[i].cancels);
    }
    esp_free (d->boxes);
    esp_free (d->dirty);
    esp_free (d->suspects);
    esp_free (d->lost);
    esp_free (d->scratch.problems);
    esp_free (d->scratch.prefixes);
    esp_free (d->scratch.steps);
    esp_free (d->scratch.tasks);
    esp_free (d->scratch.path);
    esp_free (d->scratch.starts);
    esp_buf_free (&d->bytes);
    roster_destroy (d->roster);
    lease_table_destroy (d->leases);
    costs_destroy (d->book);
    models_destroy (d->models);
    wire_codec_destroy (d->in);
    wire_codec_destroy (d->out);
    esp_free (d);
}

outbox *dispatch_box (dispatch *d, int rank)
{
    outbox *box = &d->boxes[rank];
    if (!box->dirty) {
        box->dirty = true;
        d->dirty[d->dirty_count++] = rank;
    }
    return box;
}

/* ---- giving ---- */

bool dispatch_room (const dispatch *d, enum task_kind kind)
{
    return !d->stopping && !d->mixed && d->compare_ns == 0 && roster_room (d->roster, kind);
}

esp_err dispatch_lease_to (dispatch *d, uint32_t flight_handle, worker *w, bool alone)
{
    flight *f = lease_flight_at (d->leases, flight_handle);
    outbox *box = dispatch_box (d, w->rank);
    uint64_t number;
    esp_err err;
    if (esp_grow (&box->tasks, &box->cap, box->count + 1, sizeof (*box->tasks)) != 0)
        return ESP_ENOMEM;
    if ((err = lease_start (d->leases, flight_handle, w->rank, &w->first_lease, alone,
                            esp_clock_ns (&d->clock), &number)) != ESP_OK)
        return err;
    roster_expect (w, f->task.id.problem, NODE_ROOT); /* the next flush will ask */
    box->tasks[box->count++] = (struct sending){flight_handle, number};
    w->in_flight[f->task.kind]++;
    w->reserved = w->reserved || alone;
    roster_update (d->roster, w);
    if (f->task.kind == TASK_GENERATE)
        roster_set_home (d->roster, f->task.id.problem, f->task.node, w->rank);
    else
        roster_offer_home (d->roster, f->task.id.problem, f->task.node, w->rank);
    d->stats.sent++;
    d->stats.resent += f->attempts > 1;
    return ESP_OK;
}

esp_err dispatch_give (dispatch *d, const task *t)
{
    worker *w = roster_pick (d->roster, (enum task_kind)t->kind, t->id.problem, t->node,
                             (uint32_t)d->options.affinity);
    const flight *f;
    uint32_t handle;
    esp_err err;
    if (!w)
        return ESP_EFULL;
    if ((err = lease_flight (d->leases, t, &handle)) != ESP_OK)
        return err;
    f = lease_flight_at (d->leases, handle);
    if (dispatch_is_suspect (
            f)) /* the second died while it waited in the frontier, or in an earlier start */
        return dispatch_suspect (d, handle);
    if ((err = dispatch_lease_to (d, handle, w, false)) != ESP_OK && f->attempts == 0)
        lease_flight_end (d->leases, handle);
    return err;
}

/* ---- ending ---- */

void dispatch_end_lease (dispatch *d, uint32_t lease_handle)
{
    const lease *l = lease_at (d->leases, lease_handle);
    worker *w = roster_worker (d->roster, l->rank);
    flight *f = lease_flight_at (d->leases, l->flight);
    assert (w->in_flight[f->task.kind] > 0);
    w->in_flight[f->task.kind]--;
    if (l->alone)
        w->reserved = false;
    lease_end (d->leases, lease_handle, &w->first_lease);
    roster_update (d->roster, w);
}

static void tell_cancel (dispatch *d, int rank, task_id id)
{
    outbox *box;
    if (roster_worker (d->roster, rank)->state != WORKER_READY)
        return;
    box = dispatch_box (d, rank);
    if (esp_grow (&box->cancels, &box->cancel_cap, box->cancel_count + 1, sizeof (*box->cancels)) ==
        0)
        box->cancels[box->cancel_count++] = id; /* else the worker works in vain once */
}

/* A task that is still in the outbox when it is cancelled is simply not sent. */
static bool unsend (dispatch *d, int rank, uint64_t number)
{
    outbox *box = &d->boxes[rank];
    for (size_t i = 0; i < box->count; i++)
        if (box->tasks[i].lease == number) {
            for (; i + 1 < box->count; i++)
                box->tasks[i] = box->tasks[i + 1];
            box->count--;
            return true;
        }
    return false;
}

void dispatch_end_flight (dispatch *d, uint32_t flight_handle)
{
    task_id id = lease_flight_at (d->leases, flight_handle)->task.id;
    for (uint32_t l = lease_of_flight (d->leases, flight_handle), next; l; l = next) {
        const lease *out = lease_at (d->leases, l);
        int rank = out->rank;
        next = lease_next_of_flight (d->leases, l);
        if (!unsend (d, rank, out->number))
            tell_cancel (d, rank, id);
        dispatch_end_lease (d, l);
    }
    for (size_t i = 0; i < d->suspect_count; i++)
        if (d->suspects[i] == flight_handle)
            d->suspects[i] = 0;
    lease_flight_end (d->leases, flight_handle);
}

void dispatch_cancel (dispatch *d, task_id id)
{
    uint32_t handle = lease_find_flight (d->leases, id);
    if (handle)
        dispatch_end_flight (d, handle);
}

void dispatch_stop (dispatch *d, bool drain)
{
    d->stopping = true;
    for (int rank = 1; rank < roster_size (d->roster); rank++) {
        wire_message m = {.kind = drain ? WIRE_DRAIN : WIRE_STOP, .run_id = d->run_id};
        worker *w = roster_worker (d->roster, rank);
        if (w->state == WORKER_DEAD)
            continue;
        w->draining = true;
        roster_update (d->roster, w);
        if (dispatch_message (d, rank, &m) != ESP_OK)
            continue; /* it leaves by its own lease */
    }
}

void dispatch_watched (dispatch *d, bool watched)
{
    if (watched && !d->watched)
        d->next_ping_ns = esp_clock_ns (&d->clock);
    d->watched = watched;
}

/* ---- counts ---- */

bool dispatch_was_sent (const dispatch *d, task_id id)
{
    uint32_t handle = lease_find_flight (d->leases, id);
    return handle && lease_flight_at (d->leases, handle)->attempts > 0;
}

uint64_t dispatch_in_flight (const dispatch *d)
{
    return lease_flights_out (d->leases);
}

uint64_t dispatch_suspects (const dispatch *d)
{
    return d->suspect_count;
}

uint64_t dispatch_suspects_of (const dispatch *d, enum task_kind kind)
{
    uint64_t n = 0;
    for (size_t i = 0; i < d->suspect_count; i++)
        n += d->suspects[i] && lease_flight_at (d->leases, d->suspects[i])->task.kind == kind;
    return n;
}

uint64_t dispatch_kind_slots (const dispatch *d, enum task_kind kind)
{
    return roster_slots (d->roster, kind);
}

uint64_t dispatch_slots (const dispatch *d)
{
    uint64_t sum = 0;
    for (int k = 0; k < TASK_KINDS; k++)
        sum += roster_slots (d->roster, (enum task_kind)k);
    return sum;
}

roster *dispatch_roster (dispatch *d)
{
    return d->roster;
}

const dispatch_stats *dispatch_statistics (const dispatch *d)
{
    return &d->stats;
}

const costs *dispatch_costs (const dispatch *d)
{
    return d->book;
}

const char *dispatch_trouble (const dispatch *d)
{
    return d->outage[0] ? d->outage : d->trouble;
}

bool dispatch_all_refused (const dispatch *d)
{
    uint32_t refused = roster_count (d->roster, WORKER_REFUSED);
    return d->mixed || (refused > 0 && refused + roster_count (d->roster, WORKER_DEAD) ==
                                           (uint32_t)roster_size (d->roster) - 1);
}

bool dispatch_saw_death (const dispatch *d)
{
    return d->saw_death;
}

uint64_t dispatch_next_tick_ns (const dispatch *d)
{
    return d->next_ping_ns;
}

const models *dispatch_models (const dispatch *d)
{
    return d->models;
}
