/* SPDX-License-Identifier: Apache-2.0 */
/* equations_stack.c - operator precedence over two bounded stacks, with exact rationals
 *
 * Invariant: there is one value more than binary operators wait for, whenever something is reduced; callers reduce only behind an
 * operand.
 */

#include "worker/engine/equations_stack.h"
#include <assert.h>

enum { VALUE_BITS = 4096, /* of numerator or denominator */ EXPONENT_MOST = 256 };

void stack_init (stack *k)
{
    for (size_t i = 0; i < STACK_DEPTH; i++)
        mpq_init (k->values[i]);
    stack_clear (k);
}

void stack_free (stack *k)
{
    for (size_t i = 0; i < STACK_DEPTH; i++)
        mpq_clear (k->values[i]);
}

void stack_clear (stack *k)
{
    k->value_count = k->operator_count = 0;
    k->failed = k->divided = false;
}

/* ---- operators ---- */

static void check_size (stack *k, mpq_t value)
{
    if (mpz_sizeinbase (mpq_numref (value), 2) > VALUE_BITS ||
        mpz_sizeinbase (mpq_denref (value), 2) > VALUE_BITS)
        k->failed = true;
}

static void take_power (stack *k, mpq_t base, const mpq_t exponent)
{
    size_t bits = mpz_sizeinbase (mpq_numref (base), 2) + mpz_sizeinbase (mpq_denref (base), 2);
    long n;
    if (mpz_cmp_ui (mpq_denref (exponent), 1) != 0 ||
        mpz_cmpabs_ui (mpq_numref (exponent), EXPONENT_MOST) > 0) {
        k->failed = true;
        return;
    }
    n = mpz_get_si (mpq_numref (exponent));
    if ((n < 0 && mpq_sgn (base) == 0) || bits * (size_t)(n < 0 ? -n : n) > VALUE_BITS) {
        k->failed = true;
        return;
    }
    if (n < 0) {
        mpq_inv (base, base);
        n = -n;
    }
    mpz_pow_ui (mpq_numref (base), mpq_numref (base), (unsigned long)n);
    mpz_pow_ui (mpq_denref (base), mpq_denref (base), (unsigned long)n);
}

/* Of squares only: anything else is irrational. */
static void take_root (stack *k, mpq_t value)
{
    if (mpq_sgn (value) < 0 || !mpz_perfect_square_p (mpq_numref (value)) ||
        !mpz_perfect_square_p (mpq_denref (value))) {
        k->failed = true;
        return;
    }
    mpz_sqrt (mpq_numref (value), mpq_numref (value));
    mpz_sqrt (mpq_denref (value), mpq_denref (value));
}

static void divide (stack *k, mpq_t above, const mpq_t below)
{
    k->divided = true;
    if (mpq_sgn (below) == 0)
        k->failed = true;
    else
        mpq_div (above, above, below);
}

/* Apply the operator on top of the stack, which is no group. */
static void apply (stack *k)
{
    char symbol = k->operators[--k->operator_count].symbol;
    mpq_t *top = &k->values[k->value_count - 1];
    if (symbol == 'n') {
        mpq_neg (*top, *top);
        return;
    }
    if (symbol == 'r') {
        k->divided = true;
        take_root (k, *top);
        return;
    }
    k->value_count--;
    if (symbol == '+')
        mpq_add (top[-1], top[-1], *top);
    else if (symbol == '-')
        mpq_sub (top[-1], top[-1], *top);
    else if (symbol == '*')
        mpq_mul (top[-1], top[-1], *top);
    else if (symbol == '/')
        divide (k, top[-1], *top);
    else
        take_power (k, top[-1], *top);
    check_size (k, top[-1]);
}

static int binds (char symbol)
{
    switch (symbol) {
    case '+':
    case '-':
        return 1;
    case '*':
    case '/':
        return 2;
    case 'n':
        return 3;
    case '^':
        return 4;
    case 'r':
        return 5;
    default:
        return 0; /* a group */
    }
}

static void reduce (stack *k, int least)
{
    while (!k->failed && k->operator_count > 0 &&
           binds (k->operators[k->operator_count - 1].symbol) >= least)
        apply (k);
}

/* ---- pushing ---- */

mpq_t *stack_room (stack *k)
{
    return k->value_count + 1 < STACK_DEPTH ? &k->values[k->value_count] : NULL;
}

void stack_push_value (stack *k)
{
    assert (k->value_count + 1 < STACK_DEPTH);
    k->value_count++;
}

mpq_t *stack_top (stack *k)
{
    assert (k->value_count > 0);
    return &k->values[k->value_count - 1];
}

void stack_push (stack *k, char symbol, bool spaced, size_t token)
{
    if (k->operator_count == 2 * STACK_DEPTH)
        k->failed = true;
    else
        k->operators[k->operator_count++] = (struct open_operator){symbol, spaced, token};
}

void stack_push_binary (stack *k, char symbol, bool spaced, size_t token)
{
    reduce (k, symbol == '^' ? binds ('r') : binds (symbol));
    stack_push (k, symbol, spaced, token);
}

bool stack_top_is (const stack *k, char symbol)
{
    return k->operator_count > 0 && k->operators[k->operator_count - 1].symbol == symbol;
}

/* ---- groups ---- */

bool stack_group_on_top (const stack *k)
{
    return k->operator_count > 0 && binds (k->operators[k->operator_count - 1].symbol) == 0;
}

void stack_reduce (stack *k)
{
    reduce (k, 1);
}

char stack_close (stack *k, char open)
{
    char symbol;
    reduce (k, 1);
    if (k->failed || !stack_group_on_top (k)) {
        k->failed = true;
        return 0;
    }
    symbol = k->operators[k->operator_count - 1].symbol;
    if ((symbol == 't' || symbol == 'b' ? '{' : symbol) != open) {
        k->failed = true;
        return 0;
    }
    k->operator_count--;
    if (symbol == 'b') {
        mpq_t *top = &k->values[--k->value_count];
        divide (k, top[-1], *top);
        check_size (k, top[-1]);
    }
    return symbol;
}

size_t stack_open_token (const stack *k, size_t none)
{
    for (size_t i = k->operator_count; i > 0; i--)
        if (binds (k->operators[i - 1].symbol) == 0)
            return k->operators[i - 1].token;
    return none;
}
