/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_import.c - any bytes as a recipe of search-and-learn: what comes of it is a run file, whatever stood in its texts */

#include <assert.h>
#include <string.h>
#include "cluster/cli/import.h"
#include "proto/base/alloc.h"
#include "proto/config/config.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* Sections that we write, and no other: a text of the recipe cannot add one. */
static void check_sections (const config *c)
{
    static const char *const sections[] = {"run",    "problems",  "search", "step",
                                           "prompt", "generator", "prm",    "verifier"};
    for (size_t i = 0; i < sizeof (sections) / sizeof (sections[0]); i++)
        assert (config_section_count (c, sections[i]) == 1);
    assert (strcmp (config_peek (c, "verifier.kind"), "answer") == 0);
    assert (config_section_count (c, "dispatch") == 0 && config_section_count (c, "extends") == 0);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    esp_buf out = {0}, notes = {0};
    esp_error error = {0};
    config *c = NULL;
    if (import_sal (span_make ((const char *)data, size), "recipe.yaml", &out, &notes, &error) ==
        ESP_OK) {
        assert (config_parse (esp_buf_span (&out), "run.yaml", &c, &error) == ESP_OK);
        check_sections (c);
        config_destroy (c);
    } else {
        assert (error.text[0] != 0);
    }
    esp_buf_free (&out);
    esp_buf_free (&notes);
    assert (esp_alloc_live () == 0);
    return 0;
}
