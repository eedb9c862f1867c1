/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_LOOP_H
#define ESP_WORKER_LOOP_H

/* loop.h - a worker: batches in, engines fed, results out
 *
 * An event loop over asynchronous engines (design.md, D7).  It holds a lease towards the coordinator: when that one is silent for too long, or
 * gone, the worker leaves by itself.  It keeps the texts of problems it works on and says MISSING when
 * it is asked about one it does not have.
 *
 * READY is said when every engine's ready() agrees, and again whenever the number of jobs that they want changes (0: their servers
 * are out).  A worker whose engines cannot work says so once and stays until it is told to leave: under MPI a rank
 * that ends by itself may take the others along.
 *
 * Threads: one.
 */

#include "proto/link/link.h"
#include "worker/engine/engine.h"

typedef struct worker_engines { /* one engine per task kind; kind NULL = cannot do it */
    struct {
        const engine_kind *kind;
        void *state;
    } of[TASK_KINDS];
    uint32_t slots[TASK_KINDS]; /* jobs in flight by the run file; 0 = the engine's own number */
    char line[160];             /* for the coordinator's log: "embedded, embedded, puzzle" */
    void *owner;                /* of whoever opened them */
} worker_engines;

typedef struct worker_setup {
    link_end *link;         /* borrowed */
    const esp_clock *clock; /* borrowed */
    uint64_t version;       /* of program and wire */
    double patience_s;      /* how long to wait for the coordinator's first word */
    /* Open the engines of this run file; base has done, ctx, clock, rank and local_rank filled.  Errors: the sentence goes to the coordinator. */
    esp_err (*open) (void *ctx, span run_file, const engine_setup *base, worker_engines *out,
                     esp_error *error);
    void (*close) (void *ctx, worker_engines *engines);
    void *ctx;
    size_t store_bytes; /* texts kept; 0 = 64 MiB */
} worker_setup;

enum worker_end {
    WORKER_RUNS,
    WORKER_TOLD, /* the coordinator said stop */
    WORKER_ALONE /* the coordinator is gone or silent */
};

typedef struct worker_loop worker_loop;

/* Sends HELLO.  The setup is copied.  Errors: ESP_ENOMEM, ESP_EINVAL. */
ESP_MUST_CHECK esp_err worker_loop_create (const worker_setup *setup, worker_loop **out);
void worker_loop_destroy (worker_loop *w); /* accepts NULL; closes the engines */

/* One pass; *busy: something moved, do not sleep.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err worker_loop_pass (worker_loop *w, bool *busy);
/* Sleep until something may have happened, at most timeout_ns. */
void worker_loop_wait (worker_loop *w, uint64_t timeout_ns);
enum worker_end worker_loop_end (const worker_loop *w);
uint32_t worker_loop_in_flight (const worker_loop *w);
/* Its engines are open and not yet ready: they talk to servers, so sleep by worker_loop_wait. */
bool worker_loop_prepares (const worker_loop *w);

#endif
