/* SPDX-License-Identifier: Apache-2.0 */
/* wilson.c - see wilson.h
 *
 * The lower end is computed, the upper one is that of the failures turned round: 1 - low (n - k), before it is rounded.
 */

#include "proto/base/wilson.h"
#include <assert.h>
#include <math.h>
#include <mpfr.h>

enum { BITS = 256 }; /* counts, z^2 and all sums are exact or far below the last bit of a double */

#define Z 1.959963984540054

/* out = (k + z^2 / 2 - z sqrt (k (n - k) / n + z^2 / 4)) / (n + z^2) */
static void lower_end (mpfr_ptr out, uint64_t k, uint64_t n)
{
    MPFR_DECL_INIT (z2, BITS);
    MPFR_DECL_INIT (root, BITS);
    mpfr_set_d (z2, Z, MPFR_RNDN);
    mpfr_sqr (z2, z2, MPFR_RNDN);
    mpfr_set_uj (root, k, MPFR_RNDN);
    mpfr_mul_d (root, root, (double)(n - k), MPFR_RNDN);
    mpfr_div_d (root, root, (double)n, MPFR_RNDN);
    mpfr_div_ui (out, z2, 4, MPFR_RNDN);
    mpfr_add (root, root, out, MPFR_RNDN);
    mpfr_sqrt (root, root, MPFR_RNDN);
    mpfr_mul_d (root, root, Z, MPFR_RNDN);
    mpfr_div_ui (out, z2, 2, MPFR_RNDN);
    mpfr_add_d (out, out, (double)k, MPFR_RNDN);
    mpfr_sub (out, out, root, MPFR_RNDN);
    mpfr_add_d (z2, z2, (double)n, MPFR_RNDN);
    mpfr_div (out, out, z2, MPFR_RNDN);
}

void esp_wilson (uint64_t passed, uint64_t trials, double *low, double *high)
{
    MPFR_DECL_INIT (end, BITS);
    assert (passed <= trials && trials <= 1ULL << 53);
    *low = *high = trials ? 0.0 : (double)NAN;
    if (passed > 0) {
        lower_end (end, passed, trials);
        *low = mpfr_get_d (end, MPFR_RNDN);
    }
    if (trials > passed) {
        lower_end (end, trials - passed, trials);
        mpfr_ui_sub (end, 1, end, MPFR_RNDN);
        *high = mpfr_get_d (end, MPFR_RNDN);
    } else if (trials > 0)
        *high = 1.0;
}
