/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_VERIFIER_MATH_VERIFY_POOL_H
#define ESP_WORKER_VERIFIER_MATH_VERIFY_POOL_H

/* math_verify_pool.h - a few Python processes with math-verify, one job at a time each
 *
 * A job that takes longer than timeout_s is unknown, "timeout": its process is killed and started anew, for nothing less stops Python
 * in the midst of big integers.  A process that ends or talks nonsense makes its job unknown, "verifier-crashed".
 * After several of these in a row processes are started less and less often, and the pool is hopeless until one replies.
 *
 * Nothing waits, but create, for the first process to be ready.
 * Ownership: jobs are borrowed until their reply or cancel.  Threads: one.
 */

#include "worker/engine/engine.h"
#include "worker/verifier/math_verify_line.h"

enum { MATH_VERIFY_MOST = 64 }; /* processes */

typedef struct math_verify_pool math_verify_pool; /* private to math_verify_pool.c */

typedef struct math_verify_setup {
    const char *python;     /* looked up in PATH; borrowed */
    size_t processes;       /* 1..MATH_VERIFY_MOST */
    double timeout_s;       /* of one job */
    int64_t memory_mb;      /* address space of a process */
    const esp_clock *clock; /* borrowed */
    /* From inside poll only; answer: what the script took for the answer, empty: nothing. */
    void (*reply) (void *ctx, const job *j, const math_verify_reply *r, span answer);
    void *ctx;
} math_verify_setup;

/* Errors with a sentence that says what to install: ESP_ENOENT (no such program), ESP_EENGINE (no such package), ESP_ETIMEOUT, ESP_EIO, ESP_EPERMISSION,
 * ESP_ENOMEM. */
ESP_MUST_CHECK esp_err math_verify_pool_create (const math_verify_setup *setup,
                                                math_verify_pool **out, esp_error *error);
void math_verify_pool_destroy (math_verify_pool *v); /* accepts NULL; kills what runs */

bool math_verify_pool_idle (math_verify_pool *v); /* is there a process without a job? */
uint64_t math_verify_pool_number (const math_verify_pool *v); /* for the line of the next job */
/* Errors: ESP_EFULL (no process after all), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err math_verify_pool_give (math_verify_pool *v, const job *j, span line);
void math_verify_pool_cancel (math_verify_pool *v, const job *j); /* its reply is dropped */
bool math_verify_pool_hopeless (const math_verify_pool *v);       /* do not wait for a process */

void math_verify_pool_poll (math_verify_pool *v);
void math_verify_pool_set_timer (
    math_verify_pool *v); /* after changes: makes the descriptor readable in time */
int math_verify_pool_fd (const math_verify_pool *v); /* sleep on it */

#endif
