/* SPDX-License-Identifier: Apache-2.0 */
/* sample_rollouts.c - format `rollouts`: every finished branch of a problem with its reward, failed ones too, for training by reinforcement
 *
 * rows: rollout (the default: flat columns, group_id says which belong together) or problem (lists, one row a problem).  Reward: 1 where
 * the verdict is pass, 0 where it is fail or where a limit cut what passed, null where none decided.  Verified: every reward of the row is decided.
 */

#include <math.h>
#include <stddef.h>
#include "coordinator/sink/sample_formats.h"
#include "coordinator/sink/sample_tokens.h"
#include "proto/base/alloc.h"

enum row_kind { ROW_ROLLOUT, ROW_PROBLEM };

typedef struct rollouts_options {
    int rows;
} rollouts_options;

static const esp_option rollouts_rows[] = {
    {"rows", ESP_OPT_CHOICE, offsetof (rollouts_options, rows), "rollout", 0, 0, "rollout|problem",
     "", "one row per rollout, with a group id; or one per problem, with lists", ESP_OPT_FIXED,
     false},
    ESP_OPTION_END,
};

/* ---- columns: each writes one value ---- */

typedef void (*column_writer) (json_row *r, const sample_view *v, const branch *b);

static void write_completion (json_row *r, const sample_view *v, const branch *b)
{
    (void)v;
    row_string (r, "", esp_buf_span (&b->text));
}

static void write_reward (json_row *r, const sample_view *v, const branch *b)
{
    bool cut = search_node (v->search, b->node)->finish == FINISH_LENGTH;
    row_number (r, "",
                sample_decided (v, b->node) ? (double)(sample_passed (v, b->node) && !cut) : NAN);
}

static void write_answer (json_row *r, const sample_view *v, const branch *b)
{
    (void)v;
    row_string_or_null (r, "", b->answer);
}

/* null unless every node of the branch has tokens. */
static void write_tokens (json_row *r, const sample_view *v, const branch *b,
                          void (*how) (json_row *r, const char *key, const token_parts *p))
{
    token_parts p = {.items = NULL};
    if (r->err == ESP_OK)
        r->err = token_parts_of (v, b->node, &p);
    if (token_parts_whole (&p))
        how (r, "", &p);
    else
        row_raw (r, "null");
    token_parts_free (&p);
}

static void write_token_ids (json_row *r, const sample_view *v, const branch *b)
{
    write_tokens (r, v, b, token_ids);
}

static void write_logprobs (json_row *r, const sample_view *v, const branch *b)
{
    write_tokens (r, v, b, token_logprobs);
}

static void write_scores (json_row *r, const sample_view *v, const branch *b)
{
    (void)v;
    row_raw (r, "[");
    for (size_t i = 0; i < b->score_count; i++)
        row_number (r, i ? "," : "", b->scores[i]);
    row_raw (r, "]");
}

/* Of the nodes of the path; a rollout of many steps is one node. */
static void write_values (json_row *r, const sample_view *v, const branch *b)
{
    size_t n = tree_path (v->tree, b->node, NULL, 0);
    node_ref *path = r->err == ESP_OK ? esp_reallocarray (NULL, n + 1, sizeof (*path)) : NULL;
    if (!path) {
        r->err = r->err == ESP_OK ? ESP_ENOMEM : r->err;
        return;
    }
    tree_path (v->tree, b->node, path, n);
    row_raw (r, "[");
    for (size_t i = 0; i < n; i++)
        row_number (r, i ? "," : "", v->labels[path[i]].value);
    row_raw (r, "]");
    esp_free (path);
}

static void write_finish (json_row *r, const sample_view *v, const branch *b)
{
    row_string (r, "", span_of (node_finish_names[search_node (v->search, b->node)->finish]));
}

static const struct column {
    const char *key, *list_key;
    column_writer write;
} columns[] = {
    {",\"completion\":", ",\"completions\":", write_completion},
    {",\"reward\":", ",\"rewards\":", write_reward},
    {",\"answer\":", ",\"answers\":", write_answer},
    {",\"token_ids\":", ",\"token_ids\":", write_token_ids},
    {",\"logprobs\":", ",\"logprobs\":", write_logprobs},
    {",\"step_scores\":", ",\"step_scores\":", write_scores},
    {",\"step_values\":", ",\"step_values\":", write_values},
    {",\"finish\":", ",\"finish\":", write_finish},
};
enum { COLUMNS = sizeof (columns) / sizeof (columns[0]) };

/* ---- rows ---- */

static void begin_group (json_row *r, const sample_view *v)
{
    esp_buf id = {0};
    if (r->err == ESP_OK &&
        ((r->err = esp_buf_add (&id, v->problem->id)) != ESP_OK ||
         (r->err = esp_buf_printf (&id, "/%u", problem_repeat (v->problem->key))) != ESP_OK))
        esp_buf_clear (&id);
    row_string (r, ",\"group_id\":", esp_buf_span (&id));
    row_count (r, ",\"n\":", v->branches->distinct);
    sample_prompt (r, v);
    row_string_or_null (r, ",\"ground_truth\":", v->gold);
    esp_buf_free (&id);
}

static esp_err write_rollout (const sample_view *v, const branch *b, sample_writer *w)
{
    json_row *r = sample_begin (
        w, sample_decided (v, b->node) ? SAMPLE_VERIFIED : SAMPLE_UNVERIFIED, b->node, NULL);
    begin_group (r, v);
    for (size_t c = 0; c < COLUMNS; c++) {
        row_raw (r, columns[c].key);
        columns[c].write (r, v, b);
    }
    return sample_end (w);
}

static void write_list (json_row *r, const sample_view *v, const struct column *c)
{
    bool first = true;
    row_raw (r, c->list_key);
    row_raw (r, "[");
    for (size_t i = 0; i < v->branches->count; i++) {
        if (v->branches->items[i].again)
            continue;
        row_raw (r, first ? "" : ",");
        c->write (r, v, &v->branches->items[i]);
        first = false;
    }
    row_raw (r, "]");
}

static esp_err write_group (const sample_view *v, sample_writer *w)
{
    bool all = v->branches->decided == v->branches->distinct;
    json_row *r;
    if (v->branches->distinct == 0)
        return ESP_OK;
    r = sample_begin (w, all ? SAMPLE_VERIFIED : SAMPLE_UNVERIFIED, NODE_ROOT, NULL);
    begin_group (r, v);
    for (size_t c = 0; c < COLUMNS; c++)
        write_list (r, v, &columns[c]);
    return sample_end (w);
}

static esp_err write_problem (const sample_view *v, const void *options, sample_writer *w)
{
    esp_err err = ESP_OK;
    if (((const rollouts_options *)options)->rows == ROW_PROBLEM)
        return write_group (v, w);
    for (size_t i = 0; i < v->branches->count && err == ESP_OK; i++)
        if (!v->branches->items[i].again)
            err = write_rollout (v, &v->branches->items[i], w);
    return err;
}

const sample_format sample_rollouts = {
    .name = "rollouts",
    .what = "every finished branch with its reward, tokens and step values (reinforcement)",
    .needs = SAMPLE_NEEDS_LABELS | SAMPLE_NEEDS_TOKENS,
    .options = rollouts_rows,
    .option_bytes = sizeof (rollouts_options),
    .places = true,
    .write = write_problem,
};
