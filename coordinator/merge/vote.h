/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_MERGE_VOTE_H
#define ESP_COORDINATOR_MERGE_VOTE_H

/* vote.h - which answer a set of finished branches gives
 *
 * Candidates with equal keys form a group, in the order first seen; the first spelling is the group's.
 *   best        the candidate with the largest score (naive in search-and-learn: argmax, first of equals)
 *   majority    the largest group
 *   weighted    the largest sum of score^power
 *   min_max     the candidate with the largest minimum over its step scores (OpenR prm_min_max); no steps count as -1
 *   last_max    ... with the largest last step score (OpenR prm_last_max)
 *   min_vote    the group with the largest sum of minima (OpenR prm_min_vote)
 *   last_vote   ... of last step scores (OpenR prm_last_vote)
 *   first       the first candidate: what the strategy itself chose (its_hub particle filtering that samples its answer)
 * The first seen wins a tie.  Sources: search-and-learn utils/math.py, utils/score.py; openr reason/reranking/vote_utils.py.
 * Deviation: a candidate without an answer takes part only when no candidate has one.
 *
 * Pure; no allocation beyond the call.
 */

#include <stddef.h>
#include <stdint.h>
#include "proto/base/err.h"
#include "proto/base/text.h"

enum vote_rule {
    VOTE_BEST,
    VOTE_MAJORITY,
    VOTE_WEIGHTED,
    VOTE_MIN_MAX,
    VOTE_LAST_MAX,
    VOTE_MIN_VOTE,
    VOTE_LAST_VOTE,
    VOTE_FIRST
};
#define VOTE_CHOICES "best|majority|weighted|min_max|last_max|min_vote|last_vote|first"

typedef struct vote_candidate {
    span answer;          /* its key (answer_key.h); empty = none */
    double score;         /* aggregate; NaN counts as the smallest, and as 0 in sums */
    const double *scores; /* step scores, for the min and last rules */
    size_t score_count;
} vote_candidate;

typedef struct vote_group {
    size_t first; /* index of its first candidate */
    size_t count;
    double sum; /* of score^power */
    double min_sum, last_sum;
} vote_group;

/* Groups in order of appearance; groups must have room for n.  Returns how many there are. */
size_t vote_groups (const vote_candidate *candidates, size_t n, double power, vote_group *groups);

typedef struct vote_winner {
    size_t
        candidate; /* the row to show: the best-scored member of the winning group, or the winning candidate */
    size_t first;  /* first member: its spelling is the answer */
    size_t votes;  /* members of the group */
    double weight; /* what won: a score, a count or a sum */
} vote_winner;

/* Errors: ESP_EEMPTY (n is 0), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err vote (enum vote_rule rule, const vote_candidate *candidates, size_t n,
                             double power, vote_winner *out);

#endif
