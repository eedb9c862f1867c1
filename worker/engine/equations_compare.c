/* SPDX-License-Identifier: Apache-2.0 */
/* equations_compare.c - are two sides the same number, within the digits that are written?
 *
 * A written number r with d decimals stands for an exact value v if v = r; or, when v needs more than d decimals, if r is v
 * rounded to nearest or cut off there (0.33 and 0.66, 0.67 for 1/3 and 2/3).  With d = 0 such a rounding may be meant, or be a
 * mistake: unchecked.  Behind "about" one unit of the last digit that is not 0 is allowed.
 */

#include <string.h>
#include "worker/engine/equations_side.h"

enum closeness { SAME, ROUNDED, MAYBE, OTHER };

/* scratch[0] = |a - b| / |b|; is that below 1/parts?  b = 0: no. */
static bool within (equations *e, const mpq_t a, const mpq_t b, unsigned long parts)
{
    mpq_t *x = e->scratch;
    if (mpq_sgn (b) == 0)
        return false;
    mpq_sub (x[0], a, b);
    mpq_div (x[0], x[0], b);
    mpq_abs (x[0], x[0]);
    mpq_set_ui (x[1], 1, parts);
    return mpq_cmp (x[0], x[1]) < 0;
}

/* In units of the last digit of r that is not 0: half a one away is rounded, one away may be meant. */
static enum closeness about (equations *e, const mpq_t v, const mpq_t r, uint8_t decimals)
{
    mpq_t *x = e->scratch;
    mpq_sub (x[0], v, r);
    mpq_abs (x[0], x[0]);
    mpq_set (x[1], r);
    for (uint8_t i = 0; i < decimals; i++) { /* both in units of the last decimal */
        mpz_mul_ui (mpq_numref (x[0]), mpq_numref (x[0]), 10);
        mpz_mul_ui (mpq_numref (x[1]), mpq_numref (x[1]), 10);
    }
    mpq_canonicalize (x[0]);
    mpq_canonicalize (x[1]);
    for (int i = 0; i < 40 && mpq_sgn (x[1]) != 0 && mpz_divisible_ui_p (mpq_numref (x[1]), 10);
         i++) {
        mpz_divexact_ui (mpq_numref (x[1]), mpq_numref (x[1]), 10);
        mpz_mul_ui (mpq_denref (x[0]), mpq_denref (x[0]), 10);
        mpq_canonicalize (x[0]);
    }
    if (mpq_cmp_ui (x[0], 1, 2) <= 0)
        return ROUNDED;
    return mpq_cmp_ui (x[0], 1, 1) < 0 || within (e, v, r, 20) ? MAYBE : OTHER;
}

/* v in units of the last decimal: by how much does r miss its floor?  -1, 0 or 1 and whether v is rounded there; 2: far. */
static enum closeness rounded (equations *e, const mpq_t v, const side *written)
{
    mpq_t *x = e->scratch;
    mpz_t floor, mine, rest;
    enum closeness close = OTHER;
    mpq_set (x[0], v);
    mpq_set (x[1], written->value);
    for (uint8_t i = 0; i < written->decimals; i++) {
        mpz_mul_ui (mpq_numref (x[0]), mpq_numref (x[0]), 10);
        mpz_mul_ui (mpq_numref (x[1]), mpq_numref (x[1]), 10);
    }
    mpq_canonicalize (x[0]);
    mpq_canonicalize (x[1]);
    if (mpz_cmp_ui (mpq_denref (x[0]), 1) == 0 || mpz_cmp_ui (mpq_denref (x[1]), 1) != 0)
        return OTHER; /* v can be written with these decimals, so it must be */
    mpq_abs (x[0], x[0]);
    mpz_inits (floor, mine, rest, NULL);
    mpz_fdiv_qr (floor, rest, mpq_numref (x[0]), mpq_denref (x[0]));
    mpz_abs (mine, mpq_numref (x[1]));
    if (mpq_sgn (v) * mpq_sgn (written->value) >= 0) {
        mpz_sub (mine, mine, floor); /* 0: cut off; 1: the next one */
        mpz_mul_ui (rest, rest, 2);
        if (mpz_sgn (mine) == 0)
            close = ROUNDED;
        else if (mpz_cmp_ui (mine, 1) == 0)
            close = mpz_cmp (rest, mpq_denref (x[0])) >= 0 ? ROUNDED : MAYBE;
    }
    mpz_clears (floor, mine, rest, NULL);
    return close;
}

/* A computed side against a written number. */
static enum closeness
close_to (equations *e, const side *computed, const side *written, bool approximate)
{
    enum closeness close;
    if (mpq_equal (computed->value, written->value))
        return SAME;
    if (approximate)
        return about (e, computed->value, written->value, written->decimals);
    close = rounded (e, computed->value, written);
    if (close == OTHER)
        return OTHER;
    if (written->decimals == 0 && !(computed->flags & SIDE_DIVIDES) &&
        ((computed->flags & SIDE_SUM) || !within (e, computed->value, written->value, 50)))
        return OTHER; /* nobody rounds 7.5 + 3, but 33.33 * 3 = 100 */
    if (close == MAYBE && written->decimals > 0 &&
        !((computed->units | written->units) & (1U << UNIT_DOLLAR)))
        return OTHER; /* 3.34 for 10/3 is a price */
    return written->decimals == 0 ? MAYBE : close;
}

enum equation_mark
sides_compare (equations *e, const side *left, const side *right, bool approximate)
{
    bool left_lone = left->flags & SIDE_LONE, right_lone = right->flags & SIDE_LONE;
    enum closeness close;
    approximate = approximate || ((left->flags | right->flags) & SIDE_ABOUT);
    if (left_lone && right_lone) {
        bool converts = (left->flags ^ right->flags) & SIDE_PERCENT;
        if (mpq_equal (left->value, right->value))
            return converts ? EQUATION_RIGHT : EQUATION_UNCHECKED;
        if (approximate || close_to (e, left, right, false) != OTHER ||
            close_to (e, right, left, false) != OTHER)
            return EQUATION_UNCHECKED;
        return EQUATION_WRONG;
    }
    if (right_lone)
        close = close_to (e, left, right, approximate);
    else if (left_lone)
        close = close_to (e, right, left, approximate);
    else if (mpq_equal (left->value, right->value))
        close = SAME;
    else
        close = approximate && within (e, left->value, right->value, 20) ? MAYBE : OTHER;
    return close == OTHER ? EQUATION_WRONG : close == MAYBE ? EQUATION_UNCHECKED : EQUATION_RIGHT;
}

/* The decimal digits of both, as far as they are whole numbers. */
bool side_cut_off (equations *e, const side *left, const side *right)
{
    mpz_t shorter;
    bool cut = false;
    (void)e;
    if (!(right->flags & SIDE_LONE) || right->decimals > 0 || mpq_sgn (left->value) < 0 ||
        mpq_sgn (right->value) <= 0)
        return false;
    mpz_init (shorter);
    mpz_tdiv_q (shorter, mpq_numref (left->value), mpq_denref (left->value));
    while (!cut && mpz_cmp (shorter, mpq_numref (right->value)) >= 0) {
        cut = mpz_cmp (shorter, mpq_numref (right->value)) == 0;
        mpz_tdiv_q_ui (shorter, shorter, 10);
    }
    mpz_clear (shorter);
    return cut;
}
