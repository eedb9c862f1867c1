/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_WORKER_VERIFIER_VERIFIER_KIT_H
#define ESP_TESTS_UNIT_WORKER_VERIFIER_VERIFIER_KIT_H

/* verifier_kit.h - a verifier whose verdicts come later: jobs, waiting, what came last */

#include <poll.h>
#include <time.h>
#include "tests/unit/worker/engine_kit.h"

static const task verify = {.id = {1, 0}, .kind = TASK_VERIFY};
enum { JOBS = 256, SECONDS_MOST = 60 };

static struct bench {
    struct kit k;
    job jobs[JOBS];
    span texts[JOBS];
    unsigned count;
} b;

/* True until SECONDS_MOST of real time have passed since the first call with this since, which is 0 then. */
static inline bool patience (time_t *since)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    *since = *since ? *since : now.tv_sec + 1;
    return now.tv_sec + 1 - *since <= SECONDS_MOST;
}

/* Start a job; both texts stay the caller's. */
static inline const job *
ask_reading (const char *json, const char *text, enum verify_reading reading)
{
    unsigned i = b.count++ % JOBS;
    const job *const jobs[] = {&b.jobs[i]};
    b.texts[i] = span_of (text);
    b.jobs[i] =
        (job){.task = verify, .problem = span_of (json), .steps = &b.texts[i], .step_count = 1};
    b.jobs[i].task.id.number = i;
    b.jobs[i].task.reading = (uint16_t)reading;
    b.k.kind->start (b.k.state, jobs, 1);
    return &b.jobs[i];
}

static inline const job *ask_text (const char *json, const char *text)
{
    return ask_reading (json, text, VERIFY_ALL);
}

static inline void sleep_and_poll (int ms)
{
    struct pollfd fd = {.events = POLLIN};
    CHECK (b.k.kind->fds (b.k.state, &fd.fd, 1) == 1);
    (void)poll (&fd, 1, ms);
    b.k.kind->poll (b.k.state);
}

/* Until so many results came. */
static inline void until (unsigned calls)
{
    for (time_t since = 0; b.k.calls < calls && patience (&since);)
        sleep_and_poll (100);
    CU_ASSERT_EQUAL (b.k.calls, calls);
}

#endif
