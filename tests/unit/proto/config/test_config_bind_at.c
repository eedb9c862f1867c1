/* SPDX-License-Identifier: Apache-2.0 */
/* test_config_bind_at.c - sections that are lists */

#include "proto/config/config.h"
#include "tests/unit/proto/config/table.h"

struct sample {
    int format;
    int64_t most;
};

static const esp_option sample_table[] = {{.key = "format",
                                           .type = ESP_OPT_CHOICE,
                                           .offset = offsetof (struct sample, format),
                                           .choices = "stepwise|preference",
                                           .required = true,
                                           .help = "which records"},
                                          {.key = "most",
                                           .type = ESP_OPT_INT,
                                           .offset = offsetof (struct sample, most),
                                           .fallback = "10"},
                                          ESP_OPTION_END};

static struct sample bind_sample (config *c, size_t index)
{
    struct sample s = {0};
    PASS (config_bind_at (c, "samples", index, (const esp_option *const[]){sample_table},
                          (void *const[]){&s}, 1));
    return s;
}

static void list_sections_bind_item_by_item (void)
{
    config *c = given ("samples:\n- format: stepwise\n  most: 3\n- {format: preference}\n"
                       "- most: 5\n  fromat: 1\n- 8\n-\n");
    CHECK (config_section_count (c, "samples") == 5);
    CHECK (bind_sample (c, 0).most == 3);
    CHECK (bind_sample (c, 1).format == 1);
    CHECK (bind_sample (c, 2).most == 5);
    (void)bind_sample (c, 3);
    (void)bind_sample (c, 4);
    PASS (config_check_unknown (c));
    expect_mistakes (c, 5,
                     "run.yaml:5: samples[2].format: is required, but not given: which records\n"
                     "run.yaml:7: samples[3]: expected a map of keys, such as {key: value}\n"
                     "run.yaml:7: samples[3].format: is required, but not given: which records\n"
                     "run.yaml:8: samples[4].format: is required, but not given: which records\n"
                     "run.yaml:6: samples[2].fromat: unknown key; did you mean format?\n");
    config_destroy (c);
}

static void a_map_serves_where_a_list_may_stand (void)
{
    config *c = given ("samples: {format: preference}\n");
    CHECK (config_section_count (c, "samples") == 1);
    CHECK (bind_sample (c, 0).format == 1);
    expect_mistakes (c, 0, "");
    config_destroy (c);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"list sections bind item by item", list_sections_bind_item_by_item},
        {"a map serves where a list may stand", a_map_serves_where_a_list_may_stand},
        {NULL, NULL},
    };
    return suite_main ("config_bind_at", cases);
}
