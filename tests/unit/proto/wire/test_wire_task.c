/* SPDX-License-Identifier: Apache-2.0 */
/* test_wire_task.c - messages between coordinator and workers
 *
 * `test_wire_task --write-golden` writes golden/message_*.bin anew (after a raised WIRE_VERSION).
 */

#include "tests/unit/proto/wire/given_message.h"

enum { ROUNDS = 300 }; /* random messages of each kind */

static bool write_golden; /* set by main before the cases run */

/* ---- fixed messages for the golden files ---- */

static void fill_golden_batch (wire_message *m)
{
    static const problem problems[] = {{1, {"gsm-1", 5}, {"{\"problem\":\"1+1?\"}", 18}, 2.5}};
    static const wire_step steps[] = {{1, false, {"", 0}, 0}, {300, true, {"Add.\n\n", 6}, 3}};
    static const wire_prefix prefixes[] = {{1, NULL, 0}, {1, steps, 2}};
    static const wire_task tasks[] = {
        {{.id = {1, 0},
          .child = 1,
          .seed = 1234567890,
          .max_tokens = 512,
          .max_steps = 1,
          .priority = 1},
         0,
         7},
        {{.id = {1, 70000},
          .kind = TASK_SCORE,
          .mode = TASK_DRAFT,
          .engine = 1,
          .action = 2,
          .reading = 3,
          .node = 300,
          .child = NODE_NONE,
          .ordinal = 4,
          .seed = INT32_MAX,
          .k = TASK_K_GREEDY,
          .max_tokens = 5,
          .max_steps = 6,
          .how = {0.8, 0.95, 40, 256},
          .extra = {"look\0ahead", 10},
          .priority = -0.5,
          .chain = 9},
         1,
         UINT64_MAX},
    };
    m->u.batch.problems = problems;
    m->u.batch.problem_count = 1;
    m->u.batch.prefixes = prefixes;
    m->u.batch.prefix_count = 2;
    m->u.batch.tasks = tasks;
    m->u.batch.task_count = 2;
}

static void fill_golden_results (wire_message *m)
{
    static const double scores[] = {0.5, 0.25, 1};
    static wire_result results[2];
    results[0] = (wire_result){{.id = {1, 0},
                                .text = {"Add.\n\n", 6},
                                .tokens = 3,
                                .prompt_tokens = 40,
                                .cached_tokens = 32,
                                .server = {"http://node1:8000", 17},
                                .token_data = {"\1\2", 2},
                                .steps = 1,
                                .logprob = -0.0,
                                .mean_logprob = NAN,
                                .share = NAN},
                               7,
                               1500};
    results[1] = (wire_result){{.id = {1, 70000},
                                .error = ESP_EENGINE,
                                .finish = FINISH_ERROR,
                                .logprob = -2.5,
                                .mean_logprob = -0.5,
                                .scores = scores,
                                .score_count = 3,
                                .score_own = 2,
                                .scored_tokens = 99,
                                .verdict = VERDICT_FAIL,
                                .share = 0.75,
                                .answer = {"2", 1},
                                .observation = {"\xff", 1},
                                .reason = {"wrong-answer", 12}},
                               UINT64_MAX,
                               1};
    m->u.results.results = results;
    m->u.results.count = 2;
}

static const wire_model golden_models[] = {
    {TASK_GENERATE, {"small", 5}, {"Qwen/Qwen2.5-1.5B", 17}, {"http://node-7:8000", 18}},
    {TASK_SCORE, {"", 0}, {"\xff", 1}, {"", 0}}};

static void fill_golden_small (wire_message *m)
{
    switch (m->kind) {
    case WIRE_WELCOME:
        m->u.welcome.epoch = 3;
        m->u.welcome.silence_ms = 30000;
        m->u.welcome.run_file = span_of ("run: {name: demo}\n");
        return;
    case WIRE_PONG:
        m->u.ping.in_flight[TASK_SCORE] = 300;
        m->u.ping.sequence = 1000;
        return;
    case WIRE_PING:
        m->u.ping.sequence = 1000;
        m->u.ping.watched = true;
        return;
    case WIRE_HELLO:
        m->u.hello.version = 0x0000000100000001;
        m->u.hello.pid = 4711;
        m->u.hello.host = span_of ("node-7");
        return;
    case WIRE_READY:
        m->u.ready.slots[TASK_GENERATE] = 64;
        m->u.ready.engines = span_of ("openai http://node-7:8000");
        m->u.ready.models = golden_models;
        m->u.ready.model_count = 2;
        return;
    case WIRE_REFUSED:
        m->u.refused = span_of ("http://node-7:8000: connection refused");
        return;
    case WIRE_PROGRESS:
        m->u.progress.id = (task_id){1, 70000};
        m->u.progress.text = span_of ("Add");
        return;
    default:
        return;
    }
}

static wire_message golden_message (enum wire_kind kind)
{
    static const task_id ids[] = {{0, 0}, {UINT64_C (5) << 32 | 1, 70000}};
    wire_message m = {.kind = (uint8_t)kind, .run_id = 0x0123456789abcdef};
    if (kind == WIRE_BATCH) {
        fill_golden_batch (&m);
    } else if (kind == WIRE_RESULTS) {
        fill_golden_results (&m);
    } else if (kind == WIRE_CANCEL || kind == WIRE_MISSING) {
        m.u.ids.ids = ids;
        m.u.ids.count = 2;
    } else {
        fill_golden_small (&m);
    }
    return m;
}

/* ---- cases ---- */

static void bad_calls_change_nothing (void)
{
    wire_codec *codec = NULL;
    wire_message m = {.kind = WIRE_PING}, out = {.kind = 77};
    esp_buf buf = {0};
    FAILS (wire_codec_create (NULL), ESP_EINVAL);
    PASS (wire_codec_create (&codec));
    FAILS (wire_encode (NULL, &m, &buf), ESP_EINVAL);
    FAILS (wire_encode (codec, NULL, &buf), ESP_EINVAL);
    FAILS (wire_encode (codec, &m, NULL), ESP_EINVAL);
    FAILS (wire_decode (NULL, span_make ("", 0), &out), ESP_EINVAL);
    FAILS (wire_decode (codec, span_make ("", 0), NULL), ESP_EINVAL);
    FAILS (wire_decode (codec, span_make ("", 0), &out), ESP_EFORMAT);
    FAILS (wire_decode (codec, span_make (NULL, 0), &out), ESP_EFORMAT);
    FAILS (wire_decode (codec, span_make ("\x08\x04", 2), &out), ESP_EFORMAT); /* no body */
    m.kind = WIRE_KINDS;
    FAILS (wire_encode (codec, &m, &buf), ESP_EINVAL);
    CHECK (out.kind == 77);
    CHECK (buf.len == 0);
    esp_buf_free (&buf);
    wire_codec_destroy (codec);
    wire_codec_destroy (NULL);
}

static void every_kind_has_a_name (void)
{
    for (int kind = 0; kind < WIRE_KINDS; kind++)
        CHECK (wire_kind_names[kind] != NULL && wire_kind_names[kind][0] != 0);
    CHECK (strcmp (wire_kind_names[WIRE_MISSING], "missing") == 0);
    CHECK (strcmp (wire_kind_names[WIRE_PONG], "pong") == 0);
}

static void random_messages_come_back_equal (void)
{
    wire_codec *codec = NULL;
    esp_buf buf = {0};
    PASS (wire_codec_create (&codec));
    for (int kind = 0; kind < WIRE_KINDS; kind++) {
        struct given g = given_draws ((uint64_t)kind);
        bool same = true;
        for (int round = 0; same && round < ROUNDS; round++) {
            wire_message m, back;
            esp_arena_reset (g.arena);
            m = some_message (&g, (enum wire_kind)kind);
            esp_buf_clear (&buf);
            PASS (wire_encode (codec, &m, &buf));
            PASS (wire_decode (codec, esp_buf_span (&buf), &back));
            same = same_message (&m, &back);
        }
        if (!same)
            printf ("%s came back other\n", wire_kind_names[kind]);
        CHECK (same);
        esp_arena_destroy (g.arena);
    }
    esp_buf_free (&buf);
    wire_codec_destroy (codec);
}

static void encoding_appends_and_leaves_what_was_decoded_alone (void)
{
    wire_codec *codec = NULL;
    esp_buf buf = {0}, other = {0};
    wire_message m = golden_message (WIRE_RESULTS), batch = golden_message (WIRE_BATCH), back;
    PASS (wire_codec_create (&codec));
    PASS (esp_buf_puts (&buf, "head"));
    PASS (wire_encode (codec, &m, &buf));
    CHECK (span_starts (esp_buf_span (&buf), "head"));
    CHECK (buf.data[buf.len] == 0);
    PASS (wire_decode (codec, span_make (buf.data + 4, buf.len - 4), &back));
    memset (buf.data, 0xee, buf.len); /* the message holds copies */
    PASS (wire_encode (codec, &batch, &other));
    CHECK (same_message (&m, &back));
    esp_buf_free (&buf);
    esp_buf_free (&other);
    wire_codec_destroy (codec);
}

static void bytes_are_those_of_the_golden_files (void)
{
    wire_codec *codec = NULL;
    PASS (wire_codec_create (&codec));
    for (int kind = 0; kind < WIRE_KINDS; kind++) {
        wire_message m = golden_message ((enum wire_kind)kind), back;
        esp_buf buf = {0};
        char name[64];
        snprintf (name, sizeof (name), "message_%s", wire_kind_names[kind]);
        PASS (wire_encode (codec, &m, &buf));
        golden (write_golden, name, esp_buf_span (&buf));
        PASS (wire_decode (codec, esp_buf_span (&buf), &back));
        CHECK (same_message (&m, &back));
        esp_buf_free (&buf);
    }
    wire_codec_destroy (codec);
}

static void take (wire_codec *codec, span bytes)
{
    esp_buf buf = {0};
    wire_message m;
    esp_err err = wire_decode (codec, bytes, &m);
    if (err == ESP_OK)
        err = wire_encode (codec, &m, &buf);
    else
        err = err == ESP_EFORMAT || err == ESP_EVERSION ? ESP_OK : err;
    CHECK (err == ESP_OK);
    esp_buf_free (&buf);
}

static void cut_and_flipped_bytes_are_refused_or_read_never_worse (void)
{
    wire_codec *codec = NULL;
    PASS (wire_codec_create (&codec));
    for (int kind = 0; kind < WIRE_KINDS; kind++) {
        wire_message m = golden_message ((enum wire_kind)kind);
        esp_buf buf = {0};
        PASS (wire_encode (codec, &m, &buf));
        take_damaged (codec, esp_buf_span (&buf), take);
        esp_buf_free (&buf);
    }
    wire_codec_destroy (codec);
}

static void another_version_is_refused_by_name (void)
{
    wire_codec *codec = NULL;
    wire_message m = golden_message (WIRE_RESULTS), out = {.kind = 77};
    esp_buf buf = {0};
    PASS (wire_codec_create (&codec));
    PASS (wire_encode (codec, &m, &buf));
    buf.data[1] = WIRE_VERSION + 1;
    FAILS (wire_decode (codec, esp_buf_span (&buf), &out), ESP_EVERSION);
    FAILS (wire_decode (codec, span_make ("\x08\x05garbage of a later time", 25), &out),
           ESP_EVERSION);
    FAILS (wire_decode (codec, span_make ("\x08\xff\x01", 3), &out), ESP_EVERSION);
    buf.data[1] = WIRE_VERSION;
    PASS (esp_buf_append (&buf, "\x08\x01", 2)); /* a second version field, later in the bytes */
    FAILS (wire_decode (codec, esp_buf_span (&buf), &out), ESP_EFORMAT);
    CHECK (out.kind == 77);
    esp_buf_free (&buf);
    wire_codec_destroy (codec);
}

static void bytes_behind_the_message_are_refused (void)
{
    wire_codec *codec = NULL;
    PASS (wire_codec_create (&codec));
    for (int kind = 0; kind < WIRE_KINDS; kind++) {
        wire_message m = golden_message ((enum wire_kind)kind), out;
        esp_buf buf = {0};
        PASS (wire_encode (codec, &m, &buf));
        PASS (esp_buf_append (&buf, "\x00\x01\x02", 3));
        FAILS (wire_decode (codec, esp_buf_span (&buf), &out), ESP_EFORMAT);
        esp_buf_free (&buf);
    }
    wire_codec_destroy (codec);
}

static void a_steady_stream_asks_the_heap_for_nothing (void)
{
    wire_codec *codec = NULL;
    wire_message results = golden_message (WIRE_RESULTS), batch = golden_message (WIRE_BATCH), back;
    esp_buf buf = {0};
    esp_err err = ESP_OK;
    PASS (wire_codec_create (&codec));
    PASS (esp_buf_reserve (&buf, 1 << 12));
    esp_alloc_fail_after (0);
    for (int i = 0; err == ESP_OK && i < 10000; i++) {
        esp_buf_clear (&buf);
        err = wire_encode (codec, i % 2 ? &results : &batch, &buf);
        if (err == ESP_OK)
            err = wire_decode (codec, esp_buf_span (&buf), &back);
    }
    esp_alloc_fail_after (-1);
    CHECK (err == ESP_OK);
    esp_buf_free (&buf);
    wire_codec_destroy (codec);
}

/* Large enough that the arenas ask the heap in the middle of packing and unpacking. */
static esp_err large_trip (const wire_message *m, esp_buf *buf, bool *same)
{
    wire_codec *codec = NULL;
    wire_message back = {.kind = 77};
    esp_err err = wire_codec_create (&codec);
    if (err == ESP_OK)
        err = wire_encode (codec, m, buf);
    if (err == ESP_OK)
        err = wire_decode (codec, esp_buf_span (buf), &back);
    *same = err == ESP_OK ? same_message (m, &back) : back.kind == 77;
    wire_codec_destroy (codec);
    return err;
}

/* A message of this kind whose every list is long. */
static wire_message large_message (struct given *g, enum wire_kind kind)
{
    enum { MANY = 20000 };
    wire_message m = {.kind = (uint8_t)kind};
    wire_result *results = esp_arena_calloc (g->arena, MANY * sizeof (*results));
    problem *problems = esp_arena_calloc (g->arena, MANY * sizeof (*problems));
    wire_prefix *prefixes = esp_arena_calloc (g->arena, MANY * sizeof (*prefixes));
    wire_task *tasks = esp_arena_calloc (g->arena, MANY * sizeof (*tasks));
    task_id *ids = esp_arena_calloc (g->arena, MANY * sizeof (*ids));
    wire_step *steps = esp_arena_calloc (g->arena, MANY * sizeof (*steps));
    for (uint32_t i = 0; i < MANY; i++)
        steps[i] = (wire_step){i + 1, true, span_of ("x"), 0};
    prefixes[0] = (wire_prefix){0, steps, MANY};
    if (kind == WIRE_BATCH) {
        tasks[0].task.node = MANY;
        for (uint32_t i = 1; i < MANY; i++)
            tasks[i].prefix = 1;
        m.u.batch.problems = problems;
        m.u.batch.prefixes = prefixes;
        m.u.batch.tasks = tasks;
        m.u.batch.problem_count = m.u.batch.prefix_count = m.u.batch.task_count = MANY;
    } else if (kind == WIRE_RESULTS) {
        for (int i = 0; i < MANY; i++)
            results[i].result.text = i % 100 ? span_of ("x") : some_text (g);
        m.u.results.results = results;
        m.u.results.count = MANY;
    } else {
        m.u.ids.ids = ids;
        m.u.ids.count = MANY;
    }
    return m;
}

static void every_failing_allocation_is_survived (void)
{
    static const enum wire_kind kinds[] = {WIRE_BATCH, WIRE_CANCEL, WIRE_RESULTS};
    for (size_t k = 0; k < sizeof (kinds) / sizeof (*kinds); k++) {
        struct given g = given_draws (5);
        wire_message m = large_message (&g, kinds[k]);
        long before = esp_alloc_live ();
        esp_err err = ESP_ENOMEM;
        for (long n = 0; err != ESP_OK && n < 100; n++) {
            esp_buf buf = {0};
            bool same = false;
            esp_alloc_fail_after (n);
            err = large_trip (&m, &buf, &same);
            esp_alloc_fail_after (-1);
            CHECK (err == ESP_OK || err == ESP_ENOMEM);
            CHECK (same);
            esp_buf_free (&buf);
            CHECK (esp_alloc_live () == before);
        }
        CHECK (err == ESP_OK);
        esp_arena_destroy (g.arena);
    }
}

int main (int argc, char **argv)
{
    static const struct suite_case cases[] = {
        {"bad calls change nothing", bad_calls_change_nothing},
        {"every kind has a name", every_kind_has_a_name},
        {"random messages come back equal", random_messages_come_back_equal},
        {"encoding appends, and leaves what was decoded alone",
         encoding_appends_and_leaves_what_was_decoded_alone},
        {"bytes are those of the golden files", bytes_are_those_of_the_golden_files},
        {"cut and flipped bytes are refused or read, never worse",
         cut_and_flipped_bytes_are_refused_or_read_never_worse},
        {"a steady stream asks the heap for nothing", a_steady_stream_asks_the_heap_for_nothing},
        {"another version is refused by name", another_version_is_refused_by_name},
        {"bytes behind the message are refused", bytes_behind_the_message_are_refused},
        {"every failing allocation is survived", every_failing_allocation_is_survived},
        {NULL, NULL},
    };
    write_golden = argc > 1 && strcmp (argv[1], "--write-golden") == 0;
    return suite_main ("wire_task", cases);
}
