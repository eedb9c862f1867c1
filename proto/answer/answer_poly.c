/* SPDX-License-Identifier: Apache-2.0 */
/* answer_poly.c - see answer_poly.h: sums and products of terms */

#include "proto/answer/answer_poly_private.h"
#include <ctype.h>
#include <string.h>
#include "proto/base/alloc.h"

enum { DECIMAL_EXPONENT = 1000 }; /* 1e1000 is still a number */

esp_err answer_poly_create (answer_poly **out)
{
    answer_poly *p = esp_calloc (1, sizeof (*p));
    if (!p)
        return ESP_ENOMEM;
    *out = p;
    return ESP_OK;
}

void answer_poly_destroy (answer_poly *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->count; i++)
        mpq_clear (p->terms[i].coef);
    esp_free (p->terms);
    esp_free (p);
}

void answer_poly_swap (answer_poly *a, answer_poly *b)
{
    answer_poly kept = *a;
    *a = *b;
    *b = kept;
}

static void remove_term (answer_poly *p, size_t at)
{
    mpq_clear (p->terms[at].coef);
    memmove (&p->terms[at], &p->terms[at + 1], (p->count - at - 1) * sizeof (*p->terms));
    p->count--;
}

esp_err answer_poly_add_term (answer_poly *p, const answer_term *t)
{
    size_t at = 0;
    if (mpq_sgn (t->coef) == 0)
        return ESP_OK;
    while (at < p->count && answer_term_order (&p->terms[at], t) < 0)
        at++;
    if (at < p->count && answer_term_order (&p->terms[at], t) == 0) {
        mpq_add (p->terms[at].coef, p->terms[at].coef, t->coef);
        if (mpq_sgn (p->terms[at].coef) == 0)
            remove_term (p, at);
        else if (!answer_term_fits (&p->terms[at]))
            return ESP_EUNSUPPORTED;
        return ESP_OK;
    }
    if (p->count == POLY_TERMS)
        return ESP_EUNSUPPORTED;
    if (esp_grow (&p->terms, &p->cap, p->count + 1, sizeof (*p->terms)) != 0)
        return ESP_ENOMEM;
    memmove (&p->terms[at + 1], &p->terms[at], (p->count - at) * sizeof (*p->terms));
    answer_term_init (&p->terms[at], t);
    p->count++;
    return ESP_OK;
}

esp_err answer_poly_add (answer_poly *a, const answer_poly *b, bool minus)
{
    esp_err err = ESP_OK;
    for (size_t i = 0; i < b->count && err == ESP_OK; i++) {
        answer_term t;
        answer_term_init (&t, &b->terms[i]);
        if (minus)
            mpq_neg (t.coef, t.coef);
        err = answer_poly_add_term (a, &t);
        mpq_clear (t.coef);
    }
    return err;
}

esp_err answer_poly_copy (const answer_poly *p, answer_poly **out)
{
    answer_poly *copy = NULL;
    esp_err err = answer_poly_create (&copy);
    if (err == ESP_OK)
        err = answer_poly_add (copy, p, false);
    if (err != ESP_OK) {
        answer_poly_destroy (copy);
        return err;
    }
    *out = copy;
    return ESP_OK;
}

void answer_poly_negate (answer_poly *a)
{
    for (size_t i = 0; i < a->count; i++)
        mpq_neg (a->terms[i].coef, a->terms[i].coef);
}

size_t answer_poly_bits (const answer_poly *p)
{
    size_t most = 0;
    for (size_t i = 0; i < p->count; i++) {
        size_t num = mpz_sizeinbase (mpq_numref (p->terms[i].coef), 2),
               den = mpz_sizeinbase (mpq_denref (p->terms[i].coef), 2);
        most = num > most ? num : most;
        most = den > most ? den : most;
    }
    return most;
}

static bool affordable (const answer_poly *a, const answer_poly *b)
{
    size_t pairs = a->count * b->count;
    return pairs <= POLY_FEW ||
           (pairs <= POLY_PAIRS && answer_poly_bits (a) + answer_poly_bits (b) <= POLY_SMALL);
}

esp_err answer_poly_multiply (answer_poly *a, const answer_poly *b)
{
    answer_poly *sum = NULL;
    esp_err err = affordable (a, b) ? answer_poly_create (&sum) : ESP_EUNSUPPORTED;
    for (size_t i = 0; err == ESP_OK && i < a->count; i++)
        for (size_t k = 0; err == ESP_OK && k < b->count; k++) {
            answer_term t;
            answer_term_init (&t, &a->terms[i]);
            err = answer_term_multiply (&t, &b->terms[k]);
            if (err == ESP_OK)
                err = answer_poly_add_term (sum, &t);
            mpq_clear (t.coef);
        }
    if (err == ESP_OK)
        answer_poly_swap (a, sum);
    answer_poly_destroy (sum);
    return err;
}

/* ---- making ---- */

static esp_err of_term (const answer_term *t, answer_poly **out)
{
    answer_poly *p = NULL;
    esp_err err = answer_term_fits (t) ? answer_poly_create (&p) : ESP_EUNSUPPORTED;
    if (err == ESP_OK)
        err = answer_poly_add_term (p, t);
    if (err != ESP_OK) {
        answer_poly_destroy (p);
        return err;
    }
    *out = p;
    return ESP_OK;
}

/* The digits before and behind the point, without commas, with a 0 at the end; *decimals of them stand behind it. */
static span read_digits (span text, char *digits, size_t *decimals)
{
    size_t count = 0, i = 0;
    bool point = false;
    *decimals = 0;
    for (; i < text.len && tolower ((unsigned char)text.ptr[i]) != 'e'; i++) {
        if (isdigit ((unsigned char)text.ptr[i])) {
            digits[count++] = text.ptr[i];
            *decimals += point;
        }
        point = point || text.ptr[i] == '.';
    }
    digits[count] = 0;
    return span_make (text.ptr + i, text.len - i);
}

static bool read_exponent (span rest, long *exponent)
{
    bool minus = false;
    *exponent = 0;
    for (size_t i = 1; i < rest.len; i++) {
        minus = minus || rest.ptr[i] == '-';
        if (isdigit ((unsigned char)rest.ptr[i]))
            *exponent = *exponent * 10 + (rest.ptr[i] - '0');
        if (*exponent > DECIMAL_EXPONENT)
            return false;
    }
    *exponent = minus ? -*exponent : *exponent;
    return true;
}

esp_err answer_poly_number (span text, answer_poly **out)
{
    char *digits = esp_malloc (text.len + 1);
    size_t decimals;
    long exponent;
    answer_term t;
    mpz_t power;
    esp_err err = ESP_EUNSUPPORTED;
    if (!digits)
        return ESP_ENOMEM;
    answer_term_init (&t, NULL);
    mpz_init (power);
    if (read_exponent (read_digits (text, digits, &decimals), &exponent)) {
        mpz_set_str (mpq_numref (t.coef), digits, 10);
        mpz_ui_pow_ui (mpq_denref (t.coef), 10, decimals);
        mpz_ui_pow_ui (power, 10, (unsigned long)(exponent < 0 ? -exponent : exponent));
        if (exponent < 0)
            mpz_mul (mpq_denref (t.coef), mpq_denref (t.coef), power);
        else
            mpz_mul (mpq_numref (t.coef), mpq_numref (t.coef), power);
        mpq_canonicalize (t.coef);
        err = of_term (&t, out);
    }
    mpz_clear (power);
    mpq_clear (t.coef);
    esp_free (digits);
    return err;
}

esp_err answer_poly_repeat (answer_poly *a, size_t decimals, span period)
{
    answer_poly *part = NULL;
    mpz_t power;
    esp_err err = decimals + period.len > DECIMAL_EXPONENT ? ESP_EUNSUPPORTED
                                                           : answer_poly_number (period, &part);
    if (err != ESP_OK)
        return err;
    if (part->count > 0) {
        mpq_t below;
        mpz_init (power);
        mpq_init (below);
        mpz_ui_pow_ui (mpq_numref (below), 10, period.len);
        mpz_sub_ui (mpq_numref (below), mpq_numref (below), 1);
        mpz_ui_pow_ui (power, 10, decimals);
        mpz_mul (mpq_numref (below), mpq_numref (below), power);
        mpq_div (part->terms[0].coef, part->terms[0].coef, below);
        mpz_clear (power);
        mpq_clear (below);
        err = answer_poly_add (a, part, false);
    }
    answer_poly_destroy (part);
    return err;
}

esp_err answer_poly_letter (char c, answer_poly **out)
{
    answer_term t;
    esp_err err;
    answer_term_init (&t, NULL);
    if (c == 'i')
        t.imaginary = true;
    else
        t.powers[islower ((unsigned char)c) ? c - 'a' : c - 'A' + 26] = 1;
    err = of_term (&t, out);
    mpq_clear (t.coef);
    return err;
}

esp_err answer_poly_pi (answer_poly **out)
{
    answer_term t;
    esp_err err;
    answer_term_init (&t, NULL);
    t.pi = 1;
    err = of_term (&t, out);
    mpq_clear (t.coef);
    return err;
}
