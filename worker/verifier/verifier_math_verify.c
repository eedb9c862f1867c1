/* SPDX-License-Identifier: Apache-2.0 */
/* verifier_math_verify.c - kind `math-verify`: the final answer against the reference, by the Python package math-verify
 *
 * pass     right-answer
 * fail     wrong-answer
 * unknown  no-answer, no-reference, cannot-compare, bad-problem, timeout, verifier-crashed
 *
 * Which jobs end as timeouts depends on the machine: the one exception to
 * "same job, same result".
 */

#include "worker/verifier/verifiers.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "proto/answer/answer.h"
#include "proto/base/alloc.h"
#include "proto/base/log.h"
#include "worker/engine/fields.h"
#include "worker/verifier/line_pool.h"
#include "worker/verifier/math_verify_line.h"
#include "worker/verifier/verifier_job.h"

enum { PROCESSES_MOST = 64 };

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
     .max = PROCESSES_MOST,
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
    char name[256];           /* of its pool */
    line_pool *pool;          /* owned */
    esp_buf text, line, said; /* scratch of one job; said: what the script took for the answer */
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
static void finish_unknown (void *ctx, const job *j, const char *reason)
{
    struct math_verify *v = ctx;
    finish (v, j, VERDICT_UNKNOWN, reason, canonical (v, j, span_of ("")));
}

/* ---- jobs ---- */

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

static bool write_line (void *ctx, const job *j, uint64_t number, esp_buf *line)
{
    struct math_verify *v = ctx;
    esp_err err;
    esp_buf_clear (&v->text);
    err = fields_join (j, j->step_count, &v->text);
    if (err == ESP_OK)
        err = math_verify_ask (number, j->problem, esp_buf_span (&v->text), line);
    if (err != ESP_OK)
        finish_unsent (v, j, err);
    return err == ESP_OK;
}

/* Nothing but the one line that is due is believed. */
static enum line_pool_use take_answer (void *ctx, const job *j, uint64_t number, span line)
{
    struct math_verify *v = ctx;
    math_verify_reply reply;
    esp_buf_clear (&v->said);
    if (math_verify_read (line, &reply, &v->said) != ESP_OK || reply.number != number)
        return LINE_POOL_NONSENSE;
    if (j)
        finish (v, j, reply.verdict, reply.reason, canonical (v, j, esp_buf_span (&v->said)));
    return LINE_POOL_DONE;
}

static void math_verify_start (void *state, const job *const *jobs, size_t n)
{
    line_pool_start (((struct math_verify *)state)->pool, jobs, n);
}

static void math_verify_poll (void *state)
{
    line_pool_poll (((struct math_verify *)state)->pool);
}

static void math_verify_cancel (void *state, const job *j)
{
    line_pool_cancel (((struct math_verify *)state)->pool, j);
}

static size_t math_verify_fds (void *state, int *fds, size_t max)
{
    if (max == 0)
        return 0;
    fds[0] = line_pool_fd (((const struct math_verify *)state)->pool);
    return 1;
}

static uint32_t math_verify_slots (const void *state)
{
    return line_pool_slots (((const struct math_verify *)state)->pool);
}

static const char *math_verify_doubt (span json)
{
    esp_buf line = {0};
    esp_err err = math_verify_ask (1, json, span_of ("\\boxed{1}"), &line);
    esp_buf_free (&line);
    return err == ESP_ENOENT ? "have no reference answer that can be read: their verdicts will be "
                               "unknown (no-reference)"
           : err == ESP_ETOOBIG
               ? "have a reference answer that is too long: their verdicts will be "
                 "unknown (cannot-compare)"
               : NULL;
}

/* ---- processes ---- */

static esp_err start_python (void *ctx, line_process **out, esp_error *error)
{
    const struct math_verify *v = ctx;
    char parent[32], seconds[32], memory[32];
    const char *const argv[] = {v->o->python, "-c", math_verify_script, parent, seconds,
                                memory,       NULL};
    const line_process_setup setup = {.argv = argv};
    esp_error why = {0};
    esp_err err;
    snprintf (parent, sizeof (parent), "%ld", (long)getpid ());
    snprintf (seconds, sizeof (seconds), "%.3f", v->o->timeout_s);
    snprintf (memory, sizeof (memory), "%lld", (long long)v->o->memory_mb);
    err = line_process_start (&setup, out, &why);
    return err == ESP_OK ? err
                         : esp_error_set (error, err,
                                          "verifier.python: %s; name a Python 3 that has "
                                          "math-verify (pip install math-verify==0.9.0)",
                                          why.text);
}

static esp_err take_greeting (void *ctx, span line, esp_error *error)
{
    const struct math_verify *v = ctx;
    const char *python = v->o->python;
    char version[32] = "", why[256] = "it ended without a word";
    if (line.len > 0)
        snprintf (why, sizeof (why), "it said what was not asked");
    if (math_verify_read_ready (line, version, why) != ESP_OK)
        return esp_error_set (
            error, ESP_EENGINE,
            "verifier.python: %s cannot run math-verify (%s); install it: %s -m pip "
            "install math-verify==0.9.0, or name a Python 3 that has it",
            python, why, python);
    if (!v->pool)
        esp_log (LOG_INFO, "VERIFIER-READY", "math-verify %s by %s", version, python);
    return ESP_OK;
}

/* ---- life ---- */

static void math_verify_close (void *state)
{
    struct math_verify *v = state;
    if (!v)
        return;
    line_pool_destroy (v->pool);
    esp_buf_free (&v->text);
    esp_buf_free (&v->line);
    esp_buf_free (&v->said);
    esp_free (v);
}

static esp_err math_verify_open (const engine_setup *setup, void **state, esp_error *error)
{
    struct math_verify *v;
    line_pool_setup pool;
    esp_err err;
    if (!setup || !setup->options || !setup->done || !setup->clock || !state)
        return esp_error_set (error, ESP_EINVAL, "math-verify: incomplete setup");
    if (!(v = esp_calloc (1, sizeof (*v))))
        return esp_error_set (error, ESP_ENOMEM, "math-verify: out of memory");
    v->setup = *setup;
    v->o = setup->options;
    snprintf (v->name, sizeof (v->name), "math-verify (%.200s)", v->o->python);
    pool = (line_pool_setup){.engine = &v->setup,
                             .name = v->name,
                             .processes = (size_t)v->o->processes,
                             .timeout_s = v->o->timeout_s,
                             .ctx = v,
                             .start = start_python,
                             .greeting = take_greeting,
                             .write = write_line,
                             .answer = take_answer,
                             .lost = finish_unknown};
    if ((err = line_pool_create (&pool, &v->pool, error)) != ESP_OK) {
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
                                          .slots = math_verify_slots,
                                          .doubt = math_verify_doubt};
