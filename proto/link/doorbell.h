/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_LINK_DOORBELL_H
#define ESP_PROTO_LINK_DOORBELL_H

/* doorbell.h - a UDP byte that wakes a rank asleep in ppoll
 *
 * MPI has no descriptor to sleep on.  So every rank sleeps on a UDP socket and
 * whoever sends it a message rings.  A ring carries nothing: one that is lost costs
 * time, one from a stranger wakes a rank for some microseconds.
 * Private to proto/link.  Threads: none.
 */

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/err.h"

typedef struct doorbell_address { /* travels at open; network byte order; IPv4 */
    uint32_t ip;                  /* 0: this rank has no doorbell */
    uint16_t port;
    uint16_t unused; /* 0 */
} doorbell_address;

/* Bind a socket: to 127.0.0.1 when one_host, else to all interfaces, and then *mine holds the address of the
 * interface named by ESP_DOORBELL_IF, or of the first one that is up and leads out of this host (bridges of
 * containers and virtual machines last).  Errors: ESP_EIO (no socket, or no such address). */
ESP_MUST_CHECK esp_err doorbell_open (bool one_host, int *fd, doorbell_address *mine);
void doorbell_close (int fd); /* accepts -1 */

/* Never blocks; a failure is a lost ring. */
void doorbell_ring (int fd, doorbell_address peer);

/* Take the rings that wait; true if there was one.  fd -1: false. */
bool doorbell_drain (int fd);

#endif
