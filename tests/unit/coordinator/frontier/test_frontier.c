/* SPDX-License-Identifier: Apache-2.0 */
/* test_frontier.c - what coordinator/frontier/frontier.h promises */

#include "coordinator/frontier/frontier.h"
#include "proto/base/alloc.h"
#include "proto/base/rng.h"
#include "tests/support/suite.h"

static frontier *given_empty_frontier (void)
{
    frontier *f = NULL;
    PASS (frontier_create (&f));
    return f;
}

static task a_task (problem_key key, uint32_t number, double priority, uint32_t chain)
{
    return (task){.id = {key, number}, .kind = TASK_GENERATE, .priority = priority, .chain = chain};
}

static void push (frontier *f, task t, double problem_priority)
{
    PASS (frontier_push (f, &t, problem_priority));
    frontier_check (f);
}

static uint32_t next_number (frontier *f, enum task_kind kind)
{
    task t = {.id.number = UINT32_MAX};
    PASS (frontier_pop (f, kind, &t));
    frontier_check (f);
    return t.id.number;
}

static void bad_calls_change_nothing (void)
{
    frontier *f = given_empty_frontier ();
    task t = {.id.number = 7};
    FAILS (frontier_create (NULL), ESP_EINVAL);
    for (int k = 0; k < TASK_KINDS; k++) {
        FAILS (frontier_pop (f, (enum task_kind)k, &t), ESP_EEMPTY);
        CHECK (frontier_peek (f, (enum task_kind)k) == NULL);
    }
    CHECK (t.id.number == 7);
    CHECK (frontier_size (f) == 0);
    frontier_destroy (f);
    frontier_destroy (NULL);
}

static void the_order_is_problem_then_ask_then_chain_then_arrival (void)
{
    frontier *f = given_empty_frontier ();
    push (f, a_task (1, 0, 0.0, 1), 0.0);
    push (f, a_task (1, 1, 0.0, 9), 0.0);  /* longer chain */
    push (f, a_task (1, 2, 0.5, 1), 0.0);  /* the strategy wants it sooner */
    push (f, a_task (2, 3, -5.0, 0), 1.0); /* a better problem beats everything */
    push (f, a_task (1, 4, 0.0, 1), 0.0);  /* equal to 0, later */
    CHECK (frontier_peek (f, TASK_GENERATE)->id.number == 3);
    CHECK (next_number (f, TASK_GENERATE) == 3);
    CHECK (next_number (f, TASK_GENERATE) == 2);
    CHECK (next_number (f, TASK_GENERATE) == 1);
    CHECK (next_number (f, TASK_GENERATE) == 0);
    CHECK (next_number (f, TASK_GENERATE) == 4);
    frontier_destroy (f);
}

static void equal_tasks_leave_in_arrival_order (void)
{
    frontier *f = given_empty_frontier ();
    for (uint32_t i = 0; i < 1000; i++)
        push (f, a_task (i % 3, i, 0.25, 2), 0.0);
    for (uint32_t i = 0; i < 1000; i++)
        CHECK (next_number (f, TASK_GENERATE) == i);
    frontier_destroy (f);
}

static void a_task_that_comes_back_stands_at_the_end_of_its_equals (void)
{
    frontier *f = given_empty_frontier ();
    push (f, a_task (1, 0, 0.0, 0), 0.0);
    push (f, a_task (1, 1, 0.0, 0), 0.0);
    CHECK (next_number (f, TASK_GENERATE) == 0);
    push (f, a_task (1, 0, 0.0, 0), 0.0);
    CHECK (next_number (f, TASK_GENERATE) == 1);
    CHECK (next_number (f, TASK_GENERATE) == 0);
    frontier_destroy (f);
}

static void each_kind_has_a_queue_of_its_own (void)
{
    frontier *f = given_empty_frontier ();
    for (uint32_t i = 0; i < 9; i++) {
        task t = a_task (1, i, 0.0, 0);
        t.kind = (uint8_t)(i % TASK_KINDS);
        push (f, t, 0.0);
    }
    CHECK (frontier_size (f) == 9);
    CHECK (frontier_count (f, TASK_SCORE) == 3);
    for (uint32_t i = 0; i < 3; i++)
        CHECK (next_number (f, TASK_VERIFY) == 2 + 3 * i);
    CHECK (frontier_count (f, TASK_VERIFY) == 0 && frontier_size (f) == 6);
    CHECK (next_number (f, TASK_SCORE) == 1);
    frontier_destroy (f);
}

static void random_pushes_and_pops_keep_the_order (void)
{
    frontier *f = given_empty_frontier ();
    task before = {0}, t;
    uint64_t draws = 0;
    for (uint32_t i = 0; i < 4000; i++) {
        push (f, a_task (1, i, esp_draw_below (5, draws, 10), esp_draw_below (6, draws, 3)), 0.0);
        if (++draws % 3 == 0)
            (void)next_number (f, TASK_GENERATE);
    }
    for (bool first = true; frontier_pop (f, TASK_GENERATE, &t) == ESP_OK;
         before = t, first = false)
        CHECK (first || before.priority > t.priority ||
               (before.priority == t.priority &&
                (before.chain > t.chain ||
                 (before.chain == t.chain && before.id.number < t.id.number))));
    frontier_destroy (f);
}

static bool is_odd (void *ctx, const task *t)
{
    (void)ctx;
    return t->id.number % 2 == 1;
}

static void a_boost_lifts_the_tasks_that_match_and_no_others (void)
{
    frontier *f = given_empty_frontier ();
    for (uint32_t i = 0; i < 40; i++)
        push (f, a_task (1 + i / 20, i, 0.0, 0), 0.0);
    frontier_boost (f, 2, 1.0, is_odd, NULL); /* problem 2: numbers 20 to 39 */
    frontier_check (f);
    for (uint32_t i = 21; i < 40; i += 2)
        CHECK (next_number (f, TASK_GENERATE) == i);
    CHECK (next_number (f, TASK_GENERATE) == 0);
    frontier_boost (f, 1, -1.0, is_odd, NULL); /* and a negative one lowers */
    frontier_check (f);
    for (uint32_t i = 2; i < 20; i += 2)
        CHECK (next_number (f, TASK_GENERATE) == i);
    CHECK (next_number (f, TASK_GENERATE) == 20);
    frontier_destroy (f);
}

/* Fail the 1st, 2nd, 3rd ... allocation until the whole scenario succeeds. */
static void survives_failure_of_every_allocation (void)
{
    esp_err err = ESP_ENOMEM;
    for (long n = 0; err != ESP_OK && n < 100; n++) {
        frontier *f = NULL;
        size_t pushed = 0;
        esp_alloc_fail_after (n);
        err = frontier_create (&f);
        for (uint32_t i = 0; err == ESP_OK && i < 200; i++) {
            task t = a_task (1, i, 0.0, i % 7);
            err = frontier_push (f, &t, 0.0);
            pushed += err == ESP_OK;
        }
        esp_alloc_fail_after (-1);
        CHECK (!f || frontier_size (f) == pushed);
        frontier_destroy (f);
        CHECK (esp_alloc_live () == 0);
    }
    CHECK (err == ESP_OK);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"bad calls change nothing", bad_calls_change_nothing},
        {"the order is problem, then ask, then chain, then arrival",
         the_order_is_problem_then_ask_then_chain_then_arrival},
        {"equal tasks leave in arrival order", equal_tasks_leave_in_arrival_order},
        {"a task that comes back stands at the end of its equals",
         a_task_that_comes_back_stands_at_the_end_of_its_equals},
        {"each kind has a queue of its own", each_kind_has_a_queue_of_its_own},
        {"random pushes and pops keep the order", random_pushes_and_pops_keep_the_order},
        {"a boost lifts the tasks that match and no others",
         a_boost_lifts_the_tasks_that_match_and_no_others},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("frontier", cases);
}
