/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_VERIFIER_LINE_POOL_H
#define ESP_WORKER_VERIFIER_LINE_POOL_H

/* line_pool.h - a few processes that are told a job in one line and answer it in one, and the jobs that wait for them
 *
 * A job that takes longer than timeout_s is lost, "timeout": its process is killed, with all that it started, and another one is
 * started.  A job whose process ends or talks nonsense is lost, "verifier-crashed".  After several of these in a row processes are started less and
 * less often, and jobs do not wait for them any more until one answers.
 *
 * Nothing waits, but create, for the first process to greet.
 * Ownership: jobs are borrowed until answer or lost was called for them, or cancel.  Threads: one.
 */

#include "worker/engine/engine.h"
#include "worker/sandbox/line_process.h"

enum { LINE_POOL_MOST = 256 }; /* processes */

typedef struct line_pool line_pool; /* private to line_pool.c */

enum line_pool_use {
    LINE_POOL_DONE,    /* the job has its result; the process is free */
    LINE_POOL_NOBODYS, /* it answers something else: the job waits on */
    LINE_POOL_NONSENSE /* the process is no use any more; lost() follows */
};

typedef struct line_pool_setup {
    const engine_setup *engine; /* for errors of jobs and the clock; outlives the pool */
    const char *name;           /* for the log: "math-verify (python3)"; outlives the pool */
    size_t processes;           /* 1..LINE_POOL_MOST */
    double timeout_s;           /* of one job, from the moment it is told */
    bool
        once; /* a process is started for each job; its input ends behind the job's line, and it is killed when it has answered */
    void *ctx; /* of what follows; all is called from inside start and poll only */
    esp_err (*start) (void *ctx, line_process **out, esp_error *error);
    /* What a process says before it takes jobs; empty: it ended.  Not with once.  NULL: nothing.  The sentence is the caller's of create. */
    esp_err (*greeting) (void *ctx, span line, esp_error *error);
    /* The job's line into the empty *line.  False: the job has its result already. */
    bool (*write) (void *ctx, const job *j, uint64_t number, esp_buf *line);
    /* j: NULL, nobody waits for it any more (cancelled, or it has its result). */
    enum line_pool_use (*answer) (void *ctx, const job *j, uint64_t number, span line);
    void (*lost) (void *ctx, const job *j, const char *reason);
} line_pool_setup;

/* The first process is started, but with once.  Errors with a sentence: those of start and greeting, ESP_ETIMEOUT, ESP_EIO, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err line_pool_create (const line_pool_setup *setup, line_pool **out,
                                         esp_error *error);
void line_pool_destroy (line_pool *v); /* accepts NULL; kills what runs */

void line_pool_start (line_pool *v, const job *const *jobs, size_t n);
void line_pool_poll (line_pool *v);
void line_pool_cancel (line_pool *v, const job *j); /* nothing is called for it any more */
int line_pool_fd (const line_pool *v);              /* sleep on it */
uint32_t line_pool_slots (
    const line_pool
        *v); /* jobs that keep it busy: one works, the others are here when it is done */

#endif
