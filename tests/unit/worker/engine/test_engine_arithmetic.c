/* SPDX-License-Identifier: Apache-2.0 */
/* test_engine_arithmetic.c - the PRM that recomputes equations */

// LINK: esp_engine_table esp_config

#include "proto/base/alloc.h"
#include "tests/unit/worker/engine_kit.h"
#include "worker/engine/engines.h"
#include "worker/prompt/step_rule.h"

static const task score = {.id = {1, 2}, .kind = TASK_SCORE};

static bool near (double a, double b)
{
    return a - b < 1e-12 && b - a < 1e-12;
}

/* Do the scores of the last job read like "1 0 0.5|0"?  own: those before the bar. */
static void scores_are (const struct kit *k, const char *own, const char *extra)
{
    char text[256] = "", *at = text, wanted[256];
    for (uint32_t i = 0; i < k->r.score_count; i++)
        at += sprintf (at, "%s%g", i == k->r.score_own ? "|" : i ? " " : "", k->scores[i]);
    if (k->r.score_own == k->r.score_count)
        sprintf (at, "|");
    snprintf (wanted, sizeof (wanted), "%s|%s", own, extra);
    CHECK (k->r.error == ESP_OK);
    CU_ASSERT_STRING_EQUAL (text, wanted);
}

static void bad_calls_are_refused (void)
{
    struct kit k;
    esp_error error = {0};
    void *state = NULL;
    const engine_setup deaf = {.options = k.memory};
    FAILS (engine_arithmetic.open (NULL, &state, &error), ESP_EINVAL);
    FAILS (engine_arithmetic.open (&deaf, &state, &error), ESP_EINVAL);
    FAILS (kit_open (&k, "arithmetic", ENGINE_PRM, "{separator: ''}", &error), ESP_EINVAL);
    CHECK (strstr (error.text, "prm.separator"));
    config_destroy (k.options);
    engine_arithmetic.close (NULL);
    CHECK (engine_find ("arithmetic", ENGINE_GENERATOR | ENGINE_VERIFIER) == NULL);
}

static void a_step_is_right_wrong_or_unchecked (void)
{
    struct kit k;
    PASS (kit_open (&k, "arithmetic", ENGINE_PRM, NULL, NULL));
    kit_do (&k, score, "{}", "5 + 3 = 8\n\n");
    scores_are (&k, "1", "");
    kit_do (&k, score, "{}", "5 + 3 = 9\n\n");
    scores_are (&k, "0", "");
    kit_do (&k, score, "{}", "Let us think.\n\n");
    scores_are (&k, "0.5", "");
    kit_do (&k, score, "{}", "5 + 3 = 8, then 8 * 2 = 15, then 15 + 1 = 16.");
    scores_are (&k, "0", ""); /* one wrong equation makes the step wrong */
    CHECK (k.r.scored_tokens == 17);
    kit_close (&k);
}

static void a_rollout_is_cut_at_the_separator (void)
{
    struct kit k;
    PASS (kit_open (&k, "arithmetic", ENGINE_PRM, NULL, NULL));
    kit_do (&k, score, "{}", "So:\n\n1 + 1 = 2\n2 + 2 = 5\n\n\n\n3 + 3 = 6\n\n \n\n");
    scores_are (&k, "0.5 0 1", "");
    kit_close (&k);
    PASS (kit_open (&k, "arithmetic", ENGINE_PRM, "{separator: \"\\n\"}", NULL));
    kit_do (&k, score, "{}", "So:\n\n1 + 1 = 2\n2 + 2 = 5\n");
    scores_are (&k, "0.5 1 0", "");
    kit_close (&k);
}

static void what_was_looked_ahead_has_scores_of_its_own (void)
{
    struct kit k;
    span steps[] = {span_of ("1 + 1 = 3\n\n"), span_of ("2 + 2 = 4\n\n")};
    job j = {.task = score, .problem = span_of ("{}"), .steps = steps, .step_count = 2};
    const job *const jobs[] = {&j};
    PASS (kit_open (&k, "arithmetic", ENGINE_PRM, NULL, NULL));
    j.task.extra = span_of ("3 + 3 = 7\n\nx");
    k.kind->start (k.state, jobs, 1);
    scores_are (&k, "1", "0 0.5"); /* the step before is judged already */
    j.step_count = 0;
    k.kind->start (k.state, jobs, 1);
    scores_are (&k, "", "0 0.5");
    kit_close (&k);
}

static void white_space_alone_has_one_score (void)
{
    struct kit k;
    PASS (kit_open (&k, "arithmetic", ENGINE_PRM, NULL, NULL));
    kit_do (&k, score, "{}", "\n\n");
    scores_are (&k, "0.5", "");
    kit_do (&k, score, "{}", " \n\n \n\n");
    scores_are (&k, "0.5", "");
    kit_do (&k, score, "{}", "");
    CHECK (k.r.error == ESP_OK && k.r.score_count == 0);
    kit_close (&k);
}

static void the_three_scores_are_options (void)
{
    struct kit k;
    PASS (kit_open (&k, "arithmetic", ENGINE_PRM,
                    "{score_right: 0.9, score_wrong: 0.1, score_unchecked: 0.6}", NULL));
    kit_do (&k, score, "{}", "1+1=2\n\n1+1=3\n\nx");
    CHECK (k.r.score_count == 3 && near (k.scores[0], 0.9) && near (k.scores[1], 0.1) &&
           near (k.scores[2], 0.6));
    kit_close (&k);
}

static void other_tasks_are_not_supported (void)
{
    struct kit k;
    const task generate = {.id = {1, 2}, .kind = TASK_GENERATE};
    PASS (kit_open (&k, "arithmetic", ENGINE_PRM, NULL, NULL));
    kit_do (&k, generate, "{}", "1+1=2");
    CHECK (k.r.error == ESP_EUNSUPPORTED);
    kit_close (&k);
}

static void a_text_of_endless_steps_has_a_bounded_number_of_scores (void)
{
    struct kit k;
    char *text = esp_malloc (40001), *at = text;
    PASS (kit_open (&k, "arithmetic", ENGINE_PRM, NULL, NULL));
    for (int i = 0; i < 10000; i++)
        at = stpcpy (at, "a\n\n");
    kit_do (&k, score, "{}", text);
    CHECK (k.r.error == ESP_OK && k.r.score_count == 4096);
    esp_free (text);
    kit_close (&k);
}

static esp_err scenario (struct kit *k, long n)
{
    esp_err err;
    esp_alloc_fail_after (n);
    err = k->kind->open (&k->setup, &k->state, NULL);
    if (err == ESP_OK) {
        kit_do (k, score, "{}", "1+1=2\n\n1+1=3");
        err = k->r.error;
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
    PASS (kit_open (&k, "arithmetic", ENGINE_PRM, NULL, NULL));
    k.kind->close (k.state);
    k.state = NULL;
    live = esp_alloc_live ();
    for (long n = 0; err != ESP_OK && n < 20; n++) {
        err = scenario (&k, n);
        CHECK (err == ESP_OK || err == ESP_ENOMEM);
        CU_ASSERT_EQUAL (esp_alloc_live (), live);
    }
    CU_ASSERT_EQUAL (err, ESP_OK);
    kit_close (&k);
}

/* The thinking holds a wrong equation, the answer a right one; closed in the second step. */
static void sees (int view, const char *first, const char *second)
{
    const step_options how = {.think_open = "<think>"};
    struct kit k;
    step_rule *rule = NULL;
    span path[] = {span_of ("<think>1 + 1 = 3\n\n"), span_of ("so</think>2 + 2 = 4\n\n")};
    job j = {.task = score, .problem = span_of ("{}"), .steps = path, .step_count = 1};
    const job *jobs[] = {&j};
    PASS (step_rule_create (&how, &rule, NULL));
    PASS (kit_open (&k, "arithmetic", ENGINE_PRM, NULL, NULL));
    k.kind->close (k.state);
    k.setup.step = rule;
    k.setup.view = view;
    PASS (k.kind->open (&k.setup, &k.state, NULL));
    k.kind->start (k.state, jobs, 1);
    scores_are (&k, first, "");
    j.step_count = 2;
    k.kind->start (k.state, jobs, 1);
    scores_are (&k, second, "");
    kit_close (&k);
    step_rule_destroy (rule);
}

static void it_sees_the_phase_that_was_chosen (void)
{
    sees (VIEW_BOTH, "0", "1");
    sees (VIEW_ANSWER, "0.5", "1"); /* hidden: unchecked */
    sees (VIEW_THINKING, "0", "0.5");
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"bad calls are refused", bad_calls_are_refused},
        {"a step is right, wrong or unchecked", a_step_is_right_wrong_or_unchecked},
        {"a rollout is cut at the separator", a_rollout_is_cut_at_the_separator},
        {"what was looked ahead has scores of its own",
         what_was_looked_ahead_has_scores_of_its_own},
        {"white space alone has one score", white_space_alone_has_one_score},
        {"the three scores are options", the_three_scores_are_options},
        {"other tasks are not supported", other_tasks_are_not_supported},
        {"a text of endless steps has a bounded number of scores",
         a_text_of_endless_steps_has_a_bounded_number_of_scores},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {"it sees the phase that was chosen", it_sees_the_phase_that_was_chosen},
        {NULL, NULL},
    };
    return suite_main ("engine_arithmetic", cases);
}
