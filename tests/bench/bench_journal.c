/* SPDX-License-Identifier: Apache-2.0 */
/* bench_journal.c - what the journal alone costs the loop, and how long it takes to read it again
 *
 * encode_cpu: wire_record_encode alone; input_on, input_off: what the loop's
 * thread does for a result of 1 kB (journal_input, its share of journal_rows and journal_flush) with the journal on (synced)
 * and with journal.enabled: false; durable: until all of it is on disk.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "coordinator/journal/journal.h"
#include "proto/base/file.h"
#include "proto/wire/wire.h"
#include "tests/bench/bench.h"

enum {
    INPUTS = 200000,
    TEXT_BYTES = 1024,
    PER_PASS = 64,      /* inputs between two flushes: a loop pass */
    PER_PROBLEM = 100,  /* inputs; then one row of 200 bytes */
    FINISHED = 1000000, /* problems, for resume */
    OPEN = 100,         /* problems with OPEN_INPUTS inputs each */
    OPEN_INPUTS = 100,
    BACKLOG = 256 * 1024 * 1024 /* the loop sends nothing new over this */
};

static void must (esp_err err, const esp_error *error)
{
    if (err != ESP_OK)
        bench_fail (error->text[0] ? error->text : esp_err_text (err));
}

static input make_input (uint64_t n, problem_key key)
{
    static char text[TEXT_BYTES] = "a step of a kilobyte";
    input in = {.kind = INPUT_RESULT, .problem = key};
    in.u.result = (result){.id = {.problem = key, .number = (uint32_t)n},
                           .text = span_make (text, sizeof (text)),
                           .tokens = 256,
                           .steps = 1,
                           .logprob = -12.5,
                           .mean_logprob = -0.05,
                           .share = NAN};
    return in;
}

static void end_problem (journal *j, problem_key key, uint64_t number)
{
    static char row[200];
    span rows[1] = {{row, sizeof (row)}};
    esp_error error = {0};
    memset (row, 'r', sizeof (row) - 1);
    row[sizeof (row) - 1] = '\n';
    must (journal_rows (j, key, number, rows, 1), &error);
}

static journal *start (const char *folder, const char *name, bool enabled, char path[4096])
{
    static const char *const files[] = {"answers.jsonl"};
    journal_options options = {
        .enabled = enabled, .commit_ms = 20, .segment_bytes = 64000000, .keep = 1, .sync = true};
    journal_run run = {.strategy = span_of ("beam"),
                       .program = span_of ("bench"),
                       .run_file = span_of ("run: {}\n")};
    journal *j = NULL;
    esp_error error = {0};
    must (esp_path_join (path, 4096, folder, name), &error);
    must (esp_folder_make (path, &error), &error);
    must (journal_create (path, &options, &run, files, 1, &j, &error), &error);
    return j;
}

static void bench_encode (void)
{
    wire_codec *codec = NULL;
    esp_buf out = {0};
    esp_error error = {0};
    uint64_t cpu = esp_thread_cpu_ns ();
    must (wire_codec_create (&codec), &error);
    for (uint64_t n = 1; n <= INPUTS; n++) {
        record r = {.kind = RECORD_INPUT, .number = n};
        r.u.input = make_input (n, n / PER_PROBLEM);
        must (wire_record_encode (codec, &r, &out), &error);
        if (n % 1024 == 0)
            esp_buf_clear (&out);
    }
    cpu = esp_thread_cpu_ns () - cpu;
    printf ("journal_encode_cpu %.0f ns\n", (double)cpu / INPUTS);
    esp_buf_free (&out);
    wire_codec_destroy (codec);
}

static void bench_inputs (const char *folder, const char *name, bool enabled)
{
    char path[4096];
    journal *j = start (folder, name, enabled, path);
    esp_error error = {0};
    uint64_t begin = bench_now_ns (), cpu = esp_thread_cpu_ns ();
    for (uint64_t n = 1; n <= INPUTS; n++) {
        input in = make_input (n, n / PER_PROBLEM);
        must (journal_input (j, &in, NULL), &error);
        if (n % PER_PROBLEM == 0)
            end_problem (j, n / PER_PROBLEM - 1, n);
        if (n % PER_PASS == 0)
            journal_flush (j);
        if (journal_backlog (j) > BACKLOG)
            must (journal_sync (j), &error);
    }
    printf ("journal_input_%s_cpu %.0f ns\n", name, (double)(esp_thread_cpu_ns () - cpu) / INPUTS);
    printf ("journal_input_%s_rate %.0f inputs/s\n", name,
            INPUTS / ((double)(bench_now_ns () - begin) / 1e9));
    must (journal_sync (j), &error);
    printf ("journal_durable_%s_rate %.0f inputs/s\n", name,
            INPUTS / ((double)(bench_now_ns () - begin) / 1e9));
    printf ("journal_writer_%s_cpu %.0f ns\n", name, (double)journal_writer_cpu_ns (j) / INPUTS);
    journal_close (j);
}

static esp_err count_input (void *ctx, const record *r)
{
    *(uint64_t *)ctx += r->kind == RECORD_INPUT;
    return ESP_OK;
}

static void bench_reading (const char *folder)
{
    static const char *const files[] = {"answers.jsonl"};
    char path[4096];
    journal *j = start (folder, "resume", true, path);
    journal_options options = {.enabled = true, .segment_bytes = 64000000, .keep = 1, .sync = true};
    journal_run run = {.strategy = span_of ("beam"),
                       .program = span_of ("bench"),
                       .run_file = span_of ("run: {}\n")};
    esp_error error = {0};
    uint64_t inputs = 0, begin;
    for (uint64_t n = 1; n <= FINISHED; n++) { /* short problems: their rows are what counts */
        input in = {.kind = INPUT_OPEN, .problem = n};
        must (journal_input (j, &in, NULL), &error);
        end_problem (j, n, n);
        if (n % 10000 == 0)
            must (journal_sync (j), &error);
    }
    for (uint64_t n = 0; n < OPEN * OPEN_INPUTS; n++) {
        input in = make_input (n, FINISHED * 2 + n % OPEN);
        must (journal_input (j, &in, NULL), &error);
    }
    journal_close (j);
    begin = bench_now_ns ();
    must (journal_resume (path, &options, &run, files, 1, count_input, &inputs, NULL, NULL, &j,
                          &error),
          &error);
    printf ("journal_resume_inputs %llu inputs\n", (unsigned long long)inputs);
    printf ("journal_resume %.1f ms\n", (double)(bench_now_ns () - begin) / 1e6);
    journal_close (j);
}

void bench_journal (const bench *b)
{
    bench_encode ();
    bench_inputs (b->folder, "off", false);
    bench_inputs (b->folder, "on", true);
    if (!b->quick)
        bench_reading (b->folder);
}
