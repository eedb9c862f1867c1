/* SPDX-License-Identifier: Apache-2.0 */
/* strategy_best_of_n.c - best-of-N: n independent completions, the best score wins
 *
 * Source: search-and-learn, src/sal/search/best_of_n.py (T 0.8, n completions, argmax of the aggregate); its_hub
 * BestOfN and SelfConsistency are the same requests with another choice at the end (section `vote`).
 *
 * Our deviations: the n completions are one join without any barrier: each is scored as soon as it came.  When the budget pays for fewer than
 * n, the first ones are made, and more when a short completion gave steps or tokens back.
 * Where section `samples` says what is enough (stop_rule.h), each completion is verified as it comes, in the order asked, and the rest is
 * dropped then: a truncated one is a fail, an unknown verdict counts nowhere.
 * The row `greedy` is n = 1 at temperature 0.
 */

#include <stddef.h>
#include "coordinator/search/strategy.h"
#include "coordinator/search/strategies.h"
#include "coordinator/search/strategy_help.h"
#include "proto/base/alloc.h"

typedef struct best_of_n_options {
    int64_t n, actions;
} best_of_n_options;

typedef struct verdicts { /* of the completions so far */
    uint64_t passed, decided;
    uint64_t distinct; /* that passed; not counted further than the rule wants */
} verdicts;

typedef struct best_of_n {
    uint32_t asked; /* completions so far */
    bool greedy, met;
    verdicts heard;   /* of joins that were delivered */
    node_list passed; /* their distinct completions that passed */
} best_of_n;

/* enough() looks at every item up to this many, then at every second, third ...: a look costs as much as there are items. */
enum { LOOK_AT_EACH = 256 };

static const esp_option best_of_n_rows[] = {
    {"n", ESP_OPT_INT, offsetof (best_of_n_options, n), "16", 1, 1000000, NULL, "completions",
     "completions per problem", ESP_OPT_GROWS, false},
    {"actions", ESP_OPT_INT, offsetof (best_of_n_options, actions), "1", 1, 2, NULL, "actions",
     "2: the first generator (or action) gives the first completion, the second all others",
     ESP_OPT_FIXED, false},
    ESP_OPTION_END,
};

static uint32_t wanted (const search *s, const best_of_n *me)
{
    const best_of_n_options *o = search_strategy_options (s);
    return me->greedy ? 1 : (uint32_t)o->n;
}

static uint16_t action_of (const search *s, const best_of_n *me, uint32_t number)
{
    const best_of_n_options *o = search_strategy_options (s);
    return !me->greedy && o->actions > 1 && number > 0;
}

/* ---- when it is enough ---- */

static const stop_rule *rule_of (const search *s)
{
    return &search_setup_of (s)->stop;
}

static bool stops (const search *s)
{
    return stop_rule_given (rule_of (s)) && search_setup_of (s)->has_verifier;
}

static bool passed (const search *s, const item *i)
{
    const node *n = search_node (s, i->node);
    return i->generated && !i->dropped && n->verdict == VERDICT_PASS && n->finish != FINISH_LENGTH;
}

static bool decided (const search *s, const item *i)
{
    uint8_t verdict = i->generated && !i->dropped ? search_node (s, i->node)->verdict : 0;
    return verdict == VERDICT_PASS || verdict == VERDICT_FAIL;
}

static bool is_new (const search *s, const best_of_n *me, const item *items, size_t at)
{
    span text = node_text (search_node (s, items[at].node));
    for (uint32_t i = 0; i < me->passed.count; i++)
        if (span_equal (text, node_text (search_node (s, me->passed.at[i]))))
            return false;
    for (size_t i = 0; i < at; i++)
        if (passed (s, &items[i]) && span_equal (text, node_text (search_node (s, items[i].node))))
            return false;
    return true;
}

static verdicts count_verdicts (const search *s, const best_of_n *me, const item *items, size_t n)
{
    verdicts sum = me->heard;
    for (size_t i = 0; i < n; i++) {
        bool good = passed (s, &items[i]);
        sum.decided += decided (s, &items[i]);
        sum.passed += good;
        if (good && sum.distinct < rule_of (s)->want)
            sum.distinct += is_new (s, me, items, i);
    }
    return sum;
}

static bool best_of_n_enough (const search *s, const void *state, const item *items, size_t n)
{
    verdicts sum;
    if (!stops (s) || n % (1 + n / LOOK_AT_EACH) != 0)
        return false;
    sum = count_verdicts (s, state, items, n);
    return stop_rule_met (rule_of (s), sum.distinct, sum.passed, sum.decided);
}

static esp_err hear (search *s, best_of_n *me, const item *items, size_t n)
{
    verdicts sum = count_verdicts (s, me, items, n);
    esp_err err = ESP_OK;
    for (size_t i = 0; i < n && me->passed.count < rule_of (s)->want && err == ESP_OK; i++)
        if (passed (s, &items[i]) && is_new (s, me, items, i))
            err = node_list_add (s, &me->passed, items[i].node);
    me->heard = sum;
    me->met = stop_rule_met (rule_of (s), sum.distinct, sum.passed, sum.decided);
    return err;
}

/* ---- the strategy ---- */

/* Ask for what is still wanted, or for as much of it as can be paid. */
static esp_err ask_rest (search *s, best_of_n *me)
{
    uint32_t rest = wanted (s, me) - me->asked;
    ask *asks;
    size_t pay;
    esp_err err = ESP_EBUDGET;
    if (rest == 0 || me->met)
        return ESP_OK;
    if (!(asks = esp_calloc (rest, sizeof (*asks))))
        return ESP_ENOMEM;
    for (uint32_t i = 0; i < rest; i++)
        asks[i] = (ask){.from = NODE_ROOT,
                        .mode = ASK_TO_END,
                        .scores = 1,
                        .verifier = stops (s) && !me->greedy,
                        .greedy = me->greedy,
                        .action = action_of (s, me, me->asked + i),
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
    best_of_n *me = state;
    esp_err err = ESP_OK;
    (void)id;
    if (stops (s) && !me->greedy)
        err = hear (s, me, items, n);
    return err == ESP_OK ? ask_rest (s, me) : err;
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

static void best_of_n_most (const void *options, const search_options *core, strategy_most *out)
{
    const best_of_n_options *o = options;
    out->texts = (uint64_t)o->n;
    (void)core;
}

const strategy strategy_best_of_n = {
    .name = "best_of_n",
    .semantics = 1,
    .paper = "Best-of-N; Snell et al. 2024, arXiv:2408.03314; search-and-learn",
    .options = best_of_n_rows,
    .option_bytes = sizeof (best_of_n_options),
    .state_bytes = sizeof (best_of_n),
    .most = best_of_n_most,
    .open = best_of_n_open,
    .enough = best_of_n_enough,
    .enough_by_rule = true,
    .joined = best_of_n_joined,
    .answers = best_of_n_answers,
};

static void greedy_most (const void *options, const search_options *core, strategy_most *out)
{
    out->texts = 1;
    (void)options;
    (void)core;
}

const strategy strategy_greedy = {
    .name = "greedy",
    .semantics = 1,
    .paper = "one completion at temperature 0",
    .option_bytes = 0,
    .state_bytes = sizeof (best_of_n),
    .most = greedy_most,
    .open = greedy_open,
    .joined = best_of_n_joined,
    .answers = best_of_n_answers,
};
