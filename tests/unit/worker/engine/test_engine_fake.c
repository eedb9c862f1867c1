/* SPDX-License-Identifier: Apache-2.0 */
/* test_engine_fake.c - the fake engine as a generator, a PRM and a verifier */

// LINK: esp_engine_table esp_config

#include <math.h>
#include "proto/base/alloc.h"
#include "tests/unit/worker/engine_kit.h"

static const char question[] = "{\"question\": \"Q1\", \"answer\": \"3\"}";

static task generate (uint8_t mode, uint32_t k)
{
    return (task){.id = {7, 3}, .kind = TASK_GENERATE, .mode = mode, .k = k};
}

static void an_incomplete_setup_is_refused (void)
{
    const engine_kind *kind = engine_find ("fake", ENGINE_PRM);
    esp_error error = {0};
    void *state = NULL;
    engine_setup setup = {0};
    FAILS (kind->open (NULL, &state, &error), ESP_EINVAL);
    FAILS (kind->open (&setup, &state, &error), ESP_EINVAL);
    FAILS (kind->open (&setup, NULL, NULL), ESP_EINVAL);
    kind->close (NULL);
    CHECK (state == NULL && error.text[0]);
}

static void values_that_are_no_numbers_are_named (void)
{
    struct kit k;
    esp_error error = {0};
    FAILS (kit_open (&k, "fake", ENGINE_PRM, "{value_levels: [1, two]}", &error), ESP_EINVAL);
    CHECK (strstr (error.text, "value_levels") && strstr (error.text, "two"));
    config_destroy (k.options);
}

static void a_step_tells_tokens_finish_and_logprob (void)
{
    struct kit k;
    PASS (kit_open (&k, "fake", ENGINE_GENERATOR, NULL, NULL));
    kit_do (&k, generate (TASK_STEP, 1), question, "");
    CU_ASSERT_STRING_EQUAL (k.text, "s9261\n\n");
    CHECK (k.r.error == ESP_OK && k.r.tokens == 1 && k.r.steps == 1 && k.r.finish == FINISH_STOP);
    CHECK (k.r.mean_logprob == -2.0 * 0.07394430433509179 && k.r.logprob == k.r.mean_logprob);
    kit_do (&k, generate (TASK_STEP, 0), question, "s0042\n\ns0007\n\ns0099\n\n");
    CU_ASSERT_STRING_EQUAL (k.text, "ans \\boxed{1}");
    CHECK (k.r.tokens == 2 && k.r.finish == FINISH_EOS);
    kit_close (&k);
}

static void to_the_end_stops_at_the_caps (void)
{
    struct kit k;
    task t = generate (TASK_TO_END, 1);
    PASS (kit_open (&k, "fake", ENGINE_GENERATOR, NULL, NULL));
    kit_do (&k, t, question, "");
    CU_ASSERT_STRING_EQUAL (k.text, "s9261\n\ns2308\n\ns4501\n\nans \\boxed{1}");
    CHECK (k.r.tokens == 5 && k.r.steps == 4 && k.r.finish == FINISH_EOS && isnan (k.r.logprob));
    t.max_steps = 2;
    kit_do (&k, t, question, "");
    CU_ASSERT_STRING_EQUAL (k.text, "s9261\n\ns2308\n\n");
    CHECK (k.r.tokens == 2 && k.r.steps == 2 && k.r.finish == FINISH_LENGTH);
    t.max_steps = 4;
    kit_do (&k, t, question, "");
    CHECK (k.r.finish == FINISH_EOS);
    t.max_tokens = 4;
    kit_do (&k, t, question, "");
    CU_ASSERT_STRING_EQUAL (k.text, "s9261\n\ns2308\n\ns4501\n\nans");
    CHECK (k.r.tokens == 4 && k.r.steps == 4 && k.r.finish == FINISH_LENGTH);
    t.max_tokens = 5;
    kit_do (&k, t, question, "");
    CHECK (k.r.finish == FINISH_EOS);
    kit_close (&k);
}

static void lookahead_text_stands_behind_the_steps (void)
{
    struct kit k;
    task t = generate (TASK_STEP, TASK_K_GREEDY);
    PASS (kit_open (&k, "fake", ENGINE_GENERATOR, NULL, NULL));
    t.extra = span_of ("s0007\n\n");
    kit_do (&k, t, question, "s0042\n\n");
    CU_ASSERT_STRING_EQUAL (k.text, "s4101\n\n");
    kit_close (&k);
}

static void a_draft_starts_afresh_but_knows_what_it_replaces (void)
{
    struct kit k;
    static char first[KIT_TEXT];
    PASS (kit_open (&k, "fake", ENGINE_GENERATOR, NULL, NULL));
    kit_do (&k, generate (TASK_DRAFT, 0), question, "ans \\boxed{1}");
    CHECK (k.r.finish == FINISH_EOS && k.r.steps > 2 && strstr (k.text, "\\boxed{"));
    snprintf (first, sizeof (first), "%s", k.text);
    kit_do (&k, generate (TASK_DRAFT, 0), question, "ans \\boxed{2}");
    CHECK (strcmp (first, k.text) != 0);
    kit_close (&k);
}

static void scores_are_those_of_the_judged_node_and_the_lookahead (void)
{
    struct kit k;
    const span steps[] = {{"s0042\n\n", 7}, {"s0007\n\n", 7}};
    job j = {.task = {.kind = TASK_SCORE},
             .problem = span_of (question),
             .steps = steps,
             .step_count = 2};
    const job *jobs[] = {&j};
    PASS (kit_open (&k, "fake", ENGINE_PRM, NULL, NULL));
    k.kind->start (k.state, jobs, 1);
    CHECK (k.r.score_count == 1 && k.r.score_own == 1 && k.scores[0] == 0.74618850792645175);
    CHECK (k.r.scored_tokens == 2);
    j.task.extra = span_of ("ans \\boxed{3}");
    k.kind->start (k.state, jobs, 1);
    CHECK (k.r.score_count == 2 && k.r.score_own == 1 && k.scores[1] == 0.87572228804414898);
    j.step_count = 0;
    j.task.extra = span_of ("");
    k.kind->start (k.state, jobs, 1);
    CHECK (k.r.error == ESP_OK && k.r.score_count == 0);
    kit_close (&k);
}

static void an_empty_step_has_no_score_of_its_own (void)
{
    struct kit k;
    const span steps[] = {{"ans \\boxed{3}", 13}, {"", 0}};
    const job j = {.task = {.kind = TASK_SCORE},
                   .problem = span_of (question),
                   .steps = steps,
                   .step_count = 2};
    const job *jobs[] = {&j};
    PASS (kit_open (&k, "fake", ENGINE_PRM, NULL, NULL));
    k.kind->start (k.state, jobs, 1);
    CHECK (k.r.error == ESP_OK && k.r.score_count == 0);
    kit_close (&k);
}

static void fakegen_names_children_by_action_and_count (void)
{
    struct kit k;
    task t = generate (TASK_STEP, 1);
    PASS (kit_open (&k, "fake", ENGINE_GENERATOR, "{rule: fakegen-1, actions: [A, B]}", NULL));
    t.action = 1;
    kit_do (&k, t, question, "/A0");
    CU_ASSERT_STRING_EQUAL (k.text, "/B1");
    t.mode = TASK_DRAFT;
    kit_do (&k, t, question, "/A0");
    CU_ASSERT_STRING_EQUAL (k.text, "/A0/B1");
    t.action = 2;
    kit_do (&k, t, question, "");
    CHECK (k.r.error == ESP_ERANGE && k.r.finish == FINISH_ERROR);
    kit_do (&k, (task){.kind = TASK_SCORE}, question, "/A0/B1");
    CHECK (k.r.score_count == 1 && k.r.score_own == 1 && k.scores[0] == 0.79759822808258596);
    kit_close (&k);
}

static void fakethought_proposes_samples_and_values (void)
{
    const char *q5 = "{\"question\": \"Q5\"}";
    struct kit k;
    double sum = 0;
    PASS (kit_open (
        &k, "fake", ENGINE_GENERATOR,
        "{rule: fakethought-1, candidates: 3, vocab: 100, value_levels: [0.001, 1.0, 20.0]}",
        NULL));
    kit_do (&k, generate (TASK_STEP, 9), q5, "");
    CU_ASSERT_STRING_EQUAL (k.text, "t47\nt23\nt85\n");
    CHECK (k.r.tokens == 3 && k.r.finish == FINISH_STOP);
    for (uint16_t j = 0; j < 3; j++) {
        kit_do (&k, (task){.kind = TASK_SCORE, .reading = j}, q5, "t23\n");
        sum += k.scores[0];
    }
    CHECK (sum == 20.002000000000002);
    kit_close (&k);
    PASS (kit_open (&k, "fake", ENGINE_GENERATOR, "{rule: fakethought-1, method: sample}", NULL));
    kit_do (&k, generate (TASK_STEP, 0), q5, "");
    CHECK (strchr (k.text, '\n') == k.text + strlen (k.text) - 1);
    kit_close (&k);
}

static void the_verdict_compares_the_last_box (void)
{
    const task verify = {.kind = TASK_VERIFY};
    struct kit k;
    PASS (kit_open (&k, "fake", ENGINE_VERIFIER, NULL, NULL));
    kit_do (&k, verify, question, "s\n\nans \\boxed{ 3 }");
    CHECK (k.r.verdict == VERDICT_PASS && isnan (k.r.share));
    CU_ASSERT_STRING_EQUAL (k.answer, "3");
    CU_ASSERT_STRING_EQUAL (k.reason, "right-answer");
    kit_do (&k, verify, question, "\\boxed{3} \\boxed{4}");
    CHECK (k.r.verdict == VERDICT_FAIL);
    kit_do (&k, verify, question, "s\n\n");
    CHECK (k.r.verdict == VERDICT_UNKNOWN && k.r.answer.len == 0);
    kit_do (&k, verify, "{}", "\\boxed{4}");
    CHECK (k.r.verdict == VERDICT_UNKNOWN);
    CU_ASSERT_STRING_EQUAL (k.reason, "no-reference");
    kit_do (&k, verify, "no json", "\\boxed{4}");
    CHECK (k.r.error == ESP_EFORMAT);
    kit_close (&k);
}

enum { LATE_JOBS = 20 };
static void start_late_jobs (struct kit *k, job jobs[LATE_JOBS])
{
    const job *list[LATE_JOBS];
    for (uint32_t i = 0; i < LATE_JOBS; i++) {
        jobs[i] = (job){.task = generate (TASK_STEP, i), .problem = span_of (question)};
        jobs[i].task.seed = i;
        list[i] = &jobs[i];
    }
    k->kind->start (k->state, list, LATE_JOBS);
}

static void a_delay_changes_when_but_not_what (void)
{
    struct kit k;
    job jobs[LATE_JOBS];
    PASS (kit_open (&k, "fake", ENGINE_GENERATOR, "{delay_us: 1000}", NULL));
    start_late_jobs (&k, jobs);
    k.kind->poll (k.state);
    CU_ASSERT_EQUAL (k.calls, 0);
    k.now_ns = 1000000; /* the median: some are done, some are not */
    k.kind->poll (k.state);
    CHECK (k.calls > 2 && k.calls < LATE_JOBS - 2);
    k.now_ns = 1000000000;
    k.kind->poll (k.state);
    CU_ASSERT_EQUAL (k.calls, LATE_JOBS);
    kit_close (&k);
}

static void a_cancelled_job_never_ends (void)
{
    struct kit k;
    job jobs[LATE_JOBS];
    PASS (kit_open (&k, "fake", ENGINE_GENERATOR, "{delay_us: 1000}", NULL));
    start_late_jobs (&k, jobs);
    k.kind->cancel (k.state, &jobs[4]);
    k.kind->cancel (k.state, &jobs[4]);
    k.now_ns = 1000000000;
    k.kind->poll (k.state);
    CU_ASSERT_EQUAL (k.calls, LATE_JOBS - 1);
    start_late_jobs (&k, jobs); /* still there at close: forgotten */
    kit_close (&k);
}

/* One job of each kind, each either done or failed for memory. */
static esp_err scenario (struct kit *k, long n)
{
    esp_err err;
    esp_alloc_fail_after (n);
    k->calls = 0;
    err = k->kind->open (&k->setup, &k->state, NULL);
    if (err == ESP_OK) {
        kit_do (k, generate (TASK_TO_END, 0), question, "s0042\n\n");
        err = k->r.error;
        kit_do (k, (task){.kind = TASK_SCORE}, question, "s0042\n\ns0007\n\n");
        err = err ? err : k->r.error;
        kit_do (k, (task){.kind = TASK_VERIFY}, question, "\\boxed{3}");
        err = err ? err : k->r.error;
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
    PASS (kit_open (&k, "fake", ENGINE_GENERATOR, NULL, NULL));
    k.kind->close (k.state);
    k.state = NULL;
    live = esp_alloc_live ();
    for (long n = 0; err != ESP_OK && n < 200; n++) {
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
        {"an incomplete setup is refused", an_incomplete_setup_is_refused},
        {"values that are no numbers are named", values_that_are_no_numbers_are_named},
        {"a step tells tokens, finish and logprob", a_step_tells_tokens_finish_and_logprob},
        {"to the end stops at the caps", to_the_end_stops_at_the_caps},
        {"lookahead text stands behind the steps", lookahead_text_stands_behind_the_steps},
        {"a draft starts afresh but knows what it replaces",
         a_draft_starts_afresh_but_knows_what_it_replaces},
        {"scores are those of the judged node and the lookahead",
         scores_are_those_of_the_judged_node_and_the_lookahead},
        {"an empty step has no score of its own", an_empty_step_has_no_score_of_its_own},
        {"fakegen names children by action and count", fakegen_names_children_by_action_and_count},
        {"fakethought proposes, samples and values", fakethought_proposes_samples_and_values},
        {"the verdict compares the last box", the_verdict_compares_the_last_box},
        {"a delay changes when but not what", a_delay_changes_when_but_not_what},
        {"a cancelled job never ends", a_cancelled_job_never_ends},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("engine_fake", cases);
}
