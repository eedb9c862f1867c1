/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_ENGINE_EQUATIONS_STACK_H
#define ESP_WORKER_ENGINE_EQUATIONS_STACK_H

/* equations_stack.h - values and operators that wait for their turn; for equations.h only
 *
 * ^ binds tighter than a sign, a sign tighter than * and /, these tighter than + and -.  Equal ones go from left to right, ^
 * from right to left.  Groups are operators that bind nothing.  What is too deep, too large, irrational or divided by zero
 * sets `failed`, and nothing more happens.
 */

#include <gmp.h>
#include <stdbool.h>
#include <stddef.h>

enum { STACK_DEPTH = 64 };

struct open_operator {
    char
        symbol; /* + - * / ^ n (negate) r (root); groups: ( [ { and t, b: top and bottom of a fraction */
    bool spaced; /* white space before the operator */
    size_t token;
};

typedef struct stack {
    mpq_t values[STACK_DEPTH];
    struct open_operator operators[2 * STACK_DEPTH];
    size_t value_count, operator_count;
    bool failed;
    bool divided; /* by a number or a root: what comes may be endless */
} stack;

void stack_init (stack *k);
void stack_free (stack *k);
void stack_clear (stack *k);

/* The place of the next value, which stack_push_value() makes one; two of them, for mixed numbers.  NULL: too deep. */
mpq_t *stack_room (stack *k);
void stack_push_value (stack *k);
mpq_t *stack_top (stack *k); /* at least one value is there */

void stack_push (stack *k, char symbol, bool spaced, size_t token);
/* A binary operator: what binds as tight and came before goes first. */
void stack_push_binary (stack *k, char symbol, bool spaced, size_t token);
bool stack_top_is (const stack *k, char symbol);
bool stack_group_on_top (const stack *k);
/* Apply all operators of the innermost group. */
void stack_reduce (stack *k);
/* Close the innermost group, which must be one of `open`; returns its symbol, 0: failed. */
char stack_close (stack *k, char open);
/* The token of the innermost group that is open; `none`: there is none. */
size_t stack_open_token (const stack *k, size_t none);

#endif
