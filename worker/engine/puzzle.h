/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_ENGINE_PUZZLE_H
#define ESP_WORKER_ENGINE_PUZZLE_H

/* puzzle.h - arithmetic target puzzles in exact rationals
 *
 * A problem has `numbers` (3 to 6 integers) and `target` (an integer, or a string "a/b").  A step takes two of
 * the numbers that are left, puts the result in their place and says what is left then:
 *
 *     13 - 9 = 4 (left: 4 4 10)\n
 *
 * The puzzle is solved when one number is left and it is the target.
 *
 * Rationals are GMP's: nothing overflows, and the inputs' sizes bound what can come out.
 * Texts are hostile: puzzle_read() checks every character and every number.
 * Threads: none.  Errors: a call that fails changes nothing.
 */

#include <stdbool.h>
#include <stddef.h>
#include "proto/base/err.h"
#include "proto/base/text.h"

enum {
    PUZZLE_LEAST_NUMBERS = 3,
    PUZZLE_MOST_NUMBERS = 6,
    PUZZLE_DIGITS =
        9, /* of a number or of either part of the target: sums and products stay short */
    PUZZLE_MOST_MOVES = 90 /* 15 pairs, 6 operations */
};

/* What is wrong with a step; the first thing that is. */
enum puzzle_fault {
    PUZZLE_FINE,
    PUZZLE_NOT_A_STEP,       /* other characters than those of a step, or a division by zero */
    PUZZLE_NUMBER_NOT_THERE, /* an operand is not among the numbers left */
    PUZZLE_WRONG_ARITHMETIC, /* the result is not that of the operation */
    PUZZLE_WRONG_LEFT,       /* the list behind "left:" is not what is left */
    PUZZLE_FAULTS
};
extern const char *const puzzle_fault_names[PUZZLE_FAULTS]; /* "fine", "not-a-step", ... */

typedef struct puzzle puzzle; /* private to puzzle.c */

/* What a model may see of one number (of a move: of its result). */
typedef struct puzzle_number {
    double value;       /* rounded towards zero */
    double denominator; /* 1 for integers */
    bool even;          /* an even integer */
    bool divides;       /* target / number is an integer */
    bool multiple;      /* number / target is an integer */
} puzzle_number;

/* One legal operation on the numbers left.  a + b and b + a are one move, so are moves with equal operands. */
typedef struct puzzle_move {
    unsigned char left, right; /* positions among the numbers left */
    char op;                   /* + - * / */
    puzzle_number result;
} puzzle_move;

/* Errors: ESP_EFORMAT (not such a problem; *error says what), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err puzzle_create (span json, puzzle **out, esp_error *error);
void puzzle_destroy (puzzle *p); /* accepts NULL */

/* Is it such a problem?  Errors: as puzzle_create. */
ESP_MUST_CHECK esp_err puzzle_check (span json, esp_error *error);

size_t puzzle_left (const puzzle *p);                /* how many numbers are left */
puzzle_number puzzle_at (const puzzle *p, size_t i); /* ascending; i < puzzle_left */
double puzzle_value_at (const puzzle *p, size_t i);  /* its value alone, much quicker */
double puzzle_target (const puzzle *p);
bool puzzle_target_divisible (const puzzle *p,
                              unsigned long by); /* an integer, and by divides it; by > 0 */
bool puzzle_solved (const puzzle *p);            /* one number is left and it is the target */

/* All legal moves, in a fixed order; returns how many. */
size_t puzzle_moves (const puzzle *p, puzzle_move moves[PUZZLE_MOST_MOVES]);

/* Do a move of puzzle_moves() and append the step's text to *out.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err puzzle_play (puzzle *p, const puzzle_move *move, esp_buf *out);

/* Do the step that `line` (without its newline) tells, if everything in it is right. */
enum puzzle_fault puzzle_read (puzzle *p, span line);

/* Append the one number left as an expression of the first numbers: "(13-9)*(10-4)".  Sums and products are
 * written flat with their parts in one order, so equal ways to the result give equal texts.
 * Errors: ESP_EINVAL (more than one number is left), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err puzzle_expression (const puzzle *p, esp_buf *out);

#endif
