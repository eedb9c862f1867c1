/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_PROMPT_JSON_OUT_H
#define ESP_WORKER_PROMPT_JSON_OUT_H

/* json_out.h - requests as JSON, field by field, straight into a buffer
 *
 *     json_out o = json_out_begin (buf);
 *     json_out_open (&o, NULL, '{');
 *     json_out_u64 (&o, "n", 4);
 *     json_out_close (&o, '}');
 *     return json_out_end (&o);
 *
 * The first error sticks; json_out_end then gives the buffer back as it was.  key NULL: an element of an array, or the
 * whole.  Brackets must match: the caller's duty.  Keys go out as they are.  Threads: none.
 */

#include <stdbool.h>
#include "proto/base/text.h"

typedef struct json_out {
    esp_buf *buf; /* borrowed */
    size_t start;
    bool comma; /* before the next field */
    esp_err err;
} json_out;

json_out json_out_begin (esp_buf *buf);
void json_out_open (json_out *o, const char *key, char bracket); /* '{' or '[' */
void json_out_close (json_out *o, char bracket);
void json_out_text (json_out *o, const char *key,
                    span text); /* any bytes; see esp_buf_json_string */
void json_out_u64 (json_out *o, const char *key, uint64_t value);
void json_out_i64 (json_out *o, const char *key, int64_t value);
void json_out_double (json_out *o, const char *key, double value);
void json_out_bool (json_out *o, const char *key, bool value);
void json_out_raw (json_out *o, const char *key, span json); /* must be valid JSON */
/* Nothing when there are none. */
void json_out_texts (json_out *o, const char *key, const char *const *texts, size_t count);
ESP_MUST_CHECK esp_err json_out_end (json_out *o);

#endif
