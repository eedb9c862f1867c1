/* SPDX-License-Identifier: Apache-2.0 */
// LINK: esp_config esp_search
/* test_sample_exports.c - the lines of formats that are for `espalier export` only: those of the programs that read them */

#include "coordinator/sink/sample_formats.h"
#include "tests/unit/coordinator/sink/scripted.h"

static const char question[] =
    "{\"id\":\"p\",\"problem\":\"1+1+1?\",\"answer\":\"3\",\"level\":2,\"scores\":[7],"
    "\"task\":\"MATH\"}";

#define NOTHING                                                                                    \
    0, 0, 0,                                                                                       \
    {                                                                                              \
        0                                                                                          \
    }

/* a good; below it b (bad) with a failed end of two steps, and a text of two steps that passed; and a cut one. */
static const line lines[] = {
    {0, ASK_STEP, "a\n\n", FINISH_STOP, VERDICT_NONE, {0.75}, 4, 3, 0, {0}},
    {1, ASK_STEP, "Step 2: b\n\n", FINISH_STOP, VERDICT_NONE, {0.25}, 4, 0, 0, {0}},
    {2, ASK_TO_END, "c\n\nd", FINISH_EOS, VERDICT_FAIL, {0}, NOTHING},
    {1, ASK_TO_END, "e\n\nf", FINISH_EOS, VERDICT_PASS, {0.5, 0.875}, NOTHING},
    {0, ASK_TO_END, "cut", FINISH_LENGTH, VERDICT_FAIL, {0}, NOTHING},
};
static const script told = {lines, 5};

static bool text_is (const char *format, const char *options, unsigned sets, const char *expected)
{
    world w;
    esp_buf out = {0};
    bool same;
    given_scripted (&w, &told, question);
    PASS (sampled (w.s, format, options, sets, &out));
    same = strcmp (esp_buf_text (&out), expected) == 0;
    if (!same)
        printf ("    %s", esp_buf_text (&out));
    esp_buf_free (&out);
    world_close (&w);
    return same;
}

static void math_shepherd_tags_every_step (void)
{
    CHECK (text_is (
        "math_shepherd", "", VERIFIED_ONLY,
        "{\"input\":\"1+1+1? Step 1: a \xd0\xba\xd0\xb8\\nStep 2: b \xd0\xba\xd0\xb8\","
        "\"label\":\"1+1+1? Step 1: a +\\nStep 2: b -\",\"task\":\"MATH\"}\n"
        "{\"input\":\"1+1+1? Step 1: a \xd0\xba\xd0\xb8\\nStep 2: e \xd0\xba\xd0\xb8\\nStep"
        " 3: f \xd0\xba\xd0\xb8\",\"label\":\"1+1+1? Step 1: a +\\nStep 2: e +\\nStep 3: "
        "f +\",\"task\":\"MATH\"}\n"));
    CHECK (text_is ("math_shepherd", "", UNVERIFIED_ONLY, ""));
}

static void prm800k_rates_steps_up_to_the_first_bad_one (void)
{
#define HEAD                                                                                       \
    "{\"labeler\":\"espalier\",\"timestamp\":null,\"generation\":null,"                            \
    "\"is_quality_control_question\":false,\"is_initial_screening_question\":false,\"question\":{" \
    "\"problem\":\"1+1+1?\",\"ground_truth_answer\":\"3\",\"pre_generated_steps\":"
#define STEP(text, rating, chosen)                                                                 \
    "{\"completions\":[{\"text\":\"" text "\",\"rating\":" rating ",\"flagged\":null}],"           \
    "\"human_completion\":null,\"chosen_completion\":" chosen "}"
    CHECK (text_is (
        "prm800k", "", VERIFIED_ONLY,
        HEAD
        "[\"a\",\"Step 2: b\",\"c\",\"d\"]},\"label\":{\"steps\":[" STEP ("a", "1", "0") "," STEP (
            "Step 2: b", "-1",
            "null") "],\"total_time\":0,"
                    "\"finish_reason\":"
                    "\"found_error\"}}\n" HEAD
                    "[\"a\",\"e\",\"f\"]},\"label\":{\"steps\":[" STEP ("a", "1", "0") "," STEP (
                        "e", "1", "0") "," STEP ("f", "1", "0") "],\"total_time\":0,"
                                                                "\"finish_reason\":"
                                                                "\"solution\"}}\n"));
}

static void processbench_names_the_first_error_of_whole_solutions (void)
{
    CHECK (text_is ("processbench", "", VERIFIED_ONLY,
                    "{\"id\":\"p/0/0.0.0\",\"generator\":\"espalier\",\"problem\":\"1+1+1?\","
                    "\"steps\":[\"a\",\"Step 2: b\",\"c\",\"d\"],\"final_answer_correct\":false,"
                    "\"label\":1}\n"
                    "{\"id\":\"p/0/0.1\",\"generator\":\"espalier\",\"problem\":\"1+1+1?\","
                    "\"steps\":[\"a\",\"e\",\"f\"],\"final_answer_correct\":true,\"label\":-1}\n"));
}

static void a_tree_is_nested_below_its_problem (void)
{
    CHECK (text_is (
        "tree", "", VERIFIED_ONLY,
        "{\"text\":\"1+1+1?\",\"mc_value\":0.3333333333333333,\"rollouts\":3,\"passed\":1,"
        "\"score\":"
        "null,\"verdict\":\"none\",\"question_id\":\"p\",\"final_answer\":\"3\",\"children\":["
        "{\"text\":\"a\\n\\n\",\"mc_value\":0.75,\"rollouts\":4,\"passed\":3,\"score\":0.75,"
        "\"verdict\":\"none\",\"children\":["
        "{\"text\":\"Step 2: b\\n\\n\",\"mc_value\":0.0,\"rollouts\":4,\"passed\":0,\"score\":0.25,"
        "\"verdict\":\"none\",\"children\":["
        "{\"text\":\"c\\n\\nd\",\"mc_value\":0.0,\"rollouts\":1,\"passed\":0,\"score\":null,"
        "\"verdict\":\"fail\",\"children\":[]}]},"
        "{\"text\":\"e\\n\\nf\",\"mc_value\":1.0,\"rollouts\":1,\"passed\":1,\"score\":0.875,"
        "\"verdict\":\"pass\",\"children\":[]}]},"
        "{\"text\":\"cut\",\"mc_value\":0.0,\"rollouts\":1,\"passed\":0,\"score\":null,\"verdict\":"
        "\"fail\",\"children\":[]}]}\n"));
}

static void search_and_learns_columns_stand_behind_the_problems (void)
{
    CHECK (text_is (
        "sal", "", VERIFIED_ONLY,
        "{\"id\":\"p\",\"problem\":\"1+1+1?\",\"answer\":\"3\",\"level\":2,\"task\":\"MATH\","
        "\"completions\":[\"a\\n\\nStep 2: b\\n\\nc\\n\\nd\",\"a\\n\\ne\\n\\nf\",\"cut\"],"
        "\"scores\":[[0.75,0.25],[0.75,0.5,0.875],[]],\"completion_tokens\":[3,2,1],\"agg_scores\":"
        "[null,0.875,null],\"pred\":\"a\\n\\ne\\n\\nf\",\"pred_naive@1\":\"\\\\boxed{}\","
        "\"pred_weighted@1\":\"\\\\boxed{}\",\"pred_maj@1\":\"\\\\boxed{}\",\"pred_naive@2\":"
        "\"\\\\boxed{}\",\"pred_weighted@2\":\"\\\\boxed{}\",\"pred_maj@2\":\"\\\\boxed{}\"}\n"));
}

static void survives_allocations (void)
{
    static const char *const formats[] = {"math_shepherd", "prm800k", "processbench",
                                          "tree",          "sal",     NULL};
    for (size_t i = 0; formats[i]; i++) {
        world w;
        given_scripted (&w, &told, question);
        survives_every_failed_allocation (&w, formats[i], "");
        world_close (&w);
    }
}

int main (void)
{
    return suite_main (
        "coordinator/sink/sample_exports",
        (const struct suite_case[]){
            {"Math-Shepherd tags every step", math_shepherd_tags_every_step},
            {"PRM800K rates steps up to the first bad one",
             prm800k_rates_steps_up_to_the_first_bad_one},
            {"ProcessBench names the first error of whole solutions",
             processbench_names_the_first_error_of_whole_solutions},
            {"a tree is nested below its problem", a_tree_is_nested_below_its_problem},
            {"search-and-learn's columns stand behind the problem's",
             search_and_learns_columns_stand_behind_the_problems},
            {"survives failure of every allocation", survives_allocations},
            {NULL, NULL}});
}
