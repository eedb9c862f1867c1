/* SPDX-License-Identifier: Apache-2.0 */
/* bench_wire.c - what the coordinator pays to read results, to write batches and to journal inputs
 *
 * The best of 5 measurements is printed.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/wire/wire.h"
#include "tests/bench/bench.h"

enum {
    ITEMS = 16,      /* results of a message, tasks of a batch */
    TEXT = 1024,     /* bytes of a result's text */
    PREFIXES = 4,    /* of a batch: 4 children of each */
    DEPTH = 10,      /* steps of a prefix; the text of the last one travels */
    MEASUREMENTS = 5 /* the best counts: the box is shared */
};

struct load {
    wire_codec *codec;
    esp_buf out;
    esp_buf results; /* encoded once, decoded many times */
    wire_message batch;
    record input;
};

static void fail (const char *what)
{
    fprintf (stderr, "bench_wire: %s\n", what);
    exit (1);
}

static result make_result (uint32_t i)
{
    static char text[TEXT];
    memset (text, 'x', sizeof (text));
    return (result){
        .id = {problem_key_make (0, 1000 + i), 77 + i},
        .text = span_make (text, sizeof (text)),
        .tokens = 200,
        .steps = 1,
        .logprob = -31.5,
        .mean_logprob = -0.1575,
        .share = NAN,
    };
}

static void make_results (struct load *load)
{
    static wire_result results[ITEMS];
    wire_message m = {.kind = WIRE_RESULTS, .run_id = 0x1234567890abcdef};
    for (uint32_t i = 0; i < ITEMS; i++)
        results[i] = (wire_result){make_result (i), 1000000 + i, 250000};
    m.u.results.results = results;
    m.u.results.count = ITEMS;
    if (wire_encode (load->codec, &m, &load->results) != ESP_OK)
        fail ("cannot encode results");
}

static void make_batch (struct load *load)
{
    static wire_task tasks[ITEMS];
    static wire_prefix prefixes[PREFIXES];
    static wire_step steps[PREFIXES][DEPTH];
    static const char text[200];
    for (uint32_t p = 0; p < PREFIXES; p++) {
        for (uint32_t i = 0; i < DEPTH; i++)
            steps[p][i] = (wire_step){.node = 100 * p + i + 1};
        steps[p][DEPTH - 1].has_text = true;
        steps[p][DEPTH - 1].text = span_make (text, sizeof (text));
        prefixes[p] = (wire_prefix){problem_key_make (0, 1000 + p), steps[p], DEPTH};
    }
    for (uint32_t i = 0; i < ITEMS; i++) {
        uint32_t p = i % PREFIXES;
        tasks[i] = (wire_task){
            .task =
                {
                    .id = {prefixes[p].problem, 77 + i},
                    .node = 100 * p + DEPTH,
                    .child = 500 + i,
                    .ordinal = i / PREFIXES,
                    .seed = 0x5a5a5a5a - i,
                    .k = i,
                    .max_tokens = 512,
                    .max_steps = 1,
                    .how = {0.8, 0.95, 20, 512},
                    .priority = 0.73,
                    .chain = 12,
                },
            .prefix = p,
            .lease = 1000000 + i,
        };
    }
    load->batch = (wire_message){.kind = WIRE_BATCH, .run_id = 0x1234567890abcdef};
    load->batch.u.batch.prefixes = prefixes;
    load->batch.u.batch.prefix_count = PREFIXES;
    load->batch.u.batch.tasks = tasks;
    load->batch.u.batch.task_count = ITEMS;
}

static void make_input (struct load *load)
{
    load->input = (record){.kind = RECORD_INPUT, .number = 123456};
    load->input.u.input.kind = INPUT_RESULT;
    load->input.u.input.u.result = make_result (3);
    load->input.u.input.problem = load->input.u.input.u.result.id.problem;
}

static esp_err read_results (struct load *load)
{
    wire_message m;
    return wire_decode (load->codec, esp_buf_span (&load->results), &m);
}

static esp_err write_batch (struct load *load)
{
    esp_buf_clear (&load->out);
    return wire_encode (load->codec, &load->batch, &load->out);
}

static esp_err write_input (struct load *load)
{
    esp_buf_clear (&load->out);
    return wire_record_encode (load->codec, &load->input, &load->out);
}

/* ns per item, best of MEASUREMENTS. */
static void measure (const char *name, esp_err (*run) (struct load *), struct load *load,
                     long repeats, int items)
{
    double best = INFINITY;
    for (int m = 0; m < MEASUREMENTS; m++) {
        uint64_t start = esp_thread_cpu_ns ();
        double ns;
        for (long i = 0; i < repeats; i++)
            if (run (load) != ESP_OK)
                fail (name);
        ns = (double)(esp_thread_cpu_ns () - start) / (double)repeats / items;
        best = ns < best ? ns : best;
    }
    printf ("%s %.0f ns\n", name, best);
}

void bench_wire (const bench *b)
{
    struct load load = {0};
    long repeats = b->quick ? 2000 : 20000;
    if (wire_codec_create (&load.codec) != ESP_OK)
        fail ("out of memory");
    make_results (&load);
    make_batch (&load);
    make_input (&load);
    measure ("wire_result_decode", read_results, &load, repeats, ITEMS);
    measure ("wire_task_encode", write_batch, &load, repeats, ITEMS);
    measure ("wire_record_encode", write_input, &load, repeats, 1);
    wire_codec_destroy (load.codec);
    esp_buf_free (&load.out);
    esp_buf_free (&load.results);
}
