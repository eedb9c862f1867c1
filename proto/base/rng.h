/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_BASE_RNG_H
#define ESP_PROTO_BASE_RNG_H

/* rng.h - counter-based draws
 *
 * Draw i of a key is a pure function of (key, i): nothing is stored, so two
 * lanes, two processes or a replay never disturb each other.  The bits are
 * XXH3-64 of the 16 bytes (key, i), little-endian, finished by a second round
 * with the words swapped; tests run a chi-square and a serial test on them.
 */

#include <stdint.h>

uint64_t esp_draw_bits (uint64_t key, uint64_t i); /* 64 uniform bits */
double esp_draw_unit (uint64_t key, uint64_t i);   /* uniform in [0, 1), 53 bits */
/* Uniform integer in [0, n), n >= 1; bias below 2^-32 for n < 2^31. */
uint32_t esp_draw_below (uint64_t key, uint64_t i, uint32_t n);

#endif
