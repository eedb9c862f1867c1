/* SPDX-License-Identifier: Apache-2.0 */
/* lean_reply.c - see lean_reply.h */

#include "worker/verifier/lean_reply.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

static span text_of (const json_t *object, const char *key)
{
    const json_t *value = json_object_get (object, key);
    return json_is_string (value)
               ? span_make (json_string_value (value), json_string_length (value))
               : span_of ("");
}

static bool has (span text, const char *words)
{
    return span_find (text, span_of (words)) < text.len;
}

/* {"message": ".."} alone is an error of the REPL itself. */
static bool is_answer (const json_t *said)
{
    const json_t *messages = json_object_get (said, "messages");
    return json_is_integer (json_object_get (said, "env")) &&
           (!messages || json_is_array (messages));
}

static const json_t *first_error (const json_t *said)
{
    const json_t *message;
    size_t i;
    json_array_foreach (
        json_object_get (said, "messages"), i,
        message) if (span_is (text_of (message, "severity"), "error")) return message;
    return NULL;
}

esp_err lean_env (const json_t *said, int64_t *env)
{
    if (!is_answer (said))
        return json_is_string (json_object_get (said, "message")) ? ESP_EINVAL : ESP_EFORMAT;
    if (first_error (said))
        return ESP_EINVAL;
    if (json_integer_value (json_object_get (said, "env")) < 0)
        return ESP_EFORMAT;
    *env = json_integer_value (json_object_get (said, "env"));
    return ESP_OK;
}

/* ---- errors ---- */

static esp_err show_error (const lean_case *c, const json_t *message, size_t line, esp_buf *seen)
{
    span data = esp_utf8_cut (text_of (message, "data"), LEAN_OBSERVATION_MOST - 200);
    esp_err err =
        line > c->by_line ? esp_buf_printf (seen, "line %zu: ", line - c->by_line) : ESP_OK;
    return err == ESP_OK ? esp_buf_add (seen, data) : err;
}

static esp_err judge_error (const lean_case *c, const json_t *message, const lean_rules *rules,
                            lean_verdict *out, esp_buf *seen)
{
    json_int_t at = json_integer_value (json_object_get (json_object_get (message, "pos"), "line"));
    size_t line = at > 0 && (size_t)at > rules->header_lines ? (size_t)at - rules->header_lines : 0;
    *out = line >= c->by_line ? (lean_verdict){VERDICT_FAIL, "lean-error"}
                              : (lean_verdict){VERDICT_UNKNOWN, "bad-problem"};
    return line >= c->by_line ? show_error (c, message, line, seen) : ESP_OK;
}

static bool uses_sorry (const json_t *said)
{
    const json_t *message;
    size_t i;
    if (json_array_size (json_object_get (said, "sorries")) > 0)
        return true;
    json_array_foreach (
        json_object_get (said, "messages"), i,
        message) if (has (text_of (message, "data"), "declaration uses 'sorry'") ||
                     has (text_of (message, "data"), "declaration uses `sorry`")) return true;
    return false;
}

/* ---- axioms ---- */

/* Behind "'NAME'", when the message begins with that. */
static bool is_about (const lean_case *c, span data, span *rest)
{
    char quoted[LEAN_NAME_MOST + 4];
    snprintf (quoted, sizeof (quoted), "'%s'", c->name);
    if (!span_starts (data, quoted))
        return false;
    *rest = span_make (data.ptr + strlen (quoted), data.len - strlen (quoted));
    return true;
}

static bool is_allowed (span name, const lean_rules *rules)
{
    for (size_t i = 0; i < rules->allowed_count; i++)
        if (span_is (name, rules->allowed[i]))
            return true;
    return false;
}

/* The first of "[a, b, c]" that is not allowed; *understood: the list has an end. */
static span first_refused (span list, const lean_rules *rules, bool *understood)
{
    size_t from = 0;
    *understood = span_ends (span_trim (list), "]");
    for (size_t i = 0; i < list.len; i++) {
        span name;
        if (list.ptr[i] != ',' && list.ptr[i] != ']')
            continue;
        name = span_trim (span_make (list.ptr + from, i - from));
        if (!is_allowed (name, rules))
            return name;
        from = i + 1;
    }
    return span_of ("");
}

static esp_err judge_axioms (const lean_case *c, const json_t *said, const lean_rules *rules,
                             lean_verdict *out, esp_buf *seen)
{
    static const char none[] = " does not depend on any axioms", some[] = " depends on axioms: [";
    const json_t *message;
    size_t i, answers = 0;
    json_array_foreach (json_object_get (said, "messages"), i, message)
    {
        span rest, refused;
        bool understood = true;
        if (!is_about (c, text_of (message, "data"), &rest))
            continue;
        answers++;
        if (span_is (span_trim (rest), none + 1))
            continue;
        if (!span_starts (rest, some))
            return ESP_EFORMAT;
        rest = span_make (rest.ptr + strlen (some), rest.len - strlen (some));
        refused = first_refused (rest, rules, &understood);
        if (!understood)
            return ESP_EFORMAT;
        if (refused.len == 0)
            continue;
        *out = (lean_verdict){VERDICT_FAIL,
                              span_is (refused, "sorryAx") ? "admitted" : "axiom-not-allowed"};
        return esp_buf_printf (seen, "not proved from what is allowed: %.*s",
                               (int)(refused.len < 500 ? refused.len : 500), refused.ptr);
    }
    if (answers == 0)
        return ESP_EFORMAT;
    *out = (lean_verdict){VERDICT_PASS, "proof-checked"};
    return ESP_OK;
}

esp_err lean_judge (const lean_case *c, const json_t *said, const lean_rules *rules,
                    lean_verdict *out, esp_buf *observation)
{
    const json_t *error;
    if (!is_answer (said))
        return ESP_EFORMAT;
    if ((error = first_error (said)))
        return judge_error (c, error, rules, out, observation);
    if (uses_sorry (said)) {
        *out = (lean_verdict){VERDICT_FAIL, "admitted"};
        return ESP_OK;
    }
    return judge_axioms (c, said, rules, out, observation);
}
