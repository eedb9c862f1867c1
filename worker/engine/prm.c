/* SPDX-License-Identifier: Apache-2.0 */
/* prm.c - see prm.h: from jobs to requests and back
 *
 * Batches are made when a server has room, of whatever waits then: while one request is under way the next one gathers.  One
 * that is refused is halved, until the text that the server cannot take stands alone; only its job fails.
 *
 * Invariants:
 *   I1  an item is freed when its job has ended and no text of it is in the queue or in a batch (held == 0); a text of an
 *       ended item is in no queue
 *   I2  busy_texts and batch_count are those of the list of batches
 */

#include "worker/engine/prm.h"
#include <math.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/hash.h"
#include "proto/base/log.h"
#include "worker/engine/prm_inner.h"

enum {
    WRONG_MOST = 2, /* answers that make no sense, before a batch is not asked again */
    TABLE = 1024    /* chains of items by task id; a power of two */
};

/* ---- items ---- */

static prm_item **chain_of (const prm *p, task_id id)
{
    return &p->items[(size_t)(esp_hash_fast (id.problem, id.number) & (TABLE - 1))];
}

static void add_item (prm *p, prm_item *item)
{
    prm_item **at = chain_of (p, item->id);
    item->next = *at;
    *at = item;
}

static void release_item (prm *p, prm_item *item)
{
    prm_item **at = chain_of (p, item->id);
    if (item->job || item->held > 0)
        return;
    while (*at != item)
        at = &(*at)->next;
    *at = item->next;
    prm_item_free (item);
}

static void tell (const prm *p, const job *j, const prm_item *item, esp_err error)
{
    result r = {.id = j->task.id,
                .error = error,
                .finish = error == ESP_OK ? FINISH_STOP : FINISH_ERROR,
                .logprob = NAN,
                .mean_logprob = NAN,
                .share = NAN};
    if (error == ESP_OK) {
        r.scores = item->scores;
        r.score_count = item->score_count;
        r.score_own = item->score_own;
        r.scored_tokens = (uint32_t)(item->tokens < UINT32_MAX ? item->tokens : UINT32_MAX);
        if (item->by)
            r.server = span_of (server_url (item->by));
    }
    p->setup.done (p->setup.ctx, j, &r);
}

/* The job's end; the item stays while texts of it are held. */
static void end_item (prm *p, prm_item *item, esp_err error)
{
    const job *j = item->job;
    item->job = NULL;
    if (j)
        tell (p, j, item, error);
}

/* ---- the queue ---- */

static void enqueue (prm *p, prm_reading *r)
{
    r->next = NULL;
    r->prev = p->tail;
    *(p->tail ? &p->tail->next : &p->head) = r;
    p->tail = r;
    r->queued = true;
    p->queued++;
}

static void unqueue (prm *p, prm_reading *r)
{
    *(r->prev ? &r->prev->next : &p->head) = r->next;
    *(r->next ? &r->next->prev : &p->tail) = r->prev;
    r->queued = false;
    p->queued--;
}

/* The texts of an item that ended. */
static void leave_queue (prm *p, prm_item *item)
{
    for (size_t i = 0; i < item->count; i++)
        if (item->readings[i].queued) {
            unqueue (p, &item->readings[i]);
            item->held--;
        }
}

/* ---- batches ---- */

static void drop_batch (prm *p, prm_batch *b)
{
    if (b->prev)
        b->prev->next = b->next;
    else
        p->batches = b->next;
    if (b->next)
        b->next->prev = b->prev;
    p->batch_count--;
    p->busy_texts -= b->count;
    esp_free (b);
}

static esp_err batch_write (void *ctx, server *s, esp_buf *path, esp_buf *json)
{
    const prm_batch *b = ctx;
    prm_ask ask = prm_ask_for (b->prm, s, b->texts, b->count, b->readings[0]->item->seed);
    return b->prm->serving->write (&ask, path, json);
}

static uint64_t home_of (const prm_batch *b)
{
    const prm *p = b->prm;
    return p->serving->caches ? esp_hash_mix (p->setup.run_seed, b->readings[0]->item->problem) | 1
                              : 0;
}

static esp_err batch_take (void *ctx, server *s, span body, esp_error *why)
{
    prm_batch *b = ctx;
    prm *p = b->prm;
    prm_ask ask = prm_ask_for (p, s, b->texts, b->count, b->readings[0]->item->seed);
    esp_err err = p->serving->read (&ask, body, &b->tokens, why);
    if (err == ESP_OK) {
        server_counts_of (s)->scored_tokens += b->tokens;
        for (size_t i = 0; i < b->count; i++)
            b->readings[i]->item->by = s;
        if (home_of (b))
            servers_set_home (p->servers, home_of (b), s, -1);
    }
    if (err != ESP_EFORMAT || ++b->wrong < WRONG_MOST)
        return err;
    b->malformed = true; /* twice is enough: this text, or this server, is like that */
    return ESP_EENGINE;
}

/* Tokens of a batch belong to its texts by their lengths. */
static void share_tokens (prm_batch *b)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < b->count; i++)
        bytes += b->texts[i].text.len;
    for (size_t i = 0; i < b->count && bytes > 0; i++)
        b->readings[i]->item->tokens += b->tokens * b->texts[i].text.len / bytes;
}

static void start_batch (prm *p, prm_reading *const *readings, size_t count);

static void note_failure (prm *p, esp_err code, const char *text)
{
    uint64_t n = ++p->failures;
    if (n < 10 || (n & (n - 1)) == 0) /* then only now and then */
        esp_log (LOG_WARN, "PRM-FAILED", "%s (%s; failure %llu of this PRM)", text,
                 esp_err_text (code), (unsigned long long)n);
}

/* Texts leave a batch that ended; items that have all scores, or failed, end. */
static void settle (prm *p, prm_reading *const *readings, size_t count, esp_err code)
{
    for (size_t i = 0; i < count; i++) {
        prm_item *item = readings[i]->item;
        readings[i]->batch = NULL;
        item->held--;
        item->unread--;
        if (code != ESP_OK || item->unread == 0)
            end_item (p, item, code);
        if (code != ESP_OK)
            leave_queue (p, item);
    }
    for (size_t i = 0; i < count;
         i++) /* an item of several texts is released by its last one here */
        if (i + 1 == count || readings[i + 1]->item != readings[i]->item)
            release_item (p, readings[i]->item);
}

static void batch_done (void *ctx, esp_err code, const char *text)
{
    prm_batch *b = ctx;
    prm *p = b->prm;
    size_t half = b->count / 2;
    bool refused = code == ESP_ETOOBIG || code == ESP_ERANGE || code == ESP_EENGINE;
    if (code == ESP_OK)
        share_tokens (b);
    if (b->malformed)
        code = ESP_EFORMAT;
    if (refused && b->count > 1) {
        start_batch (p, b->readings, half);
        start_batch (p, b->readings + half, b->count - half);
    } else {
        if (code != ESP_OK)
            note_failure (p, code, text);
        settle (p, b->readings, b->count, code);
    }
    drop_batch (p, b);
}

static prm_batch *make_batch (prm *p, prm_reading *const *readings, size_t count)
{
    prm_batch *b =
        esp_calloc (1, sizeof (*b) + count * (sizeof (prm_text) + sizeof (prm_reading *)));
    if (!b)
        return NULL;
    b->prm = p;
    b->texts = (prm_text *)(b + 1);
    b->readings = (prm_reading **)(b->texts + count);
    for (size_t i = 0; i < count; i++) {
        b->texts[i] = readings[i]->text;
        b->readings[i] = readings[i];
        readings[i]->batch = b;
    }
    b->count = count;
    b->next = p->batches;
    if (p->batches)
        p->batches->prev = b;
    p->batches = b;
    p->batch_count++;
    p->busy_texts += count;
    return b;
}

static void start_batch (prm *p, prm_reading *const *readings, size_t count)
{
    prm_batch *b = make_batch (p, readings, count);
    exchange_ask ask = {.write = batch_write, .take = batch_take, .done = batch_done, .ctx = b};
    esp_err err = b ? ESP_OK : ESP_ENOMEM;
    if (b) {
        ask.home = home_of (b);
        ask.spread = ask.home ? ask.home : ++p->batch_number;
        ask.weight = (uint32_t)count * (p->serving->single ? (uint32_t)p->options->samples : 1);
        err = exchange_start (p->servers, &ask, &b->ex);
    }
    if (err == ESP_OK)
        return;
    settle (p, readings, count, err);
    if (b)
        drop_batch (p, b);
}

/* ---- from the queue to batches ---- */

/* Prefixes are cached, on one of several servers: a request holds one problem, and its texts stay together. */
static bool keeps_together (const prm *p)
{
    return p->serving->caches && servers_count (p->servers) > 1;
}

/* A part of the slots, so that requests end one after another and a server never waits for the next one. */
static size_t slots_part (const prm *p)
{
    size_t part = servers_slots (p->servers) / 4;
    return part > 0 ? part : 1;
}

static size_t most_texts (const prm *p)
{
    size_t up = 0, most = (size_t)p->options->batch_texts, share;
    if (p->serving->single || keeps_together (p))
        return p->serving->single ? 1 : most;
    for (size_t i = 0; i < servers_count (p->servers); i++)
        up += server_in_service (servers_at (p->servers, i));
    if (most > slots_part (p))
        most = slots_part (p);
    share = up > 1 ? (p->queued + up - 1) / up : p->queued; /* every server gets some */
    return share < most ? share : most;
}

static bool has_room (const prm *p)
{
    uint32_t slots = servers_slots (p->servers), each = (uint32_t)p->options->samples;
    return p->batch_count == 0 || p->busy_texts * (p->serving->single ? each : 1) < slots;
}

/* Texts from the queue's front; where prefixes are cached on one of several servers, only those of one problem. */
static size_t take_texts (prm *p, prm_reading **out, size_t most)
{
    bool together = keeps_together (p);
    uint64_t key = p->head->item->problem;
    size_t n = 0, bytes = 0;
    for (prm_reading *r = p->head, *next; r && n < most; r = next) {
        bool fits = n == 0 || bytes + r->text.text.len <= (size_t)p->options->batch_bytes;
        next = r->next;
        if (!fits || (together && r->item->problem != key))
            continue;
        bytes += r->text.text.len;
        unqueue (p, r);
        out[n++] = r;
    }
    return n;
}

static void pump (prm *p)
{
    prm_reading *some[1024]; /* batch_texts is at most so much */
    while (p->head && has_room (p)) {
        size_t n = take_texts (p, some, most_texts (p));
        start_batch (p, some, n);
    }
}

/* ---- the engine ---- */

static void take_job (prm *p, const job *j)
{
    prm_item *item = esp_calloc (1, sizeof (*item));
    esp_err err = ESP_EUNSUPPORTED;
    if (j->task.kind == TASK_SCORE)
        err = item ? prm_item_fill (p, item, j) : ESP_ENOMEM;
    if (err != ESP_OK || item->settled) {
        tell (p, j, item, err);
        prm_item_free (item);
        return;
    }
    for (size_t i = 0; p->setup.trace && i < item->count; i++)
        p->setup.trace (p->setup.trace_ctx, "PRM input", item->readings[i].text.text);
    item->id = j->task.id;
    item->unread = item->held = item->count;
    add_item (p, item);
    for (size_t i = 0; i < item->count; i++)
        enqueue (p, &item->readings[i]);
}

void prm_start (void *state, const job *const *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        take_job (state, jobs[i]);
    pump (state);
}

void prm_poll (void *state)
{
    prm *p = state;
    servers_poll (p->servers);
    pump (p);
}

static bool is_idle (const prm_batch *b)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->readings[i]->item->job)
            return false;
    return true;
}

/* Batches of the item that nobody waits for any more. */
static void cancel_batches (prm *p, prm_item *item)
{
    for (size_t i = 0; i < item->count; i++) {
        prm_batch *b = item->readings[i].batch;
        if (!b || !is_idle (b))
            continue;
        exchange_cancel (b->ex);
        settle (p, b->readings, b->count, ESP_OK);
        drop_batch (p, b);
    }
}

void prm_cancel (void *state, const job *j)
{
    prm *p = state;
    prm_item *item = *chain_of (p, j->task.id);
    while (item && item->job != j)
        item = item->next;
    if (!item)
        return;
    item->job = NULL;
    leave_queue (p, item);
    item->held++; /* it stays until we have looked at all its batches */
    cancel_batches (p, item);
    item->held--;
    release_item (p, item);
}

size_t prm_fds (void *state, int *fds, size_t max)
{
    if (max == 0)
        return 0;
    fds[0] = servers_fd (((const prm *)state)->servers);
    return 1;
}

uint32_t prm_slots (const void *state)
{
    const prm *p = state;
    uint32_t slots = servers_slots (p->servers), each = (uint32_t)p->options->samples;
    if (slots == 0)
        return 0;
    if (p->serving->single)
        return slots > each ? slots / each : 1;
    return slots + (uint32_t)p->options->batch_texts; /* so that the next batch gathers */
}

esp_err prm_ready (void *state, esp_error *why)
{
    return servers_ready (((const prm *)state)->servers, why);
}

esp_err prm_settled (void *state, esp_error *why)
{
    return servers_settled (((const prm *)state)->servers, why);
}

void prm_close (void *state)
{
    prm *p = state;
    if (!p)
        return;
    servers_destroy (p->servers); /* no exchange calls back after this */
    for (prm_batch *b = p->batches, *next; b; b = next) {
        next = b->next;
        esp_free (b);
    }
    for (size_t i = 0; p->items && i < TABLE; i++)
        for (prm_item *item = p->items[i], *next; item; item = next) {
            next = item->next;
            prm_item_free (item);
        }
    esp_free (p->items);
    esp_buf_free (&p->question);
    esp_buf_free (&p->shown);
    esp_free (p->pieces);
    esp_free (p);
}

static esp_err open_servers (prm *p, esp_error *error)
{
    servers_setup setup = {.options = p->setup.server,
                           .section = "prm",
                           .rank = p->setup.rank,
                           .local_rank = p->setup.local_rank,
                           .clock = p->setup.clock,
                           .seed = p->setup.run_seed,
                           .family = p->serving->family,
                           .data_bytes = sizeof (prm_known),
                           .probe_write = prm_probe_write,
                           .probe_take = prm_probe_take,
                           .ctx = p};
    return servers_create (&setup, &p->servers, error);
}

esp_err prm_open (const engine_setup *setup, void **state, esp_error *error)
{
    const prm_serving *serving = setup && setup->kind ? prm_serving_find (setup->kind->name) : NULL;
    prm *p;
    esp_error why = {0};
    esp_err err;
    if (!serving || !setup->done || !setup->options || !setup->server || !state)
        return esp_error_set (error, ESP_EINVAL, "prm: incomplete setup");
    if (!(p = esp_calloc (1, sizeof (*p))) ||
        !(p->items = esp_calloc (TABLE, sizeof (prm_item *)))) {
        prm_close (p);
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    }
    p->setup = *setup;
    p->serving = serving;
    p->options = setup->options;
    err = prm_plan (serving, p->options, &p->plan, &why);
    if (err != ESP_OK)
        (void)esp_error_set (error, err, "prm.%s", why.text);
    if (err == ESP_OK) {
        prm_probe_plan (p);
        err = open_servers (p, error);
    }
    if (err != ESP_OK) {
        prm_close (p);
        return err;
    }
    *state = p;
    return ESP_OK;
}
