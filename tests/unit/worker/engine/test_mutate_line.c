/* SPDX-License-Identifier: Apache-2.0 */
/* test_mutate_line.c - what worker/engine/mutate_line.h promises: the lines between us and the process */

#include "worker/engine/mutate_line.h"
#include <string.h>
#include "proto/base/alloc.h"
#include "tests/support/suite.h"

static void what_is_asked_is_one_line (void)
{
    esp_buf out = {0};
    PASS (mutate_ask (7, span_of ("{\"code\":\n \"a\\n\"}"), 3, 2147483647, &out));
    CU_ASSERT_STRING_EQUAL (
        esp_buf_text (&out),
        "{\"id\": 7, \"ordinal\": 3, \"seed\": 2147483647, \"row\": {\"code\":  "
        "\"a\\n\"}}");
    esp_buf_free (&out);
}

static void the_script_is_told_what_to_do (void)
{
    static const char *const names[] = {"boundary", "a\"b"};
    const mutate_options o = {
        .language = "auto", .controls = 0.25, .operators = names, .operator_count = 2, .cut = true};
    esp_buf out = {0};
    PASS (mutate_tell (&o, &out));
    CU_ASSERT_STRING_EQUAL (esp_buf_text (&out),
                            "{\"language\": \"auto\", \"controls\": 0.25, \"cut\": true, "
                            "\"operators\": [\"boundary\", \"a\\\"b\"]}");
    esp_buf_free (&out);
}

/* One byte too many for MUTATE_NAME. */
#define LONG_NAME                                                                                  \
    "{\"id\": 3, \"none\": \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}"

static void only_the_exact_reply_is_taken (void)
{
    static const char *const bad[] = {
        "",
        "{}",
        "null",
        "{\"id\": 3}",
        "{\"id\": 3, \"none\": \"\"}",
        "{\"id\": 3, \"none\": \"No More\"}",
        "{\"id\": -1, \"none\": \"no-more-mutants\"}",
        "{\"id\": 3.0, \"none\": \"no-more-mutants\"}",
        "{\"id\": 3, \"text\": \"x\", \"whole\": true}",
        "{\"id\": 3, \"text\": 5, \"operator\": \"sign\", \"whole\": true}",
        "{\"id\": 3, \"text\": \"x\", \"operator\": \"sign\"}",
        "{\"id\": 3, \"text\": \"x\", \"operator\": 5, \"whole\": true}",
        "{\"id\": 3, \"id\": 4, \"none\": \"no-more-mutants\"}",
        LONG_NAME};
    mutate_reply reply = {.number = 99};
    esp_buf text = {0};
    char why[1024];
    for (size_t i = 0; i < sizeof (bad) / sizeof (bad[0]); i++) {
        FAILS (mutate_read (span_of (bad[i]), &reply, &text), ESP_EFORMAT);
        FAILS (mutate_read_ready (span_of (bad[i]), why), ESP_EFORMAT);
    }
    CHECK (reply.number == 99 && text.len == 0);
    PASS (mutate_read (
        span_of ("{\"id\": 3, \"text\": \"a\\nb\", \"operator\": \"sign\", \"whole\": false}"),
        &reply, &text));
    CHECK (reply.number == 3 && reply.given && !reply.whole);
    CU_ASSERT_STRING_EQUAL (esp_buf_text (&text), "a\nb");
    CU_ASSERT_STRING_EQUAL (reply.name, "sign");
    PASS (mutate_read (span_of ("{\"id\": 4, \"none\": \"no-more-mutants\"}"), &reply, &text));
    CHECK (reply.number == 4 && !reply.given);
    CU_ASSERT_STRING_EQUAL (reply.name, "no-more-mutants");
    esp_buf_free (&text);
}

static void the_first_line_says_ready_or_why_not (void)
{
    char why[1024] = "";
    PASS (mutate_read_ready (span_of ("{\"ready\": true}"), why));
    FAILS (mutate_read_ready (span_of ("{\"ready\": false, \"error\": \"no 'x'\"}"), why),
           ESP_EINVAL);
    CU_ASSERT_STRING_EQUAL (why, "no 'x'");
    FAILS (mutate_read_ready (span_of ("{\"ready\": false}"), why), ESP_EFORMAT);
    FAILS (mutate_read_ready (span_of ("{\"ready\": 1}"), why), ESP_EFORMAT);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"what is asked is one line", what_is_asked_is_one_line},
        {"the script is told what to do", the_script_is_told_what_to_do},
        {"only the exact reply is taken", only_the_exact_reply_is_taken},
        {"the first line says ready, or why not", the_first_line_says_ready_or_why_not},
        {NULL, NULL},
    };
    return suite_main ("mutate_line", cases);
}
