/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_WORKER_PROMPT_STEP_KIT_H
#define ESP_TESTS_UNIT_WORKER_PROMPT_STEP_KIT_H

/* step_kit.h - what the tests of step rules share */

#include <string.h>
#include "tests/support/suite.h"
#include "worker/prompt/step_rule.h"

#define LIST(...)                                                                                  \
    ((esp_strings){(const char *const[]){__VA_ARGS__},                                             \
                   sizeof ((const char *const[]){__VA_ARGS__}) / sizeof (char *)})

static inline step_rule *given_rule (const step_options *o)
{
    step_rule *r = NULL;
    esp_error error = {0};
    PASS (step_rule_create (o, &r, &error));
    return r;
}

/* The steps of a text, with '|' between them; together they are the text, if there are any. */
static inline void splits (const step_rule *r, const char *text, const char *expected)
{
    char got[1024] = "";
    span rest = span_of (text), step;
    bool thinking = false;
    uint32_t count = 0;
    while (step_rule_next (r, &thinking, &rest, &step)) {
        strcat (got, count++ ? "|" : "");
        strncat (got, step.ptr, step.len);
    }
    CHECK (strcmp (got, expected) == 0);
    CHECK (step_rule_count (r, false, span_of (text)) == count);
    CHECK (count == 0 || rest.len == 0);
}

#endif
