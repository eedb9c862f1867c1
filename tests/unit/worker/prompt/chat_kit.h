/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_WORKER_PROMPT_CHAT_KIT_H
#define ESP_TESTS_UNIT_WORKER_PROMPT_CHAT_KIT_H

/* chat_kit.h - chats that must be, or must not be, and what they make of a row */

#include "worker/prompt/chat.h"
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/file.h"
#include "tests/support/suite.h"

enum { PLAIN, GSM8K, TERSE, MATH, NUMBERED, CODE };

static inline chat *given_chat (const prompt_options *o)
{
    chat *c = NULL;
    esp_error error = {0};
    PASS (chat_create (o, &c, &error));
    return c;
}

/* A file in a fresh folder; its path is good until four folders later. */
static inline const char *given_file (const char *text)
{
    static char path[4096];
    esp_error error = {0};
    PASS (esp_path_join (path, sizeof (path), suite_folder (), "file"));
    PASS (esp_file_write (path, span_of (text), 0644, &error));
    return path;
}

static inline void
refused (const prompt_options *o, esp_err code, const char *begin, const char *word)
{
    chat *c = NULL;
    esp_error error = {0};
    FAILS (chat_create (o, &c, &error), code);
    CHECK (c == NULL);
    CHECK (strncmp (error.text, begin, strlen (begin)) == 0);
    CHECK (strstr (error.text, word) != NULL);
}

/* Messages as "role<content>..." and "+prefill". */
static inline void gives (const chat *c, const char *row, const char *system, const char *expected)
{
    esp_buf json = {0}, prefill = {0}, got = {0};
    esp_error error = {0};
    json_t *list;
    PASS (chat_messages (c, span_of (row), system, &json, &prefill, &error));
    list = json_loadb (json.data, json.len, 0, NULL);
    CHECK (json_is_array (list));
    for (size_t i = 0; i < json_array_size (list); i++)
        PASS (esp_buf_printf (
            &got, "%s<%s>", json_string_value (json_object_get (json_array_get (list, i), "role")),
            json_string_value (json_object_get (json_array_get (list, i), "content"))));
    PASS (esp_buf_printf (&got, "+%s", esp_buf_text (&prefill)));
    CHECK (strcmp (esp_buf_text (&got), expected) == 0);
    json_decref (list);
    esp_buf_free (&json);
    esp_buf_free (&prefill);
    esp_buf_free (&got);
}

static inline void no_problem (const chat *c, const char *row, const char *word)
{
    esp_buf json = {0}, prefill = {0};
    esp_error error = {0};
    PASS (esp_buf_puts (&json, "before"));
    FAILS (chat_messages (c, span_of (row), NULL, &json, &prefill, &error), ESP_EFORMAT);
    CHECK (strstr (error.text, word) != NULL);
    CHECK (strcmp (esp_buf_text (&json), "before") == 0 && prefill.len == 0);
    esp_buf_free (&json);
    esp_buf_free (&prefill);
}

static inline void renders (const chat *c, const char *row, const char *expected)
{
    esp_buf json = {0}, prefill = {0}, out = {0};
    esp_error error = {0};
    PASS (chat_messages (c, span_of (row), NULL, &json, &prefill, &error));
    PASS (chat_render (c, esp_buf_span (&json), &out, &error));
    CHECK (strcmp (esp_buf_text (&out), expected) == 0);
    esp_buf_free (&json);
    esp_buf_free (&prefill);
    esp_buf_free (&out);
}

#endif
