/* SPDX-License-Identifier: Apache-2.0 */
/* test_clock.c - what proto/base/clock.h promises */

#include "proto/base/clock.h"
#include <time.h>
#include "tests/support/suite.h"

static uint64_t virtual_ns (void *ctx)
{
    uint64_t *now = ctx;
    return *now += 5;
}

static void a_clock_may_be_virtual (void)
{
    uint64_t now = 100;
    esp_clock clock = {virtual_ns, &now};
    CHECK (esp_clock_ns (&clock) == 105);
    CHECK (esp_clock_ns (&clock) == 110);
}

static void the_monotonic_clock_never_goes_back (void)
{
    esp_clock clock = esp_clock_monotonic ();
    uint64_t last = esp_clock_ns (&clock);
    CHECK (last > 0);
    for (int i = 0; i < 10000; i++) {
        uint64_t now = esp_clock_ns (&clock);
        CHECK (now >= last);
        last = now;
    }
}

static void it_counts_in_nanoseconds (void)
{
    esp_clock clock = esp_clock_monotonic ();
    struct timespec pause = {0, 2000000};
    uint64_t start = esp_clock_ns (&clock);
    while (nanosleep (&pause, &pause) != 0)
        ;
    CHECK (esp_clock_ns (&clock) - start >= 2000000); /* a sleep is never shorter */
}

static void wall_time_is_unix_time_in_seconds (void)
{
    double before = (double)time (NULL) - 1.0; /* time () reads a coarser clock */
    double now = esp_wall_seconds ();
    CHECK (now >= before);
    CHECK (now <= (double)time (NULL) + 2.0); /* whole seconds, and it may lag a tick */
}

static void cpu_time_grows_with_work (void)
{
    uint64_t start = esp_thread_cpu_ns ();
    volatile unsigned work = 0;
    while (esp_thread_cpu_ns () == start)
        work = work + 1;
    CHECK (esp_thread_cpu_ns () > start);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"a clock may be virtual", a_clock_may_be_virtual},
        {"the monotonic clock never goes back", the_monotonic_clock_never_goes_back},
        {"it counts in nanoseconds", it_counts_in_nanoseconds},
        {"wall time is Unix time in seconds", wall_time_is_unix_time_in_seconds},
        {"CPU time grows with work", cpu_time_grows_with_work},
        {NULL, NULL},
    };
    return suite_main ("clock", cases);
}
