/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_VERIFIER_JOB_QUEUE_H
#define ESP_WORKER_VERIFIER_JOB_QUEUE_H

/* job_queue.h - jobs that wait for a free process, in order of arrival
 *
 * Zero-initialised it is empty.  Ownership: the jobs are borrowed.  Threads: none.
 */

#include "worker/engine/engine.h"

typedef struct job_queue {
    const job **at; /* owned */
    size_t first, end, cap;
} job_queue;

ESP_MUST_CHECK esp_err job_queue_add (job_queue *q, const job *j); /* ESP_ENOMEM */
static inline bool job_queue_any (const job_queue *q)
{
    return q->first < q->end;
}
const job *job_queue_take (job_queue *q);             /* the first; NULL: empty */
void job_queue_put_back (job_queue *q, const job *j); /* the one that was just taken */
bool job_queue_remove (job_queue *q, const job *j);   /* was it there? */
/* Add those that are verifications; the others, and what memory fails for, end with an error. */
void job_queue_fill (job_queue *q, const engine_setup *setup, const job *const *jobs, size_t n);
void job_queue_free (job_queue *q);

#endif
