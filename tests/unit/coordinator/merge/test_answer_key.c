/* SPDX-License-Identifier: Apache-2.0 */
/* test_answer_key.c - what coordinator/merge/answer_key.h promises */

#include "coordinator/merge/answer_key.h"
#include <string.h>
#include "proto/answer/answer.h"
#include "proto/base/alloc.h"
#include "tests/support/suite.h"

static bool equal (const char *a, const char *b, enum answer_equality equality)
{
    esp_buf x = {0}, y = {0};
    bool same;
    PASS (answer_key (span_of (a), equality, &x));
    PASS (answer_key (span_of (b), equality, &y));
    same = span_equal (esp_buf_span (&x), esp_buf_span (&y));
    esp_buf_free (&x);
    esp_buf_free (&y);
    return same;
}

static void equal_values_have_one_key (void)
{
    CHECK (equal ("0.5", "\\frac{1}{2}", ANSWER_BY_VALUE));
    CHECK (equal ("3, 5", "\\{5, 3\\}", ANSWER_BY_VALUE));
    CHECK (!equal ("0.5", "0.6", ANSWER_BY_VALUE) && !equal ("(1,2)", "(2,1)", ANSWER_BY_VALUE));
}

static void by_text_only_equal_bytes_are_equal (void)
{
    CHECK (!equal ("0.5", ".5", ANSWER_BY_TEXT) && equal ("0.5", "0.5", ANSWER_BY_TEXT));
}

static void no_answer_has_an_empty_key (void)
{
    esp_buf key = {0};
    PASS (esp_buf_puts (&key, "old"));
    PASS (answer_key (span_make ("", 0), ANSWER_BY_VALUE, &key));
    CHECK (key.len == 0);
    esp_buf_free (&key);
}

static void what_is_too_long_is_its_own_key (void)
{
    static char text[ANSWER_BYTES + 10];
    esp_buf key = {0};
    memset (text, '7', sizeof (text));
    PASS (answer_key (span_make (text, sizeof (text)), ANSWER_BY_VALUE, &key));
    CHECK (key.len == sizeof (text));
    PASS (answer_key (span_of ("$$"), ANSWER_BY_VALUE, &key));
    CHECK (span_is (esp_buf_span (&key), "$$"));
    esp_buf_free (&key);
}

static void survives_failure_of_every_allocation (void)
{
    esp_err err = ESP_ENOMEM;
    for (long n = 0; err != ESP_OK && n < 100; n++) {
        esp_buf key = {0};
        esp_alloc_fail_after (n);
        err = answer_key (span_of ("0.5"), ANSWER_BY_VALUE, &key);
        esp_buf_free (&key);
        esp_alloc_fail_after (-1);
        CU_ASSERT_EQUAL (esp_alloc_live (), 0);
    }
    CU_ASSERT_EQUAL (err, ESP_OK);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"equal values have one key", equal_values_have_one_key},
        {"by text only equal bytes are equal", by_text_only_equal_bytes_are_equal},
        {"no answer has an empty key", no_answer_has_an_empty_key},
        {"what is too long is its own key", what_is_too_long_is_its_own_key},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("answer_key", cases);
}
