/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_STORE_H
#define ESP_WORKER_STORE_H

/* store.h - the problems and node texts a worker holds
 *
 * Problems are dropped whole, least recently used first, when their texts take more than the limit; a pinned
 * problem (a job of it is in flight) stays.  What was dropped is asked for again by MISSING.
 * Threads: none.
 */

#include "proto/model/task.h"

typedef struct store store;

ESP_MUST_CHECK esp_err store_create (size_t limit_bytes, store **out);
void store_destroy (store *s); /* accepts NULL */

/* Copy a problem in; one that is there keeps its texts.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err store_problem (store *s, problem_key key, span json);
/* Copy a node's text in, with its number of generated tokens (its problem must be there: else ESP_ENOENT). */
ESP_MUST_CHECK esp_err store_text (store *s, problem_key key, node_ref n, span text,
                                   uint32_t tokens);

bool store_find_problem (store *s, problem_key key, span *json); /* and mark it as used now */
bool store_find_text (const store *s, problem_key key, node_ref n, span *text,
                      uint32_t *tokens); /* tokens may be NULL */

/* While pinned, spans of this problem stay valid. */
void store_pin (store *s, problem_key key);
void store_unpin (store *s, problem_key key);
size_t store_bytes (const store *s);

#endif
