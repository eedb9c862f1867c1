/* SPDX-License-Identifier: Apache-2.0 */

/* link_mpi.c - the link over MPI
 *
 * Out.  A message is copied into a parcel and the parcel goes into the queue of its
 * peer; at most WINDOW parcels of a peer are with MPI.  Up to SLOT_BYTES travel whole.
 * A larger one is a notice (its length) on the same path and the bytes on a second
 * communicator.
 *
 * In.  SLOTS receives from any rank are always posted and form a ring.  MPI matches
 * receives in the order in which they were posted, so the oldest one always completes
 * next: one MPI_Test asks for it, and order per peer needs no numbers.  A notice posts
 * a receive of that length from that rank; what comes from the rank meanwhile queues
 * behind it.
 *
 * Why SLOT_BYTES is that small: a message above MPI's eager limit sits in a matched
 * receive until its sender moves again.  In the shared ring a few stalled or killed
 * senders would so make us deaf for everybody.  In a receive of its own such a
 * message holds up its own peer only.
 *
 * Sleep.  See ringer.h.
 *
 * Longer than our files should be: the project lets one file know MPI.
 *
 * Invariants:
 *   I1  slots are posted in ring order; head is the oldest; at most one is lent
 *   I2  a peer's parcels from `waiting` on are not with MPI; the `flying` before it are
 *   I3  a peer stands in the active list if and only if it has parcels in or out
 *   I4  nothing is delivered from a rank that is down; a buffer is never freed while MPI has it
 */

#include "proto/link/link_mpi.h"
#include <inttypes.h>
#include <limits.h>
#include <mpi.h>
#if defined(OPEN_MPI) && OPEN_MPI
#include <mpi-ext.h> /* Debian's 4.1.4 has it too, without ULFM; MPICH has not */
#endif
#if defined(OMPI_HAVE_MPI_EXT_FTMPI) && OMPI_HAVE_MPI_EXT_FTMPI
#define HAVE_ULFM 1
#else
#define HAVE_ULFM 0
#endif
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/link/launched.h"
#include "proto/link/ringer.h"

enum {
    SLOT_BYTES = 4000,    /* below every eager limit we know (shared memory: 4,096 with a header) */
    SLOTS = 32,           /* posted receives; too few: MPI copies bursts twice */
    WINDOW = 32,          /* parcels of a peer with MPI; bounds what queues behind a large one */
    SPARE_PARCELS = 1024, /* small parcels kept for re-use: 4 MiB */
    SPIN_NS = 10000,      /* looking before a sleep: a reply on its way saves it; costs CPU */
    BUSY = 16,            /* messages since the last sleep: the next one is near, so look longer */
    BUSY_SPIN_NS = 100000, /* so long */
    SPINS_MIN = 3, /* where one look takes long (TCP): one to move, one to see, one to spare */
    SERVED_PER_LOOK = 8, /* active peers in one poll; each may cost a turn of MPI's progress */
    SETTLE_S = 2,        /* a clean close waits so long for transfers to end */
    WATCHDOG_S = 10,     /* MPI_Finalize longer than this hangs */
    START_S = 300,       /* until all ranks have come up; large jobs need a minute */
    START_FAILED = 4     /* exit status then: cannot go on */
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

static int rank_of (const struct mpi_end *e, const struct peer *p)
{
    return (int)(p - e->peers);
}

/* --- parcels --- */

static struct parcel *take_parcel (struct mpi_end *e, size_t len)
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

static void drop_parcel (struct mpi_end *e, struct parcel *c)
{
    if (c && c->len <= SLOT_BYTES && e->spare_count < SPARE_PARCELS) {
        c->next = e->spare;
        e->spare = c;
        e->spare_count++;
    } else {
        esp_free (c);
    }
}

static void activate (struct mpi_end *e, struct peer *p)
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

/* --- deaths --- */

static void peer_lost (struct mpi_end *e, struct peer *p)
{
    if (p->down)
        return;
    p->down = true; /* push() drops its parcels as MPI lets go of them */
    e->downs[e->down_count++] = rank_of (e, p);
}

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

/* Is MPI done with this request of peer p?  An error means that p is gone. */
static bool finished (struct mpi_end *e, struct peer *p, MPI_Request *request)
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

/* Forget what MPI has sent (and what was for the dead); hand it what the window allows. */
static void push (struct mpi_end *e, struct peer *p)
{
    struct parcel *c;
    bool started = false;
    while ((c = p->first) && (c == p->waiting ? p->down
                                              : finished (e, p, &c->notice_request) &&
                                                    finished (e, p, &c->bytes_request))) {
        if (c == p->waiting)
            p->waiting = c->next;
        else
            p->flying--;
        if (!(p->first = c->next))
            p->last = NULL;
        p->count--;
        p->bytes -= c->len;
        drop_parcel (e, c);
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

static esp_err mpi_send (link_end *base, int rank, span bytes)
{
    struct mpi_end *e = (struct mpi_end *)base;
    struct peer *p = &e->peers[rank];
    struct parcel *c;
    if (p->down)
        return ESP_OK; /* the bytes go nowhere */
    if (p->count >= LINK_QUEUE_MESSAGES ||
        (p->count > 0 && p->bytes + bytes.len > LINK_QUEUE_BYTES))
        return ESP_EFULL;
    if (!(c = take_parcel (e, bytes.len)))
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
        push (e, p);
    if (p->flying ==
        1) /* MPI mostly is done with it: then the same warm parcel serves the next message */
        push (e, p);
    if (p->first)
        activate (e, p);
    return ESP_OK;
}

static bool mpi_flushed (link_end *base)
{
    struct mpi_end *e = (struct mpi_end *)base;
    for (struct peer *p = e->active_first; p; p = p->next_active)
        if (p->first && !p->down)
            return false;
    return true;
}

/* --- in --- */

static void post (struct mpi_end *e, struct slot *s)
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
        post (e, s);
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
    activate (e, p);
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
    if (!(c = take_parcel (e, len)))
        return ESP_ENOMEM;
    if (MPI_Irecv (c->bytes, (int)len, MPI_BYTE, rank_of (e, p), TAG_LARGE, e->large,
                   &c->bytes_request) != MPI_SUCCESS) {
        c->bytes_request = MPI_REQUEST_NULL;
        drop_parcel (e, c);
        peer_lost (e, p);
        return ESP_OK;
    }
    append_in (e, p, c);
    return ESP_OK;
}

/* Keep a small message until the large one before it is there. */
static esp_err keep (struct mpi_end *e, struct peer *p, const struct slot *s)
{
    struct parcel *c = take_parcel (e, (size_t)s->len);
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
    post (e, s);
    return ESP_EEMPTY;
}

/* Is the oldest large message of p (or one that queued behind it) whole?  Those of the dead are dropped. */
static bool in_ready (struct mpi_end *e, struct peer *p)
{
    while (p->in_first && finished (e, p, &p->in_first->bytes_request)) {
        struct parcel *c = p->in_first;
        if (!p->down)
            return true;
        if (!(p->in_first = c->next))
            p->in_last = NULL;
        drop_parcel (e, c);
    }
    return false;
}

/* Push and look at the next active peers in turn; the one that has something for the caller, or NULL. */
static struct peer *serve (struct mpi_end *e)
{
    struct peer *p, *ready = NULL;
    for (int i = 0; i < SERVED_PER_LOOK && (p = e->active_first) && !ready; i++) {
        if (!(e->active_first = p->next_active))
            e->active_last = NULL;
        p->active = false;
        push (e, p);
        if (in_ready (e, p))
            ready = p;
        if (p->first || p->in_first)
            activate (e, p);
    }
    return ready;
}

static void give_back (struct mpi_end *e)
{
    if (e->lent_slot >= 0)
        post (e, &e->slots[e->lent_slot]);
    e->lent_slot = -1;
    drop_parcel (e, e->lent_parcel);
    e->lent_parcel = NULL;
}

static void deliver_in (struct mpi_end *e, struct peer *p, link_event *out)
{
    struct parcel *c = p->in_first;
    if (!(p->in_first = c->next))
        p->in_last = NULL;
    e->lent_parcel = c;
    ringer_moved (e->ringer, true);
    *out = (link_event){LINK_MESSAGE, rank_of (e, p), {c->bytes, c->len}};
}

static esp_err mpi_poll (link_end *base, link_event *out)
{
    struct mpi_end *e = (struct mpi_end *)base;
    struct peer *p;
    esp_err err;
    give_back (e);
    if (e->active_first && (p = serve (e))) {
        deliver_in (e, p, out);
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
    return (e->active_first && serve (e)) || look (e) || e->down_told < e->down_count;
}

static void mpi_wait (link_end *base, uint64_t timeout_ns, const int *fds, size_t fd_count)
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

static void mpi_wake (link_end *base)
{
    ringer_wake (((struct mpi_end *)base)->ringer);
}

/* --- open and close --- */

static void give_up (int signal_number)
{
    (void)signal_number;
    _exit (0);
}

static void wait_at_most (unsigned seconds, void (*handler) (int))
{
    struct sigaction act = {.sa_handler = handler};
    sigset_t alarm_only;
    sigemptyset (&alarm_only);
    sigaddset (&alarm_only, SIGALRM);
    sigaction (SIGALRM, &act, NULL);
    pthread_sigmask (SIG_UNBLOCK, &alarm_only, NULL);
    alarm (seconds);
}

/* MPI_Finalize waits for the other ranks; where one has died unseen it would wait for ever. */
static void finalize (void)
{
    wait_at_most (WATCHDOG_S, give_up);
    MPI_Finalize ();
    alarm (0);
}

static void free_parcels (struct parcel *first)
{
    struct parcel *next;
    for (struct parcel *c = first; c; c = next) {
        next = c->next;
        esp_free (c);
    }
}

static void free_end (struct mpi_end *e)
{
    if (!e)
        return;
    for (int i = 0; e->peers && i < e->base.size; i++) {
        free_parcels (e->peers[i].first);
        free_parcels (e->peers[i].in_first);
    }
    free_parcels (e->spare);
    esp_free (e->peers);
    esp_free (e->slots);
    esp_free (e->downs);
    ringer_close (e->ringer);
    esp_free (e);
}

/* Let transfers end that are under way; what still comes in is for nobody. */
static void settle (struct mpi_end *e)
{
    esp_clock clock = esp_clock_monotonic ();
    uint64_t end = esp_clock_ns (&clock) + SETTLE_S * UINT64_C (1000000000);
    link_event unread;
    struct peer *p;
    while (e->active_first && esp_clock_ns (&clock) < end) {
        give_back (e);
        if ((p = serve (e)))
            deliver_in (e, p, &unread);
    }
    give_back (e);
}

static void mpi_close (link_end *base, bool clean)
{
    struct mpi_end *e = (struct mpi_end *)base;
    if (!clean || e->down_count > 0)
        return; /* MPI keeps the buffers it was given: nothing may be freed before the process ends */
    settle (e);
    for (int i = 0; i < SLOTS; i++)
        if (e->slots[i].request != MPI_REQUEST_NULL) {
            MPI_Cancel (&e->slots[i].request);
            MPI_Request_free (&e->slots[i].request);
        }
    finalize ();
    free_end (e);
}

static const link_table mpi_table = {.send = mpi_send,
                                     .poll = mpi_poll,
                                     .wait = mpi_wait,
                                     .wake = mpi_wake,
                                     .flushed = mpi_flushed,
                                     .close = mpi_close};

/* "Open MPI v4.1.4, failures are found by heartbeats" */
static void describe (struct mpi_end *e)
{
    char version[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int len = 0;
    (void)MPI_Get_library_version (version, &len);
    version[strcspn (version, ",\n")] = 0;
    for (char *c = version; *c; c++)
        if (*c == '\t')
            *c = ' ';
    snprintf (e->description, sizeof (e->description), "%.80s, failures are %s", version,
              e->base.reports_deaths ? "reported (ULFM)" : "found by heartbeats");
    e->base.description = e->description;
}

static void not_all_came (int signal_number)
{
    static const char text[] = "espalier: MPI has waited too long for all ranks to come up "
                               "(ESP_RANK_START_S); look at what keeps one of them, or "
                               "its node, from starting\n";
    ssize_t told = write (STDERR_FILENO, text, sizeof (text) - 1);
    (void)signal_number, (void)told;
    _exit (START_FAILED);
}

/* MPI_Init waits for all ranks, for ever if need be. */
static unsigned start_seconds (void)
{
    const char *text = getenv ("ESP_RANK_START_S");
    long seconds = text ? strtol (text, NULL, 10) : 0;
    return seconds > 0 && seconds < INT_MAX ? (unsigned)seconds : START_S;
}

static esp_err start_mpi (int *argc, char ***argv, int *rank, int *size, esp_error *error)
{
    int level = 0, before = 0, launched = launched_ranks ();
    if (MPI_Initialized (&before) != MPI_SUCCESS || before)
        return esp_error_set (error, ESP_EIO,
                              "MPI was started before; a process can have one MPI link");
    if (MPI_Init_thread (argc, argv, MPI_THREAD_FUNNELED, &level) != MPI_SUCCESS)
        return esp_error_set (error, ESP_EIO, "MPI does not start; try: mpirun -n 2 hostname");
    MPI_Comm_set_errhandler (MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler (MPI_COMM_SELF, MPI_ERRORS_RETURN);
    MPI_Comm_rank (MPI_COMM_WORLD, rank);
    MPI_Comm_size (MPI_COMM_WORLD, size);
    if (level < MPI_THREAD_FUNNELED)
        return esp_error_set (error, ESP_EIO, "this MPI knows no threads (MPI_THREAD_FUNNELED)");
    if (*size == 1 && launched > 1)
        return esp_error_set (error, ESP_EIO,
                              "the launcher started %d ranks, but each is alone: mpirun or srun "
                              "belongs to another MPI "
                              "than the one this program was built with",
                              launched);
    return ESP_OK;
}

/* Does every rank hold the same value?  *odd: the first that does not. */
static int compare_versions (int rank, uint64_t mine, uint64_t *first, int *odd, uint64_t *other)
{
    struct {
        int differs, rank;
    } in, out = {0, 0};
    int rc;
    *first = *other = mine;
    *odd = -1;
    if ((rc = MPI_Bcast (first, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD)) != MPI_SUCCESS)
        return rc;
    in.differs = *first != mine;
    in.rank = rank;
    rc = MPI_Allreduce (&in, &out, 1, MPI_2INT, MPI_MAXLOC, MPI_COMM_WORLD);
    if (rc != MPI_SUCCESS || !out.differs)
        return rc;
    *odd = out.rank;
    return MPI_Bcast (other, 1, MPI_UINT64_T, out.rank, MPI_COMM_WORLD);
}

static esp_err check_versions (int rank, uint64_t mine, esp_error *error)
{
    uint64_t first, other;
    int odd;
    if (compare_versions (rank, mine, &first, &odd, &other) != MPI_SUCCESS)
        return esp_error_set (error, ESP_EIO, "MPI failed while the ranks compared their versions");
    if (odd < 0)
        return ESP_OK;
    return esp_error_set (error, ESP_EVERSION,
                          "rank %d runs version %016" PRIx64 ", rank 0 runs %016" PRIx64
                          ": start the same build of the program on every host",
                          odd, other, first);
}

/* Everything of this rank alone, so that its failure can be told to the others. */
static esp_err
make_end (int rank, int size, bool one_host, doorbell_address *mine, struct mpi_end **out)
{
    const char *ft = getenv ("OMPI_MCA_mpi_ft_enable"); /* set by mpirun --with-ft ulfm */
    struct mpi_end *e = esp_calloc (1, sizeof (*e));
    esp_err err = ESP_ENOMEM;
    if (!e)
        return ESP_ENOMEM;
    e->base = (link_end){.table = &mpi_table, .rank = rank, .size = size};
    e->base.reports_deaths = HAVE_ULFM && ft && strcmp (ft, "1") == 0;
    e->lent_slot = -1;
    e->peers = esp_calloc ((size_t)size, sizeof (*e->peers));
    e->slots = esp_calloc (SLOTS, sizeof (*e->slots));
    e->downs = esp_calloc ((size_t)size, sizeof (*e->downs));
    if (!e->peers || !e->slots || !e->downs ||
        (err = ringer_open (one_host, size, &e->base.stats.rings, &e->ringer, mine)) != ESP_OK) {
        free_end (e);
        return err;
    }
    describe (e);
    *out = e;
    return ESP_OK;
}

/* Own communicators (strays of other libraries cannot meet our receives), the end, the addresses, the receives.
 * A failure of one rank is the failure of all: *err says it everywhere.  Returns what MPI returned. */
static int build (int rank, int size, struct mpi_end **out, esp_err *err)
{
    MPI_Comm comms[2], host;
    int rc, here = 0, worst = 0, mine_err;
    doorbell_address mine = {0, 0, 0};
    struct mpi_end *e = NULL;
    if ((rc = MPI_Comm_dup (MPI_COMM_WORLD, &comms[0])) ||
        (rc = MPI_Comm_dup (MPI_COMM_WORLD, &comms[1])) ||
        (rc =
             MPI_Comm_split_type (MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host)) ||
        (rc = MPI_Comm_size (host, &here)))
        return rc;
    MPI_Comm_free (&host);
    mine_err = (int)make_end (rank, size, here == size, &mine, &e);
    rc = MPI_Allreduce (&mine_err, &worst, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    *err = (esp_err)worst;
    if (rc == MPI_SUCCESS && worst == ESP_OK)
        rc = MPI_Allgather (&mine, sizeof (mine), MPI_BYTE, ringer_addresses (e->ringer),
                            sizeof (mine), MPI_BYTE, MPI_COMM_WORLD);
    if (rc != MPI_SUCCESS || worst != ESP_OK) {
        free_end (e);
        return rc;
    }
    e->comm = comms[0];
    e->large = comms[1];
    for (int i = 0; i < SLOTS; i++)
        post (e, &e->slots[i]);
    *out = e;
    return MPI_SUCCESS;
}

esp_err link_mpi_open (int *argc, char ***argv, uint64_t version, link_end **out, esp_error *error)
{
    struct mpi_end *e = NULL;
    int rank = 0, size = 0;
    esp_err err, made = ESP_OK;
    if (!argc || !argv || !out)
        return ESP_EINVAL;
    wait_at_most (start_seconds (), not_all_came);
    if ((err = start_mpi (argc, argv, &rank, &size, error)) != ESP_OK)
        return err;
    err = check_versions (rank, version, error);
    if (err == ESP_OK && build (rank, size, &e, &made) != MPI_SUCCESS)
        err = esp_error_set (error, ESP_EIO, "MPI failed while the ranks found each other");
    else if (made != ESP_OK)
        err = esp_error_set (error, made, "a rank cannot open its link: %s", esp_err_text (made));
    alarm (0);
    if (err == ESP_EVERSION || made != ESP_OK)
        finalize (); /* every rank is here, so it ends */
    if (err == ESP_OK)
        *out = &e->base;
    return err;
}

bool link_mpi_launched (void)
{
    int ranks = launched_ranks ();
    return ranks < 0 || ranks > 1;
}
