/* SPDX-License-Identifier: Apache-2.0 */
/* engine_choice.c - several generators; a job goes to the one that its action names
 *
 * The parts call the loop's own done: nothing stands between a job and its engine once it is started.
 */

#include "proto/base/alloc.h"
#include "worker/engine/engine_list.h"

struct choice {
    engine_setup setup;
    opened_parts parts;
    uint8_t *part_of;  /* owned scratch of one start: the part of each job */
    const job **group; /* owned scratch: the jobs of one part */
    size_t part_of_cap, group_cap;
};

enum { NO_PART = UINT8_MAX };

static void choice_close (void *state)
{
    struct choice *c = state;
    if (!c)
        return;
    parts_close (&c->parts);
    esp_free (c->part_of);
    esp_free (c->group);
    esp_free (c);
}

static esp_err choice_open (const engine_setup *setup, void **state, esp_error *error)
{
    struct choice *c;
    esp_err err;
    if (!setup || !setup->options || !setup->done || !state)
        return esp_error_set (error, ESP_EINVAL, "list of generators: incomplete setup");
    if (!(c = esp_calloc (1, sizeof (*c))))
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    c->setup = *setup;
    if ((err = parts_open (&c->parts, setup, NULL, error)) != ESP_OK) {
        choice_close (c);
        return err;
    }
    *state = c;
    return ESP_OK;
}

static uint8_t part_for (const struct choice *c, size_t part)
{
    if (c->setup.action_count > 0)
        part = part < c->setup.action_count ? c->setup.actions[part].generator : NO_PART;
    return part < c->parts.count ? (uint8_t)part : NO_PART;
}

static void fail (struct choice *c, const job *j, esp_err error)
{
    result r = parts_failed (j, error);
    c->setup.done (c->setup.ctx, j, &r);
}

/* A job may be gone once its part has it, so all parts are looked up before. */
static void choice_start (void *state, const job *const *jobs, size_t n)
{
    struct choice *c = state;
    bool room = esp_grow (&c->part_of, &c->part_of_cap, n, sizeof (*c->part_of)) == 0 &&
                esp_grow (&c->group, &c->group_cap, n, sizeof (*c->group)) == 0;
    for (size_t i = 0; room && i < n; i++)
        c->part_of[i] = part_for (c, jobs[i]->task.action);
    for (size_t p = 0; room && p < c->parts.count; p++) {
        size_t count = 0;
        for (size_t i = 0; i < n; i++)
            if (c->part_of[i] == p)
                c->group[count++] = jobs[i];
        if (count > 0)
            c->parts.list->parts[p].kind->start (c->parts.states[p], c->group, count);
    }
    for (size_t i = 0; i < n; i++)
        if (!room || c->part_of[i] == NO_PART)
            fail (c, jobs[i], room ? ESP_ERANGE : ESP_ENOMEM);
}

static void choice_poll (void *state)
{
    parts_poll (&((struct choice *)state)->parts);
}

static void choice_cancel (void *state, const job *j)
{
    struct choice *c = state;
    uint8_t part = part_for (c, j->task.action);
    if (part != NO_PART)
        parts_cancel (&c->parts, part, j);
}

static size_t choice_fds (void *state, int *fds, size_t max)
{
    return parts_fds (&((struct choice *)state)->parts, fds, max);
}

/* The sum; 0 while one of them takes nothing: what is meant for that one would come here, be handed back and come again,
 * for ever, and nobody would notice that the run stands still. */
static uint32_t choice_slots (const void *state)
{
    const struct choice *c = state;
    uint32_t sum = 0;
    for (size_t i = 0; i < c->parts.count; i++) {
        uint32_t own = parts_slots (&c->parts, i);
        if (own == 0)
            return 0;
        sum += own;
    }
    return sum;
}

static uint32_t choice_context (const void *state, uint16_t action)
{
    const struct choice *c = state;
    size_t part = part_for (c, action);
    const engine_kind *kind = part < c->parts.count ? c->parts.list->parts[part].kind : NULL;
    return kind && kind->context ? kind->context (c->parts.states[part], action) : 0;
}

static esp_err choice_ready (void *state, esp_error *why)
{
    return parts_ready (&((struct choice *)state)->parts, why);
}

static size_t choice_models (const void *state, engine_model *out, size_t max)
{
    return parts_models (&((const struct choice *)state)->parts, out, max);
}

static esp_err choice_settled (void *state, esp_error *why)
{
    return parts_settled (&((struct choice *)state)->parts, why);
}

static esp_err choice_describe (void *state, esp_buf *out)
{
    return parts_describe (&((struct choice *)state)->parts, out);
}

const engine_kind engine_choice = {.name = "list of generators",
                                   .roles = ENGINE_GENERATOR,
                                   .open = choice_open,
                                   .start = choice_start,
                                   .poll = choice_poll,
                                   .cancel = choice_cancel,
                                   .fds = choice_fds,
                                   .close = choice_close,
                                   .context = choice_context,
                                   .slots = choice_slots,
                                   .ready = choice_ready,
                                   .settled = choice_settled,
                                   .describe = choice_describe,
                                   .models = choice_models};
