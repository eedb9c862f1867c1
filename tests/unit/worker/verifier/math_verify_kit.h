/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_WORKER_VERIFIER_MATH_VERIFY_KIT_H
#define ESP_TESTS_UNIT_WORKER_VERIFIER_MATH_VERIFY_KIT_H

/* math_verify_kit.h - a math-verify engine over an interpreter that the test names: jobs, waiting, what came last */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include "tests/unit/worker/engine_kit.h"

static const task verify = {.id = {1, 0}, .kind = TASK_VERIFY};
enum { JOBS = 256, SECONDS_MOST = 60 };

static struct bench {
    struct kit k;
    job jobs[JOBS];
    span texts[JOBS];
    char memory[JOBS][64];
    unsigned count;
    char folder[PATH_MAX], path[PATH_MAX + 16];
} b;

static inline esp_err open_with (const char *python, const char *more, esp_error *error)
{
    char yaml[PATH_MAX + 128];
    snprintf (yaml, sizeof (yaml), "{python: \"%s\"%s}", python, more);
    b.count = 0;
    return kit_open (&b.k, "math-verify", ENGINE_VERIFIER, yaml, error);
}

/* Start a job; both texts stay the caller's. */
static const job *ask_text (const char *json, const char *text)
{
    unsigned i = b.count++ % JOBS;
    const job *const jobs[] = {&b.jobs[i]};
    b.texts[i] = span_of (text);
    b.jobs[i] =
        (job){.task = verify, .problem = span_of (json), .steps = &b.texts[i], .step_count = 1};
    b.jobs[i].task.id.number = i;
    b.k.kind->start (b.k.state, jobs, 1);
    return &b.jobs[i];
}

/* The branch ends with this answer. */
static const job *ask_of (const char *json, const char *answer)
{
    char *text = b.memory[b.count % JOBS];
    snprintf (text, sizeof (b.memory[0]), "so \\boxed{%s}", answer);
    return ask_text (json, text);
}

static const job *ask (const char *answer)
{
    return ask_of ("{\"answer\": \"7\"}", answer);
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
    for (int i = 0; b.k.calls < calls && i < SECONDS_MOST * 10; i++)
        sleep_and_poll (100);
    CU_ASSERT_EQUAL (b.k.calls, calls);
}

static inline void last_was (enum verdict verdict, const char *reason, const char *answer)
{
    CHECK (b.k.r.error == ESP_OK && b.k.r.verdict == verdict);
    CU_ASSERT_STRING_EQUAL (b.k.reason, reason);
    CU_ASSERT_STRING_EQUAL (b.k.answer, answer);
}

static inline void pass_time (double seconds)
{
    b.k.now_ns += (uint64_t)(seconds * 1e9);
}

static inline bool dies (pid_t pid)
{
    for (int i = 0; i < SECONDS_MOST * 100 && kill (pid, 0) == 0; i++)
        usleep (10000);
    return kill (pid, 0) != 0 && errno == ESRCH;
}

#endif
