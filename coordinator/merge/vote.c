/* SPDX-License-Identifier: Apache-2.0 */
/* vote.c - see vote.h; groups are found by linear search over the group list, which is short */

#include "coordinator/merge/vote.h"
#include <math.h>
#include "proto/base/alloc.h"
#include "proto/base/fmath.h"

static double minimum (const vote_candidate *c)
{
    double least = c->score_count ? c->scores[0] : -1.0;
    for (size_t i = 1; i < c->score_count; i++)
        least = c->scores[i] < least ? c->scores[i] : least;
    return least;
}

static double last (const vote_candidate *c)
{
    return c->score_count ? c->scores[c->score_count - 1] : -1.0;
}

static double weight_of (double score, double power)
{
    if (isnan (score))
        return 0.0;
    return power == 1.0 ? score : esp_pow (score > 0.0 ? score : 0.0, power);
}

size_t vote_groups (const vote_candidate *candidates, size_t n, double power, vote_group *groups)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        size_t g = 0;
        while (g < count && !span_equal (candidates[groups[g].first].answer, candidates[i].answer))
            g++;
        if (g == count)
            groups[count++] = (vote_group){.first = i};
        groups[g].count++;
        groups[g].sum += weight_of (candidates[i].score, power);
        groups[g].min_sum += minimum (&candidates[i]);
        groups[g].last_sum += last (&candidates[i]);
    }
    return count;
}

static double value_of_candidate (enum vote_rule rule, const vote_candidate *c)
{
    if (rule == VOTE_MIN_MAX)
        return minimum (c);
    return rule == VOTE_LAST_MAX ? last (c) : isnan (c->score) ? -INFINITY : c->score;
}

static double value_of_group (enum vote_rule rule, const vote_group *g)
{
    switch (rule) {
    case VOTE_MAJORITY:
        return (double)g->count;
    case VOTE_MIN_VOTE:
        return g->min_sum;
    case VOTE_LAST_VOTE:
        return g->last_sum;
    default:
        return g->sum;
    }
}

static bool any_answer (const vote_candidate *candidates, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (candidates[i].answer.len > 0)
            return true;
    return false;
}

/* Best candidate among those that may win; group NULL: all. */
static size_t best_of (enum vote_rule rule, const vote_candidate *candidates, size_t n,
                       const span *group, bool need_answer)
{
    size_t best = n;
    for (size_t i = 0; i < n; i++) {
        if ((need_answer && candidates[i].answer.len == 0) ||
            (group && !span_equal (candidates[i].answer, *group)))
            continue;
        if (best == n || (rule != VOTE_FIRST && value_of_candidate (rule, &candidates[i]) >
                                                    value_of_candidate (rule, &candidates[best])))
            best = i;
    }
    return best;
}

static bool is_single (enum vote_rule rule)
{
    return rule == VOTE_BEST || rule == VOTE_MIN_MAX || rule == VOTE_LAST_MAX || rule == VOTE_FIRST;
}

esp_err vote (enum vote_rule rule, const vote_candidate *candidates, size_t n, double power,
              vote_winner *out)
{
    bool need_answer = any_answer (candidates, n);
    vote_group *groups;
    size_t count, win = 0;
    if (n == 0)
        return ESP_EEMPTY;
    if (!(groups = esp_reallocarray (NULL, n, sizeof (*groups))))
        return ESP_ENOMEM;
    count = vote_groups (candidates, n, power, groups);
    if (is_single (rule)) {
        size_t best = best_of (rule, candidates, n, NULL, need_answer);
        for (win = 0; !span_equal (candidates[groups[win].first].answer, candidates[best].answer);
             win++)
            ;
        *out = (vote_winner){best, best, groups[win].count,
                             value_of_candidate (rule, &candidates[best])};
    } else {
        win = count;
        for (size_t g = 0; g < count; g++)
            if (!(need_answer && candidates[groups[g].first].answer.len == 0) &&
                (win == count ||
                 value_of_group (rule, &groups[g]) > value_of_group (rule, &groups[win])))
                win = g;
        const span *answer = &candidates[groups[win].first].answer;
        *out = (vote_winner){best_of (VOTE_BEST, candidates, n, answer, false), groups[win].first,
                             groups[win].count, value_of_group (rule, &groups[win])};
    }
    esp_free (groups);
    return ESP_OK;
}
