/* SPDX-License-Identifier: Apache-2.0 */
/* server_load.c - how many sequences a server gets at once, learned from its own counters
 *
 * Too few and it idles between our requests; too many and they stand in its queue, where they can no longer go elsewhere.  What
 * it can take is in no answer of vLLM or SGLang (max_num_seqs is a flag of the server), but /metrics tells who waits: while
 * our limit is used up and nobody waits it grows by half, and where a queue builds up it shrinks by a fifth.  Other clients and
 * other ranks are in these counters too, so that they share.
 *
 * llama.cpp says its slots, and is not asked: a scrape takes seconds under load and starves its own check for cancelled
 * requests.  There the limit is twice the slots: a request of n samples begins when n slots are free, and by then the next one
 * should stand there.
 */

#include <stdlib.h>
#include <string.h>
#include "worker/server/servers_inner.h"

enum {
    FIRST =
        64, /* sequences, until something is known; smaller: a slow beginning, larger: a long queue at small servers */
    LEAST = 16, /* of what is learned */
    MOST = 1024,
    PERIOD_S =
        3, /* between two looks; shorter: the server's pages cost it more than they are worth */
    METRICS_BYTES = 8 << 20 /* of an answer */
};

uint32_t server_limit (const server *s)
{
    const server_options *o = s->all->setup.options;
    if (o->in_flight > 0)
        return (uint32_t)o->in_flight;
    if (s->facts.slots > 0)
        return s->facts.slots < UINT32_MAX / 2 ? 2 * s->facts.slots : s->facts.slots;
    return s->limit > 0 ? s->limit : FIRST;
}

/* The sum over all engines of a gauge: lines "NAME{labels} 3.0"; false: there is none. */
static bool gauge (span page, const char *name, double *sum)
{
    size_t len = strlen (name);
    bool any = false;
    *sum = 0;
    while (page.len > 0) {
        const char *end = memchr (page.ptr, '\n', page.len);
        size_t line = end ? (size_t)(end - page.ptr) : page.len;
        if (line > len && memcmp (page.ptr, name, len) == 0 &&
            (page.ptr[len] == '{' || page.ptr[len] == ' ')) {
            char number[64] = "";
            size_t at = line;
            while (at > len && page.ptr[at - 1] != ' ' && line - at < sizeof (number) - 1)
                at--;
            memcpy (number, page.ptr + at, line - at);
            *sum += strtod (number, NULL);
            any = true;
        }
        page.ptr += line + (end != NULL);
        page.len -= line + (end != NULL);
    }
    return any;
}

bool server_load_read (span page, double *running, double *waiting)
{
    return (gauge (page, "vllm:num_requests_running", running) &&
            gauge (page, "vllm:num_requests_waiting", waiting)) ||
           (gauge (page, "sglang:num_running_reqs", running) &&
            gauge (page, "sglang:num_queue_reqs", waiting));
}

uint32_t server_load_next (uint32_t limit, uint32_t peak, double running, double waiting)
{
    if (waiting > running / 4 + 4)
        limit = limit - limit / 5;
    else if (waiting < 1 && peak >= limit - limit / 10)
        limit = limit + limit / 2;
    return limit < LEAST ? LEAST : limit > MOST ? MOST : limit;
}

static void loaded (void *ctx, http_request *r, const http_answer *a)
{
    server *s = ctx;
    double running = 0, waiting = 0;
    (void)r;
    s->loading = NULL;
    if (a->fault != HTTP_FINE)
        return; /* the exchanges will tell */
    if (a->status != 200 || !server_load_read (a->body, &running, &waiting)) {
        s->no_metrics = true;
        return;
    }
    s->limit = server_load_next (server_limit (s), s->peak, running, waiting);
    s->peak = s->in_flight;
}

void server_load_tick (server *s, uint64_t now)
{
    http_call call = {
        .server = s->url, .path = "/metrics", .secret = s->all->key, .done = loaded, .ctx = s};
    bool tells = s->facts.family == FAMILY_VLLM || s->facts.family == FAMILY_SGLANG;
    if (s->in_flight > s->peak)
        s->peak = s->in_flight;
    if (!tells || s->all->setup.options->in_flight > 0 || s->no_metrics || s->loading ||
        now < s->load_ns)
        return;
    s->load_ns = now + (uint64_t)PERIOD_S * 1000000000;
    if (s->peak < server_limit (s) - server_limit (s) / 10)
        return; /* we do not fill it: nothing to learn */
    call.limits.connect_ms = 5000;
    call.limits.first_byte_ms = 30000;
    call.limits.answer_bytes = METRICS_BYTES;
    if (http_start (s->all->http, &call, &s->loading) != ESP_OK)
        s->loading = NULL;
}

void server_load_forget (server *s)
{
    if (s->loading)
        http_cancel (s->loading);
    s->loading = NULL;
    s->no_metrics = false;
    s->limit = s->peak = 0;
}
