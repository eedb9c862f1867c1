/* SPDX-License-Identifier: Apache-2.0 */
/* labelled.c - see labelled.h */

#include "coordinator/sink/labelled.h"
#include <math.h>
#include <stddef.h>
#include <string.h>
#include "coordinator/sink/label_human.h"
#include "proto/base/alloc.h"

enum label_rule { RULE_HARD, RULE_SOFT };
enum last_step { UNTIL_END, UNTIL_ERROR };

const esp_option labelled_option_rows[] = {
    {"label", ESP_OPT_CHOICE, offsetof (labelled_options, rule), "hard", 0, 0, "hard|soft", "",
     "hard: a step is good when some rollout from it passed, bad when enough were tried; soft: "
     "when its value reaches `threshold`",
     ESP_OPT_FIXED, false},
    {"threshold", ESP_OPT_DOUBLE, offsetof (labelled_options, threshold), "0.5", 0, 1, NULL, "",
     "label: soft: the smallest value of a good step", ESP_OPT_FIXED, false},
    {"until", ESP_OPT_CHOICE, offsetof (labelled_options, until), "end", 0, 0, "end|error", "",
     "a row ends with its last labelled step, or with its first bad one", ESP_OPT_FIXED, false},
    {"source", ESP_OPT_CHOICE, offsetof (labelled_options, source), "monte_carlo", 0, 0,
     LABEL_SOURCE_CHOICES, "",
     "whose labels: verified rollouts; the PRM; consensus: both, in branches where they find the "
     "same "
     "first error; human: ratings in the problem row (PRM800K); mixed: those, else rollouts",
     ESP_OPT_FIXED, false},
    {"judge_threshold", ESP_OPT_DOUBLE, offsetof (labelled_options, judge_threshold), "0.5", 0, 1,
     NULL, "", "source: judge, consensus: the PRM calls a step good from this score on",
     ESP_OPT_FIXED, false},
    {"min_rollouts", ESP_OPT_INT, offsetof (labelled_options, min_rollouts), "0", 0, 1e9, NULL,
     "rollouts",
     "a step with fewer verified rollouts ends the row before it; a finished text counts by its "
     "own verdict",
     ESP_OPT_FIXED, false},
    ESP_OPTION_END,
};

span labelled_text (const labelled *l, size_t i)
{
    span text = l->steps[i].text;
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
static bool is_soft (const labelled *l, const step_label *chosen)
{
    return l->options->rule == RULE_SOFT && chosen->source == LABEL_FROM_MONTE_CARLO;
}

/* *chosen is what the source says of the step.  False: undecided. */
static bool decide (const labelled *l, const label_step *one, step_label *chosen)
{
    const labelled_options *o = l->options;
    const node *n = one->node == NODE_NONE ? NULL : search_node (l->v->search, one->node);
    bool rollouts =
        chosen->source == LABEL_FROM_MONTE_CARLO || chosen->source == LABEL_FROM_CONSENSUS;
    if (n && (n->state != NODE_GENERATED || n->finish == FINISH_LENGTH))
        return false;
    if (rollouts && one->label.rollouts < o->min_rollouts && !(n && verdict_decides (n)))
        return false;
    if (is_soft (l, chosen) && (n || one->label.hard == LABEL_GOOD) && !isnan (one->label.value))
        chosen->hard = one->label.value >= o->threshold ? LABEL_GOOD : LABEL_BAD;
    else if (is_soft (l, chosen))
        chosen->hard = LABEL_UNDECIDED;
    return chosen->hard != LABEL_UNDECIDED;
}

/* How many steps of the branch, from the first on, make a row. */
static size_t count_decided (const labelled *l)
{
    for (size_t i = 0; i < l->count; i++) {
        if (!decide (l, &l->steps[i], &l->chosen[i]))
            return i;
        if (l->options->until == UNTIL_ERROR && l->chosen[i].hard == LABEL_BAD)
            return i + 1;
    }
    return l->count;
}

esp_err labelled_of (labelled *l, node_ref leaf)
{
    enum label_source source = (enum label_source)l->options->source;
    bool kept;
    esp_err err;
    esp_free (l->steps);
    l->steps = NULL;
    l->count = l->done = 0;
    l->end = NODE_NONE;
    if ((err = labels_of_steps (l->v->search, l->v->labels, leaf, &l->steps, &l->count)) !=
            ESP_OK ||
        (err = labels_add_human (l->v->row, l->steps, l->count)) != ESP_OK)
        return err;
    if (esp_grow (&l->chosen, &l->chosen_cap, l->count + 1, sizeof (*l->chosen)) != 0)
        return ESP_ENOMEM;
    kept = labels_choose (source, l->steps, l->count, l->options->judge_threshold, l->chosen);
    if (kept || source != LABEL_FROM_CONSENSUS) /* soft values may be all that there is */
        l->done = count_decided (l);
    if (l->done > 0)
        l->end = l->steps[l->done - 1].node == NODE_NONE ? leaf : l->steps[l->done - 1].node;
    return ESP_OK;
}

void labelled_free (labelled *l)
{
    esp_free (l->steps);
    esp_free (l->chosen);
}

int labelled_first_error (const labelled *l)
{
    for (size_t i = 0; i < l->done; i++)
        if (!labelled_good (l, i))
            return (int)i;
    return -1;
}

/* Do rollouts with a verdict say what the label says? */
static bool is_verified (const step_label *chosen, const label *rollouts)
{
    if (chosen->source == LABEL_FROM_JUDGE || rollouts->rollouts == 0)
        return false;
    return chosen->source != LABEL_FROM_HUMAN || chosen->hard == rollouts->hard;
}

enum sample_set labelled_set (const labelled *l)
{
    for (size_t i = 0; i < l->done; i++)
        if (!is_verified (&l->chosen[i], &l->steps[i].label))
            return SAMPLE_UNVERIFIED;
    return SAMPLE_VERIFIED;
}

/* ---- rows ---- */

/* What stands above the last step of a row is the beginning of that row. */
static esp_err cover (labelled *l, node_ref leaf, bool *seen)
{
    esp_err err = labelled_of (l, leaf);
    for (size_t i = 0; err == ESP_OK && i + 1 < l->done; i++)
        if (l->steps[i].node != NODE_NONE && l->steps[i].node != l->end)
            seen[l->steps[i].node] = true;
    return err;
}

static esp_err write_rows (labelled *l, bool *seen,
                           esp_err (*write) (const labelled *l, sample_writer *w), sample_writer *w)
{
    const branches *all = l->v->branches;
    esp_err err = ESP_OK;
    for (size_t i = 0; i < all->count && err == ESP_OK; i++)
        err = cover (l, all->items[i].node, seen);
    for (size_t i = 0; i < all->count && err == ESP_OK; i++) {
        err = labelled_of (l, all->items[i].node);
        if (err != ESP_OK || l->end == NODE_NONE || seen[l->end])
            continue;
        seen[l->end] = true;
        err = write (l, w);
    }
    return err;
}

esp_err labelled_rows (labelled *l, esp_err (*write) (const labelled *l, sample_writer *w),
                       sample_writer *w)
{
    bool *seen = esp_calloc (tree_size (l->v->tree), sizeof (*seen)); /* by node */
    esp_err err = seen ? write_rows (l, seen, write, w) : ESP_ENOMEM;
    esp_free (seen);
    return err;
}
