/* SPDX-License-Identifier: Apache-2.0 */
/* job_queue.c - see job_queue.h */

#include "worker/verifier/job_queue.h"
#include <assert.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "worker/verifier/verifier_job.h"

esp_err job_queue_add (job_queue *q, const job *j)
{
    if (q->end == q->cap && q->first > q->cap / 2) { /* room in front */
        memmove (q->at, q->at + q->first, (q->end - q->first) * sizeof (*q->at));
        q->end -= q->first;
        q->first = 0;
    }
    if (esp_grow (&q->at, &q->cap, q->end + 1, sizeof (*q->at)) != 0)
        return ESP_ENOMEM;
    q->at[q->end++] = j;
    return ESP_OK;
}

const job *job_queue_take (job_queue *q)
{
    return q->first < q->end ? q->at[q->first++] : NULL;
}

void job_queue_put_back (job_queue *q, const job *j)
{
    assert (q->first > 0);
    q->at[--q->first] = j;
}

bool job_queue_remove (job_queue *q, const job *j)
{
    for (size_t i = q->first; i < q->end; i++)
        if (q->at[i] == j) {
            q->end--;
            memmove (q->at + i, q->at + i + 1, (q->end - i) * sizeof (*q->at));
            return true;
        }
    return false;
}

void job_queue_fill (job_queue *q, const engine_setup *setup, const job *const *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        esp_err err =
            jobs[i]->task.kind == TASK_VERIFY ? job_queue_add (q, jobs[i]) : ESP_EUNSUPPORTED;
        if (err != ESP_OK)
            verifier_fail (setup, jobs[i], err);
    }
}

void job_queue_free (job_queue *q)
{
    esp_free (q->at);
    *q = (job_queue){0};
}
