/* SPDX-License-Identifier: Apache-2.0 */
/* config_value.c - what stands in a run file, and the typed value it means
 *
 * Quotes do not matter: "8" is a whole number too, as a shell may have added or
 * eaten them.  Numbers are read in the C locale, whatever the terminal has set.
 */

#include <assert.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "proto/base/alloc.h"
#include "proto/config/config_internal.h"

enum {
    SHOWN_BYTES = 40, /* of a wrong value in a message */
    MAX_WORD = 64,    /* longer ones are no slip of the keys: no nearest word */
    MAX_CHOICES = 64
};

enum reading { READ_OK, READ_BAD, READ_TOO_LARGE };

/* --- words and numbers --- */

/* Digits with single underscores between them; negative, because that side has one number more. */
static enum reading read_digits (const char **text, int64_t *out)
{
    const char *p = *text;
    int64_t sum = 0;
    bool large = false;
    if (*p < '0' || *p > '9')
        return READ_BAD;
    for (; (*p >= '0' && *p <= '9') || (*p == '_' && p[1] >= '0' && p[1] <= '9'); p++) {
        if (*p == '_')
            continue;
        if (__builtin_mul_overflow (sum, 10, &sum) || __builtin_sub_overflow (sum, *p - '0', &sum))
            large = true;
    }
    *text = p;
    *out = sum;
    return large ? READ_TOO_LARGE : READ_OK;
}

static enum reading read_whole (const char *text, int64_t *out)
{
    bool minus = *text == '-', large;
    const char *p = text + (minus || *text == '+');
    int64_t value = 0, scale;
    enum reading got = read_digits (&p, &value);
    if (got == READ_BAD)
        return got;
    scale = *p == 'k' ? 1000 : *p == 'M' ? 1000000 : *p == 'G' ? 1000000000 : 1;
    p += scale > 1;
    if (*p)
        return READ_BAD;
    large = got == READ_TOO_LARGE || __builtin_mul_overflow (value, scale, &value);
    if (large || (!minus && __builtin_sub_overflow ((int64_t)0, value, &value)))
        return READ_TOO_LARGE;
    *out = value;
    return READ_OK;
}

static enum reading read_number (const char *text, double *out)
{
    int64_t whole;
    enum reading got;
    if (*text && text[strspn (text, "0123456789+-.eE")] == 0) {
        locale_t c_locale = newlocale (LC_ALL_MASK, "C", (locale_t)0);
        char *end;
        double value = c_locale ? strtod_l (text, &end, c_locale) : strtod (text, &end);
        if (c_locale)
            freelocale (c_locale);
        if (*end || end == text)
            return READ_BAD;
        *out = value;
        return isfinite (value) ? READ_OK : READ_TOO_LARGE;
    }
    if ((got = read_whole (text, &whole)) == READ_OK) /* 64k, 1_000 */
        *out = (double)whole;
    return got;
}

static enum reading read_flag (const char *text, bool *out)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    for (size_t i = 0; i < sizeof (words) / sizeof (*words); i++)
        if (strcasecmp (text, words[i]) == 0) {
            *out = i % 2 == 1;
            return READ_OK;
        }
    return READ_BAD;
}

span config_choice (const char *choices, size_t i)
{
    for (; choices && i > 0; i--)
        if ((choices = strchr (choices, '|')))
            choices++;
    return span_make (choices, choices ? strcspn (choices, "|") : 0);
}

static enum reading read_choice (const char *choices, const char *text, int *out)
{
    span choice;
    for (size_t i = 0; (choice = config_choice (choices, i)).ptr; i++)
        if (span_is (choice, text)) {
            *out = (int)i;
            return READ_OK;
        }
    return READ_BAD;
}

/* --- sentences --- */

static const char *const expected[] = {
    [ESP_OPT_BOOL] = "true or false", [ESP_OPT_INT] = "a whole number (such as 64, 64k or 2M)",
    [ESP_OPT_DOUBLE] = "a number",    [ESP_OPT_STRING] = "text",
    [ESP_OPT_CHOICE] = "one word",    [ESP_OPT_STRINGS] = "a list of texts",
};

static esp_err wrong_type (const esp_option *row, const yaml_tree *node, esp_error *why)
{
    const char *text = node->text ? node->text : "";
    span shown = esp_utf8_cut (span_of (text), SHOWN_BYTES);
    if (node->kind != YAML_TREE_TEXT)
        return esp_error_set (why, ESP_EFORMAT, "expected %s, found a %s%s", expected[row->type],
                              node->kind == YAML_TREE_MAP ? "map" : "list",
                              row->type == ESP_OPT_STRING ? "; put text in quotes" : "");
    return esp_error_set (why, ESP_EFORMAT, "expected %s, found '%.*s%s'", expected[row->type],
                          (int)shown.len, shown.ptr, text[shown.len] ? "..." : "");
}

static esp_err too_large (const esp_option *row, const yaml_tree *node, esp_error *why)
{
    span shown = esp_utf8_cut (span_of (node->text), SHOWN_BYTES);
    return esp_error_set (why, ESP_EFORMAT, "'%.*s' is too large for %s", (int)shown.len, shown.ptr,
                          row->type == ESP_OPT_INT ? "a whole number of 64 bits" : "a number");
}

static esp_err
check_range (const esp_option *row, double value, const yaml_tree *node, esp_error *why)
{
    const char *unit = row->unit ? row->unit : "", *gap = *unit ? " " : "";
    span shown = esp_utf8_cut (span_of (node->text), SHOWN_BYTES);
    const char *other = row->fallback || row->required ? "" : ", or left out";
    int len = (int)shown.len;
    if (row->min >= row->max || (value >= row->min && value <= row->max))
        return ESP_OK;
    if (row->max >= CONFIG_NO_BOUND)
        return esp_error_set (why, ESP_EFORMAT, "%.*s is out of range: at least %.15g%s%s%s", len,
                              shown.ptr, row->min, gap, unit, other);
    if (row->min <= -CONFIG_NO_BOUND)
        return esp_error_set (why, ESP_EFORMAT, "%.*s is out of range: at most %.15g%s%s%s", len,
                              shown.ptr, row->max, gap, unit, other);
    return esp_error_set (why, ESP_EFORMAT, "%.*s is out of range: %.15g to %.15g%s%s%s", len,
                          shown.ptr, row->min, row->max, gap, unit, other);
}

static esp_err
unknown_choice (const esp_option *row, const yaml_tree *node, esp_arena *arena, esp_error *why)
{
    const char *words[MAX_CHOICES + 1] = {NULL}, *near = NULL;
    span shown = esp_utf8_cut (span_of (node->text), SHOWN_BYTES), choice;
    char list[300] = "";
    size_t used = 0;
    for (size_t i = 0; i < MAX_CHOICES && (choice = config_choice (row->choices, i)).ptr; i++) {
        if (!(words[i] = esp_arena_string (arena, choice)))
            return ESP_ENOMEM;
        if (used < sizeof (list))
            used += (size_t)snprintf (list + used, sizeof (list) - used, "%s%s", i ? ", " : "",
                                      words[i]);
    }
    if (strlen (node->text) <= MAX_WORD)
        near = esp_nearest (node->text, words);
    return esp_error_set (why, ESP_EFORMAT, "unknown choice '%.*s'%s%s%s; there are: %s",
                          (int)shown.len, shown.ptr, near ? "; did you mean " : "",
                          near ? near : "", near ? "?" : "", list);
}

/* --- a node as a value --- */

static esp_err read_texts (const esp_option *row, const yaml_tree *node, esp_arena *arena,
                           esp_strings *out, esp_error *why)
{
    const char **items;
    size_t count = node->kind == YAML_TREE_LIST ? node->count : 1;
    if (node->kind == YAML_TREE_MAP)
        return wrong_type (row, node, why);
    if (!(items = esp_arena_alloc (arena, (count + 1) * sizeof (*items))))
        return ESP_ENOMEM;
    items[count] = NULL;
    if (node->kind == YAML_TREE_LIST)
        node = node->first;
    for (size_t i = 0; i < count; i++, node = node->next) {
        if (node->kind != YAML_TREE_TEXT)
            return esp_error_set (why, ESP_EFORMAT,
                                  "expected a list of texts, but item %zu is a %s", i + 1,
                                  node->kind == YAML_TREE_MAP ? "map" : "list");
        if (node->null)
            return esp_error_set (
                why, ESP_EFORMAT,
                "expected a list of texts, but item %zu is empty; write \"\" for no text", i + 1);
        items[i] = node->text;
    }
    *out = (esp_strings){items, count};
    return ESP_OK;
}

static esp_err
read_scalar (const esp_option *row, const yaml_tree *node, config_value *v, esp_error *why)
{
    enum reading got = READ_BAD;
    double number = 0;
    if (row->type == ESP_OPT_BOOL)
        got = read_flag (node->text, &v->as.flag);
    if (row->type == ESP_OPT_INT && (got = read_whole (node->text, &v->as.whole)) == READ_OK)
        number = (double)v->as.whole;
    if (row->type == ESP_OPT_DOUBLE && (got = read_number (node->text, &v->as.number)) == READ_OK)
        number = v->as.number;
    if (got == READ_BAD)
        return wrong_type (row, node, why);
    if (got == READ_TOO_LARGE)
        return too_large (row, node, why);
    return row->type == ESP_OPT_BOOL ? ESP_OK : check_range (row, number, node, why);
}

esp_err config_value_read (const esp_option *row, const yaml_tree *node, esp_arena *arena,
                           config_value *out, esp_error *why)
{
    config_value v = {.set = true};
    esp_err err = ESP_OK;
    if (row->type == ESP_OPT_STRINGS)
        err = read_texts (row, node, arena, &v.as.texts, why);
    else if (node->kind != YAML_TREE_TEXT)
        err = wrong_type (row, node, why);
    else if (row->type == ESP_OPT_STRING)
        v.as.text = node->text;
    else if (row->type != ESP_OPT_CHOICE)
        err = read_scalar (row, node, &v, why);
    else if (read_choice (row->choices, node->text, &v.as.choice) != READ_OK)
        err = unknown_choice (row, node, arena, why);
    if (err == ESP_OK)
        *out = v;
    return err;
}

/* --- fallbacks --- */

/* Fallbacks are written as in the file ("[a, b]", "\"\\n\""); a text that is no YAML of the
 * right kind ("{host}:80", "") is meant as it stands. */
static esp_err
fallback_tree (const esp_option *row, esp_arena *arena, yaml_tree *literal, yaml_tree **out)
{
    yaml_fault fault = {0};
    yaml_tree *parsed = NULL;
    bool list_is_fine = row->type == ESP_OPT_STRINGS;
    *literal = (yaml_tree){.kind = YAML_TREE_TEXT, .text = row->fallback};
    *out = literal;
    if (row->type != ESP_OPT_STRING && row->type != ESP_OPT_STRINGS)
        return ESP_OK;
    if (yaml_tree_parse (arena, span_of (row->fallback), &parsed, &fault) == ESP_ENOMEM)
        return ESP_ENOMEM;
    if (parsed && ((parsed->kind == YAML_TREE_TEXT && !parsed->null) ||
                   (parsed->kind == YAML_TREE_LIST && list_is_fine)))
        *out = parsed;
    else if (list_is_fine && row->fallback[0] == 0) /* no text at all: an empty list */
        *literal = (yaml_tree){.kind = YAML_TREE_LIST};
    return ESP_OK;
}

esp_err config_value_fallback (const esp_option *row, esp_arena *arena, config_value *out)
{
    yaml_tree literal, *node;
    esp_error why = {0};
    esp_err err;
    *out = (config_value){0};
    if (!row->fallback)
        return ESP_OK;
    if ((err = fallback_tree (row, arena, &literal, &node)) != ESP_OK)
        return err;
    err = config_value_read (row, node, arena, out, &why);
    assert (err == ESP_OK ||
            err == ESP_ENOMEM); /* else the table is wrong: its fallback breaks its rule */
    return err;
}

/* --- a value as text, and into its field --- */

static esp_err texts_text (const esp_strings *texts, esp_buf *out)
{
    esp_err err = esp_buf_puts (out, "[");
    for (size_t i = 0; err == ESP_OK && i < texts->count; i++) {
        err = esp_buf_puts (out, i ? ", " : "");
        if (err == ESP_OK)
            err = esp_buf_json_string (out, span_of (texts->items[i]));
    }
    return err == ESP_OK ? esp_buf_puts (out, "]") : err;
}

esp_err config_value_text (const esp_option *row, const config_value *value, esp_buf *out)
{
    if (!value->set)
        return ESP_OK;
    switch (row->type) {
    case ESP_OPT_BOOL:
        return esp_buf_puts (out, value->as.flag ? "true" : "false");
    case ESP_OPT_INT:
        return esp_buf_printf (out, "%lld", (long long)value->as.whole);
    case ESP_OPT_DOUBLE:
        return esp_buf_json_double (out, value->as.number);
    case ESP_OPT_STRING:
        return esp_buf_puts (out, value->as.text);
    case ESP_OPT_CHOICE:
        return esp_buf_add (out, config_choice (row->choices, (size_t)value->as.choice));
    case ESP_OPT_STRINGS:
        return texts_text (&value->as.texts, out);
    }
    return ESP_OK;
}

void config_value_store (const esp_option *row, const config_value *value, void *target)
{
    static const size_t sizes[] = {
        [ESP_OPT_BOOL] = sizeof (bool),     [ESP_OPT_INT] = sizeof (int64_t),
        [ESP_OPT_DOUBLE] = sizeof (double), [ESP_OPT_STRING] = sizeof (const char *),
        [ESP_OPT_CHOICE] = sizeof (int),    [ESP_OPT_STRINGS] = sizeof (esp_strings),
    };
    memcpy (target, &value->as, sizes[row->type]); /* every member of a union begins at its start */
}
