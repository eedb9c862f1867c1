/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_COORDINATOR_OBSERVE_GIVEN_H
#define ESP_TESTS_UNIT_COORDINATOR_OBSERVE_GIVEN_H

/* given.h - a world of numbers instead of searches, and an observer that keeps a copy of it
 *
 * The state is one value per (problem, node); an event sets one.  An observer that lost nothing, or repaired what
 * it lost, ends with the same values.
 */

#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "coordinator/observe/observe.h"
#include "proto/base/hash.h"
#include "proto/client/client.h"
#include "tests/support/suite.h"

enum { PROBLEMS = 3, NODES = 4000 };

typedef struct given {
    double value[PROBLEMS][NODES]; /* 0 = not there */
    uint64_t number, planned_next;
    atomic_ullong durable;
    uint64_t jump_ns, now_ns; /* 0: the real clock; else each look moves it on */
    int commands, stops;
    command last;
    char last_text[64];
    observe *o;
    char output[256];
} given;

static uint64_t given_now (void *ctx)
{
    given *g = ctx;
    esp_clock real = esp_clock_monotonic ();
    return g->jump_ns ? (g->now_ns += g->jump_ns) : esp_clock_ns (&real);
}

static void given_status (void *ctx, run_status *out)
{
    const given *g = ctx;
    *out = (run_status){.problems_total = PROBLEMS,
                        .inputs = g->number,
                        .seconds = 1,
                        .generations_per_s = NAN,
                        .eta_s = NAN};
}

static bool given_snapshot (void *ctx, problem_key key, observe_cursor *at,
                            bool (*emit) (void *to, const event *e), void *to, uint64_t *number)
{
    given *g = ctx;
    *number = g->number;
    for (problem_key p = at->problem; p < PROBLEMS; p++) {
        if (key != UINT64_MAX && p != key)
            continue;
        if (p != at->problem)
            *at = (observe_cursor){p, 0};
        for (; at->node < NODES; at->node++) {
            event e = {.number = g->number,
                       .kind = EVENT_SCORED,
                       .problem = p,
                       .node = at->node,
                       .parent = 0,
                       .value = g->value[p][at->node],
                       .text = span_of ("text of a node")};
            if (e.value > 0 && !emit (to, &e))
                return true;
        }
    }
    return false;
}

static esp_err given_command (void *ctx, problem_key key, const command *c, uint64_t *number)
{
    given *g = ctx;
    if (key >= PROBLEMS)
        return ESP_ENOENT;
    g->commands++;
    g->last = *c;
    snprintf (g->last_text, sizeof (g->last_text), "%.*s", (int)c->text.len, c->text.ptr);
    *number = ++g->number;
    return ESP_OK;
}

static uint64_t given_durable (void *ctx)
{
    return atomic_load (&((given *)ctx)->durable);
}

static void given_stop (void *ctx)
{
    ((given *)ctx)->stops++;
}

static void given_open (given *g, const char *listen)
{
    observe_world world = {g,         given_status, given_snapshot, given_command, given_durable,
                           given_stop};
    esp_clock clock = {given_now, g};
    esp_error error = {0};
    if (!g->output[0])
        snprintf (g->output, sizeof (g->output), "%s", suite_folder ());
    PASS (observe_open (g->output, listen, &clock, &world, &g->o, &error));
}

/* One input with `count` events. */
static inline void given_input (given *g, unsigned count)
{
    event events[16];
    g->number++;
    for (unsigned i = 0; i < count; i++) {
        uint64_t draw = g->planned_next++ * 0x9e3779b97f4a7c15ULL;
        unsigned p = (unsigned)(draw >> 60) % PROBLEMS, n = (unsigned)(draw >> 20) % NODES;
        g->value[p][n] = (double)(g->number * 16 + i);
        events[i] = (event){.number = g->number,
                            .index = i,
                            .kind = EVENT_SCORED,
                            .problem = p,
                            .node = n,
                            .value = g->value[p][n],
                            .text = span_of ("live text")};
    }
    observe_events (g->o, events, count);
}

/* ---- observers: programs of their own, because nng 1.5 may hang when a busy subscriber is closed (closer.h) ----
 *
 * The test program starts itself with a role.  The observer prints "up" once it has its first message, and its
 * result at the end; "go" on its input lets it read on.  It leaves by _exit, as one that is killed.
 */

typedef struct follower {
    double value[PROBLEMS][NODES];
    uint64_t snapshot, seen;
    unsigned long gaps, messages, events;
    esp_error error;
} follower;

static void follower_take (void *ctx, const event *events, size_t count)
{
    follower *f = ctx;
    for (size_t i = 0; i < count; i++)
        if (events[i].problem < PROBLEMS && events[i].node < NODES)
            f->value[events[i].problem][events[i].node] = events[i].value;
}

/* One message; *bits notes what odd_events sent. */
static inline esp_err
follower_message (follower *f, client *c, int timeout_ms, bool repair, int *bits)
{
    const event *events;
    size_t count;
    run_status status;
    bool gap;
    esp_err err = client_next (c, timeout_ms, &events, &count, &status, &gap);
    if (err != ESP_OK)
        return err;
    f->messages++;
    f->events += count;
    f->gaps += gap;
    if (gap && repair) {
        memset (f->value, 0, sizeof (f->value));
        if ((err = client_snapshot (c, UINT64_MAX, 10000, follower_take, f, &f->snapshot,
                                    &f->error)) != ESP_OK)
            return err;
        f->seen = f->snapshot > f->seen ? f->snapshot : f->seen;
    }
    for (size_t i = 0; i < count; i++) {
        const event *e = &events[i];
        if (e->number > f->snapshot) {
            follower_take (f, e, 1);
            f->seen = e->number > f->seen ? e->number : f->seen;
        }
        *bits |= e->number == 0 ? 8 * (e->node == NODE_NONE && e->problem == 7 && e->ordinal == 9)
                 : e->kind == EVENT_TEXT ? 4 * (e->text.len == OBSERVE_TEXT_MAX)
                 : isnan (e->value)      ? 1
                                         : 2 * (e->value == 0.5);
    }
    return ESP_OK;
}

/* follow: until the events reached `until`; listen: until nothing comes any more. */
static inline int observer_main (const char *role, const char *output, uint64_t until)
{
    static follower f;
    client *c;
    char line[16];
    int bits = 0;
    bool follow = strcmp (role, "follow") == 0;
    esp_err err = client_open (output, &c, &f.error);
    if (err == ESP_OK)
        err = follower_message (&f, c, 20000, follow, &bits);
    printf ("up\n");
    fflush (stdout);
    if (!follow && !fgets (line, sizeof (line), stdin))
        _exit (0);
    while (err == ESP_OK && (!follow || f.seen < until))
        err = follower_message (&f, c, follow ? 20000 : 500, follow, &bits);
    printf ("%s %lu %lu %lu %d %016llx\n", esp_err_name (err), f.gaps, f.messages, f.events, bits,
            (unsigned long long)esp_hash64 (f.value, sizeof (f.value), 0));
    fflush (stdout);
    _exit (0);
}

typedef struct observer {
    pid_t pid;
    FILE *to, *from;
    char err[32];
    unsigned long gaps, messages, events;
    int bits;
    unsigned long long hash;
} observer;

static inline void observer_start (observer *o, const given *g, const char *role, uint64_t until)
{
    int in[2], out[2];
    char number[32];
    *o = (observer){.pid = 0};
    CU_ASSERT_FATAL (pipe2 (in, O_CLOEXEC) == 0 && pipe2 (out, O_CLOEXEC) == 0);
    snprintf (number, sizeof (number), "%llu", (unsigned long long)until);
    if ((o->pid = fork ()) == 0) {
        dup2 (in[0], 0);
        dup2 (out[1], 1);
        execl ("/proc/self/exe", "observer", role, g->output, number, (char *)NULL);
        _exit (127);
    }
    close (in[0]);
    close (out[1]);
    o->to = fdopen (in[1], "w");
    o->from = fdopen (out[0], "r");
}

/* A line from the observer while the run goes on. */
static inline bool observer_says (observer *o, given *g, char *line, int size)
{
    struct pollfd p = {fileno (o->from), POLLIN, 0};
    while (poll (&p, 1, 0) == 0) {
        observe_pass (g->o);
        usleep (200);
    }
    return fgets (line, size, o->from) != NULL;
}

static inline void observer_wait_up (observer *o, given *g)
{
    char line[64] = "";
    CHECK (observer_says (o, g, line, sizeof (line)) && strcmp (line, "up\n") == 0);
}

static inline void observer_result (observer *o, given *g)
{
    char line[256] = "";
    CHECK (observer_says (o, g, line, sizeof (line)));
    CHECK (sscanf (line, "%31s %lu %lu %lu %d %llx", o->err, &o->gaps, &o->messages, &o->events,
                   &o->bits, &o->hash) == 6);
}

static inline void observer_end (observer *o)
{
    kill (o->pid, SIGKILL);
    waitpid (o->pid, NULL, 0);
    fclose (o->to);
    fclose (o->from);
}

#endif
