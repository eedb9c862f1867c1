/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SEARCH_TOT_TEXTS_H
#define ESP_COORDINATOR_SEARCH_TOT_TEXTS_H

/* tot_texts.h - what Tree of Thoughts knows about a text: its value, and the step that had it as a candidate
 *
 * A text is known by the hash of its whole path.  Lives in the problem's arena; all zero is empty.
 */

#include "coordinator/search/strategy.h"

typedef struct tot_text {
    uint64_t text; /* hash */
    double value;
    uint32_t step; /* 1 + the last step that had it as a candidate; 0 = free place */
    bool valued;
} tot_text;

typedef struct tot_texts { /* open addressing, a power of two */
    tot_text *at;
    uint32_t count, cap;
} tot_texts;

/* The text's place; a new one has step 0, which the caller sets before the next call.  Valid until then.
 * Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err tot_texts_add (search *s, tot_texts *t, uint64_t text, tot_text **out);
/* Of one that was added. */
tot_text *tot_texts_find (const tot_texts *t, uint64_t text);

#endif
