/* SPDX-License-Identifier: Apache-2.0 */
/* clock.c - the real clocks behind clock.h */

#include "proto/base/clock.h"
#include <stddef.h>
#include <time.h>

static uint64_t read_ns (clockid_t id)
{
    struct timespec now = {0, 0};
    clock_gettime (id, &now); /* cannot fail for the clocks used here */
    return (uint64_t)now.tv_sec * UINT64_C (1000000000) + (uint64_t)now.tv_nsec;
}

static uint64_t monotonic_ns (void *ctx)
{
    (void)ctx;
    return read_ns (CLOCK_MONOTONIC);
}

esp_clock esp_clock_monotonic (void)
{
    return (esp_clock){monotonic_ns, NULL};
}

double esp_wall_seconds (void)
{
    return (double)read_ns (CLOCK_REALTIME) / 1e9;
}

uint64_t esp_thread_cpu_ns (void)
{
    return read_ns (CLOCK_THREAD_CPUTIME_ID);
}
