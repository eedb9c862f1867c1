/* SPDX-License-Identifier: Apache-2.0 */
/* test_problem_source.c - what coordinator/problem/problem_source.h promises */
// LINK: PkgConfig::JANSSON PkgConfig::ZSTD

#include "coordinator/problem/problem_source.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include "proto/base/alloc.h"
#include "proto/base/file.h"
#include "proto/base/log.h"
#include "tests/support/suite.h"

static char file[512], index_file[512]; /* of the running case */

static void given_bytes (span bytes)
{
    esp_error error = {0};
    PASS (esp_file_write (file, bytes, 0644, &error));
}

static void given_folder (void)
{
    const char *folder = suite_folder ();
    PASS (esp_path_join (file, sizeof (file), folder, "p.jsonl"));
    PASS (esp_path_join (index_file, sizeof (index_file), folder, "problems.idx"));
}

static void given_file (const char *text)
{
    given_folder ();
    given_bytes (span_of (text));
}

static problem_options some_options (void)
{
    return (problem_options){.file = file, .max_line_bytes = 1000};
}

static problem_options skipping (void)
{
    problem_options o = some_options ();
    o.on_error = 1;
    return o;
}

static problem_source *opened (const problem_options *o, const char *index)
{
    problem_source *s = NULL;
    esp_error error = {0};
    esp_err err = problem_source_open (o, index, NULL, NULL, &s, &error);
    if (err != ESP_OK)
        printf ("  said: %s\n", error.text);
    PASS (err);
    return s;
}

static void
expect_refused (const problem_options *o, const char *index, esp_err code, const char *sentence)
{
    problem_source *s = NULL;
    esp_error error = {0};
    FAILS (problem_source_open (o, index, NULL, NULL, &s, &error), code);
    CHECK (strstr (error.text, sentence) != NULL);
    if (!strstr (error.text, sentence))
        printf ("  said: %s\n", error.text);
    CHECK (s == NULL);
}

static void expect_problem (problem_source *s, uint32_t number, const char *id)
{
    esp_buf memory = {0};
    esp_error error = {0};
    problem p;
    PASS (problem_source_get (s, 2, number, &memory, &p, &error));
    CHECK (span_is (p.id, id));
    CHECK (p.json.ptr[0] == '{' && p.json.ptr[p.json.len - 1] == '}');
    CU_ASSERT_EQUAL (p.key, problem_key_make (2, number));
    esp_buf_free (&memory);
}

static void bad_calls_are_refused (void)
{
    problem_source *s = NULL;
    esp_buf memory = {0};
    problem p;
    problem_options o;
    given_file ("{\"id\":1}\n");
    o = some_options ();
    FAILS (problem_source_open (NULL, NULL, NULL, NULL, &s, NULL), ESP_EINVAL);
    FAILS (problem_source_open (&o, NULL, NULL, NULL, NULL, NULL), ESP_EINVAL);
    o.file = NULL;
    FAILS (problem_source_open (&o, NULL, NULL, NULL, &s, NULL), ESP_EINVAL);
    o = some_options ();
    o.max_line_bytes = 0;
    FAILS (problem_source_open (&o, NULL, NULL, NULL, &s, NULL), ESP_EINVAL);
    o = some_options ();
    s = opened (&o, NULL);
    FAILS (problem_source_get (NULL, 0, 0, &memory, &p, NULL), ESP_EINVAL);
    FAILS (problem_source_get (s, 0, 0, NULL, &p, NULL), ESP_EINVAL);
    FAILS (problem_source_get (s, 0, 0, &memory, NULL, NULL), ESP_EINVAL);
    FAILS (problem_source_get (s, 0, 1, &memory, &p, NULL), ESP_ERANGE);
    problem_source_close (s);
    problem_source_close (NULL);
    CU_ASSERT_EQUAL (problem_source_count (NULL), 0);
    CU_ASSERT_EQUAL (problem_source_skipped (NULL), 0);
}

static void numbers_count_good_lines_in_any_order (void)
{
    problem_options o;
    problem_source *s;
    given_file (
        "\xef\xbb\xbf{\"id\":\"a\"}\r\n\n  \t\n{\"task_id\":\"b\"}\r\n{\"problem\":\"abc\"}");
    o = some_options ();
    s = opened (&o, NULL);
    CU_ASSERT_EQUAL (problem_source_count (s), 3);
    CU_ASSERT_EQUAL (problem_source_skipped (s), 0);
    expect_problem (s, 2, "ba7816bf8f01cfea");
    expect_problem (s, 0, "a");
    expect_problem (s, 1, "b");
    problem_source_close (s);
}

static void the_limit_stops_the_scan (void)
{
    problem_options o;
    problem_source *s;
    given_file ("{\"id\":\"a\"}\n{\"id\":\"b\"}\nbroken\n");
    o = some_options ();
    o.limit = 2;
    s = opened (&o, NULL);
    CU_ASSERT_EQUAL (problem_source_count (s), 2);
    problem_source_close (s);
}

static void files_that_are_not_problems_are_told (void)
{
    problem_options o;
    given_file ("");
    o = some_options ();
    expect_refused (&o, NULL, ESP_EFORMAT, "p.jsonl:1: no problem in the file");
    given_file ("\n \r\n\n");
    expect_refused (&o, NULL, ESP_EFORMAT, "no problem in the file");
    o.file = "/nowhere/p.jsonl";
    expect_refused (&o, NULL, ESP_ENOENT, "/nowhere/p.jsonl");
    o.file = "/";
    expect_refused (&o, NULL, ESP_EINVAL, "is a folder");
}

static void a_bad_line_is_named_with_its_number (void)
{
    static const struct {
        const char *text;
        size_t len;
        const char *sentence;
    } rows[] = {
        {"{\"id\":", 6, "column "},     {"[1]", 3, "is not a JSON object"},
        {"\"text\"", 6, "column "},     {"{\"id\":\"\xff\"}", 10, "column "},
        {"{\"i\0d\":1}", 9, "column "}, {"\0\0\0", 3, "column "},
        {"{\"x\":1}", 7, "no id"},      {"\xff\xfe{", 3, "column "},
    };
    problem_options o;
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        esp_buf text = {0};
        problem_source *s;
        given_folder ();
        PASS (esp_buf_puts (&text, "{\"id\":\"a\"}\n\n"));
        PASS (esp_buf_append (&text, rows[i].text, rows[i].len));
        PASS (esp_buf_puts (&text, "\n{\"id\":\"b\"}\n"));
        given_bytes (esp_buf_span (&text));
        o = some_options ();
        expect_refused (&o, NULL, ESP_EFORMAT, "p.jsonl:3: ");
        expect_refused (&o, NULL, ESP_EFORMAT, rows[i].sentence);
        expect_refused (&o, NULL, ESP_EFORMAT, "problems.on_error: skip");
        o = skipping ();
        s = opened (&o, NULL);
        CU_ASSERT_EQUAL (problem_source_count (s), 2);
        CU_ASSERT_EQUAL (problem_source_skipped (s), 1);
        expect_problem (s, 1, "b");
        problem_source_close (s);
        esp_buf_free (&text);
    }
}

static void a_line_over_the_limit_is_a_bad_line (void)
{
    problem_options o;
    problem_source *s;
    esp_buf text = {0};
    given_folder ();
    PASS (esp_buf_puts (&text, "{\"id\":\"a\",\"pad\":\""));
    for (size_t i = 0; i < 200000; i++)
        PASS (esp_buf_puts (&text, "x"));
    PASS (esp_buf_puts (&text, "\"}\n{\"id\":\"b\"}\n"));
    given_bytes (esp_buf_span (&text));
    o = some_options ();
    expect_refused (&o, NULL, ESP_ETOOBIG, "p.jsonl:1: the line has more than 1000 bytes");
    o = skipping ();
    s = opened (&o, NULL);
    CU_ASSERT_EQUAL (problem_source_count (s), 1);
    expect_problem (s, 0, "b");
    problem_source_close (s);
    esp_buf_free (&text);
}

static void equal_ids_name_both_lines (void)
{
    problem_options o;
    given_file ("{\"id\":\"a\"}\n\n{\"id\":\"b\"}\n{\"unique_id\":\"c\"}\n{\"name\":\"b\"}\n");
    o = some_options ();
    expect_refused (&o, NULL, ESP_EEXIST, "p.jsonl:5: id \"b\" stands in line 3 too");
    o = skipping ();
    expect_refused (&o, NULL, ESP_EEXIST, "line 3");
    given_file ("{\"id\":1}\n{\"id\":\"1\"}\n");
    expect_refused (&o, NULL, ESP_EEXIST, "p.jsonl:2: id \"1\" stands in line 1 too");
    given_file ("{\"problem\":\"same\"}\n{\"question\":\"same\"}\n");
    expect_refused (&o, NULL, ESP_EEXIST, "stands in line 1 too");
}

static esp_err wants_numbers (void *ctx, span json, esp_error *error)
{
    ++*(int *)ctx;
    return span_find (json, span_of ("\"numbers\"")) < json.len
               ? ESP_OK
               : esp_error_set (error, ESP_EUNKNOWN, "no numbers; add the field numbers");
}

static esp_err doubts_short_rows (void *ctx, span json, esp_error *error)
{
    (void)ctx;
    return json.len < 40 ? esp_error_set (error, ESP_OK, "have no tests (no-tests)") : ESP_OK;
}

static void a_doubtful_line_is_good_and_counted (void)
{
    problem_options o = some_options ();
    problem_source *s;
    esp_error error = {0};
    esp_buf text = {0};
    given_file ("{\"id\":\"a\",\"problem\":\"x\"}\n\n"
                "{\"id\":\"b\",\"problem\":\"a long one that is as it should be\"}\n"
                "{\"id\":\"c\",\"problem\":\"x\"}\n");
    PASS (problem_source_open (&o, index_file, doubts_short_rows, NULL, &s, &error));
    CHECK (problem_source_count (s) == 3 && problem_source_skipped (s) == 0);
    CHECK (problem_source_doubts (s)->count == 1);
    PASS (problem_doubt_text (&problem_source_doubts (s)->kinds[0], "p.jsonl", 3, &text));
    CU_ASSERT_STRING_EQUAL (esp_buf_text (&text),
                            "p.jsonl:1: 2 of 3 problems have no tests (no-tests); in lines 1, 4");
    problem_source_close (s);
    esp_buf_free (&text);
}

static void the_callers_check_speaks_for_the_line (void)
{
    problem_source *s = NULL;
    problem_options o;
    esp_error error = {0};
    int calls = 0;
    given_file ("{\"id\":1,\"numbers\":[1]}\n{\"id\":2}\n");
    o = some_options ();
    FAILS (problem_source_open (&o, NULL, wants_numbers, &calls, &s, &error), ESP_EFORMAT);
    CHECK (strstr (error.text, "p.jsonl:2: no numbers; add the field numbers") != NULL);
    o = skipping ();
    PASS (problem_source_open (&o, NULL, wants_numbers, &calls, &s, &error));
    CU_ASSERT_EQUAL (problem_source_count (s), 1);
    CU_ASSERT_EQUAL (calls, 4);
    problem_source_close (s);
}

static void a_kept_index_saves_the_scan_and_lets_the_file_grow (void)
{
    problem_options o;
    problem_source *s;
    int calls = 0;
    given_file ("{\"id\":\"a\"}\n{\"id\":\"b\"}\n{\"id\":\"c\"}");
    o = some_options ();
    o.limit = 1;
    problem_source_close (opened (&o, index_file));
    o.limit = 0;
    s = opened (&o, index_file);
    CU_ASSERT_EQUAL (problem_source_count (s), 3);
    problem_source_close (s);
    PASS (problem_source_open (&o, index_file, wants_numbers, &calls, &s, NULL));
    CU_ASSERT_EQUAL (calls, 0); /* nothing was scanned */
    problem_source_close (s);
    given_bytes (span_of ("{\"id\":\"a\"}\n{\"id\":\"b\"}\n{\"id\":\"c\"}\n{\"id\":\"d\"}\n"));
    s = opened (&o, index_file);
    CU_ASSERT_EQUAL (problem_source_count (s), 4);
    expect_problem (s, 3, "d");
    expect_problem (s, 0, "a");
    problem_source_close (s);
    given_bytes (span_of (
        "{\"id\":\"a\"}\n{\"id\":\"b\"}\n{\"id\":\"c\"}\n{\"id\":\"d\"}\n{\"id\":\"b\"}\n"));
    expect_refused (&o, index_file, ESP_EEXIST, "p.jsonl:5: id \"b\" stands in line 2 too");
}

static void a_changed_file_is_refused (void)
{
    problem_options o;
    given_file ("{\"id\":\"a\"}\n{\"id\":\"b\"}\n{\"id\":\"c\"}");
    o = some_options ();
    problem_source_close (opened (&o, index_file));
    given_bytes (span_of ("{\"id\":\"a\"}\n{\"id\":\"B\"}\n{\"id\":\"c\"}"));
    expect_refused (&o, index_file, ESP_ECONFLICT, "is not what it was");
    given_bytes (span_of ("{\"id\":\"a\"}\n"));
    expect_refused (&o, index_file, ESP_ECONFLICT, "is not what it was");
    given_bytes (span_of ("{\"id\":\"a\"}\n{\"id\":\"b\"}\n{\"id\":\"c\"} {\"id\":\"d\"}\n"));
    expect_refused (&o, index_file, ESP_ECONFLICT, "p.jsonl:3: the last line");
}

static void a_damaged_or_foreign_index_means_a_new_scan (void)
{
    problem_options o;
    problem_source *s;
    given_file ("{\"id\":\"a\",\"key\":\"k\"}\n");
    o = some_options ();
    PASS (esp_file_write (index_file, span_of ("not an index"), 0644, NULL));
    problem_source_close (opened (&o, index_file));
    o.field_id = "key"; /* other ids: the index is not used */
    s = opened (&o, index_file);
    expect_problem (s, 0, "k");
    problem_source_close (s);
}

static void a_bad_last_line_is_looked_at_again (void)
{
    problem_options o;
    problem_source *s;
    given_file ("{\"id\":\"a\"}\n{\"id\":");
    o = skipping ();
    s = opened (&o, index_file);
    CU_ASSERT_EQUAL (problem_source_skipped (s), 1);
    problem_source_close (s);
    given_bytes (span_of ("{\"id\":\"a\"}\n{\"id\":\"b\"}\n"));
    s = opened (&o, index_file);
    CU_ASSERT_EQUAL (problem_source_skipped (s), 0);
    CU_ASSERT_EQUAL (problem_source_count (s), 2);
    problem_source_close (s);
}

static void packed_files_work_and_may_grow (void)
{
    problem_options o;
    problem_source *s;
    esp_buf packed = {0};
    static const char *const parts[] = {"{\"id\":\"a\"}\n{\"id\":\"b\"}\n", "{\"id\":\"c\"}\n"};
    given_folder ();
    o = some_options ();
    for (size_t i = 0; i < 2; i++) {
        PASS (esp_buf_reserve (&packed, 1000));
        packed.len +=
            ZSTD_compress (packed.data + packed.len, 1000, parts[i], strlen (parts[i]), 3);
        given_bytes (esp_buf_span (&packed));
        s = opened (&o, index_file);
        CU_ASSERT_EQUAL (problem_source_count (s), 2 + i);
        expect_problem (s, 1 + (uint32_t)i, i ? "c" : "b");
        expect_problem (s, 0, "a");
        problem_source_close (s);
    }
    given_bytes (span_make (packed.data, packed.len - 3));
    expect_refused (&o, NULL, ESP_EFORMAT, "p.jsonl:3: the zstd data ends early");
    esp_buf_free (&packed);
}

static void a_file_that_changes_under_us_is_told (void)
{
    problem_options o;
    problem_source *s;
    esp_buf memory = {0};
    esp_error error = {0};
    problem p;
    FILE *f;
    given_file ("{\"id\":\"a\"}\n{\"id\":\"b\"}\n");
    o = some_options ();
    s = opened (&o, NULL);
    f = fopen (file, "r+"); /* in place: the source holds this file open */
    fputs ("{\"id\":\"x\"}\n{\"id\" \"b", f);
    fclose (f);
    FAILS (problem_source_get (s, 0, 1, &memory, &p, &error), ESP_ECONFLICT);
    CHECK (strstr (error.text, "column ") != NULL);
    FAILS (problem_source_get (s, 0, 0, &memory, &p, &error), ESP_ECONFLICT);
    CHECK (strstr (error.text, "another id") != NULL && strstr (error.text, "p.jsonl") != NULL);
    problem_source_close (s);
    esp_buf_free (&memory);
}

static void survives_failure_of_every_allocation (void)
{
    problem_options o;
    esp_err err = ESP_ENOMEM;
    given_file ("{\"id\":\"a\"}\n{\"id\":\"b\"}\n");
    o = some_options ();
    o.field_id = o.field_problem = "id";
    for (long n = 0; err != ESP_OK && n < 1000; n++) {
        problem_source *s = NULL;
        esp_buf memory = {0};
        esp_error error = {0};
        problem p;
        esp_alloc_fail_after (n);
        err = problem_source_open (&o, index_file, NULL, NULL, &s, &error);
        if (err == ESP_OK)
            err = problem_source_get (s, 0, 1, &memory, &p, &error);
        problem_source_close (s);
        esp_buf_free (&memory);
        esp_alloc_fail_after (-1);
        CHECK (err == ESP_OK || strstr (error.text, "p.jsonl") ||
               strstr (error.text, "problems.idx"));
        CU_ASSERT_EQUAL (esp_alloc_live (), 0);
    }
    CU_ASSERT_EQUAL (err, ESP_OK);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"bad calls are refused", bad_calls_are_refused},
        {"numbers count good lines, in any order", numbers_count_good_lines_in_any_order},
        {"the limit stops the scan", the_limit_stops_the_scan},
        {"files that are not problems are told", files_that_are_not_problems_are_told},
        {"a bad line is named with its number", a_bad_line_is_named_with_its_number},
        {"a line over the limit is a bad line", a_line_over_the_limit_is_a_bad_line},
        {"equal ids name both lines", equal_ids_name_both_lines},
        {"a doubtful line is good, and counted", a_doubtful_line_is_good_and_counted},
        {"the caller's check speaks for the line", the_callers_check_speaks_for_the_line},
        {"a kept index saves the scan and lets the file grow",
         a_kept_index_saves_the_scan_and_lets_the_file_grow},
        {"a changed file is refused", a_changed_file_is_refused},
        {"a damaged or foreign index means a new scan",
         a_damaged_or_foreign_index_means_a_new_scan},
        {"a bad last line is looked at again", a_bad_last_line_is_looked_at_again},
        {"packed files work and may grow", packed_files_work_and_may_grow},
        {"a file that changes under us is told", a_file_that_changes_under_us_is_told},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    json_set_alloc_funcs (esp_malloc, esp_free); /* so that its allocations fail too */
    (void)!esp_log_open (-1, LOG_ERROR, NULL, LOG_ERROR);
    return suite_main ("problem_source", cases);
}
