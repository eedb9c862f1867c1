/* SPDX-License-Identifier: Apache-2.0 */
/* err.c - the texts behind err.h
 *
 * esp_error_set formats into a buffer of its own first: callers wrap a text
 * that is already in *error ("while reading X: %s"), and source and target must not overlap.
 */

#include "proto/base/err.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "proto/base/text.h"

const char *esp_err_text (esp_err err)
{
    switch (err) {
#define ESP_ERR_TEXT(name, number, text)                                                           \
    case ESP_##name:                                                                               \
        return text;
        ESP_ERRORS (ESP_ERR_TEXT)
#undef ESP_ERR_TEXT
    }
    return "unknown error";
}

const char *esp_err_name (esp_err err)
{
    switch (err) {
#define ESP_ERR_NAME(name, number, text)                                                           \
    case ESP_##name:                                                                               \
        return #name;
        ESP_ERRORS (ESP_ERR_NAME)
#undef ESP_ERR_NAME
    }
    return "EOTHER"; /* EUNKNOWN is a code */
}

esp_err esp_error_set (esp_error *error, esp_err code, const char *format, ...)
{
    char text[sizeof (error->text) + 4] = ""; /* 4 more: the cut must see a whole UTF-8 sequence */
    va_list args;
    span cut;
    if (!error)
        return code;
    va_start (args, format);
    if (vsnprintf (text, sizeof (text), format, args) < 0)
        text[0] = 0;
    va_end (args);
    cut = esp_utf8_cut (span_of (text), sizeof (error->text) - 1);
    text[cut.len] = 0;
    esp_text_scrub (text);
    memcpy (error->text, text, cut.len + 1);
    error->code = code;
    return code;
}
