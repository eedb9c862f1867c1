/* SPDX-License-Identifier: Apache-2.0 */
/* test_engine_null.c - the engine that answers at once with the same text */

#include <math.h>
#include "proto/base/alloc.h"
#include "tests/support/suite.h"
#include "worker/engine/engines.h"

struct null_options { /* as its rows lay it out */
    int64_t text_bytes, tokens;
};

static result last;
static int answers;

static void keep (void *ctx, const job *j, const result *r)
{
    (void)ctx;
    last = *r;
    answers += j->task.id.number == r->id.number;
}

static void *given_engine (const struct null_options *o)
{
    const engine_setup setup = {.options = o, .role = ENGINE_GENERATOR, .done = keep};
    esp_error error = {0};
    void *state = NULL;
    PASS (engine_null.open (&setup, &state, &error));
    answers = 0;
    return state;
}

static void bad_calls_are_refused (void)
{
    const engine_setup setup = {.done = keep}, deaf = {.done = NULL};
    esp_error error = {0};
    void *state = NULL;
    FAILS (engine_null.open (NULL, &state, &error), ESP_EINVAL);
    FAILS (engine_null.open (&setup, NULL, &error), ESP_EINVAL);
    FAILS (engine_null.open (&deaf, &state, &error), ESP_EINVAL);
    engine_null.close (NULL);
}

static void a_sample_has_the_length_asked_and_ends_the_sequence (void)
{
    const struct null_options o = {1000, 250};
    const job j = {.task = {.id = {7, 3}, .kind = TASK_GENERATE}};
    const job *const jobs[] = {&j, &j};
    void *state = given_engine (&o);
    engine_null.start (state, jobs, 2);
    CHECK (answers == 2 && last.error == ESP_OK && last.text.len == 1000 && last.tokens == 250);
    CHECK (last.steps == 1 && last.finish == FINISH_EOS && isnan (last.logprob));
    CHECK (last.id.problem == 7 && last.id.number == 3);
    engine_null.close (state);
}

static void an_empty_sample_is_allowed (void)
{
    const struct null_options o = {0, 0};
    const job j = {.task = {.id = {7, 3}, .kind = TASK_GENERATE}};
    const job *const jobs[] = {&j};
    void *state = given_engine (&o);
    engine_null.start (state, jobs, 1);
    CHECK (answers == 1 && last.text.len == 0);
    engine_null.close (state);
}

static void a_score_is_one_half (void)
{
    const struct null_options o = {10, 1};
    const job j = {.task = {.id = {7, 4}, .kind = TASK_SCORE}};
    const job *const jobs[] = {&j};
    void *state = given_engine (&o);
    engine_null.start (state, jobs, 1);
    CHECK (answers == 1 && last.score_count == 1 && last.score_own == 1);
    CHECK (last.scores[0] > 0.49 && last.scores[0] < 0.51);
    engine_null.close (state);
}

static void survives_failure_of_every_allocation (void)
{
    const struct null_options o = {100, 1};
    const engine_setup setup = {.options = &o, .done = keep};
    esp_err err = ESP_ENOMEM;
    for (long n = 0; err != ESP_OK && n < 10; n++) {
        esp_error error = {0};
        void *state = NULL;
        long before = esp_alloc_live ();
        esp_alloc_fail_after (n);
        err = engine_null.open (&setup, &state, &error);
        esp_alloc_fail_after (-1);
        if (err == ESP_OK)
            engine_null.close (state);
        CHECK (esp_alloc_live () == before);
    }
    CHECK (err == ESP_OK);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"bad calls are refused", bad_calls_are_refused},
        {"a sample has the length asked and ends the sequence",
         a_sample_has_the_length_asked_and_ends_the_sequence},
        {"an empty sample is allowed", an_empty_sample_is_allowed},
        {"a score is one half", a_score_is_one_half},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("engine_null", cases);
}
