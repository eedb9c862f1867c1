/* SPDX-License-Identifier: Apache-2.0 */
/* samples.c - see samples.h, sample.h */

#include "coordinator/sink/samples.h"
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "coordinator/sink/problem_view.h"
#include "coordinator/sink/rows.h"
#include "proto/base/alloc.h"

const esp_option sample_option_rows[] = {
    {"format", ESP_OPT_STRING, offsetof (sample_options, format), NULL, 0, 0, NULL, "",
     "what a sample looks like; docs/samples.md", ESP_OPT_FIXED, true},
    {"name", ESP_OPT_STRING, offsetof (sample_options, name), NULL, 0, 0, NULL, "",
     "of its files in OUTPUT/samples; left out: the format's", ESP_OPT_FIXED, false},
    {"want", ESP_OPT_INT, offsetof (sample_options, want), "0", 0, 1000000, NULL, "samples",
     "distinct verified samples per problem, the first ones; 0 = all", ESP_OPT_FREE, false},
    {"allow_eval", ESP_OPT_BOOL, offsetof (sample_options, allow_eval), "false", 0, 0, NULL, "",
     "keep samples whose problem stands in an evaluation set; the card then says: not for training",
     ESP_OPT_FREE, false},
    {"eval_files", ESP_OPT_STRINGS, offsetof (sample_options, eval_files), NULL, 0, 0, NULL, "",
     "problems files of more evaluation sets", ESP_OPT_FREE, false},
    {"dedupe", ESP_OPT_BOOL, offsetof (sample_options, dedupe), "true", 0, 0, NULL, "",
     "equal content is kept once, of the problem that comes first in the file", ESP_OPT_FREE,
     false},
    {"near", ESP_OPT_INT, offsetof (sample_options, near), "-1", -1, 7, NULL, "bits",
     "near-duplicates: SimHashes (64 bits) that differ in at most so many; -1 = off", ESP_OPT_FREE,
     false},
    {"pass_low", ESP_OPT_DOUBLE, offsetof (sample_options, pass_low), "0", 0, 1, NULL, "",
     "problems of which a smaller part of the branches passed give nothing", ESP_OPT_FREE, false},
    {"pass_high", ESP_OPT_DOUBLE, offsetof (sample_options, pass_high), "1", 0, 1, NULL, "",
     "and those of which a larger part passed", ESP_OPT_FREE, false},
    {"balance", ESP_OPT_DOUBLE, offsetof (sample_options, balance), "0", 0, 1e6, NULL, "",
     "no quarter of pass rates gives more than so many times the samples of the smallest one that "
     "gives any, 1 or more; 0 = off",
     ESP_OPT_FREE, false},
    {"shard_bytes", ESP_OPT_INT, offsetof (sample_options, shard_bytes), "256M", 1000, 1e12, NULL,
     "bytes", "a new file after so many, before compression", ESP_OPT_FREE, false},
    {"compress", ESP_OPT_BOOL, offsetof (sample_options, compress), "true", 0, 0, NULL, "",
     "shards are .jsonl.zst, else .jsonl", ESP_OPT_FREE, false},
    ESP_OPTION_END,
};

struct sample_writer {
    json_row row;
    const sample_view *view;
    const sample_format *format;
    span origin;
    bool raw;      /* with what harvest.c needs before it */
    unsigned sets; /* others are not written */
    esp_buf away;  /* where those go */
    esp_buf *out;
    node_ref about;
};

/* ---- plan ---- */

static esp_err name_file (const sample_item *one, const char **out)
{
    const char *name = one->options.name ? one->options.name : one->format->name;
    esp_buf path = {0};
    esp_err err = esp_buf_printf (&path, "samples/raw/%s.jsonl.zst", name);
    if (err == ESP_OK && !(*out = esp_strndup (path.data, path.len)))
        err = ESP_ENOMEM;
    esp_buf_free (&path);
    return err;
}

esp_err sample_plan_names (sample_plan *p)
{
    esp_err err = ESP_OK;
    if (!(p->row_files = esp_calloc (ROW_FILES + p->count, sizeof (*p->row_files))))
        return ESP_ENOMEM;
    for (size_t i = 0; i < ROW_FILES; i++)
        p->row_files[i] = row_file_names[i];
    p->row_file_count = ROW_FILES;
    for (size_t i = 0; i < p->count && err == ESP_OK; i++)
        if ((err = name_file (&p->items[i], &p->row_files[ROW_FILES + i])) == ESP_OK)
            p->row_file_count++;
    return err;
}

void sample_plan_free (sample_plan *p)
{
    for (size_t i = ROW_FILES; i < p->row_file_count; i++)
        esp_free ((char *)(uintptr_t)p->row_files[i]);
    esp_free (p->row_files);
    for (size_t i = 0; i < p->count; i++)
        esp_free (p->items[i].own);
    esp_free (p->items);
    esp_buf_free (&p->origin);
    *p = (sample_plan){.items = NULL};
}

unsigned sample_plan_needs (const sample_plan *p)
{
    unsigned needs = 0;
    for (size_t i = 0; i < p->count; i++)
        needs |= p->items[i].format->needs;
    return needs;
}

/* False: the item wants everything. */
static bool add_to_rule (const sample_item *one, stop_rule *rule)
{
    if (one->format->band) { /* two items with other bands: no rule */
        double low, high;
        if (!one->format->band (one->own, &low, &high))
            return false;
        if (!rule->band)
            *rule = (stop_rule){rule->want, true, low, high};
        return low == rule->band_low && high == rule->band_high;
    }
    if (!one->format->by_passes || one->options.want == 0)
        return false;
    if (one->options.want > rule->want)
        rule->want = (uint32_t)one->options.want;
    return true;
}

stop_rule sample_plan_stop (const sample_plan *p)
{
    stop_rule rule = {.want = 0};
    for (size_t i = 0; i < p->count; i++)
        if (!add_to_rule (&p->items[i], &rule))
            return (stop_rule){.want = 0};
    return rule;
}

/* ---- one sample ---- */

void sample_id (json_row *r, const char *key, const sample_view *v, node_ref about,
                const char *suffix)
{
    char repeat[24];
    esp_buf id = {0};
    snprintf (repeat, sizeof (repeat), about == NODE_ROOT ? "/%u" : "/%u/",
              problem_repeat (v->problem->key));
    if (r->err == ESP_OK && ((r->err = esp_buf_add (&id, v->problem->id)) != ESP_OK ||
                             (r->err = esp_buf_puts (&id, repeat)) != ESP_OK ||
                             (r->err = tree_path_name (v->tree, about, &id)) != ESP_OK))
        esp_buf_clear (&id);
    if (r->err == ESP_OK && suffix)
        r->err = esp_buf_puts (&id, suffix);
    row_string (r, key, esp_buf_span (&id));
    esp_buf_free (&id);
}

json_row *sample_begin (sample_writer *w, enum sample_set set, node_ref about, const char *suffix)
{
    const branches *b = w->view->branches;
    json_row *r = &w->row;
    r->out = w->sets & 1U << set ? w->out : &w->away;
    w->about = about;
    esp_buf_clear (&w->away);
    if (w->raw) {
        row_count (r, "{\"key\":", w->view->problem->key);
        row_count (r, ",\"set\":", set);
        row_count (r, ",\"pass\":", b->passed);
        row_count (r, ",\"of\":", b->decided);
        row_raw (r, ",\"sample\":");
    }
    if (!w->format->text) {
        sample_id (r, "{\"id\":", w->view, about, suffix);
        row_string (r, ",\"problem_id\":", w->view->problem->id);
    }
    return r;
}

static const branch *branch_at (const branches *b, node_ref n)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->items[i].node == n)
            return &b->items[i];
    return NULL;
}

/* What is known of the branch and how it was made; the rest of the provenance is the run's. */
static void write_meta (sample_writer *w)
{
    const sample_view *v = w->view;
    const node *n = search_node (v->search, w->about);
    const branch *b = branch_at (v->branches, w->about);
    json_row *r = &w->row;
    row_raw (r, ",\"meta\":{\"schema\":\"espalier/");
    row_raw (r, w->format->name);
    row_span (r, "/1\",", w->origin);
    row_count (r, ",\"repeat\":", problem_repeat (v->problem->key));
    row_raw (r, ",\"path\":\"");
    if (r->err == ESP_OK)
        r->err = tree_path_name (v->tree, w->about, r->out);
    row_count (r, "\",\"action\":", n->action);
    row_raw (r, ",\"verdict\":\"");
    row_raw (r, verdict_names[n->verdict]);
    row_string_or_null (r, "\",\"reason\":",
                        n->extra && n->extra->reason
                            ? span_make (n->extra->reason, n->extra->reason_len)
                            : span_make ("", 0));
    row_number (r, ",\"share\":", n->extra ? n->extra->share : NAN);
    row_count (r, ",\"passed\":", v->branches->passed);
    row_count (r, ",\"of\":", v->branches->decided);
    row_number (r, ",\"agreement\":", b ? b->agreement : NAN);
    row_raw (r, "}}");
}

esp_err sample_end (sample_writer *w)
{
    if (!w->format->text)
        write_meta (w);
    row_raw (&w->row, w->raw ? "}\n" : "\n");
    return w->row.err;
}

void sample_prompt (json_row *r, const sample_view *v)
{
    if (v->messages.len > 0)
        row_span (r, ",\"prompt\":", v->messages);
    else
        row_string (r, ",\"prompt\":", v->prompt);
}

/* ---- a problem ---- */

static esp_err write_item (const sample_view *v, const sample_item *one, span origin, bool raw,
                           unsigned sets, esp_buf *out)
{
    sample_writer w = {.row = {out, ESP_OK},
                       .view = v,
                       .format = one->format,
                       .origin = origin,
                       .raw = raw,
                       .sets = sets,
                       .out = out};
    esp_err err = one->format->write (v, one->own, &w);
    esp_buf_free (&w.away);
    return err;
}

esp_err samples_of_search (const search *s, const branches *b, const sample_plan *p, esp_buf *rows)
{
    problem_view view;
    esp_err err;
    if (p->count == 0)
        return ESP_OK;
    err = problem_view_open (s, b, sample_plan_needs (p) & SAMPLE_NEEDS_LABELS, &view);
    for (size_t i = 0; i < p->count && err == ESP_OK; i++)
        err = write_item (&view.view, &p->items[i], esp_buf_span (&p->origin), true,
                          1U << SAMPLE_VERIFIED | 1U << SAMPLE_UNVERIFIED, &rows[i]);
    problem_view_close (&view);
    return err;
}

esp_err samples_plain (const search *s, const branches *b, const sample_item *one, span origin,
                       unsigned sets, esp_buf *out)
{
    problem_view view;
    esp_err err = problem_view_open (s, b, one->format->needs & SAMPLE_NEEDS_LABELS, &view);
    if (err == ESP_OK)
        err = write_item (&view.view, one, origin, false, sets, out);
    problem_view_close (&view);
    return err;
}
