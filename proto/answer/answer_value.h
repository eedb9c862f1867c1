/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_ANSWER_ANSWER_VALUE_H
#define ESP_PROTO_ANSWER_ANSWER_VALUE_H

/* answer_value.h - what an answer is: a number, a word, a list of such things, or a text that is not understood
 *
 * answer_leaf.c reads values that hold no others, answer_shape.c lists, sets, intervals, unions and matrices,
 * answer_match.c compares.
 * Threads: pure.  Ownership: a value owns all below it.
 */

#include "proto/answer/answer.h"
#include "proto/answer/answer_poly.h"
#include "proto/answer/answer_token.h"
#include "proto/answer/answer_unit.h"

enum answer_kind {
    ANSWER_OPAQUE,   /* compared as text */
    ANSWER_WORDS,    /* letters, spaces and hyphens, in lower case */
    ANSWER_CHOICE,   /* A to J */
    ANSWER_EXPR,     /* poly, with unit */
    ANSWER_EQUATION, /* poly = 0, of several letters; poly begins with the coefficient 1 */
    ANSWER_BASED,    /* 52_8: poly is its value, digits what is written */
    ANSWER_INFINITY,
    ANSWER_LIST,  /* open, close; without brackets: open is 0 */
    ANSWER_UNION, /* of lists */
    ANSWER_MATRIX /* items row by row */
};

typedef struct answer_value {
    uint8_t kind;        /* enum answer_kind */
    char open, close;    /* of a list: ( [ { or 0 */
    bool tight;          /* a list without brackets and spaces: "1,23" may be a number somewhere */
    answer_unit unit;    /* of an expression */
    answer_poly *poly;   /* owned; NULL unless EXPR, EQUATION or BASED */
    answer_poly *digits; /* owned; BASED: the digits read as decimal */
    esp_buf name;        /* owned; "x" of x = 5, else empty */
    esp_buf text;        /* owned; canonical, without the name */
    struct answer_value *items; /* owned */
    size_t count, cap, columns;
} answer_value;

enum { ANSWER_DEPTH = 4, ANSWER_ITEMS = 256 }; /* lists in lists; a larger one is not understood */

/* All of the following: ESP_ENOMEM; *out is zeroed before and may be freed after an error. */

/* Any tokens are a value: what is not understood is opaque. */
ESP_MUST_CHECK esp_err answer_value_read (answer_part part, answer_value *out);
void answer_value_free (answer_value *v);

/* A value without others in it; sign as in answer_expr.h. */
ESP_MUST_CHECK esp_err answer_leaf_read (answer_part part, int sign, answer_value *out,
                                         bool *two_values);

bool answer_value_mentions (const answer_value *v, char letter); /* the letter stands in it */

/* equal: their texts are, once settled (answer_form.c). */
enum answer_match
answer_value_match (const answer_value *a, const answer_value *b, bool equal, esp_err *err);

#endif
