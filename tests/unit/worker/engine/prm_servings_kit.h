/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_WORKER_ENGINE_PRM_SERVINGS_KIT_H
#define ESP_TESTS_UNIT_WORKER_ENGINE_PRM_SERVINGS_KIT_H

/* prm_servings_kit.h - one serving of worker/engine/prm.h and a request that it wrote */

#include <jansson.h>
#include <math.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "tests/support/suite.h"
#include "worker/engine/prm_servings.h"

enum { TEXTS = 4, WANTED = 4 };

struct given {
    const prm_serving *serving;
    prm_options options;
    layout_plan plan;
    prm_labels labels;
    prm_text texts[TEXTS];
    double scores[TEXTS * WANTED];
    prm_ask ask;
    uint64_t tokens;
    esp_error why;
};

static inline const prm_serving *serving_named (const char *name)
{
    const prm_serving *s;
    for (size_t i = 0; (s = prm_serving_at (i)); i++)
        if (strcmp (s->name, name) == 0)
            return s;
    CU_FAIL_FATAL ("no such serving");
    return NULL;
}

/* count texts "text 1", ..., each of `rows` steps of which the last `want` are asked for. */
static inline void given_ask (struct given *g, const char *serving, const char *layout_name,
                              size_t count, unsigned rows, unsigned want)
{
    static const char *const names[TEXTS] = {"text 1", "text 2", "text 3", "text 4"};
    memset (g, 0, sizeof (*g));
    g->serving = serving_named (serving);
    g->options = (prm_options){
        .layout = {.name = layout_name, .tag_id = -1, .good_id = -1, .bad_id = -1, .column = -1},
        .top_logprobs = 20,
        .samples = 1,
        .max_tokens = 100,
        .temperature = 0.5,
        .cache_prompt = true};
    PASS (layout_open (&g->options.layout, serving, g->serving->layout, g->serving->readings,
                       &g->plan, &g->why));
    g->labels = (prm_labels){.good = {10}, .bad = {12}, .good_count = 1, .bad_count = 1};
    for (size_t i = 0; i < count; i++)
        g->texts[i] = (prm_text){span_of (names[i]), rows, want, g->scores + i * WANTED};
    g->ask = (prm_ask){.options = &g->options,
                       .plan = &g->plan,
                       .labels = &g->labels,
                       .model = "m",
                       .seed = 7,
                       .texts = g->texts,
                       .count = count};
}

static inline esp_err take (struct given *g, const char *json)
{
    g->why = (esp_error){0};
    return g->serving->read (&g->ask, span_of (json), &g->tokens, &g->why);
}

/* The answer of a recorded exchange; the caller frees it. */
static inline char *recorded (const char *name)
{
    char path[512], *text;
    json_t *file;
    snprintf (path, sizeof (path), "%s/worker/prompt/recorded/vllm/%s.json", ESP_TESTS_UNIT, name);
    file = json_load_file (path, 0, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL (file);
    text = json_dumps (json_object_get (file, "response"), 0);
    json_decref (file);
    return text;
}

static inline void takes_recorded (struct given *g, const char *name)
{
    char *json = recorded (name);
    PASS (take (g, json));
    free (json);
}

static inline void refuses (struct given *g, const char *json, const char *part)
{
    FAILS (take (g, json), ESP_EFORMAT);
    CHECK (strstr (g->why.text, part));
    if (!strstr (g->why.text, part))
        printf ("    says: %s\n", g->why.text);
}

static inline void refuses_recorded (struct given *g, const char *name, const char *part)
{
    char *json = recorded (name);
    refuses (g, json, part);
    free (json);
}

static inline bool near (double a, double b)
{
    return fabs (a - b) < 1e-9;
}

#endif
