/* SPDX-License-Identifier: Apache-2.0 */
/* config_mistakes.c - the list of mistakes, and the search for names that nobody knows */

#include "proto/config/config.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/config/config_internal.h"

enum { SENTENCE_BYTES = 480 };

config_place config_entry_place (const config_entry *entry)
{
    return (config_place){entry->label, entry->file, entry->label ? 0 : entry->node->line};
}

config_place config_section_place (const config_section *section, size_t index)
{
    const yaml_tree *item;
    if (!section)
        return (config_place){0};
    if (!config_section_is_list (section))
        return (config_place){section->label, section->file, section->line};
    for (item = section->tree->first; item && index > 0; item = item->next)
        index--;
    return (config_place){NULL, section->file, item ? item->line : section->line};
}

void config_entry_name (const config_section *section, size_t index, const char *key, char *out,
                        size_t size)
{
    char place[32] = "";
    if (config_section_is_list (section) || index > 0)
        (void)snprintf (place, sizeof (place), "[%zu]", index);
    (void)snprintf (out, size, "%s%s%s%s", section->name, place, key ? "." : "", key ? key : "");
}

/* A line of the list is one line on a terminal, whatever the file had in it. */
static void clean_line (char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            text[i] = '?';
}

esp_err config_note (config *c, config_place place, const char *name, const char *sentence)
{
    size_t before = c->mistakes.len;
    esp_err err;
    if (place.label)
        err = esp_buf_printf (&c->mistakes, "%s: %s: %s", place.label, name, sentence);
    else if (place.line > 0)
        err = esp_buf_printf (&c->mistakes, "%s:%u: %s: %s", place.file ? place.file : c->name,
                              place.line, name, sentence);
    else
        err = esp_buf_printf (&c->mistakes, "%s: %s: %s", c->name, name, sentence);
    if (err == ESP_OK) {
        clean_line (c->mistakes.data + before, c->mistakes.len - before);
        err = esp_buf_puts (&c->mistakes, "\n");
    }
    if (err == ESP_OK)
        c->mistake_count++;
    else if (c->mistakes.data)
        c->mistakes.data[c->mistakes.len = before] = 0;
    return err;
}

size_t config_mistakes (const config *c, const char **text)
{
    if (text)
        *text = c ? esp_buf_text (&c->mistakes) : "";
    return c ? c->mistake_count : 0;
}

/* "samples[1].format" -> section, 1, "format"; the key may be missing ("samples"): NULL. */
static const char *
split_name (const config *c, const char *dotted, const config_section **section, size_t *index)
{
    size_t len = strcspn (dotted, ".[");
    const char *rest = dotted + len;
    *section = config_section_find (c, span_make (dotted, len));
    *index = 0;
    if (*rest == '[') {
        char *end;
        *index = (size_t)strtoul (rest + 1, &end, 10);
        rest = *end == ']' ? end + 1 : end;
    }
    return *rest == '.' ? rest + 1 : NULL;
}

esp_err config_mistake (config *c, const char *dotted, const char *format, ...)
{
    char sentence[SENTENCE_BYTES];
    const config_section *section;
    const config_entry *entry = NULL;
    const char *key;
    size_t index;
    va_list args;
    if (!c || !dotted || !format)
        return ESP_EINVAL;
    va_start (args, format);
    (void)vsnprintf (sentence, sizeof (sentence), format, args);
    va_end (args);
    key = split_name (c, dotted, &section, &index);
    if (key)
        entry = config_entry_find (c, section, index, key);
    return config_note (c,
                        entry ? config_entry_place (entry) : config_section_place (section, index),
                        dotted, sentence);
}

esp_err config_mistake_of (config *c, const char *otherwise, const esp_error *error)
{
    const char *colon = error ? strstr (error->text, ": ") : NULL;
    char key[CONFIG_NAME_BYTES];
    if (!error || !otherwise)
        return ESP_EINVAL;
    if (!colon || (size_t)(colon - error->text) >= sizeof (key))
        return config_mistake (c, otherwise, "%s", error->text);
    memcpy (key, error->text, (size_t)(colon - error->text));
    key[colon - error->text] = 0;
    return config_mistake (c, key, "%s", colon + 2);
}

/* --- unknown names --- */

/* The names that `word` could have meant, NULL at the end; freed by the caller. */
struct names {
    const char **items;
    size_t count, capacity;
};

static esp_err names_add (struct names *names, const char *name)
{
    if (esp_grow (&names->items, &names->capacity, names->count + 2, sizeof (*names->items)) != 0)
        return ESP_ENOMEM;
    names->items[names->count++] = name;
    names->items[names->count] = NULL;
    return ESP_OK;
}

static esp_err known_sections (const config *c, struct names *names)
{
    esp_err err = ESP_OK;
    for (size_t order = 1; err == ESP_OK && order <= c->sections_known; order++)
        for (const config_section *s = c->sections; err == ESP_OK && s; s = s->next)
            if (s->known == order)
                err = names_add (names, s->name);
    return err;
}

static esp_err known_keys (const config *c, const config_entry *entry, struct names *names)
{
    esp_err err = ESP_OK;
    for (size_t i = 0; err == ESP_OK && i < c->bound_count; i++)
        if (c->bounds[i].section == entry->section && c->bounds[i].index == entry->index)
            err = names_add (names, c->bounds[i].row->key);
    return err;
}

static esp_err note_section (config *c, config_section *section, const struct names *names)
{
    static const char *const no_section[] = {"extends", NULL}; /* but it stands beside them */
    const char *near = names->items ? esp_nearest (section->name, names->items) : NULL;
    esp_buf text = {0};
    esp_err err = esp_buf_puts (&text, "unknown section");
    if (!near)
        near = esp_nearest (section->name, no_section);
    if (err == ESP_OK && near)
        err = esp_buf_printf (&text, "; did you mean %s?", near);
    for (size_t i = 0; err == ESP_OK && !near && i < names->count; i++)
        err = esp_buf_printf (&text, "%s%s", i ? ", " : "; there are ", names->items[i]);
    if (err == ESP_OK)
        err =
            config_note (c, config_section_place (section, 0), section->name, esp_buf_text (&text));
    section->reported = err == ESP_OK;
    esp_buf_free (&text);
    return err;
}

static bool is_under (const char *key, const char *group)
{
    size_t len = strlen (group);
    return strncmp (key, group, len) == 0 && key[len] == '.';
}

/* Why no row has this key, from the most telling to the least. */
static void explain (const config_entry *entry, const struct names *names, char *out, size_t size)
{
    const char *key = entry->key, *near = names->items ? esp_nearest (key, names->items) : NULL;
    for (size_t i = 0; i < names->count; i++) {
        const char *known = names->items[i];
        if (is_under (key, known)) {
            (void)snprintf (out, size,
                            entry->label
                                ? "unknown key; %s is a single value and has no keys inside; text "
                                  "with braces or a colon is quoted for YAML and for the shell: "
                                  "'%s.%s=\"...\"'"
                                : "unknown key; %s is a single value and has no keys inside",
                            known, entry->section->name, known);
            return;
        }
        if (is_under (known, key)) {
            (void)snprintf (out, size, "a map is expected here, such as {%s: ...}",
                            known + strlen (key) + 1);
            return;
        }
        if (!near && strlen (known) > strlen (key) && span_ends (span_of (known), key) &&
            known[strlen (known) - strlen (key) - 1] == '.')
            near = known; /* the group was forgotten: generations, budget.generations */
    }
    if (near)
        (void)snprintf (out, size, "unknown key; did you mean %s?", near);
    else
        (void)snprintf (out, size, "unknown key");
}

/* An empty group ("budget: {}", "budget:") says nothing, so it is fine when rows live inside. */
static bool is_empty_group (const config_entry *entry, const struct names *names)
{
    bool empty = entry->node->kind == YAML_TREE_MAP || entry->node->null;
    for (size_t i = 0; empty && i < names->count; i++)
        if (is_under (names->items[i], entry->key))
            return true;
    return false;
}

/* The key that decides which others there are, where it stands in another place than `entry`. */
static const config_entry *decides (const config *c, const config_entry *entry)
{
    static const char *const keys[] = {"strategy", "engine", "kind"};
    for (size_t i = 0; i < sizeof (keys) / sizeof (*keys); i++) {
        const config_entry *e = config_entry_find (c, entry->section, entry->index, keys[i]);
        if (e && e->node->kind == YAML_TREE_TEXT && (e->label || e->file != entry->file))
            return e;
    }
    return NULL;
}

/* A key of a file that the run file extends, or of the run file when an override changes what decides: how to be rid of it. */
static void explain_origin (const config *c, const config_entry *entry, const char *name, char *out,
                            size_t size)
{
    const config_entry *e = decides (c, entry);
    out[0] = 0;
    if (entry->label || (!e && (!entry->file || strcmp (entry->file, c->name) == 0)))
        return;
    if (e && e->label)
        (void)snprintf (out, size,
                        "; %s.%s is %.60s by an override: another override, %s=, takes "
                        "this key away",
                        entry->section->name, e->key, e->node->text, name);
    else if (e)
        (void)snprintf (out, size,
                        "; %s.%s is %.60s by %s:%u: there '%s: ~' in section %s takes "
                        "this key away",
                        entry->section->name, e->key, e->node->text, e->file, e->node->line,
                        entry->key, entry->section->name);
    else
        (void)snprintf (out, size,
                        "; it comes to %s by extends: there '%s: ~' in section %s takes "
                        "it away",
                        c->name, entry->key, entry->section->name);
}

static esp_err check_entry (config *c, config_entry *entry)
{
    char name[CONFIG_NAME_BYTES], sentence[SENTENCE_BYTES];
    struct names names = {0};
    size_t len;
    esp_err err = known_keys (c, entry, &names);
    if (err == ESP_OK && !is_empty_group (entry, &names)) {
        config_entry_name (entry->section, entry->index, entry->key, name, sizeof (name));
        explain (entry, &names, sentence, sizeof (sentence));
        len = strlen (sentence);
        explain_origin (c, entry, name, sentence + len, sizeof (sentence) - len);
        err = config_note (c, config_entry_place (entry), name, sentence);
    }
    entry->claimed = err == ESP_OK;
    esp_free (names.items);
    return err;
}

esp_err config_check_unknown (config *c)
{
    struct names names = {0};
    esp_err err = c ? known_sections (c, &names) : ESP_EINVAL;
    for (config_section *s = c ? c->sections : NULL; err == ESP_OK && s; s = s->next)
        if (s->present && !s->known && !s->reported &&
            !(config_section_is_list (s) &&
              s->tree->count == 0)) /* says nothing, and nobody binds it */
            err = note_section (c, s, &names);
    for (size_t i = 0; err == ESP_OK && i < c->entry_count; i++) {
        config_entry *e = &c->entries[i];
        if (e->index < e->section->items_bound && !e->section->accepted && !e->claimed)
            err = check_entry (c, e);
    }
    esp_free (names.items);
    return err;
}
