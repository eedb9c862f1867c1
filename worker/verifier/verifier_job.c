/* SPDX-License-Identifier: Apache-2.0 */
/* verifier_job.c - joins the branch's text and hands the verdict on */

#include "worker/verifier/verifier_job.h"
#include <math.h>
#include "proto/base/alloc.h"
#include "worker/engine/fields.h"

struct verifier {
    engine_setup setup;
    esp_buf text, scratch; /* of one job */
};

esp_err verifier_job_open (const engine_setup *setup, void **state, esp_error *error)
{
    struct verifier *v;
    if (!setup || !setup->done || !state)
        return esp_error_set (error, ESP_EINVAL, "verifier: incomplete setup");
    if (!(v = esp_calloc (1, sizeof (*v))))
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    v->setup = *setup;
    *state = v;
    return ESP_OK;
}

void verifier_job_close (void *state)
{
    struct verifier *v = state;
    if (!v)
        return;
    esp_buf_free (&v->text);
    esp_buf_free (&v->scratch);
    esp_free (v);
}

void verifier_fail (const engine_setup *setup, const job *j, esp_err err)
{
    const result r = {
        .id = j->task.id, .error = err, .logprob = NAN, .mean_logprob = NAN, .share = NAN};
    setup->done (setup->ctx, j, &r);
}

esp_err verifier_put_json (esp_buf *out, span json)
{
    size_t from = out->len;
    esp_err err = esp_buf_add (out, json);
    for (size_t i = from; i < out->len && err == ESP_OK; i++)
        if (out->data[i] == '\n' || out->data[i] == '\r')
            out->data[i] = ' ';
    return err;
}

static void judge_job (struct verifier *v, verifier_judge judge, const job *j)
{
    result r = {.id = j->task.id, .logprob = NAN, .mean_logprob = NAN, .share = NAN};
    esp_err err = j->task.kind == TASK_VERIFY ? ESP_OK : ESP_EUNSUPPORTED;
    esp_buf_clear (&v->text);
    esp_buf_clear (&v->scratch);
    r.verdict = VERDICT_UNKNOWN;
    if (err == ESP_OK)
        err = fields_join (j, j->step_count, &v->text);
    if (err == ESP_OK)
        err = judge (j->problem, esp_buf_span (&v->text), &v->scratch, &r);
    if (err != ESP_OK)
        verifier_fail (&v->setup, j, err);
    else
        v->setup.done (v->setup.ctx, j, &r);
}

void verifier_job_start (void *state, verifier_judge judge, const job *const *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        judge_job (state, judge, jobs[i]);
}
