/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CONSOLE_REPORT_PRINT_H
#define ESP_CLUSTER_CONSOLE_REPORT_PRINT_H

/* report_print.h - a report as table, CSV or JSON
 *
 * Shares are percent in the table and fractions elsewhere.  A write that fails shows in ferror (out).
 * Threads: none.
 */

#include <stdio.h>
#include "cluster/console/report_compute.h"
#include "cluster/console/report_costs.h"

typedef struct report_part { /* one run and its sections: all, then the groups */
    const report_run *run;
    report_section *sections; /* owned by who made the part */
    size_t section_count;
    report_costs costs;
    bool has_costs; /* there is a costs.jsonl */
} report_part;

typedef struct report {
    const report_part *parts;
    size_t part_count;           /* 1 or 2 */
    const report_versus *versus; /* NULL for one run */
    const report_settings *settings;
    const char *by; /* NULL or the field of the groups */
} report;

void report_print_table (FILE *out, const report *r);
void report_print_csv (
    FILE *out,
    const report *r); /* one row a number: output,group,metric,k,x,value,low,high,problems */
ESP_MUST_CHECK esp_err report_print_json (FILE *out, const report *r); /* ESP_ENOMEM */

#endif
