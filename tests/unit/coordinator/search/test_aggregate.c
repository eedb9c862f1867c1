/* SPDX-License-Identifier: Apache-2.0 */
/* test_aggregate.c - what coordinator/search/aggregate.h promises */

#include "coordinator/search/aggregate.h"
#include <math.h>
#include "proto/base/rng.h"
#include "tests/support/suite.h"

static const enum aggregate all[] = {AGGREGATE_LAST, AGGREGATE_MIN, AGGREGATE_PROD, AGGREGATE_MEAN,
                                     AGGREGATE_MAX};

static void nothing_aggregates_to_nan (void)
{
    for (int i = 0; i < 5; i++)
        CHECK (isnan (aggregate_scores (all[i], NULL, 0)));
}

static void one_score_is_its_own_aggregate (void)
{
    const double score = 0.375;
    for (int i = 0; i < 5; i++)
        CHECK (aggregate_scores (all[i], &score, 1) == 0.375);
}

static void each_rule_is_what_its_name_says (void)
{
    const double scores[] = {0.5, 0.25, 1.0, 0.75};
    CHECK (aggregate_scores (AGGREGATE_LAST, scores, 4) == 0.75);
    CHECK (aggregate_scores (AGGREGATE_MIN, scores, 4) == 0.25);
    CHECK (aggregate_scores (AGGREGATE_PROD, scores, 4) == 0.09375);
    CHECK (aggregate_scores (AGGREGATE_MEAN, scores, 4) == 0.625);
    CHECK (aggregate_scores (AGGREGATE_MAX, scores, 4) == 1.0);
}

static void products_and_sums_go_left_to_right (void)
{
    double scores[40], product, sum;
    for (uint64_t run = 0; run < 200; run++) {
        for (uint64_t i = 0; i < 40; i++)
            scores[i] = esp_draw_unit (run, i);
        product = sum = scores[0];
        for (int i = 1; i < 40; i++) {
            product *= scores[i];
            sum += scores[i];
        }
        CHECK (aggregate_scores (AGGREGATE_PROD, scores, 40) == product);
        CHECK (aggregate_scores (AGGREGATE_MEAN, scores, 40) == sum / 40);
    }
}

static void argmax_takes_the_first_of_equals_and_no_nan (void)
{
    CHECK (argmax_first ((double[]){1.0}, 1) == 0);
    CHECK (argmax_first ((double[]){1.0, 3.0, 3.0, 2.0}, 4) == 1);
    CHECK (argmax_first ((double[]){NAN, -5.0, NAN, -4.0}, 4) == 3);
    CHECK (argmax_first ((double[]){-INFINITY, NAN}, 2) == 0);
    CHECK (argmax_first ((double[]){NAN, -INFINITY}, 2) == 1);
    CHECK (argmax_first ((double[]){NAN, NAN}, 2) == 0);
    CHECK (argmax_first ((double[]){0.0, -0.0}, 2) == 0 &&
           argmax_first ((double[]){-0.0, 0.0}, 2) == 0);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"nothing aggregates to NaN", nothing_aggregates_to_nan},
        {"one score is its own aggregate", one_score_is_its_own_aggregate},
        {"each rule is what its name says", each_rule_is_what_its_name_says},
        {"products and sums go left to right", products_and_sums_go_left_to_right},
        {"argmax takes the first of equals and no NaN",
         argmax_takes_the_first_of_equals_and_no_nan},
        {NULL, NULL},
    };
    return suite_main ("aggregate", cases);
}
