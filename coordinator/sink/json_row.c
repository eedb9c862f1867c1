/* SPDX-License-Identifier: Apache-2.0 */
/* json_row.c - see json_row.h */

#include "coordinator/sink/json_row.h"

void row_raw (json_row *r, const char *text)
{
    if (r->err == ESP_OK)
        r->err = esp_buf_puts (r->out, text);
}

void row_span (json_row *r, const char *key, span json)
{
    row_raw (r, key);
    if (r->err == ESP_OK)
        r->err = esp_buf_add (r->out, json);
}

void row_string (json_row *r, const char *key, span value)
{
    row_raw (r, key);
    if (r->err == ESP_OK)
        r->err = esp_buf_json_string (r->out, value);
}

void row_string_or_null (json_row *r, const char *key, span value)
{
    if (value.len > 0) {
        row_string (r, key, value);
        return;
    }
    row_raw (r, key);
    row_raw (r, "null");
}

void row_number (json_row *r, const char *key, double value)
{
    row_raw (r, key);
    if (r->err == ESP_OK)
        r->err = esp_buf_json_double (r->out, value);
}

void row_count (json_row *r, const char *key, uint64_t value)
{
    row_raw (r, key);
    if (r->err == ESP_OK)
        r->err = esp_buf_u64 (r->out, value);
}

void row_int (json_row *r, const char *key, int value)
{
    row_raw (r, key);
    if (r->err == ESP_OK)
        r->err = esp_buf_printf (r->out, "%d", value);
}

void row_bool (json_row *r, const char *key, bool value)
{
    row_raw (r, key);
    row_raw (r, value ? "true" : "false");
}
