/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_OBSERVE_DOOR_H
#define ESP_COORDINATOR_OBSERVE_DOOR_H

/* door.h - the nng side of observe: one publisher, and an answering socket with DOOR_SLOTS contexts
 *
 * nng's threads only move bytes: a request that arrives waits in its slot until door_take; what door_answer
 * and door_publish are given is sent by them.  A reader that is slow or dead costs nothing but its own messages.
 *
 * Threads: every function from one thread.
 */

#include "coordinator/observe/place.h"
#include "proto/base/text.h"

enum { DOOR_SLOTS = 16 }; /* requests at once; more wait inside nng */

typedef struct door door;

/* Errors (sentence): ESP_EIO (the address is in use or cannot be had), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err door_open (const place *where, door **out, esp_error *error);
void door_close (
    door *
        d); /* accepts NULL; gives answers that are on their way up to 200 ms; removes the socket files */

const char *door_events_url (const door *d); /* for others to connect to */
const char *door_control_url (const door *d);
int door_fd (const door *d);       /* readable while a request may wait; door_take empties it */
void door_knock (door *d);         /* make it readable */
bool door_watched (const door *d); /* somebody is subscribed */

/* Never blocks; dropped for subscribers whose queue is full. */
void door_publish (door *d, span bytes);

/* The request that came first of those not taken: *slot names it, *bytes is borrowed until door_answer. */
bool door_take (door *d, int *slot, span *bytes);
void door_answer (door *d, int slot, span bytes); /* the slot is free for the next request after */

#endif
