/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CONSOLE_REPORT_PRM_H
#define ESP_CLUSTER_CONSOLE_REPORT_PRM_H

/* report_prm.h - how good a PRM's scores are: `espalier report --prm`
 *
 * Sources: ProcessBench (Zheng et al. 2024, arXiv:2412.06559): first-error accuracy, and F1 as the harmonic mean of the accuracies on erroneous
 * and on correct solutions; a step is called wrong when its score is below a threshold, that with the highest F1
 * on a part of the data.  Expected calibration error with 10 bins of equal width: Guo et al. 2017, arXiv:1706.04599.
 *
 * Threads: none.  NaN stands for "not defined" throughout.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "cluster/console/report_stats.h"

typedef struct prm_sample { /* one scored solution: a row of candidates.jsonl */
    uint64_t id;            /* hash of the problem's id */
    uint32_t repeat;
    uint32_t order; /* among those of its problem and repeat, in file order */
    size_t first;   /* its step scores: [first, first + count) of the data's scores */
    uint32_t count;
    uint8_t correct; /* enum report_correct: the verdict, else what the problem row says */
    bool labelled;   /* label is known, and there is a score for every step */
    int64_t label;   /* first wrong step, -1 = none */
    double score;    /* of the whole; NaN = none */
} prm_sample;

typedef struct prm_data {
    prm_sample *samples; /* owned; by id, repeat, order */
    size_t count;
    double *scores; /* owned */
    size_t score_count;
    size_t mismatched; /* labelled rows left out: another number of scores than steps */
} prm_data;
void prm_data_free (prm_data *data); /* accepts a zeroed one */

/* Read the rows of an output folder; labels come from its problems file when the run gave texts (generator.engine file).
 * aggregate: enum report_aggregate over the step scores, or -1 for the row's score.  *note: a sentence for people, or empty.
 * Errors (sentence): those of report_read. */
ESP_MUST_CHECK esp_err prm_read (const char *output, int aggregate, prm_data *out, esp_error *note,
                                 esp_error *error);

/* ---- figures: pure ---- */

typedef struct prm_f1 {
    double threshold;
    size_t erroneous, right; /* labelled solutions with and without an error */
    double found, passed;    /* shares: the first error named exactly; no step called wrong */
    double all;              /* share of both together */
    double f1;               /* harmonic mean of found and passed */
} prm_f1;
prm_f1 prm_f1_at (const prm_data *data, double threshold);
/* The threshold with the highest F1 (the lowest such score).  Errors: ESP_EEMPTY (not both kinds are there), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err prm_choose_threshold (const prm_data *data, double *out);

typedef struct prm_point { /* a score and whether what it stands for was good */
    double score;
    bool good;
} prm_point;
enum { PRM_BINS = 10 };
typedef struct prm_quality {
    size_t good, bad;
    double auc; /* chance that a good one has the higher score; ties count half */
    double ece; /* NaN also when a score is outside [0, 1] */
    struct {
        size_t count;
        double mean, share; /* of the scores; of good ones */
    } bins[PRM_BINS];
} prm_quality;
/* Sorts the points. */
prm_quality prm_quality_of (prm_point *points, size_t count);
/* Steps before and at the first error, of labelled solutions (what follows it has no label); whole solutions with a verdict.
 * Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err prm_step_quality (const prm_data *data, prm_quality *out);
ESP_MUST_CHECK esp_err prm_final_quality (const prm_data *data, prm_quality *out);

enum { PRM_LEVELS = 32 };
typedef struct prm_growth { /* best of the first k, k = 1, 2, 4 ... */
    size_t levels, problems;
    struct {
        uint64_t k;
        double score, right; /* mean of the best score; share of problems whose best is right */
    } at[PRM_LEVELS];
    bool over; /* the score rose and correctness fell, from level `from` to the last one */
    size_t from;
    uint64_t lost, won; /* problems right at `from` and wrong at the end, and the other way */
} prm_growth;
/* Over problems with a verdict, whose first solution has a score. */
void prm_growth_of (const prm_data *data, prm_growth *out);

/* ---- the report ---- */

typedef struct prm_figures {
    const char *output;
    const prm_data *data;
    bool has_f1, chosen; /* chosen: on this very data */
    prm_f1 f1;
    prm_quality steps, finals;
    prm_growth growth;
} prm_figures;
/* threshold NaN: the best one.  output and data are borrowed.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err prm_figures_of (const char *output, const prm_data *data, double threshold,
                                       prm_figures *out);
void prm_print_table (FILE *out, const prm_figures *f);
/* One JSON object of a list for all.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err prm_print_json (FILE *out, const prm_figures *f, size_t count);

#endif
