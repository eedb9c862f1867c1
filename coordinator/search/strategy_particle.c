/* SPDX-License-Identifier: Apache-2.0 */
/* strategy_particle.c - particle filtering, and particle Gibbs over it
 *
 * Source: Puri et al. 2025 (arXiv:2502.01618); its_hub, algorithms/particle_gibbs.py.  Every
 * unfinished particle makes one step and gets the log-weight of its last PRM score; all particles,
 * finished ones with their last weight, are resampled by the softmax of the log-weights
 * (particle_weight.h).  Gibbs: reference particles drawn from the last population enter the next
 * iteration unchanged, finished, and compete with their final weight (as the reference code does,
 * not as its comment says); a copy of one is cut to the population's step and goes on.
 *
 * A particle ends with its answer, or with the step after search.max_steps of them (its_hub's
 * count: max_steps + 1 in all).
 *
 * Our deviations: a step that failed, that was pruned or that could not be paid ends its particle
 * where it was; it can be resampled away.  Particles without an answer are no candidates.  The
 * chosen particle stands first among the candidates, the others follow in their order.
 */

#include <math.h>
#include <stddef.h>
#include <string.h>
#include "coordinator/search/aggregate.h"
#include "coordinator/search/particle_weight.h"
#include "coordinator/search/strategies.h"
#include "coordinator/search/strategy_help.h"
#include "proto/base/alloc.h"

enum selection { SELECT_ARGMAX, SELECT_SAMPLE };

typedef struct particle_options {
    int64_t particles, iterations, references;
    int selection;
    double clip, softmax_temperature;
} particle_options;

typedef struct particle { /* one of the population */
    node_ref node;        /* its last step; NODE_ROOT = empty */
    bool stopped, reference;
} particle;

typedef struct population {
    particle *all;                 /* in the arena; `particles` of them, references at the end */
    particle *next;                /* scratch of the resampling */
    double *log_weights, *weights; /* in the arena; by particle */
    uint32_t step;                 /* steps made in this iteration */
    uint32_t iteration;            /* Gibbs iterations finished */
    uint32_t chosen;               /* the answer, once the last iteration is over */
} population;

static const esp_option particle_rows[] = {
    {"particles", ESP_OPT_INT, offsetof (particle_options, particles), "16", 1, 65536, NULL,
     "particles", "size of the population", ESP_OPT_FIXED, false},
    {"iterations", ESP_OPT_INT, offsetof (particle_options, iterations), "1", 1, 10000, NULL,
     "iterations", "1: particle filter; more: particle Gibbs", ESP_OPT_FIXED, false},
    {"references", ESP_OPT_INT, offsetof (particle_options, references), "1", 0, 65535, NULL,
     "particles", "reference particles carried into the next Gibbs iteration", ESP_OPT_FIXED,
     false},
    {"selection", ESP_OPT_CHOICE, offsetof (particle_options, selection), "argmax", 0, 0,
     "argmax|sample", "", "the particle that stands first among the candidates", ESP_OPT_FIXED,
     false},
    {"clip", ESP_OPT_DOUBLE, offsetof (particle_options, clip), "1e-7", 1e-300, 0.5, NULL, "",
     "scores are kept in [clip, 1 - clip] before the logit", ESP_OPT_FIXED, false},
    {"softmax_temperature", ESP_OPT_DOUBLE, offsetof (particle_options, softmax_temperature), "1",
     1e-6, 1e6, NULL, "", "of the resampling", ESP_OPT_FIXED, false},
    ESP_OPTION_END,
};

static esp_err particle_fit (void *options, esp_error *error)
{
    particle_options *o = options;
    if (o->iterations == 1)
        o->references = 0;
    if (o->references >= o->particles)
        return esp_error_set (error, ESP_EINVAL,
                              "search.references: must be less than search.particles %lld",
                              (long long)o->particles);
    return ESP_OK;
}

static esp_err particle_suits (const void *options, const strategy_means *has, esp_error *error)
{
    const particle_options *o = options;
    return needs_level (o->particles, has, error);
}

static const particle_options *options_of (const search *s)
{
    return search_strategy_options (s);
}

static size_t population_size (const search *s)
{
    return (size_t)options_of (s)->particles;
}

static size_t references_now (const search *s, const population *me)
{
    return me->iteration ? (size_t)options_of (s)->references : 0;
}

/* The weight of the particle's last step; an empty one has none and counts as the worst. */
static double log_weight_of (const search *s, node_ref ref)
{
    return particle_log_weight (node_last_score (search_node (s, ref)), options_of (s)->clip);
}

/* weights = softmax of all log-weights as they stand. */
static void weigh (const search *s, population *me, double temperature)
{
    particle_softmax (me->log_weights, population_size (s), temperature, me->weights);
}

static size_t draw_particle (search *s, const population *me)
{
    return particle_draw (me->weights, population_size (s), search_draw (s, 0));
}

/* ---- one step of every unfinished particle ---- */

static esp_err ask_steps (search *s, population *me)
{
    size_t n = population_size (s), count = 0;
    ask *asks = esp_calloc (n, sizeof (*asks));
    esp_err err;
    if (!asks)
        return ESP_ENOMEM;
    for (size_t i = 0; i < n; i++)
        if (!me->all[i].stopped)
            asks[count++] = (ask){.from = me->all[i].node, .mode = ASK_STEP, .scores = 1, .tag = i};
    err = join_affordable (s, 0, asks, count, NULL);
    esp_free (asks);
    return err;
}

/* All but the references start anew.  When not one step can be paid the population stays as it is. */
static esp_err start_iteration (search *s, population *me)
{
    const ask first = {.from = NODE_ROOT, .mode = ASK_STEP, .scores = 1};
    if (search_affordable (s, 0, &first, 1) == 0)
        return join_affordable (s, 0, &first, 1, NULL); /* refused: the core notes it */
    me->step = 0;
    for (size_t i = 0; i + references_now (s, me) < population_size (s); i++) {
        me->all[i] = (particle){.node = NODE_ROOT};
        me->log_weights[i] = log_weight_of (s, NODE_ROOT);
    }
    return ask_steps (s, me);
}

static esp_err particle_open (search *s, void *state)
{
    population *me = state;
    size_t n = population_size (s);
    me->all = search_alloc (s, n * sizeof (*me->all));
    me->next = search_alloc (s, n * sizeof (*me->next));
    me->log_weights = search_alloc (s, n * sizeof (*me->log_weights));
    me->weights = search_alloc (s, n * sizeof (*me->weights));
    return me->all && me->next && me->log_weights && me->weights ? start_iteration (s, me)
                                                                 : ESP_ENOMEM;
}

static bool has_ended (const search *s, node_ref ref)
{
    const node *n = search_node (s, ref);
    return node_ended (n) || n->text_len == 0 || n->depth > search_max_steps (s);
}

/* Everyone who was asked and not heard of stays where it is, stopped. */
static void take_steps (const search *s, population *me, const item *items, size_t n)
{
    for (size_t i = 0; i < population_size (s); i++)
        me->all[i].stopped = true;
    for (size_t i = 0; i < n; i++) {
        particle *p = &me->all[items[i].tag];
        if (!items[i].generated || items[i].failed || items[i].dropped)
            continue;
        p->node = items[i].node;
        p->stopped = has_ended (s, p->node);
        me->log_weights[items[i].tag] = particle_log_weight (items[i].last, options_of (s)->clip);
    }
}

/* ---- resampling ---- */

/* A copy of a reference that is ahead of the population is cut to its present length and goes on. */
static particle copy_of (const search *s, const population *me, const particle *from)
{
    particle p = *from;
    p.reference = false;
    while (from->reference && search_node (s, p.node)->depth > me->step) {
        p.node = search_node (s, p.node)->parent;
        p.stopped = false;
    }
    return p;
}

static esp_err resample (search *s, population *me)
{
    size_t n = population_size (s), references = references_now (s, me);
    double *moved = esp_reallocarray (NULL, n, sizeof (*moved));
    if (!moved)
        return ESP_ENOMEM;
    weigh (s, me, options_of (s)->softmax_temperature);
    for (size_t i = 0; i < n - references; i++) {
        size_t from = draw_particle (s, me);
        me->next[i] = copy_of (s, me, &me->all[from]);
        moved[i] = me->next[i].node == me->all[from].node ? me->log_weights[from]
                                                          : log_weight_of (s, me->next[i].node);
    }
    memcpy (me->all, me->next, (n - references) * sizeof (particle));
    memcpy (me->log_weights, moved, (n - references) * sizeof (*moved));
    esp_free (moved);
    return ESP_OK;
}

/* The references of the next Gibbs iteration, at the end of the array; drawn in the last one too, so
 * that the draws that follow are the reference's. */
static esp_err draw_references (search *s, population *me)
{
    size_t references = (size_t)options_of (s)->references;
    size_t first = population_size (s) - references;
    double *moved = esp_reallocarray (NULL, references + 1, sizeof (*moved));
    if (!moved)
        return ESP_ENOMEM;
    weigh (s, me, 1.0);
    for (size_t i = 0; i < references; i++) {
        size_t from = draw_particle (s, me);
        me->next[i] = (particle){me->all[from].node, true, true};
        moved[i] = me->log_weights[from];
    }
    if ((int64_t)me->iteration + 1 < options_of (s)->iterations) {
        memcpy (me->all + first, me->next, references * sizeof (particle));
        memcpy (me->log_weights + first, moved, references * sizeof (*moved));
    }
    esp_free (moved);
    return ESP_OK;
}

/* ---- the end ---- */

static void choose (search *s, population *me)
{
    weigh (s, me, 1.0);
    if (options_of (s)->selection == SELECT_SAMPLE)
        me->chosen = (uint32_t)draw_particle (s, me);
    else
        me->chosen = (uint32_t)argmax_first (me->log_weights, population_size (s));
}

static bool all_stopped (const search *s, const population *me)
{
    for (size_t i = 0; i < population_size (s); i++)
        if (!me->all[i].stopped)
            return false;
    return true;
}

static esp_err end_iteration (search *s, population *me)
{
    const particle_options *o = options_of (s);
    esp_err err = o->references > 0 ? draw_references (s, me) : ESP_OK;
    if (err != ESP_OK)
        return err;
    if (++me->iteration < (uint32_t)o->iterations)
        return start_iteration (s, me);
    choose (s, me);
    search_finish (s, REASON_ANSWERED);
    return ESP_OK;
}

static esp_err particle_joined (search *s, void *state, join_id id, const item *items, size_t n)
{
    population *me = state;
    esp_err err;
    (void)id;
    me->step++;
    take_steps (s, me, items, n);
    if ((err = resample (s, me)) != ESP_OK)
        return err;
    return all_stopped (s, me) ? end_iteration (s, me) : ask_steps (s, me);
}

static size_t
add_answer (const search *s, const particle *p, node_ref *out, size_t count, size_t max)
{
    if (p->node == NODE_ROOT || !p->stopped || !node_ended (search_node (s, p->node)))
        return count;
    if (count < max)
        out[count] = p->node;
    return count + 1;
}

static size_t particle_answers (const search *s, const void *state, node_ref *out, size_t max)
{
    const population *me = state;
    size_t n = me->weights ? population_size (s) : 0;
    size_t count = n ? add_answer (s, &me->all[me->chosen], out, 0, max) : 0;
    for (size_t i = 0; i < n; i++)
        if (i != me->chosen)
            count = add_answer (s, &me->all[i], out, count, max);
    return count;
}

static void particle_most (const void *options, const search_options *core, strategy_most *out)
{
    const particle_options *o = options;
    out->steps = most_times (most_times ((uint64_t)o->particles, (uint64_t)o->iterations),
                             (uint64_t)core->max_steps + 1);
}

const strategy strategy_particle = {
    .name = "particle",
    .semantics = 1,
    .paper = "particle filtering and particle Gibbs; Puri et al. 2025, arXiv:2502.01618",
    .options = particle_rows,
    .option_bytes = sizeof (particle_options),
    .state_bytes = sizeof (population),
    .fit = particle_fit,
    .suits = particle_suits,
    .most = particle_most,
    .open = particle_open,
    .joined = particle_joined,
    .answers = particle_answers,
};
