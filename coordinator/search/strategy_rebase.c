/* SPDX-License-Identifier: Apache-2.0 */
/* strategy_rebase.c - REBASE: reward-balanced search
 *
 * Source: Wu et al. 2024 (arXiv:2408.00724); thu-wyz/inference_scaling, rebase.py (width 16, T 0.2, depth 25).  Every level the
 * unfinished nodes share the places that finished ones have not taken, by a softmax of their last scores.
 *
 * Our deviations: see rebase_allocate.h; the reference's max_tokens counts only a node's own step and so never bites: here budget.* caps.
 */

#include <math.h>
#include <stddef.h>
#include "coordinator/search/rebase_allocate.h"
#include "coordinator/search/strategies.h"
#include "coordinator/search/strategy_help.h"
#include "proto/base/alloc.h"
#include "proto/base/fmath.h"

typedef struct rebase_options {
    int64_t width;
    double softmax_temperature;
} rebase_options;

typedef struct rebase {
    uint32_t level;     /* of the nodes that were asked last */
    int64_t remaining;  /* width less the finished nodes */
    node_list done;
} rebase;

static const esp_option rebase_rows[] = {
    {"width", ESP_OPT_INT, offsetof (rebase_options, width), "16", 1, 1000000, NULL, "branches",
     "children of the root, and places shared at every level", ESP_OPT_FIXED, false},
    {"softmax_temperature", ESP_OPT_DOUBLE, offsetof (rebase_options, softmax_temperature), "0.2", 1e-6, 1e6, NULL, "",
     "small: the best get nearly all places", ESP_OPT_FIXED, false},
    ESP_OPTION_END,
};

esp_err rebase_allocate (const double *weights, size_t n, double temperature, uint32_t places, uint32_t *counts,
                         uint32_t *order)
{
    double *e = esp_reallocarray (NULL, n + 1, sizeof (*e)), sum = 0.0;
    uint32_t left = places;
    if (!e)
        return ESP_ENOMEM;
    order_ascending (weights, n, order);
    for (size_t i = 0; i < n / 2; i++) {
        uint32_t swap = order[i];
        order[i] = order[n - 1 - i];
        order[n - 1 - i] = swap;
    }
    for (size_t i = 0; i < n; i++)
        sum += e[i] = esp_exp (weights[i] / temperature);
    for (size_t i = 0; i < n; i++) {
        double share = ceil ((double) left * e[order[i]] / sum);
        uint32_t got = i + 1 == n || !(share < (double) left) ? left : (uint32_t) share;
        counts[order[i]] = got;
        left -= got;
        sum -= e[order[i]];
    }
    esp_free (e);
    return ESP_OK;
}

static esp_err ask_children (search *s, rebase *me, const node_ref *from, const uint32_t *counts, const uint32_t *order,
                             size_t n, size_t total)
{
    ask *asks = esp_calloc (total, sizeof (*asks));
    size_t at = 0;
    esp_err err;
    if (!asks)
        return ESP_ENOMEM;
    for (size_t i = 0; i < n; i++)
        for (uint32_t c = 0; c < counts[order[i]]; c++)
            asks[at++] = (ask){.from = from[order[i]], .mode = ASK_STEP, .scores = 1};
    err = join_affordable (s, 0, asks, at, NULL);
    me->level++;
    esp_free (asks);
    return err;
}

static esp_err rebase_open (search *s, void *state)
{
    const rebase_options *o = search_strategy_options (s);
    rebase *me = state;
    node_ref root = NODE_ROOT;
    uint32_t count = (uint32_t) o->width, first = 0;
    me->remaining = o->width;
    return ask_children (s, me, &root, &count, &first, 1, count);
}

static esp_err share_places (search *s, rebase *me, const node_ref *nodes, const double *weights, size_t n)
{
    const rebase_options *o = search_strategy_options (s);
    uint32_t *counts = esp_reallocarray (NULL, n, sizeof (*counts));
    uint32_t *order = esp_reallocarray (NULL, n, sizeof (*order));
    esp_err err = counts && order ? ESP_OK : ESP_ENOMEM;
    if (err == ESP_OK)
        err = rebase_allocate (weights, n, o->softmax_temperature, (uint32_t) me->remaining, counts, order);
    if (err == ESP_OK) {
        for (size_t i = 0; i < n; i++)
            search_mark (s, nodes[i], counts[i] ? MARK_KEPT : MARK_PRUNED,
                         counts[i] ? "got places" : "got no place");
        err = ask_children (s, me, nodes, counts, order, n, (size_t) me->remaining);
    }
    esp_free (counts);
    esp_free (order);
    return err;
}

static esp_err rebase_joined (search *s, void *state, join_id id, const item *items, size_t n)
{
    rebase *me = state;
    node_ref *nodes = esp_reallocarray (NULL, n, sizeof (*nodes));
    double *weights = esp_reallocarray (NULL, n, sizeof (*weights));
    size_t open = 0;
    esp_err err = nodes && weights ? ESP_OK : ESP_ENOMEM;
    (void) id;
    for (size_t i = 0; i < n && err == ESP_OK; i++) {
        if (item_ended (s, &items[i])) {
            me->remaining--;
            err = node_list_add (s, &me->done, items[i].node);
        } else if (item_open (s, &items[i])) {
            nodes[open] = items[i].node;
            weights[open++] = isnan (items[i].last) ? 0.0 : items[i].last;
        }
    }
    if (err == ESP_OK && me->remaining > 0 && open > 0 && me->level < search_max_steps (s))
        err = share_places (s, me, nodes, weights, open);
    esp_free (nodes);
    esp_free (weights);
    return err;
}

static size_t rebase_answers (const search *s, const void *state, node_ref *out, size_t max)
{
    (void) s;
    return node_list_copy (&((const rebase *) state)->done, out, max);
}

const strategy strategy_rebase = {
    .name = "rebase",
    .semantics = 1,
    .paper = "REBASE; Wu et al. 2024, arXiv:2408.00724",
    .options = rebase_rows,
    .option_bytes = sizeof (rebase_options),
    .state_bytes = sizeof (rebase),
    .open = rebase_open,
    .joined = rebase_joined,
    .answers = rebase_answers,
};
