/* SPDX-License-Identifier: Apache-2.0 */
/* test_dispatch_outbox.c - what waits to be sent, and may end before it is */

#include "tests/unit/coordinator/dispatch/dispatch_kit.h"

static void fill_link (struct kit *k, int rank)
{
    for (int i = 0; i < LINK_QUEUE_MESSAGES; i++)
        if (link_send (k->ends[0], rank, span_make ("x", 1)) != ESP_OK)
            break;
    FAILS (link_send (k->ends[0], rank, span_make ("x", 1)), ESP_EFULL);
}

static void tasks_wait_while_the_link_is_full (void)
{
    struct kit *k = given_workers (1, 4);
    const struct heard *h;
    fill_link (k, 1);
    kit_give (k, 0, 2);
    kit_give (k, 1, 2);
    kit_pass (k);
    CHECK (dispatch_in_flight (k->d) == 2 && kit_hear (k, 1)->task_count == 0);
    kit_pass (k);
    h = kit_hear (k, 1);
    CHECK (h->task_count == 2 && h->prefixes == 1 && h->tasks[0].texts == 2);
    kit_close (k);
}

static void a_lease_that_ended_in_the_outbox_is_not_sent (void)
{
    struct kit *k = given_workers (1, 4);
    const struct heard *h;
    fill_link (k, 1);
    kit_give (k, 0, 0);
    kit_give (k, 1, 0);
    kit_pass (k);
    kit_missing (k, 1, 0); /* of a task it cannot have got */
    kit_pass (k);
    dispatch_cancel (k->d, (task_id){1, 0});
    (void)kit_hear (k, 1);
    kit_pass (k);
    h = kit_hear (k, 1);
    CHECK (h->task_count == 1 && h->tasks[0].number == 1 && k->again_count == 1);
    kit_close (k);
}

static void tasks_of_a_problem_that_ended_are_not_sent (void)
{
    struct kit *k = given_workers (1, 4);
    kit_give (k, 0, 0);
    k->gone = true;
    kit_pass (k);
    CHECK (kit_hear (k, 1)->kinds[WIRE_BATCH] == 0);
    kit_close (k);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"tasks wait while the link is full", tasks_wait_while_the_link_is_full},
        {"a lease that ended in the outbox is not sent",
         a_lease_that_ended_in_the_outbox_is_not_sent},
        {"tasks of a problem that ended are not sent", tasks_of_a_problem_that_ended_are_not_sent},
        {NULL, NULL},
    };
    if (esp_log_open (-1, LOG_ERROR, NULL, LOG_ERROR) != ESP_OK)
        return 1;
    return suite_main ("dispatch_outbox", cases);
}
