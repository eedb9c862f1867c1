/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_ENGINE_EQUATIONS_TOKENS_H
#define ESP_WORKER_ENGINE_EQUATIONS_TOKENS_H

/* equations_tokens.h - a text as words, numbers and signs, for equations.h only
 *
 *   equations_words.c    what a word says: units, connecting words, operators
 *   equations_signs.c    signs of Unicode, commands of LaTeX
 *   equations_tokens.c   one sentence of the text as tokens
 *
 * Threads: pure.  Nothing is allocated.
 */

#include <stdbool.h>
#include "worker/engine/equations.h"

/* ---- words ---- */

enum word_class {                 /* bits */
                  WORD_EDGE = 1,  /* a new thought starts behind it: "because", "is", "so" */
                  WORD_MATHS = 2, /* may say more than the signs do: "half", "twice", "average" */
                  WORD_OPERATOR = 4,   /* plus, minus, times, multiplied, divided */
                  WORD_CLOCK = 8,      /* 10 am + 4 is no sum */
                  WORD_ABOUT = 16,     /* about, roughly */
                  WORD_ARTICLE = 32,   /* the, his: says nothing between "of" and a number */
                  WORD_UNIT = 64,      /* a unit that converts into others */
                  WORD_SCALE = 128,    /* million, dozen */
                  WORD_VARIABLE = 256, /* a letter, x2 */
                  WORD_ORDINAL = 512   /* st, nd, rd, th */
};

typedef struct word_meaning {
    uint16_t class;
    uint8_t unit; /* bit number of units or scales */
    char symbol;  /* of WORD_OPERATOR, else 0 */
} word_meaning;

word_meaning word_look_up (span word);
uint32_t word_hash (span word); /* the same for "book" and "Books"; never 0 */
enum {
    UNIT_DOLLAR = 0,
    UNIT_PERCENT = 2,
    SCALE_COUNT = 4
}; /* rows of the table; SCALE_COUNT: dozens, pairs */

/* ---- signs ---- */

enum token_kind {
    TOKEN_NUMBER, /* symbol: 0 plain, '/' text is "1/2", 'f' the two digits of \frac12, '.' digits go on (0.33...) */
    TOKEN_WORD,
    TOKEN_OPERATOR, /* symbol: + - * / ^ */
    TOKEN_OPEN,     /* symbol: ( [ { */
    TOKEN_CLOSE,    /* symbol: that of its opening */
    TOKEN_EQUAL,    /* symbol: '=' or '~' */
    TOKEN_PERCENT,
    TOKEN_CURRENCY,
    TOKEN_FRACTION, /* \frac; two groups follow */
    TOKEN_ROOT,
    TOKEN_STOP, /* punctuation and signs that end an expression */
    TOKEN_BAD   /* not understood */
};

typedef struct sign { /* a sign of Unicode, a command of LaTeX */
    const char *text;
    enum { SIGN_TOKEN, SIGN_SKIP, SIGN_SPACE, SIGN_NUMBER, SIGN_POWER } how;
    enum token_kind kind;
    char symbol;
    const char *number; /* of SIGN_NUMBER, SIGN_POWER */
} sign;

const sign *sign_find (span text);       /* that text starts with, or NULL */
const sign *command_find (span name);    /* without its backslash, or NULL */
size_t sign_length (unsigned char lead); /* bytes of a sequence with this first byte */

/* ---- tokens ---- */

typedef struct token {
    uint8_t kind;
    char symbol;
    bool spaced;      /* white space before it */
    uint8_t decimals; /* NUMBER: digits behind the point */
    word_meaning meaning;
    span text;          /* in the text, or static: "2" of a superscript */
    size_t from, place; /* first byte and the one behind it, in the text */
} token;

/* Is this <<...>>, closed on its line? */
bool annotation_at (span text, span *inside); /* in equations.c */
/* Read one sentence from *at; returns the number of tokens (0: none there, or too many) and moves *at behind it.  *line: it
 * starts a line. */
size_t tokens_read (span text, size_t *at, token out[EQUATIONS_TOKENS], bool *line);

#endif
