/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_LINK_WAITER_H
#define ESP_PROTO_LINK_WAITER_H

/* waiter.h - sleep until a descriptor is readable, a wake, or a time; what every link waits with
 *
 * Private to proto/link; the fields are waiter.c's.
 * Threads: waiter_wake from any thread and from a signal handler, the rest from the owner's thread.
 */

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/base/err.h"

typedef struct waiter {
    int event_fd;        /* waiter_wake writes here; -1: not open */
    struct pollfd *list; /* owned; grows to the longest list of a caller */
    size_t capacity;
} waiter;

/* Errors: ESP_EIO (no descriptors left). */
ESP_MUST_CHECK esp_err waiter_open (waiter *w);
void waiter_close (waiter *w); /* accepts one that did not open (event_fd -1) */

/* The next waiter_sleep, or the one going on, ends at once. */
void waiter_wake (waiter *w);

/* Sleep at most ns.  own_fd: a descriptor of the link itself, -1 for none.  Returns false when the time passed
 * and nothing happened.  When memory for a longer list is out, sleeps at most 1 ms and returns true. */
bool waiter_sleep (waiter *w, int own_fd, uint64_t ns, const int *fds, size_t fd_count);

#endif
