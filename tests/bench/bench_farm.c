/* SPDX-License-Identifier: Apache-2.0 */
/* bench_farm.c - the same messages as the whole run, with nothing behind them
 *
 *     mpirun -n 2 bench @farm raw  K FOLDER     bytes back and forth, K tasks a message, 64 tasks out
 *     mpirun -n 2 bench @farm full K FOLDER     and protobuf at both ends, CRC, and the same writes (the real journal)
 *
 * Bare MPI: a ring of posted receives, MPI_Test on the oldest, blocking sends.
 */

#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "coordinator/journal/journal.h"
#include "proto/wire/wire.h"
#include "tests/bench/bench.h"

enum {
    WINDOW = 64, /* tasks out */
    TEXT = 1000, /* bytes of a sample */
    MOST = 16,   /* tasks of a message */
    GROUP = 100, /* results of a problem */
    MESSAGE_MOST = 65536,
    RING = 32, /* posted receives */
    TAG_GO = 1,
    TAG_END = 2
};
static const uint64_t FARM_NS = 1000000000;

struct farm {
    int tasks; /* of a message */
    bool full;
    wire_codec *in, *out;
    esp_buf request, reply; /* encoded once for `raw` */
    wire_task list[MOST];
    wire_result made[MOST];
    wire_prefix prefix;
    char text[TEXT];
    int other, head; /* rank of the other; the receive that completes next */
    MPI_Request posted[RING];
    size_t
        room; /* bytes of one receive: no more than needed, so that the ring stays in the cache */
    char bytes[RING * MESSAGE_MOST];
    journal *journal;
    esp_buf rows[2];
    uint64_t results;
};

static void must (esp_err err)
{
    if (err != ESP_OK)
        bench_fail (esp_err_text (err));
}

static void post (struct farm *f, int i)
{
    MPI_Irecv (f->bytes + (size_t)i * f->room, (int)f->room, MPI_BYTE, f->other, MPI_ANY_TAG,
               MPI_COMM_WORLD, &f->posted[i]);
}

/* The next message; its bytes are valid until `release`. */
static span receive (struct farm *f, int *tag)
{
    MPI_Status status;
    int done = 0, len;
    while (!done)
        MPI_Test (&f->posted[f->head], &done, &status);
    MPI_Get_count (&status, MPI_BYTE, &len);
    *tag = status.MPI_TAG;
    return span_make (f->bytes + (size_t)f->head * f->room, (size_t)len);
}

static void release (struct farm *f)
{
    post (f, f->head);
    f->head = (f->head + 1) % RING;
}

static void encode_request (struct farm *f)
{
    wire_message m = {.kind = WIRE_BATCH, .run_id = 0x1234567890abcdef};
    m.u.batch.prefixes = &f->prefix;
    m.u.batch.prefix_count = 1;
    m.u.batch.tasks = f->list;
    m.u.batch.task_count = (size_t)f->tasks;
    esp_buf_clear (&f->request);
    must (wire_encode (f->out, &m, &f->request));
}

static void encode_reply (struct farm *f)
{
    wire_message m = {.kind = WIRE_RESULTS, .run_id = 0x1234567890abcdef};
    m.u.results.results = f->made;
    m.u.results.count = (size_t)f->tasks;
    esp_buf_clear (&f->reply);
    must (wire_encode (f->out, &m, &f->reply));
}

static void fill (struct farm *f)
{
    for (int i = 0; i < TEXT; i++)
        f->text[i] = (char)(i % 80 == 79 ? '\n' : 'a' + i % 26);
    f->prefix = (wire_prefix){.problem = problem_key_make (0, 1000)};
    for (int i = 0; i < f->tasks; i++) {
        uint32_t number = 70 + (uint32_t)i;
        f->list[i].lease = 1000000 + number;
        f->list[i].task = (task){.id = {f->prefix.problem, number},
                                 .mode = TASK_TO_END,
                                 .child = number,
                                 .ordinal = number,
                                 .seed = 0x5a5a5a5a,
                                 .max_tokens = 2048,
                                 .max_steps = UINT32_MAX,
                                 .how = {0.8, 1.0, 0, 512},
                                 .chain = 40};
        f->made[i] = (wire_result){.lease = 1000000 + number, .busy_us = 5};
        f->made[i].result = (result){.id = {f->prefix.problem, number},
                                     .text = span_make (f->text, TEXT),
                                     .tokens = 250,
                                     .steps = 1,
                                     .finish = FINISH_EOS,
                                     .logprob = NAN,
                                     .mean_logprob = NAN,
                                     .share = NAN};
    }
    encode_request (f);
    encode_reply (f);
}

/* ---- rank 1 ---- */

static void work (struct farm *f)
{
    int tag;
    for (span request = receive (f, &tag); tag != TAG_END; request = receive (f, &tag)) {
        if (f->full) {
            wire_message m;
            must (wire_decode (f->in, request, &m));
            for (size_t i = 0; i < m.u.batch.task_count; i++)
                f->made[i].result.id = m.u.batch.tasks[i].task.id;
            encode_reply (f);
        }
        release (f);
        MPI_Send (f->reply.data, (int)f->reply.len, MPI_BYTE, 0, TAG_GO, MPI_COMM_WORLD);
    }
}

/* ---- rank 0 ---- */

static void open_journal (struct farm *f, const char *folder)
{
    static const char *const files[] = {"answers.jsonl", "candidates.jsonl"};
    const journal_options options = {
        .enabled = true, .commit_ms = 20, .segment_bytes = 64000000, .keep = 1, .sync = true};
    const journal_run run = {
        .strategy = span_of ("best_of_n"), .program = span_of ("bench"), .run_file = span_of ("")};
    esp_error error = {ESP_OK, ""};
    if (journal_create (folder, &options, &run, files, 2, &f->journal, &error) != ESP_OK)
        bench_fail (error.text);
}

/* What is written for one result: its input, and a row of its text when its problem ends. */
static void write_down (struct farm *f, const result *r)
{
    input in = {.kind = INPUT_RESULT, .problem = f->results / GROUP, .u.result = *r};
    uint64_t number;
    in.u.result.id.problem = in.problem;
    must (journal_input (f->journal, &in, &number));
    must (esp_buf_add (&f->rows[1], r->text));
    if (++f->results % GROUP == 0) {
        span rows[2];
        must (esp_buf_add (&f->rows[0], r->text));
        rows[0] = esp_buf_span (&f->rows[0]);
        rows[1] = esp_buf_span (&f->rows[1]);
        must (journal_rows (f->journal, in.problem, number, rows, 2));
        esp_buf_clear (&f->rows[0]);
        esp_buf_clear (&f->rows[1]);
    }
}

static void take (struct farm *f)
{
    wire_message m;
    int tag;
    span reply = receive (f, &tag);
    if (f->full) {
        must (wire_decode (f->in, reply, &m));
        for (size_t i = 0; i < m.u.results.count; i++)
            write_down (f, &m.u.results.results[i].result);
        journal_flush (f->journal);
    }
    release (f);
}

static void give (struct farm *f)
{
    if (f->full)
        encode_request (f);
    MPI_Send (f->request.data, (int)f->request.len, MPI_BYTE, 1, TAG_GO, MPI_COMM_WORLD);
}

static void give_orders (struct farm *f)
{
    uint64_t start = bench_now_ns (), cpu = esp_thread_cpu_ns (), count = 0;
    double seconds;
    for (int i = 0; i < WINDOW / f->tasks; i++)
        give (f);
    do {
        take (f);
        give (f);
        count += (uint64_t)f->tasks;
    } while (count % 4096 || bench_now_ns () - start < FARM_NS);
    cpu = esp_thread_cpu_ns () - cpu;
    if (f->full)
        must (journal_sync (f->journal));
    seconds = (double)(bench_now_ns () - start) / 1e9;
    for (int i = 0; i < WINDOW / f->tasks; i++)
        take (f);
    MPI_Send (f->request.data, (int)f->request.len, MPI_BYTE, 1, TAG_END, MPI_COMM_WORLD);
    printf ("rate %.0f results/s\ncpu %.3f us\nrequest_bytes %zu bytes\nreply_bytes %zu bytes\n",
            (double)count / seconds, (double)cpu / 1e3 / (double)count,
            f->request.len / (size_t)f->tasks, f->reply.len / (size_t)f->tasks);
    journal_close (f->journal);
}

int bench_farm_rank (int argc, char **argv)
{
    struct farm *f = calloc (1, sizeof (*f));
    int rank = 0, level = 0;
    if (!f || argc < 4 ||
        MPI_Init_thread (&argc, &argv, MPI_THREAD_FUNNELED, &level) != MPI_SUCCESS)
        bench_fail ("usage: mpirun -n 2 bench @farm raw|full K FOLDER");
    MPI_Comm_rank (MPI_COMM_WORLD, &rank);
    f->full = strcmp (argv[1], "full") == 0;
    f->tasks = atoi (argv[2]) > 0 && atoi (argv[2]) <= MOST ? atoi (argv[2]) : 1;
    must (wire_codec_create (&f->in));
    must (wire_codec_create (&f->out));
    fill (f);
    if (rank == 0 && f->full)
        open_journal (f, argv[3]);
    f->other = 1 - rank;
    f->room =
        f->reply.len + 1024; /* ids and numbers vary a little in length; requests are shorter */
    for (int i = 0; i < RING; i++)
        post (f, i);
    MPI_Barrier (MPI_COMM_WORLD);
    if (rank == 0)
        give_orders (f);
    else
        work (f);
    fflush (stdout);
    for (int i = 0; i < RING; i++)
        MPI_Cancel (&f->posted[i]);
    MPI_Finalize ();
    return 0;
}
