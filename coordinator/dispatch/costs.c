/* SPDX-License-Identifier: Apache-2.0 */
/* costs.c - rows in the order seen, found by a hash table with linear probing
 *
 * Invariants:
 *   I1  every row stands once in the table, at or after its home, without a gap
 *   I2  at most half of the table is full
 *   I3  a kind that had no room for a row of its own is in spare[kind]
 */

#include "coordinator/dispatch/costs.h"
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/hash.h"

enum { FIRST_SLOTS = 16 }; /* power of two; doubles */

struct costs {
    cost_row *rows; /* owned, their names too */
    size_t count, cap;
    uint32_t *slots; /* owned; index + 1 of a row, 0 = free */
    size_t slot_count;
    size_t servers;             /* names so far */
    cost_row spare[TASK_KINDS]; /* when memory is out */
    cost_sum wasted;
};

esp_err costs_create (costs **out)
{
    costs *book = esp_calloc (1, sizeof (*book));
    if (!book || !(book->slots = esp_calloc (FIRST_SLOTS, sizeof (*book->slots)))) {
        costs_destroy (book);
        return ESP_ENOMEM;
    }
    book->slot_count = FIRST_SLOTS;
    for (int k = 0; k < TASK_KINDS; k++)
        book->spare[k] = (cost_row){.server = COSTS_OTHER, .kind = (uint8_t)k};
    *out = book;
    return ESP_OK;
}

void costs_destroy (costs *book)
{
    if (!book)
        return;
    for (size_t i = 0; i < book->count; i++)
        esp_free ((char *)(uintptr_t)book->rows[i].server);
    esp_free (book->rows);
    esp_free (book->slots);
    esp_free (book);
}

/* ---- rows ---- */

static size_t home_of (const costs *book, span server, uint8_t kind, uint16_t generator)
{
    uint64_t seed = (uint64_t)kind << 16 | generator;
    return (size_t)(esp_hash64 (server.ptr ? server.ptr : "", server.len, seed) &
                    (book->slot_count - 1));
}

/* The slot of such a row, or the free one where it belongs. */
static uint32_t *slot_of (const costs *book, span server, uint8_t kind, uint16_t generator)
{
    size_t i = home_of (book, server, kind, generator);
    for (; book->slots[i]; i = (i + 1) & (book->slot_count - 1)) {
        const cost_row *row = &book->rows[book->slots[i] - 1];
        if (row->kind == kind && row->generator == generator && span_is (server, row->server))
            break;
    }
    return &book->slots[i];
}

static esp_err grow_slots (costs *book)
{
    uint32_t *old = book->slots;
    if (2 * (book->count + 1) <= book->slot_count)
        return ESP_OK;
    if (!(book->slots = esp_calloc (2 * book->slot_count, sizeof (*old)))) {
        book->slots = old;
        return ESP_ENOMEM;
    }
    book->slot_count *= 2;
    for (size_t i = 0; i < book->count; i++) {
        const cost_row *row = &book->rows[i];
        *slot_of (book, span_of (row->server), row->kind, row->generator) = (uint32_t)i + 1;
    }
    esp_free (old);
    return ESP_OK;
}

static bool is_new_name (const costs *book, span server)
{
    for (size_t i = 0; i < book->count; i++)
        if (span_is (server, book->rows[i].server))
            return false;
    return true;
}

static cost_row *add_row (costs *book, span server, uint8_t kind, uint16_t generator)
{
    cost_row *row = &book->spare[kind];
    bool fresh = is_new_name (book, server);
    char *name;
    if (fresh && book->servers >= COSTS_SERVERS && !span_is (server, COSTS_OTHER))
        return NULL;
    if (grow_slots (book) != ESP_OK ||
        esp_grow (&book->rows, &book->cap, book->count + 1, sizeof (*book->rows)) != 0 ||
        !(name = esp_strndup (server.ptr ? server.ptr : "", server.len)))
        return row;
    *slot_of (book, server, kind, generator) = (uint32_t)++book->count;
    book->servers += fresh;
    row = &book->rows[book->count - 1];
    *row = (cost_row){.server = name, .kind = kind, .generator = generator};
    return row;
}

static cost_row *row_of (costs *book, span server, uint8_t kind, uint16_t generator)
{
    uint32_t slot = *slot_of (book, server, kind, generator);
    cost_row *row = slot ? &book->rows[slot - 1] : add_row (book, server, kind, generator);
    if (row)
        return row;
    server = span_of (COSTS_OTHER);
    slot = *slot_of (book, server, kind, generator);
    return slot ? &book->rows[slot - 1] : add_row (book, server, kind, generator);
}

/* ---- counting ---- */

static uint8_t kind_of (const result *r)
{
    if (r->score_count > 0 || r->scored_tokens > 0)
        return TASK_SCORE;
    return r->verdict != VERDICT_NONE ? TASK_VERIFY : TASK_GENERATE;
}

/* The one that this server generated for before: nearly always there is one generator a server. */
static uint16_t generator_at (const costs *book, span server)
{
    for (size_t i = 0; i < book->count; i++)
        if (book->rows[i].kind == TASK_GENERATE && span_is (server, book->rows[i].server))
            return book->rows[i].generator;
    return 0;
}

/* ESP_ECANCELED: a worker hands its task back, which is no result and no error. */
static void add_to (cost_sum *sum, const wire_result *r)
{
    const result *got = &r->result;
    sum->results += got->error == ESP_OK;
    sum->errors += got->error != ESP_OK && got->error != ESP_ECANCELED;
    sum->prompt_tokens += got->prompt_tokens;
    sum->cached_tokens += got->cached_tokens;
    sum->generated_tokens += got->tokens;
    sum->read_tokens += got->scored_tokens;
    sum->busy_us += r->busy_us;
}

void costs_add (costs *book, const task *of, const wire_result *r)
{
    span server = r->result.server;
    uint8_t kind = of ? of->kind : kind_of (&r->result);
    uint16_t generator = 0;
    if (kind == TASK_GENERATE)
        generator = of ? of->engine : generator_at (book, server);
    add_to (&row_of (book, server, kind, generator)->sum, r);
}

void costs_waste (costs *book, const wire_result *r)
{
    add_to (&book->wasted, r);
}

/* ---- figures ---- */

static void add_sum (cost_sum *to, const cost_sum *more)
{
    to->results += more->results;
    to->errors += more->errors;
    to->prompt_tokens += more->prompt_tokens;
    to->cached_tokens += more->cached_tokens;
    to->generated_tokens += more->generated_tokens;
    to->read_tokens += more->read_tokens;
    to->busy_us += more->busy_us;
}

cost_sum costs_all (const costs *book)
{
    cost_sum all = {0};
    for (size_t i = 0; i < costs_count (book); i++)
        add_sum (&all, &costs_at (book, i)->sum);
    return all;
}

cost_sum costs_wasted (const costs *book)
{
    return book->wasted;
}

static bool is_used (const cost_row *row)
{
    return row->sum.results + row->sum.errors + row->sum.busy_us > 0;
}

size_t costs_count (const costs *book)
{
    size_t n = book->count;
    for (int k = 0; k < TASK_KINDS; k++)
        n += is_used (&book->spare[k]);
    return n;
}

const cost_row *costs_at (const costs *book, size_t i)
{
    if (i < book->count)
        return &book->rows[i];
    i -= book->count;
    for (int k = 0; k < TASK_KINDS; k++)
        if (is_used (&book->spare[k]) && i-- == 0)
            return &book->spare[k];
    return NULL;
}
