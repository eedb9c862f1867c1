/* SPDX-License-Identifier: Apache-2.0 */
/* test_wilson.c - what proto/base/wilson.h promises
 *
 * The expected values were computed with 120 digits (Python's decimal) and rounded once.  Four of them are in Newcombe 1998,
 * "Two-sided confidence intervals for the single proportion", table I, method 3, to four digits.
 */

#include "proto/base/wilson.h"
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include "tests/support/suite.h"

struct known {
    uint64_t passed, trials;
    double low, high;
};

static bool same (double a, double b)
{
    return memcmp (&a, &b, sizeof (a)) == 0;
}

static void intervals_are_correctly_rounded (void)
{
    static const struct known known[] = {
        {0, 1, 0.0, 0x1.963f2b137a224p-1},
        {1, 1, 0x1.a70353b21776fp-3, 1.0},
        {0, 8, 0.0, 0x1.4c317f27014b4p-2},
        {1, 8, 0x1.6f49c628ba021p-6, 0x1.e23082fab5585p-2},
        {4, 8, 0x1.b8c332e642924p-3, 0x1.91cf33466f5b7p-1},
        {7, 8, 0x1.0ee7be82a553ep-1, 0x1.f485b1ceba2ffp-1},
        {8, 8, 0x1.59e7406c7f5a6p-1, 1.0},
        {5, 10, 0x1.e48aeb11b030ap-3, 0x1.86dd453b93f3ep-1},
        {500000, 1000000, 0x1.feff1aa5e848cp-2, 0x1.008072ad0bdbap-1},
        {3, 1000003, 0x1.11e04ba3feea0p-20, 0x1.27fcdf4d155c9p-17},
        {123456789, 9007199254740992, 0x1.d6de0162c536dp-27, 0x1.d7088a13153eep-27},
    };
    for (size_t i = 0; i < sizeof (known) / sizeof (known[0]); i++) {
        double low, high;
        esp_wilson (known[i].passed, known[i].trials, &low, &high);
        CHECK (same (low, known[i].low) && same (high, known[i].high));
    }
}

static void published_intervals_agree (void)
{
    static const struct known known[] = {{81, 263, 0.2553, 0.3662},
                                         {15, 148, 0.0624, 0.1605},
                                         {0, 20, 0.0, 0.1611},
                                         {1, 29, 0.0061, 0.1718}};
    for (size_t i = 0; i < sizeof (known) / sizeof (known[0]); i++) {
        double low, high;
        esp_wilson (known[i].passed, known[i].trials, &low, &high);
        CHECK (fabs (low - known[i].low) <= 5e-5 && fabs (high - known[i].high) <= 5e-5);
    }
}

static void the_rate_is_inside_and_failures_mirror_passes (void)
{
    for (uint64_t n = 1; n <= 64; n++)
        for (uint64_t k = 0; k <= n; k++) {
            double low, high, low_failed, high_failed, rate = (double)k / (double)n;
            esp_wilson (k, n, &low, &high);
            esp_wilson (n - k, n, &low_failed, &high_failed);
            CHECK (0.0 <= low && low <= rate && rate <= high && high <= 1.0 && low < high);
            CHECK (fabs (low + high_failed - 1.0) < 1e-15 &&
                   fabs (high + low_failed - 1.0) < 1e-15);
        }
}

static void without_trials_nothing_is_known (void)
{
    double low = 0, high = 0;
    esp_wilson (0, 0, &low, &high);
    CHECK (isnan (low) && isnan (high));
}

int main (void)
{
    return suite_main ("proto/base/wilson",
                       (const struct suite_case[]){
                           {"intervals are correctly rounded", intervals_are_correctly_rounded},
                           {"published intervals agree", published_intervals_agree},
                           {"the rate is inside, and failures mirror passes",
                            the_rate_is_inside_and_failures_mirror_passes},
                           {"without trials nothing is known", without_trials_nothing_is_known},
                           {NULL, NULL}});
}
