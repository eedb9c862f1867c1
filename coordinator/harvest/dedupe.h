/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_HARVEST_DEDUPE_H
#define ESP_COORDINATOR_HARVEST_DEDUPE_H

/* dedupe.h - which samples say what an earlier one says
 *
 * Samples are noted as they are read, in any order, then looked at in the order that decides (problem numbers): one is kept when
 * no kept one has the same content hash, or a SimHash that differs in at most `near` bits.
 *
 * A SimHash is cut into 4 bands of 16 bits; two that differ in at most 3 bits share a band, in at most 7 bits they share one but for one bit
 * (pigeonhole), so only kept samples of those bands are compared (Manku et al. 2007, section 3).
 *
 * Memory: 32 bytes a sample and 1 MiB.  Time: a look walks the kept samples of 4 bands (near > 3: of 68).
 * Threads: none.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/base/err.h"

enum { DEDUPE_NEAR_MOST = 7 };
enum dedupe_kind { DEDUPE_NEW, DEDUPE_EQUAL, DEDUPE_NEAR };

typedef struct dedupe dedupe;

/* near: bits, 0 to DEDUPE_NEAR_MOST; -1: only equal content counts. */
ESP_MUST_CHECK esp_err dedupe_create (int near, dedupe **out);
void dedupe_destroy (dedupe *d); /* accepts NULL */

/* One more sample; its index is how many there were.  Errors: ESP_ENOMEM, ESP_ETOOBIG (2^32 - 1). */
ESP_MUST_CHECK esp_err dedupe_note (dedupe *d, uint64_t content, uint64_t simhash);
size_t dedupe_count (const dedupe *d);

/* What is sample `index` to those kept so far?  *of (may be NULL): the kept one that it repeats.  Changes nothing. */
enum dedupe_kind dedupe_look (const dedupe *d, uint32_t index, uint32_t *of);
/* From now on others are compared with it; once per sample. */
void dedupe_keep (dedupe *d, uint32_t index);

size_t dedupe_bytes (const dedupe *d);

#endif
