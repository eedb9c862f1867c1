/* SPDX-License-Identifier: Apache-2.0 */
/* problem_index.c - two arrays, an open-addressing table over them, and one file
 *
 * File: struct header, offsets, hashes; native byte order (an index is a cache: another machine's
 * magic number differs, and the problems are scanned again).
 *
 * Invariants:
 *   I1  slots is a power of two and more than half of the table is free (or there is no table)
 *   I2  table[i] is 0 (free) or number + 1; a hash is found by walking from hash & (slots - 1)
 */

#include "coordinator/problem/problem_index.h"
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/file.h"
#include "proto/base/hash.h"

#define INDEX_MAGIC   UINT64_C (0x3158444942505345) /* "ESPBIDX1" on a little-endian machine */
#define MOST_PROBLEMS ((uint32_t)INT32_MAX)
enum { FIRST_SLOTS = 1024 }; /* entries; grows fourfold */

struct header {
    uint64_t magic, count, checksum; /* of the mark and the two arrays */
    index_mark mark;
};

struct problem_index {
    uint64_t *offsets, *hashes; /* owned, by problem number */
    size_t offsets_cap, hashes_cap;
    uint32_t count;
    uint32_t *table; /* owned; NULL when nothing is looked up */
    size_t slots;
    index_mark mark;
};

esp_err problem_index_create (problem_index **out)
{
    problem_index *x;
    if (!out)
        return ESP_EINVAL;
    if (!(x = esp_calloc (1, sizeof (*x))))
        return ESP_ENOMEM;
    *out = x;
    return ESP_OK;
}

void problem_index_destroy (problem_index *x)
{
    if (!x)
        return;
    esp_free (x->offsets);
    esp_free (x->hashes);
    esp_free (x->table);
    esp_free (x);
}

static void table_put (uint32_t *table, size_t slots, uint64_t hash, uint32_t number)
{
    size_t i = hash & (slots - 1);
    while (table[i])
        i = (i + 1) & (slots - 1);
    table[i] = number + 1;
}

esp_err problem_index_prepare (problem_index *x)
{
    size_t slots = x->table ? x->slots : FIRST_SLOTS;
    uint32_t *table;
    while (slots / 2 <= x->count)
        slots *= 4;
    if (x->table && slots == x->slots)
        return ESP_OK;
    if (!(table = esp_calloc (slots, sizeof (*table))))
        return ESP_ENOMEM;
    for (uint32_t n = 0; n < x->count; n++)
        table_put (table, slots, x->hashes[n], n);
    esp_free (x->table);
    x->table = table;
    x->slots = slots;
    return ESP_OK;
}

esp_err problem_index_add (problem_index *x, uint64_t id_hash, uint64_t offset)
{
    size_t need = (size_t)x->count + 1;
    if (x->count >= MOST_PROBLEMS)
        return ESP_ETOOBIG;
    if (problem_index_prepare (x) != ESP_OK ||
        esp_grow (&x->offsets, &x->offsets_cap, need, sizeof (*x->offsets)) != 0 ||
        esp_grow (&x->hashes, &x->hashes_cap, need, sizeof (*x->hashes)) != 0)
        return ESP_ENOMEM;
    x->offsets[x->count] = offset;
    x->hashes[x->count] = id_hash;
    table_put (x->table, x->slots, id_hash, x->count++);
    return ESP_OK;
}

bool problem_index_find (const problem_index *x, uint64_t id_hash, uint64_t *cursor,
                         uint32_t *number)
{
    if (!x->table)
        return false;
    for (;;) {
        uint32_t entry = x->table[(id_hash + *cursor) & (x->slots - 1)];
        if (!entry)
            return false;
        ++*cursor;
        if (x->hashes[entry - 1] == id_hash) {
            *number = entry - 1;
            return true;
        }
    }
}

void problem_index_scanned (problem_index *x)
{
    esp_free (x->table);
    x->table = NULL;
    x->slots = 0;
}

uint32_t problem_index_count (const problem_index *x)
{
    return x->count;
}

uint64_t problem_index_offset (const problem_index *x, uint32_t number)
{
    return x->offsets[number];
}

uint64_t problem_index_hash (const problem_index *x, uint32_t number)
{
    return x->hashes[number];
}

index_mark *problem_index_mark (problem_index *x)
{
    return &x->mark;
}

static uint64_t
checksum (const index_mark *mark, const void *offsets, const void *hashes, size_t bytes)
{
    uint64_t h = esp_hash64 (mark, sizeof (*mark), INDEX_MAGIC);
    if (bytes == 0)
        return h;
    h = esp_hash64 (offsets, bytes, h);
    return esp_hash64 (hashes, bytes, h);
}

esp_err problem_index_save (const problem_index *x, const char *path, esp_error *error)
{
    size_t bytes = x->count * sizeof (uint64_t);
    struct header h = {INDEX_MAGIC, x->count, 0, x->mark};
    esp_buf out = {0};
    esp_err err;
    h.checksum = checksum (&x->mark, x->offsets, x->hashes, bytes);
    err = esp_buf_reserve (&out, sizeof (h) + 2 * bytes);
    if (err == ESP_OK)
        err = esp_buf_append (&out, &h, sizeof (h));
    if (err == ESP_OK && bytes > 0)
        err = esp_buf_append (&out, x->offsets, bytes);
    if (err == ESP_OK && bytes > 0)
        err = esp_buf_append (&out, x->hashes, bytes);
    if (err == ESP_OK)
        err = esp_file_write (path, esp_buf_span (&out), 0644, error);
    else
        esp_error_set (error, err, "%s: out of memory", path);
    esp_buf_free (&out);
    return err;
}

static esp_err decode (span file, problem_index *x)
{
    struct header h;
    size_t bytes;
    const char *arrays = file.ptr + sizeof (h);
    if (file.len < sizeof (h))
        return ESP_EDAMAGE;
    memcpy (&h, file.ptr, sizeof (h));
    if (h.magic != INDEX_MAGIC || h.count > MOST_PROBLEMS ||
        file.len != sizeof (h) + 2 * h.count * sizeof (uint64_t))
        return ESP_EDAMAGE;
    bytes = h.count * sizeof (uint64_t);
    if (h.checksum != checksum (&h.mark, arrays, arrays + bytes, bytes))
        return ESP_EDAMAGE;
    x->mark = h.mark;
    if (h.count == 0)
        return ESP_OK;
    if (esp_grow (&x->offsets, &x->offsets_cap, h.count, sizeof (uint64_t)) != 0 ||
        esp_grow (&x->hashes, &x->hashes_cap, h.count, sizeof (uint64_t)) != 0)
        return ESP_ENOMEM;
    memcpy (x->offsets, arrays, bytes);
    memcpy (x->hashes, arrays + bytes, bytes);
    x->count = (uint32_t)h.count;
    return ESP_OK;
}

esp_err problem_index_load (const char *path, problem_index **out, esp_error *error)
{
    problem_index *x = NULL;
    esp_buf file = {0};
    size_t most = sizeof (struct header) + 2 * sizeof (uint64_t) * (size_t)MOST_PROBLEMS;
    esp_err err = esp_file_read (path, most, &file, error);
    if (err == ESP_OK) {
        if ((err = problem_index_create (&x)) == ESP_OK)
            err = decode (esp_buf_span (&file), x);
        if (err != ESP_OK)
            esp_error_set (error, err, "%s: %s", path,
                           err == ESP_ENOMEM ? "out of memory" : "is not a whole index");
    }
    esp_buf_free (&file);
    if (err != ESP_OK) {
        problem_index_destroy (x);
        return err;
    }
    *out = x;
    return ESP_OK;
}
