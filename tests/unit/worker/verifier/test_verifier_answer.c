/* SPDX-License-Identifier: Apache-2.0 */
/* test_verifier_answer.c - final answers against reference answers */

// LINK: esp_engine_table esp_config PkgConfig::JANSSON

#include <jansson.h>
#include "proto/base/alloc.h"
#include "proto/base/rng.h"
#include "tests/unit/worker/engine_kit.h"
#include "worker/verifier/answer_form.h"

static const task verify = {.id = {1, 2}, .kind = TASK_VERIFY};

struct row {
    const char *mine, *reference;
    enum verdict verdict;
};

static void compare (const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        answer_form *a = NULL, *b = NULL;
        enum verdict verdict, reverse;
        PASS (answer_form_create (span_of (rows[i].mine), &a));
        PASS (answer_form_create (span_of (rows[i].reference), &b));
        verdict = answer_form_compare (a, b);
        reverse = answer_form_compare (b, a);
        if (verdict != rows[i].verdict || reverse != verdict)
            printf ("    \"%s\" and \"%s\": %s\n", rows[i].mine, rows[i].reference,
                    verdict_names[verdict]);
        CHECK (verdict == rows[i].verdict && reverse == verdict);
        answer_form_destroy (a);
        answer_form_destroy (b);
    }
}

static void numbers_are_equal_by_value (void)
{
    static const struct row rows[] = {
        {"18", "18", VERDICT_PASS},
        {"18", "19", VERDICT_FAIL},
        {"-18", "18", VERDICT_FAIL},
        {"+18", "18", VERDICT_PASS},
        {"018", "18", VERDICT_PASS},
        {"18.", "18", VERDICT_PASS},
        {"18.00", "18", VERDICT_PASS},
        {".5", "1/2", VERDICT_PASS},
        {"0.5", "\\frac{1}{2}", VERDICT_PASS},
        {"\\dfrac{2}{4}", "\\frac12", VERDICT_PASS},
        {"-\\frac{24}{25}", "\\frac{-24}{25}", VERDICT_PASS},
        {"\\frac{1}{3}", "0.333333", VERDICT_FAIL},
        {"1,234,567", "1234567", VERDICT_PASS},
        {"1{,}234.5", "1234.5", VERDICT_PASS},
        {"10,\\!000", "10000", VERDICT_PASS},
        {"$36", "36", VERDICT_PASS},
        {"\\$36", "36.0", VERDICT_PASS},
        {"$\\frac{3}{4}$", "0.75", VERDICT_PASS},
        {"50\\%", "1/2", VERDICT_PASS},
        {"50%", "0.50", VERDICT_PASS},
        {"50%", "50", VERDICT_UNKNOWN},
        {"50%", "60", VERDICT_FAIL},
        {"50%", "50\\%", VERDICT_PASS},
        {"123456789012345678901234567890", "123456789012345678901234567891", VERDICT_FAIL},
    };
    compare (rows, sizeof (rows) / sizeof (rows[0]));
}

static void what_looks_like_a_number_but_is_none_is_not_guessed (void)
{
    static const struct row rows[] = {
        {"1,23", "123", VERDICT_UNKNOWN},        {"1,234,5", "12345", VERDICT_UNKNOWN},
        {"1 1/2", "11/2", VERDICT_UNKNOWN},      {"1\\frac{1}{2}", "3/2", VERDICT_UNKNOWN},
        {"1/0", "0", VERDICT_UNKNOWN},           {"\\frac{1}{0}", "0", VERDICT_UNKNOWN},
        {"\\frac{1}{2", "1/2", VERDICT_UNKNOWN}, {"1e3", "1000", VERDICT_UNKNOWN},
        {"--1", "1", VERDICT_UNKNOWN},           {"1.2.3", "1.23", VERDICT_UNKNOWN},
        {"18 dollars", "18", VERDICT_UNKNOWN},   {"x=5", "5", VERDICT_UNKNOWN},
        {"(3,4)", "34", VERDICT_UNKNOWN},        {"1/2/3", "1/6", VERDICT_UNKNOWN},
    };
    compare (rows, sizeof (rows) / sizeof (rows[0]));
}

static void strings_are_equal_without_their_decoration (void)
{
    static const struct row rows[] = {
        {"\\left( 3, \\frac{\\pi}{2} \\right)", "(3,\\dfrac{\\pi}{2})", VERDICT_PASS},
        {"\\text{Evelyn}", "Evelyn", VERDICT_PASS},
        {"$2\\sqrt{5}$", "2 \\sqrt{5}", VERDICT_PASS},
        {"New  York", "New York", VERDICT_PASS},
        {"\\pi x", "\\pix", VERDICT_UNKNOWN},
        {"\\leftarrow", "arrow", VERDICT_UNKNOWN},
        {"Evelyn", "Evelina", VERDICT_FAIL},
        {"A", "B", VERDICT_FAIL},
        {"a", "A", VERDICT_UNKNOWN},
        {"(A)", "A", VERDICT_UNKNOWN},
        {"Evelyn", "7", VERDICT_UNKNOWN},
        {"x+1", "1+x", VERDICT_UNKNOWN},
    };
    compare (rows, sizeof (rows) / sizeof (rows[0]));
}

static void forms_have_one_text (void)
{
    static const char *const rows[][2] = {{"1,234.50", "2469/2"}, {"-\\frac{6}{4}", "-3/2"},
                                          {"007", "7"},           {"50\\%", "1/2"},
                                          {" $x + 1$ ", "x+1"},   {"0.0", "0"}};
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        answer_form *a = NULL;
        PASS (answer_form_create (span_of (rows[i][0]), &a));
        CHECK (span_is (answer_form_text (a), rows[i][1]));
        answer_form_destroy (a);
    }
}

static void empty_and_endless_answers_are_none (void)
{
    static char text[ANSWER_BYTES + 1];
    answer_form *a = NULL;
    FAILS (answer_form_create (span_of (""), &a), ESP_EFORMAT);
    FAILS (answer_form_create (span_of (" $$ "), &a), ESP_EFORMAT);
    FAILS (answer_form_create (span_of ("1"), NULL), ESP_EINVAL);
    memset (text, '7', sizeof (text));
    FAILS (answer_form_create (span_make (text, sizeof (text)), &a), ESP_EFORMAT);
    CHECK (a == NULL);
    PASS (answer_form_create (span_make (text, ANSWER_BYTES), &a));
    CU_ASSERT_EQUAL (answer_form_text (a).len, ANSWER_BYTES);
    answer_form_destroy (a);
    answer_form_destroy (NULL);
}

static void the_box_comes_before_the_hashes (void)
{
    static const char *const rows[][2] = {{"so \\boxed{ 3 }\n#### 4", "3"},
                                          {"a\n#### 1\n#### 1,000 \nb", "1,000"},
                                          {"no answer", NULL},
                                          {"####  \n", NULL},
                                          {"\\boxed{7", NULL},
                                          {"\\boxed{7\n#### 8", "8"}};
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        span answer;
        bool found = answer_find (span_of (rows[i][0]), &answer);
        CHECK (found == (rows[i][1] != NULL) && (!found || span_is (answer, rows[i][1])));
    }
}

static void verdicts_come_with_reasons (void)
{
    static const struct {
        const char *json, *text, *reason;
        enum verdict verdict;
    } rows[] = {
        {"{\"answer\": \"x\\n#### 18\"}", "\\boxed{18}", "right-answer", VERDICT_PASS},
        {"{\"answer\": 18}", "#### 18.0", "right-answer", VERDICT_PASS},
        {"{\"answer\": 18}", "#### 17", "wrong-answer", VERDICT_FAIL},
        {"{\"expected_answer\": \"\\\\frac{1}{2}\"}", "\\boxed{0.5}", "right-answer", VERDICT_PASS},
        {"{\"final_answer\": 0.1}", "\\boxed{1/10}", "right-answer", VERDICT_PASS},
        {"{\"answer\": 18}", "18", "no-answer", VERDICT_UNKNOWN},
        {"{\"answer\": 18}", "\\boxed{}", "no-answer", VERDICT_UNKNOWN},
        {"{\"answer\": 18}", "\\boxed{x}", "cannot-compare", VERDICT_UNKNOWN},
        {"{\"answer\": \"\"}", "\\boxed{1}", "no-reference", VERDICT_UNKNOWN},
        {"{}", "\\boxed{1}", "no-reference", VERDICT_UNKNOWN},
        {"[", "\\boxed{1}", "bad-problem", VERDICT_UNKNOWN},
    };
    struct kit k;
    PASS (kit_open (&k, "answer", ENGINE_VERIFIER, NULL, NULL));
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        kit_do (&k, verify, rows[i].json, rows[i].text);
        CHECK (k.r.error == ESP_OK && k.r.verdict == rows[i].verdict);
        CU_ASSERT_STRING_EQUAL (k.reason, rows[i].reason);
    }
    kit_do (&k, verify, "{}", "\\boxed{1,000}");
    CU_ASSERT_STRING_EQUAL (k.answer, "1000");
    kit_close (&k);
}

/* Reference solutions must pass, and a changed number must not. */
static void reference_solutions_of_the_data_pass (void)
{
    static const char *const files[][2] = {{"data/gsm8k-dev.jsonl", "answer"},
                                           {"data/math500-dev.jsonl", "solution"}};
    static struct kit k;
    PASS (kit_open (&k, "answer", ENGINE_VERIFIER, NULL, NULL));
    for (size_t i = 0; i < 2; i++) {
        const char *path = kit_shared (files[i][0]);
        esp_buf file = {0};
        unsigned rows = 0, passed = 0, failed = 0;
        if (!path)
            continue;
        PASS (esp_file_read (path, 1 << 24, &file, NULL));
        for (char *line = strtok (file.data, "\n"); line; line = strtok (NULL, "\n"), rows++) {
            json_t *root = json_loads (line, 0, NULL);
            kit_do (&k, verify, line, json_string_value (json_object_get (root, files[i][1])));
            passed += k.r.verdict == VERDICT_PASS;
            kit_do (&k, verify, line, "\\boxed{-987654321}");
            failed += k.r.verdict == VERDICT_FAIL;
            CHECK (k.r.verdict != VERDICT_PASS);
            json_decref (root);
        }
        printf ("    %s: %u rows, %u pass, %u fail with a wrong number\n", files[i][0], rows,
                passed, failed);
        CHECK (rows > 0 && passed == rows);
        CHECK (i > 0 || failed == rows);
        esp_buf_free (&file);
    }
    kit_close (&k);
}

static void garbage_does_no_harm (void)
{
    static const char *const pieces[] = {
        "\\boxed{", "}", "{",    "\\frac", "1",  "/",       ",",    ".", "-",      "%",
        "$",        " ", "####", "\n",     "\\", "\\text{", "\xff", "a", "\\left", "000"};
    static struct kit k;
    uint64_t draw = 0;
    PASS (kit_open (&k, "answer", ENGINE_VERIFIER, NULL, NULL));
    for (int i = 0; i < 20000; i++) {
        char text[512] = "\\boxed{", *at = text + strlen (text);
        for (uint32_t n = esp_draw_below (9, draw++, 20); n > 0; n--)
            at += sprintf (
                at, "%s", pieces[esp_draw_below (9, draw++, sizeof (pieces) / sizeof (pieces[0]))]);
        sprintf (at, "}");
        kit_do (&k, verify, "{\"answer\": \"1/3\"}", text);
        CHECK (k.r.error == ESP_OK && k.r.verdict != VERDICT_NONE);
    }
    kit_close (&k);
}

static esp_err scenario (struct kit *k, long n)
{
    esp_err err;
    esp_alloc_fail_after (n);
    err = k->kind->open (&k->setup, &k->state, NULL);
    if (err == ESP_OK) {
        kit_do (k, verify, "{\"answer\": \"a\\n#### 0.5\"}", "\\boxed{\\frac{1}{2}}");
        err = k->r.error;
        CHECK (err == ESP_OK ? k->r.verdict == VERDICT_PASS : k->r.verdict == VERDICT_NONE);
        k->kind->close (k->state);
        k->state = NULL;
    }
    esp_alloc_fail_after (-1);
    return err;
}

static void survives_failure_of_every_allocation (void)
{
    struct kit k;
    long live;
    esp_err err = ESP_ENOMEM;
    PASS (kit_open (&k, "answer", ENGINE_VERIFIER, NULL, NULL));
    k.kind->close (k.state);
    k.state = NULL;
    live = esp_alloc_live ();
    for (long n = 0; err != ESP_OK && n < 100; n++) {
        err = scenario (&k, n);
        CHECK (err == ESP_OK || err == ESP_ENOMEM);
        CU_ASSERT_EQUAL (esp_alloc_live (), live);
    }
    CU_ASSERT_EQUAL (err, ESP_OK);
    kit_close (&k);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"numbers are equal by value", numbers_are_equal_by_value},
        {"what looks like a number but is none is not guessed",
         what_looks_like_a_number_but_is_none_is_not_guessed},
        {"strings are equal without their decoration", strings_are_equal_without_their_decoration},
        {"forms have one text", forms_have_one_text},
        {"empty and endless answers are none", empty_and_endless_answers_are_none},
        {"the box comes before the hashes", the_box_comes_before_the_hashes},
        {"verdicts come with reasons", verdicts_come_with_reasons},
        {"reference solutions of the data pass", reference_solutions_of_the_data_pass},
        {"garbage does no harm", garbage_does_no_harm},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("verifier_answer", cases);
}
