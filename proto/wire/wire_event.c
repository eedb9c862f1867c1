/* SPDX-License-Identifier: Apache-2.0 */
/* wire_event.c - what observers get (events, figures) and ask (control) */

#include "control.pb-c.h"
#include <math.h>
#include "proto/wire/wire_check.h"
#include "proto/wire/wire_parts.h"

_Static_assert(ESPALIER__EVENT_KIND__EVENT_KIND_OPENED == EVENT_OPENED + 1 &&
                   (int)ESPALIER__EVENT_KIND__EVENT_KIND_COMMAND == EVENT_KINDS &&
                   ESPALIER__CONTROL_KIND__CONTROL_KIND_SNAPSHOT == CONTROL_SNAPSHOT + 1 &&
                   (int)ESPALIER__CONTROL_KIND__CONTROL_KIND_FAILED == CONTROL_KINDS,
               "the schema counts from 1");

static void put_event (const event *v, Espalier__Event *out)
{
    *out = (Espalier__Event)ESPALIER__EVENT__INIT;
    out->number = v->number;
    out->index = v->index;
    out->kind = (Espalier__EventKind)(v->kind + 1);
    out->mark = v->mark + 1U;
    out->problem = v->problem;
    out->node = v->node;
    out->parent = v->parent;
    out->ordinal = v->ordinal;
    out->tokens = v->tokens;
    if (!isnan (v->value)) {
        out->value_given_case = ESPALIER__EVENT__VALUE_GIVEN_VALUE;
        out->value = v->value;
    }
    out->text = wire_bytes (v->text);
}

static bool get_event (const Espalier__Event *v, event *out)
{
    *out = (event){
        .number = v->number,
        .index = v->index,
        .problem = v->problem,
        .node = v->node,
        .parent = v->parent,
        .ordinal = v->ordinal,
        .tokens = v->tokens,
        .value = v->value_given_case ? v->value : NAN,
        .text = wire_span (v->text),
    };
    return wire_known (&v->base) && wire_get_enum ((int)v->kind, EVENT_KINDS, &out->kind) &&
           wire_get_enum ((int)v->mark, UINT8_MAX + 1, &out->mark);
}

static esp_err
put_events (wire_codec *codec, const event *events, size_t count, Espalier__Event ***out)
{
    Espalier__Event *objects = wire_out (codec, count, sizeof (*objects));
    Espalier__Event **list = wire_out (codec, count, sizeof (*list));
    if (!objects || !list)
        return ESP_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        put_event (&events[i], &objects[i]);
        list[i] = &objects[i];
    }
    *out = list;
    return ESP_OK;
}

static esp_err
get_events (wire_codec *codec, Espalier__Event *const *events, size_t count, const event **out)
{
    event *list = wire_in (codec, count, sizeof (*list));
    if (!list)
        return codec->failure;
    for (size_t i = 0; i < count; i++)
        if (!get_event (events[i], &list[i]))
            return ESP_EFORMAT;
    *out = list;
    return ESP_OK;
}

static void put_status (const run_status *s, Espalier__Status *out)
{
    *out = (Espalier__Status)ESPALIER__STATUS__INIT;
    out->problems_total = s->problems_total;
    out->problems_open = s->problems_open;
    out->problems_done = s->problems_done;
    out->problems_solved = s->problems_solved;
    out->problems_failed = s->problems_failed;
    out->generations = s->generations;
    out->steps = s->steps;
    out->generated_tokens = s->generated_tokens;
    out->scored_tokens = s->scored_tokens;
    out->scored_steps = s->scored_steps;
    out->in_flight = s->in_flight;
    out->frontier = s->frontier;
    out->inputs = s->inputs;
    out->workers = s->workers;
    out->workers_busy_percent = s->workers_busy_percent;
    if (!isnan (s->seconds)) {
        out->seconds_given_case = ESPALIER__STATUS__SECONDS_GIVEN_SECONDS;
        out->seconds = s->seconds;
    }
    if (!isnan (s->generations_per_s)) {
        out->generations_per_s_given_case =
            ESPALIER__STATUS__GENERATIONS_PER_S_GIVEN_GENERATIONS_PER_S;
        out->generations_per_s = s->generations_per_s;
    }
    if (!isnan (s->eta_s)) {
        out->eta_s_given_case = ESPALIER__STATUS__ETA_S_GIVEN_ETA_S;
        out->eta_s = s->eta_s;
    }
}

static bool get_status (const Espalier__Status *s, run_status *out)
{
    *out = (run_status){
        .problems_total = s->problems_total,
        .problems_open = s->problems_open,
        .problems_done = s->problems_done,
        .problems_solved = s->problems_solved,
        .problems_failed = s->problems_failed,
        .generations = s->generations,
        .steps = s->steps,
        .generated_tokens = s->generated_tokens,
        .scored_tokens = s->scored_tokens,
        .scored_steps = s->scored_steps,
        .in_flight = s->in_flight,
        .frontier = s->frontier,
        .inputs = s->inputs,
        .workers = s->workers,
        .workers_busy_percent = s->workers_busy_percent,
        .seconds = s->seconds_given_case ? s->seconds : NAN,
        .generations_per_s = s->generations_per_s_given_case ? s->generations_per_s : NAN,
        .eta_s = s->eta_s_given_case ? s->eta_s : NAN,
    };
    return wire_known (&s->base);
}

esp_err wire_events_encode (wire_codec *codec, uint64_t sequence, const run_status *status,
                            const event *events, size_t count, esp_buf *out)
{
    Espalier__Events e = ESPALIER__EVENTS__INIT;
    Espalier__Status figures;
    esp_err err;
    if (!codec || !status || (!events && count) || !out)
        return ESP_EINVAL;
    if ((err = wire_check_events (status, events, count)) != ESP_OK)
        return err;
    esp_arena_reset (codec->out);
    if ((err = put_events (codec, events, count, &e.events)) != ESP_OK)
        return err;
    put_status (status, &figures);
    e.wire_version = WIRE_VERSION;
    e.sequence = sequence;
    e.status = &figures;
    e.n_events = count;
    return wire_pack (&e.base, out);
}

esp_err wire_events_decode (wire_codec *codec, span bytes, uint64_t *sequence, run_status *status,
                            const event **events, size_t *count)
{
    const Espalier__Events *e;
    const event *list;
    run_status figures;
    esp_err err;
    if (!codec || !sequence || !status || !events || !count)
        return ESP_EINVAL;
    if ((err = wire_version (bytes)) != ESP_OK)
        return err;
    if (!(e = wire_unpack (codec, &espalier__events__descriptor, bytes)))
        return codec->failure;
    if (!wire_known (&e->base) || e->wire_version != WIRE_VERSION || !e->status ||
        !get_status (e->status, &figures))
        return ESP_EFORMAT;
    if ((err = get_events (codec, e->events, e->n_events, &list)) != ESP_OK)
        return err;
    if (wire_check_events (&figures, list, e->n_events) != ESP_OK)
        return ESP_EFORMAT;
    *sequence = e->sequence;
    *status = figures;
    *events = list;
    *count = e->n_events;
    return ESP_OK;
}

esp_err wire_control_encode (wire_codec *codec, const control_message *m, esp_buf *out)
{
    Espalier__Control c = ESPALIER__CONTROL__INIT;
    Espalier__Command steer;
    Espalier__Status figures;
    esp_err err;
    if (!codec || !m || !out)
        return ESP_EINVAL;
    if ((err = wire_check_control (m)) != ESP_OK)
        return err;
    esp_arena_reset (codec->out);
    if ((err = put_events (codec, m->events, m->event_count, &c.events)) != ESP_OK)
        return err;
    c.wire_version = WIRE_VERSION;
    c.kind = (Espalier__ControlKind)(m->kind + 1);
    c.token = wire_bytes (m->token);
    c.problem = m->problem;
    if (m->kind == CONTROL_COMMAND) {
        wire_put_command (&m->command, &steer);
        c.command = &steer;
    } else if (m->kind == CONTROL_OK) {
        put_status (&m->status, &figures);
        c.status = &figures;
    }
    c.n_events = m->event_count;
    c.number = m->number;
    c.text = wire_bytes (m->text);
    return wire_pack (&c.base, out);
}

/* The parts that only some kinds have. */
static bool get_parts (const Espalier__Control *c, control_message *out)
{
    if ((c->command != NULL) != (out->kind == CONTROL_COMMAND) ||
        (c->status != NULL) != (out->kind == CONTROL_OK))
        return false;
    if (c->command && !wire_get_command (c->command, &out->command))
        return false;
    return !c->status || get_status (c->status, &out->status);
}

esp_err wire_control_decode (wire_codec *codec, span bytes, control_message *out)
{
    const Espalier__Control *c;
    control_message m = {0};
    esp_err err;
    if (!codec || !out)
        return ESP_EINVAL;
    if ((err = wire_version (bytes)) != ESP_OK)
        return err;
    if (!(c = wire_unpack (codec, &espalier__control__descriptor, bytes)))
        return codec->failure;
    if (!wire_known (&c->base) || c->wire_version != WIRE_VERSION ||
        !wire_get_enum ((int)c->kind, CONTROL_KINDS, &m.kind) || !get_parts (c, &m))
        return ESP_EFORMAT;
    m.token = wire_span (c->token);
    m.problem = c->problem;
    m.number = c->number;
    m.text = wire_span (c->text);
    m.event_count = c->n_events;
    if ((err = get_events (codec, c->events, c->n_events, &m.events)) != ESP_OK)
        return err;
    if (wire_check_control (&m) != ESP_OK)
        return ESP_EFORMAT;
    *out = m;
    return ESP_OK;
}
