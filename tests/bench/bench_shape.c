/* SPDX-License-Identifier: Apache-2.0 */
/* bench_shape.c - what a worker pays to write a request to a vLLM server and to read the answer: 4 samples of 60 tokens, no
 * logprobs, a prompt of 300 tokens; with the ids that count the tokens of each sample, and without
 *
 * The best of 5 measurements is printed.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "tests/bench/bench.h"
#include "worker/prompt/shape.h"

enum {
    SAMPLES = 4,
    TOKENS = 60,
    PROMPT_TOKENS = 300,
    MEASUREMENTS = 5 /* the best counts: the box is shared */
};

struct load {
    gen_ask ask;
    esp_buf prompt, request, answer;
};

static void must (esp_err err)
{
    if (err != ESP_OK)
        bench_fail ("bench_shape: out of memory");
}

static void add_words (esp_buf *out, int count)
{
    static const char *const words[] = {"so ",  "the ", "sum ", "of ", "12 ",
                                        "and ", "7 ",   "is ",  "19. "};
    for (int i = 0; i < count; i++)
        must (esp_buf_puts (out, words[i % 9]));
}

static void add_ids (esp_buf *out, const char *name, int count)
{
    must (esp_buf_printf (out, ",\"%s\":[", name));
    for (int i = 0; i < count; i++)
        must (esp_buf_printf (out, "%s%d", i ? "," : "", 1000 + 97 * i));
    must (esp_buf_puts (out, "]"));
}

static void make_answer (esp_buf *out, bool ids)
{
    esp_buf_clear (out);
    must (esp_buf_puts (
        out, "{\"id\":\"cmpl-84ced4cdaf0c485f\",\"object\":\"text_completion\",\"created\":"
             "1795376039,\"model\":\"gen\",\"choices\":["));
    for (int i = 0; i < SAMPLES; i++) {
        must (esp_buf_printf (out, "%s{\"index\":%d,\"text\":\"", i ? "," : "", i));
        add_words (out, TOKENS);
        must (esp_buf_puts (out,
                            "\\n\\n\",\"logprobs\":null,\"finish_reason\":\"stop\",\"stop_reason\":"
                            "\"\\n\\n\",\"prompt_logprobs\":null,\"routed_experts\":null"));
        if (ids) {
            add_ids (out, "token_ids", TOKENS);
            add_ids (out, "prompt_token_ids", PROMPT_TOKENS);
        }
        must (esp_buf_puts (out, "}"));
    }
    must (esp_buf_puts (out,
                        "],\"service_tier\":null,\"system_fingerprint\":\"vllm-0.32.0\",\"usage\":{"
                        "\"prompt_tokens\":300,\"total_tokens\":540,\"completion_tokens\":240,"
                        "\"prompt_tokens_details\":{\"cached_tokens\":288}},\"metrics\":null}"));
}

static void write_request (struct load *load)
{
    esp_buf_clear (&load->request);
    must (shape_find ("vllm")->write (&load->ask, &load->request));
}

static void read_answer (struct load *load)
{
    gen_reply *r = NULL;
    must (reply_create (&load->ask, &r));
    if (shape_find ("vllm")->read (r, esp_buf_span (&load->answer), NULL) != ESP_OK ||
        reply_finish (r, &load->ask, NULL) != ESP_OK)
        bench_fail ("bench_shape: the answer was not taken");
    reply_destroy (r);
}

static void measure (const char *name, void (*run) (struct load *), struct load *load, long repeats)
{
    double best = INFINITY;
    for (int m = 0; m < MEASUREMENTS; m++) {
        uint64_t start = esp_thread_cpu_ns ();
        double us;
        for (long i = 0; i < repeats; i++)
            run (load);
        us = (double)(esp_thread_cpu_ns () - start) / (double)repeats / 1000;
        best = us < best ? us : best;
    }
    bench_value (name, best, "us");
}

void bench_shape (const bench *b)
{
    static const char *const stop[] = {"\n\n"};
    struct load load = {.ask = {.model = "gen",
                                .n = SAMPLES,
                                .seed = 42,
                                .max_tokens = 512,
                                .temperature = 0.8,
                                .top_p = 1,
                                .stop = stop,
                                .stop_count = 1,
                                .slot = -1}};
    long repeats = b->quick ? 500 : 5000;
    add_words (&load.prompt, PROMPT_TOKENS);
    load.ask.prompt = esp_buf_span (&load.prompt);
    measure ("shape_vllm_write", write_request, &load, repeats);
    make_answer (&load.answer, false);
    measure ("shape_vllm_read", read_answer, &load, repeats);
    make_answer (&load.answer, true);
    measure ("shape_vllm_read_ids", read_answer, &load, repeats);
    esp_buf_free (&load.prompt);
    esp_buf_free (&load.request);
    esp_buf_free (&load.answer);
}
