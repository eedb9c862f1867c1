/* SPDX-License-Identifier: Apache-2.0 */
/* test_roster.c - what coordinator/dispatch/roster.h promises */

#include "coordinator/dispatch/roster.h"
#include "proto/base/alloc.h"
#include "tests/support/suite.h"

static void ready (roster *r, int rank, uint32_t generate, uint32_t score)
{
    worker *w = roster_worker (r, rank);
    w->state = WORKER_READY;
    w->slots[TASK_GENERATE] = generate;
    w->slots[TASK_SCORE] = score;
    roster_update (r, w);
    roster_check (r);
}

static roster *given_workers (int count, uint32_t generate)
{
    roster *r = NULL;
    PASS (roster_create (count + 1, &r));
    for (int rank = 1; rank <= count; rank++)
        ready (r, rank, generate, 0);
    return r;
}

static void load (roster *r, int rank, uint32_t in_flight)
{
    roster_worker (r, rank)->in_flight[TASK_GENERATE] = in_flight;
    roster_update (r, roster_worker (r, rank));
    roster_check (r);
}

static int pick (roster *r, node_ref prefix, uint32_t slack)
{
    const worker *w = roster_pick (r, TASK_GENERATE, 1, prefix, slack);
    return w ? w->rank : 0;
}

static void bad_calls_change_nothing (void)
{
    roster *r = NULL;
    FAILS (roster_create (0, &r), ESP_EINVAL);
    FAILS (roster_create (3, NULL), ESP_EINVAL);
    CHECK (r == NULL);
    roster_destroy (NULL);
}

static void nobody_is_picked_before_it_is_ready (void)
{
    roster *r = NULL;
    PASS (roster_create (3, &r));
    CHECK (pick (r, 0, 4) == 0 && !roster_room (r, TASK_GENERATE));
    CHECK (roster_idle (r, TASK_GENERATE) == NULL);
    CHECK (roster_size (r) == 3 && roster_count (r, WORKER_ABSENT) == 2);
    ready (r, 2, 1, 0);
    CHECK (pick (r, 0, 4) == 2 && roster_room (r, TASK_GENERATE));
    CHECK (!roster_room (r, TASK_SCORE) && roster_able (r, TASK_SCORE) == 0);
    CHECK (roster_idle (r, TASK_GENERATE)->rank == 2);
    roster_destroy (r);
}

static void the_least_loaded_worker_is_picked_in_turn (void)
{
    roster *r = given_workers (3, 2);
    int seen[4] = {0};
    for (int i = 0; i < 6; i++) {
        int rank = pick (r, 0, 0);
        CHECK (rank > 0 && seen[rank] == i / 3); /* all have one before anybody has two */
        load (r, rank, (uint32_t)++seen[rank]);
    }
    CHECK (pick (r, 0, 0) == 0 && !roster_room (r, TASK_GENERATE));
    load (r, 2, 1);
    CHECK (pick (r, 0, 0) == 2);
    roster_destroy (r);
}

static void the_home_of_a_prefix_is_preferred_within_the_slack (void)
{
    roster *r = given_workers (3, 8);
    roster_set_home (r, 1, 5, 3);
    load (r, 3, 2);
    CHECK (pick (r, 5, 2) == 3);
    CHECK (pick (r, 5, 1) != 3); /* longer backlog than the prefix is worth */
    CHECK (pick (r, 6, 2) != 3); /* another prefix */
    load (r, 3, 8);
    CHECK (pick (r, 5, 100) != 3); /* no room there */
    load (r, 3, 0);
    roster_worker (r, 3)->state = WORKER_DEAD;
    roster_update (r, roster_worker (r, 3));
    CHECK (pick (r, 5, 100) != 3);
    roster_check (r);
    roster_destroy (r);
}

static void scoring_a_step_does_not_move_the_home_of_its_text (void)
{
    roster *r = given_workers (3, 8);
    roster_offer_home (r, 1, 5, 2); /* nobody has it yet */
    load (r, 2, 1);
    CHECK (pick (r, 5, 2) == 2);
    roster_set_home (r, 1, 5, 3);
    roster_offer_home (r, 1, 5, 2);
    load (r, 3, 2);
    CHECK (pick (r, 5, 2) == 3);
    roster_destroy (r);
}

static void reserved_and_draining_workers_take_nothing_new (void)
{
    roster *r = given_workers (2, 4);
    roster_worker (r, 1)->reserved = true;
    roster_update (r, roster_worker (r, 1));
    for (int i = 0; i < 3; i++)
        CHECK (pick (r, 0, 0) == 2);
    roster_worker (r, 2)->draining = true;
    roster_update (r, roster_worker (r, 2));
    CHECK (pick (r, 0, 0) == 0 && roster_idle (r, TASK_GENERATE) == NULL);
    CHECK (roster_able (r, TASK_GENERATE) == 2); /* they could, later */
    roster_worker (r, 1)->reserved = false;
    roster_update (r, roster_worker (r, 1));
    CHECK (pick (r, 0, 0) == 1);
    roster_check (r);
    roster_destroy (r);
}

static void sums_follow_every_change (void)
{
    roster *r = given_workers (3, 4);
    ready (r, 1, 6, 2);
    CHECK (roster_slots (r, TASK_GENERATE) == 14 && roster_slots (r, TASK_SCORE) == 2);
    CHECK (roster_able (r, TASK_GENERATE) == 3 && roster_able (r, TASK_SCORE) == 1);
    roster_worker (r, 1)->state = WORKER_DEAD;
    roster_update (r, roster_worker (r, 1));
    CHECK (roster_slots (r, TASK_GENERATE) == 8 && roster_slots (r, TASK_SCORE) == 0);
    CHECK (roster_able (r, TASK_GENERATE) == 2 && roster_able (r, TASK_SCORE) == 0);
    CHECK (roster_count (r, WORKER_READY) == 2 && roster_count (r, WORKER_DEAD) == 1);
    ready (r, 1, 1, 0);
    CHECK (roster_slots (r, TASK_GENERATE) == 9);
    load (r, 2, 3);
    roster_worker (r, 2)->in_flight[TASK_SCORE] = 2;
    CHECK (roster_in_flight (roster_worker (r, 2)) == 5);
    roster_destroy (r);
}

static void a_flood_of_slots_is_survived (void)
{
    roster *r = given_workers (2, UINT32_MAX); /* what a confused worker may say */
    load (r, 1, 5000);
    load (r, 2, 4999);
    CHECK (pick (r, 0, 0) == 1 || pick (r, 0, 0) == 2); /* one level above 4,095 */
    CHECK (roster_slots (r, TASK_GENERATE) == 2 * (uint64_t)UINT32_MAX);
    load (r, 1, 0);
    CHECK (pick (r, 0, 0) == 1);
    roster_destroy (r);
}

static void what_a_worker_was_sent_is_known_until_it_forgets (void)
{
    roster *r = given_workers (2, 1);
    worker *w = roster_worker (r, 1);
    CHECK (!roster_knows (w, 1, 4));
    roster_forget_all (w);
    roster_learn (w, 1, 4);
    CHECK (roster_knows (w, 1, 4));
    CHECK (!roster_knows (w, 2, 4) && !roster_knows (w, 1, 5));
    CHECK (!roster_knows (roster_worker (r, 2), 1, 4));
    roster_forget_all (w);
    CHECK (!roster_knows (w, 1, 4));
    esp_alloc_fail_after (0); /* it is only a guess: no memory, no guess */
    roster_learn (roster_worker (r, 2), 1, 4);
    esp_alloc_fail_after (-1);
    CHECK (!roster_knows (roster_worker (r, 2), 1, 4));
    roster_destroy (r);
}

static void survives_failure_of_every_allocation (void)
{
    esp_err err = ESP_ENOMEM;
    for (long n = 0; err != ESP_OK && n < 50; n++) {
        roster *r = NULL;
        esp_alloc_fail_after (n);
        err = roster_create (5, &r);
        esp_alloc_fail_after (-1);
        CHECK ((err == ESP_OK) == (r != NULL));
        roster_destroy (r);
        CHECK (esp_alloc_live () == 0);
    }
    CHECK (err == ESP_OK);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"bad calls change nothing", bad_calls_change_nothing},
        {"nobody is picked before it is ready", nobody_is_picked_before_it_is_ready},
        {"the least loaded worker is picked, in turn", the_least_loaded_worker_is_picked_in_turn},
        {"the home of a prefix is preferred within the slack",
         the_home_of_a_prefix_is_preferred_within_the_slack},
        {"scoring a step does not move the home of its text",
         scoring_a_step_does_not_move_the_home_of_its_text},
        {"reserved and draining workers take nothing new",
         reserved_and_draining_workers_take_nothing_new},
        {"sums follow every change", sums_follow_every_change},
        {"a flood of slots is survived", a_flood_of_slots_is_survived},
        {"what a worker was sent is known until it forgets",
         what_a_worker_was_sent_is_known_until_it_forgets},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("roster", cases);
}
