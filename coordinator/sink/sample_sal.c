/* SPDX-License-Identifier: Apache-2.0 */
/* sample_sal.c - format `sal`, for `espalier export`: the columns of search-and-learn's output, a line a problem
 *
 * Source: huggingface/search-and-learn, src/sal/search/ (completions, scores, pred, completion_tokens) and src/sal/utils/score.py
 * (agg_scores; pred_naive@n, pred_weighted@n, pred_maj@n for n = 1, 2, 4 ... of the first n completions), behind the problem's own
 * columns.  Equal branches stand as often as the strategy keeps them.  It says nothing of truth: every problem is written.
 * agg_scores are aggregated as search.aggregate says.
 */

#include <math.h>
#include <stdio.h>
#include "coordinator/merge/vote.h"
#include "coordinator/sink/sample_formats.h"
#include "proto/base/alloc.h"

static const char *const ours[] = {"completions",       "scores", "agg_scores", "pred",
                                   "completion_tokens", NULL};

static int append (const char *bytes, size_t len, void *buf)
{
    return esp_buf_append (buf, bytes, len) == ESP_OK ? 0 : -1;
}

/* The problem's columns, without the brace at the end. */
static esp_err problem_columns (const sample_view *v, esp_buf *out)
{
    json_t *row = json_copy ((json_t *)(uintptr_t)v->row);
    esp_err err = row ? ESP_OK : ESP_ENOMEM;
    for (size_t i = 0; row && ours[i]; i++)
        json_object_del (row, ours[i]);
    if (row && !json_object_get (row, "problem") &&
        json_object_set_new (row, "problem", json_stringn (v->prompt.ptr, v->prompt.len)) != 0)
        err = ESP_ENOMEM;
    if (err == ESP_OK &&
        json_dump_callback (row, append, out, JSON_COMPACT | JSON_REAL_PRECISION (17)) != 0)
        err = ESP_ENOMEM;
    json_decref (row);
    if (err == ESP_OK)
        out->len--;
    return err;
}

static void lists (json_row *r, const sample_view *v)
{
    const branches *b = v->branches;
    row_raw (r, ",\"completions\":[");
    for (size_t i = 0; i < b->count; i++)
        row_string (r, i ? "," : "", esp_buf_span (&b->items[i].text));
    row_raw (r, "],\"scores\":[");
    for (size_t i = 0; i < b->count; i++) {
        row_raw (r, i ? ",[" : "[");
        for (size_t k = 0; k < b->items[i].score_count; k++)
            row_number (r, k ? "," : "", b->items[i].scores[k]);
        row_raw (r, "]");
    }
    row_raw (r, "],\"completion_tokens\":[");
    for (size_t i = 0; i < b->count; i++)
        row_count (r, i ? "," : "", tree_path_tokens (v->tree, b->items[i].node));
    row_raw (r, "],\"agg_scores\":[");
    for (size_t i = 0; i < b->count; i++)
        row_number (r, i ? "," : "", search_node (v->search, b->items[i].node)->score);
    row_raw (r, "]");
}

/* \boxed{...}, as theirs. */
static void boxed (json_row *r, const char *name, size_t n, const branch *b)
{
    char key[64];
    esp_buf text = {0};
    snprintf (key, sizeof (key), ",\"pred_%s@%zu\":", name, n);
    if (r->err == ESP_OK && ((r->err = esp_buf_puts (&text, "\\boxed{")) != ESP_OK ||
                             (r->err = esp_buf_add (&text, b->answer)) != ESP_OK ||
                             (r->err = esp_buf_puts (&text, "}")) != ESP_OK))
        esp_buf_clear (&text);
    row_string (r, key, esp_buf_span (&text));
    esp_buf_free (&text);
}

static void votes (json_row *r, const sample_view *v, const vote_candidate *voters, size_t n)
{
    static const struct {
        const char *name;
        enum vote_rule rule;
    } rules[] = {{"naive", VOTE_BEST}, {"weighted", VOTE_WEIGHTED}, {"maj", VOTE_MAJORITY}};
    for (size_t i = 0; i < sizeof (rules) / sizeof (rules[0]); i++) {
        vote_winner won = {0};
        if (r->err == ESP_OK)
            r->err = vote (rules[i].rule, voters, n, 1.0, &won);
        if (r->err == ESP_OK)
            boxed (r, rules[i].name, n, &v->branches->items[won.first]);
    }
}

/* Their argmax: the first of the largest. */
static size_t best_of (const sample_view *v)
{
    size_t best = 0;
    for (size_t i = 1; i < v->branches->count; i++) {
        double now = search_node (v->search, v->branches->items[i].node)->score,
               before = search_node (v->search, v->branches->items[best].node)->score;
        if (now > before || (isnan (before) && !isnan (now)))
            best = i;
    }
    return best;
}

static void preds (json_row *r, const sample_view *v)
{
    const branches *b = v->branches;
    vote_candidate *voters = esp_calloc (b->count + 1, sizeof (*voters));
    if (!voters && r->err == ESP_OK)
        r->err = ESP_ENOMEM;
    for (size_t i = 0; voters && i < b->count; i++)
        voters[i] = (vote_candidate){esp_buf_span (&b->items[i].key),
                                     search_node (v->search, b->items[i].node)->score,
                                     b->items[i].scores, b->items[i].score_count};
    row_string_or_null (
        r, ",\"pred\":", b->count ? esp_buf_span (&b->items[best_of (v)].text) : span_make ("", 0));
    for (size_t n = 1; voters && n <= b->count; n *= 2)
        votes (r, v, voters, n);
    esp_free (voters);
}

static esp_err write_problem (const sample_view *v, const void *options, sample_writer *w)
{
    json_row *r = sample_begin (w, SAMPLE_VERIFIED, NODE_ROOT, NULL);
    esp_buf columns = {0};
    (void)options;
    if (r->err == ESP_OK)
        r->err = problem_columns (v, &columns);
    row_span (r, "", esp_buf_span (&columns));
    lists (r, v);
    preds (r, v);
    row_raw (r, "}");
    esp_buf_free (&columns);
    return sample_end (w);
}

const sample_format sample_sal = {
    .name = "sal",
    .what =
        "the problem's columns with completions, scores and preds, as search-and-learn's output",
    .text = true,
    .shows_all = true,
    .write = write_problem,
};
