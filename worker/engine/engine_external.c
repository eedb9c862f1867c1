/* SPDX-License-Identifier: Apache-2.0 */
/* engine_external.c - engine `external`: a program in any language does the work (docs/external.md)
 *
 * Jobs wait in order until the peer has room for them (its credits are never exceeded), are out at the peer under a number of ours,
 * and come back in any order.  Siblings are one task of the peer when it takes n > 1 at once.  When the peer is lost what was out
 * goes to the front of the queue again.
 *
 * A job that may kill its peer: it was out at two losses, so it goes alone; two losses while alone end it as poisoned.
 *
 * Invariants:
 *   I1  a job is in the queue or in exactly one ask, until done or cancel
 *   I2  out = sum of n over all asks, those that nobody waits for any more too: their room is still taken
 *   I3  asks are in the order of their numbers
 */

#include "worker/engine/engine_external.h"
#include <math.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/log.h"

enum { NAME_BYTES = 200 /* of a command that names the peer in summary.json */ };

#define ROW(name, option_type, field, may_change, ...)                                             \
    {                                                                                              \
        .key = name, .type = option_type, .offset = offsetof (external_options, field),            \
        .change = may_change, __VA_ARGS__                                                          \
    }
static const esp_option options[] = {
    ROW ("command", ESP_OPT_STRING, command, ESP_OPT_FREE,
         .help = "Program that each worker starts, with the address in ESPALIER_URL."),
    ROW ("url", ESP_OPT_STRING, url, ESP_OPT_FREE,
         .help =
             "Or where it is: ipc:///PATH or tcp://HOST:PORT, with {rank}, {local_rank}, {host}; "
             "one for each worker."),
    ROW ("start_s", ESP_OPT_DOUBLE, start_s, ESP_OPT_FREE, .fallback = "10", .min = 0.01,
         .max = 3600, .unit = "s",
         .help = "How long the start waits for its first word: nobody at url is an error then, a "
                 "command may go on loading."),
    ROW ("timeout_s", ESP_OPT_DOUBLE, timeout_s, ESP_OPT_FREE, .fallback = "300", .min = 0.01,
         .max = 1e6, .unit = "s", .help = "A task without a result for so long goes elsewhere."),
    ROW ("heartbeat_s", ESP_OPT_DOUBLE, heartbeat_s, ESP_OPT_FREE, .fallback = "2", .min = 0.01,
         .max = 3600, .unit = "s", .help = "It is asked for a sign of life so often."),
    ROW ("silence_s", ESP_OPT_DOUBLE, silence_s, ESP_OPT_FREE, .fallback = "30", .min = 0.01,
         .max = 1e6, .unit = "s",
         .help = "It is given up when it says nothing for so long; a command is started again."),
    ROW ("starts", ESP_OPT_INT, starts, ESP_OPT_FREE, .fallback = "5", .min = 1, .max = 1000000,
         .help = "Starts in a row without one result, after which waiting tasks go elsewhere."),
    ROW ("separator", ESP_OPT_STRING, separator, ESP_OPT_FIXED, .fallback = "\n\n",
         .help = "Where a step ends in the texts that a PRM gets; empty: a node is one step."),
    ESP_OPTION_END};

/* ---- the queue ---- */

void external_unlink (external_queue *q, external_item *i)
{
    *(i->before ? &i->before->after : &q->first) = i->after;
    *(i->after ? &i->after->before : &q->last) = i->before;
    i->before = i->after = NULL;
    q->count--;
}

void external_link_behind (external_queue *q, external_item *before, external_item *i)
{
    i->before = before;
    i->after = before ? before->after : q->first;
    *(before ? &before->after : &q->first) = i;
    *(i->after ? &i->after->before : &q->last) = i;
    q->count++;
}

/* ---- ends ---- */

/* For summary.json: the command as the run file says it, or the URL, which stands behind the key in the peer's name. */
static span who (const external *e)
{
    const external_options *o = e->setup.options;
    const char *name = external_peer_name (e->peer), *blank = strchr (name, ' ');
    return esp_utf8_cut (span_of (o->command ? o->command : blank ? blank + 1 : name), NAME_BYTES);
}

void external_finish (external *e, external_item *i, const result *r)
{
    const job *j = i->job;
    result named = *r;
    named.server = who (e);
    e->held--;
    esp_free (i);
    e->setup.done (e->setup.ctx, j, &named);
}

void external_fail (external *e, external_item *i, esp_err err)
{
    result r = {.id = i->job->task.id,
                .error = err,
                .finish = FINISH_ERROR,
                .logprob = NAN,
                .mean_logprob = NAN,
                .share = NAN};
    external_finish (e, i, &r);
}

void external_fail_waiting (external *e, esp_err err)
{
    while (e->queue.first) {
        external_item *i = e->queue.first;
        external_unlink (&e->queue, i);
        external_fail (e, i, err);
    }
}

void external_complain (external *e, const char *what)
{
    e->complaints++;
    if (e->complaints <= 3 || (e->complaints & (e->complaints - 1)) == 0)
        esp_log (LOG_WARN, "EXTERNAL-RESULT", "%s: %s (%lu so far)", external_peer_name (e->peer),
                 what, e->complaints);
}

/* ---- the peer comes and goes ---- */

static void is_ready (void *ctx)
{
    external *e = ctx;
    uint64_t now = esp_clock_ns (e->setup.clock);
    for (external_item *i = e->queue.first; i; i = i->after)
        i->since_ns = now;
    e->good_ns = now;
}

static void is_lost (void *ctx, bool counts)
{
    external_take_back (ctx, counts);
}

/* ---- time ---- */

/* Tell the peer; its room stays taken until it answers, or for another timeout_s. */
static void abandon (external *e, external_ask *a)
{
    esp_buf_clear (&e->bytes);
    if (external_write_cancel (&e->bytes, external_peer_session (e->peer), a->number) != ESP_OK ||
        external_peer_send (e->peer, esp_buf_span (&e->bytes)) != ESP_OK)
        external_complain (e, "out of memory for a cancel");
    a->abandoned = true;
    a->given_ns = esp_clock_ns (e->setup.clock);
}

static bool late (const external *e, uint64_t since_ns)
{
    return esp_clock_ns (e->setup.clock) - since_ns > e->timeout_ns;
}

/* The oldest asks come first, but for abandoned ones, whose time starts again. */
static void check_asks (external *e)
{
    for (size_t at = 0; at < e->ask_count; at++) {
        external_ask *a = &e->asks[at];
        if (!late (e, a->given_ns))
            continue;
        if (a->abandoned) {
            external_drop_ask (e, at--);
            continue;
        }
        external_complain (e, "a task without a result for timeout_s; it goes elsewhere");
        if (e->good_ns <= a->given_ns)
            e->stuck = true;
        abandon (e, a);
        for (uint32_t s = 0; s < a->n; s++) {
            external_item *i = a->items[s];
            a->items[s] = NULL;
            if (i)
                external_fail (e, i, ESP_ETIMEOUT);
        }
    }
}

static void check_time (external *e)
{
    check_asks (e);
    if (e->stuck)
        external_peer_drop (e->peer, "no result at all for timeout_s");
    e->stuck = false;
    while (!external_peer_is_ready (e->peer) && e->queue.first &&
           late (e, e->queue.first->since_ns)) {
        external_item *i = e->queue.first;
        external_unlink (&e->queue, i);
        external_complain (e, "nobody there for timeout_s; a waiting task goes elsewhere");
        external_fail (e, i, ESP_EPEER);
    }
}

/* ---- the table ---- */

static void external_close (void *state)
{
    external *e = state;
    if (!e)
        return;
    external_peer_close (e->peer);
    while (e->ask_count > 0) {
        external_ask *a = &e->asks[e->ask_count - 1];
        for (uint32_t s = 0; s < a->n; s++)
            esp_free (a->items[s]);
        external_drop_ask (e, e->ask_count - 1);
    }
    while (e->queue.first) {
        external_item *i = e->queue.first;
        external_unlink (&e->queue, i);
        esp_free (i);
    }
    esp_free (e->asks);
    esp_free (e->scores.values);
    esp_buf_free (&e->bytes);
    esp_free (e);
}

static esp_err external_open (const engine_setup *setup, void **state, esp_error *error)
{
    const external_options *o;
    external *e;
    esp_err err;
    if (!setup || !setup->options || !setup->done || !setup->clock || !state)
        return esp_error_set (error, ESP_EINVAL, "external engine: incomplete setup");
    if (!(e = esp_calloc (1, sizeof (*e))))
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    o = setup->options;
    e->setup = *setup;
    e->separator = o->separator ? o->separator : "";
    e->timeout_ns = (uint64_t)(o->timeout_s * 1e9);
    e->next_number = 1;
    external_peer_setup peer = {.command = o->command,
                                .url = o->url,
                                .role = setup->role,
                                .rank = setup->rank,
                                .clock = setup->clock,
                                .heartbeat_s = o->heartbeat_s,
                                .silence_s = o->silence_s,
                                .start_s = o->start_s,
                                .starts = o->starts,
                                .ready = is_ready,
                                .lost = is_lost,
                                .message = external_take_message,
                                .ctx = e};
    if ((err = external_peer_open (&peer, &e->peer, error)) != ESP_OK) {
        external_close (e);
        return err;
    }
    *state = e;
    return ESP_OK;
}

static void external_start (void *state, const job *const *jobs, size_t n)
{
    external *e = state;
    for (size_t k = 0; k < n; k++) {
        external_item *i = esp_calloc (1, sizeof (*i));
        result none = {.id = jobs[k]->task.id,
                       .error = ESP_ENOMEM,
                       .finish = FINISH_ERROR,
                       .logprob = NAN,
                       .mean_logprob = NAN,
                       .share = NAN};
        if (!i) {
            e->setup.done (e->setup.ctx, jobs[k], &none);
            continue;
        }
        i->job = jobs[k];
        i->since_ns = esp_clock_ns (e->setup.clock);
        external_link_behind (&e->queue, e->queue.last, i);
        e->held++;
    }
    external_give (e);
}

static void external_poll (void *state)
{
    external *e = state;
    external_peer_poll (e->peer);
    if (e->held > 0)
        check_time (e);
    if (external_peer_gave_up (e->peer))
        external_fail_waiting (e, ESP_EPEER);
    external_give (e);
}

static void external_cancel (void *state, const job *j)
{
    external *e = state;
    external_item *i = e->queue.first;
    while (i && i->job != j)
        i = i->after;
    if (i) {
        external_unlink (&e->queue, i);
        e->held--;
        esp_free (i);
        return;
    }
    for (size_t at = 0; at < e->ask_count; at++) {
        external_ask *a = &e->asks[at];
        uint32_t left = 0;
        bool found = false;
        for (uint32_t s = 0; s < a->n; s++) {
            if (a->items[s] && a->items[s]->job == j) {
                esp_free (a->items[s]);
                a->items[s] = NULL;
                e->held--;
                found = true;
            }
            left += a->items[s] != NULL;
        }
        if (found && left == 0)
            abandon (e, a);
        if (found)
            return;
    }
}

static size_t external_fds (void *state, int *fds, size_t max)
{
    const external *e = state;
    return external_peer_fds (e->peer, fds, max);
}

static uint32_t external_slots (const void *state)
{
    const external *e = state;
    return external_peer_hello (e->peer)->credits; /* 0, not known yet: the loop's own number */
}

static esp_err external_describe (void *state, esp_buf *out)
{
    const external *e = state;
    const external_hello *h = external_peer_hello (e->peer);
    if (!external_peer_is_ready (e->peer))
        return esp_buf_printf (out, "  %s: WARNING: has not said hello yet\n",
                               external_peer_name (e->peer));
    return esp_buf_printf (out, "  %s: '%s', credits %u, batch %u, n %u\n",
                           external_peer_name (e->peer), h->name, h->credits, h->batch, h->n);
}

const engine_kind engine_external = {.name = "external",
                                     .roles = ENGINE_GENERATOR | ENGINE_PRM | ENGINE_VERIFIER,
                                     .options = options,
                                     .option_bytes = sizeof (external_options),
                                     .open = external_open,
                                     .start = external_start,
                                     .poll = external_poll,
                                     .cancel = external_cancel,
                                     .fds = external_fds,
                                     .close = external_close,
                                     .slots = external_slots,
                                     .describe = external_describe};
