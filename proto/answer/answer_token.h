/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_ANSWER_ANSWER_TOKEN_H
#define ESP_PROTO_ANSWER_ANSWER_TOKEN_H

/* answer_token.h - an answer's text without decoration, cut into numbers, letters, commands and marks
 *
 * Decoration is what changes only the look: $, \left, \displaystyle, \text{...} around words, spaces; \dfrac becomes \frac,
 * characters beyond ASCII become their commands (answer_clean.c).
 * Threads: pure.  Errors: ESP_ENOMEM, ESP_EUNSUPPORTED (too deep or too long to be understood).
 */

#include <stdbool.h>
#include "proto/base/text.h"

enum answer_token_kind {
    ANSWER_NUMBER,  /* 12, 1,234.5, .5, 1.5e-3 */
    ANSWER_LETTER,  /* one letter that stands alone */
    ANSWER_WORD,    /* two or more letters, or what stood in \text{...} */
    ANSWER_COMMAND, /* \frac, \{; the text is without the backslash */
    ANSWER_MARK     /* any other byte */
};

typedef struct answer_token {
    span text; /* borrowed from answer_tokens.clean */
    uint8_t kind;
    bool space;   /* white space stands before it */
    bool grouped; /* a number with thousands commas */
    bool named;   /* a word from \text{...}: a word or a unit, never a product of letters */
} answer_token;

typedef struct answer_tokens {
    esp_buf clean;     /* owned */
    answer_token *all; /* owned */
    size_t count, cap;
} answer_tokens;

typedef struct answer_part { /* tokens of one expression; borrowed */
    const answer_token *at;
    size_t count;
} answer_part;

/* Append `text` without its decoration. */
ESP_MUST_CHECK esp_err answer_clean (span text, esp_buf *out);

/* *out must be zeroed; free it also after an error. */
ESP_MUST_CHECK esp_err answer_tokens_read (span text, answer_tokens *out);
void answer_tokens_free (answer_tokens *t);

/* Append the tokens as text: spaces only where they separate something. */
ESP_MUST_CHECK esp_err answer_tokens_print (answer_part part, esp_buf *out);

bool answer_token_is (const answer_token *t, enum answer_token_kind kind, const char *text);
static inline bool answer_token_mark (const answer_token *t, char mark)
{
    return t->kind == ANSWER_MARK && t->text.ptr[0] == mark;
}
static inline answer_part answer_part_cut (answer_part p, size_t from, size_t to)
{
    return (answer_part){p.at + from, to - from};
}

#endif
