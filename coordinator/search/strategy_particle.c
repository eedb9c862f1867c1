/* SPDX-License-Identifier: Apache-2.0 */
/* strategy_particle.c - particle filtering, and particle Gibbs over it
 *
 * Source: Puri et al. 2025 (arXiv:2502.01618); its_hub, algorithms/particle_gibbs.py.  Every unfinished particle makes one step;
 * its log-weight is logit (clip (last PRM score)); all particles, finished ones with their last weight, are
 * resampled by the softmax of the log-weights.  Gibbs: reference particles drawn from the last population enter the next iteration
 * unchanged, finished, and compete with their final weight (as the reference code does, not as its comment says).
 *
 * Draws: inverse CDF over cumulative sums in index order, first c_i > u c_last.
 * Our deviations: a failed step leaves its particle where it was, finished (it can be resampled away).
 */

#include <math.h>
#include <stddef.h>
#include <string.h>
#include "coordinator/search/strategies.h"
#include "coordinator/search/strategy_help.h"
#include "proto/base/alloc.h"
#include "proto/base/fmath.h"

enum selection { SELECT_ARGMAX, SELECT_SAMPLE };

typedef struct particle_options {
    int64_t particles, iterations, references;
    int selection;
    double clip, softmax_temperature;
} particle_options;

typedef struct particle { /* one of the population */
    node_ref node;        /* its last step; NODE_ROOT = empty */
    double log_weight;
    bool stopped, reference;
} particle;

typedef struct population {
    particle *all;        /* in the arena; `particles` of them */
    particle *next;       /* scratch of the resampling */
    uint32_t step;        /* steps made in this iteration */
    uint32_t iteration;   /* Gibbs iterations finished */
    uint32_t chosen;      /* selection: sample */
} population;

static const esp_option particle_rows[] = {
    {"particles", ESP_OPT_INT, offsetof (particle_options, particles), "16", 1, 65536, NULL, "particles",
     "size of the population", ESP_OPT_FIXED, false},
    {"iterations", ESP_OPT_INT, offsetof (particle_options, iterations), "1", 1, 10000, NULL, "iterations",
     "1: particle filter; more: particle Gibbs", ESP_OPT_FIXED, false},
    {"references", ESP_OPT_INT, offsetof (particle_options, references), "1", 0, 65535, NULL, "particles",
     "reference particles carried into the next Gibbs iteration", ESP_OPT_FIXED, false},
    {"selection", ESP_OPT_CHOICE, offsetof (particle_options, selection), "argmax", 0, 0, "argmax|sample", "",
     "the particle that stands first among the candidates", ESP_OPT_FIXED, false},
    {"clip", ESP_OPT_DOUBLE, offsetof (particle_options, clip), "1e-7", 1e-300, 0.5, NULL, "",
     "scores are kept in [clip, 1 - clip] before the logit", ESP_OPT_FIXED, false},
    {"softmax_temperature", ESP_OPT_DOUBLE, offsetof (particle_options, softmax_temperature), "1", 1e-6, 1e6, NULL, "",
     "of the resampling", ESP_OPT_FIXED, false},
    ESP_OPTION_END,
};

static esp_err particle_fit (void *options, esp_error *error)
{
    particle_options *o = options;
    if (o->iterations == 1)
        o->references = 0;
    if (o->references >= o->particles)
        return esp_error_set (error, ESP_EINVAL, "search.references: must be less than search.particles %lld",
                              (long long) o->particles);
    return ESP_OK;
}

static const particle_options *options_of (const search *s)
{
    return search_strategy_options (s);
}

static double log_weight_of (double score, double clip)
{
    double p = isnan (score) || score < clip ? clip : score > 1.0 - clip ? 1.0 - clip : score;
    return esp_logit (p);
}

/* exp (l - max) / sum; weights has room for n. */
static void softmax (const particle *all, size_t n, double temperature, double *weights)
{
    double most = all[0].log_weight, sum = 0.0;
    for (size_t i = 1; i < n; i++)
        most = all[i].log_weight > most ? all[i].log_weight : most;
    for (size_t i = 0; i < n; i++)
        sum += weights[i] = esp_exp ((all[i].log_weight - most) / temperature);
    for (size_t i = 0; i < n; i++)
        weights[i] /= sum;
}

static size_t draw_index (search *s, const double *weights, size_t n)
{
    double total = 0.0, reached = 0.0, u = search_draw (s, 0);
    for (size_t i = 0; i < n; i++)
        total += weights[i];
    for (size_t i = 0; i < n; i++) {
        reached += weights[i];
        if (reached > u * total)
            return i;
    }
    return n - 1;
}

/* ---- one step of every unfinished particle ---- */

static esp_err ask_steps (search *s, population *me)
{
    size_t n = (size_t) options_of (s)->particles, count = 0;
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

static esp_err start_iteration (search *s, population *me)
{
    const particle_options *o = options_of (s);
    size_t references = me->iteration ? (size_t) o->references : 0;
    me->step = 0;
    for (size_t i = 0; i + references < (size_t) o->particles; i++)
        me->all[i] = (particle){.node = NODE_ROOT};
    return ask_steps (s, me);
}

static esp_err particle_open (search *s, void *state)
{
    population *me = state;
    size_t bytes = (size_t) options_of (s)->particles * sizeof (particle);
    me->all = search_alloc (s, bytes);
    me->next = search_alloc (s, bytes);
    return me->all && me->next ? start_iteration (s, me) : ESP_ENOMEM;
}

static esp_err take_steps (search *s, population *me, const item *items, size_t n)
{
    const particle_options *o = options_of (s);
    bool *heard = esp_calloc ((size_t) o->particles, sizeof (*heard));
    if (!heard)
        return ESP_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        particle *p = &me->all[items[i].tag];
        if (!items[i].generated || items[i].failed || items[i].dropped) {
            p->stopped = true;
            continue;
        }
        heard[items[i].tag] = true;
        p->node = items[i].node;
        p->log_weight = log_weight_of (items[i].last, o->clip);
        p->stopped = node_ended (search_node (s, p->node)) || search_node (s, p->node)->text_len == 0 ||
                     search_node (s, p->node)->depth > search_max_steps (s);
    }
    for (int64_t i = 0; i < o->particles; i++)
        me->all[i].stopped = me->all[i].stopped || !heard[i]; /* not paid for: it stays where it is */
    esp_free (heard);
    return ESP_OK;
}

/* ---- resampling ---- */

/* A copy of a reference that is ahead of the population is cut to its present length and goes on. */
static particle copy_of (const search *s, const population *me, const particle *from)
{
    particle p = *from;
    const node *n = search_node (s, p.node);
    p.reference = false;
    if (!from->reference || n->depth <= me->step)
        return p;
    while (n->depth > me->step) {
        p.node = n->parent;
        n = search_node (s, p.node);
    }
    p.log_weight = log_weight_of (node_last_score (n), options_of (s)->clip);
    p.stopped = false;
    return p;
}

static esp_err resample (search *s, population *me)
{
    const particle_options *o = options_of (s);
    size_t n = (size_t) o->particles, references = me->iteration ? (size_t) o->references : 0;
    double *weights = esp_reallocarray (NULL, n, sizeof (*weights));
    if (!weights)
        return ESP_ENOMEM;
    softmax (me->all, n, o->softmax_temperature, weights);
    for (size_t i = 0; i + references < n; i++)
        me->next[i] = copy_of (s, me, &me->all[draw_index (s, weights, n)]);
    memcpy (me->next + n - references, me->all + n - references, references * sizeof (particle));
    memcpy (me->all, me->next, n * sizeof (particle));
    esp_free (weights);
    return ESP_OK;
}

/* The references of the next Gibbs iteration, at the end of the array. */
static esp_err draw_references (search *s, population *me)
{
    const particle_options *o = options_of (s);
    size_t n = (size_t) o->particles, references = (size_t) o->references;
    double *weights = esp_reallocarray (NULL, n, sizeof (*weights));
    if (!weights)
        return ESP_ENOMEM;
    softmax (me->all, n, 1.0, weights);
    for (size_t i = 0; i < references; i++) {
        me->next[i] = me->all[draw_index (s, weights, n)];
        me->next[i].reference = me->next[i].stopped = true;
    }
    if ((int64_t) me->iteration + 1 < o->iterations)
        memcpy (me->all + n - references, me->next, references * sizeof (particle));
    esp_free (weights);
    return ESP_OK;
}

static esp_err choose (search *s, population *me)
{
    size_t n = (size_t) options_of (s)->particles;
    double *weights = esp_reallocarray (NULL, n, sizeof (*weights));
    if (!weights)
        return ESP_ENOMEM;
    softmax (me->all, n, 1.0, weights);
    if (options_of (s)->selection == SELECT_SAMPLE) {
        me->chosen = (uint32_t) draw_index (s, weights, n);
    } else {
        for (size_t i = 1; i < n; i++)
            if (me->all[i].log_weight > me->all[me->chosen].log_weight)
                me->chosen = (uint32_t) i;
    }
    esp_free (weights);
    return ESP_OK;
}

static bool all_stopped (const search *s, const population *me)
{
    for (int64_t i = 0; i < options_of (s)->particles; i++)
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
    if (++me->iteration < (uint32_t) o->iterations)
        return start_iteration (s, me);
    if ((err = choose (s, me)) == ESP_OK)
        search_finish (s, REASON_ANSWERED);
    return err;
}

static esp_err particle_joined (search *s, void *state, join_id id, const item *items, size_t n)
{
    population *me = state;
    esp_err err;
    (void) id;
    me->step++;
    if ((err = take_steps (s, me, items, n)) != ESP_OK || (err = resample (s, me)) != ESP_OK)
        return err;
    return all_stopped (s, me) ? end_iteration (s, me) : ask_steps (s, me);
}

/* The chosen particle, then all in their order; unfinished ones are no answers. */
static size_t particle_answers (const search *s, const void *state, node_ref *out, size_t max)
{
    const population *me = state;
    size_t count = 0, n = me->all ? (size_t) options_of (s)->particles : 0;
    for (size_t i = 0; i < n; i++) {
        node_ref ref = me->all[i].node;
        if (ref != NODE_ROOT && me->all[i].stopped && node_ended (search_node (s, ref)) && count++ < max)
            out[count - 1] = ref;
    }
    return count;
}

const strategy strategy_particle = {
    .name = "particle",
    .semantics = 1,
    .paper = "particle filtering and particle Gibbs; Puri et al. 2025, arXiv:2502.01618",
    .options = particle_rows,
    .option_bytes = sizeof (particle_options),
    .state_bytes = sizeof (population),
    .fit = particle_fit,
    .open = particle_open,
    .joined = particle_joined,
    .answers = particle_answers,
};
