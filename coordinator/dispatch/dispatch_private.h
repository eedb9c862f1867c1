/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_DISPATCH_DISPATCH_PRIVATE_H
#define ESP_COORDINATOR_DISPATCH_DISPATCH_PRIVATE_H

/* dispatch_private.h - the inside of dispatch, shared by dispatch*.c only
 *
 *   dispatch.c          life, giving, cancelling, counts
 *   dispatch_send.c     outboxes -> batches on the link
 *   dispatch_receive.c  messages -> results
 *   dispatch_faults.c   heartbeats, silence, late leases, suspects
 */

#include "coordinator/dispatch/dispatch.h"
#include "coordinator/dispatch/lease.h"
#include "coordinator/dispatch/models.h"
#include "proto/base/text.h"
#include "proto/wire/wire.h"

typedef struct outbox { /* what one worker gets with the next flush */
    struct sending {
        uint32_t flight;
        uint64_t lease;
    } * tasks; /* owned */
    size_t count, cap;
    task_id *cancels; /* owned */
    size_t cancel_count, cancel_cap;
    bool dirty; /* stands in d->dirty */
} outbox;

struct dispatch {
    dispatch_options options;
    dispatch_world world;
    dispatch_stats stats;
    link_end *link; /* borrowed */
    esp_clock clock;
    uint64_t run_id, version;
    uint32_t epoch;
    span run_file;
    roster *roster;       /* owned */
    lease_table *leases;  /* owned */
    costs *book;          /* owned */
    models *models;       /* owned */
    wire_codec *in, *out; /* owned */
    outbox *boxes;        /* owned; by rank */
    int *dirty;           /* owned; ranks with something to send */
    size_t dirty_count;
    uint32_t *suspects; /* owned; flight handles waiting to run alone, in order */
    size_t suspect_count, suspect_cap;
    task_id *lost; /* owned; of the worker that just died */
    size_t lost_count, lost_cap;
    esp_buf bytes;   /* message being built */
    struct scratch { /* arrays of the batch being built; owned, reused */
        problem *problems;
        size_t problem_count, problem_cap;
        wire_prefix *prefixes;
        size_t prefix_count, prefix_cap;
        wire_step *steps;
        size_t step_count, step_cap;
        wire_task *tasks;
        size_t task_count, task_cap;
        node_ref *path;
        size_t path_cap;
        size_t *starts; /* index of each prefix's first step: steps may move while they grow */
        size_t start_cap;
    } scratch;
    uint64_t ping, next_ping_ns;
    uint64_t able_ns[TASK_KINDS]; /* when somebody could do the kind, or might soon */
    int reserved_rank;            /* kept free of new work for a suspect; 0 = none */
    bool stopping, saw_death, watched;
    /* Workers told what their servers have: nothing is given until all have, or it is this late; 0 = nobody told, done. */
    uint64_t compare_ns;
    bool compared; /* once: later ones are measured by what is known then */
    bool mixed;    /* before anything was sent two had different models: nothing is given at all */
    char trouble[MODELS_WHY]; /* the first refusal */
    char outage
        [320]; /* why a worker takes nothing; empty while every kind that was ever done can be done */
};

outbox *dispatch_box (dispatch *d, int rank); /* and note that it has something to send */
ESP_MUST_CHECK esp_err dispatch_lease_to (dispatch *d, uint32_t flight_handle, worker *w,
                                          bool alone);
void dispatch_end_lease (dispatch *d, uint32_t lease_handle);
void dispatch_end_flight (dispatch *d,
                          uint32_t flight_handle); /* its leases too; who has it gets CANCEL */
ESP_MUST_CHECK esp_err dispatch_message (dispatch *d, int rank, const wire_message *m);
void dispatch_worker_down (dispatch *d, int rank, const char *why);
void dispatch_retry (dispatch *d, uint32_t flight_handle); /* to the loop, or to the suspects */
bool dispatch_is_suspect (const flight *f);                /* must run alone */
ESP_MUST_CHECK esp_err dispatch_suspect (dispatch *d, uint32_t flight_handle);

#endif
