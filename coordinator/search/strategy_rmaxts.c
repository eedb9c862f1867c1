/* SPDX-License-Identifier: Apache-2.0 */
/* strategy_rmaxts.c - RMaxTS: whole rollouts, and a reward for every one that found something new
 *
 * Source: Xin et al. 2024, DeepSeek-Prover-V1.5 (arXiv:2408.08152), section 3: truncate and resume
 * (3.2), intrinsic reward and discounted UCB (3.3); prover/algorithms/rmax_tree_search.py (gamma
 * 0.99, 32 jobs in flight, 6,400 samples).  The bandit (rmaxts_bandit.h) chooses a node; a job is
 * one rollout from it to the end (or one draft).  When the job comes back the rollout is split into
 * steps: from the chosen node on (a draft: from the root) each step goes down to the child with the
 * same text, or becomes a new node there.  The last piece of a rollout, its answer, is no node:
 * nothing can follow it.  The job's reward is 1 when it made a node, else 0.
 *
 * The tree holds both: the rollout itself, a child of the node that it started from and a
 * candidate, and the adopted steps, which are the bandit's nodes.
 *
 * Our deviations: a node is a step's text, where the prover has the tactic state after it, so all
 * steps of a rollout count and not only those before the first error; adopt_steps cuts them.  No
 * node deeper than search.max_steps - 1.  Jobs are delivered in the order started (D4).  A job
 * that failed or was cancelled leaves no trace in the bandit.  stop_at_pass ends the problem with
 * the job that passed, where the reference goes on to its next checkpoint.
 *
 * Invariant (rmaxts_check): running jobs of the root's subtree = open joins; 0 when the search ended by
 * itself (a stop, an error and stop_at_pass forget open joins).
 */

#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <string.h>
#include "coordinator/search/rmaxts_bandit.h"
#include "coordinator/search/search.h"
#include "coordinator/search/strategies.h"
#include "coordinator/search/strategy_help.h"

enum rmaxts_reward { REWARD_INTRINSIC, REWARD_VERIFIED };
enum rmaxts_mode { MODE_TO_END, MODE_DRAFT };

typedef struct rmaxts_options {
    int64_t samples, adopt_steps;
    double gamma;
    int mode, reward;
    bool stop_at_pass;
} rmaxts_options;

typedef struct rmaxts {
    rmaxts_node *nodes; /* in the arena; tag: the node in the tree */
    uint32_t count, cap;
    node_table index;   /* uint32_t by node of the tree: 1 + its place in `nodes`, 0 = none */
    uint64_t started;   /* jobs */
    node_list rollouts; /* the candidates, in the order delivered */
} rmaxts;

static const esp_option rmaxts_rows[] = {
    {"samples", ESP_OPT_INT, offsetof (rmaxts_options, samples), "128", 0, 1e9, NULL, "rollouts",
     "0 = until the budget ends", ESP_OPT_FIXED, false},
    {"gamma", ESP_OPT_DOUBLE, offsetof (rmaxts_options, gamma), "0.99", 1e-3, 1, NULL, "",
     "discount of older visits and rewards; 1 = none", ESP_OPT_FIXED, false},
    {"mode", ESP_OPT_CHOICE, offsetof (rmaxts_options, mode), "to_end", 0, 0, "to_end|draft", "",
     "a job continues the chosen node's text, or writes a new one in its place", ESP_OPT_FIXED,
     false},
    {"reward", ESP_OPT_CHOICE, offsetof (rmaxts_options, reward), "intrinsic", 0, 0,
     "intrinsic|verified", "",
     "1 for a new node; verified: also when the verifier passes the rollout", ESP_OPT_FIXED, false},
    {"stop_at_pass", ESP_OPT_BOOL, offsetof (rmaxts_options, stop_at_pass), "false", 0, 0, NULL, "",
     "the first rollout that the verifier passes ends the problem", ESP_OPT_FIXED, false},
    {"adopt_steps", ESP_OPT_INT, offsetof (rmaxts_options, adopt_steps), "0", 0, 65535, NULL,
     "steps", "new nodes of one rollout at most; 0 = all its steps", ESP_OPT_FIXED, false},
    ESP_OPTION_END,
};

static esp_err rmaxts_suits (const void *options, const strategy_means *has, esp_error *error)
{
    const rmaxts_options *o = options;
    if ((o->stop_at_pass || o->reward == REWARD_VERIFIED) && !has->verifier)
        return esp_error_set (
            error, ESP_EINVAL,
            "search.%s: asks the verifier, but there is none; add a section verifier",
            o->stop_at_pass ? "stop_at_pass" : "reward");
    return needs_end ("samples", o->samples, has, error);
}

static const rmaxts_options *options_of (const search *s)
{
    return search_strategy_options (s);
}

/* ---- the bandit's tree ---- */

static esp_err add_node (search *s, rmaxts *me, uint32_t parent, node_ref ref, uint32_t *out)
{
    if (me->count == me->cap) {
        uint32_t cap = me->cap ? 2 * me->cap : 64;
        rmaxts_node *grown = search_alloc (s, cap * sizeof (*grown));
        if (!grown)
            return ESP_ENOMEM;
        if (me->count)
            memcpy (grown, me->nodes, me->count * sizeof (*grown));
        me->nodes = grown;
        me->cap = cap;
    }
    if (node_table_reach (s, &me->index, ref) != ESP_OK)
        return ESP_ENOMEM;
    *(uint32_t *)node_table_at (&me->index, ref) = me->count + 1;
    rmaxts_add (me->nodes, me->count, parent, ref);
    *out = me->count++;
    return ESP_OK;
}

/* RMAXTS_NONE = not a node of the bandit. */
static uint32_t place_of (const rmaxts *me, node_ref ref)
{
    const uint32_t *place = node_table_at (&me->index, ref);
    return place && *place ? *place - 1 : RMAXTS_NONE;
}

static uint32_t child_with_text (const search *s, const rmaxts *me, uint32_t parent, span text)
{
    uint32_t c = me->nodes[parent].first_child;
    while (c != RMAXTS_NONE && !span_equal (node_text (search_node (s, me->nodes[c].tag)), text))
        c = me->nodes[c].next_sibling;
    return c;
}

/* The step's score is known when the PRM gave the rollout one per step. */
static esp_err adopt (search *s, rmaxts *me, uint32_t parent, node_ref rollout, span step,
                      const double *score, uint32_t *out)
{
    node_ref made;
    esp_err err = adopt_piece (s, me->nodes[parent].tag, rollout, step, rollout_end (s), &made);
    if (err == ESP_OK && score)
        err = search_adopt_scores (s, made, score, 1);
    return err == ESP_OK ? add_node (s, me, parent, made, out) : err;
}

/* Walk the steps of a rollout down from `at` and make what is not there yet. */
static esp_err adopt_steps (search *s, rmaxts *me, uint32_t at, node_ref rollout, uint32_t *made)
{
    const rmaxts_options *o = options_of (s);
    const node *n = search_node (s, rollout);
    rollout_walk w;
    span step;
    esp_err err = rollout_open (s, rollout, &w);
    bool scored = err == ESP_OK && n->score_own == rollout_count (w);
    *made = 0;
    for (uint32_t i = 0; err == ESP_OK && rollout_next (&w, &step); i++) {
        uint32_t child = child_with_text (s, me, at, step);
        if (w.rest.len == 0 ||
            search_node (s, me->nodes[at].tag)->depth + 1U >= search_max_steps (s))
            break;
        if (child == RMAXTS_NONE) {
            if (o->adopt_steps > 0 && *made == (uint64_t)o->adopt_steps)
                break;
            err = adopt (s, me, at, rollout, step, scored ? &node_scores (n)[i] : NULL, &child);
            *made += err == ESP_OK;
        }
        at = child;
    }
    return err;
}

/* ---- jobs ---- */

static bool verifies (const search *s)
{
    return options_of (s)->stop_at_pass || options_of (s)->reward == REWARD_VERIFIED;
}

static esp_err rmaxts_more (search *s, void *state, uint32_t lane)
{
    rmaxts *me = state;
    const rmaxts_options *o = options_of (s);
    uint32_t at;
    ask job;
    esp_err err;
    if (o->samples > 0 && me->started >= (uint64_t)o->samples)
        return ESP_EEMPTY;
    if ((at = rmaxts_select (me->nodes, o->gamma, NULL)) == RMAXTS_NONE)
        return ESP_EEMPTY;
    job = (ask){.from = me->nodes[at].tag,
                .mode = o->mode == MODE_DRAFT ? ASK_DRAFT : ASK_TO_END,
                .scores = 1,
                .verifier = verifies (s) ? 1 : 0,
                .steers = true,
                .tag = at};
    if ((err = join_affordable (s, lane, &job, 1, NULL)) != ESP_OK)
        return err;
    rmaxts_start (me->nodes, at);
    me->started++;
    return ESP_OK;
}

static esp_err rmaxts_joined (search *s, void *state, join_id id, const item *items, size_t n)
{
    rmaxts *me = state;
    const rmaxts_options *o = options_of (s);
    uint32_t at = (uint32_t)items[0].tag, made;
    bool passed = items[0].verified && node_told (search_node (s, items[0].node)) == VERDICT_PASS;
    esp_err err;
    (void)id;
    (void)n;
    if (!items[0].generated || items[0].dropped) {
        rmaxts_undo (me->nodes, at);
        return ESP_OK;
    }
    err = adopt_steps (s, me, o->mode == MODE_DRAFT ? 0 : at, items[0].node, &made);
    if (err == ESP_OK && search_node (s, items[0].node)->text_len > 0)
        err = node_list_add (s, &me->rollouts, items[0].node);
    if (err != ESP_OK)
        return err;
    rmaxts_finish (me->nodes, at, made > 0 || (passed && o->reward == REWARD_VERIFIED) ? 1.0 : 0.0,
                   o->gamma);
    if (passed && o->stop_at_pass)
        search_finish (s, REASON_ANSWERED);
    return ESP_OK;
}

static esp_err rmaxts_open (search *s, void *state)
{
    rmaxts *me = state;
    uint32_t root;
    me->index.bytes = sizeof (uint32_t);
    return add_node (s, me, RMAXTS_NONE, NODE_ROOT, &root);
}

/* What an observer prunes is closed; a step of a person is a node like others. */
static esp_err rmaxts_command (search *s, void *state, const command *c)
{
    rmaxts *me = state;
    uint32_t at = c->node == NODE_NONE ? RMAXTS_NONE : place_of (me, c->node), made;
    node_ref last;
    if (at == RMAXTS_NONE)
        return ESP_OK;
    if (c->kind == COMMAND_PRUNE)
        me->nodes[at].closed = true;
    last = search_node (s, c->node)->last_child;
    if (c->kind == COMMAND_ADD_STEP && last != NODE_NONE && place_of (me, last) == RMAXTS_NONE &&
        search_node (s, last)->source == SOURCE_HUMAN)
        return add_node (s, me, at, last, &made);
    return ESP_OK;
}

static size_t rmaxts_answers (const search *s, const void *state, node_ref *out, size_t max)
{
    const rmaxts *me = state;
    size_t count = 0;
    for (uint32_t i = 0; i < me->rollouts.count; i++)
        if (!branch_pruned (s, me->rollouts.at[i]) && count++ < max)
            out[count - 1] = me->rollouts.at[i];
    return count;
}

/* Of the jobs at or below the node that came back; both discounted. */
static bool rmaxts_value_of (const search *s, const void *state, node_ref ref, node_value *out)
{
    const rmaxts *me = state;
    uint32_t at = place_of (me, ref);
    (void)s;
    if (at == RMAXTS_NONE)
        return false;
    const rmaxts_arm *a = &me->nodes[at].subtree;
    *out = (node_value){
        .q = a->visits > 0.0 ? a->reward / a->visits : NAN, .visits = a->visits, .prior = NAN};
    return true;
}

static void rmaxts_check (const search *s, const void *state)
{
    const rmaxts *me = state;
    enum finish_reason reason = search_reason (s);
    bool forgets =
        reason == REASON_STOPPED || reason == REASON_ERROR || options_of (s)->stop_at_pass;
    if (me->count > 0 && (reason == REASON_RUNNING || !forgets))
        assert (me->nodes[0].subtree.running == search_open_joins (s, 0));
}

static void rmaxts_most (const void *options, const search_options *core, strategy_most *out)
{
    const rmaxts_options *o = options;
    *out = (strategy_most){0, most_limit (o->samples), true};
    (void)core;
}

const strategy strategy_rmaxts = {
    .name = "rmaxts",
    .semantics = 2,
    .paper = "RMaxTS; Xin et al. 2024, DeepSeek-Prover-V1.5, arXiv:2408.08152",
    .options = rmaxts_rows,
    .option_bytes = sizeof (rmaxts_options),
    .state_bytes = sizeof (rmaxts),
    .suits = rmaxts_suits,
    .most = rmaxts_most,
    .open = rmaxts_open,
    .more = rmaxts_more,
    .joined = rmaxts_joined,
    .command = rmaxts_command,
    .answers = rmaxts_answers,
    .value = rmaxts_value_of,
    .check = rmaxts_check,
};
