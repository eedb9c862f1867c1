/* SPDX-License-Identifier: Apache-2.0 */
/* math_verify_pool.c - see math_verify_pool.h
 *
 * A process is OFF -> STARTING -> IDLE <-> BUSY; from any of these -> DYING -> OFF.  One that ends by itself or says anything but
 * the one line that is due is killed, which counts as a failure; a reply sets the count back.  A killed process is reaped
 * without waiting, in later polls.
 */

#include "worker/verifier/math_verify_pool.h"
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "proto/base/alloc.h"
#include "proto/base/log.h"
#include "worker/sandbox/line_process.h"

enum {
    START_MS = 60 * 1000, /* from start to ready; cold disks take several seconds */
    FAILURES_MOST = 5,    /* in a row: from here on jobs do not wait for a process */
    PAUSE_MS = 100,       /* after the second failure; doubles with each */
    PAUSE_MOST_MS = 30 * 1000,
    REAP_MS = 5, /* between two looks at a process that was killed */
    MS = 1000000 /* ns */
};

enum server_state { SERVER_OFF, SERVER_STARTING, SERVER_IDLE, SERVER_BUSY, SERVER_DYING };

struct server {
    enum server_state state;
    line_process *process; /* owned; NULL when OFF */
    const job *job;        /* BUSY; NULL: cancelled, its reply is dropped */
    uint64_t number;       /* of its job */
    uint64_t deadline_ns;  /* STARTING, BUSY */
    bool writing;          /* epoll looks for room to write */
};

struct math_verify_pool {
    math_verify_setup setup;
    struct server servers[MATH_VERIFY_MOST];
    size_t server_count;
    uint64_t number;     /* of the last job that went to a process */
    uint64_t restart_ns; /* no process is started before */
    unsigned failures;   /* in a row */
    int epoll, timer;    /* -1: none */
    esp_buf answer;      /* of one reply */
};

static uint64_t now (const math_verify_pool *v)
{
    return esp_clock_ns (v->setup.clock);
}

static void reply_unknown (math_verify_pool *v, const job *j, const char *reason)
{
    const math_verify_reply r = {.verdict = VERDICT_UNKNOWN, .reason = reason};
    if (j)
        v->setup.reply (v->setup.ctx, j, &r, span_of (""));
}

/* ---- processes ---- */

static void watch (math_verify_pool *v, struct server *s, int how)
{
    struct epoll_event event = {.events = s->writing ? EPOLLIN | EPOLLOUT : EPOLLIN};
    (void)epoll_ctl (v->epoll, how, line_process_fd (s->process), &event);
}

static void watch_writing (math_verify_pool *v, struct server *s)
{
    bool full = line_process_full (s->process);
    if (full == s->writing)
        return;
    s->writing = full;
    watch (v, s, EPOLL_CTL_MOD);
}

static void kill_server (math_verify_pool *v, struct server *s)
{
    watch (v, s, EPOLL_CTL_DEL);
    line_process_kill (s->process);
    s->state = SERVER_DYING;
    s->job = NULL;
}

/* The next start has to wait when this is not the first failure. */
static void count_failure (math_verify_pool *v)
{
    uint64_t pause_ms = 0;
    v->failures++;
    if (v->failures > 1)
        pause_ms = v->failures > 10 ? PAUSE_MOST_MS : (uint64_t)PAUSE_MS << (v->failures - 2);
    if (pause_ms > PAUSE_MOST_MS)
        pause_ms = PAUSE_MOST_MS;
    v->restart_ns = now (v) + pause_ms * MS;
}

static void crash (math_verify_pool *v, struct server *s, const char *what)
{
    const job *j = s->job;
    bool busy = s->state == SERVER_BUSY;
    kill_server (v, s);
    count_failure (v);
    esp_log (v->failures == FAILURES_MOST ? LOG_ERROR : LOG_WARN, "VERIFIER-CRASHED",
             "math-verify (%s): a process %s; started again%s", v->setup.python, what,
             v->failures >= FAILURES_MOST ? ", less and less often: verdicts are unknown" : "");
    if (busy)
        reply_unknown (v, j, "verifier-crashed");
}

static esp_err start_server (math_verify_pool *v, struct server *s, esp_error *error)
{
    char parent[32], seconds[32], memory[32];
    const char *const argv[] = {v->setup.python, "-c", math_verify_script, parent, seconds,
                                memory,          NULL};
    const line_process_setup setup = {.argv = argv};
    esp_err err;
    snprintf (parent, sizeof (parent), "%ld", (long)getpid ());
    snprintf (seconds, sizeof (seconds), "%.3f", v->setup.timeout_s);
    snprintf (memory, sizeof (memory), "%lld", (long long)v->setup.memory_mb);
    if ((err = line_process_start (&setup, &s->process, error)) != ESP_OK)
        return err;
    s->state = SERVER_STARTING;
    s->writing = false;
    s->deadline_ns = now (v) + (uint64_t)START_MS * MS;
    watch (v, s, EPOLL_CTL_ADD);
    return ESP_OK;
}

static void bring_back (math_verify_pool *v, struct server *s)
{
    esp_error error = {0};
    if (now (v) < v->restart_ns || start_server (v, s, &error) == ESP_OK)
        return;
    count_failure (v);
    esp_log (LOG_WARN, "VERIFIER-CRASHED", "math-verify: %s", error.text);
}

/* ---- what a process says ---- */

static void hear_ready (math_verify_pool *v, struct server *s, span line)
{
    char version[32], why[256];
    if (math_verify_read_ready (line, version, why) == ESP_OK)
        s->state = SERVER_IDLE;
    else
        crash (v, s, "did not start");
}

static void hear_reply (math_verify_pool *v, struct server *s, span line)
{
    math_verify_reply reply;
    const job *j = s->job;
    esp_err err;
    esp_buf_clear (&v->answer);
    err = math_verify_read (line, &reply, &v->answer);
    if (err != ESP_OK || reply.number != s->number) {
        crash (v, s, "said what was not asked");
        return;
    }
    s->state = SERVER_IDLE;
    s->job = NULL;
    v->failures = 0;
    if (j)
        v->setup.reply (v->setup.ctx, j, &reply, esp_buf_span (&v->answer));
}

static void check_deadline (math_verify_pool *v, struct server *s)
{
    const job *j = s->job;
    if (now (v) < s->deadline_ns)
        return;
    if (s->state == SERVER_STARTING) {
        crash (v, s, "did not get ready");
    } else if (s->state == SERVER_BUSY) {
        kill_server (v, s);
        reply_unknown (v, j, "timeout");
    }
}

static void listen_to (math_verify_pool *v, struct server *s)
{
    span line;
    enum line_heard heard = LINE_HEARD;
    while (heard == LINE_HEARD && s->state != SERVER_DYING) {
        heard = line_process_hear (s->process, &line);
        if (heard == LINE_ENDED || heard == LINE_LONG)
            crash (v, s, heard == LINE_LONG ? "said a line without end" : "ended");
        else if (heard == LINE_HEARD && s->state == SERVER_STARTING)
            hear_ready (v, s, line);
        else if (heard == LINE_HEARD && s->state == SERVER_BUSY)
            hear_reply (v, s, line);
        else if (heard == LINE_HEARD)
            crash (v, s, "said what was not asked");
    }
}

static void look_after (math_verify_pool *v, struct server *s)
{
    if (s->state == SERVER_OFF)
        return;
    if (s->state != SERVER_DYING)
        listen_to (v, s);
    if (s->state == SERVER_BUSY && line_process_flush (s->process) != ESP_OK)
        crash (v, s, "ended");
    if (s->state == SERVER_STARTING || s->state == SERVER_BUSY)
        check_deadline (v, s);
    if (s->state != SERVER_DYING) {
        watch_writing (v, s);
    } else if (line_process_gone (s->process)) {
        line_process_destroy (s->process);
        s->process = NULL;
        s->state = SERVER_OFF;
    }
}

/* ---- jobs ---- */

static struct server *idle_server (math_verify_pool *v)
{
    for (size_t i = 0; i < v->server_count; i++)
        if (v->servers[i].state == SERVER_IDLE)
            return &v->servers[i];
    return NULL;
}

uint64_t math_verify_pool_number (const math_verify_pool *v)
{
    return v->number + 1;
}

bool math_verify_pool_idle (math_verify_pool *v)
{
    for (size_t i = 0; i < v->server_count; i++)
        if (v->servers[i].state == SERVER_OFF)
            bring_back (v, &v->servers[i]);
    return idle_server (v) != NULL;
}

esp_err math_verify_pool_give (math_verify_pool *v, const job *j, span line)
{
    struct server *s = idle_server (v);
    esp_err err = s ? line_process_say (s->process, line) : ESP_EFULL;
    if (err == ESP_EPEER) { /* the job need not suffer for it */
        crash (v, s, "ended");
        return ESP_EFULL;
    }
    if (err != ESP_OK)
        return err;
    s->state = SERVER_BUSY;
    s->job = j;
    s->number = ++v->number;
    s->deadline_ns = now (v) + (uint64_t)(v->setup.timeout_s * 1e9);
    watch_writing (v, s);
    return ESP_OK;
}

void math_verify_pool_cancel (math_verify_pool *v, const job *j)
{
    for (size_t i = 0; i < v->server_count; i++)
        if (v->servers[i].job == j)
            v->servers[i].job = NULL;
}

bool math_verify_pool_hopeless (const math_verify_pool *v)
{
    bool alive = false;
    for (size_t i = 0; i < v->server_count; i++)
        alive = alive || v->servers[i].state == SERVER_IDLE || v->servers[i].state == SERVER_BUSY;
    return !alive && v->failures >= FAILURES_MOST;
}

/* Wake the loop when something is due although nobody says a word. */
void math_verify_pool_set_timer (math_verify_pool *v)
{
    uint64_t at = UINT64_MAX, clock = now (v), wait;
    struct itimerspec when = {{0, 0}, {0, 0}};
    for (size_t i = 0; i < v->server_count; i++) {
        const struct server *s = &v->servers[i];
        uint64_t its = s->state == SERVER_OFF     ? v->restart_ns
                       : s->state == SERVER_DYING ? clock + (uint64_t)REAP_MS * MS
                       : s->state == SERVER_STARTING || s->state == SERVER_BUSY ? s->deadline_ns
                                                                                : UINT64_MAX;
        at = its < at ? its : at;
    }
    if (at != UINT64_MAX) {
        wait = at > clock ? at - clock : 1;
        when.it_value.tv_sec = (time_t)(wait / 1000000000);
        when.it_value.tv_nsec = (long)(wait % 1000000000);
    }
    (void)timerfd_settime (v->timer, 0, &when, NULL);
}

void math_verify_pool_poll (math_verify_pool *v)
{
    uint64_t expirations;
    if (read (v->timer, &expirations, sizeof (expirations)) < 0)
        expirations = 0; /* it was not the timer */
    for (size_t i = 0; i < v->server_count; i++)
        look_after (v, &v->servers[i]);
}

int math_verify_pool_fd (const math_verify_pool *v)
{
    return v->epoll;
}

/* ---- life ---- */

void math_verify_pool_destroy (math_verify_pool *v)
{
    if (!v)
        return;
    for (size_t i = 0; i < v->server_count; i++)
        if (v->servers[i].process)
            line_process_kill (v->servers[i].process); /* all, before the first is waited for */
    for (size_t i = 0; i < v->server_count; i++)
        line_process_destroy (v->servers[i].process);
    if (v->epoll >= 0)
        close (v->epoll);
    if (v->timer >= 0)
        close (v->timer);
    esp_buf_free (&v->answer);
    esp_free (v);
}

/* Wait for the first process; before the run starts is the time to say what is missing. */
static esp_err first_ready (math_verify_pool *v, struct server *s, esp_error *error)
{
    struct pollfd fd = {.fd = line_process_fd (s->process), .events = POLLIN};
    char version[32] = "", why[256] = "it ended without a word";
    enum line_heard heard;
    esp_err err = ESP_EFORMAT;
    span line;
    while ((heard = line_process_hear (s->process, &line)) == LINE_NONE)
        if (poll (&fd, 1, START_MS) == 0)
            return esp_error_set (error, ESP_ETIMEOUT,
                                  "verifier.python: %s did not get ready within %d s",
                                  v->setup.python, START_MS / 1000);
    if (heard == LINE_HEARD)
        err = math_verify_read_ready (line, version, why);
    if (err != ESP_OK)
        return esp_error_set (
            error, ESP_EENGINE,
            "verifier.python: %s cannot run math-verify (%s); install it: %s -m pip "
            "install math-verify==0.9.0, or name a Python 3 that has it",
            v->setup.python, why, v->setup.python);
    esp_log (LOG_INFO, "VERIFIER-READY", "math-verify %s by %s", version, v->setup.python);
    s->state = SERVER_IDLE;
    return ESP_OK;
}

static esp_err open_inside (math_verify_pool *v, esp_error *error)
{
    struct epoll_event event = {.events = EPOLLIN};
    esp_err err;
    v->epoll = epoll_create1 (EPOLL_CLOEXEC);
    v->timer = timerfd_create (CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (v->epoll < 0 || v->timer < 0 || epoll_ctl (v->epoll, EPOLL_CTL_ADD, v->timer, &event) != 0)
        return esp_error_set (error, ESP_EIO, "math-verify: no descriptors left (ulimit -n)");
    if ((err = start_server (v, &v->servers[0], error)) != ESP_OK) {
        esp_error why = *error;
        return esp_error_set (error, err,
                              "verifier.python: %s; name a Python 3 that has math-verify (pip "
                              "install math-verify==0.9.0)",
                              why.text);
    }
    if ((err = first_ready (v, &v->servers[0], error)) != ESP_OK)
        return err;
    for (size_t i = 1; i < v->server_count; i++)
        bring_back (v, &v->servers[i]);
    return ESP_OK;
}

esp_err
math_verify_pool_create (const math_verify_setup *setup, math_verify_pool **out, esp_error *error)
{
    math_verify_pool *v = esp_calloc (1, sizeof (*v));
    esp_error told = {0};
    esp_err err;
    if (!v)
        return esp_error_set (error, ESP_ENOMEM, "math-verify: out of memory");
    v->setup = *setup;
    v->server_count = setup->processes;
    v->epoll = v->timer = -1;
    if ((err = open_inside (v, &told)) != ESP_OK) {
        math_verify_pool_destroy (v);
        return esp_error_set (error, err, "%s", told.text);
    }
    *out = v;
    return ESP_OK;
}
