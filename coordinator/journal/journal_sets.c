/* SPDX-License-Identifier: Apache-2.0 */
/* journal_sets.c - ranges and sets of keys
 *
 * Finished problems are mostly neighbours (keys are repeat-major, problems end near the order they
 * began), so a million of them are a handful of ranges: headers stay small and resume is quick.
 */

#include <string.h>
#include "coordinator/journal/journal_private.h"
#include "proto/base/alloc.h"
#include "proto/base/hash.h"

enum { FIRST_SLOTS = 64 }; /* power of two; four times as many when half full */

/* First range that ends after key, or count. */
static size_t range_after (const journal_ranges *r, uint64_t key)
{
    size_t low = 0, high = r->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (key - r->items[middle].first < r->items[middle].count || key < r->items[middle].first)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

bool journal_ranges_has (const journal_ranges *r, uint64_t first, uint64_t count)
{
    size_t i = range_after (r, first);
    return i < r->count && first >= r->items[i].first &&
           count <= r->items[i].count - (first - r->items[i].first);
}

esp_err journal_ranges_add (journal_ranges *r, uint64_t key)
{
    size_t i = range_after (r, key);
    bool joins_next = i < r->count && r->items[i].first == key + 1;
    bool joins_last = i > 0 && r->items[i - 1].first + r->items[i - 1].count == key;
    if (key == UINT64_MAX)
        return ESP_EINVAL; /* "all problems", never one */
    if (journal_ranges_has (r, key, 1))
        return ESP_OK;
    if (joins_last) {
        r->items[i - 1].count += 1 + (joins_next ? r->items[i].count : 0);
        if (joins_next)
            memmove (&r->items[i], &r->items[i + 1], (--r->count - i) * sizeof (*r->items));
        return ESP_OK;
    }
    if (joins_next) {
        r->items[i].first = key;
        r->items[i].count++;
        return ESP_OK;
    }
    if (esp_grow (&r->items, &r->capacity, r->count + 1, sizeof (*r->items)) != 0)
        return ESP_ENOMEM;
    memmove (&r->items[i + 1], &r->items[i], (r->count++ - i) * sizeof (*r->items));
    r->items[i] = (key_range){key, 1};
    return ESP_OK;
}

esp_err journal_ranges_copy (journal_ranges *to, const key_range *items, size_t count)
{
    uint64_t free_from = 0;
    for (size_t i = 0; i < count; i++) {
        if (items[i].first < free_from || items[i].count == 0 ||
            items[i].count > UINT64_MAX - items[i].first)
            return ESP_EFORMAT;
        free_from = items[i].first + items[i].count;
    }
    if (esp_grow (&to->items, &to->capacity, count, sizeof (*to->items)) != 0)
        return ESP_ENOMEM;
    if (count)
        memcpy (to->items, items, count * sizeof (*items));
    to->count = count;
    return ESP_OK;
}

void journal_ranges_free (journal_ranges *r)
{
    esp_free (r->items);
    *r = (journal_ranges){0};
}

/* The slot that holds key, or the free one where it belongs.  A slot is key + 1, so that 0 is free: looking costs one
 * cache miss, which is what a set of a million keys is made of. */
static uint64_t *slot_of (const journal_keys *k, problem_key key)
{
    size_t i = (size_t)esp_hash64 (&key, sizeof (key), 0) & (k->slot_count - 1);
    while (k->slots[i] && k->slots[i] != key + 1)
        i = (i + 1) & (k->slot_count - 1);
    return &k->slots[i];
}

static esp_err grow_slots (journal_keys *k)
{
    size_t wanted = k->slot_count ? k->slot_count * 4 : FIRST_SLOTS;
    uint64_t *slots = esp_calloc (wanted, sizeof (*slots));
    if (!slots)
        return ESP_ENOMEM;
    esp_free (k->slots);
    k->slots = slots;
    k->slot_count = wanted;
    for (size_t i = 0; i < k->count; i++)
        *slot_of (k, k->list[i]) = k->list[i] + 1;
    return ESP_OK;
}

esp_err journal_keys_add (journal_keys *k, problem_key key)
{
    esp_err err;
    uint64_t *slot;
    if (key == UINT64_MAX)
        return ESP_EINVAL; /* "all problems", never one */
    if (k->count * 2 >= k->slot_count && (err = grow_slots (k)) != ESP_OK)
        return err;
    slot = slot_of (k, key);
    if (*slot)
        return ESP_OK;
    if (esp_grow (&k->list, &k->capacity, k->count + 1, sizeof (*k->list)) != 0)
        return ESP_ENOMEM;
    k->list[k->count++] = key;
    *slot = key + 1;
    return ESP_OK;
}

void journal_keys_free (journal_keys *k)
{
    esp_free (k->list);
    esp_free (k->slots);
    *k = (journal_keys){0};
}
