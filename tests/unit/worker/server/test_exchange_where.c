/* SPDX-License-Identifier: Apache-2.0 */
/* test_exchange_where.c - which server a request goes to, and when: what worker/server/servers.h promises of exchanges */

// LINK: esp_test_servers esp_http

#include "tests/unit/worker/server/exchange_kit.h"

static void cancel_all (struct talk *t, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (t[i].dones == 0 && t[i].e)
            exchange_cancel (t[i].e);
}

static void a_prefix_stays_at_home_until_another_server_idles (void)
{
    struct talk t[4] = {0}, other[3] = {0}, late = {.ask.home = 1};
    struct set k;
    given (&k, 2);
    k.o.in_flight = 4;
    for (int i = 0; i < 2; i++)
        atomic_store (&f[i].work, FAKE_STALLS);
    servers_set_home (k.s, 1, servers_at (k.s, 0), -1);
    servers_set_home (k.s, 2, servers_at (k.s, 1), -1);
    servers_set_home (k.s, 3, servers_at (k.s, 1), 5);
    CHECK (servers_home_slot (k.s, 3, servers_at (k.s, 1)) == 5);
    CHECK (servers_home_slot (k.s, 3, servers_at (k.s, 0)) == -1);
    CHECK (servers_home_slot (k.s, 2, servers_at (k.s, 1)) == -1);
    CHECK (servers_home_slot (k.s, 4, servers_at (k.s, 0)) == -1);
    fill (&k, t, 4, 1, 0);
    for (int i = 0; i < 4; i++)
        CHECK (t[i].writes == 1 && t[i].at[0] == 0);
    fill (&k, other, 3, 2, 0); /* the other one has work */
    talk_start (&k, &late);
    set_passes (&k);
    CHECK (late.writes == 0);
    for (int i = 0; i < 3; i++) {
        CHECK (late.writes == 0);
        exchange_cancel (other[i].e);
        other[i].e = NULL;
        set_pass (&k);
    }
    UNTIL (&k, late.writes == 1);
    CHECK (late.at[0] == 1);
    exchange_cancel (late.e);
    cancel_all (t, 4);
    cancel_all (other, 3);
    end (&k, 2);
}

static void one_problem_goes_to_one_server_and_problems_spread (void)
{
    struct talk t[30] = {0};
    unsigned on[MOST] = {0};
    struct set k;
    given (&k, 3);
    for (unsigned i = 0; i < 30; i++) {
        t[i].ask.spread = 1000 + i;
        talk_whole (&k, &t[i]);
        on[t[i].at[0]]++;
    }
    for (int i = 0; i < MOST; i++)
        CHECK (on[i] >= 3); /* none is left out */
    for (unsigned i = 0; i < 10; i++) {
        struct talk again = {.ask.spread = 1000 + i};
        talk_whole (&k, &again);
        CHECK (again.at[0] == t[i].at[0]);
    }
    end (&k, 3);
}

static void no_server_gets_much_more_than_the_others (void)
{
    struct talk t[30] = {0};
    unsigned on[MOST] = {0};
    struct set k;
    given (&k, 3);
    for (int i = 0; i < MOST; i++)
        atomic_store (&f[i].work, FAKE_STALLS);
    fill (&k, t, 30, 0, 5); /* all of one problem */
    for (int i = 0; i < 30; i++)
        on[t[i].at[0]]++;
    for (int i = 0; i < MOST; i++)
        CHECK (on[i] >= 5 && on[i] <= 13); /* 10 on the mean */
    cancel_all (t, 30);
    end (&k, 3);
}

static void in_flight_is_never_exceeded (void)
{
    struct talk t[5] = {0}, big = {.ask.weight = 9};
    struct set k;
    given (&k, 1);
    k.o.in_flight = 4;
    atomic_store (&f[0].work, FAKE_STALLS);
    t[0].ask.weight = 3;
    fill (&k, t, 5, 0, 0);
    CHECK (servers_at (k.s, 0)->in_flight == 4 && t[2].writes == 0);
    cancel_all (t, 5);
    CHECK (servers_at (k.s, 0)->in_flight == 0);
    talk_start (&k, &big); /* alone it may */
    UNTIL (&k, big.writes == 1);
    exchange_cancel (big.e);
    end (&k, 1);
}

static void a_big_one_is_not_overtaken_for_ever (void)
{
    struct talk small[2] = {0}, big = {.ask.weight = 4}, late[3] = {0};
    struct set k;
    given (&k, 1);
    k.o.in_flight = 4;
    atomic_store (&f[0].work, FAKE_STALLS);
    fill (&k, small, 2, 0, 0);
    talk_start (&k, &big);
    fill (&k, late, 3, 0, 0); /* there would be room for two */
    set_passes (&k);
    CHECK (big.writes == 0 && late[0].writes == 0);
    cancel_all (small, 2);
    UNTIL (&k, big.writes == 1);
    CHECK (late[0].writes == 0);
    exchange_cancel (big.e);
    UNTIL (&k, late[2].writes == 1);
    cancel_all (late, 3);
    end (&k, 1);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"a prefix stays at home until another server idles",
         a_prefix_stays_at_home_until_another_server_idles},
        {"one problem goes to one server, and problems spread",
         one_problem_goes_to_one_server_and_problems_spread},
        {"no server gets much more than the others", no_server_gets_much_more_than_the_others},
        {"in_flight is never exceeded", in_flight_is_never_exceeded},
        {"a big one is not overtaken for ever", a_big_one_is_not_overtaken_for_ever},
        {NULL, NULL},
    };
    return suite_main ("exchange_where", cases);
}
