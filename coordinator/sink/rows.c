/* SPDX-License-Identifier: Apache-2.0 */
/* rows.c - see rows.h */

#include "coordinator/sink/rows.h"
#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include "coordinator/sink/json_row.h"
#include "proto/base/alloc.h"

const char *const row_file_names[ROW_FILES] = {"answers.jsonl", "candidates.jsonl", "costs.jsonl"};

const esp_option vote_option_rows[] = {
    {"rule", ESP_OPT_CHOICE, offsetof (vote_options, rule), "best", 0, 0, VOTE_CHOICES, "",
     "how the answer of a problem is chosen from its finished branches", ESP_OPT_FIXED, false},
    {"power", ESP_OPT_DOUBLE, offsetof (vote_options, power), "1", 0, 100, NULL, "",
     "weighted: a branch counts score^power", ESP_OPT_FIXED, false},
    {"equal", ESP_OPT_CHOICE, offsetof (vote_options, equal), "value", 0, 0, ANSWER_EQUALITIES, "",
     "answers are one when their values are (0.5 and 1/2), or when their texts are", ESP_OPT_FIXED,
     false},
    ESP_OPTION_END,
};

static const char *truth (uint8_t verdict)
{
    return verdict == VERDICT_PASS ? "true" : verdict == VERDICT_FAIL ? "false" : "null";
}

/* ---- rows ---- */

static esp_err candidate_row (const search *s, const branch *b, esp_buf *out)
{
    const problem *p = search_problem (s);
    const node *n = search_node (s, b->node);
    json_row r = {out, ESP_OK};
    row_string (&r, "{\"id\":", p->id);
    row_count (&r, ",\"repeat\":", problem_repeat (p->key));
    row_raw (&r, ",\"candidate\":\"");
    if (r.err == ESP_OK)
        r.err = tree_path_name (search_tree (s), b->node, out);
    row_string (&r, "\",\"text\":", esp_buf_span (&b->text));
    row_string_or_null (&r, ",\"answer\":", b->answer);
    row_raw (&r, ",\"correct\":");
    row_raw (&r, truth (n->verdict));
    row_number (&r, ",\"score\":", n->score);
    row_raw (&r, ",\"step_scores\":[");
    for (size_t i = 0; i < b->score_count; i++)
        row_number (&r, i ? "," : "", b->scores[i]);
    row_count (&r, "],\"tokens\":", tree_path_tokens (search_tree (s), b->node));
    row_raw (&r, ",\"finish_reason\":\"");
    row_raw (&r, node_finish_names[n->finish]);
    row_raw (&r, "\"}\n");
    return r.err;
}

/* ESP_EPOISONED -> "poisoned": the stable code of design.md, D11. */
static void error_code (json_row *r, esp_err err)
{
    char code[32] = "null";
    if (err != ESP_OK) {
        const char *name = esp_err_name (err);
        size_t len = strlen (name + 1) < 28 ? strlen (name + 1) : 28;
        code[0] = '"';
        for (size_t i = 0; i < len; i++)
            code[i + 1] = (char)tolower ((unsigned char)name[i + 1]);
        memcpy (code + len + 1, "\"", 2);
    }
    row_raw (r, ",\"error\":");
    row_raw (r, code);
}

static esp_err
answer_row (const search *s, const branch *all, size_t n, const vote_winner *won, esp_buf *out)
{
    const problem *p = search_problem (s);
    const branch *best = n ? &all[won->candidate] : NULL;
    budget used = search_used (s);
    json_row r = {out, ESP_OK};
    row_string (&r, "{\"id\":", p->id);
    row_count (&r, ",\"repeat\":", problem_repeat (p->key));
    row_string_or_null (&r, ",\"answer\":", best ? all[won->first].answer : span_make ("", 0));
    row_raw (&r, ",\"correct\":");
    row_raw (&r, best ? truth (search_node (s, best->node)->verdict) : "null");
    row_string (&r, ",\"text\":", best ? esp_buf_span (&best->text) : span_make ("", 0));
    row_number (&r, ",\"score\":", best ? search_node (s, best->node)->score : NAN);
    row_number (&r, ",\"vote\":", best ? won->weight : NAN);
    row_count (&r, ",\"candidates\":", n);
    row_count (&r, ",\"generations\":", used.generations);
    row_count (&r, ",\"steps\":", used.steps);
    row_count (&r, ",\"generated_tokens\":", used.generated_tokens);
    row_count (&r, ",\"scored_tokens\":", used.scored_tokens);
    row_raw (&r, ",\"finish_reason\":\"");
    row_raw (&r, finish_reason_names[search_reason (s)]);
    row_raw (&r, "\"");
    error_code (&r, search_reason (s) == REASON_ERROR ? search_error (s) : ESP_OK);
    row_raw (&r, "}\n");
    return r.err;
}

static void generator_counts (json_row *r, const generator_costs *c)
{
    row_count (r, "\"generations\":", c->generations);
    row_count (r, ",\"generated_tokens\":", c->generated_tokens);
    row_count (r, ",\"prompt_tokens\":", c->prompt_tokens);
    row_count (r, ",\"cached_tokens\":", c->cached_tokens);
}

static esp_err cost_row (const search *s, esp_buf *out)
{
    const problem *p = search_problem (s);
    const search_costs *spent = search_spent (s);
    size_t generators = search_setup_of (s)->generator_count;
    json_row r = {out, ESP_OK};
    row_string (&r, "{\"id\":", p->id);
    row_count (&r, ",\"repeat\":", problem_repeat (p->key));
    row_raw (&r, ",");
    generator_counts (&r, &spent->all);
    row_count (&r, ",\"scored_tokens\":", search_used (s).scored_tokens);
    row_count (&r, ",\"read_tokens\":", spent->read_tokens);
    row_count (&r, ",\"verdicts\":", spent->verdicts);
    for (size_t i = 0; generators > 1 && i < generators; i++) {
        row_raw (&r, i ? ",{" : ",\"generators\":[{");
        generator_counts (&r, search_spent_on (s, i));
        row_raw (&r, i + 1 < generators ? "}" : "}]");
    }
    row_raw (&r, "}\n");
    return r.err;
}

static esp_err
decide (const vote_options *options, const branch *all, size_t n, const search *s, vote_winner *won)
{
    vote_candidate *voters = esp_calloc (n + 1, sizeof (*voters));
    esp_err err = voters ? ESP_OK : ESP_ENOMEM;
    for (size_t i = 0; i < n && err == ESP_OK; i++)
        voters[i] =
            (vote_candidate){esp_buf_span (&all[i].key), search_node (s, all[i].node)->score,
                             all[i].scores, all[i].score_count};
    if (err == ESP_OK && n > 0)
        err = vote ((enum vote_rule)options->rule, voters, n, options->power, won);
    esp_free (voters);
    return err;
}

/* A row for each node, also if it stands more than once. */
static esp_err candidate_rows (const search *s, const branches *all, esp_buf *out)
{
    esp_err err = ESP_OK;
    for (size_t i = 0; i < all->count && err == ESP_OK; i++)
        if (!all->items[i].again)
            err = candidate_row (s, &all->items[i], out);
    return err;
}

static void add_totals (const search *s, const branch *all, size_t n, const vote_winner *won,
                        row_totals *totals)
{
    uint8_t verdict = n ? search_node (s, all[won->candidate].node)->verdict : VERDICT_NONE;
    *totals = (row_totals){.has_answer = n > 0 && all[won->first].answer.len > 0,
                           .correct = verdict == VERDICT_PASS,
                           .graded = verdict == VERDICT_PASS || verdict == VERDICT_FAIL,
                           .failed = search_reason (s) == REASON_ERROR,
                           .candidates = n,
                           .reason = search_reason (s),
                           .used = search_used (s),
                           .scored_steps = search_scored_steps (s)};
}

esp_err rows_of_search (const search *s, const vote_options *options, const sample_plan *samples,
                        esp_buf *rows, row_totals *totals)
{
    branches all = {NULL, 0, 0, 0, 0};
    vote_winner won = {0};
    esp_err err = branches_of_search (s, (enum answer_equality)options->equal, &all);
    if (err == ESP_OK)
        err = decide (options, all.items, all.count, s, &won);
    if (err == ESP_OK)
        err = candidate_rows (s, &all, &rows[ROW_CANDIDATES]);
    if (err == ESP_OK)
        err = answer_row (s, all.items, all.count, &won, &rows[ROW_ANSWERS]);
    if (err == ESP_OK)
        err = cost_row (s, &rows[ROW_COSTS]);
    if (err == ESP_OK && samples && samples->count > 0 && (err = branches_agree (&all)) == ESP_OK)
        err = samples_of_search (s, &all, samples, rows + ROW_FILES);
    if (err == ESP_OK && totals)
        add_totals (s, all.items, all.count, &won, totals);
    branches_free (&all);
    return err;
}
