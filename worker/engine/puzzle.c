/* SPDX-License-Identifier: Apache-2.0 */
/* puzzle.c - problems, numbers left and moves; texts are in puzzle_text.c */

#include "worker/engine/puzzle.h"
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "worker/engine/puzzle_inner.h"

enum { DENOMINATOR_SEEN = 64 }; /* models see larger denominators as this one */

void puzzle_destroy (puzzle *p)
{
    if (!p)
        return;
    mpq_clear (p->target);
    for (size_t i = 0; i < PUZZLE_NODES; i++)
        mpq_clear (p->nodes[i].value);
    esp_free (p);
}

static void put_left (puzzle *p, size_t node)
{
    size_t i = p->left_count++;
    for (; i > 0 && mpq_cmp (p->nodes[p->left[i - 1]].value, p->nodes[node].value) > 0; i--)
        p->left[i] = p->left[i - 1];
    p->left[i] = node;
}

static void take_left (puzzle *p, size_t i)
{
    p->left_count--;
    memmove (p->left + i, p->left + i + 1, (p->left_count - i) * sizeof (p->left[0]));
}

/* ---- the problem ---- */

static bool whole_string_value (const char *text, mpq_t value)
{
    span rest = span_of (text);
    return puzzle_read_value (&rest, PUZZLE_DIGITS, value) && rest.len == 0;
}

static bool json_value (const json_t *json, mpq_t value)
{
    char text[32];
    if (!json_is_integer (json))
        return false;
    snprintf (text, sizeof (text), "%" JSON_INTEGER_FORMAT, json_integer_value (json));
    return whole_string_value (text, value);
}

static esp_err read_problem (puzzle *p, const json_t *root, esp_error *error)
{
    const json_t *numbers = json_object_get (root, "numbers"),
                 *target = json_object_get (root, "target");
    size_t count = json_array_size (numbers); /* 0 if it is no array */
    if (count < PUZZLE_LEAST_NUMBERS || count > PUZZLE_MOST_NUMBERS)
        return esp_error_set (error, ESP_EFORMAT,
                              "not a puzzle: `numbers` must be a list of %d to %d integers",
                              PUZZLE_LEAST_NUMBERS, PUZZLE_MOST_NUMBERS);
    for (size_t i = 0; i < count; i++) {
        if (!json_value (json_array_get (numbers, i), p->nodes[i].value))
            return esp_error_set (
                error, ESP_EFORMAT,
                "not a puzzle: numbers[%zu] must be an integer of at most %d digits", i,
                PUZZLE_DIGITS);
        put_left (p, p->node_count++);
    }
    if (!json_value (target, p->target) &&
        !(json_is_string (target) && whole_string_value (json_string_value (target), p->target)))
        return esp_error_set (error, ESP_EFORMAT,
                              "not a puzzle: `target` must be an integer or a string \"a/b\"");
    return ESP_OK;
}

esp_err puzzle_create (span json, puzzle **out, esp_error *error)
{
    json_t *root;
    puzzle *p;
    esp_err err;
    if (!out)
        return ESP_EINVAL;
    if (!(p = esp_calloc (1, sizeof (*p))))
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    mpq_init (p->target);
    for (size_t i = 0; i < PUZZLE_NODES; i++)
        mpq_init (p->nodes[i].value);
    root = json_loadb (json.ptr ? json.ptr : "", json.len, 0, NULL);
    err = read_problem (p, root, error);
    json_decref (root);
    if (err != ESP_OK) {
        puzzle_destroy (p);
        return err;
    }
    *out = p;
    return ESP_OK;
}

esp_err puzzle_check (span json, esp_error *error)
{
    puzzle *p = NULL;
    esp_err err = puzzle_create (json, &p, error);
    puzzle_destroy (p);
    return err;
}

/* ---- looking ---- */

size_t puzzle_left (const puzzle *p)
{
    return p->left_count;
}

static bool is_integer (const mpq_t v)
{
    return mpz_cmp_ui (mpq_denref (v), 1) == 0;
}

/* a / b is an integer; false for b = 0. */
static bool is_multiple (const mpq_t a, const mpq_t b)
{
    mpq_t q;
    bool yes;
    if (mpq_sgn (b) == 0)
        return false;
    mpq_init (q);
    mpq_div (q, a, b);
    yes = is_integer (q);
    mpq_clear (q);
    return yes;
}

static puzzle_number look (const puzzle *p, const mpq_t v)
{
    puzzle_number n = {.value = mpq_get_d (v), .denominator = DENOMINATOR_SEEN};
    if (mpz_cmp_ui (mpq_denref (v), DENOMINATOR_SEEN) < 0)
        n.denominator = (double)mpz_get_ui (mpq_denref (v));
    n.even = is_integer (v) && mpz_even_p (mpq_numref (v));
    n.divides = is_multiple (p->target, v);
    n.multiple = is_multiple (v, p->target);
    return n;
}

puzzle_number puzzle_at (const puzzle *p, size_t i)
{
    return look (p, p->nodes[p->left[i]].value);
}

double puzzle_value_at (const puzzle *p, size_t i)
{
    return mpq_get_d (p->nodes[p->left[i]].value);
}

double puzzle_target (const puzzle *p)
{
    return mpq_get_d (p->target);
}

bool puzzle_target_divisible (const puzzle *p, unsigned long by)
{
    return is_integer (p->target) && mpz_divisible_ui_p (mpq_numref (p->target), by);
}

bool puzzle_solved (const puzzle *p)
{
    return p->left_count == 1 && mpq_equal (p->nodes[p->left[0]].value, p->target);
}

/* ---- moves ---- */

bool puzzle_operate (const mpq_t a, char op, const mpq_t b, mpq_t r)
{
    switch (op) {
    case '+':
        mpq_add (r, a, b);
        return true;
    case '-':
        mpq_sub (r, a, b);
        return true;
    case '*':
        mpq_mul (r, a, b);
        return true;
    default:
        if (op != '/' || mpq_sgn (b) == 0)
            return false;
        mpq_div (r, a, b);
        return true;
    }
}

static bool same (const puzzle *p, size_t i, size_t j)
{
    return mpq_equal (p->nodes[p->left[i]].value, p->nodes[p->left[j]].value);
}

/* The values of positions lo < hi came as a pair before: equal values stand together (I1). */
static bool pair_seen (const puzzle *p, size_t lo, size_t hi)
{
    return (lo > 0 && same (p, lo, lo - 1)) || (hi > lo + 1 && same (p, hi, hi - 1));
}

static size_t pair_moves (const puzzle *p, size_t lo, size_t hi, puzzle_move *moves)
{
    static const struct {
        char op;
        bool swapped; /* the smaller one stands first */
    } kinds[] = {{'+', false}, {'-', false}, {'-', true}, {'*', false}, {'/', false}, {'/', true}};
    size_t count = 0;
    mpq_t r;
    mpq_init (r);
    for (size_t k = 0; k < sizeof (kinds) / sizeof (kinds[0]); k++) {
        size_t a = kinds[k].swapped ? lo : hi, b = kinds[k].swapped ? hi : lo;
        if (kinds[k].swapped && same (p, lo, hi))
            continue;
        if (!puzzle_operate (p->nodes[p->left[a]].value, kinds[k].op, p->nodes[p->left[b]].value,
                             r))
            continue;
        moves[count++] =
            (puzzle_move){(unsigned char)a, (unsigned char)b, kinds[k].op, look (p, r)};
    }
    mpq_clear (r);
    return count;
}

size_t puzzle_moves (const puzzle *p, puzzle_move moves[PUZZLE_MOST_MOVES])
{
    size_t count = 0;
    for (size_t lo = 0; lo < p->left_count; lo++)
        for (size_t hi = lo + 1; hi < p->left_count; hi++)
            if (!pair_seen (p, lo, hi))
                count += pair_moves (p, lo, hi, moves + count);
    return count;
}

void puzzle_commit (puzzle *p, size_t a, char op, size_t b)
{
    struct puzzle_node *n = &p->nodes[p->node_count];
    n->op = op;
    n->left = p->left[a];
    n->right = p->left[b];
    take_left (p, a > b ? a : b);
    take_left (p, a > b ? b : a);
    put_left (p, p->node_count++);
}
