/* SPDX-License-Identifier: Apache-2.0 */
/* problem_text.c - see problem_text.h */

#include "coordinator/harvest/problem_text.h"
#include <string.h>
#include "proto/model/row_fields.h"

enum { DEEP = 32 }; /* below that no text is looked for */

static esp_err add (words *w, const json_t *value, int depth)
{
    const char *key;
    json_t *inside;
    size_t i;
    esp_err err = ESP_OK;
    if (json_is_string (value))
        return words_add (w, span_make (json_string_value (value), json_string_length (value)));
    if (depth == DEEP)
        return ESP_OK;
    json_array_foreach ((json_t *)(uintptr_t)value, i, inside) if (err == ESP_OK) err =
        add (w, inside, depth + 1);
    json_object_foreach ((json_t *)(uintptr_t)value, key, inside) if (err == ESP_OK) err =
        add (w, inside, depth + 1);
    return err;
}

esp_err words_of_json (words *w, const json_t *value)
{
    return add (w, value, 0);
}

static esp_err of_messages (words *w, const json_t *list)
{
    esp_err err = ESP_OK;
    for (size_t i = 0; i < json_array_size (list) && err == ESP_OK; i++) {
        const json_t *m = json_array_get (list, i);
        const char *role = json_string_value (json_object_get (m, "role"));
        if (role && strcmp (role, "user") == 0)
            err = words_of_json (w, json_object_get (m, "content"));
    }
    return err;
}

/* The first field that may ask; NULL: none.  An empty text asks nothing. */
static const json_t *field_of (const json_t *row)
{
    const json_t *messages = json_object_get (row, "messages"),
                 *statement = json_object_get (row, "formal_statement");
    for (const char *const *name = question_fields; *name; name++) {
        const json_t *value = json_object_get (row, *name);
        if (json_string_length (value) > 0 || json_is_array (value))
            return value;
    }
    if (json_string_length (statement) > 0)
        return statement;
    return json_is_array (messages) ? messages : NULL;
}

bool problem_asks (const json_t *row)
{
    return field_of (row) != NULL;
}

esp_err words_of_problem (words *w, const json_t *row)
{
    const json_t *value = field_of (row);
    if (json_is_array (value)) /* of a chat */
        return of_messages (w, value);
    return words_of_json (w, value ? value : row);
}
