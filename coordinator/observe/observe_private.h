/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_OBSERVE_OBSERVE_PRIVATE_H
#define ESP_COORDINATOR_OBSERVE_OBSERVE_PRIVATE_H

/* observe_private.h - the inside of observe, shared by observe*.c only */

#include "coordinator/observe/door.h"
#include "coordinator/observe/observe.h"

enum {
    PAGE_EVENTS = 2048,     /* events of one page of a snapshot: about 0.5 ms */
    PAGE_BYTES = 256 << 10, /* of texts in one page */
    PAGE_SHARE = 4,         /* after a page that took t, the next one comes after 4t */
    STATUS_NS =
        250000000, /* the figures are asked this often: they cost a walk over the open problems */
    PASS_NS = 1000000 /* requests are taken for this long a pass */
};

/* Why a taken request has no answer yet. */
enum wait_kind { WAIT_NOTHING, WAIT_DURABLE, WAIT_PAGE };

struct waiting {
    enum wait_kind kind;
    uint64_t number; /* DURABLE: journal number; PAGE: order of arrival */
    span request;    /* PAGE: borrowed from the door until the answer */
};

struct observe {
    observe_world world;
    esp_clock clock;
    char *output; /* owned */
    char token[PLACE_TOKEN_HEX + 1];
    door *door; /* owned */
    wire_codec *codec;
    esp_buf out; /* the message that is being made */
    bool announced;
    run_status status;
    bool has_status;
    uint64_t status_ns;
    /* live events: a queue of [head, count), texts beside them */
    event *events; /* owned; text.ptr is set when they are encoded */
    size_t *text_at;
    size_t event_cap, text_cap, head, count;
    esp_buf texts;
    uint64_t sequence, publish_ns;
    /* requests */
    struct waiting waiting[DOOR_SLOTS];
    uint64_t pages_asked, page_ns; /* no page before page_ns */
    event *page;                   /* owned; PAGE_EVENTS */
    size_t page_count, page_bytes;
};

const run_status *observe_figures (observe *o); /* at most STATUS_NS old */
event observe_fit (const event *e); /* what the wire accepts: finite or NaN, text not too long */

/* observe_control.c */
void control_pass (observe *o);
void control_end (observe *o); /* answer or refuse whatever waits */

#endif
