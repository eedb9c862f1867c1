/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_answer.c - any bytes as two final answers: no crash; the form of a form is that form, comparing is symmetric
 *
 * The first line is one answer, the rest the other; the whole is also searched for an answer.
 */

// LINK: esp_answer

#include <assert.h>
#include "proto/answer/answer.h"
#include "proto/base/alloc.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static enum answer_match compare (const answer_form *a, const answer_form *b)
{
    enum answer_match match = ANSWER_UNKNOWN;
    esp_err err = answer_form_compare (a, b, &match);
    assert (err == ESP_OK);
    return match;
}

/* A form is itself, and so is the form of its text: read again, that text does not change. */
static void check_form (const answer_form *a)
{
    answer_form *again = NULL;
    esp_err err = answer_form_create (answer_form_text (a), &again);
    assert (err == ESP_OK);
    assert (span_equal (answer_form_text (a), answer_form_text (again)));
    assert (compare (a, a) == ANSWER_SAME);
    assert (compare (a, again) == ANSWER_SAME && compare (again, a) == ANSWER_SAME);
    answer_form_destroy (again);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    span all = span_make ((const char *)data, size), found;
    size_t line = size ? span_find (all, span_of ("\n")) : 0, next = line < size ? line + 1 : size;
    answer_form *a = NULL, *b = NULL;
    if (answer_find (all, &found))
        assert (found.len > 0 && found.ptr >= all.ptr &&
                found.ptr + found.len <= all.ptr + all.len);
    if (answer_form_create (span_make (all.ptr, line), &a) == ESP_OK)
        check_form (a);
    if (answer_form_create (span_make (all.ptr + next, size - next), &b) == ESP_OK)
        check_form (b);
    if (a && b)
        assert (compare (a, b) == compare (b, a));
    answer_form_destroy (a);
    answer_form_destroy (b);
    assert (esp_alloc_live () == 0);
    return 0;
}
