/* SPDX-License-Identifier: Apache-2.0 */
/* test_embedded_features.c - what a trained value model sees of a state */

#include "worker/engine/embedded_features.h"
#include <math.h>
#include "tests/support/suite.h"

static void views_have_their_counts (void)
{
    CU_ASSERT_EQUAL (embedded_features_count (EMBEDDED_VIEW_NUMBERS, 2), 26);
    CU_ASSERT_EQUAL (embedded_features_count (EMBEDDED_VIEW_NUMBERS, 5), 53);
    CU_ASSERT_EQUAL (embedded_features_count (EMBEDDED_VIEW_PAIRS, 3), 110);
    CU_ASSERT_EQUAL (embedded_features_count (EMBEDDED_VIEW_PAIRS, 5), EMBEDDED_FEATURES_MOST);
    CU_ASSERT_EQUAL (embedded_features_count (EMBEDDED_VIEW_NUMBERS, 1), 0);
    CU_ASSERT_EQUAL (embedded_features_count (EMBEDDED_VIEW_NUMBERS, 6), 0);
    CU_ASSERT_EQUAL (embedded_features_count ((enum embedded_view)7, 3), 0);
}

/* A pair of two numbers is all that is left: its results would say whether the puzzle is solved. */
static void two_numbers_left_are_never_seen_as_a_pair (void)
{
    CU_ASSERT_EQUAL (embedded_features_count (EMBEDDED_VIEW_PAIRS, 2), 0);
}

static void features_say_what_is_listed (void)
{
    static const double numbers[] = {1, 3, 8};
    double f[EMBEDDED_FEATURES_MOST];
    const double *number = f + 9, *target = f + 27, *pair = f + 35 + 2 * 25; /* 3; 24; 3 and 8 */
    CU_ASSERT_EQUAL (embedded_features (EMBEDDED_VIEW_PAIRS, numbers, 3, 24, f), 110);
    CU_ASSERT_DOUBLE_EQUAL (number[0], 0.125, 0);
    CU_ASSERT_DOUBLE_EQUAL (number[1], log (0.125), 1e-9);
    CU_ASSERT_DOUBLE_EQUAL (number[2], log (4), 1e-9);
    CHECK (number[3] == 1 && number[4] == 0 && number[5] == 1 && number[6] == 0 && number[7] == 0 &&
           number[8] == 0);
    CU_ASSERT_DOUBLE_EQUAL (target[0], log (25), 1e-9);
    CHECK (target[1] == 1 && target[2] == 1 && target[4] == 0 && target[6] == 1 && target[7] == 0);
    CU_ASSERT_DOUBLE_EQUAL (pair[0], 11 / 24., 0);         /* 3 + 8 */
    CHECK (pair[6 + 3] == 0 && pair[6 + 5] == 0);          /* 8 - 3: 5 does not divide 24 */
    CHECK (pair[12 + 0] == 1 && pair[12 + 5] == 1);        /* 3 * 8 = 24 */
    CHECK (pair[18 + 2] == 0 && pair[24] == 0);            /* 8 / 3 is no integer; 3 is not 8 */
    CHECK (f[6] == 0 && f[7] == 1 && f[35 + 18 + 2] == 1); /* 1 is one; 3 / 1 is an integer */
}

/* The logarithm is a series: against libm, over the range that it sees. */
static void logarithms_are_those_of_libm_but_for_the_last_digits (void)
{
    double f[EMBEDDED_FEATURES_MOST], numbers[2] = {0, 300}, worst = 0;
    for (int i = 1; i < 20000; i++) {
        numbers[0] = i / 79.;
        embedded_features (EMBEDDED_VIEW_NUMBERS, numbers, 2, 1, f);
        worst = fmax (worst, fabs (f[2] - log (1 + fmin (numbers[0], 255))));
    }
    CHECK (worst < 1e-9);
}

static void every_feature_of_an_odd_state_is_finite (void)
{
    static const double states[][3] = {{0, 0, 0}, {-1e9, 1e-9, 1e9}, {-8 / 3., 1e27, 1e27}};
    static const double targets[] = {0, 24, -1e9, 1e-9, 1 / 3.};
    double f[EMBEDDED_FEATURES_MOST];
    for (size_t s = 0; s < 3; s++)
        for (size_t t = 0; t < 5; t++) {
            size_t n = embedded_features (EMBEDDED_VIEW_PAIRS, states[s], 3, targets[t], f);
            for (size_t i = 0; i < n; i++)
                CHECK (fabs (f[i]) <= 6);
        }
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"views have their counts", views_have_their_counts},
        {"two numbers left are never seen as a pair", two_numbers_left_are_never_seen_as_a_pair},
        {"features say what is listed", features_say_what_is_listed},
        {"logarithms are those of libm but for the last digits",
         logarithms_are_those_of_libm_but_for_the_last_digits},
        {"every feature of an odd state is finite", every_feature_of_an_odd_state_is_finite},
        {NULL, NULL},
    };
    return suite_main ("embedded_features", cases);
}
