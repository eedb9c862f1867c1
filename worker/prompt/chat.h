/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_PROMPT_CHAT_H
#define ESP_WORKER_PROMPT_CHAT_H

/* chat.h - from a problem to chat messages, and from messages to a text (section `prompt` of the run file): pure
 *
 * A problem gives one user message, or brings `messages` (several turns) or its own `system`.  prompt.system, prompt.template
 * ("{problem}" and any "{field}" of the problem's row) and prompt.examples (a JSONL file of few-shot turns) are put
 * around it; prompt.preset names a set that is known to work (gsm8k, math, code, plain).  Messages become text by the server's
 * own template, or here: chatml, raw, or a file with {system}, {user}, {assistant} parts.
 *
 * Threads: none.  Problems are hostile.
 */

#include <stdbool.h>
#include "proto/base/option.h"
#include "proto/base/text.h"

enum chat_template { TEMPLATE_SERVER, TEMPLATE_CHATML, TEMPLATE_RAW, TEMPLATE_FILE };

typedef struct prompt_options {
    int preset;
    const char *system;   /* NULL: the preset's */
    const char *template; /* of the user message; NULL: the preset's */
    const char *examples; /* JSONL file: {"problem": ..., "solution": ...} a line; NULL = none */
    int chat;             /* enum chat_template */
    const char *chat_file;
    const char *prefill; /* first words of the assistant's answer; NULL = none */
} prompt_options;
extern const esp_option prompt_option_rows[]; /* section `prompt` */

typedef struct chat chat; /* files read, templates parsed */
/* Errors, with a sentence: ESP_EINVAL (template without the problem), ESP_ENOENT, ESP_EFORMAT (examples), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err chat_create (const prompt_options *o, chat **out, esp_error *error);
void chat_destroy (chat *c); /* accepts NULL */
enum chat_template chat_how (const chat *c);

/* Append the messages of a problem as a JSON array [{"role": .., "content": ..}, ..].  system: instead of the chat's (an
 * action's own), or NULL.  Errors: ESP_EFORMAT (the row is no problem: sentence), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err chat_messages (const chat *c, span problem, const char *system,
                                      esp_buf *json, esp_error *error);

/* Render messages here (not TEMPLATE_SERVER): text up to where the assistant begins.  Errors: ESP_EFORMAT, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err chat_render (const chat *c, span messages, esp_buf *out, esp_error *error);
span chat_prefill (const chat *c); /* follows the rendered text; may be empty */

#endif
