/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CONSOLE_FOLLOW_H
#define ESP_CLUSTER_CONSOLE_FOLLOW_H

/* follow.h - a view of a run that keeps itself up to date
 *
 * Attaches to the run, takes a snapshot, applies live events, repairs gaps by a new snapshot (at most one a
 * second), notices the end, keeps what it knew then, and attaches again when the run is resumed.
 *
 * Threads: none.
 */

#include "cluster/console/view.h"
#include "proto/client/client.h"

typedef struct follow {
    const char *output; /* borrowed */
    client *client;     /* owned; NULL: the run has ended */
    view *view;         /* owned */
    run_status status;
    bool has_status; /* something came from the run */
    bool known;      /* the first snapshot is in */
    bool changed;    /* set by each message; the user clears it */
    bool stale;      /* a snapshot is wanted */
    uint64_t floor;  /* events up to this number are in the snapshot */
    uint64_t next_snapshot_ns, next_try_ns;
    uint64_t repairs;
    void (*seen) (void *ctx,
                  const event *e); /* may be NULL: each live event, after it was applied */
    void *ctx;
} follow;

/* output: borrowed.  Errors (sentence): those of client_open. */
ESP_MUST_CHECK esp_err follow_open (follow *f, const char *output, esp_error *error);
void follow_close (follow *f);

/* Take what comes for about timeout_ms. */
void follow_step (follow *f, int timeout_ms);

/* Errors (sentence): those of client_ask; ESP_EPEER: the run has ended. */
ESP_MUST_CHECK esp_err follow_ask (follow *f, const control_message *ask, esp_error *error);

#endif
