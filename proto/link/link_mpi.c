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
 * This file opens and closes the link; link_mpi_out.c and link_mpi_in.c are the two ways, link_mpi_private.h has the
 * invariants.
 */

#include "proto/link/link_mpi.h"
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/link/launched.h"
#include "proto/link/link_mpi_private.h"

enum {
    SETTLE_S = 2,    /* a clean close waits so long for transfers to end */
    WATCHDOG_S = 10, /* MPI_Finalize longer than this hangs */
    START_S = 300,   /* until all ranks have come up; large jobs need a minute */
    START_FAILED = 4 /* exit status then: cannot go on */
};

/* --- close --- */

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

static void free_end (struct mpi_end *e)
{
    if (!e)
        return;
    for (int i = 0; e->peers && i < e->base.size; i++) {
        parcel_free_all (e->peers[i].first);
        parcel_free_all (e->peers[i].in_first);
    }
    parcel_free_all (e->spare);
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
        end_give_back (e);
        if ((p = end_serve (e)))
            end_deliver (e, p, &unread);
    }
    end_give_back (e);
}

static void end_close (link_end *base, bool clean)
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

/* --- open --- */

static void end_wake (link_end *base)
{
    ringer_wake (((struct mpi_end *)base)->ringer);
}

static const link_table mpi_table = {.send = end_send,
                                     .poll = end_poll,
                                     .wait = end_wait,
                                     .wake = end_wake,
                                     .flushed = end_flushed,
                                     .close = end_close};

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
static esp_err make_end (int rank, int size, int local_rank, bool one_host, doorbell_address *mine,
                         struct mpi_end **out)
{
    const char *ft = getenv ("OMPI_MCA_mpi_ft_enable"); /* set by mpirun --with-ft ulfm */
    struct mpi_end *e = esp_calloc (1, sizeof (*e));
    esp_err err = ESP_ENOMEM;
    if (!e)
        return ESP_ENOMEM;
    e->base = (link_end){.table = &mpi_table, .rank = rank, .size = size, .local_rank = local_rank};
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
    int rc, here = 0, local_rank = 0, worst = 0, mine_err;
    doorbell_address mine = {0, 0, 0};
    struct mpi_end *e = NULL;
    if ((rc = MPI_Comm_dup (MPI_COMM_WORLD, &comms[0])) ||
        (rc = MPI_Comm_dup (MPI_COMM_WORLD, &comms[1])) ||
        (rc =
             MPI_Comm_split_type (MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host)) ||
        (rc = MPI_Comm_size (host, &here)) || (rc = MPI_Comm_rank (host, &local_rank)))
        return rc;
    MPI_Comm_free (&host);
    mine_err = (int)make_end (rank, size, local_rank, here == size, &mine, &e);
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
        slot_post (e, &e->slots[i]);
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
    if ((err = start_mpi (argc, argv, &rank, &size, error)) != ESP_OK) {
        alarm (0);
        return err;
    }
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

double link_mpi_grace_s (void)
{
    return launched_grace_s ();
}

bool link_mpi_launched (void)
{
    int ranks = launched_ranks ();
    return ranks < 0 || ranks > 1;
}
