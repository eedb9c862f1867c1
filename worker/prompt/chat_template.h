/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_PROMPT_CHAT_TEMPLATE_H
#define ESP_WORKER_PROMPT_CHAT_TEMPLATE_H

/* chat_template.h - a text with {fields} that a problem's row fills
 *
 *     {name}        a field: letters, digits, '_', '-', '.', not a digit first; its text, number, true/false, or JSON
 *     {problem}     the field, else the first of question, prompt, text that is there
 *     {{name}}      the text "{name}"
 *     \boxed{name}  text: braces behind a LaTeX command are no field; so is everything else, such as {} or {1}
 *
 * What is filled in is never looked at for fields again.
 */

#include <jansson.h>
#include <stdbool.h>
#include "proto/base/text.h"

typedef struct chat_template_text chat_template_text;

/* Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err chat_template_create (const char *text, chat_template_text **out);
void chat_template_destroy (chat_template_text *t); /* accepts NULL */

bool chat_template_names (const chat_template_text *t, const char *field);

/* The problem's text field under one of its names, or NULL: problem, question, prompt, text, then messages. */
const json_t *chat_template_problem_of (const json_t *row);

/* Errors: ESP_EFORMAT (a field is not there, the text is over CHAT_BYTES_MOST: sentence), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err chat_template_fill (const chat_template_text *t, const json_t *row,
                                           esp_buf *out, esp_error *error);

#endif
