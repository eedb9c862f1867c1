/* SPDX-License-Identifier: Apache-2.0 */
/* engine_ensemble.c - several PRMs; a score is the mean of theirs
 *
 *     score = sum of weight_i * score_i / sum of weight_i, in the order of the list
 *
 * Every part gets the same copy of a job, and keeps it until its own answer; the job is answered when the last part has.
 *
 * Invariants:
 *   I1  a vote is in the list from start() until its answer or cancel()
 *   I2  waiting counts the parts that have not answered; bit i of `out` is set as long as part i has the copy
 */

#include <stddef.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/log.h"
#include "worker/engine/engine_list.h"

struct vote {
    job copy;            /* what the parts see; first, so that a copy is its vote */
    const job *original; /* borrowed from the loop */
    struct vote *before, *next;
    double *scores; /* owned: a row of score_count for each part; the first becomes the mean */
    uint32_t score_count, score_own, scored_tokens;
    size_t waiting;
    uint64_t out;
    esp_err error;
    size_t error_part;
};

struct ensemble;
struct place { /* ctx of one part */
    struct ensemble *ensemble;
    size_t part;
};

struct ensemble {
    engine_setup setup;
    opened_parts parts;
    struct place places[ENGINE_LIST_MOST];
    double weights; /* their sum */
    struct vote *votes;
    const job **copies; /* owned scratch of one start */
    size_t copies_cap;
    bool said; /* that parts disagree about the number of scores */
};

static void drop_vote (struct ensemble *e, struct vote *v)
{
    if (v->before)
        v->before->next = v->next;
    else
        e->votes = v->next;
    if (v->next)
        v->next->before = v->before;
    esp_free (v->scores);
    esp_free (v);
}

/* ---- answers ---- */

/* In the order of the list, whoever answered first: sums of doubles depend on their order (D4). */
static void take_mean (const struct ensemble *e, struct vote *v)
{
    for (uint32_t i = 0; i < v->score_count; i++) {
        double sum = 0;
        for (size_t p = 0; p < e->parts.count; p++)
            sum += e->parts.list->parts[p].weight * v->scores[p * v->score_count + i];
        v->scores[i] = sum / e->weights;
    }
}

static void answer (struct ensemble *e, struct vote *v)
{
    const job *original = v->original;
    result r = parts_failed (original, v->error);
    r.scored_tokens = v->scored_tokens;
    if (v->error == ESP_OK) {
        take_mean (e, v);
        r.finish = FINISH_STOP;
        r.scores = v->scores;
        r.score_count = v->score_count;
        r.score_own = v->score_own;
    }
    e->setup.done (e->setup.ctx, original, &r);
    drop_vote (e, v);
}

static void note_error (struct vote *v, size_t part, esp_err error)
{
    if (v->error == ESP_OK || part < v->error_part) {
        v->error = error;
        v->error_part = part;
    }
}

static esp_err keep_scores (struct ensemble *e, struct vote *v, size_t part, const result *r)
{
    if (!v->scores) {
        v->score_count = r->score_count;
        v->score_own = r->score_own;
        if (!(v->scores = esp_calloc (e->parts.count * r->score_count + 1, sizeof (*v->scores))))
            return ESP_ENOMEM;
    }
    if (r->score_count != v->score_count || r->score_own != v->score_own) {
        if (!e->said)
            esp_log (LOG_ERROR, "PRM-LIST",
                     "PRM %s gives %u scores where another one gives %u: they split steps by other "
                     "rules and cannot be averaged",
                     e->parts.list->parts[part].name, r->score_count, v->score_count);
        e->said = true;
        return ESP_EENGINE;
    }
    if (r->score_count > 0)
        memcpy (v->scores + part * r->score_count, r->scores, r->score_count * sizeof (*v->scores));
    return ESP_OK;
}

static void part_done (void *ctx, const job *j, const result *r)
{
    const struct place *at = ctx;
    struct ensemble *e = at->ensemble;
    struct vote *v = (struct vote *)(uintptr_t)j; /* the copy is its first field */
    esp_err err = r->error;
    v->scored_tokens += r->scored_tokens;
    v->out &= ~(UINT64_C (1) << at->part);
    if (err == ESP_OK)
        err = keep_scores (e, v, at->part, r);
    if (err != ESP_OK)
        note_error (v, at->part, err);
    if (--v->waiting == 0)
        answer (e, v);
}

/* ---- life ---- */

static void *place_of (void *ctx, size_t part)
{
    struct ensemble *e = ctx;
    e->places[part] = (struct place){e, part};
    return &e->places[part];
}

static void ensemble_close (void *state)
{
    struct ensemble *e = state;
    if (!e)
        return;
    parts_close (&e->parts);
    while (e->votes)
        drop_vote (e, e->votes);
    esp_free (e->copies);
    esp_free (e);
}

static esp_err ensemble_open (const engine_setup *setup, void **state, esp_error *error)
{
    engine_setup own;
    struct ensemble *e;
    esp_err err;
    if (!setup || !setup->options || !setup->done || !state)
        return esp_error_set (error, ESP_EINVAL, "list of PRMs: incomplete setup");
    if (!(e = esp_calloc (1, sizeof (*e))))
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    e->setup = own = *setup;
    own.done = part_done;
    own.ctx = e;
    own.progress = NULL;
    if ((err = parts_open (&e->parts, &own, place_of, error)) != ESP_OK) {
        ensemble_close (e);
        return err;
    }
    for (size_t i = 0; i < e->parts.count; i++)
        e->weights += e->parts.list->parts[i].weight;
    *state = e;
    return ESP_OK;
}

/* ---- jobs ---- */

static struct vote *make_vote (struct ensemble *e, const job *j)
{
    struct vote *v = esp_calloc (1, sizeof (*v));
    if (!v)
        return NULL;
    v->copy = *j;
    v->copy.owner = NULL;
    v->original = j;
    v->waiting = e->parts.count;
    v->out = e->parts.count == ENGINE_LIST_MOST ? UINT64_MAX : (UINT64_C (1) << e->parts.count) - 1;
    v->next = e->votes;
    if (v->next)
        v->next->before = v;
    e->votes = v;
    return v;
}

static void ensemble_start (void *state, const job *const *jobs, size_t n)
{
    struct ensemble *e = state;
    bool room = esp_grow (&e->copies, &e->copies_cap, n, sizeof (*e->copies)) == 0;
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        struct vote *v = room ? make_vote (e, jobs[i]) : NULL;
        result r = parts_failed (jobs[i], ESP_ENOMEM);
        if (v)
            e->copies[count++] = &v->copy;
        else
            e->setup.done (e->setup.ctx, jobs[i], &r);
    }
    for (size_t p = 0; p < e->parts.count && count > 0; p++)
        e->parts.list->parts[p].kind->start (e->parts.states[p], e->copies, count);
}

static void ensemble_poll (void *state)
{
    parts_poll (&((struct ensemble *)state)->parts);
}

static void ensemble_cancel (void *state, const job *j)
{
    struct ensemble *e = state;
    struct vote *v = e->votes;
    while (v && v->original != j)
        v = v->next;
    if (!v)
        return;
    for (size_t p = 0; p < e->parts.count; p++)
        if (v->out & (UINT64_C (1) << p))
            parts_cancel (&e->parts, p, &v->copy);
    drop_vote (e, v);
}

static size_t ensemble_fds (void *state, int *fds, size_t max)
{
    return parts_fds (&((struct ensemble *)state)->parts, fds, max);
}

/* Every job goes to all of them: the narrowest one counts. */
static uint32_t ensemble_slots (const void *state)
{
    const struct ensemble *e = state;
    uint32_t least = UINT32_MAX;
    for (size_t i = 0; i < e->parts.count; i++) {
        uint32_t own = parts_slots (&e->parts, i);
        least = own < least ? own : least;
    }
    return least;
}

static esp_err ensemble_ready (void *state, esp_error *why)
{
    return parts_ready (&((struct ensemble *)state)->parts, why);
}

static size_t ensemble_models (const void *state, engine_model *out, size_t max)
{
    return parts_models (&((const struct ensemble *)state)->parts, out, max);
}

static esp_err ensemble_settled (void *state, esp_error *why)
{
    return parts_settled (&((struct ensemble *)state)->parts, why);
}

static esp_err ensemble_describe (void *state, esp_buf *out)
{
    return parts_describe (&((struct ensemble *)state)->parts, out);
}

const engine_kind engine_ensemble = {.name = "list of PRMs",
                                     .roles = ENGINE_PRM,
                                     .open = ensemble_open,
                                     .start = ensemble_start,
                                     .poll = ensemble_poll,
                                     .cancel = ensemble_cancel,
                                     .fds = ensemble_fds,
                                     .close = ensemble_close,
                                     .slots = ensemble_slots,
                                     .ready = ensemble_ready,
                                     .settled = ensemble_settled,
                                     .describe = ensemble_describe,
                                     .models = ensemble_models};
