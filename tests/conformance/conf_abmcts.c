/* SPDX-License-Identifier: Apache-2.0 */
/* conf_abmcts.c - tq_abmcts_a, tq_posteriors (3.10) */

#include <stdio.h>
#include <string.h>
#include "coordinator/search/posterior.h"
#include "proto/base/alloc.h"
#include "proto/base/hash.h"
#include "tests/conformance/conf.h"
#include "tests/conformance/tree_trace.h"

typedef struct priors {
    bool beta;
    gaussian_belief gaussian;
    beta_belief fractions;
} priors;

static gaussian_belief read_gaussian (outcome *o, const json_t *prior)
{
    return (gaussian_belief){
        golden_number (o, prior, "m", 0.0), golden_number (o, prior, "kappa", 1.0),
        golden_number (o, prior, "nu", 1.0), golden_number (o, prior, "tau_square", 0.1)};
}

static beta_belief read_beta (outcome *o, const json_t *prior)
{
    return (beta_belief){golden_number (o, prior, "a", 0.5), golden_number (o, prior, "b", 0.5)};
}

static bool gaussian_agrees (outcome *o, const char *where, const json_t *want, gaussian_belief got)
{
    if (!json_is_object (want))
        outcome_fail (o, "malformed: %s is missing", where);
    return !o->failed && compare_near (o, where, json_object_get (want, "m"), got.m) &&
           compare_near (o, where, json_object_get (want, "kappa"), got.kappa) &&
           compare_near (o, where, json_object_get (want, "nu"), got.nu) &&
           compare_near (o, where, json_object_get (want, "tau_square"), got.tau_square);
}

static bool beta_agrees (outcome *o, const char *where, const json_t *want, beta_belief got)
{
    if (!json_is_object (want))
        outcome_fail (o, "malformed: %s is missing", where);
    return !o->failed && compare_near (o, where, json_object_get (want, "a"), got.a) &&
           compare_near (o, where, json_object_get (want, "b"), got.b);
}

static bool belief_agrees (outcome *o, const char *where, const json_t *want, const priors *p,
                           const moments *seen)
{
    return p->beta ? beta_agrees (o, where, want, beta_update (p->fractions, seen))
                   : gaussian_agrees (o, where, want, gaussian_update (p->gaussian, seen));
}

/* ---- posteriors alone ---- */

void conf_posteriors (const golden_case *c, outcome *o)
{
    const json_t *list = golden_need_array (o, c->body, "observations"), *one;
    moments seen = {0};
    size_t i;
    json_array_foreach (list, i, one) moments_add (&seen, json_number_value (one));
    if (!o->failed)
        gaussian_agrees (
            o, "gaussian", json_object_get (c->body, "gaussian"),
            gaussian_update (read_gaussian (o, golden_object (o, c->body, "prior")), &seen));
    if (!o->failed)
        beta_agrees (o, "beta", json_object_get (c->body, "beta"),
                     beta_update (read_beta (o, golden_object (o, c->body, "beta_prior")), &seen));
}

/* ---- what the tree of a run says about each node ---- */

typedef struct beliefs {
    driver *d;
    const tree_actions *actions;
    priors priors;
    moments *below; /* owned; by node: rewards below it */
} beliefs;

static double reward (const beliefs *b, node_ref ref)
{
    return search_node (driver_search (b->d), ref)->score;
}

static moments subtree (const beliefs *b, node_ref ref)
{
    moments all = {0};
    moments_add (&all, reward (b, ref));
    moments_join (&all, &b->below[ref]);
    return all;
}

static bool read_below (outcome *o, beliefs *b)
{
    const search *s = driver_search (b->d);
    uint32_t size = tree_size (search_tree (s));
    if (!(b->below = esp_calloc (size, sizeof (*b->below)))) {
        outcome_fail (o, "out of memory");
        return false;
    }
    for (node_ref r = size - 1; r > NODE_ROOT; r--) {
        moments all = subtree (b, r);
        moments_join (&b->below[search_node (s, r)->parent], &all);
    }
    return true;
}

/* The rewards at a node of one action (or of all: actions->count): of the children made, and below them. */
static void read_arm (const beliefs *b, node_ref at, size_t action, moments *made, moments *deeper)
{
    const search *s = driver_search (b->d);
    *made = *deeper = (moments){0};
    for (node_ref c = search_node (s, at)->first_child; c != NODE_NONE;
         c = search_node (s, c)->next_sibling) {
        if (action != b->actions->count && search_node (s, c)->action != action)
            continue;
        moments_add (made, reward (b, c));
        moments_join (deeper, &b->below[c]);
    }
}

/* Children are named by their position under the parent. */
static bool
children_agree (outcome *o, const beliefs *b, node_ref at, const json_t *want, size_t action)
{
    const search *s = driver_search (b->d);
    size_t place = 0, found = 0;
    char name[24], where[60];
    for (node_ref c = search_node (s, at)->first_child; c != NODE_NONE;
         c = search_node (s, c)->next_sibling, place++) {
        moments all = subtree (b, c);
        node_value value;
        if (action != b->actions->count && search_node (s, c)->action != action)
            continue;
        snprintf (name, sizeof (name), "%zu", place);
        snprintf (where, sizeof (where), "posteriors of node %u, child %zu", at, place);
        if (!belief_agrees (o, where, json_object_get (want, name), &b->priors, &all))
            return false;
        if (!search_value (s, c, &value) || value.visits != all.count ||
            value.q - all.mean > 1e-12 || all.mean - value.q > 1e-12) {
            outcome_fail (o, "%s: the strategy itself believes something else", where);
            return false;
        }
        found++;
    }
    return compare_size (o, "children with a posterior", json_object_size (want), found);
}

static bool
action_agrees (outcome *o, const beliefs *b, node_ref at, const json_t *entry, size_t action)
{
    const char *name = b->actions->names[action];
    const json_t *gen_cont = json_object_get (golden_object (o, entry, "gen_cont"), name);
    moments made, deeper, all;
    char where[60];
    read_arm (b, at, action, &made, &deeper);
    all = made;
    moments_join (&all, &deeper);
    snprintf (where, sizeof (where), "posteriors of node %u, action %zu", at, action);
    if (!belief_agrees (o, where, json_object_get (golden_object (o, entry, "actions"), name),
                        &b->priors, &all))
        return false;
    return !gen_cont ||
           (belief_agrees (o, where, json_object_get (gen_cont, "GEN"), &b->priors, &made) &&
            belief_agrees (o, where, json_object_get (gen_cont, "CONT"), &b->priors, &deeper) &&
            children_agree (o, b, at, json_object_get (golden_object (o, entry, "children"), name),
                            action));
}

static bool node_agrees (outcome *o, const beliefs *b, const json_t *entry)
{
    size_t n, every = b->actions->count;
    const request *all = driver_requests (b->d, &n);
    int64_t number = golden_need_int (o, entry, "node");
    node_ref at = NODE_ROOT;
    moments made, deeper;
    if (o->failed || number < -1 || number >= (int64_t)n) {
        outcome_fail (o, "malformed: posteriors of a node that is not there");
        return false;
    }
    if (number >= 0)
        at = all[number].node;
    for (size_t a = 0; a < every; a++)
        if (!action_agrees (o, b, at, entry, a))
            return false;
    read_arm (b, at, every, &made, &deeper);
    return golden_has (entry, "gen_cont") ||
           (belief_agrees (o, "gen", json_object_get (entry, "gen"), &b->priors, &made) &&
            belief_agrees (o, "cont", json_object_get (entry, "cont"), &b->priors, &deeper) &&
            children_agree (o, b, at, json_object_get (entry, "children"), every));
}

/* ---- the search ---- */

/* The next draw after the run is the one that follows draws_so_far of the last row. */
static bool draws_agree (const golden_case *c, outcome *o, const char *key, driver *d)
{
    const json_t *trace = golden_trace (c, o),
                 *last = json_array_get (trace, json_array_size (trace) - 1);
    char number[24];
    snprintf (number, sizeof (number), "%lld", (long long)golden_int (o, last, "draws_so_far", 0));
    if (search_draw_at (driver_search (d), 0, 0) !=
        esp_unit_joined ((span[]){span_of ("draw"), span_of (key), span_of (number)}, 3))
        outcome_fail (o, "not %s draws were made in all", number);
    return !o->failed;
}

static void run_agrees (const golden_case *c, outcome *o, const char *key, beliefs *b)
{
    const json_t *list = golden_array (o, golden_object (o, c->body, "results"), "posteriors"),
                 *entry;
    size_t i;
    if (!tree_trace_compare (c, o, b->d, b->actions) || !tree_best_compare (c, o, b->d) ||
        !draws_agree (c, o, key, b->d) || !read_below (o, b))
        return;
    json_array_foreach (list, i, entry) if (!node_agrees (o, b, entry)) return;
}

void conf_abmcts (const golden_case *c, outcome *o)
{
    const json_t *params = golden_params (c, o), *prior = golden_object (o, params, "prior");
    const char *dist = golden_need_text (o, params, "dist"),
               *how = golden_need_text (o, params, "strategy"),
               *key = golden_need_text (o, params, "draws_key");
    tree_actions actions;
    beliefs b = {.actions = &actions};
    driver_hook hook = {0};
    if (!tree_actions_read (c, o, &actions))
        return;
    b.priors = (priors){strcmp (dist, "beta") == 0, read_gaussian (o, prior), read_beta (o, prior)};
    hook.world = (fake_world){.actions = actions.names, .action_count = actions.count};
    if (!o->failed)
        b.d = golden_search (
            c, o, &hook,
            "strategy: ab_mcts, distribution: %.20s, selection: %.40s, actions: %zu, samples: "
            "%lld, draw: affine, "
            "spread: %.17g, draws: 'draw|%.100s', max_steps: 1000, prior.m: %.17g, prior.kappa: "
            "%.17g, "
            "prior.nu: %.17g, prior.tau_square: %.17g, prior.a: %.17g, prior.b: %.17g",
            dist, how, actions.count, (long long)golden_need_int (o, params, "steps"),
            golden_number (o, params, "spread", 4.0), key, b.priors.gaussian.m,
            b.priors.gaussian.kappa, b.priors.gaussian.nu, b.priors.gaussian.tau_square,
            b.priors.fractions.a, b.priors.fractions.b);
    if (b.d)
        run_agrees (c, o, key, &b);
    driver_close (b.d);
    esp_free (b.below);
}
