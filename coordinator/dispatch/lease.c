/* SPDX-License-Identifier: Apache-2.0 */
/* lease.c - two slabs and a hash table behind lease.h
 *
 * Handles are slab indexes + 1, so 0 is "none" and a handle fits the worker's list head.  A lease's number is its handle
 * and, above it, how often that cell was used: it is found without a table.
 *
 * Invariants:
 *   I1  a lease is in its worker's list, its flight's list and, unless late, the order of its kind
 *   I2  flight.leases is the length of its list
 */

#include "coordinator/dispatch/lease.h"
#include <assert.h>
#include "proto/base/alloc.h"
#include "proto/base/hash.h"
#include "proto/base/prefetch.h"

enum { HANDLE_BITS = 24 }; /* of a lease's number: 16 million leases out */

struct lease_cell {
    lease pub;
    uint64_t uses;
    uint32_t worker_before, worker_next;
    uint32_t flight_before, flight_next;
    uint32_t order_before, order_next; /* order_next also links free cells */
};

struct flight_cell {
    bool used;
    uint32_t next_free;
    flight pub;
};

/* Open addressing from a hash to a handle. */
struct table {
    struct entry {
        uint64_t key;
        uint32_t handle; /* 0 = free */
    } * entries;
    size_t cap, used;
};

struct lease_table {
    struct lease_cell *leases; /* owned slab */
    size_t lease_cap, lease_used;
    uint32_t free_lease;
    struct flight_cell *flights; /* owned slab */
    size_t flight_cap, flight_used;
    uint32_t free_flight;
    struct table by_task;
    uint32_t oldest[TASK_KINDS], newest[TASK_KINDS];
    uint64_t out, count;
};

/* ---- the hash table ---- */

static size_t home_of (const struct table *t, uint64_t key)
{
    return (size_t)(key & (t->cap - 1));
}

static uint32_t *table_find (const struct table *t, uint64_t key)
{
    for (size_t i = t->cap ? home_of (t, key) : 0; t->cap && t->entries[i].handle;
         i = (i + 1) & (t->cap - 1))
        if (t->entries[i].key == key)
            return &t->entries[i].handle;
    return NULL;
}

static void table_put (struct table *t, uint64_t key, uint32_t handle)
{
    size_t i = home_of (t, key);
    while (t->entries[i].handle)
        i = (i + 1) & (t->cap - 1);
    t->entries[i] = (struct entry){key, handle};
    t->used++;
}

static esp_err table_room (struct table *t)
{
    struct table grown = {.cap = t->cap ? 2 * t->cap : 64};
    if (2 * (t->used + 1) <= t->cap)
        return ESP_OK;
    if (!(grown.entries = esp_calloc (grown.cap, sizeof (*grown.entries))))
        return ESP_ENOMEM;
    for (size_t i = 0; i < t->cap; i++)
        if (t->entries[i].handle)
            table_put (&grown, t->entries[i].key, t->entries[i].handle);
    esp_free (t->entries);
    *t = grown;
    return ESP_OK;
}

static void table_remove (struct table *t, uint64_t key)
{
    uint32_t *found = table_find (t, key);
    size_t mask = t->cap - 1, hole;
    assert (found);
    hole = (size_t)((struct entry *)(void *)((char *)found - offsetof (struct entry, handle)) -
                    t->entries);
    for (size_t i = (hole + 1) & mask; t->entries[i].handle; i = (i + 1) & mask)
        if (((i - home_of (t, t->entries[i].key)) & mask) >= ((i - hole) & mask)) {
            t->entries[hole] = t->entries[i];
            hole = i;
        }
    t->entries[hole].handle = 0;
    t->used--;
}

/* Problem keys and task numbers are mixed into one key; equal keys of two tasks would need a 64-bit collision among the tasks out. */
static uint64_t task_hash (task_id id)
{
    return esp_hash_fast (id.problem, id.number);
}

/* ---- life ---- */

esp_err lease_table_create (lease_table **out)
{
    lease_table *t;
    if (!out)
        return ESP_EINVAL;
    if (!(t = esp_calloc (1, sizeof (*t))))
        return ESP_ENOMEM;
    *out = t;
    return ESP_OK;
}

void lease_table_destroy (lease_table *t)
{
    if (!t)
        return;
    esp_free (t->leases);
    esp_free (t->flights);
    esp_free (t->by_task.entries);
    esp_free (t);
}

/* ---- flights ---- */

flight *lease_flight_at (lease_table *t, uint32_t handle)
{
    assert (handle && t->flights[handle - 1].used);
    return &t->flights[handle - 1].pub;
}

uint32_t lease_find_flight (const lease_table *t, task_id id)
{
    const uint32_t *found = table_find (&t->by_task, task_hash (id));
    return found ? *found : 0;
}

esp_err lease_flight (lease_table *t, const task *of, uint32_t *handle)
{
    uint32_t h = lease_find_flight (t, of->id);
    if (h) {
        *handle = h;
        return ESP_OK;
    }
    if (table_room (&t->by_task) != ESP_OK)
        return ESP_ENOMEM;
    if (t->free_flight) {
        h = t->free_flight;
        t->free_flight = t->flights[h - 1].next_free;
    } else {
        if (esp_grow (&t->flights, &t->flight_cap, t->flight_used + 1, sizeof (*t->flights)) != 0)
            return ESP_ENOMEM;
        h = (uint32_t)++t->flight_used;
    }
    t->flights[h - 1] = (struct flight_cell){.pub = {.task = *of, .waiting = true}, .used = true};
    table_put (&t->by_task, task_hash (of->id), h);
    t->count++;
    *handle = h;
    return ESP_OK;
}

void lease_flight_end (lease_table *t, uint32_t handle)
{
    flight *f = lease_flight_at (t, handle);
    assert (f->leases == 0);
    table_remove (&t->by_task, task_hash (f->task.id));
    t->flights[handle - 1].used = false;
    t->flights[handle - 1].next_free = t->free_flight;
    t->free_flight = handle;
    t->count--;
}

/* ---- leases ---- */

static esp_err take_cell (lease_table *t, uint32_t *handle)
{
    if (t->free_lease) {
        *handle = t->free_lease;
        t->free_lease = t->leases[*handle - 1].order_next;
        return ESP_OK;
    }
    if ((t->lease_used + 1) >> HANDLE_BITS != 0 ||
        esp_grow (&t->leases, &t->lease_cap, t->lease_used + 1, sizeof (*t->leases)) != 0)
        return ESP_ENOMEM;
    *handle = (uint32_t)++t->lease_used;
    t->leases[*handle - 1].uses = 0;
    return ESP_OK;
}

static struct lease_cell *cell (const lease_table *t, uint32_t handle)
{
    return &t->leases[handle - 1];
}

static void append_order (lease_table *t, uint32_t handle, int kind)
{
    struct lease_cell *c = cell (t, handle);
    c->order_before = t->newest[kind];
    c->order_next = 0;
    if (t->newest[kind])
        cell (t, t->newest[kind])->order_next = handle;
    else
        t->oldest[kind] = handle;
    t->newest[kind] = handle;
}

static void leave_order (lease_table *t, uint32_t handle, int kind)
{
    struct lease_cell *c = cell (t, handle);
    if (c->order_before)
        cell (t, c->order_before)->order_next = c->order_next;
    else
        t->oldest[kind] = c->order_next;
    if (c->order_next)
        cell (t, c->order_next)->order_before = c->order_before;
    else
        t->newest[kind] = c->order_before;
}

esp_err lease_start (lease_table *t, uint32_t flight_handle, int rank, uint32_t *head, bool alone,
                     uint64_t now_ns, uint64_t *number)
{
    flight *f = lease_flight_at (t, flight_handle);
    struct lease_cell *c;
    uint32_t handle;
    uint64_t uses;
    if (take_cell (t, &handle) != ESP_OK)
        return ESP_ENOMEM;
    c = cell (t, handle);
    uses = c->uses + 1;
    *c = (struct lease_cell){.uses = uses,
                             .pub = {.number = uses << HANDLE_BITS | handle,
                                     .rank = rank,
                                     .alone = alone,
                                     .sent_ns = now_ns,
                                     .flight = flight_handle},
                             .worker_next = *head,
                             .flight_next = f->first_lease};
    if (*head)
        cell (t, *head)->worker_before = handle;
    *head = handle;
    if (f->first_lease)
        cell (t, f->first_lease)->flight_before = handle;
    f->first_lease = handle;
    append_order (t, handle, f->task.kind);
    f->attempts++;
    f->waiting = false;
    t->out += f->leases++ == 0;
    *number = c->pub.number;
    return ESP_OK;
}

void lease_expect (const lease_table *t, uint64_t number, task_id id)
{
    uint32_t handle = (uint32_t)number & ((1U << HANDLE_BITS) - 1);
    if (handle > 0 && handle <= t->lease_used)
        esp_prefetch (cell (t, handle), sizeof (struct lease_cell));
    if (t->by_task.cap > 0)
        esp_prefetch (&t->by_task.entries[home_of (&t->by_task, task_hash (id))], 1);
}

uint32_t lease_find (const lease_table *t, uint64_t number)
{
    uint32_t handle = (uint32_t)number & ((1U << HANDLE_BITS) - 1);
    return handle > 0 && handle <= t->lease_used && cell (t, handle)->pub.number == number ? handle
                                                                                           : 0;
}

const lease *lease_at (const lease_table *t, uint32_t handle)
{
    assert (handle);
    return &cell (t, handle)->pub;
}

void lease_end (lease_table *t, uint32_t handle, uint32_t *head)
{
    struct lease_cell *c = cell (t, handle);
    flight *f = lease_flight_at (t, c->pub.flight);
    if (c->worker_before)
        cell (t, c->worker_before)->worker_next = c->worker_next;
    else
        *head = c->worker_next;
    if (c->worker_next)
        cell (t, c->worker_next)->worker_before = c->worker_before;
    if (c->flight_before)
        cell (t, c->flight_before)->flight_next = c->flight_next;
    else
        f->first_lease = c->flight_next;
    if (c->flight_next)
        cell (t, c->flight_next)->flight_before = c->flight_before;
    if (!c->pub.late)
        leave_order (t, handle, f->task.kind);
    c->pub.number = 0; /* not found any more */
    t->out -= --f->leases == 0;
    c->order_next = t->free_lease;
    t->free_lease = handle;
}

uint32_t lease_of_flight (const lease_table *t, uint32_t flight_handle)
{
    return t->flights[flight_handle - 1].pub.first_lease;
}

uint32_t lease_next_of_flight (const lease_table *t, uint32_t handle)
{
    return cell (t, handle)->flight_next;
}

uint32_t lease_oldest (const lease_table *t, enum task_kind kind)
{
    return t->oldest[kind];
}

void lease_mark_late (lease_table *t, uint32_t handle)
{
    struct lease_cell *c = cell (t, handle);
    assert (!c->pub.late);
    leave_order (t, handle, lease_flight_at (t, c->pub.flight)->task.kind);
    c->pub.late = true;
}

uint64_t lease_flights_out (const lease_table *t)
{
    return t->out;
}

uint64_t lease_flights (const lease_table *t)
{
    return t->count;
}
