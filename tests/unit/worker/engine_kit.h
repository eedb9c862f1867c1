/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_WORKER_ENGINE_KIT_H
#define ESP_TESTS_UNIT_WORKER_ENGINE_KIT_H

/* engine_kit.h - one engine, one job at a time, and a copy of what came back */

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include "proto/base/file.h"
#include "proto/config/config.h"
#include "tests/support/suite.h"
#include "worker/engine/engine.h"

enum { KIT_TEXT = 1 << 16, KIT_SCORES = 64 };

struct kit {
    const engine_kind *kind;
    void *state;
    config *options;
    uint64_t now_ns; /* its clock */
    engine_setup setup;
    uint64_t memory[64]; /* the options struct */
    /* the last result */
    result r;
    unsigned calls;
    char text[KIT_TEXT], answer[KIT_TEXT], reason[64];
    double scores[KIT_SCORES];
};

static inline uint64_t kit_now (void *ctx)
{
    return ((const struct kit *)ctx)->now_ns;
}

static inline void kit_copy (char *out, size_t size, span text)
{
    snprintf (out, size, "%.*s", (int)text.len, text.ptr ? text.ptr : "");
}

static inline void kit_done (void *ctx, const job *j, const result *r)
{
    struct kit *k = ctx;
    CHECK (j->task.id.number == r->id.number && j->task.id.problem == r->id.problem);
    k->calls++;
    k->r = *r;
    kit_copy (k->text, sizeof (k->text), r->text);
    kit_copy (k->answer, sizeof (k->answer), r->answer);
    kit_copy (k->reason, sizeof (k->reason), r->reason);
    for (size_t i = 0; i < r->score_count && i < KIT_SCORES; i++)
        k->scores[i] = r->scores[i];
}

/* yaml: the keys of the engine's section, such as "{rule: fakegen-1}"; NULL: all defaults. */
static inline esp_err
kit_open (struct kit *k, const char *name, unsigned role, const char *yaml, esp_error *error)
{
    static esp_clock clock;
    char file[1024];
    memset (k, 0, sizeof (*k));
    clock = (esp_clock){kit_now, k};
    k->kind = engine_find (name, role);
    CU_ASSERT_PTR_NOT_NULL_FATAL (k->kind);
    CU_ASSERT_FATAL (k->kind->option_bytes <= sizeof (k->memory));
    snprintf (file, sizeof (file), "engine: %s\n", yaml ? yaml : "{}");
    PASS (config_parse (span_of (file), "test", &k->options, error));
    if (k->kind->options) {
        PASS (config_bind (k->options, "engine", &k->kind->options, (void *[]){k->memory}, 1));
        PASS (config_check_unknown (k->options));
        CU_ASSERT_EQUAL_FATAL (config_mistakes (k->options, NULL), 0);
    }
    k->setup = (engine_setup){.kind = k->kind,
                              .options = k->memory,
                              .role = role,
                              .clock = &clock,
                              .done = kit_done,
                              .ctx = k};
    return k->kind->open (&k->setup, &k->state, error);
}

static inline void kit_close (struct kit *k)
{
    k->kind->close (k->state);
    config_destroy (k->options);
}

/* Start one job whose branch is one text (NULL or "": the root). */
static inline void kit_do (struct kit *k, task t, const char *json, const char *branch)
{
    span text = span_of (branch);
    job j = {.task = t, .problem = span_of (json), .steps = &text, .step_count = text.len > 0};
    const job *jobs[] = {&j};
    unsigned before = k->calls;
    k->kind->start (k->state, jobs, 1);
    CU_ASSERT_EQUAL (k->calls, before + 1);
}

/* A file of the folder beside the checkout, or NULL when it is not there (the case says so and ends). */
static inline const char *kit_shared (const char *name)
{
    static char path[PATH_MAX];
    FILE *f;
    snprintf (path, sizeof (path), "%s/../../../shared/%s", ESP_TESTS_UNIT, name);
    if (!(f = fopen (path, "r"))) {
        printf ("    skipped: no %s\n", path);
        return NULL;
    }
    fclose (f);
    return path;
}

#endif
