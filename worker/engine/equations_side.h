/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_ENGINE_EQUATIONS_SIDE_H
#define ESP_WORKER_ENGINE_EQUATIONS_SIDE_H

/* equations_side.h - the sides of equations: read, computed, compared; for equations.h only
 *
 *   equations_stack.c    values and operators that wait, operator precedence
 *   equations_number.c   tokens that are numbers
 *   equations_side.c     the longest expression that starts at a token
 *   equations_compare.c  two sides: right, wrong or unchecked
 *   equations.c          the signs of a sentence, and what stands before and behind each
 */

#include <gmp.h>
#include "worker/engine/equations_stack.h"
#include "worker/engine/equations_tokens.h"

/* ---- sides ---- */

enum side_flag {                    /* bits */
                 SIDE_DOUBT = 1,    /* may be meant otherwise: never wrong */
                 SIDE_UNKNOWN = 2,  /* not understood */
                 SIDE_LONE = 4,     /* one written number, nothing computed */
                 SIDE_SUM = 8,      /* has + or - */
                 SIDE_DIVIDES = 16, /* has a division, a percentage or a root: may be rounded */
                 SIDE_PERCENT = 32,
                 SIDE_ABOUT = 64,
                 SIDE_MIXED = 128 /* terms of different kinds: boys + girls */
};

typedef struct side {
    size_t start, end;  /* tokens; end is behind the words that follow the last number */
    size_t operand_end; /* behind the last number or parenthesis */
    uint32_t flags;
    uint8_t decimals;       /* SIDE_LONE: digits behind the point */
    uint32_t units, scales; /* bits */
    uint32_t word;          /* hash of the first word behind the numbers; 0: none */
    mpq_t value;
    mpq_t first; /* its first number alone */
} side;

bool token_is (const token *t, char symbol); /* this operator? */
bool token_is_whole (const token *t);        /* digits and commas only */
bool tokens_are_fraction (const token *t);   /* these three: a/b without white space */
void token_value (const token *t,
                  mpq_t value); /* of a number; the two digits of \frac12 are not canonical */

struct equations {
    token tokens[EQUATIONS_TOKENS];
    stack stack;   /* of the side that is being read */
    side sides[4]; /* left, right; the same with percent as a unit */
    mpq_t scratch[2];
    span text;
    equation_found found;
    void *ctx;
    equation_counts counts;
};

/* Read the longest side that starts at token `start`.  percent_unit: 60% is 60.  False: there is none; s->end says where to go on. */
bool side_read (equations *e, size_t start, size_t end, bool percent_unit, side *s);
bool side_may_start (const token *t); /* can an operand start with this token? */

/* left and right are read with percent as 1/100; approximate: the sign is one. */
enum equation_mark
sides_compare (equations *e, const side *left, const side *right, bool approximate);
/* Is right the beginning of left, as a text that was cut off has it: 3 of 36? */
bool side_cut_off (equations *e, const side *left, const side *right);

#endif
