/* SPDX-License-Identifier: Apache-2.0 */
/* link_mpi_out.c - parcels, and their way out: a queue per peer, of which a window is with MPI */

#include "proto/link/link_mpi_private.h"
#include <string.h>
#include "proto/base/alloc.h"

enum {
    WINDOW = 32,         /* parcels of a peer with MPI; bounds what queues behind a large one */
    SPARE_PARCELS = 1024 /* small parcels kept for re-use: 4 MiB */
};

/* --- parcels --- */

struct parcel *parcel_take (struct mpi_end *e, size_t len)
{
    struct parcel *c = e->spare;
    if (len > SLOT_BYTES || !c) {
        c = esp_malloc (sizeof (*c) + (len > SLOT_BYTES ? len : SLOT_BYTES));
    } else {
        e->spare = c->next;
        e->spare_count--;
    }
    if (c) {
        c->next = NULL;
        c->bytes_request = c->notice_request = MPI_REQUEST_NULL;
        c->len = len;
    }
    return c;
}

void parcel_drop (struct mpi_end *e, struct parcel *c)
{
    if (c && c->len <= SLOT_BYTES && e->spare_count < SPARE_PARCELS) {
        c->next = e->spare;
        e->spare = c;
        e->spare_count++;
    } else {
        esp_free (c);
    }
}

void parcel_free_all (struct parcel *first)
{
    struct parcel *next;
    for (struct parcel *c = first; c; c = next) {
        next = c->next;
        esp_free (c);
    }
}

/* --- peers --- */

void peer_activate (struct mpi_end *e, struct peer *p)
{
    if (p->active)
        return;
    p->active = true;
    p->next_active = NULL;
    if (e->active_last)
        e->active_last->next_active = p;
    else
        e->active_first = p;
    e->active_last = p;
}

void peer_lost (struct mpi_end *e, struct peer *p)
{
    if (p->down)
        return;
    p->down = true; /* peer_push drops its parcels as MPI lets go of them */
    e->downs[e->down_count++] = rank_of (e, p);
}

bool peer_finished (struct mpi_end *e, struct peer *p, MPI_Request *request)
{
    int flag = 0;
    if (*request == MPI_REQUEST_NULL)
        return true;
    if (MPI_Test (request, &flag, MPI_STATUS_IGNORE) != MPI_SUCCESS) {
        peer_lost (e, p);
        return *request == MPI_REQUEST_NULL;
    }
    return flag;
}

/* --- out --- */

static int start (const void *bytes, size_t len, int rank, int tag, MPI_Comm comm, MPI_Request *out)
{
    MPI_Request request = MPI_REQUEST_NULL;
    int rc = MPI_Isend (bytes, (int)len, MPI_BYTE, rank, tag, comm, &request);
    *out = rc == MPI_SUCCESS ? request : MPI_REQUEST_NULL;
    return rc;
}

static int start_parcel (struct mpi_end *e, int rank, struct parcel *c)
{
    int rc;
    if (c->len <= SLOT_BYTES)
        return start (c->bytes, c->len, rank, TAG_WHOLE, e->comm, &c->bytes_request);
    rc = start (&c->len, sizeof (c->len), rank, TAG_NOTICE, e->comm, &c->notice_request);
    return rc == MPI_SUCCESS
               ? start (c->bytes, c->len, rank, TAG_LARGE, e->large, &c->bytes_request)
               : rc;
}

void peer_push (struct mpi_end *e, struct peer *p)
{
    struct parcel *c;
    bool started = false;
    while ((c = p->first) && (c == p->waiting ? p->down
                                              : peer_finished (e, p, &c->notice_request) &&
                                                    peer_finished (e, p, &c->bytes_request))) {
        if (c == p->waiting)
            p->waiting = c->next;
        else
            p->flying--;
        if (!(p->first = c->next))
            p->last = NULL;
        p->count--;
        p->bytes -= c->len;
        parcel_drop (e, c);
        ringer_moved (e->ringer, false);
    }
    while ((c = p->waiting) && !p->down && p->flying < WINDOW) {
        p->waiting = c->next;
        p->flying++;
        started = true;
        if (start_parcel (e, rank_of (e, p), c) != MPI_SUCCESS)
            peer_lost (e, p);
    }
    if (started)
        ringer_sent (e->ringer, rank_of (e, p));
}

esp_err end_send (link_end *base, int rank, span bytes)
{
    struct mpi_end *e = (struct mpi_end *)base;
    struct peer *p = &e->peers[rank];
    struct parcel *c;
    if (p->down)
        return ESP_OK; /* the bytes go nowhere */
    if (p->count >= LINK_QUEUE_MESSAGES ||
        (p->count > 0 && p->bytes + bytes.len > LINK_QUEUE_BYTES))
        return ESP_EFULL;
    if (!(c = parcel_take (e, bytes.len)))
        return ESP_ENOMEM;
    if (bytes.len > 0)
        memcpy (c->bytes, bytes.ptr, bytes.len);
    if (p->last)
        p->last->next = c;
    else
        p->first = c;
    p->last = c;
    if (!p->waiting)
        p->waiting = c;
    p->count++;
    p->bytes += bytes.len;
    if (p->flying < WINDOW)
        peer_push (e, p);
    if (p->flying ==
        1) /* MPI mostly is done with it: then the same warm parcel serves the next message */
        peer_push (e, p);
    if (p->first)
        peer_activate (e, p);
    return ESP_OK;
}

bool end_flushed (link_end *base)
{
    struct mpi_end *e = (struct mpi_end *)base;
    for (struct peer *p = e->active_first; p; p = p->next_active)
        if (p->first && !p->down)
            return false;
    return true;
}
