/* SPDX-License-Identifier: Apache-2.0 */
/* words.c - see words.h */

#include "coordinator/harvest/words.h"
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/hash.h"

enum { RUN = 3, PIECE = 64 };

enum letter_kind { LETTER, BETWEEN, NOTHING };

/* Of what is not ASCII: spaces, punctuation, signs and arrows stand between words; what is not seen is nothing; the rest are letters.
 * Ranges of blocks of The Unicode Standard 15.0, chapter 2.8. */
static enum letter_kind kind_of (uint32_t c)
{
    static const struct range {
        uint32_t first, last;
        enum letter_kind kind;
    } ranges[] = {
        {0x00ad, 0x00ad, NOTHING}, {0x0080, 0x00a9, BETWEEN}, {0x00ab, 0x00b4, BETWEEN},
        {0x00b6, 0x00b9, BETWEEN}, {0x00bb, 0x00bf, BETWEEN}, {0x00d7, 0x00d7, BETWEEN},
        {0x00f7, 0x00f7, BETWEEN}, {0x200b, 0x200f, NOTHING}, {0x202a, 0x202e, NOTHING},
        {0x2060, 0x206f, NOTHING}, {0x2000, 0x2bff, BETWEEN}, {0x3000, 0x303f, BETWEEN},
        {0xfe00, 0xfe0f, NOTHING}, {0xfe10, 0xfe6f, BETWEEN}, {0xfeff, 0xfeff, NOTHING},
        {0xff00, 0xff0f, BETWEEN}, {0xff1a, 0xff20, BETWEEN}, {0xff3b, 0xff40, BETWEEN},
        {0xff5b, 0xff65, BETWEEN},
    };
    for (size_t i = 0; i < sizeof (ranges) / sizeof (ranges[0]); i++)
        if (c >= ranges[i].first && c <= ranges[i].last)
            return ranges[i].kind;
    return LETTER;
}

/* The code point at the beginning, and its bytes; a byte that begins none is one of its own, a letter. */
static uint32_t first_point (span text, size_t *len)
{
    unsigned char c = (unsigned char)text.ptr[0];
    size_t n = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    uint32_t point = n == 1 ? c : c & (0xffU >> (n + 1));
    *len = 1;
    if (n == 1 || n > text.len)
        return UINT32_MAX;
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)text.ptr[i] & 0xc0) != 0x80)
            return UINT32_MAX;
        point = point << 6 | ((unsigned char)text.ptr[i] & 0x3f);
    }
    *len = n;
    return point;
}

static enum letter_kind look_at (span text, size_t *len)
{
    unsigned char c = (unsigned char)text.ptr[0];
    *len = 1;
    if (c < 0x80)
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ? LETTER
                                                                                          : BETWEEN;
    return kind_of (first_point (text, len));
}

typedef struct hashing { /* of a word, in pieces */
    uint64_t hash;
    char piece[PIECE];
    size_t len, letters;
} hashing;

static void hash_letter (hashing *h, span letter)
{
    for (size_t i = 0; i < letter.len; i++) {
        char c = letter.ptr[i];
        if (h->len == PIECE) {
            h->hash = esp_hash64 (h->piece, PIECE, h->hash);
            h->len = 0;
        }
        h->piece[h->len++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    h->letters++;
}

static esp_err end_word (words *w, hashing *h)
{
    if (h->letters == 0)
        return ESP_OK;
    if (esp_grow (&w->items, &w->capacity, w->count + 1, sizeof (*w->items)) != 0)
        return ESP_ENOMEM;
    w->items[w->count++] = esp_hash64 (h->piece, h->len, h->hash);
    *h = (hashing){.hash = 0};
    return ESP_OK;
}

esp_err words_add (words *w, span text)
{
    hashing h = {.hash = 0};
    esp_err err = ESP_OK;
    for (size_t at = 0, len; at < text.len && err == ESP_OK; at += len) {
        enum letter_kind kind = look_at (span_make (text.ptr + at, text.len - at), &len);
        if (kind == LETTER)
            hash_letter (&h, span_make (text.ptr + at, len));
        else if (kind == BETWEEN)
            err = end_word (w, &h);
    }
    return err == ESP_OK ? end_word (w, &h) : err;
}

void words_free (words *w)
{
    esp_free (w->items);
    *w = (words){NULL, 0, 0};
}

uint64_t words_gram (const words *w, size_t at, size_t n)
{
    uint64_t h = n;
    for (size_t i = 0; i < n; i++)
        h = esp_hash_mix (h, w->items[at + i]);
    return h;
}

uint64_t words_simhash (const words *w)
{
    size_t run = w->count < RUN ? w->count : RUN;
    int64_t votes[64] = {0};
    uint64_t bits = 0;
    for (size_t at = 0; run > 0 && at + run <= w->count; at++) {
        uint64_t h = words_gram (w, at, run);
        for (int i = 0; i < 64; i++)
            votes[i] += h >> i & 1 ? 1 : -1;
    }
    for (int i = 0; i < 64; i++)
        bits |= (uint64_t)(votes[i] > 0) << i;
    return bits;
}
