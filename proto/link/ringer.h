/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_LINK_RINGER_H
#define ESP_PROTO_LINK_RINGER_H

/* ringer.h - when a rank rings a peer, and how long it sleeps itself
 *
 * Knows doorbells and time, not MPI.  A peer is rung when something was sent to it,
 * at most once in 200 us; a ring held back by that is owed and paid at the end of
 * the gap or before we sleep.  So several sends in a row ring once, and no send goes unrung.
 * Private to proto/link.  Threads: ringer_wake from any thread and from a signal handler; the rest: none.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/base/err.h"
#include "proto/link/doorbell.h"

typedef struct ringer ringer; /* private to ringer.c */

/* For `size` ranks; *mine: what the others must know.  Without a doorbell (no socket, no address) it works on naps
 * of 1 ms; that is logged.  rings: counter of the caller.  Errors: ESP_ENOMEM, ESP_EIO (no descriptors). */
ESP_MUST_CHECK esp_err ringer_open (bool one_host, int size, uint64_t *rings, ringer **out,
                                    doorbell_address *mine);
void ringer_close (ringer *r); /* accepts NULL */

/* By rank; to be filled in before the first send. */
doorbell_address *ringer_addresses (ringer *r);

/* A message went out to rank. */
void ringer_sent (ringer *r, int rank);

/* We are about to sleep with a transfer to rank unfinished: it must call MPI too. */
void ringer_nag (ringer *r, int rank);

/* Ring what is owed and has waited for the gap; cheap when nothing is owed. */
void ringer_pay (ringer *r);

/* A transfer made a step; message_came: a whole message is there. */
void ringer_moved (ringer *r, bool message_came);

/* Pay all rings and sleep: at most ns; less while `busy` (transfers under way move only when MPI is called) or just
 * after a ring (it may overtake its message).  Returns true when something may have happened: the caller looks. */
bool ringer_sleep (ringer *r, bool busy, uint64_t ns, const int *fds, size_t fd_count);
void ringer_wake (ringer *r);

#endif
