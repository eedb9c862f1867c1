/* SPDX-License-Identifier: Apache-2.0 */
/* observe.c - life of an observe, and the events that go out; requests are in observe_control.c
 *
 * Invariants:
 *   I1  head <= count; texts hold the texts of all events [0, count) in order
 *   I2  a message that is not published whole, or events that were dropped, leave a hole in the sequence
 */

#include "coordinator/observe/observe_private.h"
#include <math.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/log.h"

enum {
    WAIT_EVENTS = 65536,      /* live events waiting; more: all are dropped */
    WAIT_BYTES = 8 << 20,     /* and their texts */
    MESSAGE_BYTES = 64 << 10, /* of events in one message; about 0.2 ms to encode */
    EVENT_BYTES = 48,         /* of one event without its text, about */
    PUBLISH_NS = 50000000,    /* a message this often when events wait */
    HEARTBEAT_NS =
        250000000 /* and this often when none do: figures, and what a new observer waits for */
};

/* ---- life ---- */

esp_err observe_open (const char *output, const char *listen, const esp_clock *clock,
                      const observe_world *world, observe **out, esp_error *error)
{
    observe *o;
    place where;
    esp_err err;
    if (!output || !clock || !world || !out)
        return esp_error_set (error, ESP_EINVAL, "no output folder, clock or world");
    if (!(o = esp_calloc (1, sizeof (*o))))
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    o->world = *world;
    o->clock = *clock;
    if (!(o->output = esp_strdup (output)) ||
        !(o->page = esp_calloc (PAGE_EVENTS, sizeof (*o->page))) ||
        wire_codec_create (&o->codec) != ESP_OK) {
        err = esp_error_set (error, ESP_ENOMEM, "out of memory");
        goto fail;
    }
    if ((err = place_choose (output, listen, &where, error)) != ESP_OK ||
        (err = door_open (&where, &o->door, error)) != ESP_OK)
        goto fail;
    memcpy (o->token, where.token, sizeof (o->token));
    if ((err = place_announce (output, &where, door_events_url (o->door),
                               door_control_url (o->door), error)) != ESP_OK)
        goto fail;
    o->announced = true;
    *out = o;
    return ESP_OK;
fail:
    observe_close (o);
    return err;
}

int observe_fd (const observe *o)
{
    return door_fd (o->door);
}

/* ---- what waits ---- */

static void forget_events (observe *o)
{
    o->head = o->count = 0;
    esp_buf_clear (&o->texts);
}

static void drop_all (observe *o)
{
    forget_events (o);
    o->sequence++; /* I2 */
}

event observe_fit (const event *e)
{
    event fit = *e;
    fit.text = esp_utf8_cut (e->text, OBSERVE_TEXT_MAX);
    if (isinf (fit.value))
        fit.value = NAN;
    return fit;
}

static bool queue_event (observe *o, const event *e)
{
    event fit = observe_fit (e);
    size_t at = o->texts.len;
    if (esp_grow (&o->events, &o->event_cap, o->count + 1, sizeof (*o->events)) != 0 ||
        esp_grow (&o->text_at, &o->text_cap, o->count + 1, sizeof (*o->text_at)) != 0 ||
        esp_buf_add (&o->texts, fit.text) != ESP_OK)
        return false;
    o->text_at[o->count] = at;
    o->events[o->count++] = fit;
    return true;
}

void observe_events (observe *o, const event *events, size_t count)
{
    if (!o || !door_watched (o->door))
        return;
    for (size_t i = 0; i < count; i++)
        if (o->count >= WAIT_EVENTS || o->texts.len >= WAIT_BYTES || !queue_event (o, &events[i]))
            drop_all (o);
}

void observe_progress (observe *o, problem_key key, node_ref n, span text)
{
    event e = {.kind = EVENT_TEXT,
               .mark = FINISH_STOP,
               .problem = key,
               .node = n,
               .parent = NODE_NONE,
               .value = NAN,
               .text = text};
    observe_events (o, &e, 1);
}

bool observe_watched (const observe *o)
{
    return o && door_watched (o->door);
}

/* ---- publishing ---- */

const run_status *observe_figures (observe *o)
{
    uint64_t now = esp_clock_ns (&o->clock);
    if (!o->has_status || now - o->status_ns >= STATUS_NS) {
        o->world.status (o->world.ctx, &o->status);
        o->status_ns = now;
        o->has_status = true;
    }
    return &o->status;
}

/* How many of the waiting events the next message takes. */
static size_t next_part (const observe *o)
{
    size_t n = 0, bytes = 0;
    while (o->head + n < o->count && bytes < MESSAGE_BYTES)
        bytes += EVENT_BYTES + o->events[o->head + n++].text.len;
    return n;
}

static void publish_part (observe *o, size_t n)
{
    for (size_t i = o->head; i < o->head + n; i++)
        o->events[i].text.ptr = esp_buf_text (&o->texts) + o->text_at[i];
    esp_buf_clear (&o->out);
    if (wire_events_encode (o->codec, o->sequence++, observe_figures (o),
                            n ? o->events + o->head : NULL, n, &o->out) == ESP_OK)
        door_publish (o->door, esp_buf_span (&o->out));
    o->head += n;
    if (o->head == o->count)
        forget_events (o);
}

/* Move what is left to the front, so that the queue does not creep. */
static void close_ranks (observe *o)
{
    size_t text = o->head < o->count ? o->text_at[o->head] : o->texts.len;
    if (o->head == 0)
        return;
    memmove (o->events, o->events + o->head, (o->count - o->head) * sizeof (*o->events));
    memmove (o->text_at, o->text_at + o->head, (o->count - o->head) * sizeof (*o->text_at));
    if (o->texts.len > text)
        memmove (o->texts.data, o->texts.data + text, o->texts.len - text);
    o->texts.len -= text;
    o->count -= o->head;
    o->head = 0;
    for (size_t i = 0; i < o->count; i++)
        o->text_at[i] -= text;
}

static void publish_pass (observe *o, uint64_t now, bool last)
{
    uint64_t since = now - o->publish_ns;
    bool big = o->texts.len + o->count * EVENT_BYTES >= MESSAGE_BYTES;
    if (!door_watched (o->door)) {
        forget_events (o);
        return;
    }
    if (!last && !big && since < (o->count > 0 ? (uint64_t)PUBLISH_NS : (uint64_t)HEARTBEAT_NS))
        return;
    o->publish_ns = now;
    do
        publish_part (o, next_part (o));
    while (o->count > 0 && esp_clock_ns (&o->clock) - now < PASS_NS / 2);
    close_ranks (o);
}

void observe_pass (observe *o)
{
    if (!o)
        return;
    publish_pass (o, esp_clock_ns (&o->clock), false);
    control_pass (o);
}

void observe_close (observe *o)
{
    if (!o)
        return;
    if (o->announced) {
        control_end (o);
        o->has_status = false;
        publish_pass (o, esp_clock_ns (&o->clock), true);
        place_withdraw (o->output);
    }
    door_close (o->door);
    wire_codec_destroy (o->codec);
    esp_buf_free (&o->out);
    esp_buf_free (&o->texts);
    esp_free (o->events);
    esp_free (o->text_at);
    esp_free (o->page);
    esp_free (o->output);
    esp_free (o);
}
