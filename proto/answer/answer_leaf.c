/* SPDX-License-Identifier: Apache-2.0 */
/* answer_leaf.c - words, choices, infinity, numbers in a base, expressions with their unit */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "proto/answer/answer_expr.h"
#include "proto/answer/answer_value.h"

static bool is_letters (const answer_token *t)
{
    return t->kind == ANSWER_WORD || t->kind == ANSWER_LETTER;
}

/* ---- words ---- */

/* "Bob" and "bob" are one word; AB, aB and ab need not be. */
static bool folds (span word)
{
    bool rest_is_lower = true;
    for (size_t i = 1; i < word.len; i++)
        rest_is_lower = rest_is_lower && !isupper ((unsigned char)word.ptr[i]);
    return word.len > 3 || (word.len > 1 && rest_is_lower);
}

static bool is_article (const answer_token *t)
{
    return span_is (t->text, "a") || span_is (t->text, "an") || span_is (t->text, "the") ||
           span_is (t->text, "A") || span_is (t->text, "An") || span_is (t->text, "The");
}

static esp_err add_word (span word, esp_buf *out)
{
    esp_err err = out->len && out->data[out->len - 1] != '-' ? esp_buf_puts (out, " ") : ESP_OK;
    size_t from = out->len;
    if (err == ESP_OK)
        err = esp_buf_add (out, word);
    for (size_t i = from; err == ESP_OK && folds (word) && i < out->len; i++)
        out->data[i] = (char)tolower ((unsigned char)out->data[i]);
    return err;
}

/* All tokens are words, some with hyphens; a letter that stands alone is a variable, not a word. */
static bool are_words (answer_part p)
{
    for (size_t i = 0; i < p.count; i++) {
        bool hyphen = i > 0 && i + 1 < p.count && answer_token_mark (&p.at[i], '-') &&
                      is_letters (&p.at[i - 1]) && is_letters (&p.at[i + 1]) &&
                      p.at[i - 1].text.len > 1;
        if (!hyphen && !is_letters (&p.at[i]))
            return false;
        if (!hyphen && p.at[i].text.len < 2 && !(i == 0 && p.count > 1 && is_article (&p.at[i])))
            return false;
    }
    return p.count > 0;
}

static esp_err read_words (answer_part p, answer_value *out)
{
    esp_err err = ESP_OK;
    while (p.count > 1 && is_article (&p.at[0]))
        p = answer_part_cut (p, 1, p.count);
    for (size_t i = 0; i < p.count && err == ESP_OK; i++)
        err = answer_token_mark (&p.at[i], '-') ? esp_buf_puts (&out->text, "-")
                                                : add_word (p.at[i].text, &out->text);
    out->kind = ANSWER_WORDS;
    return err;
}

/* ---- numbers in a base ---- */

static bool plain_digits (const answer_token *t)
{
    for (size_t i = 0; i < t->text.len; i++)
        if (!isdigit ((unsigned char)t->text.ptr[i]))
            return false;
    return t->kind == ANSWER_NUMBER;
}

/* 52_8 or 52_{12}; 0: it is none. */
static unsigned long base_of (answer_part p)
{
    bool braces = p.count == 5;
    const answer_token *base = braces ? &p.at[3] : p.at + 2;
    unsigned long value;
    if ((!braces && p.count != 3) || !plain_digits (&p.at[0]) ||
        !answer_token_mark (&p.at[1], '_') ||
        (braces && (!answer_token_mark (&p.at[2], '{') || !answer_token_mark (&p.at[4], '}'))) ||
        !plain_digits (base) || base->text.len > (braces ? 2U : 1U))
        return 0;
    value = strtoul (base->text.ptr, NULL, 10); /* ends at the brace or the 0 behind the text */
    for (size_t i = 0; i < p.at[0].text.len; i++)
        if ((unsigned long)(p.at[0].text.ptr[i] - '0') >= value)
            return 0;
    return value >= 2 ? value : 0;
}

/* Horner's rule over exact numbers. */
static esp_err value_in_base (span digits, unsigned long base, answer_poly **out)
{
    char text[8];
    answer_poly *value = NULL, *factor = NULL;
    esp_err err = answer_poly_number (span_of ("0"), &value);
    if (err == ESP_OK) {
        text[0] = (char)('0' + base / 10);
        text[1] = (char)('0' + base % 10);
        err = answer_poly_number (span_make (text, 2), &factor);
    }
    for (size_t i = 0; err == ESP_OK && i < digits.len; i++) {
        answer_poly *digit = NULL;
        err = answer_poly_multiply (value, factor);
        if (err == ESP_OK)
            err = answer_poly_number (span_make (digits.ptr + i, 1), &digit);
        if (err == ESP_OK)
            err = answer_poly_add (value, digit, false);
        answer_poly_destroy (digit);
    }
    answer_poly_destroy (factor);
    *out = value; /* freed with the value that holds it */
    return err;
}

static esp_err read_based (answer_part p, unsigned long base, answer_value *out)
{
    esp_err err = value_in_base (p.at[0].text, base, &out->poly);
    if (err == ESP_OK)
        err = answer_poly_number (p.at[0].text, &out->digits);
    if (err == ESP_OK)
        err = answer_poly_print (out->digits, &out->text);
    if (err == ESP_OK)
        err = esp_buf_printf (&out->text, "_{%lu}", base);
    out->kind = ANSWER_BASED;
    return err;
}

/* ---- the rest ---- */

static bool read_infinity (answer_part p, const char **text)
{
    bool signed_ =
        p.count == 2 && (answer_token_mark (&p.at[0], '-') || answer_token_mark (&p.at[0], '+'));
    if (p.count != (signed_ ? 2U : 1U) ||
        !answer_token_is (&p.at[p.count - 1], ANSWER_COMMAND, "infty"))
        return false;
    *text = answer_token_mark (&p.at[0], '-') ? "-\\infty" : "\\infty";
    return true;
}

static bool is_choice (span text)
{
    return text.len == 1 && text.ptr[0] >= 'A' && text.ptr[0] <= 'J';
}

static esp_err read_expr (answer_part p, int sign, answer_value *out, bool *two_values)
{
    answer_poly *hundred = NULL;
    esp_err err;
    answer_unit_cut (&p, &out->unit);
    err = answer_expr_read (p, sign, &out->poly, two_values);
    if (err == ESP_OK && out->unit.percent) {
        err = answer_poly_number (span_of ("100"), &hundred);
        if (err == ESP_OK)
            err = answer_poly_divide (out->poly, hundred);
        answer_poly_destroy (hundred);
    }
    if (err == ESP_OK)
        err = answer_poly_print (out->poly, &out->text);
    out->kind =
        err == ESP_OK && is_choice (esp_buf_span (&out->text)) ? ANSWER_CHOICE : ANSWER_EXPR;
    return err;
}

/* Where the only equals sign stands; 0: there is none, or not one. */
static size_t equals_sign (answer_part p)
{
    size_t at = 0;
    for (size_t i = 0; i < p.count; i++)
        if (answer_token_mark (&p.at[i], '=')) {
            if (at > 0)
                return 0;
            at = i;
        }
    return at + 1 < p.count ? at : 0;
}

/* x^2 + y^2 = 1: both sides are expressions; the difference, divided by its first coefficient, is the equation. */
static esp_err read_equation (answer_part p, size_t at, answer_value *out)
{
    answer_poly *right = NULL;
    bool two_values, more;
    esp_err err = answer_expr_read (answer_part_cut (p, 0, at), 1, &out->poly, &two_values);
    if (err == ESP_OK)
        err = answer_expr_read (answer_part_cut (p, at + 1, p.count), 1, &right, &more);
    if (err == ESP_OK && (two_values || more))
        err = ESP_EUNSUPPORTED;
    if (err == ESP_OK)
        err = answer_poly_add (out->poly, right, true);
    answer_poly_destroy (right);
    if (err == ESP_OK)
        err = answer_poly_has_letters (out->poly) ? answer_poly_lead_with_one (out->poly)
                                                  : ESP_EUNSUPPORTED;
    if (err == ESP_OK)
        err = answer_poly_print (out->poly, &out->text);
    out->kind = ANSWER_EQUATION;
    return err == ESP_OK ? esp_buf_puts (&out->text, "=0") : err;
}

static esp_err read_known (answer_part p, int sign, answer_value *out, bool *two_values)
{
    const char *infinity;
    unsigned long base = p.count >= 3 ? base_of (p) : 0;
    if (p.count == 1 && is_letters (&p.at[0]) && is_choice (p.at[0].text)) {
        out->kind = ANSWER_CHOICE;
        return esp_buf_add (&out->text, p.at[0].text);
    }
    if (read_infinity (p, &infinity)) {
        out->kind = ANSWER_INFINITY;
        return esp_buf_puts (&out->text, infinity);
    }
    if (base)
        return read_based (p, base, out);
    if (equals_sign (p))
        return read_equation (p, equals_sign (p), out);
    return are_words (p) ? read_words (p, out) : read_expr (p, sign, out, two_values);
}

esp_err answer_leaf_read (answer_part part, int sign, answer_value *out, bool *two_values)
{
    esp_err err;
    *two_values = false;
    err = read_known (part, sign, out, two_values);
    if (err != ESP_EUNSUPPORTED && out->text.len <= ANSWER_BYTES)
        return err;
    answer_value_free (out);
    *two_values = false;
    return answer_tokens_print (part, &out->text); /* opaque */
}
