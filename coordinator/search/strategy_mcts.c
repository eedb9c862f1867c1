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
 * `virtual_loss` visits without reward on its path (Liu et al. 2020, WU-UCT), and a leaf that is just being expanded is passed
 * over; a simulation that finds only such leaves is not started.  With in_flight 1 the trace is the published one.  treequest's
 * queue of single samples is one join here: it has no trials to refuse.
 *
 * Nothing left to ask: a node is exhausted when it was expanded and each child ended, failed, is pruned or is exhausted itself.
 * uct and uct_prior pass such children over, so that every simulation is an expansion, and end with the root.  (treequest knows no
 * end of a branch, so its traces have no such node; the rule is that of MARIO-Math-Reasoning/Super_MARIO, mcts.py, select_child.)
 * puct walks to them as OpenR does: a finished node once more is one more path of the result, a dead end the value 0.
 *
 * Invariants (mcts_check):
 *   I1  flying of a node = that of its children together + 1 while it is being expanded
 *   I2  flying of the root = open joins; 0 when the search ended by itself
 *   I3  exhausted of a node is what its children say; it is kept from the bottom up, as far as it changes (settle)
 *
 * Cost of a simulation: its depth x children, whatever the size of the tree; 24 bytes a node besides the tree's 96.
 */

#include <assert.h>
#include <math.h>
#include <stddef.h>
#include "coordinator/search/mcts_formula.h"
#include "coordinator/search/search.h"
#include "coordinator/search/strategies.h"
#include "coordinator/search/strategy_help.h"
#include "proto/base/alloc.h"
#include "proto/base/fmath.h"

enum mcts_selection { SELECT_PUCT, SELECT_UCT, SELECT_UCT_PRIOR };
enum { IDLE_WALKS = 4096 };    /* puct: simulations in a row that ask nothing end it; more stalls */
enum { CHECKED_NODES = 2000 }; /* larger trees are not checked: it is O (nodes) after every input */
static const double LEAST_LOGPROB = -700.0; /* exp of it is still a number above 0 */

typedef struct mcts_options {
    int64_t expand, simulations, actions;
    int selection;
    double c_base, c_init, exploration, virtual_loss;
} mcts_options;

typedef struct node_stat { /* 24 bytes a node */
    double sum;            /* of backed-up values */
    double prior;          /* 0 = not set: 1 */
    uint32_t visits;
    uint32_t flying : 29; /* simulations that passed and are not back; at most search.in_flight */
    uint32_t expanding : 1, expanded : 1, exhausted : 1;
} node_stat;
static_assert (sizeof (node_stat) == 24, "there are millions");

typedef struct mcts {
    node_table stats;
    uint32_t started; /* simulations */
    node_list paths;  /* puct: the finished node of each simulation */
} mcts;

static const esp_option mcts_rows[] = {
    {"expand", ESP_OPT_INT, offsetof (mcts_options, expand), "4", 1, 65536, NULL, "children",
     "steps asked when a node is expanded (per action)", ESP_OPT_FIXED, false},
    {"simulations", ESP_OPT_INT, offsetof (mcts_options, simulations), "16", 0, 1e9, NULL,
     "simulations", "0 = until the budget ends", ESP_OPT_FIXED, false},
    {"selection", ESP_OPT_CHOICE, offsetof (mcts_options, selection), "puct", 0, 0,
     "puct|uct|uct_prior", "", "how a simulation walks down", ESP_OPT_FIXED, false},
    {"actions", ESP_OPT_INT, offsetof (mcts_options, actions), "1", 1, 65535, NULL, "actions",
     "prompt or model variants; an expansion asks `expand` children of each", ESP_OPT_FIXED, false},
    {"c_base", ESP_OPT_DOUBLE, offsetof (mcts_options, c_base), "19652", 1, 1e12, NULL, "", "puct",
     ESP_OPT_FIXED, false},
    {"c_init", ESP_OPT_DOUBLE, offsetof (mcts_options, c_init), "1.25", 0, 1e6, NULL, "", "puct",
     ESP_OPT_FIXED, false},
    {"exploration", ESP_OPT_DOUBLE, offsetof (mcts_options, exploration), "1.4142135623730951", 0,
     1e6, NULL, "", "uct, uct_prior: weight of the exploration term", ESP_OPT_FIXED, false},
    {"virtual_loss", ESP_OPT_DOUBLE, offsetof (mcts_options, virtual_loss), "1", 0, 1e6, NULL,
     "visits", "visits without reward that a simulation in flight counts as", ESP_OPT_FIXED, false},
    ESP_OPTION_END,
};

static esp_err mcts_fit (void *options, esp_error *error)
{
    const mcts_options *o = options;
    if (o->expand * o->actions > 1000000)
        return esp_error_set (error, ESP_EINVAL,
                              "search.expand: expand x actions is %lld, more than 1,000,000",
                              (long long)(o->expand * o->actions));
    return ESP_OK;
}

static esp_err mcts_suits (const void *options, const strategy_means *has, esp_error *error)
{
    const mcts_options *o = options;
    esp_err err = needs_prm (options, has, error);
    return err == ESP_OK ? needs_end ("simulations", o->simulations, has, error) : err;
}

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
    return (double)st->visits + options_of (s)->virtual_loss * (double)st->flying;
}

static bool is_finished (const search *s, node_ref ref)
{
    const node *n = search_node (s, ref);
    return ref != NODE_ROOT &&
           (node_ended (n) || n->text_len == 0 || n->depth >= search_max_steps (s));
}

static double initial_value (const search *s, node_ref ref)
{
    double value = node_last_score (search_node (s, ref));
    return isnan (value) ? 0.0 : value;
}

/* factor: the parent's part of the formula. */
static double selection_value (const search *s, const mcts *me, node_ref child, double factor)
{
    const mcts_options *o = options_of (s);
    const node_stat *st = stat_of (me, child);
    double visits = visits_of (s, st), prior = st->prior > 0.0 ? st->prior : 1.0;
    double value = visits > 0.0 ? st->sum / visits : initial_value (s, child);
    switch ((enum mcts_selection)o->selection) {
    case SELECT_PUCT:
        return mcts_puct_of (value, st->prior, visits, factor);
    case SELECT_UCT:
        return mcts_uct_of (value, 1.0, visits, factor, o->exploration);
    case SELECT_UCT_PRIOR:
        return mcts_uct_of (value, prior, visits, factor, o->exploration);
    }
    return 0.0;
}

static bool is_child (const search *s, node_ref ref)
{
    const node *n = search_node (s, ref);
    return n->state == NODE_GENERATED && n->mark != MARK_PRUNED;
}

/* ---- what is left to ask ---- */

static bool has_work (const search *s, const mcts *me, node_ref child)
{
    return is_child (s, child) && stat_of (me, child) && !is_finished (s, child) &&
           !stat_of (me, child)->exhausted;
}

static bool is_exhausted (const search *s, const mcts *me, node_ref ref)
{
    if (!stat_of (me, ref)->expanded)
        return false;
    for (node_ref c = search_node (s, ref)->first_child; c != NODE_NONE;
         c = search_node (s, c)->next_sibling)
        if (has_work (s, me, c))
            return false;
    return true;
}

/* The children of `from` changed: note what that means for it, and above as far as it changes anything. */
static void settle (const search *s, const mcts *me, node_ref from)
{
    for (node_ref r = from; r != NODE_NONE; r = search_node (s, r)->parent) {
        node_stat *st = stat_of (me, r);
        if (!st || st->exhausted == is_exhausted (s, me, r))
            return;
        st->exhausted = !st->exhausted;
    }
}

/* ---- choosing a child ---- */

static bool can_walk_to (const search *s, const mcts *me, node_ref child)
{
    return options_of (s)->selection == SELECT_PUCT ? is_child (s, child) && stat_of (me, child)
                                                    : has_work (s, me, child);
}

/* First child with the largest value; NODE_NONE = no child that can be walked to; *busy: one of them is being expanded. */
static node_ref best_child (const search *s, const mcts *me, node_ref parent, bool *busy)
{
    const mcts_options *o = options_of (s);
    node_ref best = NODE_NONE;
    double most = 0.0, visits = visits_of (s, stat_of (me, parent));
    double factor = o->selection == SELECT_PUCT ? mcts_puct_factor (visits, o->c_base, o->c_init)
                                                : mcts_uct_factor (visits);
    *busy = false;
    for (node_ref c = search_node (s, parent)->first_child; c != NODE_NONE;
         c = search_node (s, c)->next_sibling) {
        double value;
        if (!can_walk_to (s, me, c))
            continue;
        if (stat_of (me, c)->expanding) {
            *busy = true;
            continue;
        }
        value = selection_value (s, me, c, factor);
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
        stat_of (me, r)->flying = (stat_of (me, r)->flying + (uint32_t)change) & 0x1fffffff;
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
    size_t n = (size_t)(o->expand * o->actions), at = 0;
    ask *asks = esp_calloc (n, sizeof (*asks));
    esp_err err;
    if (!asks)
        return ESP_ENOMEM;
    for (int64_t a = 0; a < o->actions; a++)
        for (int64_t i = 0; i < o->expand; i++)
            asks[at++] = (ask){
                .from = leaf, .mode = ASK_STEP, .scores = 1, .action = (uint16_t)a, .tag = leaf};
    if ((err = join_affordable (s, 0, asks, n, NULL)) == ESP_OK) {
        stat_of (me, leaf)->expanding = true;
        add_flying (s, me, leaf, 1);
    }
    esp_free (asks);
    return err;
}

/* puct: equal texts are merged, the first stays. */
static void merge_twins (search *s, const item *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; items[i].generated && k < i; k++)
            if (items[k].generated && span_equal (node_text (search_node (s, items[k].node)),
                                                  node_text (search_node (s, items[i].node)))) {
                search_mark (s, items[i].node, MARK_PRUNED, "same text as a sibling");
                break;
            }
}

/* puct: P = exp (mean log-probability), normalised over the distinct texts. */
static void set_puct_priors (const search *s, const mcts *me, const item *items, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        double logprob = search_node (s, items[i].node)->mean_logprob;
        if (is_child (s, items[i].node))
            sum += stat_of (me, items[i].node)->prior =
                isnan (logprob) ? 1.0 : esp_exp (fmin (0.0, fmax (LEAST_LOGPROB, logprob)));
    }
    for (size_t i = 0; i < n; i++)
        if (is_child (s, items[i].node))
            stat_of (me, items[i].node)->prior /= sum;
}

/* uct_prior: softmax of the siblings' scores. */
static void set_score_priors (const search *s, const mcts *me, const item *items, size_t n)
{
    double sum = 0.0, most = -INFINITY;
    for (size_t i = 0; i < n; i++)
        if (is_child (s, items[i].node))
            most = fmax (most, initial_value (s, items[i].node));
    for (size_t i = 0; i < n; i++)
        if (is_child (s, items[i].node))
            sum += stat_of (me, items[i].node)->prior =
                esp_exp (initial_value (s, items[i].node) - most);
    for (size_t i = 0; i < n; i++)
        if (is_child (s, items[i].node))
            stat_of (me, items[i].node)->prior /= sum;
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
        merge_twins (s, items, n);
        set_puct_priors (s, me, items, n);
        return ESP_OK;
    }
    for (size_t i = 0; i < n; i++)
        if (items[i].generated && !items[i].failed && !items[i].dropped)
            back_up (s, me, items[i].node, isnan (items[i].last) ? 0.0 : items[i].last);
    if (o->selection == SELECT_UCT_PRIOR)
        set_score_priors (s, me, items, n);
    return ESP_OK;
}

/* ---- simulations ---- */

/* Walk from `at` until something must be asked (*asked) or the simulation ends.  ESP_EEMPTY: where it leads everything is just
 * being expanded by other simulations. */
static esp_err walk (search *s, mcts *me, node_ref at, bool *asked)
{
    *asked = false;
    for (;;) {
        node_ref next;
        bool busy;
        const node_stat *st = stat_of (me, at);
        if (is_finished (s, at)) { /* puct: the others pass it over */
            double value = st->visits ? st->sum / (double)st->visits : initial_value (s, at);
            back_up (s, me, at, value);
            return node_list_add (s, &me->paths, at);
        }
        if (st->expanding)
            return ESP_EEMPTY;
        if (!st->expanded) {
            *asked = true;
            return expand (s, me, at);
        }
        if ((next = best_child (s, me, at, &busy)) == NODE_NONE) {
            if (busy)
                return ESP_EEMPTY;
            back_up (s, me, at, 0.0); /* puct: every child failed or was pruned */
            return ESP_OK;
        }
        at = next;
    }
}

static esp_err mcts_more (search *s, void *state, uint32_t lane_index)
{
    mcts *me = state;
    const mcts_options *o = options_of (s);
    esp_err err;
    (void)lane_index;
    if (o->selection != SELECT_PUCT && stat_of (me, NODE_ROOT)->exhausted)
        return ESP_EEMPTY;
    for (int idle = 0;
         idle < IDLE_WALKS && (o->simulations == 0 || me->started < (uint64_t)o->simulations);
         idle++) {
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
    node_ref parent = (node_ref)items[0].tag;
    bool asked;
    esp_err err = take_children (s, me, parent, items, n);
    (void)id;
    if (err != ESP_OK)
        return err;
    settle (s, me, parent);
    if (options_of (s)->selection != SELECT_PUCT)
        return ESP_OK;
    err = walk (s, me, parent, &asked); /* the simulation goes on to a finished node */
    return err == ESP_EEMPTY ? ESP_OK : err;
}

/* A step of a person is walked to soon: it has no score, so it gets the largest prior. */
static esp_err take_human_step (search *s, mcts *me, node_ref parent)
{
    node_ref last = search_node (s, parent)->last_child;
    esp_err err;
    if (last == NODE_NONE || search_node (s, last)->source != SOURCE_HUMAN)
        return ESP_OK;
    if ((err = node_table_reach (s, &me->stats, last)) != ESP_OK)
        return err;
    stat_of (me, last)->prior = 1.0;
    settle (s, me, parent);
    return ESP_OK;
}

static esp_err mcts_command (search *s, void *state, const command *c)
{
    if (c->node == NODE_NONE)
        return ESP_OK;
    if (c->kind == COMMAND_PRUNE)
        settle (s, state, search_node (s, c->node)->parent);
    return c->kind == COMMAND_ADD_STEP ? take_human_step (s, state, c->node) : ESP_OK;
}

static bool has_answer (const search *s, node_ref ref) /* not just cut at max_steps */
{
    return is_child (s, ref) &&
           (node_ended (search_node (s, ref)) || search_node (s, ref)->text_len == 0);
}

static size_t mcts_answers (const search *s, const void *state, node_ref *out, size_t max)
{
    const mcts *me = state;
    bool puct = options_of (s)->selection == SELECT_PUCT;
    uint32_t n = puct ? me->paths.count : tree_size (search_tree (s)) - 1;
    size_t count = 0;
    for (uint32_t i = 0; i < n; i++) {
        node_ref ref = puct ? me->paths.at[i] : i + 1;
        if (has_answer (s, ref) && count++ < max)
            out[count - 1] = ref;
    }
    return count;
}

static bool mcts_value (const search *s, const void *state, node_ref ref, node_value *out)
{
    const node_stat *st = stat_of (state, ref);
    (void)s;
    if (!st)
        return false;
    *out = (node_value){.q = st->visits ? st->sum / (double)st->visits : NAN,
                        .visits = (double)st->visits,
                        .prior = st->prior > 0.0 ? st->prior : NAN};
    return true;
}

static void mcts_check (const search *s, const void *state)
{
    const mcts *me = state;
    const node_stat *root = stat_of (me, NODE_ROOT);
    if (!root || tree_size (search_tree (s)) > CHECKED_NODES)
        return;
    if (search_reason (s) != REASON_STOPPED &&
        search_reason (s) != REASON_ERROR) /* those forget open joins */
        assert (root->flying == search_open_joins (s, 0));
    for (node_ref r = NODE_ROOT; r < tree_size (search_tree (s)); r++) {
        uint32_t below = 0;
        for (node_ref c = search_node (s, r)->first_child; c != NODE_NONE;
             c = search_node (s, c)->next_sibling)
            below += stat_of (me, c) ? stat_of (me, c)->flying : 0;
        assert (!stat_of (me, r) || stat_of (me, r)->flying == below + stat_of (me, r)->expanding);
        assert (!stat_of (me, r) || stat_of (me, r)->exhausted == is_exhausted (s, me, r));
    }
}

static void mcts_most (const void *options, const search_options *core, strategy_most *out)
{
    const mcts_options *o = options;
    uint64_t walk = o->selection == SELECT_PUCT ? (uint64_t)core->max_steps : 1;
    uint64_t level = most_times ((uint64_t)o->expand, (uint64_t)o->actions);
    out->steps = most_times (most_limit (o->simulations), most_times (walk, level));
}

const strategy strategy_mcts = {
    .name = "mcts",
    .semantics = 2, /* 2: uct, uct_prior pass over what is exhausted */
    .paper = "Monte-Carlo tree search; Silver et al. 2018 (PUCT), Kocsis and Szepesvari 2006 "
             "(UCT); OpenR, treequest",
    .options = mcts_rows,
    .option_bytes = sizeof (mcts_options),
    .state_bytes = sizeof (mcts),
    .fit = mcts_fit,
    .suits = mcts_suits,
    .most = mcts_most,
    .open = mcts_open,
    .more = mcts_more,
    .joined = mcts_joined,
    .command = mcts_command,
    .answers = mcts_answers,
    .value = mcts_value,
    .check = mcts_check,
};
