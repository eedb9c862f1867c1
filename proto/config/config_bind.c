/* SPDX-License-Identifier: Apache-2.0 */
/* config_bind.c - entries and fallbacks into the fields of option structs
 *
 * A bind works in two passes: first every row of every table gets its value
 * (memory may run out: all is taken back), then the fields are filled (cannot fail).
 */

#include "proto/config/config.h"
#include "proto/base/alloc.h"
#include "proto/config/config_internal.h"

static void know (config *c, config_section *section)
{
    if (!section->known)
        section->known = ++c->sections_known;
}

static const config_bound *
find_bound (const config *c, const config_section *section, size_t index, const char *key)
{
    for (size_t i = 0; i < c->bound_count; i++)
        if (c->bounds[i].section == section && c->bounds[i].index == index &&
            span_is (span_of (key), c->bounds[i].row->key))
            return &c->bounds[i];
    return NULL;
}

static bool is_bound (const config *c, const config_section *section, size_t index)
{
    for (size_t i = 0; i < c->bound_count; i++)
        if (c->bounds[i].section == section && c->bounds[i].index == index)
            return true;
    return false;
}

static esp_err
note_row (config *c, const config_bound *b, const config_entry *entry, const char *sentence)
{
    char name[CONFIG_NAME_BYTES];
    if (b->again) /* the first row of this key has told it already */
        return ESP_OK;
    config_entry_name (b->section, b->index, b->row->key, name, sizeof (name));
    return config_note (
        c, entry ? config_entry_place (entry) : config_section_place (b->section, b->index), name,
        sentence);
}

static esp_err note_required (config *c, const config_bound *b)
{
    esp_error why = {0};
    (void)esp_error_set (&why, ESP_EFORMAT, "is required, but not given%s%s",
                         b->row->help ? ": " : "", b->row->help ? b->row->help : "");
    return note_row (c, b, NULL, why.text);
}

/* The value of one row: from its entry, else from its fallback. */
static esp_err evaluate (config *c, config_bound *b)
{
    const config_entry *entry = config_entry_find (c, b->section, b->index, b->row->key);
    bool given = entry && !(entry->node->kind == YAML_TREE_TEXT && entry->node->null);
    esp_error why = {0};
    esp_err err;
    if (given) {
        err = config_value_read (b->row, entry->node, c->arena, &b->value, &why);
        if (err != ESP_EFORMAT)
            return err;
        err = note_row (c, b, entry, why.text);
    } else {
        err = b->row->required ? note_required (c, b) : ESP_OK;
    }
    return err == ESP_OK ? config_value_fallback (b->row, c->arena, &b->value) : err;
}

static esp_err bind_row (config *c, config_section *section, size_t index, const esp_option *row)
{
    config_bound b = {.section = section, .index = index, .row = row};
    esp_err err;
    b.again = find_bound (c, section, index, row->key) != NULL;
    if ((err = evaluate (c, &b)) != ESP_OK)
        return err;
    if (esp_grow (&c->bounds, &c->bound_capacity, c->bound_count + 1, sizeof (b)) != 0)
        return ESP_ENOMEM;
    c->bounds[c->bound_count++] = b;
    return ESP_OK;
}

/* The section, or the item, must be a map or empty. */
static esp_err check_shape (config *c, config_section *section, size_t index, bool want_one)
{
    const yaml_tree *node = section->tree;
    char name[CONFIG_NAME_BYTES];
    const char *sentence = NULL;
    if (!node)
        return ESP_OK;
    config_entry_name (section, index, NULL, name, sizeof (name));
    if (node->kind == YAML_TREE_LIST) {
        size_t left = index;
        if (want_one && node->count != 1)
            sentence = "expected one map of keys, found a list";
        for (node = node->first; node && left > 0; node = node->next)
            left--;
    }
    if (!sentence && node &&
        (node->kind == YAML_TREE_LIST || (node->kind == YAML_TREE_TEXT && !node->null)))
        sentence = "expected a map of keys, such as {key: value}";
    if (!sentence || is_bound (c, section, index)) /* an earlier bind has told it */
        return ESP_OK;
    return config_note (c, config_section_place (section, index), name, sentence);
}

static void
fill (config *c, size_t first, const esp_option *const *tables, void *const *structs, size_t count)
{
    const config_bound *b = c->bounds + first;
    for (size_t t = 0; t < count; t++)
        for (const esp_option *row = tables[t]; row->key; row++, b++)
            config_value_store (row, &b->value, (char *)structs[t] + row->offset);
}

static void claim (config *c, const config_section *section, size_t index, size_t first)
{
    for (size_t i = 0; i < c->entry_count; i++) {
        config_entry *e = &c->entries[i];
        for (size_t b = first;
             !e->claimed && e->section == section && e->index == index && b < c->bound_count; b++)
            e->claimed = span_is (span_of (e->key), c->bounds[b].row->key);
    }
}

static esp_err bind (config *c, const char *name, size_t index, const esp_option *const *tables,
                     void *const *structs, size_t count, bool want_one)
{
    size_t first = c->bound_count, text = c->mistakes.len, mistakes = c->mistake_count;
    config_section *section = config_section_make (c, span_of (name));
    esp_err err = section ? check_shape (c, section, index, want_one) : ESP_ENOMEM;
    for (size_t t = 0; err == ESP_OK && t < count; t++)
        for (const esp_option *row = tables[t]; err == ESP_OK && row->key; row++)
            err = bind_row (c, section, index, row);
    if (err != ESP_OK) {
        c->bound_count = first;
        c->mistake_count = mistakes;
        if (c->mistakes.data)
            c->mistakes.data[c->mistakes.len = text] = 0;
        return err;
    }
    know (c, section);
    if (section->items_bound <= index)
        section->items_bound = index + 1;
    fill (c, first, tables, structs, count);
    claim (c, section, index, first);
    return ESP_OK;
}

static bool bad_call (const config *c, const char *section, const esp_option *const *tables,
                      void *const *structs, size_t count)
{
    return !c || !section || (count > 0 && (!tables || !structs));
}

esp_err config_bind (config *c, const char *section, const esp_option *const *tables,
                     void *const *structs, size_t count)
{
    if (bad_call (c, section, tables, structs, count))
        return ESP_EINVAL;
    return bind (c, section, 0, tables, structs, count, true);
}

esp_err config_bind_at (config *c, const char *section, size_t index,
                        const esp_option *const *tables, void *const *structs, size_t count)
{
    if (bad_call (c, section, tables, structs, count))
        return ESP_EINVAL;
    return bind (c, section, index, tables, structs, count, false);
}

esp_err config_accept_section (config *c, const char *section)
{
    config_section *accepted;
    if (!c || !section)
        return ESP_EINVAL;
    if (!(accepted = config_section_make (c, span_of (section))))
        return ESP_ENOMEM;
    know (c, accepted);
    accepted->accepted = true;
    return ESP_OK;
}
