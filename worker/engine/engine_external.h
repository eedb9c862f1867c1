/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_ENGINE_ENGINE_EXTERNAL_H
#define ESP_WORKER_ENGINE_ENGINE_EXTERNAL_H

/* engine_external.h - the inside of the external engine; private to engine_external*.c
 *
 * Threads: none.
 */

#include "worker/engine/engines.h"
#include "worker/engine/external_peer.h"

typedef struct external_options {
    const char *command, *url, *separator;
    double start_s, timeout_s, heartbeat_s, silence_s;
    int64_t starts;
} external_options;

typedef struct external_item { /* a job of ours */
    const job *job;
    struct external_item *before, *after; /* in the queue */
    uint64_t since_ns;                    /* it waits, or the peer is there, since then */
    uint8_t losses;                       /* of the peer while this was out */
    uint8_t alone;                        /* of these, while nothing else was out */
} external_item;

typedef struct external_queue {
    external_item *first, *last;
    size_t count;
} external_queue;

typedef struct external_ask { /* a task of the peer */
    uint64_t number;
    uint32_t n;
    external_item **items; /* owned, as the items are; NULL: cancelled or late */
    external_asked asked;
    uint64_t given_ns;
    bool alone, abandoned;
} external_ask;

typedef struct external {
    engine_setup setup;
    external_peer *peer; /* owned */
    const char *separator;
    uint64_t timeout_ns;
    external_queue queue;
    external_ask *asks; /* owned */
    size_t ask_count, ask_cap;
    uint32_t out, held; /* samples at the peer; jobs here */
    uint64_t next_number;
    uint64_t good_ns; /* of the last good result, or of the peer's hello */
    bool alone, stuck;
    unsigned long complaints;
    external_scores scores;
    esp_buf bytes;
} external;

/* ---- engine_external.c ---- */

void external_unlink (external_queue *q, external_item *i);
/* before NULL: at the front. */
void external_link_behind (external_queue *q, external_item *before, external_item *i);
void external_finish (external *e, external_item *i, const result *r); /* done; frees i */
void external_fail (external *e, external_item *i, esp_err err);       /* as well */
void external_fail_waiting (external *e, esp_err err);
void external_complain (external *e, const char *what); /* to the log, ever more rarely */

/* ---- engine_external_asks.c ---- */

/* Its room is free again; its items are the caller's. */
void external_drop_ask (external *e, size_t at);
/* The session is over: what was out waits again, in the old order, before all that wait.  counts: it may be the reason. */
void external_take_back (external *e, bool counts);
void external_give (external *e);
void external_take_message (void *ctx, const external_message *m); /* external_peer_setup.message */

#endif
