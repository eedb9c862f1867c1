/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_ENGINE_PUZZLE_INNER_H
#define ESP_WORKER_ENGINE_PUZZLE_INNER_H

/* puzzle_inner.h - the inside of a puzzle, for puzzle.c and puzzle_text.c only
 *
 * Every number that was ever there is a node: first those of the problem, then the results, which name
 * their operands.  `left` holds the nodes that were not used yet.
 *
 * Invariants:
 *   I1  left is ascending by value, equal values by node number
 *   I2  each node is in left, or is an operand of exactly one later node
 */

#include <gmp.h>
#include "worker/engine/puzzle.h"

enum { PUZZLE_NODES = 2 * PUZZLE_MOST_NUMBERS - 1 };

struct puzzle_node {
    mpq_t value;
    char op;            /* 0: one of the problem's numbers */
    size_t left, right; /* operands, node numbers */
};

struct puzzle {
    mpq_t target;
    struct puzzle_node nodes[PUZZLE_NODES];
    size_t node_count;
    size_t left[PUZZLE_MOST_NUMBERS];
    size_t left_count;
};

/* -?digits or -?digits/digits at the start of *rest, at most max_digits each; *rest moves behind it. */
bool puzzle_read_value (span *rest, size_t max_digits, mpq_t value);

/* r = a op b; false for a division by zero or another op. */
bool puzzle_operate (const mpq_t a, char op, const mpq_t b, mpq_t r);

/* Positions a and b of left give way to the result, which stands in the next free node already. */
void puzzle_commit (puzzle *p, size_t a, char op, size_t b);

#endif
