/* SPDX-License-Identifier: Apache-2.0 */

/* test_link_mpi.c - what proto/link/link.h promises, kept by the MPI link on real ranks
 *
 *     mpirun -n N mpi_link_mpi SCENARIO
 *
 *     exchange   sizes 0..2 MB between all pairs at once, one rank stalled at first
 *     full       a peer that does not read makes the queue full, and no more than full
 *     wait       what ends link_wait
 *     version    ranks that differ are refused (ESP_TEST_ODD_RANK: which one differs)
 *     kill       rank 2 is killed in the middle of sending; the others go on
 *
 * Exit status 0: all expectations held on this rank.  No sleep is relied on for a result: what must not
 * last ends by the test's time limit.
 */

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "proto/base/clock.h"
#include "proto/link/link_mpi.h"

enum {
    MESSAGES = 150,            /* from each rank to each other rank */
    LARGEST = 2 * 1024 * 1024, /* bytes */
    STALL_US = 700 * 1000,
    KILLED = 2,       /* rank */
    FULL_SIZE = 10000 /* bytes; more than MPI sends without the receiver's help */
};

struct test {
    link_end *end;
    int failures;
    char *scratch; /* LARGEST bytes */
};

#define EXPECT(t, condition)                                                                       \
    do {                                                                                           \
        if (!(condition) && ++(t)->failures < 10)                                                  \
            fprintf (stderr, "FAILED rank %d: %s:%d: %s\n", (t)->end ? (t)->end->rank : -1,        \
                     __FILE__, __LINE__, #condition);                                              \
    } while (0)

static uint32_t mix (uint32_t x)
{
    x ^= x >> 16;
    x *= 0x7feb352dU;
    x ^= x >> 15;
    x *= 0x846ca68bU;
    return x ^ x >> 16;
}

static uint32_t mark_of (int from, int to, int i)
{
    return mix ((uint32_t)from * 1000003U + (uint32_t)to * 8191U + (uint32_t)i);
}

/* Mostly small, some around the limits, some large. */
static size_t size_of (int from, int to, int i)
{
    static const size_t edges[] = {0, 1, 3999, 4000, 4001, 65535, 65536, 65537, LARGEST};
    uint32_t draw = mark_of (from, to, i);
    if (draw % 4 == 0)
        return edges[draw / 4 % 9];
    return mix (draw) % (draw % 4 == 1 ? LARGEST : draw % 4 == 2 ? 60000 : 3000);
}

static void fill (char *bytes, size_t len, uint32_t mark)
{
    for (size_t k = 0; k < len; k++)
        bytes[k] = (char)(mark + k * 31 + (k >> 8));
}

static bool is_filled (span bytes, uint32_t mark)
{
    for (size_t k = 0; k < bytes.len; k++)
        if (bytes.ptr[k] != (char)(mark + k * 31 + (k >> 8)))
            return false;
    return true;
}

/* One all-to-all round among the ranks that are not down. */
struct round {
    int next_in[64], next_out[64]; /* message number by peer */
    bool down[64];
    int messages;
    int last_words; /* scenario kill: number of the first message of KILLED that says nothing; 0: none */
};

static bool someone_missing (const struct test *t, const struct round *r)
{
    for (int i = 0; i < t->end->size; i++)
        if (i != t->end->rank && !r->down[i] &&
            (r->next_in[i] < r->messages || r->next_out[i] < r->messages))
            return true;
    return false;
}

static void take (struct test *t, struct round *r, const link_event *event)
{
    int from = event->rank, i = r->next_in[from];
    if (event->kind == LINK_DOWN) {
        EXPECT (t, from == KILLED && !r->down[from]);
        r->down[from] = true;
        return;
    }
    EXPECT (t, !r->down[from]);
    if ((from == KILLED || t->end->rank == KILLED) && r->last_words && i >= r->last_words)
        return;
    EXPECT (t, event->bytes.len == size_of (from, t->end->rank, i));
    EXPECT (t, is_filled (event->bytes, mark_of (from, t->end->rank, i)));
    r->next_in[from]++;
}

/* Send the next message to every peer that takes one; true if any did. */
static bool give (struct test *t, struct round *r)
{
    bool sent = false;
    for (int to = 0; to < t->end->size; to++) {
        int i = r->next_out[to];
        size_t len = size_of (t->end->rank, to, i);
        esp_err err;
        if (to == t->end->rank || r->down[to] || i >= r->messages)
            continue;
        fill (t->scratch, len, mark_of (t->end->rank, to, i));
        err = link_send (t->end, to, span_make (t->scratch, len));
        EXPECT (t, err == ESP_OK || err == ESP_EFULL);
        if (err != ESP_OK)
            continue;
        r->next_out[to]++;
        sent = true;
    }
    return sent;
}

static void step (struct test *t, struct round *r)
{
    link_event event;
    bool moved = give (t, r);
    esp_err err;
    while ((err = link_poll (t->end, &event)) == ESP_OK) {
        take (t, r, &event);
        moved = true;
    }
    EXPECT (t, err == ESP_EEMPTY);
    if (!moved)
        link_wait (t->end, UINT64_C (100000000), NULL, 0);
}

static void run_round (struct test *t, struct round *r)
{
    while (someone_missing (t, r) || !link_flushed (t->end))
        step (t, r);
}

static void exchange (struct test *t)
{
    struct round r = {.messages = MESSAGES};
    if (t->end->rank == t->end->size - 1)
        usleep (STALL_US); /* does not even poll: nobody may hang on it */
    run_round (t, &r);
    EXPECT (t, t->end->stats.sent_messages == t->end->stats.received_messages);
    EXPECT (t,
            t->end->stats.received_messages == (uint64_t)MESSAGES * (uint64_t)(t->end->size - 1));
    EXPECT (t, t->end->stats.dropped == 0);
}

/* Wait for a message with these bytes. */
static void expect_message (struct test *t, int from, const char *text)
{
    link_event event;
    esp_err err;
    while ((err = link_poll (t->end, &event)) == ESP_EEMPTY)
        link_wait (t->end, UINT64_C (1000000000), NULL, 0);
    EXPECT (t, err == ESP_OK && event.kind == LINK_MESSAGE && event.rank == from);
    EXPECT (t, err == ESP_OK && span_is (event.bytes, text));
}

/* Sends without polling until no more fits, then polls until all is gone.  MPI takes some by itself, hence the twice. */
static void fill_queue (struct test *t)
{
    link_event event;
    int sent = 0;
    esp_err err = ESP_OK;
    while (sent < 2 * LINK_QUEUE_MESSAGES && err == ESP_OK) {
        err = link_send (t->end, 1, span_make (t->scratch, FULL_SIZE));
        sent += err == ESP_OK;
    }
    EXPECT (t, err == ESP_EFULL && sent >= LINK_QUEUE_MESSAGES);
    EXPECT (t, t->end->stats.refused == 1 && !link_flushed (t->end));
    do {
        EXPECT (t, link_poll (t->end, &event) == ESP_EEMPTY);
        link_wait (t->end, 1000000, NULL, 0);
        err = link_send (t->end, 1, span_of ("that was all"));
    } while (err == ESP_EFULL);
    EXPECT (t, err == ESP_OK);
    expect_message (t, 1, "got it");
    EXPECT (t, link_flushed (t->end));
}

static void read_late (struct test *t)
{
    link_event event = {LINK_MESSAGE, 0, {NULL, 0}};
    usleep (STALL_US);
    while (!span_is (event.bytes, "that was all")) {
        esp_err err = link_poll (t->end, &event);
        if (err == ESP_EEMPTY)
            link_wait (t->end, UINT64_MAX, NULL, 0);
        else
            EXPECT (t, err == ESP_OK && (event.bytes.len == FULL_SIZE || event.bytes.len == 12));
    }
    EXPECT (t, link_send (t->end, 0, span_of ("got it")) == ESP_OK);
    while (!link_flushed (t->end))
        EXPECT (t, link_poll (t->end, &event) == ESP_EEMPTY);
}

static void full (struct test *t)
{
    if (t->end->rank == 0)
        fill_queue (t);
    else if (t->end->rank == 1)
        read_late (t);
}

static void bad_calls (struct test *t)
{
    link_event event;
    int size = t->end->size, rank = t->end->rank;
    EXPECT (t, link_send (t->end, rank, span_of ("x")) == ESP_EINVAL);
    EXPECT (t, link_send (t->end, -1, span_of ("x")) == ESP_EINVAL);
    EXPECT (t, link_send (t->end, size, span_of ("x")) == ESP_EINVAL);
    EXPECT (t, link_send (t->end, 1 - rank, span_make (NULL, 1)) == ESP_EINVAL);
    EXPECT (t, link_send (t->end, 1 - rank, span_make ("x", (size_t)LINK_MESSAGE_MAX + 1)) ==
                   ESP_ETOOBIG);
    EXPECT (t, link_poll (t->end, NULL) == ESP_EINVAL);
    EXPECT (t, link_poll (t->end, &event) == ESP_EEMPTY);
    EXPECT (t, link_flushed (t->end));
}

static void *wake_later (void *end)
{
    usleep (50000);
    link_wake (end);
    return NULL;
}

static link_end **woken_by_signal (void) /* a handler has no argument */
{
    static link_end *end;
    return &end;
}

static void on_signal (int number)
{
    (void)number;
    link_wake (*woken_by_signal ());
}

/* Ranks 0 and 1.  Each wait would last beyond the test's time limit. */
static void wait_for (struct test *t)
{
    pthread_t thread;
    int pipes[2];
    bad_calls (t);
    link_wake (t->end);
    link_wait (t->end, UINT64_MAX, NULL, 0);
    EXPECT (t, pthread_create (&thread, NULL, wake_later, t->end) == 0);
    link_wait (t->end, UINT64_MAX, NULL, 0);
    pthread_join (thread, NULL);
    *woken_by_signal () = t->end;
    signal (SIGUSR2, on_signal);
    raise (SIGUSR2);
    link_wait (t->end, UINT64_MAX, NULL, 0);
    EXPECT (t, pipe (pipes) == 0 && write (pipes[1], "x", 1) == 1);
    link_wait (t->end, UINT64_MAX, pipes, 1);
    close (pipes[0]);
    close (pipes[1]);
    link_wait (t->end, 0, NULL, 0);
    link_wait (t->end, 1000, NULL, 0);
    for (int i = 0; i < 20; i++) { /* both sleep for a while before each message */
        usleep (20000);
        if (t->end->rank == i % 2)
            EXPECT (t, link_send (t->end, 1 - t->end->rank, span_of ("wake up")) == ESP_OK);
        else
            expect_message (t, 1 - t->end->rank, "wake up");
    }
    while (!link_flushed (t->end))
        EXPECT (t, link_poll (t->end, &(link_event){.rank = 0}) == ESP_EEMPTY);
}

static void kill_in_the_middle (struct test *t)
{
    if (t->end->rank != KILLED)
        return;
    for (int to = 0; to < t->end->size; to++)
        for (int i = 0; to != KILLED && i < 64;
             i++) /* announced, under way, and never to be ended */
            EXPECT (t, link_send (t->end, to, span_make (t->scratch, FULL_SIZE)) == ESP_OK);
    kill (getpid (), SIGKILL);
}

static uint64_t now_ns (void)
{
    esp_clock clock = esp_clock_monotonic ();
    return esp_clock_ns (&clock);
}

/* The death is reported within 10 s where the link promises it, and once; all others go on. */
static void survive (struct test *t)
{
    struct round r = {.messages = 20, .last_words = 20};
    uint64_t start, knew = 0;
    run_round (t, &r);
    kill_in_the_middle (t);
    start = now_ns ();
    EXPECT (t, link_send (t->end, KILLED, span_make (t->scratch, LARGEST)) == ESP_OK);
    r.messages = 40;
    r.next_in[KILLED] = r.next_out[KILLED] = r.messages;
    while (now_ns () - start < UINT64_C (10000000000) &&
           (someone_missing (t, &r) || (t->end->reports_deaths && !r.down[KILLED]))) {
        step (t, &r);
        if (r.down[KILLED] && !knew)
            knew = now_ns () - start;
    }
    EXPECT (t, !someone_missing (t, &r) && r.down[KILLED] == t->end->reports_deaths);
    printf ("rank %d: the death was %s after %.1f ms\n", t->end->rank, knew ? "known" : "not told",
            (double)knew / 1e6);
    EXPECT (t, link_send (t->end, KILLED, span_of ("x")) == ESP_OK);
    while (now_ns () - start <
           UINT64_C (3000000000)) { /* others may still need us; their end may look like a death */
        link_event event;
        if (link_poll (t->end, &event) == ESP_EEMPTY)
            link_wait (t->end, UINT64_C (100000000), NULL, 0);
    }
}

static int check_version (struct test *t, int *argc, char ***argv)
{
    const char *odd = getenv ("ESP_TEST_ODD_RANK");
    const char *rank =
        getenv ("OMPI_COMM_WORLD_RANK") ? getenv ("OMPI_COMM_WORLD_RANK") : getenv ("PMI_RANK");
    bool differs = odd && rank && strcmp (odd, rank) == 0;
    esp_error error = {ESP_OK, ""};
    char named[32];
    EXPECT (t, link_mpi_launched ());
    EXPECT (t,
            link_mpi_open (argc, argv, differs ? 0xbeef : 0xcafe, &t->end, &error) == ESP_EVERSION);
    EXPECT (t, t->end == NULL && error.code == ESP_EVERSION);
    snprintf (named, sizeof (named), "rank %s ", odd ? odd : "?");
    EXPECT (t, strstr (error.text, named) && strstr (error.text, "beef") &&
                   strstr (error.text, "cafe"));
    printf ("%s\n", error.text);
    return t->failures ? 1 : 0;
}

int main (int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run) (struct test *t);
    } scenarios[] = {{"exchange", exchange}, {"full", full}, {"wait", wait_for}, {"kill", survive}};
    struct test t = {NULL, 0, calloc (1, LARGEST)};
    const char *name = argc > 1 ? argv[1] : "";
    esp_error error = {ESP_OK, ""};
    bool known = false;
    if (strcmp (name, "version") == 0)
        return check_version (&t, &argc, &argv);
    if (!t.scratch || link_mpi_open (&argc, &argv, 1, &t.end, &error) != ESP_OK) {
        fprintf (stderr, "FAILED to open: %s\n", error.text);
        return 1;
    }
    if (t.end->rank == 0)
        printf ("%s: %s, %d ranks\n", name, t.end->description, t.end->size);
    for (size_t i = 0; i < sizeof (scenarios) / sizeof (scenarios[0]); i++)
        if (strcmp (name, scenarios[i].name) == 0) {
            known = true;
            scenarios[i].run (&t);
        }
    EXPECT (&t, known);
    fflush (NULL);
    if (strcmp (name, "kill") == 0)
        _exit (t.failures ? 1 : 0);
    link_close (t.end, true);
    free (t.scratch);
    return t.failures ? 1 : 0;
}
