/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CONSOLE_REPORT_COMPUTE_H
#define ESP_CLUSTER_CONSOLE_REPORT_COMPUTE_H

/* report_compute.h - from the numbers of a run to the numbers of a report
 *
 * Everything is a mean over problems (of the mean over a problem's repeats), with a bootstrap
 * interval over problems.  Threads: none.  Errors: ESP_ENOMEM.
 */

#include "cluster/console/report_read.h"

typedef struct report_estimate {
    double value, low, high; /* shares in [0, 1]; NaN = not defined, or no interval */
    size_t problems;         /* that the mean is over */
} report_estimate;

enum report_metric { METRIC_PASS, METRIC_MAJORITY, METRIC_WEIGHTED, METRIC_BEST, REPORT_METRICS };
extern const char *const report_metric_names[REPORT_METRICS];

enum report_axis { AXIS_N, AXIS_GENERATIONS, AXIS_STEPS, AXIS_TOKENS, REPORT_AXES };
extern const char *const report_axis_names[REPORT_AXES];

typedef struct report_settings {
    double power;    /* of the weighted vote */
    uint32_t rounds; /* of the bootstrap; 0 = no intervals */
    uint64_t seed;
    enum report_axis axis;
} report_settings;

typedef struct report_row {
    uint64_t k; /* candidates used: 1, 2, 4, ... and the most that a problem has */
    double x; /* k, or the mean cost of k candidates: the problem's cost * min (k, count) / count */
    report_estimate metrics[REPORT_METRICS];
} report_row;

typedef struct report_section { /* the whole run, or one group of problems */
    const char *group;          /* borrowed from the run; NULL = all */
    size_t problems, items;     /* an item is a problem and repeat */
    size_t graded, failed;      /* items with a verdict to compare with; that ended in an error */
    size_t candidates;
    report_estimate accuracy;                                   /* of the answers the run gave */
    double generations, steps, generated_tokens, scored_tokens; /* mean per item */
    double cut, no_answer;                                      /* shares of candidates */
    double items_no_answer;                                     /* share of items */
    report_row *rows;                                           /* owned */
    size_t row_count;
} report_section;

typedef struct report_versus { /* items with a verdict in both runs */
    size_t pairs, only_first, only_second;
    uint64_t wins, losses, ties; /* of the first run */
    double p;                    /* exact McNemar */
    double accuracy[2];          /* over the pairs */
    report_estimate difference;  /* first minus second */
} report_versus;

/* group: index into run->group_names, or -1 for all. */
ESP_MUST_CHECK esp_err report_section_make (const report_run *run, int group,
                                            const report_settings *settings, report_section *out);
void report_section_free (report_section *section);

ESP_MUST_CHECK esp_err report_compare (const report_run *first, const report_run *second,
                                       const report_settings *settings, report_versus *out);

#endif
