/* SPDX-License-Identifier: Apache-2.0 */
/* text.c - spans, the buffer, JSON pieces, UTF-8
 *
 * Invariants of a buffer:
 *   I1  data is NULL and len = cap = 0, or len < cap and data[len] is 0
 *   I2  a failed call leaves len and the bytes before it as they were
 */

#include "proto/base/text.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/alloc.h"

enum {
    NEAREST_BYTES = 64, /* longer words get no suggestion; bounds the work and the stack */
    BEGINNING_BYTES =
        5 /* of a word that may be the beginning of a key; fewer: "max" means anything */
};

/* ---- spans ---- */

span span_of (const char *text)
{
    return text ? (span){text, strlen (text)} : (span){"", 0};
}

bool span_equal (span a, span b)
{
    return a.len == b.len && (a.len == 0 || memcmp (a.ptr, b.ptr, a.len) == 0);
}

bool span_is (span a, const char *text)
{
    return span_equal (a, span_of (text));
}

bool span_starts (span a, const char *prefix)
{
    span p = span_of (prefix);
    return p.len <= a.len && span_equal ((span){a.ptr, p.len}, p);
}

bool span_ends (span a, const char *suffix)
{
    span s = span_of (suffix);
    return s.len == 0 || (s.len <= a.len && memcmp (a.ptr + a.len - s.len, s.ptr, s.len) == 0);
}

int span_compare (span a, span b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common ? memcmp (a.ptr, b.ptr, common) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static bool is_white (char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

span span_trim (span a)
{
    while (a.len > 0 && is_white (a.ptr[0]))
        a = (span){a.ptr + 1, a.len - 1};
    while (a.len > 0 && is_white (a.ptr[a.len - 1]))
        a.len--;
    return a;
}

size_t span_find (span a, span needle)
{
    const char *at;
    if (needle.len == 0)
        return 0;
    at = a.len ? memmem (a.ptr, a.len, needle.ptr, needle.len) : NULL;
    return at ? (size_t)(at - a.ptr) : a.len;
}

size_t span_find_last (span a, span needle)
{
    size_t end;
    const char *at;
    if (needle.len == 0 || needle.len > a.len)
        return a.len;
    end = a.len - needle.len + 1; /* matches start before it */
    while ((at = memrchr (a.ptr, needle.ptr[0], end))) {
        end = (size_t)(at - a.ptr);
        if (memcmp (at, needle.ptr, needle.len) == 0)
            return end;
    }
    return a.len;
}

size_t span_count (span a, span needle)
{
    size_t count = 0;
    if (needle.len == 0)
        return 0;
    for (;;) {
        size_t at = span_find (a, needle);
        if (at == a.len)
            return count;
        count++;
        at += needle.len;
        a = (span){a.ptr + at, a.len - at};
    }
}

/* ---- the buffer ---- */

void esp_buf_free (esp_buf *buf)
{
    if (!buf)
        return;
    esp_free (buf->data);
    *buf = (esp_buf){NULL, 0, 0};
}

const char *esp_buf_text (const esp_buf *buf)
{
    return buf->data ? buf->data : "";
}

static void buf_cut (esp_buf *buf, size_t len)
{
    buf->len = len;
    if (buf->data)
        buf->data[len] = 0;
}

esp_err esp_buf_reserve (esp_buf *buf, size_t more)
{
    if (more >= SIZE_MAX - buf->len)
        return ESP_ENOMEM;
    if (esp_grow (&buf->data, &buf->cap, buf->len + more + 1, 1) != 0)
        return ESP_ENOMEM;
    buf->data[buf->len] = 0;
    return ESP_OK;
}

esp_err esp_buf_append (esp_buf *buf, const void *bytes, size_t len)
{
    esp_err err;
    if (len == 0)
        return ESP_OK;
    if ((err = esp_buf_reserve (buf, len)) != ESP_OK)
        return err;
    memcpy (buf->data + buf->len, bytes, len);
    buf_cut (buf, buf->len + len);
    return ESP_OK;
}

esp_err esp_buf_add (esp_buf *buf, span text)
{
    return esp_buf_append (buf, text.ptr, text.len);
}

esp_err esp_buf_puts (esp_buf *buf, const char *text)
{
    return esp_buf_add (buf, span_of (text));
}

esp_err esp_buf_printf (esp_buf *buf, const char *format, ...)
{
    size_t room = buf->cap - buf->len;
    va_list args;
    esp_err err;
    int len;
    va_start (args, format);
    len = vsnprintf (buf->data ? buf->data + buf->len : NULL, room, format, args);
    va_end (args);
    if (len >= 0 && (size_t)len < room) { /* mostly it fits at once */
        buf->len += (size_t)len;
        return ESP_OK;
    }
    if (buf->data)
        buf->data[buf->len] = 0;
    if (len < 0)
        return ESP_EINVAL;
    if ((err = esp_buf_reserve (buf, (size_t)len)) != ESP_OK)
        return err;
    va_start (args, format);
    vsnprintf (buf->data + buf->len, (size_t)len + 1, format, args);
    va_end (args);
    buf->len += (size_t)len;
    return ESP_OK;
}

esp_err esp_buf_u64 (esp_buf *buf, uint64_t value)
{
    char digits[20];
    size_t at = sizeof (digits);
    do
        digits[--at] = (char)('0' + value % 10);
    while (value /= 10);
    return esp_buf_append (buf, digits + at, sizeof (digits) - at);
}

/* ---- UTF-8 ---- */

/* Bytes of the well-formed sequence at the start of s (1-4), or 0 (RFC 3629, section 4). */
static size_t sequence (const unsigned char *s, size_t left)
{
    size_t len = s[0] < 0x80 ? 1 : s[0] < 0xC2 ? 0 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    if (len <= 1)
        return len;
    if (s[0] > 0xF4 || left < len)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F)) /* overlong, surrogate */
        return 0;
    if ((s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F)) /* overlong, > 10FFFF */
        return 0;
    return len;
}

bool esp_utf8_valid (span text)
{
    size_t step;
    for (size_t i = 0; i < text.len; i += step)
        if (!(step = sequence ((const unsigned char *)text.ptr + i, text.len - i)))
            return false;
    return true;
}

span esp_utf8_cut (span text, size_t max)
{
    if (text.len <= max)
        return text;
    for (size_t back = 1; back <= 3 && back <= max; back++) {
        size_t at = max - back;
        if (sequence ((const unsigned char *)text.ptr + at, text.len - at) > back)
            return (span){text.ptr, at};
    }
    return (span){text.ptr, max};
}

void esp_text_scrub (char *text)
{
    unsigned char *s = (unsigned char *)text;
    size_t left = strlen (text), step;
    for (; left > 0; s += step, left -= step) {
        step = sequence (s, left);
        if (step <= 1 && (step == 0 || *s < 0x20 || *s == 0x7F)) {
            *s = '?';
            step = 1;
        } else if (step == 2 && s[0] == 0xC2 && s[1] < 0xA0) { /* C1: terminals obey these too */
            s[0] = s[1] = '?';
        }
    }
}

/* ---- JSON pieces ---- */

static bool is_plain (unsigned char c)
{
    return c >= 0x20 && c != '"' && c != '\\';
}

/* Bytes at the start of s that are ASCII and need no escape, eight at a time. */
static size_t plain_run (const unsigned char *s, size_t left)
{
    const uint64_t ones = UINT64_C (0x0101010101010101), tops = ones << 7;
    size_t i = 0;
    for (; i + 8 <= left; i += 8) {
        uint64_t x, quote, slash;
        memcpy (&x, s + i, sizeof (x));
        quote = x ^ ones * '"';
        slash = x ^ ones * '\\';
        if ((x | ((x - ones * 0x20) & ~x) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash)) &
            tops)
            break; /* one of the eight is special: a borrow may only find too many */
    }
    while (i < left && s[i] < 0x80 && is_plain (s[i]))
        i++;
    return i;
}

static esp_err put_escape (esp_buf *buf, unsigned char c)
{
    static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
    const char *at = c ? strchr (from, c) : NULL;
    if (c >= 0x80)
        return esp_buf_puts (buf, "\xEF\xBF\xBD"); /* U+FFFD */
    if (at)
        return esp_buf_append (buf, (char[]){'\\', to[at - from]}, 2);
    return esp_buf_printf (buf, "\\u%04x", c);
}

static esp_err put_json_body (esp_buf *buf, span text)
{
    const unsigned char *s = (const unsigned char *)text.ptr;
    size_t run = 0, step;
    esp_err err;
    for (size_t i = 0; i < text.len; i += step) {
        if ((step = plain_run (s + i, text.len - i)) > 0)
            continue;
        step = sequence (s + i, text.len - i);
        if (step > 0 && is_plain (s[i]))
            continue;
        if ((err = esp_buf_append (buf, s + run, i - run)) != ESP_OK ||
            (err = put_escape (buf, s[i])) != ESP_OK)
            return err;
        step = 1;
        run = i + 1;
    }
    return run < text.len ? esp_buf_append (buf, s + run, text.len - run) : ESP_OK;
}

esp_err esp_buf_json_string (esp_buf *buf, span text)
{
    size_t start = buf->len;
    esp_err err = esp_buf_puts (buf, "\"");
    if (err == ESP_OK)
        err = put_json_body (buf, text);
    if (err == ESP_OK)
        err = esp_buf_puts (buf, "\"");
    if (err != ESP_OK)
        buf_cut (buf, start);
    return err;
}

esp_err esp_buf_json_double (esp_buf *buf, double value)
{
    char digits[48], out[48];
    size_t len = 0;
    bool is_float = false;
    if (!isfinite (value))
        return esp_buf_puts (buf, "null");
    for (int precision = 15; precision <= 17; precision++) {
        snprintf (digits, sizeof (digits), "%.*g", precision, value);
        if (strtod (digits, NULL) == value)
            break;
    }
    for (const char *c = digits; *c; c++) {
        bool number = isdigit ((unsigned char)*c) || *c == '-' || *c == '+' || *c == 'e';
        if (number)
            out[len++] = *c;
        else if (out[len - 1] != '.') /* the locale's decimal point, of one or more bytes */
            out[len++] = '.';
        is_float = is_float || !number || *c == 'e';
    }
    if (!is_float) {
        out[len++] = '.';
        out[len++] = '0';
    }
    return esp_buf_append (buf, out, len);
}

/* ---- did you mean ---- */

static size_t min3 (size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* Optimal string alignment: insert, delete, replace, swap of neighbours.  Both at most NEAREST_BYTES. */
static size_t distance (span a, span b)
{
    size_t rows[3][NEAREST_BYTES + 1];
    size_t *older = rows[0], *old = rows[1], *row = rows[2], *spare;
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        spare = older, older = old, old = row, row = spare;
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t cost = a.ptr[i - 1] != b.ptr[j - 1];
            row[j] = min3 (old[j] + 1, row[j - 1] + 1, old[j - 1] + cost);
            if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1] &&
                older[j - 2] + 1 < row[j])
                row[j] = older[j - 2] + 1;
        }
    }
    return row[b.len];
}

const char *esp_nearest (const char *word, const char *const *candidates)
{
    span wanted = span_of (word);
    size_t best = wanted.len / 3 > 1 ? wanted.len / 3 + 1 : 2; /* a hit is below it */
    const char *nearest = NULL, *longer = NULL;
    if (wanted.len == 0 || wanted.len > NEAREST_BYTES || !candidates)
        return NULL;
    for (; *candidates; candidates++) {
        span candidate = span_of (*candidates);
        size_t d = candidate.len <= NEAREST_BYTES ? distance (wanted, candidate) : best;
        if (d < best) {
            best = d;
            nearest = *candidates;
        }
        if (!longer && wanted.len >= BEGINNING_BYTES && span_starts (candidate, word))
            longer = *candidates;
    }
    return nearest ? nearest : longer;
}
