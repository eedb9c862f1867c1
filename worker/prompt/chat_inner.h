/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_PROMPT_CHAT_INNER_H
#define ESP_WORKER_PROMPT_CHAT_INNER_H

/* chat_inner.h - a chat inside; for chat.c (options and files), chat_messages.c and chat_render.c only */

#include "worker/prompt/chat.h"
#include "worker/prompt/chat_template.h"

enum chat_role { ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT, ROLES };
extern const char *const chat_role_names[ROLES];

typedef struct chat_part { /* of a template file: the text around the message's own */
    char *before, *after;  /* owned; NULL = no such part */
} chat_part;

struct chat {
    enum chat_template how;
    char *system;  /* owned; NULL = none */
    char *prefill; /* owned; NULL = none */
    chat_template_text *user;
    chat_template_text *improve, *improve_told; /* ... where a verifier said something */
    esp_buf examples; /* JSON of the few-shot messages, each with a comma behind it */
    char *begin;      /* owned; TEMPLATE_FILE, once in front of all */
    chat_part parts[ROLES];
};

/* Append {"role": ..., "content": ...} */
ESP_MUST_CHECK esp_err chat_add_message (enum chat_role role, span content, esp_buf *json);

/* Check one message; its sentence speaks of message `number` (from 1).  Errors: ESP_EFORMAT. */
ESP_MUST_CHECK esp_err chat_read_message (const json_t *message, size_t number,
                                          enum chat_role *role, span *content, esp_error *error);

#endif
