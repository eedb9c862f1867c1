/* SPDX-License-Identifier: Apache-2.0 */
/* answer_power.c - quotients, powers and roots of answer_poly.h
 *
 * A sum of two terms without letters is divided by as (u + v)(u - v) = u^2 - v^2, which is one term when both have
 * the same power of pi.
 */

#include <stdlib.h>
#include "proto/answer/answer_poly_private.h"

enum {
    SUM_EXPONENT = 32, /* (x + 1)^32 */
    TERM_EXPONENT = 4096,
    POWER_BITS = 4096 /* 2^4096, 10^1233; numbers that are written out may be longer */
};

static esp_err divide_by_term (answer_poly *a, const answer_term *divisor)
{
    answer_poly *inverse = NULL;
    answer_term t;
    esp_err err;
    answer_term_init (&t, divisor);
    err = answer_term_invert (&t);
    if (err == ESP_OK)
        err = answer_poly_create (&inverse);
    if (err == ESP_OK)
        err = answer_poly_add_term (inverse, &t);
    if (err == ESP_OK)
        err = answer_poly_multiply (a, inverse);
    answer_poly_destroy (inverse);
    mpq_clear (t.coef);
    return err;
}

esp_err answer_poly_lead_with_one (answer_poly *a)
{
    answer_term lead;
    esp_err err;
    if (a->count == 0)
        return ESP_EUNSUPPORTED;
    answer_term_init (&lead, NULL);
    mpq_set (lead.coef, a->terms[0].coef);
    err = divide_by_term (a, &lead);
    mpq_clear (lead.coef);
    return err;
}

static esp_err divide_by_sum (answer_poly *a, const answer_poly *b)
{
    answer_poly *conjugate = NULL, *norm = NULL;
    esp_err err = answer_poly_copy (b, &conjugate);
    if (err == ESP_OK)
        err = answer_poly_copy (b, &norm);
    if (err == ESP_OK) {
        mpq_neg (conjugate->terms[1].coef, conjugate->terms[1].coef);
        err = answer_poly_multiply (norm, conjugate);
    }
    if (err == ESP_OK && norm->count != 1)
        err = ESP_EUNSUPPORTED;
    if (err == ESP_OK)
        err = answer_poly_multiply (a, conjugate);
    if (err == ESP_OK)
        err = divide_by_term (a, &norm->terms[0]);
    answer_poly_destroy (conjugate);
    answer_poly_destroy (norm);
    return err;
}

esp_err answer_poly_divide (answer_poly *a, const answer_poly *b)
{
    if (b->count == 1)
        return divide_by_term (a, &b->terms[0]);
    if (b->count == 2 && !answer_poly_has_letters (b))
        return divide_by_sum (a, b);
    return ESP_EUNSUPPORTED; /* 0, or more than we can divide by */
}

/* *a to the n-th, by squaring. */
static esp_err whole_power (answer_poly *a, unsigned long n)
{
    answer_poly *square = NULL, *product = NULL;
    esp_err err;
    if (n > (a->count > 1 ? SUM_EXPONENT : TERM_EXPONENT) ||
        (answer_poly_bits (a) > 1 && n * (answer_poly_bits (a) - 1) > POWER_BITS))
        return ESP_EUNSUPPORTED;
    err = answer_poly_copy (a, &square);
    if (err == ESP_OK)
        err = answer_poly_number (span_of ("1"), &product);
    for (; err == ESP_OK && n > 0; n >>= 1) {
        if (n & 1)
            err = answer_poly_multiply (product, square);
        if (err == ESP_OK && n > 1)
            err = answer_poly_multiply (square, square);
    }
    if (err == ESP_OK)
        answer_poly_swap (a, product);
    answer_poly_destroy (square);
    answer_poly_destroy (product);
    return err;
}

static esp_err invert (answer_poly *a)
{
    answer_poly *one = NULL;
    esp_err err = answer_poly_number (span_of ("1"), &one);
    if (err == ESP_OK)
        err = answer_poly_divide (one, a);
    if (err == ESP_OK)
        answer_poly_swap (a, one);
    answer_poly_destroy (one);
    return err;
}

esp_err answer_poly_power (answer_poly *a, const answer_poly *exponent)
{
    unsigned long up, down;
    bool minus;
    esp_err err = ESP_OK;
    const mpq_t *e;
    if (exponent->count == 0 || !answer_poly_is_rational (exponent))
        return ESP_EUNSUPPORTED; /* x^0 is 1 but for 0: nobody writes it */
    e = (const mpq_t *)&exponent->terms[0].coef;
    if (!mpz_fits_slong_p (mpq_numref (*e)) || !mpz_fits_slong_p (mpq_denref (*e)))
        return ESP_EUNSUPPORTED;
    minus = mpq_sgn (*e) < 0;
    up = mpz_get_ui (mpq_numref (*e)); /* of the absolute value */
    down = mpz_get_ui (mpq_denref (*e));
    if (down > 1)
        err = answer_poly_root (a, down);
    if (err == ESP_OK)
        err = whole_power (a, up);
    return err == ESP_OK && minus ? invert (a) : err;
}

/* Other roots than the square root only of n-th powers: the cube root of 8 is 2, that of 2 is a text. */
static esp_err exact_root (answer_term *t, unsigned long index)
{
    if (!answer_term_rational (t) || mpq_sgn (t->coef) < 0 || index > POLY_BITS)
        return ESP_EUNSUPPORTED;
    if (!mpz_root (mpq_numref (t->coef), mpq_numref (t->coef), index) ||
        !mpz_root (mpq_denref (t->coef), mpq_denref (t->coef), index))
        return ESP_EUNSUPPORTED;
    return ESP_OK;
}

esp_err answer_poly_root (answer_poly *a, unsigned long index)
{
    if (a->count == 0 && index > 0)
        return ESP_OK;
    if (a->count != 1 || index < 2)
        return ESP_EUNSUPPORTED;
    return index == 2 ? answer_term_sqrt (&a->terms[0]) : exact_root (&a->terms[0], index);
}
