/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_WORKER_VERIFIER_MATH_VERIFY_KIT_H
#define ESP_TESTS_UNIT_WORKER_VERIFIER_MATH_VERIFY_KIT_H

/* math_verify_kit.h - a math-verify engine over an interpreter that the test names: jobs, waiting, what came last */

#include <errno.h>
#include <signal.h>
#include "tests/unit/worker/verifier/verifier_kit.h"

static struct {
    char memory[JOBS][64];
    char folder[PATH_MAX], path[PATH_MAX + 16];
} mv;

static inline esp_err open_with (const char *python, const char *more, esp_error *error)
{
    char yaml[PATH_MAX + 128];
    snprintf (yaml, sizeof (yaml), "{python: \"%s\"%s}", python, more);
    b.count = 0;
    return kit_open (&b.k, "math-verify", ENGINE_VERIFIER, yaml, error);
}

/* The branch ends with this answer. */
static const job *ask_of (const char *json, const char *answer)
{
    char *text = mv.memory[b.count % JOBS];
    snprintf (text, sizeof (mv.memory[0]), "so \\boxed{%s}", answer);
    return ask_text (json, text);
}

static const job *ask (const char *answer)
{
    return ask_of ("{\"answer\": \"7\"}", answer);
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
    for (time_t since = 0; kill (pid, 0) == 0 && patience (&since);)
        usleep (10000);
    return kill (pid, 0) != 0 && errno == ESRCH;
}

#endif
