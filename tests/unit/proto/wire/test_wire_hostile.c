/* SPDX-License-Identifier: Apache-2.0 */
/* test_wire_hostile.c - well-formed protobuf that says what no honest sender says
 *
 * The bytes are made with the generated code, since our encoder refuses to.  Each case breaks one thing in a
 * message that is otherwise good.
 */
// LINK: esp_schema

#include <sys/resource.h>
#include "control.pb-c.h"
#include "journal.pb-c.h"
#include "tests/unit/proto/wire/given.h"

static esp_err decoded (const ProtobufCMessage *message, span *kept)
{
    static char bytes[1 << 16];
    wire_codec *codec = NULL;
    esp_err err;
    CHECK (protobuf_c_message_get_packed_size (message) <= sizeof (bytes));
    *kept = span_make (bytes, protobuf_c_message_pack (message, (uint8_t *)bytes));
    PASS (wire_codec_create (&codec));
    if (message->descriptor == &espalier__record__descriptor) {
        record r;
        err = wire_record_decode (codec, *kept, &r);
    } else if (message->descriptor == &espalier__control__descriptor) {
        control_message m;
        err = wire_control_decode (codec, *kept, &m);
    } else if (message->descriptor == &espalier__events__descriptor) {
        const event *events;
        run_status status;
        uint64_t sequence;
        size_t count;
        err = wire_events_decode (codec, *kept, &sequence, &status, &events, &count);
    } else {
        wire_message m;
        err = wire_decode (codec, *kept, &m);
    }
    wire_codec_destroy (codec);
    return err;
}

/* A good value, then a bad one in the same place. */
#define REFUSED(message, place, bad)                                                               \
    do {                                                                                           \
        span kept_;                                                                                \
        __typeof__ (place) good_ = (place);                                                        \
        FAILS (decoded (&(message).base, &kept_), ESP_OK);                                         \
        (place) = (bad);                                                                           \
        FAILS (decoded (&(message).base, &kept_), ESP_EFORMAT);                                    \
        (place) = good_;                                                                           \
    } while (0)

static Espalier__Envelope envelope (Espalier__Envelope__BodyCase body_case, void *body)
{
    Espalier__Envelope e = ESPALIER__ENVELOPE__INIT;
    e.wire_version = WIRE_VERSION;
    e.body_case = body_case;
    e.drain = body;
    return e;
}

static ProtobufCBinaryData bytes_of (const char *text, size_t len)
{
    return (ProtobufCBinaryData){len, (uint8_t *)(uintptr_t)text};
}

static Espalier__Result good_result (void)
{
    Espalier__Result r = ESPALIER__RESULT__INIT;
    r.finish = ESPALIER__NODE_FINISH__NODE_FINISH_STOP;
    r.verdict = ESPALIER__VERDICT__VERDICT_NONE;
    r.logprob_given_case = ESPALIER__RESULT__LOGPROB_GIVEN_LOGPROB;
    r.mean_logprob_given_case = ESPALIER__RESULT__MEAN_LOGPROB_GIVEN_MEAN_LOGPROB;
    r.share_given_case = ESPALIER__RESULT__SHARE_GIVEN_SHARE;
    return r;
}

static void results_are_checked (void)
{
    double scores[2] = {0.5, 0.25};
    uint64_t leases[2] = {1, 2};
    uint32_t busy[2] = {1, 2};
    Espalier__Result r = good_result (), *list[1] = {&r};
    Espalier__Results results = ESPALIER__RESULTS__INIT;
    uint32_t servers[2] = {1, 1};
    ProtobufCBinaryData names[1] = {bytes_of ("http://a", 8)};
    Espalier__Envelope e = envelope (ESPALIER__ENVELOPE__BODY_RESULTS, &results);
    r.scores = scores;
    r.n_scores = 2;
    results.results = list;
    results.leases = leases;
    results.busy_us = busy;
    results.n_results = results.n_leases = results.n_busy_us = 1;
    results.servers = servers;
    results.names = names;
    results.n_servers = results.n_names = 1;
    REFUSED (e, r.finish, 0);
    REFUSED (e, r.finish, FINISH_ERROR + 2);
    REFUSED (e, r.finish, (Espalier__NodeFinish)INT32_MIN);
    REFUSED (e, r.verdict, 0);
    REFUSED (e, r.verdict, VERDICT_UNKNOWN + 2);
    REFUSED (e, r.error, ESP_ECONTEXT + 1);
    REFUSED (e, r.error, UINT32_MAX);
    REFUSED (e, r.own_scores, 3);
    REFUSED (e, r.share, 1.01);
    REFUSED (e, r.share, -0.01);
    REFUSED (e, r.share, INFINITY);
    REFUSED (e, r.logprob, -INFINITY);
    REFUSED (e, r.mean_logprob, INFINITY);
    REFUSED (e, scores[1], NAN);
    REFUSED (e, scores[1], INFINITY);
    REFUSED (e, r.reason, bytes_of ("\xc0\x80", 2));
    REFUSED (e, results.n_leases, 2);
    REFUSED (e, results.n_busy_us, 0);
    REFUSED (e, results.n_servers, 2);
    REFUSED (e, servers[0], 2);
    REFUSED (e, results.n_results, 0);
}

static void tasks_are_checked (void)
{
    uint32_t nodes[1] = {9};
    Espalier__Prefix prefix = ESPALIER__PREFIX__INIT, *prefixes[1] = {&prefix};
    Espalier__Task t = ESPALIER__TASK__INIT, *tasks[1] = {&t};
    Espalier__Batch batch = ESPALIER__BATCH__INIT;
    Espalier__Envelope e = envelope (ESPALIER__ENVELOPE__BODY_BATCH, &batch);
    prefix.nodes = nodes;
    prefix.n_nodes = 1;
    t.node = 9;
    t.kind = ESPALIER__TASK_KIND__TASK_KIND_SCORE;
    t.mode = ESPALIER__TASK_MODE__TASK_MODE_STEP;
    batch.prefixes = prefixes;
    batch.tasks = tasks;
    batch.n_prefixes = batch.n_tasks = 1;
    REFUSED (e, t.kind, 0);
    REFUSED (e, t.kind, TASK_KINDS + 1);
    REFUSED (e, t.mode, 0);
    REFUSED (e, t.mode, TASK_DRAFT + 2);
    REFUSED (e, t.engine, 65536);
    REFUSED (e, t.action, 65536);
    REFUSED (e, t.reading, 65536);
    REFUSED (e, t.prefix, 1);
    REFUSED (e, t.prefix, UINT32_MAX);
    REFUSED (e, t.node, 8);
    REFUSED (e, t.problem, 1);
    REFUSED (e, t.seed, 0x80000000);
    REFUSED (e, t.temperature, -0.5);
    REFUSED (e, t.temperature, NAN);
    REFUSED (e, t.top_p, 1.5);
    REFUSED (e, t.top_p, NAN);
    REFUSED (e, t.top_k, -1);
    REFUSED (e, t.priority, NAN);
    REFUSED (e, prefix.n_nodes, 0);
    REFUSED (e, batch.n_prefixes, 0);
}

static void problems_and_prefixes_are_checked (void)
{
    static char long_id[WIRE_ID_MAX + 1];
    uint32_t nodes[3] = {9, 10, 11}, at[2] = {0, 2}, tokens[2] = {1, 2};
    ProtobufCBinaryData texts[2] = {{1, (uint8_t *)long_id}, {0, NULL}};
    Espalier__Prefix prefix = ESPALIER__PREFIX__INIT, *prefixes[1] = {&prefix};
    Espalier__Problem p = ESPALIER__PROBLEM__INIT, *problems[1] = {&p};
    Espalier__Batch batch = ESPALIER__BATCH__INIT;
    Espalier__Envelope e = envelope (ESPALIER__ENVELOPE__BODY_BATCH, &batch);
    prefix.nodes = nodes;
    prefix.n_nodes = 3;
    prefix.text_at = at;
    prefix.texts = texts;
    prefix.tokens = tokens;
    prefix.n_text_at = prefix.n_texts = prefix.n_tokens = 2;
    batch.prefixes = prefixes;
    batch.problems = problems;
    batch.n_prefixes = batch.n_problems = 1;
    REFUSED (e, at[1], 3);
    REFUSED (e, at[1], 0);
    REFUSED (e, at[0], 2);
    REFUSED (e, prefix.n_texts, 1);
    REFUSED (e, prefix.n_text_at, 1);
    REFUSED (e, prefix.n_tokens, 1);
    REFUSED (e, nodes[1], NODE_ROOT);
    REFUSED (e, nodes[1], NODE_NONE);
    REFUSED (e, p.id, bytes_of (long_id, sizeof (long_id)));
    REFUSED (e, p.id, bytes_of ("\xff", 1));
    REFUSED (e, p.priority, INFINITY);
}

static void small_messages_are_checked (void)
{
    uint64_t problems[2] = {1, 2};
    uint32_t numbers[4] = {1, 2, 3, 4};
    Espalier__TaskIds ids = ESPALIER__TASK_IDS__INIT;
    Espalier__Ping ping = ESPALIER__PING__INIT;
    Espalier__Ready ready = ESPALIER__READY__INIT;
    Espalier__Model model = ESPALIER__MODEL__INIT, *models[] = {&model};
    static const char long_id[WIRE_NAME_MAX + 1];
    Espalier__Hello hello = ESPALIER__HELLO__INIT;
    Espalier__Envelope e = envelope (ESPALIER__ENVELOPE__BODY_MISSING, &ids);
    ids.problems = problems;
    ids.numbers = numbers;
    ids.n_problems = ids.n_numbers = 2;
    REFUSED (e, ids.n_numbers, 1);
    REFUSED (e, ids.n_problems, 0);
    e = envelope (ESPALIER__ENVELOPE__BODY_PONG, &ping);
    ping.in_flight = numbers;
    ping.n_in_flight = TASK_KINDS;
    REFUSED (e, ping.n_in_flight, TASK_KINDS - 1);
    REFUSED (e, ping.n_in_flight, TASK_KINDS + 1);
    REFUSED (e, ping.watched, true); /* a ping's */
    e.body_case = ESPALIER__ENVELOPE__BODY_PING;
    ping.n_in_flight = 0;
    REFUSED (e, ping.n_in_flight, TASK_KINDS);
    e = envelope (ESPALIER__ENVELOPE__BODY_READY, &ready);
    ready.slots = numbers;
    ready.n_slots = TASK_KINDS;
    REFUSED (e, ready.n_slots, 0);
    ready.models = models;
    ready.n_models = 1;
    model.kind = TASK_KINDS;
    model.model = bytes_of ("m", 1);
    REFUSED (e, model.kind, 0);
    REFUSED (e, model.kind, TASK_KINDS + 1);
    REFUSED (e, model.kind, UINT32_MAX);
    REFUSED (e, model.model, bytes_of ("", 0));
    REFUSED (e, model.entry, bytes_of (long_id, sizeof (long_id)));
    e = envelope (ESPALIER__ENVELOPE__BODY_HELLO, &hello);
    REFUSED (e, hello.host, bytes_of ("\xff", 1));
    REFUSED (e, e.body_case, ESPALIER__ENVELOPE__BODY__NOT_SET);
}

static void records_are_checked (void)
{
    Espalier__Result back = good_result ();
    Espalier__Command steer = ESPALIER__COMMAND__INIT;
    Espalier__Input in = ESPALIER__INPUT__INIT;
    Espalier__Record r = ESPALIER__RECORD__INIT;
    r.body_case = ESPALIER__RECORD__BODY_INPUT;
    r.input = &in;
    in.kind = ESPALIER__INPUT_KIND__INPUT_KIND_OPEN;
    REFUSED (r, in.kind, 0);
    REFUSED (r, in.kind, INPUT_KINDS + 1);
    REFUSED (r, in.kind, ESPALIER__INPUT_KIND__INPUT_KIND_RESULT);
    REFUSED (r, in.result, &back);
    REFUSED (r, in.command, &steer);
    in.kind = ESPALIER__INPUT_KIND__INPUT_KIND_RESULT;
    in.result = &back;
    REFUSED (r, back.problem, 5);
    REFUSED (r, back.share, 2);
    REFUSED (r, in.result, NULL);
    in.kind = ESPALIER__INPUT_KIND__INPUT_KIND_COMMAND;
    in.result = NULL;
    in.command = &steer;
    steer.kind = ESPALIER__COMMAND_KIND__COMMAND_KIND_BOOST;
    REFUSED (r, steer.kind, 0);
    REFUSED (r, steer.kind, COMMAND_KINDS + 1);
    REFUSED (r, steer.value, NAN);
    REFUSED (r, in.command, NULL);
    REFUSED (r, r.body_case, ESPALIER__RECORD__BODY__NOT_SET);
}

static void headers_are_checked (void)
{
    uint64_t first[1] = {5}, count[1] = {2};
    Espalier__FileOffset file = ESPALIER__FILE_OFFSET__INIT, *files[1] = {&file};
    Espalier__Header h = ESPALIER__HEADER__INIT;
    Espalier__Record r = ESPALIER__RECORD__INIT;
    r.body_case = ESPALIER__RECORD__BODY_HEADER;
    r.header = &h;
    h.format = RECORD_FORMAT;
    h.finished_first = h.closed_first = first;
    h.finished_count = h.closed_count = count;
    h.n_finished_first = h.n_finished_count = h.n_closed_first = h.n_closed_count = 1;
    h.files = files;
    h.n_files = 1;
    file.name = bytes_of ("answers.jsonl", 13);
    REFUSED (r, file.name, bytes_of ("../answers.jsonl", 16));
    REFUSED (r, file.name, bytes_of ("", 0));
    REFUSED (r, count[0], 0);
    REFUSED (r, count[0], UINT64_MAX);
    REFUSED (r, h.n_finished_first, 0);
    REFUSED (r, h.n_finished_count, 0);
    REFUSED (r, h.n_closed_first, 0);
    REFUSED (r, h.n_closed_count, 0);
    REFUSED (r, h.strategy, bytes_of ("\xff", 1));
    REFUSED (r, h.program, bytes_of ("\xff", 1));
}

static void deaths_are_checked (void)
{
    uint64_t problems[2] = {5, 6};
    uint32_t tasks[2] = {1, 2};
    Espalier__Death d = ESPALIER__DEATH__INIT;
    Espalier__Record r = ESPALIER__RECORD__INIT;
    r.body_case = ESPALIER__RECORD__BODY_DEATH;
    r.death = &d;
    d.problems = problems;
    d.tasks = tasks;
    d.n_problems = d.n_tasks = 2;
    REFUSED (r, d.n_tasks, 1);
    REFUSED (r, d.n_problems, 0);
    REFUSED (r, d.alone, 1);
    REFUSED (r, problems[1], UINT64_MAX);
    d.n_problems = d.n_tasks = 1;
    d.alone = 1;
    REFUSED (r, d.n_tasks, 0);
    REFUSED (r, d.n_problems, 2);
}

static void control_and_events_are_checked (void)
{
    Espalier__Event v = ESPALIER__EVENT__INIT, *list[1] = {&v};
    Espalier__Command steer = ESPALIER__COMMAND__INIT;
    Espalier__Status status = ESPALIER__STATUS__INIT;
    Espalier__Control c = ESPALIER__CONTROL__INIT;
    Espalier__Events e = ESPALIER__EVENTS__INIT;
    c.wire_version = e.wire_version = WIRE_VERSION;
    c.kind = ESPALIER__CONTROL_KIND__CONTROL_KIND_STATUS;
    REFUSED (c, c.kind, 0);
    REFUSED (c, c.kind, CONTROL_KINDS + 1);
    REFUSED (c, c.kind, ESPALIER__CONTROL_KIND__CONTROL_KIND_OK);
    REFUSED (c, c.kind, ESPALIER__CONTROL_KIND__CONTROL_KIND_COMMAND);
    REFUSED (c, c.command, &steer);
    REFUSED (c, c.status, &status);
    e.status = &status;
    e.events = list;
    e.n_events = 1;
    v.kind = ESPALIER__EVENT_KIND__EVENT_KIND_MARK;
    v.mark = 1;
    v.value_given_case = ESPALIER__EVENT__VALUE_GIVEN_VALUE;
    status.eta_s_given_case = ESPALIER__STATUS__ETA_S_GIVEN_ETA_S;
    REFUSED (e, e.status, NULL);
    REFUSED (e, status.eta_s, INFINITY);
    REFUSED (e, v.kind, 0);
    REFUSED (e, v.kind, EVENT_KINDS + 1);
    REFUSED (e, v.mark, 0);
    REFUSED (e, v.mark, NODE_MARKS + 1);
    REFUSED (e, v.mark, 257);
    REFUSED (e, v.mark, UINT32_MAX);
    REFUSED (e, v.value, -INFINITY);
}

static void put_size (esp_buf *buf, uint32_t size) /* below 2^21, in three bytes */
{
    char bytes[] = {(char)(size | 0x80), (char)(size >> 7 | 0x80), (char)(size >> 14 & 0x7f)};
    PASS (esp_buf_append (buf, bytes, 3));
}

static void put_column (esp_buf *buf, const char *tag, uint32_t count)
{
    PASS (esp_buf_append (buf, tag, 1));
    put_size (buf, count);
    PASS (esp_buf_reserve (buf, count));
    memset (buf->data + buf->len, 1, count);
    buf->len += count;
}

/* A cancel of `count` tasks, two bytes each. */
static esp_err cancel_of (uint32_t count)
{
    esp_buf buf = {0};
    wire_codec *codec = NULL;
    wire_message out;
    esp_err err;
    PASS (esp_buf_append (&buf, "\x08\x04\x62", 3));
    put_size (&buf, 2 * (4 + count));
    put_column (&buf, "\x0a", count);
    put_column (&buf, "\x12", count);
    PASS (wire_codec_create (&codec));
    err = wire_decode (codec, esp_buf_span (&buf), &out);
    CHECK (err != ESP_OK || out.u.ids.count == count);
    esp_buf_free (&buf);
    wire_codec_destroy (codec);
    return err;
}

static void counts_over_the_limit_are_refused (void)
{
    PASS (cancel_of (WIRE_ITEMS_MAX));
    FAILS (cancel_of (WIRE_ITEMS_MAX + 1), ESP_EFORMAT);
}

static long peak_mb (void)
{
    struct rusage used;
    getrusage (RUSAGE_SELF, &used);
    return used.ru_maxrss >> 10;
}

/* 16 MB of empty results would be 2 GB unpacked; the limit is 320 MB and twice the message. */
static void what_would_fill_the_memory_is_refused (void)
{
    enum { COUNT = 8 << 20 };
    esp_buf buf = {0};
    wire_codec *codec = NULL;
    wire_message out;
    long before;
    PASS (esp_buf_append (&buf, "\x08\x04\xa2\x01\x80\x80\x80\x08", 8)); /* results: 16 MiB */
    PASS (esp_buf_reserve (&buf, 2 * COUNT));
    for (size_t i = 0; i < COUNT; i++) {
        buf.data[buf.len++] = '\x0a'; /* field 1, length 0 */
        buf.data[buf.len++] = 0;
    }
    PASS (wire_codec_create (&codec));
    before = peak_mb ();
    FAILS (wire_decode (codec, esp_buf_span (&buf), &out), ESP_EFORMAT);
    CHECK (peak_mb () - before < 1000); /* arena and allocator round up */
    esp_buf_free (&buf);
    wire_codec_destroy (codec);
}

/* A field of no version of ours, in the outermost and in an inner object. */
static void unknown_fields_are_refused (void)
{
    static const struct {
        const char *bytes;
        size_t len;
    } messages[] = {
        {"\x08\x04\xf8\x07\x01\x7a\x00", 7},         /* envelope */
        {"\x08\x04\x6a\x00", 4},                     /* field 13: forget, in version 1 */
        {"\x08\x04\x7a\x03\xf8\x07\x01", 7},         /* drain */
        {"\x08\x04\x52\x03\xf8\x07\x01", 7},         /* welcome */
        {"\x08\x04\x5a\x05\x0a\x03\xf8\x07\x01", 9}, /* batch, problem */
        {"\x08\x04\x5a\x05\x12\x03\xf8\x07\x01", 9}, /* batch, prefix */
    };
    wire_codec *codec = NULL;
    wire_message out;
    PASS (wire_codec_create (&codec));
    PASS (wire_decode (codec, span_make ("\x08\x04\x7a\x00", 4), &out));
    CHECK (out.kind == WIRE_DRAIN);
    for (size_t i = 0; i < sizeof (messages) / sizeof (*messages); i++)
        FAILS (wire_decode (codec, span_make (messages[i].bytes, messages[i].len), &out),
               ESP_EFORMAT);
    wire_codec_destroy (codec);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"results are checked", results_are_checked},
        {"tasks are checked", tasks_are_checked},
        {"problems and prefixes are checked", problems_and_prefixes_are_checked},
        {"small messages are checked", small_messages_are_checked},
        {"records are checked", records_are_checked},
        {"headers are checked", headers_are_checked},
        {"deaths are checked", deaths_are_checked},
        {"control and events are checked", control_and_events_are_checked},
        {"counts over the limit are refused", counts_over_the_limit_are_refused},
        {"what would fill the memory is refused", what_would_fill_the_memory_is_refused},
        {"unknown fields are refused", unknown_fields_are_refused},
        {NULL, NULL},
    };
    return suite_main ("wire_hostile", cases);
}
