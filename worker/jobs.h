/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_JOBS_H
#define ESP_WORKER_JOBS_H

/* jobs.h - the tasks of a worker, from the batch that brings them to the results that wait for the link
 *
 * A task of a batch becomes a job with all its texts and goes to the engine of its kind; when the engine is done,
 * the result waits here until the link took it.  A task whose texts are not all here is noted as missing instead.
 *
 * Ownership: owns the jobs, the store of texts, and results with their texts; engines are the caller's.
 * Errors:    engines call back and cannot be told: running out of memory is kept, see jobs_no_memory.
 * Threads:   none.
 */

#include "proto/wire/wire.h"
#include "worker/loop.h"

typedef struct jobs jobs;

/* engines: borrowed; what they can do is looked up when a batch comes.  store_bytes: see store.h.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err jobs_create (const esp_clock *clock, const worker_engines *engines,
                                    size_t store_bytes, jobs **out);
/* Accepts NULL.  Close the engines before: no done call into what is freed. */
void jobs_destroy (jobs *j);

void jobs_done (void *ctx, const job *j, const result *r); /* engine_setup.done; ctx: the jobs */
void jobs_batch (jobs *j, const wire_message *batch);
void jobs_cancel (jobs *j, const wire_message *cancel); /* those that are not done yet */

const uint32_t *jobs_in_flight (const jobs *j); /* by task kind */
bool jobs_moved (jobs *j);                      /* did a job end since this was last asked? */
bool jobs_no_memory (const jobs *j);            /* a job was lost: give up */

/* Results that wait, in the order in which jobs ended; valid until the next call that changes them. */
const wire_result *jobs_ready (const jobs *j, size_t *count);
void jobs_ready_spoil (jobs *j, size_t index); /* make it an error: the wire refuses it */
void jobs_ready_sent (jobs *j, size_t sent);   /* drop the first ones */

/* engine_setup.progress; ctx: the jobs.  Kept while somebody watches, and at most 4 times a second and task: its last bytes. */
void jobs_progress (void *ctx, const job *j, span text);
void jobs_watched (jobs *j, bool watched);
/* The next partial text that waits, as a PROGRESS message; false: none. */
bool jobs_progress_next (jobs *j, wire_message *out);
void jobs_progress_forget (jobs *j); /* drop what waits: an observer may miss it */

/* Tasks to ask for again. */
const task_id *jobs_missing (const jobs *j, size_t *count);
void jobs_missing_sent (jobs *j);

#endif
