/* SPDX-License-Identifier: Apache-2.0 */
/* exchange.c - one request, on whichever server, until it is answered or given up
 *
 * Where it goes: to the home of its prefix; while that one is full it waits for it, unless another one idles, which costs
 * its prefix once more.  Without a home: the least busy server; of equals the first in the order of hash(spread, URL), which is
 * the same on every worker.
 */

#include <stdio.h>
#include "proto/base/alloc.h"
#include "proto/base/hash.h"
#include "proto/base/log.h"
#include "worker/server/servers_inner.h"

enum {
    HAND_BACK_S =
        5, /* without any server in service: longer: tasks sit here that others could do; shorter: a hiccup moves them */
    RETRY_MOST_S = 8,  /* pause before a try */
    AFTER_MOST_S = 120 /* of a Retry-After */
};
#define IDLE_PART                                                                                  \
    0.15 /* a server this full is one that idles: work leaves a full home for it; larger: prefixes are read again */

/* ---- lists ---- */

static void unlink_exchange (exchange *e)
{
    struct exchange_list *l = e->list;
    if (!l)
        return;
    *(e->before ? &e->before->next : &l->first) = e->next;
    *(e->next ? &e->next->before : &l->last) = e->before;
    e->next = e->before = NULL;
    e->list = NULL;
}

static void append (struct exchange_list *l, exchange *e)
{
    unlink_exchange (e);
    e->before = l->last;
    *(l->last ? &l->last->next : &l->first) = e;
    l->last = e;
    e->list = l;
}

static void land (exchange *e)
{
    if (!e->at)
        return;
    e->at->in_flight -= e->holds;
    e->at = NULL;
    e->request = NULL;
}

static void drop (exchange *e)
{
    unlink_exchange (e);
    esp_buf_free (&e->path);
    esp_buf_free (&e->body);
    esp_free (e);
}

static void finish (exchange *e, esp_err code, const char *text)
{
    exchange_ask ask = e->ask;
    char sentence[480];
    snprintf (sentence, sizeof (sentence), "%s", text ? text : "");
    servers_mask_key (e->all, sentence); /* servers quote it, so do sentences about their answers */
    land (e);
    drop (e);
    ask.done (ask.ctx, code, sentence);
}

static void end_later (exchange *e, esp_err code, const char *text)
{
    e->code = code;
    if (text != e->text)
        snprintf (e->text, sizeof (e->text), "%s", text);
    append (&e->all->ended, e);
}

esp_err exchange_start (servers *s, const exchange_ask *ask, exchange **out)
{
    exchange *e = esp_calloc (1, sizeof (*e));
    if (!e)
        return ESP_ENOMEM;
    e->all = s;
    e->ask = *ask;
    if (e->ask.weight == 0)
        e->ask.weight = 1;
    e->since_ns = esp_clock_ns (s->setup.clock);
    append (&s->waiting, e);
    *out = e;
    return ESP_OK;
}

void exchange_cancel (exchange *e)
{
    if (e->request)
        http_cancel (e->request);
    land (e);
    drop (e);
}

void exchange_enough (exchange *e)
{
    if (e->at)
        server_worked (e->at);
    exchange_cancel (e);
}

void exchange_lighter (exchange *e)
{
    if (e->at && e->holds > 1) {
        e->holds--;
        e->at->in_flight--;
    }
}

void exchanges_destroy (servers *s)
{
    while (s->waiting.first)
        exchange_cancel (s->waiting.first);
    while (s->ended.first)
        exchange_cancel (s->ended.first);
    for (size_t i = 0; i < s->count; i++)
        while (s->items[i]->flying.first)
            exchange_cancel (s->items[i]->flying.first);
}

/* ---- again ---- */

static void try_again (exchange *e, const char *text, double after_s)
{
    servers *all = e->all;
    uint64_t now = esp_clock_ns (all->setup.clock);
    if (e->at) {
        e->avoid = e->at->index + 1;
        e->at->counts.retries++;
    }
    land (e);
    e->tries++;
    if (text != e->text)
        snprintf (e->text, sizeof (e->text), "%s", text);
    servers_mask_key (all, e->text);
    if (e->tries >= (uint32_t)all->setup.options->tries) {
        esp_log (LOG_WARN, "SERVER-TRIES", "%s: %s; given back after %u tries", all->setup.section,
                 e->text, e->tries);
        end_later (e, ESP_EPEER, e->text);
        return;
    }
    esp_log (LOG_INFO, "SERVER-RETRY", "%s: %s; try %u of %lld", all->setup.section, e->text,
             e->tries + 1, (long long)all->setup.options->tries);
    e->since_ns = now;
    e->not_before_ns = now + server_pause_ns (all, e->tries, RETRY_MOST_S);
    if (after_s > 0)
        e->not_before_ns =
            now + (uint64_t)((after_s < AFTER_MOST_S ? after_s : AFTER_MOST_S) * 1e9);
    append (&all->waiting, e);
}

void exchanges_return (server *s)
{
    while (s->flying.first) {
        exchange *e = s->flying.first;
        char text[480];
        http_cancel (e->request);
        snprintf (text, sizeof (text),
                  "%s: out of service, and no answer to what it was sent before", s->shown);
        try_again (e, text, 0);
    }
}

void exchange_spoiled (exchange *e, const char *why)
{
    server *s = e->at;
    char text[480];
    snprintf (text, sizeof (text), "%.120s: %.340s", s->shown, why);
    http_cancel (e->request);
    e->request = NULL;
    server_failed (s, false, text);
    try_again (e, text, 0);
}

/* ---- answers ---- */

/* Its answer says no. */
static void refused (exchange *e, server *s, const http_answer *a)
{
    char says[300], text[480];
    enum server_refusal why = refusal_of (a->status, a->body, says, sizeof (says));
    snprintf (text, sizeof (text), "%s: status %d: %s", s->shown, a->status,
              says[0] ? says : "(no sentence)");
    switch (why) {
    case REFUSAL_RETRY:
        if (a->retry_after_s > 0 &&
            s->state == SERVER_UP) { /* it asks for a pause: for all that is new */
            uint32_t pause = a->retry_after_s < AFTER_MOST_S ? a->retry_after_s : AFTER_MOST_S;
            s->next_ns = esp_clock_ns (e->all->setup.clock) + (uint64_t)pause * 1000000000;
        }
        if (a->status != 429)
            server_failed (s, false, text);
        try_again (e, text, a->retry_after_s);
        return;
    case REFUSAL_KEY:
    case REFUSAL_MODEL:
    case REFUSAL_PATH: /* another server than the one that was probed */
        server_failed (s, true, text);
        try_again (e, text, 0);
        return;
    case REFUSAL_TOO_LONG:
        server_worked (s);
        finish (e, ESP_ETOOBIG, text);
        return;
    case REFUSAL_TOO_MUCH:
        server_worked (s);
        finish (e, ESP_ERANGE, text);
        return;
    case REFUSAL_REQUEST:
        server_worked (s);
        finish (e, ESP_EENGINE, text);
        return;
    }
}

static void take_whole (exchange *e, server *s, span body)
{
    esp_error why = {0};
    char text[480];
    esp_err err = e->ask.take (e->ask.ctx, s, body, &why);
    snprintf (text, sizeof (text), "%.120s: %.340s", s->shown,
              why.text[0] ? why.text : esp_err_text (err));
    if (err == ESP_OK) {
        server_worked (s);
        finish (e, ESP_OK, "");
    } else if (err == ESP_EFORMAT || err == ESP_EPEER) {
        server_failed (s, false, text);
        try_again (e, text, 0);
    } else {
        finish (e, err, text);
    }
}

static bool nobody_there (enum http_fault fault)
{
    return fault == HTTP_REFUSED || fault == HTTP_NO_HOST || fault == HTTP_TIMEOUT_CONNECT ||
           fault == HTTP_TLS || fault == HTTP_REDIRECT || fault == HTTP_PROXY;
}

static void on_done (void *ctx, http_request *r, const http_answer *a)
{
    exchange *e = ctx;
    server *s = e->at;
    (void)r;
    e->request = NULL;
    s->heard_ns = esp_clock_ns (e->all->setup.clock);
    if (a->fault == HTTP_NO_MEMORY) {
        end_later (e, ESP_ENOMEM, a->text);
        land (e);
    } else if (a->fault != HTTP_FINE) {
        server_failed (s, nobody_there (a->fault), a->text);
        try_again (e, a->text, 0);
    } else if (a->status >= 300 || a->status < 200) {
        refused (e, s, a);
    } else {
        take_whole (e, s, a->body);
    }
}

static void on_chunk (void *ctx, http_request *r, span bytes)
{
    exchange *e = ctx;
    (void)r;
    e->at->heard_ns = esp_clock_ns (e->all->setup.clock);
    e->ask.chunk (e->ask.ctx, e->at, bytes);
}

/* ---- where to ---- */

static bool takes (const server *s, const exchange *e, uint64_t now)
{
    uint32_t limit = server_limit (s);
    return s->state == SERVER_UP && now >= s->next_ns && !s->held &&
           (now >= e->not_before_ns || (e->avoid && s->index + 1 != e->avoid)) &&
           (s->in_flight == 0 || (uint64_t)s->in_flight + e->ask.weight <= limit);
}

static double load (const server *s)
{
    return (double)s->in_flight / (double)server_limit (s);
}

static server *least_busy (const servers *all, const exchange *e, uint64_t now, bool with_avoided)
{
    server *best = NULL;
    for (size_t i = 0; i < all->count; i++)
        if (takes (all->items[i], e, now) && (with_avoided || i + 1 != e->avoid) &&
            (!best || load (all->items[i]) < load (best)))
            best = all->items[i];
    return best;
}

void servers_set_home (servers *s, uint64_t home, const server *where, int slot)
{
    s->homes[home % HOMES].slot = slot;
    s->homes[home % HOMES].key = home;
    s->homes[home % HOMES].server = where->index + 1;
}

static uint32_t look_up (const servers *all, uint64_t home)
{
    return home && all->homes[home % HOMES].key == home ? all->homes[home % HOMES].server : 0;
}

/* Of its prefix; where that was forgotten, of what it is spread by (a generator's: the problem's root). */
static server *home_of (const servers *all, const exchange *e, uint64_t now)
{
    uint32_t at = look_up (all, e->ask.home);
    if (!at)
        at = look_up (all, e->ask.spread);
    return at && at <= all->count && at != e->avoid && all->items[at - 1]->state == SERVER_UP &&
                   now >= all->items[at - 1]->next_ns
               ? all->items[at - 1]
               : NULL;
}

int servers_home_slot (const servers *s, uint64_t home, const server *where)
{
    return look_up (s, home) == where->index + 1 ? s->homes[home % HOMES].slot : -1;
}

/* A problem without a home: the least busy server, so that each gets as many problems; of equals the first in the order of
 * hash(spread, URL), which is the same on every worker. */
static server *rendezvous (const servers *all, const exchange *e, uint64_t now)
{
    server *best = NULL;
    uint64_t best_hash = 0;
    for (size_t i = 0; i < all->count; i++) {
        server *s = all->items[i];
        uint64_t hash = esp_hash_fast (e->ask.spread, s->hash);
        if (!takes (s, e, now) || i + 1 == e->avoid)
            continue;
        if (!best || load (s) < load (best) || (load (s) == load (best) && hash > best_hash)) {
            best = s;
            best_hash = hash;
        }
    }
    return best;
}

static server *pick (const servers *all, const exchange *e, uint64_t now)
{
    bool affine = all->setup.options->affinity;
    server *home = affine ? home_of (all, e, now) : NULL, *other;
    if (home && takes (home, e, now))
        return home;
    other = home || !affine ? NULL : rendezvous (all, e, now);
    if (!other)
        other = least_busy (all, e, now, false);
    if (home && other && load (other) > IDLE_PART)
        return NULL; /* wait for the home */
    return other ? other : home ? NULL : least_busy (all, e, now, true);
}

/* One that needs several places would wait for ever while those behind it take each that comes free. */
static void hold_place (servers *all, const exchange *e, uint64_t now)
{
    server *home = all->setup.options->affinity ? home_of (all, e, now) : NULL, *best = home;
    if (e->ask.weight == 1 || now < e->not_before_ns)
        return;
    for (size_t i = 0; i < all->count && !home; i++) {
        server *at = all->items[i];
        if (at->state == SERVER_UP && now >= at->next_ns && at->index + 1 != e->avoid &&
            !at->held && (!best || load (at) < load (best)))
            best = at;
    }
    if (best)
        best->held = true;
}

/* ---- off ---- */

static void send_to (exchange *e, server *s)
{
    const server_options *o = e->all->setup.options;
    http_call call = {.server = s->url, .secret = e->all->key, .done = on_done, .ctx = e};
    esp_err err;
    esp_buf_clear (&e->path);
    esp_buf_clear (&e->body);
    if ((err = e->ask.write (e->ask.ctx, s, &e->path, &e->body)) != ESP_OK) {
        end_later (e, err == ESP_ENOMEM ? ESP_ENOMEM : ESP_EENGINE, esp_err_text (err));
        return;
    }
    call.path = esp_buf_text (&e->path);
    call.body = esp_buf_span (&e->body);
    call.chunk = e->ask.chunk ? on_chunk : NULL;
    call.limits.first_byte_ms = (uint32_t)(o->first_byte_s * 1e3);
    call.limits.idle_ms = (uint32_t)(o->idle_s * 1e3);
    call.limits.total_ms = (uint32_t)(o->total_s * 1e3);
    if (http_start (e->all->http, &call, &e->request) != ESP_OK) {
        end_later (e, ESP_ENOMEM, "out of memory");
        return;
    }
    if (!s->flying.first)
        s->heard_ns = esp_clock_ns (e->all->setup.clock);
    e->at = s;
    e->holds = e->ask.weight;
    s->in_flight += e->holds;
    s->counts.requests++;
    append (&s->flying, e);
}

static bool any_room (const servers *s, uint64_t now)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->items[i]->state == SERVER_UP && now >= s->items[i]->next_ns &&
            s->items[i]->in_flight < server_limit (s->items[i]))
            return true;
    return false;
}

static void place_one (servers *s, exchange *e, uint64_t now, bool up)
{
    uint64_t since = e->since_ns > s->up_ns ? e->since_ns : s->up_ns;
    server *to;
    if (!up && now > since && now - since > (uint64_t)HAND_BACK_S * 1000000000)
        end_later (e, ESP_ECANCELED, e->text[0] ? e->text : "no server in service");
    else if (up && (to = pick (s, e, now)))
        send_to (e, to);
    else if (up)
        hold_place (s, e, now);
}

void exchanges_place (servers *s, uint64_t now)
{
    bool up = servers_any_up (s);
    if (up)
        s->up_ns = now;
    for (size_t i = 0; i < s->count; i++)
        s->items[i]->held = false;
    if (!up || any_room (s, now))
        for (exchange *e = s->waiting.first, *next; e; e = next) {
            next = e->next;
            place_one (s, e, now, up);
        }
    while (s->ended.first)
        finish (s->ended.first, s->ended.first->code, s->ended.first->text);
}
