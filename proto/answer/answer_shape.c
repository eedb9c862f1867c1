/* SPDX-License-Identifier: Apache-2.0 */
/* answer_shape.c - values that hold others: lists, tuples, intervals, sets, unions, matrices
 *
 * Anything that begins like one of them and does not end so is opaque as a whole: a list of which a part was
 * guessed would be a guess.  Sets and lists without brackets are ordered by the texts of their items, so that
 * order does not count; lists are printed with ", ", so that (1, 234) is not 1,234.
 */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "proto/answer/answer_value.h"
#include "proto/base/alloc.h"

void answer_value_free (answer_value *v)
{
    for (size_t i = 0; i < v->count; i++)
        answer_value_free (&v->items[i]); /* at most ANSWER_DEPTH deep */
    esp_free (v->items);
    answer_poly_destroy (v->poly);
    answer_poly_destroy (v->digits);
    esp_buf_free (&v->name);
    esp_buf_free (&v->text);
    *v = (answer_value){0};
}

/* ---- where things begin and end ---- */

static int bracket (const answer_token *t)
{
    if (t->text.len != 1 || (t->kind != ANSWER_MARK && t->kind != ANSWER_COMMAND))
        return 0;
    if (t->kind == ANSWER_COMMAND)
        return t->text.ptr[0] == '{' ? 1 : t->text.ptr[0] == '}' ? -1 : 0;
    return strchr ("([{", t->text.ptr[0]) ? 1 : strchr (")]}", t->text.ptr[0]) ? -1 : 0;
}

/* ", and", "or" and their like: how many tokens separate two items here. */
static size_t separator (answer_part p, size_t at)
{
    const answer_token *t = &p.at[at];
    bool comma = answer_token_mark (t, ',') || answer_token_mark (t, ';');
    size_t next = at + comma;
    bool word = next < p.count && p.at[next].kind == ANSWER_WORD &&
                (span_is (p.at[next].text, "and") || span_is (p.at[next].text, "or"));
    return (comma ? 1U : 0U) + (word ? 1U : 0U);
}

static size_t cup (answer_part p, size_t at)
{
    return answer_token_is (&p.at[at], ANSWER_COMMAND, "cup");
}

/* The part before the next separator outside of brackets; false at the end.  *rest is cut. */
static bool
next_part (answer_part *rest, size_t (*between) (answer_part, size_t), answer_part *out, bool *more)
{
    int depth = 0;
    if (!*more)
        return false;
    for (size_t at = 0; at < rest->count; at++) {
        size_t len = depth == 0 ? between (*rest, at) : 0;
        depth += bracket (&rest->at[at]);
        if (len == 0)
            continue;
        *out = answer_part_cut (*rest, 0, at);
        *rest = answer_part_cut (*rest, at + len, rest->count);
        return true;
    }
    *out = *rest;
    *more = false;
    return true;
}

static size_t parts (answer_part p, size_t (*between) (answer_part, size_t))
{
    answer_part one;
    size_t count = 0;
    bool more = true;
    while (next_part (&p, between, &one, &more))
        count++;
    return count;
}

/* The first token opens what the last one closes. */
static bool enclosed (answer_part p)
{
    int depth = 0;
    if (p.count < 2 || bracket (&p.at[0]) != 1 || bracket (&p.at[p.count - 1]) != -1)
        return false;
    for (size_t i = 0; i + 1 < p.count; i++)
        if ((depth += bracket (&p.at[i])) == 0)
            return false;
    return true;
}

static bool any_grouped (answer_part p)
{
    for (size_t i = 0; i < p.count; i++)
        if (p.at[i].grouped)
            return true;
    return false;
}

/* ---- items ---- */

static esp_err read_value (answer_part part, unsigned depth, answer_value *out);

static esp_err new_item (answer_value *v, answer_value **out)
{
    if (v->count == ANSWER_ITEMS)
        return ESP_EUNSUPPORTED;
    if (esp_grow (&v->items, &v->cap, v->count + 1, sizeof (*v->items)) != 0)
        return ESP_ENOMEM;
    *out = &v->items[v->count++];
    **out = (answer_value){0};
    return ESP_OK;
}

/* a \pm b gives two items. */
static esp_err read_item (answer_part p, unsigned depth, bool pairs, answer_value *list)
{
    answer_value *item;
    bool two_values;
    esp_err err = p.count ? new_item (list, &item) : ESP_EUNSUPPORTED;
    if (err != ESP_OK)
        return err;
    if (parts (p, separator) > 1 || enclosed (p) || parts (p, cup) > 1)
        return read_value (p, depth + 1, item);
    err = answer_leaf_read (p, 1, item, &two_values);
    if (err != ESP_OK || !two_values)
        return err;
    if (!pairs || (err = new_item (list, &item)) != ESP_OK)
        return err == ESP_OK ? ESP_EUNSUPPORTED : err;
    return answer_leaf_read (p, -1, item, &two_values);
}

static int by_text (const void *a, const void *b)
{
    return span_compare (esp_buf_span (&((const answer_value *)a)->text),
                         esp_buf_span (&((const answer_value *)b)->text));
}

static void sort_items (answer_value *v, bool once)
{
    size_t kept = 0;
    if (v->count == 0)
        return;
    qsort (v->items, v->count, sizeof (*v->items), by_text);
    for (size_t i = 1; once && i < v->count; i++) {
        if (by_text (&v->items[kept], &v->items[i]) == 0) {
            answer_value_free (&v->items[i]);
            continue;
        }
        v->items[++kept] = v->items[i];
        if (kept != i)
            v->items[i] = (answer_value){0};
    }
    v->count = once ? kept + 1 : v->count;
}

static esp_err
print_items (const answer_value *v, size_t from, size_t to, const char *between, esp_buf *out)
{
    esp_err err = ESP_OK;
    for (size_t i = from; i < to && err == ESP_OK; i++) {
        if (i > from)
            err = esp_buf_puts (out, between);
        if (err == ESP_OK)
            err = esp_buf_add (out, esp_buf_span (&v->items[i].text));
    }
    return err;
}

static bool equal_neighbours (const answer_value *v)
{
    for (size_t i = 1; i < v->count; i++)
        if (by_text (&v->items[i - 1], &v->items[i]) == 0)
            return true;
    return false;
}

static esp_err print_list (answer_value *v)
{
    bool set = v->open == '{' || (!v->open && !equal_neighbours (v));
    char open[3] = {v->open, 0, 0}, close[3] = {v->close, 0, 0};
    esp_err err = esp_buf_puts (&v->text, set ? "\\{" : open);
    if (err == ESP_OK)
        err = print_items (v, 0, v->count, ", ", &v->text);
    return err == ESP_OK ? esp_buf_puts (&v->text, set ? "\\}" : close) : err;
}

/* ---- names ---- */

/* x =, f(x) =, y \in: how many tokens. */
static size_t name_length (answer_part p)
{
    size_t at = 1;
    if (p.count < 3 || p.at[0].kind != ANSWER_LETTER)
        return 0;
    if (p.count > 5 && answer_token_mark (&p.at[1], '(') && p.at[2].kind == ANSWER_LETTER &&
        answer_token_mark (&p.at[3], ')'))
        at = 4;
    else if (p.count > 4 && answer_token_mark (&p.at[1], '_') &&
             (p.at[2].kind == ANSWER_LETTER || p.at[2].kind == ANSWER_NUMBER))
        at = 3;
    if (!answer_token_mark (&p.at[at], '=') && !answer_token_is (&p.at[at], ANSWER_COMMAND, "in"))
        return 0;
    for (size_t i = at + 1; i < p.count; i++)
        if (answer_token_mark (&p.at[i], '='))
            return 0; /* a chain of equations */
    return at + 1 < p.count ? at + 1 : 0;
}

static esp_err take_name (answer_part *p, esp_buf *name)
{
    size_t len = name_length (*p);
    bool equation = len > 0 && answer_token_mark (&p->at[len - 1], '=');
    esp_err err = equation ? answer_tokens_print (answer_part_cut (*p, 0, len - 1), name) : ESP_OK;
    *p = answer_part_cut (*p, len, p->count);
    return err;
}

/* The name of an item must be that of the first: x = 1, y = 2 is no set. */
static esp_err same_name (answer_part *p, bool first, esp_buf *name)
{
    esp_buf own = {0};
    esp_err err = take_name (p, first ? name : &own);
    if (err == ESP_OK && own.len > 0 && !span_equal (esp_buf_span (&own), esp_buf_span (name)))
        err = ESP_EUNSUPPORTED;
    esp_buf_free (&own);
    return err;
}

/* ---- shapes ---- */

/* 1,000,2,000 is not the list 1, 0, 2, 0. */
static bool any_zero_led (answer_part p)
{
    for (size_t i = 0; i < p.count; i++)
        if (p.at[i].kind == ANSWER_NUMBER && p.at[i].text.len > 1 && p.at[i].text.ptr[0] == '0' &&
            isdigit ((unsigned char)p.at[i].text.ptr[1]))
            return true;
    return false;
}

/* Digits and commas without a space: 1,23. */
static bool tight (answer_part p)
{
    for (size_t i = 0; i < p.count; i++)
        if ((i > 0 && p.at[i].space) ||
            (p.at[i].kind != ANSWER_NUMBER && !answer_token_mark (&p.at[i], ',') && i > 0))
            return false;
    return true;
}

static esp_err read_list (answer_part p, unsigned depth, answer_value *out)
{
    bool bare = !out->open, more = true;
    answer_part one;
    esp_err err = ESP_OK;
    if ((any_grouped (p) && (!bare || tight (p))) || any_zero_led (p))
        return ESP_EUNSUPPORTED;
    out->kind = ANSWER_LIST;
    out->tight = bare && tight (p);
    for (size_t i = 0; err == ESP_OK && p.count && next_part (&p, separator, &one, &more); i++) {
        if (bare)
            err = same_name (&one, i == 0, &out->name);
        if (err == ESP_OK)
            err = read_item (one, depth, bare || out->open == '{', out);
    }
    if (err == ESP_OK && (bare || out->open == '{'))
        sort_items (out, out->open == '{');
    return err == ESP_OK ? print_list (out) : err;
}

static char bracket_of (const answer_token *t)
{
    return t->text.ptr[0];
}

static esp_err read_enclosed (answer_part p, unsigned depth, answer_value *out)
{
    answer_part inside = answer_part_cut (p, 1, p.count - 1);
    char open = bracket_of (&p.at[0]), close = bracket_of (&p.at[p.count - 1]);
    bool command = p.at[0].kind == ANSWER_COMMAND, braces = open == '{' || close == '}';
    if (braces &&
        (open != '{' || close != '}' || command != (p.at[p.count - 1].kind == ANSWER_COMMAND)))
        return ESP_EUNSUPPORTED;
    if ((inside.count == 0 && !command) || any_grouped (inside))
        return ESP_EUNSUPPORTED; /* (1,234): a pair or a number? */
    if (parts (inside, separator) < 2 && !command)
        return open == '[' || close == ']' ? ESP_EUNSUPPORTED : read_value (inside, depth + 1, out);
    out->open = open;
    out->close = close;
    return read_list (inside, depth, out);
}

static esp_err read_union (answer_part p, unsigned depth, answer_value *out)
{
    bool more = true;
    answer_part one;
    esp_err err = ESP_OK;
    out->kind = ANSWER_UNION;
    while (err == ESP_OK && next_part (&p, cup, &one, &more)) {
        err = read_item (one, depth, false, out);
        if (err == ESP_OK &&
            (out->items[out->count - 1].kind != ANSWER_LIST || !out->items[out->count - 1].open))
            err = ESP_EUNSUPPORTED;
    }
    if (err == ESP_OK) {
        sort_items (out, true);
        err = print_items (out, 0, out->count, "\\cup ", &out->text);
    }
    return err;
}

static size_t ampersand (answer_part p, size_t at)
{
    return answer_token_mark (&p.at[at], '&');
}

static size_t new_row (answer_part p, size_t at)
{
    return answer_token_is (&p.at[at], ANSWER_COMMAND, "\\");
}

static bool is_matrix (answer_part p, answer_part *inside)
{
    static const char *const names[] = {"pmatrix", "bmatrix"};
    for (size_t i = 0; p.count > 8 && i < 2; i++) {
        size_t end = p.count - 4;
        if (!answer_token_is (&p.at[0], ANSWER_COMMAND, "begin") ||
            !answer_token_is (&p.at[2], ANSWER_WORD, names[i]) ||
            !answer_token_is (&p.at[end], ANSWER_COMMAND, "end") ||
            !answer_token_is (&p.at[end + 2], ANSWER_WORD, names[i]))
            continue;
        *inside = answer_part_cut (p, 4, end);
        if (inside->count && new_row (*inside, inside->count - 1))
            inside->count--;
        return inside->count > 0;
    }
    return false;
}

static esp_err read_matrix (answer_part p, unsigned depth, answer_value *out)
{
    bool rows = true, cells;
    answer_part row, cell;
    size_t columns = parts (p, new_row) > 1 || parts (p, ampersand) > 1 ? 0 : 1;
    esp_err err = esp_buf_puts (&out->text, "\\begin{pmatrix}");
    out->kind = ANSWER_MATRIX;
    while (err == ESP_OK && next_part (&p, new_row, &row, &rows)) {
        size_t before = out->count;
        if (columns == 0)
            columns = parts (row, ampersand);
        for (cells = true; err == ESP_OK && next_part (&row, ampersand, &cell, &cells);)
            err = read_item (cell, depth, false, out);
        if (err == ESP_OK && out->count - before != columns)
            err = ESP_EUNSUPPORTED;
        if (err == ESP_OK && before > 0)
            err = esp_buf_puts (&out->text, "\\\\");
        if (err == ESP_OK)
            err = print_items (out, before, out->count, "&", &out->text);
    }
    out->columns = columns;
    return err == ESP_OK ? esp_buf_puts (&out->text, "\\end{pmatrix}") : err;
}

/* ---- any value ---- */

static esp_err read_two (answer_part p, answer_value *out)
{
    esp_err err;
    answer_value_free (out);
    out->kind = ANSWER_LIST;
    err = read_item (p, 0, true, out);
    if (err == ESP_OK) {
        sort_items (out, false);
        err = print_list (out);
    }
    return err;
}

static esp_err read_shape (answer_part p, unsigned depth, answer_value *out)
{
    answer_part inside;
    bool two_values;
    esp_err err;
    if (depth > ANSWER_DEPTH || p.count == 0)
        return ESP_EUNSUPPORTED;
    if (is_matrix (p, &inside))
        return read_matrix (inside, depth, out);
    if (parts (p, separator) > 1)
        return read_list (p, depth, out);
    if (depth == 0 && (err = take_name (&p, &out->name)) != ESP_OK)
        return err;
    if (parts (p, cup) > 1)
        return read_union (p, depth, out);
    if (enclosed (p))
        return read_enclosed (p, depth, out);
    err = answer_leaf_read (p, 1, out, &two_values);
    return err == ESP_OK && two_values ? read_two (p, out) : err;
}

static esp_err read_value (answer_part part, unsigned depth, answer_value *out)
{
    esp_err err = read_shape (part, depth, out);
    if (err != ESP_EUNSUPPORTED)
        return err;
    answer_value_free (out);
    return answer_tokens_print (part, &out->text);
}

esp_err answer_value_read (answer_part part, answer_value *out)
{
    return read_value (part, 0, out);
}
