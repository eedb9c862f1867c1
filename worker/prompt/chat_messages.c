/* SPDX-License-Identifier: Apache-2.0 */
/* chat_messages.c - one problem's row to chat messages
 *
 *     [system]  [few-shot user, assistant]...  [the problem's own turns up to a user message]   + prefill
 */

#include <string.h>
#include "worker/prompt/chat_inner.h"

const char *const chat_role_names[ROLES] = {"system", "user", "assistant"};

static span text_of (const json_t *string)
{
    return span_make (json_string_value (string), json_string_length (string));
}

esp_err chat_add_message (enum chat_role role, span content, esp_buf *json)
{
    esp_err err = esp_buf_printf (json, "{\"role\":\"%s\",\"content\":", chat_role_names[role]);
    if (err == ESP_OK)
        err = esp_buf_json_string (json, content);
    return err == ESP_OK ? esp_buf_puts (json, "}") : err;
}

esp_err chat_read_message (const json_t *message, size_t number, enum chat_role *role,
                           span *content, esp_error *error)
{
    const json_t *name = json_object_get (message, "role"),
                 *text = json_object_get (message, "content");
    if (!json_is_string (name) || !json_is_string (text))
        return esp_error_set (error, ESP_EFORMAT,
                              "message %zu must be {\"role\": text, \"content\": text}", number);
    for (int i = 0; i < ROLES; i++)
        if (span_is (text_of (name), chat_role_names[i])) {
            *role = (enum chat_role)i;
            *content = text_of (text);
            return ESP_OK;
        }
    return esp_error_set (
        error, ESP_EFORMAT,
        "message %zu: its role is '%.40s'; there are system (the first one only), "
        "user and assistant",
        number, json_string_value (name));
}

typedef struct turns {  /* what a problem brings */
    const json_t *list; /* its messages, or NULL: one user message */
    size_t from, to;    /* of them without system and prefill */
    span system, prefill;
    bool has_system, has_prefill;
} turns;

static void take_system (turns *t, span content)
{
    t->from = 1;
    t->has_system = true;
    t->system = content;
}

/* The last message is the beginning of the answer; *role becomes that of the one before it. */
static esp_err take_prefill (turns *t, span content, enum chat_role *role, esp_error *error)
{
    t->to--;
    t->has_prefill = true;
    t->prefill = content;
    *role = ROLE_SYSTEM;
    if (t->to <= t->from)
        return ESP_OK;
    return chat_read_message (json_array_get (t->list, t->to - 1), t->to, role, &content, error);
}

/* The list of messages: system? (user | assistant)* user assistant? */
static esp_err read_list (const json_t *list, turns *t, esp_error *error)
{
    size_t count = json_array_size (list);
    enum chat_role role = ROLE_SYSTEM;
    span content;
    esp_err err = ESP_OK;
    if (count == 0 || count > CHAT_MESSAGES_MOST)
        return esp_error_set (error, ESP_EFORMAT, "the problem has %zu messages; 1 to %d are fine",
                              count, (int)CHAT_MESSAGES_MOST);
    *t = (turns){.list = list, .to = count};
    for (size_t i = 0; i < count; i++) {
        err = chat_read_message (json_array_get (list, i), i + 1, &role, &content, error);
        if (err != ESP_OK)
            return err;
        if (role == ROLE_SYSTEM && i > 0)
            return esp_error_set (error, ESP_EFORMAT,
                                  "message %zu: a system message can only be the first one", i + 1);
        if (role == ROLE_SYSTEM)
            take_system (t, content);
    }
    if (role == ROLE_ASSISTANT && (err = take_prefill (t, content, &role, error)) != ESP_OK)
        return err;
    if (role == ROLE_USER)
        return ESP_OK;
    return esp_error_set (error, ESP_EFORMAT,
                          "the messages must end with a user's, or with one and the beginning of "
                          "the assistant's answer");
}

static esp_err read_row (const json_t *row, turns *t, esp_error *error)
{
    const json_t *problem = chat_template_problem_of (row),
                 *system = json_object_get (row, "system");
    *t = (turns){.list = NULL};
    if (system && !json_is_null (system) && !json_is_string (system))
        return esp_error_set (error, ESP_EFORMAT, "the field system must be text");
    if (!problem)
        return esp_error_set (error, ESP_EFORMAT,
                              "there is no problem text (problem, question, prompt, text or "
                              "messages); name your own by problems.fields.problem");
    if (json_is_array (problem)) {
        esp_err err = read_list (problem, t, error);
        if (err != ESP_OK)
            return err;
    } else if (!json_is_number (problem) &&
               (!json_is_string (problem) || span_trim (text_of (problem)).len == 0)) {
        return esp_error_set (error, ESP_EFORMAT,
                              "the problem must be text that is not empty, or a list of messages");
    }
    if (!t->has_system && json_is_string (system)) {
        t->has_system = true;
        t->system = text_of (system);
    }
    return ESP_OK;
}

static esp_err
write_turns (const chat *c, const json_t *row, const turns *t, esp_buf *json, esp_error *error)
{
    esp_buf user = {0};
    esp_err err = ESP_OK;
    if (!t->list) {
        err = chat_template_fill (c->user, row, &user, error);
        if (err == ESP_OK)
            err = chat_add_message (ROLE_USER, esp_buf_span (&user), json);
        esp_buf_free (&user);
        return err;
    }
    for (size_t i = t->from; i < t->to && err == ESP_OK; i++) {
        enum chat_role role;
        span content;
        err = chat_read_message (json_array_get (t->list, i), i + 1, &role, &content, error);
        if (err == ESP_OK && i > t->from)
            err = esp_buf_puts (json, ",");
        if (err == ESP_OK)
            err = chat_add_message (role, content, json);
    }
    return err;
}

static esp_err write_all (const chat *c, const json_t *row, const turns *t, const char *system,
                          esp_buf *json, esp_error *error)
{
    span first = span_of (system ? system : t->has_system ? NULL : c->system);
    esp_err err = esp_buf_puts (json, "[");
    if (!system && t->has_system)
        first = t->system;
    if (err == ESP_OK && first.len > 0) {
        err = chat_add_message (ROLE_SYSTEM, first, json);
        if (err == ESP_OK)
            err = esp_buf_puts (json, ",");
    }
    if (err == ESP_OK)
        err = esp_buf_add (json, esp_buf_span (&c->examples));
    if (err == ESP_OK)
        err = write_turns (c, row, t, json, error);
    return err == ESP_OK ? esp_buf_puts (json, "]") : err;
}

static void cut_back (esp_buf *buf, size_t len)
{
    buf->len = len;
    if (buf->data)
        buf->data[len] = 0;
}

esp_err chat_messages (const chat *c, span problem, const char *system, esp_buf *json,
                       esp_buf *prefill, esp_error *error)
{
    json_error_t at = {.text = ""};
    size_t before = json->len;
    json_t *row = json_loadb (problem.ptr ? problem.ptr : "", problem.len, 0, &at);
    turns t;
    esp_err err = ESP_OK;
    if (!row && json_error_code (&at) == json_error_out_of_memory)
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    if (!json_is_object (row))
        err = esp_error_set (error, ESP_EFORMAT, "the problem is no JSON object: %s",
                             row ? "it is something else" : at.text);
    if (err == ESP_OK && (err = read_row (row, &t, error)) == ESP_OK)
        err = write_all (c, row, &t, system, json, error);
    if (err == ESP_OK)
        err = esp_buf_add (prefill, t.has_prefill ? t.prefill : span_of (c->prefill));
    json_decref (row);
    if (err != ESP_OK)
        cut_back (json, before);
    return err == ESP_ENOMEM ? esp_error_set (error, err, "out of memory") : err;
}

/* ---- drafts ---- */

static esp_err
fill_improve (const chat *c, json_t *row, span observation, esp_buf *out, esp_error *error)
{
    json_t *said = json_stringn_nocheck (observation.len ? observation.ptr : "", observation.len);
    esp_error why = {0};
    esp_err err;
    if (!said || json_object_set_new (row, "observation", said) != 0)
        return ESP_ENOMEM;
    err = chat_template_fill (observation.len ? c->improve_told : c->improve, row, out, &why);
    return err == ESP_OK ? ESP_OK : esp_error_set (error, err, "prompt.improve: %s", why.text);
}

/* `json` ends with the ']' of the list. */
static esp_err add_turns (span answer, span asked, esp_buf *json)
{
    esp_err err;
    json->len--;
    err = esp_buf_puts (json, ",");
    if (err == ESP_OK)
        err = chat_add_message (ROLE_ASSISTANT, answer, json);
    if (err == ESP_OK)
        err = esp_buf_puts (json, ",");
    if (err == ESP_OK)
        err = chat_add_message (ROLE_USER, asked, json);
    return err == ESP_OK ? esp_buf_puts (json, "]") : err;
}

esp_err chat_improve (const chat *c, span problem, span answer, span observation, esp_buf *json,
                      esp_error *error)
{
    json_t *row = json_loadb (problem.ptr ? problem.ptr : "", problem.len, 0, NULL);
    size_t before = json->len;
    esp_buf asked = {0};
    esp_err err = ESP_OK;
    if (!json_is_object (row) || before == 0)
        err = esp_error_set (error, ESP_EFORMAT, "the problem is no JSON object");
    if (err == ESP_OK)
        err = fill_improve (c, row, observation, &asked, error);
    if (err == ESP_OK && (err = add_turns (answer, esp_buf_span (&asked), json)) != ESP_OK) {
        json->data[before - 1] = ']';
        cut_back (json, before);
    }
    json_decref (row);
    esp_buf_free (&asked);
    return err == ESP_ENOMEM ? esp_error_set (error, err, "out of memory") : err;
}
