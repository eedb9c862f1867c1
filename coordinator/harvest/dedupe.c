/* SPDX-License-Identifier: Apache-2.0 */
/* dedupe.c - see dedupe.h: chunks of fixed size, so that growth copies nothing and wastes at most one chunk */

#include "coordinator/harvest/dedupe.h"
#include "proto/base/alloc.h"

enum { BANDS = 4, BAND_BITS = 16, BUCKETS = 1 << BAND_BITS, CHUNK = 1 << 14 };
#define NONE UINT32_MAX

typedef struct chunk {
    uint64_t content[CHUNK], simhash[CHUNK];
    uint32_t next[CHUNK][BANDS]; /* kept samples of the same bucket */
} chunk;

struct dedupe {
    int near;
    chunk **chunks; /* owned, and each of them */
    size_t chunk_count, chunk_cap, count;
    uint32_t first[BANDS][BUCKETS];
};

esp_err dedupe_create (int near, dedupe **out)
{
    dedupe *d = esp_calloc (1, sizeof (*d));
    if (!d)
        return ESP_ENOMEM;
    d->near = near;
    for (int b = 0; b < BANDS; b++)
        for (int i = 0; i < BUCKETS; i++)
            d->first[b][i] = NONE;
    *out = d;
    return ESP_OK;
}

void dedupe_destroy (dedupe *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->chunk_count; i++)
        esp_free (d->chunks[i]);
    esp_free (d->chunks);
    esp_free (d);
}

esp_err dedupe_note (dedupe *d, uint64_t content, uint64_t simhash)
{
    size_t at = d->count % CHUNK;
    if (d->count >= NONE)
        return ESP_ETOOBIG;
    if (at == 0) {
        if (esp_grow (&d->chunks, &d->chunk_cap, d->chunk_count + 1, sizeof (*d->chunks)) != 0 ||
            !(d->chunks[d->chunk_count] = esp_malloc (sizeof (chunk))))
            return ESP_ENOMEM;
        d->chunk_count++;
    }
    d->chunks[d->count / CHUNK]->content[at] = content;
    d->chunks[d->count / CHUNK]->simhash[at] = d->near >= 0 ? simhash : content;
    d->count++;
    return ESP_OK;
}

size_t dedupe_count (const dedupe *d)
{
    return d->count;
}

static unsigned bucket (uint64_t simhash, int band)
{
    return (unsigned)(simhash >> (band * BAND_BITS)) & (BUCKETS - 1);
}

/* The first kept sample of one bucket that this one repeats; NONE. */
static uint32_t
walk (const dedupe *d, int band, unsigned at, uint64_t content, uint64_t simhash, bool *equal)
{
    for (uint32_t i = d->first[band][at]; i != NONE;) {
        const chunk *c = d->chunks[i / CHUNK];
        *equal = c->content[i % CHUNK] == content;
        if (*equal ||
            (d->near >= 0 && __builtin_popcountll (c->simhash[i % CHUNK] ^ simhash) <= d->near))
            return i;
        i = c->next[i % CHUNK][band];
    }
    return NONE;
}

/* Of one band; beyond 3 bits the buckets that differ in one bit too. */
static uint32_t
walk_band (const dedupe *d, int band, uint64_t content, uint64_t simhash, bool *equal)
{
    unsigned at = bucket (simhash, band);
    uint32_t found = walk (d, band, at, content, simhash, equal);
    for (int i = 0; found == NONE && d->near >= BANDS && i < BAND_BITS; i++)
        found = walk (d, band, at ^ 1U << i, content, simhash, equal);
    return found;
}

enum dedupe_kind dedupe_look (const dedupe *d, uint32_t index, uint32_t *of)
{
    const chunk *c = d->chunks[index / CHUNK];
    uint64_t content = c->content[index % CHUNK], simhash = c->simhash[index % CHUNK];
    int bands = d->near > 0 ? BANDS : 1; /* equal hashes share every band */
    bool equal = false;
    for (int band = 0; band < bands; band++) {
        uint32_t found = walk_band (d, band, content, simhash, &equal);
        if (of)
            *of = found;
        if (found != NONE)
            return equal ? DEDUPE_EQUAL : DEDUPE_NEAR;
    }
    return DEDUPE_NEW;
}

void dedupe_keep (dedupe *d, uint32_t index)
{
    chunk *c = d->chunks[index / CHUNK];
    for (int band = 0; band < BANDS; band++) {
        uint32_t *first = &d->first[band][bucket (c->simhash[index % CHUNK], band)];
        c->next[index % CHUNK][band] = *first;
        *first = index;
    }
}

size_t dedupe_bytes (const dedupe *d)
{
    return sizeof (*d) + d->chunk_count * sizeof (chunk) + d->chunk_cap * sizeof (*d->chunks);
}
