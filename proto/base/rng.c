/* SPDX-License-Identifier: Apache-2.0 */
/* rng.c - draws as hashes of (key, i)
 *
 * The second round takes the first one's result as seed and sees the words swapped: keys and
 * counters are small neighbouring numbers, and one XXH3 round alone is not made for those.
 */

#include "proto/base/rng.h"
#include "proto/base/hash.h"

static void put_word (uint8_t *at, uint64_t word)
{
    for (int i = 0; i < 8; i++)
        at[i] = (uint8_t)(word >> (8 * i));
}

uint64_t esp_draw_bits (uint64_t key, uint64_t i)
{
    uint8_t bytes[24]; /* key, i, key: both orders are 16 bytes of it */
    put_word (bytes, key);
    put_word (bytes + 8, i);
    put_word (bytes + 16, key);
    return esp_hash64 (bytes + 8, 16, esp_hash64 (bytes, 16, 0));
}

double esp_draw_unit (uint64_t key, uint64_t i)
{
    return (double)(esp_draw_bits (key, i) >> 11) * 0x1p-53;
}

uint32_t esp_draw_below (uint64_t key, uint64_t i, uint32_t n)
{
    uint64_t bits = esp_draw_bits (key, i);
    uint64_t high = (bits >> 32) * n;
    uint64_t low = (bits & UINT32_MAX) * n;
    return (uint32_t)((high + (low >> 32)) >> 32); /* bits * n / 2^64 */
}
