/* SPDX-License-Identifier: Apache-2.0 */
/* test_fake_rules.c - the fake models give what the golden files say */

// LINK: esp_engine_table esp_config PkgConfig::JANSSON

#include "worker/engine/fake_rules.h"
#include <jansson.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "tests/unit/worker/engine_kit.h"

static const fake_lm lm = {
    .min_depth = 2, .max_depth = 6, .p_eos = 0.25, .vocab = 10000, .answers = 5};

static bool step_is (const char *prompt, uint32_t k, const char *text, bool eos)
{
    esp_buf b = {0};
    bool ended = !eos, same;
    size_t at = (size_t)(strstr (prompt, "|A|") + 3 - prompt);
    PASS (fake_lm_step (&lm, span_of (prompt), at, k, &b, &ended, NULL));
    same = span_is (esp_buf_span (&b), text) && ended == eos;
    esp_buf_free (&b);
    return same;
}

static void steps_follow_the_golden_rows (void)
{
    const char *end = "Q1|A|s1\n\ns1\n\ns1\n\ns1\n\ns1\n\ns1\n\n";
    CHECK (step_is ("Q1|A|", 0, "s9213\n\n", false));
    CHECK (step_is ("Q1|A|", TASK_K_GREEDY, "s3474\n\n", false));
    CHECK (step_is ("Q1|A|s0042\n\n", 2, "s4107\n\n", false));
    CHECK (step_is ("Q1|A|s0042\n\ns0007\n\n", 0, "s0636\n\n", false));
    CHECK (step_is ("Q1|A|s0042\n\ns0007\n\ns0099\n\n", 0, "ans \\boxed{1}", true));
    CHECK (step_is (end, 1, "ans \\boxed{4}", true));
    CHECK (step_is (end, TASK_K_GREEDY, "ans \\boxed{0}", true));
}

static void an_answered_text_ends_with_nothing (void)
{
    CHECK (step_is ("Q1|A|ans \\boxed{3}", 0, "", true));
}

static void the_logprob_is_a_hash_too (void)
{
    esp_buf b = {0};
    double logprob = 0;
    bool eos;
    PASS (fake_lm_step (&lm, span_of ("Q1|A|"), 5, 1, &b, &eos, &logprob));
    CHECK (logprob == -2.0 * 0.07394430433509179);
    esp_buf_free (&b);
}

static void prm_scores_follow_the_golden_rows (void)
{
    esp_buf b = {0};
    double score = 0;
    PASS (fake_prm_score (span_of ("Q1"), span_of ("s0042"), &b, &score));
    CHECK (score == 0.79836473965861077);
    PASS (fake_prm_score (span_of ("Q1"), span_of ("s0007"), &b, &score));
    CHECK (score == 0.74618850792645175);
    PASS (fake_prm_score (span_of ("Q1"), span_of ("ans \\boxed{3}"), &b, &score));
    CHECK (score == 0.87572228804414898);
    esp_buf_free (&b);
}

static void states_of_fakegen_are_named_and_scored (void)
{
    esp_buf b = {0};
    PASS (fake_gen_child ("A", 0, &b));
    PASS (fake_gen_child ("B", 1, &b));
    CHECK (span_is (esp_buf_span (&b), "/A0/B1"));
    CHECK (fake_gen_score (span_of ("Q1"), esp_buf_span (&b)) == 0.79759822808258596);
    esp_buf_free (&b);
}

/* First lines of tot_bfs.json: Q5 proposes t47 t23 t85, the last two of eight are equal. */
static void thoughts_follow_the_golden_rows (void)
{
    esp_buf b = {0};
    double value = -1;
    for (uint32_t i = 0; i < 8; i++)
        PASS (fake_thought_line ("P|", span_of ("Q5"), span_of (""), i, 100, &b));
    CHECK (span_is (esp_buf_span (&b), "t47\nt23\nt85\nt88\nt74\nt25\nt67\nt67\n"));
    PASS (fake_thought_value (span_of ("Q5"), span_of ("t47\n"), 0, &value));
    CHECK (value >= 0 && value < 1);
    esp_buf_free (&b);
}

static void memory_failures_leave_the_text_alone (void)
{
    esp_buf b = {0};
    double number;
    bool eos;
    esp_alloc_fail_after (0);
    FAILS (fake_lm_step (&lm, span_of ("Q1|A|"), 5, 0, &b, &eos, NULL), ESP_ENOMEM);
    FAILS (fake_prm_score (span_of ("Q1"), span_of ("s"), &b, &number), ESP_ENOMEM);
    FAILS (fake_gen_child ("A", 0, &b), ESP_ENOMEM);
    FAILS (fake_thought_line ("P|", span_of ("Q"), span_of (""), 0, 9, &b), ESP_ENOMEM);
    FAILS (fake_thought_value (span_of ("Q"), span_of (""), 0, &number), ESP_ENOMEM);
    esp_alloc_fail_after (-1);
    CHECK (b.len == 0);
    esp_buf_free (&b);
}

/* ---- the whole file, through the engine ---- */

static void rows_of_step_and_to_eos (struct kit *k, const json_t *rows, uint8_t mode)
{
    size_t i;
    json_t *row;
    json_array_foreach (rows, i, row)
    {
        const char *prefix = json_string_value (json_object_get (row, "prefix"));
        const json_t *number = json_object_get (row, "k");
        task t = {.kind = TASK_GENERATE, .mode = mode};
        t.k = json_is_string (number) ? TASK_K_GREEDY : (uint32_t)json_integer_value (number);
        kit_do (k, t, "{\"question\": \"Q1\"}", strstr (prefix, "|A|") + 3);
        CHECK (strcmp (k->text, json_string_value (json_object_get (row, "text"))) == 0);
        CHECK (mode == TASK_TO_END ||
               (k->r.finish == FINISH_EOS) == json_is_true (json_object_get (row, "eos")));
    }
    CHECK (i > 0);
}

static void rows_of_prm (struct kit *k, const json_t *rows)
{
    size_t i, n;
    json_t *row, *score;
    json_array_foreach (rows, i, row)
    {
        kit_do (k, (task){.kind = TASK_SCORE}, "{\"question\": \"Q1\"}",
                json_string_value (json_object_get (row, "text")));
        json_array_foreach (json_object_get (row, "scores"), n, score)
        {
            CHECK (k->scores[n] == json_real_value (score));
        }
        CHECK (n == k->r.score_count && n == k->r.score_own);
    }
    CHECK (i > 0);
}

static void the_whole_golden_file_is_reproduced (void)
{
    const char *path = kit_shared ("golden/fake_rules.json");
    json_t *root = path ? json_load_file (path, 0, NULL) : NULL;
    struct kit k;
    if (!path)
        return;
    CU_ASSERT_PTR_NOT_NULL_FATAL (root);
    PASS (kit_open (&k, "fake", ENGINE_GENERATOR, NULL, NULL));
    rows_of_step_and_to_eos (&k, json_object_get (root, "step"), TASK_STEP);
    rows_of_step_and_to_eos (&k, json_object_get (root, "to_eos"), TASK_TO_END);
    rows_of_prm (&k, json_object_get (root, "prm"));
    kit_close (&k);
    json_decref (root);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"steps follow the golden rows", steps_follow_the_golden_rows},
        {"an answered text ends with nothing", an_answered_text_ends_with_nothing},
        {"the logprob is a hash too", the_logprob_is_a_hash_too},
        {"prm scores follow the golden rows", prm_scores_follow_the_golden_rows},
        {"states of fakegen are named and scored", states_of_fakegen_are_named_and_scored},
        {"thoughts follow the golden rows", thoughts_follow_the_golden_rows},
        {"memory failures leave the text alone", memory_failures_leave_the_text_alone},
        {"the whole golden file is reproduced", the_whole_golden_file_is_reproduced},
        {NULL, NULL},
    };
    return suite_main ("fake_rules", cases);
}
