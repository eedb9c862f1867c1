/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_COORDINATOR_OBSERVE_GIVEN_H
#define ESP_TESTS_UNIT_COORDINATOR_OBSERVE_GIVEN_H

/* given.h - a world of numbers instead of searches
 *
 * The state is one value per (problem, node); an event sets one.  An observer that lost nothing, or repaired what
 * it lost, ends with the same values.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "coordinator/observe/observe_private.h"
#include "tests/support/suite.h"

enum { PROBLEMS = 3, NODES = 4000 };

typedef struct given {
    double value[PROBLEMS][NODES]; /* 0 = not there */
    uint64_t number, planned_next, durable;
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
    return ((given *)ctx)->durable;
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

/* Wait until the run knows that nobody watches any more.  What it publishes between the end of a watcher and this
 * moment is never freed by nng 1.5, which the leak check tells. */
static inline void given_alone (given *g)
{
    while (door_watched (g->o->door))
        usleep (200);
}

static inline void given_close (given *g)
{
    given_alone (g);
    observe_close (g->o);
}

/* A pass, and a moment for nng's threads. */
static inline void given_pass (given *g)
{
    observe_pass (g->o);
    usleep (200);
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

#endif
