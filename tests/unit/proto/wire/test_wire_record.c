/* SPDX-License-Identifier: Apache-2.0 */
/* test_wire_record.c - bodies of journal frames
 *
 * `test_wire_record --write-golden` writes golden/record_*.bin anew (after a raised RECORD_FORMAT).
 */

#include "tests/unit/proto/wire/given_record.h"

enum { ROUNDS = 500 }; /* random records of each kind */

static bool write_golden; /* set by main before the cases run */

/* ---- fixed records for the golden files: one per kind, and one per kind of input ---- */

enum { GOLDEN_RECORDS = RECORD_KINDS - 1 + INPUT_KINDS };

static input golden_input (enum input_kind kind)
{
    static const double scores[] = {0.5, -0.0};
    input in = {.kind = (uint8_t)kind, .problem = problem_key_make (1, 7)};
    if (kind == INPUT_RESULT)
        in.u.result = (result){
            .id = {problem_key_make (1, 7), 12},
            .text = {"Add.\n\n", 6},
            .tokens = 3,
            .steps = 1,
            .finish = FINISH_EOS,
            .logprob = -0.0,
            .mean_logprob = NAN,
            .scores = scores,
            .score_count = 2,
            .score_own = 1,
            .verdict = VERDICT_PASS,
            .share = 1,
            .answer = {"2", 1},
        };
    else if (kind == INPUT_COMMAND)
        in.u.command = (command){COMMAND_ADD_STEP, NODE_NONE, 1.5, {"Think.", 6}};
    return in;
}

static record_header golden_header (void)
{
    static const key_range finished[] = {{0, 10}, {UINT64_C (1) << 32, 2}}, closed[] = {{1, 3}};
    static const file_offset files[] = {{{"answers.jsonl", 13}, 1000},
                                        {{"samples/stepwise.jsonl", 22}, 0}};
    return (record_header){
        .format = RECORD_FORMAT,
        .run_id = 0x0123456789abcdef,
        .epoch = 2,
        .segment = 5,
        .first = 4097,
        .identity = 0xfedcba9876543210,
        .semantics = 1,
        .strategy = {"beam", 4},
        .program = {"espalier 0.1.0", 14},
        .run_file = {"run: {name: demo}\n", 18},
        .finished = finished,
        .finished_count = 2,
        .closed = closed,
        .closed_count = 1,
        .files = files,
        .file_count = 2,
    };
}

static record golden_record (int which, char name[64])
{
    static const problem_key keys[] = {0, 300, UINT64_MAX};
    static const file_offset files[] = {{{"answers.jsonl", 13}, 123456789}};
    static const task_id tasks[] = {{300, 12}, {UINT64_C (1) << 32, 0}};
    record r = {.kind = which < RECORD_KINDS ? (uint8_t)which : RECORD_INPUT, .number = 4096};
    snprintf (name, 64, "record_%s", record_kind_names[r.kind]);
    if (r.kind == RECORD_HEADER)
        r.u.header = golden_header ();
    else if (r.kind == RECORD_SYNCED)
        r.u.synced.offset = 65536;
    else if (r.kind == RECORD_HASH)
        r.u.hash.problem = 300, r.u.hash.digest = 0xdeadbeef12345678;
    else if (r.kind == RECORD_FOOTER)
        r.u.footer.problems = keys, r.u.footer.problem_count = 3;
    else if (r.kind == RECORD_DEATH)
        r.u.death.rank = 2, r.u.death.tasks = tasks, r.u.death.task_count = 2;
    else if (r.kind == RECORD_COMMIT) {
        r.u.commit.up_to = 4000;
        r.u.commit.problems = keys, r.u.commit.problem_count = 3;
        r.u.commit.files = files, r.u.commit.file_count = 1;
    } else {
        enum input_kind kind =
            which < RECORD_KINDS ? INPUT_OPEN : (enum input_kind) (which - RECORD_KINDS + 1);
        r.u.input = golden_input (kind);
        snprintf (name, 64, "record_input_%s", input_kind_names[kind]);
    }
    return r;
}

/* ---- cases ---- */

static void bad_calls_change_nothing (void)
{
    wire_codec *codec = NULL;
    record r = {.kind = RECORD_SYNCED}, out = {.kind = 77};
    esp_buf buf = {0};
    PASS (wire_codec_create (&codec));
    FAILS (wire_record_encode (NULL, &r, &buf), ESP_EINVAL);
    FAILS (wire_record_encode (codec, NULL, &buf), ESP_EINVAL);
    FAILS (wire_record_encode (codec, &r, NULL), ESP_EINVAL);
    FAILS (wire_record_decode (NULL, span_make ("", 0), &out), ESP_EINVAL);
    FAILS (wire_record_decode (codec, span_make ("", 0), NULL), ESP_EINVAL);
    FAILS (wire_record_decode (codec, span_make ("", 0), &out), ESP_EFORMAT);
    r.kind = RECORD_KINDS;
    FAILS (wire_record_encode (codec, &r, &buf), ESP_EINVAL);
    r.kind = RECORD_INPUT;
    r.u.input.kind = INPUT_KINDS;
    FAILS (wire_record_encode (codec, &r, &buf), ESP_EINVAL);
    CHECK (out.kind == 77);
    CHECK (buf.len == 0);
    esp_buf_free (&buf);
    wire_codec_destroy (codec);
}

static void random_records_come_back_equal (void)
{
    wire_codec *codec = NULL;
    esp_buf buf = {0};
    PASS (wire_codec_create (&codec));
    for (int kind = 0; kind < RECORD_KINDS; kind++) {
        struct given g = given_draws (100 + (uint64_t)kind);
        bool same = true;
        for (int round = 0; same && round < ROUNDS; round++) {
            record r, back;
            esp_arena_reset (g.arena);
            r = some_record (&g, (enum record_kind)kind);
            esp_buf_clear (&buf);
            PASS (wire_record_encode (codec, &r, &buf));
            PASS (wire_record_decode (codec, esp_buf_span (&buf), &back));
            same = same_record (&r, &back);
        }
        if (!same)
            printf ("%s came back other\n", record_kind_names[kind]);
        CHECK (same);
        esp_arena_destroy (g.arena);
    }
    esp_buf_free (&buf);
    wire_codec_destroy (codec);
}

static void bytes_are_those_of_the_golden_files (void)
{
    wire_codec *codec = NULL;
    PASS (wire_codec_create (&codec));
    for (int which = 0; which < GOLDEN_RECORDS; which++) {
        char name[64];
        record r = golden_record (which, name), back;
        esp_buf buf = {0};
        PASS (wire_record_encode (codec, &r, &buf));
        golden (write_golden, name, esp_buf_span (&buf));
        PASS (wire_record_decode (codec, esp_buf_span (&buf), &back));
        CHECK (same_record (&r, &back));
        esp_buf_free (&buf);
    }
    wire_codec_destroy (codec);
}

static void take (wire_codec *codec, span bytes)
{
    esp_buf buf = {0};
    record r;
    esp_err err = wire_record_decode (codec, bytes, &r);
    if (err == ESP_OK)
        err = wire_record_encode (codec, &r, &buf);
    else
        err = err == ESP_EFORMAT || err == ESP_EVERSION ? ESP_OK : err;
    CHECK (err == ESP_OK);
    esp_buf_free (&buf);
}

static void cut_and_flipped_bytes_are_refused_or_read_never_worse (void)
{
    wire_codec *codec = NULL;
    PASS (wire_codec_create (&codec));
    for (int which = 0; which < GOLDEN_RECORDS; which++) {
        char name[64];
        record r = golden_record (which, name);
        esp_buf buf = {0};
        PASS (wire_record_encode (codec, &r, &buf));
        take_damaged (codec, esp_buf_span (&buf), take);
        esp_buf_free (&buf);
    }
    wire_codec_destroy (codec);
}

static void another_format_is_refused_and_its_writer_known (void)
{
    static const char *const names[] = {"espalier 7.0", "", "a\nb", "\x1b[2J", "\x7f", "\xc2\x9b"};
    wire_codec *codec = NULL;
    record r = {.kind = RECORD_HEADER}, out = {.kind = 77};
    esp_buf buf = {0};
    uint32_t format = 0;
    span program;
    PASS (wire_codec_create (&codec));
    FAILS (wire_record_writer (NULL, span_make ("", 0), &format, &program), ESP_EINVAL);
    FAILS (wire_record_writer (codec, span_make ("\x08\x01", 2), &format, &program), ESP_EFORMAT);
    FAILS (wire_record_writer (codec, span_make ("\xff", 1), &format, &program), ESP_EFORMAT);
    for (size_t i = 0; i < sizeof (names) / sizeof (names[0]); i++) {
        r.u.header = golden_header ();
        r.u.header.format = RECORD_FORMAT + 1;
        r.u.header.program = span_of (names[i]);
        esp_buf_clear (&buf);
        PASS (wire_record_encode (codec, &r, &buf));
        FAILS (wire_record_decode (codec, esp_buf_span (&buf), &out), ESP_EVERSION);
        PASS (wire_record_writer (codec, esp_buf_span (&buf), &format, &program));
        CHECK (format == RECORD_FORMAT + 1 && span_equal (program, span_of (i ? "" : names[0])));
    }
    PASS (esp_buf_append (&buf, "\xf8\x07\x01", 3)); /* field 127: a later format may have more */
    FAILS (wire_record_decode (codec, esp_buf_span (&buf), &out), ESP_EVERSION);
    PASS (wire_record_writer (codec, esp_buf_span (&buf), &format, &program));
    CHECK (out.kind == 77);
    esp_buf_free (&buf);
    wire_codec_destroy (codec);
}

/* It has no DEATH, and is else the same: a run that an older program began goes on. */
static void the_first_format_is_read (void)
{
    wire_codec *codec = NULL;
    record r = {.kind = RECORD_HEADER}, out = {.kind = 77};
    esp_buf buf = {0};
    PASS (wire_codec_create (&codec));
    r.u.header = golden_header ();
    for (uint32_t format = 0; format < RECORD_FORMAT; format++) {
        r.u.header.format = format;
        esp_buf_clear (&buf);
        PASS (wire_record_encode (codec, &r, &buf));
        CHECK (wire_record_decode (codec, esp_buf_span (&buf), &out) ==
               (format == 0 ? ESP_EVERSION : ESP_OK));
    }
    CHECK (same_record (&r, &out) && out.u.header.format == 1);
    esp_buf_free (&buf);
    wire_codec_destroy (codec);
}

static void a_death_has_tasks_and_alone_only_one (void)
{
    static const task_id tasks[] = {{5, 1}, {UINT64_MAX, 2}};
    wire_codec *codec = NULL;
    esp_buf buf = {0};
    record r = {.kind = RECORD_DEATH};
    PASS (wire_codec_create (&codec));
    r.u.death.tasks = tasks;
    FAILS (wire_record_encode (codec, &r, &buf), ESP_EINVAL);
    r.u.death.task_count = 2;
    FAILS (wire_record_encode (codec, &r, &buf), ESP_EINVAL); /* no such problem */
    r.u.death.task_count = 1;
    r.u.death.alone = true;
    PASS (wire_record_encode (codec, &r, &buf));
    esp_buf_clear (&buf);
    r.u.death.tasks = (const task_id[]){{5, 1}, {5, 2}};
    r.u.death.task_count = 2;
    FAILS (wire_record_encode (codec, &r, &buf), ESP_EINVAL);
    CHECK (buf.len == 0);
    esp_buf_free (&buf);
    wire_codec_destroy (codec);
}

static void files_outside_the_output_folder_are_refused (void)
{
    static const span names[] = {{"", 0},     {"/etc/passwd", 11}, {"..", 2},
                                 {"../x", 4}, {"a/../b", 6},       {"a/..", 4},
                                 {"a\0b", 3}, {"\xff", 1},         {"\xed\xa0\x80", 3}};
    wire_codec *codec = NULL;
    esp_buf buf = {0};
    PASS (wire_codec_create (&codec));
    for (size_t i = 0; i < sizeof (names) / sizeof (*names); i++) {
        file_offset file = {names[i], 1};
        record r = {.kind = RECORD_COMMIT};
        r.u.commit.files = &file;
        r.u.commit.file_count = 1;
        FAILS (wire_record_encode (codec, &r, &buf), ESP_EINVAL);
    }
    CHECK (buf.len == 0);
    esp_buf_free (&buf);
    wire_codec_destroy (codec);
}

static void ranges_that_wrap_or_are_empty_are_refused (void)
{
    static const key_range ranges[] = {{5, 0}, {UINT64_MAX, 2}, {2, UINT64_MAX}};
    wire_codec *codec = NULL;
    esp_buf buf = {0};
    PASS (wire_codec_create (&codec));
    for (size_t i = 0; i < sizeof (ranges) / sizeof (*ranges); i++) {
        record r = {.kind = RECORD_HEADER};
        r.u.header = golden_header ();
        r.u.header.closed = &ranges[i];
        FAILS (wire_record_encode (codec, &r, &buf), ESP_EINVAL);
        r.u.header.closed_count = 0;
        r.u.header.finished = &ranges[i];
        r.u.header.finished_count = 1;
        FAILS (wire_record_encode (codec, &r, &buf), ESP_EINVAL);
    }
    esp_buf_free (&buf);
    wire_codec_destroy (codec);
}

static void a_result_belongs_to_the_problem_of_its_input (void)
{
    wire_codec *codec = NULL;
    esp_buf buf = {0};
    record r = {.kind = RECORD_INPUT};
    PASS (wire_codec_create (&codec));
    r.u.input = golden_input (INPUT_RESULT);
    r.u.input.problem++;
    FAILS (wire_record_encode (codec, &r, &buf), ESP_EINVAL);
    esp_buf_free (&buf);
    wire_codec_destroy (codec);
}

static esp_err large_trip (const record *r, esp_buf *buf, bool *same)
{
    wire_codec *codec = NULL;
    record back = {.kind = 77};
    esp_err err = wire_codec_create (&codec);
    if (err == ESP_OK)
        err = wire_record_encode (codec, r, buf);
    if (err == ESP_OK)
        err = wire_record_decode (codec, esp_buf_span (buf), &back);
    *same = err == ESP_OK ? same_record (r, &back) : back.kind == 77;
    wire_codec_destroy (codec);
    return err;
}

/* Large lists, so that the arenas ask the heap in the middle of packing and unpacking. */
static void every_failing_allocation_is_survived (void)
{
    enum { MANY = 20000 };
    file_offset *files = calloc (MANY, sizeof (*files));
    key_range *ranges = calloc (MANY, sizeof (*ranges));
    record r = {.kind = RECORD_HEADER};
    esp_err err = ESP_ENOMEM;
    for (int i = 0; i < MANY; i++) {
        files[i] = (file_offset){span_of ("answers.jsonl"), 1};
        ranges[i] = (key_range){(uint64_t)i, 1};
    }
    r.u.header = golden_header ();
    r.u.header.files = files;
    r.u.header.finished = r.u.header.closed = ranges;
    r.u.header.file_count = r.u.header.finished_count = r.u.header.closed_count = MANY;
    for (long n = 0; err != ESP_OK && n < 100; n++) {
        esp_buf buf = {0};
        bool same = false;
        esp_alloc_fail_after (n);
        err = large_trip (&r, &buf, &same);
        esp_alloc_fail_after (-1);
        CHECK (err == ESP_OK || err == ESP_ENOMEM);
        CHECK (same);
        esp_buf_free (&buf);
        CHECK (esp_alloc_live () == 0);
    }
    CHECK (err == ESP_OK);
    free (files);
    free (ranges);
}

int main (int argc, char **argv)
{
    static const struct suite_case cases[] = {
        {"bad calls change nothing", bad_calls_change_nothing},
        {"random records come back equal", random_records_come_back_equal},
        {"bytes are those of the golden files", bytes_are_those_of_the_golden_files},
        {"cut and flipped bytes are refused or read, never worse",
         cut_and_flipped_bytes_are_refused_or_read_never_worse},
        {"another format is refused, and its writer known",
         another_format_is_refused_and_its_writer_known},
        {"the first format is read", the_first_format_is_read},
        {"a death has tasks, and alone only one", a_death_has_tasks_and_alone_only_one},
        {"files outside the output folder are refused",
         files_outside_the_output_folder_are_refused},
        {"ranges that wrap or are empty are refused", ranges_that_wrap_or_are_empty_are_refused},
        {"a result belongs to the problem of its input",
         a_result_belongs_to_the_problem_of_its_input},
        {"every failing allocation is survived", every_failing_allocation_is_survived},
        {NULL, NULL},
    };
    write_golden = argc > 1 && strcmp (argv[1], "--write-golden") == 0;
    return suite_main ("wire_record", cases);
}
