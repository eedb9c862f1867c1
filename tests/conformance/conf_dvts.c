/* SPDX-License-Identifier: Apache-2.0 */
/* conf_dvts.c - sal_dvts (3.2)
 *
 * Subtrees are lanes that do not wait for each other, so a level of one is found by the node that it expands.  Which node that is
 * comes from the search: the one whose children were asked next, or, where a subtree ended, its best leaf.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "coordinator/merge/vote.h"
#include "proto/base/alloc.h"
#include "tests/conformance/compare.h"
#include "tests/conformance/conf.h"

enum { SUBTREES_MOST = 100000 };

typedef struct subtree {
    node_ref from;        /* what its next level expands */
    const request *level; /* its last level; `expand` requests */
    bool lost;            /* not comparable from here on: prompt_shared_by_two_subtrees */
} subtree;

typedef struct run {
    const golden_case *c;
    driver *d;
    const json_t *trace;
    size_t expand;
    subtree *trees; /* owned */
    size_t count;
} run;

static const double *score_of (const run *r, const request *q)
{
    return &search_node (driver_search (r->d), q->node)->score;
}

/* The requests of a subtree's level, `expand` of them in a row; NULL = there are none. */
static const request *level_of (const run *r, const subtree *t, size_t index)
{
    size_t n, at = index * r->expand; /* below the root: in the order of the subtrees */
    const request *all = driver_requests (r->d, &n);
    if (t->from != NODE_ROOT)
        for (at = 0; at < n && all[at].planned.node != t->from; at++)
            ;
    for (size_t i = 0; i < r->expand; i++)
        if (at + i >= n || all[at + i].planned.node != t->from)
            return NULL;
    return all + at;
}

/* Index of the step that the search went on with, or the first of the best leaves. */
static size_t chosen_of (const run *r, const request *level, bool *ended)
{
    size_t n, best = 0;
    const request *all = driver_requests (r->d, &n);
    *ended = false;
    for (size_t i = 0; i < r->expand; i++)
        for (size_t k = 0; k < n; k++)
            if (all[k].planned.node == level[i].node)
                return i;
    *ended = true;
    for (size_t i = 1; i < r->expand; i++)
        if (*score_of (r, &level[i]) > *score_of (r, &level[best]))
            best = i;
    return best;
}

/* ---- the quirk: which of two subtrees with one prompt draws which k depends on lock-step ---- */

static size_t uses_of (const json_t *entry, const char *p)
{
    size_t count = 0, i;
    const json_t *one;
    json_array_foreach (json_object_get (entry, "subtrees"), i, one)
    {
        const char *mine = json_string_value (
            json_object_get (json_array_get (json_object_get (one, "ask"), 0), "p"));
        count += mine && strcmp (mine, p) == 0;
    }
    return count;
}

static bool shares_prompt (const run *r, const json_t *asked)
{
    const char *p = json_string_value (json_object_get (json_array_get (asked, 0), "p"));
    size_t i, uses = 0;
    const json_t *entry;
    if (!p || !golden_quirk (r->c, "prompt_shared_by_two_subtrees"))
        return false;
    json_array_foreach (r->trace, i, entry) uses += i > 0 ? uses_of (entry, p) : 0;
    return uses > 1;
}

/* ---- the trace ---- */

static bool any_lost (const run *r)
{
    bool lost = false;
    for (size_t i = 0; i < r->count; i++)
        lost = lost || r->trees[i].lost;
    return lost;
}

static bool
compare_lookaheads (outcome *o, run *r, const char *where, const json_t *want, const request *q)
{
    const json_t *scored = json_object_get (want, "scored_text");
    size_t n;
    const request *looks = driver_lookaheads (r->d, &n);
    esp_buf text = {0};
    bool same = esp_buf_add (&text, q->text) == ESP_OK;
    for (size_t i = 0; i < n && same; i++)
        if (looks[i].planned.node == q->node)
            same = esp_buf_add (&text, looks[i].text) == ESP_OK;
    if (!same)
        outcome_fail (o, "out of memory");
    same = same && compare_text (o, where, scored, esp_buf_span (&text));
    esp_buf_free (&text);
    return same;
}

static bool
compare_subtree (outcome *o, run *r, const char *level, const json_t *entry, const char *mode)
{
    int64_t index = golden_need_int (o, entry, "subtree");
    const json_t *asked = golden_need_array (o, entry, "ask");
    subtree *t;
    char where[100];
    bool ended;
    size_t chosen;
    if (o->failed || index < 0 || (size_t)index >= r->count) {
        outcome_fail (o, "malformed: %s has a subtree that is not there", level);
        return false;
    }
    t = &r->trees[index];
    if (t->lost || shares_prompt (r, asked)) {
        outcome_tolerate (o, "prompt_shared_by_two_subtrees");
        t->lost = true;
        return true;
    }
    snprintf (where, sizeof (where), "%s, subtree %lld", level, (long long)index);
    if (!(t->level = level_of (r, t, (size_t)index))) {
        outcome_fail (o, "%s: nothing was asked", where);
        return false;
    }
    if (!compare_requests (o, where, asked, r->d, t->level, r->expand))
        return false;
    if ((strcmp (mode, "to_eos") == 0) != (t->level[0].planned.mode == TASK_TO_END)) {
        outcome_fail (o, "%s: mode is not %s", where, mode);
        return false;
    }
    for (size_t i = 0; i < r->expand; i++)
        if (!compare_lookaheads (o, r, where, json_array_get (asked, i), &t->level[i]))
            return false;
    chosen = chosen_of (r, t->level, &ended);
    t->from = t->level[chosen].node;
    if (golden_bool (o, entry, "ended", ended) != ended)
        outcome_fail (o, "%s: ended is %s", where, ended ? "true" : "false");
    return !o->failed && compare_int (o, where, json_object_get (entry, "chosen"), (int64_t)chosen);
}

/* Greedy requests of the level, round by round: they depend on the texts alone, so the set of each round counts. */
static bool compare_looks (outcome *o, run *r, const char *level, const json_t *entry)
{
    const json_t *rounds = golden_array (o, entry, "lookahead_ask");
    size_t n, i, k;
    const request *looks = driver_lookaheads (r->d, &n);
    const json_t *round, *want;
    json_array_foreach (rounds, i, round) json_array_foreach (round, k, want)
    {
        const char *prefix = json_string_value (json_object_get (want, "prefix"));
        size_t at = 0;
        while (prefix && at < n && !span_is (looks[at].prompt, prefix))
            at++;
        if (prefix && at == n) {
            outcome_fail (o, "%s, lookahead round %zu, request %zu: never asked", level, i, k);
            return false;
        }
        if (prefix && !compare_request (o, level, want, r->d, &looks[at]))
            return false;
    }
    return !o->failed;
}

static bool compare_levels (outcome *o, run *r)
{
    const json_t *entry, *one;
    size_t i, k;
    char where[60];
    json_array_foreach (r->trace, i, entry)
    {
        const char *mode = golden_text (o, entry, "mode", "step");
        const json_t *subtrees = golden_need_array (o, entry, "subtrees");
        snprintf (where, sizeof (where), "level %zu", i);
        json_array_foreach (subtrees, k,
                            one) if (!compare_subtree (o, r, where, one, mode)) return false;
        if (!any_lost (r) && !compare_looks (o, r, where, entry))
            return false;
    }
    return !o->failed;
}

/* ---- leaves ---- */

static bool is_answer (driver *d, node_ref ref)
{
    size_t n;
    const node_ref *refs = driver_answers (d, &n);
    for (size_t i = 0; i < n; i++)
        if (refs[i] == ref)
            return true;
    return false;
}

static bool compare_leaves (outcome *o, run *r, const json_t *leaves)
{
    char where[60];
    if (leaves && !compare_size (o, "leaves", json_array_size (leaves), r->count * r->expand))
        return false;
    for (size_t i = 0; leaves && i < r->count * r->expand; i++) {
        const subtree *t = &r->trees[i / r->expand];
        const json_t *want = golden_entry (o, leaves, i);
        size_t n;
        if (t->lost)
            continue;
        node_ref ref = t->level[i % r->expand].node;
        const double *scores = driver_scores (r->d, ref, &n);
        snprintf (where, sizeof (where), "leaf %zu", i);
        if (!compare_text (o, where, json_object_get (want, "text"), driver_text (r->d, ref)) ||
            !compare_exact (o, where, json_object_get (want, "agg"),
                            *score_of (r, &t->level[i % r->expand])) ||
            !compare_numbers (o, where, json_object_get (want, "scores"), scores, n))
            return false;
        if (golden_bool (o, want, "finished", is_answer (r->d, ref)) != is_answer (r->d, ref)) {
            outcome_fail (o, "%s: it is %s candidate", where, is_answer (r->d, ref) ? "a" : "no");
            return false;
        }
    }
    return !o->failed;
}

/* The program's own choice (vote: best); pred_index counts all leaves. */
static bool compare_pred (outcome *o, run *r, const json_t *found)
{
    size_t n, at = 0;
    const node_ref *refs = driver_answers (r->d, &n);
    vote_candidate *all = esp_calloc (n + 1, sizeof (*all));
    vote_winner won;
    esp_err err = all ? ESP_OK : ESP_ENOMEM;
    for (size_t i = 0; err == ESP_OK && i < n; i++)
        all[i] = (vote_candidate){.answer = fake_stated (driver_text (r->d, refs[i])),
                                  .score = search_node (driver_search (r->d), refs[i])->score};
    if (err == ESP_OK)
        err = vote (VOTE_BEST, all, n, 1.0, &won);
    esp_free (all);
    if (err != ESP_OK) {
        outcome_fail (o, "pred: %s", esp_err_text (err));
        return false;
    }
    while (at < r->count * r->expand &&
           r->trees[at / r->expand].level[at % r->expand].node != refs[won.candidate])
        at++;
    return compare_text (o, "pred", json_object_get (found, "pred"),
                         driver_text (r->d, refs[won.candidate])) &&
           compare_int (o, "pred_index", json_object_get (found, "pred_index"), (int64_t)at);
}

static bool compare_ends (outcome *o, run *r)
{
    const json_t *found = golden_object (o, r->c->body, "results");
    for (size_t i = 0; i < r->count; i++)
        if (!r->trees[i].level && !r->trees[i].lost)
            outcome_fail (o, "malformed: the trace never mentions subtree %zu", i);
    if (o->failed || !compare_leaves (o, r, golden_array (o, found, "leaves")))
        return false;
    return any_lost (r) || (compare_pred (o, r, found) && compare_pairs (o, r->trace, r->d) &&
                            compare_counts (o, json_object_get (r->c->body, "counts"), r->d));
}

void conf_dvts (const golden_case *c, outcome *o)
{
    const json_t *params = golden_params (c, o);
    int64_t n = golden_need_int (o, params, "n"), expand = golden_need_int (o, params, "expand");
    run r = {.c = c, .trace = golden_trace (c, o)};
    if (!o->failed && (expand < 1 || n < expand || n % expand != 0 || n / expand > SUBTREES_MOST))
        outcome_fail (o, "n = %lld is no multiple of expand = %lld", (long long)n,
                      (long long)expand);
    if (o->failed)
        return;
    r.expand = (size_t)expand;
    r.count = (size_t)(n / expand);
    r.trees = esp_calloc (r.count, sizeof (*r.trees));
    r.d = golden_search (
        c, o, NULL,
        "strategy: dvts, keep: %lld, expand: %lld, lookahead: %lld, max_steps: %lld, aggregate: %s",
        (long long)(n / expand), (long long)expand,
        (long long)golden_int (o, params, "lookahead", 0),
        (long long)golden_int (o, params, "num_iterations", 40),
        golden_text (o, params, "agg", "last"));
    if (!r.trees)
        outcome_fail (o, "out of memory");
    else if (r.d && compare_levels (o, &r))
        compare_ends (o, &r);
    driver_close (r.d);
    esp_free (r.trees);
}
