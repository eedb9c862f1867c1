/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_COORDINATOR_OBSERVE_OTHERS_H
#define ESP_TESTS_UNIT_COORDINATOR_OBSERVE_OTHERS_H

/* others.h - who observes and who asks: programs of their own
 *
 * In one program with the run they would hang it: once nng fails to close a busy subscriber, it closes nothing
 * any more in that process (closer.h).  So the test program starts itself with a role, whose results come back as
 * lines; then it stays until it is killed.
 */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include "proto/base/hash.h"
#include "proto/client/client.h"
#include "tests/unit/coordinator/observe/given.h"

enum { OTHERS_MS = 20000 }; /* for one message or answer: only a run that hangs lets it pass */

/* ---- the programs ---- */

typedef struct other {
    pid_t pid;
    FILE *to, *from;
} other;

static inline void other_stay (void)
{
    char line[16];
    while (fgets (line, sizeof (line), stdin))
        continue;
    _exit (0);
}

static inline void other_start (other *o, char *const argv[])
{
    int in[2], out[2];
    CU_ASSERT_FATAL (pipe2 (in, O_CLOEXEC) == 0 && pipe2 (out, O_CLOEXEC) == 0);
    if ((o->pid = fork ()) == 0) {
        dup2 (in[0], 0);
        dup2 (out[1], 1);
        execv ("/proc/self/exe", argv);
        _exit (127);
    }
    close (in[0]);
    close (out[1]);
    o->to = fdopen (in[1], "w");
    o->from = fdopen (out[0], "r");
    setvbuf (o->from, NULL, _IONBF, 0); /* a second line stays where poll sees it */
}

static inline bool other_has_spoken (const other *o)
{
    struct pollfd p = {fileno (o->from), POLLIN, 0};
    return poll (&p, 1, 0) != 0;
}

/* A line from it, while the run goes on. */
static inline bool other_says (other *o, given *g, char *line, int size)
{
    while (!other_has_spoken (o))
        given_pass (g);
    return fgets (line, size, o->from) != NULL;
}

static inline void other_end (other *o)
{
    kill (o->pid, SIGKILL);
    waitpid (o->pid, NULL, 0);
    fclose (o->to);
    fclose (o->from);
}

/* ---- observers ----
 *
 * Both read until the events reach number `until`; follow repairs every gap by a snapshot.  An observer prints
 * "up" once it has its first message, and its result at the end; listen waits for "go" between the two.
 *
 * The events of one input may come in two messages, so whoever needs them all lets `until` be an input of one event.
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
        if ((err = client_snapshot (c, UINT64_MAX, OTHERS_MS, follower_take, f, &f->snapshot,
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
        *bits |= e->number == 0          ? 8 * (e->node == 9 && e->problem == 7)
                 : e->kind == EVENT_TEXT ? 4 * (e->text.len == OBSERVE_TEXT_MAX)
                 : isnan (e->value)      ? 1
                                         : 2 * (e->value == 0.5);
    }
    return ESP_OK;
}

/* argv: role, output, until */
static inline int observer_main (char **argv)
{
    static follower f;
    client *c;
    char line[16];
    int bits = 0;
    bool follow = strcmp (argv[1], "follow") == 0;
    uint64_t until = strtoull (argv[3], NULL, 10);
    esp_err err = client_open (argv[2], &c, &f.error);
    if (err == ESP_OK)
        err = follower_message (&f, c, OTHERS_MS, follow, &bits);
    printf ("up\n");
    fflush (stdout);
    if (!follow && !fgets (line, sizeof (line), stdin))
        other_stay ();
    while (err == ESP_OK && f.seen < until)
        err = follower_message (&f, c, OTHERS_MS, follow, &bits);
    printf ("%s %lu %lu %lu %d %016llx\n", esp_err_name (err), f.gaps, f.messages, f.events, bits,
            (unsigned long long)esp_hash64 (f.value, sizeof (f.value), 0));
    fflush (stdout);
    other_stay ();
    return 0;
}

typedef struct observer {
    other program;
    char err[32];
    unsigned long gaps, messages, events;
    int bits;
    unsigned long long hash;
} observer;

static inline void observer_start (observer *o, const given *g, const char *role, uint64_t until)
{
    char number[32];
    *o = (observer){.gaps = 0};
    snprintf (number, sizeof (number), "%llu", (unsigned long long)until);
    other_start (&o->program, (char *[]){"observer", (char *)(uintptr_t)role,
                                         (char *)(uintptr_t)g->output, number, NULL});
}

static inline void observer_wait_up (observer *o, given *g)
{
    char line[64] = "";
    CHECK (other_says (&o->program, g, line, sizeof (line)) && strcmp (line, "up\n") == 0);
}

static inline void observer_go (observer *o)
{
    fputs ("go\n", o->program.to);
    fflush (o->program.to);
}

static inline void observer_result (observer *o, given *g)
{
    char line[256] = "";
    CHECK (other_says (&o->program, g, line, sizeof (line)));
    CHECK (sscanf (line, "%31s %lu %lu %lu %d %llx", o->err, &o->gaps, &o->messages, &o->events,
                   &o->bits, &o->hash) == 6);
    CU_ASSERT_STRING_EQUAL (o->err, "OK");
}

static inline void observer_end (observer *o, given *g)
{
    other_end (&o->program);
    given_alone (g);
}

/* ---- asking: one client_ask ---- */

typedef struct asking {
    control_message ask;
    other program;
    int err;
    char error[600];
    unsigned long long number, problems_total, inputs;
    int eta_is_known;
} asking;

/* argv: "ask", output, then the fields of the message */
static inline int asking_main (char **argv)
{
    control_message ask = {.kind = (uint8_t)atoi (argv[3]),
                           .problem = strtoull (argv[4], NULL, 10),
                           .command = {.kind = (uint8_t)atoi (argv[5]),
                                       .node = (node_ref)strtoul (argv[6], NULL, 10),
                                       .text = span_of (argv[7])}};
    control_message answer = {.kind = 0};
    esp_error error = {0};
    client *c;
    esp_err err = client_open (argv[2], &c, &error);
    if (err == ESP_OK)
        err = client_ask (c, &ask, OTHERS_MS, &answer, &error);
    printf ("%d %llu %llu %llu %d %s\n", (int)err, (unsigned long long)answer.number,
            (unsigned long long)answer.status.problems_total,
            (unsigned long long)answer.status.inputs, !isnan (answer.status.eta_s), error.text);
    fflush (stdout);
    other_stay ();
    return 0;
}

static inline void asking_start (asking *a, const char *output)
{
    char fields[4][24], text[64];
    snprintf (fields[0], sizeof (fields[0]), "%u", a->ask.kind);
    snprintf (fields[1], sizeof (fields[1]), "%llu", (unsigned long long)a->ask.problem);
    snprintf (fields[2], sizeof (fields[2]), "%u", a->ask.command.kind);
    snprintf (fields[3], sizeof (fields[3]), "%u", a->ask.command.node);
    snprintf (text, sizeof (text), "%.*s", (int)a->ask.command.text.len,
              a->ask.command.text.len ? a->ask.command.text.ptr : "");
    other_start (&a->program, (char *[]){"asking", "ask", (char *)(uintptr_t)output, fields[0],
                                         fields[1], fields[2], fields[3], text, NULL});
}

/* Read what it said, waiting for it; g NULL: there is no run any more. */
static inline void asking_result (asking *a, given *g)
{
    char line[700] = "";
    int read = 0;
    CHECK (g ? other_says (&a->program, g, line, sizeof (line))
             : fgets (line, sizeof (line), a->program.from) != NULL);
    CHECK (sscanf (line, "%d %llu %llu %llu %d %n", &a->err, &a->number, &a->problems_total,
                   &a->inputs, &a->eta_is_known, &read) == 5);
    snprintf (a->error, sizeof (a->error), "%s", line + read);
    other_end (&a->program);
}

static inline void asking_now (asking *a, given *g)
{
    asking_start (a, g->output);
    asking_result (a, g);
    given_alone (g);
}

/* Let the run go on until a command came, or an answer without one. */
static inline void asking_wait_command (asking *a, given *g)
{
    while (g->commands == 0 && !other_has_spoken (&a->program))
        given_pass (g);
}

static inline int others_main (char **argv)
{
    return strcmp (argv[1], "ask") == 0 ? asking_main (argv) : observer_main (argv);
}

#endif
