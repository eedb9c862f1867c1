/* SPDX-License-Identifier: Apache-2.0 */
/* tokens.c - see tokens.h */

#include "tests/support/model_server/tokens.h"
#include <string.h>
#include "proto/base/alloc.h"

enum { BYTES = 3, BASE = 257, CONTROLS = 7 };

/* The first CONTROLS are control tokens.  Their order is that of the enum. */
static const char *const words[] = {
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<s>",       "<extra_0>", "<think>",
    "</think>",      "ки",           " ки",        "\n\n",      "Step",      " Yes",
    "\\boxed{",      " answer",      " The",       "assistant", "user",      "system",
};
enum { WORDS = sizeof (words) / sizeof (*words) };

static bool is_letter (unsigned char c)
{
    return c >= 0x80 || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Bytes of the next token of a text that begins with none of the words. */
static size_t piece_length (const unsigned char *at, size_t left)
{
    size_t n = at[0] == ' ' && left > 1 && at[1] > ' ' ? 1 : 0;
    if (!is_letter (at[n]))
        return n + 1;
    while (n < left && n < BYTES && is_letter (at[n]))
        n++;
    return n;
}

static uint32_t next_token (span text, size_t *length)
{
    uint32_t id = 0, place = 1;
    for (uint32_t i = 0; i < WORDS; i++)
        if (span_starts (text, words[i])) {
            *length = strlen (words[i]);
            return TOKEN_FIRST_WORD + i;
        }
    *length = piece_length ((const unsigned char *)text.ptr, text.len);
    for (size_t i = 0; i < *length; i++, place *= BASE)
        id += ((uint32_t)(unsigned char)text.ptr[i] + 1) * place;
    return id;
}

esp_err tokens_add (tokens *t, uint32_t id)
{
    if (esp_grow (&t->ids, &t->capacity, t->count + 1, sizeof (*t->ids)) != 0)
        return ESP_ENOMEM;
    t->ids[t->count++] = id;
    return ESP_OK;
}

esp_err tokens_of (tokens *t, span text)
{
    esp_err err = ESP_OK;
    for (size_t at = 0, length; at < text.len && err == ESP_OK; at += length)
        err = tokens_add (t, next_token (span_make (text.ptr + at, text.len - at), &length));
    return err;
}

size_t token_piece (uint32_t id, char piece[TOKEN_LONGEST])
{
    size_t n = 0;
    if (id >= TOKEN_FIRST_WORD) {
        n = id < token_vocabulary () ? strlen (words[id - TOKEN_FIRST_WORD]) : 0;
        memcpy (piece, n ? words[id - TOKEN_FIRST_WORD] : "", n);
        return n;
    }
    for (; id > 0; id /= BASE)
        if (id % BASE > 0)
            piece[n++] = (char)(id % BASE - 1);
    return n;
}

bool token_is_control (uint32_t id)
{
    return id >= TOKEN_FIRST_WORD && id < TOKEN_FIRST_WORD + CONTROLS;
}

uint32_t token_vocabulary (void)
{
    return TOKEN_FIRST_WORD + WORDS;
}

esp_err tokens_text (const tokens *t, esp_buf *out)
{
    char piece[TOKEN_LONGEST];
    esp_err err = ESP_OK;
    for (size_t i = 0; i < t->count && err == ESP_OK; i++)
        err = esp_buf_append (out, piece, token_piece (t->ids[i], piece));
    return err;
}

void tokens_free (tokens *t)
{
    esp_free (t->ids);
    *t = (tokens){0};
}
