/* SPDX-License-Identifier: Apache-2.0 */
/* test_dispatch_deaths.c - what a later start knows of deaths, and when the last able worker runs a suspect */

#include "tests/unit/coordinator/dispatch/dispatch_kit.h"

static bool was_told (const struct kit *k, uint32_t number)
{
    for (size_t i = 0; i < k->death.count; i++)
        if (k->death.numbers[i] == number)
            return true;
    return false;
}

static void every_death_is_told_with_the_tasks_that_were_there (void)
{
    struct kit *k = given_two_deaths_in_company (4, 2);
    uint64_t lease = 0;
    int with = kit_who_got (k, 0, &lease);
    CHECK (k->death.told == 2 && k->death.count == 2 && !k->death.alone);
    CHECK (was_told (k, 0) && was_told (k, 1));
    kit_die (k, with); /* 0, alone */
    CHECK (k->death.told == 3 && k->death.rank == with && k->death.alone);
    CHECK (k->death.count == 1 && was_told (k, 0));
    kit_close (k);
}

/* Its problem ends, which is journaled by itself; an idle worker had nothing. */
static void deaths_that_end_a_task_or_touch_none_are_not_told (void)
{
    struct kit *k = given_workers (3, 4);
    task t = kit_task (0, 0);
    uint64_t lease = 0;
    int with;
    PASS (dispatch_recall (k->d, &t, 3, 1));
    PASS (dispatch_give (k->d, &t));
    kit_pass (k);
    with = kit_who_got (k, 0, &lease);
    kit_die (k, with == 3 ? 2 : 3);
    CHECK (k->death.told == 0);
    kit_die (k, with);
    CHECK (kit_stats (k)->poisoned == 1 && k->death.told == 0);
    kit_close (k);
}

static void a_task_that_was_at_two_deaths_of_earlier_starts_runs_alone (void)
{
    struct kit *k = given_workers (2, 4);
    task t = kit_task (0, 0);
    uint64_t lease = 0;
    int with;
    PASS (dispatch_recall (k->d, &t, 2, 0));
    CHECK (!dispatch_was_sent (k->d, t.id)); /* by this start: run.limits must count it */
    PASS (dispatch_give (k->d, &t));
    kit_pass (k);
    with = kit_who_got (k, 0, &lease);
    CHECK (with != 0 && dispatch_was_sent (k->d, t.id));
    for (uint32_t i = 1; i <= 5; i++)
        if (dispatch_room (k->d, TASK_GENERATE))
            kit_give (k, i, 0);
    kit_pass (k);
    CHECK (kit_out (k, with) == 1 && kit_out (k, 3 - with) == 4);
    kit_close (k);
}

static void one_death_of_an_earlier_start_counts_as_the_first (void)
{
    struct kit *k = given_workers (3, 4);
    task t = kit_task (0, 0);
    uint64_t lease = 0;
    PASS (dispatch_recall (k->d, &t, 1, 0));
    PASS (dispatch_give (k->d, &t));
    kit_pass (k);
    CHECK (dispatch_room (k->d, TASK_GENERATE) && dispatch_suspects (k->d) == 0);
    kit_die (k, kit_who_got (k, 0, &lease));
    CHECK (k->again_count == 0 && !k->death.alone && kit_who_got (k, 0, &lease) != 0);
    CHECK (roster_worker (dispatch_roster (k->d), 1)->reserved +
               roster_worker (dispatch_roster (k->d), 2)->reserved +
               roster_worker (dispatch_roster (k->d), 3)->reserved ==
           1);
    kit_close (k);
}

static void deaths_alone_of_earlier_starts_make_poison (void)
{
    struct kit *k = given_workers (3, 4);
    task t = kit_task (0, 0);
    uint64_t lease = 0;
    PASS (dispatch_recall (k->d, &t, 3, 1));
    PASS (dispatch_give (k->d, &t));
    kit_pass (k);
    kit_die (k, kit_who_got (k, 0, &lease));
    CHECK (kit_stats (k)->poisoned == 1 && k->results[0].error == ESP_EPOISONED);
    kit_close (k);
}

/* Else what it does would end with it, and the run too. */
static void the_last_able_worker_runs_suspects_when_nothing_else_is_left (void)
{
    struct kit *k = given_workers (1, 4);
    task t = kit_task (0, 0);
    uint64_t lease = 0, other = 0;
    PASS (dispatch_recall (k->d, &t, 2, 0));
    PASS (dispatch_give (k->d, &t));
    kit_give (k, 1, 0);
    k->waiting = true;
    kit_pass (k);
    CHECK (kit_who_got (k, 1, &other) == 1 && kit_out (k, 1) == 1);
    CHECK (dispatch_room (k->d, TASK_GENERATE)); /* not kept free: more waits */
    kit_give (k, 2, 0);
    k->waiting = false;
    kit_pass (k);
    CHECK (kit_who_got (k, 2, &lease) == 1 && kit_out (k, 1) == 2 && dispatch_suspects (k->d) == 1);
    kit_answer (k, 1, 1, other, ESP_OK);
    kit_pass (k);
    CHECK (kit_out (k, 1) == 1 && dispatch_suspects (k->d) == 1);
    k->waiting = true; /* the answer brought more */
    kit_pass (k);
    CHECK (dispatch_room (k->d, TASK_GENERATE));
    kit_answer (k, 1, 2, lease, ESP_OK);
    kit_pass (k);
    CHECK (kit_out (k, 1) == 0 && dispatch_suspects (k->d) == 1);
    k->waiting = false;
    kit_pass (k);
    CHECK (kit_who_got (k, 0, &lease) == 1 && dispatch_suspects (k->d) == 0);
    kit_close (k);
}

static void the_last_able_worker_waits_for_what_others_do_too (void)
{
    struct kit *k = given_workers (2, 4);
    task t = kit_task (0, 0), scored = kit_task (1, 0);
    uint64_t lease = 0, other = 0;
    PASS (kit_ready (k, 2, 0, 4)); /* it never could generate */
    roster_worker (dispatch_roster (k->d), 2)->can[TASK_GENERATE] = false;
    kit_pass (k);
    scored.kind = TASK_SCORE;
    PASS (dispatch_give (k->d, &scored));
    PASS (dispatch_recall (k->d, &t, 2, 0));
    PASS (dispatch_give (k->d, &t));
    kit_pass (k);
    CHECK (kit_who_got (k, 1, &other) == 2 && kit_out (k, 1) == 0 && dispatch_suspects (k->d) == 1);
    dispatch_cancel (k->d, scored.id);
    kit_pass (k);
    CHECK (kit_who_got (k, 0, &lease) == 1);
    kit_close (k);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"every death is told with the tasks that were there",
         every_death_is_told_with_the_tasks_that_were_there},
        {"deaths that end a task, or touch none, are not told",
         deaths_that_end_a_task_or_touch_none_are_not_told},
        {"a task that was at two deaths of earlier starts runs alone",
         a_task_that_was_at_two_deaths_of_earlier_starts_runs_alone},
        {"one death of an earlier start counts as the first",
         one_death_of_an_earlier_start_counts_as_the_first},
        {"deaths alone of earlier starts make poison", deaths_alone_of_earlier_starts_make_poison},
        {"the last able worker runs suspects when nothing else is left",
         the_last_able_worker_runs_suspects_when_nothing_else_is_left},
        {"the last able worker waits for what others do too",
         the_last_able_worker_waits_for_what_others_do_too},
        {NULL, NULL},
    };
    if (esp_log_open (-1, LOG_ERROR, NULL, LOG_ERROR) != ESP_OK)
        return 1;
    return suite_main ("dispatch_deaths", cases);
}
