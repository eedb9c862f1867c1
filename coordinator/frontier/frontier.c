/* SPDX-License-Identifier: Apache-2.0 */
/* frontier.c - one 4-ary heap per task kind behind frontier.h
 *
 * Why a heap of small keys beside a slab of tasks: a task is about 150 bytes, a key 40; sifting moves keys only.
 * Why 4-ary: half the levels, and the four children of a key share two cache lines.
 *
 * Invariants (frontier_check):
 *   I1  no key comes before its parent, keys[(i - 1) / 4]
 *   I2  arrival is unique: no two keys compare equal, the order is total
 *   I3  every slab cell is in exactly one heap or in the free list
 */

#include "coordinator/frontier/frontier.h"
#include <assert.h>
#include "proto/base/alloc.h"

enum { ARITY = 4 };
#define NO_CELL UINT32_MAX

struct key {
    double problem_priority, priority;
    uint64_t arrival;
    uint32_t chain;
    uint32_t cell; /* index into the slab */
};

struct heap {
    struct key *keys; /* owned */
    size_t count, cap;
};

struct cell {
    task task;
    uint32_t next_free;
};

struct frontier {
    struct heap heaps[TASK_KINDS];
    struct cell *slab; /* owned */
    size_t slab_cap, slab_used;
    uint32_t first_free;
    uint64_t next_arrival;
};

static bool comes_before (const struct key *a, const struct key *b)
{
    if (a->problem_priority != b->problem_priority)
        return a->problem_priority > b->problem_priority;
    if (a->priority != b->priority)
        return a->priority > b->priority;
    if (a->chain != b->chain)
        return a->chain > b->chain;
    return a->arrival < b->arrival;
}

esp_err frontier_create (frontier **out)
{
    frontier *f;
    if (!out)
        return ESP_EINVAL;
    if (!(f = esp_calloc (1, sizeof (*f))))
        return ESP_ENOMEM;
    f->first_free = NO_CELL;
    *out = f;
    return ESP_OK;
}

void frontier_destroy (frontier *f)
{
    if (!f)
        return;
    for (int k = 0; k < TASK_KINDS; k++)
        esp_free (f->heaps[k].keys);
    esp_free (f->slab);
    esp_free (f);
}

static esp_err take_cell (frontier *f, uint32_t *out)
{
    if (f->first_free != NO_CELL) {
        *out = f->first_free;
        f->first_free = f->slab[*out].next_free;
        return ESP_OK;
    }
    if (esp_grow (&f->slab, &f->slab_cap, f->slab_used + 1, sizeof (*f->slab)) != 0)
        return ESP_ENOMEM;
    *out = (uint32_t)f->slab_used++;
    return ESP_OK;
}

static void sift_up (struct heap *h, size_t i)
{
    struct key moving = h->keys[i];
    while (i > 0 && comes_before (&moving, &h->keys[(i - 1) / ARITY])) {
        h->keys[i] = h->keys[(i - 1) / ARITY];
        i = (i - 1) / ARITY;
    }
    h->keys[i] = moving;
}

static void sift_down (struct heap *h, size_t i)
{
    struct key moving = h->keys[i];
    for (;;) {
        size_t best = i * ARITY + 1, end = best + ARITY;
        if (best >= h->count)
            break;
        for (size_t c = best + 1; c < end && c < h->count; c++)
            if (comes_before (&h->keys[c], &h->keys[best]))
                best = c;
        if (!comes_before (&h->keys[best], &moving))
            break;
        h->keys[i] = h->keys[best];
        i = best;
    }
    h->keys[i] = moving;
}

esp_err frontier_push (frontier *f, const task *t, double problem_priority)
{
    struct heap *h;
    uint32_t cell;
    esp_err err;
    assert (t->kind < TASK_KINDS);
    h = &f->heaps[t->kind];
    if (esp_grow (&h->keys, &h->cap, h->count + 1, sizeof (*h->keys)) != 0)
        return ESP_ENOMEM;
    if ((err = take_cell (f, &cell)) != ESP_OK)
        return err;
    f->slab[cell].task = *t;
    h->keys[h->count] =
        (struct key){problem_priority, t->priority, f->next_arrival++, t->chain, cell};
    sift_up (h, h->count++);
    return ESP_OK;
}

esp_err frontier_pop (frontier *f, enum task_kind kind, task *out)
{
    struct heap *h = &f->heaps[kind];
    uint32_t cell;
    if (h->count == 0)
        return ESP_EEMPTY;
    cell = h->keys[0].cell;
    *out = f->slab[cell].task;
    f->slab[cell].next_free = f->first_free;
    f->first_free = cell;
    h->keys[0] = h->keys[--h->count];
    if (h->count > 0)
        sift_down (h, 0);
    return ESP_OK;
}

const task *frontier_peek (const frontier *f, enum task_kind kind)
{
    const struct heap *h = &f->heaps[kind];
    return h->count ? &f->slab[h->keys[0].cell].task : NULL;
}

void frontier_boost (frontier *f, problem_key key, double amount,
                     bool (*match) (void *ctx, const task *t), void *ctx)
{
    for (int k = 0; k < TASK_KINDS; k++) {
        struct heap *h = &f->heaps[k];
        for (size_t i = 0; i < h->count; i++) {
            const task *t = &f->slab[h->keys[i].cell].task;
            if (t->id.problem == key && match (ctx, t))
                h->keys[i].priority += amount;
        }
        for (size_t i = h->count / ARITY + 1; i-- > 0;)
            if (i < h->count)
                sift_down (h, i);
    }
}

size_t frontier_count (const frontier *f, enum task_kind kind)
{
    return f->heaps[kind].count;
}

size_t frontier_size (const frontier *f)
{
    size_t sum = 0;
    for (int k = 0; k < TASK_KINDS; k++)
        sum += f->heaps[k].count;
    return sum;
}

void frontier_check (const frontier *f)
{
    for (int k = 0; k < TASK_KINDS; k++)
        for (size_t i = 1; i < f->heaps[k].count; i++)
            assert (!comes_before (&f->heaps[k].keys[i], &f->heaps[k].keys[(i - 1) / ARITY]));
}
