/* SPDX-License-Identifier: Apache-2.0 */
/* verifier_math_verify.c - kind `math-verify`: the final answer against the reference, by the Python package math-verify
 *
 * pass     right-answer
 * fail     wrong-answer
 * unknown  no-answer, no-reference, cannot-compare, bad-problem, timeout, verifier-crashed
 *
 * Jobs wait here until a process of the pool is idle.  Which of them end as timeouts depends on the machine: the one exception to
 * "same job, same result".
 */

#include "worker/verifier/verifiers.h"
#include <math.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "worker/engine/fields.h"
#include "proto/answer/answer.h"
#include "worker/verifier/job_queue.h"
#include "worker/verifier/verifier_job.h"
#include "worker/verifier/math_verify_pool.h"

enum { JOBS_A_PROCESS = 4 }; /* credits: one works, the others are here when it is done */

struct math_verify_options {
    int64_t processes, memory_mb;
    const char *python;
    double timeout_s;
};

static const esp_option options[] = {
    {.key = "processes",
     .type = ESP_OPT_INT,
     .offset = offsetof (struct math_verify_options, processes),
     .fallback = "2",
     .min = 1,
     .max = MATH_VERIFY_MOST,
     .unit = "processes",
     .help = "Python processes of each worker.",
     .change = ESP_OPT_FREE},
    {.key = "python",
     .type = ESP_OPT_STRING,
     .offset = offsetof (struct math_verify_options, python),
     .fallback = "python3",
     .help = "The Python 3 that has the package math-verify.",
     .change = ESP_OPT_FREE},
    {.key = "timeout_s",
     .type = ESP_OPT_DOUBLE,
     .offset = offsetof (struct math_verify_options, timeout_s),
     .fallback = "5",
     .min = 0.05,
     .max = 3600,
     .unit = "s",
     .help = "Longest time for one answer; then its verdict is unknown.",
     .change = ESP_OPT_FREE},
    {.key = "memory_mb",
     .type = ESP_OPT_INT,
     .offset = offsetof (struct math_verify_options, memory_mb),
     .fallback = "2048",
     .min = 256,
     .max = 1 << 20,
     .unit = "MiB",
     .help = "Address space of one process.",
     .change = ESP_OPT_FREE},
    ESP_OPTION_END};

struct math_verify {
    engine_setup setup;
    const struct math_verify_options *o;
    math_verify_pool *pool; /* owned */
    job_queue waiting;
    esp_buf text, line; /* scratch of one job */
};

/* ---- results ---- */

static void
finish (struct math_verify *v, const job *j, enum verdict verdict, const char *reason, span answer)
{
    const result r = {.id = j->task.id,
                      .logprob = NAN,
                      .mean_logprob = NAN,
                      .share = NAN,
                      .verdict = (uint8_t)verdict,
                      .reason = span_of (reason),
                      .answer = answer};
    v->setup.done (v->setup.ctx, j, &r);
}

/* What votes count: the form of what math-verify read, or of what we find ourselves.  In v->line. */
static span canonical (struct math_verify *v, const job *j, span extracted)
{
    answer_form *form = NULL;
    esp_buf_clear (&v->text);
    esp_buf_clear (&v->line);
    if (extracted.len == 0 && fields_join (j, j->step_count, &v->text) == ESP_OK)
        (void)answer_find (esp_buf_span (&v->text), &extracted);
    if (answer_form_create (extracted, &form) != ESP_OK)
        return span_of ("");
    if (esp_buf_add (&v->line, answer_form_text (form)) != ESP_OK)
        esp_buf_clear (&v->line);
    answer_form_destroy (form);
    return esp_buf_span (&v->line);
}

/* Judged as unknown: the answer is still worth its vote. */
static void finish_unknown (struct math_verify *v, const job *j, const char *reason)
{
    finish (v, j, VERDICT_UNKNOWN, reason, canonical (v, j, span_of ("")));
}

/* ---- jobs ---- */

/* The line of a job in v->line. */
static esp_err write_line (struct math_verify *v, const job *j)
{
    esp_err err;
    esp_buf_clear (&v->text);
    esp_buf_clear (&v->line);
    err = fields_join (j, j->step_count, &v->text);
    if (err == ESP_OK)
        err = math_verify_ask (math_verify_pool_number (v->pool), j->problem,
                               esp_buf_span (&v->text), &v->line);
    return err;
}

/* What needs no process. */
static void finish_unsent (struct math_verify *v, const job *j, esp_err err)
{
    if (err == ESP_ENOENT)
        finish_unknown (v, j, "no-reference");
    else if (err == ESP_EFORMAT)
        finish_unknown (v, j, "bad-problem");
    else if (err == ESP_ETOOBIG)
        finish_unknown (v, j, "cannot-compare");
    else
        verifier_fail (&v->setup, j, err);
}

/* False: there was no process after all, the job waits on. */
static bool give (struct math_verify *v, const job *j)
{
    esp_err err = write_line (v, j);
    if (err != ESP_OK) {
        finish_unsent (v, j, err);
        return true;
    }
    err = math_verify_pool_give (v->pool, j, esp_buf_span (&v->line));
    if (err != ESP_OK && err != ESP_EFULL)
        verifier_fail (&v->setup, j, err);
    return err != ESP_EFULL;
}

/* Jobs to processes; calls of done may add jobs meanwhile. */
static void hand_out (struct math_verify *v)
{
    const job *j;
    while (math_verify_pool_idle (v->pool) && (j = job_queue_take (&v->waiting)) != NULL)
        if (!give (v, j))
            job_queue_put_back (&v->waiting, j);
    while (math_verify_pool_hopeless (v->pool) && (j = job_queue_take (&v->waiting)) != NULL)
        finish_unknown (v, j, "verifier-crashed");
    math_verify_pool_set_timer (v->pool);
}

static void take_reply (void *ctx, const job *j, const math_verify_reply *r, span answer)
{
    struct math_verify *v = ctx;
    finish (v, j, r->verdict, r->reason, canonical (v, j, answer));
}

static void math_verify_start (void *state, const job *const *jobs, size_t n)
{
    struct math_verify *v = state;
    job_queue_fill (&v->waiting, &v->setup, jobs, n);
    hand_out (v);
}

static void math_verify_poll (void *state)
{
    struct math_verify *v = state;
    math_verify_pool_poll (v->pool);
    hand_out (v);
}

static void math_verify_cancel (void *state, const job *j)
{
    struct math_verify *v = state;
    if (!job_queue_remove (&v->waiting, j))
        math_verify_pool_cancel (v->pool, j);
}

static size_t math_verify_fds (void *state, int *fds, size_t max)
{
    const struct math_verify *v = state;
    if (max == 0)
        return 0;
    fds[0] = math_verify_pool_fd (v->pool);
    return 1;
}

static uint32_t math_verify_slots (const void *state)
{
    return (uint32_t)((const struct math_verify *)state)->o->processes * JOBS_A_PROCESS;
}

/* ---- life ---- */

static void math_verify_close (void *state)
{
    struct math_verify *v = state;
    if (!v)
        return;
    math_verify_pool_destroy (v->pool);
    esp_buf_free (&v->text);
    esp_buf_free (&v->line);
    job_queue_free (&v->waiting);
    esp_free (v);
}

static esp_err math_verify_open (const engine_setup *setup, void **state, esp_error *error)
{
    struct math_verify *v;
    math_verify_setup pool;
    esp_err err;
    if (!setup || !setup->options || !setup->done || !setup->clock || !state)
        return esp_error_set (error, ESP_EINVAL, "math-verify: incomplete setup");
    if (!(v = esp_calloc (1, sizeof (*v))))
        return esp_error_set (error, ESP_ENOMEM, "math-verify: out of memory");
    v->setup = *setup;
    v->o = setup->options;
    pool = (math_verify_setup){.python = v->o->python,
                               .processes = (size_t)v->o->processes,
                               .timeout_s = v->o->timeout_s,
                               .memory_mb = v->o->memory_mb,
                               .clock = setup->clock,
                               .reply = take_reply,
                               .ctx = v};
    if ((err = math_verify_pool_create (&pool, &v->pool, error)) != ESP_OK) {
        math_verify_close (v);
        return err;
    }
    *state = v;
    return ESP_OK;
}

const engine_kind verifier_math_verify = {.name = "math-verify",
                                          .roles = ENGINE_VERIFIER,
                                          .options = options,
                                          .option_bytes = sizeof (struct math_verify_options),
                                          .open = math_verify_open,
                                          .start = math_verify_start,
                                          .poll = math_verify_poll,
                                          .cancel = math_verify_cancel,
                                          .fds = math_verify_fds,
                                          .close = math_verify_close,
                                          .slots = math_verify_slots};
