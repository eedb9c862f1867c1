/* SPDX-License-Identifier: Apache-2.0 */
/* strategy_best_of_n.c - best-of-N: n independent completions, the best score wins
 *
 * Source: search-and-learn, src/sal/search/best_of_n.py (T 0.8, n completions, argmax of the aggregate); its_hub
 * BestOfN and SelfConsistency are the same requests with another choice at the end (section `vote`).
 *
 * Our deviations: the n completions are one join without any barrier: each is scored as soon as it came.  When the budget pays for fewer than
 * n, the first ones are made, and more when a short completion gave steps or tokens back.
 * The row `greedy` is n = 1 at temperature 0.
 */

#include <stddef.h>
#include "coordinator/search/strategy.h"
#include "coordinator/search/strategies.h"
#include "proto/base/alloc.h"

typedef struct best_of_n_options {
    int64_t n;
} best_of_n_options;

typedef struct best_of_n {
    uint32_t asked; /* completions so far */
    bool greedy;
} best_of_n;

static const esp_option best_of_n_rows[] = {
    {"n", ESP_OPT_INT, offsetof (best_of_n_options, n), "16", 1, 1000000, NULL, "completions",
     "completions per problem", ESP_OPT_GROWS, false},
    ESP_OPTION_END,
};

static uint32_t wanted (const search *s, const best_of_n *me)
{
    const best_of_n_options *o = search_strategy_options (s);
    return me->greedy ? 1 : (uint32_t)o->n;
}

/* Ask for what is still wanted, or for as much of it as can be paid. */
static esp_err ask_rest (search *s, best_of_n *me)
{
    uint32_t rest = wanted (s, me) - me->asked;
    ask *asks;
    size_t pay;
    esp_err err = ESP_EBUDGET;
    if (rest == 0)
        return ESP_OK;
    if (!(asks = esp_calloc (rest, sizeof (*asks))))
        return ESP_ENOMEM;
    for (uint32_t i = 0; i < rest; i++)
        asks[i] = (ask){.from = NODE_ROOT,
                        .mode = ASK_TO_END,
                        .scores = 1,
                        .greedy = me->greedy,
                        .tag = me->asked + i};
    if ((pay = search_affordable (s, 0, asks, rest)) == 0)
        pay = rest; /* refused below, so that the core knows */
    if ((err = search_join (s, 0, asks, pay, NULL)) == ESP_OK)
        me->asked += (uint32_t)pay;
    esp_free (asks);
    return err;
}

static esp_err best_of_n_open (search *s, void *state)
{
    return ask_rest (s, state);
}

static esp_err greedy_open (search *s, void *state)
{
    best_of_n *me = state;
    me->greedy = true;
    return ask_rest (s, me);
}

static esp_err best_of_n_joined (search *s, void *state, join_id id, const item *items, size_t n)
{
    (void)id;
    (void)items;
    (void)n;
    return ask_rest (s, state);
}

/* Every completion that has a text, in the order asked. */
static size_t best_of_n_answers (const search *s, const void *state, node_ref *out, size_t max)
{
    size_t count = 0;
    (void)state;
    for (node_ref r = search_node (s, NODE_ROOT)->first_child; r != NODE_NONE;
         r = search_node (s, r)->next_sibling)
        if (search_node (s, r)->state == NODE_GENERATED && count++ < max)
            out[count - 1] = r;
    return count;
}

const strategy strategy_best_of_n = {
    .name = "best_of_n",
    .semantics = 1,
    .paper = "Best-of-N; Snell et al. 2024, arXiv:2408.03314; search-and-learn",
    .options = best_of_n_rows,
    .option_bytes = sizeof (best_of_n_options),
    .state_bytes = sizeof (best_of_n),
    .open = best_of_n_open,
    .joined = best_of_n_joined,
    .answers = best_of_n_answers,
};

const strategy strategy_greedy = {
    .name = "greedy",
    .semantics = 1,
    .paper = "one completion at temperature 0",
    .option_bytes = 0,
    .state_bytes = sizeof (best_of_n),
    .open = greedy_open,
    .joined = best_of_n_joined,
    .answers = best_of_n_answers,
};
