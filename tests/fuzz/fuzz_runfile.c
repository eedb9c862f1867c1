/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_runfile.c - any bytes as a run file: no crash, and what was read reads back the same
 *
 * Lines of the input that begin with "=" are overrides; the rest is the file.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/config/config.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

struct options {
    bool flag;
    int64_t whole;
    double number;
    const char *text;
    int choice;
    esp_strings texts;
};

static const esp_option table[] = {
    {.key = "flag",
     .type = ESP_OPT_BOOL,
     .offset = offsetof (struct options, flag),
     .fallback = "yes"},
    {.key = "keep",
     .type = ESP_OPT_INT,
     .offset = offsetof (struct options, whole),
     .min = 1,
     .max = 9e6},
    {.key = "budget.weight", .type = ESP_OPT_DOUBLE, .offset = offsetof (struct options, number)},
    {.key = "url",
     .type = ESP_OPT_STRING,
     .offset = offsetof (struct options, text),
     .required = true},
    {.key = "how",
     .type = ESP_OPT_CHOICE,
     .offset = offsetof (struct options, choice),
     .choices = "last|min|null",
     .fallback = "min"},
    {.key = "stop",
     .type = ESP_OPT_STRINGS,
     .offset = offsetof (struct options, texts),
     .fallback = "[\"\\n\"]",
     .change = ESP_OPT_GROWS},
    ESP_OPTION_END};

enum { MAX_ITEMS = 4 };

/* What a caller does with a run file; returns the number of items of `samples`. */
static size_t use (config *c, struct options search[1], struct options samples[MAX_ITEMS])
{
    const esp_option *const tables[] = {table};
    size_t count = config_section_count (c, "samples");
    count = count < MAX_ITEMS ? count : MAX_ITEMS;
    memset (search, 0, sizeof (*search));
    assert (config_bind (c, "search", tables, (void *const[]){search}, 1) == ESP_OK);
    for (size_t i = 0; i < count; i++) {
        memset (&samples[i], 0, sizeof (samples[i]));
        assert (config_bind_at (c, "samples", i, tables, (void *const[]){&samples[i]}, 1) ==
                ESP_OK);
    }
    assert (config_accept_section (c, "log") == ESP_OK);
    assert (config_check_unknown (c) == ESP_OK);
    (void)config_peek (c, "search.url");
    return count;
}

static bool same_text (const char *a, const char *b)
{
    return a && b ? strcmp (a, b) == 0 : a == b;
}

static void check_same (const struct options *a, const struct options *b)
{
    assert (a->flag == b->flag && a->whole == b->whole && a->choice == b->choice);
    assert (memcmp (&a->number, &b->number, sizeof (a->number)) == 0);
    assert (same_text (a->text, b->text) && a->texts.count == b->texts.count);
    for (size_t i = 0; i < a->texts.count; i++)
        assert (same_text (a->texts.items[i], b->texts.items[i]));
}

static void check_round_trip (config *c, config **again)
{
    struct options search, samples[MAX_ITEMS], search_again, samples_again[MAX_ITEMS];
    esp_buf first = {0}, second = {0};
    esp_error error = {0};
    uint64_t id = 0, id_again = 1;
    size_t count = use (c, &search, samples);
    assert (config_resolved (c, &first) == ESP_OK);
    assert (config_parse (esp_buf_span (&first), "resolved", again, &error) == ESP_OK);
    if (config_section_count (c, "samples") <= MAX_ITEMS)
        assert (use (*again, &search_again, samples_again) == count);
    else
        (void)use (*again, &search_again, samples_again);
    check_same (&search, &search_again);
    for (size_t i = 0; i < count; i++)
        check_same (&samples[i], &samples_again[i]);
    assert (config_resolved (*again, &second) == ESP_OK);
    assert (span_equal (esp_buf_span (&first), esp_buf_span (&second)));
    assert (config_identity (c, &id) == ESP_OK && config_identity (*again, &id_again) == ESP_OK);
    assert (id == id_again && config_may_resume (c, *again, &error) == ESP_OK);
    esp_buf_free (&first);
    esp_buf_free (&second);
}

/* Split the input: overrides to *overrides (one a line), the rest to *yaml. */
static void split (span input, esp_buf *yaml, esp_buf *overrides)
{
    while (input.len > 0) {
        size_t end = span_find (input, span_of ("\n"));
        size_t len = end < input.len ? end + 1 : end;
        esp_buf *to = input.ptr[0] == '=' ? overrides : yaml;
        assert (esp_buf_append (to, input.ptr, len) == ESP_OK);
        input = span_make (input.ptr + len, input.len - len);
    }
}

static void apply (config *c, esp_buf *overrides)
{
    char *line = overrides->data;
    for (char *end; line && (end = strchr (line, '\n')); line = end + 1) {
        esp_error error = {0};
        *end = 0;
        if (config_override (c, line + (*line == '='), &error) != ESP_OK)
            assert (error.text[0]);
    }
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    esp_buf yaml = {0}, overrides = {0};
    config *c = NULL, *again = NULL;
    esp_error error = {0};
    split (span_make ((const char *)data, size), &yaml, &overrides);
    if (config_parse (esp_buf_span (&yaml), "fuzz", &c, &error) == ESP_OK) {
        apply (c, &overrides);
        check_round_trip (c, &again);
    } else {
        assert (error.text[0] && !c);
    }
    config_destroy (c);
    config_destroy (again);
    esp_buf_free (&yaml);
    esp_buf_free (&overrides);
    assert (esp_alloc_live () == 0);
    return 0;
}
