/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_BASE_OPTION_H
#define ESP_PROTO_BASE_OPTION_H

/* option.h - one row per run-file key
 *
 * Every module owns a const table of rows and a plain struct that they fill; the
 * parser, the defaults, the ranges, --help, the resolved run file and
 * docs/runfile.md all come from the table.  A new option is one row.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum esp_option_type {
    ESP_OPT_BOOL,   /* bool */
    ESP_OPT_INT,    /* int64_t; "64", "1_000_000", "64k" = 64,000, "2M", "1G" */
    ESP_OPT_DOUBLE, /* double */
    ESP_OPT_STRING, /* const char *, borrowed from the config object; NULL when unset */
    ESP_OPT_CHOICE, /* int: index into choices */
    ESP_OPT_STRINGS /* struct esp_strings: a YAML list of scalars; one scalar is a list of one */
};

/* What resume may do with the key (design.md, section 9). */
enum esp_option_change {
    ESP_OPT_FIXED, /* refused, naming the key */
    ESP_OPT_FREE,  /* may differ: urls, credits, logging, time limits */
    ESP_OPT_GROWS  /* may become larger (0 = no limit is the largest) */
};

typedef struct esp_strings {
    const char *const *items; /* borrowed from the config object */
    size_t count;
} esp_strings;

typedef struct esp_option {
    const char *key; /* inside its section: "keep"; dotted for nested: "budget.generations" */
    enum esp_option_type type;
    size_t offset; /* of the field in the module's struct: offsetof (...) */
    const char *
        fallback; /* default, as it would stand in the file; NULL = unset (strings) or required if `required` */
    double min, max;     /* numbers: allowed range, both ends included; min == max: any */
    const char *choices; /* ESP_OPT_CHOICE: "last|min|prod|mean|max" */
    const char *unit;    /* "tokens", "ms", "" */
    const char *help;    /* one sentence */
    enum esp_option_change change;
    bool required;
} esp_option;

#define ESP_OPTION_END                                                                             \
    {                                                                                              \
        .key = NULL                                                                                \
    }

#endif
