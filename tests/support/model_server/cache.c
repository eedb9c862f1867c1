/* SPDX-License-Identifier: Apache-2.0 */
/* cache.c - the prefix cache of request.h: hashes of prefixes of whole blocks, in a table that forgets by overwriting */

#include <stdatomic.h>
#include "proto/base/hash.h"
#include "tests/support/model_server/request.h"

enum { BLOCK = 16, PLACES = 1 << 16 };

static _Atomic uint64_t seen[PLACES];
static atomic_ullong queries, hits;

size_t cached_tokens (const struct prompt_row *row)
{
    tokens t = {0};
    size_t found = 0;
    uint64_t h = 1;
    bool whole = true;
    if (tokens_of (&t, span_make (row->text, row->len)) != ESP_OK)
        out_of_memory ();
    for (size_t i = 0; i + BLOCK <= t.count; i += BLOCK) {
        h = esp_hash64 (t.ids + i, BLOCK * sizeof (*t.ids), h);
        whole &= atomic_exchange (&seen[h % PLACES], h) == h;
        if (whole && i + BLOCK < t.count) /* the last token is always computed */
            found += BLOCK;
    }
    atomic_fetch_add (&queries, t.count);
    atomic_fetch_add (&hits, found);
    tokens_free (&t);
    return found;
}

unsigned long long cache_queries (void)
{
    return atomic_load (&queries);
}

unsigned long long cache_hits (void)
{
    return atomic_load (&hits);
}
