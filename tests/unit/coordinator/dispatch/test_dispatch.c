/* SPDX-License-Identifier: Apache-2.0 */
/* test_dispatch.c - what coordinator/dispatch/dispatch.h promises while workers live; the outbox is in test_dispatch_outbox.c,
 * deaths are in test_dispatch_faults.c */

#include "tests/unit/coordinator/dispatch/dispatch_kit.h"

static void bad_calls_change_nothing (void)
{
    struct kit *k = given_workers (1, 1);
    esp_clock clock = {kit_now, k};
    dispatch_world world = {0};
    dispatch *d = NULL;
    FAILS (dispatch_create (NULL, k->ends[0], &clock, 1, 1, 1, span_of (""), &world, &d),
           ESP_EINVAL);
    FAILS (dispatch_create (&k->options, NULL, &clock, 1, 1, 1, span_of (""), &world, &d),
           ESP_EINVAL);
    FAILS (dispatch_create (&k->options, k->ends[0], NULL, 1, 1, 1, span_of (""), &world, &d),
           ESP_EINVAL);
    FAILS (dispatch_create (&k->options, k->ends[0], &clock, 1, 1, 1, span_of (""), NULL, &d),
           ESP_EINVAL);
    FAILS (dispatch_create (&k->options, k->ends[0], &clock, 1, 1, 1, span_of (""), &world, NULL),
           ESP_EINVAL);
    CHECK (d == NULL);
    dispatch_cancel (k->d, (task_id){1, 5}); /* never given */
    dispatch_destroy (NULL);
    kit_close (k);
}

static void a_worker_is_welcomed_and_gets_work_when_ready (void)
{
    struct kit *k = calloc (1, sizeof (*k));
    const struct heard *h;
    task t = kit_task (0, 0);
    PASS (kit_open (k, 1));
    CHECK (!dispatch_room (k->d, TASK_GENERATE));
    FAILS (dispatch_give (k->d, &t), ESP_EFULL);
    PASS (kit_hello (k, 1, KIT_VERSION));
    kit_pass (k);
    CHECK (kit_state (k, 1) == WORKER_OPENING && !dispatch_room (k->d, TASK_GENERATE));
    h = kit_hear (k, 1);
    CHECK (h->kinds[WIRE_WELCOME] == 1 && span_is (h->run_file, "run: {}") && h->epoch == 3 &&
           h->silence_ms == 60000);
    PASS (kit_ready (k, 1, 2, 1));
    kit_pass (k);
    CHECK (dispatch_room (k->d, TASK_GENERATE) && dispatch_room (k->d, TASK_SCORE));
    CHECK (!dispatch_room (k->d, TASK_VERIFY));
    CHECK (dispatch_slots (k->d) == 3 && dispatch_kind_slots (k->d, TASK_GENERATE) == 2);
    kit_close (k);
}

static void credits_are_never_exceeded_and_come_back_with_results (void)
{
    struct kit *k = given_workers (2, 2);
    const struct heard *h;
    task t = kit_task (9, 0);
    for (uint32_t i = 0; i < 4; i++)
        kit_give (k, i, 0);
    CHECK (!dispatch_room (k->d, TASK_GENERATE) && dispatch_in_flight (k->d) == 4);
    FAILS (dispatch_give (k->d, &t), ESP_EFULL);
    CHECK (kit_out (k, 1) == 2 && kit_out (k, 2) == 2);
    kit_pass (k);
    h = kit_hear (k, 1);
    CHECK (h->task_count == 2 && h->kinds[WIRE_BATCH] == 1); /* one message per worker and pass */
    kit_answer (k, 1, h->tasks[0].number, h->tasks[0].lease, ESP_OK);
    kit_pass (k);
    CHECK (k->result_count == 1 && k->results[0].rank == 1 && k->results[0].error == ESP_OK);
    CHECK (kit_out (k, 1) == 1 && dispatch_room (k->d, TASK_GENERATE) &&
           dispatch_in_flight (k->d) == 3);
    kit_close (k);
}

static void a_cancelled_task_gives_its_credit_back_and_its_worker_is_told (void)
{
    struct kit *k = given_workers (1, 4);
    const struct heard *h;
    kit_give (k, 0, 0);
    kit_pass (k);
    kit_give (k, 1, 0);
    dispatch_cancel (k->d, (task_id){1, 0}); /* was sent */
    dispatch_cancel (k->d, (task_id){1, 1}); /* was not */
    CHECK (kit_out (k, 1) == 0 && dispatch_in_flight (k->d) == 0);
    kit_pass (k);
    h = kit_hear (k, 1);
    CHECK (h->cancel_count == 1 && h->cancels[0] == 0 && h->task_count == 1 &&
           h->tasks[0].number == 0);
    kit_answer (k, 1, 0, h->tasks[0].lease, ESP_OK); /* it was quicker than the cancel */
    kit_pass (k);
    CHECK (k->result_count == 0 && kit_stats (k)->duplicates == 1 &&
           kit_stats (k)->wasted_tokens == 3);
    kit_close (k);
}

static void siblings_share_a_prefix_and_texts_go_once (void)
{
    struct kit *k = given_workers (1, 16);
    const struct heard *h;
    for (uint32_t i = 0; i < 3; i++)
        kit_give (k, i, 3);
    kit_pass (k);
    h = kit_hear (k, 1);
    CHECK (h->task_count == 3 && h->prefixes == 1 && h->problems == 1);
    CHECK (h->tasks[0].steps == 3 && h->tasks[0].texts == 3);
    kit_answer (k, 1, 0, h->tasks[0].lease, ESP_OK);
    kit_pass (k);
    kit_give (k, 3, 4); /* below the node that the worker has just made */
    kit_give (k, 4, 6);
    kit_pass (k);
    h = kit_hear (k, 1);
    CHECK (h->task_count == 2 && h->prefixes == 2 && h->problems == 0);
    CHECK (h->tasks[0].steps == 4 && h->tasks[0].texts == 0);
    CHECK (h->tasks[1].steps == 6 && h->tasks[1].texts == 2); /* 5 and 6 are new to it */
    kit_close (k);
}

static void a_child_goes_to_the_worker_that_holds_its_prefix (void)
{
    struct kit *k = given_workers (3, 16);
    uint32_t before;
    int home = 0;
    kit_give (k, 0, 5);
    for (int rank = 1; rank <= 3; rank++)
        home = kit_out (k, rank) ? rank : home;
    for (uint32_t i = 1; i <= 4; i++) /* affinity 4: up to four busier than the least loaded */
        kit_give (k, i, 5);
    CHECK (kit_out (k, home) == 5);
    kit_give (k, 5, 5);
    before = kit_out (k, home);
    CHECK (before == 5); /* elsewhere: its backlog is longer than the prefix is worth */
    CHECK (kit_out (k, 1) + kit_out (k, 2) + kit_out (k, 3) == 6);
    kit_close (k);
}

static void what_fits_no_message_fails_and_holds_up_nothing (void)
{
    struct kit *k = given_workers (1, 4);
    k->huge = 3;
    kit_give (k, 0, 0);
    kit_give (k, 1, 3);
    kit_give (k, 2, 0);
    kit_pass (k);
    CHECK (kit_hear (k, 1)->task_count == 2);
    CHECK (k->result_count == 1 && k->results[0].number == 1 && k->results[0].error == ESP_ETOOBIG);
    CHECK (dispatch_in_flight (k->d) == 2 && kit_out (k, 1) == 2 && kit_stats (k)->errors == 1);
    kit_close (k);
}

static void what_a_worker_lacks_is_sent_again_whole (void)
{
    struct kit *k = given_workers (1, 4);
    const struct heard *h;
    kit_give (k, 0, 3);
    kit_pass (k);
    (void)kit_hear (k, 1);
    kit_missing (k, 1, 0);
    kit_missing (k, 1, 33); /* never heard of */
    kit_pass (k);
    CHECK (k->again_count == 1 && k->again[0].id.number == 0 && kit_stats (k)->missing == 2);
    CHECK (kit_out (k, 1) == 0 && dispatch_in_flight (k->d) == 0);
    roster_learn (roster_worker (dispatch_roster (k->d), 1), 1,
                  2); /* even where it is thought to know */
    PASS (dispatch_give (k->d, &k->again[0]));
    kit_pass (k);
    h = kit_hear (k, 1);
    CHECK (h->problems == 1 && h->task_count == 1 && h->tasks[0].steps == 3 &&
           h->tasks[0].texts == 3);
    kit_answer (k, 1, 0, h->tasks[0].lease, ESP_OK);
    kit_pass (k);
    CHECK (k->result_count == 1 && kit_stats (k)->resent == 1);
    kit_close (k);
}

static void the_first_result_wins_and_the_second_is_counted (void)
{
    struct kit *k = given_workers (1, 4);
    uint64_t lease;
    kit_give (k, 0, 0);
    kit_pass (k);
    lease = kit_hear (k, 1)->tasks[0].lease;
    kit_answer (k, 1, 0, lease, ESP_OK);
    kit_answer (k, 1, 0, lease, ESP_OK);
    kit_pass (k);
    CHECK (k->result_count == 1 && kit_stats (k)->duplicates == 1 && kit_stats (k)->results == 1);
    CHECK (kit_out (k, 1) == 0);
    kit_close (k);
}

static void a_result_that_nobody_wants_is_not_handed_on (void)
{
    struct kit *k = given_workers (1, 4);
    uint64_t lease;
    kit_give (k, 0, 0);
    kit_pass (k);
    lease = kit_hear (k, 1)->tasks[0].lease;
    k->unwanted[0] = true;
    kit_answer (k, 1, 0, lease, ESP_OK);
    kit_pass (k);
    CHECK (k->result_count == 0 && kit_stats (k)->wasted_tokens == 3 && kit_out (k, 1) == 0);
    kit_close (k);
}

static void a_retryable_error_is_retried_so_often_then_final (void)
{
    struct kit *k = given_workers (1, 4);
    task t = kit_task (0, 0);
    for (size_t i = 0; i <= 2; i++) { /* retries: 2 */
        CHECK (k->again_count == i && k->result_count == 0);
        PASS (dispatch_give (k->d, &t));
        kit_pass (k);
        kit_answer (k, 1, 0, kit_hear (k, 1)->tasks[0].lease, ESP_ETIMEOUT);
        kit_pass (k);
        CHECK (kit_out (k, 1) == 0);
    }
    CHECK (k->again_count == 2 && kit_stats (k)->errors == 2);
    CHECK (k->result_count == 1 && k->results[0].error == ESP_ETIMEOUT);
    kit_close (k);
}

static void a_permanent_error_is_handed_on_at_once (void)
{
    struct kit *k = given_workers (1, 4);
    kit_give (k, 0, 0);
    kit_pass (k);
    kit_answer (k, 1, 0, kit_hear (k, 1)->tasks[0].lease, ESP_EUNSUPPORTED);
    kit_pass (k);
    CHECK (k->again_count == 0 && k->result_count == 1 && k->results[0].error == ESP_EUNSUPPORTED);
    kit_close (k);
}

static void another_version_and_a_refusal_are_reported (void)
{
    struct kit *k = given_workers (3, 1);
    wire_message refused = {.kind = WIRE_REFUSED, .u.refused = span_of ("no model at /m")};
    CHECK (dispatch_trouble (k->d)[0] == 0);
    PASS (kit_hello (k, 1, KIT_VERSION + 1));
    kit_pass (k);
    CHECK (kit_state (k, 1) == WORKER_REFUSED && kit_hear (k, 1)->kinds[WIRE_WELCOME] == 0);
    CHECK (strstr (dispatch_trouble (k->d), "rank 1 runs another version") != NULL);
    PASS (kit_ready (k, 1, 4, 0)); /* it is not asked */
    PASS (kit_say (k, 2, &refused));
    kit_pass (k);
    CHECK (kit_state (k, 1) == WORKER_REFUSED && kit_state (k, 2) == WORKER_REFUSED);
    CHECK (strstr (dispatch_trouble (k->d), "rank 1 runs another version") != NULL); /* the first */
    CHECK (dispatch_slots (k->d) == 1);                                              /* rank 3 */
    CHECK (!dispatch_all_refused (k->d));
    PASS (kit_say (k, 3, &refused));
    kit_pass (k);
    CHECK (dispatch_all_refused (k->d));
    kit_close (k);
}

static void a_task_that_is_handed_back_is_no_error (void)
{
    struct kit *k = given_workers (2, 1); /* retries: 2 */
    kit_give (k, 0, 0);
    for (int i = 0; i < 5; i++) {
        int rank = kit_out (k, 1) ? 1 : 2;
        kit_pass (k);
        kit_answer (k, rank, 0, kit_hear (k, rank)->tasks[0].lease, ESP_ECANCELED);
        kit_pass (k);
        CU_ASSERT_EQUAL_FATAL (k->again_count, (size_t)i + 1);
        PASS (dispatch_give (k->d, &k->again[i]));
    }
    CHECK (kit_stats (k)->errors == 0 && kit_stats (k)->returned == 5 && k->result_count == 0);
    kit_close (k);
}

static void workers_hear_at_once_that_somebody_watches (void)
{
    struct kit *k = given_workers (1, 1);
    const struct heard *h;
    k->now_ns += KIT_SECOND / 10;
    dispatch_watched (k->d, true);
    kit_pass (k);
    h = kit_hear (k, 1);
    CHECK (h->kinds[WIRE_PING] == 1 && h->watched);
    dispatch_watched (k->d, false);
    kit_pass (k);
    CHECK (kit_hear (k, 1)->kinds[WIRE_PING] == 0); /* with the next one */
    k->now_ns += 2 * KIT_SECOND;
    kit_pass (k);
    h = kit_hear (k, 1);
    CHECK (h->kinds[WIRE_PING] == 1 && !h->watched);
    kit_close (k);
}

static void a_worker_whose_servers_are_out_keeps_its_tasks_and_gets_no_more (void)
{
    struct kit *k = given_workers (1, 2);
    uint64_t lease;
    kit_give (k, 0, 0);
    kit_pass (k);
    lease = kit_hear (k, 1)->tasks[0].lease;
    PASS (kit_ready (k, 1, 0, 0));
    kit_pass (k);
    CHECK (!dispatch_room (k->d, TASK_GENERATE) && dispatch_slots (k->d) == 0);
    CHECK (kit_out (k, 1) == 1 && strcmp (dispatch_trouble (k->d), "rank 1: by hand") == 0);
    k->now_ns += 9 * KIT_SECOND;
    kit_pass (k);
    CHECK (dispatch_stranded_s (k->d, TASK_GENERATE) >= 9.0);
    kit_answer (k, 1, 0, lease, ESP_OK);
    PASS (kit_ready (k, 1, 2, 0));
    kit_pass (k);
    CHECK (k->result_count == 1 && dispatch_room (k->d, TASK_GENERATE));
    CHECK (dispatch_trouble (k->d)[0] == 0 && dispatch_stranded_s (k->d, TASK_GENERATE) == 0.0);
    kit_close (k);
}

static void garbage_and_strays_are_dropped (void)
{
    struct kit *k = given_workers (1, 4);
    wire_message stray = {.kind = WIRE_READY, .run_id = KIT_RUN + 1, .u.ready.slots = {50}};
    wire_message ours = {.kind = WIRE_STOP}; /* a coordinator's kind */
    uint64_t lease;
    kit_give (k, 0, 0);
    kit_pass (k);
    lease = kit_hear (k, 1)->tasks[0].lease;
    PASS (link_send (k->ends[1], 0, span_make ("\xff\x00garbage", 9)));
    PASS (link_send (k->ends[1], 0, span_make ("", 0)));
    PASS (kit_say (k, 1, &stray));
    PASS (kit_say (k, 1, &ours));
    kit_answer (k, 1, 0, lease, ESP_OK);
    kit_pass (k);
    CHECK (dispatch_slots (k->d) == 4 && k->result_count == 1);
    kit_close (k);
}

static void a_lease_that_answers_another_task_loses_nothing (void)
{
    struct kit *k = given_workers (1, 4);
    const struct heard *h;
    kit_give (k, 0, 0);
    kit_give (k, 1, 0);
    kit_pass (k);
    h = kit_hear (k, 1);
    kit_answer (k, 1, 1, h->tasks[0].lease,
                ESP_OK); /* a confused worker: the lease of 0, the id of 1 */
    kit_answer (k, 1, 44, h->tasks[1].lease + 1, ESP_OK);
    kit_pass (k);
    CHECK (k->result_count == 0 && kit_stats (k)->duplicates == 2);
    CHECK (k->again_count == 1 && k->again[0].id.number == 0);
    CHECK (kit_out (k, 1) == 1);
    kit_close (k);
}

static void a_batch_has_at_most_so_many_tasks (void)
{
    struct kit *k = calloc (1, sizeof (*k));
    const struct heard *h;
    PASS (kit_open (k, 1));
    dispatch_destroy (k->d);
    k->options.max_batch = 4;
    PASS (dispatch_create (&k->options, k->ends[0], &(esp_clock){kit_now, k}, KIT_RUN, 3,
                           KIT_VERSION, span_of (""),
                           &(dispatch_world){k, kit_wants, kit_find, kit_path, kit_text, kit_result,
                                             kit_again, NULL, NULL, NULL, NULL},
                           &k->d));
    PASS (kit_hello (k, 1, KIT_VERSION));
    PASS (kit_ready (k, 1, 20, 0));
    kit_pass (k);
    for (uint32_t i = 0; i < 10; i++)
        kit_give (k, i, 0);
    kit_pass (k);
    h = kit_hear (k, 1);
    CHECK (h->task_count == 10 && h->kinds[WIRE_BATCH] == 3 && h->batch_most == 4);
    kit_close (k);
}

static void partial_text_goes_to_observers (void)
{
    struct kit *k = given_workers (1, 4);
    wire_message m = {.kind = WIRE_PROGRESS, .u.progress = {{1, 0}, span_of ("so f")}};
    PASS (kit_say (k, 1, &m));
    kit_pass (k);
    CHECK (k->progress_count == 1 && k->result_count == 0);
    kit_close (k);
}

static void stop_tells_every_worker_and_gives_nothing_more (void)
{
    struct kit *k = given_workers (2, 4);
    dispatch_stop (k->d, true);
    CHECK (!dispatch_room (k->d, TASK_GENERATE));
    CHECK (kit_hear (k, 1)->kinds[WIRE_DRAIN] == 1 && kit_hear (k, 2)->kinds[WIRE_DRAIN] == 1);
    dispatch_stop (k->d, false);
    CHECK (kit_hear (k, 1)->kinds[WIRE_STOP] == 1);
    link_close (k->ends[1], true); /* it leaves, as asked: no death */
    k->ends[1] = NULL;
    kit_pass (k);
    CHECK (kit_state (k, 1) == WORKER_DEAD && !dispatch_saw_death (k->d) &&
           kit_stats (k)->deaths == 0);
    kit_close (k);
}

static esp_err whole_story (struct kit *k)
{
    task t = kit_task (0, 3);
    size_t taken;
    esp_err err;
    if ((err = kit_open (k, 2)) != ESP_OK || (err = kit_hello (k, 1, KIT_VERSION)) != ESP_OK ||
        (err = kit_ready (k, 1, 4, 0)) != ESP_OK ||
        (err = dispatch_receive (k->d, 9, &taken)) != ESP_OK ||
        (err = dispatch_give (k->d, &t)) != ESP_OK || (err = dispatch_flush (k->d)) != ESP_OK)
        return err;
    dispatch_cancel (k->d, t.id);
    if ((err = dispatch_give (k->d, &t)) != ESP_OK || (err = dispatch_flush (k->d)) != ESP_OK)
        return err;
    link_close (k->ends[1], true);
    k->ends[1] = NULL;
    return (err = dispatch_receive (k->d, 9, &taken)) != ESP_OK ? err : dispatch_tick (k->d);
}

static void survives_failure_of_every_allocation (void)
{
    esp_err err = ESP_ENOMEM;
    for (long n = 0; err != ESP_OK && n < 300; n++) {
        struct kit *k = calloc (1, sizeof (*k));
        CU_ASSERT_FATAL (k != NULL);
        esp_alloc_fail_after (n);
        err = whole_story (k);
        esp_alloc_fail_after (-1);
        CHECK (err == ESP_OK || err == ESP_ENOMEM);
        kit_close (k); /* looks for leaks */
    }
    CHECK (err == ESP_OK);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"bad calls change nothing", bad_calls_change_nothing},
        {"a worker is welcomed, and gets work when ready",
         a_worker_is_welcomed_and_gets_work_when_ready},
        {"credits are never exceeded and come back with results",
         credits_are_never_exceeded_and_come_back_with_results},
        {"a cancelled task gives its credit back and its worker is told",
         a_cancelled_task_gives_its_credit_back_and_its_worker_is_told},
        {"siblings share a prefix, and texts go once", siblings_share_a_prefix_and_texts_go_once},
        {"a child goes to the worker that holds its prefix",
         a_child_goes_to_the_worker_that_holds_its_prefix},
        {"what fits no message fails and holds up nothing",
         what_fits_no_message_fails_and_holds_up_nothing},
        {"what a worker lacks is sent again whole", what_a_worker_lacks_is_sent_again_whole},
        {"the first result wins and the second is counted",
         the_first_result_wins_and_the_second_is_counted},
        {"a result that nobody wants is not handed on",
         a_result_that_nobody_wants_is_not_handed_on},
        {"a retryable error is retried so often, then final",
         a_retryable_error_is_retried_so_often_then_final},
        {"a permanent error is handed on at once", a_permanent_error_is_handed_on_at_once},
        {"another version and a refusal are reported", another_version_and_a_refusal_are_reported},
        {"a task that is handed back is no error", a_task_that_is_handed_back_is_no_error},
        {"workers hear at once that somebody watches", workers_hear_at_once_that_somebody_watches},
        {"a worker whose servers are out keeps its tasks and gets no more",
         a_worker_whose_servers_are_out_keeps_its_tasks_and_gets_no_more},
        {"garbage and strays are dropped", garbage_and_strays_are_dropped},
        {"a lease that answers another task loses nothing",
         a_lease_that_answers_another_task_loses_nothing},
        {"a batch has at most so many tasks", a_batch_has_at_most_so_many_tasks},
        {"partial text goes to observers", partial_text_goes_to_observers},
        {"stop tells every worker and gives nothing more",
         stop_tells_every_worker_and_gives_nothing_more},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    if (esp_log_open (-1, LOG_ERROR, NULL, LOG_ERROR) != ESP_OK)
        return 1;
    return suite_main ("dispatch", cases);
}
