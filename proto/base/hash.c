/* SPDX-License-Identifier: Apache-2.0 */
/* hash.c - thin covers over libxxhash, ISA-L and nettle */

#include "proto/base/hash.h"
#include <isa-l/crc.h>
#include <nettle/sha2.h>
#include <xxhash.h>
#include "proto/base/alloc.h"

uint64_t esp_hash64 (const void *bytes, size_t len, uint64_t seed)
{
    return XXH3_64bits_withSeed (bytes, len, seed);
}

uint64_t esp_hash_mix (uint64_t h, uint64_t part)
{
    uint8_t bytes[8]; /* little-endian, so that all machines agree */
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(part >> (8 * i));
    return esp_hash64 (bytes, sizeof (bytes), h);
}

uint64_t esp_hash_mix_span (uint64_t h, span part)
{
    return esp_hash64 (part.ptr, part.len, h);
}

uint32_t esp_crc32c (uint32_t crc, const void *bytes, size_t len)
{
    enum { PIECE = 1 << 30 }; /* ISA-L counts in int */
    const uint8_t *at = bytes;
    crc = ~crc; /* ISA-L leaves both inversions of RFC 3720 to the caller */
    while (len > 0) {
        size_t piece = len < PIECE ? len : PIECE;
        /* its prototype lacks const; it only reads */
        crc = crc32_iscsi ((unsigned char *)(uintptr_t)at, (int)piece, crc);
        at += piece;
        len -= piece;
    }
    return ~crc;
}

void esp_sha256 (span text, uint8_t out[ESP_SHA256_BYTES])
{
    esp_sha256_joined (&text, 1, out);
}

void esp_sha256_joined (const span *parts, size_t count, uint8_t out[ESP_SHA256_BYTES])
{
    static const uint8_t separator = 0x1F;
    struct sha256_ctx ctx;
    sha256_init (&ctx);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            sha256_update (&ctx, 1, &separator);
        if (parts[i].len > 0)
            sha256_update (&ctx, parts[i].len, (const uint8_t *)parts[i].ptr);
    }
    sha256_digest (&ctx, ESP_SHA256_BYTES, out);
}

struct esp_sha256_stream {
    struct sha256_ctx ctx;
};

esp_sha256_stream *esp_sha256_stream_create (void)
{
    esp_sha256_stream *s = esp_malloc (sizeof (*s));
    if (s)
        sha256_init (&s->ctx);
    return s;
}

void esp_sha256_stream_add (esp_sha256_stream *s, span text)
{
    if (text.len > 0)
        sha256_update (&s->ctx, text.len, (const uint8_t *)text.ptr);
}

void esp_sha256_stream_end (esp_sha256_stream *s, uint8_t out[ESP_SHA256_BYTES])
{
    sha256_digest (&s->ctx, ESP_SHA256_BYTES, out); /* starts anew */
}

void esp_sha256_stream_free (esp_sha256_stream *s)
{
    esp_free (s);
}

double esp_unit_joined (const span *parts, size_t count)
{
    uint8_t digest[ESP_SHA256_BYTES];
    uint64_t bits = 0;
    esp_sha256_joined (parts, count, digest);
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | digest[i];
    return (double)bits / 18446744073709551616.0;
}

void esp_hex (const uint8_t *bytes, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * len] = 0;
}
