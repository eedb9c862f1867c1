/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_ENGINE_EXTERNAL_MESSAGE_H
#define ESP_WORKER_ENGINE_EXTERNAL_MESSAGE_H

/* external_message.h - what the external engine and its peer say to each other (docs/external.md)
 *
 * Writing: JSON text is appended to a buffer.  Reading: everything is hostile.  A message is either understood or refused
 * whole with a sentence; a result that is understood may still be refused by itself.  Unknown fields are ignored.
 * Threads: pure.
 */

#include "worker/engine/engine.h"

enum {
    EXTERNAL_VERSION = 1,
    EXTERNAL_BYTES_MAX = 64 << 20, /* one message of the peer; longer: nng cuts the connection */
    EXTERNAL_CREDITS_MAX = 4096,   /* what a peer may ask for at once; more is cut */
    EXTERNAL_TEXT_MAX = 16 << 20,  /* bytes of one text */
    EXTERNAL_SCORES_MAX = 65536,
    EXTERNAL_WORDS = 200 /* bytes of a sentence or name that is kept */
};

enum external_kind {
    EXTERNAL_HELLO,
    EXTERNAL_RESULTS,
    EXTERNAL_HEARTBEAT,
    EXTERNAL_ERROR,
    EXTERNAL_BYE
};

typedef struct external_hello { /* what a peer is */
    int64_t version;
    unsigned roles;   /* engine_role bits */
    uint32_t credits; /* samples, scores or verdicts it takes at once; 1 .. EXTERNAL_CREDITS_MAX */
    uint32_t batch;   /* most tasks of one message; >= 1 */
    uint32_t n;       /* most samples of one task; >= 1 */
    char name[EXTERNAL_WORDS];
} external_hello;

typedef struct external_message {
    enum external_kind kind;
    uint64_t session;
    external_hello hello;
    size_t result_count;
    char text[EXTERNAL_WORDS]; /* ERROR: message; BYE: reason; fit for a terminal */
    bool retryable;            /* ERROR */
    void *root;                /* owned */
} external_message;

/* Errors: ESP_EFORMAT (not JSON, no such type, a field of the wrong kind; the sentence says which), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err external_read (span bytes, external_message *out, esp_error *error);
void external_done (external_message *m); /* accepts one that was not read (zeroed) */

/* The task that result `index` answers; 0: it says none. */
uint64_t external_result_id (const external_message *m, size_t index);

typedef struct external_scores { /* room for the scores of one result */
    double *values;              /* owned by the user of this struct */
    size_t cap;
} external_scores;

/* Sample `sample` (of n) of result `index`, as an answer to the task of j.  *r points into m and room.
 * steps: how many steps the peer was asked to score, from: the first whose score is wanted, own: how many of those are the
 * judged node's own (PRM only; else 0).
 * Errors: ESP_EFORMAT (refused), ESP_EENGINE (the peer says: permanent failure), ESP_EIO (it says: retryable), ESP_ENOMEM;
 * each but the last with a sentence. */
typedef struct external_asked {
    const job *job;
    uint32_t sample, n;
    uint32_t steps, from, own;
} external_asked;
ESP_MUST_CHECK esp_err external_result_read (const external_message *m, size_t index,
                                             const external_asked *asked, external_scores *room,
                                             result *r, esp_error *error);

/* ---- writing ---- */

typedef struct external_greeting {
    uint64_t session;
    unsigned role; /* one engine_role bit */
    int rank;
    double heartbeat_s, silence_s;
} external_greeting;
ESP_MUST_CHECK esp_err external_write_hello (esp_buf *out, const external_greeting *g);
/* "heartbeat" or "bye". */
ESP_MUST_CHECK esp_err external_write_plain (esp_buf *out, const char *type, uint64_t session);
ESP_MUST_CHECK esp_err external_write_cancel (esp_buf *out, uint64_t session, uint64_t id);

/* A message with tasks: begin, a task or more, end. */
ESP_MUST_CHECK esp_err external_write_begin (esp_buf *out, uint64_t session);
/* One job, or n siblings that differ in seed only.  separator: where a PRM's steps end; *asked (job, sample and n aside) says
 * what was asked.  first: no comma in front.  A failed call may have appended a part. */
ESP_MUST_CHECK esp_err external_write_task (esp_buf *out, uint64_t id, const job *const *jobs,
                                            uint32_t n, const char *separator, bool first,
                                            external_asked *asked);
ESP_MUST_CHECK esp_err external_write_end (esp_buf *out);

const char *
external_role_name (unsigned role); /* one engine_role bit: "generator", "prm", "verifier" */

#endif
