/* SPDX-License-Identifier: Apache-2.0 */
/* fields.c - JSON fields of a problem, boxes, words and pieces of a text */

#include "worker/engine/fields.h"
#include <jansson.h>
#include <string.h>
#include "proto/model/row_fields.h"

/* Openings of \boxed{ that are tried from the end: a text of thousands of unclosed ones would
 * otherwise cost its length for each. */
enum { BOXES_TRIED = 16 };

static esp_err add_value (const json_t *value, esp_buf *out)
{
    if (json_is_string (value))
        return esp_buf_append (out, json_string_value (value), json_string_length (value));
    if (json_is_integer (value))
        return esp_buf_printf (out, "%" JSON_INTEGER_FORMAT, json_integer_value (value));
    return esp_buf_json_double (out, json_real_value (value));
}

/* ESP_ENOENT: none of the keys holds a string or a number. */
static esp_err add_field (span json, const char *const *keys, esp_buf *out)
{
    json_t *root = json_loadb (json.ptr ? json.ptr : "", json.len, JSON_ALLOW_NUL, NULL);
    esp_err err = json_is_object (root) ? ESP_ENOENT : ESP_EFORMAT;
    for (size_t i = 0; err == ESP_ENOENT && keys[i]; i++) {
        const json_t *value = json_object_get (root, keys[i]);
        if (json_is_string (value) || json_is_number (value))
            err = add_value (value, out);
    }
    json_decref (root);
    return err;
}

esp_err fields_question (span json, esp_buf *out)
{
    esp_err err = add_field (json, question_fields, out);
    return err == ESP_ENOENT ? esp_buf_add (out, json) : err;
}

esp_err fields_answer (span json, esp_buf *out)
{
    return add_field (json, gold_fields, out);
}

esp_err fields_join (const job *j, size_t count, esp_buf *out)
{
    esp_err err = ESP_OK;
    for (size_t i = 0; err == ESP_OK && i < count && i < j->step_count; i++)
        err = esp_buf_add (out, j->steps[i]);
    return err;
}

/* text starts just behind an opening brace; a brace behind a backslash is a character. */
static bool closing_brace (span text, size_t *at)
{
    size_t depth = 1;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\\')
            i++;
        else if (text.ptr[i] == '{')
            depth++;
        else if (text.ptr[i] == '}' && --depth == 0) {
            *at = i;
            return true;
        }
    }
    return false;
}

bool fields_boxed (span text, span *content)
{
    static const char opening[] = "\\boxed{";
    span before = text;
    for (int i = 0; i < BOXES_TRIED; i++) {
        size_t start = span_find_last (before, span_of (opening)), close;
        span inside;
        if (start >= before.len)
            return false;
        inside =
            span_make (text.ptr + start + strlen (opening), text.len - start - strlen (opening));
        if (closing_brace (inside, &close)) {
            *content = span_make (inside.ptr, close);
            return true;
        }
        before.len = start;
    }
    return false;
}

static bool in_word (char c)
{
    return c != ' ' && c != '\n';
}

span fields_cut_words (span text, uint32_t max)
{
    uint32_t words = 0;
    for (size_t i = 0; i < text.len; i++) {
        bool starts = in_word (text.ptr[i]) && (i == 0 || !in_word (text.ptr[i - 1]));
        if (starts && words++ == max) {
            while (i > 0 && !in_word (text.ptr[i - 1]))
                i--;
            return span_make (text.ptr, i);
        }
    }
    return text;
}

uint32_t fields_words (span text)
{
    uint32_t words = 0;
    for (size_t i = 0; i < text.len; i++)
        words += in_word (text.ptr[i]) && (i == 0 || !in_word (text.ptr[i - 1]));
    return words;
}

bool fields_piece (span *rest, const char *separator, span *piece)
{
    size_t at, end;
    if (rest->len == 0)
        return false;
    at = span_find (*rest, span_of (separator));
    end = at < rest->len ? at + strlen (separator) : at;
    *piece = span_make (rest->ptr, at);
    *rest = span_make (rest->ptr + end, rest->len - end);
    return true;
}
