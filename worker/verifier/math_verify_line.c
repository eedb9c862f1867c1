/* SPDX-License-Identifier: Apache-2.0 */
/* math_verify_line.c - see math_verify_line.h */

#include "worker/verifier/math_verify_line.h"
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include "worker/engine/fields.h"
#include "proto/answer/answer.h"

static esp_err put_field (esp_buf *out, const char *name, span text)
{
    esp_err err = esp_buf_printf (out, ", \"%s\": ", name);
    return err == ESP_OK ? esp_buf_json_string (out, text) : err;
}

/* math-verify reads a number, a formula and a word alike when they stand in a box. */
static esp_err put_box (esp_buf *out, const char *name, span answer)
{
    esp_buf box = {0};
    esp_err err = answer.len > ANSWER_BYTES ? ESP_ETOOBIG : esp_buf_puts (&box, "\\boxed{");
    if (err == ESP_OK)
        err = esp_buf_add (&box, answer);
    if (err == ESP_OK)
        err = esp_buf_puts (&box, "}");
    if (err == ESP_OK)
        err = put_field (out, name, esp_buf_span (&box));
    esp_buf_free (&box);
    return err;
}

static esp_err put_gold (esp_buf *out, span json)
{
    esp_buf text = {0};
    esp_err err = fields_answer (json, &text);
    span answer = span_trim (esp_buf_span (&text));
    if (err == ESP_OK) {
        (void)answer_find (esp_buf_span (&text), &answer);
        err = answer.len == 0 ? ESP_ENOENT : put_box (out, "gold", answer);
    }
    esp_buf_free (&text);
    return err;
}

/* The end of a text, without half a character at its start. */
static span tail (span text)
{
    if (text.len <= MATH_VERIFY_TEXT)
        return text;
    text = span_make (text.ptr + text.len - MATH_VERIFY_TEXT, MATH_VERIFY_TEXT);
    while (text.len > 0 && ((unsigned char)text.ptr[0] & 0xc0) == 0x80)
        text = span_make (text.ptr + 1, text.len - 1);
    return text;
}

esp_err math_verify_ask (uint64_t number, span json, span text, esp_buf *out)
{
    size_t before = out->len;
    span answer;
    esp_err err = esp_buf_puts (out, "{\"id\": ");
    if (err == ESP_OK)
        err = esp_buf_u64 (out, number);
    if (err == ESP_OK)
        err = put_gold (out, json);
    if (err == ESP_OK)
        err = answer_find (text, &answer) ? put_box (out, "answer", answer)
                                          : put_field (out, "answer", tail (text));
    if (err == ESP_OK)
        err = esp_buf_puts (out, "}");
    if (err != ESP_OK)
        out->len = before;
    return err;
}

/* ---- replies ---- */

/* Which of the reasons that belong to the verdict? */
static const char *reason_of (enum verdict verdict, const char *text)
{
    static const struct {
        enum verdict verdict;
        const char *reason;
    } rows[] = {{VERDICT_PASS, "right-answer"},      {VERDICT_FAIL, "wrong-answer"},
                {VERDICT_UNKNOWN, "no-answer"},      {VERDICT_UNKNOWN, "no-reference"},
                {VERDICT_UNKNOWN, "cannot-compare"}, {VERDICT_UNKNOWN, "timeout"}};
    for (size_t i = 0; text && i < sizeof (rows) / sizeof (rows[0]); i++)
        if (rows[i].verdict == verdict && strcmp (rows[i].reason, text) == 0)
            return rows[i].reason;
    return NULL;
}

static enum verdict verdict_of (const char *text)
{
    for (int v = VERDICT_PASS; text && v <= VERDICT_UNKNOWN; v++)
        if (strcmp (text, verdict_names[v]) == 0)
            return (enum verdict)v;
    return VERDICT_NONE;
}

static json_t *load (span line)
{
    return json_loadb (line.ptr ? line.ptr : "", line.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL,
                       NULL);
}

esp_err math_verify_read (span line, math_verify_reply *reply, esp_buf *answer)
{
    json_t *root = load (line);
    const json_t *number = json_object_get (root, "id"), *text = json_object_get (root, "answer");
    enum verdict verdict = verdict_of (json_string_value (json_object_get (root, "verdict")));
    const char *reason = reason_of (verdict, json_string_value (json_object_get (root, "reason")));
    esp_err err = ESP_EFORMAT;
    if (reason && json_is_integer (number) && json_integer_value (number) >= 0 &&
        json_is_string (text))
        err = esp_buf_append (answer, json_string_value (text), json_string_length (text));
    if (err == ESP_OK)
        *reply = (math_verify_reply){(uint64_t)json_integer_value (number), verdict, reason};
    json_decref (root);
    return err;
}

esp_err math_verify_read_ready (span line, char version[32], char why[256])
{
    json_t *root = load (line);
    const json_t *ready = json_object_get (root, "ready");
    const char *its = json_string_value (json_object_get (root, "version")),
               *sentence = json_string_value (json_object_get (root, "error"));
    esp_err err = ESP_EFORMAT;
    if (json_is_true (ready) && its) {
        snprintf (version, 32, "%s", its);
        err = ESP_OK;
    } else if (json_is_false (ready) && sentence) {
        snprintf (why, 256, "%s", sentence);
        err = ESP_EUNSUPPORTED;
    }
    json_decref (root);
    return err;
}
