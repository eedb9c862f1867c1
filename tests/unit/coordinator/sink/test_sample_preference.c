/* SPDX-License-Identifier: Apache-2.0 */
// LINK: esp_config esp_search
/* test_sample_preference.c - what format `preference` promises (coordinator/sink/sample_preference.c) */

#include "coordinator/sink/sample_formats.h"
#include "tests/unit/coordinator/sink/scripted.h"

static const char question[] = "{\"id\":\"p\",\"problem\":\"1+1+1?\"}";
static const char talk[] =
    "{\"id\":\"p\",\"messages\":[{\"role\":\"user\",\"content\":\"1+1+1?\"}]}";

#define NOTHING                                                                                    \
    0, 0, 0,                                                                                       \
    {                                                                                              \
        0                                                                                          \
    }

/* Below step a: b, which passed once and failed once; c, which failed; d, which was cut; e, which nobody judged. */
static const line lines[] = {
    {0, ASK_STEP, "a\n\n", FINISH_STOP, VERDICT_NONE, {0.5}, NOTHING},
    {1, ASK_STEP, "b\n\n", FINISH_STOP, VERDICT_NONE, {0.75}, NOTHING},
    {1, ASK_STEP, "c\n\n", FINISH_STOP, VERDICT_NONE, {0.25}, NOTHING},
    {1, ASK_STEP, "d\n\n", FINISH_LENGTH, VERDICT_FAIL, {0.25}, NOTHING},
    {2, ASK_STEP, "bad", FINISH_EOS, VERDICT_FAIL, {0}, NOTHING},
    {2, ASK_STEP, "good", FINISH_EOS, VERDICT_PASS, {0}, NOTHING},
    {3, ASK_STEP, "long", FINISH_LENGTH, VERDICT_FAIL, {0}, NOTHING},
    {3, ASK_STEP, "wrong", FINISH_EOS, VERDICT_FAIL, {0}, NOTHING},
};
static const script told = {lines, 8};

static const char two_rates[] =
    "\"chosen_rate\":0.5,\"chosen_rollouts\":2,\"chosen_passed\":1,\"chosen_score\":0.75,"
    "\"rejected_rate\":0.0,\"rejected_rollouts\":2,\"rejected_passed\":0,\"rejected_score\":0.25";

static bool lines_hold (const char *json, const script *all, const char *options, unsigned sets,
                        size_t count, const char *a, const char *b)
{
    world w;
    esp_buf out = {0};
    bool hold;
    given_scripted (&w, all, json);
    PASS (sampled (w.s, "preference", options, sets, &out));
    hold = strstr (esp_buf_text (&out), a) && strstr (esp_buf_text (&out), b) &&
           span_count (esp_buf_span (&out), span_of ("\n")) == count;
    if (!hold)
        printf ("    %s", esp_buf_text (&out));
    esp_buf_free (&out);
    world_close (&w);
    return hold;
}

static void a_branch_that_passed_is_chosen_before_one_from_the_same_parent_that_failed (void)
{
    /* good against bad below b, and b (good) against c (wrong) below a; margins 1 and 0.5 */
    CHECK (
        lines_hold (question, &told, "", VERIFIED_ONLY, 2,
                    "{\"id\":\"p/0/0.0.1-0.0.0\",\"problem_id\":\"p\",\"prompt\":\"1+1+1?\\n\\n"
                    "a\\n\\nb\\n\\n\",\"prefix\":\"a\\n\\nb\\n\\n\",\"chosen\":\"good\","
                    "\"rejected\":\"bad\",\"margin\":1.0,",
                    "\n{\"id\":\"p/0/0.0.1-0.1.1\",\"problem_id\":\"p\",\"prompt\":\"1+1+1?\\n\\n"
                    "a\\n\\n\",\"prefix\":\"a\\n\\n\",\"chosen\":\"b\\n\\ngood\",\"rejected\":"
                    "\"c\\n\\nwrong\",\"margin\":0.5,"));
    CHECK (lines_hold (question, &told, "", VERIFIED_ONLY, 2, two_rates, ""));
}

static void steps_can_be_compared_alone (void)
{
    CHECK (lines_hold (question, &told, "level: step", VERIFIED_ONLY, 2,
                       "\"prefix\":\"a\\n\\n\",\"chosen\":\"b\\n\\n\",\"rejected\":\"c\\n\\n\",",
                       two_rates));
}

static void the_largest_margins_come_first (void)
{
    CHECK (lines_hold (question, &told, "pairs: 1", VERIFIED_ONLY, 1, "\"margin\":1.0,",
                       "\"chosen\":\"good\""));
}

static void steps_above_begin_the_assistants_message_where_the_problem_is_a_talk (void)
{
    CHECK (lines_hold (talk, &told, "", VERIFIED_ONLY, 2,
                       "\"prompt\":[{\"role\":\"user\",\"content\":\"1+1+1?\"},{\"role\":"
                       "\"assistant\",\"content\":\"a\\n\\n\"}],\"prefix\":\"a\\n\\n\",",
                       "\"chosen\":[{\"role\":\"assistant\",\"content\":\"b\\n\\ngood\"}],"
                       "\"rejected\":[{\"role\":\"assistant\",\"content\":\"c\\n\\nwrong\"}],"));
}

static void what_was_cut_is_in_no_pair (void)
{
    static const line cut[] = {
        {0, ASK_TO_END, "x", FINISH_EOS, VERDICT_PASS, {0}, NOTHING},
        {0, ASK_TO_END, "y", FINISH_LENGTH, VERDICT_FAIL, {0}, NOTHING},
    };
    CHECK (
        lines_hold (question, &(script){cut, 2}, "", VERIFIED_ONLY | UNVERIFIED_ONLY, 0, "", ""));
}

static void equal_rates_and_failures_alone_make_no_pair (void)
{
    static const line equal[] = {
        {0, ASK_TO_END, "x", FINISH_EOS, VERDICT_FAIL, {0.9}, NOTHING},
        {0, ASK_TO_END, "y", FINISH_EOS, VERDICT_FAIL, {0.1}, NOTHING},
        {0, ASK_TO_END, "z", FINISH_EOS, VERDICT_UNKNOWN, {0.1}, NOTHING},
    };
    CHECK (
        lines_hold (question, &(script){equal, 3}, "", VERIFIED_ONLY | UNVERIFIED_ONLY, 0, "", ""));
    CHECK (lines_hold (question, &(script){equal, 2}, "level: step",
                       VERIFIED_ONLY | UNVERIFIED_ONLY, 0, "", ""));
}

static void scores_alone_make_unverified_pairs (void)
{
    static const line scored[] = {
        {0, ASK_TO_END, "x", FINISH_EOS, VERDICT_NONE, {0.5}, NOTHING},
        {0, ASK_TO_END, "y", FINISH_EOS, VERDICT_UNKNOWN, {0.75}, NOTHING},
        {0, ASK_TO_END, "z", FINISH_EOS, VERDICT_NONE, {0.625}, NOTHING},
    };
    const script all = {scored, 3};
    const char one[] = "\"chosen\":\"y\",\"rejected\":\"x\",\"margin\":0.25,\"chosen_rate\":null";
    CHECK (lines_hold (question, &all, "", UNVERIFIED_ONLY, 1, one, ""));
    CHECK (lines_hold (question, &all, "", VERIFIED_ONLY, 0, "", ""));
    CHECK (lines_hold (question, &all, "score_margin: 0.125", UNVERIFIED_ONLY, 3, one, ""));
    CHECK (lines_hold (question, &all, "score_margin: 0", UNVERIFIED_ONLY, 0, "", ""));
}

static void equal_texts_and_steps_beside_whole_texts_are_not_compared (void)
{
    static const line mixed[] = {
        {0, ASK_STEP, "x", FINISH_EOS, VERDICT_PASS, {0}, NOTHING},
        {0, ASK_STEP, "x", FINISH_EOS, VERDICT_FAIL, {0}, NOTHING},
        {0, ASK_TO_END, "x\n\ny", FINISH_EOS, VERDICT_FAIL, {0}, NOTHING},
    };
    CHECK (lines_hold (question, &(script){mixed, 3}, "level: step", VERIFIED_ONLY, 0, "", ""));
    CHECK (lines_hold (question, &(script){mixed, 3}, "", VERIFIED_ONLY, 1,
                       "\"chosen\":\"x\",\"rejected\":\"x\\n\\ny\"", ""));
}

static void drafts_of_one_parent_answer_the_problem_itself (void)
{
    static const line drafts[] = {
        {0, ASK_DRAFT, "one", FINISH_EOS, VERDICT_FAIL, {0}, NOTHING},
        {1, ASK_DRAFT, "two", FINISH_EOS, VERDICT_PASS, {0}, NOTHING},
        {1, ASK_DRAFT, "three", FINISH_EOS, VERDICT_FAIL, {0}, NOTHING},
    };
    CHECK (lines_hold (question, &(script){drafts, 3}, "", VERIFIED_ONLY, 1,
                       "\"prompt\":\"1+1+1?\",\"prefix\":\"\",\"chosen\":\"two\",\"rejected\":"
                       "\"three\",\"margin\":1.0,",
                       ""));
}

/* Four that passed and four that failed: of 16 pairs of one margin the first ones in the order of the tree. */
static void equal_margins_come_in_the_order_of_the_tree (void)
{
    line many[8];
    static const char *const names[8] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    for (int i = 0; i < 8; i++)
        many[i] = (line){.mode = ASK_TO_END,
                         .text = names[i],
                         .finish = FINISH_EOS,
                         .verdict = i % 2 ? VERDICT_PASS : VERDICT_FAIL};
    CHECK (lines_hold (question, &(script){many, 8}, "pairs: 1", VERIFIED_ONLY, 1,
                       "\"chosen\":\"b\",\"rejected\":\"a\"", ""));
    CHECK (lines_hold (question, &(script){many, 8}, "pairs: 5", VERIFIED_ONLY, 5,
                       "\"chosen\":\"b\",\"rejected\":\"g\"",
                       "\"chosen\":\"d\",\"rejected\":\"a\""));
}

static void survives_allocations (void)
{
    world w;
    given_scripted (&w, &told, talk);
    survives_every_failed_allocation (&w, "preference", "");
    world_close (&w);
}

int main (void)
{
    return suite_main (
        "coordinator/sink/sample_preference",
        (const struct suite_case[]){
            {"a branch that passed is chosen before one from the same parent that failed",
             a_branch_that_passed_is_chosen_before_one_from_the_same_parent_that_failed},
            {"steps can be compared alone", steps_can_be_compared_alone},
            {"the largest margins come first", the_largest_margins_come_first},
            {"steps above begin the assistant's message where the problem is a talk",
             steps_above_begin_the_assistants_message_where_the_problem_is_a_talk},
            {"what was cut is in no pair", what_was_cut_is_in_no_pair},
            {"equal rates, and failures alone, make no pair",
             equal_rates_and_failures_alone_make_no_pair},
            {"scores alone make unverified pairs", scores_alone_make_unverified_pairs},
            {"equal texts, and steps beside whole texts, are not compared",
             equal_texts_and_steps_beside_whole_texts_are_not_compared},
            {"drafts of one parent answer the problem itself",
             drafts_of_one_parent_answer_the_problem_itself},
            {"equal margins come in the order of the tree",
             equal_margins_come_in_the_order_of_the_tree},
            {"survives failure of every allocation", survives_allocations},
            {NULL, NULL}});
}
