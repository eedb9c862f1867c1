/* SPDX-License-Identifier: Apache-2.0 */
/* reply_json.c - values of an answer, checked, on their way into its samples
 *
 * jansson refuses what is not UTF-8, half surrogate pairs, NaN, nesting over 2,048 and numbers beyond 64 bits; the size is
 * limited here.  \u0000 is let in: see add_without_zeros in reply.c.
 */

#include <jansson.h>
#include <math.h>
#include <string.h>
#include "worker/prompt/json_thin.h"
#include "worker/prompt/shape_inner.h"

enum { SAYS_BYTES = 300 };

esp_err reply_no_error (const json_t *object, esp_error *why)
{
    char says[SAYS_BYTES];
    const json_t *error = json_object_get (object, "error");
    if (!(error && !json_is_null (error)) &&
        !span_is (reply_span (json_object_get (object, "object")), "error"))
        return ESP_OK;
    refusal_says (object, says, sizeof (says));
    return esp_error_set (why, ESP_EENGINE, "the server reports an error: %s",
                          says[0] ? says : "(without a sentence)");
}

static esp_err too_big (const gen_reply *r, size_t bytes, esp_error *why)
{
    return esp_error_set (why, ESP_EFORMAT,
                          "the answer has %zu bytes, %u samples of %u tokens have at most %zu",
                          bytes, r->n, r->max_tokens, r->most_bytes);
}

esp_err reply_parse (const gen_reply *r, span json, json_t **root, esp_error *why)
{
    json_error_t e;
    json_t *value;
    esp_err err;
    if (json.len > r->most_bytes)
        return too_big (r, json.len, why);
    value = json_loadb (json.ptr ? json.ptr : "", json.len, JSON_ALLOW_NUL, &e);
    if (!value && (json_error_code (&e) == json_error_out_of_memory || !e.text[0]))
        return ESP_ENOMEM;
    if (!value)
        return esp_error_set (why, ESP_EFORMAT, "the answer is not valid JSON: byte %d: %s",
                              e.position, e.text);
    if ((err = reply_no_error (value, why)) != ESP_OK) {
        json_decref (value);
        return err;
    }
    *root = value;
    return ESP_OK;
}

esp_err reply_parse_thin (const gen_reply *r, span json, const char *drop, const char *ids,
                          json_t **root, esp_error *why)
{
    esp_buf thin = {0};
    esp_err err;
    bool has_drop = drop && memmem (json.ptr, json.len, drop, strlen (drop));
    bool has_ids = ids && !r->ids && memmem (json.ptr, json.len, ids, strlen (ids));
    if (json.len > r->most_bytes)
        return too_big (r, json.len, why);
    if (!has_drop && !has_ids)
        return reply_parse (r, json, root, why);
    if ((err = json_thin (json, drop, has_ids ? ids : NULL, &thin)) == ESP_OK)
        err = reply_parse (r, esp_buf_span (&thin), root, why);
    esp_buf_free (&thin);
    return err;
}

size_t reply_id_count (const json_t *ids)
{
    json_int_t count = json_integer_value (ids);
    return count > 0 && count < UINT32_MAX ? (size_t)count : json_array_size (ids);
}

span reply_span (const json_t *text)
{
    if (!json_is_string (text))
        return span_make ("", 0);
    return span_make (json_string_value (text), json_string_length (text));
}

static bool is_there (const json_t *value)
{
    return value && !json_is_null (value);
}

esp_err
reply_sample (gen_reply *r, const json_t *index, size_t place, gen_sample **out, esp_error *why)
{
    json_int_t at = is_there (index) ? json_integer_value (index) : (json_int_t)place;
    if (is_there (index) && !json_is_integer (index))
        return esp_error_set (why, ESP_EFORMAT, "an index is not a whole number");
    if (at < 0 || at >= (json_int_t)r->n)
        return esp_error_set (why, ESP_EFORMAT, "there is a sample %lld, and %u were asked for",
                              (long long)at, r->n);
    if (r->samples[at].finish != GEN_OPEN)
        return esp_error_set (why, ESP_EFORMAT, "sample %lld came twice", (long long)at);
    *out = &r->samples[at];
    return ESP_OK;
}

esp_err reply_take_text (const gen_reply *r, gen_sample *s, const json_t *text, esp_error *why)
{
    if (is_there (text) && !json_is_string (text))
        return esp_error_set (why, ESP_EFORMAT, "the text of sample %u is no string",
                              reply_number (r, s));
    return reply_add_text (r, s, reply_span (text), why);
}

/* vLLM says "token_id:123" where ids stand for texts; TOKEN_ID_NONE: it is a text. */
static uint32_t named_id (span name)
{
    static const char prefix[] = "token_id:";
    uint64_t value = 0;
    if (!span_starts (name, prefix))
        return UINT32_MAX;
    for (size_t i = sizeof (prefix) - 1; i < name.len; i++) {
        if (name.ptr[i] < '0' || name.ptr[i] > '9' || value > UINT32_MAX)
            return UINT32_MAX;
        value = value * 10 + (uint64_t)(name.ptr[i] - '0');
    }
    return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

static bool take_id (const json_t *id, uint32_t *out)
{
    json_int_t value = json_integer_value (id);
    *out = named_id (reply_span (id));
    if (!json_is_integer (id))
        return !is_there (id) || json_is_string (id);
    if (value < 0 || value >= UINT32_MAX)
        return false;
    *out = (uint32_t)value;
    return true;
}

static esp_err take_pair (const gen_reply *r, const gen_sample *s, const json_t *id,
                          const json_t *logprob, token_logprob *out, esp_error *why)
{
    if (!take_id (id, &out->id))
        return esp_error_set (why, ESP_EFORMAT, "a token id of sample %u is not one",
                              reply_number (r, s));
    if (is_there (logprob) && !json_is_number (logprob))
        return esp_error_set (why, ESP_EFORMAT, "a log probability of sample %u is not a number",
                              reply_number (r, s));
    return ESP_OK;
}

static double number_or_nan (const json_t *logprob)
{
    return json_is_number (logprob) ? json_number_value (logprob) : (double)NAN;
}

esp_err reply_take_token (const gen_reply *r, gen_sample *s, const json_t *id,
                          const json_t *logprob, esp_error *why)
{
    token_logprob token;
    esp_err err = take_pair (r, s, id, logprob, &token, why);
    return err != ESP_OK ? err : reply_add_token (r, s, token.id, number_or_nan (logprob), why);
}

esp_err reply_take_top (const gen_reply *r, gen_sample *s, const json_t *id, const json_t *logprob,
                        esp_error *why)
{
    token_logprob token;
    esp_err err = take_pair (r, s, id, logprob, &token, why);
    return err != ESP_OK ? err : reply_add_top (r, s, token.id, number_or_nan (logprob), why);
}

esp_err reply_take_named_top (const gen_reply *r, gen_sample *s, const char *name,
                              const json_t *logprob, esp_error *why)
{
    token_logprob token;
    esp_err err = take_pair (r, s, NULL, logprob, &token, why);
    if (err != ESP_OK)
        return err;
    return reply_add_top (r, s, named_id (span_of (name)), number_or_nan (logprob), why);
}

esp_err reply_take_prefill (gen_reply *r, span messages)
{
    json_t *root = json_loadb (messages.ptr, messages.len, JSON_ALLOW_NUL, NULL);
    const json_t *last = json_array_get (root, json_array_size (root) - 1);
    esp_err err = esp_buf_add (&r->prefill, reply_span (json_object_get (last, "content")));
    json_decref (root);
    return err;
}

void reply_take_model (gen_reply *r, const json_t *name)
{
    span text = reply_span (name);
    if (r->model[0] || text.len == 0)
        return;
    text = esp_utf8_cut (text, sizeof (r->model) - 1);
    memcpy (r->model, text.ptr, text.len);
    r->model[text.len] = 0;
    esp_text_scrub (r->model);
}

void reply_take_count (uint32_t *count, const json_t *number)
{
    json_int_t value = json_integer_value (number);
    if (value > (json_int_t)*count && value < UINT32_MAX)
        *count = (uint32_t)value;
}
