/* SPDX-License-Identifier: Apache-2.0 */
/* observe_control.c - what observers ask
 *
 * A request is answered in the pass that takes it, or waits in o->waiting: a command until its input is on disk, a
 * snapshot until a page may be made again.  Nothing is believed before the token is seen.
 */

#include "coordinator/observe/observe_private.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- answers ---- */

static void answer (observe *o, int slot, const control_message *m)
{
    o->waiting[slot].kind = WAIT_NOTHING;
    esp_buf_clear (&o->out);
    if (wire_control_encode (o->codec, m, &o->out) != ESP_OK)
        esp_buf_clear (&o->out); /* out of memory: the asker sees an answer that is none */
    door_answer (o->door, slot, esp_buf_span (&o->out));
}

static void refuse (observe *o, int slot, const char *why)
{
    control_message m = {.kind = CONTROL_FAILED, .text = span_of (why)};
    answer (o, slot, &m);
}

static void agree (observe *o, int slot, uint64_t number)
{
    control_message m = {.kind = CONTROL_OK, .number = number, .status = *observe_figures (o)};
    answer (o, slot, &m);
}

/* In time that does not depend on where they differ. */
static bool same_token (const observe *o, span token)
{
    unsigned char differ = 0;
    if (token.len != PLACE_TOKEN_HEX)
        return false;
    for (size_t i = 0; i < PLACE_TOKEN_HEX; i++)
        differ = (unsigned char)(differ | (unsigned char)(token.ptr[i] ^ o->token[i]));
    return differ == 0;
}

/* ---- snapshots ---- */

static bool take_event (void *to, const event *e)
{
    observe *o = to;
    event fit = observe_fit (e);
    bool full = o->page_count == PAGE_EVENTS || o->page_bytes >= PAGE_BYTES;
    if (full && o->page_count >= 16) /* at least a whole node a page: it must get on */
        return false;
    o->page_bytes += fit.text.len;
    o->page[o->page_count++] = fit;
    return true;
}

/* "KEY.NODE", as the page before said it. */
static bool read_cursor (span text, observe_cursor *at)
{
    char digits[40], *end = digits;
    unsigned long long key, node;
    *at = (observe_cursor){0, 0};
    if (text.len == 0)
        return true;
    if (text.len >= sizeof (digits) || text.ptr[0] < '0' || text.ptr[0] > '9')
        return false;
    memcpy (digits, text.ptr, text.len);
    digits[text.len] = 0;
    key = strtoull (digits, &end, 10);
    if (*end != '.' || end[1] < '0' || end[1] > '9')
        return false;
    node = strtoull (end + 1, &end, 10);
    if (*end || node >= NODE_NONE)
        return false;
    *at = (observe_cursor){key, (node_ref)node};
    return true;
}

static void give_page (observe *o, int slot, const control_message *ask)
{
    control_message m = {.kind = CONTROL_OK, .events = o->page};
    uint64_t started = esp_clock_ns (&o->clock), now;
    observe_cursor at;
    char next[48] = "";
    if (!read_cursor (ask->text, &at)) {
        refuse (o, slot, "the place where the snapshot goes on is malformed");
        return;
    }
    o->page_count = o->page_bytes = 0;
    if (o->world.snapshot (o->world.ctx, ask->problem, &at, take_event, o, &m.number))
        snprintf (next, sizeof (next), "%" PRIu64 ".%" PRIu32, at.problem, at.node);
    if (o->page_count == 0 && ask->problem != UINT64_MAX && ask->text.len == 0) {
        refuse (o, slot, "that problem is not open: it is finished, or was not started yet");
        return;
    }
    m.event_count = o->page_count;
    m.text = span_of (next);
    m.status = *observe_figures (o);
    answer (o, slot, &m);
    now = esp_clock_ns (&o->clock);
    o->page_ns = now + PAGE_SHARE * (now - started);
}

/* ---- requests ---- */

static void take_command (observe *o, int slot, const control_message *ask)
{
    uint64_t number = 0;
    esp_err err = o->world.command (o->world.ctx, ask->problem, &ask->command, &number);
    if (err == ESP_ENOENT)
        refuse (o, slot, "that problem is not open: it is finished, or was not started yet");
    else if (err != ESP_OK)
        refuse (o, slot, esp_err_text (err));
    else
        o->waiting[slot] = (struct waiting){.kind = WAIT_DURABLE, .number = number};
}

static void take_request (observe *o, int slot, span bytes)
{
    control_message ask;
    esp_err err = wire_control_decode (o->codec, bytes, &ask);
    if (err != ESP_OK) {
        refuse (o, slot,
                err == ESP_EVERSION ? "the run is by another version of the program"
                                    : "malformed request");
        return;
    }
    if (!same_token (o, ask.token)) {
        refuse (o, slot, "wrong token; it stands in control.json of the run's output folder");
        return;
    }
    switch ((enum control_kind)ask.kind) {
    case CONTROL_SNAPSHOT:
        o->waiting[slot] =
            (struct waiting){.kind = WAIT_PAGE, .number = o->pages_asked++, .request = bytes};
        return;
    case CONTROL_COMMAND:
        take_command (o, slot, &ask);
        return;
    case CONTROL_STATUS:
        agree (o, slot, 0);
        return;
    case CONTROL_STOP:
        o->world.stop (o->world.ctx);
        agree (o, slot, 0);
        return;
    case CONTROL_OK:
    case CONTROL_FAILED:
    case CONTROL_KINDS:
        break;
    }
    refuse (o, slot, "that is no request");
}

/* ---- passes ---- */

static void answer_commands (observe *o)
{
    uint64_t durable = 0;
    bool asked = false;
    for (int slot = 0; slot < DOOR_SLOTS; slot++) {
        if (o->waiting[slot].kind != WAIT_DURABLE)
            continue;
        if (!asked)
            durable = o->world.durable (o->world.ctx);
        asked = true;
        if (durable >= o->waiting[slot].number)
            agree (o, slot, o->waiting[slot].number);
    }
}

/* One page for whoever asked first. */
static void answer_page (observe *o)
{
    control_message ask;
    int first = -1;
    for (int slot = 0; slot < DOOR_SLOTS; slot++)
        if (o->waiting[slot].kind == WAIT_PAGE &&
            (first < 0 || o->waiting[slot].number < o->waiting[first].number))
            first = slot;
    if (first < 0)
        return;
    if (esp_clock_ns (&o->clock) < o->page_ns)
        door_knock (o->door); /* nobody else would wake the loop for it */
    else if (wire_control_decode (o->codec, o->waiting[first].request, &ask) == ESP_OK)
        give_page (o, first, &ask);
    else
        refuse (o, first, "out of memory");
}

void control_pass (observe *o)
{
    uint64_t started = esp_clock_ns (&o->clock);
    span bytes;
    int slot;
    for (int n = 0; n < DOOR_SLOTS && esp_clock_ns (&o->clock) - started < PASS_NS &&
                    door_take (o->door, &slot, &bytes);
         n++)
        take_request (o, slot, bytes);
    answer_commands (o);
    answer_page (o);
}

void control_end (observe *o)
{
    span bytes;
    int slot;
    answer_commands (o);
    for (slot = 0; slot < DOOR_SLOTS; slot++)
        if (o->waiting[slot].kind != WAIT_NOTHING)
            refuse (o, slot, "the run is ending");
    for (int n = 0; n < DOOR_SLOTS && door_take (o->door, &slot, &bytes); n++)
        refuse (o, slot, "the run is ending");
}
