/* SPDX-License-Identifier: Apache-2.0 */
/* code_desk.c - one desk: its judge, its candidate, and what they say to each other
 *
 * A desk's judge is OFF -> STARTING -> IDLE <-> BUSY; from any of these -> DYING -> OFF.  The next candidate's process is started as
 * soon as a job is done, so that the next job finds it ready: a process that did not start is our failure, never the program's.
 * We listen to a candidate only while it owes an answer.
 *
 * Lines to the judge begin with who speaks: c the candidate, p we.  The candidate's lines go on only when they were asked for.
 *
 * Invariants:
 *   I1  a candidate serves one job: it is killed before its desk takes another
 *   I2  asked is set from a question of the judge to the candidate's answer, or its end
 */

#include "worker/verifier/code_desk.h"
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include "proto/base/alloc.h"
#include "proto/base/log.h"

enum { LINE_MOST = 16 << 20 };

#define RUNNER_FILE "/runner.pyc"

static void reply (code_pool *c, code_desk *d, const code_reply *r)
{
    const job *j = d->job;
    d->job = NULL;
    if (j)
        c->setup.reply (c->setup.ctx, j, r);
}

static void reply_unknown (code_pool *c, code_desk *d, const char *reason)
{
    const code_reply r = {.verdict = VERDICT_UNKNOWN, .reason = span_of (reason), .share = NAN};
    reply (c, d, &r);
}

/* ---- processes ---- */

/* script: after -c; NULL: the file. */
static esp_err start_python (code_pool *c, const char *script, const char *const *arguments,
                             line_process **out, esp_error *error)
{
    const char *argv[16] = {c->setup.python, "-I", c->setup.packages ? "-B" : "-S"};
    const sandbox_file file = {RUNNER_FILE, c->runner};
    const sandbox_program program = {
        .argv = argv, .file = script ? NULL : &file, .line_most = LINE_MOST};
    size_t n = 3;
    if (script)
        argv[n++] = "-c";
    argv[n++] = script ? script : RUNNER_FILE;
    for (size_t i = 0; arguments[i] && n < 15; i++)
        argv[n++] = arguments[i];
    return sandbox_start (c->setup.box, &program, out, error);
}

static void listen_up (code_pool *c, code_desk *d, bool listen)
{
    if (d->listening != listen)
        process_watch_set (&c->watch, d->candidate, false, listen ? EPOLL_CTL_ADD : EPOLL_CTL_DEL);
    d->listening = listen;
    d->candidate_full = false;
}

static esp_err start_candidate (code_pool *c, code_desk *d, esp_error *error)
{
    char text[5][32];
    const char *arguments[6] = {text[0], text[1], text[2], text[3], text[4], NULL};
    const int64_t values[5] = {c->setup.memory_mb, c->setup.cpu_s, 16, 16, c->setup.output_bytes};
    esp_err err;
    for (size_t i = 0; i < 5; i++)
        snprintf (text[i], sizeof (text[i]), "%lld", (long long)values[i]);
    err = start_python (c, c->runner >= 0 ? NULL : code_runner_script, arguments, &d->candidate,
                        error);
    if (err != ESP_OK)
        return err;
    d->candidate_full = d->listening = d->up = d->asked = d->ended = false;
    d->up_by_ns = code_now (c) + (uint64_t)CODE_START_MS * CODE_MS;
    listen_up (c, d, true);
    return ESP_OK;
}

/* The one before must be reaped first: so few are about at any time. */
static void drop_candidate (code_pool *c, code_desk *d)
{
    if (!d->candidate)
        return;
    listen_up (c, d, false);
    line_process_kill (d->candidate);
    line_process_destroy (d->last);
    d->last = d->candidate;
    d->candidate = NULL;
    d->asked = d->ended = d->up = false;
}

static void kill_judge (code_pool *c, code_desk *d)
{
    process_watch_set (&c->watch, d->judge, false, EPOLL_CTL_DEL);
    line_process_kill (d->judge);
    d->state = JUDGE_DYING;
}

static void count_failure (code_pool *c)
{
    process_watch_failed (&c->watch, code_now (c));
}

void code_desk_judge_failed (code_pool *c, code_desk *d, const char *what)
{
    bool busy = d->state == JUDGE_BUSY;
    kill_judge (c, d);
    drop_candidate (c, d);
    count_failure (c);
    esp_log (c->watch.failures == WATCH_FAILURES ? LOG_ERROR : LOG_WARN, "VERIFIER-CRASHED",
             "code (%s): a judge %s; started again%s", c->setup.python, what,
             c->watch.failures >= WATCH_FAILURES ? ", less and less often: verdicts are unknown"
                                                 : "");
    if (busy)
        reply_unknown (c, d, "verifier-crashed");
}

esp_err code_desk_start_judge (code_pool *c, code_desk *d, esp_error *error)
{
    const char *arguments[] = {code_runner_script, NULL};
    esp_err err = start_python (c, code_judge_script, arguments, &d->judge, error);
    if (err != ESP_OK)
        return err;
    d->state = JUDGE_STARTING;
    d->judge_full = false;
    d->deadline_ns = code_now (c) + (uint64_t)CODE_START_MS * CODE_MS;
    process_watch_set (&c->watch, d->judge, false, EPOLL_CTL_ADD);
    return ESP_OK;
}

/* What is missing at a desk. */
void code_desk_bring_back (code_pool *c, code_desk *d)
{
    esp_error error = {0};
    esp_err err = ESP_OK;
    if (code_now (c) < c->watch.restart_ns)
        return;
    if (d->state == JUDGE_OFF)
        err = code_desk_start_judge (c, d, &error);
    if (err == ESP_OK && !d->candidate && (d->state == JUDGE_STARTING || d->state == JUDGE_IDLE))
        err = start_candidate (c, d, &error);
    if (err == ESP_OK)
        return;
    count_failure (c);
    esp_log (LOG_WARN, "VERIFIER-CRASHED", "code: %s", error.text);
}

/* ---- the conversation ---- */

/* To the judge: who speaks, and what. */
static void tell_judge (code_pool *c, code_desk *d, char who, span text)
{
    esp_err err;
    esp_buf_clear (&c->line);
    if ((err = esp_buf_append (&c->line, &who, 1)) == ESP_OK &&
        (err = esp_buf_add (&c->line, text)) == ESP_OK)
        err = line_process_say (d->judge, esp_buf_span (&c->line));
    d->asked = false;
    if (d->candidate)
        listen_up (c, d, false);
    if (err != ESP_OK)
        code_desk_judge_failed (c, d, "ended");
}

/* bubblewrap says of its program: 128 + signal. */
static const char *how_it_ended (const line_process *p)
{
    int status = line_process_status (p), code;
    if (status < 0)
        return "exited";
    code = WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
    switch (code) {
    case 128 + SIGXCPU:
        return "cpu-limit";
    case 128 + SIGXFSZ:
        return "file-limit";
    case 128 + SIGKILL:
        return "killed";
    default:
        return code > 128 ? "crashed" : "exited";
    }
}

static void tell_end (code_pool *c, code_desk *d, const char *how)
{
    char text[64];
    snprintf (text, sizeof (text), "{\"ended\":\"%s\"}", how);
    tell_judge (c, d, 'p', span_of (text));
}

static void wait_for_candidate (code_pool *c, code_desk *d)
{
    span line;
    enum line_heard heard = line_process_hear (d->candidate, &line);
    if (heard == LINE_HEARD) {
        d->up = true;
        listen_up (c, d, false);
    } else if (heard != LINE_NONE || code_now (c) >= d->up_by_ns) {
        drop_candidate (c, d);
        count_failure (c);
        esp_log (LOG_WARN, "VERIFIER-CRASHED", "code: a process for a program did not start");
    }
}

static void listen_to_candidate (code_pool *c, code_desk *d)
{
    span line;
    enum line_heard heard;
    if (line_process_flush (d->candidate) != ESP_OK)
        d->ended = true; /* what it said before still counts */
    heard = line_process_hear (d->candidate, &line);
    if (heard == LINE_HEARD)
        tell_judge (c, d, 'c', line);
    else if (heard == LINE_LONG)
        tell_end (c, d, "output-limit");
    else if (heard == LINE_ENDED && line_process_gone (d->candidate))
        tell_end (c, d, how_it_ended (d->candidate));
    else if (heard == LINE_ENDED)
        d->ended = true;
}

static void ask_candidate (code_pool *c, code_desk *d, span line)
{
    d->asked = true;
    if (!d->candidate || line_process_say (d->candidate, line) == ESP_ENOMEM)
        tell_end (c, d, "exited");
    else
        listen_up (c, d, true);
}

static void take_verdict (code_pool *c, code_desk *d, json_t *said)
{
    const char *verdict = json_string_value (json_object_get (said, "verdict"));
    const json_t *reason = json_object_get (said, "reason"),
                 *shown = json_object_get (said, "observation");
    json_int_t passed = json_integer_value (json_object_get (said, "passed")),
               total = json_integer_value (json_object_get (said, "total"));
    code_reply r = {.verdict = VERDICT_UNKNOWN, .reason = span_of ("bad-answer"), .share = NAN};
    if (verdict && json_is_string (reason)) {
        r.verdict = strcmp (verdict, "pass") == 0   ? VERDICT_PASS
                    : strcmp (verdict, "fail") == 0 ? VERDICT_FAIL
                                                    : VERDICT_UNKNOWN;
        r.reason = span_make (json_string_value (reason), json_string_length (reason));
        r.share = total > 0 ? (double)passed / (double)total : NAN;
    }
    if (json_is_string (shown))
        r.observation = span_make (json_string_value (shown), json_string_length (shown));
    drop_candidate (c, d);
    d->state = JUDGE_IDLE;
    c->watch.failures = 0;
    reply (c, d, &r);
}

/* What a busy judge says: a question for the candidate, or the verdict. */
static void hear_judge (code_pool *c, code_desk *d, span line)
{
    json_t *said;
    if (!span_starts (line, "{\"verdict\"")) {
        ask_candidate (c, d, line);
        return;
    }
    said = json_loadb (line.ptr, line.len, 0, NULL);
    if (said)
        take_verdict (c, d, said);
    else
        code_desk_judge_failed (c, d, "said what cannot be read");
    json_decref (said);
}

static void listen_to_judge (code_pool *c, code_desk *d)
{
    span line;
    enum line_heard heard = LINE_HEARD;
    while (heard == LINE_HEARD && d->state != JUDGE_DYING && d->state != JUDGE_OFF) {
        heard = line_process_hear (d->judge, &line);
        if (heard == LINE_ENDED || heard == LINE_LONG)
            code_desk_judge_failed (c, d, "ended");
        else if (heard == LINE_HEARD && d->state == JUDGE_STARTING)
            d->state = JUDGE_IDLE;
        else if (heard == LINE_HEARD && d->state == JUDGE_BUSY)
            hear_judge (c, d, line);
        else if (heard == LINE_HEARD)
            code_desk_judge_failed (c, d, "said what was not asked");
    }
}

/* Nobody answers in time: the candidate's wait is told to the judge; a judge that does not end itself is killed. */
static void check_deadline (code_pool *c, code_desk *d)
{
    if (code_now (c) < d->deadline_ns)
        return;
    if (d->state == JUDGE_STARTING) {
        code_desk_judge_failed (c, d, "did not get ready");
    } else if (d->asked) {
        d->deadline_ns = code_now (c) + (uint64_t)CODE_START_MS * CODE_MS;
        tell_judge (c, d, 'p', span_of ("{\"undecided\":\"timeout\"}"));
    } else {
        kill_judge (c, d);
        drop_candidate (c, d);
        reply_unknown (c, d, "tests-timeout");
    }
}

void code_desk_look_after (code_pool *c, code_desk *d)
{
    if (d->last && line_process_gone (d->last)) {
        line_process_destroy (d->last);
        d->last = NULL;
    }
    if (d->state == JUDGE_OFF)
        return;
    if (d->state != JUDGE_DYING)
        listen_to_judge (c, d);
    if (d->candidate && !d->up)
        wait_for_candidate (c, d);
    else if (d->candidate && d->asked && d->state == JUDGE_BUSY)
        listen_to_candidate (c, d);
    if (d->state == JUDGE_BUSY && line_process_flush (d->judge) != ESP_OK)
        code_desk_judge_failed (c, d, "ended");
    if (d->state == JUDGE_STARTING || d->state == JUDGE_BUSY)
        check_deadline (c, d);
    if (d->state != JUDGE_DYING) {
        process_watch_writing (&c->watch, d->judge, &d->judge_full);
        if (d->candidate && d->listening)
            process_watch_writing (&c->watch, d->candidate, &d->candidate_full);
    } else if (line_process_gone (d->judge)) {
        line_process_destroy (d->judge);
        d->judge = NULL;
        d->state = JUDGE_OFF;
    }
}

void code_desk_watch_writing (code_pool *c, code_desk *d)
{
    process_watch_writing (&c->watch, d->judge, &d->judge_full);
}
