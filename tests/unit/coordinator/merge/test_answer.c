/* SPDX-License-Identifier: Apache-2.0 */
/* test_answer.c - what coordinator/merge/answer.h promises */

#include "coordinator/merge/answer.h"
#include <string.h>
#include "proto/base/rng.h"
#include "tests/support/suite.h"

static bool reads (const char *text, const char *answer)
{
    return span_is (answer_of (span_of (text)), answer);
}

static void a_text_without_an_answer_has_none (void)
{
    CHECK (reads ("", "") && answer_of (span_make (NULL, 0)).len == 0);
    CHECK (reads ("the answer is 7", "") && reads ("\\boxed", "") && reads ("####7", ""));
}

static void the_last_box_counts (void)
{
    CHECK (reads ("ans \\boxed{3}", "3"));
    CHECK (reads ("\\boxed{1} and then \\boxed{ 2 }.", "2"));
    CHECK (reads ("\\boxed{1}\n#### 9", "1")); /* a box is stronger than hashes */
}

static void braces_inside_a_box_are_balanced (void)
{
    CHECK (reads ("\\boxed{\\frac{1}{2}} }", "\\frac{1}{2}"));
    CHECK (reads ("\\boxed{}", "") && reads ("\\boxed{{}}", "{}"));
}

static void a_box_that_never_closes_is_no_answer (void)
{
    CHECK (reads ("\\boxed{1", "") && reads ("\\boxed{", "") &&
           reads ("\\boxed{1} \\boxed{\\frac{2}", ""));
}

static void hashes_are_read_to_the_end_of_their_line (void)
{
    CHECK (reads ("so\n#### 18", "18") && reads ("#### 1\n####  70,000 \nmore", "70,000") &&
           reads ("#### ", ""));
}

static void no_bytes_crash_it (void)
{
    static const char *const parts[] = {"\\boxed{", "}",       "{",    "#### ", "\n",
                                        "x",        "\\boxed", "\xff", " "};
    char text[200];
    for (uint64_t run = 0; run < 5000; run++) {
        size_t len = 0;
        for (uint64_t i = 0; i < 12; i++) {
            const char *part = parts[esp_draw_below (run, i, 9)];
            memcpy (text + len, part, strlen (part));
            len += strlen (part);
        }
        span got = answer_of (span_make (text, len));
        CHECK (got.len == 0 || (got.ptr >= text && got.ptr + got.len <= text + len));
    }
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"a text without an answer has none", a_text_without_an_answer_has_none},
        {"the last box counts", the_last_box_counts},
        {"braces inside a box are balanced", braces_inside_a_box_are_balanced},
        {"a box that never closes is no answer", a_box_that_never_closes_is_no_answer},
        {"hashes are read to the end of their line", hashes_are_read_to_the_end_of_their_line},
        {"no bytes crash it", no_bytes_crash_it},
        {NULL, NULL},
    };
    return suite_main ("answer", cases);
}
