/* SPDX-License-Identifier: Apache-2.0 */
/* fmath.c - MPFR at 53 bits, in the exponent range of a double
 *
 * Correct rounding needs three things: 53 bits, the range of double while the function
 * runs (so that overflow and underflow round as in hardware), and mpfr_subnormalize.
 * The range is a thread-local setting of MPFR; it is put back for other users of the library.
 * All limbs are on the stack; MPFR itself caches constants (ln 2, pi) and small blocks per thread.
 */

#include "proto/base/fmath.h"
#include <mpfr.h>

enum { BITS = 53, EMIN = -1073, EMAX = 1024 }; /* of IEEE 754 binary64, in MPFR's counting */

typedef int unary (mpfr_ptr result, mpfr_srcptr x, mpfr_rnd_t rounding);

static void range_enter (mpfr_exp_t saved[2])
{
    saved[0] = mpfr_get_emin ();
    saved[1] = mpfr_get_emax ();
    mpfr_set_emin (EMIN);
    mpfr_set_emax (EMAX);
}

static double range_leave (mpfr_ptr result, int ternary, const mpfr_exp_t saved[2])
{
    mpfr_subnormalize (result, ternary, MPFR_RNDN);
    mpfr_set_emin (saved[0]);
    mpfr_set_emax (saved[1]);
    return mpfr_get_d (result, MPFR_RNDN);
}

static double apply (unary *function, double x)
{
    MPFR_DECL_INIT (arg, BITS);
    MPFR_DECL_INIT (result, BITS);
    mpfr_exp_t saved[2];
    range_enter (saved);
    mpfr_set_d (arg, x, MPFR_RNDN);
    return range_leave (result, function (result, arg, MPFR_RNDN), saved);
}

double esp_exp (double x)
{
    return apply (mpfr_exp, x);
}

double esp_ln (double x)
{
    return apply (mpfr_log, x);
}

double esp_pow (double x, double y)
{
    MPFR_DECL_INIT (base, BITS);
    MPFR_DECL_INIT (exponent, BITS);
    MPFR_DECL_INIT (result, BITS);
    mpfr_exp_t saved[2];
    range_enter (saved);
    mpfr_set_d (base, x, MPFR_RNDN);
    mpfr_set_d (exponent, y, MPFR_RNDN);
    return range_leave (result, mpfr_pow (result, base, exponent, MPFR_RNDN), saved);
}

double esp_tanh (double x)
{
    return apply (mpfr_tanh, x);
}

double esp_cos (double x)
{
    return apply (mpfr_cos, x);
}

double esp_logit (double p)
{
    return esp_ln (p / (1.0 - p));
}

void esp_fmath_thread_done (void)
{
    mpfr_free_cache2 (MPFR_FREE_LOCAL_CACHE);
}
