/* SPDX-License-Identifier: Apache-2.0 */
/* problem_row.c - jansson in, id and compact JSON out
 *
 * jansson refuses raw 0 bytes, \u0000, bytes that are not UTF-8, nesting over 2,048 and integers
 * beyond 64 bits; its sentence is kept, it says what it saw.
 */

#include "coordinator/problem/problem_row.h"
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/hash.h"
#include "proto/model/row_fields.h"

enum { HASH_ID_BYTES = 8 }; /* of SHA-256 in a made id: 16 hex digits (design.md, section 9) */

static const char *const id_names[] = {"id", "unique_id", "task_id", "name", NULL};

static json_t *given (const json_t *row, const char *name)
{
    json_t *value = json_object_get (row, name);
    return json_is_null (value) ? NULL : value;
}

/* The first field that is there and not null; own (may be NULL) replaces the aliases. */
static json_t *
find (const json_t *row, const char *own, const char *const *aliases, const char **name)
{
    const char *const only[] = {own, NULL};
    for (const char *const *n = own ? only : aliases; *n; n++) {
        json_t *value = given (row, *n);
        if (value) {
            *name = *n;
            return value;
        }
    }
    return NULL;
}

static int append_dump (const char *bytes, size_t len, void *buf)
{
    return esp_buf_append (buf, bytes, len) == ESP_OK ? 0 : -1;
}

static esp_err dump (const json_t *value, esp_buf *out)
{
    size_t flags = JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION (17);
    return json_dump_callback (value, append_dump, out, flags) == 0 ? ESP_OK : ESP_ENOMEM;
}

static esp_err parse (span text, json_t **row, esp_error *error)
{
    json_error_t why;
    json_t *value = json_loadb (text.ptr, text.len, 0, &why);
    /* without a sentence it was memory too; deep inside its lexer jansson takes it for a mistake of the text */
    if (!value && (json_error_code (&why) == json_error_out_of_memory || !why.text[0]))
        return ESP_ENOMEM;
    if (!value)
        return esp_error_set (error, ESP_EFORMAT, "column %d: %s", why.column, why.text);
    if (!json_is_object (value)) {
        bool list = json_is_array (value);
        json_decref (value);
        return esp_error_set (error, ESP_EFORMAT, "is not a JSON object {...}%s",
                              list ? "; a file that is one JSON list becomes lines by jq -c '.[]'"
                                   : "");
    }
    *row = value;
    return ESP_OK;
}

static esp_err hash_id (span text, problem_row *out)
{
    uint8_t digest[ESP_SHA256_BYTES];
    esp_sha256 (text, digest);
    esp_hex (digest, HASH_ID_BYTES, out->id);
    out->id_len = 2 * (size_t)HASH_ID_BYTES;
    return ESP_OK;
}

static esp_err
id_from_text (const json_t *row, const problem_names *names, problem_row *out, esp_error *error)
{
    const char *name = NULL;
    const json_t *text = find (row, names->problem, question_fields, &name);
    esp_buf written = {0};
    esp_err err;
    if (!text && !names->problem)
        text = given (row, "messages");
    if (!text)
        return esp_error_set (
            error, ESP_EFORMAT,
            "no id (id, unique_id, task_id, name) and no problem text to make one "
            "from (problem, question, prompt, text, messages); name your own by "
            "problems.fields");
    if (json_is_string (text))
        return hash_id (span_make (json_string_value (text), json_string_length (text)), out);
    if ((err = dump (text, &written)) == ESP_OK)
        err = hash_id (esp_buf_span (&written), out);
    esp_buf_free (&written);
    return err;
}

static esp_err
find_id (const json_t *row, const problem_names *names, problem_row *out, esp_error *error)
{
    const char *name = NULL;
    const json_t *id = find (row, names->id, id_names, &name);
    if (!id && names->id)
        return esp_error_set (error, ESP_EFORMAT, "no field %s (problems.fields.id)", names->id);
    if (!id)
        return id_from_text (row, names, out, error);
    if (json_is_integer (id)) {
        out->id_len = (size_t)snprintf (out->id, sizeof (out->id), "%" JSON_INTEGER_FORMAT,
                                        json_integer_value (id));
        return ESP_OK;
    }
    if (!json_is_string (id))
        return esp_error_set (error, ESP_EFORMAT, "%s must be text or a whole number", name);
    out->id_len = json_string_length (id);
    if (out->id_len == 0 || out->id_len > PROBLEM_ID_BYTES)
        return esp_error_set (error, ESP_EFORMAT, "%s must have 1 to %d bytes, it has %zu", name,
                              PROBLEM_ID_BYTES, out->id_len);
    memcpy (out->id, json_string_value (id), out->id_len + 1);
    return ESP_OK;
}

/* GSM8K keeps the rationale and, in the last line, "#### 70,000".  A Markdown heading of that depth has letters. */
static bool gsm8k_number (span text, span *number)
{
    size_t at;
    text = span_trim (text);
    at = span_find_last (text, span_of ("\n"));
    if (at < text.len)
        text = span_make (text.ptr + at + 1, text.len - at - 1);
    if (!span_starts (text, "####"))
        return false;
    *number = span_trim (span_make (text.ptr + 4, text.len - 4));
    for (size_t i = 0; i < number->len; i++)
        if (!memchr ("0123456789+-.,/$%", number->ptr[i], 17))
            return false;
    return number->len > 0;
}

static json_t *number_text (span number)
{
    json_t *text;
    esp_buf out = {0};
    esp_err err = esp_buf_reserve (&out, number.len);
    for (size_t i = 0; err == ESP_OK && i < number.len; i++)
        if (number.ptr[i] != ',')
            err = esp_buf_append (&out, number.ptr + i, 1);
    text = err == ESP_OK ? json_string (esp_buf_text (&out)) : NULL;
    esp_buf_free (&out);
    return text;
}

/* The answer as text, or NULL with *same when it can stay what it is. */
static json_t *answer_text (json_t *row, const json_t *answer, bool *same)
{
    char digits[64];
    span number;
    double real = json_number_value (answer);
    *same = false;
    if (json_is_string (answer)) {
        span text = span_make (json_string_value (answer), json_string_length (answer));
        *same = !gsm8k_number (text, &number);
        if (*same)
            return NULL;
        if (!json_object_get (row, "solution") &&
            json_object_set_new (row, "solution", json_deep_copy (answer)) != 0)
            return NULL;
        return number_text (number);
    }
    if (json_is_integer (answer))
        snprintf (digits, sizeof (digits), "%" JSON_INTEGER_FORMAT, json_integer_value (answer));
    else if (json_is_real (answer) && fabs (real) < 1e15 && floor (real) == real)
        snprintf (digits, sizeof (digits), "%.0f", real == 0 ? 0.0 : real); /* AMC: 27.0; no "-0" */
    else if (json_is_real (answer)) {
        for (int precision = 15; precision <= 17; precision++)
            if (snprintf (digits, sizeof (digits), "%.*g", precision, real) > 0 &&
                strtod (digits, NULL) == real)
                break;
    } else
        *same = true;
    return *same ? NULL : json_string (digits);
}

static esp_err settle_answer (json_t *row, const problem_names *names)
{
    const char *name = NULL;
    bool same;
    json_t *answer = find (row, names->answer, gold_fields, &name);
    json_t *text = answer ? answer_text (row, answer, &same) : NULL;
    if (!answer)
        return ESP_OK;
    if (!text && !same)
        return ESP_ENOMEM;
    if (names->answer)
        name = "answer";
    if (json_object_set_new (row, name, text ? text : json_incref (answer)) != 0)
        return ESP_ENOMEM;
    return ESP_OK;
}

/* PRM800K keeps problem and answer inside `question`. */
static esp_err lift_question (json_t *row)
{
    const json_t *question = json_object_get (row, "question");
    json_t *text = json_object_get (question, "problem"),
           *answer = json_object_get (question, "ground_truth_answer");
    const char *name;
    if (!json_is_string (text) || json_object_get (row, "problem"))
        return ESP_OK;
    if (json_object_set (row, "problem", text) != 0)
        return ESP_ENOMEM;
    if (json_is_string (answer) && !find (row, NULL, gold_fields, &name) &&
        json_object_set (row, "answer", answer) != 0)
        return ESP_ENOMEM;
    return ESP_OK;
}

static esp_err settle_row (json_t *row, const problem_names *names, const problem_row *found)
{
    if (json_object_set_new (row, "id", json_stringn (found->id, found->id_len)) != 0)
        return ESP_ENOMEM;
    if (names->problem &&
        json_object_set (row, "problem", json_object_get (row, names->problem)) != 0)
        return ESP_ENOMEM;
    if (lift_question (row) != ESP_OK)
        return ESP_ENOMEM;
    return settle_answer (row, names);
}

esp_err problem_row_read (span line, const problem_names *names, problem_row *out, esp_buf *json,
                          esp_error *error)
{
    problem_row found = {.id_len = 0};
    size_t before = json ? json->len : 0;
    json_t *row = NULL;
    esp_err err;
    if (!names || !out || (!line.ptr && line.len > 0))
        return esp_error_set (error, ESP_EINVAL, "no line");
    if ((err = parse (line, &row, error)) == ESP_OK)
        err = find_id (row, names, &found, error);
    if (err == ESP_OK && names->problem && !json_object_get (row, names->problem))
        err = esp_error_set (error, ESP_EFORMAT, "no field %s (problems.fields.problem)",
                             names->problem);
    if (err == ESP_OK)
        found.priority = json_number_value (json_object_get (row, "priority"));
    if (err == ESP_OK && json && (err = settle_row (row, names, &found)) == ESP_OK)
        err = dump (row, json);
    json_decref (row);
    if (err == ESP_OK)
        *out = found;
    else if (json && json->data) {
        json->len = before;
        json->data[before] = 0;
    }
    if (err == ESP_ENOMEM)
        return esp_error_set (error, err, "out of memory");
    return err;
}
