/* SPDX-License-Identifier: Apache-2.0 */
/* test_fmath.c - what proto/base/fmath.h promises
 *
 * The expected values were computed with 120 digits (Python's decimal and fractions) and rounded
 * once; among them are the hardest known case of log (Lefevre and Muller) and subnormal results.
 */

#include "proto/base/fmath.h"
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "proto/base/rng.h"
#include "tests/support/suite.h"

struct point {
    double x, expected;
};

static bool same (double a, double b)
{
    return memcmp (&a, &b, sizeof (a)) == 0; /* also tells -0 from 0 */
}

#define CHECK_POINTS(function, points)                                                             \
    for (size_t i = 0; i < sizeof (points) / sizeof ((points)[0]); i++)                            \
    CHECK (same (function ((points)[i].x), (points)[i].expected))

static void exp_is_correctly_rounded (void)
{
    static const struct point points[] = {
        {0.0, 1.0},
        {1.0, 0x1.5bf0a8b145769p+1},
        {-1.0, 0x1.78b56362cef38p-2},
        {0.5, 0x1.a61298e1e069cp+0},
        {0x1.56e1fc2f8f359p-997, 1.0},
        {0x1.8p-53, 0x1.0000000000001p+0},
        {0x1.9e9cbbfd6080bp-31, 0x1.000000033d398p+0},
        {-0x1.999999999999ap-4, 0x1.cf46d99d52b3ap-1},
        {0x1.a666666666666p+1, 0x1.b1cd5e7807b7bp+4},
        {0x1.62e3d70a3d70ap+9, 0x1.fe9ce5c4c52b4p+1023},
        {-745.0, 0x0.0000000000001p-1022},
        {-708.5, 0x0.e6cf6d08897acp-1022},
        {-720.25, 0x0.000077564144fp-1022},
    };
    CHECK_POINTS (esp_exp, points);
}

static void ln_is_correctly_rounded (void)
{
    static const struct point points[] = {
        {1.0, 0.0},
        {2.0, 0x1.62e42fefa39efp-1},
        {0.5, -0x1.62e42fefa39efp-1},
        {10.0, 0x1.26bb1bbb55516p+1},
        {0.1, -0x1.26bb1bbb55515p+1},
        {3.0, 0x1.193ea7aad030bp+0},
        {0x0.0000000000001p-1022, -0x1.74385446d71c3p+9},
        {DBL_MAX, 0x1.62e42fefa39efp+9},
        {0x1.0000000000001p+0, 0x1.fffffffffffffp-53},
        {0x1.fffffffffffffp-1, -0x1p-53},
        {0x1.62a88613629b6p+678, 0x1.d6479eba7c971p+8},
    };
    CHECK_POINTS (esp_ln, points);
}

static void tanh_and_cos_are_correctly_rounded (void)
{
    static const struct point tanhs[] = {
        {0.0, 0.0},
        {-0.0, -0.0},
        {1.0, 0x1.85efab514f394p-1},
        {-0x1.3333333333333p-2, -0x1.2a4dda7d914fap-2},
        {0x1.b7cdfd9d7bdbbp-34, 0x1.b7cdfd9d7bdbbp-34},
        {0x1.6666666666666p-1, 0x1.356fb17af2e91p-1},
        {20.0, 1.0},
        {0x0.0000000000001p-1022, 0x0.0000000000001p-1022},
    };
    static const struct point coss[] = {
        {0.0, 1.0},
        {1.0, 0x1.14a280fb5068cp-1},
        {-2.5, -0x1.9a2f7ef858b7dp-1},
        {0x1.5798ee2308c3ap-27, 1.0},
        {0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54},
        {10.0, -0x1.ad9ac890c6b1fp-1},
        {100.0, 0x1.b981dbf665fdfp-1},
    };
    CHECK_POINTS (esp_tanh, tanhs);
    CHECK_POINTS (esp_cos, coss);
}

static void pow_is_correctly_rounded (void)
{
    static const struct {
        double x, y, expected;
    } points[] = {
        {2.0, 0.5, 0x1.6a09e667f3bcdp+0},
        {0.99, 100.0, 0x1.76d12e9c2ff45p-2},
        {2.0, -1074.0, 0x0.0000000000001p-1022},
        {2.0, -1074.5, 0x0.0000000000001p-1022},
        {2.0, -1075.0, 0.0}, /* half of the smallest number: to even */
        {10.0, -320.5, 0x0.0000000000280p-1022},
        {1.1, 1.1, 0x1.1c4bf8d66ae6cp+0},
        {0.3, -2.7, 0x1.9cf20361e0165p+4},
        {0x1.0000000000001p+0, 0x1p+52, 0x1.5bf0a8b145769p+1},
        {3.0, 40.0, 0x1.517168a4523fdp+63},
        {-2.0, 3.0, -8.0},
        {-2.0, -1073.0, -0x0.0000000000002p-1022},
    };
    for (size_t i = 0; i < sizeof (points) / sizeof (points[0]); i++)
        CHECK (same (esp_pow (points[i].x, points[i].y), points[i].expected));
}

static void special_values_are_as_in_c (void)
{
    double inf = HUGE_VAL, nan = (double)NAN;
    CHECK (isnan (esp_exp (nan)) && isnan (esp_ln (nan)) && isnan (esp_tanh (nan)));
    CHECK (isnan (esp_cos (nan)) && isnan (esp_pow (nan, 2.0)) && isnan (esp_logit (nan)));
    CHECK (isnan (esp_cos (inf)) && isnan (esp_ln (-1.0)) && isnan (esp_pow (-1.0, 0.5)));
    CHECK (esp_exp (inf) == inf && same (esp_exp (-inf), 0.0));
    CHECK (esp_exp (710.0) == inf && same (esp_exp (-746.0), 0.0));
    CHECK (esp_ln (inf) == inf && esp_ln (0.0) == -inf && esp_ln (-0.0) == -inf);
    CHECK (esp_tanh (inf) == 1.0 && esp_tanh (-inf) == -1.0);
    CHECK (esp_pow (1.0, nan) == 1.0 && esp_pow (nan, 0.0) == 1.0);
    CHECK (esp_pow (0.0, -1.0) == inf && same (esp_pow (-0.0, 3.0), -0.0));
    CHECK (esp_pow (2.0, 1024.0) == inf && same (esp_pow (-2.0, -1077.0), -0.0));
    CHECK (esp_pow (0.5, inf) == 0.0 && esp_pow (-1.0, inf) == 1.0);
    CHECK (esp_logit (0.0) == -inf && esp_logit (1.0) == inf && isnan (esp_logit (1.5)));
}

static void logit_is_as_written (void)
{
    CHECK (same (esp_logit (0.5), 0.0));
    CHECK (same (esp_logit (0.9), esp_ln (0.9 / (1.0 - 0.9))));
    CHECK (same (esp_logit (0.125), esp_ln (1.0 / 7.0)));
}

/* Distance in units in the last place; two equal infinities are 0 apart. */
static double ulps (double a, double b)
{
    double size = fabs (b) < DBL_MIN ? DBL_MIN : fabs (b);
    if (same (a, b) || (a == 0.0 && b == 0.0))
        return 0.0;
    return fabs (a - b) / (ldexp (1.0, ilogb (size)) * DBL_EPSILON);
}

/* |got - exact| is at most half an ulp, where long double knows exact to 11 more bits. */
static bool is_rounded (double got, long double exact)
{
    long double size = fabsl (exact) < DBL_MIN ? DBL_MIN : fabsl (exact);
    long double ulp = ldexpl (1.0L, ilogbl (size)) * DBL_EPSILON;
    if (LDBL_MANT_DIG < 64 || fabsl (exact) > DBL_MAX)
        return true;
    return fabsl ((long double)got - exact) <= ulp * (0.5L + 0.002L);
}

/* limit: glibc's tanh is up to 2 ulp wrong, its other functions less than 1 */
#define CHECK_AGAINST_LIBM(function, libm, limit, x)                                               \
    do {                                                                                           \
        CHECK (ulps (function (x), libm (x)) <= (limit));                                          \
        CHECK (is_rounded (function (x), libm##l (x)));                                            \
    } while (0)

static void libm_is_never_far_away (void)
{
    for (uint64_t i = 0; i < 20000; i++) {
        double u = esp_draw_unit (1, i), v = esp_draw_unit (2, i);
        double wide = ldexp (u, (int)(v * 600.0) - 300);
        CHECK_AGAINST_LIBM (esp_exp, exp, 1.0, u * 1500.0 - 750.0);
        CHECK_AGAINST_LIBM (esp_exp, exp, 1.0, u - 0.5);
        CHECK_AGAINST_LIBM (esp_ln, log, 1.0, wide);
        CHECK_AGAINST_LIBM (esp_ln, log, 1.0, 0.5 + u);
        CHECK_AGAINST_LIBM (esp_tanh, tanh, 2.0, 10.0 * u - 5.0);
        CHECK_AGAINST_LIBM (esp_cos, cos, 1.0, 1000.0 * u - 500.0);
        CHECK (ulps (esp_pow (wide, 8.0 * v - 4.0), pow (wide, 8.0 * v - 4.0)) <= 1.0);
        CHECK (is_rounded (esp_pow (u, 20.0 * v), powl (u, 20.0 * v)));
    }
}

static void *sum_in_thread (void *out)
{
    double sum = 0.0;
    for (uint64_t i = 0; i < 2000; i++)
        sum += esp_exp (esp_draw_unit (3, i)) + esp_ln (0.1 + esp_draw_unit (4, i));
    *(double *)out = sum;
    esp_fmath_thread_done (); /* twice: the second finds nothing */
    esp_fmath_thread_done ();
    return NULL;
}

static void threads_do_not_disturb_each_other (void)
{
    pthread_t threads[4];
    double sums[4], alone;
    sum_in_thread (&alone);
    for (int i = 0; i < 4; i++)
        CHECK (pthread_create (&threads[i], NULL, sum_in_thread, &sums[i]) == 0);
    for (int i = 0; i < 4; i++) {
        pthread_join (threads[i], NULL);
        CHECK (same (sums[i], alone));
    }
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"special values are as in C", special_values_are_as_in_c},
        {"exp is correctly rounded", exp_is_correctly_rounded},
        {"ln is correctly rounded", ln_is_correctly_rounded},
        {"tanh and cos are correctly rounded", tanh_and_cos_are_correctly_rounded},
        {"pow is correctly rounded", pow_is_correctly_rounded},
        {"logit is as written", logit_is_as_written},
        {"libm is never far away (1 ulp; tanh 2)", libm_is_never_far_away},
        {"threads do not disturb each other", threads_do_not_disturb_each_other},
        {NULL, NULL},
    };
    return suite_main ("fmath", cases);
}
