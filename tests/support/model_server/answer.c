/* SPDX-License-Identifier: Apache-2.0 */
/* answer.c - answers of kind.h, filled and freed */

#include "tests/support/model_server/kind.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/alloc.h"

void out_of_memory (void)
{
    (void)fputs ("model_server: out of memory\n", stderr);
    exit (1);
}

char *text_copy (span text)
{
    char *copy = esp_malloc (text.len + 1); /* not strndup: a text may hold 0 */
    if (!copy)
        out_of_memory ();
    memcpy (copy, text.len ? text.ptr : "", text.len);
    copy[text.len] = 0;
    return copy;
}

json_t *json_text (span text)
{
    esp_buf quoted = {0};
    json_t *value = NULL;
    if (esp_utf8_valid (text))
        return json_stringn (text.ptr ? text.ptr : "", text.len);
    if (esp_buf_json_string (&quoted, text) == ESP_OK)
        value = json_loadb (quoted.data, quoted.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    esp_buf_free (&quoted);
    if (!value)
        out_of_memory ();
    return value;
}

void answer_json (answer *a, json_t *json)
{
    if (!json)
        out_of_memory ();
    json_decref (a->json);
    a->json = json;
}

void answer_frame (answer *a, const char *format, ...)
{
    va_list list;
    char *frame = NULL;
    va_start (list, format);
    if (vasprintf (&frame, format, list) < 0 ||
        esp_grow (&a->frames, &a->frame_capacity, a->frame_count + 1, sizeof (*a->frames)) != 0)
        out_of_memory ();
    va_end (list);
    a->frames[a->frame_count++] = text_copy (span_of (frame));
    free (frame);
}

void answer_event (answer *a, json_t *json)
{
    char *text = json ? json_dumps (json, JSON_COMPACT) : NULL;
    if (!text)
        out_of_memory ();
    answer_frame (a, "data: %s\n\n", text);
    free (text);
    json_decref (json);
}

void answer_made (answer *a, size_t token_count)
{
    a->generated += token_count;
    if (token_count > a->longest)
        a->longest = token_count;
}

void answer_free (answer *a)
{
    json_decref (a->json);
    esp_free (a->text);
    for (size_t i = 0; i < a->frame_count; i++)
        esp_free (a->frames[i]);
    esp_free (a->frames);
    *a = (answer){0};
}

void answer_refuse (const asked *q, answer *a, unsigned status, const char *type, const char *param,
                    const char *format, ...)
{
    char *message = NULL;
    va_list list;
    va_start (list, format);
    if (vasprintf (&message, format, list) < 0)
        out_of_memory ();
    va_end (list);
    answer_free (a);
    a->status = status;
    q->server->kind->refuse (a, status, type, param, message);
    free (message);
}

unsigned running (const asked *q)
{
    return q->working < q->server->slots ? q->working : q->server->slots;
}

unsigned waiting (const asked *q)
{
    return q->working - running (q);
}
