/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_HARVEST_PROBLEM_TEXT_H
#define ESP_COORDINATOR_HARVEST_PROBLEM_TEXT_H

/* problem_text.h - the words of JSON: of a problem's row, of a sample
 *
 * Threads: none.  Errors: ESP_ENOMEM.
 */

#include <jansson.h>
#include <stdbool.h>
#include "coordinator/harvest/words.h"

/* Every text inside the value, in order; keys and numbers are none. */
ESP_MUST_CHECK esp_err words_of_json (words *w, const json_t *value);
/* Has the row one of the fields that ask? */
bool problem_asks (const json_t *row);
#define PROBLEM_ASKS                                                                               \
    "problem, question, prompt, text, formal_statement or messages" /* for people */
/* What asks in a problem's row: the first of question_fields, else formal_statement, else the user's messages; else every text. */
ESP_MUST_CHECK esp_err words_of_problem (words *w, const json_t *row);

#endif
