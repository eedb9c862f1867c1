/* SPDX-License-Identifier: Apache-2.0 */
/* report_prm_print.c - a table for people, JSON for programs */

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include "cluster/console/report_prm.h"

static const char *percent (double share, char *out, size_t size)
{
    if (isnan (share))
        snprintf (out, size, "-");
    else
        snprintf (out, size, "%.1f", 100 * share);
    return out;
}

static const char *figure (double value, char *out, size_t size)
{
    if (isnan (value))
        snprintf (out, size, "-");
    else
        snprintf (out, size, "%.3f", value);
    return out;
}

static void print_f1 (FILE *out, const prm_figures *f)
{
    char a[16], b[16], c[16], d[16];
    if (!f->has_f1) {
        fprintf (out, "  ProcessBench no labelled solution\n");
        return;
    }
    fprintf (out, "  ProcessBench F1 %s %% at threshold %.6g%s\n", percent (f->f1.f1, a, 16),
             f->f1.threshold,
             f->chosen ? " (chosen on this data, so it flatters: give --threshold, or name the run "
                         "to choose it on first)"
                       : "");
    fprintf (
        out,
        "               %zu with an error: first one found in %s %%; %zu without: passed in %s "
        "%%; both together %s %%\n",
        f->f1.erroneous, percent (f->f1.found, b, 16), f->f1.right, percent (f->f1.passed, c, 16),
        percent (f->f1.all, d, 16));
}

static void print_bins (FILE *out, const prm_figures *f)
{
    char a[16], b[16], c[16], d[16];
    if (isnan (f->steps.ece) && isnan (f->finals.ece))
        return;
    fprintf (out, "\n      score          steps    mean  good %%    solutions    mean  right %%\n");
    for (int i = 0; i < PRM_BINS; i++)
        fprintf (out, "  [%.1f, %.1f%c  %12zu  %6s  %6s  %11zu  %6s  %7s\n", i / 10.0,
                 (i + 1) / 10.0, i == PRM_BINS - 1 ? ']' : ')', f->steps.bins[i].count,
                 figure (f->steps.bins[i].mean, a, 16), percent (f->steps.bins[i].share, b, 16),
                 f->finals.bins[i].count, figure (f->finals.bins[i].mean, c, 16),
                 percent (f->finals.bins[i].share, d, 16));
}

static void print_growth (FILE *out, const prm_growth *g)
{
    char a[16], b[16];
    if (g->problems == 0 || g->levels < 2)
        return;
    fprintf (out, "\n       k  best score  right %%   (best of the first k, %zu problems)\n",
             g->problems);
    for (size_t l = 0; l < g->levels; l++)
        fprintf (out, "%8" PRIu64 "  %10s  %7s\n", g->at[l].k, figure (g->at[l].score, a, 16),
                 percent (g->at[l].right, b, 16));
    if (g->over)
        fprintf (out,
                 "  warning: from k = %" PRIu64 " to %" PRIu64
                 " the best score rises and correctness falls (%" PRIu64 " problems lost, %" PRIu64
                 " won; exact McNemar p = %.4f): the search exploits this PRM\n",
                 g->at[g->from].k, g->at[g->levels - 1].k, g->lost, g->won,
                 report_mcnemar (g->won, g->lost));
}

void prm_print_table (FILE *out, const prm_figures *f)
{
    char a[16], b[16];
    fprintf (out, "%s: %zu solutions, %zu step scores\n", f->output, f->data->count,
             f->data->score_count);
    print_f1 (out, f);
    if (f->data->mismatched > 0)
        fprintf (
            out,
            "               %zu labelled solutions left out: not one score for each step (run with "
            "step: {whole: true}, prm: {split: step}; docs/offline.md)\n",
            f->data->mismatched);
    fprintf (out,
             "  AUC          steps %s (%zu good, %zu first errors); solutions %s (%zu right, %zu "
             "wrong)\n",
             figure (f->steps.auc, a, 16), f->steps.good, f->steps.bad,
             figure (f->finals.auc, b, 16), f->finals.good, f->finals.bad);
    fprintf (out, "  calibration  ECE of 10 bins: steps %s, solutions %s\n",
             figure (f->steps.ece, a, 16), figure (f->finals.ece, b, 16));
    print_bins (out, f);
    print_growth (out, &f->growth);
    fprintf (out, "\n");
}

/* ---- JSON ---- */

static json_t *number (double value)
{
    return isfinite (value) ? json_real (value) : json_null ();
}

static json_t *quality (const prm_quality *q)
{
    json_t *bins = json_array ();
    for (int i = 0; i < PRM_BINS; i++)
        json_array_append_new (bins, json_pack ("{sI so so}", "count", (json_int_t)q->bins[i].count,
                                                "mean", number (q->bins[i].mean), "share",
                                                number (q->bins[i].share)));
    return json_pack ("{sI sI so so so}", "good", (json_int_t)q->good, "bad", (json_int_t)q->bad,
                      "auc", number (q->auc), "ece", number (q->ece), "bins", bins);
}

static json_t *growth (const prm_growth *g)
{
    json_t *levels = json_array ();
    for (size_t l = 0; l < g->levels; l++)
        json_array_append_new (levels, json_pack ("{sI so so}", "k", (json_int_t)g->at[l].k,
                                                  "best_score", number (g->at[l].score), "right",
                                                  number (g->at[l].right)));
    return json_pack ("{sI so sb sI sI}", "problems", (json_int_t)g->problems, "levels", levels,
                      "over_optimised", g->over, "lost", (json_int_t)g->lost, "won",
                      (json_int_t)g->won);
}

static json_t *figures (const prm_figures *f)
{
    const prm_f1 *p = &f->f1;
    json_t *bench =
        !f->has_f1
            ? json_null ()
            : json_pack ("{so sb sI sI so so so so}", "threshold", number (p->threshold),
                         "chosen_here", f->chosen, "erroneous", (json_int_t)p->erroneous, "correct",
                         (json_int_t)p->right, "found", number (p->found), "passed",
                         number (p->passed), "all", number (p->all), "f1", number (p->f1));
    return json_pack ("{ss sI sI so so so so}", "output", f->output, "solutions",
                      (json_int_t)f->data->count, "left_out", (json_int_t)f->data->mismatched,
                      "processbench", bench, "steps", quality (&f->steps), "finals",
                      quality (&f->finals), "growth", growth (&f->growth));
}

esp_err prm_print_json (FILE *out, const prm_figures *f, size_t count)
{
    json_t *all = json_array ();
    char *text = NULL;
    bool whole = all != NULL;
    for (size_t i = 0; i < count && whole; i++)
        whole = json_array_append_new (all, figures (&f[i])) == 0;
    if (whole)
        text = json_dumps (all, JSON_INDENT (2));
    json_decref (all);
    if (!text)
        return ESP_ENOMEM;
    fprintf (out, "%s\n", text);
    free (text);
    return ESP_OK;
}
