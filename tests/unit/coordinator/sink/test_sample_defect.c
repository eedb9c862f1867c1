/* SPDX-License-Identifier: Apache-2.0 */
// LINK: esp_config esp_search
/* test_sample_defect.c - what format `defect` promises (coordinator/sink/sample_defect.c) */

#include "coordinator/sink/sample_formats.h"
#include "tests/unit/coordinator/sink/scripted.h"

static const char program[] =
    "{\"id\":\"p\",\"prompt\":\"def f(a):\\n\",\"entry_point\":\"f\",\"test\":\"x\","
    "\"canonical_solution\":\"    b = a\\n    return b\\n\"}";
static const char reasoning[] =
    "{\"id\":\"p\",\"question\":\"1+1?\",\"answer\":\"1+1=2\\n\\n#### 2\"}";
static const char right[] = "    b = a\n    return b\n", wrong[] = "    b = a\n    return a\n";

typedef struct said { /* a branch from the problem, what its generator and its verifier say */
    const char *text, *made;
    uint8_t finish, verdict;
    const char *reason;
    double share; /* negative: not given */
} said;

static void answer (world *w, const said *all)
{
    task t = w->queue[0];
    const said *one = &all[(t.kind == TASK_GENERATE ? t.child : t.node) - 1];
    result r = {.id = t.id, .logprob = NAN, .mean_logprob = NAN, .share = NAN};
    if (t.kind == TASK_GENERATE) {
        r.text = span_of (one->text);
        r.tokens = r.steps = 1;
        r.finish = one->finish;
        r.reason = span_of (one->made);
    } else {
        r.verdict = one->verdict;
        r.reason = span_of (one->reason);
        r.share = one->share < 0 ? NAN : one->share;
    }
    world_send (w, &r);
}

static void play (world *w, const char *json, const said *all, uint32_t count)
{
    static line lines[16];
    static script told;
    search_setup setup;
    problem p = {.key = problem_key_make (0, 3), .id = span_of ("p"), .json = span_of (json)};
    for (uint32_t i = 0; i < count; i++)
        lines[i] = (line){.mode = ASK_TO_END, .verdict = all[i].verdict};
    told = (script){lines, count};
    setup = given_setup (&script_strategy, &told);
    setup.has_verifier = true;
    *w = given_world (&setup);
    w->err = search_create (&w->setup, &p, &w->s);
    if (w->err == ESP_OK)
        world_input (w, INPUT_OPEN);
    while (w->err == ESP_OK && w->queued > 0)
        answer (w, all);
    CHECK (w->err == ESP_OK && search_finished (w->s));
}

/* Does the set hold `count` rows, one of them with this text? */
static bool hold (const char *json, const said *all, uint32_t n, const char *options, unsigned sets,
                  size_t count, const char *text)
{
    world w;
    esp_buf out = {0};
    bool good;
    play (&w, json, all, n);
    PASS (sampled (w.s, "defect", options, sets, &out));
    good = span_count (esp_buf_span (&out), span_of ("\n")) == count &&
           strstr (esp_buf_text (&out), text);
    if (!good)
        printf ("    %s", esp_buf_text (&out));
    esp_buf_free (&out);
    world_close (&w);
    return good;
}

static const said same = {right, "same", FINISH_EOS, VERDICT_PASS, "tests-passed", 1};
static const said bug = {wrong, "return-value", FINISH_EOS, VERDICT_FAIL, "tests-failed", 0.25};

static void a_mutant_that_fails_is_a_sample_with_its_place_and_repair (void)
{
    const said all[] = {same, bug};
    const char *const expected[] = {
        "\"prompt\":\"def f(a):\\n\",\"original\":\"    b = a\\n    return b\\n\",\"mutated\":"
        "\"    b = a\\n    return "
        "b\\n\",\"operator\":\"same\",\"unit\":\"line\",\"first_error\":-1,"
        "\"before\":\"\",\"after\":\"\",\"fix\":{\"begin\":0,\"end\":0,\"text\":\"\"},"
        "\"is_control\":true,\"cut\":false,\"verdict_original\":\"pass\",\"verdict_mutated\":"
        "\"pass\",\"share_original\":1.0,\"share_mutated\":1.0,\"dropped\":null",
        "\"prompt\":\"def f(a):\\n\",\"original\":\"    b = a\\n    return b\\n\",\"mutated\":"
        "\"    b = a\\n    return a\\n\",\"operator\":\"return-value\",\"unit\":\"line\","
        "\"first_error\":1,\"before\":\"    return b\\n\",\"after\":\"    return a\\n\",\"fix\":"
        "{\"begin\":1,\"end\":2,\"text\":\"    return b\\n\"},\"is_control\":false,\"cut\":false,"
        "\"verdict_original\":\"pass\",\"verdict_mutated\":\"fail\",\"share_original\":1.0,"
        "\"share_mutated\":0.25,\"dropped\":null",
        NULL};
    world w;
    play (&w, program, all, 2);
    CHECK (rows_are (&w, "defect", "", VERIFIED_ONLY, expected));
    world_close (&w);
    CHECK (hold (program, all, 2, "", UNVERIFIED_ONLY, 0, ""));
}

static void what_is_no_bug_is_dropped_and_can_be_counted (void)
{
    static const struct {
        said one;
        const char *why;
    } rows[] = {
        {{wrong, "boundary", FINISH_EOS, VERDICT_PASS, "tests-passed", 1}, "equivalent"},
        {{wrong, "boundary", FINISH_EOS, VERDICT_UNKNOWN, "timeout", -1}, "undecided"},
        {{wrong, "boundary", FINISH_EOS, VERDICT_FAIL, "cpu-limit", 0}, "timeout"},
        {{wrong, "boundary", FINISH_EOS, VERDICT_FAIL, "tests-failed", 1}, "equivalent"},
        {{wrong, "boundary", FINISH_EOS, VERDICT_NONE, "", -1}, "not-verified"},
        {{wrong, "same-renamed", FINISH_EOS, VERDICT_FAIL, "tests-failed", 0}, "control-not-right"},
        {{wrong, "same-renamed", FINISH_EOS, VERDICT_UNKNOWN, "timeout", 0}, "control-not-right"}};
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        const said all[] = {same, rows[i].one};
        char text[60];
        snprintf (text, sizeof (text), "\"dropped\":\"%s\"", rows[i].why);
        CHECK (hold (program, all, 2, "", VERIFIED_ONLY | UNVERIFIED_ONLY, 1, "\"same\""));
        CHECK (hold (program, all, 2, "dropped: true", VERIFIED_ONLY, 1, "\"same\""));
        CHECK (hold (program, all, 2, "dropped: true", UNVERIFIED_ONLY, 1, text));
    }
}

static void a_solution_that_does_not_pass_gives_nothing (void)
{
    const said all[] = {{right, "same", FINISH_EOS, VERDICT_FAIL, "tests-failed", 0.5}, bug},
               unknown[] = {{right, "same", FINISH_EOS, VERDICT_UNKNOWN, "timeout", -1}, bug};
    CHECK (hold (program, all, 2, "", VERIFIED_ONLY | UNVERIFIED_ONLY, 0, ""));
    CHECK (hold (program, unknown, 2, "", VERIFIED_ONLY | UNVERIFIED_ONLY, 0, ""));
    CHECK (hold (program, all, 2, "dropped: true", UNVERIFIED_ONLY, 2, "\"solution-not-right\""));
}

static void without_the_solution_among_the_branches_nothing_is_verified (void)
{
    const said all[] = {bug};
    CHECK (hold (program, all, 1, "", VERIFIED_ONLY, 0, ""));
    CHECK (hold (program, all, 1, "", UNVERIFIED_ONLY, 1, "\"verdict_original\":\"none\""));
}

static void a_control_with_another_text_is_none_the_less_one (void)
{
    const said all[] = {same, {wrong, "same-renamed", FINISH_EOS, VERDICT_PASS, "tests-passed", 1}};
    CHECK (hold (program, all, 2, "", VERIFIED_ONLY, 2,
                 "\"operator\":\"same-renamed\",\"unit\":\"line\",\"first_error\":-1,\"before\":"
                 "\"    return b\\n\",\"after\":\"    return a\\n\",\"fix\":{\"begin\":1,"));
}

static void a_program_that_a_model_wrote_is_compared_with_the_whole_one (void)
{
    const said all[] = {
        {"Sure:\n```python\ndef f(a):\n    b = a\n    return b\n```", "", FINISH_EOS, VERDICT_PASS,
         "tests-passed", 1},
        {"Here it is.\n```python\ndef f(a):\n    b = a\n    return a\n```\nFound it?", "",
         FINISH_EOS, VERDICT_FAIL, "tests-failed", 0.5},
        {"```python\ndef f(x):\n    return 1\n```", "", FINISH_EOS, VERDICT_FAIL, "tests-failed",
         0}};
    CHECK (hold (program, all, 3, "changed_most: 1", VERIFIED_ONLY, 2,
                 "\"original\":\"def f(a):\\n    b = a\\n    return b\\n\",\"mutated\":\"def f(a):"
                 "\\n    b = a\\n    return a\\n\",\"operator\":null,\"unit\":\"line\","
                 "\"first_error\":2,"));
    CHECK (hold (program, all, 3, "changed_most: 1, dropped: true", UNVERIFIED_ONLY, 1,
                 "\"too-much-changed\""));
    CHECK (hold (program, all, 3, "", VERIFIED_ONLY, 3, "\"is_control\":true"));
}

static void reasoning_is_located_by_steps_and_a_cut_one_is_unverified (void)
{
    const said all[] = {
        {"1+1=2\n\n#### 2", "same", FINISH_EOS, VERDICT_PASS, "right-answer", -1},
        {"1+1=3\n\n#### 3", "wrong-result", FINISH_EOS, VERDICT_FAIL, "wrong-answer", -1},
        {"1+1=4\n\n", "wrong-result", FINISH_LENGTH, VERDICT_UNKNOWN, "no-answer", -1}};
    CHECK (hold (reasoning, all, 3, "", VERIFIED_ONLY, 2,
                 "\"unit\":\"step\",\"first_error\":0,\"before\":\"1+1=2\\n\\n#### 2\""));
    CHECK (hold (reasoning, all, 3, "", UNVERIFIED_ONLY, 1, "\"cut\":true"));
    CHECK (hold (reasoning, all, 2, "unit: line", VERIFIED_ONLY, 2, "\"unit\":\"line\""));
}

static void rows_that_bring_no_solution_give_nothing (void)
{
    const said all[] = {same, bug};
    CHECK (hold ("{\"id\":\"p\",\"problem\":\"?\"}", all, 2, "dropped: true",
                 VERIFIED_ONLY | UNVERIFIED_ONLY, 0, ""));
    CHECK (hold ("{\"id\":\"p\",\"answer\":\"18\",\"solution\":5}", all, 2, "dropped: true",
                 VERIFIED_ONLY | UNVERIFIED_ONLY, 0, ""));
}

static void survives_failure_of_every_allocation (void)
{
    const said all[] = {
        same, bug, {"```\ndef f(a):\n    1\n```", "", FINISH_EOS, VERDICT_FAIL, "x", 0}};
    world w;
    play (&w, program, all, 3);
    survives_every_failed_allocation (&w, "defect", "dropped: true");
    world_close (&w);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"a mutant that fails is a sample with its place and repair",
         a_mutant_that_fails_is_a_sample_with_its_place_and_repair},
        {"what is no bug is dropped and can be counted",
         what_is_no_bug_is_dropped_and_can_be_counted},
        {"a solution that does not pass gives nothing",
         a_solution_that_does_not_pass_gives_nothing},
        {"without the solution among the branches nothing is verified",
         without_the_solution_among_the_branches_nothing_is_verified},
        {"a control with another text is none the less one",
         a_control_with_another_text_is_none_the_less_one},
        {"a program that a model wrote is compared with the whole one",
         a_program_that_a_model_wrote_is_compared_with_the_whole_one},
        {"reasoning is located by steps, and a cut one is unverified",
         reasoning_is_located_by_steps_and_a_cut_one_is_unverified},
        {"rows that bring no solution give nothing", rows_that_bring_no_solution_give_nothing},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("sample_defect", cases);
}
