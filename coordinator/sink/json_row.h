/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SINK_JSON_ROW_H
#define ESP_COORDINATOR_SINK_JSON_ROW_H

/* json_row.h - a line of JSON, written a key at a time; the first error is kept
 *
 *     json_row r = {out, ESP_OK};
 *     row_string (&r, "{\"id\":", id);
 *     row_count (&r, ",\"steps\":", 7);
 *     row_raw (&r, "}\n");
 *     return r.err;
 *
 * Each call appends `key` as it stands, then the value.  Threads: none.  Errors: ESP_ENOMEM.
 */

#include <stdbool.h>
#include "proto/base/text.h"

typedef struct json_row {
    esp_buf *out; /* borrowed */
    esp_err err;  /* the first; later calls append nothing */
} json_row;

void row_raw (json_row *r, const char *text);
void row_span (json_row *r, const char *key, span json); /* a value that is JSON already */
void row_string (json_row *r, const char *key, span value);
void row_string_or_null (json_row *r, const char *key, span value); /* "" is null */
void row_number (json_row *r, const char *key, double value);       /* NaN is null */
void row_count (json_row *r, const char *key, uint64_t value);
void row_int (json_row *r, const char *key, int value);
void row_bool (json_row *r, const char *key, bool value);

#endif
