/* SPDX-License-Identifier: Apache-2.0 */
/* answer_expr.c - see answer_expr.h
 *
 *   sum     = [sign] product {sign product}
 *   product = mixed | factor {["*" | "/"] factor}
 *   factor  = atom ["^" exponent]
 *   atom    = number | letters | \pi | \frac arg arg | \sqrt ["[" number "]"] arg | "(" sum ")" | "{" sum "}"
 *
 * A factor without a sign before it may not be a number, and may not follow a quotient.
 */

#include "proto/answer/answer_expr.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/answer/answer_unit.h"

enum {
    DEPTH_MAX = 32,
    WORD_MAX = 3 /* letters that are a product: "ab", "xyz"; longer is a word */
};

struct expr {
    answer_part part;
    size_t at;
    int sign;
    bool two_values;
    unsigned depth;
};

static esp_err read_sum (struct expr *e, answer_poly **out);

static const answer_token *look (const struct expr *e, size_t ahead)
{
    return e->at + ahead < e->part.count ? &e->part.at[e->at + ahead] : NULL;
}

static bool next_mark (const struct expr *e, char mark)
{
    const answer_token *t = look (e, 0);
    return t && answer_token_mark (t, mark);
}

static bool skip_mark (struct expr *e, char mark)
{
    bool there = next_mark (e, mark);
    e->at += there;
    return there;
}

static bool next_command (const struct expr *e, const char *name)
{
    const answer_token *t = look (e, 0);
    return t && answer_token_is (t, ANSWER_COMMAND, name);
}

static bool is_kind (const answer_token *t, enum answer_token_kind kind)
{
    return t && t->kind == kind;
}

/* A whole number as it is written in mixed numbers and indexes. */
static bool is_whole (const answer_token *t)
{
    if (!is_kind (t, ANSWER_NUMBER))
        return false;
    for (size_t i = 0; i < t->text.len; i++)
        if (!isdigit ((unsigned char)t->text.ptr[i]) && t->text.ptr[i] != ',')
            return false;
    return true;
}

static esp_err times (answer_poly **product, answer_poly *factor, bool divide)
{
    esp_err err =
        divide ? answer_poly_divide (*product, factor) : answer_poly_multiply (*product, factor);
    answer_poly_destroy (factor);
    return err;
}

/* ---- atoms ---- */

static esp_err closed_sum (struct expr *e, char close, answer_poly **out)
{
    answer_poly *p = NULL;
    esp_err err;
    e->at++;
    if (e->depth == DEPTH_MAX)
        return ESP_EUNSUPPORTED;
    e->depth++;
    err = read_sum (e, &p);
    e->depth--;
    if (err == ESP_OK && !skip_mark (e, close))
        err = ESP_EUNSUPPORTED;
    if (err != ESP_OK) {
        answer_poly_destroy (p);
        return err;
    }
    *out = p;
    return ESP_OK;
}

/* What repeats behind a number: 3.\overline{6}, 0.1\overline{6}.  No other number may stand before a bar. */
static esp_err read_period (struct expr *e, span number, answer_poly *out)
{
    size_t point = span_find (number, span_of (".")), skip = point == number.len;
    const answer_token *next[4];
    esp_err err;
    for (size_t i = 0; i < 4; i++)
        next[i] = look (e, skip + i);
    if (!next[3] || (skip && !next_mark (e, '.')) ||
        !answer_token_is (next[0], ANSWER_COMMAND, "overline"))
        return ESP_OK;
    if (!answer_token_mark (next[1], '{') || !is_whole (next[2]) || next[2]->grouped ||
        !answer_token_mark (next[3], '}') || span_find (number, span_of ("e")) < number.len ||
        span_find (number, span_of ("E")) < number.len)
        return ESP_EUNSUPPORTED;
    err = answer_poly_repeat (out, skip ? 0 : number.len - point - 1, next[2]->text);
    e->at += skip + 4;
    return err;
}

static esp_err one_token (struct expr *e, answer_poly **out)
{
    const answer_token *t = look (e, 0);
    esp_err err = ESP_EUNSUPPORTED;
    if (is_kind (t, ANSWER_NUMBER) && (!t->grouped || e->depth == 0)) /* f(1,234) */
        err = answer_poly_number (t->text, out);
    else if (is_kind (t, ANSWER_LETTER))
        err = answer_poly_letter (t->text.ptr[0], out);
    else if (t && next_command (e, "pi"))
        err = answer_poly_pi (out);
    e->at += err == ESP_OK;
    return err;
}

/* An argument of \frac and \sqrt: in braces, or one token of one digit. */
static esp_err read_argument (struct expr *e, answer_poly **out)
{
    const answer_token *t = look (e, 0);
    if (next_mark (e, '{'))
        return closed_sum (e, '}', out);
    if (is_kind (t, ANSWER_NUMBER) && t->text.len > 1)
        return ESP_EUNSUPPORTED; /* TeX takes the first digit, people may mean all */
    return one_token (e, out);
}

static esp_err read_fraction (struct expr *e, answer_poly **out)
{
    const answer_token *t = look (e, 1);
    answer_poly *above = NULL, *below = NULL;
    esp_err err;
    e->at++;
    if (is_whole (t) && t->text.len == 2) { /* \frac12 */
        err = answer_poly_number (span_make (t->text.ptr, 1), &above);
        if (err == ESP_OK)
            err = answer_poly_number (span_make (t->text.ptr + 1, 1), &below);
        e->at++;
    } else {
        err = read_argument (e, &above);
        if (err == ESP_OK)
            err = read_argument (e, &below);
    }
    if (err == ESP_OK)
        err = answer_poly_divide (above, below);
    answer_poly_destroy (below);
    if (err != ESP_OK) {
        answer_poly_destroy (above);
        return err;
    }
    *out = above;
    return ESP_OK;
}

static esp_err read_index (struct expr *e, unsigned long *out)
{
    const answer_token *t = look (e, 1);
    *out = 2;
    if (!next_mark (e, '['))
        return ESP_OK;
    if (!is_whole (t) || t->text.len > 3 || !look (e, 2) || !answer_token_mark (look (e, 2), ']'))
        return ESP_EUNSUPPORTED;
    *out = strtoul (t->text.ptr, NULL, 10);
    e->at += 3;
    return ESP_OK;
}

static esp_err read_root (struct expr *e, answer_poly **out)
{
    unsigned long index;
    answer_poly *p = NULL;
    esp_err err;
    e->at++;
    err = read_index (e, &index);
    if (err == ESP_OK)
        err = next_mark (e, '(') ? closed_sum (e, ')', &p) : read_argument (e, &p);
    if (err == ESP_OK)
        err = answer_poly_root (p, index);
    if (err != ESP_OK) {
        answer_poly_destroy (p);
        return err;
    }
    *out = p;
    return ESP_OK;
}

static esp_err read_atom (struct expr *e, answer_poly **out)
{
    const answer_token *t = look (e, 0);
    esp_err err;
    if (next_mark (e, '('))
        return closed_sum (e, ')', out);
    if (next_mark (e, '{'))
        return closed_sum (e, '}', out);
    if (next_command (e, "frac"))
        return read_fraction (e, out);
    if (next_command (e, "sqrt"))
        return read_root (e, out);
    err = one_token (e, out);
    if (err == ESP_OK && t->kind == ANSWER_NUMBER &&
        (err = read_period (e, t->text, *out)) != ESP_OK) {
        answer_poly_destroy (*out);
        *out = NULL;
    }
    return err;
}

/* ---- powers and products ---- */

static esp_err read_exponent (struct expr *e, answer_poly **out)
{
    bool minus;
    esp_err err;
    if (next_mark (e, '{'))
        return closed_sum (e, '}', out);
    if (next_mark (e, '('))
        return closed_sum (e, ')', out);
    minus = skip_mark (e, '-');
    if (!is_whole (look (e, 0)))
        return ESP_EUNSUPPORTED;
    err = one_token (e, out);
    if (err == ESP_OK && minus)
        answer_poly_negate (*out);
    return err;
}

static esp_err raise_power (struct expr *e, answer_poly *base)
{
    const answer_token *t = look (e, 0), *after = look (e, 1);
    bool stars = t && after && answer_token_mark (t, '*') && answer_token_mark (after, '*');
    answer_poly *exponent = NULL;
    esp_err err;
    if (!stars && !next_mark (e, '^'))
        return ESP_OK;
    e->at += stars ? 2 : 1;
    err = read_exponent (e, &exponent);
    if (err == ESP_OK)
        err = answer_poly_power (base, exponent);
    answer_poly_destroy (exponent);
    if (err == ESP_OK && next_mark (e, '^'))
        err = ESP_EUNSUPPORTED; /* a tower */
    return err;
}

/* Short words that nobody means as a product. */
static bool is_product (const answer_token *t)
{
    static const char words[] =
        " the and or not is are all no yes odd sin cos tan cot sec csc cis log ln exp max min mod "
        "gcd lcm "
        "per of for if to at by as any one two six ten rad am pm det dim arg lim sup ker ";
    char word[WORD_MAX + 3];
    if (t->named || t->text.len > WORD_MAX || answer_unit_known (t))
        return false;
    snprintf (word, sizeof (word), " %.*s ", (int)t->text.len, t->text.ptr);
    return strstr (words, word) == NULL;
}

/* "xy^2": all letters but the last are factors of their own. */
static esp_err read_letters (struct expr *e, answer_poly **out)
{
    span text = look (e, 0)->text;
    answer_poly *product = NULL, *last = NULL;
    esp_err err;
    if (!is_product (look (e, 0)))
        return ESP_EUNSUPPORTED;
    e->at++;
    err = answer_poly_letter (text.ptr[0], &product);
    for (size_t i = 1; err == ESP_OK && i < text.len; i++) {
        err = answer_poly_letter (text.ptr[i], &last);
        if (err == ESP_OK && i + 1 == text.len && (err = raise_power (e, last)) != ESP_OK)
            answer_poly_destroy (last);
        if (err == ESP_OK)
            err = times (&product, last, false);
    }
    if (err != ESP_OK) {
        answer_poly_destroy (product);
        return err;
    }
    *out = product;
    return ESP_OK;
}

static esp_err read_factor (struct expr *e, answer_poly **out)
{
    answer_poly *p = NULL;
    esp_err err;
    if (is_kind (look (e, 0), ANSWER_WORD))
        return read_letters (e, out);
    err = read_atom (e, &p);
    if (err == ESP_OK)
        err = raise_power (e, p);
    if (err != ESP_OK) {
        answer_poly_destroy (p);
        return err;
    }
    *out = p;
    return ESP_OK;
}

/* May the next token be a factor without a sign before it? */
static bool joins (const struct expr *e)
{
    const answer_token *t = look (e, 0);
    if (!t || t->kind == ANSWER_NUMBER)
        return false;
    return t->kind == ANSWER_LETTER || t->kind == ANSWER_WORD || answer_token_mark (t, '(') ||
           next_command (e, "pi") || next_command (e, "frac") || next_command (e, "sqrt");
}

static esp_err read_factors (struct expr *e, answer_poly **product)
{
    bool whole = is_whole (look (e, 0)), quotient = false;
    esp_err err = read_factor (e, product);
    while (err == ESP_OK) {
        answer_poly *factor = NULL;
        bool divide = skip_mark (e, '/'), multiply = !divide && skip_mark (e, '*');
        bool mixed = whole && !divide && !multiply && next_command (e, "frac");
        if (!divide && !multiply && !joins (e))
            return ESP_OK;
        if (quotient && !divide && !multiply)
            return ESP_EUNSUPPORTED; /* 1/2x: half of x, or 1/(2x)? */
        if (is_kind (look (e, 0), ANSWER_WORD) && divide)
            return ESP_EUNSUPPORTED; /* 1/xy */
        quotient = divide;
        whole = false;
        if ((err = read_factor (e, &factor)) != ESP_OK)
            break;
        mixed = mixed && answer_poly_is_rational (factor);
        err = times (product, factor, divide);
        if (err == ESP_OK && mixed)
            err = ESP_EUNSUPPORTED; /* 1\frac{{1}}{2}: one and a half, or a half? */
    }
    return err;
}

/* Tokens of "{12}" or of "2", further on; 0: neither. */
static size_t whole_tokens (const struct expr *e, size_t ahead)
{
    const answer_token *open = look (e, ahead), *close = look (e, ahead + 2);
    if (is_whole (open))
        return open->text.len == 1 ? 1 : 0;
    return open && close && answer_token_mark (open, '{') && is_whole (look (e, ahead + 1)) &&
                   answer_token_mark (close, '}')
               ? 3
               : 0;
}

/* 4\frac{2}{3}, 4\frac23, 4\frac{2}3 or 4 2/3 stands at e->at: whole numbers. */
static bool is_mixed (const struct expr *e, size_t *tokens)
{
    const answer_token *t = look (e, 1), *above = look (e, 2);
    size_t first, second;
    if (!is_whole (look (e, 0)) || !t)
        return false;
    *tokens = 4; /* "4 2/3" */
    if (is_whole (t))
        return t->space && above && answer_token_mark (above, '/') && is_whole (look (e, 3));
    if (!answer_token_is (t, ANSWER_COMMAND, "frac"))
        return false;
    *tokens = 3; /* 4\frac23 */
    if (is_whole (above) && above->text.len == 2)
        return true;
    first = whole_tokens (e, 2);
    second = first ? whole_tokens (e, 2 + first) : 0;
    *tokens = 2 + first + second;
    return second > 0;
}

static esp_err read_mixed (struct expr *e, size_t tokens, answer_poly **sum)
{
    struct expr fraction = *e;
    answer_poly *whole = NULL, *one = NULL, *part = NULL;
    esp_err err;
    fraction.at++;
    fraction.part.count = e->at + tokens;
    e->at += tokens;
    if (joins (e) || next_mark (e, '^') || next_mark (e, '*') || next_mark (e, '/') ||
        is_kind (look (e, 0), ANSWER_NUMBER))
        return ESP_EUNSUPPORTED;
    err = answer_poly_number (e->part.at[e->at - tokens].text, &whole);
    if (err == ESP_OK)
        err = read_factors (&fraction, &part);
    if (err == ESP_OK)
        err = answer_poly_number (span_of ("1"), &one);
    if (err == ESP_OK && answer_poly_order (part, one) >= 0)
        err =
            ESP_EUNSUPPORTED; /* 3\frac{5}{2} is no mixed number, and no product that anyone writes */
    if (err == ESP_OK)
        err = answer_poly_add (whole, part, false);
    answer_poly_destroy (one);
    answer_poly_destroy (part);
    *sum = whole; /* the caller frees it, also after an error */
    return err;
}

static esp_err read_product (struct expr *e, answer_poly **out)
{
    size_t tokens = 0;
    answer_poly *p = NULL;
    esp_err err = is_mixed (e, &tokens) ? read_mixed (e, tokens, &p) : read_factors (e, &p);
    if (err != ESP_OK) {
        answer_poly_destroy (p);
        return err;
    }
    *out = p;
    return ESP_OK;
}

/* ---- sums ---- */

static bool skip_sign (struct expr *e, bool *minus)
{
    bool up = next_command (e, "pm"), down = next_command (e, "mp");
    *minus = false;
    if (up || down) {
        e->two_values = true;
        *minus = up ? e->sign < 0 : e->sign > 0;
        e->at++;
        return true;
    }
    *minus = next_mark (e, '-');
    return skip_mark (e, '-') || skip_mark (e, '+');
}

static esp_err read_sum (struct expr *e, answer_poly **out)
{
    answer_poly *sum = NULL, *more = NULL;
    bool minus;
    esp_err err;
    (void)skip_sign (e, &minus);
    err = read_product (e, &sum);
    if (err == ESP_OK && minus)
        answer_poly_negate (sum);
    while (err == ESP_OK && skip_sign (e, &minus)) {
        if ((err = read_product (e, &more)) != ESP_OK)
            break;
        err = answer_poly_add (sum, more, minus);
        answer_poly_destroy (more);
    }
    if (err != ESP_OK) {
        answer_poly_destroy (sum);
        return err;
    }
    *out = sum;
    return ESP_OK;
}

esp_err answer_expr_read (answer_part part, int sign, answer_poly **out, bool *two_values)
{
    struct expr e = {.part = part, .sign = sign};
    answer_poly *p = NULL;
    esp_err err = read_sum (&e, &p);
    if (err == ESP_OK && e.at < part.count)
        err = ESP_EUNSUPPORTED;
    if (err != ESP_OK) {
        answer_poly_destroy (p);
        return err;
    }
    *out = p;
    *two_values = e.two_values;
    return ESP_OK;
}
