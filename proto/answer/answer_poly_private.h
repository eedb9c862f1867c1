/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_ANSWER_ANSWER_POLY_PRIVATE_H
#define ESP_PROTO_ANSWER_ANSWER_POLY_PRIVATE_H

/* answer_poly_private.h - what answer_poly*.c share: the terms
 *
 * Invariants of a poly: terms are ordered by answer_term_order, no two are alike, no coefficient is 0, no number is
 * larger than POLY_BITS.
 */

#include <gmp.h>
#include "proto/answer/answer_poly.h"

enum {
    POLY_LETTERS = 52,
    POLY_TERMS = 64,     /* a product of sums with more is a text, not an answer */
    POLY_BITS = 16384,   /* about the digits that ANSWER_BYTES can hold */
    POLY_EXPONENT = 100, /* of letters and pi */
    POLY_PAIRS =
        256, /* terms times terms in one product; with POLY_FEW: what a hostile text can cost */
    POLY_FEW = 16,    /* more pairs than this must be of small numbers */
    POLY_SMALL = 1024 /* bits */
};
#define POLY_RADICAND (UINT64_C (1) << 36) /* factors are tried up to its cube root, 4,096 */

typedef struct answer_term {
    mpq_t coef;
    uint64_t radicand; /* squarefree, >= 1 */
    int pi;
    bool imaginary;
    int8_t powers[POLY_LETTERS];
} answer_term;

struct answer_poly {
    answer_term *terms; /* owned */
    size_t count, cap;
};

/* The factors of a term without its coefficient: <0, 0 (alike), >0. */
int answer_term_order (const answer_term *a, const answer_term *b);
void answer_term_init (answer_term *t, const answer_term *from); /* from NULL: 1 */
/* *a times b.  Errors: ESP_EUNSUPPORTED. */
ESP_MUST_CHECK esp_err answer_term_multiply (answer_term *a, const answer_term *b);
/* 1 / *a.  Errors: ESP_EUNSUPPORTED. */
ESP_MUST_CHECK esp_err answer_term_invert (answer_term *a);
/* sqrt of a rational term.  Errors: ESP_EUNSUPPORTED. */
ESP_MUST_CHECK esp_err answer_term_sqrt (answer_term *a);
bool answer_term_rational (const answer_term *t);
bool answer_term_fits (const answer_term *t);

ESP_MUST_CHECK esp_err answer_poly_create (answer_poly **out); /* 0 */
/* += t; the poly takes what it needs, t stays the caller's. */
ESP_MUST_CHECK esp_err answer_poly_add_term (answer_poly *p, const answer_term *t);
ESP_MUST_CHECK esp_err answer_poly_copy (const answer_poly *p, answer_poly **out);
void answer_poly_swap (answer_poly *a, answer_poly *b);
size_t answer_poly_bits (const answer_poly *p); /* of its largest number */

#endif
