/* SPDX-License-Identifier: Apache-2.0 */
/* verifier_code.c - kind `code`: runs the program of a branch against its problem's tests, contained
 *
 * pass     tests-passed
 * fail     tests-failed, program-raised, bad-source, bad-answer, exited, crashed, killed, cpu-limit, file-limit, output-limit
 * unknown  timeout, no-tests, bad-problem, tests-do-not-parse, tests-timeout, tests-crashed, too-many-tests, cannot-compare,
 *          verifier-crashed
 *
 * A program that uses up its CPU time fails; one that is not done in time without that is unknown: the machine may be slow.
 */

#include "worker/verifier/verifiers.h"
#include <math.h>
#include <string.h>
#include <unistd.h>
#include "proto/base/alloc.h"
#include "proto/base/log.h"
#include "worker/engine/fields.h"
#include "worker/verifier/code_pool.h"
#include "worker/verifier/code_row.h"
#include "worker/verifier/job_queue.h"
#include "worker/verifier/verifier_job.h"

enum { GROUP_PROCESSES = 32 }; /* of a program or a judge, with those of the sandbox itself */
enum { JOBS_A_DESK = 3 };      /* credits: one is judged, the others are here when it is done */

enum { BOX_BUBBLEWRAP, BOX_NONE };

struct code_options {
    int64_t processes, memory_mb, cpu_s, output_kb, visible_tests;
    const char *python;
    int sandbox;
    bool packages, visible;
    double timeout_s;
    esp_strings binds;
};

#define AT(field) offsetof (struct code_options, field)
static const esp_option options[] = {
    {"processes", ESP_OPT_INT, AT (processes), "0", 0, CODE_MOST, NULL, "programs",
     "programs that are judged at once by each worker; 0 = as many as there are cores",
     ESP_OPT_FREE, false},
    {"sandbox", ESP_OPT_CHOICE, AT (sandbox), "bubblewrap", 0, 0, "bubblewrap|none", "",
     "what contains the programs; none: nothing, they run with your rights", ESP_OPT_FIXED, false},
    {"python", ESP_OPT_STRING, AT (python), "/usr/bin/python3", 0, 0, NULL, "",
     "Python 3.9 or newer, its whole path; outside /usr its folder must be in binds", ESP_OPT_FIXED,
     false},
    {"packages", ESP_OPT_BOOL, AT (packages), "false", 0, 0, NULL, "",
     "programs may import what is installed for that Python (slower to start)", ESP_OPT_FIXED,
     false},
    {"binds", ESP_OPT_STRINGS, AT (binds), NULL, 0, 0, NULL, "",
     "folders that programs can read, beside /usr", ESP_OPT_FIXED, false},
    {"visible", ESP_OPT_BOOL, AT (visible), "true", 0, 0, NULL, "",
     "strategies that ask for verdicts while they search see the visible tests only; the grade "
     "uses all",
     ESP_OPT_FIXED, false},
    {"visible_tests", ESP_OPT_INT, AT (visible_tests), "1", 1, 10000, NULL, "tests",
     "where a docstring has no examples so many of the first tests are the visible ones",
     ESP_OPT_FIXED, false},
    {"timeout_s", ESP_OPT_DOUBLE, AT (timeout_s), "20", 0.1, 36000, NULL, "s",
     "wall time of one program with all its tests; then its verdict is unknown", ESP_OPT_FREE,
     false},
    {"cpu_s", ESP_OPT_INT, AT (cpu_s), "10", 1, 36000, NULL, "s",
     "CPU time of one program with all its tests; then it fails", ESP_OPT_FIXED, false},
    {"memory_mb", ESP_OPT_INT, AT (memory_mb), "1024", 64, 1 << 20, NULL, "MiB",
     "address space of a program", ESP_OPT_FIXED, false},
    {"output_kb", ESP_OPT_INT, AT (output_kb), "1024", 1, 8192, NULL, "KiB",
     "what a program may print for one test", ESP_OPT_FIXED, false},
    ESP_OPTION_END,
};

struct code {
    engine_setup setup;
    const struct code_options *o;
    sandbox *box;    /* owned */
    code_pool *pool; /* owned */
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
        (err = esp_buf_printf (&v->line, "{\"job\":{\"visible\":%s,\"most_visible\":%lld,\"row\":",
                               j->task.reading == VERIFY_VISIBLE ? "true" : "false",
                               (long long)v->o->visible_tests)) == ESP_OK &&
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

static void code_start (void *state, const job *const *jobs, size_t n)
{
    struct code *v = state;
    job_queue_fill (&v->waiting, &v->setup, jobs, n);
    hand_out (v);
}

static void code_poll (void *state)
{
    struct code *v = state;
    code_pool_poll (v->pool);
    hand_out (v);
}

static void code_cancel (void *state, const job *j)
{
    struct code *v = state;
    if (!job_queue_remove (&v->waiting, j))
        code_pool_cancel (v->pool, j);
}

static size_t code_fds (void *state, int *fds, size_t max)
{
    if (max == 0)
        return 0;
    fds[0] = code_pool_fd (((const struct code *)state)->pool);
    return 1;
}

static uint32_t code_slots (const void *state)
{
    return (uint32_t)((const struct code *)state)->desks * JOBS_A_DESK;
}

static esp_err code_describe (void *state, esp_buf *out)
{
    const struct code *v = state;
    const char *no = sandbox_no_cgroup (v->box);
    return esp_buf_printf (out, "  %zu at once, %s, sandbox %s%s%s\n", v->desks, v->o->python,
                           sandbox_name (v->box), *no ? "; no cgroup: " : "", no);
}

static const char *code_doubt (span json)
{
    switch (code_row_look (json)) {
    case CODE_ROW_BAD:
        return "have tests that cannot be read: their verdicts will be unknown (bad-problem)";
    case CODE_ROW_EMPTY:
        return "have no tests: their verdicts will be unknown (no-tests)";
    case CODE_ROW_GOOD:
        break;
    }
    return NULL;
}

static bool code_hidden_tests (const void *own)
{
    return ((const struct code_options *)own)->visible;
}

/* ---- life ---- */

static void code_close (void *state)
{
    struct code *v = state;
    if (!v)
        return;
    code_pool_destroy (v->pool);
    sandbox_destroy (v->box);
    job_queue_free (&v->waiting);
    esp_buf_free (&v->text);
    esp_buf_free (&v->line);
    esp_free (v);
}

static esp_err open_inside (struct code *v, esp_error *error)
{
    const struct code_options *o = v->o;
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
    pool.box = v->box;
    pool.desks = v->desks;
    if ((err = code_pool_create (&pool, &v->pool, error)) != ESP_OK)
        return err;
    esp_log (LOG_INFO, "VERIFIER-READY", "code: %zu programs at once, sandbox %s", v->desks,
             sandbox_name (v->box));
    return ESP_OK;
}

static esp_err code_open (const engine_setup *setup, void **state, esp_error *error)
{
    struct code *v;
    esp_err err;
    if (!setup || !setup->options || !setup->done || !setup->clock || !state)
        return esp_error_set (error, ESP_EINVAL, "code: incomplete setup");
    if (!(v = esp_calloc (1, sizeof (*v))))
        return esp_error_set (error, ESP_ENOMEM, "code: out of memory");
    v->setup = *setup;
    v->o = setup->options;
    if ((err = open_inside (v, error)) != ESP_OK) {
        code_close (v);
        return err;
    }
    *state = v;
    return ESP_OK;
}

const engine_kind verifier_code = {.name = "code",
                                   .roles = ENGINE_VERIFIER,
                                   .options = options,
                                   .option_bytes = sizeof (struct code_options),
                                   .open = code_open,
                                   .start = code_start,
                                   .poll = code_poll,
                                   .cancel = code_cancel,
                                   .fds = code_fds,
                                   .close = code_close,
                                   .slots = code_slots,
                                   .hidden_tests = code_hidden_tests,
                                   .doubt = code_doubt,
                                   .describe = code_describe};
