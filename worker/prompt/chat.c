/* SPDX-License-Identifier: Apache-2.0 */
/* chat.c - presets, and options to a chat: the files it names are read here, once */

#include "worker/prompt/chat.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "proto/base/alloc.h"
#include "proto/base/file.h"
#include "proto/config/config.h"
#include "proto/model/row_fields.h"
#include "worker/prompt/chat_inner.h"

/* Order as in the choices of prompt.preset.  docs/prompts.md tells where the texts come from. */
static const struct {
    const char *system, *template;
} presets[] = {
    /* plain */ {NULL, "{problem}"},
    /* gsm8k */
    {NULL, "{problem}\n\nSolve step by step. End with the final answer as \\boxed{{number}}."},
    /* terse */
    {NULL, "{problem}\n\nSolve with short steps, one per line, at most 6 lines. Last line: The "
           "answer is \\boxed{{number}}."},
    /* math: Qwen2.5-Math's own system prompt */
    {"Please reason step by step, and put your final answer within \\boxed{}.", "{problem}"},
    /* numbered: the "## Step 1:" form that several searchers use; the wording is ours */
    {"Solve the math problem in numbered steps. Begin each step with a heading line \"## Step 1: "
     "what is done\", \"## Step 2: ...\" and so on; below it stands the reasoning or "
     "calculation of this step alone, and an empty line ends it. Easy problems need one or two "
     "steps.\n\nThe last line is: Therefore, the final answer is: $\\boxed{answer}$, with nothing "
     "but the number or expression that was asked for in place of \"answer\".",
     "{problem}"},
    /* code */
    {NULL, "Complete the following Python program so that it does what it says.\n\n```python\n"
           "{problem}\n```\n\nThink first if that helps. End your answer with the whole program, "
           "imports included, in one code block that starts with ```python."},
};
#define PRESET_NAMES "plain|gsm8k|terse|math|numbered|code"

const esp_option prompt_option_rows[] = {
    {"preset", ESP_OPT_CHOICE, offsetof (prompt_options, preset), "plain", 0, 0, PRESET_NAMES, "",
     "system and template that belong together; see docs/prompts.md", ESP_OPT_FIXED, false},
    {"system", ESP_OPT_STRING, offsetof (prompt_options, system), NULL, 0, 0, NULL, "",
     "system message; unset: the preset's; \"\": none", ESP_OPT_FIXED, false},
    {"template", ESP_OPT_STRING, offsetof (prompt_options, template), NULL, 0, 0, NULL, "",
     "user message, with {problem} and any {field} of the problem's row; unset: the preset's",
     ESP_OPT_FIXED, false},
    {"examples", ESP_OPT_STRING, offsetof (prompt_options, examples), NULL, 0, 0, NULL, "",
     "few-shot file: lines {\"problem\": ..., \"solution\": ...}", ESP_OPT_FIXED, false},
    {"chat", ESP_OPT_CHOICE, offsetof (prompt_options, chat), "server", 0, 0,
     "server|chatml|raw|file", "",
     "who makes one text of the messages: the server's template, ChatML, nobody (base models), or "
     "chat_file",
     ESP_OPT_FIXED, false},
    {"chat_file", ESP_OPT_STRING, offsetof (prompt_options, chat_file), NULL, 0, 0, NULL, "",
     "template file of chat: file", ESP_OPT_FIXED, false},
    {"improve", ESP_OPT_STRING, offsetof (prompt_options, improve), NULL, 0, 0, NULL, "",
     "search.mode: draft: user message behind an answer that is to be improved, with {observation} "
     "(what the verifier said of it) and fields of the row; unset: see docs/prompts.md",
     ESP_OPT_FIXED, false},
    {"prefill", ESP_OPT_STRING, offsetof (prompt_options, prefill), NULL, 0, 0, NULL, "",
     "first words of every answer", ESP_OPT_FIXED, false},
    ESP_OPTION_END,
};

/* ---- the user's template ---- */

static esp_err make_template (const char *text, chat *c, esp_error *error)
{
    esp_err err = chat_template_create (text, &c->user);
    if (err != ESP_OK)
        return err;
    for (const char *const *name = question_fields; *name; name++)
        if (chat_template_names (c->user, *name))
            return ESP_OK;
    return esp_error_set (
        error, ESP_EINVAL,
        "prompt.template: does not contain the problem; write {problem} where its "
        "text belongs");
}

static const char improve_plain[] =
    "Look for mistakes in this answer, improve it, and write the whole answer again.";
static const char improve_told[] = "Your answer was tried.  What came of it:\n\n{observation}\n\n"
                                   "Improve it, and write the whole answer again.";

/* It is no switch, which drafts do not need. */
static bool is_switch (const char *text)
{
    static const char *const words[] = {"true", "false", "yes", "no", "on", "off", NULL};
    const char *const *word = words;
    while (*word && strcasecmp (*word, text) != 0)
        word++;
    return *word != NULL;
}

static esp_err make_improve (const char *own, chat *c, esp_error *error)
{
    esp_err err;
    if (own && is_switch (own))
        return esp_error_set (error, ESP_EINVAL,
                              "prompt.improve: '%s' would be the whole message; leave it out for "
                              "ours, or write one, such as \"{observation}  Correct it.\"",
                              own);
    err = chat_template_create (own ? own : improve_plain, &c->improve);
    return err == ESP_OK ? chat_template_create (own ? own : improve_told, &c->improve_told) : err;
}

/* ---- examples ---- */

static const json_t *solution_of (const json_t *row)
{
    static const char *const names[] = {"solution", "response", "completion", "answer"};
    for (size_t i = 0; i < sizeof (names) / sizeof (*names); i++) {
        const json_t *value = json_object_get (row, names[i]);
        if (json_is_string (value))
            return value;
    }
    return NULL;
}

static esp_err add_turns (chat *c, const json_t *row, esp_error *why)
{
    const json_t *solution = solution_of (row), *problem = chat_template_problem_of (row);
    esp_buf user = {0};
    esp_err err;
    if (!json_is_string (problem) || !solution)
        return esp_error_set (
            why, ESP_EFORMAT,
            "must be {\"problem\": text, \"solution\": text} (or question, answer)");
    err = chat_template_fill (c->user, row, &user, why);
    if (err == ESP_OK)
        err = chat_add_message (ROLE_USER, esp_buf_span (&user), &c->examples);
    if (err == ESP_OK)
        err = esp_buf_puts (&c->examples, ",");
    if (err == ESP_OK)
        err = chat_add_message (
            ROLE_ASSISTANT, span_make (json_string_value (solution), json_string_length (solution)),
            &c->examples);
    if (err == ESP_OK)
        err = esp_buf_puts (&c->examples, ",");
    esp_buf_free (&user);
    return err;
}

static esp_err add_example (chat *c, span line, esp_error *why)
{
    json_error_t at = {.text = ""};
    json_t *row = json_loadb (line.ptr, line.len, 0, &at);
    esp_err err;
    if (!row && json_error_code (&at) == json_error_out_of_memory)
        return ESP_ENOMEM;
    if (!row)
        return esp_error_set (why, ESP_EFORMAT, "column %d: %s", at.column, at.text);
    err = add_turns (c, row, why);
    json_decref (row);
    return err;
}

/* The next line of *rest, trimmed. */
static span take_line (span *rest)
{
    size_t end = span_find (*rest, span_of ("\n"));
    span line = span_trim (span_make (rest->ptr, end));
    end += end < rest->len;
    *rest = span_make (rest->ptr + end, rest->len - end);
    return line;
}

static esp_err add_examples (chat *c, span rest, const char *path, esp_error *error)
{
    esp_error why = {0};
    size_t count = 0;
    esp_err err = ESP_OK;
    for (size_t number = 1; err == ESP_OK && rest.len > 0; number++) {
        span line = take_line (&rest);
        if (line.len == 0)
            continue;
        if (++count > CHAT_EXAMPLES_MOST)
            err = esp_error_set (&why, ESP_EFORMAT, "more than %d examples", CHAT_EXAMPLES_MOST);
        else
            err = add_example (c, line, &why);
        if (err != ESP_OK)
            esp_error_set (error, err, "prompt.examples: %s:%zu: %s", path, number, why.text);
    }
    if (err == ESP_OK && count == 0)
        err = esp_error_set (error, ESP_EFORMAT, "prompt.examples: %s has no examples", path);
    return err;
}

static esp_err read_examples (const char *path, chat *c, esp_error *error)
{
    esp_buf text = {0};
    esp_error why = {0};
    esp_err err = esp_file_read (path, CHAT_FILE_BYTES_MOST, &text, &why);
    if (err == ESP_OK)
        err = add_examples (c, esp_buf_span (&text), path, error);
    else
        esp_error_set (error, err, "prompt.examples: %s", why.text);
    esp_buf_free (&text);
    return err;
}

/* ---- template files ---- */

struct file_parts {
    const char *begin, *of[ROLES];
};
static const esp_option file_rows[] = {
    {"begin", ESP_OPT_STRING, offsetof (struct file_parts, begin), NULL, 0, 0, NULL, "",
     "once in front of all", ESP_OPT_FIXED, false},
    {"system", ESP_OPT_STRING, offsetof (struct file_parts, of[ROLE_SYSTEM]), NULL, 0, 0, NULL, "",
     "around {system}", ESP_OPT_FIXED, false},
    {"user", ESP_OPT_STRING, offsetof (struct file_parts, of[ROLE_USER]), NULL, 0, 0, NULL, "",
     "around {user}", ESP_OPT_FIXED, true},
    {"assistant", ESP_OPT_STRING, offsetof (struct file_parts, of[ROLE_ASSISTANT]), NULL, 0, 0,
     NULL, "", "around {assistant}", ESP_OPT_FIXED, true},
    ESP_OPTION_END,
};

/* "before{user}after" */
static esp_err split_part (config *file, const char *text, enum chat_role role, chat_part *out)
{
    char hole[16], key[32];
    size_t at;
    snprintf (hole, sizeof (hole), "{%s}", chat_role_names[role]);
    snprintf (key, sizeof (key), "turns.%s", chat_role_names[role]);
    if (!text)
        return ESP_OK;
    if (span_count (span_of (text), span_of (hole)) != 1)
        return config_mistake (file, key, "must hold %s once", hole);
    at = span_find (span_of (text), span_of (hole));
    out->before = esp_strndup (text, at);
    out->after = esp_strdup (text + at + strlen (hole));
    return out->before && out->after ? ESP_OK : ESP_ENOMEM;
}

static esp_err read_parts (config *file, chat *c)
{
    const esp_option *rows = file_rows;
    struct file_parts parts = {0};
    void *into = &parts;
    esp_err err = config_bind (file, "turns", &rows, &into, 1);
    for (int role = 0; role < ROLES && err == ESP_OK; role++)
        err = split_part (file, parts.of[role], (enum chat_role)role, &c->parts[role]);
    if (err == ESP_OK && parts.begin && !(c->begin = esp_strdup (parts.begin)))
        err = ESP_ENOMEM;
    return err == ESP_OK ? config_check_unknown (file) : err;
}

static esp_err read_template_file (const char *path, chat *c, esp_error *error)
{
    config *file = NULL;
    const char *mistakes = "";
    esp_error why = {0};
    esp_err err = config_read (path, &file, &why);
    if (err != ESP_OK)
        return esp_error_set (error, err, "prompt.chat_file: %s", why.text);
    err = read_parts (file, c);
    if (err == ESP_OK && config_mistakes (file, &mistakes) > 0)
        err = esp_error_set (error, ESP_EFORMAT, "prompt.chat_file: %.*s",
                             (int)strcspn (mistakes, "\n"), mistakes);
    config_destroy (file);
    return err;
}

/* ---- a chat ---- */

static esp_err keep (const char *text, char **out)
{
    if (text && *text && !(*out = esp_strdup (text)))
        return ESP_ENOMEM;
    return ESP_OK;
}

static esp_err fill (chat *c, const prompt_options *o, esp_error *error)
{
    const char *text = o->template ? o->template : presets[o->preset].template;
    esp_err err;
    c->how = (enum chat_template)o->chat;
    if (o->chat_file && c->how != TEMPLATE_FILE)
        return esp_error_set (error, ESP_EINVAL,
                              "prompt.chat_file: is read only with prompt.chat: file");
    if (!o->chat_file && c->how == TEMPLATE_FILE)
        return esp_error_set (error, ESP_EINVAL, "prompt.chat: file needs prompt.chat_file");
    if ((err = keep (o->system ? o->system : presets[o->preset].system, &c->system)) != ESP_OK ||
        (err = keep (o->prefill, &c->prefill)) != ESP_OK ||
        (err = make_template (text, c, error)) != ESP_OK ||
        (err = make_improve (o->improve, c, error)) != ESP_OK)
        return err;
    if (o->examples && (err = read_examples (o->examples, c, error)) != ESP_OK)
        return err;
    return o->chat_file ? read_template_file (o->chat_file, c, error) : ESP_OK;
}

esp_err chat_create (const prompt_options *o, chat **out, esp_error *error)
{
    chat *c;
    esp_err err;
    if (!o || !out)
        return ESP_EINVAL;
    if (!(c = esp_calloc (1, sizeof (*c))))
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    if ((err = fill (c, o, error)) != ESP_OK) {
        chat_destroy (c);
        return err == ESP_ENOMEM ? esp_error_set (error, err, "out of memory") : err;
    }
    *out = c;
    return ESP_OK;
}

void chat_destroy (chat *c)
{
    if (!c)
        return;
    for (int role = 0; role < ROLES; role++) {
        esp_free (c->parts[role].before);
        esp_free (c->parts[role].after);
    }
    esp_free (c->begin);
    esp_free (c->system);
    esp_free (c->prefill);
    esp_buf_free (&c->examples);
    chat_template_destroy (c->user);
    chat_template_destroy (c->improve);
    chat_template_destroy (c->improve_told);
    esp_free (c);
}

enum chat_template chat_how (const chat *c)
{
    return c->how;
}
