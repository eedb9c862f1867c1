/* SPDX-License-Identifier: Apache-2.0 */
/* labelled.c - see labelled.h */

#include "coordinator/sink/labelled.h"
#include <math.h>
#include <stddef.h>
#include <string.h>
#include "coordinator/search/strategy_help.h"
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
    {"min_rollouts", ESP_OPT_INT, offsetof (labelled_options, min_rollouts), "0", 0, 1e9, NULL,
     "rollouts",
     "a step with fewer verified rollouts ends the row before it; a finished text counts by its "
     "own verdict",
     ESP_OPT_FIXED, false},
    ESP_OPTION_END,
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
static bool decide (const labelled *l, const node *n, const label *known, bool *good)
{
    const labelled_options *o = l->options;
    if (n->state != NODE_GENERATED || n->finish == FINISH_LENGTH)
        return false;
    if (known->rollouts < o->min_rollouts && !verdict_decides (n))
        return false;
    *good = o->rule == RULE_HARD ? known->hard == LABEL_GOOD : known->value >= o->threshold;
    return o->rule == RULE_HARD ? known->hard != LABEL_UNDECIDED : !isnan (known->value);
}

/* Every step of a text that passed is good. */
static bool decide_whole (const labelled *l, const node *n, const label *known, bool *good)
{
    *good = true;
    return n->finish == FINISH_EOS && n->verdict == VERDICT_PASS &&
           known->rollouts >= l->options->min_rollouts;
}

static esp_err add_step (labelled *l, node_ref ref, span text, bool good, double score)
{
    if (esp_grow (&l->steps, &l->cap, l->count + 1, sizeof (*l->steps)) != 0)
        return ESP_ENOMEM;
    l->steps[l->count++] = (labelled_step){trim_end (text), &l->v->labels[ref], good, score};
    return ESP_OK;
}

/* *open: all steps so far are labelled, and those of this node can be. */
static esp_err add_node (labelled *l, node_ref ref, bool *open)
{
    const node *n = search_node (l->v->search, ref);
    const label *known = &l->v->labels[ref];
    bool good = false, decided;
    uint32_t pieces;
    rollout_walk walk;
    span text;
    esp_err err = rollout_open (l->v->search, ref, &walk);
    if (err != ESP_OK)
        return err;
    pieces = rollout_count (walk);
    decided = n->steps > 1 || pieces > 1 ? decide_whole (l, n, known, &good)
                                         : decide (l, n, known, &good);
    if (n->steps <= 1 && pieces <= 1)
        err = add_step (l, ref, node_text (n), good, n->score_own == 1 ? node_scores (n)[0] : NAN);
    else
        for (uint32_t i = 0; err == ESP_OK && rollout_next (&walk, &text); i++)
            err = add_step (l, ref, text, good, n->score_own == pieces ? node_scores (n)[i] : NAN);
    if (!(*open = *open && decided))
        return err;
    l->done = l->count;
    l->end = ref;
    *open = good || l->options->until == UNTIL_END;
    return err;
}

esp_err labelled_of (labelled *l, node_ref leaf)
{
    size_t n = tree_path (l->v->tree, leaf, NULL, 0);
    bool open = true;
    esp_err err = ESP_OK;
    l->count = l->done = 0;
    l->end = NODE_NONE;
    if (esp_grow (&l->path, &l->path_cap, n, sizeof (*l->path)) != 0)
        return ESP_ENOMEM;
    tree_path (l->v->tree, leaf, l->path, n);
    for (size_t i = 0; i < n && err == ESP_OK; i++)
        err = add_node (l, l->path[i], &open);
    return err;
}

void labelled_free (labelled *l)
{
    esp_free (l->steps);
    esp_free (l->path);
}

int labelled_first_error (const labelled *l)
{
    for (size_t i = 0; i < l->done; i++)
        if (!l->steps[i].good)
            return (int)i;
    return -1;
}

enum sample_set labelled_set (const labelled *l)
{
    for (size_t i = 0; i < l->done; i++)
        if (l->steps[i].known->rollouts == 0)
            return SAMPLE_UNVERIFIED;
    return SAMPLE_VERIFIED;
}

/* ---- rows ---- */

/* What stands above the last node of a row is the beginning of that row. */
static esp_err cover (labelled *l, node_ref leaf, bool *seen)
{
    esp_err err = labelled_of (l, leaf);
    if (err == ESP_OK && l->end != NODE_NONE)
        for (node_ref up = l->end; up != l->path[0];) {
            up = search_node (l->v->search, up)->parent;
            seen[up] = true;
        }
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
