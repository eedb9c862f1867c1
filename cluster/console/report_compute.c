/* SPDX-License-Identifier: Apache-2.0 */
/* report_compute.c - one pass over the items for each k
 *
 * The passes cost 1 + 2 + 4 + ... + N < 2 N candidates a problem, so votes are simply counted anew.
 * Items are ordered by id hash and repeat: repeats of a problem stand together, and results do
 * not depend on the order in which problems ended.
 */

#include "cluster/console/report_compute.h"
#include <math.h>
#include "proto/base/alloc.h"

const char *const report_metric_names[REPORT_METRICS] = {"pass", "majority", "weighted", "best"};
const char *const report_axis_names[REPORT_AXES] = {"n", "generations", "steps", "tokens"};

/* Means over problems, collected item by item. */
struct column {
    double *values; /* owned, one a problem */
    size_t count, known;
    double sum; /* of the problem at hand */
};

static void column_close (struct column *c)
{
    if (c->known > 0)
        c->values[c->count++] = c->sum / (double)c->known;
    c->sum = 0;
    c->known = 0;
}

static void column_add (struct column *c, double value)
{
    if (isnan (value))
        return;
    c->sum += value;
    c->known++;
}

static esp_err column_estimate (struct column *c, const report_settings *s, report_estimate *out)
{
    double sum = 0;
    column_close (c);
    for (size_t i = 0; i < c->count; i++)
        sum += c->values[i];
    out->problems = c->count;
    out->value = c->count ? sum / (double)c->count : NAN;
    return report_bootstrap (c->values, c->count, s->rounds, s->seed, &out->low, &out->high);
}

/* Can it be told whether this item was solved?  An item without any answer counts as not solved. */
static bool is_graded (const report_run *run, const report_item *item)
{
    if (item->correct != REPORT_UNKNOWN || !run->graded)
        return run->graded;
    for (size_t i = 0; i < item->count; i++)
        if (run->candidates[item->first + i].correct != REPORT_UNKNOWN)
            return true;
    return !item->answered;
}

static bool in_group (const report_item *item, int group)
{
    return group < 0 || item->group == (uint32_t)group;
}

static double share (double part, double whole)
{
    return whole > 0 ? part / whole : NAN;
}

static double pass_value (const report_run *run, const report_item *item, uint64_t k)
{
    uint64_t known = 0, right = 0;
    for (size_t i = item->first; i < item->first + item->count; i++) {
        known += run->candidates[i].correct != REPORT_UNKNOWN;
        right += run->candidates[i].correct == REPORT_RIGHT;
    }
    return report_pass_at_k (known, right, k);
}

static esp_err item_values (const report_run *run, const report_item *item, uint64_t k,
                            double power, double out[REPORT_METRICS])
{
    enum report_correct verdicts[REPORT_RULES];
    size_t n = item->count < k ? item->count : (size_t)k;
    esp_err err = report_votes (run->candidates + item->first, n, power, verdicts);
    if (err != ESP_OK)
        return err;
    out[METRIC_PASS] = pass_value (run, item, k);
    out[METRIC_MAJORITY] = verdicts[RULE_MAJORITY] == REPORT_RIGHT;
    out[METRIC_WEIGHTED] = run->scored ? verdicts[RULE_WEIGHTED] == REPORT_RIGHT : NAN;
    out[METRIC_BEST] = run->scored ? verdicts[RULE_BEST] == REPORT_RIGHT : NAN;
    return ESP_OK;
}

static double cost_of (const report_item *item, enum report_axis axis)
{
    switch (axis) {
    case AXIS_GENERATIONS:
        return item->generations;
    case AXIS_STEPS:
        return item->steps;
    case AXIS_TOKENS:
        return item->generated_tokens;
    case AXIS_N:
    case REPORT_AXES:
        break;
    }
    return NAN;
}

static double mean_cost (const report_run *run, int group, enum report_axis axis, uint64_t k)
{
    double sum = 0, count = 0;
    for (const report_item *item = run->items; item < run->items + run->item_count; item++) {
        double cost = cost_of (item, axis);
        if (!in_group (item, group) || isnan (cost))
            continue;
        sum += item->count > k ? cost * (double)k / item->count : cost;
        count++;
    }
    return share (sum, count);
}

static esp_err fill_row (const report_run *run, int group, const report_settings *s,
                         struct column columns[REPORT_METRICS], report_row *row)
{
    const report_item *before = NULL;
    double values[REPORT_METRICS];
    esp_err err = ESP_OK;
    for (int m = 0; m < REPORT_METRICS; m++)
        columns[m] = (struct column){.values = columns[m].values};
    for (const report_item *item = run->items; item < run->items + run->item_count; item++) {
        if (!in_group (item, group) || !is_graded (run, item))
            continue;
        if ((err = item_values (run, item, row->k, s->power, values)) != ESP_OK)
            return err;
        for (int m = 0; m < REPORT_METRICS; m++) {
            if (before && before->id != item->id)
                column_close (&columns[m]);
            column_add (&columns[m], values[m]);
        }
        before = item;
    }
    for (int m = 0; err == ESP_OK && m < REPORT_METRICS; m++)
        err = column_estimate (&columns[m], s, &row->metrics[m]);
    row->x = s->axis == AXIS_N ? (double)row->k : mean_cost (run, group, s->axis, row->k);
    return err;
}

static esp_err
fill_rows (const report_run *run, int group, const report_settings *s, report_section *out)
{
    struct column columns[REPORT_METRICS] = {{0}};
    uint64_t most = 0;
    esp_err err = ESP_OK;
    for (size_t i = 0; i < run->item_count; i++)
        if (in_group (&run->items[i], group) && run->items[i].count > most)
            most = run->items[i].count;
    for (int m = 0; m < REPORT_METRICS; m++)
        if (!(columns[m].values = esp_calloc (out->items + 1, sizeof (double))))
            err = ESP_ENOMEM;
    if (err == ESP_OK &&
        !(out->rows = esp_calloc (66, sizeof (*out->rows)))) /* 1, 2, ... 2^63, most */
        err = ESP_ENOMEM;
    for (uint64_t k = 1; err == ESP_OK && k <= most; k = k == most      ? most + 1
                                                         : k * 2 < most ? k * 2
                                                                        : most) {
        out->rows[out->row_count].k = k;
        err = fill_row (run, group, s, columns, &out->rows[out->row_count++]);
    }
    for (int m = 0; m < REPORT_METRICS; m++)
        esp_free (columns[m].values);
    return err;
}

/* One mean of a number that rows may lack. */
static double mean_of (const report_run *run, int group, size_t offset)
{
    double sum = 0, count = 0;
    for (const report_item *item = run->items; item < run->items + run->item_count; item++) {
        const double *value = (const void *)((const char *)item + offset);
        if (!in_group (item, group) || isnan (*value))
            continue;
        sum += *value;
        count++;
    }
    return share (sum, count);
}

static void fill_counts (const report_run *run, int group, report_section *out)
{
    const report_item *before = NULL;
    double cut = 0, no_answer = 0, silent = 0;
    for (const report_item *item = run->items; item < run->items + run->item_count; item++) {
        if (!in_group (item, group))
            continue;
        out->items++;
        out->problems += !before || before->id != item->id;
        out->graded += is_graded (run, item);
        out->failed += item->failed;
        out->candidates += item->count;
        silent += !item->answered;
        for (size_t i = item->first; i < item->first + item->count; i++) {
            cut += run->candidates[i].cut;
            no_answer += run->candidates[i].answer == 0;
        }
        before = item;
    }
    out->cut = share (cut, (double)out->candidates);
    out->no_answer = share (no_answer, (double)out->candidates);
    out->items_no_answer = share (silent, (double)out->items);
    out->generations = mean_of (run, group, offsetof (report_item, generations));
    out->steps = mean_of (run, group, offsetof (report_item, steps));
    out->generated_tokens = mean_of (run, group, offsetof (report_item, generated_tokens));
    out->scored_tokens = mean_of (run, group, offsetof (report_item, scored_tokens));
}

static esp_err
fill_accuracy (const report_run *run, int group, const report_settings *s, report_section *out)
{
    struct column column = {.values = esp_calloc (out->items + 1, sizeof (double))};
    const report_item *before = NULL;
    esp_err err;
    if (!column.values)
        return ESP_ENOMEM;
    for (const report_item *item = run->items; item < run->items + run->item_count; item++) {
        if (!in_group (item, group) || !is_graded (run, item))
            continue;
        if (before && before->id != item->id)
            column_close (&column);
        column_add (&column, item->correct == REPORT_RIGHT);
        before = item;
    }
    err = column_estimate (&column, s, &out->accuracy);
    esp_free (column.values);
    return err;
}

esp_err report_section_make (const report_run *run, int group, const report_settings *settings,
                             report_section *out)
{
    report_section made = {.group = group < 0 ? NULL : run->group_names[group]};
    esp_err err;
    fill_counts (run, group, &made);
    err = fill_accuracy (run, group, settings, &made);
    if (err == ESP_OK)
        err = fill_rows (run, group, settings, &made);
    if (err != ESP_OK) {
        report_section_free (&made);
        return err;
    }
    *out = made;
    return ESP_OK;
}

void report_section_free (report_section *section)
{
    esp_free (section->rows);
    *section = (report_section){0};
}

static void count_pair (report_versus *v, struct column *column, bool first, bool second)
{
    v->pairs++;
    v->wins += first && !second;
    v->losses += second && !first;
    v->ties += first == second;
    v->accuracy[0] += first;
    v->accuracy[1] += second;
    column_add (column, (double)first - (double)second);
}

/* Both item lists have the same order: one walk down the two. */
static void
walk_pairs (const report_run *a, const report_run *b, report_versus *v, struct column *column)
{
    uint64_t id = 0;
    for (size_t i = 0, j = 0; i < a->item_count || j < b->item_count;) {
        const report_item *x = i < a->item_count ? &a->items[i] : NULL;
        const report_item *y = j < b->item_count ? &b->items[j] : NULL;
        int order = !x ? 1 : !y ? -1 : report_item_compare (x, y);
        v->only_first += order < 0;
        v->only_second += order > 0;
        if (order == 0 && is_graded (a, x) && is_graded (b, y)) {
            if (v->pairs > 0 && x->id != id)
                column_close (column);
            id = x->id;
            count_pair (v, column, x->correct == REPORT_RIGHT, y->correct == REPORT_RIGHT);
        }
        i += order <= 0;
        j += order >= 0;
    }
}

esp_err report_compare (const report_run *first, const report_run *second,
                        const report_settings *settings, report_versus *out)
{
    struct column column = {.values = esp_calloc (first->item_count + 1, sizeof (double))};
    report_versus v = {0};
    esp_err err;
    if (!column.values)
        return ESP_ENOMEM;
    walk_pairs (first, second, &v, &column);
    v.accuracy[0] = share (v.accuracy[0], (double)v.pairs);
    v.accuracy[1] = share (v.accuracy[1], (double)v.pairs);
    v.p = report_mcnemar (v.wins, v.losses);
    err = column_estimate (&column, settings, &v.difference);
    esp_free (column.values);
    if (err == ESP_OK)
        *out = v;
    return err;
}
