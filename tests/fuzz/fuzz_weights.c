/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_weights.c - any bytes as a file of weights: no crash, and what is read values every state within its range */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include "proto/base/alloc.h"
#include "worker/engine/embedded_trained.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void value_states (const embedded_trained *t)
{
    static const char *const problems[] = {
        "{\"numbers\": [4, 9, 10, 13], \"target\": 24}",
        "{\"numbers\": [-5, 999999999, 0, 1, 7], \"target\": \"1/3\"}",
        "{\"numbers\": [1, 2, 3], \"target\": 0}"};
    puzzle_move moves[PUZZLE_MOST_MOVES];
    esp_buf text = {0};
    for (size_t i = 0; i < sizeof (problems) / sizeof (problems[0]); i++) {
        puzzle *p = NULL;
        if (puzzle_create (span_of (problems[i]), &p, NULL) != ESP_OK)
            abort ();
        for (;;) {
            double value = embedded_trained_value (t, p);
            assert (value >= 0.001 && value <= 0.999);
            if (puzzle_moves (p, moves) == 0 || puzzle_play (p, &moves[0], &text) != ESP_OK)
                break;
        }
        puzzle_destroy (p);
    }
    esp_buf_free (&text);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    embedded_trained *t = NULL;
    esp_error error = {0};
    esp_err err =
        embedded_trained_read (span_make ((const char *)data, size), "weights", &t, &error);
    assert ((err == ESP_OK) == (t != NULL) && (err == ESP_OK) == (error.text[0] == 0));
    if (t)
        value_states (t);
    embedded_trained_destroy (t);
    assert (esp_alloc_live () == 0);
    return 0;
}
