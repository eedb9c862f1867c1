/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_LINK_LINK_H
#define ESP_PROTO_LINK_LINK_H

/* link.h - how bytes travel between ranks
 *
 * One link_end per rank.  Messages are opaque byte strings, whole, in order per
 * peer; nothing blocks except link_wait.  MPI (link_mpi.c) and an in-process
 * pair (link_memory.c) stand behind the same table, so that the loops, the
 * simulator and the tests know no MPI.
 *
 * Peers can die.  A link that notices (ULFM, a closed memory link) reports it
 * once as LINK_DOWN; one that does not leaves it to the heartbeats above.
 * Sending to a dead peer is not an error: the bytes go nowhere.
 *
 * Threads: one thread per end; link_wake may be called from any thread and from a signal handler.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/base/err.h"
#include "proto/base/text.h"

typedef struct link_end link_end;

/* Bytes of one message; more is refused by send, and dropped and counted on receive. */
enum { LINK_MESSAGE_MAX = 256 * 1024 * 1024 };

/* What may wait for one peer (one message larger than that is taken when none waits): a peer that never reads
 * must not fill our memory. */
enum { LINK_QUEUE_MESSAGES = 4096, LINK_QUEUE_BYTES = 64 * 1024 * 1024 };

enum link_event_kind { LINK_MESSAGE, LINK_DOWN };

typedef struct link_event {
    enum link_event_kind kind;
    int rank;   /* who sent it, or who is gone */
    span bytes; /* LINK_MESSAGE: borrowed until the next link_poll or link_close of this end */
} link_event;

typedef struct link_stats {
    uint64_t sent_messages, sent_bytes, received_messages, received_bytes;
    uint64_t refused; /* sends answered ESP_EFULL */
    uint64_t dropped; /* received and unusable (too large, or from a rank known dead) */
    uint64_t rings;   /* doorbells rung */
} link_stats;

/* What a kind of link provides; callers use the functions below. */
typedef struct link_table {
    esp_err (*send) (link_end *end, int rank, span bytes);
    esp_err (*poll) (link_end *end, link_event *out);
    void (*wait) (link_end *end, uint64_t timeout_ns, const int *fds, size_t fd_count);
    void (*wake) (link_end *end);
    bool (*flushed) (link_end *end);
    void (*close) (link_end *end, bool clean);
} link_table;

struct link_end {
    const link_table *table;
    int rank, size;
    int local_rank; /* among the ranks of this host, as the MPI sees it; 0 in one process */
    link_stats stats;
    const char *description; /* "Open MPI v4.1.4, failures are found by heartbeats": for the log */
    bool reports_deaths;
};

/* Queue bytes for rank; they are copied.  Errors: ESP_EINVAL (no such rank, or own rank), ESP_ETOOBIG,
 * ESP_ENOMEM, ESP_EFULL (over LINK_QUEUE_MESSAGES or LINK_QUEUE_BYTES of that peer: try again after a poll). */
ESP_MUST_CHECK esp_err link_send (link_end *end, int rank, span bytes);

/* The next event.  Drives progress, also of sends.  Errors: ESP_EEMPTY (nothing now), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err link_poll (link_end *end, link_event *out);

/* Sleep until a message may be there, link_wake, one of fds is readable, or timeout_ns passed (may return
 * early; never later than the scheduler allows).  Burns no CPU.  fds may be NULL. */
void link_wait (link_end *end, uint64_t timeout_ns, const int *fds, size_t fd_count);
void link_wake (link_end *end);

/* Every queued byte has left this process (or was for a peer known dead).  A dead peer that no one reported keeps this
 * false: set a limit. */
bool link_flushed (link_end *end);

/* Free the end.  clean: nobody died and the others close too; the MPI link then calls MPI_Finalize, and when that takes
 * over 10 s ends the process with _exit (0).  clean = false, or a reported death: MPI is left without MPI_Finalize
 * (the process must end by _exit; see docs/operations.md).  Accepts NULL. */
void link_close (link_end *end, bool clean);

#endif
