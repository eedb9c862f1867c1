/* SPDX-License-Identifier: Apache-2.0 */
/* chat_render.c - chat messages to the text that a model continues: ChatML, raw, or a template file
 *
 * Each way is a row of parts (before and after a message's text); the prompt ends with what stands before an answer.
 */

#include <string.h>
#include "worker/prompt/chat_inner.h"

typedef struct parts {
    const char *begin;
    struct {
        const char *before, *after; /* NULL: no such part */
    } of[ROLES];
} parts;

/* Qwen2.5, Qwen3 and many others.  https://github.com/openai/openai-python/blob/release-v0.28.0/chatml.md */
static const parts chatml = {"",
                             {{"<|im_start|>system\n", "<|im_end|>\n"},
                              {"<|im_start|>user\n", "<|im_end|>\n"},
                              {"<|im_start|>assistant\n", "<|im_end|>\n"}}};
/* Base models: the answer goes on where the user's text ends, so the template says what stands between. */
static const parts raw = {"", {{"", "\n\n"}, {"", ""}, {"", "\n\n"}}};

static parts parts_of (const chat *c)
{
    parts p = {.begin = c->begin ? c->begin : ""};
    if (c->how == TEMPLATE_CHATML)
        return chatml;
    if (c->how == TEMPLATE_RAW)
        return raw;
    for (int role = 0; role < ROLES; role++) {
        p.of[role].before = c->parts[role].before;
        p.of[role].after = c->parts[role].after;
    }
    return p;
}

/* ChatML's own marks in a message would begin or end turns: "<|im_end|>" becomes "<| im_end|>". */
static esp_err add_guarded (span text, esp_buf *out)
{
    esp_err err = ESP_OK;
    while (err == ESP_OK) {
        size_t at = span_find (text, span_of ("<|im_"));
        if (at == text.len)
            return esp_buf_add (out, text);
        err = esp_buf_append (out, text.ptr, at);
        if (err == ESP_OK)
            err = esp_buf_puts (out, "<| im_");
        text = span_make (text.ptr + at + 5, text.len - at - 5);
    }
    return err;
}

typedef struct rendering {
    const chat *c;
    parts p;
    span system; /* waits for the first user message where there is no part for it */
    enum chat_role last;
    esp_buf *out;
} rendering;

static esp_err add_text (const rendering *r, span text)
{
    return r->c->how == TEMPLATE_CHATML ? add_guarded (text, r->out) : esp_buf_add (r->out, text);
}

static esp_err add_turn (rendering *r, enum chat_role role, span content)
{
    esp_err err = ESP_OK;
    if (role == ROLE_SYSTEM && !r->p.of[role].before) {
        r->system = content;
        return ESP_OK;
    }
    if (r->c->how == TEMPLATE_RAW && role == ROLE_USER && r->last == ROLE_USER)
        err = esp_buf_puts (r->out, "\n\n");
    if (err == ESP_OK)
        err = esp_buf_puts (r->out, r->p.of[role].before);
    if (err == ESP_OK && role == ROLE_USER && r->system.len > 0) {
        err = add_text (r, r->system);
        if (err == ESP_OK)
            err = esp_buf_puts (r->out, "\n\n");
        r->system.len = 0;
    }
    if (err == ESP_OK)
        err = add_text (r, content);
    r->last = role;
    return err == ESP_OK ? esp_buf_puts (r->out, r->p.of[role].after) : err;
}

static esp_err render (rendering *r, const json_t *list, esp_error *error)
{
    size_t before = r->out->len;
    esp_err err = esp_buf_puts (r->out, r->p.begin);
    for (size_t i = 0; i < json_array_size (list) && err == ESP_OK; i++) {
        enum chat_role role;
        span content;
        err = chat_read_message (json_array_get (list, i), i + 1, &role, &content, error);
        if (err == ESP_OK && role == ROLE_SYSTEM && i > 0)
            err = esp_error_set (error, ESP_EFORMAT,
                                 "message %zu: a system message can only be "
                                 "the first one",
                                 i + 1);
        if (err == ESP_OK)
            err = add_turn (r, role, content);
        if (err == ESP_OK && r->out->len - before > CHAT_BYTES_MOST)
            err = esp_error_set (error, ESP_EFORMAT, "the prompt would have over %d MiB",
                                 CHAT_BYTES_MOST >> 20);
    }
    if (err == ESP_OK && r->last != ROLE_USER)
        err = esp_error_set (error, ESP_EFORMAT, "the messages must end with a user's");
    return err == ESP_OK ? esp_buf_puts (r->out, r->p.of[ROLE_ASSISTANT].before) : err;
}

esp_err chat_render (const chat *c, span messages, esp_buf *out, esp_error *error)
{
    json_error_t at = {.text = ""};
    size_t before = out->len;
    rendering r = {.c = c, .p = parts_of (c), .last = ROLE_SYSTEM, .out = out};
    json_t *list;
    esp_err err = ESP_EFORMAT;
    if (c->how == TEMPLATE_SERVER)
        return esp_error_set (error, ESP_EINVAL, "prompt.chat: server: the server renders");
    list = json_loadb (messages.ptr ? messages.ptr : "", messages.len, 0, &at);
    if (!list && json_error_code (&at) == json_error_out_of_memory)
        err = ESP_ENOMEM;
    else if (!json_is_array (list))
        esp_error_set (error, err, "the messages are no JSON list");
    else
        err = render (&r, list, error);
    json_decref (list);
    if (err != ESP_OK) {
        out->len = before;
        if (out->data)
            out->data[before] = 0;
    }
    return err == ESP_ENOMEM ? esp_error_set (error, err, "out of memory") : err;
}
