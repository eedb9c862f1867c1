/* SPDX-License-Identifier: Apache-2.0 */
/* report_prm.c - the figures of report_prm.h
 *
 * The best threshold, in one sweep: what a threshold T says of a solution depends on its running minima only.  With m_0 > m_1 > ... at
 * steps r_0 < r_1 < ..., T in (m_j, m_(j-1)] names r_j, T above m_0 names r_0, T up to the last m names none.  So each
 * solution is judged rightly in one interval (low, high] of thresholds or in none, and the optimum is at some `high`.
 */

#include "cluster/console/report_prm.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/alloc.h"

void prm_data_free (prm_data *data)
{
    esp_free (data->samples);
    esp_free (data->scores);
    *data = (prm_data){.samples = NULL};
}

/* ---- ProcessBench ---- */

static int64_t first_below (const prm_data *d, const prm_sample *s, double threshold)
{
    for (uint32_t i = 0; i < s->count; i++)
        if (d->scores[s->first + i] < threshold)
            return i;
    return -1;
}

prm_f1 prm_f1_at (const prm_data *d, double threshold)
{
    prm_f1 f = {.threshold = threshold};
    size_t found = 0, passed = 0;
    for (size_t i = 0; i < d->count; i++) {
        const prm_sample *s = &d->samples[i];
        bool hit = s->labelled && first_below (d, s, threshold) == s->label;
        f.erroneous += s->labelled && s->label >= 0;
        f.right += s->labelled && s->label < 0;
        found += hit && s->label >= 0;
        passed += hit && s->label < 0;
    }
    f.found = f.erroneous ? (double)found / (double)f.erroneous : NAN;
    f.passed = f.right ? (double)passed / (double)f.right : NAN;
    f.all =
        f.erroneous + f.right ? (double)(found + passed) / (double)(f.erroneous + f.right) : NAN;
    f.f1 = f.found + f.passed > 0       ? 2 * f.found * f.passed / (f.found + f.passed)
           : isnan (f.found + f.passed) ? NAN
                                        : 0.0;
    return f;
}

struct edge { /* where thresholds begin or end to be right for one solution */
    double at;
    bool opens; /* right above `at`; else right up to and with it */
    bool erroneous;
};

/* False: no threshold is right.  *low -INFINITY, *high INFINITY: no bound. */
static bool right_between (const prm_data *d, const prm_sample *s, double *low, double *high)
{
    double least = INFINITY;
    for (uint32_t i = 0; i < s->count; i++) {
        double score = d->scores[s->first + i];
        if (score >= least)
            continue;
        if (i == s->label) {
            *low = score;
            *high = least;
            return true;
        }
        least = score;
    }
    *low = -INFINITY;
    *high = least;
    return s->label < 0;
}

/* Ascending; at one place closings come first for thresholds above it, so they are taken after the value was looked at. */
static int compare_edges (const void *a, const void *b)
{
    const struct edge *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

static double harmonic (double found, double passed)
{
    return found + passed > 0 ? 2 * found * passed / (found + passed) : 0.0;
}

static double sweep (const struct edge *edges, size_t count, const prm_f1 *sizes, double top)
{
    double best = -1.0, threshold = NAN;
    size_t right[2] = {0, 0}, i = 0; /* without error, erroneous */
    for (size_t k = 0; k < count; k++)
        right[edges[k].erroneous] += edges[k].opens && isinf (edges[k].at);
    while (i < count && isinf (edges[i].at) && edges[i].at < 0)
        i++;
    while (i <= count) {
        double at = i < count ? edges[i].at : top, f1;
        if (isinf (at))
            at = top;
        f1 = harmonic ((double)right[1] / (double)sizes->erroneous,
                       (double)right[0] / (double)sizes->right);
        if (f1 > best) {
            best = f1;
            threshold = at;
        }
        if (i == count || isinf (edges[i].at))
            break;
        for (at = edges[i].at; i < count && edges[i].at == at; i++) {
            if (edges[i].opens)
                right[edges[i].erroneous]++;
            else
                right[edges[i].erroneous]--;
        }
    }
    return threshold;
}

esp_err prm_choose_threshold (const prm_data *d, double *out)
{
    prm_f1 sizes = prm_f1_at (d, 0);
    struct edge *edges;
    size_t count = 0;
    double top = -INFINITY;
    if (sizes.erroneous == 0 || sizes.right == 0)
        return ESP_EEMPTY;
    if (!(edges = esp_calloc (2 * d->count, sizeof (*edges))))
        return ESP_ENOMEM;
    for (size_t i = 0; i < d->score_count; i++)
        top = d->scores[i] > top ? d->scores[i] : top;
    for (size_t i = 0; i < d->count; i++) {
        const prm_sample *s = &d->samples[i];
        double low, high;
        if (!s->labelled || !right_between (d, s, &low, &high))
            continue;
        edges[count++] = (struct edge){low, true, s->label >= 0};
        edges[count++] = (struct edge){high, false, s->label >= 0};
    }
    qsort (edges, count, sizeof (*edges), compare_edges);
    *out = sweep (edges, count, &sizes, nextafter (top, INFINITY));
    esp_free (edges);
    return ESP_OK;
}

/* ---- AUC and calibration ---- */

static int compare_points (const void *a, const void *b)
{
    const prm_point *x = a, *y = b;
    return (x->score > y->score) - (x->score < y->score);
}

/* Sum over good ones of the bad ones below, ties half, over all pairs. */
static double auc_of (const prm_point *p, size_t count, size_t good, size_t bad)
{
    double pairs = 0;
    size_t below = 0;
    for (size_t i = 0, j; i < count; i = j) {
        size_t here[2] = {0, 0};
        for (j = i; j < count && p[j].score == p[i].score; j++)
            here[p[j].good]++;
        pairs += (double)here[1] * ((double)below + (double)here[0] / 2);
        below += here[0];
    }
    return good && bad ? pairs / ((double)good * (double)bad) : NAN;
}

static void calibrate (const prm_point *p, size_t count, prm_quality *q)
{
    double error = 0;
    bool outside = count == 0;
    for (size_t i = 0; i < count; i++) {
        int bin = (int)(p[i].score * PRM_BINS);
        if (!(p[i].score >= 0 && p[i].score <= 1)) {
            outside = true;
            continue;
        }
        bin = bin < PRM_BINS ? bin : PRM_BINS - 1;
        q->bins[bin].count++;
        q->bins[bin].mean += p[i].score;
        q->bins[bin].share += p[i].good;
    }
    for (int b = 0; b < PRM_BINS; b++) {
        double n = (double)q->bins[b].count;
        error += fabs (q->bins[b].share - q->bins[b].mean);
        q->bins[b].mean = n > 0 ? q->bins[b].mean / n : NAN;
        q->bins[b].share = n > 0 ? q->bins[b].share / n : NAN;
    }
    q->ece = outside ? NAN : error / (double)count;
}

prm_quality prm_quality_of (prm_point *points, size_t count)
{
    prm_quality q = {.good = 0};
    for (size_t i = 0; i < count; i++)
        q.good += points[i].good;
    q.bad = count - q.good;
    if (count > 0)
        qsort (points, count, sizeof (*points), compare_points);
    q.auc = auc_of (points, count, q.good, q.bad);
    calibrate (points, count, &q);
    return q;
}

esp_err prm_step_quality (const prm_data *d, prm_quality *out)
{
    prm_point *points = esp_calloc (d->score_count + 1, sizeof (*points));
    size_t count = 0;
    if (!points)
        return ESP_ENOMEM;
    for (size_t i = 0; i < d->count; i++) {
        const prm_sample *s = &d->samples[i];
        for (uint32_t k = 0; s->labelled && k < s->count && (s->label < 0 || k <= s->label); k++)
            points[count++] = (prm_point){d->scores[s->first + k], k != s->label};
    }
    *out = prm_quality_of (points, count);
    esp_free (points);
    return ESP_OK;
}

esp_err prm_final_quality (const prm_data *d, prm_quality *out)
{
    prm_point *points = esp_calloc (d->count + 1, sizeof (*points));
    size_t count = 0;
    if (!points)
        return ESP_ENOMEM;
    for (size_t i = 0; i < d->count; i++)
        if (d->samples[i].correct != REPORT_UNKNOWN && !isnan (d->samples[i].score))
            points[count++] =
                (prm_point){d->samples[i].score, d->samples[i].correct == REPORT_RIGHT};
    *out = prm_quality_of (points, count);
    esp_free (points);
    return ESP_OK;
}

/* ---- over-optimisation ---- */

static bool same_problem (const prm_sample *a, const prm_sample *b)
{
    return a->id == b->id && a->repeat == b->repeat;
}

/* Of samples [from, to): the best one among the first k; the earliest wins a tie.  NULL: none has a score. */
static const prm_sample *best_of (const prm_data *d, size_t from, size_t to, uint64_t k)
{
    const prm_sample *best = NULL;
    for (size_t i = from; i < to && i - from < k; i++)
        if (!isnan (d->samples[i].score) && (!best || d->samples[i].score > best->score))
            best = &d->samples[i];
    return best;
}

static bool is_judged (const prm_data *d, size_t from, size_t to)
{
    bool verdict = false;
    for (size_t i = from; i < to; i++)
        verdict = verdict || d->samples[i].correct != REPORT_UNKNOWN;
    return verdict && best_of (d, from, to, 1);
}

static size_t end_of_problem (const prm_data *d, size_t from)
{
    size_t to = from + 1;
    while (to < d->count && same_problem (&d->samples[from], &d->samples[to]))
        to++;
    return to;
}

static void note_levels (const prm_data *d, prm_growth *g)
{
    for (size_t i = 0, to; i < d->count; i = to) {
        to = end_of_problem (d, i);
        if (!is_judged (d, i, to))
            continue;
        g->problems++;
        for (size_t l = 0; l < g->levels; l++) {
            const prm_sample *best = best_of (d, i, to, g->at[l].k);
            g->at[l].score += best->score;
            g->at[l].right += best->correct == REPORT_RIGHT;
        }
    }
    for (size_t l = 0; l < g->levels; l++) {
        g->at[l].score = g->problems ? g->at[l].score / (double)g->problems : NAN;
        g->at[l].right = g->problems ? g->at[l].right / (double)g->problems : NAN;
    }
}

static void count_changes (const prm_data *d, prm_growth *g)
{
    for (size_t i = 0, to; i < d->count; i = to) {
        bool before, after;
        to = end_of_problem (d, i);
        if (!is_judged (d, i, to))
            continue;
        before = best_of (d, i, to, g->at[g->from].k)->correct == REPORT_RIGHT;
        after = best_of (d, i, to, g->at[g->levels - 1].k)->correct == REPORT_RIGHT;
        g->lost += before && !after;
        g->won += !before && after;
    }
}

void prm_growth_of (const prm_data *d, prm_growth *out)
{
    prm_growth g = {.levels = 0};
    uint64_t most = 0;
    for (size_t i = 0, to; i < d->count; i = to) {
        to = end_of_problem (d, i);
        most = to - i > most ? to - i : most;
    }
    for (uint64_t k = 1; most > 0 && g.levels < PRM_LEVELS; k *= 2) {
        g.at[g.levels++].k = k < most ? k : most;
        if (k >= most)
            break;
    }
    note_levels (d, &g);
    for (size_t l = 1; l < g.levels; l++)
        if (g.at[l].right > g.at[g.from].right)
            g.from = l;
    g.over = g.levels > 0 && g.problems > 0 && g.at[g.levels - 1].right < g.at[g.from].right &&
             g.at[g.levels - 1].score > g.at[g.from].score;
    if (g.over)
        count_changes (d, &g);
    *out = g;
}

esp_err prm_figures_of (const char *output, const prm_data *d, double threshold, prm_figures *out)
{
    prm_figures f = {.data = d, .output = output};
    esp_err err = ESP_OK;
    f.chosen = isnan (threshold);
    if (f.chosen)
        err = prm_choose_threshold (d, &threshold);
    if (err == ESP_OK) {
        f.f1 = prm_f1_at (d, threshold);
        f.has_f1 = f.f1.erroneous + f.f1.right > 0;
    } else if (err == ESP_EEMPTY)
        err = ESP_OK;
    if (err == ESP_OK)
        err = prm_step_quality (d, &f.steps);
    if (err == ESP_OK)
        err = prm_final_quality (d, &f.finals);
    if (err != ESP_OK)
        return err;
    prm_growth_of (d, &f.growth);
    *out = f;
    return ESP_OK;
}
