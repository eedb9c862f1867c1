/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_VERIFIER_CODE_REMOTE_H
#define ESP_WORKER_VERIFIER_CODE_REMOTE_H

/* code_remote.h - SandboxFusion servers as the place where candidates run
 *
 * A server gets a program and questions, and gives values back; the judge, which compares, stays here (code_pool.h).  Each run is on its own:
 * nothing of one is left for the next.
 *
 * Ownership: the caller owns the object; runs are its.  Threads: one; done is called from code_remote_poll() only.
 */

#include "worker/engine/engine.h"

typedef struct code_remote code_remote; /* private to code_remote.c */
typedef struct code_run code_run; /* gone after its done call, or after code_remote_cancel() */

typedef struct code_remote_setup {
    const engine_setup *engine; /* outlives the object */
    double timeout_s;           /* of one run */
    int64_t cpu_s, memory_mb, output_bytes;
} code_remote_setup;

/* Errors: those of servers_create. */
ESP_MUST_CHECK esp_err code_remote_create (const code_remote_setup *setup, code_remote **out,
                                           esp_error *error);
void code_remote_destroy (code_remote *r); /* accepts NULL; runs end without a call */

/* question: a line of the judge.  said: {"stdout": .., "ended": how} or {"undecided": why}.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err code_remote_ask (code_remote *r, span question,
                                        void (*done) (void *ctx, span said), void *ctx,
                                        code_run **out);
void code_remote_cancel (code_run *run); /* accepts NULL */

void code_remote_poll (code_remote *r);
int code_remote_fd (const code_remote *r);
uint32_t code_remote_slots (const code_remote *r);
/* As engine_kind's. */
esp_err code_remote_ready (const code_remote *r, esp_error *why);
esp_err code_remote_settled (const code_remote *r, esp_error *why);
esp_err code_remote_describe (const code_remote *r, esp_buf *out);

#endif
