/* SPDX-License-Identifier: Apache-2.0 */
/* json_thin.c - looks for strings only: a name, a colon, a list of digits */

#include "worker/prompt/json_thin.h"
#include <string.h>

/* Behind the string that begins at `at`. */
static size_t string_end (span json, size_t at)
{
    for (at++; at < json.len && json.ptr[at] != '"'; at++)
        at += json.ptr[at] == '\\';
    return at < json.len ? at + 1 : json.len;
}

static size_t skip_white (span json, size_t at)
{
    while (at < json.len && memchr (" \t\r\n", json.ptr[at], 4))
        at++;
    return at;
}

/* Behind the list that begins at `at`, or 0 if it is no plain list of whole numbers. */
static size_t list_end (span json, size_t at, size_t *entries)
{
    size_t commas = 0, digits = 0;
    for (at++; at < json.len && json.ptr[at] != ']'; at++) {
        char c = json.ptr[at];
        bool digit = c >= '0' && c <= '9';
        if (!digit && c != ',' && c != ' ' && c != '\n')
            return 0;
        digits += digit;
        commas += c == ',';
    }
    *entries = digits > 0 ? commas + 1 : 0;
    return at < json.len ? at + 1 : 0;
}

/* Where the value of the name in front of `at` begins, if it is a list; else 0. */
static size_t find_list (span json, size_t at)
{
    at = skip_white (json, at);
    if (at >= json.len || json.ptr[at] != ':')
        return 0;
    at = skip_white (json, at + 1);
    return at < json.len && json.ptr[at] == '[' ? at : 0;
}

esp_err json_thin (span json, const char *drop, const char *count, esp_buf *out)
{
    size_t at = 0, copied = 0, before = out->len;
    const char *quote;
    esp_err err = esp_buf_reserve (out, json.len + 1);
    while (err == ESP_OK && at < json.len && (quote = memchr (json.ptr + at, '"', json.len - at))) {
        size_t start = (size_t)(quote - json.ptr), entries = 0, list, end;
        span name;
        at = string_end (json, start);
        name = span_make (json.ptr + start + 1, at - start > 2 ? at - start - 2 : 0);
        if (!(drop && span_is (name, drop)) && !(count && span_is (name, count)))
            continue;
        if (!(list = find_list (json, at)) || !(end = list_end (json, list, &entries)))
            continue;
        if ((err = esp_buf_append (out, json.ptr + copied, list - copied)) != ESP_OK)
            break;
        err =
            count && span_is (name, count) ? esp_buf_u64 (out, entries) : esp_buf_puts (out, "[]");
        at = copied = end;
    }
    if (err == ESP_OK)
        err = esp_buf_append (out, json.ptr + copied, json.len - copied);
    if (err != ESP_OK && out->data)
        out->data[out->len = before] = 0;
    return err;
}
