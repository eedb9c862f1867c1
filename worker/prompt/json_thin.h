/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_PROMPT_JSON_THIN_H
#define ESP_WORKER_PROMPT_JSON_THIN_H

/* json_thin.h - long lists of numbers that nobody reads are taken out of JSON before it is parsed
 *
 * Why: vLLM gives the ids of the whole prompt back with each sample, and jansson takes 0.1 us for each; ids that are only
 * counted cost the same.  Nothing is checked here: what is not a plain list of whole numbers stays as it is, and the parser
 * has the last word.
 *
 *     {"prompt_token_ids": [1, 2, 3], "token_ids": [4, 5]}  ->  {"prompt_token_ids": [], "token_ids": 2}
 *
 * Threads: none.
 */

#include <stdbool.h>
#include "proto/base/text.h"

/* Append json to out.  drop: name of lists that become []; count: of lists that become the number of their entries; each
 * may be NULL.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err json_thin (span json, const char *drop, const char *count, esp_buf *out);

#endif
