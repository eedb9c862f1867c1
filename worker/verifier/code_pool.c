/* SPDX-License-Identifier: Apache-2.0 */
/* code_pool.c - see code_pool.h: jobs to desks, the clock, life; code_desk.c is what happens at a desk */

#include "worker/verifier/code_pool.h"
#include <fcntl.h>
#include <jansson.h>
#include <nettle/base16.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>
#include "proto/base/alloc.h"
#include "worker/verifier/code_desk.h"

enum { REAP_MS = 2 }; /* between two looks at a process that was killed */

/* ---- jobs ---- */

static code_desk *idle_desk (code_pool *c)
{
    for (size_t i = 0; i < c->setup.desks; i++)
        if (c->desks[i].state == JUDGE_IDLE && c->desks[i].up)
            return &c->desks[i];
    return NULL;
}

bool code_pool_idle (code_pool *c)
{
    for (size_t i = 0; i < c->setup.desks; i++)
        code_desk_bring_back (c, &c->desks[i]);
    return idle_desk (c) != NULL;
}

esp_err code_pool_give (code_pool *c, const job *j, span line)
{
    code_desk *d = idle_desk (c);
    esp_err err = ESP_EFULL;
    if (!d)
        return err;
    esp_buf_clear (&c->line);
    if ((err = esp_buf_puts (&c->line, "p")) == ESP_OK &&
        (err = esp_buf_add (&c->line, line)) == ESP_OK)
        err = line_process_say (d->judge, esp_buf_span (&c->line));
    if (err == ESP_EPEER) { /* the job need not suffer for it */
        code_desk_judge_failed (c, d, "ended");
        return ESP_EFULL;
    }
    if (err != ESP_OK)
        return err;
    d->state = JUDGE_BUSY;
    d->job = j;
    d->asked = false;
    d->deadline_ns = code_now (c) + (uint64_t)(c->setup.timeout_s * 1e9);
    code_desk_watch_writing (c, d);
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
        alive = alive || c->desks[i].state == JUDGE_BUSY ||
                (c->desks[i].state == JUDGE_IDLE && c->desks[i].up);
    return !alive && c->watch.failures >= WATCH_FAILURES;
}

static uint64_t next_look (const code_pool *c, const code_desk *d, uint64_t clock)
{
    uint64_t soon = clock + (uint64_t)REAP_MS * CODE_MS;
    if (d->state == JUDGE_DYING || d->last || d->ended)
        return soon;
    if (d->state == JUDGE_OFF || !d->candidate)
        return c->watch.restart_ns > soon ? c->watch.restart_ns : soon;
    if (!d->up)
        return d->up_by_ns < d->deadline_ns || d->state == JUDGE_IDLE ? d->up_by_ns
                                                                      : d->deadline_ns;
    return d->state == JUDGE_IDLE ? UINT64_MAX : d->deadline_ns;
}

/* Wake the loop when something is due although nobody says a word. */
void code_pool_set_timer (code_pool *c)
{
    uint64_t at = UINT64_MAX, clock = code_now (c);
    for (size_t i = 0; i < c->setup.desks; i++) {
        uint64_t its = next_look (c, &c->desks[i], clock);
        at = its < at ? its : at;
    }
    process_watch_timer (&c->watch, at, clock);
}

void code_pool_poll (code_pool *c)
{
    process_watch_awake (&c->watch);
    for (size_t i = 0; i < c->setup.desks; i++)
        code_desk_look_after (c, &c->desks[i]);
}

int code_pool_fd (const code_pool *c)
{
    return c->watch.epoll;
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
    process_watch_close (&c->watch);
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
static esp_err first_ready (code_pool *c, code_desk *d, esp_error *error)
{
    struct pollfd fd = {.fd = line_process_fd (d->judge), .events = POLLIN};
    enum line_heard heard;
    span line;
    while ((heard = line_process_hear (d->judge, &line)) == LINE_NONE)
        if (poll (&fd, 1, CODE_START_MS) == 0)
            return esp_error_set (error, ESP_ETIMEOUT,
                                  "verifier.python: %s did not get ready within %d s",
                                  c->setup.python, CODE_START_MS / 1000);
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
    esp_err err = process_watch_open (&c->watch, "code", error);
    if (err != ESP_OK || (err = code_desk_start_judge (c, &c->desks[0], error)) != ESP_OK ||
        (err = first_ready (c, &c->desks[0], error)) != ESP_OK)
        return err;
    for (size_t i = 0; i < c->setup.desks; i++)
        code_desk_bring_back (c, &c->desks[i]);
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
    c->runner = -1;
    if ((err = open_inside (c, &told)) != ESP_OK) {
        code_pool_destroy (c);
        return esp_error_set (error, err, "%s", told.text);
    }
    *out = c;
    return ESP_OK;
}
