/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_LINK_LINK_MPI_PRIVATE_H
#define ESP_PROTO_LINK_LINK_MPI_PRIVATE_H

/* link_mpi_private.h - the end of a link over MPI; shared by link_mpi*.c only
 *
 * Invariants:
 *   I1  slots are posted in ring order; head is the oldest; at most one is lent
 *   I2  a peer's parcels from `waiting` on are not with MPI; the `flying` before it are
 *   I3  a peer stands in the active list if and only if it has parcels in or out
 *   I4  nothing is delivered from a rank that is down; a buffer is never freed while MPI has it
 */

#include <mpi.h>
#if defined(OPEN_MPI) && OPEN_MPI
#include <mpi-ext.h> /* Debian's 4.1.4 has it too, without ULFM; MPICH has not */
#endif
#if defined(OMPI_HAVE_MPI_EXT_FTMPI) && OMPI_HAVE_MPI_EXT_FTMPI
#define HAVE_ULFM 1
#else
#define HAVE_ULFM 0
#endif
#include "proto/link/link_mpi.h"
#include "proto/link/ringer.h"

enum {
    SLOT_BYTES = 4000, /* below every eager limit we know (shared memory: 4,096 with a header) */
    SLOTS = 32         /* posted receives; too few: MPI copies bursts twice */
};
enum { TAG_WHOLE = 1, TAG_NOTICE = 2, TAG_LARGE = 3 };

/* A message on its way out, or a large one (and what queues behind it) on its way in. */
struct parcel {
    struct parcel *next;
    MPI_Request bytes_request, notice_request;
    uint64_t len; /* the notice is sent from here */
    char bytes[];
};

struct slot {
    MPI_Request request;
    bool full; /* completed, not yet opened; the next three say what it holds */
    int source, tag, len;
    _Alignas(16) char bytes[SLOT_BYTES];
};

struct peer {
    struct parcel *first, *waiting, *last; /* out, oldest first */
    struct parcel *in_first, *in_last;     /* in, oldest first */
    size_t count, bytes;                   /* out */
    int flying;                            /* out, with MPI */
    struct peer *next_active;
    bool active, down;
};

struct mpi_end {
    link_end base; /* first: a link_end * is a struct mpi_end * */
    MPI_Comm comm, large;
    struct peer *peers; /* by rank */
    struct slot *slots;
    int head;      /* the slot that completes next */
    int lent_slot; /* the caller looks at it; -1: none */
    struct parcel *lent_parcel, *spare;
    int spare_count;
    struct peer *active_first, *active_last;
    int *downs; /* ranks found dead, in that order */
    int down_count, down_told;
    int acknowledged; /* deaths told to ULFM */
    ringer *ringer;
    uint64_t heard;  /* messages received before the last sleep */
    uint64_t faults; /* errors of MPI that name no rank */
    char description[160];
};

static inline int rank_of (const struct mpi_end *e, const struct peer *p)
{
    return (int)(p - e->peers);
}

/* link_mpi_out.c */
struct parcel *parcel_take (struct mpi_end *e, size_t len); /* NULL: no memory */
void parcel_drop (struct mpi_end *e, struct parcel *c);     /* accepts NULL */
void parcel_free_all (struct parcel *first);
void peer_activate (struct mpi_end *e, struct peer *p);
void peer_lost (struct mpi_end *e, struct peer *p);
/* Is MPI done with this request of peer p?  An error means that p is gone. */
bool peer_finished (struct mpi_end *e, struct peer *p, MPI_Request *request);
/* Forget what MPI has sent (and what was for the dead); hand it what the window allows. */
void peer_push (struct mpi_end *e, struct peer *p);
esp_err end_send (link_end *base, int rank, span bytes);
bool end_flushed (link_end *base);

/* link_mpi_in.c */
void slot_post (struct mpi_end *e, struct slot *s);
void end_give_back (struct mpi_end *e); /* what was lent to the caller */
/* Push and look at the next active peers in turn; the one that has something for the caller, or NULL. */
struct peer *end_serve (struct mpi_end *e);
void end_deliver (struct mpi_end *e, struct peer *p, link_event *out);
esp_err end_poll (link_end *base, link_event *out);
void end_wait (link_end *base, uint64_t timeout_ns, const int *fds, size_t fd_count);

#endif
