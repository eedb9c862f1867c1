/* SPDX-License-Identifier: Apache-2.0 */
/* sample_stepwise.c - format `stepwise`: steps and whether each is good, for process reward models
 *
 * TRL's stepwise supervision (docs/source/dataset_formats.md): prompt and completions are texts, labels are booleans; its trainer takes
 * int (label), so soft values stand in a column of their own.  A step has no white space at its end: trainers put their separator there.
 *
 * Rows: of each finished branch the steps from the first one on whose labels are decided (label.h).  A row that is the beginning of
 * another one is not written.  A text of several steps has one verdict: where it is pass, it is itself the completion
 * that shows every one of its steps to be good; any other ends the row before it.
 */

#include <math.h>
#include <stddef.h>
#include <string.h>
#include "coordinator/sink/sample_formats.h"
#include "coordinator/search/strategy_help.h"
#include "proto/base/alloc.h"

enum label_rule { RULE_HARD, RULE_SOFT };
enum last_step { UNTIL_END, UNTIL_ERROR };

typedef struct stepwise_options {
    int rule, until;
    double threshold;
    int64_t min_rollouts;
} stepwise_options;

static const esp_option stepwise_rows[] = {
    {"label", ESP_OPT_CHOICE, offsetof (stepwise_options, rule), "hard", 0, 0, "hard|soft", "",
     "hard: a step is good when some rollout from it passed, bad when enough were tried; soft: "
     "when its value reaches `threshold`",
     ESP_OPT_FIXED, false},
    {"threshold", ESP_OPT_DOUBLE, offsetof (stepwise_options, threshold), "0.5", 0, 1, NULL, "",
     "label: soft: the smallest value of a good step", ESP_OPT_FIXED, false},
    {"until", ESP_OPT_CHOICE, offsetof (stepwise_options, until), "end", 0, 0, "end|error", "",
     "a row ends with its last labelled step, or with its first bad one", ESP_OPT_FIXED, false},
    {"min_rollouts", ESP_OPT_INT, offsetof (stepwise_options, min_rollouts), "0", 0, 1e9, NULL,
     "rollouts",
     "a step with fewer verified rollouts ends the row before it; a finished text counts by its "
     "own verdict",
     ESP_OPT_FIXED, false},
    ESP_OPTION_END,
};

struct step {
    span text;
    const label *known;
    bool good;
    double score; /* NaN = none */
};

struct maker {
    const sample_view *v;
    const stepwise_options *options;
    struct step *steps; /* owned: of the branch at hand */
    size_t count, cap;
    node_ref end;   /* its last labelled node; NODE_NONE = none */
    node_ref *path; /* owned */
    size_t path_cap;
    bool
        *done; /* owned, by node: a row that ends here is written, or is the beginning of another */
};

static span trim_end (span text)
{
    while (text.len > 0 && strchr (" \t\r\n", text.ptr[text.len - 1]))
        text.len--;
    return text;
}

/* ---- labels ---- */

static bool verdict_decides (const node *n)
{
    return n->finish == FINISH_EOS && (n->verdict == VERDICT_PASS || n->verdict == VERDICT_FAIL);
}

/* False: undecided. */
static bool decide (const struct maker *m, const node *n, const label *known, bool *good)
{
    const stepwise_options *o = m->options;
    if (n->state != NODE_GENERATED || n->finish == FINISH_LENGTH)
        return false;
    if (known->rollouts < o->min_rollouts && !verdict_decides (n))
        return false;
    *good = o->rule == RULE_HARD ? known->hard == LABEL_GOOD : known->value >= o->threshold;
    return o->rule == RULE_HARD ? known->hard != LABEL_UNDECIDED : !isnan (known->value);
}

static esp_err add_step (struct maker *m, node_ref ref, span text, bool good, double score)
{
    if (esp_grow (&m->steps, &m->cap, m->count + 1, sizeof (*m->steps)) != 0)
        return ESP_ENOMEM;
    m->steps[m->count++] = (struct step){trim_end (text), &m->v->labels[ref], good, score};
    return ESP_OK;
}

/* Every step of a text that passed is good; *more: it did, and the branch goes on. */
static esp_err add_passed (struct maker *m, node_ref ref, rollout_walk walk, bool *more)
{
    const node *n = search_node (m->v->search, ref);
    const label *known = &m->v->labels[ref];
    uint32_t pieces = rollout_count (walk);
    esp_err err = ESP_OK;
    span text;
    *more = n->finish == FINISH_EOS && n->verdict == VERDICT_PASS &&
            known->rollouts >= m->options->min_rollouts;
    for (uint32_t i = 0; *more && err == ESP_OK && rollout_next (&walk, &text); i++)
        err = add_step (m, ref, text, true, n->score_own == pieces ? node_scores (n)[i] : NAN);
    return err;
}

/* *more: the node is part of the row, and what follows may be. */
static esp_err add_node (struct maker *m, node_ref ref, bool *more)
{
    const node *n = search_node (m->v->search, ref);
    bool good = false;
    rollout_walk walk;
    esp_err err = rollout_open (m->v->search, ref, &walk);
    if (err != ESP_OK)
        return err;
    if (n->steps > 1 || rollout_count (walk) > 1)
        return add_passed (m, ref, walk, more);
    if (!(*more = decide (m, n, &m->v->labels[ref], &good)))
        return ESP_OK;
    return add_step (m, ref, node_text (n), good, n->score_own == 1 ? node_scores (n)[0] : NAN);
}

/* The labelled steps of a branch. */
static esp_err collect (struct maker *m, node_ref leaf)
{
    size_t n = tree_path (m->v->tree, leaf, NULL, 0);
    bool more = true;
    esp_err err = ESP_OK;
    m->count = 0;
    m->end = NODE_NONE;
    if (esp_grow (&m->path, &m->path_cap, n, sizeof (*m->path)) != 0)
        return ESP_ENOMEM;
    tree_path (m->v->tree, leaf, m->path, n);
    for (size_t i = 0; i < n && err == ESP_OK && more; i++) {
        err = add_node (m, m->path[i], &more);
        if (more)
            m->end = m->path[i];
        if (more && m->options->until == UNTIL_ERROR && m->count && !m->steps[m->count - 1].good)
            break;
    }
    return err;
}

/* ---- rows ---- */

static int first_error (const struct maker *m)
{
    for (size_t i = 0; i < m->count; i++)
        if (!m->steps[i].good)
            return (int)i;
    return -1;
}

static const char *source_of (const struct maker *m)
{
    const char *source = "value";
    for (size_t i = 0; i < m->count; i++) {
        if (m->steps[i].known->strategy)
            return "mc";
        if (m->steps[i].known->rollouts > 0)
            source = "tree";
    }
    return source;
}

static bool is_verified (const struct maker *m)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->steps[i].known->rollouts == 0)
            return false;
    return true;
}

static void counts (json_row *r, const struct maker *m)
{
    row_raw (r, "],\"rollouts\":[");
    for (size_t i = 0; i < m->count; i++)
        row_count (r, i ? "," : "", m->steps[i].known->rollouts);
    row_raw (r, "],\"passed\":[");
    for (size_t i = 0; i < m->count; i++)
        row_count (r, i ? "," : "", m->steps[i].known->passed);
    row_raw (r, "],\"low\":[");
    for (size_t i = 0; i < m->count; i++)
        row_number (r, i ? "," : "", m->steps[i].known->low);
    row_raw (r, "],\"high\":[");
    for (size_t i = 0; i < m->count; i++)
        row_number (r, i ? "," : "", m->steps[i].known->high);
}

static esp_err write_row (const struct maker *m, sample_writer *w)
{
    json_row *r =
        sample_begin (w, is_verified (m) ? SAMPLE_VERIFIED : SAMPLE_UNVERIFIED, m->end, NULL);
    row_string (r, ",\"prompt\":", m->v->prompt);
    row_raw (r, ",\"completions\":[");
    for (size_t i = 0; i < m->count; i++)
        row_string (r, i ? "," : "", m->steps[i].text);
    row_raw (r, "],\"labels\":[");
    for (size_t i = 0; i < m->count; i++)
        row_bool (r, i ? "," : "", m->steps[i].good);
    row_raw (r, "],\"values\":[");
    for (size_t i = 0; i < m->count; i++)
        row_number (r, i ? "," : "", m->steps[i].known->value);
    counts (r, m);
    row_raw (r, "],\"prm_scores\":[");
    for (size_t i = 0; i < m->count; i++)
        row_number (r, i ? "," : "", m->steps[i].score);
    if (first_error (m) < 0)
        row_raw (r, "],\"first_error\":-1");
    else
        row_count (r, "],\"first_error\":", (uint64_t)first_error (m));
    row_string (r, ",\"label_source\":", span_of (source_of (m)));
    return sample_end (w);
}

/* ---- a problem ---- */

/* What stands above the last node of a row is the beginning of that row. */
static esp_err cover (struct maker *m, node_ref leaf)
{
    esp_err err = collect (m, leaf);
    if (err == ESP_OK && m->end != NODE_NONE)
        for (node_ref up = m->end; up != NODE_ROOT && up != m->path[0];) {
            up = search_node (m->v->search, up)->parent;
            m->done[up] = true;
        }
    return err;
}

static esp_err write_branches (struct maker *m, sample_writer *w)
{
    const branches *all = m->v->branches;
    esp_err err = ESP_OK;
    for (size_t i = 0; i < all->count && err == ESP_OK; i++)
        err = cover (m, all->items[i].node);
    for (size_t i = 0; i < all->count && err == ESP_OK; i++) {
        err = collect (m, all->items[i].node);
        if (err != ESP_OK || m->end == NODE_NONE || m->done[m->end])
            continue;
        m->done[m->end] = true;
        err = write_row (m, w);
    }
    return err;
}

static esp_err write_problem (const sample_view *v, const void *options, sample_writer *w)
{
    struct maker m = {.v = v, .options = options};
    esp_err err = ESP_ENOMEM;
    if ((m.done = esp_calloc (tree_size (v->tree), sizeof (*m.done))))
        err = write_branches (&m, w);
    esp_free (m.done);
    esp_free (m.steps);
    esp_free (m.path);
    return err;
}

const sample_format sample_stepwise = {
    .name = "stepwise",
    .what = "steps with a label each, for process reward models (TRL)",
    .needs = SAMPLE_NEEDS_LABELS,
    .by_passes = true,
    .options = stepwise_rows,
    .option_bytes = sizeof (stepwise_options),
    .write = write_problem,
};
