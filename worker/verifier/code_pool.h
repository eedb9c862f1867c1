/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_VERIFIER_CODE_POOL_H
#define ESP_WORKER_VERIFIER_CODE_POOL_H

/* code_pool.h - a few desks at which programs are judged, one job at a time each
 *
 *     judge (code_judge.py, lives on)  -- question -->  we  -- question -->  candidate (code_runner.py, one for each job)
 *                                      <-- answer ---       <-- answer ---
 *
 * Both are contained, apart from each other.  The judge runs the tests and compares; the candidate's process holds no expected value
 * and only returns values, which the judge takes for data.  We pass lines on and hold the clock.
 *
 * Nothing waits, but create, for the first judge to be ready.
 * Ownership: jobs are borrowed until their reply or cancel.  Threads: one.
 */

#include "worker/engine/engine.h"
#include "worker/sandbox/sandbox.h"

enum { CODE_MOST = 256 }; /* desks */

typedef struct code_pool code_pool; /* private to code_pool.c */

typedef struct code_reply {
    uint8_t verdict; /* enum verdict */
    span reason, observation;
    span answer;  /* a word for what the program does; "": none */
    double share; /* NaN: no test ran */
} code_reply;

typedef struct code_pool_setup {
    const sandbox *box;         /* borrowed */
    struct code_remote *remote; /* where candidates run; NULL: in the box.  Outlives the pool */
    const char *python;         /* whole path */
    size_t desks;               /* 1..CODE_MOST */
    bool packages;              /* with the packages of that Python */
    double timeout_s;           /* of one job; then it is unknown, "timeout" */
    int64_t cpu_s;              /* of a program; then it fails, "cpu-limit" */
    int64_t memory_mb;          /* of a program */
    int64_t output_bytes;       /* of a program that writes to its standard output */
    const esp_clock *clock;
    void (*reply) (void *ctx, const job *j, const code_reply *r); /* from inside poll only */
    void *ctx;
} code_pool_setup;

/* Errors with a sentence: ESP_ENOENT, ESP_EENGINE (this Python is no use), ESP_ETIMEOUT, ESP_EIO, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err code_pool_create (const code_pool_setup *setup, code_pool **out,
                                         esp_error *error);
void code_pool_destroy (code_pool *c); /* accepts NULL; kills what runs */

bool code_pool_idle (code_pool *c); /* is there a free desk? */
/* line: {"job": ..} of code_judge.py.  Errors: ESP_EFULL (no desk after all), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err code_pool_give (code_pool *c, const job *j, span line);
void code_pool_cancel (code_pool *c, const job *j); /* its reply is dropped */
bool code_pool_hopeless (const code_pool *c);       /* do not wait for a desk */

void code_pool_poll (code_pool *c);
void code_pool_set_timer (code_pool *c); /* after changes: makes the descriptor readable in time */
int code_pool_fd (const code_pool *c);   /* sleep on it */

extern const char code_judge_script[], code_runner_script[]; /* compiled in */

#endif
