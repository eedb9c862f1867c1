/* SPDX-License-Identifier: Apache-2.0 */
/* test_math_verify_line.c - what worker/verifier/math_verify_line.h promises: the lines between us and the processes */

// LINK: esp_engine_table

#include "worker/verifier/math_verify_line.h"
#include <string.h>
#include "tests/support/suite.h"

static void a_line_holds_the_boxes_or_the_end_of_the_text (void)
{
    static char text[3 * MATH_VERIFY_TEXT];
    esp_buf out = {0};
    PASS (math_verify_ask (7, span_of ("{\"answer\": \"a\\n#### 1,000\"}"),
                           span_of ("\\boxed{1} or \\boxed{\"2\"}"), &out));
    CU_ASSERT_STRING_EQUAL (esp_buf_text (&out),
                            "{\"id\": 7, \"gold\": \"\\\\boxed{1,000}\", \"answer\": "
                            "\"\\\\boxed{\\\"2\\\"}\"}");
    esp_buf_clear (&out);
    PASS (math_verify_ask (7, span_of ("{\"answer\": 5}"), span_of ("so it is 5 then."), &out));
    CHECK (span_find (esp_buf_span (&out), span_of ("\"answer\": \"so it is 5 then.\"")) < out.len);
    esp_buf_clear (&out);
    for (size_t i = 0; i + 2 <= sizeof (text); i += 2)
        memcpy (text + i, "\xc3\xa9", 2);
    PASS (math_verify_ask (7, span_of ("{\"answer\": 5}"), span_make (text, sizeof (text) - 1),
                           &out));
    CHECK (out.len < 2 * MATH_VERIFY_TEXT && !strchr (esp_buf_text (&out), '\n'));
    memset (text, '9', sizeof (text));
    memcpy (text, "####", 4);
    FAILS (math_verify_ask (7, span_of ("{\"answer\": 5}"), span_make (text, sizeof (text)), &out),
           ESP_ETOOBIG);
    esp_buf_free (&out);
}

static void only_the_exact_reply_is_taken (void)
{
    static const char *const good =
        "{\"id\": 3, \"verdict\": \"unknown\", \"reason\": \"timeout\", \"answer\": \"x\\u0000\"}";
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "null",
        "{\"id\": 3}",
        "{\"id\": -3, \"verdict\": \"pass\", \"reason\": \"right-answer\", \"answer\": \"\"}",
        "{\"id\": 3.0, \"verdict\": \"pass\", \"reason\": \"right-answer\", \"answer\": \"\"}",
        "{\"id\": 3, \"verdict\": \"none\", \"reason\": \"right-answer\", \"answer\": \"\"}",
        "{\"id\": 3, \"verdict\": \"pass\", \"reason\": \"timeout\", \"answer\": \"\"}",
        "{\"id\": 3, \"verdict\": \"pass\", \"reason\": \"right-answer\"}",
        "{\"id\": 3, \"verdict\": \"pass\", \"reason\": \"right-answer\", \"answer\": 5}"};
    math_verify_reply reply = {0};
    esp_buf answer = {0};
    char version[32], why[256];
    PASS (math_verify_read (span_of (good), &reply, &answer));
    CHECK (reply.number == 3 && reply.verdict == VERDICT_UNKNOWN && answer.len == 2);
    CU_ASSERT_STRING_EQUAL (reply.reason, "timeout");
    for (size_t i = 0; i < sizeof (bad) / sizeof (bad[0]); i++) {
        FAILS (math_verify_read (span_of (bad[i]), &reply, &answer), ESP_EFORMAT);
        FAILS (math_verify_read_ready (span_of (bad[i]), version, why), ESP_EFORMAT);
    }
    esp_buf_free (&answer);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"a line holds the boxes or the end of the text",
         a_line_holds_the_boxes_or_the_end_of_the_text},
        {"only the exact reply is taken", only_the_exact_reply_is_taken},
        {NULL, NULL},
    };
    return suite_main ("math_verify_line", cases);
}
