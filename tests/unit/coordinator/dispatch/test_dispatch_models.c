/* SPDX-License-Identifier: Apache-2.0 */
/* test_dispatch_models.c - workers whose servers chose their model (model: auto) must have chosen the same */

#include "tests/unit/coordinator/dispatch/dispatch_kit.h"

/* They said hello and nothing more. */
static struct kit *given_opening_workers (int workers)
{
    struct kit *k = calloc (1, sizeof (*k));
    CU_ASSERT_FATAL (k != NULL);
    PASS (kit_open (k, workers));
    for (int rank = 1; rank <= workers; rank++)
        PASS (kit_hello (k, rank, KIT_VERSION));
    kit_pass (k);
    return k;
}

static bool says (const struct kit *k, const char *part)
{
    return strstr (dispatch_trouble (k->d), part) != NULL;
}

static void equal_models_are_one_run (void)
{
    struct kit *k = given_opening_workers (2);
    PASS (kit_ready_with (k, 1, "", "llama", "http://a"));
    kit_pass (k);
    CHECK (!dispatch_room (k->d, TASK_GENERATE)); /* rank 2 may say something else */
    PASS (kit_ready_with (k, 2, "", "llama", "http://b"));
    kit_pass (k);
    CHECK (dispatch_room (k->d, TASK_GENERATE) && !dispatch_all_refused (k->d));
    CHECK (dispatch_trouble (k->d)[0] == 0 && dispatch_slots (k->d) == 8);
    kit_close (k);
}

static void two_models_at_the_start_refuse_the_run (void)
{
    struct kit *k = given_opening_workers (3);
    PASS (kit_ready_with (k, 1, "", "llama", "http://a"));
    PASS (kit_ready_with (k, 2, "", "qwen", "http://b"));
    kit_pass (k);
    CHECK (dispatch_all_refused (k->d) && !dispatch_room (k->d, TASK_GENERATE));
    CHECK (says (k, "generator: rank 1 has the model 'llama' at http://a, but rank 2 has 'qwen' at "
                    "http://b"));
    CHECK (says (k, "generator.model") && says (k, "`workers:`"));
    PASS (kit_ready_with (k, 3, "", "llama", "http://a"));
    kit_pass (k);
    CHECK (!dispatch_room (k->d, TASK_GENERATE) && kit_stats (k)->sent == 0);
    kit_close (k);
}

static void entries_of_a_list_may_differ (void)
{
    struct kit *k = given_opening_workers (2);
    PASS (kit_ready_with (k, 1, "small", "llama", "http://a"));
    PASS (kit_ready_with (k, 2, "large", "qwen", "http://b"));
    kit_pass (k);
    CHECK (dispatch_room (k->d, TASK_GENERATE) && dispatch_trouble (k->d)[0] == 0);
    kit_close (k);
    k = given_opening_workers (2);
    PASS (kit_ready_with (k, 1, "small", "llama", "http://a"));
    PASS (kit_ready_with (k, 2, "small", "qwen", "http://b"));
    kit_pass (k);
    CHECK (dispatch_all_refused (k->d) && says (k, "generator small: rank 1"));
    kit_close (k);
}

static void who_comes_later_with_another_model_is_put_out (void)
{
    struct kit *k = given_opening_workers (2);
    PASS (kit_ready_with (k, 1, "", "llama", "http://a"));
    kit_pass (k);
    k->now_ns += 11 * KIT_SECOND; /* rank 2 is waited for, but not for ever */
    PASS (dispatch_tick (k->d));
    CHECK (dispatch_room (k->d, TASK_GENERATE));
    kit_give (k, 0, 0);
    kit_pass (k);
    PASS (kit_ready_with (k, 2, "", "qwen", "http://b"));
    kit_pass (k);
    CHECK (kit_state (k, 2) == WORKER_REFUSED && kit_state (k, 1) == WORKER_READY);
    CHECK (!dispatch_all_refused (k->d) && dispatch_room (k->d, TASK_GENERATE) &&
           dispatch_slots (k->d) == 4 && says (k, "rank 2 has 'qwen'"));
    PASS (kit_hello (k, 2, KIT_VERSION)); /* started again, with the right one */
    PASS (kit_ready_with (k, 2, "", "llama", "http://b"));
    kit_pass (k);
    CHECK (kit_state (k, 2) == WORKER_READY && dispatch_slots (k->d) == 8);
    kit_close (k);
}

static void a_worker_that_changes_its_model_loses_its_tasks (void)
{
    struct kit *k = given_opening_workers (1);
    uint64_t lease;
    PASS (kit_ready_with (k, 1, "", "llama", "http://a"));
    kit_pass (k);
    kit_give (k, 0, 0);
    kit_pass (k);
    lease = kit_hear (k, 1)->tasks[0].lease;
    PASS (kit_ready_with (k, 1, "", "qwen", "http://a"));
    kit_answer (k, 1, 0, lease, ESP_OK); /* of the wrong one */
    kit_pass (k);
    CHECK (kit_state (k, 1) == WORKER_REFUSED && k->result_count == 0);
    CHECK (k->again_count == 1 && kit_out (k, 1) == 0 && dispatch_in_flight (k->d) == 0);
    kit_close (k);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"equal models are one run", equal_models_are_one_run},
        {"two models at the start refuse the run", two_models_at_the_start_refuse_the_run},
        {"entries of a list may differ", entries_of_a_list_may_differ},
        {"who comes later with another model is put out",
         who_comes_later_with_another_model_is_put_out},
        {"a worker that changes its model loses its tasks",
         a_worker_that_changes_its_model_loses_its_tasks},
        {NULL, NULL},
    };
    if (esp_log_open (-1, LOG_ERROR, NULL, LOG_ERROR) != ESP_OK)
        return 1;
    return suite_main ("dispatch_models", cases);
}
