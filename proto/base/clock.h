/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_BASE_CLOCK_H
#define ESP_PROTO_BASE_CLOCK_H

/* clock.h - time that is passed in
 *
 * Loops, leases and logs get an esp_clock; the simulator gives them a virtual
 * one.  The search core gets none.
 */

#include <stdint.h>

typedef struct esp_clock {
    uint64_t (*now_ns) (void *ctx); /* monotonic, ns since any start */
    void *ctx;                      /* borrowed */
} esp_clock;

static inline uint64_t esp_clock_ns (const esp_clock *clock)
{
    return clock->now_ns (clock->ctx);
}

esp_clock esp_clock_monotonic (void); /* CLOCK_MONOTONIC */
double esp_wall_seconds (void);       /* Unix time; for logs and summary.json only */
uint64_t esp_thread_cpu_ns (void);    /* CPU time of the calling thread; for benches and stats */

#endif
