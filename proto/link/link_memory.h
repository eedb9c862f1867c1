/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_LINK_LINK_MEMORY_H
#define ESP_PROTO_LINK_LINK_MEMORY_H

/* link_memory.h - ranks inside one process, for one-rank runs, tests and the simulator */

#include "proto/link/link.h"

/* A network of `size` ends (>= 1), all in this thread's hands; ends[i] has rank i.  Each end is closed by
 * link_close; the network goes with the last one.  Closing an end makes every other end report LINK_DOWN for it once.
 * link_wait returns at once while any end of the network has an unread message, else sleeps like the MPI link (fds
 * and wake work; a wake of any end ends the sleep).
 * Errors: ESP_EINVAL, ESP_ENOMEM, ESP_EIO (no descriptors left). */
ESP_MUST_CHECK esp_err link_memory_open (int size, link_end **ends);

#endif
