/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_equations.c - any bytes as a step: no crash, every equation lies inside the text, the counts are those of the calls, and a second
 * reading gives the same */

// LINK: esp_engine

#include <assert.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "worker/engine/equations.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

struct seen {
    span text;
    equation_counts counts;
};

static void see (void *ctx, span equation, enum equation_mark mark)
{
    struct seen *s = ctx;
    s->counts.of[mark]++;
    assert (equation.ptr >= s->text.ptr &&
            equation.ptr + equation.len <= s->text.ptr + s->text.len);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    struct seen seen = {.text = span_make ((const char *)data, size)};
    equations *e = NULL;
    equation_counts first, again;
    if (size == 0 || equations_create (&e) != ESP_OK)
        return 0;
    first = equations_check (e, seen.text, see, &seen);
    assert (memcmp (&first, &seen.counts, sizeof (first)) == 0);
    again = equations_check (e, seen.text, NULL, NULL);
    assert (memcmp (&first, &again, sizeof (first)) == 0);
    equations_destroy (e);
    assert (esp_alloc_live () == 0);
    return 0;
}
