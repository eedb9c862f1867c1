/* SPDX-License-Identifier: Apache-2.0 */
/* sample_stepwise.c - format `stepwise`: steps and whether each is good, for process reward models
 *
 * TRL's stepwise supervision (docs/source/dataset_formats.md): prompt and completions are texts, labels are booleans; its trainer takes
 * int (label), so soft values stand in a column of their own.  A step has no white space at its end: trainers put their separator there.
 *
 * Rows: of each finished branch the steps from the first one on whose labels are decided (label_steps.h), by the opinion that `source`
 * names (label_consensus.h).  A row that is the beginning of another one is not written.  A text of several steps is cut: where it passed, it is
 * itself the completion that shows every one of its steps to be good; else they have the labels of the nodes beside it (omegaprm), and a
 * step that nobody looked at ends the row before it.
 */

#include <math.h>
#include <stddef.h>
#include <string.h>
#include "coordinator/sink/sample_formats.h"
#include "coordinator/sink/label_consensus.h"
#include "coordinator/sink/label_human.h"
#include "proto/base/alloc.h"

enum label_rule { RULE_HARD, RULE_SOFT };
enum last_step { UNTIL_END, UNTIL_ERROR };

typedef struct stepwise_options {
    int rule, until, source;
    double threshold, judge_threshold;
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
    {"source", ESP_OPT_CHOICE, offsetof (stepwise_options, source), "monte_carlo", 0, 0,
     LABEL_SOURCE_CHOICES, "",
     "whose labels: verified rollouts; the PRM; consensus: both, in branches where they find the "
     "same "
     "first error; human: ratings in the problem row (PRM800K); mixed: those, else rollouts",
     ESP_OPT_FIXED, false},
    {"judge_threshold", ESP_OPT_DOUBLE, offsetof (stepwise_options, judge_threshold), "0.5", 0, 1,
     NULL, "", "source: judge, consensus: the PRM calls a step good from this score on",
     ESP_OPT_FIXED, false},
    {"min_rollouts", ESP_OPT_INT, offsetof (stepwise_options, min_rollouts), "0", 0, 1e9, NULL,
     "rollouts",
     "a step with fewer verified rollouts ends the row before it; a finished text counts by its "
     "own verdict",
     ESP_OPT_FIXED, false},
    ESP_OPTION_END,
};

struct maker {
    const sample_view *v;
    const stepwise_options *options;
    label_step *steps;  /* owned: of the branch at hand; the first `count` make the row */
    step_label *chosen; /* owned: of each step */
    size_t count, chosen_cap;
    node_ref end; /* the node of its last step; NODE_NONE = there is no row */
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

/* Does the value of rollouts speak, where labels are soft? */
static bool is_soft (const struct maker *m, const step_label *chosen)
{
    return m->options->rule == RULE_SOFT && chosen->source == LABEL_FROM_MONTE_CARLO;
}

/* Step `i` of the branch; *chosen is what its source says of it.  False: undecided. */
static bool decide (const struct maker *m, const label_step *one, step_label *chosen)
{
    const stepwise_options *o = m->options;
    const node *n = one->node == NODE_NONE ? NULL : search_node (m->v->search, one->node);
    bool rollouts =
        chosen->source == LABEL_FROM_MONTE_CARLO || chosen->source == LABEL_FROM_CONSENSUS;
    if (n && (n->state != NODE_GENERATED || n->finish == FINISH_LENGTH))
        return false;
    if (rollouts && one->label.rollouts < o->min_rollouts && !(n && verdict_decides (n)))
        return false;
    if (is_soft (m, chosen) && (n || one->label.hard == LABEL_GOOD) && !isnan (one->label.value))
        chosen->hard = one->label.value >= o->threshold ? LABEL_GOOD : LABEL_BAD;
    else if (is_soft (m, chosen))
        chosen->hard = LABEL_UNDECIDED;
    return chosen->hard != LABEL_UNDECIDED;
}

/* How many steps of the branch, from the first on, make a row. */
static size_t count_decided (const struct maker *m, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!decide (m, &m->steps[i], &m->chosen[i]))
            return i;
        if (m->options->until == UNTIL_ERROR && m->chosen[i].hard == LABEL_BAD)
            return i + 1;
    }
    return count;
}

/* The labelled steps of a branch. */
static esp_err collect (struct maker *m, node_ref leaf)
{
    size_t count = 0;
    bool kept;
    esp_err err;
    esp_free (m->steps);
    m->steps = NULL;
    m->count = 0;
    m->end = NODE_NONE;
    if ((err = labels_of_steps (m->v->search, m->v->labels, leaf, &m->steps, &count)) != ESP_OK ||
        (err = labels_add_human (m->v->row, m->steps, count)) != ESP_OK)
        return err;
    if (esp_grow (&m->chosen, &m->chosen_cap, count + 1, sizeof (*m->chosen)) != 0)
        return ESP_ENOMEM;
    kept = labels_choose ((enum label_source)m->options->source, m->steps, count,
                          m->options->judge_threshold, m->chosen);
    if (kept ||
        m->options->source != LABEL_FROM_CONSENSUS) /* soft values may be all that there is */
        m->count = count_decided (m, count);
    if (m->count > 0)
        m->end = m->steps[m->count - 1].node == NODE_NONE ? leaf : m->steps[m->count - 1].node;
    return ESP_OK;
}

/* ---- rows ---- */

static int first_error (const struct maker *m)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->chosen[i].hard == LABEL_BAD)
            return (int)i;
    return -1;
}

static const char *rollouts_of (const struct maker *m)
{
    const char *source = "value";
    for (size_t i = 0; i < m->count; i++) {
        if (m->steps[i].label.strategy)
            return "mc";
        if (m->steps[i].label.rollouts > 0)
            source = "tree";
    }
    return source;
}

/* What the labels of the row are of. */
static const char *source_of (const struct maker *m)
{
    size_t human = 0;
    for (size_t i = 0; i < m->count; i++)
        human += m->chosen[i].source == LABEL_FROM_HUMAN;
    if (m->options->source == LABEL_FROM_MONTE_CARLO ||
        (m->options->source == LABEL_FROM_MIXED && human == 0))
        return rollouts_of (m);
    return label_source_names[human == m->count ? LABEL_FROM_HUMAN : m->options->source];
}

/* Rollouts with a verdict stand behind every label; a person's word, or the PRM's, is no verdict. */
static bool is_verified (const struct maker *m)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->chosen[i].source == LABEL_FROM_JUDGE || m->steps[i].label.rollouts == 0)
            return false;
    return true;
}

static void counts (json_row *r, const struct maker *m)
{
    row_raw (r, "],\"rollouts\":[");
    for (size_t i = 0; i < m->count; i++)
        row_count (r, i ? "," : "", m->steps[i].label.rollouts);
    row_raw (r, "],\"passed\":[");
    for (size_t i = 0; i < m->count; i++)
        row_count (r, i ? "," : "", m->steps[i].label.passed);
    row_raw (r, "],\"low\":[");
    for (size_t i = 0; i < m->count; i++)
        row_number (r, i ? "," : "", m->steps[i].label.low);
    row_raw (r, "],\"high\":[");
    for (size_t i = 0; i < m->count; i++)
        row_number (r, i ? "," : "", m->steps[i].label.high);
}

static esp_err write_row (const struct maker *m, sample_writer *w)
{
    json_row *r =
        sample_begin (w, is_verified (m) ? SAMPLE_VERIFIED : SAMPLE_UNVERIFIED, m->end, NULL);
    row_string (r, ",\"prompt\":", m->v->prompt);
    row_raw (r, ",\"completions\":[");
    for (size_t i = 0; i < m->count; i++)
        row_string (r, i ? "," : "", trim_end (m->steps[i].text));
    row_raw (r, "],\"labels\":[");
    for (size_t i = 0; i < m->count; i++)
        row_bool (r, i ? "," : "", m->chosen[i].hard == LABEL_GOOD);
    row_raw (r, "],\"values\":[");
    for (size_t i = 0; i < m->count; i++)
        row_number (r, i ? "," : "", m->steps[i].label.value);
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

/* What stands above the last step of a row is the beginning of that row. */
static esp_err cover (struct maker *m, node_ref leaf)
{
    esp_err err = collect (m, leaf);
    for (size_t i = 0; err == ESP_OK && i + 1 < m->count; i++)
        if (m->steps[i].node != NODE_NONE && m->steps[i].node != m->end)
            m->done[m->steps[i].node] = true;
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
    esp_free (m.chosen);
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
