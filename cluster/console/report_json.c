/* SPDX-License-Identifier: Apache-2.0 */
/* report_json.c - report_print_json: one object, one line a row; keys as in the CSV */

#include "cluster/console/report_print.h"
#include <inttypes.h>
#include <math.h>
#include "proto/base/text.h"

struct json { /* the first error is kept */
    esp_buf text;
    esp_err err;
};

static void raw (struct json *j, const char *text)
{
    if (j->err == ESP_OK)
        j->err = esp_buf_puts (&j->text, text);
}

static void text (struct json *j, const char *key, const char *value)
{
    raw (j, key);
    if (!value)
        raw (j, "null");
    else if (j->err == ESP_OK)
        j->err = esp_buf_json_string (&j->text, span_of (value));
}

static void number (struct json *j, const char *key, double value)
{
    raw (j, key);
    if (j->err == ESP_OK)
        j->err = esp_buf_json_double (&j->text, value);
}

static void count (struct json *j, const char *key, uint64_t value)
{
    if (j->err == ESP_OK)
        j->err = esp_buf_printf (&j->text, "%s%" PRIu64, key, value);
}

static void estimate (struct json *j, const report_estimate *e)
{
    number (j, "{\"value\":", e->value);
    number (j, ",\"low\":", e->low);
    number (j, ",\"high\":", e->high);
    count (j, ",\"problems\":", e->problems);
    raw (j, "}");
}

static void rows (struct json *j, const report_section *s)
{
    for (size_t i = 0; i < s->row_count; i++) {
        count (j, i ? ",\n    {\"k\":" : "\n    {\"k\":", s->rows[i].k);
        number (j, ",\"x\":", s->rows[i].x);
        for (int m = 0; m < REPORT_METRICS; m++) {
            raw (j, ",\"");
            raw (j, report_metric_names[m]);
            raw (j, "\":");
            estimate (j, &s->rows[i].metrics[m]);
        }
        raw (j, "}");
    }
}

static void section (struct json *j, const report_section *s)
{
    text (j, "\n  {\"group\":", s->group);
    raw (j, ",\"accuracy\":");
    estimate (j, &s->accuracy);
    count (j, ",\"problems\":", s->problems);
    count (j, ",\"answers\":", s->items);
    count (j, ",\"graded\":", s->graded);
    count (j, ",\"errors\":", s->failed);
    count (j, ",\"candidates\":", s->candidates);
    number (j, ",\"generations\":", s->generations);
    number (j, ",\"steps\":", s->steps);
    number (j, ",\"generated_tokens\":", s->generated_tokens);
    number (j, ",\"scored_tokens\":", s->scored_tokens);
    number (j, ",\"truncated\":", s->cut);
    number (j, ",\"candidates_no_answer\":", s->no_answer);
    number (j, ",\"no_answer\":", s->items_no_answer);
    raw (j, ",\"rows\":[");
    rows (j, s);
    raw (j, "]}");
}

static void costs (struct json *j, const report_part *p)
{
    raw (j, ",\"costs\":");
    if (!p->has_costs) {
        raw (j, "null");
        return;
    }
    count (j, "{\"answers\":", p->costs.rows);
    for (int i = 0; i < COST_COLUMNS; i++) {
        const cost_figure *f = &p->costs.columns[i];
        text (j, ",", cost_column_keys[i]);
        number (j, ":{\"mean\":", f->mean);
        number (j, ",\"p50\":", f->p50);
        number (j, ",\"p95\":", f->p95);
        number (j, ",\"total\":", f->total);
        raw (j, "}");
    }
    number (j, ",\"cache_hits\":", p->costs.cache_hits);
    number (j, ",\"money\":", p->costs.money);
    number (j, ",\"generator_flops\":", p->costs.generator_flops);
    number (j, ",\"prm_flops\":", p->costs.prm_flops);
    raw (j, "}");
}

static void part (struct json *j, const report_part *p)
{
    text (j, "\n {\"output\":", p->run->output);
    text (j, ",\"strategy\":", p->run->strategy);
    raw (j, p->run->tree ? ",\"note\":\"k counts leaves of one tree: not a smaller run\""
                         : ",\"note\":null");
    costs (j, p);
    raw (j, ",\"sections\":[");
    for (size_t i = 0; i < p->section_count; i++) {
        raw (j, i ? "," : "");
        section (j, &p->sections[i]);
    }
    raw (j, "]}");
}

static void versus (struct json *j, const report_versus *v)
{
    count (j, ",\n\"versus\":{\"pairs\":", v->pairs);
    count (j, ",\"only_first\":", v->only_first);
    count (j, ",\"only_second\":", v->only_second);
    number (j, ",\"first_accuracy\":", v->accuracy[0]);
    number (j, ",\"second_accuracy\":", v->accuracy[1]);
    raw (j, ",\"difference\":");
    estimate (j, &v->difference);
    count (j, ",\"wins\":", v->wins);
    count (j, ",\"losses\":", v->losses);
    count (j, ",\"ties\":", v->ties);
    number (j, ",\"mcnemar_p\":", v->p);
    raw (j, "}");
}

esp_err report_print_json (FILE *out, const report *r)
{
    struct json j = {.err = ESP_OK};
    text (&j, "{\"x\":", report_axis_names[r->settings->axis]);
    text (&j, ",\"by\":", r->by);
    count (&j, ",\"bootstrap\":", r->settings->rounds);
    count (&j, ",\"seed\":", r->settings->seed);
    number (&j, ",\"power\":", r->settings->power);
    raw (&j, ",\"runs\":[");
    for (size_t i = 0; i < r->part_count; i++) {
        raw (&j, i ? "," : "");
        part (&j, &r->parts[i]);
    }
    raw (&j, "]");
    if (r->versus)
        versus (&j, r->versus);
    raw (&j, "}\n");
    if (j.err == ESP_OK)
        fwrite (j.text.data, 1, j.text.len, out);
    esp_buf_free (&j.text);
    return j.err;
}
