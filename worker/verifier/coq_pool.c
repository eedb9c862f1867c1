/* SPDX-License-Identifier: Apache-2.0 */
/* coq_pool.c - see coq_pool.h
 *
 * A place is FREE -> BUSY -> DYING -> FREE.  Its process is killed when the job has its verdict, and reaped without waiting, in later polls.
 * Processes that end without a word are our failure, never the proof's: after the second in a row there are pauses between starts.
 */

#include "worker/verifier/coq_pool.h"
#include <nettle/base64.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include "proto/base/alloc.h"
#include "proto/base/log.h"
#include "worker/verifier/process_watch.h"

enum {
    WAIT_MS = 120 * 1000,  /* for a first proof; cold disks take several seconds */
    REAP_MS = 5,           /* between two looks at a process that was killed */
    LINE_MOST = 128 << 10, /* 64 KiB in base 64, and its name */
    MS = 1000000           /* ns */
};

enum place_state { PLACE_FREE, PLACE_BUSY, PLACE_DYING };

struct place {
    enum place_state state;
    line_process *process; /* owned; NULL when FREE */
    const job *job;        /* BUSY */
    coq_case c;            /* of its job */
    uint64_t deadline_ns;
    bool writing; /* epoll looks for room to write */
};

struct coq_pool {
    coq_pool_setup setup;
    struct place *places; /* owned */
    process_watch watch;
    esp_buf line, output; /* scratch: what is said, what was heard */
};

static uint64_t now (const coq_pool *p)
{
    return esp_clock_ns (p->setup.clock);
}

/* ---- what is said and heard ---- */

static esp_err add_file (esp_buf *out, const char *name, span text)
{
    esp_err err = esp_buf_printf (out, "%s %zu\n", name, text.len);
    return err == ESP_OK ? esp_buf_add (out, text) : err;
}

static esp_err start (coq_pool *p, span candidate, span check, line_process **out, esp_error *error)
{
    const char *const argv[] = {"/bin/sh", "-c", coq_run_script, "coq", p->setup.program,
                                "2",       NULL};
    const sandbox_program program = {
        .argv = argv, .limits = &p->setup.limits, .line_most = LINE_MOST};
    line_process *process;
    esp_err err;
    esp_buf_clear (&p->line);
    if ((err = add_file (&p->line, COQ_CANDIDATE, candidate)) != ESP_OK ||
        (err = add_file (&p->line, COQ_CHECK, check)) != ESP_OK)
        return err;
    if ((err = sandbox_start (p->setup.box, &program, &process, error)) != ESP_OK)
        return err;
    if ((err = line_process_say (process, esp_buf_span (&p->line))) == ESP_ENOMEM) {
        line_process_destroy (process);
        return err;
    }
    *out = process; /* what it does not take is seen when it is listened to */
    return ESP_OK;
}

static bool take_output (coq_pool *p, span text)
{
    struct base64_decode_ctx decoding;
    size_t n = BASE64_DECODE_LENGTH (text.len);
    esp_buf_clear (&p->output);
    if (esp_buf_reserve (&p->output, n + 1) != ESP_OK)
        return false;
    base64_decode_init (&decoding);
    if (!base64_decode_update (&decoding, &n, (uint8_t *)p->output.data, text.len, text.ptr) ||
        !base64_decode_final (&decoding))
        return false;
    p->output.len = n;
    p->output.data[n] = 0;
    return true;
}

/* "NAME STATUS BASE64". */
static bool take_line (coq_pool *p, span line, coq_outcome *out)
{
    const char *names[] = {COQ_CANDIDATE " ", COQ_CHECK " "};
    size_t digits = 0;
    out->check = span_starts (line, names[1]);
    if (!out->check && !span_starts (line, names[0]))
        return false;
    line.ptr += strlen (names[out->check]);
    line.len -= strlen (names[out->check]);
    out->end = COQ_SAID;
    for (out->status = 0;
         digits < line.len && digits < 4 && line.ptr[digits] >= '0' && line.ptr[digits] <= '9';
         digits++)
        out->status = out->status * 10 + (line.ptr[digits] - '0');
    if (digits == 0 || digits == line.len || line.ptr[digits] != ' ')
        return false;
    digits++;
    if (!take_output (p, span_make (line.ptr + digits, line.len - digits)))
        return false;
    out->output = esp_buf_span (&p->output);
    return true;
}

/* True when there is something to judge: the check, or a candidate that failed. */
static bool hear (coq_pool *p, line_process *process, coq_outcome *out)
{
    span line;
    enum line_heard heard;
    bool broken = line_process_flush (process) == ESP_ENOMEM;
    while ((heard = line_process_hear (process, &line)) == LINE_HEARD) {
        if (!take_line (p, line, out))
            broken = true;
        else if (out->check || out->status != 0)
            return true;
    }
    if (heard == LINE_NONE && !broken)
        return false;
    *out = (coq_outcome){.end = COQ_CRASHED};
    return true;
}

/* ---- places ---- */

static void kill_place (coq_pool *p, struct place *at)
{
    process_watch_set (&p->watch, at->process, false, EPOLL_CTL_DEL);
    line_process_kill (at->process);
    at->state = PLACE_DYING;
    at->job = NULL;
}

static void count_failure (coq_pool *p, const char *what)
{
    process_watch_failed (&p->watch, now (p));
    esp_log (p->watch.failures == WATCH_FAILURES ? LOG_ERROR : LOG_WARN, "VERIFIER-CRASHED",
             "coq (%s): %s%s", p->setup.program, what,
             p->watch.failures >= WATCH_FAILURES
                 ? "; started less and less often: verdicts are unknown"
                 : "");
}

static void finish (coq_pool *p, struct place *at, const coq_outcome *o)
{
    const job *j = at->job;
    kill_place (p, at);
    if (o->end == COQ_CRASHED)
        count_failure (p, "a sandbox ended without a word");
    else if (o->end == COQ_SAID)
        p->watch.failures = 0;
    p->setup.reply (p->setup.ctx, j, &at->c, o);
}

static void look_after (coq_pool *p, struct place *at)
{
    coq_outcome o = {.end = COQ_TIMEOUT};
    if (at->state == PLACE_BUSY && (hear (p, at->process, &o) || now (p) >= at->deadline_ns))
        finish (p, at, &o);
    if (at->state == PLACE_BUSY) {
        process_watch_writing (&p->watch, at->process, &at->writing);
    } else if (at->state == PLACE_DYING && line_process_gone (at->process)) {
        line_process_destroy (at->process);
        at->process = NULL;
        at->state = PLACE_FREE;
    }
}

/* ---- jobs ---- */

static struct place *free_place (coq_pool *p)
{
    for (size_t i = 0; i < p->setup.places; i++)
        if (p->places[i].state == PLACE_FREE)
            return &p->places[i];
    return NULL;
}

bool coq_pool_idle (coq_pool *p)
{
    return now (p) >= p->watch.restart_ns && free_place (p) != NULL;
}

esp_err coq_pool_give (coq_pool *p, const job *j, const coq_case *c, span candidate, span check)
{
    struct place *at = free_place (p);
    esp_error error = {0};
    esp_err err = at ? start (p, candidate, check, &at->process, &error) : ESP_EFULL;
    if (err == ESP_EFULL || err == ESP_ENOMEM)
        return err;
    if (err != ESP_OK) { /* the job need not suffer for it */
        count_failure (p, error.text);
        return ESP_EFULL;
    }
    at->state = PLACE_BUSY;
    at->job = j;
    at->c = *c;
    at->writing = false;
    at->deadline_ns = now (p) + (uint64_t)(p->setup.timeout_s * 1e9);
    process_watch_set (&p->watch, at->process, false, EPOLL_CTL_ADD);
    process_watch_writing (&p->watch, at->process, &at->writing);
    return ESP_OK;
}

void coq_pool_cancel (coq_pool *p, const job *j)
{
    for (size_t i = 0; i < p->setup.places; i++)
        if (p->places[i].state == PLACE_BUSY && p->places[i].job == j)
            kill_place (p, &p->places[i]);
}

bool coq_pool_hopeless (const coq_pool *p)
{
    bool alive = false;
    for (size_t i = 0; i < p->setup.places; i++)
        alive = alive || p->places[i].state == PLACE_BUSY;
    return !alive && p->watch.failures >= WATCH_FAILURES && now (p) < p->watch.restart_ns;
}

/* Wake the loop when something is due although nobody says a word. */
void coq_pool_set_timer (coq_pool *p)
{
    uint64_t at = p->watch.failures > 0 ? p->watch.restart_ns : UINT64_MAX, clock = now (p);
    for (size_t i = 0; i < p->setup.places; i++) {
        const struct place *place = &p->places[i];
        uint64_t its = place->state == PLACE_DYING  ? clock + (uint64_t)REAP_MS * MS
                       : place->state == PLACE_BUSY ? place->deadline_ns
                                                    : UINT64_MAX;
        at = its < at ? its : at;
    }
    process_watch_timer (&p->watch, at, clock);
}

void coq_pool_poll (coq_pool *p)
{
    process_watch_awake (&p->watch);
    for (size_t i = 0; i < p->setup.places; i++)
        look_after (p, &p->places[i]);
}

int coq_pool_fd (const coq_pool *p)
{
    return p->watch.epoll;
}

/* ---- before the run ---- */

esp_err coq_pool_wait (coq_pool *p, span candidate, span check, coq_outcome *out, esp_error *error)
{
    line_process *process;
    struct pollfd fd = {.events = POLLIN};
    esp_err err = start (p, candidate, check, &process, error);
    if (err != ESP_OK)
        return err;
    fd.fd = line_process_fd (process);
    while (!hear (p, process, out)) {
        fd.events = line_process_full (process) ? POLLIN | POLLOUT : POLLIN;
        if (poll (&fd, 1, WAIT_MS) == 0) {
            err = esp_error_set (error, ESP_ETIMEOUT, "%s did not end within %d s",
                                 p->setup.program, WAIT_MS / 1000);
            break;
        }
    }
    line_process_destroy (process);
    return err;
}

esp_err coq_pool_version (coq_pool *p, char *out, size_t size, esp_error *error)
{
    const char *const argv[] = {p->setup.program, "--version", NULL};
    const sandbox_program program = {.argv = argv, .limits = &p->setup.limits};
    line_process *process;
    enum line_heard heard;
    span line = span_of ("");
    esp_err err = sandbox_start (p->setup.box, &program, &process, error);
    if (err != ESP_OK)
        return err;
    struct pollfd fd = {.fd = line_process_fd (process), .events = POLLIN};
    while ((heard = line_process_hear (process, &line)) == LINE_NONE)
        if (poll (&fd, 1, WAIT_MS) == 0)
            break;
    if (heard != LINE_HEARD)
        line = span_of ("");
    snprintf (out, size, "%.*s", (int)(line.len < size ? line.len : size - 1), line.ptr);
    line_process_destroy (process);
    return ESP_OK;
}

/* ---- life ---- */

void coq_pool_destroy (coq_pool *p)
{
    if (!p)
        return;
    for (size_t i = 0; p->places && i < p->setup.places; i++)
        if (p->places[i].process)
            line_process_kill (p->places[i].process); /* all, before the first is waited for */
    for (size_t i = 0; p->places && i < p->setup.places; i++)
        line_process_destroy (p->places[i].process);
    process_watch_close (&p->watch);
    esp_buf_free (&p->line);
    esp_buf_free (&p->output);
    esp_free (p->places);
    esp_free (p);
}

esp_err coq_pool_create (const coq_pool_setup *setup, coq_pool **out, esp_error *error)
{
    coq_pool *p = esp_calloc (1, sizeof (*p));
    esp_err err;
    if (!p)
        return esp_error_set (error, ESP_ENOMEM, "coq: out of memory");
    p->setup = *setup;
    if ((err = process_watch_open (&p->watch, "coq", error)) == ESP_OK &&
        !(p->places = esp_calloc (setup->places, sizeof (*p->places))))
        err = esp_error_set (error, ESP_ENOMEM, "coq: out of memory");
    if (err != ESP_OK) {
        coq_pool_destroy (p);
        return err;
    }
    *out = p;
    return ESP_OK;
}
