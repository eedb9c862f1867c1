/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_SIM_SIM_H
#define ESP_TESTS_SIM_SIM_H

/* sim.h - a whole run in one process with virtual time
 *
 * The real loop, frontier, dispatch, search, journal and rows; workers are virtual: they decode real batches, do the work at once with a
 * real engine (fake), and deliver the real result message after a drawn delay.  The network may reverse, duplicate, lose
 * workers and forget texts.  Time jumps from event to event.
 */

#include "cluster/cli/run_config.h"

typedef struct sim_faults {
    uint64_t seed;        /* of delays and faults */
    int workers;          /* virtual ranks >= 1 */
    double median_s;      /* of one task; log-normal */
    double sigma;         /* 0.7 = heavy tail */
    bool reverse;         /* among results due at the same time, and within a message, last first */
    double duplicate;     /* chance that a result message comes twice */
    double death;         /* chance per batch that its worker dies */
    bool deaths_reported; /* LINK_DOWN, else silence */
    double amnesia;       /* chance per task of MISSING */
    double retry;         /* chance per result of a retryable error in its place */
    uint64_t crash_after; /* inputs, then _exit (9): 0 = never */
    int credits;          /* slots per worker and kind; 0 = engine's default */
    /* Told of every task that a virtual worker does; NULL: nobody. */
    void (*did) (void *ctx, const task *t, uint64_t start_ns, uint64_t end_ns);
    void *did_ctx;
} sim_faults;

typedef struct sim_outcome {
    int state;                 /* enum coordinator_state */
    double seconds;            /* virtual */
    double busy;               /* sum of task times / (slots x seconds) */
    uint64_t generations_done; /* samples that virtual engines made for tasks that were wanted */
    uint64_t inputs, results;
    uint64_t coordinator_cpu_ns; /* of the passes, without what virtual workers and network cost */
    run_status status;
    dispatch_stats dispatch;
} sim_outcome;

/* Run `yaml` (sections search, generator, ...) on the problems file into output; resume when a run is there.
 * Returns 0, or prints a sentence and returns 1. */
int sim_run (const char *yaml, const char *output, const sim_faults *faults, sim_outcome *out);

#endif
