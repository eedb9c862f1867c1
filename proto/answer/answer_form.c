/* SPDX-License-Identifier: Apache-2.0 */
/* answer_form.c - see answer.h
 *
 * The canonical text is a fixed point: it is read again until it does not change.  The text of a number, word or choice is at once;
 * an equation may become a number (2x = 0), and a text that is not understood may need a few rounds, since decoration can stand
 * around decoration.  One that does not settle stays as it is, which is a fixed point too.
 */

#include "proto/answer/answer.h"
#include "proto/answer/answer_value.h"
#include "proto/base/alloc.h"

enum { ROUNDS = 8 };

struct answer_form {
    answer_value value;
    esp_buf text;
};

/* The name of an equation belongs to an expression with letters, not to a number: y = 2x is a line, x = 5 a value. */
static bool keeps_name (const answer_value *v)
{
    if (v->name.len == 0)
        return false;
    return v->kind == ANSWER_OPAQUE || answer_value_mentions (v, v->name.data[0]) ||
           (v->kind == ANSWER_EXPR && answer_poly_has_letters (v->poly));
}

static esp_err read_text (span text, answer_value *value, esp_buf *canonical)
{
    answer_tokens tokens = {0};
    esp_err err = answer_tokens_read (text, &tokens);
    if (err == ESP_OK && tokens.count == 0)
        err = ESP_EFORMAT;
    if (err == ESP_OK)
        err = answer_value_read ((answer_part){tokens.all, tokens.count}, value);
    if (err == ESP_OK && keeps_name (value)) {
        err = esp_buf_add (canonical, esp_buf_span (&value->name));
        if (err == ESP_OK)
            err = esp_buf_puts (canonical, "=");
    }
    if (err == ESP_OK)
        err = esp_buf_add (canonical, esp_buf_span (&value->text));
    if (err == ESP_OK && canonical->len > ANSWER_BYTES)
        err = ESP_EUNSUPPORTED;
    answer_tokens_free (&tokens);
    return err;
}

/* Read a->text until it is its own reading.  The first value stays when its own text is settled, with its unit and name; else
 * the text is that of the last value, and so is the value.  Errors: ESP_EUNSUPPORTED when it does not settle; ESP_ENOMEM. */
static esp_err settle (answer_form *a)
{
    esp_err err = ESP_OK;
    for (int i = 0; i < ROUNDS && err == ESP_OK; i++) {
        answer_value value = {0};
        esp_buf again = {0};
        bool settled;
        err = read_text (esp_buf_span (&a->text), &value, &again);
        settled = err == ESP_OK && span_equal (esp_buf_span (&again), esp_buf_span (&a->text));
        answer_value_free (settled && i == 0 ? &value : &a->value);
        if (!settled || i > 0)
            a->value = value;
        esp_buf_free (&a->text);
        a->text = again;
        if (settled)
            return ESP_OK;
    }
    return err == ESP_OK || err == ESP_EFORMAT ? ESP_EUNSUPPORTED : err;
}

static esp_err keep_as_written (answer_form *a, span answer)
{
    esp_err err;
    answer_value_free (&a->value);
    esp_buf_clear (&a->text);
    err = esp_buf_add (&a->text, answer);
    return err == ESP_OK ? esp_buf_add (&a->value.text, answer) : err;
}

esp_err answer_form_create (span answer, answer_form **out)
{
    answer_form *a;
    esp_err err;
    if (!out)
        return ESP_EINVAL;
    answer = span_trim (answer);
    if (answer.len == 0 || answer.len > ANSWER_BYTES)
        return ESP_EFORMAT;
    if (!(a = esp_calloc (1, sizeof (*a))))
        return ESP_ENOMEM;
    err = read_text (answer, &a->value, &a->text);
    if (err == ESP_OK)
        err = settle (a);
    if (err == ESP_EUNSUPPORTED)
        err = keep_as_written (a, answer);
    if (err != ESP_OK) {
        answer_form_destroy (a);
        return err;
    }
    *out = a;
    return ESP_OK;
}

void answer_form_destroy (answer_form *a)
{
    if (!a)
        return;
    answer_value_free (&a->value);
    esp_buf_free (&a->text);
    esp_free (a);
}

span answer_form_text (const answer_form *a)
{
    return esp_buf_span (&a->text);
}

bool answer_form_understood (const answer_form *a)
{
    return a->value.kind != ANSWER_OPAQUE;
}

esp_err answer_form_compare (const answer_form *a, const answer_form *b, enum answer_match *out)
{
    esp_err err = ESP_OK;
    bool equal = span_equal (answer_form_text (a), answer_form_text (b));
    enum answer_match found = answer_value_match (&a->value, &b->value, equal, &err);
    if (err == ESP_OK)
        *out = found;
    return err;
}
