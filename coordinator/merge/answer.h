/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_MERGE_ANSWER_H
#define ESP_COORDINATOR_MERGE_ANSWER_H

/* answer.h - the answer a text states, when no verifier read it
 *
 * The content of the last \boxed{...} with balanced braces, else what follows the last "#### " on its line, trimmed.
 * Source: search-and-learn utils/qwen_math_parser.py (last boxed), GSM8K (####).  Empty: none.
 */

#include "proto/base/text.h"

span answer_of (span text); /* borrowed from text */

#endif
