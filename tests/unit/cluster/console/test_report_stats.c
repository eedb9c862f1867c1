/* SPDX-License-Identifier: Apache-2.0 */
/* test_report_stats.c - what cluster/console/report_stats.h promises */
// LINK: esp_report

#include "cluster/console/report_stats.h"
#include <math.h>
#include <stdbool.h>
#include "proto/base/alloc.h"
#include "tests/support/suite.h"

static bool near (double a, double b)
{
    return fabs (a - b) <= 1e-12 * fmax (1, fabs (b));
}

/* Share of the k-subsets of n that hold one of the first c, by listing all subsets. */
static double pass_by_hand (unsigned n, unsigned c, unsigned k)
{
    unsigned all = 0, hit = 0;
    for (unsigned set = 0; set < 1u << n; set++)
        if ((unsigned)__builtin_popcount (set) == k) {
            all++;
            hit += (set & ((1u << c) - 1)) != 0;
        }
    return (double)hit / all;
}

static void pass_at_k_is_the_share_of_subsets_with_a_right_one (void)
{
    for (unsigned n = 1; n <= 10; n++)
        for (unsigned c = 0; c <= n; c++)
            for (unsigned k = 1; k <= n; k++)
                CHECK (near (report_pass_at_k (n, c, k), pass_by_hand (n, c, k)));
}

static void pass_at_k_is_not_defined_beyond_n (void)
{
    CHECK (isnan (report_pass_at_k (4, 1, 5)));
    CHECK (isnan (report_pass_at_k (4, 1, 0)));
    CHECK (isnan (report_pass_at_k (0, 0, 1)));
    CHECK (isnan (report_pass_at_k (4, 5, 1)));
    CHECK (near (report_pass_at_k (100000, 10, 1), 1e-4));
}

static void mcnemar_gives_known_numbers (void)
{
    /* exact, by rational arithmetic (Python fractions) */
    CU_ASSERT_EQUAL (report_mcnemar (0, 0), 1);
    CU_ASSERT_EQUAL (report_mcnemar (5, 5), 1);
    CU_ASSERT_EQUAL (report_mcnemar (1, 0), 1);
    CHECK (near (report_mcnemar (0, 5), 0.0625));
    CHECK (near (report_mcnemar (8, 1), 0.0390625));
    CHECK (near (report_mcnemar (3, 20), 0.00048828125));
    CHECK (near (report_mcnemar (10, 16), 0.32693958282470703));
    CHECK (near (report_mcnemar (59, 30), 0.0027852689963042145));
    CHECK (fabs (report_mcnemar (1000, 1100) - 0.030720707864242296) < 1e-10);
    CHECK (report_mcnemar (0, 5000) < 1e-300);
}

static void bootstrap_is_repeatable_and_covers_the_mean (void)
{
    double values[200], low, high, again_low, again_high;
    for (int i = 0; i < 200; i++)
        values[i] = i % 4 == 0;
    PASS (report_bootstrap (values, 200, 1000, 7, &low, &high));
    PASS (report_bootstrap (values, 200, 1000, 7, &again_low, &again_high));
    CHECK (low == again_low && high == again_high);
    /* normal approximation: 0.25 +- 1.96 * sqrt (0.25 * 0.75 / 200) = [0.19, 0.31] */
    CHECK (low > 0.17 && low < 0.21 && high > 0.29 && high < 0.33);
    for (int i = 0; i < 200; i++)
        values[i] = i / 7.0;
    PASS (report_bootstrap (values, 200, 1000, 7, &low, &high));
    PASS (report_bootstrap (values, 200, 1000, 8, &again_low, &again_high));
    CHECK (low != again_low || high != again_high);
    PASS (report_bootstrap (values + 7, 1, 1, 0, &low, &high));
    CHECK (low == 1 && high == 1);
}

static void bootstrap_of_nothing_is_not_defined (void)
{
    double value = 1, low = 0, high = 0;
    PASS (report_bootstrap (&value, 0, 100, 0, &low, &high));
    CHECK (isnan (low) && isnan (high));
    PASS (report_bootstrap (&value, 1, 0, 0, &low, &high));
    CHECK (isnan (low) && isnan (high));
}

static void aggregates_are_taken_in_order (void)
{
    static const double scores[] = {0.5, 0.25, 0.75};
    CU_ASSERT_EQUAL (report_aggregate (AGGREGATE_LAST, scores, 3), 0.75);
    CU_ASSERT_EQUAL (report_aggregate (AGGREGATE_MIN, scores, 3), 0.25);
    CU_ASSERT_EQUAL (report_aggregate (AGGREGATE_PROD, scores, 3), 0.09375);
    CU_ASSERT_EQUAL (report_aggregate (AGGREGATE_MEAN, scores, 3), 0.5);
    CU_ASSERT_EQUAL (report_aggregate (AGGREGATE_MAX, scores, 3), 0.75);
    for (int how = 0; how <= AGGREGATE_MAX; how++) {
        CHECK (isnan (report_aggregate ((enum report_aggregate)how, scores, 0)));
        CU_ASSERT_EQUAL (report_aggregate ((enum report_aggregate)how, scores, 1), 0.5);
    }
}

static void expect_votes (const report_candidate *c, size_t n, double power, int majority,
                          int weighted, int best)
{
    enum report_correct verdicts[REPORT_RULES];
    PASS (report_votes (c, n, power, verdicts));
    CU_ASSERT_EQUAL ((int)verdicts[RULE_MAJORITY], majority);
    CU_ASSERT_EQUAL ((int)verdicts[RULE_WEIGHTED], weighted);
    CU_ASSERT_EQUAL ((int)verdicts[RULE_BEST], best);
}

enum { A = 11, B = 22, C = 33 }; /* answers */

static void votes_group_equal_answers (void)
{
    static const report_candidate c[] = {
        {A, 0.9, 0, REPORT_WRONG, 0}, {B, 0.5, 0, REPORT_RIGHT, 0}, {B, 0.5, 0, REPORT_RIGHT, 0}};
    expect_votes (c, 1, 1, REPORT_WRONG, REPORT_WRONG, REPORT_WRONG);
    expect_votes (c, 3, 1, REPORT_RIGHT, REPORT_RIGHT, REPORT_WRONG);
    expect_votes (c, 3, 8, REPORT_RIGHT, REPORT_WRONG, REPORT_WRONG); /* 0.9^8 > 2 * 0.5^8 */
}

static void the_first_seen_wins_every_tie (void)
{
    static const report_candidate c[] = {{A, 0.5, 0, REPORT_RIGHT, 0},
                                         {B, 0.5, 0, REPORT_WRONG, 0},
                                         {B, 0.25, 0, REPORT_WRONG, 0},
                                         {A, 0.25, 0, REPORT_RIGHT, 0}};
    expect_votes (c, 2, 1, REPORT_RIGHT, REPORT_RIGHT, REPORT_RIGHT);
    expect_votes (c, 3, 1, REPORT_WRONG, REPORT_WRONG, REPORT_RIGHT);
    expect_votes (c, 4, 1, REPORT_RIGHT, REPORT_RIGHT, REPORT_RIGHT);
}

static void who_has_no_answer_only_counts_when_nobody_has (void)
{
    static const report_candidate c[] = {{0, 0.9, 0, REPORT_WRONG, 1},
                                         {0, 0.95, 0, REPORT_RIGHT, 0},
                                         {A, 0.1, 0, REPORT_UNKNOWN, 0}};
    expect_votes (c, 2, 1, REPORT_RIGHT, REPORT_RIGHT, REPORT_RIGHT);
    expect_votes (c, 3, 1, REPORT_UNKNOWN, REPORT_UNKNOWN, REPORT_UNKNOWN);
    expect_votes (c, 0, 1, REPORT_WRONG, REPORT_WRONG, REPORT_WRONG);
}

static void a_missing_score_is_the_lowest (void)
{
    static const report_candidate c[] = {
        {A, NAN, 0, REPORT_WRONG, 0}, {C, 0.01, 0, REPORT_RIGHT, 0}, {A, NAN, 0, REPORT_WRONG, 0}};
    expect_votes (c, 3, 1, REPORT_WRONG, REPORT_RIGHT, REPORT_RIGHT);
    expect_votes (c, 1, 1, REPORT_WRONG, REPORT_WRONG, REPORT_WRONG);
}

static void survives_failure_of_every_allocation (void)
{
    static const report_candidate c[] = {{A, 0.5, 0, REPORT_RIGHT, 0},
                                         {B, 0.5, 0, REPORT_WRONG, 0}};
    enum report_correct verdicts[REPORT_RULES];
    double value = 1, low, high;
    esp_err err = ESP_ENOMEM;
    for (long n = 0; err == ESP_ENOMEM && n < 50; n++) {
        esp_alloc_fail_after (n);
        err = report_votes (c, 2, 1, verdicts);
        if (err == ESP_OK)
            err = report_bootstrap (&value, 1, 10, 0, &low, &high);
        esp_alloc_fail_after (-1);
        CU_ASSERT_EQUAL (esp_alloc_live (), 0);
    }
    CU_ASSERT_EQUAL (err, ESP_OK);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"pass@k is the share of subsets with a right one",
         pass_at_k_is_the_share_of_subsets_with_a_right_one},
        {"pass@k is not defined beyond n", pass_at_k_is_not_defined_beyond_n},
        {"McNemar gives known numbers", mcnemar_gives_known_numbers},
        {"bootstrap is repeatable and covers the mean",
         bootstrap_is_repeatable_and_covers_the_mean},
        {"bootstrap of nothing is not defined", bootstrap_of_nothing_is_not_defined},
        {"aggregates are taken in order", aggregates_are_taken_in_order},
        {"votes group equal answers", votes_group_equal_answers},
        {"the first seen wins every tie", the_first_seen_wins_every_tie},
        {"who has no answer only counts when nobody has",
         who_has_no_answer_only_counts_when_nobody_has},
        {"a missing score is the lowest", a_missing_score_is_the_lowest},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("report_stats", cases);
}
