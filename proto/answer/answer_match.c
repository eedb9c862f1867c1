/* SPDX-License-Identifier: Apache-2.0 */
/* answer_match.c - are two values the same?
 *
 * Equal canonical texts are the same value.  "Other" needs both to be understood, and no way of reading that would make them
 * equal: a forgotten percent sign, base or letter, a list that may have been a tuple, two different units.
 */

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include "proto/answer/answer_value.h"

static enum answer_match match (const answer_value *a, const answer_value *b, esp_err *err);

static bool same_text (const answer_value *a, const answer_value *b)
{
    return span_equal (esp_buf_span (&a->text), esp_buf_span (&b->text));
}

/* ---- words ---- */

static bool anagrams (span a, span b)
{
    int count[256] = {0};
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        count[tolower ((unsigned char)a.ptr[i])]++;
        count[tolower ((unsigned char)b.ptr[i])]--;
    }
    for (int i = 0; i < 256; i++)
        if (count[i])
            return false;
    return true;
}

/* Two single words differ; "ellipse" and "an upright ellipse", xy and yx may not; yes may be true. */
static enum answer_match match_words (span a, span b)
{
    static const char *const truth[] = {"yes", "no", "true", "false", "none"};
    if (memchr (a.ptr, ' ', a.len) || memchr (b.ptr, ' ', b.len) || anagrams (a, b))
        return ANSWER_UNKNOWN;
    for (size_t i = 0; i < sizeof (truth) / sizeof (truth[0]); i++)
        if (span_is (a, truth[i]) || span_is (b, truth[i]))
            return ANSWER_UNKNOWN;
    return ANSWER_OTHER;
}

/* ---- numbers ---- */

/* 50 may be meant as 50%, 90 degrees are pi/2. */
static enum answer_match match_exprs (const answer_value *a, const answer_value *b, esp_err *err)
{
    bool scaled = false;
    if (a->unit.name[0] && b->unit.name[0] && strcmp (a->unit.name, b->unit.name) != 0)
        return ANSWER_UNKNOWN;
    if (a->unit.percent != b->unit.percent) {
        const answer_value *percent = a->unit.percent ? a : b, *plain = a->unit.percent ? b : a;
        *err = answer_poly_scaled (plain->poly, 100, percent->poly, &scaled);
        if (scaled)
            return ANSWER_UNKNOWN;
    }
    if (a->unit.degrees != b->unit.degrees &&
        (answer_poly_has_pi (a->poly) || answer_poly_has_pi (b->poly)))
        return ANSWER_UNKNOWN;
    return answer_poly_letters_apart (a->poly, b->poly) ? ANSWER_UNKNOWN : ANSWER_OTHER;
}

/* 52_8 and 52, 52_8 and 42: the base was left out, or the number was changed to base 10. */
static enum answer_match match_based (const answer_value *a, const answer_value *b)
{
    bool equal = answer_poly_equal (a->poly, b->poly) ||
                 (a->digits && !b->digits && answer_poly_equal (a->digits, b->poly)) ||
                 (b->digits && !a->digits && answer_poly_equal (a->poly, b->digits));
    return equal ? ANSWER_UNKNOWN : ANSWER_OTHER;
}

/* ---- lists ---- */

/* Item by item; the containers differ in nothing else. */
static enum answer_match match_in_order (const answer_value *a, const answer_value *b, esp_err *err)
{
    enum answer_match all = ANSWER_SAME;
    if (a->count != b->count || a->columns != b->columns)
        return ANSWER_OTHER;
    for (size_t i = 0; i < a->count; i++) {
        enum answer_match one = match (&a->items[i], &b->items[i], err);
        if (one == ANSWER_OTHER)
            return one;
        all = one == ANSWER_UNKNOWN ? one : all;
    }
    return all;
}

/* An item of `a` that is none of `b`. */
static bool has_stranger (const answer_value *a, const answer_value *b, esp_err *err)
{
    for (size_t i = 0; i < a->count; i++) {
        bool stranger = true;
        for (size_t k = 0; k < b->count && stranger; k++)
            stranger = match (&a->items[i], &b->items[k], err) == ANSWER_OTHER;
        if (stranger)
            return true;
    }
    return false;
}

static enum answer_match match_lists (const answer_value *a, const answer_value *b, esp_err *err)
{
    bool ordered = a->open && a->open != '{', ordered_too = b->open && b->open != '{';
    if (ordered && ordered_too)
        return a->open == b->open && a->close == b->close ? match_in_order (a, b, err)
                                                          : ANSWER_OTHER;
    return has_stranger (a, b, err) || has_stranger (b, a, err) ? ANSWER_OTHER : ANSWER_UNKNOWN;
}

static bool is_number (const answer_value *v)
{
    return v->kind == ANSWER_EXPR || v->kind == ANSWER_BASED || v->kind == ANSWER_INFINITY;
}

static bool all_numbers (const answer_value *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (!is_number (&list->items[i]))
            return false;
    return true;
}

/* A list of several numbers is no number; 1,23 and \{5\} may be one. */
static enum answer_match match_list_and_other (const answer_value *list, const answer_value *other)
{
    if (other->kind == ANSWER_UNION || other->kind == ANSWER_MATRIX || !all_numbers (list))
        return ANSWER_UNKNOWN;
    return list->tight || list->count < 2 ? ANSWER_UNKNOWN : ANSWER_OTHER;
}

/* ---- unions ---- */

static bool has_end (const answer_value *v)
{
    return v->kind == ANSWER_INFINITY ||
           (v->kind == ANSWER_EXPR && answer_poly_is_rational (v->poly));
}

static int order_of_ends (const answer_value *a, const answer_value *b)
{
    int left = a->kind != ANSWER_INFINITY ? 0
               : a->text.data[0] == '-'   ? -1
                                          : 1,
        right = b->kind != ANSWER_INFINITY ? 0
                : b->text.data[0] == '-'   ? -1
                                           : 1;
    return left || right ? left - right : answer_poly_order (a->poly, b->poly);
}

/* An interval that is not empty, with ends whose order is known. */
static bool is_interval (const answer_value *v)
{
    return v->kind == ANSWER_LIST && v->count == 2 && v->open && v->open != '{' &&
           has_end (&v->items[0]) && has_end (&v->items[1]) &&
           order_of_ends (&v->items[0], &v->items[1]) < 0;
}

/* There is a point between the two that is in neither. */
static bool apart (const answer_value *a, const answer_value *b)
{
    const answer_value *low = order_of_ends (&a->items[0], &b->items[0]) <= 0 ? a : b,
                       *high = low == a ? b : a;
    int order = order_of_ends (&low->items[1], &high->items[0]);
    return order < 0 || (order == 0 && low->close == ')' && high->open == '(');
}

/* Intervals of which no two could be written as one: such a union has one spelling. */
static bool is_reduced (const answer_value *v)
{
    for (size_t i = 0; i < v->count; i++) {
        if (!is_interval (&v->items[i]))
            return false;
        for (size_t k = 0; k < i; k++)
            if (!apart (&v->items[k], &v->items[i]))
                return false;
    }
    return true;
}

static enum answer_match match_unions (const answer_value *a, const answer_value *b)
{
    return is_reduced (a) && is_reduced (b) ? ANSWER_OTHER : ANSWER_UNKNOWN;
}

static enum answer_match match_union_and_list (const answer_value *whole, const answer_value *list)
{
    return is_reduced (whole) && is_interval (list) ? ANSWER_OTHER : ANSWER_UNKNOWN;
}

/* ---- all kinds ---- */

static enum answer_match match_kind (const answer_value *a, const answer_value *b, esp_err *err)
{
    switch ((enum answer_kind)a->kind) {
    case ANSWER_WORDS:
        return match_words (esp_buf_span (&a->text), esp_buf_span (&b->text));
    case ANSWER_EXPR:
        return match_exprs (a, b, err);
    case ANSWER_BASED:
        return match_based (a, b);
    case ANSWER_LIST:
        return match_lists (a, b, err);
    case ANSWER_MATRIX:
        return match_in_order (a, b, err);
    case ANSWER_OPAQUE:
    case ANSWER_EQUATION: /* x = 0 and x^2 = 0 have the same solutions */
        return ANSWER_UNKNOWN;
    case ANSWER_UNION:
        return match_unions (a, b);
    case ANSWER_CHOICE:
    case ANSWER_INFINITY:
        return ANSWER_OTHER;
    }
    return ANSWER_UNKNOWN;
}

static enum answer_match match_kinds (const answer_value *a, const answer_value *b)
{
    if (a->kind == ANSWER_LIST && is_number (b))
        return match_list_and_other (a, b);
    if (b->kind == ANSWER_LIST && is_number (a))
        return match_list_and_other (b, a);
    if (a->kind == ANSWER_UNION && b->kind == ANSWER_LIST)
        return match_union_and_list (a, b);
    if (b->kind == ANSWER_UNION && a->kind == ANSWER_LIST)
        return match_union_and_list (b, a);
    if (a->kind == ANSWER_INFINITY || b->kind == ANSWER_INFINITY)
        return is_number (a) && is_number (b) ? ANSWER_OTHER : ANSWER_UNKNOWN;
    return is_number (a) && is_number (b) ? match_based (a, b) : ANSWER_UNKNOWN;
}

bool answer_value_mentions (const answer_value *v, char letter)
{
    if (v->kind == ANSWER_EXPR || v->kind == ANSWER_EQUATION)
        return answer_poly_has_letter (v->poly, letter);
    if (v->kind == ANSWER_OPAQUE || v->kind == ANSWER_WORDS)
        return v->text.len > 0 && memchr (v->text.data, letter, v->text.len);
    for (size_t i = 0; i < v->count; i++)
        if (answer_value_mentions (&v->items[i], letter))
            return true;
    return false;
}

/* y = 2x and 2x; but x = 2x is not 2x, and x = 5 is not y = 5. */
static bool names_agree (const answer_value *a, const answer_value *b)
{
    const answer_value *named = a->name.len ? a : b;
    if (a->name.len && b->name.len)
        return span_equal (esp_buf_span (&a->name), esp_buf_span (&b->name));
    return named->name.len == 0 || !answer_value_mentions (named, named->name.data[0]);
}

static bool units_agree (const answer_value *a, const answer_value *b)
{
    return !a->unit.name[0] || !b->unit.name[0] || strcmp (a->unit.name, b->unit.name) == 0;
}

static enum answer_match match_equal (const answer_value *a, const answer_value *b)
{
    return units_agree (a, b) && names_agree (a, b) ? ANSWER_SAME : ANSWER_UNKNOWN;
}

static enum answer_match match (const answer_value *a, const answer_value *b, esp_err *err)
{
    if (same_text (a, b))
        return match_equal (a, b);
    if (a->kind == ANSWER_OPAQUE || b->kind == ANSWER_OPAQUE)
        return ANSWER_UNKNOWN;
    return a->kind == b->kind ? match_kind (a, b, err) : match_kinds (a, b);
}

enum answer_match
answer_value_match (const answer_value *a, const answer_value *b, bool equal, esp_err *err)
{
    enum answer_match found;
    *err = ESP_OK;
    if (equal)
        return match_equal (a, b);
    found = match (a, b, err);
    if (found == ANSWER_OTHER && a->name.len && b->name.len && !names_agree (a, b))
        found = ANSWER_UNKNOWN;
    return found;
}
