/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_VERIFIER_COQ_POOL_H
#define ESP_WORKER_VERIFIER_COQ_POOL_H

/* coq_pool.h - a few proofs that are compiled at once, each in a sandbox of its own (coq_run.sh)
 *
 * One job is one sandbox: the candidate's file is compiled, then the check in a folder that the first compilation did not see.  What
 * coqc says of each comes back as bytes; coq_reply.h makes a verdict of it.
 *
 * Nothing waits, but coq_pool_wait and coq_pool_version (before a run starts) and the destructor.
 * Ownership: jobs are borrowed until their reply or cancel.  Threads: one.
 */

#include "worker/engine/engine.h"
#include "worker/sandbox/sandbox.h"
#include "worker/verifier/coq_text.h"

enum { COQ_MOST = 256 }; /* proofs at once */

typedef struct coq_pool coq_pool; /* private to coq_pool.c */

enum coq_end {
    COQ_SAID,    /* status and output of `file` */
    COQ_TIMEOUT, /* wall time */
    COQ_CRASHED  /* the sandbox ended without a word, or could not be started */
};

typedef struct coq_outcome {
    enum coq_end end;
    bool check; /* of the check; else of the candidate, which then failed */
    int status; /* of coqc, as a shell has it: 128 + signal */
    span output;
} coq_outcome;

typedef struct coq_pool_setup {
    const sandbox *box;  /* borrowed */
    const char *program; /* coqc, its whole path; borrowed */
    size_t places;       /* 1..COQ_MOST */
    double timeout_s;    /* of one job */
    sandbox_limits limits;
    const esp_clock *clock;
    /* From inside poll only. */
    void (*reply) (void *ctx, const job *j, const coq_case *c, const coq_outcome *o);
    void *ctx;
} coq_pool_setup;

/* Errors with a sentence: ESP_EIO, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err coq_pool_create (const coq_pool_setup *setup, coq_pool **out,
                                        esp_error *error);
void coq_pool_destroy (coq_pool *p); /* accepts NULL; kills what runs */

bool coq_pool_idle (coq_pool *p); /* is there a free place? */
/* Errors: ESP_EFULL (no place after all), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err coq_pool_give (coq_pool *p, const job *j, const coq_case *c, span candidate,
                                      span check);
void coq_pool_cancel (coq_pool *p, const job *j); /* it is killed; no reply */
bool coq_pool_hopeless (const coq_pool *p);       /* do not wait for a place */

void coq_pool_poll (coq_pool *p);
void coq_pool_set_timer (coq_pool *p); /* after changes: makes the descriptor readable in time */
int coq_pool_fd (const coq_pool *p);   /* sleep on it */

/* Before the run: compile these and wait.  output: borrowed until the next call.  Errors with a sentence. */
ESP_MUST_CHECK esp_err coq_pool_wait (coq_pool *p, span candidate, span check, coq_outcome *out,
                                      esp_error *error);
/* The first line that the program says to --version, cut to size; empty: it says nothing. */
ESP_MUST_CHECK esp_err coq_pool_version (coq_pool *p, char *out, size_t size, esp_error *error);

extern const char coq_run_script[]; /* compiled in */

#endif
