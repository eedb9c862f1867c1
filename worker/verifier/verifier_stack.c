/* SPDX-License-Identifier: Apache-2.0 */
/* verifier_stack.c - see verifier_stack.h
 *
 * A leader goes through the parts; followers have the same content and get the same result.  What a part answers may move a leader on
 * to the next part: that is done after the part's call has returned (to_start), since answers call no engine.
 *
 * Invariants:
 *   I1  a leader is in `leaders` from start() to its answer or cancel()
 *   I2  it is in `to_start` or out at part `part`, never both
 */

#include "worker/verifier/verifier_stack.h"
#include <math.h>
#include "proto/base/alloc.h"
#include "worker/verifier/verdict_cache.h"

struct ask {
    job copy;            /* what the parts see; first, so that a copy is its ask */
    const job *original; /* borrowed from the loop */
    content_key key;
    struct ask *followers, *next; /* next: in leaders, or among followers */
    struct ask *next_start;
    size_t part;
    bool starts;   /* in to_start */
    bool unknown;  /* some part did not decide */
    bool has_kept; /* what becomes the answer when no part ends it */
    result kept;
    esp_buf answer, observation, reason; /* owned: kept's */
};

struct place { /* ctx of one part */
    struct stack *stack;
    size_t part;
};

struct stack {
    engine_setup setup;
    const stack_options *options;
    opened_parts parts;
    struct place places[ENGINE_LIST_MOST];
    verdict_cache *cache; /* owned; NULL: none */
    struct ask *leaders;
    struct ask *to_start; /* a list by next_start, newest first */
};

/* ---- answers ---- */

static void free_ask (struct ask *a)
{
    esp_buf_free (&a->answer);
    esp_buf_free (&a->observation);
    esp_buf_free (&a->reason);
    esp_free (a);
}

static void tell (const struct stack *s, const struct ask *a, const result *r)
{
    result own = *r;
    own.id = a->original->task.id;
    s->setup.done (s->setup.ctx, a->original, &own);
}

static void unlink_leader (struct stack *s, struct ask *a)
{
    struct ask **at = &s->leaders;
    while (*at != a)
        at = &(*at)->next;
    *at = a->next;
}

static void finish (struct stack *s, struct ask *a, const result *r)
{
    struct ask *next;
    unlink_leader (s, a);
    if (s->cache)
        verdict_cache_keep (s->cache, a->key, r);
    tell (s, a, r);
    for (struct ask *f = a->followers; f; f = next) {
        next = f->next;
        tell (s, f, r);
        free_ask (f);
    }
    free_ask (a);
}

/* One that gives no answer leaves that of those before it. */
static esp_err keep_answer (struct ask *a, const result *r)
{
    esp_err err = ESP_OK;
    if (r->answer.len > 0) {
        esp_buf_clear (&a->answer);
        err = esp_buf_add (&a->answer, r->answer);
    }
    a->kept.answer = esp_buf_span (&a->answer);
    return err;
}

static esp_err keep (struct ask *a, const result *r)
{
    esp_err err;
    esp_buf_clear (&a->observation);
    esp_buf_clear (&a->reason);
    a->kept = *r;
    if ((err = keep_answer (a, r)) != ESP_OK ||
        (err = esp_buf_add (&a->observation, r->observation)) != ESP_OK ||
        (err = esp_buf_add (&a->reason, r->reason)) != ESP_OK)
        return err;
    a->kept.observation = esp_buf_span (&a->observation);
    a->kept.reason = esp_buf_span (&a->reason);
    a->has_kept = true;
    return ESP_OK;
}

static bool ends (int rule, uint8_t verdict)
{
    bool pass = verdict == VERDICT_PASS, fail = verdict == VERDICT_FAIL;
    return rule == STACK_FIRST ? pass || fail : rule == STACK_ALL ? fail : pass;
}

static void start_later (struct stack *s, struct ask *a)
{
    a->starts = true;
    a->next_start = s->to_start;
    s->to_start = a;
}

/* What ends it, with the answer of one before it where it gives none: tests say nothing of what a program does. */
static void end_with (struct stack *s, struct ask *a, const result *r)
{
    result own = *r;
    if (own.answer.len == 0)
        own.answer = esp_buf_span (&a->answer);
    finish (s, a, &own);
}

/* The first one's words stand for all; where some did not decide, those of the first that did not. */
static esp_err take_in (struct ask *a, const result *r)
{
    bool decided = r->verdict == VERDICT_PASS || r->verdict == VERDICT_FAIL;
    bool first = !a->has_kept || (!decided && !a->unknown);
    a->unknown = a->unknown || !decided;
    if (first)
        return keep (a, r);
    return a->answer.len == 0 ? keep_answer (a, r) : ESP_OK;
}

static void part_done (void *ctx, const job *j, const result *r)
{
    const struct place *at = ctx;
    struct stack *s = at->stack;
    struct ask *a = (struct ask *)(uintptr_t)j; /* the copy is its first field */
    if (r->error != ESP_OK || ends (s->options->rule, r->verdict)) {
        end_with (s, a, r);
        return;
    }
    if (take_in (a, r) != ESP_OK) {
        result failed = parts_failed (j, ESP_ENOMEM);
        finish (s, a, &failed);
        return;
    }
    if (++a->part < s->parts.count)
        start_later (s, a);
    else
        finish (s, a, &a->kept);
}

static void start_waiting (struct stack *s)
{
    while (s->to_start) {
        struct ask *a = s->to_start;
        const job *const jobs[] = {&a->copy};
        s->to_start = a->next_start;
        a->starts = false;
        s->parts.list->parts[a->part].kind->start (s->parts.states[a->part], jobs, 1);
    }
}

/* ---- jobs ---- */

static struct ask *leader_of (const struct stack *s, content_key key)
{
    struct ask *a = s->leaders;
    while (a && !content_equal (a->key, key))
        a = a->next;
    return a;
}

static void lead (struct stack *s, struct ask *a)
{
    a->part = 0;
    a->next = s->leaders;
    s->leaders = a;
    start_later (s, a);
}

static void take (struct stack *s, const job *j)
{
    content_key key = content_of_job (j);
    const result *known = s->cache ? verdict_cache_find (s->cache, key) : NULL;
    struct ask *leader = leader_of (s, key), *a;
    result r = known ? *known : parts_failed (j, ESP_ENOMEM);
    r.id = j->task.id;
    if (known || !(a = esp_calloc (1, sizeof (*a)))) {
        s->setup.done (s->setup.ctx, j, &r);
        return;
    }
    a->copy = *j;
    a->copy.owner = NULL;
    a->original = j;
    a->key = key;
    if (!leader) {
        lead (s, a);
        return;
    }
    a->next = leader->followers;
    leader->followers = a;
}

static void stack_start (void *state, const job *const *jobs, size_t n)
{
    struct stack *s = state;
    for (size_t i = 0; i < n; i++)
        take (s, jobs[i]);
    start_waiting (s);
}

static void stack_poll (void *state)
{
    struct stack *s = state;
    parts_poll (&s->parts);
    start_waiting (s);
}

static bool cancel_follower (struct stack *s, const job *j)
{
    for (struct ask *a = s->leaders; a; a = a->next)
        for (struct ask **at = &a->followers; *at; at = &(*at)->next)
            if ((*at)->original == j) {
                struct ask *gone = *at;
                *at = gone->next;
                free_ask (gone);
                return true;
            }
    return false;
}

static void take_back (struct stack *s, struct ask *a)
{
    struct ask **at = &s->to_start;
    if (!a->starts) {
        parts_cancel (&s->parts, a->part, &a->copy);
        return;
    }
    while (*at != a)
        at = &(*at)->next_start;
    *at = a->next_start;
}

/* Its first follower leads from now on. */
static void stack_cancel (void *state, const job *j)
{
    struct stack *s = state;
    struct ask *a = s->leaders, *heir;
    while (a && a->original != j)
        a = a->next;
    if (!a) {
        (void)cancel_follower (s, j);
        return;
    }
    take_back (s, a);
    unlink_leader (s, a);
    if ((heir = a->followers)) {
        heir->followers = heir->next;
        lead (s, heir);
    }
    free_ask (a);
    start_waiting (s);
}

/* ---- life ---- */

static void *place_of (void *ctx, size_t part)
{
    struct stack *s = ctx;
    s->places[part] = (struct place){s, part};
    return &s->places[part];
}

static void stack_close (void *state)
{
    struct stack *s = state;
    struct ask *next, *follower;
    if (!s)
        return;
    parts_close (&s->parts);
    for (struct ask *a = s->leaders; a; a = next) {
        next = a->next;
        for (struct ask *f = a->followers; f; f = follower) {
            follower = f->next;
            free_ask (f);
        }
        free_ask (a);
    }
    verdict_cache_destroy (s->cache);
    esp_free (s);
}

static esp_err stack_open (const engine_setup *setup, void **state, esp_error *error)
{
    const stack_options *o = setup->options;
    engine_setup own = *setup;
    struct stack *s = esp_calloc (1, sizeof (*s));
    esp_err err = s ? ESP_OK : ESP_ENOMEM;
    if (err == ESP_OK && o->cache_bytes > 0)
        err = verdict_cache_create (o->cache_bytes, &s->cache);
    if (err != ESP_OK) {
        stack_close (s);
        return esp_error_set (error, err, "out of memory");
    }
    s->setup = *setup;
    s->options = o;
    own.options = &o->list;
    own.done = part_done;
    own.ctx = s;
    own.progress = NULL;
    if ((err = parts_open (&s->parts, &own, place_of, error)) != ESP_OK) {
        stack_close (s);
        return err;
    }
    *state = s;
    return ESP_OK;
}

static size_t stack_fds (void *state, int *fds, size_t max)
{
    return parts_fds (&((struct stack *)state)->parts, fds, max);
}

/* Every job goes to the first one, and not all go on. */
static uint32_t stack_slots (const void *state)
{
    return parts_slots (&((const struct stack *)state)->parts, 0);
}

static esp_err stack_ready (void *state, esp_error *why)
{
    return parts_ready (&((struct stack *)state)->parts, why);
}

static esp_err stack_settled (void *state, esp_error *why)
{
    return parts_settled (&((struct stack *)state)->parts, why);
}

static esp_err stack_describe (void *state, esp_buf *out)
{
    return parts_describe (&((struct stack *)state)->parts, out);
}

const engine_kind engine_stack = {.name = "verifiers",
                                  .roles = ENGINE_VERIFIER,
                                  .open = stack_open,
                                  .start = stack_start,
                                  .poll = stack_poll,
                                  .cancel = stack_cancel,
                                  .fds = stack_fds,
                                  .close = stack_close,
                                  .slots = stack_slots,
                                  .ready = stack_ready,
                                  .settled = stack_settled,
                                  .describe = stack_describe};
