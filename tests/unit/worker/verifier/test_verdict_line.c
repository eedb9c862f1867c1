/* SPDX-License-Identifier: Apache-2.0 */
/* test_verdict_line.c - what worker/verifier/verdict_line.h promises: the lines between us and a user's verifier */

// LINK: esp_engine_table

#include "worker/verifier/verdict_line.h"
#include <math.h>
#include <string.h>
#include "tests/support/suite.h"

static void a_question_is_one_line_with_what_the_branch_says (void)
{
    esp_buf out = {0};
    PASS (verdict_line_write (7, span_of ("{\"problem\": \"2+2\",\n \"answer\": 4}"),
                              span_of ("so\n\\boxed{4}"), &out));
    CU_ASSERT_STRING_EQUAL (esp_buf_text (&out),
                            "{\"id\": 7, \"problem\": {\"problem\": \"2+2\",  \"answer\": 4}, "
                            "\"text\": \"so\\n\\\\boxed{4}\", \"answer\": \"4\", \"reference\": "
                            "\"4\"}");
    esp_buf_clear (&out);
    PASS (verdict_line_write (8, span_of ("{}"), span_of ("no \xff box"), &out));
    CU_ASSERT_STRING_EQUAL (esp_buf_text (&out),
                            "{\"id\": 8, \"problem\": {}, \"text\": \"no \xef\xbf\xbd box\", "
                            "\"answer\": null, \"reference\": null}");
    esp_buf_clear (&out);
    FAILS (verdict_line_write (8, span_of ("[1]"), span_of ("x"), &out), ESP_EFORMAT);
    CHECK (out.len == 0);
    esp_buf_free (&out);
}

static void an_answer_needs_its_verdict_and_nothing_else (void)
{
    const char *why = NULL;
    verdict_line v;
    PASS (verdict_line_read (span_of ("{\"verdict\": \"pass\"}"), &v, &why));
    CHECK (v.verdict == VERDICT_PASS && !v.numbered && !v.answered && isnan (v.share));
    CHECK (v.reason.len == 0 && v.answer.len == 0 && v.observation.len == 0);
    verdict_line_free (&v);
    PASS (verdict_line_read (
        span_of ("{\"id\": 9, \"verdict\": \"unknown\", \"reason\": \"too_hard-1.2\", \"share\": "
                 "0.25, \"answer\": \"\", \"observation\": \"line\\n2\", \"more\": [1]}"),
        &v, &why));
    CHECK (v.numbered && v.number == 9 && v.verdict == VERDICT_UNKNOWN && v.share == 0.25);
    CHECK (span_is (v.reason, "too_hard-1.2") && v.answered && v.answer.len == 0);
    CHECK (span_is (v.observation, "line\n2"));
    verdict_line_free (&v);
    PASS (verdict_line_read (
        span_of ("{\"verdict\": \"fail\", \"id\": null, \"share\": null, \"answer\": null}"), &v,
        &why));
    CHECK (!v.numbered && !v.answered && isnan (v.share));
    verdict_line_free (&v);
}

static void what_is_no_verdict_is_refused_with_the_reason (void)
{
    static const struct {
        const char *line, *why;
    } rows[] = {
        {"", "JSON"},
        {"Traceback (most recent call last):", "JSON"},
        {"null", "JSON"},
        {"[]", "JSON"},
        {"{}", "verdict"},
        {"{\"verdict\": true}", "verdict"},
        {"{\"verdict\": \"none\"}", "verdict"},
        {"{\"verdict\": \"pass\"} {}", "JSON"},
        {"{\"verdict\": \"pass\", \"verdict\": \"fail\"}", "JSON"},
        {"{\"verdict\": \"pass\", \"id\": -1}", "id"},
        {"{\"verdict\": \"pass\", \"id\": \"1\"}", "id"},
        {"{\"verdict\": \"pass\", \"id\": 1.5}", "id"},
        {"{\"verdict\": \"pass\", \"reason\": \"two words\"}", "reason"},
        {"{\"verdict\": \"pass\", \"reason\": 5}", "reason"},
        {"{\"verdict\": \"pass\", \"reason\": \"\\u0000\"}", "JSON"},
        {"{\"verdict\": \"pass\", \"share\": 1.01}", "share"},
        {"{\"verdict\": \"pass\", \"share\": -0.5}", "share"},
        {"{\"verdict\": \"pass\", \"share\": \"1\"}", "share"},
        {"{\"verdict\": \"pass\", \"answer\": 5}", "answer"},
        {"{\"verdict\": \"pass\", \"observation\": {}}", "observation"},
    };
    verdict_line v = {.number = 77};
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        const char *why = "";
        FAILS (verdict_line_read (span_of (rows[i].line), &v, &why), ESP_EFORMAT);
        CHECK (strstr (why, rows[i].why) != NULL);
    }
    CHECK (v.number == 77);
}

static void long_texts_are_cut_between_letters (void)
{
    const char *why = NULL;
    esp_buf line = {0};
    verdict_line v;
    PASS (esp_buf_puts (&line, "{\"verdict\": \"pass\", \"observation\": \"x"));
    for (int i = 0; i < VERDICT_OBSERVATION_BYTES; i++)
        PASS (esp_buf_puts (&line, "\xc3\xa9"));
    PASS (esp_buf_puts (&line, "\", \"answer\": \""));
    for (int i = 0; i < VERDICT_ANSWER_BYTES + 1; i++)
        PASS (esp_buf_puts (&line, "7"));
    PASS (esp_buf_puts (&line, "\"}"));
    PASS (verdict_line_read (esp_buf_span (&line), &v, &why));
    CHECK (v.observation.len == VERDICT_OBSERVATION_BYTES - 1 && esp_utf8_valid (v.observation));
    CHECK (v.answer.len == VERDICT_ANSWER_BYTES);
    verdict_line_free (&v);
    esp_buf_free (&line);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"a question is one line, with what the branch says",
         a_question_is_one_line_with_what_the_branch_says},
        {"an answer needs its verdict and nothing else",
         an_answer_needs_its_verdict_and_nothing_else},
        {"what is no verdict is refused, with the reason",
         what_is_no_verdict_is_refused_with_the_reason},
        {"long texts are cut between letters", long_texts_are_cut_between_letters},
        {NULL, NULL},
    };
    return suite_main ("verdict_line", cases);
}
