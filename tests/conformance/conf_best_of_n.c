/* SPDX-License-Identifier: Apache-2.0 */
/* conf_best_of_n.c - best-of-N and its votes: sal_best_of_n (3.3), its_best_of_n (3.7) */

#include <stdio.h>
#include <string.h>
#include "coordinator/merge/vote.h"
#include "proto/base/alloc.h"
#include "tests/conformance/compare.h"
#include "tests/conformance/conf.h"

typedef struct voters {
    vote_candidate *at; /* owned */
    size_t n;
} voters;

/* The candidates as merge sees them; by_last: their last step score, whatever search.aggregate is. */
static bool gather (outcome *o, driver *d, bool by_last, voters *out)
{
    size_t n, count;
    const node_ref *refs = driver_answers (d, &n);
    *out = (voters){esp_calloc (n + 1, sizeof (*out->at)), n};
    if (!refs || !out->at) {
        outcome_fail (o, "out of memory");
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        const double *scores = driver_scores (d, refs[i], &count);
        out->at[i] = (vote_candidate){
            .answer = fake_stated (driver_text (d, refs[i])),
            .score = by_last && count ? scores[count - 1]
                                      : search_node (driver_search (d), refs[i])->score,
            .scores = scores,
            .score_count = count};
    }
    return true;
}

static bool compare_asked (const golden_case *c, outcome *o, driver *d)
{
    const json_t *trace = golden_trace (c, o), *entry = json_array_get (trace, 0);
    size_t n;
    const request *all = driver_requests (d, &n);
    if (json_array_size (trace) != 1) {
        outcome_fail (o, "malformed: trace is not one entry");
        return false;
    }
    return compare_requests (o, "trace", golden_need_array (o, entry, "ask"), d, all, n) &&
           compare_counts (o, json_object_get (c->body, "counts"), d);
}

/* ---- search-and-learn ---- */

static bool compare_vote (outcome *o, const char *where, const json_t *want, enum vote_rule rule,
                          const voters *v, size_t m)
{
    vote_winner won;
    if (vote (rule, v->at, m, 1.0, &won) != ESP_OK) {
        outcome_fail (o, "%s: no vote", where);
        return false;
    }
    return compare_text (o, where, want, v->at[won.first].answer);
}

/* Sums and counts of the groups, under the keys that the file has for them. */
static bool compare_groups (outcome *o, const json_t *entry, const char *sums_key,
                            const char *counts_key, const voters *v, size_t m)
{
    vote_group *groups = esp_calloc (m + 1, sizeof (*groups));
    const json_t *sums = golden_object (o, entry, sums_key),
                 *counts = golden_object (o, entry, counts_key);
    char name[200];
    size_t n = groups ? vote_groups (v->at, m, 1.0, groups) : 0;
    bool same = groups && (!sums || compare_size (o, sums_key, json_object_size (sums), n)) &&
                (!counts || compare_size (o, counts_key, json_object_size (counts), n));
    for (size_t i = 0; same && i < n; i++) {
        span answer = v->at[groups[i].first].answer;
        snprintf (name, sizeof (name), "%.*s", (int)answer.len, answer.ptr);
        same =
            (!sums || json_object_get (sums, name)) &&
            (!counts || json_object_get (counts, name)) &&
            compare_exact (o, sums_key, json_object_get (sums, name), groups[i].sum) &&
            compare_int (o, counts_key, json_object_get (counts, name), (int64_t)groups[i].count);
        if (!same)
            outcome_fail (o, "%s, %s: answer '%s' is not there", sums_key, counts_key, name);
    }
    esp_free (groups);
    return same;
}

static bool compare_votes (outcome *o, const json_t *votes, const voters *v)
{
    const json_t *entry;
    char where[60];
    size_t i;
    json_array_foreach (votes, i, entry)
    {
        int64_t m = golden_need_int (o, entry, "subset");
        if (o->failed || m < 1 || (size_t)m > v->n) {
            outcome_fail (o, "votes %zu: subset %lld of %zu completions", i, (long long)m, v->n);
            return false;
        }
        snprintf (where, sizeof (where), "votes of the first %lld", (long long)m);
        if (!compare_vote (o, where, json_object_get (entry, "naive"), VOTE_BEST, v, (size_t)m) ||
            !compare_vote (o, where, json_object_get (entry, "weighted"), VOTE_WEIGHTED, v,
                           (size_t)m) ||
            !compare_vote (o, where, json_object_get (entry, "majority"), VOTE_MAJORITY, v,
                           (size_t)m) ||
            !compare_groups (o, entry, "weighted_sums", "majority_counts", v, (size_t)m))
            return false;
    }
    return true;
}

static bool
compare_best (outcome *o, driver *d, const json_t *found, const voters *v, const char *index_key)
{
    size_t n;
    const node_ref *refs = driver_answers (d, &n);
    vote_winner won;
    if (n == 0 || vote (VOTE_BEST, v->at, v->n, 1.0, &won) != ESP_OK) {
        outcome_fail (o, "pred: no completion");
        return false;
    }
    return compare_text (o, "pred", json_object_get (found, "pred"),
                         driver_text (d, refs[won.candidate])) &&
           compare_int (o, index_key, json_object_get (found, index_key), (int64_t)won.candidate);
}

void conf_best_of_n (const golden_case *c, outcome *o)
{
    const json_t *params = golden_params (c, o), *found = golden_object (o, c->body, "results");
    int64_t n = golden_need_int (o, params, "n");
    const char *agg = golden_text (o, params, "agg", "last"),
               *vote_agg = golden_text (o, params, "vote_agg", "last");
    voters own = {0}, last = {0};
    driver *d = NULL;
    if (strcmp (vote_agg, "last") != 0)
        outcome_fail (o, "vote_agg '%s': votes always use last (README 3.3)", vote_agg);
    if (!o->failed)
        d = golden_search (c, o, NULL, "strategy: best_of_n, n: %lld, aggregate: %s", (long long)n,
                           agg);
    if (d && compare_asked (c, o, d) && gather (o, d, false, &own) && gather (o, d, true, &last) &&
        compare_best (o, d, found, &own, "pred_index"))
        compare_votes (o, golden_array (o, found, "votes"), &last);
    driver_close (d);
    esp_free (own.at);
    esp_free (last.at);
}

/* ---- its_hub ---- */

/* The reference draws one of the acceptable ones; ours must be among them. */
static bool compare_consistency (outcome *o, const json_t *want, const voters *v)
{
    const json_t *indices = golden_array (o, want, "acceptable_indices"),
                 *answers = golden_array (o, want, "acceptable_answers");
    vote_winner won;
    bool index_found = !indices, answer_found = !answers;
    if (vote (VOTE_MAJORITY, v->at, v->n, 1.0, &won) != ESP_OK) {
        outcome_fail (o, "self_consistency: no vote");
        return false;
    }
    for (size_t i = 0; i < json_array_size (indices); i++)
        index_found = index_found || (json_is_integer (json_array_get (indices, i)) &&
                                      json_integer_value (json_array_get (indices, i)) ==
                                          (json_int_t)won.candidate);
    for (size_t i = 0; i < json_array_size (answers); i++)
        answer_found = answer_found || (json_is_string (json_array_get (answers, i)) &&
                                        span_is (v->at[won.first].answer,
                                                 json_string_value (json_array_get (answers, i))));
    if (!index_found || !answer_found)
        outcome_fail (o, "self_consistency: index %zu is not acceptable", won.candidate);
    return !o->failed &&
           compare_int (o, "self_consistency, max_count", json_object_get (want, "max_count"),
                        (int64_t)won.votes) &&
           compare_groups (o, want, "no sums", "counts", v, v->n);
}

void conf_self_consistency (const golden_case *c, outcome *o)
{
    const json_t *params = golden_params (c, o), *found = golden_object (o, c->body, "results");
    const json_t *best = golden_object (o, found, "best_of_n"),
                 *vote = golden_object (o, found, "self_consistency");
    int64_t n = golden_need_int (o, params, "budget");
    const char *agg = golden_text (o, params, "outcome_score", "last");
    voters all = {0};
    driver *d = NULL;
    if (!o->failed)
        d = golden_search (c, o, NULL, "strategy: best_of_n, n: %lld, aggregate: %s", (long long)n,
                           agg);
    if (d && compare_asked (c, o, d) && gather (o, d, false, &all) &&
        compare_best (o, d, best, &all, "selected_index"))
        compare_consistency (o, vote, &all);
    driver_close (d);
    esp_free (all.at);
}
