/* SPDX-License-Identifier: Apache-2.0 */
/* test_problem_row.c - what coordinator/problem/problem_row.h promises */
// LINK: PkgConfig::JANSSON

#include "coordinator/problem/problem_row.h"
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "tests/support/suite.h"

static const problem_names aliases = {NULL, NULL, NULL};

static void
expect_row (const problem_names *names, const char *text, const char *id, const char *json)
{
    problem_row row;
    esp_buf out = {0};
    esp_error error = {0};
    PASS (problem_row_read (span_of (text), names, &row, &out, &error));
    CU_ASSERT_STRING_EQUAL (row.id, id);
    CU_ASSERT_EQUAL (row.id_len, strlen (id));
    CU_ASSERT_STRING_EQUAL (esp_buf_text (&out), json);
    esp_buf_free (&out);
}

static void expect_mistake (const problem_names *names, span text, const char *sentence)
{
    problem_row row = {.id_len = 99};
    esp_buf out = {0};
    esp_error error = {0};
    PASS (esp_buf_puts (&out, "kept"));
    FAILS (problem_row_read (text, names, &row, &out, &error), ESP_EFORMAT);
    CHECK (strstr (error.text, sentence) != NULL);
    if (!strstr (error.text, sentence))
        printf ("\nsaid: %s\n", error.text);
    CU_ASSERT_EQUAL (row.id_len, 99);
    CU_ASSERT_STRING_EQUAL (esp_buf_text (&out), "kept");
    esp_buf_free (&out);
}

static void bad_calls_are_refused (void)
{
    problem_row row;
    FAILS (problem_row_read (span_of ("{}"), NULL, &row, NULL, NULL), ESP_EINVAL);
    FAILS (problem_row_read (span_of ("{}"), &aliases, NULL, NULL, NULL), ESP_EINVAL);
    FAILS (problem_row_read (span_make (NULL, 3), &aliases, &row, NULL, NULL), ESP_EINVAL);
}

static void ids_have_aliases_in_this_order (void)
{
    expect_row (&aliases, "{\"name\":\"n\",\"task_id\":\"t\",\"unique_id\":\"u\",\"id\":\"i\"}",
                "i", "{\"name\":\"n\",\"task_id\":\"t\",\"unique_id\":\"u\",\"id\":\"i\"}");
    expect_row (&aliases, " { \"name\":\"n\", \"task_id\": 7} \r", "7",
                "{\"name\":\"n\",\"task_id\":7,\"id\":\"7\"}");
    expect_row (&aliases, "{\"name\":\"n\",\"unique_id\":\"u\",\"id\":null}", "u",
                "{\"name\":\"n\",\"unique_id\":\"u\",\"id\":\"u\"}");
    expect_row (&aliases, "{\"name\":\"n\"}", "n", "{\"name\":\"n\",\"id\":\"n\"}");
    expect_row (&aliases, "{\"id\":-12}", "-12", "{\"id\":\"-12\"}");
}

static void a_missing_id_is_made_from_the_text (void)
{
    /* printf abc | sha256sum */
    expect_row (&aliases, "{\"question\":\"abc\"}", "ba7816bf8f01cfea",
                "{\"question\":\"abc\",\"id\":\"ba7816bf8f01cfea\"}");
    /* printf '[{"role":"user","content":"hi"}]' | sha256sum */
    expect_row (
        &aliases, "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}", "b03d228fdf33e7c8",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"id\":\"b03d228fdf33e7c8\"}");
}

static void own_names_replace_the_aliases (void)
{
    static const problem_names own = {"key", "stem", "gold"};
    expect_row (&own, "{\"key\":\"k\",\"id\":\"i\",\"stem\":\"s\",\"gold\":5}", "k",
                "{\"key\":\"k\",\"id\":\"k\",\"stem\":\"s\",\"gold\":5,\"problem\":\"s\","
                "\"answer\":\"5\"}");
    expect_row (&own, "{\"key\":\"k\",\"stem\":\"s\"}", "k",
                "{\"key\":\"k\",\"stem\":\"s\",\"id\":\"k\",\"problem\":\"s\"}");
    expect_mistake (&own, span_of ("{\"id\":\"i\",\"stem\":\"s\"}"),
                    "no field key (problems.fields.id)");
    expect_mistake (&own, span_of ("{\"key\":\"i\",\"problem\":\"s\"}"),
                    "no field stem (problems.fields.problem)");
}

static void gsm8k_answers_are_understood (void)
{
    expect_row (&aliases, "{\"id\":\"a\",\"answer\":\"Adds up.\\n#### 70,000\"}", "a",
                "{\"id\":\"a\",\"answer\":\"70000\",\"solution\":\"Adds up.\\n#### 70,000\"}");
    expect_row (&aliases, "{\"id\":\"a\",\"solution\":\"mine\",\"final_answer\":\"#### -3.5 \"}",
                "a", "{\"id\":\"a\",\"solution\":\"mine\",\"final_answer\":\"-3.5\"}");
    expect_row (&aliases, "{\"id\":\"a\",\"answer\":\"#### Step 1\"}", "a",
                "{\"id\":\"a\",\"answer\":\"#### Step 1\"}");
    expect_row (&aliases, "{\"id\":\"a\",\"answer\":\"#### 1\\nnot the end\"}", "a",
                "{\"id\":\"a\",\"answer\":\"#### 1\\nnot the end\"}");
    expect_row (&aliases, "{\"id\":\"a\",\"answer\":\"####\"}", "a",
                "{\"id\":\"a\",\"answer\":\"####\"}");
}

static void problem_and_answer_of_prm800k_are_found_in_its_question (void)
{
    expect_row (&aliases,
                "{\"id\":\"a\",\"question\":{\"problem\":\"P\",\"ground_truth_answer\":\"7\"}}",
                "a",
                "{\"id\":\"a\",\"question\":{\"problem\":\"P\",\"ground_truth_answer\":\"7\"},"
                "\"problem\":\"P\",\"answer\":\"7\"}");
    expect_row (&aliases, "{\"id\":\"a\",\"question\":{\"problem\":\"P\"},\"problem\":\"Q\"}", "a",
                "{\"id\":\"a\",\"question\":{\"problem\":\"P\"},\"problem\":\"Q\"}");
}

static void numeric_answers_become_text (void)
{
    expect_row (&aliases, "{\"id\":\"a\",\"answer\":27.0}", "a",
                "{\"id\":\"a\",\"answer\":\"27\"}");
    expect_row (&aliases, "{\"id\":\"a\",\"answer\":-0.0}", "a", "{\"id\":\"a\",\"answer\":\"0\"}");
    expect_row (&aliases, "{\"id\":\"a\",\"answer\":0.1}", "a",
                "{\"id\":\"a\",\"answer\":\"0.1\"}");
    expect_row (&aliases, "{\"id\":\"a\",\"answer\":204}", "a",
                "{\"id\":\"a\",\"answer\":\"204\"}");
    expect_row (&aliases, "{\"id\":\"a\",\"answer\":[1,2]}", "a",
                "{\"id\":\"a\",\"answer\":[1,2]}");
    expect_row (&aliases, "{\"id\":\"a\",\"answer\":null,\"expected_answer\":true}", "a",
                "{\"id\":\"a\",\"answer\":null,\"expected_answer\":true}");
}

static void priority_is_read (void)
{
    problem_row row;
    PASS (problem_row_read (span_of ("{\"id\":1,\"priority\":2.5}"), &aliases, &row, NULL, NULL));
    CU_ASSERT_EQUAL (row.priority, 2.5);
    PASS (problem_row_read (span_of ("{\"id\":1,\"priority\":\"high\"}"), &aliases, &row, NULL,
                            NULL));
    CU_ASSERT_EQUAL (row.priority, 0);
}

static void bad_lines_say_what_is_wrong (void)
{
    char long_id[400] = "{\"id\":\"";
    memset (long_id + 7, 'x', 257);
    strcpy (long_id + 7 + 257, "\"}");
    expect_mistake (&aliases, span_of ("{\"id\":\"a\""), "column ");
    expect_mistake (&aliases, span_of ("{\"id\": oops}"), "'oops'");
    expect_mistake (&aliases, span_of ("{\"id\":\"a\"} {\"id\":\"b\"}"), "column ");
    expect_mistake (&aliases, span_of ("7"), "column ");
    expect_mistake (&aliases, span_of ("[{\"id\":1}]"), "jq -c");
    expect_mistake (&aliases, span_make ("{\"id\":\"a\xff\"}", 11), "column ");
    expect_mistake (&aliases, span_make ("{\"id\":\"a\0b\"}", 12), "column ");
    expect_mistake (&aliases, span_make ("{\"id\":\0\"a\"}", 11), "column ");
    expect_mistake (&aliases, span_of ("{\"id\":\"a\\u0000b\"}"), "\\u0000");
    expect_mistake (&aliases, span_make ("", 0), "column ");
    expect_mistake (&aliases, span_of ("{}"), "no id");
    expect_mistake (&aliases, span_of ("{\"answer\":\"5\"}"), "no id");
    expect_mistake (&aliases, span_of ("{\"id\":\"\"}"), "1 to 256 bytes");
    expect_mistake (&aliases, span_of (long_id), "1 to 256 bytes, it has 257");
    expect_mistake (&aliases, span_of ("{\"id\":[1]}"), "text or a whole number");
    expect_mistake (&aliases, span_of ("{\"id\":1.5}"), "text or a whole number");
    expect_mistake (&aliases, span_of ("{\"id\":1e999}"), "column ");
    expect_mistake (&aliases, span_of ("{\"id\":99999999999999999999}"), "column ");
}

static void deep_nesting_is_refused (void)
{
    static char text[20000];
    memset (text, '[', sizeof (text));
    memcpy (text, "{\"id\":", 6);
    expect_mistake (&aliases, span_make (text, sizeof (text)), "column ");
}

static void survives_failure_of_every_allocation (void)
{
    static const problem_names own = {NULL, "stem", NULL};
    static const char *const texts[] = {
        "{\"stem\":\"s\",\"answer\":\"x\\n#### 1,234\"}",
        "{\"stem\":[{\"a\":1.5}],\"answer\":27.5}",
    };
    for (size_t i = 0; i < 2; i++) {
        esp_err err = ESP_ENOMEM;
        for (long n = 0; err != ESP_OK && n < 1000; n++) {
            problem_row row;
            esp_buf out = {0};
            esp_error error = {0};
            esp_alloc_fail_after (n);
            err = problem_row_read (span_of (texts[i]), &own, &row, &out, &error);
            esp_alloc_fail_after (-1);
            /* jansson's lexer tells some as a mistake of the text */
            CHECK (err == ESP_OK || err == ESP_ENOMEM || err == ESP_EFORMAT);
            CHECK (err == ESP_OK || out.len == 0);
            esp_buf_free (&out);
            CU_ASSERT_EQUAL (esp_alloc_live (), 0);
        }
        CU_ASSERT_EQUAL (err, ESP_OK);
    }
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"bad calls are refused", bad_calls_are_refused},
        {"ids have aliases, in this order", ids_have_aliases_in_this_order},
        {"a missing id is made from the text", a_missing_id_is_made_from_the_text},
        {"own names replace the aliases", own_names_replace_the_aliases},
        {"GSM8K answers are understood", gsm8k_answers_are_understood},
        {"problem and answer of PRM800K are found in its question",
         problem_and_answer_of_prm800k_are_found_in_its_question},
        {"numeric answers become text", numeric_answers_become_text},
        {"priority is read", priority_is_read},
        {"bad lines say what is wrong", bad_lines_say_what_is_wrong},
        {"deep nesting is refused", deep_nesting_is_refused},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    json_set_alloc_funcs (esp_malloc, esp_free); /* so that its allocations fail too */
    return suite_main ("problem_row", cases);
}
