/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_BASE_TEXT_H
#define ESP_PROTO_BASE_TEXT_H

/* text.h - borrowed spans of bytes and one growable buffer
 *
 * A span borrows: it is valid as long as what it points into.  It may hold any
 * bytes, also 0, and is not 0-terminated.  A buffer owns its bytes and keeps a
 * 0 behind them (not counted in len).
 * Threads: none.  Errors: ESP_ENOMEM where memory can run out.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/base/err.h"

typedef struct span {
    const char *ptr; /* never NULL when len > 0 */
    size_t len;      /* bytes */
} span;

static inline span span_make (const char *ptr, size_t len)
{
    return (span){ptr, len};
}
span span_of (const char *text); /* NULL gives an empty span */
bool span_equal (span a, span b);
bool span_is (span a, const char *text);
bool span_starts (span a, const char *prefix);
bool span_ends (span a, const char *suffix);
int span_compare (span a, span b); /* memcmp order, shorter first */
span span_trim (span a);           /* without ASCII white space at both ends */
/* First position of needle in a, or a.len if it is not there.  An empty needle is found at 0. */
size_t span_find (span a, span needle);
size_t span_find_last (span a, span needle); /* last position, or a.len */
size_t span_count (span a, span needle);     /* non-overlapping; 0 for an empty needle */

typedef struct esp_buf {
    char *data; /* owned; NULL until the first append */
    size_t len;
    size_t cap;
} esp_buf;

void esp_buf_free (esp_buf *buf); /* accepts NULL; the buffer is empty and usable after */
static inline void esp_buf_clear (esp_buf *buf)
{
    buf->len = 0;
    if (buf->data)
        buf->data[0] = 0;
}
static inline span esp_buf_span (const esp_buf *buf)
{
    return (span){buf->data ? buf->data : "", buf->len};
}
const char *esp_buf_text (const esp_buf *buf); /* "" when empty; valid until the next change */
ESP_MUST_CHECK esp_err esp_buf_reserve (esp_buf *buf,
                                        size_t more); /* room for `more` bytes beyond len */
ESP_MUST_CHECK esp_err esp_buf_append (esp_buf *buf, const void *bytes, size_t len);
ESP_MUST_CHECK esp_err esp_buf_add (esp_buf *buf, span text);
ESP_MUST_CHECK esp_err esp_buf_puts (esp_buf *buf, const char *text);
ESP_MUST_CHECK esp_err esp_buf_printf (esp_buf *buf, const char *format, ...) ESP_PRINTF (2, 3);
ESP_MUST_CHECK esp_err esp_buf_u64 (esp_buf *buf, uint64_t value); /* decimal */
/* A JSON string with quotes; bytes that are not UTF-8 become U+FFFD, so the row is always valid JSON. */
ESP_MUST_CHECK esp_err esp_buf_json_string (esp_buf *buf, span text);
/* A double as JSON: 17 significant digits (shortest that reads back equal), null for NaN and infinities. */
ESP_MUST_CHECK esp_err esp_buf_json_double (esp_buf *buf, double value);

bool esp_utf8_valid (span text); /* RFC 3629: no surrogates, no overlong forms */

/* Longest prefix of text that is at most max bytes and does not cut a UTF-8 sequence. */
span esp_utf8_cut (span text, size_t max);

/* Make a 0-terminated text fit for a terminal, in place and without changing its length: control bytes,
 * C1 controls and bytes that are not UTF-8 become '?'. */
void esp_text_scrub (char *text);

/* The candidate nearest to word (Damerau-Levenshtein distance <= 1/3 of its length, at least 1), else the first that begins with
 * it ("api_key": api_key_env), or NULL: "did you mean ...?".  candidates ends with NULL. */
const char *esp_nearest (const char *word, const char *const *candidates);

#endif
