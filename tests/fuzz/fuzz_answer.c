/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_answer.c - any bytes as two final answers: no crash, comparing is symmetric, a form equals itself
 *
 * The first line is one answer, the rest the other; the whole is also searched for an answer.
 */

// LINK: esp_verifier

#include <assert.h>
#include "proto/base/alloc.h"
#include "worker/verifier/answer_form.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* The text of a form is a form with the same text. */
static void check_form (const answer_form *a)
{
    answer_form *again = NULL;
    assert (answer_form_compare (a, a) == VERDICT_PASS);
    if (answer_form_create (answer_form_text (a), &again) != ESP_OK)
        return; /* decoration inside decoration may leave nothing */
    answer_form_destroy (again);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    span all = span_make ((const char *)data, size), found;
    size_t line = size ? span_find (all, span_of ("\n")) : 0, next = line < size ? line + 1 : size;
    answer_form *a = NULL, *b = NULL;
    if (answer_find (all, &found))
        assert (found.ptr >= all.ptr && found.ptr + found.len <= all.ptr + all.len);
    if (answer_form_create (span_make (all.ptr, line), &a) == ESP_OK)
        check_form (a);
    if (answer_form_create (span_make (all.ptr + next, size - next), &b) == ESP_OK)
        check_form (b);
    if (a && b)
        assert (answer_form_compare (a, b) == answer_form_compare (b, a));
    answer_form_destroy (a);
    answer_form_destroy (b);
    assert (esp_alloc_live () == 0);
    return 0;
}
