/* SPDX-License-Identifier: Apache-2.0 */
/* test_verifier_answer.c - final answers against reference answers */

// LINK: esp_engine_table esp_config PkgConfig::JANSSON

#include <jansson.h>
#include "proto/base/alloc.h"
#include "proto/base/rng.h"
#include "tests/unit/worker/engine_kit.h"

static const task verify = {.id = {1, 2}, .kind = TASK_VERIFY};

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
        {"{\"answer\": 18}", "\\boxed{x}", "wrong-answer", VERDICT_FAIL},
        {"{\"answer\": 18}", "\\boxed{\\cot x}", "cannot-compare", VERDICT_UNKNOWN},
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
    kit_close (&k);
}

static void the_answer_is_told_as_it_is_spelled (void)
{
    struct kit k;
    PASS (kit_open (&k, "answer", ENGINE_VERIFIER, NULL, NULL));
    kit_do (&k, verify, "{}", "so \\boxed{ 1,000 }");
    CU_ASSERT_STRING_EQUAL (k.answer, "1,000");
    kit_do (&k, verify, "{\"answer\": 1000}", "The answer is 1,000 cm.");
    CHECK (k.r.verdict == VERDICT_PASS);
    CU_ASSERT_STRING_EQUAL (k.answer, "1,000 cm");
    kit_close (&k);
}

static void votes_decide_nothing_and_find_the_answer (void)
{
    struct kit k;
    PASS (kit_open (&k, "votes", ENGINE_VERIFIER, NULL, NULL));
    kit_do (&k, verify, "{\"answer\": 7}", "so \\boxed{7}");
    CHECK (k.r.error == ESP_OK && k.r.verdict == VERDICT_UNKNOWN);
    CU_ASSERT_STRING_EQUAL (k.reason, "votes");
    CU_ASSERT_STRING_EQUAL (k.answer, "7");
    kit_do (&k, verify, "{}", "who knows");
    CHECK (k.r.verdict == VERDICT_UNKNOWN);
    CU_ASSERT_STRING_EQUAL (k.reason, "no-answer");
    CU_ASSERT_STRING_EQUAL (k.answer, "");
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
        {"verdicts come with reasons", verdicts_come_with_reasons},
        {"the answer is told as it is spelled", the_answer_is_told_as_it_is_spelled},
        {"votes decide nothing, and find the answer", votes_decide_nothing_and_find_the_answer},
        {"reference solutions of the data pass", reference_solutions_of_the_data_pass},
        {"garbage does no harm", garbage_does_no_harm},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("verifier_answer", cases);
}
