/* SPDX-License-Identifier: Apache-2.0 */
/* puzzle_text.c - steps and expressions of puzzles, written and read */

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "worker/engine/puzzle_inner.h"

enum {
    VALUE_BYTES = 256
}; /* of a printed value: 6 numbers of 9 digits make less than 2 x 60 digits */

const char *const puzzle_fault_names[PUZZLE_FAULTS] = {"fine", "not-a-step", "number-not-there",
                                                       "wrong-arithmetic", "wrong-left"};

bool puzzle_read_value (span *rest, size_t max_digits, mpq_t value)
{
    char text[VALUE_BYTES];
    size_t n = 0, digits = 0, parts = 0;
    if (rest->len > 0 && rest->ptr[0] == '-')
        text[n++] = '-';
    for (; n < rest->len && n < sizeof (text) - 1; n++) {
        char c = rest->ptr[n];
        if (c >= '0' && c <= '9' && ++digits <= max_digits)
            text[n] = c;
        else if (c == '/' && digits > 0 && parts++ == 0)
            text[n] = c, digits = 0;
        else
            break;
    }
    text[n] = 0;
    if (digits == 0 || digits > max_digits || n == sizeof (text) - 1 ||
        mpq_set_str (value, text, 10) != 0 || mpz_sgn (mpq_denref (value)) == 0)
        return false;
    mpq_canonicalize (value);
    *rest = span_make (rest->ptr + n, rest->len - n);
    return true;
}

static esp_err print_value (const mpq_t value, esp_buf *out)
{
    char text[VALUE_BYTES];
    assert (mpz_sizeinbase (mpq_numref (value), 10) + mpz_sizeinbase (mpq_denref (value), 10) + 3 <=
            sizeof (text));
    return esp_buf_puts (out, mpq_get_str (text, 10, value));
}

/* ---- writing a step ---- */

static esp_err print_step (const puzzle *p, const struct puzzle_node *n, esp_buf *out)
{
    esp_err err = print_value (p->nodes[n->left].value, out);
    if (err == ESP_OK)
        err = esp_buf_printf (out, " %c ", n->op);
    if (err == ESP_OK)
        err = print_value (p->nodes[n->right].value, out);
    if (err == ESP_OK)
        err = esp_buf_puts (out, " = ");
    if (err == ESP_OK)
        err = print_value (n->value, out);
    if (err == ESP_OK)
        err = esp_buf_puts (out, " (left:");
    for (size_t i = 0; err == ESP_OK && i < p->left_count; i++) {
        err = esp_buf_puts (out, " ");
        if (err == ESP_OK)
            err = print_value (p->nodes[p->left[i]].value, out);
    }
    return err == ESP_OK ? esp_buf_puts (out, ")\n") : err;
}

esp_err puzzle_play (puzzle *p, const puzzle_move *move, esp_buf *out)
{
    /* Memory first, so that a failure finds nothing done: the operands, the result and what is left. */
    esp_err err = esp_buf_reserve (out, (size_t)(PUZZLE_MOST_NUMBERS + 3) * VALUE_BYTES);
    if (err != ESP_OK)
        return err;
    if (move->left >= p->left_count || move->right >= p->left_count || move->left == move->right ||
        !puzzle_operate (p->nodes[p->left[move->left]].value, move->op,
                         p->nodes[p->left[move->right]].value, p->nodes[p->node_count].value))
        return ESP_EINVAL;
    puzzle_commit (p, move->left, move->op, move->right);
    return print_step (p, &p->nodes[p->node_count - 1], out);
}

/* ---- reading a step ---- */

static bool skip (span *rest, const char *text)
{
    if (!span_starts (*rest, text))
        return false;
    *rest = span_make (rest->ptr + strlen (text), rest->len - strlen (text));
    return true;
}

/* Position of a value among the numbers left, but not position `other`; left_count if it is not there. */
static size_t position (const puzzle *p, const mpq_t value, size_t other)
{
    size_t i = 0;
    while (i < p->left_count && (i == other || !mpq_equal (p->nodes[p->left[i]].value, value)))
        i++;
    return i;
}

/* `rest` = " 4 4 10)": each number is there once more, in any order.  expected: node numbers, used up. */
static enum puzzle_fault read_left (const puzzle *p, span rest, size_t *expected, size_t count)
{
    enum puzzle_fault fault = PUZZLE_FINE;
    mpq_t value;
    mpq_init (value);
    while (fault != PUZZLE_NOT_A_STEP && skip (&rest, " ")) {
        size_t i = 0;
        if (!puzzle_read_value (&rest, VALUE_BYTES, value)) {
            fault = PUZZLE_NOT_A_STEP;
            break;
        }
        while (i < count && !mpq_equal (p->nodes[expected[i]].value, value))
            i++;
        if (i == count)
            fault = PUZZLE_WRONG_LEFT;
        else
            expected[i] = expected[--count];
    }
    mpq_clear (value);
    if (fault == PUZZLE_NOT_A_STEP || !span_is (rest, ")"))
        return PUZZLE_NOT_A_STEP;
    return count > 0 ? PUZZLE_WRONG_LEFT : fault;
}

/* What would be left after positions a and b gave way to the next free node. */
static size_t expect_left (const puzzle *p, size_t a, size_t b, size_t *expected)
{
    size_t count = 0;
    for (size_t i = 0; i < p->left_count; i++)
        if (i != a && i != b)
            expected[count++] = p->left[i];
    expected[count++] = p->node_count;
    return count;
}

/* a, b, r: scratch for the three values of "a op b = r". */
static enum puzzle_fault read_step (puzzle *p, span rest, mpq_t a, mpq_t b, mpq_t r)
{
    size_t expected[PUZZLE_MOST_NUMBERS], left, right, count;
    enum puzzle_fault fault;
    char op;
    if (!puzzle_read_value (&rest, VALUE_BYTES, a) || !skip (&rest, " ") || rest.len == 0)
        return PUZZLE_NOT_A_STEP;
    op = rest.ptr[0];
    rest = span_make (rest.ptr + 1, rest.len - 1);
    if (!strchr ("+-*/", op) || !op || !skip (&rest, " ") ||
        !puzzle_read_value (&rest, VALUE_BYTES, b) || !skip (&rest, " = ") ||
        !puzzle_read_value (&rest, VALUE_BYTES, r) || !skip (&rest, " (left:"))
        return PUZZLE_NOT_A_STEP;
    right = position (p, b, p->left_count); /* equal operands: in the order of puzzle_moves() */
    left = position (p, a, right);
    if (p->left_count < 2 || left == p->left_count || right == p->left_count)
        return PUZZLE_NUMBER_NOT_THERE;
    if (!puzzle_operate (a, op, b, p->nodes[p->node_count].value))
        return PUZZLE_NOT_A_STEP;
    if (!mpq_equal (p->nodes[p->node_count].value, r))
        return PUZZLE_WRONG_ARITHMETIC;
    count = expect_left (p, left, right, expected);
    if ((fault = read_left (p, rest, expected, count)) == PUZZLE_FINE)
        puzzle_commit (p, left, op, right);
    return fault;
}

enum puzzle_fault puzzle_read (puzzle *p, span line)
{
    enum puzzle_fault fault;
    mpq_t a, b, r;
    mpq_inits (a, b, r, NULL);
    fault = read_step (p, line, a, b, r);
    mpq_clears (a, b, r, NULL);
    return fault;
}

/* ---- expressions ---- */

enum family { FAMILY_NUMBER, FAMILY_SUM, FAMILY_PRODUCT };

/* A part of a flat sum or product; inverse: subtracted or divided by. */
struct part {
    esp_buf text;
    bool inverse;
};
struct parts {
    struct part items[PUZZLE_MOST_NUMBERS];
    size_t count;
};

static enum family family_of (const struct puzzle_node *n)
{
    if (!n->op)
        return FAMILY_NUMBER;
    return n->op == '+' || n->op == '-' ? FAMILY_SUM : FAMILY_PRODUCT;
}

/* What is added or multiplied first, then larger texts first (numbers by value), as in (13-9)*(10-4). */
static int compare_parts (const void *a, const void *b)
{
    const struct part *x = a, *y = b;
    if (x->inverse != y->inverse)
        return x->inverse ? 1 : -1;
    return strverscmp (esp_buf_text (&y->text), esp_buf_text (&x->text));
}

static esp_err print_node (const puzzle *p, size_t node, enum family around, esp_buf *out);

/* Parts of a node that stands in a sum or product of this family. */
static esp_err
gather (const puzzle *p, size_t node, enum family family, bool inverse, struct parts *parts)
{
    const struct puzzle_node *n = &p->nodes[node];
    struct part *item;
    esp_err err;
    if (family_of (n) == family) {
        bool flips = n->op == '-' || n->op == '/';
        err = gather (p, n->left, family, inverse, parts);
        return err == ESP_OK ? gather (p, n->right, family, inverse != flips, parts) : err;
    }
    item = &parts->items[parts->count++];
    item->inverse = inverse;
    return print_node (p, node, family, &item->text);
}

static esp_err print_parts (struct parts *parts, enum family family, esp_buf *out)
{
    static const char *const signs[][2] = {
        [FAMILY_SUM] = {"+", "-"}, [FAMILY_PRODUCT] = {"*", "/"}};
    esp_err err = ESP_OK;
    qsort (parts->items, parts->count, sizeof (parts->items[0]), compare_parts);
    for (size_t i = 0; err == ESP_OK && i < parts->count; i++) {
        if (i > 0)
            err = esp_buf_puts (out, signs[family][parts->items[i].inverse]);
        if (err == ESP_OK)
            err = esp_buf_add (out, esp_buf_span (&parts->items[i].text));
    }
    return err;
}

/* around: what it stands in decides the parentheses. */
static esp_err print_node (const puzzle *p, size_t node, enum family around, esp_buf *out)
{
    const struct puzzle_node *n = &p->nodes[node];
    enum family family = family_of (n);
    bool closed = around != FAMILY_NUMBER &&
                  (family == FAMILY_NUMBER ? mpq_sgn (n->value) < 0
                                           : family == FAMILY_SUM && around == FAMILY_PRODUCT);
    struct parts parts = {.count = 0};
    esp_err err = closed ? esp_buf_puts (out, "(") : ESP_OK;
    if (err == ESP_OK && family == FAMILY_NUMBER)
        err = print_value (n->value, out);
    else if (err == ESP_OK && (err = gather (p, node, family, false, &parts)) == ESP_OK)
        err = print_parts (&parts, family, out);
    for (size_t i = 0; i < parts.count; i++)
        esp_buf_free (&parts.items[i].text);
    return err == ESP_OK && closed ? esp_buf_puts (out, ")") : err;
}

esp_err puzzle_expression (const puzzle *p, esp_buf *out)
{
    size_t before = out->len;
    esp_err err;
    if (p->left_count != 1)
        return ESP_EINVAL;
    if ((err = print_node (p, p->left[0], FAMILY_NUMBER, out)) != ESP_OK)
        out->len = before;
    return err;
}
