/* SPDX-License-Identifier: Apache-2.0 */
/* answer_term.c - one term of answer_poly.h
 *
 * sqrt(a) * sqrt(b) = g * sqrt (ab / g^2), g = gcd (a, b): stays squarefree.  1 / sqrt(d) = sqrt(d) / d.
 */

#include <stdlib.h>
#include <string.h>
#include "proto/answer/answer_poly_private.h"

void answer_term_init (answer_term *t, const answer_term *from)
{
    *t = (answer_term){.radicand = 1};
    if (from)
        *t = *from;
    mpq_init (t->coef);
    if (from)
        mpq_set (t->coef, from->coef);
    else
        mpq_set_ui (t->coef, 1, 1);
}

int answer_term_order (const answer_term *a, const answer_term *b)
{
    int order = memcmp (b->powers, a->powers, sizeof (a->powers)); /* x before constants */
    if (order == 0)
        order = a->pi - b->pi;
    if (order == 0)
        order = a->imaginary - b->imaginary;
    if (order == 0)
        order = a->radicand < b->radicand ? -1 : a->radicand > b->radicand;
    return order;
}

bool answer_term_rational (const answer_term *t)
{
    answer_term one = {.radicand = 1};
    return answer_term_order (t, &one) == 0;
}

bool answer_term_fits (const answer_term *t)
{
    return mpz_sizeinbase (mpq_numref (t->coef), 2) <= POLY_BITS &&
           mpz_sizeinbase (mpq_denref (t->coef), 2) <= POLY_BITS;
}

static void scale (answer_term *t, uint64_t factor, bool divide)
{
    mpq_t f;
    mpq_init (f);
    mpq_set_ui (f, factor, 1); /* long has 64 bits where we build */
    if (divide)
        mpq_div (t->coef, t->coef, f);
    else
        mpq_mul (t->coef, t->coef, f);
    mpq_clear (f);
}

static uint64_t gcd (uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

esp_err answer_term_multiply (answer_term *a, const answer_term *b)
{
    uint64_t g = gcd (a->radicand, b->radicand), x = a->radicand / g, y = b->radicand / g;
    mpq_mul (a->coef, a->coef, b->coef);
    if (g > 1)
        scale (a, g, false);
    if (a->imaginary && b->imaginary)
        mpq_neg (a->coef, a->coef);
    a->imaginary ^= b->imaginary;
    if (x > POLY_RADICAND / y)
        return ESP_EUNSUPPORTED;
    a->radicand = x * y;
    a->pi += b->pi;
    if (abs (a->pi) > POLY_EXPONENT)
        return ESP_EUNSUPPORTED;
    for (int l = 0; l < POLY_LETTERS; l++) {
        int power = a->powers[l] + b->powers[l];
        if (abs (power) > POLY_EXPONENT)
            return ESP_EUNSUPPORTED;
        a->powers[l] = (int8_t)power;
    }
    return answer_term_fits (a) ? ESP_OK : ESP_EUNSUPPORTED;
}

esp_err answer_term_invert (answer_term *a)
{
    if (mpq_sgn (a->coef) == 0)
        return ESP_EUNSUPPORTED;
    mpq_inv (a->coef, a->coef);
    if (a->radicand > 1)
        scale (a, a->radicand, true);
    if (a->imaginary) /* 1/i = -i */
        mpq_neg (a->coef, a->coef);
    a->pi = -a->pi;
    for (int l = 0; l < POLY_LETTERS; l++)
        a->powers[l] = (int8_t)-a->powers[l];
    return answer_term_fits (a) ? ESP_OK : ESP_EUNSUPPORTED;
}

/* n = *square^2 * *rest, *rest squarefree.  Primes up to the cube root are divided out; what is left is 1, p, p^2 or pq. */
static void split_square (uint64_t n, uint64_t *square, uint64_t *rest)
{
    mpz_t left;
    *square = *rest = 1;
    for (uint64_t p = 2; p * p * p <= n; p++)
        while (n % p == 0) {
            bool twice = n / p % p == 0;
            *square *= twice ? p : 1;
            *rest *= twice ? 1 : p;
            n /= twice ? p * p : p;
        }
    mpz_init_set_ui (left, n);
    if (mpz_perfect_square_p (left)) {
        mpz_sqrt (left, left);
        *square *= mpz_get_ui (left);
    } else {
        *rest *= n;
    }
    mpz_clear (left);
}

esp_err answer_term_sqrt (answer_term *a)
{
    mpz_t product;
    uint64_t square = 0, rest = 0;
    esp_err err = ESP_EUNSUPPORTED;
    if (!answer_term_rational (a))
        return err;
    a->imaginary = mpq_sgn (a->coef) < 0;
    mpq_abs (a->coef, a->coef);
    mpz_init (product); /* sqrt (p/q) = sqrt (pq) / q */
    mpz_mul (product, mpq_numref (a->coef), mpq_denref (a->coef));
    if (mpz_perfect_square_p (product)) {
        mpz_sqrt (product, product);
        mpz_set (mpq_numref (a->coef), product);
        err = ESP_OK;
    } else if (mpz_cmp_ui (product, POLY_RADICAND) <= 0) {
        split_square (mpz_get_ui (product), &square, &rest);
        mpz_set_ui (mpq_numref (a->coef), square);
        a->radicand = rest;
        err = ESP_OK;
    }
    mpq_canonicalize (a->coef);
    mpz_clear (product);
    return err;
}
