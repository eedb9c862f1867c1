/* SPDX-License-Identifier: Apache-2.0 */
/* chat_template.c - see chat_template.h
 *
 * Parts are spans of one copy of the text: text, field, text, ...
 */

#include "worker/prompt/chat_template.h"
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/model/row_fields.h"
#include "worker/prompt/chat.h"

typedef struct part {
    span text; /* a field's name is 0-terminated in the copy */
    bool field;
} part;

struct chat_template_text {
    char *copy;  /* owned */
    part *parts; /* owned */
    size_t count, capacity;
};

static bool is_letter (char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Bytes of the field's name behind the '{' at text[0]; 0: it is none. */
static size_t name_length (const char *text)
{
    size_t n = 1;
    if (!is_letter (text[1]) && text[1] != '_')
        return 0;
    while (is_letter (text[n]) || (text[n] >= '0' && text[n] <= '9') ||
           (text[n] && strchr ("_-.", text[n])))
        n++;
    return text[n] == '}' ? n - 1 : 0;
}

enum { ARGUMENTS_MOST = 8 }; /* of a LaTeX command */

/* Does a LaTeX command end before text[at]?  "\boxed", also with arguments between: "\frac{a}". */
static bool behind_command (const char *text, size_t at)
{
    for (int i = 0; i < ARGUMENTS_MOST && at > 0 && text[at - 1] == '}'; i++) {
        do
            at--;
        while (at > 0 && text[at] != '{');
    }
    if (at == 0 || !is_letter (text[at - 1]))
        return false;
    while (at > 0 && is_letter (text[at - 1]))
        at--;
    return at > 0 && text[at - 1] == '\\';
}

static esp_err add_part (chat_template_text *t, size_t from, size_t to, bool field)
{
    if (from == to)
        return ESP_OK;
    if (esp_grow (&t->parts, &t->capacity, t->count + 1, sizeof (*t->parts)) != 0)
        return ESP_ENOMEM;
    t->parts[t->count++] = (part){span_make (t->copy + from, to - from), field};
    return ESP_OK;
}

static esp_err parse (chat_template_text *t)
{
    char *s = t->copy;
    size_t text = 0, name;
    esp_err err = ESP_OK;
    for (size_t at = 0; s[at] && err == ESP_OK; at++) {
        if (s[at] != '{')
            continue;
        name = s[at + 1] == '{' ? name_length (s + at + 1) : 0;
        if (name > 0 && s[at + name + 3] == '}') { /* {{name}}: the inner braces stay */
            err = add_part (t, text, at, false);
            if (err == ESP_OK)
                err = add_part (t, at + 1, at + name + 3, false);
            at += name + 3;
            text = at + 1;
            continue;
        }
        name = name_length (s + at);
        if (name == 0 || behind_command (s, at))
            continue;
        err = add_part (t, text, at, false);
        if (err == ESP_OK)
            err = add_part (t, at + 1, at + 1 + name, true);
        at += name + 1;
        s[at] = 0;
        text = at + 1;
    }
    return err == ESP_OK ? add_part (t, text, text + strlen (s + text), false) : err;
}

esp_err chat_template_create (const char *text, chat_template_text **out)
{
    chat_template_text *t = esp_calloc (1, sizeof (*t));
    if (!t || !(t->copy = esp_strdup (text)) || parse (t) != ESP_OK) {
        chat_template_destroy (t);
        return ESP_ENOMEM;
    }
    *out = t;
    return ESP_OK;
}

void chat_template_destroy (chat_template_text *t)
{
    if (!t)
        return;
    esp_free (t->parts);
    esp_free (t->copy);
    esp_free (t);
}

bool chat_template_names (const chat_template_text *t, const char *field)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->parts[i].field && span_is (t->parts[i].text, field))
            return true;
    return false;
}

/* ---- filling ---- */

static const json_t *given (const json_t *row, const char *name)
{
    const json_t *value = json_object_get (row, name);
    return json_is_null (value) ? NULL : value;
}

const json_t *chat_template_problem_of (const json_t *row)
{
    const json_t *value = NULL;
    for (const char *const *name = question_fields; *name && !value; name++)
        value = given (row, *name);
    return value ? value : given (row, "messages");
}

static int append_dump (const char *bytes, size_t len, void *out)
{
    return esp_buf_append (out, bytes, len) == ESP_OK ? 0 : -1;
}

static esp_err add_value (const json_t *value, esp_buf *out)
{
    size_t flags = JSON_COMPACT | JSON_ENCODE_ANY;
    if (json_is_string (value))
        return esp_buf_append (out, json_string_value (value), json_string_length (value));
    if (json_is_real (value))
        return esp_buf_json_double (out, json_real_value (value));
    return json_dump_callback (value, append_dump, out, flags) == 0 ? ESP_OK : ESP_ENOMEM;
}

static esp_err add_field (const char *name, const json_t *row, esp_buf *out, esp_error *error)
{
    const json_t *value = given (row, name);
    if (!value && strcmp (name, "problem") == 0)
        value = chat_template_problem_of (row);
    if (!value)
        return esp_error_set (error, ESP_EFORMAT,
                              "there is no field '%.60s', which the template names (for text in "
                              "braces write {{%.60s}})",
                              name, name);
    return add_value (value, out);
}

esp_err
chat_template_fill (const chat_template_text *t, const json_t *row, esp_buf *out, esp_error *error)
{
    size_t before = out->len;
    esp_err err = ESP_OK;
    for (size_t i = 0; i < t->count && err == ESP_OK; i++) {
        const part *p = &t->parts[i];
        err = p->field ? add_field (p->text.ptr, row, out, error) : esp_buf_add (out, p->text);
        if (err == ESP_OK && out->len - before > CHAT_BYTES_MOST)
            err = esp_error_set (error, ESP_EFORMAT, "the message would have over %d MiB",
                                 CHAT_BYTES_MOST >> 20);
    }
    return err;
}
