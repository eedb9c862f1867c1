/* SPDX-License-Identifier: Apache-2.0 */
/* config_override.c - section.key=value of a command line: an entry that replaces those of the file
 *
 * A user types the value for a shell and for YAML at once, so what YAML refuses is said with the words that both take.
 */

#include <string.h>
#include "proto/config/config.h"
#include "proto/config/config_internal.h"

enum {
    LABEL_BYTES = 80,  /* of an assignment in messages; longer ones are cut */
    QUOTED_BYTES = 200 /* of a value that is shown as it should be quoted */
};

/* What an override is about: "generator[1].url". */
struct target {
    span section;
    size_t index;
    bool indexed; /* says which item */
};

/* False: "generator[x]", "generator[1]x". */
static bool find_target (span name, struct target *out)
{
    size_t open = span_find (name, span_of ("[")), i = open + 1;
    *out = (struct target){name, 0, open < name.len};
    if (!out->indexed)
        return true;
    out->section.len = open;
    for (; i < name.len && name.ptr[i] >= '0' && name.ptr[i] <= '9' && out->index < 100000; i++)
        out->index = 10 * out->index + (size_t)(name.ptr[i] - '0');
    return open > 0 && i > open + 1 && i + 1 == name.len && name.ptr[i] == ']';
}

/* An override replaces its key and all inside it, whatever its value has inside; without a value it takes them away.
 * Entries from `start` on are its own. */
static void replace_key (config *c, const config_entry *made, size_t start)
{
    size_t kept = 0, count = c->entry_count;
    for (size_t i = 0; i < c->entry_count; i++)
        if (i >= start || c->entries[i].section != made->section ||
            c->entries[i].index != made->index || !config_is_inside (c->entries[i].key, made->key))
            c->entries[kept++] = c->entries[i];
    c->entry_count = kept < count && config_is_null (made->node) ? kept - 1 : kept;
}

/* An item of a list section is named by its number; other lists are replaced whole. */
static esp_err refuse_items (const config *c, const char *label, const struct target *t,
                             const char *key, esp_error *error)
{
    const config_section *section = config_section_find (c, t->section);
    bool list = section && config_section_is_list (section);
    if (list && !t->indexed)
        return esp_error_set (
            error, ESP_EFORMAT,
            "%s: %s is a list in %s (line %u); say which of its items: %s[0].%s=...", label,
            section->name, section->file, section->line, section->name, key);
    if (t->indexed && t->index >= (list ? section->tree->count : 1))
        return esp_error_set (error, ESP_EFORMAT, "%s: there is no item %zu", label, t->index);
    for (size_t i = 0; section && i < c->entry_count; i++) {
        const config_entry *e = &c->entries[i];
        if (e->section == section && e->index == t->index && e->node->kind == YAML_TREE_LIST &&
            config_is_inside (key, e->key) && strcmp (key, e->key) != 0)
            return esp_error_set (error, ESP_EFORMAT,
                                  "%s: %s.%s is a list; give it whole: %s.%s=[first, second]",
                                  label, section->name, e->key, section->name, e->key);
    }
    return ESP_OK;
}

/* How a shell takes the value as text: 'prompt.template="{problem} {level}"'. */
static esp_err quoted (span path, span value, esp_buf *out)
{
    esp_buf text = {0};
    esp_err err = esp_buf_printf (out, "'%.*s=", (int)path.len, path.ptr);
    if (err == ESP_OK)
        err = value.len <= QUOTED_BYTES ? esp_buf_json_string (&text, value)
                                        : esp_buf_puts (&text, "\"...\"");
    for (size_t i = 0; err == ESP_OK && i < text.len; i++)
        err = text.data[i] == '\'' ? esp_buf_puts (out, "'\\''")
                                   : esp_buf_append (out, &text.data[i], 1);
    esp_buf_free (&text);
    return err == ESP_OK ? esp_buf_puts (out, "'") : err;
}

static esp_err read_value (config *c, span path, span value, yaml_tree **out, yaml_fault *fault)
{
    esp_err err = yaml_tree_parse (c->arena, value, out, fault);
    esp_buf example = {0};
    if (err == ESP_OK && config_is_null (*out) && span_starts (span_trim (value), "#"))
        err = esp_error_set (&fault->why, ESP_EFORMAT, "a '#' begins a comment");
    if (err != ESP_EFORMAT || strstr (fault->why.text, ": given twice"))
        return err;
    if (quoted (path, value, &example) == ESP_OK) {
        esp_error was = fault->why;
        (void)esp_error_set (&fault->why, err, "%s; text is quoted for YAML and for the shell: %s",
                             was.text, esp_buf_text (&example));
    }
    esp_buf_free (&example);
    return err;
}

static esp_err apply (config *c, const char *label, span path, span value, esp_error *error)
{
    size_t dot = span_find (path, span_of (".")), start = c->entry_count;
    config_entry made = {.label = label};
    struct target t;
    yaml_fault fault = {0};
    yaml_tree *node = NULL;
    char *key = esp_arena_string (c->arena, span_make (path.ptr + dot + 1, path.len - dot - 1));
    esp_err err = key ? ESP_OK : ESP_ENOMEM;
    if (err == ESP_OK && !find_target (span_make (path.ptr, dot), &t))
        err = esp_error_set (error, ESP_EFORMAT,
                             "%s: an item of a list is written section[number].key=value", label);
    if (err != ESP_OK || (err = refuse_items (c, label, &t, key, error)) != ESP_OK)
        return err;
    made.key = key;
    made.index = t.index;
    if (!(made.section = config_section_make (c, t.section)))
        return ESP_ENOMEM;
    if ((err = read_value (c, path, value, &node, &fault)) == ESP_OK)
        err = config_flatten_key (c, &made, node, &fault);
    if (err != ESP_OK)
        return esp_error_set (error, err, "%s: %s", label, fault.why.text);
    if (!made.section->present)
        made.section->label = label;
    made.section->present = true;
    made.node = node;
    replace_key (c, &made, start);
    return ESP_OK;
}

static esp_err check_assignment (const char *label, span all, span path, esp_error *error)
{
    if (!esp_utf8_valid (all))
        return esp_error_set (error, ESP_EFORMAT, "%s: not UTF-8", label);
    if (path.len == all.len || span_starts (all, "--"))
        return esp_error_set (error, ESP_EFORMAT,
                              span_starts (all, "--")
                                  ? "%s: no option of this command (--help lists them), and a key "
                                    "does not begin with --"
                                  : "%s: no '='; write section.key=value",
                              label);
    if (path.len == 0)
        return esp_error_set (error, ESP_EFORMAT,
                              "%s: no key before the '='; write section.key=value", label);
    if (span_find (path, span_of (".")) == path.len)
        return esp_error_set (error, ESP_EFORMAT,
                              "%s: no section before the key; write section.key=value", label);
    if (span_starts (path, ".") || span_ends (path, ".") ||
        span_find (path, span_of ("..")) < path.len)
        return esp_error_set (error, ESP_EFORMAT, "%s: a name is missing beside a '.'", label);
    if (path.len > 2 * YAML_TREE_MAX_KEY_BYTES)
        return esp_error_set (error, ESP_EFORMAT, "%s: the key is too long", label);
    return ESP_OK;
}

static const char *make_label (config *c, span assignment)
{
    esp_buf text = {0};
    span shown = esp_utf8_cut (assignment, LABEL_BYTES);
    const char *label = NULL;
    if (esp_buf_printf (&text, "override %u '%.*s%s'", c->overrides, (int)shown.len, shown.ptr,
                        shown.len < assignment.len ? "..." : "") == ESP_OK)
        label = esp_arena_string (c->arena, esp_buf_span (&text));
    esp_buf_free (&text);
    return label;
}

esp_err config_override (config *c, const char *assignment, esp_error *error)
{
    span all = span_of (assignment), path;
    const char *label;
    esp_err err;
    if (!c || !assignment)
        return esp_error_set (error, ESP_EINVAL, "an override is section.key=value");
    c->overrides++; /* also when it fails: the number is the one of the argument */
    if (all.len > CONFIG_FILE_BYTES)
        return esp_error_set (error, ESP_ETOOBIG, "override %u: larger than 1 MiB", c->overrides);
    if (!(label = make_label (c, all)))
        return esp_error_set (error, ESP_ENOMEM, "override %u: out of memory", c->overrides);
    path = span_make (all.ptr, span_find (all, span_of ("=")));
    if ((err = check_assignment (label, all, path, error)) != ESP_OK)
        return err;
    err =
        apply (c, label, path, span_make (path.ptr + path.len + 1, all.len - path.len - 1), error);
    return err == ESP_ENOMEM ? esp_error_set (error, err, "%s: out of memory", label) : err;
}
