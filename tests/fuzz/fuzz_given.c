/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_given.c - any bytes as a problem row that brings solutions: no crash, steps end in order and make up the text
 *
 * What is no JSON object is tried as the list of its completions too.
 */

// LINK: esp_engine

#include <assert.h>
#include "proto/base/alloc.h"
#include "worker/engine/given.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void check_row (span json)
{
    esp_error why = {0};
    given *g = NULL;
    int64_t first;
    bool right;
    esp_err err = given_read (json, "\n\n", NULL, &g, &why);
    assert (err == ESP_OK || why.text[0] != 0);
    if (g) {
        size_t before = given_count (g);
        err = given_add_alternatives (g, json);
        assert (err == ESP_OK || given_count (g) == before);
    }
    for (size_t i = 0; g && i < given_count (g); i++) {
        size_t end = 0;
        assert (given_steps (g, i) > 0);
        for (size_t k = 0; k < given_steps (g, i); k++) {
            assert (given_step_end (g, i, k) >= end);
            end = given_step_end (g, i, k);
        }
        assert (end == given_text (g, i).len);
    }
    given_destroy (g);
    if (given_first_error (json, &first) == ESP_OK)
        assert (first >= -1);
    if (given_correct (json, &right) != ESP_OK)
        return;
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    span all = span_make ((const char *)data, size);
    esp_buf row = {0};
    check_row (all);
    if (esp_buf_puts (&row, "{\"completions\":") == ESP_OK && esp_buf_add (&row, all) == ESP_OK &&
        esp_buf_puts (&row, "}") == ESP_OK)
        check_row (esp_buf_span (&row));
    esp_buf_free (&row);
    assert (esp_alloc_live () == 0);
    return 0;
}
