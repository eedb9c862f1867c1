/* SPDX-License-Identifier: Apache-2.0 */
/* line_pool.c - see line_pool.h
 *
 * A process is OFF -> STARTING -> IDLE <-> BUSY; from any of these -> DYING -> OFF.  One that ends by itself or says nonsense is killed, which
 * counts as a failure; an answer sets the count back.  A killed process is reaped without waiting, in later polls.
 *
 * With once: OFF -> BUSY -> DYING -> OFF.
 */

#include "worker/verifier/line_pool.h"
#include <poll.h>
#include <sys/epoll.h>
#include "proto/base/alloc.h"
#include "proto/base/log.h"
#include "worker/verifier/job_queue.h"
#include "worker/verifier/process_watch.h"
#include "worker/verifier/verifier_job.h"

enum {
    JOBS_A_PROCESS = 4,   /* credits */
    START_MS = 60 * 1000, /* from start to ready; cold disks take several seconds */
    NOBODYS_MOST = 100,   /* lines in a row that nobody asked for */
    REAP_MS = 5,          /* between two looks at a process that was killed */
    MS = 1000000          /* ns */
};

enum server_state { SERVER_OFF, SERVER_STARTING, SERVER_IDLE, SERVER_BUSY, SERVER_DYING };

struct server {
    enum server_state state;
    line_process *process; /* owned; NULL when OFF */
    const job *job;        /* BUSY; NULL: nobody waits for it any more */
    uint64_t number;       /* of its last job */
    uint64_t deadline_ns;  /* STARTING, BUSY */
    unsigned nobodys;      /* lines that were not asked for, in a row */
    bool writing;          /* epoll looks for room to write */
};

struct line_pool {
    line_pool_setup setup;
    struct server servers[LINE_POOL_MOST];
    uint64_t number; /* of the last job that went to a process */
    process_watch watch;
    job_queue waiting;
    esp_buf line; /* scratch of one job */
};

static uint64_t now (const line_pool *v)
{
    return esp_clock_ns (v->setup.engine->clock);
}

/* ---- processes ---- */

static void kill_server (line_pool *v, struct server *s)
{
    process_watch_set (&v->watch, s->process, false, EPOLL_CTL_DEL);
    line_process_kill (s->process);
    s->state = SERVER_DYING;
    s->job = NULL;
}

static void crash (line_pool *v, struct server *s, const char *what)
{
    const job *j = s->state == SERVER_BUSY ? s->job : NULL;
    kill_server (v, s);
    process_watch_failed (&v->watch, now (v));
    esp_log (v->watch.failures == WATCH_FAILURES ? LOG_ERROR : LOG_WARN, "VERIFIER-CRASHED",
             "%s: a process %s; started again%s", v->setup.name, what,
             v->watch.failures >= WATCH_FAILURES ? ", less and less often: verdicts are unknown"
                                                 : "");
    if (j)
        v->setup.lost (v->setup.ctx, j, "verifier-crashed");
}

static esp_err start_server (line_pool *v, struct server *s, esp_error *error)
{
    esp_err err = v->setup.start (v->setup.ctx, &s->process, error);
    if (err != ESP_OK)
        return err;
    s->state = v->setup.greeting ? SERVER_STARTING : SERVER_IDLE;
    s->writing = false;
    s->nobodys = 0;
    s->deadline_ns = now (v) + (uint64_t)START_MS * MS;
    process_watch_set (&v->watch, s->process, false, EPOLL_CTL_ADD);
    return ESP_OK;
}

static void bring_back (line_pool *v, struct server *s)
{
    esp_error error = {0};
    if (now (v) < v->watch.restart_ns || start_server (v, s, &error) == ESP_OK)
        return;
    process_watch_failed (&v->watch, now (v));
    esp_log (LOG_WARN, "VERIFIER-CRASHED", "%s: %s", v->setup.name, error.text);
}

/* ---- what a process says ---- */

static void hear_greeting (line_pool *v, struct server *s, span line)
{
    esp_error why = {0};
    if (v->setup.greeting (v->setup.ctx, line, &why) == ESP_OK)
        s->state = SERVER_IDLE;
    else
        crash (v, s, "did not start");
}

/* Also of a process that has no job: it may be late. */
static void hear_answer (line_pool *v, struct server *s, span line)
{
    const job *j = s->state == SERVER_BUSY ? s->job : NULL;
    enum line_pool_use use = v->setup.answer (v->setup.ctx, j, s->number, line);
    if (use == LINE_POOL_NONSENSE || (use == LINE_POOL_DONE && s->state != SERVER_BUSY)) {
        crash (v, s, "said what was not asked");
    } else if (use == LINE_POOL_DONE) {
        v->watch.failures = 0;
        s->nobodys = 0;
        s->job = NULL;
        s->state = SERVER_IDLE;
        if (v->setup.once)
            kill_server (v, s);
    } else if (++s->nobodys > NOBODYS_MOST) {
        crash (v, s, "says more than it is asked");
    }
}

static void check_deadline (line_pool *v, struct server *s)
{
    const job *j = s->job;
    if (now (v) < s->deadline_ns)
        return;
    if (s->state == SERVER_STARTING) {
        crash (v, s, "did not get ready");
        return;
    }
    kill_server (v, s);
    if (j)
        v->setup.lost (v->setup.ctx, j, "timeout");
}

static void listen_to (line_pool *v, struct server *s)
{
    span line;
    enum line_heard heard = LINE_HEARD;
    while (heard == LINE_HEARD && s->state != SERVER_DYING) {
        heard = line_process_hear (s->process, &line);
        if (heard == LINE_ENDED || heard == LINE_LONG)
            crash (v, s, heard == LINE_LONG ? "said a line without end" : "ended");
        else if (heard == LINE_HEARD && s->state == SERVER_STARTING)
            hear_greeting (v, s, line);
        else if (heard == LINE_HEARD)
            hear_answer (v, s, line);
    }
}

static void look_after (line_pool *v, struct server *s)
{
    if (s->state == SERVER_OFF)
        return;
    if (s->state != SERVER_DYING)
        listen_to (v, s);
    if (s->state == SERVER_BUSY && line_process_flush (s->process) != ESP_OK && !v->setup.once)
        crash (v, s, "ended");
    if (s->state == SERVER_STARTING || s->state == SERVER_BUSY)
        check_deadline (v, s);
    if (s->state != SERVER_DYING) {
        process_watch_writing (&v->watch, s->process, &s->writing);
    } else if (line_process_gone (s->process)) {
        line_process_destroy (s->process);
        s->process = NULL;
        s->state = SERVER_OFF;
    }
}

/* ---- jobs ---- */

/* One that could take a job now; once: OFF is as good as IDLE. */
static struct server *free_server (line_pool *v)
{
    for (size_t i = 0; i < v->setup.processes; i++) {
        struct server *s = &v->servers[i];
        if (s->state == SERVER_OFF && now (v) >= v->watch.restart_ns)
            bring_back (v, s);
        if (s->state == SERVER_IDLE)
            return s;
    }
    return NULL;
}

/* The line is in v->line. */
static esp_err tell (line_pool *v, struct server *s, const job *j)
{
    esp_err err = line_process_say (s->process, esp_buf_span (&v->line));
    if (err == ESP_EPEER) { /* the job need not suffer for it */
        crash (v, s, "ended");
        return ESP_EFULL;
    }
    if (err != ESP_OK)
        return err;
    if (v->setup.once)
        line_process_end (s->process);
    s->state = SERVER_BUSY;
    s->job = j;
    s->number = ++v->number;
    s->deadline_ns = now (v) + (uint64_t)(v->setup.timeout_s * 1e9);
    process_watch_writing (&v->watch, s->process, &s->writing);
    return ESP_OK;
}

static void give (line_pool *v, struct server *s, const job *j)
{
    esp_err err;
    esp_buf_clear (&v->line);
    if (!v->setup.write (v->setup.ctx, j, v->number + 1, &v->line))
        return;
    err = tell (v, s, j);
    if (err == ESP_EFULL)
        job_queue_put_back (&v->waiting, j);
    else if (err != ESP_OK)
        verifier_fail (v->setup.engine, j, err);
}

/* No process is alive, and they do not stay up. */
static bool hopeless (const line_pool *v)
{
    bool alive = false;
    for (size_t i = 0; i < v->setup.processes; i++)
        alive = alive || v->servers[i].state == SERVER_IDLE || v->servers[i].state == SERVER_BUSY;
    return !alive && v->watch.failures >= WATCH_FAILURES;
}

/* When there is something to do with it although it says nothing. */
static uint64_t due (const line_pool *v, const struct server *s, uint64_t clock)
{
    switch (s->state) {
    case SERVER_OFF:
        return v->setup.once && v->watch.restart_ns <= clock ? UINT64_MAX : v->watch.restart_ns;
    case SERVER_DYING:
        return clock + (uint64_t)REAP_MS * MS;
    case SERVER_STARTING:
    case SERVER_BUSY:
        return s->deadline_ns;
    case SERVER_IDLE:
        break;
    }
    return UINT64_MAX;
}

static void set_timer (const line_pool *v)
{
    uint64_t at = UINT64_MAX, clock = now (v);
    for (size_t i = 0; i < v->setup.processes; i++) {
        uint64_t its = due (v, &v->servers[i], clock);
        at = its < at ? its : at;
    }
    process_watch_timer (&v->watch, at, clock);
}

/* Jobs to processes. */
static void hand_out (line_pool *v)
{
    struct server *s;
    const job *j;
    while (job_queue_any (&v->waiting) && (s = free_server (v)))
        give (v, s, job_queue_take (&v->waiting));
    while (hopeless (v) && (j = job_queue_take (&v->waiting)) != NULL)
        v->setup.lost (v->setup.ctx, j, "verifier-crashed");
    for (size_t i = 0; i < v->setup.processes && !v->setup.once; i++)
        if (v->servers[i].state == SERVER_OFF)
            bring_back (v, &v->servers[i]);
    set_timer (v);
}

void line_pool_start (line_pool *v, const job *const *jobs, size_t n)
{
    job_queue_fill (&v->waiting, v->setup.engine, jobs, n);
    hand_out (v);
}

void line_pool_poll (line_pool *v)
{
    process_watch_awake (&v->watch);
    for (size_t i = 0; i < v->setup.processes; i++)
        look_after (v, &v->servers[i]);
    hand_out (v);
}

void line_pool_cancel (line_pool *v, const job *j)
{
    if (job_queue_remove (&v->waiting, j))
        return;
    for (size_t i = 0; i < v->setup.processes; i++)
        if (v->servers[i].job == j)
            v->servers[i].job = NULL;
}

int line_pool_fd (const line_pool *v)
{
    return v->watch.epoll;
}

uint32_t line_pool_slots (const line_pool *v)
{
    return (uint32_t)v->setup.processes * JOBS_A_PROCESS;
}

/* ---- life ---- */

void line_pool_destroy (line_pool *v)
{
    if (!v)
        return;
    for (size_t i = 0; i < v->setup.processes; i++)
        if (v->servers[i].process)
            line_process_kill (v->servers[i].process); /* all, before the first is waited for */
    for (size_t i = 0; i < v->setup.processes; i++)
        line_process_destroy (v->servers[i].process);
    process_watch_close (&v->watch);
    job_queue_free (&v->waiting);
    esp_buf_free (&v->line);
    esp_free (v);
}

/* Wait for the first process; before the run starts is the time to say what is missing. */
static esp_err first_greeting (line_pool *v, struct server *s, esp_error *error)
{
    struct pollfd fd = {.fd = line_process_fd (s->process), .events = POLLIN};
    enum line_heard heard;
    span line;
    esp_err err;
    while ((heard = line_process_hear (s->process, &line)) == LINE_NONE)
        if (poll (&fd, 1, START_MS) == 0)
            return esp_error_set (error, ESP_ETIMEOUT, "%s did not get ready within %d s",
                                  v->setup.name, START_MS / 1000);
    err = v->setup.greeting (v->setup.ctx, heard == LINE_HEARD ? line : span_of (""), error);
    if (err == ESP_OK)
        s->state = SERVER_IDLE;
    return err;
}

static esp_err open_inside (line_pool *v, esp_error *error)
{
    esp_err err = process_watch_open (&v->watch, v->setup.name, error);
    if (err != ESP_OK || v->setup.once)
        return err;
    if ((err = start_server (v, &v->servers[0], error)) != ESP_OK ||
        (v->setup.greeting && (err = first_greeting (v, &v->servers[0], error)) != ESP_OK))
        return err;
    for (size_t i = 1; i < v->setup.processes; i++)
        bring_back (v, &v->servers[i]);
    return ESP_OK;
}

esp_err line_pool_create (const line_pool_setup *setup, line_pool **out, esp_error *error)
{
    line_pool *v = esp_calloc (1, sizeof (*v));
    esp_error told = {0};
    esp_err err;
    if (!v)
        return esp_error_set (error, ESP_ENOMEM, "%s: out of memory", setup->name);
    v->setup = *setup;
    if ((err = open_inside (v, &told)) != ESP_OK) {
        line_pool_destroy (v);
        return esp_error_set (error, err, "%s", told.text);
    }
    *out = v;
    return ESP_OK;
}
