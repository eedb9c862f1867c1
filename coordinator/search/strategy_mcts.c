/* SPDX-License-Identifier: Apache-2.0 */
/* strategy_mcts.c - Monte-Carlo tree search over steps, values from the PRM
 *
 * puct       openreasoner/openr, vanila_mcts: a simulation walks from the root by PUCT, expands every leaf it meets (`expand`
 *            steps, equal texts merged, priors from mean log-probabilities) and goes on until a finished node, whose value is
 *            added to it and all ancestors.  The result is the finished node of each simulation.
 * uct        one expansion a simulation; every child's score is added to it and all ancestors; unvisited first.
 * uct_prior  the same with priors = softmax of the siblings' scores: SakanaAI/treequest, StandardMCTS.
 *
 * Our deviations: with search.in_flight > 1 several simulations are out at once; each counts, until it is back, as
 * `virtual_loss` visits without reward on its path (Liu et al. 2020, WU-UCT).  A simulation that meets a node which is just being
 * expanded is not started.  With in_flight 1 the trace is the published one.
 */

#include <math.h>
#include <stddef.h>
#include "coordinator/search/mcts_formula.h"
#include "coordinator/search/strategies.h"
#include "coordinator/search/strategy_help.h"
#include "proto/base/alloc.h"
#include "proto/base/fmath.h"

enum mcts_selection { SELECT_PUCT, SELECT_UCT, SELECT_UCT_PRIOR };
enum { IDLE_WALKS = 256 }; /* simulations in a row that ask nothing: the tree is exhausted */

typedef struct mcts_options {
    int64_t expand, simulations, actions;
    int selection;
    double c_base, c_init, exploration, virtual_loss;
} mcts_options;

typedef struct node_stat { /* 32 bytes a node */
    double sum;       /* of backed-up values */
    double prior;     /* 0 = not set: 1 */
    uint32_t visits;
    uint32_t flying;  /* simulations that passed and are not back */
    bool expanding, expanded;
} node_stat;

typedef struct mcts {
    node_table stats;
    uint32_t started;   /* simulations */
    node_list paths;    /* puct: the finished node of each simulation */
} mcts;

static const esp_option mcts_rows[] = {
    {"expand", ESP_OPT_INT, offsetof (mcts_options, expand), "4", 1, 65536, NULL, "children",
     "steps asked when a node is expanded (per action)", ESP_OPT_FIXED, false},
    {"simulations", ESP_OPT_INT, offsetof (mcts_options, simulations), "16", 0, 1e9, NULL, "simulations",
     "0 = until the budget ends", ESP_OPT_FIXED, false},
    {"selection", ESP_OPT_CHOICE, offsetof (mcts_options, selection), "puct", 0, 0, "puct|uct|uct_prior", "",
     "how a simulation walks down", ESP_OPT_FIXED, false},
    {"actions", ESP_OPT_INT, offsetof (mcts_options, actions), "1", 1, 65535, NULL, "actions",
     "prompt or model variants; an expansion asks `expand` children of each", ESP_OPT_FIXED, false},
    {"c_base", ESP_OPT_DOUBLE, offsetof (mcts_options, c_base), "19652", 1, 1e12, NULL, "", "puct",
     ESP_OPT_FIXED, false},
    {"c_init", ESP_OPT_DOUBLE, offsetof (mcts_options, c_init), "1.25", 0, 1e6, NULL, "", "puct",
     ESP_OPT_FIXED, false},
    {"exploration", ESP_OPT_DOUBLE, offsetof (mcts_options, exploration), "1.4142135623730951", 0, 1e6, NULL, "",
     "uct, uct_prior: weight of the exploration term", ESP_OPT_FIXED, false},
    {"virtual_loss", ESP_OPT_DOUBLE, offsetof (mcts_options, virtual_loss), "1", 0, 1e6, NULL, "visits",
     "visits without reward that a simulation in flight counts as", ESP_OPT_FIXED, false},
    ESP_OPTION_END,
};

static const mcts_options *options_of (const search *s)
{
    return search_strategy_options (s);
}

static node_stat *stat_of (const mcts *me, node_ref ref)
{
    return node_table_at (&me->stats, ref);
}

static double visits_of (const search *s, const node_stat *st)
{
    return (double) st->visits + options_of (s)->virtual_loss * (double) st->flying;
}

static bool is_finished (const search *s, node_ref ref)
{
    const node *n = search_node (s, ref);
    return ref != NODE_ROOT && (node_ended (n) || n->text_len == 0 || n->depth >= search_max_steps (s));
}

static double initial_value (const search *s, node_ref ref)
{
    double value = node_last_score (search_node (s, ref));
    return isnan (value) ? 0.0 : value;
}

static double selection_value (const search *s, const mcts *me, node_ref child, double parent_visits)
{
    const mcts_options *o = options_of (s);
    const node_stat *st = stat_of (me, child);
    double visits = visits_of (s, st), prior = st->prior > 0.0 ? st->prior : 1.0;
    double value = visits > 0.0 ? st->sum / visits : initial_value (s, child);
    switch ((enum mcts_selection) o->selection) {
    case SELECT_PUCT:
        return mcts_puct (value, st->prior, parent_visits, visits, o->c_base, o->c_init);
    case SELECT_UCT:
        return mcts_uct (value, parent_visits, visits, o->exploration);
    case SELECT_UCT_PRIOR:
        return mcts_uct_prior (value, prior, parent_visits, visits, o->exploration);
    }
    return 0.0;
}

static bool is_child (const search *s, node_ref ref)
{
    const node *n = search_node (s, ref);
    return n->state == NODE_GENERATED && n->mark != MARK_PRUNED;
}

/* First child with the largest value; NODE_NONE = no child that can be walked to. */
static node_ref best_child (const search *s, const mcts *me, node_ref parent)
{
    node_ref best = NODE_NONE;
    double most = 0.0, visits = visits_of (s, stat_of (me, parent));
    for (node_ref c = search_node (s, parent)->first_child; c != NODE_NONE; c = search_node (s, c)->next_sibling) {
        double value;
        if (!is_child (s, c) || !stat_of (me, c))
            continue;
        value = selection_value (s, me, c, visits);
        if (best == NODE_NONE || value > most) {
            best = c;
            most = value;
        }
    }
    return best;
}

/* ---- backing up ---- */

static void add_flying (const search *s, const mcts *me, node_ref from, int change)
{
    for (node_ref r = from; r != NODE_NONE; r = search_node (s, r)->parent)
        stat_of (me, r)->flying = (uint32_t) ((int64_t) stat_of (me, r)->flying + change);
}

static void back_up (const search *s, const mcts *me, node_ref from, double value)
{
    for (node_ref r = from; r != NODE_NONE; r = search_node (s, r)->parent) {
        node_stat *st = stat_of (me, r);
        st->sum += value;
        st->visits++;
    }
}

/* ---- expansion ---- */

static esp_err expand (search *s, mcts *me, node_ref leaf)
{
    const mcts_options *o = options_of (s);
    size_t n = (size_t) (o->expand * o->actions), at = 0;
    ask *asks = esp_calloc (n, sizeof (*asks));
    esp_err err;
    if (!asks)
        return ESP_ENOMEM;
    for (int64_t a = 0; a < o->actions; a++)
        for (int64_t i = 0; i < o->expand; i++)
            asks[at++] = (ask){.from = leaf, .mode = ASK_STEP, .scores = 1, .action = (uint16_t) a, .tag = leaf};
    if ((err = join_affordable (s, 0, asks, n, NULL)) == ESP_OK) {
        stat_of (me, leaf)->expanding = true;
        add_flying (s, me, leaf, 1);
    }
    esp_free (asks);
    return err;
}

/* puct: equal texts are merged (the first stays); P = exp (mean log-probability), normalised. */
static void set_puct_priors (search *s, const mcts *me, const item *items, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        const node *a = search_node (s, items[i].node);
        for (size_t k = 0; items[i].generated && k < i; k++)
            if (items[k].generated && span_equal (node_text (search_node (s, items[k].node)), node_text (a))) {
                search_mark (s, items[i].node, MARK_PRUNED, "same text as a sibling");
                break;
            }
        if (!is_child (s, items[i].node))
            continue;
        sum += stat_of (me, items[i].node)->prior = esp_exp (isnan (a->mean_logprob) ? 0.0 : a->mean_logprob);
    }
    for (size_t i = 0; i < n; i++)
        if (is_child (s, items[i].node))
            stat_of (me, items[i].node)->prior /= sum;
}

/* uct_prior: softmax of the siblings' scores as they stand. */
static void set_score_priors (const search *s, const mcts *me, node_ref parent)
{
    double sum = 0.0;
    const node *up = search_node (s, parent);
    for (node_ref c = up->first_child; c != NODE_NONE; c = search_node (s, c)->next_sibling)
        if (is_child (s, c) && stat_of (me, c))
            sum += stat_of (me, c)->prior = esp_exp (initial_value (s, c));
    for (node_ref c = up->first_child; c != NODE_NONE; c = search_node (s, c)->next_sibling)
        if (is_child (s, c) && stat_of (me, c))
            stat_of (me, c)->prior /= sum;
}

static esp_err take_children (search *s, mcts *me, node_ref parent, const item *items, size_t n)
{
    const mcts_options *o = options_of (s);
    esp_err err;
    for (size_t i = 0; i < n; i++)
        if ((err = node_table_reach (s, &me->stats, items[i].node)) != ESP_OK)
            return err;
    add_flying (s, me, parent, -1);
    stat_of (me, parent)->expanding = false;
    stat_of (me, parent)->expanded = true;
    if (o->selection == SELECT_PUCT) {
        set_puct_priors (s, me, items, n);
        return ESP_OK;
    }
    for (size_t i = 0; i < n; i++)
        if (items[i].generated && !items[i].failed && !items[i].dropped)
            back_up (s, me, items[i].node, isnan (items[i].last) ? 0.0 : items[i].last);
    if (o->selection == SELECT_UCT_PRIOR)
        set_score_priors (s, me, parent);
    return ESP_OK;
}

/* ---- simulations ---- */

/* Walk from `at` until something must be asked (*asked) or the simulation ends.  ESP_EEMPTY: a node on the way is just
 * being expanded by another simulation. */
static esp_err walk (search *s, mcts *me, node_ref at, bool *asked)
{
    *asked = false;
    for (;;) {
        node_ref next;
        const node_stat *st = stat_of (me, at);
        if (is_finished (s, at)) {
            double value = st->visits ? st->sum / (double) st->visits : initial_value (s, at);
            back_up (s, me, at, value);
            return options_of (s)->selection == SELECT_PUCT ? node_list_add (s, &me->paths, at) : ESP_OK;
        }
        if (st->expanding)
            return ESP_EEMPTY;
        if (!st->expanded) {
            *asked = true;
            return expand (s, me, at);
        }
        if ((next = best_child (s, me, at)) == NODE_NONE)
            return ESP_OK; /* every child failed or was pruned: this simulation finds nothing */
        at = next;
    }
}

static esp_err mcts_more (search *s, void *state, uint32_t lane_index)
{
    mcts *me = state;
    const mcts_options *o = options_of (s);
    esp_err err;
    (void) lane_index;
    for (int idle = 0; idle < IDLE_WALKS && (o->simulations == 0 || me->started < (uint64_t) o->simulations); idle++) {
        bool asked;
        if ((err = walk (s, me, NODE_ROOT, &asked)) != ESP_OK)
            return err;
        me->started++;
        if (asked)
            return ESP_OK;
    }
    return ESP_EEMPTY;
}

static esp_err mcts_open (search *s, void *state)
{
    mcts *me = state;
    me->stats.bytes = sizeof (node_stat);
    return node_table_reach (s, &me->stats, NODE_ROOT);
}

static esp_err mcts_joined (search *s, void *state, join_id id, const item *items, size_t n)
{
    mcts *me = state;
    node_ref parent = (node_ref) items[0].tag;
    bool asked;
    esp_err err = take_children (s, me, parent, items, n);
    (void) id;
    if (err != ESP_OK || options_of (s)->selection != SELECT_PUCT)
        return err;
    err = walk (s, me, parent, &asked); /* the simulation goes on to a finished node */
    return err == ESP_EEMPTY ? ESP_OK : err;
}

static size_t mcts_answers (const search *s, const void *state, node_ref *out, size_t max)
{
    const mcts *me = state;
    const tree *t = search_tree (s);
    size_t count = 0;
    if (options_of (s)->selection == SELECT_PUCT)
        return node_list_copy (&me->paths, out, max);
    for (node_ref r = 1; r < tree_size (t); r++)
        if (is_child (s, r) && node_ended (search_node (s, r)) && count++ < max)
            out[count - 1] = r;
    return count;
}

static bool mcts_value (const search *s, const void *state, node_ref ref, node_value *out)
{
    const node_stat *st = stat_of (state, ref);
    (void) s;
    if (!st)
        return false;
    *out = (node_value){st->visits ? st->sum / (double) st->visits : NAN, (double) st->visits,
                        st->prior > 0.0 ? st->prior : NAN};
    return true;
}

const strategy strategy_mcts = {
    .name = "mcts",
    .semantics = 1,
    .paper = "Monte-Carlo tree search; Silver et al. 2018 (PUCT), Kocsis and Szepesvari 2006 (UCT); OpenR, treequest",
    .options = mcts_rows,
    .option_bytes = sizeof (mcts_options),
    .state_bytes = sizeof (mcts),
    .open = mcts_open,
    .more = mcts_more,
    .joined = mcts_joined,
    .answers = mcts_answers,
    .value = mcts_value,
};
