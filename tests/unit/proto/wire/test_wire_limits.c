/* SPDX-License-Identifier: Apache-2.0 */
/* test_wire_limits.c - what is over a limit of wire.h is not encoded; what is at the limit is */

#include "tests/unit/proto/wire/given.h"

struct ground {
    wire_codec *codec;
    esp_buf buf;
    span too_long; /* one byte more than a text may have */
};

static struct ground given_ground (void)
{
    struct ground g = {0};
    PASS (wire_codec_create (&g.codec));
    g.too_long = span_make (calloc (1, WIRE_TEXT_MAX + 1), WIRE_TEXT_MAX + 1);
    return g;
}

static void drop (struct ground *g)
{
    CHECK (g->buf.len == 0);
    esp_buf_free (&g->buf);
    free ((char *)(uintptr_t)g->too_long.ptr);
    wire_codec_destroy (g->codec);
}

#define TOO_BIG(g, message)   FAILS (wire_encode ((g).codec, &(message), &(g).buf), ESP_ETOOBIG)
#define TOO_BIG_RECORD(g, r)  FAILS (wire_record_encode ((g).codec, &(r), &(g).buf), ESP_ETOOBIG)
#define TOO_BIG_CONTROL(g, m) FAILS (wire_control_encode ((g).codec, &(m), &(g).buf), ESP_ETOOBIG)

static void many_models (struct ground *g)
{
    wire_model models[WIRE_MODELS_MAX + 1];
    wire_message m = {.kind = WIRE_READY}, back;
    span name = span_make (g->too_long.ptr, WIRE_NAME_MAX);
    for (int i = 0; i <= WIRE_MODELS_MAX; i++)
        models[i] = (wire_model){TASK_SCORE, name, name, name};
    m.u.ready.models = models;
    m.u.ready.model_count = WIRE_MODELS_MAX + 1;
    TOO_BIG (*g, m);
    m.u.ready.model_count = WIRE_MODELS_MAX;
    PASS (wire_encode (g->codec, &m, &g->buf));
    PASS (wire_decode (g->codec, esp_buf_span (&g->buf), &back));
    CHECK (back.u.ready.model_count == WIRE_MODELS_MAX &&
           span_equal (back.u.ready.models[WIRE_MODELS_MAX - 1].server, name));
    esp_buf_clear (&g->buf);
    name.len++;
    models[1].entry = name;
    TOO_BIG (*g, m);
    models[1].entry = models[0].entry;
    models[1].model = name;
    TOO_BIG (*g, m);
    models[1].model = models[0].model;
    models[1].server = name;
    TOO_BIG (*g, m);
}

static void long_texts_of_small_messages (void)
{
    struct ground g = given_ground ();
    wire_message m = {.kind = WIRE_WELCOME};
    m.u.welcome.run_file = g.too_long;
    TOO_BIG (g, m);
    m = (wire_message){.kind = WIRE_READY};
    m.u.ready.engines = g.too_long;
    TOO_BIG (g, m);
    many_models (&g);
    m = (wire_message){.kind = WIRE_REFUSED};
    m.u.refused = g.too_long;
    TOO_BIG (g, m);
    m = (wire_message){.kind = WIRE_PROGRESS};
    m.u.progress.text = g.too_long;
    TOO_BIG (g, m);
    m = (wire_message){.kind = WIRE_HELLO};
    m.u.hello.host = span_make (g.too_long.ptr, WIRE_NAME_MAX + 1);
    TOO_BIG (g, m);
    drop (&g);
}

static void long_texts_of_results (void)
{
    struct ground g = given_ground ();
    wire_result good = {0}, bad;
    wire_message m = {.kind = WIRE_RESULTS};
    m.u.results.results = &bad;
    m.u.results.count = 1;
    bad = good, bad.result.text = g.too_long;
    TOO_BIG (g, m);
    bad = good, bad.result.answer = g.too_long;
    TOO_BIG (g, m);
    bad = good, bad.result.observation = g.too_long;
    TOO_BIG (g, m);
    bad = good, bad.result.reason = span_make (g.too_long.ptr, WIRE_NAME_MAX + 1);
    TOO_BIG (g, m);
    bad = good, bad.result.score_count = WIRE_ITEMS_MAX + 1;
    TOO_BIG (g, m);
    drop (&g);
}

static void long_texts_of_batches (void)
{
    struct ground g = given_ground ();
    problem p = {.json = g.too_long};
    wire_step step = {1, true, g.too_long, 0};
    wire_prefix prefix = {0, &step, 1};
    wire_task t = {.task = {.node = 1, .extra = g.too_long}};
    wire_message m = {.kind = WIRE_BATCH};
    m.u.batch.problems = &p;
    m.u.batch.problem_count = 1;
    TOO_BIG (g, m);
    p = (problem){.id = span_make (g.too_long.ptr, WIRE_ID_MAX + 1)};
    TOO_BIG (g, m);
    m.u.batch.problem_count = 0;
    m.u.batch.prefixes = &prefix;
    m.u.batch.prefix_count = 1;
    TOO_BIG (g, m);
    step.text = span_of ("short");
    m.u.batch.tasks = &t;
    m.u.batch.task_count = 1;
    TOO_BIG (g, m);
    drop (&g);
}

static void long_lists_of_messages (void)
{
    struct ground g = given_ground ();
    wire_message m = {.kind = WIRE_RESULTS};
    m.u.results.count = WIRE_ITEMS_MAX + 1;
    TOO_BIG (g, m);
    m = (wire_message){.kind = WIRE_CANCEL};
    m.u.ids.count = WIRE_ITEMS_MAX + 1;
    TOO_BIG (g, m);
    m = (wire_message){.kind = WIRE_BATCH};
    m.u.batch.task_count = WIRE_ITEMS_MAX + 1;
    TOO_BIG (g, m);
    m = (wire_message){.kind = WIRE_BATCH};
    m.u.batch.problem_count = WIRE_ITEMS_MAX + 1;
    TOO_BIG (g, m);
    m = (wire_message){.kind = WIRE_BATCH};
    m.u.batch.prefix_count = WIRE_ITEMS_MAX + 1;
    TOO_BIG (g, m);
    drop (&g);
}

static void deep_prefixes (void)
{
    enum { PREFIXES = WIRE_STEPS_MAX / WIRE_ITEMS_MAX + 1 };
    struct ground g = given_ground ();
    wire_step *steps = calloc (WIRE_ITEMS_MAX + 1, sizeof (*steps));
    wire_prefix prefixes[PREFIXES];
    wire_message m = {.kind = WIRE_BATCH}, back;
    for (uint32_t i = 0; i <= WIRE_ITEMS_MAX; i++)
        steps[i].node = i + 1;
    for (int i = 0; i < PREFIXES; i++)
        prefixes[i] = (wire_prefix){0, steps, WIRE_ITEMS_MAX};
    m.u.batch.prefixes = prefixes;
    m.u.batch.prefix_count = PREFIXES;
    TOO_BIG (g, m);
    prefixes[0].step_count = WIRE_ITEMS_MAX + 1;
    m.u.batch.prefix_count = 1;
    TOO_BIG (g, m);
    prefixes[0].step_count = WIRE_ITEMS_MAX;
    m.u.batch.prefix_count = PREFIXES - 1;
    PASS (wire_encode (g.codec, &m, &g.buf));
    PASS (wire_decode (g.codec, esp_buf_span (&g.buf), &back));
    CHECK (back.u.batch.prefix_count == PREFIXES - 1);
    CHECK (back.u.batch.prefixes[0].steps[WIRE_ITEMS_MAX - 1].node == WIRE_ITEMS_MAX);
    esp_buf_clear (&g.buf);
    free (steps);
    drop (&g);
}

static void long_lists_and_texts_of_records (void)
{
    struct ground g = given_ground ();
    record r = {.kind = RECORD_HEADER};
    r.u.header.run_file = g.too_long;
    TOO_BIG_RECORD (g, r);
    r = (record){.kind = RECORD_HEADER};
    r.u.header.strategy = span_make (g.too_long.ptr, WIRE_NAME_MAX + 1);
    TOO_BIG_RECORD (g, r);
    r = (record){.kind = RECORD_HEADER};
    r.u.header.finished_count = WIRE_KEYS_MAX + 1;
    TOO_BIG_RECORD (g, r);
    r = (record){.kind = RECORD_HEADER};
    r.u.header.closed_count = WIRE_KEYS_MAX + 1;
    TOO_BIG_RECORD (g, r);
    r = (record){.kind = RECORD_COMMIT};
    r.u.commit.file_count = WIRE_ITEMS_MAX + 1;
    TOO_BIG_RECORD (g, r);
    r = (record){.kind = RECORD_COMMIT};
    r.u.commit.problem_count = WIRE_KEYS_MAX + 1;
    TOO_BIG_RECORD (g, r);
    r = (record){.kind = RECORD_FOOTER};
    r.u.footer.problem_count = WIRE_KEYS_MAX + 1;
    TOO_BIG_RECORD (g, r);
    r = (record){.kind = RECORD_DEATH};
    r.u.death.task_count = WIRE_ITEMS_MAX + 1;
    TOO_BIG_RECORD (g, r);
    r = (record){.kind = RECORD_INPUT};
    r.u.input.kind = INPUT_COMMAND;
    r.u.input.u.command.text = g.too_long;
    TOO_BIG_RECORD (g, r);
    drop (&g);
}

/* 4 million keys or ranges fit the memory limit of the decoder. */
static void the_longest_lists_of_a_record_are_read (void)
{
    struct ground g = given_ground ();
    key_range *ranges = calloc (WIRE_KEYS_MAX, sizeof (*ranges));
    record r = {.kind = RECORD_HEADER}, back;
    for (uint64_t i = 0; i < WIRE_KEYS_MAX; i++)
        ranges[i] = (key_range){0, 1};
    r.u.header.format = RECORD_FORMAT;
    r.u.header.finished = r.u.header.closed = ranges;
    r.u.header.finished_count = r.u.header.closed_count = WIRE_KEYS_MAX;
    PASS (wire_record_encode (g.codec, &r, &g.buf));
    PASS (wire_record_decode (g.codec, esp_buf_span (&g.buf), &back));
    CHECK (back.u.header.closed_count == WIRE_KEYS_MAX);
    esp_buf_clear (&g.buf);
    free (ranges);
    drop (&g);
}

static void long_texts_of_control_messages (void)
{
    struct ground g = given_ground ();
    event v = {.text = g.too_long};
    run_status status = {0};
    control_message m = {.kind = CONTROL_FAILED, .text = g.too_long};
    TOO_BIG_CONTROL (g, m);
    m = (control_message){.kind = CONTROL_COMMAND, .command = {.text = g.too_long}};
    TOO_BIG_CONTROL (g, m);
    m = (control_message){.kind = CONTROL_OK, .events = &v, .event_count = 1};
    TOO_BIG_CONTROL (g, m);
    FAILS (wire_events_encode (g.codec, 1, &status, &v, 1, &g.buf), ESP_ETOOBIG);
    drop (&g);
}

/* 17 texts of 16 MB each: every one is allowed, together they are not. */
static void more_than_256_mb_in_all (void)
{
    enum { TEXTS = 17 };
    struct ground g = given_ground ();
    wire_result results[TEXTS] = {0};
    wire_message m = {.kind = WIRE_RESULTS};
    for (int i = 0; i < TEXTS; i++)
        results[i].result.text = span_make (g.too_long.ptr, WIRE_TEXT_MAX);
    m.u.results.results = results;
    m.u.results.count = TEXTS;
    TOO_BIG (g, m);
    drop (&g);
}

static void more_than_256_mb_are_not_even_looked_at (void)
{
    struct ground g = given_ground ();
    wire_message m;
    FAILS (wire_decode (g.codec, span_make ("\x08\x04", (size_t)WIRE_BYTES_MAX + 1), &m),
           ESP_EFORMAT);
    drop (&g);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"long texts of small messages are not encoded", long_texts_of_small_messages},
        {"long texts of results are not encoded", long_texts_of_results},
        {"long texts of batches are not encoded", long_texts_of_batches},
        {"long lists of messages are not encoded", long_lists_of_messages},
        {"prefixes that are too deep are not encoded, the deepest are read", deep_prefixes},
        {"long lists and texts of records are not encoded", long_lists_and_texts_of_records},
        {"the longest lists of a record are read", the_longest_lists_of_a_record_are_read},
        {"long texts of control messages are not encoded", long_texts_of_control_messages},
        {"more than 256 MB in all are not encoded", more_than_256_mb_in_all},
        {"more than 256 MB are not even looked at", more_than_256_mb_are_not_even_looked_at},
        {NULL, NULL},
    };
    return suite_main ("wire_limits", cases);
}
