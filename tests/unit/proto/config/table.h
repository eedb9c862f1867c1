/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_PROTO_CONFIG_TABLE_H
#define ESP_TESTS_UNIT_PROTO_CONFIG_TABLE_H

/* table.h - small option tables and the steps that the config tests share */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/config/config.h"
#include "tests/support/suite.h"

struct search_options {
    const char *strategy;
    int64_t keep;
    double weight;
    int aggregate;
    int64_t generations;
    bool deterministic;
};

static const esp_option search_table[] = {
    {.key = "strategy",
     .type = ESP_OPT_STRING,
     .offset = offsetof (struct search_options, strategy),
     .fallback = "beam",
     .help = "how to search"},
    {.key = "keep",
     .type = ESP_OPT_INT,
     .offset = offsetof (struct search_options, keep),
     .fallback = "4",
     .min = 1,
     .max = 512,
     .unit = "branches",
     .help = "branches that survive a step"},
    {.key = "weight",
     .type = ESP_OPT_DOUBLE,
     .offset = offsetof (struct search_options, weight),
     .fallback = "0.5",
     .min = 0,
     .max = 1,
     .help = "of the score",
     .change = ESP_OPT_FREE},
    {.key = "aggregate",
     .type = ESP_OPT_CHOICE,
     .offset = offsetof (struct search_options, aggregate),
     .fallback = "last",
     .choices = "last|min|prod|mean|max",
     .help = "how step scores become one"},
    {.key = "budget.generations",
     .type = ESP_OPT_INT,
     .offset = offsetof (struct search_options, generations),
     .fallback = "640",
     .min = 0,
     .max = 1e18,
     .help = "samples a problem may ask for",
     .change = ESP_OPT_GROWS},
    {.key = "deterministic",
     .type = ESP_OPT_BOOL,
     .offset = offsetof (struct search_options, deterministic),
     .fallback = "true",
     .help = "same answer on any number of workers"},
    ESP_OPTION_END};

struct generator_options {
    const char *url, *note;
    esp_strings stop, hosts;
};

static const esp_option generator_table[] = {{.key = "url",
                                              .type = ESP_OPT_STRING,
                                              .offset = offsetof (struct generator_options, url),
                                              .help = "where the server is",
                                              .required = true,
                                              .change = ESP_OPT_FREE},
                                             {.key = "note",
                                              .type = ESP_OPT_STRING,
                                              .offset = offsetof (struct generator_options, note),
                                              .help = "a remark"},
                                             {.key = "stop",
                                              .type = ESP_OPT_STRINGS,
                                              .offset = offsetof (struct generator_options, stop),
                                              .fallback = "[\"\\n\\n\"]",
                                              .help = "where a step ends"},
                                             {.key = "hosts",
                                              .type = ESP_OPT_STRINGS,
                                              .offset = offsetof (struct generator_options, hosts),
                                              .help = "names of hosts",
                                              .change = ESP_OPT_GROWS},
                                             ESP_OPTION_END};

static inline config *given (const char *yaml)
{
    config *c = NULL;
    esp_error error = {0};
    esp_err err = config_parse (span_of (yaml), "run.yaml", &c, &error);
    if (err != ESP_OK)
        printf ("  %s\n", error.text);
    PASS (err);
    return c;
}

/* The text must be refused with this sentence. */
static inline void refused (span yaml, esp_err code, const char *sentence)
{
    config *c = NULL;
    esp_error error = {0};
    FAILS (config_parse (yaml, "run.yaml", &c, &error), code);
    CHECK (c == NULL);
    CHECK (error.code == code);
    CU_ASSERT_STRING_EQUAL (error.text, sentence);
    if (strcmp (error.text, sentence) != 0)
        printf ("  got: %s\n", error.text);
}

static inline struct search_options bind_search (config *c)
{
    struct search_options o = {0};
    PASS (config_bind (c, "search", (const esp_option *const[]){search_table}, (void *const[]){&o},
                       1));
    return o;
}

static inline struct generator_options bind_generator (config *c)
{
    struct generator_options o = {0};
    PASS (config_bind (c, "generator", (const esp_option *const[]){generator_table},
                       (void *const[]){&o}, 1));
    return o;
}

/* These mistakes, in this order, and no others. */
static inline void expect_mistakes (const config *c, size_t count, const char *text)
{
    const char *got = NULL;
    CU_ASSERT_EQUAL (config_mistakes (c, &got), count);
    CU_ASSERT_STRING_EQUAL (got, text);
    if (strcmp (got, text) != 0)
        printf ("  got: %s", got);
}

#endif
