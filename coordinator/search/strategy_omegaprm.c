/* SPDX-License-Identifier: Apache-2.0 */
/* strategy_omegaprm.c - OmegaPRM: where do wrong rollouts go wrong?  A binary search with Monte-Carlo estimates
 *
 * Source: Luo et al. 2024, arXiv:2406.06592, section 3; openreasoner/openr, data/omegaPRM_v2/omegaprm.py.  A state is a prefix
 * of steps; its MC is the part of k rollouts that the verifier passes.  The wrong rollouts of states with 0 < MC < 1 wait in a pool.  A
 * search takes the one with the largest Q + U (omegaprm_formula.h) and halves its steps: MC (prefix) = 0 means that the first
 * error is not behind it, anything else that it is.  Each right rollout is a state with MC 1.  A used rollout returns to the
 * pool with its present priority (openr; `reuse: false` drops it, as the paper does).
 *
 * An estimate is one join of k rollouts to the end, each judged by the verifier; unknown counts as wrong.  The steps of a
 * prefix are adopted as a chain of nodes below the searched state, as far as the search needs them.
 *
 * label: hard    a prefix is good when one rollout is right: the rest of its k rollouts is cancelled then, MC = right / heard.
 *
 * actions: 2     the rollouts of the root are of another generator, maybe solutions that are there already.  They say nothing of how
 *                likely the root is for the one that completes, so the wrong ones are searched although none is right; each
 *                once before anything else.
 *
 * Our deviations: search.in_flight searches run side by side, each with a rollout of its own.  A rollout without steps is not
 * searched.  MC is taken over the rollouts that came; a prefix of which none came ends its search.
 *
 * Memory: 24 bytes a node, 24 a waiting rollout.
 */

#include <math.h>
#include <stddef.h>
#include "coordinator/search/omegaprm_formula.h"
#include "coordinator/search/rollout.h"
#include "coordinator/search/strategies.h"
#include "coordinator/search/strategy_help.h"
#include "proto/base/alloc.h"

enum omega_label { LABEL_SOFT, LABEL_HARD };

enum { HALVINGS = 17 }; /* of one search at most: a rollout has no more than 65,535 steps */

typedef struct omega_options {
    int64_t k, max_searches, rollout_budget, actions;
    double c_puct, alpha, beta, length;
    int label;
    bool reuse;
} omega_options;

typedef struct state_of { /* of a node */
    double mc;
    uint32_t visits; /* estimates made; 0 for a right rollout */
    uint32_t decided,
        passed;     /* for labels: its rollouts with a verdict, and those that passed whole */
    bool estimated; /* mc is known: the node is a state */
    bool adopted;   /* a step of a split rollout */
} state_of;

typedef struct waiting { /* a wrong rollout */
    double priority;
    node_ref state, rollout;
    uint64_t arrival;
} waiting;

typedef struct descent { /* one binary search */
    bool busy, first;    /* first: the estimate of the root, no search */
    bool again;          /* its rollout may return to the pool */
    node_ref state, rollout;
    node_ref deepest; /* last adopted step of the chain below state; NODE_NONE = none yet */
    uint32_t made;    /* steps adopted */
    uint32_t left, right, middle;
} descent;

typedef struct omegaprm {
    node_table states;
    node_list rollouts; /* that came, in order: the candidates */
    waiting *pool;      /* in the arena */
    uint32_t pool_count, pool_cap;
    uint64_t arrivals, visits, asked; /* visits: of all states; asked: rollouts */
    uint64_t started;                 /* searches */
    descent *descents;                /* in_flight of them */
} omegaprm;

static const esp_option omega_rows[] = {
    {"k", ESP_OPT_INT, offsetof (omega_options, k), "16", 1, 65536, NULL, "rollouts",
     "rollouts of an estimate", ESP_OPT_FIXED, false},
    {"max_searches", ESP_OPT_INT, offsetof (omega_options, max_searches), "20", 0, 1e9, NULL,
     "searches", "0 = until the pool is empty or the budget ends", ESP_OPT_FIXED, false},
    {"rollout_budget", ESP_OPT_INT, offsetof (omega_options, rollout_budget), "200", 0, 1e9, NULL,
     "rollouts",
     "no new search from this many on (a running one ends); 0 = no limit; hard: budget.generations",
     ESP_OPT_FIXED, false},
    {"c_puct", ESP_OPT_DOUBLE, offsetof (omega_options, c_puct), "0.125", 0, 1e6, NULL, "",
     "weight of U", ESP_OPT_FIXED, false},
    {"alpha", ESP_OPT_DOUBLE, offsetof (omega_options, alpha), "0.5", 1e-6, 1, NULL, "",
     "Q = alpha^(1 - MC) ...", ESP_OPT_FIXED, false},
    {"beta", ESP_OPT_DOUBLE, offsetof (omega_options, beta), "0.9", 1e-6, 1, NULL, "",
     "... beta^(words / L)", ESP_OPT_FIXED, false},
    {"L", ESP_OPT_DOUBLE, offsetof (omega_options, length), "500", 1, 1e9, NULL, "words",
     "length scale of Q", ESP_OPT_FIXED, false},
    {"label", ESP_OPT_CHOICE, offsetof (omega_options, label), "soft", 0, 0, "soft|hard", "",
     "soft: all k rollouts; hard: a prefix is good with its first right one", ESP_OPT_FIXED, false},
    {"reuse", ESP_OPT_BOOL, offsetof (omega_options, reuse), "true", 0, 0, NULL, "",
     "a searched rollout returns to the pool", ESP_OPT_FIXED, false},
    {"actions", ESP_OPT_INT, offsetof (omega_options, actions), "1", 1, 2, NULL, "actions",
     "2: the first generator (or action) gives the rollouts of the problem, the second all others",
     ESP_OPT_FIXED, false},
    ESP_OPTION_END,
};

static esp_err omega_suits (const void *options, const strategy_means *has, esp_error *error)
{
    const omega_options *o = options;
    esp_err err = needs_rollouts ("omegaprm", o->actions, has, error);
    if (err != ESP_OK)
        return err;
    return o->rollout_budget > 0 ? ESP_OK : needs_end ("max_searches", o->max_searches, has, error);
}

static const omega_options *options_of (const search *s)
{
    return search_strategy_options (s);
}

static state_of *state_at (const omegaprm *me, node_ref ref)
{
    return node_table_at (&me->states, ref);
}

static bool is_right (const search *s, node_ref rollout)
{
    return search_node (s, rollout)->verdict == VERDICT_PASS;
}

/* ---- texts ---- */

static double words_of (span text)
{
    uint32_t count = 0;
    bool inside = false;
    for (size_t i = 0; i < text.len; i++) {
        bool space = text.ptr[i] == ' ' || (text.ptr[i] >= '\t' && text.ptr[i] <= '\r');
        count += !space && !inside;
        inside = !space;
    }
    return count;
}

static esp_err count_steps (const search *s, node_ref rollout, uint32_t *out)
{
    rollout_walk w;
    esp_err err = rollout_open (s, rollout, &w);
    if (err == ESP_OK)
        *out = rollout_count (w);
    return err;
}

/* Adopt the steps of the rollout up to number `last`; d->deepest is that step then. */
static esp_err extend_chain (search *s, omegaprm *me, descent *d, uint32_t last)
{
    rollout_walk w;
    span step;
    esp_err err = rollout_open (s, d->rollout, &w);
    for (uint32_t i = 0; err == ESP_OK && i <= last && rollout_next (&w, &step); i++) {
        node_ref made;
        if (i < d->made)
            continue;
        err = adopt_piece (s, d->made ? d->deepest : d->state, d->rollout, step, rollout_end (s),
                           &made);
        if (err != ESP_OK || (err = node_table_reach (s, &me->states, made)) != ESP_OK)
            return err;
        state_at (me, made)->adopted = true;
        d->deepest = made;
        d->made++;
    }
    return err;
}

static node_ref step_at (const search *s, const descent *d, uint32_t index)
{
    node_ref ref = d->deepest;
    for (uint32_t i = d->made - 1; i > index; i--)
        ref = search_node (s, ref)->parent;
    return ref;
}

/* ---- the pool ---- */

/* first: before all that the formula says. */
static esp_err put_waiting (search *s, omegaprm *me, node_ref state, node_ref rollout, bool first)
{
    const omega_options *o = options_of (s);
    const state_of *st = state_at (me, state);
    span text = node_text (search_node (s, rollout));
    double priority = first ? (double)INFINITY
                            : omegaprm_q (st->mc, words_of (text), o->alpha, o->beta, o->length) +
                                  omegaprm_u (st->visits, (double)me->visits, o->c_puct);
    uint32_t i = 0, steps;
    esp_err err = count_steps (s, rollout, &steps);
    if (err != ESP_OK || steps == 0)
        return err;
    while (i < me->pool_count &&
           (me->pool[i].state != state ||
            !span_equal (node_text (search_node (s, me->pool[i].rollout)), text)))
        i++;
    if (i == me->pool_count &&
        (err = array_room (s, &me->pool, i, &me->pool_cap, sizeof (*me->pool))) != ESP_OK)
        return err;
    me->pool[i] = (waiting){priority, state, rollout, me->arrivals++};
    me->pool_count += i == me->pool_count;
    return ESP_OK;
}

/* Take the entry of the highest priority, the first inserted among equals; entries under a pruned state go. */
static bool take_waiting (const search *s, omegaprm *me, waiting *out)
{
    while (me->pool_count > 0) {
        uint32_t best = 0;
        for (uint32_t i = 1; i < me->pool_count; i++) {
            const waiting *a = &me->pool[i], *b = &me->pool[best];
            if (a->priority > b->priority ||
                (a->priority == b->priority && a->arrival < b->arrival))
                best = i;
        }
        *out = me->pool[best];
        me->pool[best] = me->pool[--me->pool_count];
        if (!branch_pruned (s, out->rollout))
            return true;
    }
    return false;
}

/* A rollout of the state that came and is wrong; children may also be adopted, or steps of a person. */
static bool is_wrong_rollout (const search *s, const omegaprm *me, node_ref child)
{
    const node *n = search_node (s, child);
    const state_of *st = state_at (me, child);
    return n->state == NODE_GENERATED && n->source != SOURCE_HUMAN && n->verdict != VERDICT_NONE &&
           n->verdict != VERDICT_PASS && st && !st->adopted;
}

static bool has_twin_before (const search *s, const omegaprm *me, node_ref child)
{
    node_ref c = search_node (s, search_node (s, child)->parent)->first_child;
    for (; c != child; c = search_node (s, c)->next_sibling)
        if (is_wrong_rollout (s, me, c) &&
            span_equal (node_text (search_node (s, c)), node_text (search_node (s, child))))
            return true;
    return false;
}

/* After a search: all distinct wrong rollouts of its state, with the priorities that they have now. */
static esp_err end_descent (search *s, omegaprm *me, descent *d)
{
    span used = node_text (search_node (s, d->rollout));
    esp_err err = ESP_OK;
    node_ref c = search_node (s, d->state)->first_child;
    d->busy = false;
    for (; c != NODE_NONE && err == ESP_OK; c = search_node (s, c)->next_sibling)
        if (is_wrong_rollout (s, me, c) && !has_twin_before (s, me, c) &&
            (d->again || !span_equal (used, node_text (search_node (s, c)))))
            err = put_waiting (s, me, d->state, c, false);
    return err;
}

/* ---- estimates ---- */

static esp_err estimate (search *s, omegaprm *me, uint32_t slot, node_ref state)
{
    size_t k = (size_t)options_of (s)->k, asked = 0;
    ask *asks = esp_calloc (k, sizeof (*asks));
    esp_err err;
    if (!asks)
        return ESP_ENOMEM;
    for (size_t i = 0; i < k; i++)
        asks[i] = (ask){.from = state,
                        .mode = ASK_TO_END,
                        .verifier = 1,
                        .action = state != NODE_ROOT && options_of (s)->actions > 1 ? 1 : 0,
                        .tag = slot};
    err = join_affordable (s, 0, asks, k, &asked);
    me->asked += asked;
    esp_free (asks);
    return err;
}

/* label: hard.  Not for the root: its wrong rollouts are what is searched. */
static bool omega_enough (const search *s, const void *me, const item *items, size_t n)
{
    (void)me;
    return options_of (s)->label == LABEL_HARD && items[0].from != NODE_ROOT &&
           item_came (&items[n - 1]) && is_right (s, items[n - 1].node);
}

/* For labels: unknown counts nowhere, a truncated rollout is no pass. */
static void count_verdict (const search *s, state_of *state, node_ref rollout)
{
    const node *n = search_node (s, rollout);
    state->decided += rollout_decided (n);
    state->passed += rollout_passed (n);
}

/* MC of the state from its rollouts; false when none came. */
static esp_err
take_rollouts (search *s, omegaprm *me, node_ref state, const item *items, size_t n, bool *known)
{
    bool given = state == NODE_ROOT && options_of (s)->actions > 1;
    uint32_t heard = 0, right = 0;
    esp_err err = ESP_OK;
    for (size_t i = 0; i < n && err == ESP_OK; i++) {
        if (!item_came (&items[i]))
            continue;
        heard++;
        if ((err = node_table_reach (s, &me->states, items[i].node)) != ESP_OK)
            return err;
        count_verdict (s, state_at (me, state), items[i].node);
        if (is_right (s, items[i].node)) {
            right++;
            *state_at (me, items[i].node) = (state_of){.mc = 1.0, .estimated = true};
        }
        if (item_ended (s, &items[i]) && search_node (s, items[i].node)->text_len > 0)
            err = node_list_add (s, &me->rollouts, items[i].node);
    }
    *known = heard > 0;
    if (err != ESP_OK || !*known)
        return err;
    state_at (me, state)->mc = (double)right / heard;
    state_at (me, state)->estimated = true;
    state_at (me, state)->visits++;
    me->visits++;
    for (size_t i = 0; i < n && (right > 0 || given) && err == ESP_OK; i++)
        if (item_came (&items[i]) && !is_right (s, items[i].node))
            err = put_waiting (s, me, state, items[i].node, given);
    return err;
}

/* ---- the strategy ---- */

static esp_err omega_open (search *s, void *state)
{
    omegaprm *me = state;
    esp_err err;
    me->states.bytes = sizeof (state_of);
    me->descents = search_alloc (s, search_in_flight (s) * sizeof (*me->descents));
    if (!me->descents)
        return ESP_ENOMEM;
    me->descents[0] = (descent){.busy = true, .first = true};
    err = node_table_reach (s, &me->states, NODE_ROOT);
    return err == ESP_OK ? estimate (s, me, 0, NODE_ROOT) : err;
}

/* Estimate the prefix in the middle of what is left; a search that cannot be paid is over. */
static esp_err halve (search *s, omegaprm *me, uint32_t slot)
{
    descent *d = &me->descents[slot];
    esp_err err;
    d->middle = (d->left + d->right) / 2;
    err = extend_chain (s, me, d, d->middle);
    if (err == ESP_OK)
        err = estimate (s, me, slot, step_at (s, d, d->middle));
    d->busy = err == ESP_OK;
    return err;
}

static esp_err omega_more (search *s, void *state, uint32_t lane)
{
    omegaprm *me = state;
    const omega_options *o = options_of (s);
    uint32_t slot = 0, steps;
    waiting w;
    esp_err err;
    (void)lane;
    if ((o->max_searches > 0 && me->started >= (uint64_t)o->max_searches) ||
        (o->rollout_budget > 0 && me->asked >= (uint64_t)o->rollout_budget) ||
        !take_waiting (s, me, &w))
        return ESP_EEMPTY;
    if ((err = count_steps (s, w.rollout, &steps)) != ESP_OK)
        return err;
    while (me->descents[slot].busy)
        slot++;
    me->descents[slot] = (descent){.busy = true,
                                   .again = o->reuse,
                                   .state = w.state,
                                   .rollout = w.rollout,
                                   .deepest = NODE_NONE,
                                   .right = steps - 1};
    me->started++;
    return halve (s, me, slot);
}

static esp_err omega_joined (search *s, void *state, join_id id, const item *items, size_t n)
{
    omegaprm *me = state;
    uint32_t slot = (uint32_t)items[0].tag;
    descent *d = &me->descents[slot];
    node_ref from = items[0].from;
    bool known;
    esp_err err = take_rollouts (s, me, from, items, n, &known);
    (void)id;
    if (err != ESP_OK || d->first) {
        d->busy = d->first = false;
        return err;
    }
    if (known && state_at (me, from)->mc > 0.0) {
        d->left = d->middle + 1;
    } else if (known && d->middle > 0) {
        d->right = d->middle - 1;
    } else { /* nothing came, or the first step is wrong already */
        d->right = 0;
        d->left = 1;
    }
    return d->left <= d->right ? halve (s, me, slot) : end_descent (s, me, d);
}

static size_t omega_answers (const search *s, const void *state, node_ref *out, size_t max)
{
    (void)s;
    return node_list_copy (&((const omegaprm *)state)->rollouts, out, max);
}

static bool omega_value (const search *s, const void *state, node_ref ref, node_value *out)
{
    const state_of *st = state_at (state, ref);
    if (!st || !st->estimated)
        return false;
    *out = (node_value){.q = st->mc,
                        .visits = st->visits,
                        .prior = NAN,
                        .rollouts = st->decided,
                        .passed = st->passed,
                        .counted = st->visits > 0,
                        .tried = st->decided >= options_of (s)->k};
    return true;
}

/* The root's rollouts, and searches of which each halves a rollout: the last ones may begin just below rollout_budget. */
static void omegaprm_most (const void *options, const search_options *core, strategy_most *out)
{
    const omega_options *o = options;
    uint64_t halving = most_times (HALVINGS, (uint64_t)o->k);
    uint64_t searches = most_times (most_limit (o->max_searches), halving);
    uint64_t rollouts = o->rollout_budget > 0 ? (uint64_t)o->rollout_budget +
                                                    most_times ((uint64_t)core->in_flight, halving)
                                              : BUDGET_UNLIMITED;
    out->deep = true;
    out->texts = searches < rollouts ? searches : rollouts;
    if (out->texts < BUDGET_UNLIMITED - (uint64_t)o->k)
        out->texts += (uint64_t)o->k;
}

const strategy strategy_omegaprm = {
    .name = "omegaprm",
    .semantics = 2,
    .paper =
        "OmegaPRM, binary search for the first error; Luo et al. 2024, arXiv:2406.06592; OpenR",
    .options = omega_rows,
    .option_bytes = sizeof (omega_options),
    .state_bytes = sizeof (omegaprm),
    .suits = omega_suits,
    .most = omegaprm_most,
    .open = omega_open,
    .more = omega_more,
    .enough = omega_enough,
    .joined = omega_joined,
    .answers = omega_answers,
    .value = omega_value,
};
