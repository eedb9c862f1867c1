/* SPDX-License-Identifier: Apache-2.0 */
/* strategy_rebase.c - REBASE: reward-balanced search
 *
 * Source: Wu et al. 2024 (arXiv:2408.00724), section 3.2; thu-wyz/inference_scaling, rebase.py
 * (width 16, T 0.2, depth 25).  Every level the unfinished nodes share the places that finished
 * ones have not taken, by a softmax of their last scores (rebase_allocate.h).
 *
 * Our deviations: those of rebase_allocate.h; the reference's max_tokens counts only a node's own
 * step and so never bites: here budget.* caps; a step that failed takes no place.
 */

#include <math.h>
#include <stddef.h>
#include "coordinator/search/rebase_allocate.h"
#include "coordinator/search/strategies.h"
#include "coordinator/search/strategy_help.h"
#include "proto/base/alloc.h"

typedef struct rebase_options {
    int64_t width;
    double softmax_temperature;
} rebase_options;

typedef struct rebase {
    uint32_t level;    /* levels delivered */
    int64_t remaining; /* width less the finished nodes */
    node_list done;
} rebase;

static const esp_option rebase_rows[] = {
    {"width", ESP_OPT_INT, offsetof (rebase_options, width), "16", 1, 1000000, NULL, "branches",
     "children of the root, and places shared at every level", ESP_OPT_FIXED, false},
    {"softmax_temperature", ESP_OPT_DOUBLE, offsetof (rebase_options, softmax_temperature), "0.2",
     1e-6, 1e6, NULL, "", "small: the best get nearly all places", ESP_OPT_FIXED, false},
    ESP_OPTION_END,
};

static esp_err rebase_suits (const void *options, const strategy_means *has, esp_error *error)
{
    const rebase_options *o = options;
    return needs_level (o->width, has, error);
}

/* The unfinished nodes of a level and what they weigh. */
typedef struct candidates {
    node_ref *nodes;
    double *weights;
    uint32_t *counts, *order;
    size_t count;
} candidates;

static void candidates_free (candidates *c)
{
    esp_free (c->nodes);
    esp_free (c->weights);
    esp_free (c->counts);
    esp_free (c->order);
}

static esp_err candidates_of (const search *s, const item *items, size_t n, candidates *out)
{
    *out = (candidates){esp_reallocarray (NULL, n, sizeof (*out->nodes)),
                        esp_reallocarray (NULL, n, sizeof (*out->weights)),
                        esp_reallocarray (NULL, n, sizeof (*out->counts)),
                        esp_reallocarray (NULL, n, sizeof (*out->order)), 0};
    if (!out->nodes || !out->weights || !out->counts || !out->order)
        return ESP_ENOMEM;
    for (size_t i = 0; i < n; i++)
        if (item_open (s, &items[i])) {
            out->nodes[out->count] = items[i].node;
            out->weights[out->count++] = isnan (items[i].last) ? 0.0 : items[i].last;
        }
    return ESP_OK;
}

/* What a delivered level changes, and who shares the places after it: nobody when c->count is 0. */
static esp_err take_level (const search *s, rebase *me, const item *items, size_t n, candidates *c)
{
    const rebase_options *o = search_strategy_options (s);
    esp_err err = candidates_of (s, items, n, c);
    if (err != ESP_OK)
        return err;
    for (size_t i = 0; i < n; i++)
        me->remaining -= item_ended (s, &items[i]);
    if (++me->level >= search_max_steps (s) || me->remaining <= 0)
        c->count = 0;
    if (c->count == 0)
        return ESP_OK;
    return rebase_allocate (c->weights, c->count, o->softmax_temperature, (uint32_t)me->remaining,
                            c->counts, c->order);
}

static size_t asks_of (const candidates *c, ask *asks, size_t max)
{
    size_t at = 0;
    for (size_t i = 0; i < c->count; i++)
        for (uint32_t k = 0; k < c->counts[c->order[i]]; k++, at++)
            if (at < max)
                asks[at] = (ask){.from = c->nodes[c->order[i]], .mode = ASK_STEP, .scores = 1};
    return at;
}

static size_t
rebase_select (const search *s, void *me_copy, const item *items, size_t n, ask *asks, size_t max)
{
    candidates c;
    size_t count = 0;
    if (take_level (s, me_copy, items, n, &c) == ESP_OK)
        count = asks_of (&c, asks, max);
    candidates_free (&c);
    return count;
}

static esp_err rebase_open (search *s, void *state)
{
    const rebase_options *o = search_strategy_options (s);
    rebase *me = state;
    ask *asks = esp_calloc ((size_t)o->width, sizeof (*asks));
    esp_err err = ESP_ENOMEM;
    me->remaining = o->width;
    for (int64_t i = 0; asks && i < o->width; i++)
        asks[i] = (ask){.from = NODE_ROOT, .mode = ASK_STEP, .scores = 1};
    if (asks)
        err = join_affordable (s, 0, asks, (size_t)o->width, NULL);
    esp_free (asks);
    return err;
}

static esp_err ask_level (search *s, const candidates *c)
{
    size_t count = asks_of (c, NULL, 0);
    ask *asks;
    esp_err err;
    if (count == 0)
        return ESP_OK;
    if (!(asks = esp_calloc (count, sizeof (*asks))))
        return ESP_ENOMEM;
    asks_of (c, asks, count);
    err = join_affordable (s, 0, asks, count, NULL);
    esp_free (asks);
    return err;
}

static esp_err rebase_joined (search *s, void *state, join_id id, const item *items, size_t n)
{
    rebase *me = state;
    candidates c;
    esp_err err = take_level (s, me, items, n, &c);
    (void)id;
    for (size_t i = 0; i < n && err == ESP_OK; i++)
        if (item_ended (s, &items[i]))
            err = node_list_add (s, &me->done, items[i].node);
    for (size_t i = 0; i < c.count && err == ESP_OK; i++)
        search_mark (s, c.nodes[i], c.counts[i] ? MARK_KEPT : MARK_PRUNED,
                     c.counts[i] ? "got places" : "got no place");
    if (err == ESP_OK)
        err = ask_level (s, &c);
    candidates_free (&c);
    return err;
}

static size_t rebase_answers (const search *s, const void *state, node_ref *out, size_t max)
{
    (void)s;
    return node_list_copy (&((const rebase *)state)->done, out, max);
}

static void rebase_most (const void *options, const search_options *core, strategy_most *out)
{
    const rebase_options *o = options;
    out->steps = most_times ((uint64_t)o->width, (uint64_t)core->max_steps);
}

const strategy strategy_rebase = {
    .name = "rebase",
    .semantics = 1,
    .paper = "REBASE; Wu et al. 2024, arXiv:2408.00724",
    .options = rebase_rows,
    .option_bytes = sizeof (rebase_options),
    .state_bytes = sizeof (rebase),
    .suits = rebase_suits,
    .most = rebase_most,
    .open = rebase_open,
    .joined = rebase_joined,
    .select = rebase_select,
    .answers = rebase_answers,
};
