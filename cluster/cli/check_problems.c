/* SPDX-License-Identifier: Apache-2.0 */
/* check_problems.c - see check_problems.h */

#include "cluster/cli/check_problems.h"
#include <stdio.h>
#include <string.h>

enum { PROBLEMS_TRIED = 64, AT_ONCE = 8 };

void check_doubts (const problem_source *source, const char *file, check_report *r)
{
    const problem_doubts *d = problem_source_doubts (source);
    esp_buf text = {0};
    for (size_t i = 0; i < d->count; i++) {
        esp_buf_clear (&text);
        if (problem_doubt_text (&d->kinds[i], file, problem_source_count (source), &text) == ESP_OK)
            check_warn (r, "%s", esp_buf_text (&text));
    }
    esp_buf_free (&text);
}

/* ---- an empty candidate ---- */

/* Reasons of unknown verdicts that are no fault of a candidate, and that check_doubts has not told. */
static const struct fault {
    const char *reason, *what;
    bool slow;
} faults[] = {
    {"tests-do-not-parse", "have tests that do not parse", false},
    {"tests-crashed", "have tests that crash", false},
    {"tests-timeout", "have tests that do not end", true},
    {"no-inputs", "have no inputs that a program could be run on", false},
    {"too-many-tests", "have too many tests", false},
    {"verifier-crashed", "made the verifier end", true},
    {"bad-answer", "made the verifier say what is no verdict", false},
};
enum { FAULTS = sizeof (faults) / sizeof (faults[0]) };

struct found {
    unsigned count;
    char first[120]; /* id of the first problem */
};

static void note (struct found *found, const lab_result *got, const problem *p)
{
    for (size_t i = 0; i < FAULTS; i++)
        if (got->r.verdict == VERDICT_UNKNOWN && span_is (got->r.reason, faults[i].reason) &&
            found[i].count++ == 0)
            snprintf (found[i].first, sizeof (found[i].first), "%.*s", (int)p->id.len, p->id.ptr);
}

/* Problems from..from + n, together. */
static esp_err try_some (lab *l, problem_source *source, uint32_t from, size_t n,
                         struct found *found, esp_error *error)
{
    esp_buf memory[AT_ONCE] = {{0}};
    problem problems[AT_ONCE];
    job jobs[AT_ONCE];
    lab_result got[AT_ONCE];
    esp_err err = ESP_OK;
    for (size_t i = 0; i < n && err == ESP_OK; i++) {
        err = problem_source_get (source, 0, from + (uint32_t)i, &memory[i], &problems[i], error);
        jobs[i] = (job){.task = {.kind = TASK_VERIFY}, .problem = problems[i].json};
    }
    if (err == ESP_OK && (err = lab_do (l, TASK_VERIFY, jobs, n, got)) == ESP_OK)
        for (size_t i = 0; i < n; i++) {
            note (found, &got[i], &problems[i]);
            lab_result_free (&got[i]);
        }
    for (size_t i = 0; i < n; i++)
        esp_buf_free (&memory[i]);
    return err;
}

esp_err check_verdicts (lab *l, const run_config *c, check_report *r, esp_error *error)
{
    struct found found[FAULTS] = {{0}};
    problem_source *source;
    const run_engine *verifier = c->engines[TASK_VERIFY];
    uint32_t count, done = 0;
    uint32_t most = PROBLEMS_TRIED;
    bool quick = true;
    esp_err err = ESP_OK;
    if (!verifier->kind || !verifier->kind->describe)
        return ESP_OK; /* it judges at once and cannot fail */
    if (strcmp (verifier->kind->name, "external") == 0)
        most = AT_ONCE; /* nobody knows what its verdicts cost */
    err = problem_source_open (&c->problems, NULL, NULL, NULL, &source, error);
    if (err != ESP_OK)
        return err;
    count = problem_source_count (source);
    count = count < most ? count : most;
    while (done < count && err == ESP_OK && quick) {
        uint32_t n = count - done < AT_ONCE ? count - done : AT_ONCE;
        err = try_some (l, source, done, n, found, error);
        done += n;
        for (size_t i = 0; i < FAULTS; i++) /* nobody waits for 64 time-outs */
            quick = quick && (found[i].count == 0 || !faults[i].slow);
    }
    problem_source_close (source);
    for (size_t i = 0; i < FAULTS && err == ESP_OK; i++)
        if (found[i].count > 0)
            check_warn (r,
                        "an empty candidate was judged on the first %u problems: %u %s, their "
                        "verdicts will be unknown (%s); the first is '%s'",
                        done, found[i].count, faults[i].what, faults[i].reason, found[i].first);
    return err;
}
