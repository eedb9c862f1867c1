/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_SUPPORT_MODEL_SERVER_TOKENS_H
#define ESP_TESTS_SUPPORT_MODEL_SERVER_TOKENS_H

/* tokens.h - the tokenizer of the test models: an id says its text, so that nothing has to be stored
 *
 * A token is a piece of at most 3 bytes (a space and letters, one digit, one sign) or one of a table of whole words
 * and control tokens.  Ids are 1 + the bytes as digits of base 257, then the table.  As with real byte-level
 * vocabularies a token may hold half a UTF-8 character, and a text has more than one spelling in ids.
 */

#include <stdbool.h>
#include "proto/base/text.h"

typedef struct tokens { /* owned: tokens_free */
    uint32_t *ids;
    size_t count, capacity;
} tokens;

enum {
    TOKEN_FIRST_WORD = 257 * 257 * 257,
    TOKEN_END_OF_TEXT = TOKEN_FIRST_WORD, /* the second end of sequence (generation_config.json) */
    TOKEN_IM_START,
    TOKEN_END, /* <|im_end|>: end of sequence */
    TOKEN_BOS, /* <s> */
    TOKEN_LONGEST = 16
};

esp_err tokens_add (tokens *t, uint32_t id);
esp_err tokens_of (tokens *t, span text);                    /* appends */
esp_err tokens_text (const tokens *t, esp_buf *out);         /* appends; unknown ids are nothing */
size_t token_piece (uint32_t id, char piece[TOKEN_LONGEST]); /* length; 0: unknown */
bool token_is_control (uint32_t id);
uint32_t token_vocabulary (void); /* ids are below */
void tokens_free (tokens *t);

#endif
