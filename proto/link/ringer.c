/* SPDX-License-Identifier: Apache-2.0 */

/* ringer.c - a doorbell, a waiter, and the times between them */

#include "proto/link/ringer.h"
#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/link/waiter.h"

#define US            UINT64_C (1000)
#define MS            (1000 * US)
#define RING_GAP      (200 * US) /* smaller: more system calls; larger: a peer may wake later */
#define NAP           (100 * MS) /* a lost ring costs at most this; 10 wake-ups a second */
#define SHORT_NAP_MIN (50 * US)  /* while something is under way; the kernel's timer slack */
#define SHORT_NAP_MAX (1 * MS)
#define LONG_NAP      (10 * MS) /* a sleep shorter than this says nothing about lost rings */
#define HOPE                                                                                       \
    (10000 * MS) /* a transfer that stands still so long may be to a dead rank: stop hurrying */
#define AFTER_RING (5 * MS) /* by this much a ring may overtake its message */
enum {
    UNRUNG_LIMIT = 8
}; /* long sleeps in a row that ended with a message and no ring: rings are lost */

struct bell {
    uint64_t rung_ns;
    int next_owed; /* rank; -1: end of the list */
    bool owed;
};

struct ringer {
    struct bell *bells;          /* by rank */
    doorbell_address *addresses; /* by rank */
    int owed_first;              /* -1: none */
    int door;                    /* -1: none */
    uint64_t *rings;             /* borrowed */
    waiter waiter;
    esp_clock clock;
    bool moved;        /* since the last sleep */
    uint64_t moved_ns; /* when that was seen */
    uint64_t rung_ns;  /* we were rung and no message came yet; 0: not so */
    bool overslept;    /* the last sleep was long and ended by time */
    int unrung;
};

void ringer_close (ringer *r)
{
    if (!r)
        return;
    doorbell_close (r->door);
    waiter_close (&r->waiter);
    esp_free (r->bells);
    esp_free (r->addresses);
    esp_free (r);
}

esp_err ringer_open (bool one_host, int size, uint64_t *rings, ringer **out, doorbell_address *mine)
{
    esp_err err = ESP_ENOMEM;
    ringer *r = esp_calloc (1, sizeof (*r));
    if (!r)
        return ESP_ENOMEM;
    *r = (ringer){.owed_first = -1, .door = -1, .rings = rings, .clock = esp_clock_monotonic ()};
    r->waiter.event_fd = -1;
    r->bells = esp_calloc ((size_t)size, sizeof (*r->bells));
    r->addresses = esp_calloc ((size_t)size, sizeof (*r->addresses));
    if (!r->bells || !r->addresses || (err = waiter_open (&r->waiter)) != ESP_OK)
        goto fail;
    *mine = (doorbell_address){0, 0, 0};
    if (doorbell_open (one_host, &r->door, mine) != ESP_OK)
        esp_log (LOG_WARN, "LINK-NO-DOORBELL",
                 "no network address to be woken at (ESP_DOORBELL_IF names the interface to use): "
                 "looking every millisecond instead");
    *out = r;
    return ESP_OK;
fail:
    ringer_close (r);
    return err;
}

doorbell_address *ringer_addresses (ringer *r)
{
    return r->addresses;
}

static void ring (ringer *r, int rank, uint64_t now)
{
    r->bells[rank].rung_ns = now;
    ++*r->rings;
    doorbell_ring (r->door, r->addresses[rank]);
}

void ringer_sent (ringer *r, int rank)
{
    struct bell *b = &r->bells[rank];
    uint64_t now;
    if (b->owed)
        return;
    now = esp_clock_ns (&r->clock);
    if (now - b->rung_ns >= RING_GAP) {
        ring (r, rank, now);
        return;
    }
    b->owed = true;
    b->next_owed = r->owed_first;
    r->owed_first = rank;
}

static void pay (ringer *r, uint64_t now, bool all)
{
    for (int *at = &r->owed_first; *at >= 0;) {
        int rank = *at;
        struct bell *b = &r->bells[rank];
        if (!all && now - b->rung_ns < RING_GAP) {
            at = &b->next_owed;
            continue;
        }
        *at = b->next_owed;
        b->owed = false;
        ring (r, rank, now);
    }
}

void ringer_pay (ringer *r)
{
    if (r->owed_first >= 0)
        pay (r, esp_clock_ns (&r->clock), false);
}

void ringer_nag (ringer *r, int rank)
{
    uint64_t now = esp_clock_ns (&r->clock);
    if (now - r->bells[rank].rung_ns >= SHORT_NAP_MAX)
        ring (r, rank, now);
}

void ringer_moved (ringer *r, bool message_came)
{
    r->moved = true;
    if (!message_came)
        return;
    r->rung_ns = 0;
    if (r->overslept && ++r->unrung == UNRUNG_LIMIT)
        esp_log (LOG_WARN, "LINK-NO-RINGS",
                 "messages come without a ring (is UDP filtered? ESP_DOORBELL_IF names the "
                 "interface to use): "
                 "looking every millisecond instead");
    r->overslept = false;
}

/* Naps grow with the time in which nothing moved. */
static uint64_t longest_nap (ringer *r, bool busy, uint64_t now)
{
    uint64_t quiet;
    if (r->moved)
        r->moved_ns = now;
    r->moved = false;
    quiet = now - r->moved_ns;
    if (r->door < 0 || r->unrung >= UNRUNG_LIMIT || (busy && quiet < HOPE))
        quiet /= 4;
    else if (r->rung_ns && now - r->rung_ns < AFTER_RING)
        quiet = (now - r->rung_ns) / 4;
    else
        return NAP;
    if (quiet < SHORT_NAP_MIN)
        return SHORT_NAP_MIN;
    return quiet < SHORT_NAP_MAX ? quiet : SHORT_NAP_MAX;
}

bool ringer_sleep (ringer *r, bool busy, uint64_t ns, const int *fds, size_t fd_count)
{
    uint64_t now = esp_clock_ns (&r->clock);
    uint64_t nap = longest_nap (r, busy, now);
    bool stirred;
    if (nap > ns)
        nap = ns;
    pay (r, now, true);
    stirred = waiter_sleep (&r->waiter, r->door, nap, fds, fd_count);
    r->overslept = !stirred && nap >= LONG_NAP;
    if (doorbell_drain (r->door)) {
        r->rung_ns = esp_clock_ns (&r->clock);
        r->unrung = 0;
    }
    return stirred;
}

void ringer_wake (ringer *r)
{
    waiter_wake (&r->waiter);
}
