/* SPDX-License-Identifier: Apache-2.0 */
/* test_dispatch_faults.c - late leases, deaths, silence and suspects */

#include "tests/unit/coordinator/dispatch/dispatch_kit.h"

static void later (struct kit *k, double seconds)
{
    k->now_ns += (uint64_t)(seconds * 1e9);
}

/* Everybody but one says a word, so that only that one is silent. */
static void others_speak (struct kit *k, int but)
{
    for (int rank = 1; rank < k->ranks; rank++)
        if (rank != but && k->ends[rank])
            kit_pong (k, rank);
    kit_pass (k);
}

/* Task 0 went to *first and, when its lease ran out, to *second. */
static struct kit *
given_an_expired_lease (int *first, uint64_t *lease, int *second, uint64_t *other)
{
    struct kit *k = given_workers (2, 1);
    kit_give (k, 0, 0);
    kit_pass (k);
    *first = kit_who_got (k, 0, lease);
    for (int i = 0; i < 10; i++) {
        later (k, 9.9);
        others_speak (k, 0);
    }
    CHECK (k->again_count == 0);
    later (k, 1.1);
    others_speak (k, 0);
    CHECK (k->again_count == 1 && kit_stats (k)->expired == 1);
    CHECK (kit_out (k, *first) == 1); /* the late one still holds its credit */
    PASS (dispatch_give (k->d, &k->again[0]));
    kit_pass (k);
    *second = kit_who_got (k, 0, other);
    CHECK (*first != *second && *second != 0 && *lease != *other);
    return k;
}

static void a_lease_that_runs_out_is_sent_again_elsewhere (void)
{
    int first, second;
    uint64_t lease, other;
    struct kit *k = given_an_expired_lease (&first, &lease, &second, &other);
    kit_answer (k, second, 0, other, ESP_OK);
    kit_pass (k);
    CHECK (k->result_count == 1 && k->results[0].rank == second);
    CHECK (kit_hear (k, first)->cancel_count == 1 && kit_out (k, first) == 0 &&
           dispatch_in_flight (k->d) == 0);
    kit_answer (k, first, 0, lease, ESP_OK);
    kit_pass (k);
    CHECK (k->result_count == 1 && kit_stats (k)->duplicates == 1);
    kit_close (k);
}

static void a_late_result_that_comes_first_is_taken (void)
{
    int first, second;
    uint64_t lease, other;
    struct kit *k = given_an_expired_lease (&first, &lease, &second, &other);
    kit_answer (k, first, 0, lease, ESP_OK);
    kit_pass (k);
    CHECK (k->result_count == 1 && k->results[0].rank == first && kit_stats (k)->late == 1);
    CHECK (kit_hear (k, second)->cancel_count == 1 && kit_out (k, second) == 0);
    kit_answer (k, second, 0, other, ESP_OK);
    kit_pass (k);
    CHECK (k->result_count == 1 && kit_stats (k)->duplicates == 1);
    kit_close (k);
}

static void a_death_that_the_link_reports_moves_the_work (void)
{
    struct kit *k = given_workers (2, 1);
    uint64_t lease = 0;
    int first;
    kit_give (k, 0, 0);
    kit_pass (k);
    first = kit_who_got (k, 0, &lease);
    kit_die (k, first);
    CHECK (kit_state (k, first) == WORKER_DEAD && dispatch_saw_death (k->d) &&
           kit_stats (k)->deaths == 1);
    CHECK (k->again_count == 1 && dispatch_suspects (k->d) == 0); /* as any other task */
    kit_give_again (k);
    CHECK (kit_who_got (k, 0, &lease) == 3 - first);
    kit_answer (k, 3 - first, 0, lease, ESP_OK);
    kit_pass (k);
    CHECK (k->result_count == 1 && k->results[0].error == ESP_OK);
    kit_close (k);
}

static void a_silent_worker_is_given_up_and_a_talking_one_is_not (void)
{
    struct kit *k = given_workers (2, 1);
    for (int i = 0; i < 7; i++) {
        later (k, 5);
        others_speak (k, 2);
        CHECK (kit_hear (k, 1)->kinds[WIRE_PING] == 1);
    }
    CHECK (kit_state (k, 1) == WORKER_READY && kit_state (k, 2) == WORKER_DEAD);
    CHECK (dispatch_slots (k->d) == 1 && kit_stats (k)->deaths == 1);
    kit_close (k);
}

static void a_worker_that_speaks_again_is_used_again (void)
{
    struct kit *k = given_workers (2, 1);
    uint64_t lease = 0, other = 0;
    int first;
    kit_give (k, 0, 3);
    kit_pass (k);
    first = kit_who_got (k, 0, &lease);
    later (k, 31);
    others_speak (k, first);
    kit_give_again (k);
    CHECK (kit_state (k, first) == WORKER_DEAD && kit_who_got (k, 0, &other) == 3 - first);
    kit_answer (k, first, 0, lease, ESP_OK); /* it was only slow: the first result wins */
    kit_pass (k);
    CHECK (kit_state (k, first) == WORKER_READY && k->result_count == 1 &&
           k->results[0].rank == first);
    CHECK (kit_hear (k, 3 - first)->cancel_count == 1 && dispatch_slots (k->d) == 2);
    kit_give (k, 1, 3);
    kit_give (k, 2, 3);
    kit_pass (k);
    CHECK (kit_hear (k, first)->tasks[0].texts == 3); /* nothing is taken for known */
    kit_close (k);
}

static void a_worker_that_starts_again_loses_its_leases (void)
{
    struct kit *k = given_workers (1, 4);
    uint64_t lease = 0;
    kit_give (k, 0, 3);
    kit_pass (k);
    CHECK (kit_who_got (k, 0, &lease) == 1);
    PASS (kit_hello (k, 1, KIT_VERSION));
    kit_pass (k);
    CHECK (kit_state (k, 1) == WORKER_OPENING && kit_out (k, 1) == 0 &&
           !dispatch_room (k->d, TASK_GENERATE));
    PASS (kit_ready (k, 1, 4, 0));
    kit_pass (k);
    kit_give_again (k);
    CHECK (kit_who_got (k, 0, &lease) == 1);
    kit_close (k);
}

static void after_one_death_tasks_go_out_in_company (void)
{
    struct kit *k = given_workers (2, 4);
    uint64_t lease = 0;
    int first;
    for (uint32_t i = 0; i < 4; i++)
        kit_give (k, i, 5);
    kit_pass (k);
    first = kit_who_got (k, 0, &lease);
    CHECK (kit_out (k, first) == 4);
    kit_die (k, first);
    CHECK (k->again_count == 4 && dispatch_suspects (k->d) == 0);
    CHECK (dispatch_room (k->d, TASK_GENERATE)); /* nobody is kept free */
    kit_give_again (k);
    CHECK (kit_hear (k, 3 - first)->task_count == 4 && kit_out (k, 3 - first) == 4);
    kit_close (k);
}

/* The second worker had tasks of its own: it is their first death. */
static void only_those_of_both_deaths_are_suspects (void)
{
    struct kit *k = given_workers (3, 4);
    uint64_t lease = 0;
    int first, second;
    kit_give (k, 0, 5);
    kit_pass (k);
    first = kit_who_got (k, 0, &lease);
    second = first == 1 ? 2 : 1;
    roster_set_home (dispatch_roster (k->d), 1, 7, second);
    for (uint32_t i = 1; i <= 3; i++)
        kit_give (k, i, 7);
    kit_pass (k);
    CHECK (kit_out (k, second) == 3);
    kit_die (k, first);
    roster_set_home (dispatch_roster (k->d), 1, 5, second);
    kit_give_again (k);
    CHECK (kit_out (k, second) == 4);
    kit_die (k, second);
    CHECK (k->again_count == 3 && kit_stats (k)->deaths == 2); /* 1, 2, 3 */
    CHECK (kit_who_got (k, 0, &lease) == 6 - first - second && dispatch_suspects (k->d) == 0);
    CHECK (!dispatch_room (k->d, TASK_GENERATE)); /* they wait for the one that runs alone */
    kit_answer (k, 6 - first - second, 0, lease, ESP_OK);
    kit_pass (k);
    kit_give_again (k);
    CHECK (kit_out (k, 6 - first - second) == 3 && k->result_count == 1);
    kit_close (k);
}

static void an_answer_forgets_the_deaths_of_its_task (void)
{
    struct kit *k = given_workers (3, 4);
    uint64_t lease = 0;
    int with;
    kit_give (k, 0, 5);
    kit_pass (k);
    kit_die (k, kit_who_got (k, 0, &lease));
    kit_give_again (k);
    with = kit_who_got (k, 0, &lease);
    kit_answer (k, with, 0, lease, ESP_OK);
    kit_pass (k);
    k->unwanted[0] = false; /* a task of the same number in another search */
    kit_give (k, 0, 5);
    kit_pass (k);
    kit_die (k, kit_who_got (k, 0, &lease));
    CHECK (k->again_count == 1 && dispatch_suspects (k->d) == 0 && k->result_count == 1);
    kit_close (k);
}

static void suspects_run_alone_on_an_idle_worker (void)
{
    struct kit *k = given_workers (3, 4);
    uint64_t lease = 0, busy = 0;
    int first, last;
    for (uint32_t i = 0; i < 3; i++)
        kit_give (k, i, 0); /* siblings go to one worker, 3 to another */
    kit_pass (k);
    first = kit_who_got (k, 0, &lease);
    last = first == 1 ? 2 : 1;
    roster_set_home (dispatch_roster (k->d), 1, 9, last);
    kit_give (k, 3, 9);
    kit_pass (k);
    CHECK (kit_who_got (k, 3, &busy) == last);
    kit_die (k, first);
    roster_set_home (dispatch_roster (k->d), 1, 0, 6 - first - last);
    kit_give_again (k);
    CHECK (kit_out (k, 6 - first - last) == 3);
    kit_die (k, 6 - first - last);
    CHECK (dispatch_suspects (k->d) == 3 &&
           !dispatch_room (k->d, TASK_GENERATE)); /* kept free of new work */
    kit_answer (k, last, 3, busy, ESP_OK);
    kit_pass (k);
    for (size_t left = 3; left > 0; left--) {
        const struct heard *h = kit_hear (k, last);
        CHECK (h->task_count == 1 && dispatch_suspects (k->d) == left - 1 &&
               dispatch_in_flight (k->d) == 1);
        CHECK (!dispatch_room (k->d, TASK_GENERATE));
        lease = h->tasks[0].lease;
        kit_answer (k, last, h->tasks[0].number, lease, ESP_OK);
        kit_pass (k);
    }
    CHECK (k->result_count == 4 && kit_stats (k)->poisoned == 0 &&
           dispatch_room (k->d, TASK_GENERATE));
    kit_close (k);
}

static void two_deaths_alone_are_poison_and_deaths_in_company_are_not (void)
{
    struct kit *k = given_two_deaths_in_company (5, 2);
    uint64_t lease = 0;
    int with = kit_who_got (k, 0, &lease);
    CHECK (with != 0);
    kit_die (k, with); /* the first death alone */
    CHECK (kit_stats (k)->poisoned == 0 && k->result_count == 0);
    for (int i = 0; i < 3 && (with = kit_who_got (k, 0, &lease)) == 0; i++)
        kit_pass (k);
    CHECK (with != 0);
    kit_die (k, with); /* the second */
    CHECK (kit_stats (k)->poisoned == 1 && k->result_count == 1);
    CHECK (k->results[0].number == 0 && k->results[0].error == ESP_EPOISONED);
    kit_close (k);
}

static void one_death_alone_is_poison_if_it_took_the_last_able_worker (void)
{
    struct kit *k = given_workers (4, 1);
    uint64_t lease = 0;
    PASS (kit_hello (k, 4, KIT_VERSION));
    PASS (kit_ready (k, 4, 0, 4)); /* it can score only: no help */
    kit_pass (k);
    kit_give (k, 0, 0);
    kit_pass (k);
    kit_die (k, kit_who_got (k, 0, &lease));
    kit_give_again (k);
    kit_die (k, kit_who_got (k, 0, &lease));
    CHECK (kit_stats (k)->poisoned == 0 && k->result_count == 0);
    kit_die (k, kit_who_got (k, 0, &lease));
    CHECK (kit_stats (k)->poisoned == 1 && k->result_count == 1 &&
           k->results[0].error == ESP_EPOISONED);
    CHECK (kit_state (k, 4) == WORKER_READY);
    kit_close (k);
}

/* Nobody is left to try them alone: they wait, and are no poison. */
static void deaths_in_company_end_no_problem_even_of_the_last_worker (void)
{
    struct kit *k = given_two_deaths_in_company (2, 2);
    CHECK (dispatch_suspects_of (k->d, TASK_GENERATE) == 2);
    CHECK (kit_stats (k)->poisoned == 0 && k->result_count == 0);
    kit_close (k);
}

static void a_cancelled_suspect_is_forgotten (void)
{
    struct kit *k = given_two_deaths_in_company (2, 1);
    CHECK (dispatch_suspects (k->d) == 1);
    dispatch_cancel (k->d, (task_id){1, 0});
    kit_pass (k);
    CHECK (dispatch_suspects (k->d) == 0 && k->result_count == 0);
    kit_close (k);
}

static void a_suspect_that_waited_in_the_frontier_runs_alone_too (void)
{
    struct kit *k = given_workers (3, 4);
    uint64_t lease = 0;
    int first, second;
    kit_give (k, 0, 0);
    kit_pass (k);
    first = kit_who_got (k, 0, &lease);
    kit_die (k, first);
    kit_give_again (k);
    second = kit_who_got (k, 0, &lease);
    for (int i = 0; i < 11; i++) {
        later (k, 10);
        others_speak (k, 0);
    }
    CHECK (k->again_count == 1); /* it waits in the frontier, and its late lease dies: */
    kit_die (k, second);
    CHECK (k->again_count == 1 && dispatch_suspects (k->d) == 0);
    PASS (dispatch_give (k->d, &k->again[0]));
    kit_give (k, 1, 0);
    kit_pass (k);
    CHECK (kit_hear (k, 6 - first - second)->task_count ==
           1); /* 1 alone; 0 waits until that worker is idle */
    CHECK (dispatch_suspects (k->d) == 1);
    kit_close (k);
}

static void time_without_an_able_worker_is_counted (void)
{
    struct kit *k = given_workers (1, 1);
    later (k, 5);
    kit_pass (k);
    CHECK (dispatch_stranded_s (k->d, TASK_GENERATE) == 0.0);
    kit_die (k, 1);
    later (k, 7);
    kit_pass (k);
    CHECK (dispatch_stranded_s (k->d, TASK_GENERATE) >= 7.0);
    CHECK (dispatch_stranded_s (k->d, TASK_SCORE) >= 12.0); /* nobody ever could */
    kit_close (k);
    k = given_workers (1, 1);
    PASS (kit_hello (k, 1, KIT_VERSION)); /* engines that are being opened: it may take minutes */
    later (k, 20);
    kit_pass (k);
    CHECK (dispatch_stranded_s (k->d, TASK_GENERATE) == 0.0);
    kit_close (k);
}

static void a_death_alone_is_no_poison_while_servers_are_out (void)
{
    struct kit *k = given_workers (4, 1);
    uint64_t lease = 0;
    PASS (kit_ready (k, 4, 0, 0)); /* it may come back */
    kit_pass (k);
    kit_give (k, 0, 0);
    kit_pass (k);
    kit_die (k, kit_who_got (k, 0, &lease));
    kit_give_again (k);
    kit_die (k, kit_who_got (k, 0, &lease));
    kit_die (k, kit_who_got (k, 0, &lease));
    kit_pass (k);
    CHECK (kit_stats (k)->poisoned == 0 && k->result_count == 0);
    CHECK (dispatch_suspects_of (k->d, TASK_GENERATE) == 1);
    PASS (kit_ready (k, 4, 1, 0));
    kit_pass (k);
    CHECK (kit_who_got (k, 0, &lease) == 4);
    kit_close (k);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"a lease that runs out is sent again elsewhere",
         a_lease_that_runs_out_is_sent_again_elsewhere},
        {"a late result that comes first is taken", a_late_result_that_comes_first_is_taken},
        {"a death that the link reports moves the work",
         a_death_that_the_link_reports_moves_the_work},
        {"a silent worker is given up and a talking one is not",
         a_silent_worker_is_given_up_and_a_talking_one_is_not},
        {"a worker that speaks again is used again", a_worker_that_speaks_again_is_used_again},
        {"a worker that starts again loses its leases",
         a_worker_that_starts_again_loses_its_leases},
        {"after one death tasks go out in company", after_one_death_tasks_go_out_in_company},
        {"only those of both deaths are suspects", only_those_of_both_deaths_are_suspects},
        {"an answer forgets the deaths of its task", an_answer_forgets_the_deaths_of_its_task},
        {"suspects run alone on an idle worker", suspects_run_alone_on_an_idle_worker},
        {"two deaths alone are poison, and deaths in company are not",
         two_deaths_alone_are_poison_and_deaths_in_company_are_not},
        {"one death alone is poison if it took the last able worker",
         one_death_alone_is_poison_if_it_took_the_last_able_worker},
        {"deaths in company end no problem, even of the last worker",
         deaths_in_company_end_no_problem_even_of_the_last_worker},
        {"a cancelled suspect is forgotten", a_cancelled_suspect_is_forgotten},
        {"a suspect that waited in the frontier runs alone too",
         a_suspect_that_waited_in_the_frontier_runs_alone_too},
        {"time without an able worker is counted", time_without_an_able_worker_is_counted},
        {"a death alone is no poison while servers are out",
         a_death_alone_is_no_poison_while_servers_are_out},
        {NULL, NULL},
    };
    if (esp_log_open (-1, LOG_ERROR, NULL, LOG_ERROR) != ESP_OK)
        return 1;
    return suite_main ("dispatch_faults", cases);
}
