/* SPDX-License-Identifier: Apache-2.0 */
/* mutate_line.c - see mutate_line.h */

#include "worker/engine/mutate_line.h"
#include <jansson.h>
#include <stdio.h>
#include <string.h>

esp_err mutate_tell (const mutate_options *o, esp_buf *out)
{
    esp_err err = esp_buf_puts (out, "{\"language\": ");
    if (err == ESP_OK)
        err = esp_buf_json_string (out, span_of (o->language));
    if (err == ESP_OK)
        err = esp_buf_puts (out, ", \"controls\": ");
    if (err == ESP_OK)
        err = esp_buf_json_double (out, o->controls);
    if (err == ESP_OK)
        err = esp_buf_printf (out, ", \"cut\": %s, \"operators\": [", o->cut ? "true" : "false");
    for (size_t i = 0; i < o->operator_count && err == ESP_OK; i++) {
        if (i > 0 && (err = esp_buf_puts (out, ", ")) != ESP_OK)
            break;
        err = esp_buf_json_string (out, span_of (o->operators[i]));
    }
    return err == ESP_OK ? esp_buf_puts (out, "]}") : err;
}

/* A JSON value on one line: outside of strings an end of line is mere space. */
static esp_err add_json (esp_buf *out, span json)
{
    size_t from = out->len;
    esp_err err = esp_buf_add (out, json);
    for (size_t i = from; i < out->len && err == ESP_OK; i++)
        if (out->data[i] == '\n' || out->data[i] == '\r')
            out->data[i] = ' ';
    return err;
}

esp_err mutate_ask (uint64_t number, span json, uint32_t ordinal, uint32_t seed, esp_buf *out)
{
    esp_err err = esp_buf_puts (out, "{\"id\": ");
    if (err == ESP_OK)
        err = esp_buf_u64 (out, number);
    if (err == ESP_OK)
        err = esp_buf_printf (out, ", \"ordinal\": %u, \"seed\": %u, \"row\": ", ordinal, seed);
    if (err == ESP_OK)
        err = add_json (out, json);
    return err == ESP_OK ? esp_buf_puts (out, "}") : err;
}

/* ---- replies ---- */

static json_t *load (span line)
{
    return json_loadb (line.ptr ? line.ptr : "", line.len, JSON_REJECT_DUPLICATES, NULL);
}

/* Small letters and hyphens: it goes into the journal and the samples. */
static bool keep_name (const json_t *name, char out[MUTATE_NAME])
{
    const char *text = json_string_value (name);
    size_t n = json_string_length (name);
    if (!text || n == 0 || n >= MUTATE_NAME || strspn (text, "abcdefghijklmnopqrstuvwxyz-") != n)
        return false;
    memcpy (out, text, n + 1);
    return true;
}

esp_err mutate_read (span line, mutate_reply *reply, esp_buf *text)
{
    json_t *root = load (line);
    const json_t *number = json_object_get (root, "id"), *mutant = json_object_get (root, "text"),
                 *whole = json_object_get (root, "whole");
    mutate_reply r = {.given = mutant != NULL, .whole = json_is_true (whole)};
    esp_err err = ESP_EFORMAT;
    if (json_is_integer (number) && json_integer_value (number) >= 0 &&
        keep_name (json_object_get (root, r.given ? "operator" : "none"), r.name))
        err = ESP_OK;
    if (err == ESP_OK && r.given && (!json_is_string (mutant) || !json_is_boolean (whole)))
        err = ESP_EFORMAT;
    if (err == ESP_OK && r.given)
        err = esp_buf_append (text, json_string_value (mutant), json_string_length (mutant));
    if (err == ESP_OK) {
        r.number = (uint64_t)json_integer_value (number);
        *reply = r;
    }
    json_decref (root);
    return err;
}

esp_err mutate_read_ready (span line, char why[1024])
{
    json_t *root = load (line);
    const json_t *ready = json_object_get (root, "ready");
    const char *sentence = json_string_value (json_object_get (root, "error"));
    esp_err err = json_is_true (ready) ? ESP_OK : ESP_EFORMAT;
    if (json_is_false (ready) && sentence) {
        snprintf (why, 1024, "%s", sentence);
        err = ESP_EINVAL;
    }
    json_decref (root);
    return err;
}
