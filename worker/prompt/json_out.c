/* SPDX-License-Identifier: Apache-2.0 */
/* json_out.c - the writer behind json_out.h */

#include "worker/prompt/json_out.h"
#include <inttypes.h>

json_out json_out_begin (esp_buf *buf)
{
    return (json_out){.buf = buf, .start = buf->len};
}

/* What stands before a value. */
static bool begin (json_out *o, const char *key)
{
    if (o->err == ESP_OK && o->comma)
        o->err = esp_buf_puts (o->buf, ",");
    if (o->err == ESP_OK && key)
        o->err = esp_buf_printf (o->buf, "\"%s\":", key);
    o->comma = true;
    return o->err == ESP_OK;
}

void json_out_open (json_out *o, const char *key, char bracket)
{
    if (begin (o, key))
        o->err = esp_buf_append (o->buf, &bracket, 1);
    o->comma = false;
}

void json_out_close (json_out *o, char bracket)
{
    if (o->err == ESP_OK)
        o->err = esp_buf_append (o->buf, &bracket, 1);
    o->comma = true;
}

void json_out_text (json_out *o, const char *key, span text)
{
    if (begin (o, key))
        o->err = esp_buf_json_string (o->buf, text);
}

void json_out_u64 (json_out *o, const char *key, uint64_t value)
{
    if (begin (o, key))
        o->err = esp_buf_u64 (o->buf, value);
}

void json_out_i64 (json_out *o, const char *key, int64_t value)
{
    if (begin (o, key))
        o->err = esp_buf_printf (o->buf, "%" PRId64, value);
}

void json_out_double (json_out *o, const char *key, double value)
{
    if (begin (o, key))
        o->err = esp_buf_json_double (o->buf, value);
}

void json_out_bool (json_out *o, const char *key, bool value)
{
    if (begin (o, key))
        o->err = esp_buf_puts (o->buf, value ? "true" : "false");
}

void json_out_raw (json_out *o, const char *key, span json)
{
    if (begin (o, key))
        o->err = esp_buf_add (o->buf, json);
}

void json_out_texts (json_out *o, const char *key, const char *const *texts, size_t count)
{
    if (count == 0)
        return;
    json_out_open (o, key, '[');
    for (size_t i = 0; i < count; i++)
        json_out_text (o, NULL, span_of (texts[i]));
    json_out_close (o, ']');
}

esp_err json_out_end (json_out *o)
{
    if (o->err != ESP_OK && o->buf->data) {
        o->buf->len = o->start;
        o->buf->data[o->start] = 0;
    }
    return o->err;
}
