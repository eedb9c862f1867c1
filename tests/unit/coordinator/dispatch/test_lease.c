/* SPDX-License-Identifier: Apache-2.0 */
/* test_lease.c - what coordinator/dispatch/lease.h promises */

#include "coordinator/dispatch/lease.h"
#include "proto/base/alloc.h"
#include "tests/support/suite.h"

static lease_table *given_table (void)
{
    lease_table *t = NULL;
    PASS (lease_table_create (&t));
    return t;
}

static uint32_t flight_of (lease_table *t, uint32_t number)
{
    task of = {.id = {9, number}, .kind = TASK_GENERATE};
    uint32_t handle = 0;
    PASS (lease_flight (t, &of, &handle));
    return handle;
}

static uint64_t
start (lease_table *t, uint32_t flight_handle, int rank, uint32_t *head, uint64_t now)
{
    uint64_t number = 0;
    PASS (lease_start (t, flight_handle, rank, head, false, now, &number));
    return number;
}

static void bad_calls_change_nothing (void)
{
    lease_table *t = given_table ();
    FAILS (lease_table_create (NULL), ESP_EINVAL);
    CHECK (lease_find (t, 0) == 0 && lease_find (t, 1) == 0 && lease_find (t, UINT64_MAX) == 0);
    CHECK (lease_find_flight (t, (task_id){1, 2}) == 0);
    for (int k = 0; k < TASK_KINDS; k++)
        CHECK (lease_oldest (t, (enum task_kind)k) == 0);
    lease_table_destroy (t);
    lease_table_destroy (NULL);
}

static void a_task_has_one_flight_until_it_ends (void)
{
    lease_table *t = given_table ();
    uint32_t a = flight_of (t, 1), b = flight_of (t, 2);
    CHECK (a != b && flight_of (t, 1) == a && lease_flights (t) == 2);
    CHECK (lease_find_flight (t, (task_id){9, 2}) == b);
    CHECK (lease_find_flight (t, (task_id){8, 2}) == 0); /* another problem */
    CHECK (lease_flight_at (t, a)->waiting && lease_flights_out (t) == 0);
    lease_flight_end (t, a);
    CHECK (lease_find_flight (t, (task_id){9, 1}) == 0 && lease_flights (t) == 1);
    lease_table_destroy (t);
}

static void a_flight_is_out_while_it_has_a_lease (void)
{
    lease_table *t = given_table ();
    uint32_t head[3] = {0}, f = flight_of (t, 1);
    uint64_t first = start (t, f, 1, &head[1], 10), second = start (t, f, 2, &head[2], 20);
    CHECK (first != 0 && second != 0 && first != second);
    CHECK (lease_flights_out (t) == 1 && lease_flight_at (t, f)->leases == 2 &&
           lease_flight_at (t, f)->attempts == 2);
    CHECK (!lease_flight_at (t, f)->waiting);
    CHECK (lease_at (t, lease_find (t, second))->rank == 2 &&
           lease_at (t, head[1])->number == first);
    lease_end (t, lease_find (t, first), &head[1]);
    CHECK (head[1] == 0 && lease_find (t, first) == 0 && lease_flights_out (t) == 1);
    CHECK (lease_of_flight (t, f) == lease_find (t, second));
    CHECK (lease_next_of_flight (t, lease_of_flight (t, f)) == 0);
    lease_end (t, lease_find (t, second), &head[2]);
    CHECK (lease_flights_out (t) == 0 && lease_of_flight (t, f) == 0);
    lease_flight_end (t, f);
    lease_table_destroy (t);
}

static void an_old_number_never_finds_a_new_lease (void)
{
    lease_table *t = given_table ();
    uint32_t head = 0, f = flight_of (t, 1);
    uint64_t old[100];
    for (int i = 0; i < 100; i++) { /* the same cell again and again */
        old[i] = start (t, f, 1, &head, 1);
        for (int k = 0; k < i; k++)
            CHECK (lease_find (t, old[k]) == 0);
        lease_end (t, head, &head);
    }
    lease_table_destroy (t);
}

static void leases_of_a_kind_stand_in_the_order_sent (void)
{
    lease_table *t = given_table ();
    uint32_t head = 0, handles[5];
    for (uint32_t i = 0; i < 5; i++)
        handles[i] = lease_find (t, start (t, flight_of (t, i), 1, &head, i));
    CHECK (lease_oldest (t, TASK_GENERATE) == handles[0] && lease_oldest (t, TASK_SCORE) == 0);
    lease_end (t, handles[1], &head); /* from the middle */
    lease_mark_late (t, handles[0]);
    CHECK (lease_at (t, handles[0])->late);
    CHECK (lease_oldest (t, TASK_GENERATE) == handles[2]);
    lease_end (t, handles[0], &head); /* a late one is in no order any more */
    lease_end (t, handles[4], &head); /* the newest */
    lease_end (t, handles[2], &head);
    CHECK (lease_oldest (t, TASK_GENERATE) == handles[3]);
    lease_end (t, handles[3], &head);
    CHECK (lease_oldest (t, TASK_GENERATE) == 0 && head == 0);
    lease_table_destroy (t);
}

static void thousands_of_flights_come_and_go (void)
{
    lease_table *t = given_table ();
    uint32_t head = 0;
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 5000; i++)
            (void)start (t, flight_of (t, i), 1, &head, i);
        CHECK (lease_flights_out (t) == 5000);
        for (uint32_t i = 0; i < 5000; i++) {
            uint32_t number = (i * 7919 + round) % 5000,
                     f = lease_find_flight (t, (task_id){9, number});
            CU_ASSERT_FATAL (f != 0);
            lease_end (t, lease_of_flight (t, f), &head);
            lease_flight_end (t, f);
        }
        CHECK (lease_flights (t) == 0 && lease_flights_out (t) == 0 && head == 0);
    }
    lease_table_destroy (t);
}

static void survives_failure_of_every_allocation (void)
{
    esp_err err = ESP_ENOMEM;
    for (long n = 0; err != ESP_OK && n < 100; n++) {
        lease_table *t = NULL;
        uint32_t head = 0, handle;
        uint64_t number, leases = 0;
        esp_alloc_fail_after (n);
        err = lease_table_create (&t);
        for (uint32_t i = 0; err == ESP_OK && i < 100; i++) {
            task of = {.id = {1, i}, .kind = TASK_VERIFY};
            if ((err = lease_flight (t, &of, &handle)) == ESP_OK)
                err = lease_start (t, handle, 1, &head, false, 1, &number);
            leases += err == ESP_OK;
        }
        esp_alloc_fail_after (-1);
        CHECK (!t || lease_flights_out (t) == leases);
        lease_table_destroy (t);
        CHECK (esp_alloc_live () == 0);
    }
    CHECK (err == ESP_OK);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"bad calls change nothing", bad_calls_change_nothing},
        {"a task has one flight until it ends", a_task_has_one_flight_until_it_ends},
        {"a flight is out while it has a lease", a_flight_is_out_while_it_has_a_lease},
        {"an old number never finds a new lease", an_old_number_never_finds_a_new_lease},
        {"leases of a kind stand in the order sent", leases_of_a_kind_stand_in_the_order_sent},
        {"thousands of flights come and go", thousands_of_flights_come_and_go},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("lease", cases);
}
