/* SPDX-License-Identifier: Apache-2.0 */
/* problem_view.c - see problem_view.h */

#include "coordinator/sink/problem_view.h"
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/model/row_fields.h"
#include "proto/model/solution.h"

/* Completions in steps, with labels (worker/engine/given.h). */
static const char *const step_fields[] = {"steps", "label", "labels", NULL};

static int append (const char *bytes, size_t len, void *buf)
{
    return esp_buf_append (buf, bytes, len) == ESP_OK ? 0 : -1;
}

static esp_err dump (const json_t *value, esp_buf *out)
{
    size_t flags = JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION (17);
    return json_dump_callback (value, append, out, flags) == 0 ? ESP_OK : ESP_ENOMEM;
}

/* A text as it is, a number as JSON writes it. */
static esp_err plain (const json_t *value, esp_buf *out)
{
    if (json_is_string (value))
        return esp_buf_append (out, json_string_value (value), json_string_length (value));
    return json_is_number (value) ? dump (value, out) : ESP_OK;
}

static const json_t *first_of (const json_t *row, const char *const *names)
{
    for (; *names; names++) {
        const json_t *value = json_object_get (row, *names);
        if (json_is_string (value) || json_is_number (value))
            return value;
    }
    return NULL;
}

static esp_err read_messages (problem_view *v, const json_t *list)
{
    size_t n = json_array_size (list);
    esp_err err = dump (list, &v->messages);
    for (size_t i = n; i-- > 0 && err == ESP_OK;) {
        const json_t *m = json_array_get (list, i);
        const char *role = json_string_value (json_object_get (m, "role"));
        if (role && strcmp (role, "user") == 0)
            return plain (json_object_get (m, "content"), &v->prompt);
    }
    return err;
}

/* A row without a text is the prompt itself, but for what would give its answer away. */
static esp_err dump_question (const json_t *row, esp_buf *out)
{
    static const char *const *const told[] = {gold_fields,
                                              solution_fields,
                                              program_fields,
                                              completion_list_fields,
                                              completion_text_fields,
                                              step_fields};
    json_t *question = json_copy ((json_t *)(uintptr_t)row);
    esp_err err = question ? ESP_OK : ESP_ENOMEM;
    for (size_t i = 0; i < sizeof (told) / sizeof (told[0]); i++)
        for (const char *const *name = told[i]; question && *name; name++)
            (void)json_object_del (question, *name);
    if (err == ESP_OK)
        err = dump (question, out);
    json_decref (question);
    return err;
}

static esp_err read_statement (problem_view *v)
{
    const json_t *header = json_object_get (v->row, "header"),
                 *statement = json_object_get (v->row, "formal_statement");
    esp_err err;
    if (!json_is_string (statement))
        return dump_question (v->row, &v->prompt);
    err = json_is_string (header) ? plain (header, &v->prompt) : ESP_OK;
    if (err == ESP_OK && v->prompt.len > 0)
        err = esp_buf_puts (&v->prompt, "\n");
    return err == ESP_OK ? plain (statement, &v->prompt) : err;
}

static esp_err read_prompt (problem_view *v)
{
    const json_t *text = first_of (v->row, question_fields),
                 *messages = json_object_get (v->row, "messages");
    if (text)
        return plain (text, &v->prompt);
    return json_is_array (messages) ? read_messages (v, messages) : read_statement (v);
}

esp_err problem_view_open (const search *s, const branches *b, bool labels, problem_view *out)
{
    const problem *p = search_problem (s);
    const json_t *gold;
    esp_err err;
    *out = (problem_view){.row = json_loadb (p->json.ptr, p->json.len, JSON_DECODE_ANY, NULL)};
    if (!out->row) /* the reader took it for JSON */
        return ESP_ENOMEM;
    gold = first_of (out->row, gold_fields);
    if ((err = read_prompt (out)) != ESP_OK ||
        (gold && (err = plain (gold, &out->gold)) != ESP_OK) ||
        (labels && (err = labels_of_search (s, &out->labels)) != ESP_OK))
        return err;
    out->view = (sample_view){.search = s,
                              .tree = search_tree (s),
                              .problem = p,
                              .row = out->row,
                              .prompt = esp_buf_span (&out->prompt),
                              .messages = esp_buf_span (&out->messages),
                              .gold = esp_buf_span (&out->gold),
                              .branches = b,
                              .labels = out->labels};
    return ESP_OK;
}

void problem_view_close (problem_view *v)
{
    json_decref (v->row);
    esp_buf_free (&v->prompt);
    esp_buf_free (&v->messages);
    esp_buf_free (&v->gold);
    esp_free (v->labels);
}
