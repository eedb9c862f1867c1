/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_MODEL_ROW_FIELDS_H
#define ESP_PROTO_MODEL_ROW_FIELDS_H

/* row_fields.h - which field of a problem's row asks, which is its reference answer, and which hold completions that are there already
 *
 * The first of a list counts, for all: what a model is shown is what samples say and what is looked for in evaluation sets.
 * A row may ask by `messages` too (a list), or by `formal_statement`.
 */

#include <stddef.h>

static const char *const question_fields[] = {"problem", "question", "prompt", "text", NULL};
static const char *const gold_fields[] = {"answer", "expected_answer", "final_answer", NULL};
static const char *const completion_list_fields[] = {"completions", "samples", NULL};
static const char *const completion_text_fields[] = {"generation", "completion", "response",
                                                     "output",     "solution",   NULL};

#endif
