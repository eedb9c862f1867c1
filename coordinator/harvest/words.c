/* SPDX-License-Identifier: Apache-2.0 */
/* words.c - see words.h */

#include "coordinator/harvest/words.h"
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/hash.h"

enum { RUN = 3, PIECE = 64 };

static bool in_word (unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80;
}

static uint64_t hash_word (span word)
{
    uint64_t h = 0;
    char small[PIECE];
    for (size_t at = 0; at < word.len; at += PIECE) {
        size_t n = word.len - at < PIECE ? word.len - at : PIECE;
        for (size_t i = 0; i < n; i++) {
            char c = word.ptr[at + i];
            small[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        }
        h = esp_hash64 (small, n, h);
    }
    return h;
}

esp_err words_add (words *w, span text)
{
    size_t at = 0;
    while (at < text.len) {
        size_t first;
        while (at < text.len && !in_word ((unsigned char)text.ptr[at]))
            at++;
        for (first = at; at < text.len && in_word ((unsigned char)text.ptr[at]);)
            at++;
        if (at == first)
            break;
        if (esp_grow (&w->items, &w->capacity, w->count + 1, sizeof (*w->items)) != 0)
            return ESP_ENOMEM;
        w->items[w->count++] = hash_word (span_make (text.ptr + first, at - first));
    }
    return ESP_OK;
}

void words_free (words *w)
{
    esp_free (w->items);
    *w = (words){NULL, 0, 0};
}

uint64_t words_gram (const words *w, size_t at, size_t n)
{
    uint64_t h = n;
    for (size_t i = 0; i < n; i++)
        h = esp_hash_mix (h, w->items[at + i]);
    return h;
}

uint64_t words_simhash (const words *w)
{
    size_t run = w->count < RUN ? w->count : RUN;
    int64_t votes[64] = {0};
    uint64_t bits = 0;
    for (size_t at = 0; run > 0 && at + run <= w->count; at++) {
        uint64_t h = words_gram (w, at, run);
        for (int i = 0; i < 64; i++)
            votes[i] += h >> i & 1 ? 1 : -1;
    }
    for (int i = 0; i < 64; i++)
        bits |= (uint64_t)(votes[i] > 0) << i;
    return bits;
}
