/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_DISPATCH_LEASE_H
#define ESP_COORDINATOR_DISPATCH_LEASE_H

/* lease.h - the tasks that are out: with whom, until when, how often they were there when a worker died
 *
 * A flight is one task that left the frontier and is not answered; a lease is one sending of it.  A flight may have several leases
 * (the first ran out, the task was sent again elsewhere): the first result wins, and the
 * others are cancelled.  The leases of a kind stand in the order sent, so the ones that ran out are at the front.
 *
 * Threads: none.  Lease numbers are never 0 and not reused soon.
 */

#include "proto/model/task.h"

typedef struct flight { /* what every result looks at comes first */
    uint32_t leases;    /* out now */
    uint32_t first_lease;
    bool whole;   /* send every text: the worker said MISSING */
    bool waiting; /* not out: in the frontier, or in the queue of suspects */
    task task;
    uint32_t attempts; /* sendings so far */
    uint32_t deaths;   /* workers that died with it, alone or in company; of earlier starts too */
    uint32_t alone;    /* of them, those that had nothing else */
    uint32_t errors;   /* retryable errors */
} flight;

typedef struct lease {
    uint64_t number;
    int rank;
    bool alone; /* a suspect, with nothing else on that worker */
    bool late;  /* ran out: its task was sent again; it still holds the worker's credit */
    uint64_t sent_ns;
    uint32_t flight; /* handle */
} lease;

typedef struct lease_table lease_table;
ESP_MUST_CHECK esp_err lease_table_create (lease_table **out);
void lease_table_destroy (lease_table *t); /* accepts NULL */

/* The flight of a task, made if it is not there.  Handles are valid until lease_flight_end.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err lease_flight (lease_table *t, const task *of, uint32_t *handle);
/* Handle of the task's flight, or 0. */
uint32_t lease_find_flight (const lease_table *t, task_id id);
flight *lease_flight_at (lease_table *t, uint32_t handle);
/* The task was answered or is not wanted: every lease must have been ended before. */
void lease_flight_end (lease_table *t, uint32_t handle);

/* Send the flight's task to rank.  *head: the worker's list of leases.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err lease_start (lease_table *t, uint32_t flight_handle, int rank,
                                    uint32_t *head, bool alone, uint64_t now_ns, uint64_t *number);
/* A result of this task and lease comes next: fetch what will be looked at. */
void lease_expect (const lease_table *t, uint64_t number, task_id id);
/* Handle of a lease by its number, or 0. */
uint32_t lease_find (const lease_table *t, uint64_t number);
const lease *lease_at (const lease_table *t, uint32_t handle);
void lease_end (lease_table *t, uint32_t handle, uint32_t *head);
/* First lease of a flight, or 0; and the next one of the same flight. */
uint32_t lease_of_flight (const lease_table *t, uint32_t flight_handle);
uint32_t lease_next_of_flight (const lease_table *t, uint32_t handle);

/* The oldest lease of a kind that is not late, or 0; lease_mark_late takes it out of that order. */
uint32_t lease_oldest (const lease_table *t, enum task_kind kind);
void lease_mark_late (lease_table *t, uint32_t handle);

uint64_t lease_flights_out (const lease_table *t); /* flights with at least one lease */
uint64_t lease_flights (const lease_table *t);

#endif
