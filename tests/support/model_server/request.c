/* SPDX-License-Identifier: Apache-2.0 */
/* request.c - see request.h */

#include "tests/support/model_server/request.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/alloc.h"

static bool refuse_type (const asked *q, answer *a, const char *name, const char *type,
                         const char *what, json_t *value)
{
    char *input = json_is_string (value) ? strdup (json_string_value (value))
                                         : json_dumps (value, JSON_ENCODE_ANY);
    char param[80];
    if (json_is_null (value) && input)
        memcpy (input, "None", 4);
    snprintf (param, sizeof (param), "body.%s", name);
    answer_refuse (q, a, 400, "Bad Request", param,
                   "1 validation error:\n  {'type': '%s', 'loc': '%s', 'msg': '%s', 'input': '%s'}",
                   type, param, what, input ? input : "");
    free (input);
    return false;
}

bool field_integer (const asked *q, answer *a, const char *name, long long *value)
{
    json_t *field = json_object_get (q->body, name);
    char *end = NULL;
    if (!field)
        return true;
    if (json_is_null (field))
        return strcmp (name, "n") != 0 ||
               refuse_type (q, a, name, "int_type", "Input should be a valid integer", field);
    if (json_is_string (field)) {
        long long read = strtoll (json_string_value (field), &end, 10);
        if (*end || end == json_string_value (field))
            return refuse_type (
                q, a, name, "int_parsing",
                "Input should be a valid integer, unable to parse string as an integer", field);
        *value = read;
        return true;
    }
    if (!json_is_number (field))
        return refuse_type (q, a, name, "int_type", "Input should be a valid integer", field);
    if (json_is_real (field) &&
        (json_real_value (field) < -1e15 || json_real_value (field) > 1e15 ||
         json_real_value (field) != floor (json_real_value (field))))
        return refuse_type (q, a, name, "int_from_float",
                            "Input should be a valid integer, got a number with a fractional part",
                            field);
    *value = json_is_real (field) ? (long long)json_real_value (field) : json_integer_value (field);
    return true;
}

bool field_number (const asked *q, answer *a, const char *name, double *value)
{
    json_t *field = json_object_get (q->body, name);
    if (!field || json_is_null (field))
        return true;
    if (!json_is_number (field))
        return refuse_type (q, a, name, "float_type", "Input should be a valid number", field);
    *value = json_number_value (field);
    return true;
}

bool field_bool (const asked *q, const char *name, bool otherwise)
{
    json_t *field = json_object_get (q->body, name);
    return json_is_boolean (field) ? json_is_true (field) : otherwise;
}

const char *field_text (const asked *q, const char *name)
{
    return json_string_value (json_object_get (q->body, name));
}

static bool add_stop (const asked *q, answer *a, json_t *stop, sample_ask *out)
{
    if (!json_is_string (stop))
        return refuse_type (q, a, "stop", "string_type", "Input should be a valid string", stop);
    if (!json_string_value (stop)[0]) {
        answer_refuse (q, a, 400, "BadRequestError", NULL, "stop cannot contain an empty string.");
        return false;
    }
    out->stops[out->stop_count++] = json_string_value (stop);
    return true;
}

bool field_stops (const asked *q, answer *a, json_t *stop, size_t most, sample_ask *out)
{
    if (!stop || json_is_null (stop))
        return true;
    if (!json_is_array (stop))
        return add_stop (q, a, stop, out);
    if (json_array_size (stop) > most) {
        answer_refuse (q, a, 400, "Bad Request", "body.stop",
                       "1 validation error:\n  {'type': 'too_long', 'loc': 'body.stop', 'msg': "
                       "'List should have at most %zu items "
                       "after validation, not %zu'}",
                       most, json_array_size (stop));
        return false;
    }
    for (size_t i = 0; i < json_array_size (stop); i++)
        if (!add_stop (q, a, json_array_get (stop, i), out))
            return false;
    return true;
}

static void add_prompt (prompts *p, span text, size_t token_count)
{
    struct prompt_row *longer = esp_reallocarray (p->rows, p->count + 1, sizeof (*longer));
    if (!longer)
        out_of_memory ();
    p->rows = longer;
    p->rows[p->count++] = (struct prompt_row){text_copy (text), text.len, token_count};
}

static bool add_text (const asked *q, json_t *value, bool special, prompts *p)
{
    tokens t = {0};
    if (tokens_of (&t, span_make (json_string_value (value), json_string_length (value))) != ESP_OK)
        out_of_memory ();
    add_prompt (p, span_make (json_string_value (value), json_string_length (value)),
                t.count + (special && q->server->bos));
    tokens_free (&t);
    return true;
}

static bool add_ids (const asked *q, answer *a, json_t *ids, prompts *p)
{
    tokens t = {0};
    esp_buf text = {0};
    bool good = json_array_size (ids) > 0;
    for (size_t i = 0; good && i < json_array_size (ids); i++) {
        json_int_t id = json_integer_value (json_array_get (ids, i));
        if (id < 0 || id >= token_vocabulary () || !json_is_integer (json_array_get (ids, i))) {
            answer_refuse (q, a, 400, id < 0 ? "Bad Request" : "BadRequestError", NULL,
                           "Token id %lld is out of vocabulary", (long long)id);
            good = false;
        } else if (tokens_add (&t, (uint32_t)id) != ESP_OK)
            out_of_memory ();
    }
    if (json_array_size (ids) == 0)
        answer_refuse (q, a, 400, "BadRequestError", NULL, "The decoder prompt cannot be empty");
    if (good && tokens_text (&t, &text) != ESP_OK)
        out_of_memory ();
    if (good)
        add_prompt (p, esp_buf_span (&text), t.count);
    esp_buf_free (&text);
    tokens_free (&t);
    return good;
}

bool prompts_read (const asked *q, answer *a, json_t *value, bool special, prompts *out)
{
    bool good = true;
    *out = (prompts){0};
    if (json_is_string (value))
        return add_text (q, value, special, out);
    if (json_is_array (value) && json_array_size (value) == 0) {
        answer_refuse (q, a, 400, "BadRequestError", NULL, "You must pass at least one prompt");
        return false;
    }
    if (json_is_integer (json_array_get (value, 0)))
        return add_ids (q, a, value, out);
    for (size_t i = 0; good && i < json_array_size (value); i++) {
        json_t *one = json_array_get (value, i);
        good = json_is_string (one)  ? add_text (q, one, special, out)
               : json_is_array (one) ? add_ids (q, a, one, out)
                                     : refuse_type (q, a, "prompt", "string_type",
                                                    "Input should be a valid string", one);
    }
    if (good && !json_is_array (value))
        return refuse_type (q, a, "prompt", "string_type", "Input should be a valid string",
                            value ? value : json_null ());
    return good;
}

void prompts_free (prompts *p)
{
    for (size_t i = 0; i < p->count; i++)
        esp_free (p->rows[i].text);
    esp_free (p->rows);
    *p = (prompts){0};
}

static esp_err add_message (esp_buf *out, json_t *message, bool open)
{
    const char *role = json_string_value (json_object_get (message, "role"));
    json_t *content = json_object_get (message, "content");
    esp_err err = esp_buf_printf (out, "<|im_start|>%s\n", role ? role : "user");
    if (err == ESP_OK && json_is_string (content))
        err = esp_buf_append (out, json_string_value (content), json_string_length (content));
    return err == ESP_OK && !open ? esp_buf_puts (out, "<|im_end|>\n") : err;
}

bool chat_prompt (const asked *q, answer *a, json_t *messages, bool generation, bool continue_final,
                  esp_buf *out)
{
    size_t count = json_array_size (messages);
    esp_err err = ESP_OK;
    if (count == 0) {
        answer_refuse (
            q, a, 400, "BadRequestError", NULL,
            "Cannot apply chat template to an empty conversation. Provide at least one message.");
        return false;
    }
    if (generation && continue_final) {
        answer_refuse (q, a, 400, "BadRequestError", NULL,
                       "continue_final_message and add_generation_prompt are not compatible. Use "
                       "continue_final_message when you "
                       "want the model to continue the final message, and add_generation_prompt "
                       "when you want to add a header that "
                       "will prompt it to start a new assistant message instead.");
        return false;
    }
    if (q->server->bos) /* as templates of such models do */
        err = esp_buf_puts (out, "<s>");
    for (size_t i = 0; err == ESP_OK && i < count; i++)
        err = add_message (out, json_array_get (messages, i), continue_final && i + 1 == count);
    if (err == ESP_OK && generation)
        err = esp_buf_puts (out, q->server->template_thinks ? "<|im_start|>assistant\n<think>\n"
                                                            : "<|im_start|>assistant\n");
    if (err != ESP_OK)
        out_of_memory ();
    return true;
}

json_t *ids_json (const uint32_t *ids, size_t count)
{
    json_t *list = json_array ();
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new (list, json_integer (ids[i]));
    return list;
}

json_t *prompt_ids (const struct prompt_row *row)
{
    tokens t = {0};
    json_t *list;
    if (tokens_of (&t, span_make (row->text, row->len)) != ESP_OK)
        out_of_memory ();
    list = ids_json (t.ids, t.count);
    if (row->token_count == t.count + 1) /* the <s> of add_special_tokens */
        (void)json_array_insert_new (list, 0, json_integer (TOKEN_BOS));
    tokens_free (&t);
    return list;
}

json_t *token_text (uint32_t id)
{
    char piece[TOKEN_LONGEST];
    size_t len = token_piece (id, piece);
    return json_text (span_make (piece, len));
}
