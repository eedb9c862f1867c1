/* SPDX-License-Identifier: Apache-2.0 */
/* verdict_cache.c - a hash table of lists, and one list of all entries by age */

#include "worker/verifier/verdict_cache.h"
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/hash.h"

enum { BUCKETS = 1 << 14 };

typedef struct entry {
    content_key key;
    result r;              /* its texts stand behind the entry */
    struct entry *next;    /* of the bucket */
    struct entry *younger; /* by age */
    size_t bytes;
} entry;

struct verdict_cache {
    entry *buckets[BUCKETS];
    entry *oldest, *youngest;
    size_t bytes, most;
};

content_key content_of_job (const job *j)
{
    content_key key = {j->task.reading, ~(uint64_t)j->task.reading};
    key.a = esp_hash_mix_span (key.a, j->problem);
    key.b = esp_hash_mix_span (key.b, j->problem);
    for (size_t i = 0; i < j->step_count; i++) {
        key.a = esp_hash_mix_span (key.a, j->steps[i]);
        key.b = esp_hash_mix_span (key.b, j->steps[i]);
    }
    key.a = esp_hash_mix_span (key.a, j->task.extra);
    key.b = esp_hash_mix_span (key.b, j->task.extra);
    return key;
}

esp_err verdict_cache_create (size_t bytes, verdict_cache **out)
{
    verdict_cache *c = esp_calloc (1, sizeof (*c));
    if (!c)
        return ESP_ENOMEM;
    c->most = bytes;
    *out = c;
    return ESP_OK;
}

static entry **place (const verdict_cache *c, content_key key)
{
    entry *const *at = &c->buckets[key.a % BUCKETS];
    while (*at && !content_equal ((*at)->key, key))
        at = &(*at)->next;
    return (entry **)(uintptr_t)at;
}

static void drop_oldest (verdict_cache *c)
{
    entry *e = c->oldest, **at = place (c, e->key);
    *at = e->next;
    c->oldest = e->younger;
    if (!c->oldest)
        c->youngest = NULL;
    c->bytes -= e->bytes;
    esp_free (e);
}

void verdict_cache_destroy (verdict_cache *c)
{
    if (!c)
        return;
    while (c->oldest)
        drop_oldest (c);
    esp_free (c);
}

const result *verdict_cache_find (const verdict_cache *c, content_key key)
{
    const entry *e = *place (c, key);
    return e ? &e->r : NULL;
}

static span copy (char **at, span text)
{
    span copied = span_make (*at, text.len);
    if (text.len > 0)
        memcpy (*at, text.ptr, text.len);
    *at += text.len;
    return copied;
}

void verdict_cache_keep (verdict_cache *c, content_key key, const result *r)
{
    size_t bytes = sizeof (entry) + r->answer.len + r->observation.len + r->reason.len;
    bool decided = r->verdict == VERDICT_PASS || r->verdict == VERDICT_FAIL;
    entry *e, **at = place (c, key);
    char *texts;
    if (r->error != ESP_OK || !decided || *at || bytes > c->most || !(e = esp_calloc (1, bytes)))
        return;
    texts = (char *)(e + 1);
    e->key = key;
    e->bytes = bytes;
    e->r = (result){.verdict = r->verdict,
                    .share = r->share,
                    .logprob = r->logprob,
                    .mean_logprob = r->mean_logprob,
                    .finish = r->finish};
    e->r.answer = copy (&texts, r->answer);
    e->r.observation = copy (&texts, r->observation);
    e->r.reason = copy (&texts, r->reason);
    *at = e;
    *(c->youngest ? &c->youngest->younger : &c->oldest) = e;
    c->youngest = e;
    c->bytes += bytes;
    while (c->bytes > c->most)
        drop_oldest (c);
}
