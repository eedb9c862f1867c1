/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CONSOLE_REPORT_STATS_H
#define ESP_CLUSTER_CONSOLE_REPORT_STATS_H

/* report_stats.h - the statistics of `espalier report`, without files (docs/report.md has the formulas)
 *
 * Threads: pure.  NaN stands for "not known" or "not defined" throughout.
 */

#include <stdint.h>
#include "proto/base/err.h"

enum report_correct { REPORT_WRONG, REPORT_RIGHT, REPORT_UNKNOWN };

typedef struct report_candidate {
    uint64_t answer; /* hash of the answer string; 0 = none */
    double score;    /* NaN = none */
    uint32_t item;   /* index of its problem and repeat */
    uint8_t correct; /* enum report_correct */
    uint8_t cut;     /* finish_reason length */
} report_candidate;

/* 1 - C(n - c, k) / C(n, k): the chance that k of n candidates drawn without return hold one of the c right
 * ones (Chen et al. 2021, "Evaluating Large Language Models Trained on Code", eq. 1, as their stable product).
 * NaN if k is 0 or over n. */
double report_pass_at_k (uint64_t n, uint64_t c, uint64_t k);

/* Two-sided exact McNemar test: chance under equal runs that `wins` of wins + losses discordant pairs, or a split at least
 * as uneven, fall so.  1 when there is none. */
double report_mcnemar (uint64_t wins, uint64_t losses);

/* Percentile bootstrap of the mean of n values, 95 %: 2.5th and 97.5th of `rounds` resamples.  Same arguments,
 * same numbers.  rounds 0 or n 0: NaN.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err report_bootstrap (const double *values, size_t n, uint32_t rounds,
                                         uint64_t seed, double *low, double *high);

/* Over the step scores in order; NaN when there is none. */
enum report_aggregate {
    AGGREGATE_LAST,
    AGGREGATE_MIN,
    AGGREGATE_PROD,
    AGGREGATE_MEAN,
    AGGREGATE_MAX
};
double report_aggregate (enum report_aggregate how, const double *scores, size_t n);

/* What the first candidates say by each rule of coordinator/merge/vote.h: verdict on the row that wins.
 * REPORT_UNKNOWN where that has none, REPORT_WRONG where n is 0.  Errors: ESP_ENOMEM. */
enum report_rule { RULE_MAJORITY, RULE_WEIGHTED, RULE_BEST, REPORT_RULES };
ESP_MUST_CHECK esp_err report_votes (const report_candidate *candidates, size_t n, double power,
                                     enum report_correct verdicts[REPORT_RULES]);

#endif
