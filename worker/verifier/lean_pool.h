/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_VERIFIER_LEAN_POOL_H
#define ESP_WORKER_VERIFIER_LEAN_POOL_H

/* lean_pool.h - a few Lean 4 REPLs that stay, one job at a time each
 *
 * A header (imports cost seconds) is compiled once in each process; its environment is used again.  A process is killed when it takes too
 * long, ends or talks nonsense, and after `uses` jobs, for its memory grows; others are started when they are needed, after failures
 * less and less often.
 *
 *     we say   {"cmd": "import Mathlib"}          an empty line      it says   {"env": 0}   over several lines, an empty line
 *              {"cmd": "theorem ..", "env": 0}                                 {"env": 1, "messages": [..]}
 *
 * Nothing waits, but the destructor.  Ownership: jobs are borrowed until their reply or cancel.  Threads: one.
 * Source: the REPL's README and Main.lean.
 */

#include <jansson.h>
#include "worker/engine/engine.h"
#include "worker/sandbox/sandbox.h"
#include "worker/verifier/lean_text.h"

enum { LEAN_MOST = 64 }; /* processes */

typedef struct lean_pool lean_pool; /* private to lean_pool.c */

enum lean_end { LEAN_SAID, LEAN_TIMEOUT, LEAN_CRASHED, LEAN_HEADER /* it has errors */ };

typedef struct lean_pool_setup {
    const sandbox *box;         /* borrowed, as are the texts */
    const char *command;        /* for /bin/sh */
    const char *folder;         /* it runs there */
    size_t processes;           /* 1..LEAN_MOST */
    int64_t uses;               /* jobs of one process */
    double timeout_s, header_s; /* of one job, of its header */
    const sandbox_limits *limits;
    const esp_clock *clock;
    /* From inside poll only.  said: borrowed, NULL but for LEAN_SAID. */
    void (*reply) (void *ctx, const job *j, const lean_case *c, enum lean_end end,
                   const json_t *said);
    void *ctx;
} lean_pool_setup;

/* Starts no process.  Errors with a sentence: ESP_EIO, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err lean_pool_create (const lean_pool_setup *setup, lean_pool **out,
                                         esp_error *error);
void lean_pool_destroy (lean_pool *p); /* accepts NULL; kills what runs */

bool lean_pool_idle (const lean_pool *p); /* is there a place without a job? */
/* Errors: ESP_EFULL (no place after all), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err lean_pool_give (lean_pool *p, const job *j, const lean_case *c, span header,
                                       span body);
void lean_pool_cancel (lean_pool *p, const job *j); /* its reply is dropped */
bool lean_pool_hopeless (const lean_pool *p);       /* do not wait for a place */

void lean_pool_poll (lean_pool *p);
void lean_pool_set_timer (lean_pool *p); /* after changes: makes the descriptor readable in time */
int lean_pool_fd (const lean_pool *p);   /* sleep on it */

#endif
