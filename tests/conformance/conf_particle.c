/* SPDX-License-Identifier: Apache-2.0 */
/* conf_particle.c - its_particle (3.6)
 *
 * A wave of requests is a step of all unfinished particles.  The population is followed through the trace: what the search really
 * did with it shows in the nodes that the next wave expands, and in the answers.
 */

#include <stdio.h>
#include <string.h>
#include "coordinator/search/aggregate.h"
#include "coordinator/search/particle_weight.h"
#include "proto/base/alloc.h"
#include "proto/base/hash.h"
#include "tests/conformance/compare.h"
#include "tests/conformance/conf.h"

enum { PARTICLES_MOST = 65536 };

typedef struct run {
    const golden_case *c;
    driver *d;
    double clip;
    const char *key; /* of the uniforms */
    size_t n, references, draws;
    node_ref *at, *next;           /* owned; population */
    double *log_weights, *weights; /* owned; of `at` */
} run;

static double log_weight (const run *r, node_ref ref)
{
    size_t count;
    const double *scores = driver_scores (r->d, ref, &count);
    return particle_log_weight (count ? scores[count - 1] : 0.0, r->clip);
}

/* its_hub's rule; README 3.5. */
static bool stopped (const run *r, node_ref ref)
{
    const node *n = search_node (driver_search (r->d), ref);
    return node_ended (n) || n->depth > search_max_steps (driver_search (r->d));
}

static span shown (const run *r, node_ref ref)
{
    span text = driver_text (r->d, ref);
    return span_ends (text, "\n\n") ? span_make (text.ptr, text.len - 2) : text;
}

static void weigh (run *r)
{
    for (size_t i = 0; i < r->n; i++)
        r->log_weights[i] = log_weight (r, r->at[i]);
    particle_softmax (r->log_weights, r->n, 1.0, r->weights);
}

/* Draw `count` indices; the file's uniforms must be the search's own, in their order. */
static bool compare_draws (outcome *o, run *r, const char *where, const json_t *uniforms,
                           const json_t *picked, uint32_t *out, size_t count)
{
    char number[24];
    for (size_t i = 0; i < count; i++) {
        double u;
        snprintf (number, sizeof (number), "%zu", r->draws++);
        u = esp_unit_joined ((span[]){span_of ("u"), span_of (r->key), span_of (number)}, 3);
        if (!compare_exact (o, where, json_array_get (uniforms, i), u))
            return false;
        out[i] = (uint32_t)particle_draw (r->weights, r->n, u);
    }
    return (!uniforms || compare_size (o, where, json_array_size (uniforms), count)) &&
           compare_indices (o, where, picked, out, count);
}

/* ---- one step ---- */

/* Put the answers of the wave into the population; every particle as the file shows it. */
static bool take_wave (outcome *o, run *r, const json_t *entry, uint32_t wave, bool *fresh)
{
    const json_t *want = golden_need_array (o, entry, "particles"), *one;
    char where[80];
    size_t n, used = 0;
    const request *asked = driver_wave (r->d, wave, &n);
    snprintf (where, sizeof (where), "step %u", wave);
    if (!compare_requests (o, where, golden_need_array (o, entry, "ask"), r->d, asked, n) ||
        !compare_size (o, where, json_array_size (want), r->n))
        return false;
    for (size_t i = 0; i < r->n; i++) {
        snprintf (where, sizeof (where), "step %u, particle %zu", wave, i);
        if (!(one = golden_entry (o, want, i)))
            return false;
        if (fresh[i]) { /* unfinished before this step */
            if (used == n || asked[used].planned.node != r->at[i]) {
                outcome_fail (o, "%s: it was not asked", where);
                return false;
            }
            r->at[i] = asked[used++].node;
        }
        if (golden_bool (o, one, "stopped", stopped (r, r->at[i])) != stopped (r, r->at[i]))
            outcome_fail (o, "%s: stopped is %d", where, stopped (r, r->at[i]));
        if (o->failed ||
            !compare_text (o, where, json_object_get (one, "text"), shown (r, r->at[i])) ||
            !compare_sha256 (o, where, json_object_get (one, "text_sha256"), shown (r, r->at[i])) ||
            !compare_near (o, where, json_object_get (one, "log_weight"), log_weight (r, r->at[i])))
            return false;
    }
    return compare_size (o, where, used, n);
}

static bool compare_weights (outcome *o, run *r, const json_t *want)
{
    weigh (r);
    for (size_t i = 0; want && i < r->n; i++)
        if (!compare_near (o, "weight", json_array_get (want, i), r->weights[i]))
            return false;
    return true;
}

/* The population after the draws; a copy of a reference is cut to `step` steps. */
static bool
move (outcome *o, run *r, const json_t *entry, size_t references, uint32_t step, bool *fresh)
{
    const search *s = driver_search (r->d);
    size_t count = r->n - references;
    uint32_t *from = esp_calloc (r->n, sizeof (*from));
    bool same = from && compare_draws (o, r, "ancestors", golden_array (o, entry, "uniforms"),
                                       golden_array (o, entry, "ancestors"), from, count);
    for (size_t i = 0; same && i < r->n; i++) {
        node_ref ref = i < count ? r->at[from[i]] : r->at[i];
        bool copy = i < count && from[i] >= count && search_node (s, ref)->depth > step;
        while (i < count && from[i] >= count && search_node (s, ref)->depth > step)
            ref = search_node (s, ref)->parent;
        r->next[i] = ref;
        fresh[i] = copy || !stopped (r, ref);
    }
    if (same)
        memcpy (r->at, r->next, r->n * sizeof (*r->at));
    esp_free (from);
    return same;
}

/* ---- between two Gibbs iterations ---- */

/* References are drawn after every iteration; the population starts anew around them. */
static bool restart (outcome *o, run *r, const json_t *draw, bool *fresh)
{
    uint32_t *picked = esp_calloc (r->references + 1, sizeof (*picked));
    bool same = picked != NULL;
    weigh (r);
    same = same && compare_draws (o, r, "reference_draw", golden_array (o, draw, "uniforms"),
                                  golden_array (o, draw, "picked"), picked, r->references);
    for (size_t i = 0; same && i < r->n; i++) {
        size_t first = r->n - r->references;
        r->next[i] = i < first ? NODE_ROOT : r->at[picked[i - first]];
        fresh[i] = i < first;
    }
    esp_free (picked);
    return same;
}

static bool compare_steps (outcome *o, run *r, const json_t *trace, bool *fresh)
{
    const json_t *entry;
    size_t i;
    int64_t iteration = 0;
    uint32_t step = 0;
    json_array_foreach (trace, i, entry)
    {
        const json_t *next = json_array_get (trace, i + 1);
        size_t references = iteration > 0 ? r->references : 0;
        if (i >= driver_waves (r->d)) {
            outcome_fail (o, "step %zu: nothing was asked", i);
            return false;
        }
        if (!take_wave (o, r, entry, (uint32_t)i, fresh) ||
            !compare_weights (o, r, golden_array (o, entry, "weights")) ||
            !move (o, r, entry, references, ++step, fresh))
            return false;
        if (next && golden_int (o, next, "gibbs_iteration", 0) == iteration)
            continue;
        if (r->references && !restart (o, r, golden_object (o, entry, "reference_draw"), fresh))
            return false;
        if (next && r->references)
            memcpy (r->at, r->next, r->n * sizeof (*r->at));
        iteration++;
        step = 0;
    }
    return compare_size (o, "steps", json_array_size (trace), driver_waves (r->d));
}

/* ---- results ---- */

/* The chosen particle stands first among the answers, the others follow in their order. */
static bool compare_answers (outcome *o, run *r, size_t selected)
{
    size_t count, at = 1;
    const node_ref *refs = driver_answers (r->d, &count);
    for (size_t i = 0; i < r->n; i++) {
        bool answer = node_ended (search_node (driver_search (r->d), r->at[i]));
        if (!answer) { /* our deviation: no candidate */
            outcome_tolerate (o, "stopped_by_max_steps_without_answer");
            at -= i == selected; /* the chosen one is none: the first answer is another one */
            continue;
        }
        if ((i == selected ? 0 : at++) >= count || refs[i == selected ? 0 : at - 1] != r->at[i]) {
            outcome_fail (o, "answers: not those of the last population");
            return false;
        }
    }
    return compare_size (o, "answers", at, count);
}

static bool compare_final (outcome *o, run *r, const json_t *found, bool sample)
{
    const json_t *draw = golden_object (o, found, "final_draw"),
                 *texts = golden_array (o, found, "responses"),
                 *hashes = golden_array (o, found, "response_sha256"),
                 *steps = golden_array (o, found, "steps_used"),
                 *logs = golden_array (o, found, "log_weights");
    uint32_t selected;
    weigh (r);
    selected = (uint32_t)argmax_first (r->log_weights, r->n);
    if (sample && !compare_draws (o, r, "final_draw", golden_array (o, draw, "uniforms"),
                                  golden_array (o, draw, "picked"), &selected, 1))
        return false;
    for (size_t i = 0; i < r->n; i++)
        if (!compare_text (o, "responses", json_array_get (texts, i), shown (r, r->at[i])) ||
            !compare_sha256 (o, "response_sha256", json_array_get (hashes, i),
                             shown (r, r->at[i])) ||
            !compare_int (o, "steps_used", json_array_get (steps, i),
                          search_node (driver_search (r->d), r->at[i])->depth) ||
            !compare_near (o, "log_weights", json_array_get (logs, i), r->log_weights[i]))
            return false;
    return compare_int (o, "selected_index", json_object_get (found, "selected_index"), selected) &&
           compare_text (o, "pred", json_object_get (found, "pred"), shown (r, r->at[selected])) &&
           compare_answers (o, r, selected);
}

static void run_case (const golden_case *c, outcome *o, run *r, const json_t *params)
{
    const json_t *trace = golden_trace (c, o), *all = golden_array (o, c->body, "uniforms");
    const char *selection = golden_text (o, params, "selection", "argmax");
    bool *fresh = esp_calloc (r->n, sizeof (*fresh)), sample = strcmp (selection, "sample") == 0;
    r->at = esp_calloc (r->n, sizeof (*r->at)); /* all at NODE_ROOT */
    r->next = esp_calloc (r->n, sizeof (*r->next));
    r->log_weights = esp_calloc (r->n, sizeof (*r->log_weights));
    r->weights = esp_calloc (r->n, sizeof (*r->weights));
    if (!fresh || !r->at || !r->next || !r->log_weights || !r->weights)
        outcome_fail (o, "out of memory");
    else
        memset (fresh, 1, r->n * sizeof (*fresh));
    if (!o->failed)
        r->d = golden_search (
            c, o, NULL,
            "strategy: particle, particles: %zu, iterations: %lld, references: %zu, selection: %s, "
            "clip: %.17g, max_steps: %lld, draws: 'u|%s'",
            r->n, (long long)golden_int (o, params, "num_iterations", 1), r->references, selection,
            r->clip, (long long)golden_int (o, params, "max_steps", 40), r->key);
    if (r->d && compare_steps (o, r, trace, fresh) &&
        compare_final (o, r, golden_object (o, c->body, "results"), sample) &&
        (!all || compare_size (o, "uniforms", json_array_size (all), r->draws)))
        compare_counts (o, json_object_get (c->body, "counts"), r->d);
    driver_close (r->d);
    esp_free (fresh);
}

void conf_particle (const golden_case *c, outcome *o)
{
    const json_t *params = golden_params (c, o);
    int64_t given = golden_need_int (o, params, "budget"),
            iterations = golden_int (o, params, "num_iterations", 1);
    int64_t particles =
        golden_int (o, params, "particles", iterations > 0 ? given / iterations : 0);
    int64_t references = golden_int (o, params, "num_ref_particles", 0);
    run r = {.c = c, .clip = golden_number (o, params, "clip", 1e-7)};
    r.key = golden_need_text (o, params, "uniforms_key");
    if (!o->failed &&
        (particles < 1 || particles > PARTICLES_MOST || references < 0 || references >= particles))
        outcome_fail (o, "malformed: %lld particles, %lld references", (long long)particles,
                      (long long)references);
    r.n = (size_t)particles;
    r.references = iterations > 1 ? (size_t)references : 0;
    if (!o->failed)
        run_case (c, o, &r, params);
    esp_free (r.at);
    esp_free (r.next);
    esp_free (r.log_weights);
    esp_free (r.weights);
}
