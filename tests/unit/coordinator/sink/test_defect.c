/* SPDX-License-Identifier: Apache-2.0 */
/* test_defect.c - what coordinator/sink/defect.h promises: where two texts differ */

#include "coordinator/sink/defect.h"
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/rng.h"
#include "tests/support/suite.h"

static defect between (const char *original, const char *mutated, enum defect_unit unit)
{
    defect at = {.begin = 99};
    PASS (defect_between (span_of (original), span_of (mutated), unit, NULL, &at));
    return at;
}

static bool is (const defect *at, size_t begin, size_t before_end, size_t after_end,
                const char *before, const char *after)
{
    return at->differs && at->begin == begin && at->before_end == before_end &&
           at->after_end == after_end && span_is (at->before, before) && span_is (at->after, after);
}

static void equal_texts_do_not_differ (void)
{
    CHECK (!between ("a\nb\n", "a\nb\n", DEFECT_LINE).differs);
    CHECK (!between ("", "", DEFECT_LINE).differs && !between ("", "", DEFECT_STEP).differs);
}

static void a_changed_line_is_found_between_equal_ones (void)
{
    defect at = between ("a\nb\nc\n", "a\nx\nc\n", DEFECT_LINE);
    CHECK (is (&at, 1, 2, 2, "b\n", "x\n"));
    at = between ("a\nb", "a\nx", DEFECT_LINE);
    CHECK (is (&at, 1, 2, 2, "b", "x"));
    at = between ("a\nb\nc\nd", "x\nb\nc\ny", DEFECT_LINE); /* both ends: all between is inside */
    CHECK (is (&at, 0, 4, 4, "a\nb\nc\nd", "x\nb\nc\ny"));
}

static void what_is_missing_or_new_has_an_empty_other_side (void)
{
    defect at = between ("a\nb\nc\n", "a\nc\n", DEFECT_LINE);
    CHECK (is (&at, 1, 2, 1, "b\n", ""));
    at = between ("a\nc\n", "a\nb\nc\n", DEFECT_LINE);
    CHECK (is (&at, 1, 1, 2, "", "b\n"));
    at = between ("a\na\na\n", "a\na\n", DEFECT_LINE); /* of equal lines the last one */
    CHECK (is (&at, 2, 3, 2, "a\n", ""));
    at = between ("a\n", "", DEFECT_LINE);
    CHECK (is (&at, 0, 1, 0, "a\n", ""));
    at = between ("a\n", "a", DEFECT_LINE);
    CHECK (is (&at, 0, 1, 1, "a\n", "a"));
}

static bool next_line (const void *rule, bool *thinking, span *rest, span *step)
{
    size_t end = span_find (*rest, span_of ("\n")) + 1;
    (void)rule;
    (void)thinking;
    if (span_trim (*rest).len == 0)
        return false;
    end = end < rest->len ? end : rest->len;
    *step = span_make (rest->ptr, end);
    *rest = span_make (rest->ptr + end, rest->len - end);
    return true;
}

static void steps_are_those_of_the_run (void)
{
    const step_split lines = {.next = next_line};
    defect at = between ("a\n\nb\n\nc", "a\n\nx\ny\n\nc", DEFECT_STEP); /* no rule: empty lines */
    CHECK (is (&at, 1, 2, 2, "b\n\n", "x\ny\n\n"));
    PASS (defect_between (span_of ("a\nb\nc\n \n"), span_of ("a\nx\nc\n \n"), DEFECT_STEP, &lines,
                          &at));
    CHECK (is (&at, 1, 2, 2, "b\n", "x\n"));
    PASS (defect_between (span_of (" "), span_of ("  "), DEFECT_STEP, &lines, &at));
    CHECK (is (&at, 0, 1, 1, " ", "  "));
}

/* mutated with the pieces [begin, after_end) replaced by before. */
static bool repair_gives_the_original (span original, span mutated, const defect *at)
{
    esp_buf out = {0};
    size_t head = (size_t)(at->after.ptr - mutated.ptr), tail = head + at->after.len;
    bool same;
    PASS (esp_buf_append (&out, mutated.ptr, head));
    PASS (esp_buf_add (&out, at->before));
    PASS (esp_buf_append (&out, mutated.ptr + tail, mutated.len - tail));
    same = span_equal (esp_buf_span (&out), original);
    esp_buf_free (&out);
    return same;
}

static void the_repair_gives_the_original_back (void)
{
    for (uint64_t seed = 0; seed < 3000; seed++) {
        char text[2][40];
        span both[2];
        defect at;
        for (size_t i = 0; i < 2; i++) {
            size_t n = esp_draw_below (seed, 100 * i, 12);
            for (size_t j = 0; j < n; j++)
                text[i][j] = "a\n\nb"[esp_draw_below (seed, 100 * i + j + 1, 4)];
            both[i] = span_make (text[i], n);
        }
        for (enum defect_unit unit = DEFECT_LINE; unit <= DEFECT_STEP; unit++) {
            PASS (defect_between (both[0], both[1], unit, NULL, &at));
            CHECK (at.differs != span_equal (both[0], both[1]));
            CHECK (!at.differs || repair_gives_the_original (both[0], both[1], &at));
        }
    }
}

static void the_last_block_of_python_is_the_program (void)
{
    static const char *const rows[][2] = {
        {"x = 1\n", "x = 1\n"},
        {"Here:\n```python\nx = 1\n```\nor\n```py\nx = 2\n```\n", "x = 2\n"},
        {"```\nx = 1\n```\n```json\n{}\n```", "x = 1\n"},
        {"```python\nx = 1\n", "x = 1\n"}, /* never closed */
        {"``` \nx\n``````\ny\n```", "y\n"},
        {"```", "```"},
        {"a ``` b", "a ``` b"},
        {"", ""}};
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++)
        CHECK (span_is (defect_program (span_of (rows[i][0])), rows[i][1]));
}

static void survives_failure_of_every_allocation (void)
{
    esp_err err = ESP_ENOMEM;
    for (long n = 0; err != ESP_OK && n < 100; n++) {
        defect at = {.begin = 99};
        esp_alloc_fail_after (n);
        err = defect_between (span_of ("a\nb\n"), span_of ("a\nc\n"), DEFECT_LINE, NULL, &at);
        esp_alloc_fail_after (-1);
        CHECK (esp_alloc_live () == 0 && (err == ESP_OK || at.begin == 99));
    }
    CU_ASSERT_EQUAL (err, ESP_OK);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"equal texts do not differ", equal_texts_do_not_differ},
        {"a changed line is found between equal ones", a_changed_line_is_found_between_equal_ones},
        {"what is missing or new has an empty other side",
         what_is_missing_or_new_has_an_empty_other_side},
        {"steps are those of the run", steps_are_those_of_the_run},
        {"the repair gives the original back", the_repair_gives_the_original_back},
        {"the last block of Python is the program", the_last_block_of_python_is_the_program},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("defect", cases);
}
