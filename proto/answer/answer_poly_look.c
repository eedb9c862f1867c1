/* SPDX-License-Identifier: Apache-2.0 */
/* answer_poly_look.c - printing and comparing answer_poly.h */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "proto/answer/answer_poly_private.h"

static bool any_letter (const answer_term *t)
{
    for (int l = 0; l < POLY_LETTERS; l++)
        if (t->powers[l])
            return true;
    return false;
}

bool answer_poly_has_letters (const answer_poly *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (any_letter (&p->terms[i]))
            return true;
    return false;
}

bool answer_poly_has_letter (const answer_poly *p, char c)
{
    int l = c >= 'a' ? c - 'a' : c - 'A' + 26;
    for (size_t i = 0; i < p->count; i++)
        if (p->terms[i].powers[l])
            return true;
    return false;
}

bool answer_poly_has_pi (const answer_poly *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->terms[i].pi)
            return true;
    return false;
}

bool answer_poly_is_rational (const answer_poly *p)
{
    return p->count == 0 || (p->count == 1 && answer_term_rational (&p->terms[0]));
}

int answer_poly_order (const answer_poly *a, const answer_poly *b)
{
    int sign = a->count ? mpq_sgn (a->terms[0].coef) : 0;
    if (a->count && b->count)
        return mpq_cmp (a->terms[0].coef, b->terms[0].coef);
    return b->count ? -mpq_sgn (b->terms[0].coef) : sign;
}

bool answer_poly_equal (const answer_poly *a, const answer_poly *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (answer_term_order (&a->terms[i], &b->terms[i]) != 0 ||
            !mpq_equal (a->terms[i].coef, b->terms[i].coef))
            return false;
    return true;
}

esp_err
answer_poly_scaled (const answer_poly *a, unsigned long factor, const answer_poly *b, bool *out)
{
    answer_poly *times = NULL;
    esp_err err = answer_poly_copy (b, &times);
    if (err != ESP_OK)
        return err;
    for (size_t i = 0; i < times->count; i++) {
        mpq_t f;
        mpq_init (f);
        mpq_set_ui (f, factor, 1);
        mpq_mul (times->terms[i].coef, times->terms[i].coef, f);
        mpq_clear (f);
    }
    *out = answer_poly_equal (a, times);
    answer_poly_destroy (times);
    return ESP_OK;
}

bool answer_poly_letters_apart (const answer_poly *a, const answer_poly *b)
{
    answer_term ta, tb;
    if (a->count != 1 || b->count != 1 || any_letter (&a->terms[0]) == any_letter (&b->terms[0]))
        return false;
    ta = a->terms[0]; /* borrows its coefficient */
    tb = b->terms[0];
    memset (ta.powers, 0, sizeof (ta.powers));
    memset (tb.powers, 0, sizeof (tb.powers));
    return answer_term_order (&ta, &tb) == 0 && mpq_equal (ta.coef, tb.coef);
}

/* ---- printing ---- */

static esp_err print_coefficient (const answer_term *t, esp_buf *out)
{
    char *text = mpq_get_str (NULL, 10, t->coef);
    void (*release) (void *, size_t);
    esp_err err = esp_buf_puts (out, text + (mpq_sgn (t->coef) < 0));
    mp_get_memory_functions (NULL, NULL, &release);
    release (text, strlen (text) + 1);
    return err;
}

struct printing {
    esp_buf *out;
    bool first; /* no factor was printed yet */
    esp_err err;
};

static void factor (struct printing *p, const char *name, int power)
{
    if (p->err != ESP_OK || power == 0)
        return;
    p->err = esp_buf_printf (p->out, "%s%s", p->first ? "" : "*", name);
    if (p->err == ESP_OK && power != 1)
        p->err = esp_buf_printf (p->out, "^{%d}", power);
    p->first = false;
}

static esp_err print_term (const answer_term *t, bool leads, esp_buf *out)
{
    struct printing p = {out, true, ESP_OK};
    mpq_t one;
    char name[40];
    bool unit;
    mpq_init (one);
    mpq_set_si (one, mpq_sgn (t->coef), 1);
    unit = mpq_equal (one, t->coef) && !answer_term_rational (t);
    mpq_clear (one);
    if (mpq_sgn (t->coef) < 0 || !leads)
        p.err = esp_buf_puts (out, mpq_sgn (t->coef) < 0 ? "-" : "+");
    if (p.err == ESP_OK && !unit) {
        p.err = print_coefficient (t, out);
        p.first = false;
    }
    for (int l = 0; l < POLY_LETTERS; l++) {
        snprintf (name, sizeof (name), "%c", l < 26 ? 'a' + l : 'A' + l - 26);
        factor (&p, name, t->powers[l]);
    }
    snprintf (name, sizeof (name), "\\sqrt{%" PRIu64 "}", t->radicand);
    factor (&p, name, t->radicand > 1);
    factor (&p, "\\pi", t->pi);
    factor (&p, "i", t->imaginary);
    return p.err;
}

esp_err answer_poly_print (const answer_poly *p, esp_buf *out)
{
    esp_err err = p->count ? ESP_OK : esp_buf_puts (out, "0");
    for (size_t i = 0; i < p->count && err == ESP_OK; i++)
        err = print_term (&p->terms[i], i == 0, out);
    return err;
}
