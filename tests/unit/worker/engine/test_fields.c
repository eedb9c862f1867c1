/* SPDX-License-Identifier: Apache-2.0 */
/* test_fields.c - what worker/engine/fields.h promises */

#include "worker/engine/fields.h"
#include <string.h>
#include "proto/base/alloc.h"
#include "tests/support/suite.h"

static bool text_is (esp_buf *buf, const char *text)
{
    bool same = span_is (esp_buf_span (buf), text);
    esp_buf_free (buf);
    return same;
}

static void the_first_known_name_is_the_question (void)
{
    esp_buf b = {0};
    PASS (fields_question (span_of ("{\"text\": \"t\", \"problem\": \"p\", \"id\": 1}"), &b));
    CHECK (text_is (&b, "p"));
    PASS (fields_question (span_of ("{\"prompt\": \"a\\u0000b\"}"), &b));
    CHECK (b.len == 3);
    esp_buf_free (&b);
}

static void a_problem_without_question_is_its_own_question (void)
{
    esp_buf b = {0};
    PASS (fields_question (span_of ("{\"numbers\": [1]}"), &b));
    CHECK (text_is (&b, "{\"numbers\": [1]}"));
}

static void answers_are_strings_or_numbers (void)
{
    esp_buf b = {0};
    PASS (fields_answer (span_of ("{\"expected_answer\": \"x\"}"), &b));
    CHECK (text_is (&b, "x"));
    PASS (fields_answer (span_of ("{\"answer\": 18}"), &b));
    CHECK (text_is (&b, "18"));
    PASS (fields_answer (span_of ("{\"answer\": [1], \"final_answer\": 0.1}"), &b));
    CHECK (text_is (&b, "0.1"));
}

static void bad_problems_are_told (void)
{
    static const char *const bad[] = {"", "[]", "{", "nonsense", "{\"answer\": 1}x", "\xff"};
    esp_buf b = {0};
    for (size_t i = 0; i < sizeof (bad) / sizeof (bad[0]); i++) {
        FAILS (fields_answer (span_of (bad[i]), &b), ESP_EFORMAT);
        FAILS (fields_question (span_of (bad[i]), &b), ESP_EFORMAT);
    }
    FAILS (fields_answer ((span){0}, &b), ESP_EFORMAT);
    FAILS (fields_answer (span_of ("{}"), &b), ESP_ENOENT);
    CHECK (b.len == 0);
    esp_alloc_fail_after (0);
    FAILS (fields_answer (span_of ("{\"answer\": \"1\"}"), &b), ESP_ENOMEM);
    esp_alloc_fail_after (-1);
    CHECK (b.len == 0);
}

static void box (const char *text, const char *content)
{
    span s = {0};
    bool found = fields_boxed (span_of (text), &s);
    CHECK (found == (content != NULL));
    CHECK (!found || span_is (s, content));
}

static void the_last_balanced_box_counts (void)
{
    box ("", NULL);
    box ("\\boxed", NULL);
    box ("\\boxed{", NULL);
    box ("\\boxed{}", "");
    box ("\\boxed{1} then \\boxed{2}.", "2");
    box ("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}");
    box ("\\boxed{1} \\boxed{2", "1");
    box ("\\boxed{a \\} b}", "a \\} b");
    box ("\\boxed{a\\", NULL);
    box ("\\boxed{\\boxed{3}}", "3");
}

static void many_open_boxes_cost_little (void)
{
    enum { TIMES = 100000 };
    esp_buf b = {0};
    span s;
    for (int i = 0; i < TIMES; i++)
        PASS (esp_buf_puts (&b, "\\boxed{"));
    CHECK (!fields_boxed (esp_buf_span (&b), &s));
    esp_buf_free (&b);
}

static void words_are_runs_between_spaces_and_newlines (void)
{
    CU_ASSERT_EQUAL (fields_words (span_of ("")), 0);
    CU_ASSERT_EQUAL (fields_words (span_of (" \n ")), 0);
    CU_ASSERT_EQUAL (fields_words (span_of ("s0042\n\n")), 1);
    CU_ASSERT_EQUAL (fields_words (span_of ("ans \\boxed{3}")), 2);
    CU_ASSERT_EQUAL (fields_words (span_of (" a\tb  c ")), 2);
}

static void a_cut_keeps_whole_words (void)
{
    CHECK (span_is (fields_cut_words (span_of ("a bb\n\nc "), 0), ""));
    CHECK (span_is (fields_cut_words (span_of ("a bb\n\nc "), 1), "a"));
    CHECK (span_is (fields_cut_words (span_of ("a bb\n\nc "), 2), "a bb"));
    CHECK (span_is (fields_cut_words (span_of ("a bb\n\nc "), 3), "a bb\n\nc "));
    CHECK (span_is (fields_cut_words (span_of ("  a"), 0), ""));
}

static void pieces_end_with_the_separator_or_the_text (void)
{
    span rest = span_of ("a--b----c"), piece;
    CHECK (fields_piece (&rest, "--", &piece) && span_is (piece, "a"));
    CHECK (fields_piece (&rest, "--", &piece) && span_is (piece, "b"));
    CHECK (fields_piece (&rest, "--", &piece) && span_is (piece, ""));
    CHECK (fields_piece (&rest, "--", &piece) && span_is (piece, "c"));
    CHECK (!fields_piece (&rest, "--", &piece));
}

static void steps_are_joined_up_to_a_count (void)
{
    const span steps[] = {{"a", 1}, {"b", 1}, {"c", 1}};
    const job j = {.steps = steps, .step_count = 3};
    esp_buf b = {0};
    PASS (fields_join (&j, 2, &b));
    CHECK (text_is (&b, "ab"));
    PASS (fields_join (&j, 9, &b));
    CHECK (text_is (&b, "abc"));
    PASS (fields_join (&(job){0}, 1, &b));
    CHECK (text_is (&b, ""));
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"the first known name is the question", the_first_known_name_is_the_question},
        {"a problem without question is its own question",
         a_problem_without_question_is_its_own_question},
        {"answers are strings or numbers", answers_are_strings_or_numbers},
        {"bad problems are told", bad_problems_are_told},
        {"the last balanced box counts", the_last_balanced_box_counts},
        {"many open boxes cost little", many_open_boxes_cost_little},
        {"words are runs between spaces and newlines", words_are_runs_between_spaces_and_newlines},
        {"a cut keeps whole words", a_cut_keeps_whole_words},
        {"pieces end with the separator or the text", pieces_end_with_the_separator_or_the_text},
        {"steps are joined up to a count", steps_are_joined_up_to_a_count},
        {NULL, NULL},
    };
    return suite_main ("fields", cases);
}
