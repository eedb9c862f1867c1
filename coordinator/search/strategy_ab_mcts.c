/* SPDX-License-Identifier: Apache-2.0 */
/* strategy_ab_mcts.c - AB-MCTS-A: at every node decide by draws whether to go wider (a new child) or deeper
 *
 * Source: Inoue et al. 2025, arXiv:2503.04412, section 3; SakanaAI/treequest, algos/ab_mcts_a.  From the root: one draw from what is
 * believed of a new child here (GEN: the rewards of the children made here) and one of going on (CONT: the rewards of
 * everything below them).  GEN >= CONT, or no child to go to: make a child here.  Otherwise one draw for every child (its reward and
 * all below it); go to the largest and repeat.
 *
 * multiarm_bandit_thompson  the action of a new child: largest draw from all rewards which the action earned in the whole tree
 * multiarm_bandit_ucb       ... largest mean + sqrt (2) sqrt (ln total / n); untried ones first
 * stack                     GEN and CONT are kept per action; the action is drawn first, at every node
 *
 * Rewards are kept once: each node has the moments of the rewards below it, and the beliefs of a visited node follow from one
 * walk over its children, which the draws need anyway.  32 bytes a node.
 *
 * Our deviations: a branch that ended, is pruned, or has max_steps steps is no child to go to; its reward counts.  With
 * search.in_flight > 1 several children are out at once: beliefs have not heard of them yet, and it is the draws that spread
 * the descents (Thompson sampling needs no virtual loss); ucb counts an action that is out as tried.
 */

#include <math.h>
#include <stddef.h>
#include "coordinator/search/mcts_formula.h"
#include "coordinator/search/posterior.h"
#include "coordinator/search/strategies.h"
#include "coordinator/search/strategy_help.h"
#include "proto/base/alloc.h"

enum ab_selection { SELECT_THOMPSON, SELECT_UCB, SELECT_STACK };
enum ab_distribution { GAUSSIAN, BETA };
enum ab_draw { DRAW_EXACT, DRAW_AFFINE };
enum ab_mode { MODE_STEP, MODE_DRAFT };
enum ab_reward { REWARD_PRM, REWARD_VERIFIER };

typedef struct ab_options {
    int64_t samples, actions;
    int selection, distribution, draw, mode, reward;
    double spread;
    gaussian_belief gaussian;
    beta_belief beta;
} ab_options;

typedef struct ab_node {
    moments below; /* rewards of everything below the node */
    bool heard;    /* the node itself has a reward */
} ab_node;

typedef struct arm { /* what is believed at a node, of one action (stack) or of all */
    moments made;    /* GEN: rewards of the children */
    moments deeper;  /* CONT: rewards below them */
    bool way;        /* there is a child to go to */
} arm;

typedef struct ab_mcts {
    node_table nodes;
    moments *earned;  /* per action, in the whole tree */
    uint32_t *flying; /* per action: children that are out */
    arm *arms;        /* scratch of a visit: `actions` of them */
    uint64_t asked;
} ab_mcts;

static const esp_option ab_rows[] = {
    {"samples", ESP_OPT_INT, offsetof (ab_options, samples), "64", 0, 1e9, NULL, "samples",
     "children made in all; 0 = until the budget ends", ESP_OPT_FIXED, false},
    {"actions", ESP_OPT_INT, offsetof (ab_options, actions), "1", 1, 1024, NULL, "actions",
     "prompt or model variants", ESP_OPT_FIXED, false},
    {"selection", ESP_OPT_CHOICE, offsetof (ab_options, selection), "multiarm_bandit_thompson", 0,
     0, "multiarm_bandit_thompson|multiarm_bandit_ucb|stack", "",
     "how the action of a new child is chosen", ESP_OPT_FIXED, false},
    {"distribution", ESP_OPT_CHOICE, offsetof (ab_options, distribution), "gaussian", 0, 0,
     "gaussian|beta", "", "belief about rewards; beta: they are cut to [0, 1]", ESP_OPT_FIXED,
     false},
    {"draw", ESP_OPT_CHOICE, offsetof (ab_options, draw), "exact", 0, 0, "exact|affine", "",
     "exact: from the posterior; affine: mean + spread (2u - 1) sd (tests)", ESP_OPT_FIXED, false},
    {"spread", ESP_OPT_DOUBLE, offsetof (ab_options, spread), "4", 0, 1e6, NULL, "sd", "affine",
     ESP_OPT_FIXED, false},
    {"mode", ESP_OPT_CHOICE, offsetof (ab_options, mode), "step", 0, 0, "step|draft", "",
     "a child is the next step, or a whole new text that improves its parent's", ESP_OPT_FIXED,
     false},
    {"reward", ESP_OPT_CHOICE, offsetof (ab_options, reward), "prm", 0, 0, "prm|verifier", "",
     "score of the branch, or the share of tests passed (pass 1, else 0 without a share)",
     ESP_OPT_FIXED, false},
    {"prior.m", ESP_OPT_DOUBLE, offsetof (ab_options, gaussian.m), "0", -1e6, 1e6, NULL, "",
     "gaussian: mean", ESP_OPT_FIXED, false},
    {"prior.kappa", ESP_OPT_DOUBLE, offsetof (ab_options, gaussian.kappa), "1", 1e-3, 1e6, NULL,
     "rewards", "gaussian: weight of the mean", ESP_OPT_FIXED, false},
    {"prior.nu", ESP_OPT_DOUBLE, offsetof (ab_options, gaussian.nu), "1", 0.1, 1e6, NULL, "rewards",
     "gaussian: weight of the variance", ESP_OPT_FIXED, false},
    {"prior.tau_square", ESP_OPT_DOUBLE, offsetof (ab_options, gaussian.tau_square), "0.1", 1e-9,
     1e6, NULL, "", "gaussian: variance", ESP_OPT_FIXED, false},
    {"prior.a", ESP_OPT_DOUBLE, offsetof (ab_options, beta.a), "0.5", 1e-3, 1e6, NULL, "rewards",
     "beta", ESP_OPT_FIXED, false},
    {"prior.b", ESP_OPT_DOUBLE, offsetof (ab_options, beta.b), "0.5", 1e-3, 1e6, NULL, "rewards",
     "beta", ESP_OPT_FIXED, false},
    ESP_OPTION_END,
};

static esp_err ab_suits (const void *options, const strategy_means *has, esp_error *error)
{
    const ab_options *o = options;
    esp_err err = ESP_OK;
    if (o->reward == REWARD_PRM)
        err = needs_prm (options, has, error);
    else if (!has->verifier)
        err = esp_error_set (error, ESP_EINVAL,
                             "search.reward: verifier, but there is none; add a section verifier");
    return err == ESP_OK ? needs_end ("samples", o->samples, has, error) : err;
}

static const ab_options *options_of (const search *s)
{
    return search_strategy_options (s);
}

static const ab_node *heard_node (const ab_mcts *me, node_ref ref) /* NULL = no reward */
{
    const ab_node *n = node_table_at (&me->nodes, ref);
    return n && n->heard ? n : NULL;
}

static double reward_of (const search *s, node_ref ref)
{
    const ab_options *o = options_of (s);
    const node *n = search_node (s, ref);
    double reward = n->score;
    if (o->reward == REWARD_VERIFIER)
        reward = !isnan (node_told_share (n))    ? node_told_share (n)
                 : node_told (n) == VERDICT_PASS ? 1.0
                                                 : 0.0;
    if (isnan (reward))
        reward = 0.0;
    if (o->distribution == BETA)
        reward = reward < 0.0 ? 0.0 : reward > 1.0 ? 1.0 : reward;
    return reward;
}

static bool can_go_to (const search *s, node_ref ref)
{
    const node *n = search_node (s, ref);
    if (n->mark == MARK_PRUNED || n->text_len == 0 || n->depth >= search_max_steps (s))
        return false;
    return options_of (s)->mode == MODE_DRAFT || !node_ended (n);
}

/* ---- draws ---- */

static double next_uniform (void *ctx)
{
    return search_draw (ctx, 0);
}

static double draw_belief (search *s, const moments *seen)
{
    const ab_options *o = options_of (s);
    gaussian_belief g = gaussian_update (o->gaussian, seen);
    beta_belief b = beta_update (o->beta, seen);
    uniforms u = {next_uniform, s};
    double mean, sd;
    if (o->draw == DRAW_EXACT)
        return o->distribution == BETA ? draw_beta_belief (b, u) : draw_gaussian_belief (g, u);
    mean = o->distribution == BETA ? beta_mean_sd (b, &sd) : gaussian_mean_sd (g, &sd);
    return mean + o->spread * (2.0 * search_draw (s, 0) - 1.0) * sd;
}

/* ---- one descent ---- */

static void read_arms (const search *s, ab_mcts *me, node_ref at)
{
    const ab_options *o = options_of (s);
    for (int64_t a = 0; a < o->actions; a++)
        me->arms[a] = (arm){.way = false};
    for (node_ref c = search_node (s, at)->first_child; c != NODE_NONE;
         c = search_node (s, c)->next_sibling) {
        const ab_node *n = heard_node (me, c);
        arm *a;
        if (!n)
            continue;
        a = &me->arms[o->selection == SELECT_STACK ? search_node (s, c)->action : 0];
        moments_add (&a->made, reward_of (s, c));
        moments_join (&a->deeper, &n->below);
        a->way = a->way || can_go_to (s, c);
    }
}

/* stack: by what each action earned here and below. */
static uint16_t draw_local_action (search *s, const ab_mcts *me)
{
    uint16_t best = 0;
    double most = 0.0;
    for (int64_t a = 0; a < options_of (s)->actions; a++) {
        moments all = me->arms[a].made;
        double value;
        moments_join (&all, &me->arms[a].deeper);
        value = draw_belief (s, &all);
        if (a == 0 || value > most) {
            best = (uint16_t)a;
            most = value;
        }
    }
    return best;
}

/* multiarm_bandit_*: by what each action earned in the whole tree. */
static uint16_t choose_global_action (search *s, const ab_mcts *me)
{
    const ab_options *o = options_of (s);
    uint16_t best = 0;
    double most = 0.0, total = 0.0;
    for (int64_t a = 0; a < o->actions; a++)
        total += (double)me->earned[a].count + me->flying[a];
    for (int64_t a = 0; a < o->actions && o->actions > 1; a++) {
        double tries = (double)me->earned[a].count + me->flying[a];
        double value = o->selection == SELECT_UCB
                           ? bandit_ucb (me->earned[a].mean, tries, total, M_SQRT2)
                           : draw_belief (s, &me->earned[a]);
        if (a == 0 || value > most) {
            best = (uint16_t)a;
            most = value;
        }
    }
    return best;
}

static node_ref draw_child (search *s, const ab_mcts *me, node_ref at, uint16_t action)
{
    bool stack = options_of (s)->selection == SELECT_STACK;
    node_ref best = NODE_NONE;
    double most = 0.0;
    for (node_ref c = search_node (s, at)->first_child; c != NODE_NONE;
         c = search_node (s, c)->next_sibling) {
        const ab_node *n = heard_node (me, c);
        moments all;
        double value;
        if (!n || !can_go_to (s, c) || (stack && search_node (s, c)->action != action))
            continue;
        all = n->below;
        moments_add (&all, reward_of (s, c));
        value = draw_belief (s, &all);
        if (best == NODE_NONE || value > most) {
            best = c;
            most = value;
        }
    }
    return best;
}

/* Where the next child is made; *action: with what. */
static node_ref descend (search *s, ab_mcts *me, uint16_t *action)
{
    bool stack = options_of (s)->selection == SELECT_STACK;
    for (node_ref at = NODE_ROOT;;) {
        const arm *a;
        double gen, cont;
        read_arms (s, me, at);
        *action = stack ? draw_local_action (s, me) : 0;
        a = &me->arms[*action];
        gen = draw_belief (s, &a->made);
        cont = draw_belief (s, &a->deeper);
        if (gen >= cont || !a->way) {
            if (!stack)
                *action = choose_global_action (s, me);
            return at;
        }
        at = draw_child (s, me, at, *action);
    }
}

/* ---- the strategy ---- */

static esp_err ab_open (search *s, void *state)
{
    ab_mcts *me = state;
    size_t actions = (size_t)options_of (s)->actions;
    me->nodes.bytes = sizeof (ab_node);
    me->earned = search_alloc (s, actions * sizeof (*me->earned));
    me->flying = search_alloc (s, actions * sizeof (*me->flying));
    me->arms = search_alloc (s, actions * sizeof (*me->arms));
    if (!me->earned || !me->flying || !me->arms)
        return ESP_ENOMEM;
    return node_table_reach (s, &me->nodes, NODE_ROOT);
}

static esp_err ab_more (search *s, void *state, uint32_t lane)
{
    ab_mcts *me = state;
    const ab_options *o = options_of (s);
    ask a = {.mode = o->mode == MODE_DRAFT ? ASK_DRAFT : ASK_STEP,
             .scores = 1,
             .verifier = o->reward == REWARD_VERIFIER,
             .steers = true};
    esp_err err;
    if (o->samples > 0 && me->asked >= (uint64_t)o->samples)
        return ESP_EEMPTY;
    a.from = descend (s, me, &a.action);
    if ((err = search_join (s, lane, &a, 1, NULL)) == ESP_OK) {
        me->asked++;
        me->flying[a.action]++;
    }
    return err;
}

static esp_err ab_joined (search *s, void *state, join_id id, const item *items, size_t n)
{
    ab_mcts *me = state;
    const item *i = &items[0];
    double reward;
    esp_err err;
    (void)id;
    (void)n;
    me->flying[i->action]--;
    if (!i->generated || i->failed || i->dropped)
        return ESP_OK; /* nothing is heard of it: as if it had not been asked */
    if ((err = node_table_reach (s, &me->nodes, i->node)) != ESP_OK)
        return err;
    ((ab_node *)node_table_at (&me->nodes, i->node))->heard = true;
    reward = reward_of (s, i->node);
    moments_add (&me->earned[i->action], reward);
    for (node_ref up = i->from; up != NODE_NONE; up = search_node (s, up)->parent)
        moments_add (&((ab_node *)node_table_at (&me->nodes, up))->below, reward);
    return ESP_OK;
}

/* Finished branches, or all drafts, in the order made. */
static size_t ab_answers (const search *s, const void *state, node_ref *out, size_t max)
{
    const ab_mcts *me = state;
    bool drafts = options_of (s)->mode == MODE_DRAFT;
    size_t count = 0;
    for (node_ref r = 1; r < tree_size (search_tree (s)); r++)
        if (heard_node (me, r) &&
            (drafts ? search_node (s, r)->text_len > 0 : node_ended (search_node (s, r))) &&
            count++ < max)
            out[count - 1] = r;
    return count;
}

static bool ab_value (const search *s, const void *state, node_ref ref, node_value *out)
{
    const ab_mcts *me = state;
    const ab_node *n = node_table_at (&me->nodes, ref);
    moments all;
    if (!n || (!n->heard && ref != NODE_ROOT))
        return false;
    all = n->below;
    if (n->heard)
        moments_add (&all, reward_of (s, ref));
    *out = (node_value){.q = all.count ? all.mean : NAN, .visits = (double)all.count, .prior = NAN};
    return true;
}

static void ab_mcts_most (const void *options, const search_options *core, strategy_most *out)
{
    const ab_options *o = options;
    if (o->mode == MODE_DRAFT)
        *out = (strategy_most){0, most_limit (o->samples), true};
    else
        out->steps = most_limit (o->samples);
    (void)core;
}

const strategy strategy_ab_mcts = {
    .name = "ab_mcts",
    .semantics = 1,
    .paper = "AB-MCTS-A, adaptive branching; Inoue et al. 2025, arXiv:2503.04412; treequest",
    .options = ab_rows,
    .option_bytes = sizeof (ab_options),
    .state_bytes = sizeof (ab_mcts),
    .suits = ab_suits,
    .most = ab_mcts_most,
    .open = ab_open,
    .more = ab_more,
    .joined = ab_joined,
    .answers = ab_answers,
    .value = ab_value,
};
