/* SPDX-License-Identifier: Apache-2.0 */
/* conf_beam.c - beam search by its three rules: sal_beam (3.1), its_beam (3.5), openr_beam (3.8) */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "coordinator/merge/vote.h"
#include "proto/base/alloc.h"
#include "tests/conformance/compare.h"
#include "tests/conformance/conf.h"

/* Texts and scores of the found list, as the file shows them. */
typedef struct finals {
    node_ref *refs; /* owned; repeated up to n */
    size_t count;
} finals;

static double final_score (const driver *d, node_ref ref)
{
    return search_node (driver_search (d), ref)->score;
}

/* Index in `list` that the program's own choice (vote: best) takes; list.count when there is none. */
static size_t chosen (driver *d, const finals *list)
{
    vote_candidate *all = esp_calloc (list->count + 1, sizeof (*all));
    vote_winner won = {.candidate = list->count};
    for (size_t i = 0; all && i < list->count; i++)
        all[i] = (vote_candidate){.answer = fake_stated (driver_text (d, list->refs[i])),
                                  .score = final_score (d, list->refs[i])};
    if (!all || vote (VOTE_BEST, all, list->count, 1.0, &won) != ESP_OK)
        won.candidate = list->count;
    esp_free (all);
    return won.candidate;
}

static bool compare_choice (outcome *o, const golden_case *c, driver *d, const json_t *found,
                            const finals *list, const char *index_key)
{
    size_t at = chosen (d, list);
    span text = at < list->count ? driver_text (d, list->refs[at]) : span_make ("", 0);
    const char *pred = golden_text (o, found, "pred", NULL);
    if (pred && !span_is (text, pred) && golden_quirk (c, "best_score_shared_by_different_texts"))
        for (size_t i = 0; i < list->count; i++)
            if (span_is (driver_text (d, list->refs[i]), pred) &&
                final_score (d, list->refs[i]) == final_score (d, list->refs[at])) {
                outcome_tolerate (o, "best_score_shared_by_different_texts");
                return true;
            }
    return compare_text (o, "pred", json_object_get (found, "pred"), text) &&
           compare_int (o, index_key, json_object_get (found, index_key), (int64_t)at);
}

/* ---- tiled ---- */

/* Indices into `wave` of the requests that the next wave expands: the first one of each prompt. */
static size_t expanded_next (const driver *d, uint32_t wave, uint32_t *out)
{
    size_t n, next_n, count = 0;
    const request *now = driver_wave (d, wave, &n), *next = driver_wave (d, wave + 1, &next_n);
    for (size_t i = 0; i < n; i++) {
        bool wanted = false, twin = false;
        size_t length = now[i].prompt.len + now[i].text.len;
        for (size_t k = 0; k < next_n && !wanted; k++)
            wanted = next[k].prompt.len == length &&
                     memcmp (next[k].prompt.ptr, now[i].prompt.ptr, now[i].prompt.len) == 0 &&
                     memcmp (next[k].prompt.ptr + now[i].prompt.len, now[i].text.ptr,
                             now[i].text.len) == 0;
        for (size_t k = 0; k < count && !twin; k++)
            twin = span_equal (now[out[k]].prompt, now[i].prompt) &&
                   span_equal (now[out[k]].text, now[i].text);
        if (wanted && !twin)
            out[count++] = (uint32_t)i;
    }
    return count;
}

static size_t completed_in (const driver *d, const request *wave, size_t n, uint32_t *out)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        const node *r = search_node (driver_search (d), wave[i].node);
        if (node_ended (r) || r->text_len == 0)
            out[count++] = (uint32_t)i;
    }
    return count;
}

/* The quirk key of a cut that the reference does not define: the trace may go on otherwise from here. */
static const char *loose_cut (const golden_case *c, int64_t iter)
{
    static const char *const keys[] = {"tie_at_the_cut_iterations", "uneven_tiling_iterations"};
    return golden_quirk_at (c, keys[0], iter)   ? keys[0]
           : golden_quirk_at (c, keys[1], iter) ? keys[1]
                                                : NULL;
}

static bool compare_level (const golden_case *c, outcome *o, const json_t *entry, driver *d,
                           uint32_t level, bool *stop)
{
    char where[60];
    size_t n, count;
    const request *wave = driver_wave (d, level, &n);
    uint32_t *indices = esp_calloc (n + 1, sizeof (*indices));
    int64_t iter = golden_int (o, entry, "iter", level);
    const char *mode = golden_text (o, entry, "mode", NULL), *key;
    bool same = indices != NULL;
    snprintf (where, sizeof (where), "level %u", level);
    same = same && compare_requests (o, where, golden_need_array (o, entry, "ask"), d, wave, n);
    if (same && mode && (strcmp (mode, "to_eos") == 0) != (wave[0].planned.mode == TASK_TO_END)) {
        outcome_fail (o, "%s: mode is not %s", where, mode);
        same = false;
    }
    count = same ? completed_in (d, wave, n, indices) : 0;
    same = same &&
           compare_indices (o, "completed", json_object_get (entry, "completed"), indices, count);
    count = same ? expanded_next (d, level, indices) : 0;
    if (same && (key = loose_cut (c, iter))) {
        outcome quiet = {0};
        *stop = !compare_indices (&quiet, "kept", json_object_get (entry, "kept"), indices, count);
        if (*stop)
            outcome_tolerate (o, key);
    } else if (same) {
        snprintf (where, sizeof (where), "level %u, kept", level);
        same = compare_indices (o, where, json_object_get (entry, "kept"), indices, count);
    }
    esp_free (indices);
    return same;
}

static bool compare_trace (const golden_case *c, outcome *o, driver *d, bool *stop)
{
    const json_t *trace = golden_trace (c, o), *entry;
    uint32_t level = 0;
    size_t i;
    *stop = false;
    json_array_foreach (trace, i, entry)
    {
        if (level >= driver_waves (d)) {
            outcome_fail (o, "level %u: nothing was asked", level);
            return false;
        }
        if (!compare_level (c, o, entry, d, level++, stop))
            return false;
        if (*stop)
            return true;
    }
    return trace && compare_size (o, "levels", json_array_size (trace), driver_waves (d));
}

/* D of the README: every branch that ended, in order. */
static bool compare_completed (outcome *o, driver *d, const json_t *want)
{
    char where[60];
    size_t n, at = 0;
    const request *all = driver_requests (d, &n);
    for (size_t i = 0; i < n && want; i++) {
        const node *r = search_node (driver_search (d), all[i].node);
        const json_t *entry;
        size_t scores;
        const double *path = driver_scores (d, all[i].node, &scores);
        if (!node_ended (r) && r->text_len > 0)
            continue;
        snprintf (where, sizeof (where), "completed_all %zu", at);
        if (!(entry = golden_entry (o, want, at++)) ||
            !compare_text (o, where, json_object_get (entry, "text"),
                           driver_text (d, all[i].node)) ||
            !compare_exact (o, where, json_object_get (entry, "agg"), r->score) ||
            !compare_numbers (o, where, json_object_get (entry, "scores"), path, scores))
            return false;
    }
    return !want || compare_size (o, "completed_all", json_array_size (want), at);
}

/* Equal scores may stand in any order: then the set of texts with that score counts. */
static bool
compare_completions (outcome *o, driver *d, const json_t *found, const finals *list, bool sorted)
{
    const json_t *texts = golden_array (o, found, "completions"),
                 *aggs = golden_array (o, found, "agg_scores"),
                 *steps = golden_array (o, found, "step_scores");
    char where[80];
    if ((texts && !compare_size (o, "completions", json_array_size (texts), list->count)) ||
        (aggs && !compare_size (o, "agg_scores", json_array_size (aggs), list->count)) ||
        (steps && !compare_size (o, "step_scores", json_array_size (steps), list->count)))
        return false;
    for (size_t i = 0; i < list->count; i++) {
        double score = final_score (d, list->refs[i]);
        bool tie = sorted && ((i > 0 && final_score (d, list->refs[i - 1]) == score) ||
                              (i + 1 < list->count && final_score (d, list->refs[i + 1]) == score));
        size_t n;
        const double *path = driver_scores (d, list->refs[i], &n);
        snprintf (where, sizeof (where), "completion %zu", i);
        if (!compare_exact (o, where, json_array_get (aggs, i), score))
            return false;
        if (!tie &&
            (!compare_text (o, where, json_array_get (texts, i), driver_text (d, list->refs[i])) ||
             !compare_numbers (o, where, json_array_get (steps, i), path, n)))
            return false;
    }
    return true;
}

/* The found list of the search, repeated cyclically up to n. */
static bool tile_answers (outcome *o, driver *d, size_t n, finals *out)
{
    size_t count;
    const node_ref *answers = driver_answers (d, &count);
    out->refs = esp_calloc (n + 1, sizeof (*out->refs));
    out->count = count ? n : 0;
    if (!answers || !out->refs) {
        outcome_fail (o, "out of memory");
        return false;
    }
    for (size_t i = 0; i < out->count; i++)
        out->refs[i] = answers[i % count];
    return true;
}

static bool
compare_result (const golden_case *c, outcome *o, driver *d, const json_t *found, size_t n)
{
    finals list = {0};
    size_t count;
    bool tiled = golden_bool (o, found, "tiled", driver_answers (d, &count) && count < n);
    bool same =
        !o->failed && driver_answers (d, &count) && tile_answers (o, d, n, &list) &&
        compare_completions (o, d, found, &list, golden_bool (o, found, "sort_completed", false)) &&
        compare_choice (o, c, d, found, &list, "pred_index");
    if (same && tiled != (count < n)) {
        outcome_fail (o, "tiled: %zu finished branches for n = %zu", count, n);
        same = false;
    }
    esp_free (list.refs);
    return same;
}

static void one_tiled (const golden_case *c, outcome *o, const json_t *params, const json_t *found)
{
    int64_t n = golden_need_int (o, params, "n"), expand = golden_need_int (o, params, "expand");
    int64_t keep = golden_int (o, params, "keep", expand > 0 ? n / expand : 0);
    bool sorted = golden_bool (o, found, "sort_completed", false), stop;
    driver *d;
    if (o->failed)
        return;
    d = golden_search (
        c, o, NULL,
        "strategy: beam, rule: tiled, width: %lld, expand: %lld, keep: %lld, max_steps: %lld, "
        "aggregate: %s, filter_duplicates: %s, sort_completed: %s",
        (long long)n, (long long)expand, (long long)(keep ? keep : n), /* keep 0: README 3.1, all */
        (long long)golden_int (o, params, "num_iterations", 40),
        golden_text (o, params, "agg", "last"),
        golden_bool (o, params, "filter_duplicates", false) ? "true" : "false",
        sorted ? "true" : "false");
    if (d && compare_trace (c, o, d, &stop) && !stop &&
        compare_counts (o, json_object_get (c->body, "counts"), d) &&
        compare_completed (o, d, golden_array (o, c->body, "completed_all")) && found)
        compare_result (c, o, d, found, (size_t)n);
    driver_close (d);
}

void conf_beam_tiled (const golden_case *c, outcome *o)
{
    const json_t *params = golden_params (c, o), *results = golden_array (o, c->body, "results"),
                 *found;
    size_t i;
    for (i = 0; i < json_array_size (results) && !o->failed; i++)
        if ((found = golden_entry (o, results, i)))
            one_tiled (c, o, params, found);
    if (json_array_size (results) == 0 && !o->failed)
        one_tiled (c, o, params, NULL);
}

/* ---- fixed ---- */

/* its_hub shows texts without the separator at the end. */
static span shown (driver *d, node_ref ref)
{
    span text = driver_text (d, ref);
    return span_ends (text, "\n\n") ? span_make (text.ptr, text.len - 2) : text;
}

typedef struct candidates { /* C of README 3.5 */
    node_ref *refs;
    bool *stopped;
    size_t count;
} candidates;

/* Put the answers of wave `level` into C; compare every candidate. */
static bool
fixed_level (outcome *o, driver *d, const json_t *entry, uint32_t level, candidates *all)
{
    const search *s = driver_search (d);
    const json_t *want = golden_need_array (o, entry, "candidates"), *one;
    char where[80];
    size_t n, next = 0;
    const request *wave = driver_wave (d, level, &n);
    if (!want || !compare_size (o, "candidates", json_array_size (want), all->count))
        return false;
    for (size_t i = 0; i < all->count; i++) {
        if (!(one = golden_entry (o, want, i)))
            return false;
        if (!all->stopped[i] && next < n)
            all->refs[i] = wave[next++].node;
        all->stopped[i] = node_ended (search_node (s, all->refs[i])) ||
                          search_node (s, all->refs[i])->depth > search_max_steps (s);
        if (golden_bool (o, one, "stopped", all->stopped[i]) != all->stopped[i])
            outcome_fail (o, "level %u, candidate %zu: stopped is %d", level, i, all->stopped[i]);
        snprintf (where, sizeof (where), "level %u, candidate %zu", level, i);
        if (!compare_text (o, where, json_object_get (one, "text"), shown (d, all->refs[i])) ||
            !compare_sha256 (o, where, json_object_get (one, "text_sha256"),
                             shown (d, all->refs[i])) ||
            !compare_exact (o, where, json_object_get (one, "score"),
                            final_score (d, all->refs[i])))
            return false;
    }
    return compare_size (o, where, n, next);
}

/* C = the kept ones, repeated.  What the search kept shows in its next requests and in its answers. */
static bool keep_fixed (outcome *o, const json_t *kept, candidates *all, size_t copies)
{
    size_t n = json_array_size (kept), old = all->count;
    node_ref *refs = esp_calloc (n * copies + 1, sizeof (*refs));
    bool *stopped = esp_calloc (n * copies + 1, sizeof (*stopped));
    bool good = refs && stopped;
    for (size_t i = 0; good && i < n * copies; i++) {
        const json_t *index = json_array_get (kept, i % n);
        json_int_t at = json_is_integer (index) ? json_integer_value (index) : -1;
        if (at < 0 || (size_t)at >= old) {
            outcome_fail (o, "malformed: kept names candidate %lld of %zu", (long long)at, old);
            good = false;
        } else {
            refs[i] = all->refs[at];
            stopped[i] = all->stopped[at];
        }
    }
    esp_free (all->refs);
    esp_free (all->stopped);
    *all = (candidates){refs, stopped, n * copies};
    return good;
}

static bool
fixed_trace (const golden_case *c, outcome *o, driver *d, candidates *all, size_t copies)
{
    const json_t *trace = golden_trace (c, o), *entry;
    char where[60];
    uint32_t level = 0;
    size_t i, n;
    json_array_foreach (trace, i, entry)
    {
        const request *wave = driver_wave (d, level, &n);
        snprintf (where, sizeof (where), "level %u", level);
        if (!compare_requests (o, where, golden_need_array (o, entry, "ask"), d, wave, n) ||
            !fixed_level (o, d, entry, level, all) ||
            !keep_fixed (o, golden_need_array (o, entry, "kept"), all, copies))
            return false;
        level++;
    }
    return trace && compare_size (o, "levels", level, driver_waves (d));
}

static bool fixed_results (const golden_case *c, outcome *o, driver *d, const candidates *all)
{
    const json_t *found = golden_object (o, c->body, "results"),
                 *texts = golden_array (o, found, "responses"),
                 *hashes = golden_array (o, found, "response_sha256"),
                 *scores = golden_array (o, found, "scores"),
                 *steps = golden_array (o, found, "steps_used");
    char where[60];
    size_t n;
    const node_ref *answers = driver_answers (d, &n);
    finals list = {(node_ref *)answers, n};
    if (n == 0 || !compare_size (o, "final candidates", all->count, n)) {
        outcome_fail (o, "no final candidate");
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        snprintf (where, sizeof (where), "response %zu", i);
        if (answers[i] != all->refs[i] ||
            !compare_text (o, where, json_array_get (texts, i), shown (d, answers[i])) ||
            !compare_sha256 (o, where, json_array_get (hashes, i), shown (d, answers[i])) ||
            !compare_exact (o, where, json_array_get (scores, i), final_score (d, answers[i])) ||
            !compare_int (o, where, json_array_get (steps, i),
                          tree_path_steps (search_tree (driver_search (d)), answers[i]))) {
            outcome_fail (o, "%s: another branch was kept", where);
            return false;
        }
    }
    if ((n = chosen (d, &list)) == list.count) {
        outcome_fail (o, "nothing can be chosen");
        return false;
    }
    return compare_text (o, "pred", json_object_get (found, "pred"), shown (d, answers[n])) &&
           compare_int (o, "selected_index", json_object_get (found, "selected_index"), (int64_t)n);
}

void conf_beam_fixed (const golden_case *c, outcome *o)
{
    const json_t *params = golden_params (c, o);
    int64_t total = golden_need_int (o, params, "budget"),
            keep = golden_need_int (o, params, "keep");
    int64_t copies = keep > 0 ? total / keep : 0;
    candidates all = {0};
    driver *d = NULL;
    if (!o->failed)
        d = golden_search (
            c, o, NULL, "strategy: beam, rule: fixed, keep: %lld, expand: %lld, max_steps: %lld",
            (long long)keep, (long long)copies, (long long)golden_int (o, params, "max_steps", 40));
    if (d) {
        all = (candidates){esp_calloc ((size_t)copies, sizeof (node_ref)),
                           esp_calloc ((size_t)copies, sizeof (bool)), (size_t)copies};
        if (!all.refs || !all.stopped)
            outcome_fail (o, "out of memory");
        else if (fixed_trace (c, o, d, &all, (size_t)copies) && fixed_results (c, o, d, &all))
            compare_counts (o, json_object_get (c->body, "counts"), d);
    }
    driver_close (d);
    esp_free (all.refs);
    esp_free (all.stopped);
}

/* ---- heap ---- */

/* The trace has one entry per node that was expanded; a wave holds those of a whole level. */
static bool heap_trace (const golden_case *c, outcome *o, driver *d, size_t width)
{
    const json_t *trace = golden_trace (c, o), *entry, *asked;
    size_t i, n, at = 0;
    const request *all = driver_requests (d, &n);
    char where[60];
    json_array_foreach (trace, i, entry)
    {
        size_t distinct = 0;
        snprintf (where, sizeof (where), "call %zu", i);
        if (!(asked = golden_need_array (o, entry, "ask")) ||
            !compare_size (o, where, json_array_size (asked), width) ||
            !compare_size (o, where, width, n - at < width ? n - at : width) ||
            !compare_requests (o, where, asked, d, all + at, width))
            return false;
        for (size_t k = 0; k < width; k++) {
            size_t twin = 0;
            while (twin < k && !span_equal (all[at + twin].text, all[at + k].text))
                twin++;
            distinct += twin == k;
        }
        snprintf (where, sizeof (where), "call %zu, distinct", i);
        if (!compare_int (o, where, json_object_get (entry, "distinct"), (int64_t)distinct))
            return false;
        at += width;
    }
    return trace && compare_size (o, "requests", at, n);
}

static bool heap_results (const golden_case *c, outcome *o, driver *d)
{
    const json_t *found = golden_object (o, c->body, "results"),
                 *want = golden_array (o, found, "answers"), *one;
    char where[60];
    size_t n, i;
    const node_ref *answers = driver_answers (d, &n);
    finals list = {(node_ref *)answers, n};
    if (want && !compare_size (o, "answers", json_array_size (want), n))
        return false;
    for (i = 0; want && i < n; i++) {
        snprintf (where, sizeof (where), "answer %zu", i);
        if (!(one = golden_entry (o, want, i)) ||
            !compare_text (o, where, json_object_get (one, "text"), driver_text (d, answers[i])) ||
            !compare_exact (o, where, json_object_get (one, "value"), final_score (d, answers[i])))
            return false;
    }
    return (n == 0 ||
            compare_int (o, "best", json_object_get (found, "best"), (int64_t)chosen (d, &list))) &&
           compare_int (o, "completion_tokens_generated",
                        json_object_get (found, "completion_tokens_generated"),
                        (int64_t)search_used (driver_search (d)).generated_tokens);
}

void conf_beam_heap (const golden_case *c, outcome *o)
{
    const json_t *params = golden_params (c, o);
    int64_t width = golden_need_int (o, params, "width"),
            keep = golden_need_int (o, params, "beam_size");
    driver *d = NULL;
    if (!o->failed)
        d = golden_search (
            c, o, NULL, "strategy: beam, rule: heap, keep: %lld, expand: %lld, max_steps: %lld",
            (long long)keep, (long long)width, (long long)golden_int (o, params, "max_step", 50));
    if (d && heap_trace (c, o, d, (size_t)width) && heap_results (c, o, d))
        compare_counts (o, json_object_get (c->body, "counts"), d);
    driver_close (d);
}
