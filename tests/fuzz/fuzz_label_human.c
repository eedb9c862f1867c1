/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_label_human.c - any bytes as a problem row with a person's ratings: no crash, and only labels come out */

// LINK: esp_sink

#include <assert.h>
#include "coordinator/sink/label_human.h"
#include "proto/base/alloc.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    static const char *const texts[] = {"a\n\n", "b\n\n", " c", "d"};
    label_step steps[4] = {{.node = 0}};
    json_t *row = json_loadb ((const char *)data, size, JSON_ALLOW_NUL, NULL);
    for (size_t i = 0; i < 4; i++)
        steps[i].text = span_of (texts[i]);
    if (row && labels_add_human (row, steps, 4) == ESP_OK)
        for (size_t i = 0; i < 4; i++)
            assert (steps[i].human == LABEL_UNDECIDED || steps[i].human == LABEL_BAD ||
                    steps[i].human == LABEL_GOOD);
    json_decref (row);
    assert (esp_alloc_live () == 0);
    return 0;
}
