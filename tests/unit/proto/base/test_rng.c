/* SPDX-License-Identifier: Apache-2.0 */
/* test_rng.c - what proto/base/rng.h promises
 *
 * The statistics are of fixed keys, so they pass or fail for ever: a bound of 5 sigma is met by
 * a good generator (chance of a miss over all checks here: below 1e-3) and stays met.
 */

#include "proto/base/rng.h"
#include <math.h>
#include "proto/base/hash.h"
#include "tests/support/suite.h"

enum { DRAWS = 1 << 18 };

static const uint64_t keys[] = {0, 1, 2, 42, UINT64_C (0x8000000000000000), UINT64_MAX};
enum { KEYS = sizeof (keys) / sizeof (keys[0]) };

/* Journals hold what followed from draws: these numbers may never change. */
static void draws_are_the_same_for_ever (void)
{
    CHECK (esp_draw_bits (0, 0) == UINT64_C (0xA8BBB173D32A97A5));
    CHECK (esp_draw_bits (0, 1) == UINT64_C (0xE4F4C0FA9EDB2AF8));
    CHECK (esp_draw_bits (42, 7) == UINT64_C (0xFB1214C0F3839340));
}

static void a_draw_is_two_rounds_of_xxh3 (void)
{
    uint64_t first = esp_hash64 ("\5\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0", 16, 0);
    CHECK (esp_draw_bits (5, 3) == esp_hash64 ("\3\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0", 16, first));
}

static void key_and_counter_are_not_interchangeable (void)
{
    CHECK (esp_draw_bits (1, 2) != esp_draw_bits (2, 1));
    CHECK (esp_draw_bits (1, 2) != esp_draw_bits (1, 3));
    CHECK (esp_draw_bits (1, 2) != esp_draw_bits (3, 2));
}

static void units_are_in_0_to_1_without_1 (void)
{
    for (uint64_t i = 0; i < 100000; i++) {
        double u = esp_draw_unit (9, i);
        CHECK (u >= 0.0 && u < 1.0);
        CHECK (u == ldexp ((double)(esp_draw_bits (9, i) >> 11), -53));
    }
}

/* Chi-square with 256 cells: mean 255, sigma sqrt (2 * 255). */
static double chi_square (const uint32_t *cells, double expected)
{
    double sum = 0.0;
    for (int i = 0; i < 256; i++)
        sum += (cells[i] - expected) * (cells[i] - expected) / expected;
    return (sum - 255.0) / sqrt (510.0);
}

static void every_byte_is_uniform (void)
{
    for (size_t k = 0; k < KEYS; k++) {
        uint32_t cells[8][256] = {{0}};
        for (uint64_t i = 0; i < DRAWS; i++) {
            uint64_t bits = esp_draw_bits (keys[k], i);
            for (int byte = 0; byte < 8; byte++)
                cells[byte][bits >> (8 * byte) & 255]++;
        }
        for (int byte = 0; byte < 8; byte++)
            CHECK (fabs (chi_square (cells[byte], DRAWS / 256.0)) < 5.0);
    }
}

/* Pairs (u[i], u[i + 1]) on a 16 x 16 grid, along i and along the key. */
static void neighbours_are_independent (void)
{
    for (size_t k = 0; k < KEYS; k++) {
        uint32_t in_row[256] = {0}, over_keys[256] = {0};
        for (uint64_t i = 0; i < DRAWS; i++) {
            uint32_t here = esp_draw_below (keys[k], 2 * i, 16);
            uint32_t next = esp_draw_below (keys[k], 2 * i + 1, 16);
            uint32_t beside = esp_draw_below (keys[k] + 1, 2 * i, 16);
            in_row[16 * here + next]++;
            over_keys[16 * here + beside]++;
        }
        CHECK (fabs (chi_square (in_row, DRAWS / 256.0)) < 5.0);
        CHECK (fabs (chi_square (over_keys, DRAWS / 256.0)) < 5.0);
    }
}

/* Correlation of u[i] and u[i + lag]: sigma 1 / sqrt (n). */
static void no_serial_correlation (void)
{
    static const uint64_t lags[] = {1, 2, 3, 64, 1024};
    for (size_t k = 0; k < KEYS; k++)
        for (size_t l = 0; l < sizeof (lags) / sizeof (lags[0]); l++) {
            double sum = 0.0;
            for (uint64_t i = 0; i < DRAWS / 4; i++)
                sum += (esp_draw_unit (keys[k], i) - 0.5) *
                       (esp_draw_unit (keys[k], i + lags[l]) - 0.5) * 12.0;
            CHECK (fabs (sum / sqrt (DRAWS / 4.0)) < 5.0);
        }
}

static void one_input_bit_flips_half_of_the_output (void)
{
    for (int bit = 0; bit < 128; bit++) {
        double flipped = 0.0;
        for (uint64_t i = 0; i < 1000; i++) {
            uint64_t key = bit < 64 ? UINT64_C (1) << bit : 0;
            uint64_t count = bit < 64 ? 0 : UINT64_C (1) << (bit - 64);
            uint64_t change = esp_draw_bits (i * 77, i) ^ esp_draw_bits ((i * 77) ^ key, i ^ count);
            flipped += __builtin_popcountll (change);
        }
        CHECK (fabs (flipped - 32000.0) < 5.0 * sqrt (16.0 * 1000.0));
    }
}

static void below_stays_below_and_reaches_all (void)
{
    uint32_t seen[7] = {0};
    for (uint64_t i = 0; i < 70000; i++) {
        uint32_t d = esp_draw_below (3, i, 7);
        CHECK (d < 7);
        seen[d % 7]++;
        CHECK (esp_draw_below (3, i, 1) == 0);
        CHECK (esp_draw_below (3, i, UINT32_MAX) < UINT32_MAX);
    }
    for (int i = 0; i < 7; i++)
        CHECK (fabs (seen[i] - 10000.0) < 5.0 * sqrt (10000.0 * 6.0 / 7.0));
}

static void below_is_the_scaled_draw (void)
{
    for (uint64_t i = 0; i < 10000; i++) {
        uint32_t n = (uint32_t)(i * 429497 + 1);
        long double exact = (long double)esp_draw_bits (8, i) * 0x1p-64L * n;
        long double got = esp_draw_below (8, i, n);
        CHECK (got <= exact && exact < got + 1.0L + 1e-6L);
    }
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"draws are the same for ever", draws_are_the_same_for_ever},
        {"a draw is two rounds of XXH3", a_draw_is_two_rounds_of_xxh3},
        {"key and counter are not interchangeable", key_and_counter_are_not_interchangeable},
        {"units are in 0 to 1 without 1", units_are_in_0_to_1_without_1},
        {"every byte is uniform (chi-square)", every_byte_is_uniform},
        {"neighbours are independent (serial test)", neighbours_are_independent},
        {"no serial correlation", no_serial_correlation},
        {"one input bit flips half of the output", one_input_bit_flips_half_of_the_output},
        {"below stays below and reaches all", below_stays_below_and_reaches_all},
        {"below is the scaled draw", below_is_the_scaled_draw},
        {NULL, NULL},
    };
    return suite_main ("rng", cases);
}
