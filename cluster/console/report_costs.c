/* SPDX-License-Identifier: Apache-2.0 */
/* report_costs.c - costs.jsonl, a line at a time; see report_costs.h */

#include "cluster/console/report_costs.h"
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "cluster/console/report_read.h"
#include "coordinator/problem/line_reader.h"
#include "proto/base/alloc.h"
#include "proto/base/file.h"

enum { PATH_MOST = 4096, ROW_BYTES_MOST = 1 << 20 }; /* a row is some numbers for each generator */

const char *const cost_column_keys[COST_COLUMNS] = {
    [COST_GENERATIONS] = "generations", [COST_GENERATED] = "generated_tokens",
    [COST_PROMPT] = "prompt_tokens",    [COST_CACHED] = "cached_tokens",
    [COST_SCORED] = "scored_tokens",    [COST_READ] = "read_tokens",
    [COST_VERDICTS] = "verdicts",
};
static const char *const labels[COST_COLUMNS] = {
    [COST_GENERATIONS] = "generations", [COST_GENERATED] = "generated tokens",
    [COST_PROMPT] = "prompt tokens",    [COST_CACHED] = "  of them cached",
    [COST_SCORED] = "scored tokens",    [COST_READ] = "  read for that",
    [COST_VERDICTS] = "verdicts",
};

struct costs_reading {
    char path[PATH_MOST];
    uint64_t line;
    double *values[COST_COLUMNS]; /* owned; by row */
    size_t caps[COST_COLUMNS];
    size_t rows;
    price_list prices;
    model_tokens *by_generator; /* owned; as many as prices.generators */
    esp_error *error;
};

/* ---- rows ---- */

static esp_err bad_row (const struct costs_reading *r, const char *what)
{
    return esp_error_set (r->error, ESP_EFORMAT,
                          "%s:%" PRIu64 ": %s; was the file written by espalier and not changed?",
                          r->path, r->line, what);
}

static esp_err
get_count (const struct costs_reading *r, const json_t *row, const char *key, uint64_t *out)
{
    const json_t *value = json_object_get (row, key);
    char what[80];
    if (json_is_integer (value) && json_integer_value (value) >= 0) {
        *out = (uint64_t)json_integer_value (value);
        return ESP_OK;
    }
    snprintf (what, sizeof (what), "`%s` is not a whole number", key);
    return bad_row (r, what);
}

static esp_err add_tokens (const struct costs_reading *r, const json_t *row, model_tokens *sum)
{
    model_tokens t;
    esp_err err;
    if ((err = get_count (r, row, "prompt_tokens", &t.prompt)) != ESP_OK ||
        (err = get_count (r, row, "cached_tokens", &t.cached)) != ESP_OK ||
        (err = get_count (r, row, "generated_tokens", &t.generated)) != ESP_OK)
        return err;
    sum->prompt += t.prompt;
    sum->cached += t.cached;
    sum->generated += t.generated;
    return ESP_OK;
}

static esp_err add_generators (struct costs_reading *r, const json_t *row)
{
    const json_t *list = json_object_get (row, "generators");
    size_t count = r->prices.generator_count;
    esp_err err = ESP_OK;
    if (count == 1)
        return add_tokens (r, row, &r->by_generator[0]);
    if (json_array_size (list) != count)
        return bad_row (r, "`generators` is not a list as long as that of run.yaml");
    for (size_t i = 0; i < count && err == ESP_OK; i++)
        err = add_tokens (r, json_array_get (list, i), &r->by_generator[i]);
    return err;
}

static esp_err take_row (struct costs_reading *r, const json_t *row)
{
    esp_err err = json_is_object (row) ? ESP_OK : bad_row (r, "not a JSON object");
    for (int i = 0; i < COST_COLUMNS && err == ESP_OK; i++) {
        uint64_t value = 0;
        if ((err = get_count (r, row, cost_column_keys[i], &value)) != ESP_OK)
            break;
        if (esp_grow (&r->values[i], &r->caps[i], r->rows + 1, sizeof (double)) != 0)
            return esp_error_set (r->error, ESP_ENOMEM, "%s: out of memory", r->path);
        r->values[i][r->rows] = (double)value;
    }
    if (err == ESP_OK)
        err = add_generators (r, row);
    r->rows += err == ESP_OK;
    return err;
}

static esp_err take_line (struct costs_reading *r, const line *l)
{
    json_error_t why;
    json_t *row;
    esp_err err;
    r->line = l->number;
    if (l->too_long)
        return bad_row (r, "more than 1 MiB in one line");
    if (span_trim (l->text).len == 0)
        return ESP_OK;
    row = json_loadb (l->text.ptr, l->text.len, 0, &why);
    if (!row && l->cut)
        return bad_row (r, "the last line is cut (if the run is still going, try again)");
    if (!row)
        return bad_row (r, "not JSON");
    err = take_row (r, row);
    json_decref (row);
    return err;
}

static esp_err read_rows (struct costs_reading *r)
{
    line_reader *lines = NULL;
    esp_error reason = {0};
    line l;
    esp_err err = line_reader_open (r->path, ROW_BYTES_MOST, &lines, &reason);
    if (err != ESP_OK)
        return esp_error_set (r->error, err, "%s", reason.text);
    while (err == ESP_OK)
        if ((err = line_reader_next (lines, &l, r->error)) == ESP_OK)
            err = take_line (r, &l);
    line_reader_close (lines);
    return err == ESP_EEMPTY ? ESP_OK : err;
}

/* ---- figures ---- */

static int by_value (const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Nearest rank: the smallest value that at least this share of the rows does not exceed. */
static double percentile (const double *sorted, size_t n, double share)
{
    size_t rank = (size_t)ceil (share * (double)n);
    return sorted[rank > 0 ? rank - 1 : 0];
}

static cost_figure figure_of (double *values, size_t n)
{
    cost_figure f = {.mean = NAN, .p50 = NAN, .p95 = NAN};
    if (n == 0)
        return f;
    qsort (values, n, sizeof (*values), by_value);
    for (size_t i = 0; i < n; i++)
        f.total += values[i];
    f.mean = f.total / (double)n;
    f.p50 = percentile (values, n, 0.50);
    f.p95 = percentile (values, n, 0.95);
    return f;
}

static void make_figures (const struct costs_reading *r, report_costs *out)
{
    model_tokens read;
    *out = (report_costs){.rows = r->rows, .money = NAN, .generator_flops = NAN};
    for (int i = 0; i < COST_COLUMNS; i++)
        out->columns[i] = figure_of (r->values[i], r->rows);
    out->cache_hits = out->columns[COST_PROMPT].total > 0
                          ? out->columns[COST_CACHED].total / out->columns[COST_PROMPT].total
                          : NAN;
    for (size_t i = 0; i < r->prices.generator_count; i++) {
        const model_price *model = &r->prices.generators[i];
        out->money = price_sum (out->money, price_money (model, &r->by_generator[i]));
        out->generator_flops =
            price_sum (out->generator_flops, price_flops (model, &r->by_generator[i]));
    }
    read = (model_tokens){.prompt = (uint64_t)out->columns[COST_READ].total};
    out->money = price_sum (out->money, price_money (&r->prices.prm, &read));
    out->prm_flops = price_flops (&r->prices.prm, &read);
}

esp_err report_costs_read (const char *output, report_costs *out, esp_error *error)
{
    struct costs_reading r = {.line = 1, .error = error};
    esp_err err = report_rows_path (r.path, sizeof (r.path), output, "costs.jsonl");
    if (err != ESP_OK)
        return esp_error_set (error, err, "%s: the path is too long", output);
    err = price_list_read (output, &r.prices);
    if (err == ESP_OK &&
        !(r.by_generator = esp_calloc (r.prices.generator_count, sizeof (*r.by_generator))))
        err = ESP_ENOMEM;
    if (err != ESP_OK)
        esp_error_set (error, err, "%s: %s", r.path, esp_err_text (err));
    if (err == ESP_OK)
        err = read_rows (&r);
    if (err == ESP_OK)
        make_figures (&r, out);
    for (int i = 0; i < COST_COLUMNS; i++)
        esp_free (r.values[i]);
    esp_free (r.by_generator);
    price_list_free (&r.prices);
    return err;
}

/* ---- the table ---- */

static void print_flops (FILE *out, const report_costs *c)
{
    double all = price_sum (c->generator_flops, c->prm_flops);
    if (isnan (all))
        return;
    fprintf (out, "    FLOPs             %.3g in all", all);
    if (!isnan (c->generator_flops))
        fprintf (out, "; generator %.3g", c->generator_flops);
    if (!isnan (c->prm_flops))
        fprintf (out, "; PRM %.3g", c->prm_flops);
    fputs (" (2 x parameters x tokens not cached)\n", out);
}

void report_costs_print (FILE *out, const report_costs *c)
{
    if (c->rows == 0)
        return;
    fprintf (out, "\n  costs             %12s %12s %12s %14s\n", "per answer", "p50", "p95",
             "in all");
    for (int i = 0; i < COST_COLUMNS; i++) {
        const cost_figure *f = &c->columns[i];
        fprintf (out, "    %-16s  %12.1f %12.0f %12.0f %14.0f\n", labels[i], f->mean, f->p50,
                 f->p95, f->total);
    }
    if (!isnan (c->cache_hits))
        fprintf (out, "    cache hits        %.1f %% of the prompt tokens\n", 100 * c->cache_hits);
    if (!isnan (c->money))
        fprintf (out, "    money             %.6g in all, %.6g per answer\n", c->money,
                 c->money / (double)c->rows);
    print_flops (out, c);
}
