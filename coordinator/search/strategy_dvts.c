/* SPDX-License-Identifier: Apache-2.0 */
/* strategy_dvts.c - diverse verifier tree search: independent subtrees, each greedy in the PRM's eyes
 *
 * Source: Beeching et al. 2024, "Scaling test-time compute with open models"; search-and-learn,
 * src/sal/search/diverse_verifier_tree_search.py.  keep = n / M subtrees; every level each asks
 * `expand` (M) steps, shows them to the PRM with `lookahead` greedy steps behind, and goes on with
 * the best; the lookahead is dropped.  The result is the `expand` candidates of each subtree's
 * last level.
 *
 * Our deviations: a subtree is a lane with its own budget and draws, so no subtree waits for
 * another; leaves that hold no answer are no candidates (the paper's code lists them); a step that
 * failed, or whose score did, is left out.
 */

#include <math.h>
#include <stddef.h>
#include "coordinator/search/strategies.h"
#include "coordinator/search/strategy_help.h"
#include "proto/base/alloc.h"

typedef struct dvts_options {
    int64_t keep, expand, lookahead;
} dvts_options;

typedef struct dvts {
    node_list *leaves; /* in the arena; of each lane: the candidates of its last level */
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

static esp_err dvts_suits (const void *options, const strategy_means *has, esp_error *error)
{
    const dvts_options *o = options;
    return needs_level (o->keep * o->expand, has, error);
}

static const dvts_options *options_of (const search *s)
{
    return search_strategy_options (s);
}

/* One level below `from`; the last one runs to the end of the sequence. */
static size_t level_asks (const search *s, uint32_t lane, node_ref from, ask *asks, size_t max)
{
    const dvts_options *o = options_of (s);
    uint32_t level = search_node (s, from)->depth;
    bool last = level + 1 >= search_max_steps (s);
    if (level >= search_max_steps (s))
        return 0;
    for (int64_t i = 0; i < o->expand && (size_t)i < max; i++)
        asks[i] = (ask){.from = from,
                        .mode = last ? ASK_TO_END : ASK_STEP,
                        .scores = 1,
                        .lookahead = (uint16_t)(last ? 0 : o->lookahead),
                        .tag = lane};
    return (size_t)o->expand;
}

static bool came (const item *i)
{
    return i->generated && !i->failed && !i->dropped;
}

/* First of the best scored items with a text; n = none. */
static size_t choose (const item *items, size_t n)
{
    size_t best = n;
    for (size_t i = 0; i < n; i++)
        if (came (&items[i]) && (best == n || items[i].score > items[best].score ||
                                 (isnan (items[best].score) && !isnan (items[i].score))))
            best = i;
    return best;
}

static bool holds_answer (const search *s, node_ref ref)
{
    span text = node_text (search_node (s, ref));
    return node_ended (search_node (s, ref)) || span_find (text, span_of ("boxed{")) < text.len;
}

static size_t
dvts_select (const search *s, void *me_copy, const item *items, size_t n, ask *asks, size_t max)
{
    size_t best = choose (items, n);
    (void)me_copy;
    if (best == n || holds_answer (s, items[best].node) ||
        search_node (s, items[best].node)->text_len == 0)
        return 0;
    return level_asks (s, (uint32_t)items[best].tag, items[best].node, asks, max);
}

/* A subtree whose level cannot be paid ends; the others go on. */
static esp_err join_level (search *s, uint32_t lane, const ask *asks, size_t count)
{
    esp_err err = count ? join_affordable (s, lane, asks, count, NULL) : ESP_OK;
    return err == ESP_EBUDGET ? ESP_OK : err;
}

static esp_err dvts_open (search *s, void *state)
{
    const dvts_options *o = options_of (s);
    dvts *me = state;
    ask *asks = esp_calloc ((size_t)o->expand, sizeof (*asks));
    esp_err err = asks ? search_lanes (s, (uint32_t)o->keep) : ESP_ENOMEM;
    if (err == ESP_OK && !(me->leaves = search_alloc (s, (size_t)o->keep * sizeof (node_list))))
        err = ESP_ENOMEM;
    for (uint32_t lane = 0; lane < (uint32_t)o->keep && err == ESP_OK; lane++)
        err = join_level (s, lane, asks, level_asks (s, lane, NODE_ROOT, asks, (size_t)o->expand));
    esp_free (asks);
    return err;
}

static esp_err keep_leaves (search *s, node_list *leaves, const item *items, size_t n)
{
    size_t best = choose (items, n);
    esp_err err = ESP_OK;
    if (best == n)
        return ESP_OK; /* nothing came: the subtree ends with the leaves it has */
    leaves->count = 0;
    for (size_t i = 0; i < n && err == ESP_OK; i++)
        if (came (&items[i])) {
            err = node_list_add (s, leaves, items[i].node);
            search_mark (s, items[i].node, i == best ? MARK_KEPT : MARK_PRUNED,
                         i == best ? "best of its subtree" : "not the best of its subtree");
        }
    return err;
}

static esp_err dvts_joined (search *s, void *state, join_id id, const item *items, size_t n)
{
    dvts *me = state;
    uint32_t lane = search_join_lane (s, id);
    size_t most = (size_t)options_of (s)->expand;
    ask *asks = esp_calloc (most, sizeof (*asks));
    esp_err err = asks ? keep_leaves (s, &me->leaves[lane], items, n) : ESP_ENOMEM;
    if (err == ESP_OK)
        err = join_level (s, lane, asks, dvts_select (s, me, items, n, asks, most));
    esp_free (asks);
    return err;
}

static size_t dvts_answers (const search *s, const void *state, node_ref *out, size_t max)
{
    const dvts *me = state;
    size_t count = 0;
    for (uint32_t lane = 0; me->leaves && lane < search_lane_count (s); lane++)
        for (uint32_t i = 0; i < me->leaves[lane].count; i++)
            if (holds_answer (s, me->leaves[lane].at[i]) && count++ < max)
                out[count - 1] = me->leaves[lane].at[i];
    return count;
}

static void dvts_most (const void *options, const search_options *core, strategy_most *out)
{
    const dvts_options *o = options;
    uint64_t level = (uint64_t)(o->keep * o->expand);
    *out = (strategy_most){
        most_times (most_times (level, 1 + (uint64_t)o->lookahead), (uint64_t)core->max_steps - 1),
        level, true};
}

const strategy strategy_dvts = {
    .name = "dvts",
    .semantics = 1,
    .paper = "diverse verifier tree search; Beeching et al. 2024, search-and-learn",
    .options = dvts_rows,
    .option_bytes = sizeof (dvts_options),
    .state_bytes = sizeof (dvts),
    .suits = dvts_suits,
    .most = dvts_most,
    .open = dvts_open,
    .joined = dvts_joined,
    .select = dvts_select,
    .answers = dvts_answers,
};
