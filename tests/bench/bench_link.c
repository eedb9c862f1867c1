/* SPDX-License-Identifier: Apache-2.0 */

/* bench_link.c - what the link costs, on two ranks
 *
 *     mpirun -n 2 bench @link idle    CPU share of a sleeping rank, time to wake it
 *     mpirun -n 2 bench @link farm    window of 64 messages of 1 kB through link_*, and the same through bare MPI
 */

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "proto/link/link_mpi.h"
#include "tests/bench/bench.h"

enum {
    MESSAGE = 1024, /* bytes each way */
    WINDOW = 64,    /* messages in flight */
    PINGS = 300,
    PING_GAP_MIN_MS = 10, /* a ping every 10 to 30 ms: both sides have gone to sleep by then */
    PING_GAP_SPAN_MS = 20
};

static const uint64_t FARM_NS = 2000000000;

static uint64_t cpu_ns (void)
{
    struct timespec t;
    clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void fail (const char *what)
{
    bench_fail (what);
}

/* The next message, however long it takes. */
static link_event receive (link_end *end)
{
    link_event got = {LINK_MESSAGE, -1, {NULL, 0}};
    esp_err err;
    while ((err = link_poll (end, &got)) == ESP_EEMPTY)
        link_wait (end, UINT64_C (1000000000), NULL, 0);
    if (err != ESP_OK || got.kind != LINK_MESSAGE)
        fail ("the other rank is gone");
    return got;
}

static void post (link_end *end, const char *bytes, size_t len)
{
    if (link_send (end, 1 - end->rank, span_make (bytes, len)) != ESP_OK)
        fail ("send");
}

/* Rank 1 sends back whatever comes, until an empty message. */
static void echo (link_end *end)
{
    for (;;) {
        link_event got = receive (end);
        if (got.bytes.len == 0)
            return;
        post (end, got.bytes.ptr, got.bytes.len);
    }
}

static int by_size (const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void report_idle (const uint64_t *sorted, uint64_t cpu, uint64_t wall)
{
    printf ("link_idle_cpu %.3f %%\n", 100.0 * (double)cpu / (double)wall);
    printf ("link_wake_round_trip_median %.1f us\n", (double)sorted[PINGS / 2] / 1e3);
    printf ("link_wake_round_trip_p99 %.1f us\n", (double)sorted[PINGS * 99 / 100] / 1e3);
}

/* Round trip between two sleeping ranks: both are woken once. */
static void bench_idle (link_end *end)
{
    uint64_t took[PINGS], cpu = cpu_ns (), start = bench_now_ns ();
    char message[MESSAGE] = {0};
    if (end->rank == 1) {
        echo (end);
        return;
    }
    for (unsigned i = 0; i < PINGS; i++) {
        uint64_t gap_ms = PING_GAP_MIN_MS + i * 7919u % PING_GAP_SPAN_MS;
        uint64_t until = bench_now_ns () + gap_ms * 1000000u, sent;
        while ((sent = bench_now_ns ()) < until)
            link_wait (end, until - sent, NULL, 0);
        post (end, message, sizeof (message));
        (void)receive (end);
        took[i] = bench_now_ns () - sent;
    }
    cpu = cpu_ns () - cpu;
    start = bench_now_ns () - start;
    post (end, NULL, 0);
    qsort (took, PINGS, sizeof (took[0]), by_size);
    report_idle (took, cpu, start);
}

/* Nobody sends anything for two seconds. */
static void bench_silence (link_end *end)
{
    uint64_t cpu = cpu_ns (), start = bench_now_ns (), now;
    while ((now = bench_now_ns ()) - start < FARM_NS)
        link_wait (end, start + FARM_NS - now, NULL, 0);
    if (end->rank == 0)
        printf ("link_silent_cpu %.3f %%\n",
                100.0 * (double)(cpu_ns () - cpu) / (double)(bench_now_ns () - start));
}

static void bench_farm (link_end *end)
{
    char message[MESSAGE] = {0};
    uint64_t start, count = 0, cpu;
    if (end->rank == 1) {
        echo (end);
        return;
    }
    start = bench_now_ns ();
    cpu = cpu_ns ();
    for (int i = 0; i < WINDOW; i++)
        post (end, message, sizeof (message));
    do {
        (void)receive (end);
        post (end, message, sizeof (message));
        count++;
    } while (count % 1024 || bench_now_ns () - start < FARM_NS);
    start = bench_now_ns () - start;
    cpu = cpu_ns () - cpu;
    for (int i = 0; i < WINDOW; i++)
        (void)receive (end);
    post (end, NULL, 0);
    printf ("link_farm %.0f messages/s\n", (double)count * 1e9 / (double)start);
    printf ("link_farm_cpu_per_task %.3f us\n", (double)cpu / 1e3 / (double)count);
    printf ("link_farm_rings %llu count\n", (unsigned long long)end->stats.rings);
}

/* The same farm in bare MPI: a ring of posted receives, a ring of send buffers, MPI_Test. */
struct raw {
    MPI_Comm comm;
    int other, head, tail;
    MPI_Request in[WINDOW], out[WINDOW];
    char in_bytes[WINDOW][MESSAGE], out_bytes[WINDOW][MESSAGE];
};

static void raw_post (struct raw *r, int i)
{
    MPI_Irecv (r->in_bytes[i], MESSAGE, MPI_BYTE, MPI_ANY_SOURCE, MPI_ANY_TAG, r->comm, &r->in[i]);
}

static void raw_open (struct raw *r, int other)
{
    MPI_Comm_dup (MPI_COMM_WORLD, &r->comm);
    r->other = other;
    for (int i = 0; i < WINDOW; i++) {
        r->out[i] = MPI_REQUEST_NULL;
        raw_post (r, i);
    }
}

static void raw_finish (MPI_Request *request, MPI_Status *status)
{
    for (int flag = 0; !flag;)
        MPI_Test (request, &flag, status);
}

/* Tag 2 ends the echo. */
static void raw_send (struct raw *r, const char *bytes, int tag)
{
    raw_finish (&r->out[r->tail], MPI_STATUS_IGNORE);
    memcpy (r->out_bytes[r->tail], bytes, MESSAGE);
    MPI_Isend (r->out_bytes[r->tail], MESSAGE, MPI_BYTE, r->other, tag, r->comm, &r->out[r->tail]);
    r->tail = (r->tail + 1) % WINDOW;
}

static int raw_receive (struct raw *r, char *bytes)
{
    MPI_Status status;
    raw_finish (&r->in[r->head], &status);
    memcpy (bytes, r->in_bytes[r->head], MESSAGE);
    raw_post (r, r->head);
    r->head = (r->head + 1) % WINDOW;
    return status.MPI_TAG;
}

static void bench_raw (link_end *end)
{
    struct raw *r = calloc (1, sizeof (*r));
    char message[MESSAGE] = {0};
    uint64_t start, count = 0;
    if (!r)
        fail ("memory");
    raw_open (r, 1 - end->rank);
    if (end->rank == 1) {
        while (raw_receive (r, message) != 2)
            raw_send (r, message, 1);
        return; /* r stays: its receives are posted until the process ends */
    }
    start = bench_now_ns ();
    for (int i = 0; i < WINDOW; i++)
        raw_send (r, message, 1);
    do {
        (void)raw_receive (r, message);
        raw_send (r, message, 1);
        count++;
    } while (count % 1024 || bench_now_ns () - start < FARM_NS);
    start = bench_now_ns () - start;
    for (int i = 0; i < WINDOW; i++)
        (void)raw_receive (r, message);
    raw_send (r, message, 2);
    printf ("raw_mpi_farm %.0f messages/s\n", (double)count * 1e9 / (double)start);
}

int bench_link_rank (int argc, char **argv)
{
    link_end *end = NULL;
    esp_error error = {ESP_OK, ""};
    const char *mode = argc > 1 ? argv[1] : "";
    if (link_mpi_open (&argc, &argv, 1, &end, &error) != ESP_OK)
        fail (error.text);
    if (end->size != 2)
        fail ("run me on 2 ranks");
    if (strcmp (mode, "idle") == 0) {
        bench_silence (end);
        bench_idle (end);
    } else {
        bench_raw (end);
        bench_farm (end);
    }
    fflush (stdout);
    link_close (end, true);
    return 0;
}

void bench_link (const bench *b)
{
    static const char *const modes[] = {"idle", "farm"};
    char out[4096];
    for (int i = 0; i < 2; i++) {
        if (bench_command (out, sizeof (out), "%s %s @link %s 2>&1", bench_mpirun (), b->self,
                           modes[i]) != 0)
            bench_skip (modes[i], out);
        else
            printf ("%s", out);
        if (i == 0) {
            bench_ratio ("link_idle", bench_find (out, "link_silent_cpu"), false, 1, true);
            bench_ratio ("link_wake", bench_find (out, "link_wake_round_trip_median"), false, 1000,
                         true);
        }
    }
}
