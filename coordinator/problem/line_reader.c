/* SPDX-License-Identifier: Apache-2.0 */
/* line_reader.c - a chunk buffer, and a line buffer for lines that cross chunks
 *
 * Most lines lie inside one chunk and are handed out in place, uncopied.
 */

#include "coordinator/problem/line_reader.h"
#include <inttypes.h>
#include <string.h>
#include <unistd.h>
#include "proto/base/alloc.h"

enum { CHUNK_BYTES = 64 << 10 }; /* also what one get at random costs to read: not larger */

struct line_reader {
    byte_stream *stream; /* owned */
    char *path;          /* owned */
    char *chunk;         /* owned */
    size_t at, have;     /* chunk[at, have) is not given out yet */
    uint64_t offset;     /* of chunk[at] in the text */
    uint64_t number;     /* of the next line */
    size_t max_line_bytes;
    esp_buf partial; /* a line that crosses chunks */
};

/* A relative path counts from where the program was called, which may not be where the run was started. */
static esp_err say_where (esp_err err, esp_error *error)
{
    char folder[4096];
    esp_error before;
    if (!error || !getcwd (folder, sizeof (folder)))
        return err;
    before = *error;
    return esp_error_set (error, err, "%s (looked for from %s)", before.text, folder);
}

esp_err
line_reader_open (const char *path, size_t max_line_bytes, line_reader **out, esp_error *error)
{
    esp_err err;
    line_reader *r;
    if (!path || !out || max_line_bytes == 0)
        return esp_error_set (error, ESP_EINVAL, "no file was named");
    if (!(r = esp_calloc (1, sizeof (*r))))
        goto no_memory;
    r->number = 1;
    r->max_line_bytes = max_line_bytes;
    if (!(r->path = esp_strdup (path)) || !(r->chunk = esp_malloc (CHUNK_BYTES)))
        goto no_memory;
    if ((err = byte_stream_open (path, &r->stream, error)) != ESP_OK) {
        line_reader_close (r);
        return err == ESP_ENOENT && path[0] != '/' ? say_where (err, error) : err;
    }
    *out = r;
    return ESP_OK;
no_memory:
    line_reader_close (r);
    return esp_error_set (error, ESP_ENOMEM, "%s: out of memory", path);
}

void line_reader_close (line_reader *r)
{
    if (!r)
        return;
    byte_stream_close (r->stream);
    esp_buf_free (&r->partial);
    esp_free (r->chunk);
    esp_free (r->path);
    esp_free (r);
}

static esp_err
located (const line_reader *r, esp_err err, const esp_error *reason, esp_error *error)
{
    if (r->number == 0)
        return esp_error_set (error, err, "%s: %s", r->path, reason->text);
    return esp_error_set (error, err, "%s:%" PRIu64 ": %s", r->path, r->number, reason->text);
}

static esp_err refill (line_reader *r, esp_error *error)
{
    esp_error reason = {0};
    size_t got;
    esp_err err = byte_stream_read (r->stream, r->chunk, CHUNK_BYTES, &got, &reason);
    if (err != ESP_OK)
        return located (r, err, &reason, error);
    r->at = 0;
    r->have = got;
    return got > 0 ? ESP_OK : ESP_EEMPTY;
}

/* Take the bytes up to the newline or the end of the chunk into *out, in place if that is the whole line. */
static esp_err take_piece (line_reader *r, line *out, bool *whole, esp_error *error)
{
    const char *start = r->chunk + r->at;
    const char *newline = memchr (start, '\n', r->have - r->at);
    size_t len = newline ? (size_t)(newline - start) : r->have - r->at;
    if (!out->too_long && r->partial.len + len > r->max_line_bytes) {
        out->too_long = true;
        esp_buf_clear (&r->partial);
    }
    if (newline && r->partial.len == 0)
        out->text = span_make (start, len);
    else if (!out->too_long) {
        if (esp_buf_append (&r->partial, start, len) != ESP_OK)
            return located (r, ESP_ENOMEM, &(esp_error){.text = "out of memory"}, error);
        out->text = esp_buf_span (&r->partial);
    }
    len += newline ? 1 : 0;
    r->at += len;
    r->offset += len;
    *whole = newline != NULL;
    return ESP_OK;
}

esp_err line_reader_next (line_reader *r, line *out, esp_error *error)
{
    line found = {.text = {"", 0}};
    bool whole = false;
    if (!r || !out)
        return esp_error_set (error, ESP_EINVAL, "no reader");
    found.number = r->number;
    found.offset = r->offset;
    esp_buf_clear (&r->partial);
    while (!whole) {
        esp_err err = ESP_OK;
        if (r->at == r->have)
            err = refill (r, error);
        if (err == ESP_EEMPTY && r->offset > found.offset) {
            found.cut = true;
            break;
        }
        if (err != ESP_OK || (err = take_piece (r, &found, &whole, error)) != ESP_OK)
            return err;
    }
    if (found.too_long)
        found.text = span_make ("", 0);
    if (found.offset == 0 && span_starts (found.text, "\xef\xbb\xbf"))
        found.text = span_make (found.text.ptr + 3, found.text.len - 3);
    found.end = r->offset;
    r->number++;
    *out = found;
    return ESP_OK;
}

esp_err line_reader_seek (line_reader *r, uint64_t offset, uint64_t number, esp_error *error)
{
    esp_error reason = {0};
    uint64_t chunk_start;
    esp_err err;
    if (!r)
        return esp_error_set (error, ESP_EINVAL, "no reader");
    r->number = number;
    chunk_start = r->offset - r->at;
    if (offset >= chunk_start && offset - chunk_start <= r->have) {
        r->at = (size_t)(offset -
                         chunk_start); /* also a little back: packed files need not start again */
        r->offset = offset;
        return ESP_OK;
    }
    if ((err = byte_stream_seek (r->stream, offset, &reason)) != ESP_OK)
        return located (r, err, &reason, error);
    r->at = r->have = 0;
    r->offset = offset;
    return ESP_OK;
}

const byte_stream *line_reader_stream (const line_reader *r)
{
    return r ? r->stream : NULL;
}
