/* SPDX-License-Identifier: Apache-2.0 */
/* proof_text.c - see proof_text.h */

#include "worker/verifier/proof_text.h"
#include <jansson.h>
#include <string.h>

static const char fence[] = "```";

static esp_err add_first (const json_t *row, const char *const *keys, esp_buf *out)
{
    for (size_t i = 0; keys[i]; i++) {
        const json_t *value = json_object_get (row, keys[i]);
        if (json_is_string (value) && json_string_length (value) > PROOF_TEXT_MOST)
            return ESP_ETOOBIG;
        if (json_is_string (value))
            return esp_buf_append (out, json_string_value (value), json_string_length (value));
    }
    return ESP_ENOENT;
}

esp_err proof_problem (span json, esp_buf *header, esp_buf *statement)
{
    static const char *const headers[] = {"header", "preamble", "imports", NULL};
    static const char *const statements[] = {"formal_statement", "statement", "theorem", NULL};
    json_t *row = json_loadb (json.ptr ? json.ptr : "", json.len, JSON_ALLOW_NUL, NULL);
    esp_err err = json_is_object (row) ? add_first (row, headers, header) : ESP_EFORMAT;
    if (err == ESP_OK || err == ESP_ENOENT)
        err = add_first (row, statements, statement);
    json_decref (row);
    return err;
}

/* ---- blocks ---- */

static span line_of (span text)
{
    const char *end = text.len > 0 ? memchr (text.ptr, '\n', text.len) : NULL;
    return end ? span_make (text.ptr, (size_t)(end - text.ptr)) : text;
}

static bool fits (span mark, const char *const *marks)
{
    for (size_t i = 0; marks[i]; i++)
        if (span_is (mark, marks[i]))
            return true;
    return mark.len == 0;
}

/* Move *rest behind the next line that is a fence; *mark: what follows the fence on it.  *before: what stood in front of that line. */
static bool next_fence (span *rest, span *before, span *mark)
{
    const char *start = rest->ptr;
    while (rest->len > 0) {
        span line = line_of (*rest), bare = span_trim (line);
        size_t whole = line.len + (line.len < rest->len);
        const char *at = rest->ptr;
        *rest = span_make (rest->ptr + whole, rest->len - whole);
        if (!span_starts (bare, fence))
            continue;
        *before = span_make (start, (size_t)(at - start));
        *mark = span_trim (span_make (bare.ptr + 3, bare.len - 3));
        return true;
    }
    return false;
}

span proof_block (span text, const char *const *marks)
{
    span rest = text, found = text, before, mark, unused;
    while (next_fence (&rest, &before, &mark)) {
        span inside = rest;
        bool ended = next_fence (&rest, &before, &unused);
        if (fits (mark, marks))
            found = ended ? before : inside;
        if (!ended)
            break;
    }
    return found;
}

size_t proof_lines (span text)
{
    return span_count (text, span_of ("\n"));
}
