/* SPDX-License-Identifier: Apache-2.0 */
/* code_pool.c - see code_pool.h
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

#include "worker/verifier/code_pool.h"
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <nettle/base16.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include "proto/base/alloc.h"
#include "proto/base/log.h"

enum {
    START_MS = 60 * 1000, /* from start to ready; cold disks take several seconds */
    FAILURES_MOST = 5,    /* of judges, in a row: from here on jobs do not wait for a desk */
    PAUSE_MS = 100,       /* after the second failure; doubles with each */
    PAUSE_MOST_MS = 30 * 1000,
    REAP_MS = 2, /* between two looks at a process that was killed */
    LINE_MOST = 16 << 20,
    MS = 1000000 /* ns */
};

#define RUNNER_FILE "/runner.pyc"

enum judge_state { JUDGE_OFF, JUDGE_STARTING, JUDGE_IDLE, JUDGE_BUSY, JUDGE_DYING };

struct desk {
    enum judge_state state;
    line_process *judge;     /* owned; NULL when OFF */
    line_process *candidate; /* owned; NULL: none yet */
    line_process *last;      /* owned: the one before, killed, not reaped yet; NULL: none */
    const job *job;          /* BUSY; NULL: cancelled, its reply is dropped */
    bool up;                 /* the candidate's process said that it is there */
    bool asked;              /* the judge waits for the candidate */
    bool ended;              /* the candidate is at its end: how is told when it is reaped */
    uint64_t deadline_ns;    /* of the judge: STARTING, BUSY */
    uint64_t up_by_ns;       /* of the candidate, until it is up */
    bool judge_full, candidate_full; /* epoll looks for room to write */
    bool listening;                  /* epoll looks at the candidate */
};

struct code_pool {
    code_pool_setup setup;
    struct desk desks[CODE_MOST];
    uint64_t restart_ns; /* no judge is started before */
    unsigned failures;   /* of judges, in a row */
    int epoll, timer;    /* -1: none */
    int runner;   /* code_runner.py as this Python compiles it; -1: it is compiled each time */
    esp_buf line; /* scratch */
};

static uint64_t now (const code_pool *c)
{
    return esp_clock_ns (c->setup.clock);
}

static void reply (code_pool *c, struct desk *d, const code_reply *r)
{
    const job *j = d->job;
    d->job = NULL;
    if (j)
        c->setup.reply (c->setup.ctx, j, r);
}

static void reply_unknown (code_pool *c, struct desk *d, const char *reason)
{
    const code_reply r = {.verdict = VERDICT_UNKNOWN, .reason = span_of (reason), .share = NAN};
    reply (c, d, &r);
}

/* ---- processes ---- */

static void watch (code_pool *c, const line_process *p, bool writing, int how)
{
    struct epoll_event event = {.events = writing ? EPOLLIN | EPOLLOUT : EPOLLIN};
    (void)epoll_ctl (c->epoll, how, line_process_fd (p), &event);
}

static void watch_writing (code_pool *c, const line_process *p, bool *writing)
{
    bool full = line_process_full (p);
    if (full != *writing)
        watch (c, p, full, EPOLL_CTL_MOD);
    *writing = full;
}

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

static void listen_up (code_pool *c, struct desk *d, bool listen)
{
    if (d->listening != listen)
        watch (c, d->candidate, false, listen ? EPOLL_CTL_ADD : EPOLL_CTL_DEL);
    d->listening = listen;
    d->candidate_full = false;
}

static esp_err start_candidate (code_pool *c, struct desk *d, esp_error *error)
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
    d->up_by_ns = now (c) + (uint64_t)START_MS * MS;
    listen_up (c, d, true);
    return ESP_OK;
}

/* The one before must be reaped first: so few are about at any time. */
static void drop_candidate (code_pool *c, struct desk *d)
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

static void kill_judge (code_pool *c, struct desk *d)
{
    watch (c, d->judge, false, EPOLL_CTL_DEL);
    line_process_kill (d->judge);
    d->state = JUDGE_DYING;
}

static void count_failure (code_pool *c)
{
    uint64_t pause_ms = 0;
    c->failures++;
    if (c->failures > 1)
        pause_ms = c->failures > 10 ? PAUSE_MOST_MS : (uint64_t)PAUSE_MS << (c->failures - 2);
    if (pause_ms > PAUSE_MOST_MS)
        pause_ms = PAUSE_MOST_MS;
    c->restart_ns = now (c) + pause_ms * MS;
}

static void judge_failed (code_pool *c, struct desk *d, const char *what)
{
    bool busy = d->state == JUDGE_BUSY;
    kill_judge (c, d);
    drop_candidate (c, d);
    count_failure (c);
    esp_log (c->failures == FAILURES_MOST ? LOG_ERROR : LOG_WARN, "VERIFIER-CRASHED",
             "code (%s): a judge %s; started again%s", c->setup.python, what,
             c->failures >= FAILURES_MOST ? ", less and less often: verdicts are unknown" : "");
    if (busy)
        reply_unknown (c, d, "verifier-crashed");
}

static esp_err start_judge (code_pool *c, struct desk *d, esp_error *error)
{
    const char *arguments[] = {code_runner_script, NULL};
    esp_err err = start_python (c, code_judge_script, arguments, &d->judge, error);
    if (err != ESP_OK)
        return err;
    d->state = JUDGE_STARTING;
    d->judge_full = false;
    d->deadline_ns = now (c) + (uint64_t)START_MS * MS;
    watch (c, d->judge, false, EPOLL_CTL_ADD);
    return ESP_OK;
}

/* What is missing at a desk. */
static void bring_back (code_pool *c, struct desk *d)
{
    esp_error error = {0};
    esp_err err = ESP_OK;
    if (now (c) < c->restart_ns)
        return;
    if (d->state == JUDGE_OFF)
        err = start_judge (c, d, &error);
    if (err == ESP_OK && !d->candidate && (d->state == JUDGE_STARTING || d->state == JUDGE_IDLE))
        err = start_candidate (c, d, &error);
    if (err == ESP_OK)
        return;
    count_failure (c);
    esp_log (LOG_WARN, "VERIFIER-CRASHED", "code: %s", error.text);
}

/* ---- the conversation ---- */

/* To the judge: who speaks, and what. */
static void tell_judge (code_pool *c, struct desk *d, char who, span text)
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
        judge_failed (c, d, "ended");
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

static void tell_end (code_pool *c, struct desk *d, const char *how)
{
    char text[64];
    snprintf (text, sizeof (text), "{\"ended\":\"%s\"}", how);
    tell_judge (c, d, 'p', span_of (text));
}

static void wait_for_candidate (code_pool *c, struct desk *d)
{
    span line;
    enum line_heard heard = line_process_hear (d->candidate, &line);
    if (heard == LINE_HEARD) {
        d->up = true;
        listen_up (c, d, false);
    } else if (heard != LINE_NONE || now (c) >= d->up_by_ns) {
        drop_candidate (c, d);
        count_failure (c);
        esp_log (LOG_WARN, "VERIFIER-CRASHED", "code: a process for a program did not start");
    }
}

static void listen_to_candidate (code_pool *c, struct desk *d)
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

static void ask_candidate (code_pool *c, struct desk *d, span line)
{
    d->asked = true;
    if (!d->candidate || line_process_say (d->candidate, line) == ESP_ENOMEM)
        tell_end (c, d, "exited");
    else
        listen_up (c, d, true);
}

static void take_verdict (code_pool *c, struct desk *d, json_t *said)
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
    c->failures = 0;
    reply (c, d, &r);
}

/* What a busy judge says: a question for the candidate, or the verdict. */
static void hear_judge (code_pool *c, struct desk *d, span line)
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
        judge_failed (c, d, "said what cannot be read");
    json_decref (said);
}

static void listen_to_judge (code_pool *c, struct desk *d)
{
    span line;
    enum line_heard heard = LINE_HEARD;
    while (heard == LINE_HEARD && d->state != JUDGE_DYING && d->state != JUDGE_OFF) {
        heard = line_process_hear (d->judge, &line);
        if (heard == LINE_ENDED || heard == LINE_LONG)
            judge_failed (c, d, "ended");
        else if (heard == LINE_HEARD && d->state == JUDGE_STARTING)
            d->state = JUDGE_IDLE;
        else if (heard == LINE_HEARD && d->state == JUDGE_BUSY)
            hear_judge (c, d, line);
        else if (heard == LINE_HEARD)
            judge_failed (c, d, "said what was not asked");
    }
}

/* Nobody answers in time: the candidate's wait is told to the judge; a judge that does not end itself is killed. */
static void check_deadline (code_pool *c, struct desk *d)
{
    if (now (c) < d->deadline_ns)
        return;
    if (d->state == JUDGE_STARTING) {
        judge_failed (c, d, "did not get ready");
    } else if (d->asked) {
        d->deadline_ns = now (c) + (uint64_t)START_MS * MS;
        tell_judge (c, d, 'p', span_of ("{\"undecided\":\"timeout\"}"));
    } else {
        kill_judge (c, d);
        drop_candidate (c, d);
        reply_unknown (c, d, "tests-timeout");
    }
}

static void look_after (code_pool *c, struct desk *d)
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
        judge_failed (c, d, "ended");
    if (d->state == JUDGE_STARTING || d->state == JUDGE_BUSY)
        check_deadline (c, d);
    if (d->state != JUDGE_DYING) {
        watch_writing (c, d->judge, &d->judge_full);
        if (d->candidate && d->listening)
            watch_writing (c, d->candidate, &d->candidate_full);
    } else if (line_process_gone (d->judge)) {
        line_process_destroy (d->judge);
        d->judge = NULL;
        d->state = JUDGE_OFF;
    }
}

/* ---- jobs ---- */

static struct desk *idle_desk (code_pool *c)
{
    for (size_t i = 0; i < c->setup.desks; i++)
        if (c->desks[i].state == JUDGE_IDLE && c->desks[i].up)
            return &c->desks[i];
    return NULL;
}

bool code_pool_idle (code_pool *c)
{
    for (size_t i = 0; i < c->setup.desks; i++)
        bring_back (c, &c->desks[i]);
    return idle_desk (c) != NULL;
}

esp_err code_pool_give (code_pool *c, const job *j, span line)
{
    struct desk *d = idle_desk (c);
    esp_err err = ESP_EFULL;
    if (!d)
        return err;
    esp_buf_clear (&c->line);
    if ((err = esp_buf_puts (&c->line, "p")) == ESP_OK &&
        (err = esp_buf_add (&c->line, line)) == ESP_OK)
        err = line_process_say (d->judge, esp_buf_span (&c->line));
    if (err == ESP_EPEER) { /* the job need not suffer for it */
        judge_failed (c, d, "ended");
        return ESP_EFULL;
    }
    if (err != ESP_OK)
        return err;
    d->state = JUDGE_BUSY;
    d->job = j;
    d->asked = false;
    d->deadline_ns = now (c) + (uint64_t)(c->setup.timeout_s * 1e9);
    watch_writing (c, d->judge, &d->judge_full);
    return ESP_OK;
}

void code_pool_cancel (code_pool *c, const job *j)
{
    for (size_t i = 0; i < c->setup.desks; i++)
        if (c->desks[i].job == j)
            c->desks[i].job = NULL;
}

bool code_pool_hopeless (const code_pool *c)
{
    bool alive = false;
    for (size_t i = 0; i < c->setup.desks; i++)
        alive = alive || c->desks[i].state == JUDGE_IDLE || c->desks[i].state == JUDGE_BUSY;
    return !alive && c->failures >= FAILURES_MOST;
}

static uint64_t next_look (const code_pool *c, const struct desk *d, uint64_t clock)
{
    uint64_t soon = clock + (uint64_t)REAP_MS * MS;
    if (d->state == JUDGE_DYING || d->last || d->ended)
        return soon;
    if (d->state == JUDGE_OFF || !d->candidate)
        return c->restart_ns > soon ? c->restart_ns : soon;
    if (!d->up)
        return d->up_by_ns < d->deadline_ns || d->state == JUDGE_IDLE ? d->up_by_ns
                                                                      : d->deadline_ns;
    return d->state == JUDGE_IDLE ? UINT64_MAX : d->deadline_ns;
}

/* Wake the loop when something is due although nobody says a word. */
void code_pool_set_timer (code_pool *c)
{
    uint64_t at = UINT64_MAX, clock = now (c), wait;
    struct itimerspec when = {{0, 0}, {0, 0}};
    for (size_t i = 0; i < c->setup.desks; i++) {
        uint64_t its = next_look (c, &c->desks[i], clock);
        at = its < at ? its : at;
    }
    if (at != UINT64_MAX) {
        wait = at > clock ? at - clock : 1;
        when.it_value.tv_sec = (time_t)(wait / 1000000000);
        when.it_value.tv_nsec = (long)(wait % 1000000000);
    }
    (void)timerfd_settime (c->timer, 0, &when, NULL);
}

void code_pool_poll (code_pool *c)
{
    uint64_t expirations;
    if (read (c->timer, &expirations, sizeof (expirations)) < 0)
        expirations = 0; /* it was not the timer */
    for (size_t i = 0; i < c->setup.desks; i++)
        look_after (c, &c->desks[i]);
}

int code_pool_fd (const code_pool *c)
{
    return c->epoll;
}

/* ---- life ---- */

void code_pool_destroy (code_pool *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->setup.desks; i++) { /* all, before the first is waited for */
        if (c->desks[i].judge)
            line_process_kill (c->desks[i].judge);
        if (c->desks[i].candidate)
            line_process_kill (c->desks[i].candidate);
    }
    for (size_t i = 0; i < c->setup.desks; i++) {
        line_process_destroy (c->desks[i].judge);
        line_process_destroy (c->desks[i].candidate);
        line_process_destroy (c->desks[i].last);
    }
    if (c->epoll >= 0)
        close (c->epoll);
    if (c->timer >= 0)
        close (c->timer);
    if (c->runner >= 0)
        close (c->runner);
    esp_buf_free (&c->line);
    esp_free (c);
}

/* A judge's first line: {"ready": true, "runner": "a .pyc in base 16"}.  Compiling it for every program would take a third of its start. */
static void keep_runner (code_pool *c, span line)
{
    json_t *said = json_loadb (line.ptr, line.len, 0, NULL);
    const json_t *text = json_object_get (said, "runner");
    size_t n = json_string_length (text), bytes = BASE16_DECODE_LENGTH (n);
    uint8_t *file = esp_reallocarray (NULL, bytes + 1, 1);
    int low = memfd_create ("espalier-runner", MFD_CLOEXEC);
    struct base16_decode_ctx decoding;
    base16_decode_init (&decoding);
    if (file && low >= 0 && n > 0 &&
        base16_decode_update (&decoding, &bytes, file, n, json_string_value (text)) &&
        write (low, file, bytes) == (ssize_t)bytes)
        c->runner = fcntl (low, F_DUPFD_CLOEXEC, 16);
    if (low >= 0)
        close (low);
    esp_free (file);
    json_decref (said);
}

/* Wait for the first judge; before the run starts is the time to say what is missing. */
static esp_err first_ready (code_pool *c, struct desk *d, esp_error *error)
{
    struct pollfd fd = {.fd = line_process_fd (d->judge), .events = POLLIN};
    enum line_heard heard;
    span line;
    while ((heard = line_process_hear (d->judge, &line)) == LINE_NONE)
        if (poll (&fd, 1, START_MS) == 0)
            return esp_error_set (error, ESP_ETIMEOUT,
                                  "verifier.python: %s did not get ready within %d s",
                                  c->setup.python, START_MS / 1000);
    if (heard != LINE_HEARD || !span_starts (line, "{\"ready\""))
        return esp_error_set (
            error, ESP_EENGINE,
            "verifier.python: %s cannot run the judge inside the sandbox; it must "
            "be a Python 3.9 or newer under /usr, or under a folder of verifier.binds",
            c->setup.python);
    if (!sandbox_is_bare (c->setup.box))
        keep_runner (c, line);
    d->state = JUDGE_IDLE;
    return ESP_OK;
}

static esp_err open_inside (code_pool *c, esp_error *error)
{
    struct epoll_event event = {.events = EPOLLIN};
    esp_err err;
    c->epoll = epoll_create1 (EPOLL_CLOEXEC);
    c->timer = timerfd_create (CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (c->epoll < 0 || c->timer < 0 || epoll_ctl (c->epoll, EPOLL_CTL_ADD, c->timer, &event) != 0)
        return esp_error_set (error, ESP_EIO, "code: no descriptors left (ulimit -n)");
    if ((err = start_judge (c, &c->desks[0], error)) != ESP_OK ||
        (err = first_ready (c, &c->desks[0], error)) != ESP_OK)
        return err;
    for (size_t i = 0; i < c->setup.desks; i++)
        bring_back (c, &c->desks[i]);
    return ESP_OK;
}

esp_err code_pool_create (const code_pool_setup *setup, code_pool **out, esp_error *error)
{
    code_pool *c = esp_calloc (1, sizeof (*c));
    esp_error told = {0};
    esp_err err;
    if (!c)
        return esp_error_set (error, ESP_ENOMEM, "code: out of memory");
    c->setup = *setup;
    c->epoll = c->timer = c->runner = -1;
    if ((err = open_inside (c, &told)) != ESP_OK) {
        code_pool_destroy (c);
        return esp_error_set (error, err, "%s", told.text);
    }
    *out = c;
    return ESP_OK;
}
