/* SPDX-License-Identifier: Apache-2.0 */
/* rows.c - see rows.h */

#include "coordinator/sink/rows.h"
#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include "coordinator/merge/answer_key.h"
#include "proto/answer/answer.h"
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

typedef struct branch { /* one candidate with what its rows need */
    node_ref node;
    esp_buf text;
    double *scores; /* owned */
    size_t score_count;
    span answer; /* as spelled; borrowed from text or the tree */
    esp_buf key; /* equal for equal answers */
} branch;

static esp_err load_branch (const search *s, node_ref ref, enum answer_equality equality, branch *b)
{
    const tree *t = search_tree (s);
    const node *n = search_node (s, ref);
    esp_err err;
    b->node = ref;
    b->score_count = tree_path_scores (t, ref, NULL, 0);
    if (!(b->scores = esp_reallocarray (NULL, b->score_count + 1, sizeof (double))))
        return ESP_ENOMEM;
    tree_path_scores (t, ref, b->scores, b->score_count);
    if ((err = tree_path_text (t, ref, &b->text)) != ESP_OK)
        return err;
    b->answer = node_answer (n);
    if (b->answer.len == 0 && n->verdict == VERDICT_NONE)
        (void)answer_find (esp_buf_span (&b->text), &b->answer);
    return answer_key (b->answer, equality, &b->key);
}

static void free_branches (branch *all, size_t n)
{
    for (size_t i = 0; all && i < n; i++) {
        esp_buf_free (&all[i].text);
        esp_buf_free (&all[i].key);
        esp_free (all[i].scores);
    }
    esp_free (all);
}

static const char *truth (uint8_t verdict)
{
    return verdict == VERDICT_PASS ? "true" : verdict == VERDICT_FAIL ? "false" : "null";
}

/* ---- JSON, a key at a time; the first error is kept ---- */

struct row {
    esp_buf *out;
    esp_err err;
};

static void raw (struct row *r, const char *text)
{
    if (r->err == ESP_OK)
        r->err = esp_buf_puts (r->out, text);
}

static void string (struct row *r, const char *key, span value)
{
    raw (r, key);
    if (r->err == ESP_OK)
        r->err = esp_buf_json_string (r->out, value);
}

static void number (struct row *r, const char *key, double value)
{
    raw (r, key);
    if (r->err == ESP_OK)
        r->err = esp_buf_json_double (r->out, value);
}

static void count (struct row *r, const char *key, uint64_t value)
{
    raw (r, key);
    if (r->err == ESP_OK)
        r->err = esp_buf_u64 (r->out, value);
}

static void answer_or_null (struct row *r, const char *key, span answer)
{
    if (answer.len > 0) {
        string (r, key, answer);
        return;
    }
    raw (r, key);
    raw (r, "null");
}

/* ---- rows ---- */

static esp_err candidate_row (const search *s, const branch *b, esp_buf *out)
{
    const problem *p = search_problem (s);
    const node *n = search_node (s, b->node);
    struct row r = {out, ESP_OK};
    string (&r, "{\"id\":", p->id);
    count (&r, ",\"repeat\":", problem_repeat (p->key));
    raw (&r, ",\"candidate\":\"");
    if (r.err == ESP_OK)
        r.err = tree_path_name (search_tree (s), b->node, out);
    string (&r, "\",\"text\":", esp_buf_span (&b->text));
    answer_or_null (&r, ",\"answer\":", b->answer);
    raw (&r, ",\"correct\":");
    raw (&r, truth (n->verdict));
    number (&r, ",\"score\":", n->score);
    raw (&r, ",\"step_scores\":[");
    for (size_t i = 0; i < b->score_count; i++)
        number (&r, i ? "," : "", b->scores[i]);
    count (&r, "],\"tokens\":", tree_path_tokens (search_tree (s), b->node));
    raw (&r, ",\"finish_reason\":\"");
    raw (&r, node_finish_names[n->finish]);
    raw (&r, "\"}\n");
    return r.err;
}

/* ESP_EPOISONED -> "poisoned": the stable code of design.md, D11. */
static void error_code (struct row *r, esp_err err)
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
    raw (r, ",\"error\":");
    raw (r, code);
}

static esp_err
answer_row (const search *s, const branch *all, size_t n, const vote_winner *won, esp_buf *out)
{
    const problem *p = search_problem (s);
    const branch *best = n ? &all[won->candidate] : NULL;
    budget used = search_used (s);
    struct row r = {out, ESP_OK};
    string (&r, "{\"id\":", p->id);
    count (&r, ",\"repeat\":", problem_repeat (p->key));
    answer_or_null (&r, ",\"answer\":", best ? all[won->first].answer : span_make ("", 0));
    raw (&r, ",\"correct\":");
    raw (&r, best ? truth (search_node (s, best->node)->verdict) : "null");
    string (&r, ",\"text\":", best ? esp_buf_span (&best->text) : span_make ("", 0));
    number (&r, ",\"score\":", best ? search_node (s, best->node)->score : NAN);
    number (&r, ",\"vote\":", best ? won->weight : NAN);
    count (&r, ",\"candidates\":", n);
    count (&r, ",\"generations\":", used.generations);
    count (&r, ",\"steps\":", used.steps);
    count (&r, ",\"generated_tokens\":", used.generated_tokens);
    count (&r, ",\"scored_tokens\":", used.scored_tokens);
    raw (&r, ",\"finish_reason\":\"");
    raw (&r, finish_reason_names[search_reason (s)]);
    raw (&r, "\"");
    error_code (&r, search_reason (s) == REASON_ERROR ? search_error (s) : ESP_OK);
    raw (&r, "}\n");
    return r.err;
}

static void generator_counts (struct row *r, const generator_costs *c)
{
    count (r, "\"generations\":", c->generations);
    count (r, ",\"generated_tokens\":", c->generated_tokens);
    count (r, ",\"prompt_tokens\":", c->prompt_tokens);
    count (r, ",\"cached_tokens\":", c->cached_tokens);
}

static esp_err cost_row (const search *s, esp_buf *out)
{
    const problem *p = search_problem (s);
    const search_costs *spent = search_spent (s);
    size_t generators = search_setup_of (s)->generator_count;
    struct row r = {out, ESP_OK};
    string (&r, "{\"id\":", p->id);
    count (&r, ",\"repeat\":", problem_repeat (p->key));
    raw (&r, ",");
    generator_counts (&r, &spent->all);
    count (&r, ",\"scored_tokens\":", search_used (s).scored_tokens);
    count (&r, ",\"read_tokens\":", spent->read_tokens);
    count (&r, ",\"verdicts\":", spent->verdicts);
    for (size_t i = 0; generators > 1 && i < generators; i++) {
        raw (&r, i ? ",{" : ",\"generators\":[{");
        generator_counts (&r, search_spent_on (s, i));
        raw (&r, i + 1 < generators ? "}" : "}]");
    }
    raw (&r, "}\n");
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
static esp_err candidate_rows (const search *s, const branch *all, size_t n, esp_buf *out)
{
    bool *written = esp_calloc (tree_size (search_tree (s)), sizeof (*written));
    esp_err err = written ? ESP_OK : ESP_ENOMEM;
    for (size_t i = 0; i < n && err == ESP_OK; i++)
        if (!written[all[i].node]) {
            written[all[i].node] = true;
            err = candidate_row (s, &all[i], out);
        }
    esp_free (written);
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

esp_err rows_of_search (const search *s, const vote_options *options, esp_buf rows[ROW_FILES],
                        row_totals *totals)
{
    size_t n = search_answers (s, NULL, 0), loaded = 0;
    node_ref *refs = esp_reallocarray (NULL, n + 1, sizeof (*refs));
    branch *all = esp_calloc (n + 1, sizeof (*all));
    vote_winner won = {0};
    esp_err err = refs && all ? ESP_OK : ESP_ENOMEM;
    if (err == ESP_OK)
        search_answers (s, refs, n);
    for (; err == ESP_OK && loaded < n; loaded++)
        err = load_branch (s, refs[loaded], (enum answer_equality)options->equal, &all[loaded]);
    if (err == ESP_OK)
        err = decide (options, all, n, s, &won);
    if (err == ESP_OK)
        err = candidate_rows (s, all, n, &rows[ROW_CANDIDATES]);
    if (err == ESP_OK)
        err = answer_row (s, all, n, &won, &rows[ROW_ANSWERS]);
    if (err == ESP_OK)
        err = cost_row (s, &rows[ROW_COSTS]);
    if (err == ESP_OK && totals)
        add_totals (s, all, n, &won, totals);
    free_branches (all, loaded < n ? loaded + 1 : n);
    esp_free (refs);
    return err;
}
