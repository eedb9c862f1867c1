/* SPDX-License-Identifier: Apache-2.0 */
/* test_wire_event.c - published events, and control asks and answers
 *
 * `test_wire_event --write-golden` writes golden/events.bin and golden/control_*.bin anew.
 */

#include "tests/unit/proto/wire/given.h"

enum { ROUNDS = 500 }; /* random messages of each kind */

static const char *const control_names[CONTROL_KINDS] = {"snapshot", "command", "status",
                                                         "stop",     "ok",      "failed"};
static bool write_golden; /* set by main before the cases run */

/* ---- random contents ---- */

static uint8_t some_mark (struct given *g, uint8_t kind)
{
    switch ((enum event_kind)kind) {
    case EVENT_TEXT:
    case EVENT_VERIFIED:
        return (uint8_t)below (g, 4);
    case EVENT_MARK:
        return (uint8_t)below (g, NODE_MARKS);
    case EVENT_FINISHED:
        return (uint8_t)below (g, FINISH_REASONS);
    default:
        return (uint8_t)below (g, 256);
    }
}

static const event *some_events (struct given *g, size_t *count)
{
    event *events = some_array (g, sizeof (*events), count);
    for (size_t i = 0; i < *count; i++) {
        uint8_t kind = (uint8_t)below (g, EVENT_KINDS);
        events[i] = (event){
            .number = some_u64 (g),
            .index = some_u32 (g),
            .kind = kind,
            .mark = some_mark (g, kind),
            .problem = some_u64 (g),
            .node = some_u32 (g),
            .parent = some_u32 (g),
            .ordinal = some_u32 (g),
            .tokens = some_u32 (g),
            .value = some_number (g),
            .text = some_text (g),
        };
    }
    return events;
}

static run_status some_status (struct given *g)
{
    return (run_status){
        .problems_total = some_u64 (g),
        .problems_open = some_u64 (g),
        .problems_done = some_u64 (g),
        .problems_solved = some_u64 (g),
        .problems_failed = some_u64 (g),
        .generations = some_u64 (g),
        .steps = some_u64 (g),
        .generated_tokens = some_u64 (g),
        .scored_tokens = some_u64 (g),
        .scored_steps = some_u64 (g),
        .in_flight = some_u64 (g),
        .frontier = some_u64 (g),
        .inputs = some_u64 (g),
        .workers = some_u32 (g),
        .workers_busy_percent = some_u32 (g),
        .seconds = some_number (g),
        .generations_per_s = some_number (g),
        .eta_s = some_number (g),
    };
}

static control_message some_control (struct given *g, enum control_kind kind)
{
    control_message m = {.kind = (uint8_t)kind,
                         .token = some_name (g),
                         .problem = some_u64 (g),
                         .number = some_u64 (g),
                         .text = some_text (g)};
    m.events = some_events (g, &m.event_count);
    if (kind == CONTROL_COMMAND)
        m.command = some_command (g);
    else if (kind == CONTROL_OK)
        m.status = some_status (g);
    return m;
}

/* ---- comparisons ---- */

static bool same_events (const event *a, size_t n, const event *b, size_t m)
{
    bool same = n == m;
    for (size_t i = 0; same && i < n; i++)
        same = a[i].number == b[i].number && a[i].index == b[i].index && a[i].kind == b[i].kind &&
               a[i].mark == b[i].mark && a[i].problem == b[i].problem && a[i].node == b[i].node &&
               a[i].parent == b[i].parent && a[i].ordinal == b[i].ordinal &&
               a[i].tokens == b[i].tokens && same_number (a[i].value, b[i].value) &&
               span_equal (a[i].text, b[i].text);
    return same;
}

static bool same_status (const run_status *a, const run_status *b)
{
    return a->problems_total == b->problems_total && a->problems_open == b->problems_open &&
           a->problems_done == b->problems_done && a->problems_solved == b->problems_solved &&
           a->problems_failed == b->problems_failed && a->generations == b->generations &&
           a->steps == b->steps && a->generated_tokens == b->generated_tokens &&
           a->scored_tokens == b->scored_tokens && a->scored_steps == b->scored_steps &&
           a->in_flight == b->in_flight && a->frontier == b->frontier && a->inputs == b->inputs &&
           a->workers == b->workers && a->workers_busy_percent == b->workers_busy_percent &&
           same_number (a->seconds, b->seconds) &&
           same_number (a->generations_per_s, b->generations_per_s) &&
           same_number (a->eta_s, b->eta_s);
}

static bool same_control (const control_message *a, const control_message *b)
{
    return a->kind == b->kind && span_equal (a->token, b->token) && a->problem == b->problem &&
           a->number == b->number && span_equal (a->text, b->text) &&
           same_events (a->events, a->event_count, b->events, b->event_count) &&
           (a->kind != CONTROL_COMMAND || same_command (&a->command, &b->command)) &&
           (a->kind != CONTROL_OK || same_status (&a->status, &b->status));
}

/* ---- fixed contents for the golden files ---- */

static const event golden_events[EVENT_KINDS] = {
    {.number = 1, .kind = EVENT_OPENED, .problem = 7, .value = NAN, .text = {"gsm-7", 5}},
    {.number = 1, .index = 1, .kind = EVENT_PLANNED, .problem = 7, .node = 1, .value = NAN},
    {.number = 2,
     .kind = EVENT_TEXT,
     .mark = FINISH_EOS,
     .problem = 7,
     .node = 1,
     .tokens = 300,
     .value = -1.5,
     .text = {"Add.\n\n", 6}},
    {.number = 3, .kind = EVENT_SCORED, .problem = 7, .node = 1, .value = 0.0},
    {.number = 4,
     .kind = EVENT_VERIFIED,
     .mark = VERDICT_PASS,
     .problem = 7,
     .node = 1,
     .value = NAN},
    {.number = 5,
     .kind = EVENT_MARK,
     .mark = MARK_PRUNED,
     .problem = 7,
     .node = 2,
     .parent = 1,
     .ordinal = 3,
     .value = NAN,
     .text = {"score", 5}},
    {.number = 6,
     .kind = EVENT_FINISHED,
     .mark = REASON_ANSWERED,
     .problem = UINT64_MAX,
     .value = NAN},
    {.number = UINT64_MAX,
     .kind = EVENT_COMMAND,
     .mark = COMMAND_BOOST,
     .node = NODE_NONE,
     .value = 2},
};

static const run_status golden_status = {.problems_total = 100,
                                         .problems_open = 8,
                                         .problems_done = 40,
                                         .problems_solved = 30,
                                         .problems_failed = 1,
                                         .generations = 5000,
                                         .steps = 5100,
                                         .generated_tokens = 600000,
                                         .scored_tokens = 700000,
                                         .scored_steps = 5000,
                                         .in_flight = 64,
                                         .frontier = 12,
                                         .inputs = 10100,
                                         .workers = 8,
                                         .workers_busy_percent = 97,
                                         .seconds = 12.5,
                                         .generations_per_s = 400,
                                         .eta_s = NAN};

static control_message golden_control (enum control_kind kind)
{
    control_message m = {.kind = (uint8_t)kind};
    if (kind < CONTROL_OK)
        m.token = span_of ("0123456789abcdef");
    else
        m.number = 10100;
    if (kind == CONTROL_SNAPSHOT)
        m.problem = UINT64_MAX;
    if (kind == CONTROL_COMMAND) {
        m.problem = 7;
        m.command = (command){COMMAND_ADD_STEP, 3, 0, {"Think.", 6}};
    }
    if (kind == CONTROL_OK) {
        m.status = golden_status;
        m.events = golden_events;
        m.event_count = EVENT_KINDS;
    }
    if (kind == CONTROL_FAILED)
        m.text = span_of ("no such node");
    return m;
}

/* ---- cases ---- */

static void bad_calls_change_nothing (void)
{
    wire_codec *codec = NULL;
    esp_buf buf = {0};
    control_message m = {.kind = CONTROL_STATUS}, out = {.kind = 77};
    const event *events = NULL;
    run_status status = {0};
    uint64_t sequence = 77;
    size_t count = 77;
    span none = {"", 0};
    PASS (wire_codec_create (&codec));
    FAILS (wire_control_encode (NULL, &m, &buf), ESP_EINVAL);
    FAILS (wire_control_encode (codec, NULL, &buf), ESP_EINVAL);
    FAILS (wire_control_encode (codec, &m, NULL), ESP_EINVAL);
    FAILS (wire_control_decode (NULL, none, &out), ESP_EINVAL);
    FAILS (wire_control_decode (codec, none, NULL), ESP_EINVAL);
    FAILS (wire_control_decode (codec, none, &out), ESP_EFORMAT);
    FAILS (wire_events_encode (NULL, 1, &status, NULL, 0, &buf), ESP_EINVAL);
    FAILS (wire_events_encode (codec, 1, NULL, NULL, 0, &buf), ESP_EINVAL);
    FAILS (wire_events_encode (codec, 1, &status, NULL, 1, &buf), ESP_EINVAL);
    FAILS (wire_events_encode (codec, 1, &status, NULL, 0, NULL), ESP_EINVAL);
    FAILS (wire_events_decode (NULL, none, &sequence, &status, &events, &count), ESP_EINVAL);
    FAILS (wire_events_decode (codec, none, NULL, &status, &events, &count), ESP_EINVAL);
    FAILS (wire_events_decode (codec, none, &sequence, NULL, &events, &count), ESP_EINVAL);
    FAILS (wire_events_decode (codec, none, &sequence, &status, NULL, &count), ESP_EINVAL);
    FAILS (wire_events_decode (codec, none, &sequence, &status, &events, NULL), ESP_EINVAL);
    FAILS (wire_events_decode (codec, none, &sequence, &status, &events, &count), ESP_EFORMAT);
    CHECK (out.kind == 77 && sequence == 77 && count == 77 && events == NULL);
    CHECK (buf.len == 0);
    esp_buf_free (&buf);
    wire_codec_destroy (codec);
}

static void random_control_messages_come_back_equal (void)
{
    wire_codec *codec = NULL;
    esp_buf buf = {0};
    PASS (wire_codec_create (&codec));
    for (int kind = 0; kind < CONTROL_KINDS; kind++) {
        struct given g = given_draws (200 + (uint64_t)kind);
        bool same = true;
        for (int round = 0; same && round < ROUNDS; round++) {
            control_message m, back;
            esp_arena_reset (g.arena);
            m = some_control (&g, (enum control_kind)kind);
            esp_buf_clear (&buf);
            PASS (wire_control_encode (codec, &m, &buf));
            PASS (wire_control_decode (codec, esp_buf_span (&buf), &back));
            same = same_control (&m, &back);
        }
        CHECK (same);
        esp_arena_destroy (g.arena);
    }
    esp_buf_free (&buf);
    wire_codec_destroy (codec);
}

static void random_events_come_back_equal (void)
{
    struct given g = given_draws (300);
    wire_codec *codec = NULL;
    esp_buf buf = {0};
    PASS (wire_codec_create (&codec));
    for (int round = 0; round < ROUNDS; round++) {
        run_status status, status_back;
        uint64_t sequence = some_u64 (&g), sequence_back;
        const event *events, *back;
        size_t count, back_count;
        esp_arena_reset (g.arena);
        status = some_status (&g);
        events = some_events (&g, &count);
        esp_buf_clear (&buf);
        PASS (wire_events_encode (codec, sequence, &status, events, count, &buf));
        PASS (wire_events_decode (codec, esp_buf_span (&buf), &sequence_back, &status_back, &back,
                                  &back_count));
        CHECK (sequence == sequence_back);
        CHECK (same_status (&status, &status_back));
        CHECK (same_events (events, count, back, back_count));
    }
    esp_arena_destroy (g.arena);
    esp_buf_free (&buf);
    wire_codec_destroy (codec);
}

static void bytes_are_those_of_the_golden_files (void)
{
    wire_codec *codec = NULL;
    esp_buf buf = {0};
    PASS (wire_codec_create (&codec));
    PASS (wire_events_encode (codec, 12, &golden_status, golden_events, EVENT_KINDS, &buf));
    golden (write_golden, "events", esp_buf_span (&buf));
    for (int kind = 0; kind < CONTROL_KINDS; kind++) {
        control_message m = golden_control ((enum control_kind)kind), back;
        char name[64];
        snprintf (name, sizeof (name), "control_%s", control_names[kind]);
        esp_buf_clear (&buf);
        PASS (wire_control_encode (codec, &m, &buf));
        golden (write_golden, name, esp_buf_span (&buf));
        PASS (wire_control_decode (codec, esp_buf_span (&buf), &back));
        CHECK (same_control (&m, &back));
    }
    esp_buf_free (&buf);
    wire_codec_destroy (codec);
}

static void take_events (wire_codec *codec, span bytes)
{
    esp_buf buf = {0};
    const event *events;
    run_status status;
    uint64_t sequence;
    size_t count;
    esp_err err = wire_events_decode (codec, bytes, &sequence, &status, &events, &count);
    if (err == ESP_OK)
        err = wire_events_encode (codec, sequence, &status, events, count, &buf);
    else
        err = err == ESP_EFORMAT || err == ESP_EVERSION ? ESP_OK : err;
    CHECK (err == ESP_OK);
    esp_buf_free (&buf);
}

static void take_control (wire_codec *codec, span bytes)
{
    esp_buf buf = {0};
    control_message m;
    esp_err err = wire_control_decode (codec, bytes, &m);
    if (err == ESP_OK)
        err = wire_control_encode (codec, &m, &buf);
    else
        err = err == ESP_EFORMAT || err == ESP_EVERSION ? ESP_OK : err;
    CHECK (err == ESP_OK);
    esp_buf_free (&buf);
}

static void cut_and_flipped_bytes_are_refused_or_read_never_worse (void)
{
    wire_codec *codec = NULL;
    esp_buf buf = {0};
    PASS (wire_codec_create (&codec));
    PASS (wire_events_encode (codec, 12, &golden_status, golden_events, EVENT_KINDS, &buf));
    take_damaged (codec, esp_buf_span (&buf), take_events);
    for (int kind = 0; kind < CONTROL_KINDS; kind++) {
        control_message m = golden_control ((enum control_kind)kind);
        esp_buf_clear (&buf);
        PASS (wire_control_encode (codec, &m, &buf));
        take_damaged (codec, esp_buf_span (&buf), take_control);
    }
    esp_buf_free (&buf);
    wire_codec_destroy (codec);
}

static void another_version_is_refused_by_name (void)
{
    wire_codec *codec = NULL;
    esp_buf buf = {0};
    control_message m = golden_control (CONTROL_STATUS), out;
    const event *events;
    run_status status;
    uint64_t sequence;
    size_t count;
    PASS (wire_codec_create (&codec));
    PASS (wire_control_encode (codec, &m, &buf));
    buf.data[1]++;
    FAILS (wire_control_decode (codec, esp_buf_span (&buf), &out), ESP_EVERSION);
    esp_buf_clear (&buf);
    PASS (wire_events_encode (codec, 12, &golden_status, golden_events, EVENT_KINDS, &buf));
    buf.data[1]++;
    FAILS (wire_events_decode (codec, esp_buf_span (&buf), &sequence, &status, &events, &count),
           ESP_EVERSION);
    esp_buf_free (&buf);
    wire_codec_destroy (codec);
}

static void values_out_of_range_are_not_encoded (void)
{
    static const event bad[] = {
        {.kind = EVENT_KINDS},
        {.kind = EVENT_TEXT, .mark = FINISH_ERROR + 1},
        {.kind = EVENT_VERIFIED, .mark = VERDICT_UNKNOWN + 1},
        {.kind = EVENT_MARK, .mark = NODE_MARKS},
        {.kind = EVENT_FINISHED, .mark = FINISH_REASONS},
        {.kind = EVENT_SCORED, .value = INFINITY},
    };
    wire_codec *codec = NULL;
    esp_buf buf = {0};
    run_status endless = {.eta_s = INFINITY};
    control_message m = {.kind = CONTROL_KINDS};
    char token[WIRE_ID_MAX + 1] = {0};
    PASS (wire_codec_create (&codec));
    for (size_t i = 0; i < sizeof (bad) / sizeof (*bad); i++)
        FAILS (wire_events_encode (codec, 1, &golden_status, &bad[i], 1, &buf), ESP_EINVAL);
    FAILS (wire_events_encode (codec, 1, &endless, NULL, 0, &buf), ESP_EINVAL);
    FAILS (wire_control_encode (codec, &m, &buf), ESP_EINVAL);
    m = (control_message){.kind = CONTROL_COMMAND, .command = {.kind = COMMAND_KINDS}};
    FAILS (wire_control_encode (codec, &m, &buf), ESP_EINVAL);
    m.command = (command){.kind = COMMAND_BOOST, .value = NAN};
    FAILS (wire_control_encode (codec, &m, &buf), ESP_EINVAL);
    m = (control_message){.kind = CONTROL_STATUS, .token = {token, sizeof (token)}};
    FAILS (wire_control_encode (codec, &m, &buf), ESP_ETOOBIG);
    FAILS (wire_events_encode (codec, 1, &golden_status, bad, WIRE_EVENTS_MAX + 1, &buf),
           ESP_ETOOBIG);
    CHECK (buf.len == 0);
    esp_buf_free (&buf);
    wire_codec_destroy (codec);
}

static esp_err large_trip (const control_message *m, esp_buf *buf, bool *same)
{
    wire_codec *codec = NULL;
    control_message back = {.kind = 77};
    esp_err err = wire_codec_create (&codec);
    if (err == ESP_OK)
        err = wire_control_encode (codec, m, buf);
    if (err == ESP_OK)
        err = wire_control_decode (codec, esp_buf_span (buf), &back);
    *same = err == ESP_OK ? same_control (m, &back) : back.kind == 77;
    wire_codec_destroy (codec);
    return err;
}

static void every_failing_allocation_is_survived (void)
{
    enum { MANY = 30000 };
    event *events = calloc (MANY, sizeof (*events));
    control_message m = golden_control (CONTROL_OK);
    esp_err err = ESP_ENOMEM;
    for (int i = 0; i < MANY; i++)
        events[i] = golden_events[i % EVENT_KINDS];
    m.events = events;
    m.event_count = MANY;
    for (long n = 0; err != ESP_OK && n < 100; n++) {
        esp_buf buf = {0};
        bool same = false;
        esp_alloc_fail_after (n);
        err = large_trip (&m, &buf, &same);
        esp_alloc_fail_after (-1);
        CHECK (err == ESP_OK || err == ESP_ENOMEM);
        CHECK (same);
        esp_buf_free (&buf);
        CHECK (esp_alloc_live () == 0);
    }
    CHECK (err == ESP_OK);
    free (events);
}

/* The largest snapshot passes the memory limit of the decoder. */
static void a_snapshot_of_the_largest_size_is_read (void)
{
    event *events = calloc (WIRE_EVENTS_MAX, sizeof (*events));
    control_message m = golden_control (CONTROL_OK), back;
    wire_codec *codec = NULL;
    esp_buf buf = {0};
    m.events = events; /* all zero: the shortest encoding, so the largest growth */
    m.event_count = WIRE_EVENTS_MAX;
    PASS (wire_codec_create (&codec));
    PASS (wire_control_encode (codec, &m, &buf));
    PASS (wire_control_decode (codec, esp_buf_span (&buf), &back));
    CHECK (back.event_count == WIRE_EVENTS_MAX);
    esp_buf_free (&buf);
    wire_codec_destroy (codec);
    free (events);
}

int main (int argc, char **argv)
{
    static const struct suite_case cases[] = {
        {"bad calls change nothing", bad_calls_change_nothing},
        {"random control messages come back equal", random_control_messages_come_back_equal},
        {"random events come back equal", random_events_come_back_equal},
        {"bytes are those of the golden files", bytes_are_those_of_the_golden_files},
        {"cut and flipped bytes are refused or read, never worse",
         cut_and_flipped_bytes_are_refused_or_read_never_worse},
        {"another version is refused by name", another_version_is_refused_by_name},
        {"values out of range are not encoded", values_out_of_range_are_not_encoded},
        {"every failing allocation is survived", every_failing_allocation_is_survived},
        {"a snapshot of the largest size is read", a_snapshot_of_the_largest_size_is_read},
        {NULL, NULL},
    };
    write_golden = argc > 1 && strcmp (argv[1], "--write-golden") == 0;
    return suite_main ("wire_event", cases);
}
