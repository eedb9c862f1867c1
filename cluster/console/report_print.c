/* SPDX-License-Identifier: Apache-2.0 */
/* report_print.c - the table for people, and CSV */

#include "cluster/console/report_print.h"
#include <inttypes.h>
#include <math.h>

static const char not_smaller[] = "not a smaller run"; /* scripts may look for it */

/* Names come from files and end on a terminal. */
static void put_plain (FILE *out, const char *text)
{
    for (; *text; text++)
        fputc ((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, out);
}

/* "72.0 [63.0, 80.0]", "72.0", or "-" */
static const char *percent (const report_estimate *e, char out[48])
{
    if (isnan (e->value))
        snprintf (out, 48, "-");
    else if (isnan (e->low))
        snprintf (out, 48, "%.1f", 100 * e->value);
    else
        snprintf (out, 48, "%.1f [%.1f, %.1f]", 100 * e->value, 100 * e->low, 100 * e->high);
    return out;
}

static const char *number (double value, const char *unit, char out[48])
{
    if (isnan (value))
        snprintf (out, 48, "?%s", unit);
    else
        snprintf (out, 48, "%.1f%s", value, unit);
    return out;
}

static void table_rows (FILE *out, const report_section *s, bool tree, enum report_axis axis)
{
    char cell[48];
    fprintf (out, "\n  %6s  ", "k");
    if (axis != AXIS_N)
        fprintf (out, "%12s  ", report_axis_names[axis]);
    fprintf (out, "%-20s  %-20s  %-20s  %-20s  %s\n", "pass@k %", "majority@k %", "weighted@k %",
             "best@k %", "problems with k");
    for (const report_row *row = s->rows; row < s->rows + s->row_count; row++) {
        fprintf (out, "  %6" PRIu64 "%c ", row->k,
                 tree && row + 1 < s->rows + s->row_count ? '*' : ' ');
        if (axis != AXIS_N)
            fprintf (out, "%12s  ", number (row->x, "", cell));
        for (int m = 0; m < REPORT_METRICS; m++)
            fprintf (out, "%-20s  ", percent (&row->metrics[m], cell));
        fprintf (out, "%zu\n", row->metrics[METRIC_PASS].problems);
    }
}

static void
table_section (FILE *out, const report_run *run, const report_section *s, const report *r)
{
    char a[48], b[48], c[48], d[48];
    if (s->group) {
        fputs ("\n", out);
        put_plain (out, r->by);
        fputs (" = ", out);
        put_plain (out, s->group);
        fputs ("\n", out);
    }
    fprintf (
        out,
        "  accuracy     %s %%  of the answers given; %zu of %zu graded, %zu ended in an error\n",
        percent (&s->accuracy, a), s->graded, s->items, s->failed);
    fprintf (out, "  per answer   %s, %s, %s, %s\n", number (s->generations, " generations", a),
             number (s->steps, " steps", b), number (s->generated_tokens, " generated tokens", c),
             number (s->scored_tokens, " scored tokens", d));
    fprintf (out, "  candidates   %s, %s truncated, %s without an answer\n",
             number ((double)s->candidates / (s->items ? (double)s->items : 1), " per answer", a),
             number (100 * s->cut, " %", b), number (100 * s->no_answer, " %", c));
    fprintf (out, "  no answer    %s of the problems\n",
             number (100 * s->items_no_answer, " %", a));
    if (s->row_count == 0 || s->graded == 0)
        return;
    table_rows (out, s, run->tree, r->settings->axis);
}

static void table_part (FILE *out, const report_part *part, const report *r)
{
    const report_section *all = &part->sections[0];
    put_plain (out, part->run->output);
    if (part->run->strategy[0]) {
        fputs (" (", out);
        put_plain (out, part->run->strategy);
        fputs (")", out);
    }
    fprintf (out, ": %zu problems, %zu answers, %zu candidates\n", all->problems, all->items,
             all->candidates);
    for (size_t i = 0; i < part->section_count; i++)
        table_section (out, part->run, &part->sections[i], r);
    if (part->has_costs)
        report_costs_print (out, &part->costs);
    if (all->graded == 0)
        fputs ("\n  no answer has a verdict: nothing to count\n", out);
    if (part->run->tree && all->row_count > 1)
        fprintf (out, "\n  * the first k leaves of one tree: %s with that budget\n", not_smaller);
    fputs ("\n", out);
}

static void table_versus (FILE *out, const report *r)
{
    const report_versus *v = r->versus;
    put_plain (out, r->parts[0].run->output);
    fputs (" against ", out);
    put_plain (out, r->parts[1].run->output);
    fprintf (out,
             ": %zu pairs (same id and repeat, graded in both); %zu only in the first, %zu only in "
             "the second\n",
             v->pairs, v->only_first, v->only_second);
    if (v->pairs == 0)
        return;
    fprintf (out, "  accuracy     %.1f %% against %.1f %%\n", 100 * v->accuracy[0],
             100 * v->accuracy[1]);
    fprintf (out, "  difference   %+.1f", 100 * v->difference.value);
    if (!isnan (v->difference.low))
        fprintf (out, " [%+.1f, %+.1f]", 100 * v->difference.low, 100 * v->difference.high);
    fputs (" points, first minus second\n", out);
    fprintf (out,
             "  pairs        %" PRIu64 " wins, %" PRIu64 " losses, %" PRIu64
             " ties; exact McNemar p = %.4g\n",
             v->wins, v->losses, v->ties, v->p);
}

void report_print_table (FILE *out, const report *r)
{
    for (size_t i = 0; i < r->part_count; i++)
        table_part (out, &r->parts[i], r);
    if (r->versus)
        table_versus (out, r);
    if (r->settings->rounds > 0)
        fprintf (out,
                 "[low, high]: 95 %% bootstrap interval over problems, %" PRIu32
                 " rounds, seed %" PRIu64 "\n",
                 r->settings->rounds, r->settings->seed);
}

/* ---- CSV (RFC 4180) ---- */

static void csv_text (FILE *out, const char *text)
{
    fputc ('"', out);
    for (; *text; text++) {
        if (*text == '"')
            fputc ('"', out);
        fputc (*text, out);
    }
    fputc ('"', out);
}

static void csv_number (FILE *out, double value)
{
    if (isnan (value))
        fputc (',', out);
    else if (value == floor (value) && fabs (value) < 0x1p53) /* tokens, to the last one */
        fprintf (out, ",%.0f", value);
    else
        fprintf (out, ",%.10g", value);
}

struct csv_place {
    FILE *out;
    const char *output, *group;
};

/* k 0: the number is not about k candidates. */
static void csv_row (const struct csv_place *at, const char *metric, uint64_t k, double x,
                     const report_estimate *e)
{
    csv_text (at->out, at->output);
    fputc (',', at->out);
    if (at->group)
        csv_text (at->out, at->group);
    fprintf (at->out, ",%s,", metric);
    if (k > 0)
        fprintf (at->out, "%" PRIu64, k);
    csv_number (at->out, x);
    csv_number (at->out, e->value);
    csv_number (at->out, e->low);
    csv_number (at->out, e->high);
    fprintf (at->out, ",%zu\r\n", e->problems);
}

static void csv_plain (const struct csv_place *at, const char *metric, double value, size_t count)
{
    csv_row (at, metric, 0, NAN, &(report_estimate){value, NAN, NAN, count});
}

static void csv_section (FILE *out, const report_part *part, const report_section *s)
{
    struct csv_place at = {out, part->run->output, s->group};
    csv_row (&at, "accuracy", 0, NAN, &s->accuracy);
    csv_plain (&at, "problems", (double)s->problems, s->problems);
    csv_plain (&at, "answers", (double)s->items, s->problems);
    csv_plain (&at, "graded", (double)s->graded, s->problems);
    csv_plain (&at, "errors", (double)s->failed, s->problems);
    csv_plain (&at, "candidates", (double)s->candidates, s->problems);
    csv_plain (&at, "generations", s->generations, s->problems);
    csv_plain (&at, "steps", s->steps, s->problems);
    csv_plain (&at, "generated_tokens", s->generated_tokens, s->problems);
    csv_plain (&at, "scored_tokens", s->scored_tokens, s->problems);
    csv_plain (&at, "truncated", s->cut, s->problems);
    csv_plain (&at, "candidates_no_answer", s->no_answer, s->problems);
    csv_plain (&at, "no_answer", s->items_no_answer, s->problems);
    for (const report_row *row = s->rows; row < s->rows + s->row_count; row++)
        for (int m = 0; m < REPORT_METRICS; m++)
            csv_row (&at, report_metric_names[m], row->k, row->x, &row->metrics[m]);
}

/* Sums over the whole run; what nobody said - prices, parameters - has an empty value. */
static void csv_costs (FILE *out, const report_part *part)
{
    struct csv_place at = {out, part->run->output, NULL};
    const report_costs *c = &part->costs;
    char metric[40];
    for (int i = 0; i < COST_COLUMNS; i++) {
        snprintf (metric, sizeof (metric), "cost_%s", cost_column_keys[i]);
        csv_plain (&at, metric, c->columns[i].total, c->rows);
    }
    csv_plain (&at, "cost_cache_hits", c->cache_hits, c->rows);
    csv_plain (&at, "cost_money", c->money, c->rows);
    csv_plain (&at, "cost_generator_flops", c->generator_flops, c->rows);
    csv_plain (&at, "cost_prm_flops", c->prm_flops, c->rows);
}

void report_print_csv (FILE *out, const report *r)
{
    fputs ("output,group,metric,k,x,value,low,high,problems\r\n", out);
    for (size_t i = 0; i < r->part_count; i++) {
        for (size_t j = 0; j < r->parts[i].section_count; j++)
            csv_section (out, &r->parts[i], &r->parts[i].sections[j]);
        if (r->parts[i].has_costs)
            csv_costs (out, &r->parts[i]);
    }
    if (r->versus) {
        const report_versus *v = r->versus;
        struct csv_place at = {out, "first-second", NULL};
        csv_row (&at, "difference", 0, NAN, &v->difference);
        csv_plain (&at, "pairs", (double)v->pairs, v->pairs);
        csv_plain (&at, "wins", (double)v->wins, v->pairs);
        csv_plain (&at, "losses", (double)v->losses, v->pairs);
        csv_plain (&at, "ties", (double)v->ties, v->pairs);
        csv_plain (&at, "mcnemar_p", v->p, v->pairs);
    }
}
