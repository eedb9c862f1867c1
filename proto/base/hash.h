/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_BASE_HASH_H
#define ESP_PROTO_BASE_HASH_H

/* hash.h - the hashes of the project, each from a library
 *
 * XXH3 (libxxhash) for tables, identities and seeds; CRC-32C (ISA-L) for frames;
 * SHA-256 (nettle) for names that people see and for the fake models.
 * Threads: all functions are pure.
 */

#include <stddef.h>
#include <stdint.h>
#include "proto/base/text.h"

uint64_t esp_hash64 (const void *bytes, size_t len, uint64_t seed); /* XXH3_64bits_withSeed */

/* Continue a hash over several parts: order and boundaries matter.  Start with any h. */
uint64_t esp_hash_mix (uint64_t h, uint64_t part);
uint64_t esp_hash_mix_span (uint64_t h, span part);

/* For hash tables of one process, never for what is stored or compared between machines: two multiplications. */
static inline uint64_t esp_hash_fast (uint64_t a, uint64_t b)
{
    uint64_t x = (a ^ a >> 32) * UINT64_C (0x9e3779b97f4a7c15);
    x = (x ^ x >> 29 ^ b) * UINT64_C (0xbf58476d1ce4e5b9);
    return x ^ x >> 32;
}

uint32_t
esp_crc32c (uint32_t crc, const void *bytes, size_t len); /* start with crc = 0 (RFC 3720 value) */

enum { ESP_SHA256_BYTES = 32, ESP_SHA256_HEX = 64 };
void esp_sha256 (span text, uint8_t out[ESP_SHA256_BYTES]);
/* Of a text that comes in pieces.  create: NULL = out of memory; end gives the digest and begins anew. */
typedef struct esp_sha256_stream esp_sha256_stream;
esp_sha256_stream *esp_sha256_stream_create (void);
void esp_sha256_stream_add (esp_sha256_stream *s, span text);
void esp_sha256_stream_end (esp_sha256_stream *s, uint8_t out[ESP_SHA256_BYTES]);
void esp_sha256_stream_free (esp_sha256_stream *s); /* accepts NULL */
/* SHA-256 of the parts joined by byte 0x1F (golden README 1.1: h). */
void esp_sha256_joined (const span *parts, size_t count, uint8_t out[ESP_SHA256_BYTES]);
/* First 8 bytes of h, big-endian, over 2^64: in [0, 1) (golden README 1.1: unit). */
double esp_unit_joined (const span *parts, size_t count);
void esp_hex (const uint8_t *bytes, size_t len, char *out); /* 2 * len digits and a 0 */

#endif
