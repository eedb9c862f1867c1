/* SPDX-License-Identifier: Apache-2.0 */
/* store.c - one arena and one small table of nodes per problem, in a list by last use */

#include "worker/store.h"
#include <assert.h>
#include "proto/base/alloc.h"
#include "proto/base/arena.h"
#include "proto/base/hash.h"

enum { ARENA_BYTES = 2048, FIRST_NODES = 16 };

struct held { /* one problem */
    problem_key key;
    esp_arena *arena; /* owned */
    span json;
    struct text {
        node_ref node; /* NODE_ROOT = free cell: the root has no text */
        span text;
        uint32_t tokens;
    } * texts; /* owned; open addressing */
    size_t cap, used;
    uint32_t pins;
    struct held *older, *newer;
};

struct store {
    struct held **table; /* owned; by key */
    size_t cap, count;
    struct held *oldest, *newest;
    size_t limit, bytes;
};

static size_t home_of (const store *s, problem_key key)
{
    return (size_t)(esp_hash_fast (key, 0) & (s->cap - 1));
}

static struct held *find (const store *s, problem_key key)
{
    for (size_t i = s->cap ? home_of (s, key) : 0; s->cap && s->table[i];
         i = (i + 1) & (s->cap - 1))
        if (s->table[i]->key == key)
            return s->table[i];
    return NULL;
}

static void place (struct held **table, size_t cap, struct held *h)
{
    size_t i = (size_t)(esp_hash_fast (h->key, 0) & (cap - 1));
    while (table[i])
        i = (i + 1) & (cap - 1);
    table[i] = h;
}

esp_err store_create (size_t limit_bytes, store **out)
{
    store *s;
    if (!out)
        return ESP_EINVAL;
    if (!(s = esp_calloc (1, sizeof (*s))))
        return ESP_ENOMEM;
    s->limit = limit_bytes ? limit_bytes : (size_t)64 << 20;
    *out = s;
    return ESP_OK;
}

static void free_held (struct held *h)
{
    esp_arena_destroy (h->arena);
    esp_free (h->texts);
    esp_free (h);
}

void store_destroy (store *s)
{
    if (!s)
        return;
    for (struct held *h = s->oldest, *next; h; h = next) {
        next = h->newer;
        free_held (h);
    }
    esp_free (s->table);
    esp_free (s);
}

/* ---- order of use ---- */

static void unlink_held (store *s, struct held *h)
{
    if (h->older)
        h->older->newer = h->newer;
    else
        s->oldest = h->newer;
    if (h->newer)
        h->newer->older = h->older;
    else
        s->newest = h->older;
}

static void append_held (store *s, struct held *h)
{
    h->older = s->newest;
    h->newer = NULL;
    if (s->newest)
        s->newest->newer = h;
    else
        s->oldest = h;
    s->newest = h;
}

static size_t cost (const struct held *h)
{
    return esp_arena_bytes (h->arena) + h->cap * sizeof (*h->texts) + sizeof (*h);
}

static void drop (store *s, struct held *h)
{
    size_t mask = s->cap - 1, hole = home_of (s, h->key);
    while (s->table[hole] != h)
        hole = (hole + 1) & mask;
    for (size_t i = (hole + 1) & mask; s->table[i]; i = (i + 1) & mask)
        if (((i - home_of (s, s->table[i]->key)) & mask) >= ((i - hole) & mask)) {
            s->table[hole] = s->table[i];
            hole = i;
        }
    s->table[hole] = NULL;
    s->count--;
    s->bytes -= cost (h);
    unlink_held (s, h);
    free_held (h);
}

static void make_space (store *s, const struct held *keep)
{
    for (struct held *h = s->oldest, *next; h && s->bytes > s->limit; h = next) {
        next = h->newer;
        if (h->pins == 0 && h != keep)
            drop (s, h);
    }
}

/* ---- texts ---- */

static esp_err table_room (store *s)
{
    size_t cap = s->cap ? 2 * s->cap : FIRST_NODES;
    struct held **grown;
    if (2 * (s->count + 1) <= s->cap)
        return ESP_OK;
    if (!(grown = esp_calloc (cap, sizeof (*grown))))
        return ESP_ENOMEM;
    for (size_t i = 0; i < s->cap; i++)
        if (s->table[i])
            place (grown, cap, s->table[i]);
    esp_free (s->table);
    s->table = grown;
    s->cap = cap;
    return ESP_OK;
}

esp_err store_problem (store *s, problem_key key, span json)
{
    struct held *h = find (s, key);
    if (h)
        return ESP_OK;
    if (table_room (s) != ESP_OK || !(h = esp_calloc (1, sizeof (*h))))
        return ESP_ENOMEM;
    h->key = key;
    if (esp_arena_create (ARENA_BYTES, &h->arena) != ESP_OK ||
        esp_arena_copy (h->arena, json, &h->json) != ESP_OK) {
        free_held (h);
        return ESP_ENOMEM;
    }
    place (s->table, s->cap, h);
    append_held (s, h);
    s->count++;
    s->bytes += cost (h);
    make_space (s, h);
    return ESP_OK;
}

static struct text *find_text (const struct held *h, node_ref n)
{
    for (size_t i = h->cap ? (n * 2654435761U) & (h->cap - 1) : 0;
         h->cap && h->texts[i].node != NODE_ROOT; i = (i + 1) & (h->cap - 1))
        if (h->texts[i].node == n)
            return &h->texts[i];
    return NULL;
}

static void place_text (struct text *texts, size_t cap, const struct text *t)
{
    size_t i = (t->node * 2654435761U) & (cap - 1);
    while (texts[i].node != NODE_ROOT)
        i = (i + 1) & (cap - 1);
    texts[i] = *t;
}

static esp_err text_room (struct held *h)
{
    size_t cap = h->cap ? 2 * h->cap : FIRST_NODES;
    struct text *grown;
    if (2 * (h->used + 1) <= h->cap)
        return ESP_OK;
    if (!(grown = esp_calloc (cap, sizeof (*grown))))
        return ESP_ENOMEM;
    for (size_t i = 0; i < h->cap; i++)
        if (h->texts[i].node != NODE_ROOT)
            place_text (grown, cap, &h->texts[i]);
    esp_free (h->texts);
    h->texts = grown;
    h->cap = cap;
    return ESP_OK;
}

esp_err store_text (store *s, problem_key key, node_ref n, span text, uint32_t tokens)
{
    struct held *h = find (s, key);
    struct text made = {.node = n, .tokens = tokens};
    esp_err err;
    if (!h)
        return ESP_ENOENT;
    if (n == NODE_ROOT || find_text (h, n))
        return ESP_OK;
    s->bytes -= cost (h);
    if ((err = text_room (h)) == ESP_OK &&
        (err = esp_arena_copy (h->arena, text, &made.text)) == ESP_OK) {
        place_text (h->texts, h->cap, &made);
        h->used++;
    }
    s->bytes += cost (h);
    make_space (s, h);
    return err;
}

bool store_find_problem (store *s, problem_key key, span *json)
{
    struct held *h = find (s, key);
    if (!h)
        return false;
    unlink_held (s, h);
    append_held (s, h);
    *json = h->json;
    return true;
}

bool store_find_text (const store *s, problem_key key, node_ref n, span *text, uint32_t *tokens)
{
    const struct held *h = find (s, key);
    const struct text *t = h ? find_text (h, n) : NULL;
    if (!t)
        return false;
    *text = t->text;
    if (tokens)
        *tokens = t->tokens;
    return true;
}

void store_pin (store *s, problem_key key)
{
    struct held *h = find (s, key);
    assert (h);
    h->pins++;
}

void store_unpin (store *s, problem_key key)
{
    struct held *h = find (s, key);
    assert (h && h->pins > 0);
    h->pins--;
}

size_t store_bytes (const store *s)
{
    return s->bytes;
}
