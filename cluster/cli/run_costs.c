/* SPDX-License-Identifier: Apache-2.0 */
/* run_costs.c - see run_costs.h */

#include "cluster/cli/run_costs.h"
#include <math.h>
#include "cluster/console/report_costs.h"
#include "proto/base/log.h"

static json_t *number_or_null (double value)
{
    return isfinite (value) ? json_real (value) : json_null ();
}

/* ---- all starts ---- */

static json_t *all_starts (const char *output)
{
    report_costs c;
    esp_error error = {0};
    json_t *part;
    if (report_costs_read (output, &c, &error) != ESP_OK) {
        esp_log (LOG_WARN, "SUMMARY-COSTS", "summary.json has no costs of all starts: %s",
                 error.text);
        return json_null ();
    }
    part = json_pack ("{sI}", "answers", (json_int_t)c.rows);
    for (int i = 0; i < COST_COLUMNS; i++)
        json_object_set_new (part, cost_column_keys[i],
                             json_integer ((json_int_t)c.columns[i].total));
    json_object_set_new (part, "cache_hits", number_or_null (c.cache_hits));
    json_object_set_new (part, "money", number_or_null (c.money));
    json_object_set_new (part, "generator_flops", number_or_null (c.generator_flops));
    json_object_set_new (part, "prm_flops", number_or_null (c.prm_flops));
    return part;
}

/* ---- this start ---- */

static json_t *counts_of (const cost_sum *s)
{
    return json_pack ("{sI sI sI sI sI sI sf}", "results", (json_int_t)s->results, "errors",
                      (json_int_t)s->errors, "prompt_tokens", (json_int_t)s->prompt_tokens,
                      "cached_tokens", (json_int_t)s->cached_tokens, "generated_tokens",
                      (json_int_t)s->generated_tokens, "read_tokens", (json_int_t)s->read_tokens,
                      "busy_s", (double)s->busy_us / 1e6);
}

/* What one row of the book cost; verifiers cost no tokens. */
static void price_row (const cost_row *row, const price_list *prices, double *money, double *flops)
{
    model_tokens t = {row->sum.prompt_tokens, row->sum.cached_tokens, row->sum.generated_tokens};
    const model_price *model = &prices->prm;
    *money = *flops = NAN;
    if (row->kind == TASK_VERIFY)
        return;
    if (row->kind == TASK_SCORE)
        t = (model_tokens){.prompt = row->sum.read_tokens};
    else
        model = &prices->generators[row->generator < prices->generator_count ? row->generator : 0];
    *money = price_money (model, &t);
    *flops = price_flops (model, &t);
}

static void set_price (json_t *part, double money, double flops)
{
    json_object_set_new (part, "money", number_or_null (money));
    json_object_set_new (part, "flops", number_or_null (flops));
}

static json_t *server_part (const run_parts *p, const cost_row *row)
{
    const run_config *c = p->config;
    json_t *part = json_object (), *counts = counts_of (&row->sum);
    json_object_set_new (part, "server", row->server[0] ? json_string (row->server) : json_null ());
    json_object_set_new (part, "kind", json_string (task_kind_names[row->kind]));
    if (row->kind == TASK_GENERATE && c->engine_count[TASK_GENERATE] > 1 &&
        row->generator < c->engine_count[TASK_GENERATE])
        json_object_set_new (part, "generator",
                             json_string (c->engines[TASK_GENERATE][row->generator].common.name));
    json_object_update (part, counts);
    json_decref (counts);
    return part;
}

static json_t *this_start (const run_parts *p, const price_list *prices)
{
    const costs *book = dispatch_costs (coordinator_dispatch (p->coordinator));
    cost_sum all = costs_all (book), wasted = costs_wasted (book);
    double money = NAN, flops = NAN;
    json_t *part = counts_of (&all), *rows = json_array ();
    for (size_t i = 0; i < costs_count (book); i++) {
        const cost_row *row = costs_at (book, i);
        json_t *one = server_part (p, row);
        double row_money, row_flops;
        price_row (row, prices, &row_money, &row_flops);
        set_price (one, row_money, row_flops);
        money = price_sum (money, row_money);
        flops = price_sum (flops, row_flops);
        json_array_append_new (rows, one);
    }
    set_price (part, money, flops);
    json_object_set_new (part, "wasted", counts_of (&wasted));
    json_object_set_new (part, "servers", rows);
    return part;
}

json_t *run_costs_json (const run_parts *p)
{
    price_list prices;
    json_t *part;
    if (price_list_read (p->config->run.output, &prices) != ESP_OK)
        return NULL;
    part = json_pack ("{so so}", "all_starts", all_starts (p->config->run.output), "this_start",
                      this_start (p, &prices));
    price_list_free (&prices);
    return part;
}
