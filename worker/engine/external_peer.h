/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_ENGINE_EXTERNAL_PEER_H
#define ESP_WORKER_ENGINE_EXTERNAL_PEER_H

/* external_peer.h - the peer of an external engine: found or started, greeted, listened for, lost, found again
 *
 *   AWAY --connection--> GREETED (we said hello) --its hello--> READY --lost--> AWAY
 *
 * Lost is: the connection or the process ends, it is silent for silence_s, it says what cannot be read, it says bye, or the owner
 * drops it.  A started process ends with its connection and is started again, later and later while nothing good comes from it.
 * Each connection is a session with its own number.
 *
 * Ownership: the setup is copied, its strings are borrowed until close.
 * Threads:   none; callbacks come from inside external_peer_poll only.
 */

#include "worker/engine/external_message.h"

typedef struct external_peer external_peer;

typedef struct external_peer_setup {
    const char *command; /* NULL: url */
    const char *url;     /* with {rank}, {local_rank}, {host} */
    unsigned role;
    int rank;
    const esp_clock *clock;
    double heartbeat_s, silence_s;
    double start_s; /* how long open waits for its hello */
    int64_t
        starts; /* starts, or connections, in a row without a result: then what waits for it fails */
    void (*ready) (void *ctx);
    /* counts: what was out at that time may be the reason. */
    void (*lost) (void *ctx, bool counts);
    void (*message) (void *ctx, const external_message *m); /* RESULTS and ERROR of this session */
    void *ctx;
} external_peer_setup;

/* Wait for its hello, at most start_s: a url without anybody is refused then, a command that still runs is not.
 * Errors with a sentence: ESP_EINVAL (neither or both of command and url), ESP_EPEER (nobody there, or it ended),
 * ESP_EVERSION, ESP_EUNSUPPORTED (another role), ESP_EENGINE (it says why), ESP_EFORMAT, ESP_EIO, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err external_peer_open (const external_peer_setup *setup, external_peer **out,
                                           esp_error *error);
void external_peer_close (external_peer *p); /* accepts NULL; says bye */

void external_peer_poll (external_peer *p);
bool external_peer_is_ready (const external_peer *p);
/* Its last hello; all zero before the first. */
const external_hello *external_peer_hello (const external_peer *p);
uint64_t external_peer_session (const external_peer *p);
const char *external_peer_name (const external_peer *p); /* "prm.command 'python3 x.py'" */
/* It was started, or connected, too often without a result.  Asked once: the answer is false after that until the next time. */
bool external_peer_gave_up (external_peer *p);
void external_peer_did_well (external_peer *p); /* a result came */
/* A whole message; lost with the connection.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err external_peer_send (external_peer *p, span bytes);
/* why: for the log; lost() is called. */
void external_peer_drop (external_peer *p, const char *why);
size_t external_peer_fds (const external_peer *p, int *fds, size_t max);

#endif
