/* SPDX-License-Identifier: Apache-2.0 */
// LINK: esp_link_mpi
/* test_ringer.c - what proto/link/ringer.h and doorbell.h promise */

#include "proto/link/ringer.h"
#include <stdlib.h>
#include <unistd.h>
#include "proto/base/alloc.h"
#include "tests/support/suite.h"

static const uint64_t NEVER = UINT64_C (3600) * 1000000000;

struct pair {
    ringer *a, *b;
    uint64_t rings_a, rings_b;
};

static void given_pair (struct pair *p)
{
    doorbell_address a, b;
    *p = (struct pair){NULL, NULL, 0, 0};
    PASS (ringer_open (true, 2, &p->rings_a, &p->a, &a));
    PASS (ringer_open (true, 2, &p->rings_b, &p->b, &b));
    CHECK (a.ip != 0 && a.port != 0 && a.port != b.port);
    ringer_addresses (p->a)[1] = b;
    ringer_addresses (p->b)[0] = a;
}

static void close_pair (struct pair *p)
{
    ringer_close (p->a);
    ringer_close (p->b);
}

/* Sleeps until rung, however often a nap ends before. */
static void sleep_until_rung (ringer *r)
{
    while (!ringer_sleep (r, false, NEVER, NULL, 0))
        ;
}

static void a_send_wakes_the_sleeper (void)
{
    struct pair p;
    given_pair (&p);
    ringer_sent (p.a, 1);
    CHECK (p.rings_a == 1);
    sleep_until_rung (p.b);
    close_pair (&p);
}

static void a_burst_rings_less_than_it_sends_and_the_last_one_is_not_lost (void)
{
    struct pair p;
    given_pair (&p);
    for (int i = 0; i < 100000; i++)
        ringer_sent (p.a, 1);
    CHECK (p.rings_a < 100000);
    sleep_until_rung (p.b);
    (void)ringer_sleep (p.a, false, 0, NULL, 0); /* pays what is owed */
    uint64_t paid = p.rings_a;
    (void)ringer_sleep (p.a, false, 0, NULL, 0);
    CHECK (p.rings_a == paid);
    ringer_sent (p.a, 1);
    (void)ringer_sleep (p.a, false, 0, NULL, 0);
    CHECK (p.rings_a == paid + 1);
    sleep_until_rung (p.b);
    close_pair (&p);
}

static void an_owed_ring_is_paid_after_the_gap_without_a_sleep (void)
{
    struct pair p;
    given_pair (&p);
    ringer_sent (p.a, 1);
    ringer_sent (p.a, 1);
    while (p.rings_a == 1) {
        usleep (1000);
        ringer_pay (p.a);
    }
    CHECK (p.rings_a == 2);
    ringer_pay (p.a);
    CHECK (p.rings_a == 2);
    close_pair (&p);
}

static void a_wake_and_a_descriptor_end_the_sleep (void)
{
    struct pair p;
    int pipes[2];
    given_pair (&p);
    ringer_wake (p.a);
    CHECK (ringer_sleep (p.a, false, NEVER, NULL, 0));
    CHECK (pipe (pipes) == 0 && write (pipes[1], "x", 1) == 1);
    CHECK (ringer_sleep (p.a, false, NEVER, pipes, 1));
    CHECK (!ringer_sleep (p.a, false, 1000, NULL, 0));
    close (pipes[0]);
    close (pipes[1]);
    close_pair (&p);
}

static void an_unfinished_transfer_keeps_ringing (void)
{
    struct pair p;
    given_pair (&p);
    ringer_sent (p.a, 1);
    while (p.rings_a < 4)
        ringer_nag (p.a, 1);
    sleep_until_rung (p.b);
    close_pair (&p);
}

static void without_a_doorbell_it_naps (void)
{
    uint64_t rings = 0;
    doorbell_address mine = {1, 1, 0};
    ringer *r = NULL;
    setenv ("ESP_DOORBELL_IF", "no-such-interface", 1);
    PASS (ringer_open (false, 2, &rings, &r, &mine));
    unsetenv ("ESP_DOORBELL_IF");
    CHECK (mine.ip == 0);
    ringer_sent (r, 1); /* nobody to ring, no harm */
    CHECK (!ringer_sleep (r, true, NEVER, NULL, 0));
    CHECK (!ringer_sleep (r, false, NEVER, NULL, 0));
    ringer_close (r);
}

static void messages_without_rings_are_noticed (void)
{
    struct pair p;
    given_pair (&p);
    for (int i = 0; i < 20;
         i++) { /* each sleep ends by time with a message there: the naps become short */
        CHECK (!ringer_sleep (p.b, false, NEVER, NULL, 0));
        ringer_moved (p.b, true);
    }
    ringer_sent (p.a, 1); /* one ring that arrives and all is well again */
    sleep_until_rung (p.b);
    close_pair (&p);
}

static void a_flood_of_rings_is_taken_at_once (void)
{
    doorbell_address mine;
    int fd = -1, drains = 0;
    PASS (doorbell_open (true, &fd, &mine));
    CHECK (!doorbell_drain (fd));
    for (int i = 0; i < 10000; i++)
        doorbell_ring (fd, mine);
    while (doorbell_drain (fd))
        drains++;
    CHECK (drains > 0 && drains < 10);
    doorbell_ring (fd, (doorbell_address){0, 0, 0});
    doorbell_ring (-1, mine);
    CHECK (!doorbell_drain (fd) && !doorbell_drain (-1));
    doorbell_close (fd);
    doorbell_close (-1);
}

static void survives_failure_of_every_allocation (void)
{
    uint64_t rings = 0;
    doorbell_address mine;
    long live = esp_alloc_live ();
    esp_err err = ESP_ENOMEM;
    ringer_close (NULL);
    for (long n = 0; err != ESP_OK && n < 20; n++) {
        ringer *r = NULL;
        esp_alloc_fail_after (n);
        err = ringer_open (true, 4, &rings, &r, &mine);
        esp_alloc_fail_after (-1);
        ringer_close (r);
        CHECK (esp_alloc_live () == live);
    }
    CHECK (err == ESP_OK);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"a send wakes the sleeper", a_send_wakes_the_sleeper},
        {"a burst rings less than it sends and the last one is not lost",
         a_burst_rings_less_than_it_sends_and_the_last_one_is_not_lost},
        {"an owed ring is paid after the gap without a sleep",
         an_owed_ring_is_paid_after_the_gap_without_a_sleep},
        {"a wake and a descriptor end the sleep", a_wake_and_a_descriptor_end_the_sleep},
        {"an unfinished transfer keeps ringing", an_unfinished_transfer_keeps_ringing},
        {"without a doorbell it naps", without_a_doorbell_it_naps},
        {"messages without rings are noticed", messages_without_rings_are_noticed},
        {"a flood of rings is taken at once", a_flood_of_rings_is_taken_at_once},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("ringer", cases);
}
