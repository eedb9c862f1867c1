/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_PROMPT_CHAT_H
#define ESP_WORKER_PROMPT_CHAT_H

/* chat.h - from a problem to chat messages, and from messages to a text (section `prompt` of the run file)
 *
 * A problem gives one user message, or brings `messages` (several turns); it may bring its own `system`.  prompt.system,
 * prompt.template ("{problem}" and any "{field}" of the problem's row) and prompt.examples (a JSONL file of few-shot
 * turns) are put around it; prompt.preset names a set of them.  Messages become text by the server's own template, or
 * here: chatml, raw, or a file.  docs/prompts.md explains it to users.
 *
 * Whose `system` counts, first one that is there: the call's (an action's), that in the problem's `messages`, the
 * problem's field `system`, prompt.system, the preset's.  An empty one means none.
 *
 * Files are read by chat_create only; the rest is pure.  Threads: any, a chat never changes.  Problems are hostile.
 */

#include <stdbool.h>
#include "proto/base/option.h"
#include "proto/base/text.h"

enum chat_template { TEMPLATE_SERVER, TEMPLATE_CHATML, TEMPLATE_RAW, TEMPLATE_FILE };

enum {
    CHAT_FILE_BYTES_MOST = 8 << 20, /* of the examples' and the template's file */
    CHAT_EXAMPLES_MOST = 256,
    CHAT_MESSAGES_MOST = 4096, /* of a problem */
    CHAT_BYTES_MOST = 16 << 20 /* of a message that is filled from a template, and of a prompt */
};

typedef struct prompt_options {
    int preset;           /* row of the table in chat.c */
    const char *system;   /* NULL: the preset's; "": none */
    const char *template; /* of the user message; NULL: the preset's */
    const char *examples; /* JSONL file: {"problem": ..., "solution": ...} a line; NULL = none */
    int chat;             /* enum chat_template */
    const char *chat_file;
    const char *prefill; /* first words of the assistant's answer; NULL = none */
    const char *improve; /* user message behind a draft that is to be improved; NULL: ours */
} prompt_options;
extern const esp_option prompt_option_rows[]; /* section `prompt` */

typedef struct chat chat; /* files read, templates parsed; owns copies */
/* Errors, with a sentence "prompt.template: ...": ESP_EINVAL (template without the problem, chat_file without chat: file),
 * ESP_ENOENT, ESP_EPERMISSION, ESP_EIO, ESP_ETOOBIG, ESP_EFORMAT (what is in the files: with file and line), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err chat_create (const prompt_options *o, chat **out, esp_error *error);
void chat_destroy (chat *c); /* accepts NULL */
enum chat_template chat_how (const chat *c);

/* Append the messages of a problem as a JSON array [{"role": .., "content": ..}, ..], and to *prefill the words that its answer
 * begins with: prompt.prefill, or the problem's last message where that is the assistant's.  The array always ends with a
 * user message (nobody has to continue a final message: put prefill behind the rendered prompt).  system: instead
 * of any other, or NULL.  Errors: ESP_EFORMAT (the row is no problem: sentence), ESP_ENOMEM; nothing is appended then. */
ESP_MUST_CHECK esp_err chat_messages (const chat *c, span problem, const char *system,
                                      esp_buf *json, esp_buf *prefill, esp_error *error);

/* Such an array goes on: the answer that the assistant gave, and a user message that asks for a better one, by prompt.improve.
 * observation: what a verifier said of that answer; empty: nothing.  Errors: as chat_messages; the array is as before then. */
ESP_MUST_CHECK esp_err chat_improve (const chat *c, span problem, span answer, span observation,
                                     esp_buf *json, esp_error *error);

/* Render such an array here: text up to where the assistant begins (the prefill comes behind it).
 * Errors: ESP_EINVAL (the server renders), ESP_EFORMAT (no such array), ESP_ENOMEM; nothing is appended then. */
ESP_MUST_CHECK esp_err chat_render (const chat *c, span messages, esp_buf *out, esp_error *error);

#endif
