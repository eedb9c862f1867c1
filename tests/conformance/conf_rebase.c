/* SPDX-License-Identifier: Apache-2.0 */
/* conf_rebase.c - rebase_search, rebase_allocation (3.4)
 *
 * A wave of requests is a level.  Who was expanded how often shows in the next wave; counts of zero in the strategy's
 * own allocation, computed again from the candidates of the level.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "coordinator/merge/vote.h"
#include "coordinator/search/rebase_allocate.h"
#include "proto/base/alloc.h"
#include "tests/conformance/compare.h"
#include "tests/conformance/conf.h"

typedef struct shares { /* an allocation; arrays owned */
    double *weights;
    node_ref *nodes;
    uint32_t *counts, *order;
    size_t n;
} shares;

static bool shares_make (outcome *o, shares *a, size_t room)
{
    *a = (shares){esp_calloc (room + 1, sizeof (double)), esp_calloc (room + 1, sizeof (node_ref)),
                  esp_calloc (room + 1, sizeof (uint32_t)),
                  esp_calloc (room + 1, sizeof (uint32_t)), 0};
    if (!a->weights || !a->nodes || !a->counts || !a->order)
        outcome_fail (o, "out of memory");
    return !o->failed;
}

static void shares_free (shares *a)
{
    esp_free (a->weights);
    esp_free (a->nodes);
    esp_free (a->counts);
    esp_free (a->order);
}

static bool share (outcome *o, shares *a, double temperature, int64_t places)
{
    if (places < 0 || places > 1000000000 || !(temperature > 0.0))
        outcome_fail (o, "malformed: R = %lld, T = %g", (long long)places, temperature);
    else if (rebase_allocate (a->weights, a->n, temperature, (uint32_t)places, a->counts,
                              a->order) != ESP_OK)
        outcome_fail (o, "out of memory");
    return !o->failed;
}

/* ---- the table ---- */

void conf_rebase_allocation (const golden_case *c, outcome *o)
{
    const json_t *weights = golden_need_array (o, c->body, "weights"),
                 *exact = json_object_get (json_object_get (c->body, "peer_quirk"), "exact_counts");
    int64_t places = golden_need_int (o, c->body, "R");
    outcome first = {0};
    shares a = {0};
    size_t i;
    const json_t *one;
    if (!o->failed && shares_make (o, &a, json_array_size (weights))) {
        json_array_foreach (weights, i, one) a.weights[a.n++] = json_number_value (one);
        if (share (o, &a, golden_number (o, c->body, "T", 0.2), places) &&
            compare_indices (o, "order", json_object_get (c->body, "order"), a.order, a.n) &&
            !compare_indices (&first, "counts", json_object_get (c->body, "counts"), a.counts,
                              a.n)) {
            if (!json_is_array (exact))
                outcome_fail (o, "%s", first.why);
            else if (compare_indices (o, "exact_counts", exact, a.counts, a.n))
                outcome_tolerate (o, "exact_counts");
        }
    }
    shares_free (&a);
}

/* ---- the search ---- */

typedef struct run {
    const golden_case *c;
    driver *d;
    double temperature;
    int64_t remaining; /* R at the level that comes next */
} run;

/* The file's number of a node: 0 is the root, then in order of creation. */
static int64_t number_of (const run *r, node_ref ref)
{
    size_t n;
    const request *all = driver_requests (r->d, &n);
    for (size_t i = 0; i < n; i++)
        if (all[i].node == ref)
            return (int64_t)i + 1;
    return 0;
}

/* What a level leaves unfinished; finished nodes take their place with them. */
static void read_candidates (run *r, const request *wave, size_t n, shares *a)
{
    const search *s = driver_search (r->d);
    for (size_t i = 0; i < n; i++) {
        const node *made = search_node (s, wave[i].node);
        if (node_ended (made) || made->text_len == 0) {
            r->remaining--;
            continue;
        }
        a->nodes[a->n] = wave[i].node;
        a->weights[a->n++] = node_last_score (made);
    }
}

static bool compare_candidates (outcome *o, const run *r, const char *where, const json_t *want,
                                const shares *a)
{
    if (want && !compare_size (o, where, json_array_size (want), a->n))
        return false;
    for (size_t i = 0; want && i < a->n; i++) {
        const json_t *one = golden_entry (o, want, i);
        if (!compare_int (o, where, json_object_get (one, "node"), number_of (r, a->nodes[i])) ||
            !compare_exact (o, where, json_object_get (one, "weight"), a->weights[i]))
            return false;
    }
    return !o->failed;
}

static bool compare_allocation (outcome *o, const run *r, const char *where, const json_t *want,
                                const shares *a)
{
    if (want && !compare_size (o, where, json_array_size (want), a->n))
        return false;
    for (size_t i = 0; want && i < a->n; i++) {
        const json_t *one = golden_entry (o, want, i);
        if (!compare_int (o, where, json_object_get (one, "node"),
                          number_of (r, a->nodes[a->order[i]])) ||
            !compare_int (o, where, json_object_get (one, "count"), a->counts[a->order[i]]))
            return false;
    }
    return !o->failed;
}

/* The next level asks exactly what was given out. */
static bool
compare_children (outcome *o, const run *r, const char *where, uint32_t wave, const shares *a)
{
    size_t n, at = 0;
    const request *next = driver_wave (r->d, wave, &n);
    for (size_t i = 0; i < a->n; i++)
        for (uint32_t k = 0; k < a->counts[a->order[i]]; k++, at++)
            if (at >= n || next[at].planned.node != a->nodes[a->order[i]]) {
                outcome_fail (o, "%s: child %zu is not of node %lld", where, at,
                              (long long)number_of (r, a->nodes[a->order[i]]));
                return false;
            }
    return compare_size (o, where, at, n);
}

static int by_count (const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static bool same_multiset (const json_t *want, const shares *a)
{
    uint32_t *left = esp_calloc (a->n + 1, sizeof (*left)),
             *right = esp_calloc (a->n + 1, sizeof (*right));
    bool same = left && right && json_array_size (want) == a->n;
    for (size_t i = 0; same && i < a->n; i++) {
        left[i] =
            (uint32_t)json_integer_value (json_object_get (json_array_get (want, i), "count"));
        right[i] = a->counts[i];
    }
    if (same && a->n) {
        qsort (left, a->n, sizeof (*left), by_count);
        qsort (right, a->n, sizeof (*right), by_count);
        same = memcmp (left, right, a->n * sizeof (*left)) == 0;
    }
    esp_free (left);
    esp_free (right);
    return same;
}

/* May the allocation of this depth be another one?  Then the trace behind it is, too. */
static bool
loose_allocation (outcome *o, const run *r, int64_t depth, const json_t *want, const shares *a)
{
    static const char *const rounding[] = {"float32_count_differs_from_exact_depths",
                                           "quotient_near_integer_depths", "quotient_near_integer"};
    if (golden_quirk_at (r->c, "tied_weights_depths", depth) && same_multiset (want, a)) {
        outcome_tolerate (o, "tied_weights_depths");
        return true;
    }
    for (size_t i = 0; i < sizeof (rounding) / sizeof (rounding[0]); i++)
        if (golden_quirk_at (r->c, rounding[i], depth)) {
            outcome_tolerate (o, rounding[i]);
            return true;
        }
    return false;
}

/* *stop: the trace goes on in another way, as a quirk allows. */
static bool
compare_level (outcome *o, run *r, const json_t *entry, uint32_t level, shares *a, bool *stop)
{
    const json_t *want = golden_array (o, entry, "allocation");
    outcome quiet = {0};
    char where[60];
    size_t n, before;
    const request *wave = driver_wave (r->d, level, &n), *last;
    snprintf (where, sizeof (where), "depth %u", level);
    if (level == 0)
        return compare_requests (o, where, golden_need_array (o, entry, "ask"), r->d, wave, n);
    last = driver_wave (r->d, level - 1, &before);
    read_candidates (r, last, before, a);
    if (!compare_int (o, where, json_object_get (entry, "remaining_width"), r->remaining) ||
        !compare_candidates (o, r, where, golden_array (o, entry, "candidates"), a) ||
        !share (o, a, r->temperature, r->remaining) || !compare_children (o, r, where, level, a))
        return false;
    if (!compare_allocation (&quiet, r, where, want, a)) {
        *stop = loose_allocation (o, r, level, want, a);
        if (!*stop)
            outcome_fail (o, "%s", quiet.why);
        return *stop;
    }
    return compare_requests (o, where, golden_need_array (o, entry, "ask"), r->d, wave, n);
}

static bool compare_levels (outcome *o, run *r, bool *stop)
{
    const json_t *trace = golden_trace (r->c, o), *entry;
    size_t i, n, total;
    bool same = true;
    driver_requests (r->d, &total);
    json_array_foreach (trace, i, entry)
    {
        shares a = {0};
        if (i >= driver_waves (r->d)) {
            outcome_fail (o, "depth %zu: nothing was asked", i);
            return false;
        }
        same = shares_make (o, &a, total) && compare_level (o, r, entry, (uint32_t)i, &a, stop);
        shares_free (&a);
        if (!same || *stop)
            return same;
    }
    return driver_wave (r->d, 0, &n) &&
           compare_size (o, "depths", json_array_size (trace), driver_waves (r->d));
}

static bool compare_best (outcome *o, driver *d, const json_t *want, const node_ref *refs, size_t n)
{
    vote_candidate *all = esp_calloc (n + 1, sizeof (*all));
    vote_winner won;
    for (size_t i = 0; all && i < n; i++)
        all[i] = (vote_candidate){.answer = fake_stated (driver_text (d, refs[i])),
                                  .score = search_node (driver_search (d), refs[i])->score};
    if (!all || vote (VOTE_BEST, all, n, 1.0, &won) != ESP_OK)
        outcome_fail (o, "best_last: no vote");
    esp_free (all);
    return !o->failed && compare_int (o, "best_last", want, (int64_t)won.candidate);
}

/* Answers of the fake model are small whole numbers; some files write them so. */
static int64_t answer_number (span answer)
{
    int64_t value = 0;
    for (size_t i = 0; i < answer.len && i < 15; i++)
        value = 10 * value + (answer.ptr[i] - '0');
    return value;
}

static bool compare_answers (outcome *o, run *r)
{
    const json_t *found = golden_object (o, r->c->body, "results"),
                 *want = golden_array (o, found, "answers");
    size_t n, count;
    const node_ref *refs = driver_answers (r->d, &n);
    char where[60];
    if (!compare_int (o, "n_answers", json_object_get (found, "n_answers"), (int64_t)n) ||
        (want && !compare_size (o, "answers", json_array_size (want), n)))
        return false;
    for (size_t i = 0; want && i < n; i++) {
        const json_t *one = golden_entry (o, want, i);
        const double *scores = driver_scores (r->d, refs[i], &count);
        snprintf (where, sizeof (where), "answer %zu", i);
        span answer = fake_stated (driver_text (r->d, refs[i]));
        bool number = json_is_integer (json_object_get (one, "answer"));
        if (!compare_text (o, where, json_object_get (one, "text"), driver_text (r->d, refs[i])) ||
            !(number
                  ? compare_int (o, where, json_object_get (one, "answer"), answer_number (answer))
                  : compare_text (o, where, json_object_get (one, "answer"), answer)) ||
            !compare_numbers (o, where, json_object_get (one, "step_scores"), scores, count))
            return false;
    }
    return n == 0 || compare_best (o, r->d, json_object_get (found, "best_last"), refs, n);
}

void conf_rebase_search (const golden_case *c, outcome *o)
{
    const json_t *params = golden_params (c, o);
    run r = {.c = c,
             .temperature = golden_number (o, params, "softmax_temperature", 0.2),
             .remaining = golden_need_int (o, params, "width")};
    bool stop = false;
    if (strcmp (golden_text (o, params, "weight", "last"), "last") != 0)
        outcome_fail (o, "weight: only 'last' is known (README 3.4)");
    if (!o->failed)
        r.d = golden_search (
            c, o, NULL,
            "strategy: rebase, width: %lld, softmax_temperature: %.17g, max_steps: %lld",
            (long long)r.remaining, r.temperature,
            (long long)golden_int (o, params, "max_depth", 25));
    if (r.d && compare_levels (o, &r, &stop) && !stop && compare_answers (o, &r))
        compare_counts (o, json_object_get (c->body, "counts"), r.d);
    driver_close (r.d);
}
