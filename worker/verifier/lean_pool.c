/* SPDX-License-Identifier: Apache-2.0 */
/* lean_pool.c - see lean_pool.h
 *
 * A place is OFF -> IDLE <-> HEADER -> BODY -> IDLE; from any of these -> DYING -> OFF.
 *
 * Invariants:
 *   I1  a process has a job in HEADER and BODY only, and then owes exactly one answer
 *   I2  known[i] are headers that this process compiled without an error
 */

#include "worker/verifier/lean_pool.h"
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include "proto/base/alloc.h"
#include "proto/base/hash.h"
#include "proto/base/log.h"
#include "worker/verifier/lean_reply.h"
#include "worker/verifier/process_watch.h"

enum {
    HEADERS_MOST = 8, /* of one process: each keeps its environment in memory */
    LINE_MOST = 1 << 20,
    ANSWER_MOST = 8 << 20,
    REAP_MS = 5,
    MS = 1000000 /* ns */
};

enum place_state { PLACE_OFF, PLACE_IDLE, PLACE_HEADER, PLACE_BODY, PLACE_DYING };

struct place {
    enum place_state state;
    line_process *process; /* owned; NULL when OFF */
    const job *job;        /* HEADER, BODY */
    lean_case c;           /* of its job */
    esp_buf body;          /* HEADER: what comes next */
    esp_buf answer;        /* as far as it was heard */
    uint64_t header;       /* hash of that of its job; 0: none */
    struct {
        uint64_t header;
        int64_t env;
    } known[HEADERS_MOST];
    size_t known_count;
    int64_t uses;
    uint64_t deadline_ns; /* HEADER, BODY */
    bool writing;         /* epoll looks for room to write */
};

struct lean_pool {
    lean_pool_setup setup;
    struct place places[LEAN_MOST];
    process_watch watch;
    esp_buf line; /* scratch */
};

static uint64_t now (const lean_pool *p)
{
    return esp_clock_ns (p->setup.clock);
}

/* ---- processes ---- */

static void kill_place (lean_pool *p, struct place *at)
{
    process_watch_set (&p->watch, at->process, false, EPOLL_CTL_DEL);
    line_process_kill (at->process);
    at->state = PLACE_DYING;
    at->job = NULL;
    at->known_count = 0;
    at->uses = 0;
}

static void count_failure (lean_pool *p, const char *what)
{
    process_watch_failed (&p->watch, now (p));
    esp_log (p->watch.failures == WATCH_FAILURES ? LOG_ERROR : LOG_WARN, "VERIFIER-CRASHED",
             "lean (%s): %s; started again%s", p->setup.command, what,
             p->watch.failures >= WATCH_FAILURES ? ", less and less often: verdicts are unknown"
                                                 : "");
}

static void reply (lean_pool *p, struct place *at, enum lean_end end, const json_t *said)
{
    const job *j = at->job;
    const lean_case c = at->c;
    at->job = NULL;
    if (j)
        p->setup.reply (p->setup.ctx, j, &c, end, said);
}

static void crash (lean_pool *p, struct place *at, const char *what)
{
    const job *j = at->job;
    kill_place (p, at);
    count_failure (p, what);
    at->job = j;
    reply (p, at, LEAN_CRASHED, NULL);
}

static esp_err start (lean_pool *p, struct place *at)
{
    static const char script[] = "cd \"$1\" && eval \"$2\"";
    const char *const argv[] = {"/bin/sh",        "-c", script, "lean", p->setup.folder,
                                p->setup.command, NULL};
    const sandbox_program program = {
        .argv = argv, .limits = p->setup.limits, .line_most = LINE_MOST};
    esp_error error = {0};
    esp_err err = sandbox_start (p->setup.box, &program, &at->process, &error);
    if (err != ESP_OK) {
        count_failure (p, error.text);
        return ESP_EFULL;
    }
    at->state = PLACE_IDLE;
    at->writing = false;
    process_watch_set (&p->watch, at->process, false, EPOLL_CTL_ADD);
    return ESP_OK;
}

/* ---- words ---- */

/* {"cmd": ..} and an empty line; env < 0: none. */
static esp_err say (lean_pool *p, struct place *at, span text, int64_t env, double seconds)
{
    esp_err err;
    esp_buf_clear (&p->line);
    esp_buf_clear (&at->answer);
    if ((err = esp_buf_puts (&p->line, "{\"cmd\": ")) == ESP_OK &&
        (err = esp_buf_json_string (&p->line, text)) == ESP_OK && env >= 0)
        err = esp_buf_printf (&p->line, ", \"env\": %lld", (long long)env);
    if (err == ESP_OK)
        err = esp_buf_puts (&p->line, "}\n");
    if (err == ESP_OK)
        err = line_process_say (at->process, esp_buf_span (&p->line));
    at->deadline_ns = now (p) + (uint64_t)(seconds * 1e9);
    return err;
}

static void say_body (lean_pool *p, struct place *at, int64_t env)
{
    at->state = PLACE_BODY;
    if (say (p, at, esp_buf_span (&at->body), env, p->setup.timeout_s) != ESP_OK)
        crash (p, at, "a process ended");
}

static void end_job (lean_pool *p, struct place *at, enum lean_end end, const json_t *said)
{
    at->state = PLACE_IDLE;
    p->watch.failures = 0;
    if (++at->uses >= p->setup.uses) {
        const job *j = at->job;
        kill_place (p, at);
        at->job = j;
    }
    reply (p, at, end, said);
}

static void take_header (lean_pool *p, struct place *at, const json_t *said)
{
    int64_t env = 0;
    esp_err err = lean_env (said, &env);
    if (err == ESP_EFORMAT) {
        crash (p, at, "a process said what is no answer");
        return;
    }
    if (err != ESP_OK) {
        end_job (p, at, LEAN_HEADER, NULL);
        return;
    }
    at->known[at->known_count].header = at->header;
    at->known[at->known_count++].env = env;
    if (at->job)
        say_body (p, at, env);
    else
        at->state = PLACE_IDLE;
}

static void take_answer (lean_pool *p, struct place *at)
{
    json_t *said = json_loadb (at->answer.data, at->answer.len, 0, NULL);
    esp_buf_clear (&at->answer);
    if (!json_is_object (said))
        crash (p, at, "a process said what is no JSON");
    else if (at->state == PLACE_HEADER)
        take_header (p, at, said);
    else
        end_job (p, at, LEAN_SAID, said);
    json_decref (said);
}

static void take_line (lean_pool *p, struct place *at, span line)
{
    if (at->state != PLACE_HEADER && at->state != PLACE_BODY) {
        if (span_trim (line).len > 0)
            crash (p, at, "a process said what was not asked");
    } else if (span_trim (line).len > 0) {
        if (at->answer.len + line.len > ANSWER_MOST || esp_buf_add (&at->answer, line) != ESP_OK ||
            esp_buf_puts (&at->answer, "\n") != ESP_OK)
            crash (p, at, "a process said too much");
    } else if (at->answer.len > 0) {
        take_answer (p, at);
    }
}

static void listen_to (lean_pool *p, struct place *at)
{
    span line;
    enum line_heard heard = LINE_HEARD;
    while (heard == LINE_HEARD && at->state != PLACE_DYING) {
        heard = line_process_hear (at->process, &line);
        if (heard == LINE_HEARD)
            take_line (p, at, line);
        else if (heard != LINE_NONE)
            crash (p, at,
                   heard == LINE_LONG ? "a process said a line without end" : "a process ended");
    }
}

static void look_after (lean_pool *p, struct place *at)
{
    if (at->state == PLACE_OFF)
        return;
    if (at->state != PLACE_DYING)
        listen_to (p, at);
    if (at->state != PLACE_DYING && line_process_flush (at->process) != ESP_OK)
        crash (p, at, "a process ended");
    if ((at->state == PLACE_HEADER || at->state == PLACE_BODY) && now (p) >= at->deadline_ns) {
        const job *j = at->job;
        kill_place (p, at);
        at->job = j;
        reply (p, at, LEAN_TIMEOUT, NULL);
    }
    if (at->state != PLACE_DYING) {
        process_watch_writing (&p->watch, at->process, &at->writing);
    } else if (line_process_gone (at->process)) {
        line_process_destroy (at->process);
        at->process = NULL;
        at->state = PLACE_OFF;
    }
}

/* ---- jobs ---- */

static bool knows (const struct place *at, uint64_t header, int64_t *env)
{
    *env = -1;
    for (size_t i = 0; i < at->known_count; i++)
        if (at->known[i].header == header)
            *env = at->known[i].env;
    return *env >= 0 || header == 0;
}

/* The best free place: one that has the header, else one with room for it, else one that is not started. */
static struct place *best_place (lean_pool *p, uint64_t header)
{
    struct place *best = NULL;
    int best_worth = 0;
    int64_t env;
    for (size_t i = 0; i < p->setup.processes; i++) {
        struct place *at = &p->places[i];
        int worth = at->state == PLACE_OFF           ? (now (p) >= p->watch.restart_ns ? 2 : 0)
                    : at->state != PLACE_IDLE        ? 0
                    : knows (at, header, &env)       ? 4
                    : at->known_count < HEADERS_MOST ? 3
                                                     : 1;
        if (worth > best_worth) {
            best = at;
            best_worth = worth;
        }
    }
    return best;
}

bool lean_pool_idle (const lean_pool *p)
{
    for (size_t i = 0; i < p->setup.processes; i++)
        if (p->places[i].state == PLACE_IDLE ||
            (p->places[i].state == PLACE_OFF && now (p) >= p->watch.restart_ns))
            return true;
    return false;
}

esp_err lean_pool_give (lean_pool *p, const job *j, const lean_case *c, span header, span body)
{
    uint64_t hash = header.len > 0 ? esp_hash64 (header.ptr, header.len, 0) | 1 : 0;
    struct place *at = best_place (p, hash);
    int64_t env;
    esp_err err;
    if (!at || (at->state == PLACE_OFF && start (p, at) != ESP_OK))
        return ESP_EFULL;
    if (!knows (at, hash, &env) && at->known_count == HEADERS_MOST) {
        kill_place (p, at); /* a new one has room */
        return ESP_EFULL;
    }
    esp_buf_clear (&at->body);
    if ((err = esp_buf_add (&at->body, body)) != ESP_OK)
        return err;
    at->job = j;
    at->c = *c;
    at->header = hash;
    if (knows (at, hash, &env)) {
        say_body (p, at, env);
        return ESP_OK;
    }
    at->state = PLACE_HEADER;
    if (say (p, at, header, -1, p->setup.header_s) != ESP_OK)
        crash (p, at, "a process ended");
    return ESP_OK;
}

void lean_pool_cancel (lean_pool *p, const job *j)
{
    for (size_t i = 0; i < p->setup.processes; i++)
        if (p->places[i].job == j)
            p->places[i].job = NULL;
}

bool lean_pool_hopeless (const lean_pool *p)
{
    bool alive = false;
    for (size_t i = 0; i < p->setup.processes; i++)
        alive = alive || (p->places[i].state != PLACE_OFF && p->places[i].state != PLACE_DYING);
    return !alive && p->watch.failures >= WATCH_FAILURES && now (p) < p->watch.restart_ns;
}

/* Wake the loop when something is due although nobody says a word. */
void lean_pool_set_timer (lean_pool *p)
{
    uint64_t at = p->watch.failures > 0 ? p->watch.restart_ns : UINT64_MAX, clock = now (p);
    for (size_t i = 0; i < p->setup.processes; i++) {
        const struct place *place = &p->places[i];
        uint64_t its = place->state == PLACE_DYING ? clock + (uint64_t)REAP_MS * MS
                       : place->state == PLACE_HEADER || place->state == PLACE_BODY
                           ? place->deadline_ns
                           : UINT64_MAX;
        at = its < at ? its : at;
    }
    process_watch_timer (&p->watch, at, clock);
}

void lean_pool_poll (lean_pool *p)
{
    process_watch_awake (&p->watch);
    for (size_t i = 0; i < p->setup.processes; i++)
        look_after (p, &p->places[i]);
}

int lean_pool_fd (const lean_pool *p)
{
    return p->watch.epoll;
}

/* ---- life ---- */

void lean_pool_destroy (lean_pool *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->setup.processes; i++)
        if (p->places[i].process)
            line_process_kill (p->places[i].process); /* all, before the first is waited for */
    for (size_t i = 0; i < p->setup.processes; i++) {
        line_process_destroy (p->places[i].process);
        esp_buf_free (&p->places[i].body);
        esp_buf_free (&p->places[i].answer);
    }
    process_watch_close (&p->watch);
    esp_buf_free (&p->line);
    esp_free (p);
}

esp_err lean_pool_create (const lean_pool_setup *setup, lean_pool **out, esp_error *error)
{
    lean_pool *p = esp_calloc (1, sizeof (*p));
    esp_err err;
    if (!p)
        return esp_error_set (error, ESP_ENOMEM, "lean: out of memory");
    p->setup = *setup;
    if ((err = process_watch_open (&p->watch, "lean", error)) != ESP_OK) {
        lean_pool_destroy (p);
        return err;
    }
    *out = p;
    return ESP_OK;
}
