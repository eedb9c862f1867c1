/* SPDX-License-Identifier: Apache-2.0 */
/* verdict_line.c - see verdict_line.h */

#include "worker/verifier/verdict_line.h"
#include <jansson.h>
#include <math.h>
#include <string.h>
#include "proto/answer/answer.h"
#include "worker/engine/fields.h"
#include "worker/verifier/verifier_job.h"

/* ---- to it ---- */

static esp_err put_text (esp_buf *out, const char *name, bool there, span text)
{
    esp_err err = esp_buf_printf (out, ", \"%s\": ", name);
    if (err != ESP_OK)
        return err;
    return there ? esp_buf_json_string (out, text) : esp_buf_puts (out, "null");
}

static esp_err put_reference (esp_buf *out, span json)
{
    esp_buf gold = {0};
    esp_err err = fields_answer (json, &gold);
    if (err == ESP_OK || err == ESP_ENOENT)
        err = put_text (out, "reference", err == ESP_OK, esp_buf_span (&gold));
    esp_buf_free (&gold);
    return err;
}

esp_err verdict_line_write (uint64_t number, span json, span text, esp_buf *out)
{
    size_t before = out->len;
    span answer = span_of ("");
    bool found = answer_find (text, &answer);
    esp_err err = esp_buf_puts (out, "{\"id\": ");
    if (err == ESP_OK)
        err = esp_buf_u64 (out, number);
    if (err == ESP_OK)
        err = esp_buf_puts (out, ", \"problem\": ");
    if (err == ESP_OK)
        err = verifier_put_json (out, json);
    if (err == ESP_OK)
        err = put_text (out, "text", true, text);
    if (err == ESP_OK)
        err = put_text (out, "answer", found, answer);
    if (err == ESP_OK)
        err = put_reference (out, json);
    if (err == ESP_OK)
        err = esp_buf_puts (out, "}");
    if (err != ESP_OK)
        out->len = before;
    return err;
}

/* ---- from it ---- */

static enum verdict verdict_of (const char *text)
{
    for (int v = VERDICT_PASS; text && v <= VERDICT_UNKNOWN; v++)
        if (strcmp (text, verdict_names[v]) == 0)
            return (enum verdict)v;
    return VERDICT_NONE;
}

static bool is_code (span text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '-' && c != '_' && c != '.')
            return false;
    }
    return text.len <= VERDICT_REASON_BYTES;
}

/* null is as good as nothing; *out stays "" then. */
static bool read_text (const json_t *root, const char *name, span *out)
{
    const json_t *value = json_object_get (root, name);
    if (!value || json_is_null (value))
        return true;
    if (!json_is_string (value))
        return false;
    *out = span_make (json_string_value (value), json_string_length (value));
    return true;
}

static bool read_share (const json_t *root, double *out)
{
    const json_t *value = json_object_get (root, "share");
    if (!value || json_is_null (value))
        return true;
    *out = json_number_value (value);
    return json_is_number (value) && *out >= 0 && *out <= 1;
}

static bool read_number (const json_t *root, verdict_line *v)
{
    const json_t *value = json_object_get (root, "id");
    v->numbered = value && !json_is_null (value);
    if (!v->numbered)
        return true;
    v->number = (uint64_t)json_integer_value (value);
    return json_is_integer (value) && json_integer_value (value) >= 0;
}

static const char *what_is_wrong (const json_t *root, verdict_line *v)
{
    const json_t *answer = json_object_get (root, "answer");
    v->verdict = verdict_of (json_string_value (json_object_get (root, "verdict")));
    v->answered = json_is_string (answer);
    if (!json_is_object (root))
        return "it is no JSON object";
    if (!read_number (root, v))
        return "id is no number that we said";
    if (v->verdict == VERDICT_NONE)
        return "verdict is not pass, fail or unknown";
    if (!read_text (root, "reason", &v->reason) || !is_code (v->reason))
        return "reason is not a code: at most 64 letters, digits, - _ .";
    if (!read_share (root, &v->share))
        return "share is no number in [0, 1]";
    if (!read_text (root, "answer", &v->answer))
        return "answer is no text";
    if (!read_text (root, "observation", &v->observation))
        return "observation is no text";
    return NULL;
}

esp_err verdict_line_read (span line, verdict_line *v, const char **why)
{
    json_t *root = json_loadb (line.ptr ? line.ptr : "", line.len, JSON_REJECT_DUPLICATES, NULL);
    verdict_line got = {.share = NAN,
                        .reason = span_of (""),
                        .answer = span_of (""),
                        .observation = span_of (""),
                        .own = root};
    const char *wrong = what_is_wrong (root, &got);
    if (wrong) {
        *why = wrong;
        json_decref (root);
        return ESP_EFORMAT;
    }
    got.answer = esp_utf8_cut (got.answer, VERDICT_ANSWER_BYTES);
    got.observation = esp_utf8_cut (got.observation, VERDICT_OBSERVATION_BYTES);
    *v = got;
    return ESP_OK;
}

void verdict_line_free (verdict_line *v)
{
    json_decref (v->own);
    *v = (verdict_line){0};
}
