/* SPDX-License-Identifier: Apache-2.0 */
/* link_mpi_in.c - what comes in: the ring of posted receives, large messages, deaths; and waiting for it */

#include "proto/link/link_mpi_private.h"
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

enum {
    SPIN_NS = 10000,       /* looking before a sleep: a reply on its way saves it; costs CPU */
    BUSY = 16,             /* messages since the last sleep: the next one is near, so look longer */
    BUSY_SPIN_NS = 100000, /* so long */
    SPINS_MIN = 3,      /* where one look takes long (TCP): one to move, one to see, one to spare */
    SERVED_PER_LOOK = 8 /* active peers in one poll; each may cost a turn of MPI's progress */
};

/* --- deaths --- */

/* Ask ULFM who died; true if it had news (a failed send may have told us before).  Acknowledging makes receives
 * from any rank work again. */
static bool learn_deaths (struct mpi_end *e)
{
    int known = e->acknowledged;
#if HAVE_ULFM
    MPI_Group dead = MPI_GROUP_NULL, all = MPI_GROUP_NULL;
    int count = 0, rank;
    if (!e->base.reports_deaths || MPIX_Comm_get_failed (e->comm, &dead) != MPI_SUCCESS)
        return false;
    if (MPI_Comm_group (e->comm, &all) == MPI_SUCCESS &&
        MPI_Group_size (dead, &count) == MPI_SUCCESS) {
        for (int i = 0; i < count; i++)
            if (MPI_Group_translate_ranks (dead, 1, &i, all, &rank) == MPI_SUCCESS && rank >= 0)
                peer_lost (e, &e->peers[rank]);
        (void)MPIX_Comm_ack_failed (e->comm, count, &e->acknowledged);
    }
    if (all != MPI_GROUP_NULL)
        MPI_Group_free (&all);
    MPI_Group_free (&dead);
#endif
    return e->acknowledged > known;
}

/* MPI failed and named no rank. */
static void note_fault (struct mpi_end *e, const char *call, int rc)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int len = 0;
    if (e->faults++ > 0)
        return; /* once in the log; it would repeat with every look */
    (void)MPI_Error_string (rc, text, &len);
    esp_log (LOG_ERROR, "LINK-MPI-FAULT", "%s failed: %.*s", call, len, text);
}

/* --- slots --- */

void slot_post (struct mpi_end *e, struct slot *s)
{
    int rc = MPI_Irecv (s->bytes, SLOT_BYTES, MPI_BYTE, MPI_ANY_SOURCE, MPI_ANY_TAG, e->comm,
                        &s->request);
    s->full = false;
    if (rc != MPI_SUCCESS) {
        s->request = MPI_REQUEST_NULL; /* see look(): tried again when its turn comes */
        note_fault (e, "MPI_Irecv", rc);
    }
}

/* A receive from any rank that met a death stays posted, and may then complete like any other.  Open MPI 5.0.11
 * goes on reporting the death for such a one (it clears the error only before completion): the message is whole.
 * Only then is flag set together with this error. */
static bool completed_after_death (int rc, MPI_Request *request)
{
#if HAVE_ULFM
    int class = 0;
    return MPI_Error_class (rc, &class) == MPI_SUCCESS && class == MPIX_ERR_PROC_FAILED_PENDING &&
           MPI_Request_free (request) == MPI_SUCCESS;
#else
    (void)rc, (void)request;
    return false;
#endif
}

/* Has the oldest receive completed? */
static bool look (struct mpi_end *e)
{
    struct slot *s = &e->slots[e->head];
    MPI_Status status;
    int flag = 0, rc;
    if (s->full)
        return true;
    if (s->request == MPI_REQUEST_NULL)
        slot_post (e, s);
    if (s->request == MPI_REQUEST_NULL)
        return false;
    rc = MPI_Test (&s->request, &flag, &status);
    if (rc != MPI_SUCCESS && !(flag && completed_after_death (rc, &s->request))) {
        if (!learn_deaths (e))
            note_fault (e, "MPI_Test", rc);
        return false; /* a receive that failed for good is null now and is posted again at the next look */
    }
    if (!flag)
        return false;
    s->full = true;
    s->source = status.MPI_SOURCE;
    s->tag = status.MPI_TAG;
    (void)MPI_Get_count (&status, MPI_BYTE, &s->len); /* cannot fail: whole bytes */
    ringer_moved (e->ringer, true);
    return true;
}

static void append_in (struct mpi_end *e, struct peer *p, struct parcel *c)
{
    if (p->in_last)
        p->in_last->next = c;
    else
        p->in_first = c;
    p->in_last = c;
    peer_activate (e, p);
}

/* A large message was announced: post a receive for it. */
static esp_err expect (struct mpi_end *e, struct peer *p, const struct slot *s)
{
    struct parcel *c;
    uint64_t len = 0;
    if (s->len == sizeof (len))
        memcpy (&len, s->bytes, sizeof (len));
    if (len <= SLOT_BYTES ||
        len > LINK_MESSAGE_MAX) { /* no sender of ours says that: its stream is lost */
        e->base.stats.dropped++;
        peer_lost (e, p);
        return ESP_OK;
    }
    if (!(c = parcel_take (e, len)))
        return ESP_ENOMEM;
    if (MPI_Irecv (c->bytes, (int)len, MPI_BYTE, rank_of (e, p), TAG_LARGE, e->large,
                   &c->bytes_request) != MPI_SUCCESS) {
        c->bytes_request = MPI_REQUEST_NULL;
        parcel_drop (e, c);
        peer_lost (e, p);
        return ESP_OK;
    }
    append_in (e, p, c);
    return ESP_OK;
}

/* Keep a small message until the large one before it is there. */
static esp_err keep (struct mpi_end *e, struct peer *p, const struct slot *s)
{
    struct parcel *c = parcel_take (e, (size_t)s->len);
    if (!c)
        return ESP_ENOMEM;
    memcpy (c->bytes, s->bytes, (size_t)s->len);
    append_in (e, p, c);
    return ESP_OK;
}

/* Open the full slot at the head.  ESP_EEMPTY: it was nothing for the caller, look at the next. */
static esp_err open_slot (struct mpi_end *e, link_event *out)
{
    struct slot *s = &e->slots[e->head];
    struct peer *p = &e->peers[s->source];
    esp_err err = ESP_OK;
    if (p->down || (s->tag != TAG_WHOLE && s->tag != TAG_NOTICE)) {
        e->base.stats.dropped++;
    } else if (s->tag == TAG_NOTICE) {
        err = expect (e, p, s);
    } else if (p->in_first) {
        err = keep (e, p, s);
    } else {
        e->lent_slot = e->head;
        *out = (link_event){LINK_MESSAGE, s->source, {s->bytes, (size_t)s->len}};
    }
    if (err != ESP_OK)
        return err; /* out of memory: the slot stays for the next poll */
    e->head = (e->head + 1) % SLOTS;
    if (e->lent_slot >= 0)
        return ESP_OK;
    slot_post (e, s);
    return ESP_EEMPTY;
}

/* Is the oldest large message of p (or one that queued behind it) whole?  Those of the dead are dropped. */
static bool in_ready (struct mpi_end *e, struct peer *p)
{
    while (p->in_first && peer_finished (e, p, &p->in_first->bytes_request)) {
        struct parcel *c = p->in_first;
        if (!p->down)
            return true;
        if (!(p->in_first = c->next))
            p->in_last = NULL;
        parcel_drop (e, c);
    }
    return false;
}

struct peer *end_serve (struct mpi_end *e)
{
    struct peer *p, *ready = NULL;
    for (int i = 0; i < SERVED_PER_LOOK && (p = e->active_first) && !ready; i++) {
        if (!(e->active_first = p->next_active))
            e->active_last = NULL;
        p->active = false;
        peer_push (e, p);
        if (in_ready (e, p))
            ready = p;
        if (p->first || p->in_first)
            peer_activate (e, p);
    }
    return ready;
}

void end_give_back (struct mpi_end *e)
{
    if (e->lent_slot >= 0)
        slot_post (e, &e->slots[e->lent_slot]);
    e->lent_slot = -1;
    parcel_drop (e, e->lent_parcel);
    e->lent_parcel = NULL;
}

void end_deliver (struct mpi_end *e, struct peer *p, link_event *out)
{
    struct parcel *c = p->in_first;
    if (!(p->in_first = c->next))
        p->in_last = NULL;
    e->lent_parcel = c;
    ringer_moved (e->ringer, true);
    *out = (link_event){LINK_MESSAGE, rank_of (e, p), {c->bytes, c->len}};
}

esp_err end_poll (link_end *base, link_event *out)
{
    struct mpi_end *e = (struct mpi_end *)base;
    struct peer *p;
    esp_err err;
    end_give_back (e);
    if (e->active_first && (p = end_serve (e))) {
        end_deliver (e, p, out);
        return ESP_OK;
    }
    while (look (e))
        if ((err = open_slot (e, out)) != ESP_EEMPTY)
            return err;
    if (e->down_told < e->down_count) {
        *out = (link_event){.kind = LINK_DOWN, .rank = e->downs[e->down_told++]};
        return ESP_OK;
    }
    ringer_pay (e->ringer);
    return ESP_EEMPTY;
}

/* --- sleep --- */

static bool peek (struct mpi_end *e)
{
    return (e->active_first && end_serve (e)) || look (e) || e->down_told < e->down_count;
}

void end_wait (link_end *base, uint64_t timeout_ns, const int *fds, size_t fd_count)
{
    struct mpi_end *e = (struct mpi_end *)base;
    esp_clock clock = esp_clock_monotonic ();
    uint64_t now = esp_clock_ns (&clock);
    uint64_t end = timeout_ns > UINT64_MAX - now ? UINT64_MAX : now + timeout_ns;
    while (now < end) {
        bool busy = e->base.stats.received_messages - e->heard >= BUSY;
        uint64_t start = now, spin = busy ? BUSY_SPIN_NS : SPIN_NS;
        for (int i = 0; i < SPINS_MIN || now - start < spin; i++) {
            if (peek (e))
                return;
            now = esp_clock_ns (&clock);
        }
        e->heard = e->base.stats.received_messages;
        for (struct peer *p = e->active_first; p; p = p->next_active)
            if (p->first && !p->down)
                ringer_nag (e->ringer, rank_of (e, p));
        if (ringer_sleep (e->ringer, e->active_first, now < end ? end - now : 0, fds, fd_count))
            return;
        now = esp_clock_ns (&clock);
    }
}
