/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_PROTO_ANSWER_ANSWER_KIT_H
#define ESP_TESTS_UNIT_PROTO_ANSWER_ANSWER_KIT_H

/* answer_kit.h - tables of answers and what they are to each other */

#include <stdio.h>
#include "proto/answer/answer.h"
#include "tests/support/suite.h"

struct pair {
    const char *a, *b;
    enum answer_match match;
};
#define SAME          ANSWER_SAME
#define OTHER         ANSWER_OTHER
#define UNKNOWN       ANSWER_UNKNOWN
#define COMPARE(rows) compare_pairs (rows, sizeof (rows) / sizeof (rows[0]))

static answer_form *form_of (const char *text)
{
    answer_form *form = NULL;
    PASS (answer_form_create (span_of (text), &form));
    return form;
}

static void compare_pair (const struct pair *row)
{
    static const char *const names[] = {
        [ANSWER_SAME] = "same", [ANSWER_OTHER] = "other", [ANSWER_UNKNOWN] = "unknown"};
    answer_form *a = form_of (row->a), *b = form_of (row->b);
    enum answer_match match = 99, reverse = 99;
    PASS (answer_form_compare (a, b, &match));
    PASS (answer_form_compare (b, a, &reverse));
    if (match != row->match || reverse != match)
        printf ("    \"%s\" and \"%s\": %s, the other way %s\n", row->a, row->b, names[match],
                names[reverse]);
    CHECK (match == row->match && reverse == match);
    answer_form_destroy (a);
    answer_form_destroy (b);
}

static inline void compare_pairs (const struct pair *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        compare_pair (&rows[i]);
}

#endif
