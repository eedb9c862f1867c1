/* SPDX-License-Identifier: Apache-2.0 */
/* wire_task.c - the envelope and its bodies: one row of `bodies` for each kind of message */

#include "proto/wire/wire_parts.h"
#include <string.h>
#include "proto/wire/wire_check.h"

const char *const wire_kind_names[WIRE_KINDS] = {
    "welcome", "batch",   "cancel",  "ping",    "drain",    "stop", "hello",
    "ready",   "refused", "results", "missing", "progress", "pong"};

union body { /* room for the outer object of any kind, on the stack of wire_encode */
    Espalier__Nothing nothing;
    Espalier__Welcome welcome;
    Espalier__Batch batch;
    Espalier__TaskIds ids;
    Espalier__Ping ping;
    Espalier__Hello hello;
    Espalier__Ready ready;
    Espalier__Refused refused;
    Espalier__Results results;
    Espalier__Progress progress;
};

static esp_err put_nothing (wire_codec *codec, const wire_message *m, void *body)
{
    (void)codec;
    (void)m;
    *(Espalier__Nothing *)body = (Espalier__Nothing)ESPALIER__NOTHING__INIT;
    return ESP_OK;
}

static esp_err get_nothing (wire_codec *codec, const void *body, wire_message *out)
{
    (void)codec;
    (void)out;
    return wire_known (body) ? ESP_OK : ESP_EFORMAT;
}

static esp_err put_welcome (wire_codec *codec, const wire_message *m, void *body)
{
    Espalier__Welcome *w = body;
    (void)codec;
    *w = (Espalier__Welcome)ESPALIER__WELCOME__INIT;
    w->epoch = m->u.welcome.epoch;
    w->silence_ms = m->u.welcome.silence_ms;
    w->run_file = wire_bytes (m->u.welcome.run_file);
    return ESP_OK;
}

static esp_err get_welcome (wire_codec *codec, const void *body, wire_message *out)
{
    const Espalier__Welcome *w = body;
    (void)codec;
    out->u.welcome.epoch = w->epoch;
    out->u.welcome.silence_ms = w->silence_ms;
    out->u.welcome.run_file = wire_span (w->run_file);
    return wire_known (&w->base) ? ESP_OK : ESP_EFORMAT;
}

static esp_err put_batch (wire_codec *codec, const wire_message *m, void *body)
{
    return wire_put_batch (codec, m, body);
}

static esp_err get_batch (wire_codec *codec, const void *body, wire_message *out)
{
    return wire_get_batch (codec, body, out);
}

static esp_err put_ids (wire_codec *codec, const wire_message *m, void *body)
{
    Espalier__TaskIds *ids = body;
    size_t count = m->u.ids.count;
    *ids = (Espalier__TaskIds)ESPALIER__TASK_IDS__INIT;
    ids->problems = wire_out (codec, count, sizeof (*ids->problems));
    ids->numbers = wire_out (codec, count, sizeof (*ids->numbers));
    if (!ids->problems || !ids->numbers)
        return ESP_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        ids->problems[i] = m->u.ids.ids[i].problem;
        ids->numbers[i] = m->u.ids.ids[i].number;
    }
    ids->n_problems = ids->n_numbers = count;
    return ESP_OK;
}

static esp_err get_ids (wire_codec *codec, const void *body, wire_message *out)
{
    const Espalier__TaskIds *ids = body;
    task_id *list;
    if (!wire_known (&ids->base) || ids->n_problems != ids->n_numbers)
        return ESP_EFORMAT;
    if (!(list = wire_in (codec, ids->n_problems, sizeof (*list))))
        return codec->failure;
    for (size_t i = 0; i < ids->n_problems; i++)
        list[i] = (task_id){ids->problems[i], ids->numbers[i]};
    out->u.ids.ids = list;
    out->u.ids.count = ids->n_problems;
    return ESP_OK;
}

static esp_err put_ping (wire_codec *codec, const wire_message *m, void *body)
{
    Espalier__Ping *p = body;
    (void)codec;
    *p = (Espalier__Ping)ESPALIER__PING__INIT;
    p->sequence = m->u.ping.sequence;
    p->watched = m->kind == WIRE_PING && m->u.ping.watched;
    if (m->kind == WIRE_PONG) {
        p->n_in_flight = TASK_KINDS;
        p->in_flight = (uint32_t *)(uintptr_t)m->u.ping.in_flight;
    }
    return ESP_OK;
}

static esp_err get_ping (wire_codec *codec, const void *body, wire_message *out)
{
    const Espalier__Ping *p = body;
    size_t expected = out->kind == WIRE_PONG ? TASK_KINDS : 0;
    (void)codec;
    if (!wire_known (&p->base) || p->n_in_flight != expected ||
        (p->watched && out->kind == WIRE_PONG))
        return ESP_EFORMAT;
    out->u.ping.sequence = p->sequence;
    out->u.ping.watched = p->watched;
    for (size_t i = 0; i < expected; i++)
        out->u.ping.in_flight[i] = p->in_flight[i];
    return ESP_OK;
}

static esp_err put_hello (wire_codec *codec, const wire_message *m, void *body)
{
    Espalier__Hello *h = body;
    (void)codec;
    *h = (Espalier__Hello)ESPALIER__HELLO__INIT;
    h->version = m->u.hello.version;
    h->pid = m->u.hello.pid;
    h->host = wire_bytes (m->u.hello.host);
    return ESP_OK;
}

static esp_err get_hello (wire_codec *codec, const void *body, wire_message *out)
{
    const Espalier__Hello *h = body;
    (void)codec;
    out->u.hello.version = h->version;
    out->u.hello.pid = h->pid;
    out->u.hello.host = wire_span (h->host);
    return wire_known (&h->base) ? ESP_OK : ESP_EFORMAT;
}

static esp_err put_ready (wire_codec *codec, const wire_message *m, void *body)
{
    Espalier__Ready *r = body;
    size_t count = m->u.ready.model_count;
    Espalier__Model *objects = wire_out (codec, count, sizeof (*objects));
    *r = (Espalier__Ready)ESPALIER__READY__INIT;
    r->n_slots = TASK_KINDS;
    r->slots = (uint32_t *)(uintptr_t)m->u.ready.slots;
    r->engines = wire_bytes (m->u.ready.engines);
    r->models = wire_out (codec, count, sizeof (*r->models));
    if (!objects || !r->models)
        return ESP_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const wire_model *from = &m->u.ready.models[i];
        objects[i] = (Espalier__Model)ESPALIER__MODEL__INIT;
        objects[i].kind = from->kind + 1U;
        objects[i].entry = wire_bytes (from->entry);
        objects[i].model = wire_bytes (from->model);
        objects[i].server = wire_bytes (from->server);
        r->models[i] = &objects[i];
    }
    r->n_models = count;
    return ESP_OK;
}

static esp_err get_ready (wire_codec *codec, const void *body, wire_message *out)
{
    const Espalier__Ready *r = body;
    wire_model *list;
    if (!wire_known (&r->base) || r->n_slots != TASK_KINDS || r->n_models > WIRE_MODELS_MAX)
        return ESP_EFORMAT;
    if (!(list = wire_in (codec, r->n_models, sizeof (*list))))
        return codec->failure;
    for (size_t i = 0; i < r->n_models; i++) {
        const Espalier__Model *from = r->models[i];
        if (!wire_known (&from->base) || from->kind > TASK_KINDS ||
            !wire_get_enum ((int)from->kind, TASK_KINDS, &list[i].kind))
            return ESP_EFORMAT;
        list[i].entry = wire_span (from->entry);
        list[i].model = wire_span (from->model);
        list[i].server = wire_span (from->server);
    }
    out->u.ready.models = list;
    out->u.ready.model_count = r->n_models;
    memcpy (out->u.ready.slots, r->slots, sizeof (out->u.ready.slots));
    out->u.ready.engines = wire_span (r->engines);
    return ESP_OK;
}

static esp_err put_refused (wire_codec *codec, const wire_message *m, void *body)
{
    Espalier__Refused *r = body;
    (void)codec;
    *r = (Espalier__Refused)ESPALIER__REFUSED__INIT;
    r->text = wire_bytes (m->u.refused);
    return ESP_OK;
}

static esp_err get_refused (wire_codec *codec, const void *body, wire_message *out)
{
    const Espalier__Refused *r = body;
    (void)codec;
    out->u.refused = wire_span (r->text);
    return wire_known (&r->base) ? ESP_OK : ESP_EFORMAT;
}

enum {
    NAMES_MOST = 256
}; /* servers of one message; the results of further ones do not say theirs */

/* The names once each, and their positions; nothing at all when nobody says a server. */
static esp_err put_servers (wire_codec *codec, const wire_message *m, Espalier__Results *r)
{
    size_t count = m->u.results.count, at = 0;
    bool any = false;
    for (size_t i = 0; i < count; i++)
        any = any || m->u.results.results[i].result.server.len > 0;
    if (!any)
        return ESP_OK;
    r->servers = wire_out (codec, count, sizeof (*r->servers));
    r->names = wire_out (codec, NAMES_MOST, sizeof (*r->names));
    if (!r->servers || !r->names)
        return ESP_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        span name = m->u.results.results[i].result.server;
        for (at = 0; at < r->n_names && !span_equal (name, wire_span (r->names[at])); at++)
            ;
        if (at == r->n_names && name.len > 0 && at < NAMES_MOST)
            r->names[r->n_names++] = wire_bytes (name);
        r->servers[i] = name.len > 0 && at < r->n_names ? (uint32_t)at + 1 : 0;
    }
    r->n_servers = count;
    return ESP_OK;
}

static bool get_server (const Espalier__Results *r, size_t i, span *out)
{
    uint32_t at = r->n_servers ? r->servers[i] : 0;
    *out = span_make ("", 0);
    if (at > r->n_names)
        return false;
    if (at > 0)
        *out = wire_span (r->names[at - 1]);
    return true;
}

static esp_err put_results (wire_codec *codec, const wire_message *m, void *body)
{
    Espalier__Results *r = body;
    size_t count = m->u.results.count;
    Espalier__Result *objects = wire_out (codec, count, sizeof (*objects));
    *r = (Espalier__Results)ESPALIER__RESULTS__INIT;
    r->results = wire_out (codec, count, sizeof (*r->results));
    r->leases = wire_out (codec, count, sizeof (*r->leases));
    r->busy_us = wire_out (codec, count, sizeof (*r->busy_us));
    if (!objects || !r->results || !r->leases || !r->busy_us)
        return ESP_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        wire_put_result (&m->u.results.results[i].result, &objects[i]);
        r->results[i] = &objects[i];
        r->leases[i] = m->u.results.results[i].lease;
        r->busy_us[i] = m->u.results.results[i].busy_us;
    }
    r->n_results = r->n_leases = r->n_busy_us = count;
    return put_servers (codec, m, r);
}

static esp_err get_results (wire_codec *codec, const void *body, wire_message *out)
{
    const Espalier__Results *r = body;
    wire_result *list;
    if (!wire_known (&r->base) || r->n_leases != r->n_results || r->n_busy_us != r->n_results ||
        (r->n_servers != 0 && r->n_servers != r->n_results) || r->n_names > NAMES_MOST)
        return ESP_EFORMAT;
    if (!(list = wire_in (codec, r->n_results, sizeof (*list))))
        return codec->failure;
    for (size_t i = 0; i < r->n_results; i++) {
        if (!wire_get_result (r->results[i], &list[i].result) ||
            !get_server (r, i, &list[i].result.server))
            return ESP_EFORMAT;
        list[i].lease = r->leases[i];
        list[i].busy_us = r->busy_us[i];
    }
    out->u.results.results = list;
    out->u.results.count = r->n_results;
    return ESP_OK;
}

static esp_err put_progress (wire_codec *codec, const wire_message *m, void *body)
{
    Espalier__Progress *p = body;
    (void)codec;
    *p = (Espalier__Progress)ESPALIER__PROGRESS__INIT;
    p->problem = m->u.progress.id.problem;
    p->number = m->u.progress.id.number;
    p->text = wire_bytes (m->u.progress.text);
    return ESP_OK;
}

static esp_err get_progress (wire_codec *codec, const void *body, wire_message *out)
{
    const Espalier__Progress *p = body;
    (void)codec;
    out->u.progress.id = (task_id){p->problem, p->number};
    out->u.progress.text = wire_span (p->text);
    return wire_known (&p->base) ? ESP_OK : ESP_EFORMAT;
}

static const struct {
    Espalier__Envelope__BodyCase field;
    esp_err (*put) (wire_codec *, const wire_message *, void *body); /* body: one of union body */
    esp_err (*get) (wire_codec *, const void *body, wire_message *); /* kind is set before */
} bodies[WIRE_KINDS] = {
    [WIRE_WELCOME] = {ESPALIER__ENVELOPE__BODY_WELCOME, put_welcome, get_welcome},
    [WIRE_BATCH] = {ESPALIER__ENVELOPE__BODY_BATCH, put_batch, get_batch},
    [WIRE_CANCEL] = {ESPALIER__ENVELOPE__BODY_CANCEL, put_ids, get_ids},
    [WIRE_PING] = {ESPALIER__ENVELOPE__BODY_PING, put_ping, get_ping},
    [WIRE_DRAIN] = {ESPALIER__ENVELOPE__BODY_DRAIN, put_nothing, get_nothing},
    [WIRE_STOP] = {ESPALIER__ENVELOPE__BODY_STOP, put_nothing, get_nothing},
    [WIRE_HELLO] = {ESPALIER__ENVELOPE__BODY_HELLO, put_hello, get_hello},
    [WIRE_READY] = {ESPALIER__ENVELOPE__BODY_READY, put_ready, get_ready},
    [WIRE_REFUSED] = {ESPALIER__ENVELOPE__BODY_REFUSED, put_refused, get_refused},
    [WIRE_RESULTS] = {ESPALIER__ENVELOPE__BODY_RESULTS, put_results, get_results},
    [WIRE_MISSING] = {ESPALIER__ENVELOPE__BODY_MISSING, put_ids, get_ids},
    [WIRE_PROGRESS] = {ESPALIER__ENVELOPE__BODY_PROGRESS, put_progress, get_progress},
    [WIRE_PONG] = {ESPALIER__ENVELOPE__BODY_PONG, put_ping, get_ping},
};

static bool kind_of (Espalier__Envelope__BodyCase field, uint8_t *out)
{
    uint8_t kind = 0;
    while (kind < WIRE_KINDS && bodies[kind].field != field)
        kind++;
    if (kind == WIRE_KINDS)
        return false;
    *out = kind;
    return true;
}

esp_err wire_encode (wire_codec *codec, const wire_message *message, esp_buf *out)
{
    Espalier__Envelope e = ESPALIER__ENVELOPE__INIT;
    union body body;
    esp_err err;
    if (!codec || !message || !out)
        return ESP_EINVAL;
    if ((err = wire_check_message (message)) != ESP_OK)
        return err;
    esp_arena_reset (codec->out);
    if ((err = bodies[message->kind].put (codec, message, &body)) != ESP_OK)
        return err;
    e.wire_version = WIRE_VERSION;
    e.run_id = message->run_id;
    e.body_case = bodies[message->kind].field;
    e.drain = &body.nothing; /* all bodies share one pointer */
    return wire_pack (&e.base, out);
}

esp_err wire_decode (wire_codec *codec, span bytes, wire_message *out)
{
    const Espalier__Envelope *e;
    wire_message m;
    esp_err err;
    if (!codec || !out)
        return ESP_EINVAL;
    if ((err = wire_version (bytes)) != ESP_OK)
        return err;
    if (!(e = wire_unpack (codec, &espalier__envelope__descriptor, bytes)))
        return codec->failure;
    memset (&m, 0, sizeof (m));
    if (!wire_known (&e->base) || e->wire_version != WIRE_VERSION ||
        !kind_of (e->body_case, &m.kind))
        return ESP_EFORMAT;
    m.run_id = e->run_id;
    if ((err = bodies[m.kind].get (codec, e->drain, &m)) != ESP_OK)
        return err;
    if (wire_check_message (&m) != ESP_OK)
        return ESP_EFORMAT;
    *out = m;
    return ESP_OK;
}
