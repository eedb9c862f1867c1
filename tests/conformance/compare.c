/* SPDX-License-Identifier: Apache-2.0 */
/* compare.c - see compare.h */

#include "tests/conformance/compare.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/hash.h"

static const double NEAR = 1e-12; /* golden README, section 4 */
enum { SHOWN = 60 };              /* bytes of a text in a sentence */

static bool absent (const json_t *value)
{
    return !value || json_is_null (value);
}

bool compare_size (outcome *o, const char *where, size_t want, size_t got)
{
    if (want != got)
        outcome_fail (o, "%s: %zu expected, got %zu", where, want, got);
    return want == got;
}

bool compare_int (outcome *o, const char *where, const json_t *want, int64_t got)
{
    if (absent (want) || (json_is_integer (want) && json_integer_value (want) == got))
        return true;
    if (!json_is_integer (want))
        outcome_fail (o, "malformed: %s is not a whole number", where);
    else
        outcome_fail (o, "%s: %lld expected, got %lld", where, (long long)json_integer_value (want),
                      (long long)got);
    return false;
}

bool compare_text (outcome *o, const char *where, const json_t *want, span got)
{
    span text = json_is_string (want)
                    ? span_make (json_string_value (want), json_string_length (want))
                    : span_of ("");
    if (absent (want) || (json_is_string (want) && span_equal (text, got)))
        return true;
    if (!json_is_string (want))
        outcome_fail (o, "malformed: %s is not text", where);
    else
        outcome_fail (o, "%s: '%.*s' expected, got '%.*s'", where,
                      (int)(text.len < SHOWN ? text.len : SHOWN), text.ptr,
                      (int)(got.len < SHOWN ? got.len : SHOWN), got.ptr);
    return false;
}

bool compare_sha256 (outcome *o, const char *where, const json_t *want, span got)
{
    uint8_t hash[ESP_SHA256_BYTES];
    char hex[ESP_SHA256_HEX + 1];
    esp_sha256 (got, hash);
    esp_hex (hash, sizeof (hash), hex);
    return compare_text (o, where, want, span_of (hex));
}

static bool
numbers_agree (outcome *o, const char *where, const json_t *want, double got, double tolerance)
{
    double value = json_number_value (want);
    if (absent (want))
        return true;
    if (!json_is_number (want)) {
        outcome_fail (o, "malformed: %s is not a number", where);
        return false;
    }
    if (value == got || fabs (value - got) <= tolerance * fmax (fabs (value), fabs (got)))
        return true;
    outcome_fail (o, "%s: %.17g expected, got %.17g", where, value, got);
    return false;
}

bool compare_exact (outcome *o, const char *where, const json_t *want, double got)
{
    return numbers_agree (o, where, want, got, 0.0);
}

bool compare_near (outcome *o, const char *where, const json_t *want, double got)
{
    return numbers_agree (o, where, want, got, NEAR);
}

static bool list_of (outcome *o, const char *where, const json_t *want, size_t n)
{
    if (json_is_array (want))
        return compare_size (o, where, json_array_size (want), n);
    outcome_fail (o, "malformed: %s is not a list", where);
    return false;
}

bool compare_numbers (outcome *o, const char *where, const json_t *want, const double *got,
                      size_t n)
{
    char at[160];
    bool same = absent (want) || list_of (o, where, want, n);
    for (size_t i = 0; same && !absent (want) && i < n; i++) {
        snprintf (at, sizeof (at), "%s %zu", where, i);
        same = compare_exact (o, at, json_array_get (want, i), got[i]);
    }
    return same;
}

bool compare_indices (outcome *o, const char *where, const json_t *want, const uint32_t *got,
                      size_t n)
{
    char at[160];
    bool same = absent (want) || list_of (o, where, want, n);
    for (size_t i = 0; same && !absent (want) && i < n; i++) {
        snprintf (at, sizeof (at), "%s %zu", where, i);
        same = compare_int (o, at, json_array_get (want, i), got[i]);
    }
    return same;
}

/* ---- requests ---- */

static void prompt_name (const request *r, char out[ESP_SHA256_HEX + 1])
{
    uint8_t hash[ESP_SHA256_BYTES];
    esp_sha256 (r->prompt, hash);
    esp_hex (hash, sizeof (hash), out);
}

static bool same_k (outcome *o, const char *where, const json_t *want, uint32_t got)
{
    if (got == TASK_K_GREEDY)
        return compare_text (o, where, want, span_of ("g"));
    return compare_int (o, where, want, got);
}

static bool
same_node (outcome *o, const char *where, const json_t *want, driver *d, const request *got)
{
    const node *n = search_node (driver_search (d), got->node);
    size_t count;
    const double *scores = driver_scores (d, got->node, &count);
    double last = count ? scores[count - 1] : NAN;
    char at[160];
#define AT(field) (snprintf (at, sizeof (at), "%s, %s", where, field), at)
    return compare_exact (o, AT ("agg"), json_object_get (want, "agg"), n->score) &&
           compare_exact (o, AT ("score"), json_object_get (want, "score"), last) &&
           compare_exact (o, AT ("last"), json_object_get (want, "last"), last) &&
           compare_numbers (o, AT ("scores"), json_object_get (want, "scores"), scores, count) &&
           compare_exact (o, AT ("avg_logprob"), json_object_get (want, "avg_logprob"),
                          n->mean_logprob) &&
           compare_text (o, AT ("answer"), json_object_get (want, "answer"),
                         fake_stated (driver_text (d, got->node)));
}

bool compare_request (outcome *o, const char *where, const json_t *want, driver *d,
                      const request *got)
{
    char name[ESP_SHA256_HEX + 1], at[160];
    const json_t *eos = json_object_get (want, "eos");
    if (absent (json_object_get (want, "p")) || absent (json_object_get (want, "k"))) {
        outcome_fail (o, "malformed: %s has no p or no k", where);
        return false;
    }
    prompt_name (got, name);
    if (!compare_text (o, AT ("prefix"), json_object_get (want, "prefix"), got->prompt) ||
        !compare_text (o, AT ("p"), json_object_get (want, "p"), span_of (name)) ||
        !same_k (o, AT ("k"), json_object_get (want, "k"), got->planned.k) ||
        !compare_text (o, AT ("text"), json_object_get (want, "text"), got->text))
        return false;
    if (!absent (eos) && (!json_is_boolean (eos) || json_is_true (eos) != got->eos)) {
        outcome_fail (o, "%s: eos is %s", where, got->eos ? "true" : "false");
        return false;
    }
    return got->node == NODE_NONE || same_node (o, where, want, d, got);
}
#undef AT

bool compare_requests (outcome *o, const char *where, const json_t *want, driver *d,
                       const request *got, size_t n)
{
    char at[160];
    bool same = list_of (o, where, want, n);
    for (size_t i = 0; same && i < n; i++) {
        snprintf (at, sizeof (at), "%s, request %zu", where, i);
        same = compare_request (o, at, json_array_get (want, i), d, &got[i]);
    }
    return same;
}

/* ---- order-free ---- */

typedef struct pairs {
    char (*at)[ESP_SHA256_HEX + 16]; /* "sha k" */
    size_t count, cap;
} pairs;

static bool add_pair (pairs *list, const char *p, const char *k)
{
    if (esp_grow (&list->at, &list->cap, list->count + 1, sizeof (*list->at)) != 0)
        return false;
    snprintf (list->at[list->count++], sizeof (list->at[0]), "%.64s %.12s", p, k);
    return true;
}

static bool collect_pairs (const json_t *value, pairs *list)
{
    const char *key;
    json_t *one, *p = json_object_get (value, "p"), *k = json_object_get (value, "k");
    char number[32];
    bool good = true;
    if (json_is_string (p) && k) {
        snprintf (number, sizeof (number), "%lld", (long long)json_integer_value (k));
        return add_pair (list, json_string_value (p),
                         json_is_string (k) ? json_string_value (k) : number);
    }
    for (size_t i = 0; i < json_array_size (value); i++)
        good = good && collect_pairs (json_array_get (value, i), list);
    json_object_foreach ((json_t *)value, key, one)
    {
        if (strcmp (key, "lookahead_ask") != 0)
            good = good && collect_pairs (one, list);
    }
    return good;
}

static int by_text (const void *a, const void *b)
{
    return strcmp (a, b);
}

static bool driver_pairs (driver *d, pairs *list)
{
    char name[ESP_SHA256_HEX + 1], k[FAKE_K];
    size_t n;
    const request *all = driver_requests (d, &n);
    for (size_t i = 0; i < n; i++) {
        prompt_name (&all[i], name);
        if (!add_pair (list, name, fake_k (all[i].planned.k, k)))
            return false;
    }
    return true;
}

static bool same_pairs (outcome *o, pairs *want, pairs *got)
{
    if (want->count)
        qsort (want->at, want->count, sizeof (*want->at), by_text);
    if (got->count)
        qsort (got->at, got->count, sizeof (*got->at), by_text);
    for (size_t i = 0; i < want->count && i < got->count; i++)
        if (strcmp (want->at[i], got->at[i]) != 0) {
            outcome_fail (o, "requests as a set: prompt %.12s.. k%s expected, got %.12s.. k%s",
                          want->at[i], want->at[i] + ESP_SHA256_HEX, got->at[i],
                          got->at[i] + ESP_SHA256_HEX);
            return false;
        }
    return compare_size (o, "requests in all", want->count, got->count);
}

bool compare_pairs (outcome *o, const json_t *trace, driver *d)
{
    pairs want = {0}, got = {0};
    bool same = collect_pairs (trace, &want) && driver_pairs (d, &got);
    if (!same)
        outcome_fail (o, "out of memory");
    same = same && same_pairs (o, &want, &got);
    esp_free (want.at);
    esp_free (got.at);
    return same;
}

bool compare_counts (outcome *o, const json_t *counts, const driver *d)
{
    budget used = search_used (driver_search (d));
    if (!absent (counts) && !json_is_object (counts)) {
        outcome_fail (o, "malformed: counts is not an object");
        return false;
    }
    return compare_int (o, "counts.generations", json_object_get (counts, "generations"),
                        (int64_t)used.generations) &&
           compare_int (o, "counts.generated_tokens", json_object_get (counts, "generated_tokens"),
                        (int64_t)used.generated_tokens);
}
