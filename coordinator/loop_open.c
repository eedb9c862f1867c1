/* SPDX-License-Identifier: Apache-2.0 */
/* loop_open.c - the open problems of the loop: a hash table by key with linear probing, a search in each
 *
 * Invariants:
 *   I1  at most half of the table is full: a probe ends
 *   I2  no free place lies between a problem's home and its place; so removing moves up what stands behind
 */

#include "coordinator/loop_private.h"
#include "proto/base/alloc.h"
#include "proto/base/hash.h"

static size_t home_of (problem_key key, size_t cap)
{
    return (size_t)(esp_hash_fast (key, 0) & (cap - 1));
}

struct open_slot *find_slot_of (const coordinator *c, problem_key key)
{
    for (size_t i = c->open_cap ? home_of (key, c->open_cap) : 0; c->open_cap && c->open[i].p;
         i = (i + 1) & (c->open_cap - 1))
        if (c->open[i].key == key)
            return &c->open[i];
    return NULL;
}

open_problem *find_open (const coordinator *c, problem_key key)
{
    const struct open_slot *slot = find_slot_of (c, key);
    return slot ? slot->p : NULL;
}

void place_open (struct open_slot *table, size_t cap, open_problem *p)
{
    size_t i = home_of (p->key, cap);
    while (table[i].p)
        i = (i + 1) & (cap - 1);
    table[i] = (struct open_slot){p->key, p->search, p};
}

static esp_err room_for_open (coordinator *c)
{
    size_t cap = c->open_cap ? 2 * c->open_cap : 64;
    struct open_slot *grown;
    if (2 * (c->open_count + 1) <= c->open_cap)
        return ESP_OK;
    if (!(grown = esp_calloc (cap, sizeof (*grown))))
        return ESP_ENOMEM;
    for (size_t i = 0; i < c->open_cap; i++)
        if (c->open[i].p)
            place_open (grown, cap, c->open[i].p);
    esp_free (c->open);
    c->open = grown;
    c->open_cap = cap;
    return ESP_OK;
}

static void free_open (open_problem *p)
{
    if (!p)
        return;
    search_destroy (p->search);
    esp_buf_free (&p->memory);
    esp_free (p);
}

static void remove_open (coordinator *c, const open_problem *p)
{
    size_t mask = c->open_cap - 1, hole = home_of (p->key, c->open_cap);
    while (c->open[hole].p != p)
        hole = (hole + 1) & mask;
    for (size_t i = (hole + 1) & mask; c->open[i].p; i = (i + 1) & mask)
        if (((i - home_of (c->open[i].key, c->open_cap)) & mask) >= ((i - hole) & mask)) {
            c->open[hole] = c->open[i];
            hole = i;
        }
    c->open[hole] = (struct open_slot){0};
    c->open_count--;
}

esp_err open_search (coordinator *c, problem_key key, open_problem **out)
{
    open_problem *p = esp_calloc (1, sizeof (*p));
    problem row;
    esp_err err = ESP_ENOMEM;
    if (!p || room_for_open (c) != ESP_OK)
        goto fail;
    p->key = key;
    if ((err = problem_source_get (c->setup.source, problem_repeat (key), problem_number (key),
                                   &p->memory, &row, &c->error)) != ESP_OK ||
        (err = search_create (c->setup.search, &row, &p->search)) != ESP_OK)
        goto fail;
    p->priority = row.priority;
    esp_buf_free (&p->memory); /* the search keeps its own copy */
    place_open (c->open, c->open_cap, p);
    c->open_count++;
    *out = p;
    return ESP_OK;
fail:
    free_open (p);
    return fail_loop (c, err);
}

void close_search (coordinator *c, open_problem *p)
{
    remove_open (c, p);
    free_open (p);
}

void close_searches (coordinator *c)
{
    for (size_t i = 0; i < c->open_cap; i++)
        free_open (c->open[i].p);
    esp_free (c->open);
}
