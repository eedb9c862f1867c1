/* SPDX-License-Identifier: Apache-2.0 */
/* label_steps.c - see label_steps.h
 *
 * Equal prefixes of one rollout are followed as a set of nodes: those whose texts from the rollout's parent on are the pieces so far.
 */

#include "coordinator/sink/label_steps.h"
#include <string.h>
#include "coordinator/search/rollout.h"
#include "coordinator/search/strategy_help.h"
#include "proto/base/alloc.h"
#include "proto/base/wilson.h"

typedef struct node_set {
    node_ref *at; /* owned */
    size_t count, cap;
} node_set;

typedef struct steps { /* what is made */
    label_step *at;    /* owned */
    size_t count, cap;
} steps;

static esp_err add_step (steps *out, label_step one)
{
    if (esp_grow (&out->at, &out->cap, out->count + 1, sizeof (*out->at)) != 0)
        return ESP_ENOMEM;
    out->at[out->count++] = one;
    return ESP_OK;
}

/* The piece as an adopted node has it: maybe with what a step ends with behind it. */
static bool is_piece (span known, span piece, const char *end)
{
    size_t more = known.len == piece.len ? 0 : strlen (end);
    return known.len == piece.len + more && span_equal (span_make (known.ptr, piece.len), piece) &&
           span_equal (span_make (known.ptr + piece.len, more), span_make (end, more));
}

/* The children of all nodes of `from` with this text, other than `whole`. */
static esp_err
follow (const search *s, const node_set *from, span piece, node_ref whole, node_set *out)
{
    out->count = 0;
    for (size_t i = 0; i < from->count; i++)
        for (node_ref c = search_node (s, from->at[i])->first_child; c != NODE_NONE;
             c = search_node (s, c)->next_sibling) {
            const node *n = search_node (s, c);
            if (c == whole || n->state != NODE_GENERATED || n->draft ||
                !is_piece (node_text (n), piece, rollout_end (s)))
                continue;
            if (esp_grow (&out->at, &out->cap, out->count + 1, sizeof (*out->at)) != 0)
                return ESP_ENOMEM;
            out->at[out->count++] = c;
        }
    return ESP_OK;
}

/* The score of a node that is one step. */
static double score_of (const node *n)
{
    return n->score_count > 0 && n->score_own == 1 ? node_scores (n)[0] : NAN;
}

static void merge (label *into, const label *one)
{
    into->rollouts += one->rollouts;
    into->passed += one->passed;
    into->strategy = into->strategy || one->strategy;
    if (one->hard > into->hard) /* good before bad before undecided */
        into->hard = one->hard;
}

static void conclude (label *l, bool passed)
{
    l->value = l->rollouts ? (double)l->passed / l->rollouts : NAN;
    esp_wilson (l->passed, l->rollouts, &l->low, &l->high);
    if (passed)
        l->hard = LABEL_GOOD;
}

/* One step of the rollout `whole`. */
static label_step
label_piece (const search *s, const label *all, node_ref whole, span piece, const node_set *nodes)
{
    const node *n = search_node (s, whole);
    label_step one = {.text = piece, .node = nodes->count ? nodes->at[0] : NODE_NONE, .score = NAN};
    for (size_t i = 0; i < nodes->count; i++) {
        merge (&one.label, &all[nodes->at[i]]);
        if (isnan (one.score))
            one.score = score_of (search_node (s, nodes->at[i]));
    }
    if (nodes->count == 0) {
        one.label.rollouts = rollout_decided (n);
        one.label.passed = rollout_passed (n);
    }
    conclude (&one.label, rollout_passed (n));
    return one;
}

/* A given text may be the beginning of a solution: its last step is no end. */
static bool is_unfinished (const node *n)
{
    return n->verdict == VERDICT_UNKNOWN && n->finish == FINISH_EOS;
}

static esp_err
cut_rollout (const search *s, const label *all, node_ref ref, uint32_t pieces, steps *out)
{
    const node *n = search_node (s, ref);
    node_set here = {0}, next = {0}, swap;
    rollout_walk w;
    span piece;
    esp_err err = rollout_open (s, ref, &w);
    if (err == ESP_OK && esp_grow (&here.at, &here.cap, 1, sizeof (*here.at)) != 0)
        err = ESP_ENOMEM;
    if (err == ESP_OK)
        here.at[here.count++] = n->parent;
    for (uint32_t i = 0; err == ESP_OK && rollout_next (&w, &piece); i++) {
        label_step one = {.score = NAN};
        if ((err = follow (s, &here, piece, ref, &next)) != ESP_OK)
            break;
        if (i + 1 < pieces || (is_unfinished (n) && next.count > 0))
            one = label_piece (s, all, ref, piece, &next);
        else
            one = (label_step){.text = piece, .node = ref, .label = all[ref], .score = NAN};
        if (n->score_count > 0 && n->score_own == pieces)
            one.score = node_scores (n)[i];
        err = add_step (out, one);
        swap = here;
        here = next;
        next = swap;
    }
    esp_free (here.at);
    esp_free (next.at);
    return err;
}

static esp_err count_pieces (const search *s, node_ref ref, uint32_t *out)
{
    rollout_walk w;
    esp_err err = ESP_OK;
    *out = search_node (s, ref)->steps;
    if (*out > 1 && (err = rollout_open (s, ref, &w)) == ESP_OK)
        *out = rollout_count (w);
    return err;
}

/* One node of the path. */
static esp_err add_node (const search *s, const label *all, node_ref ref, bool passed, steps *out)
{
    const node *n = search_node (s, ref);
    label_step one = {node_text (n), ref, all[ref], score_of (n), LABEL_UNDECIDED};
    uint32_t pieces;
    esp_err err = count_pieces (s, ref, &pieces);
    if (err == ESP_OK && pieces > 1)
        return cut_rollout (s, all, ref, pieces, out);
    if (passed)
        one.label.hard = LABEL_GOOD;
    return err == ESP_OK ? add_step (out, one) : err;
}

esp_err
labels_of_steps (const search *s, const label *all, node_ref leaf, label_step **out, size_t *count)
{
    size_t n = tree_path (search_tree (s), leaf, NULL, 0);
    node_ref *path = esp_reallocarray (NULL, n + 1, sizeof (*path));
    steps made = {0};
    esp_err err = path ? ESP_OK : ESP_ENOMEM;
    if (err == ESP_OK)
        tree_path (search_tree (s), leaf, path, n);
    for (size_t i = 0; err == ESP_OK && i < n; i++)
        err = add_node (s, all, path[i], rollout_passed (search_node (s, leaf)), &made);
    esp_free (path);
    if (err != ESP_OK) {
        esp_free (made.at);
        return err;
    }
    *out = made.at;
    *count = made.count;
    return ESP_OK;
}
