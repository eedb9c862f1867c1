/* SPDX-License-Identifier: Apache-2.0 */
/* verifier_command.c - kind `command`: the user's own program says the verdict (docs/verifiers.md)
 *
 * pass, fail, unknown   as it says; its reason, else "command"
 * unknown               bad-answer (its line is no verdict), bad-problem, timeout, verifier-crashed
 *
 * stays     a few processes that live on; an answer without the number of its question is nobody's
 * one-shot  a process for each candidate
 *
 * Which jobs end as timeouts depends on the machine.
 */

#include "worker/verifier/verifiers.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "proto/answer/answer.h"
#include "proto/base/alloc.h"
#include "proto/base/log.h"
#include "worker/engine/fields.h"
#include "worker/verifier/command_program.h"
#include "worker/verifier/line_pool.h"
#include "worker/verifier/verdict_line.h"
#include "worker/verifier/verifier_job.h"

enum { MODE_STAYS, MODE_ONE_SHOT };
enum { BOX_BUBBLEWRAP, BOX_NONE };
enum { LINE_SHOWN = 200 /* bytes of a bad answer in the log */, PROGRAM_PROCESSES = 256 };

struct command_options {
    esp_strings program, binds;
    const char *version;
    int mode, sandbox;
    int64_t processes, memory_mb, cpu_s, line_kb;
    double timeout_s;
};

#define AT(field) offsetof (struct command_options, field)
static const esp_option options[] = {
    {"program", ESP_OPT_STRINGS, AT (program), NULL, 0, 0, NULL, "",
     "the program and its arguments: [python3, verify.py]; files among them are seen inside the "
     "sandbox",
     ESP_OPT_FIXED, false},
    {"mode", ESP_OPT_CHOICE, AT (mode), "stays", 0, 0, "stays|one-shot", "",
     "stays: it answers line after line; one-shot: it is started for each candidate, reads one "
     "line, writes one",
     ESP_OPT_FIXED, false},
    {"version", ESP_OPT_STRING, AT (version), NULL, 0, 0, NULL, "",
     "of the program, for whoever reads the run file later; change it when its verdicts change",
     ESP_OPT_FIXED, false},
    {"processes", ESP_OPT_INT, AT (processes), "2", 1, LINE_POOL_MOST, NULL, "processes",
     "of each worker, one candidate at a time each", ESP_OPT_FREE, false},
    {"sandbox", ESP_OPT_CHOICE, AT (sandbox), "bubblewrap", 0, 0, "bubblewrap|none", "",
     "what contains the program; none: nothing, it runs with your rights", ESP_OPT_FIXED, false},
    {"binds", ESP_OPT_STRINGS, AT (binds), NULL, 0, 0, NULL, "",
     "files and folders that it can read inside, beside /usr and its arguments", ESP_OPT_FIXED,
     false},
    {"timeout_s", ESP_OPT_DOUBLE, AT (timeout_s), "30", 0.05, 36000, NULL, "s",
     "wall time of one candidate; then its verdict is unknown and the process is killed",
     ESP_OPT_FREE, false},
    {"memory_mb", ESP_OPT_INT, AT (memory_mb), "4096", 0, 1 << 20, NULL, "MiB",
     "address space of each of its processes; 0 = no limit", ESP_OPT_FREE, false},
    {"cpu_s", ESP_OPT_INT, AT (cpu_s), "0", 0, 1000000, NULL, "s",
     "CPU time of each of its processes, over its whole life; 0 = no limit", ESP_OPT_FREE, false},
    {"line_kb", ESP_OPT_INT, AT (line_kb), "1024", 1, 16384, NULL, "KiB",
     "longest line that it may say; a longer one makes the verdict unknown", ESP_OPT_FREE, false},
    ESP_OPTION_END,
};

struct command_verifier {
    engine_setup setup;
    const struct command_options *o;
    command_program *program; /* owned */
    line_pool *pool;          /* owned */
    char name[256];           /* of the pool */
    esp_buf text;             /* scratch of one job */
};

/* ---- results ---- */

/* The branch's own answer is worth its vote, whatever the verdict. */
static span own_answer (struct command_verifier *v, const job *j)
{
    span answer = span_of ("");
    esp_buf_clear (&v->text);
    if (fields_join (j, j->step_count, &v->text) == ESP_OK)
        (void)answer_find (esp_buf_span (&v->text), &answer);
    return answer;
}

static void finish (struct command_verifier *v, const job *j, const verdict_line *said)
{
    const result r = {.id = j->task.id,
                      .logprob = NAN,
                      .mean_logprob = NAN,
                      .share = said->share,
                      .verdict = (uint8_t)said->verdict,
                      .reason = said->reason.len > 0 ? said->reason : span_of ("command"),
                      .answer = said->answered ? said->answer : own_answer (v, j),
                      .observation = said->observation};
    v->setup.done (v->setup.ctx, j, &r);
}

static void finish_unknown (void *ctx, const job *j, const char *reason)
{
    const verdict_line none = {
        .verdict = VERDICT_UNKNOWN, .share = NAN, .reason = span_of (reason)};
    finish (ctx, j, &none);
}

/* ---- jobs ---- */

static bool write_line (void *ctx, const job *j, uint64_t number, esp_buf *line)
{
    struct command_verifier *v = ctx;
    esp_err err;
    esp_buf_clear (&v->text);
    err = fields_join (j, j->step_count, &v->text);
    if (err == ESP_OK)
        err = verdict_line_write (number, j->problem, esp_buf_span (&v->text), line);
    if (err == ESP_EFORMAT)
        finish_unknown (v, j, "bad-problem");
    else if (err != ESP_OK)
        verifier_fail (&v->setup, j, err);
    return err == ESP_OK;
}

static void tell_bad_answer (const struct command_verifier *v, span line, const char *why)
{
    char shown[LINE_SHOWN + 1];
    snprintf (shown, sizeof (shown), "%.*s", (int)(line.len < LINE_SHOWN ? line.len : LINE_SHOWN),
              line.ptr);
    esp_text_scrub (shown);
    esp_log (LOG_WARN, "VERIFIER-BAD-ANSWER", "%s: %s; it said: %s", v->name, why, shown);
}

/* What is no verdict costs the job that is there; its process lives on, and its true answer, if that still comes, is nobody's. */
static enum line_pool_use take_answer (void *ctx, const job *j, uint64_t number, span line)
{
    struct command_verifier *v = ctx;
    const char *why = NULL;
    verdict_line said;
    esp_err err = verdict_line_read (line, &said, &why);
    if (err == ESP_OK && !said.numbered && v->o->mode == MODE_STAYS) {
        verdict_line_free (&said);
        why = "there is no id: say the one that came with the question";
        err = ESP_EFORMAT;
    }
    if (err != ESP_OK) {
        tell_bad_answer (v, line, why);
        if (!j)
            return LINE_POOL_NOBODYS;
        finish_unknown (v, j, "bad-answer");
        return LINE_POOL_DONE;
    }
    if (said.numbered && said.number != number) {
        verdict_line_free (&said);
        return LINE_POOL_NOBODYS;
    }
    if (j)
        finish (v, j, &said);
    verdict_line_free (&said);
    return LINE_POOL_DONE;
}

static esp_err start_program (void *ctx, line_process **out, esp_error *error)
{
    return command_program_start (((const struct command_verifier *)ctx)->program, out, error);
}

/* ---- the engine ---- */

static void command_start (void *state, const job *const *jobs, size_t n)
{
    line_pool_start (((struct command_verifier *)state)->pool, jobs, n);
}

static void command_poll (void *state)
{
    line_pool_poll (((struct command_verifier *)state)->pool);
}

static void command_cancel (void *state, const job *j)
{
    line_pool_cancel (((struct command_verifier *)state)->pool, j);
}

static size_t command_fds (void *state, int *fds, size_t max)
{
    if (max == 0)
        return 0;
    fds[0] = line_pool_fd (((const struct command_verifier *)state)->pool);
    return 1;
}

static uint32_t command_slots (const void *state)
{
    return line_pool_slots (((const struct command_verifier *)state)->pool);
}

static esp_err command_describe (void *state, esp_buf *out)
{
    const struct command_verifier *v = state;
    const struct command_options *o = v->o;
    return esp_buf_printf (out, "  %s%s%s, %lld at once%s, sandbox %s\n",
                           command_program_path (v->program), o->version ? " version " : "",
                           o->version ? o->version : "", (long long)o->processes,
                           o->mode == MODE_ONE_SHOT ? ", started for each candidate" : "",
                           command_program_sandbox (v->program));
}

static void command_close (void *state)
{
    struct command_verifier *v = state;
    if (!v)
        return;
    line_pool_destroy (v->pool);
    command_program_destroy (v->program);
    esp_buf_free (&v->text);
    esp_free (v);
}

static esp_err open_inside (struct command_verifier *v, esp_error *error)
{
    const struct command_options *o = v->o;
    bool bare = o->sandbox == BOX_NONE;
    const command_program_setup program = {.words = o->program,
                                           .binds = o->binds,
                                           .bare = bare,
                                           .limits = {.memory_mb = o->memory_mb,
                                                      .cpu_s = o->cpu_s,
                                                      .processes = bare ? 0 : PROGRAM_PROCESSES},
                                           .line_most = (size_t)o->line_kb * 1024};
    line_pool_setup pool = {.engine = &v->setup,
                            .name = v->name,
                            .processes = (size_t)o->processes,
                            .timeout_s = o->timeout_s,
                            .once = o->mode == MODE_ONE_SHOT,
                            .ctx = v,
                            .start = start_program,
                            .write = write_line,
                            .answer = take_answer,
                            .lost = finish_unknown};
    esp_err err = command_program_create (&program, &v->program, error);
    if (err != ESP_OK)
        return err;
    snprintf (v->name, sizeof (v->name), "command (%.200s)", command_program_path (v->program));
    if ((err = line_pool_create (&pool, &v->pool, error)) != ESP_OK)
        return err;
    esp_log (LOG_INFO, "VERIFIER-READY", "%s%s%s, sandbox %s", v->name,
             o->version ? " version " : "", o->version ? o->version : "",
             command_program_sandbox (v->program));
    return ESP_OK;
}

static esp_err command_open (const engine_setup *setup, void **state, esp_error *error)
{
    struct command_verifier *v;
    esp_err err;
    if (!setup || !setup->options || !setup->done || !setup->clock || !state)
        return esp_error_set (error, ESP_EINVAL, "command: incomplete setup");
    if (!(v = esp_calloc (1, sizeof (*v))))
        return esp_error_set (error, ESP_ENOMEM, "command: out of memory");
    v->setup = *setup;
    v->o = setup->options;
    if ((err = open_inside (v, error)) != ESP_OK) {
        command_close (v);
        return err;
    }
    *state = v;
    return ESP_OK;
}

const engine_kind verifier_command = {.name = "command",
                                      .roles = ENGINE_VERIFIER,
                                      .options = options,
                                      .option_bytes = sizeof (struct command_options),
                                      .open = command_open,
                                      .start = command_start,
                                      .poll = command_poll,
                                      .cancel = command_cancel,
                                      .fds = command_fds,
                                      .close = command_close,
                                      .slots = command_slots,
                                      .describe = command_describe};
