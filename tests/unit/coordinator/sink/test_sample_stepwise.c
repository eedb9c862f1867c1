/* SPDX-License-Identifier: Apache-2.0 */
// LINK: esp_config esp_search
/* test_sample_stepwise.c - what format `stepwise` promises (coordinator/sink/sample_stepwise.c) */

#include "coordinator/sink/sample_formats.h"
#include "tests/unit/coordinator/sink/scripted.h"

static const char problem_json[] = "{\"id\":\"p\",\"problem\":\"1+1+1?\",\"answer\":\"3\"}";

/* A good step, a bad one below it, and whole texts below both, as strategies that label make them. */
static const line labelled[] = {
    {0, ASK_STEP, "a\n\n", FINISH_STOP, VERDICT_NONE, {0.75}, 4, 3, 0, {0}},
    {1, ASK_STEP, "b\n\n", FINISH_STOP, VERDICT_NONE, {0.25}, 4, 0, 0, {0}},
    {2, ASK_STEP, "c", FINISH_EOS, VERDICT_FAIL, {0}, 0, 0, 0, {0}},
    {1, ASK_TO_END, "x\n\ny", FINISH_EOS, VERDICT_FAIL, {0}, 0, 0, 0, {0}},
    {1, ASK_TO_END, "long\n\nz", FINISH_EOS, VERDICT_PASS, {0}, 0, 0, 0, {0}},
};
static const script labels_told = {labelled, 5};

static void labels_and_counts_stand_beside_the_steps (void)
{
    static const char *const rows[] = {
        "\"prompt\":\"1+1+1?\",\"completions\":[\"a\",\"b\",\"c\"],\"labels\":[true,false,false],"
        "\"values\":[0.75,0.0,0.0],\"rollouts\":[4,4,1],\"passed\":[3,0,0],"
        "\"low\":[0.3006418425824019,0.0,0.0],\"high\":[0.9544127391902995,0.4898908364545973,"
        "0.7934506856227626],\"prm_scores\":[0.75,0.25,null],\"first_error\":1,\"label_source\":"
        "\"mc\"",
        "\"prompt\":\"1+1+1?\",\"completions\":[\"a\",\"long\",\"z\"],\"labels\":[true,true,true],"
        "\"values\":[0.75,1.0,1.0],\"rollouts\":[4,1,1],\"passed\":[3,1,1],\"low\":["
        "0.3006418425824019,0.20654931437723742,0.20654931437723742],\"high\":["
        "0.9544127391902995,1.0,1.0],\"prm_scores\":[0.75,null,null],\"first_error\":-1,"
        "\"label_source\":\"mc\"",
        NULL};
    world w;
    given_scripted (&w, &labels_told, problem_json);
    CHECK (rows_are (&w, "stepwise", "", VERIFIED_ONLY, rows));
    CHECK (rows_are (&w, "stepwise", "", UNVERIFIED_ONLY, rows + 2));
    world_close (&w);
}

static void a_row_can_end_with_its_first_bad_step (void)
{
    world w;
    esp_buf out = {0};
    given_scripted (&w, &labels_told, problem_json);
    PASS (sampled (w.s, "stepwise", "until: error", VERIFIED_ONLY, &out));
    CHECK (strstr (esp_buf_text (&out), "\"completions\":[\"a\",\"b\"],\"labels\":[true,false]"));
    CHECK (span_count (esp_buf_span (&out), span_of ("\n")) == 2);
    CHECK (span_starts (esp_buf_span (&out), "{\"id\":\"p/0/0.0\","));
    esp_buf_free (&out);
    world_close (&w);
}

static void soft_labels_are_values_over_a_threshold (void)
{
    world w;
    esp_buf out = {0};
    given_scripted (&w, &labels_told, problem_json);
    PASS (sampled (w.s, "stepwise", "label: soft, threshold: 0.8", VERIFIED_ONLY, &out));
    CHECK (strstr (esp_buf_text (&out), "\"labels\":[false,false,false]"));
    CHECK (strstr (esp_buf_text (&out), "\"labels\":[false,true,true]"));
    esp_buf_clear (&out);
    PASS (sampled (w.s, "stepwise", "label: soft, threshold: 0.75", VERIFIED_ONLY, &out));
    CHECK (strstr (esp_buf_text (&out), "\"labels\":[true,false,false]"));
    esp_buf_free (&out);
    world_close (&w);
}

static void a_step_of_too_few_rollouts_ends_the_row_but_a_finished_text_has_its_verdict (void)
{
    static const char *const none[] = {NULL};
    world w;
    esp_buf out = {0};
    given_scripted (&w, &labels_told, problem_json);
    PASS (sampled (w.s, "stepwise", "min_rollouts: 4", VERIFIED_ONLY, &out));
    CHECK (strstr (esp_buf_text (&out), "\"completions\":[\"a\",\"b\",\"c\"]"));
    CHECK (span_count (esp_buf_span (&out), span_of ("\n")) == 1);
    CHECK (rows_are (&w, "stepwise", "min_rollouts: 5", VERIFIED_ONLY, none));
    esp_buf_free (&out);
    world_close (&w);
}

static void an_undecided_step_ends_the_row (void)
{
    static const line lines[] = {
        {0, ASK_STEP, "a\n\n", FINISH_STOP, VERDICT_NONE, {0}, 2, 1, 0, {0}},
        {1, ASK_STEP, "b\n\n", FINISH_STOP, VERDICT_NONE, {0}, 0, 0, 0, {0}},
        {2, ASK_STEP, "c", FINISH_EOS, VERDICT_UNKNOWN, {0}, 0, 0, 0, {0}},
    };
    static const script told = {lines, 3};
    world w;
    esp_buf out = {0};
    given_scripted (&w, &told, problem_json);
    PASS (sampled (w.s, "stepwise", "", VERIFIED_ONLY | UNVERIFIED_ONLY, &out));
    CHECK (strstr (esp_buf_text (&out), "\"completions\":[\"a\"],"));
    CHECK (span_count (esp_buf_span (&out), span_of ("\n")) == 1);
    esp_buf_free (&out);
    world_close (&w);
}

static void a_text_that_passed_shows_each_of_its_steps_to_be_good (void)
{
    static const line lines[] = {
        {0, ASK_TO_END, "a\n\nb\n\nc", FINISH_EOS, VERDICT_PASS, {0.5, 0.25, 0.75}, 0, 0, 0, {0}},
        {0, ASK_TO_END, "d\n\ne", FINISH_EOS, VERDICT_FAIL, {0}, 0, 0, 0, {0}},
        {0, ASK_TO_END, "f\n\ng", FINISH_LENGTH, VERDICT_PASS, {0}, 0, 0, 0, {0}},
    };
    static const script told = {lines, 3};
    static const char *const rows[] = {
        "\"prompt\":\"1+1+1?\",\"completions\":[\"a\",\"b\",\"c\"],\"labels\":[true,true,true],"
        "\"values\":[1.0,1.0,1.0],\"rollouts\":[1,1,1],\"passed\":[1,1,1],\"low\":["
        "0.20654931437723742,0.20654931437723742,0.20654931437723742],\"high\":[1.0,1.0,1.0],\"prm_"
        "scores\":[0.5,0.25,0.75],"
        "\"first_error\":-1,\"label_source\":\"tree\"",
        NULL};
    world w;
    given_scripted (&w, &told, problem_json);
    CHECK (rows_are (&w, "stepwise", "", VERIFIED_ONLY, rows));
    CHECK (rows_are (&w, "stepwise", "min_rollouts: 2", VERIFIED_ONLY, rows + 1));
    world_close (&w);
}

static void values_without_verdicts_are_unverified_and_soft (void)
{
    static const line lines[] = {
        {0, ASK_STEP, "a\n\n", FINISH_STOP, VERDICT_NONE, {0}, 0, 0, 0.9, {0}},
        {1, ASK_STEP, "b", FINISH_EOS, VERDICT_NONE, {0}, 0, 0, 0.1, {0}},
    };
    static const script told = {lines, 2};
    static const char *const rows[] = {
        "\"prompt\":\"1+1+1?\",\"completions\":[\"a\",\"b\"],\"labels\":[true,false],\"values\":["
        "0.9,0.1],\"rollouts\":[0,0],\"passed\":[0,0],\"low\":[null,null],\"high\":[null,null],"
        "\"prm_scores\":[null,null],\"first_error\":1,\"label_source\":\"value\"",
        NULL};
    world w;
    given_scripted (&w, &told, problem_json);
    CHECK (rows_are (&w, "stepwise", "label: soft", UNVERIFIED_ONLY, rows));
    CHECK (rows_are (&w, "stepwise", "label: soft", VERIFIED_ONLY, rows + 1));
    CHECK (rows_are (&w, "stepwise", "", UNVERIFIED_ONLY, rows + 1));
    world_close (&w);
}

/* Two branches end in the same labelled step; a third goes on behind it. */
static void the_beginning_of_another_row_is_no_row (void)
{
    static const line lines[] = {
        {0, ASK_STEP, "a\n\n", FINISH_STOP, VERDICT_NONE, {0}, 0, 0, 0, {0}},
        {1, ASK_TO_END, "x\n\ny", FINISH_EOS, VERDICT_FAIL, {0}, 0, 0, 0, {0}},
        {1, ASK_TO_END, "x\n\nz", FINISH_EOS, VERDICT_FAIL, {0}, 0, 0, 0, {0}},
        {1, ASK_STEP, "b", FINISH_EOS, VERDICT_PASS, {0}, 0, 0, 0, {0}},
    };
    world w;
    esp_buf out = {0};
    given_scripted (&w, &(script){lines, 4}, problem_json);
    PASS (sampled (w.s, "stepwise", "", VERIFIED_ONLY, &out));
    CHECK (strstr (esp_buf_text (&out), "\"completions\":[\"a\",\"b\"],"));
    CHECK (span_count (esp_buf_span (&out), span_of ("\n")) == 1);
    esp_buf_free (&out);
    world_close (&w);
}

/* A wrong rollout, and beside it its first step, which a search looked at (omegaprm). */
static void a_wrong_text_has_the_labels_of_the_steps_beside_it (void)
{
    static const line lines[] = {
        {0, ASK_STEP, "x\n\n", FINISH_STOP, VERDICT_NONE, {0}, 4, 3, 0, {0}},
        {0, ASK_TO_END, "x\n\ny", FINISH_EOS, VERDICT_FAIL, {0.75, 0.25}, 0, 0, 0, {0}},
    };
    world w;
    esp_buf out = {0};
    given_scripted (&w, &(script){lines, 2}, problem_json);
    PASS (sampled (w.s, "stepwise", "", VERIFIED_ONLY, &out));
    CHECK (strstr (esp_buf_text (&out), "\"completions\":[\"x\",\"y\"],\"labels\":[true,false]"));
    CHECK (strstr (esp_buf_text (&out), "\"rollouts\":[4,1],\"passed\":[3,0]"));
    CHECK (strstr (esp_buf_text (&out), "\"prm_scores\":[0.75,0.25],\"first_error\":1"));
    CHECK (span_count (esp_buf_span (&out), span_of ("\n")) == 1);
    esp_buf_free (&out);
    world_close (&w);
}

static void check_source (double first, const char *options, unsigned sets, const char *expected)
{
    const line lines[] = {
        {0, ASK_STEP, "x\n\n", FINISH_STOP, VERDICT_NONE, {first}, 4, 3, 0, {0}},
        {1, ASK_STEP, "y", FINISH_EOS, VERDICT_FAIL, {0.25}, 0, 0, 0, {0}},
    };
    world w;
    esp_buf out = {0};
    given_scripted (&w, &(script){lines, 2}, problem_json);
    PASS (sampled (w.s, "stepwise", options, sets, &out));
    CHECK (expected ? strstr (esp_buf_text (&out), expected) != NULL : out.len == 0);
    esp_buf_free (&out);
    world_close (&w);
}

static void labels_may_be_the_judges_or_those_that_both_agree_on (void)
{
    check_source (0.75, "source: consensus", VERIFIED_ONLY, "\"labels\":[true,false]");
    check_source (0.75, "source: consensus", VERIFIED_ONLY, "\"label_source\":\"consensus\"");
    check_source (0.375, "source: consensus", VERIFIED_ONLY | UNVERIFIED_ONLY, NULL);
    check_source (0.375, "source: consensus, judge_threshold: 0.3", VERIFIED_ONLY,
                  "\"labels\":[true,false]");
    check_source (0.375, "source: judge", VERIFIED_ONLY, NULL);
    check_source (0.375, "source: judge", UNVERIFIED_ONLY, "\"labels\":[false,false]");
    check_source (0.375, "source: judge", UNVERIFIED_ONLY, "\"label_source\":\"judge\"");
    check_source (0.375, "source: mixed", VERIFIED_ONLY, "\"label_source\":\"mc\"");
    check_source (0.375, "source: human", VERIFIED_ONLY | UNVERIFIED_ONLY, NULL);
}

/* A person called the first step bad, which rollouts call good, and said nothing of the second. */
static void a_persons_word_comes_from_the_problem_row (void)
{
    static const char json[] =
        "{\"id\":\"p\",\"problem\":\"1+1+1?\",\"label\":{\"steps\":[{\"completions\":[{\"text\":"
        "\"x\",\"rating\":-1}]}]}}";
    static const line lines[] = {
        {0, ASK_STEP, "x\n\n", FINISH_STOP, VERDICT_NONE, {0}, 4, 3, 0, {0}},
        {1, ASK_STEP, "y", FINISH_EOS, VERDICT_FAIL, {0}, 0, 0, 0, {0}},
    };
    static const struct {
        const char *options, *labels, *source;
        unsigned set;
    } cases[] = {
        {"", "\"labels\":[true,false]", "\"label_source\":\"mc\"", VERIFIED_ONLY},
        {"source: human", "\"labels\":[false]", "\"label_source\":\"human\"", UNVERIFIED_ONLY},
        {"source: mixed", "\"labels\":[false,false]", "\"label_source\":\"mixed\"",
         UNVERIFIED_ONLY},
    };
    for (size_t i = 0; i < 3; i++) {
        world w;
        esp_buf out = {0};
        given_scripted (&w, &(script){lines, 2}, json);
        PASS (sampled (w.s, "stepwise", cases[i].options, cases[i].set, &out));
        CHECK (strstr (esp_buf_text (&out), cases[i].labels) != NULL);
        CHECK (strstr (esp_buf_text (&out), cases[i].source) != NULL);
        esp_buf_free (&out);
        world_close (&w);
    }
}

/* The same word as the rollouts': these stand behind it. */
static void a_persons_word_is_verified_where_rollouts_say_the_same (void)
{
    static const char json[] =
        "{\"id\":\"p\",\"problem\":\"1+1+1?\",\"label\":{\"steps\":[{\"completions\":[{\"text\":"
        "\"x\",\"rating\":1}]},{\"completions\":[{\"text\":\"y\",\"rating\":-1}]}]}}";
    static const line lines[] = {
        {0, ASK_STEP, "x\n\n", FINISH_STOP, VERDICT_NONE, {0}, 4, 3, 0, {0}},
        {1, ASK_STEP, "y", FINISH_EOS, VERDICT_FAIL, {0}, 0, 0, 0, {0}},
    };
    world w;
    esp_buf out = {0};
    given_scripted (&w, &(script){lines, 2}, json);
    PASS (sampled (w.s, "stepwise", "source: human", VERIFIED_ONLY, &out));
    CHECK (strstr (esp_buf_text (&out), "\"labels\":[true,false]") != NULL);
    CHECK (strstr (esp_buf_text (&out), "\"label_source\":\"human\"") != NULL);
    esp_buf_free (&out);
    world_close (&w);
}

static void survives_allocations (void)
{
    world w;
    given_scripted (&w, &labels_told, problem_json);
    survives_every_failed_allocation (&w, "stepwise", "");
    world_close (&w);
}

int main (void)
{
    return suite_main (
        "coordinator/sink/sample_stepwise",
        (const struct suite_case[]){
            {"labels and counts stand beside the steps", labels_and_counts_stand_beside_the_steps},
            {"a row can end with its first bad step", a_row_can_end_with_its_first_bad_step},
            {"soft labels are values over a threshold", soft_labels_are_values_over_a_threshold},
            {"a step of too few rollouts ends the row, but a finished text has its verdict",
             a_step_of_too_few_rollouts_ends_the_row_but_a_finished_text_has_its_verdict},
            {"an undecided step ends the row", an_undecided_step_ends_the_row},
            {"a text that passed shows each of its steps to be good",
             a_text_that_passed_shows_each_of_its_steps_to_be_good},
            {"values without verdicts are unverified, and soft",
             values_without_verdicts_are_unverified_and_soft},
            {"the beginning of another row is no row", the_beginning_of_another_row_is_no_row},
            {"a wrong text has the labels of the steps beside it",
             a_wrong_text_has_the_labels_of_the_steps_beside_it},
            {"labels may be the judge's, or those that both agree on",
             labels_may_be_the_judges_or_those_that_both_agree_on},
            {"a person's word comes from the problem row",
             a_persons_word_comes_from_the_problem_row},
            {"a person's word is verified where rollouts say the same",
             a_persons_word_is_verified_where_rollouts_say_the_same},
            {"survives failure of every allocation", survives_allocations},
            {NULL, NULL}});
}
