/* SPDX-License-Identifier: Apache-2.0 */
/* sse.c - the parser behind sse.h: WHATWG HTML, section 9.2.6, plus [DONE]
 *
 * Invariants:
 *   I1  pending[at, scanned) holds no line end: no byte is looked at twice
 *   I2  data holds each data line of the open event, followed by \n
 */

#include "worker/http/sse.h"
#include <string.h>
#include "proto/base/alloc.h"

enum { LEAST_EVENT_BYTES = 16 }; /* [DONE] and its field name fit */

struct sse {
    size_t event_bytes;
    esp_buf pending;    /* bytes pushed and not read */
    size_t at, scanned; /* in pending */
    esp_buf name, data; /* of the open event; of the event given last while given */
    bool given;         /* sse_next gave name and data: clear them first */
    bool started;       /* a line was read: no byte order mark any more */
    bool skip_lf;       /* the last line ended in \r: a \n now belongs to it */
    bool done;
    esp_err failed;
};

esp_err sse_create (size_t event_bytes, sse **out)
{
    sse *s;
    if (!out || event_bytes < LEAST_EVENT_BYTES)
        return ESP_EINVAL;
    if (!(s = esp_calloc (1, sizeof (*s))))
        return ESP_ENOMEM;
    s->event_bytes = event_bytes;
    *out = s;
    return ESP_OK;
}

void sse_destroy (sse *s)
{
    if (!s)
        return;
    esp_buf_free (&s->pending);
    esp_buf_free (&s->name);
    esp_buf_free (&s->data);
    esp_free (s);
}

void sse_reset (sse *s)
{
    esp_buf_clear (&s->pending);
    esp_buf_clear (&s->name);
    esp_buf_clear (&s->data);
    s->at = s->scanned = 0;
    s->given = s->started = s->skip_lf = s->done = false;
    s->failed = ESP_OK;
}

static esp_err fail (sse *s, esp_err err)
{
    s->failed = err;
    return err;
}

esp_err sse_push (sse *s, span bytes)
{
    if (s->done || s->failed != ESP_OK)
        return s->failed;
    if (s->at > 0) {
        s->pending.len -= s->at;
        s->scanned -= s->at;
        memmove (s->pending.data, s->pending.data + s->at, s->pending.len);
        s->at = 0;
    }
    if (esp_buf_add (&s->pending, bytes) != ESP_OK)
        return fail (s, ESP_ENOMEM);
    return ESP_OK;
}

/* The next line without its end; false: it is not whole yet. */
static bool next_line (sse *s, span *line)
{
    const char *from, *end, *cr;
    if (s->skip_lf && s->at < s->pending.len) {
        if (s->pending.data[s->at] == '\n')
            s->scanned = ++s->at;
        s->skip_lf = false;
    }
    if (s->scanned >= s->pending.len)
        return false;
    from = s->pending.data + s->scanned;
    end = memchr (from, '\n', s->pending.len - s->scanned);
    cr = memchr (from, '\r', end ? (size_t)(end - from) : s->pending.len - s->scanned);
    if (cr)
        end = cr;
    if (!end) {
        s->scanned = s->pending.len;
        return false;
    }
    s->skip_lf = end == cr;
    *line = span_make (s->pending.data + s->at, (size_t)(end - s->pending.data) - s->at);
    s->at = s->scanned = (size_t)(end - s->pending.data) + 1;
    return true;
}

/* "name: value" into the open event; other fields mean nothing to us. */
static esp_err take_field (sse *s, span line)
{
    size_t colon = span_find (line, span_of (":"));
    span field = span_make (line.ptr, colon), value = {"", 0};
    if (colon < line.len)
        value = span_make (line.ptr + colon + 1, line.len - colon - 1);
    if (span_starts (value, " "))
        value = span_make (value.ptr + 1, value.len - 1);
    if (span_is (field, "data")) {
        if (value.len + s->data.len > s->event_bytes)
            return ESP_ETOOBIG;
        return esp_buf_add (&s->data, value) != ESP_OK ||
                       esp_buf_append (&s->data, "\n", 1) != ESP_OK
                   ? ESP_ENOMEM
                   : ESP_OK;
    }
    if (span_is (field, "event")) {
        esp_buf_clear (&s->name);
        return esp_buf_add (&s->name, value);
    }
    return ESP_OK;
}

static span whole_data (const sse *s)
{
    return span_make (s->data.len ? s->data.data : "", s->data.len ? s->data.len - 1 : 0);
}

static void clear_event (sse *s)
{
    esp_buf_clear (&s->name);
    esp_buf_clear (&s->data);
    s->given = false;
}

/* An empty line: ESP_OK when an event stands in name and data. */
static esp_err end_event (sse *s)
{
    span data = whole_data (s);
    s->done = span_is (span_trim (data), "[DONE]");
    if (data.len > 0 && !s->done)
        return ESP_OK;
    clear_event (s);
    return ESP_EEMPTY;
}

esp_err sse_next (sse *s, span *name, span *data)
{
    span line;
    esp_err err;
    if (s->given)
        clear_event (s);
    while (!s->done && s->failed == ESP_OK && next_line (s, &line)) {
        if (!s->started && span_starts (line, "\xEF\xBB\xBF"))
            line = span_make (line.ptr + 3, line.len - 3);
        s->started = true;
        if (line.len > 0) {
            if ((err = take_field (s, line)) != ESP_OK)
                return fail (s, err);
        } else if (end_event (s) == ESP_OK) {
            *name = esp_buf_span (&s->name);
            *data = whole_data (s);
            s->given = true;
            return ESP_OK;
        }
    }
    if (s->failed == ESP_OK && !s->done && s->pending.len - s->at > s->event_bytes)
        return fail (s, ESP_ETOOBIG);
    return s->failed != ESP_OK ? s->failed : ESP_EEMPTY;
}

enum sse_end sse_finish (sse *s)
{
    span rest = span_make (s->pending.data ? s->pending.data + s->at : "", s->pending.len - s->at);
    if (s->given)
        clear_event (s);
    if (s->done || span_is (span_trim (whole_data (s)), "[DONE]") ||
        (s->data.len == 0 && span_starts (rest, "data:") &&
         span_is (span_trim (span_make (rest.ptr + 5, rest.len - 5)), "[DONE]")))
        return SSE_MARKED;
    if (s->failed != ESP_OK)
        return SSE_CUT;
    return s->data.len > 0 || (rest.len > 0 && rest.ptr[0] != ':') ? SSE_CUT : SSE_UNMARKED;
}
