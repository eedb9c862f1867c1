/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CONSOLE_REPORT_COSTS_H
#define ESP_CLUSTER_CONSOLE_REPORT_COSTS_H

/* report_costs.h - OUTPUT/costs.jsonl as figures: per answer and in all, with money and FLOPs where the run file says prices
 *
 * Threads: none.
 */

#include <stdio.h>
#include "cluster/console/report_prices.h"

enum cost_column {
    COST_GENERATIONS,
    COST_GENERATED,
    COST_PROMPT,
    COST_CACHED,
    COST_SCORED,
    COST_READ,
    COST_VERDICTS,
    COST_COLUMNS
};
extern const char *const cost_column_keys[COST_COLUMNS]; /* fields of the row */

typedef struct cost_figure { /* over the rows; percentiles: nearest rank */
    double mean, p50, p95, total;
} cost_figure;

typedef struct report_costs {
    size_t rows;
    cost_figure columns[COST_COLUMNS];
    double cache_hits;                 /* share of the prompt tokens; NaN = none were told */
    double money;                      /* models without a price add nothing; NaN = none has one */
    double generator_flops, prm_flops; /* NaN = parameters not said */
} report_costs;

/* Errors (sentences name file and line): ESP_ENOENT (there is no costs.jsonl: an older program's run), ESP_EFORMAT, ESP_EIO,
 * ESP_EPERMISSION, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err report_costs_read (const char *output, report_costs *out, esp_error *error);

void report_costs_print (FILE *out, const report_costs *c);

#endif
