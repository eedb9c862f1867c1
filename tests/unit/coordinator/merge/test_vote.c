/* SPDX-License-Identifier: Apache-2.0 */
/* test_vote.c - what coordinator/merge/vote.h promises */

#include "coordinator/merge/vote.h"
#include <math.h>
#include "proto/base/alloc.h"
#include "tests/support/suite.h"

static const enum vote_rule all[] = {VOTE_BEST,     VOTE_MAJORITY, VOTE_WEIGHTED,  VOTE_MIN_MAX,
                                     VOTE_LAST_MAX, VOTE_MIN_VOTE, VOTE_LAST_VOTE, VOTE_FIRST};
enum { RULES = sizeof (all) / sizeof (all[0]) };

static vote_candidate one (const char *answer, double score)
{
    return (vote_candidate){.answer = span_of (answer), .score = score};
}

static vote_candidate steps (const char *answer, const double *scores, size_t n)
{
    return (vote_candidate){
        .answer = span_of (answer), .score = scores[n - 1], .scores = scores, .score_count = n};
}

static vote_winner win (enum vote_rule rule, const vote_candidate *c, size_t n)
{
    vote_winner won = {99, 99, 99, 99};
    PASS (vote (rule, c, n, 1.0, &won));
    return won;
}

static void no_candidates_give_no_vote (void)
{
    vote_winner won = {7, 7, 7, 7};
    for (int r = 0; r < RULES; r++)
        FAILS (vote (all[r], NULL, 0, 1.0, &won), ESP_EEMPTY);
    CHECK (won.candidate == 7 && won.weight == 7);
    CHECK (vote_groups (NULL, 0, 1.0, NULL) == 0);
}

static void one_candidate_wins_every_vote (void)
{
    const double scores[] = {0.5, 0.25};
    vote_candidate c = steps ("42", scores, 2);
    for (int r = 0; r < RULES; r++)
        CHECK (win (all[r], &c, 1).candidate == 0 && win (all[r], &c, 1).first == 0 &&
               win (all[r], &c, 1).votes == 1);
}

static void best_is_the_first_of_the_largest_scores (void)
{
    const vote_candidate c[] = {one ("a", 0.25), one ("b", 0.75), one ("c", 0.75), one ("b", NAN)};
    vote_winner won = win (VOTE_BEST, c, 4);
    CHECK (won.candidate == 1 && won.first == 1 && won.votes == 2 && won.weight == 0.75);
}

static void the_first_seen_answer_wins_a_tie_of_groups (void)
{
    const vote_candidate c[] = {one ("b", 0.25), one ("a", 0.5), one ("a", 0.25), one ("b", 0.5)};
    vote_winner won = win (VOTE_MAJORITY, c, 4);
    CHECK (won.first == 0 && won.candidate == 3 && won.votes == 2 && won.weight == 2.0);
    won = win (VOTE_WEIGHTED, c, 4);
    CHECK (won.first == 0 && won.candidate == 3 && won.weight == 0.75);
}

static void a_weighted_vote_is_not_a_majority (void)
{
    const vote_candidate c[] = {one ("a", 0.125), one ("a", 0.125), one ("b", 0.9),
                                one ("a", 0.125)};
    CHECK (win (VOTE_MAJORITY, c, 4).first == 0);
    CHECK (win (VOTE_WEIGHTED, c, 4).first == 2);
    CHECK (win (VOTE_BEST, c, 4).candidate == 2);
}

static void the_power_bends_the_weights (void)
{
    const vote_candidate c[] = {one ("a", 0.4), one ("a", 0.4), one ("b", 0.7)};
    vote_winner won;
    PASS (vote (VOTE_WEIGHTED, c, 3, 1.0, &won));
    CHECK (won.first == 0);
    PASS (vote (VOTE_WEIGHTED, c, 3, 2.0, &won));
    CHECK (won.first == 2);
    PASS (vote (VOTE_WEIGHTED, c, 3, 0.0, &won));
    CHECK (won.first == 0 && won.weight == 2.0);
    const vote_candidate negative[] = {one ("a", -3.0), one ("b", 0.1)};
    PASS (vote (VOTE_WEIGHTED, negative, 2, 0.5, &won)); /* no root of a negative weight */
    CHECK (won.first == 1);
}

static void min_and_last_rules_read_the_step_scores (void)
{
    const double a[] = {0.1, 0.9}, b[] = {0.5, 0.4}, c2[] = {0.3, 0.35};
    const vote_candidate c[] = {steps ("a", a, 2), steps ("b", b, 2), steps ("c", c2, 2),
                                steps ("c", c2, 2)};
    CHECK (win (VOTE_MIN_MAX, c, 4).candidate == 1);
    CHECK (win (VOTE_LAST_MAX, c, 4).candidate == 0);
    CHECK (win (VOTE_MIN_VOTE, c, 4).first == 2);
    CHECK (win (VOTE_LAST_VOTE, c, 4).first == 0);
}

static void first_is_the_first_candidate_with_an_answer (void)
{
    const vote_candidate c[] = {one ("", 0.9), one ("a", 0.25), one ("b", 0.75), one ("a", 0.5)};
    vote_winner won = win (VOTE_FIRST, c, 4);
    CHECK (won.candidate == 1 && won.first == 1 && won.votes == 2 && won.weight == 0.25);
    won = win (VOTE_FIRST, c + 2, 2);
    CHECK (won.candidate == 0 && won.first == 0 && won.votes == 1 && won.weight == 0.75);
}

static void no_step_scores_count_as_minus_one (void)
{
    const double low[] = {-0.5};
    const vote_candidate c[] = {one ("a", 0.9), one ("a", 0.9), steps ("b", low, 1)};
    CHECK (win (VOTE_MIN_MAX, c, 3).candidate == 2 && win (VOTE_LAST_MAX, c, 3).candidate == 2);
    CHECK (win (VOTE_MIN_VOTE, c, 3).first == 2 && win (VOTE_LAST_VOTE, c, 3).first == 2);
    const vote_candidate empty[] = {one ("a", NAN), one ("b", NAN)};
    CHECK (win (VOTE_MIN_VOTE, empty, 2).first == 0 &&
           win (VOTE_MIN_VOTE, empty, 2).weight == -1.0);
}

static void nan_scores_win_nothing_and_weigh_nothing (void)
{
    const vote_candidate c[] = {one ("a", NAN), one ("a", NAN), one ("b", 0.01)};
    CHECK (win (VOTE_BEST, c, 3).candidate == 2);
    CHECK (win (VOTE_WEIGHTED, c, 3).first == 2);
    CHECK (win (VOTE_MAJORITY, c, 3).first == 0);
    const vote_candidate only[] = {one ("a", NAN), one ("b", NAN)};
    for (int r = 0; r < RULES; r++)
        CHECK (win (all[r], only, 2).candidate == 0); /* somebody wins, the first */
}

static void a_candidate_without_an_answer_counts_only_when_none_has_one (void)
{
    const double high[] = {0.9};
    const vote_candidate c[] = {steps ("", high, 1), steps ("", high, 1), one ("a", 0.1)};
    for (int r = 0; r < RULES; r++)
        CHECK (win (all[r], c, 3).first == 2);
    for (int r = 0; r < RULES; r++)
        CHECK (win (all[r], c, 2).first == 0);
    CHECK (win (VOTE_MAJORITY, c, 2).votes == 2);
}

static void groups_are_in_the_order_of_appearance (void)
{
    const double s[] = {0.5, 0.25};
    const vote_candidate c[] = {one ("z", 1.0), steps ("a", s, 2), one ("z", 2.0), one ("", NAN)};
    vote_group g[4];
    CHECK (vote_groups (c, 4, 1.0, g) == 3);
    CHECK (g[0].first == 0 && g[0].count == 2 && g[0].sum == 3.0 && g[0].min_sum == -2.0);
    CHECK (g[1].first == 1 && g[1].min_sum == 0.25 && g[1].last_sum == 0.25);
    CHECK (g[2].first == 3 && g[2].sum == 0.0);
}

static void answers_are_bytes_and_may_hold_zeros (void)
{
    const vote_candidate c[] = {{.answer = {"a\0b", 3}, .score = 0.1},
                                {.answer = {"a\0c", 3}, .score = 0.2},
                                {.answer = {"a\0c", 3}, .score = 0.1}};
    CHECK (win (VOTE_MAJORITY, c, 3).first == 1 && win (VOTE_MAJORITY, c, 3).votes == 2);
}

static void survives_failure_of_every_allocation (void)
{
    const vote_candidate c[] = {one ("a", 0.5), one ("b", 0.25)};
    vote_winner won = {7, 7, 7, 7};
    esp_alloc_fail_after (0);
    FAILS (vote (VOTE_MAJORITY, c, 2, 1.0, &won), ESP_ENOMEM);
    esp_alloc_fail_after (-1);
    CHECK (won.candidate == 7 && esp_alloc_live () == 0);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"no candidates give no vote", no_candidates_give_no_vote},
        {"one candidate wins every vote", one_candidate_wins_every_vote},
        {"best is the first of the largest scores", best_is_the_first_of_the_largest_scores},
        {"the first seen answer wins a tie of groups", the_first_seen_answer_wins_a_tie_of_groups},
        {"a weighted vote is not a majority", a_weighted_vote_is_not_a_majority},
        {"the power bends the weights", the_power_bends_the_weights},
        {"min and last rules read the step scores", min_and_last_rules_read_the_step_scores},
        {"first is the first candidate with an answer",
         first_is_the_first_candidate_with_an_answer},
        {"no step scores count as -1", no_step_scores_count_as_minus_one},
        {"NaN scores win nothing and weigh nothing", nan_scores_win_nothing_and_weigh_nothing},
        {"a candidate without an answer counts only when none has one",
         a_candidate_without_an_answer_counts_only_when_none_has_one},
        {"groups are in the order of appearance", groups_are_in_the_order_of_appearance},
        {"answers are bytes and may hold zeros", answers_are_bytes_and_may_hold_zeros},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("vote", cases);
}
