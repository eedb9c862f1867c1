/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_CLIENT_CLIENT_H
#define ESP_PROTO_CLIENT_CLIENT_H

/* client.h - the nng client of a run: for watch, steer and the page
 *
 * Reads OUTPUT/control.json.  To follow a run:
 *
 *     client_next (c, ...)          the first message, and each after a loss, says gap
 *       gap: client_snapshot (...)  the present state; then
 *     apply events whose number is above that of the snapshot, and client_next again
 *
 * Threads: one per client.
 */

#include "proto/wire/wire.h"

typedef struct client client;

/* Errors (sentence): ESP_ENOENT (no control.json: the run is not running, or elsewhere), ESP_EPEER (nobody
 * answers), ESP_EFORMAT, ESP_EPERMISSION. */
ESP_MUST_CHECK esp_err client_open (const char *output, client **out, esp_error *error);
void client_close (client *c); /* accepts NULL */

/* Ask and wait for the answer (at most timeout_ms); the token is set here.  The answer is borrowed until the next
 * call of client_ask or client_snapshot. A command is never sent twice.  Errors: ESP_ETIMEOUT, ESP_EPEER,
 * ESP_EFORMAT, and for CONTROL_FAILED ESP_ECONFLICT with the run's sentence. */
ESP_MUST_CHECK esp_err client_ask (client *c, const control_message *ask, int timeout_ms,
                                   control_message *answer, esp_error *error);

/* All pages of a snapshot of one problem, or of all open ones (UINT64_MAX): emit gets the events page by page,
 * borrowed during the call.  *number: apply live events above it.  timeout_ms is for each page.  Errors: those of
 * client_ask, and ESP_ENOMEM. */
ESP_MUST_CHECK esp_err client_snapshot (client *c, problem_key key, int timeout_ms,
                                        void (*emit) (void *ctx, const event *events, size_t count),
                                        void *ctx, uint64_t *number, esp_error *error);

/* The next published message, waiting at most timeout_ms; *gap: messages were lost since the last one, or it is
 * the first (ask for a snapshot). A run publishes at least every 250 ms.  Borrowed until the next call of
 * client_next.  Errors: ESP_EEMPTY (nothing came), ESP_EPEER (the run is gone), ESP_EFORMAT, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err client_next (client *c, int timeout_ms, const event **events, size_t *count,
                                    run_status *status, bool *gap);

#endif
