/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_VERIFIER_VERDICT_CACHE_H
#define ESP_WORKER_VERIFIER_VERDICT_CACHE_H

/* verdict_cache.h - verdicts by the content that they judge: problem, text of the branch, kind of reading
 *
 * Only pass and fail are kept: unknown may be another time's luck.  When it is full, the oldest go.  Threads: none.
 */

#include "worker/engine/engine.h"

typedef struct verdict_cache verdict_cache;

typedef struct content_key {
    uint64_t a, b; /* 128 bits of XXH3: equal contents have equal keys, others do not */
} content_key;
content_key content_of_job (const job *j);
static inline bool content_equal (content_key x, content_key y)
{
    return x.a == y.a && x.b == y.b;
}

/* bytes: of all that is kept, about.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err verdict_cache_create (size_t bytes, verdict_cache **out);
void verdict_cache_destroy (verdict_cache *c); /* accepts NULL */

/* NULL: not there.  Its id is another job's; borrowed until the next call. */
const result *verdict_cache_find (const verdict_cache *c, content_key key);
/* Copies; does nothing for what is not kept, or when memory is out. */
void verdict_cache_keep (verdict_cache *c, content_key key, const result *r);

#endif
