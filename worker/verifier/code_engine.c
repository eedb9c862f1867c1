/* SPDX-License-Identifier: Apache-2.0 */
/* code_engine.c - see code_engine.h: jobs to desks, verdicts to the loop */

#include "worker/verifier/code_engine.h"
#include <math.h>
#include <string.h>
#include <unistd.h>
#include "proto/base/alloc.h"
#include "proto/base/log.h"
#include "worker/engine/fields.h"
#include "worker/verifier/code_remote.h"
#include "worker/verifier/job_queue.h"
#include "worker/verifier/verifier_job.h"

enum { GROUP_PROCESSES = 32 }; /* of a program or a judge, with those of the sandbox itself */
enum { JOBS_A_DESK = 3 };      /* credits: one is judged, the others are here when it is done */

enum { BOX_BUBBLEWRAP, BOX_NONE };

struct code {
    engine_setup setup;
    const code_options *o;
    code_ask what;
    sandbox *box;        /* owned */
    code_remote *remote; /* owned; NULL: programs run here */
    code_pool *pool;     /* owned */
    size_t desks;
    job_queue waiting;
    esp_buf text, line; /* scratch of one job */
};

/* ---- results ---- */

static void finish (struct code *v, const job *j, const code_reply *reply)
{
    const result r = {.id = j->task.id,
                      .logprob = NAN,
                      .mean_logprob = NAN,
                      .share = reply->share,
                      .verdict = reply->verdict,
                      .reason = reply->reason,
                      .answer = reply->answer,
                      .observation = reply->observation};
    v->setup.done (v->setup.ctx, j, &r);
}

static void finish_unknown (struct code *v, const job *j, const char *reason)
{
    const code_reply r = {.verdict = VERDICT_UNKNOWN, .reason = span_of (reason), .share = NAN};
    finish (v, j, &r);
}

static void take_reply (void *ctx, const job *j, const code_reply *r)
{
    finish (ctx, j, r);
}

/* ---- jobs ---- */

static esp_err write_line (struct code *v, const job *j)
{
    esp_err err;
    esp_buf_clear (&v->text);
    esp_buf_clear (&v->line);
    if ((err = fields_join (j, j->step_count, &v->text)) == ESP_OK &&
        (err = esp_buf_printf (&v->line, "{\"job\":{\"most_visible\":%lld,",
                               (long long)v->o->visible_tests)) == ESP_OK &&
        (err = v->what (v->o, j, &v->line)) == ESP_OK &&
        (err = esp_buf_puts (&v->line, "\"row\":")) == ESP_OK &&
        (err = verifier_put_json (&v->line, j->problem)) == ESP_OK &&
        (err = esp_buf_puts (&v->line, ",\"text\":")) == ESP_OK &&
        (err = esp_buf_json_string (&v->line, esp_buf_span (&v->text))) == ESP_OK)
        err = esp_buf_puts (&v->line, "}}");
    return err;
}

/* False: there was no desk after all, the job waits on. */
static bool give (struct code *v, const job *j)
{
    esp_err err = write_line (v, j);
    if (err == ESP_OK)
        err = code_pool_give (v->pool, j, esp_buf_span (&v->line));
    if (err == ESP_EFULL)
        return false;
    if (err != ESP_OK)
        verifier_fail (&v->setup, j, err);
    return true;
}

/* Jobs to desks; calls of done may add jobs meanwhile. */
static void hand_out (struct code *v)
{
    const job *j;
    while (code_pool_idle (v->pool) && (j = job_queue_take (&v->waiting)) != NULL)
        if (!give (v, j))
            job_queue_put_back (&v->waiting, j);
    while (code_pool_hopeless (v->pool) && (j = job_queue_take (&v->waiting)) != NULL)
        finish_unknown (v, j, "verifier-crashed");
    code_pool_set_timer (v->pool);
}

void code_engine_start (void *state, const job *const *jobs, size_t n)
{
    struct code *v = state;
    job_queue_fill (&v->waiting, &v->setup, jobs, n);
    hand_out (v);
}

void code_engine_poll (void *state)
{
    struct code *v = state;
    if (v->remote)
        code_remote_poll (v->remote);
    code_pool_poll (v->pool);
    hand_out (v);
}

void code_engine_cancel (void *state, const job *j)
{
    struct code *v = state;
    if (!job_queue_remove (&v->waiting, j))
        code_pool_cancel (v->pool, j);
}

size_t code_engine_fds (void *state, int *fds, size_t max)
{
    const struct code *v = state;
    if (max == 0)
        return 0;
    fds[0] = code_pool_fd (v->pool);
    if (!v->remote || max == 1)
        return 1;
    fds[1] = code_remote_fd (v->remote);
    return 2;
}

uint32_t code_engine_slots (const void *state)
{
    const struct code *v = state;
    uint32_t mine = (uint32_t)v->desks * JOBS_A_DESK;
    uint32_t theirs = v->remote ? code_remote_slots (v->remote) : mine;
    return mine < theirs ? mine : theirs;
}

esp_err code_engine_describe (void *state, esp_buf *out)
{
    const struct code *v = state;
    const char *no = sandbox_no_cgroup (v->box);
    esp_err err =
        esp_buf_printf (out, "  %zu at once, %s, sandbox %s%s%s\n", v->desks, v->o->python,
                        sandbox_name (v->box), *no ? "; no cgroup: " : "", no);
    return err == ESP_OK && v->remote ? code_remote_describe (v->remote, out) : err;
}

esp_err code_engine_ready (void *state, esp_error *why)
{
    return code_remote_ready (((const struct code *)state)->remote, why);
}

esp_err code_engine_settled (void *state, esp_error *why)
{
    return code_remote_settled (((const struct code *)state)->remote, why);
}

/* ---- life ---- */

void code_engine_close (void *state)
{
    struct code *v = state;
    if (!v)
        return;
    code_pool_destroy (v->pool);
    code_remote_destroy (v->remote);
    sandbox_destroy (v->box);
    job_queue_free (&v->waiting);
    esp_buf_free (&v->text);
    esp_buf_free (&v->line);
    esp_free (v);
}

static esp_err open_remote (struct code *v, esp_error *error)
{
    const code_remote_setup setup = {.engine = &v->setup,
                                     .timeout_s = v->o->timeout_s,
                                     .cpu_s = v->o->cpu_s,
                                     .memory_mb = v->o->memory_mb,
                                     .output_bytes = v->o->output_kb * 1024};
    return code_remote_create (&setup, &v->remote, error);
}

static esp_err open_inside (struct code *v, esp_error *error)
{
    const code_options *o = v->o;
    const sandbox_setup box = {.section = "verifier",
                               .bare = o->sandbox == BOX_NONE,
                               .binds = o->binds.items,
                               .group_memory_mb = o->memory_mb,
                               .group_processes = GROUP_PROCESSES,
                               .bind_count = o->binds.count};
    code_pool_setup pool = {.python = o->python,
                            .packages = o->packages,
                            .timeout_s = o->timeout_s,
                            .cpu_s = o->cpu_s,
                            .memory_mb = o->memory_mb,
                            .output_bytes = o->output_kb * 1024,
                            .clock = v->setup.clock,
                            .reply = take_reply,
                            .ctx = v};
    long cores = sysconf (_SC_NPROCESSORS_ONLN);
    esp_err err;
    v->desks = o->processes > 0 ? (size_t)o->processes : cores > 0 ? (size_t)cores : 1;
    v->desks = v->desks < CODE_MOST ? v->desks : CODE_MOST;
    if ((err = sandbox_create (&box, &v->box, error)) != ESP_OK)
        return err;
    if (v->setup.kind->http && (err = open_remote (v, error)) != ESP_OK)
        return err;
    pool.box = v->box;
    pool.remote = v->remote;
    pool.desks = v->desks;
    if ((err = code_pool_create (&pool, &v->pool, error)) != ESP_OK)
        return err;
    esp_log (LOG_INFO, "VERIFIER-READY", "%s: %zu programs at once, sandbox %s",
             v->setup.kind->name, v->desks, sandbox_name (v->box));
    return ESP_OK;
}

esp_err code_engine_open (const engine_setup *setup, code_ask what, void **state, esp_error *error)
{
    struct code *v;
    esp_err err;
    if (!setup || !setup->options || !setup->done || !setup->clock || !state)
        return esp_error_set (error, ESP_EINVAL, "code: incomplete setup");
    if (!(v = esp_calloc (1, sizeof (*v))))
        return esp_error_set (error, ESP_ENOMEM, "code: out of memory");
    v->setup = *setup;
    v->what = what;
    v->o = setup->options;
    if ((err = open_inside (v, error)) != ESP_OK) {
        code_engine_close (v);
        return err;
    }
    *state = v;
    return ESP_OK;
}
