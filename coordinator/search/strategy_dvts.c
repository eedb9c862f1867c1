/* SPDX-License-Identifier: Apache-2.0 */
/* strategy_dvts.c - diverse verifier tree search: independent subtrees, each greedy in the PRM's eyes
 *
 * Source: search-and-learn, src/sal/search/diverse_verifier_tree_search.py.  keep = n / M subtrees; every level each asks `expand` (M)
 * steps, shows them to the PRM with `lookahead` greedy steps behind, and goes on with the best; the lookahead is dropped.  The result
 * is the `expand` candidates of each subtree's last level.
 *
 * Our deviations: a subtree is a lane with its own budget and draws, so no subtree waits for another; candidates of the last
 * level that did not end are no answers (the paper's code lists them as leaves).
 */

#include <math.h>
#include <stddef.h>
#include <string.h>
#include "coordinator/search/strategies.h"
#include "coordinator/search/strategy_help.h"
#include "proto/base/alloc.h"

typedef struct dvts_options {
    int64_t keep, expand, lookahead;
} dvts_options;

typedef struct subtree {
    uint32_t level;
    node_list leaves; /* candidates of its last level */
} subtree;

typedef struct dvts {
    subtree *subtrees; /* in the arena; one per lane */
} dvts;

static const esp_option dvts_rows[] = {
    {"keep", ESP_OPT_INT, offsetof (dvts_options, keep), "4", 1, 65536, NULL, "subtrees",
     "independent subtrees; n = keep x expand", ESP_OPT_FIXED, false},
    {"expand", ESP_OPT_INT, offsetof (dvts_options, expand), "4", 1, 65536, NULL, "children",
     "steps asked of each subtree at every level", ESP_OPT_FIXED, false},
    {"lookahead", ESP_OPT_INT, offsetof (dvts_options, lookahead), "0", 0, 1000, NULL, "steps",
     "greedy steps shown to the PRM behind each candidate, then dropped", ESP_OPT_FIXED, false},
    ESP_OPTION_END,
};

static size_t level_asks (const search *s, uint32_t lane, uint32_t level, node_ref from, ask *asks, size_t max)
{
    const dvts_options *o = search_strategy_options (s);
    bool last = level + 1 >= search_max_steps (s);
    for (int64_t i = 0; i < o->expand && (size_t) i < max; i++)
        asks[i] = (ask){.from = from,
                        .mode = last ? ASK_TO_END : ASK_STEP,
                        .scores = 1,
                        .lookahead = (uint16_t) (last ? 0 : o->lookahead),
                        .tag = lane};
    return (size_t) o->expand;
}

static esp_err ask_level (search *s, dvts *me, uint32_t lane, node_ref from)
{
    const dvts_options *o = search_strategy_options (s);
    ask *asks = esp_calloc ((size_t) o->expand, sizeof (*asks));
    size_t count;
    esp_err err;
    if (!asks)
        return ESP_ENOMEM;
    count = level_asks (s, lane, me->subtrees[lane].level, from, asks, (size_t) o->expand);
    err = join_affordable (s, lane, asks, count, NULL);
    esp_free (asks);
    return err == ESP_EBUDGET ? ESP_OK : err; /* this subtree ends; the others go on */
}

static esp_err dvts_open (search *s, void *state)
{
    const dvts_options *o = search_strategy_options (s);
    dvts *me = state;
    esp_err err = search_lanes (s, (uint32_t) o->keep);
    if (err == ESP_OK && !(me->subtrees = search_alloc (s, (size_t) o->keep * sizeof (subtree))))
        err = ESP_ENOMEM;
    for (uint32_t lane = 0; lane < (uint32_t) o->keep && err == ESP_OK; lane++)
        err = ask_level (s, me, lane, NODE_ROOT);
    return err;
}

/* First of the best scored items with a text; n = none. */
static size_t choose (const item *items, size_t n)
{
    size_t best = n;
    for (size_t i = 0; i < n; i++)
        if (items[i].generated && !items[i].failed && !items[i].dropped &&
            (best == n || items[i].score > items[best].score))
            best = i;
    return best;
}

static bool subtree_ends (const search *s, node_ref chosen)
{
    const node *n = search_node (s, chosen);
    return node_ended (n) || n->text_len == 0 || span_find (node_text (n), span_of ("boxed{")) < n->text_len;
}

static size_t dvts_select (const search *s, void *me_copy, const item *items, size_t n, ask *asks, size_t max)
{
    const dvts *me = me_copy;
    size_t best = choose (items, n);
    uint32_t lane = n ? (uint32_t) items[0].tag : 0;
    if (best == n || subtree_ends (s, items[best].node))
        return 0;
    return level_asks (s, lane, me->subtrees[lane].level + 1, items[best].node, asks, max);
}

static esp_err dvts_joined (search *s, void *state, join_id id, const item *items, size_t n)
{
    dvts *me = state;
    uint32_t lane = (uint32_t) items[0].tag;
    subtree *sub = &me->subtrees[lane];
    size_t best = choose (items, n);
    esp_err err = ESP_OK;
    (void) id;
    if (best == n)
        return ESP_OK; /* nothing came: the subtree ends with the leaves it has */
    sub->leaves.count = 0;
    for (size_t i = 0; i < n && err == ESP_OK; i++)
        if (items[i].generated && !items[i].failed && !items[i].dropped) {
            err = node_list_add (s, &sub->leaves, items[i].node);
            search_mark (s, items[i].node, i == best ? MARK_KEPT : MARK_PRUNED,
                         i == best ? "best of its subtree" : "not the best of its subtree");
        }
    sub->level++;
    if (err != ESP_OK || subtree_ends (s, items[best].node))
        return err;
    if (sub->level >= search_max_steps (s))
        return ESP_OK;
    return ask_level (s, me, lane, items[best].node);
}

static size_t dvts_answers (const search *s, const void *state, node_ref *out, size_t max)
{
    const dvts *me = state;
    size_t count = 0;
    for (uint32_t lane = 0; me->subtrees && lane < search_lane_count (s); lane++)
        for (uint32_t i = 0; i < me->subtrees[lane].leaves.count; i++) {
            node_ref leaf = me->subtrees[lane].leaves.at[i];
            if (node_ended (search_node (s, leaf)) && count++ < max)
                out[count - 1] = leaf;
        }
    return count;
}

const strategy strategy_dvts = {
    .name = "dvts",
    .semantics = 1,
    .paper = "diverse verifier tree search; Beeching et al. 2024, search-and-learn",
    .options = dvts_rows,
    .option_bytes = sizeof (dvts_options),
    .state_bytes = sizeof (dvts),
    .open = dvts_open,
    .joined = dvts_joined,
    .select = dvts_select,
    .answers = dvts_answers,
};
