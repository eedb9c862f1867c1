/* SPDX-License-Identifier: Apache-2.0 */
/* config.c - files, flattened into entries
 *
 * Invariants:
 *   I1  no two entries have the same section, index and key
 *   I2  entries of a section that is no list have index 0
 */

#include "proto/config/config.h"
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/hash.h"
#include "proto/config/config_internal.h"

enum {
    ARENA_BYTES = 16 * 1024 /* first chunk: a usual run file fits */
};

esp_err config_create (const char *name, config **out)
{
    config *c = esp_calloc (1, sizeof (*c));
    esp_err err = c ? esp_arena_create (ARENA_BYTES, &c->arena) : ESP_ENOMEM;
    if (err == ESP_OK && !(c->name = esp_arena_string (c->arena, span_of (name))))
        err = ESP_ENOMEM;
    if (err != ESP_OK)
        config_destroy (c);
    else
        *out = c;
    return err;
}

void config_destroy (config *c)
{
    if (!c)
        return;
    esp_arena_destroy (c->arena);
    esp_free (c->entries);
    esp_free (c->bounds);
    esp_buf_free (&c->mistakes);
    esp_free (c);
}

/* --- sections and entries --- */

const config_section *config_section_find (const config *c, span name)
{
    for (const config_section *s = c->sections; s; s = s->next)
        if (span_is (name, s->name))
            return s;
    return NULL;
}

config_section *config_section_make (config *c, span name)
{
    config_section **end = &c->sections;
    for (; *end; end = &(*end)->next)
        if (span_is (name, (*end)->name))
            return *end;
    config_section *made = esp_arena_calloc (c->arena, sizeof (*made));
    if (!made || !(made->name = esp_arena_string (c->arena, name)))
        return NULL;
    *end = made;
    return made;
}

bool config_section_is_list (const config_section *section)
{
    return section->tree && section->tree->kind == YAML_TREE_LIST;
}

size_t config_section_items (const config_section *section)
{
    if (!section || !section->present)
        return 0;
    return config_section_is_list (section) ? section->tree->count : 1;
}

static uint64_t entry_hash (const config_section *section, size_t index, const char *key)
{
    uint64_t h = esp_hash_mix_span (index, span_of (section->name));
    return esp_hash_mix_span (h, span_of (key));
}

const config_entry *
config_entry_find (const config *c, const config_section *section, size_t index, const char *key)
{
    uint64_t hash = section ? entry_hash (section, index, key) : 0;
    for (size_t i = 0; section && i < c->entry_count; i++) {
        const config_entry *e = &c->entries[i];
        if (e->hash == hash && e->section == section && e->index == index &&
            strcmp (e->key, key) == 0)
            return e;
    }
    return NULL;
}

/* --- flattening --- */

/* Where new entries come from and go to. */
struct source {
    config *c;
    config_section *section;
    size_t index;
    const char *label; /* NULL = the file */
    const char *file;
    size_t start; /* first entry of this source: duplicates are looked for from here */
    yaml_fault *fault;
};

static esp_err
fault_at (struct source *s, const yaml_tree *node, const char *name, const char *sentence)
{
    s->fault->line = node->line;
    s->fault->column = node->column;
    return esp_error_set (&s->fault->why, ESP_EFORMAT, "%s: %s", name, sentence);
}

static esp_err
given_twice (struct source *s, const yaml_tree *node, const char *name, const config_entry *first)
{
    s->fault->line = node->line;
    s->fault->column = node->column;
    return esp_error_set (&s->fault->why, ESP_EFORMAT, "%s: given twice; it is on line %u already",
                          name, first->node->line);
}

static esp_err add_entry (struct source *s, const char *key, const yaml_tree *node)
{
    config *c = s->c;
    config_entry entry = {.section = s->section, .index = s->index, .key = key, .node = node};
    entry.label = s->label;
    entry.file = s->file;
    entry.hash = entry_hash (s->section, s->index, key);
    for (size_t i = s->start; i < c->entry_count; i++) {
        const config_entry *other = &c->entries[i];
        if (other->hash == entry.hash && other->section == s->section && other->index == s->index &&
            strcmp (other->key, key) == 0) {
            char name[CONFIG_NAME_BYTES];
            config_entry_name (s->section, s->index, key, name, sizeof (name));
            return given_twice (s, node, name, other);
        }
    }
    if (esp_grow (&c->entries, &c->entry_capacity, c->entry_count + 1, sizeof (entry)) != 0)
        return ESP_ENOMEM;
    c->entries[c->entry_count++] = entry;
    return ESP_OK;
}

static char *join_keys (config *c, const char *prefix, const char *key)
{
    size_t head = strlen (prefix), tail = strlen (key);
    char *joined = esp_arena_alloc (c->arena, head + tail + 2);
    if (joined) {
        memcpy (joined, prefix, head);
        joined[head] = '.';
        memcpy (joined + head + 1, key, tail + 1);
    }
    return joined;
}

static bool dots_are_odd (const char *key)
{
    size_t len = strlen (key);
    return len == 0 || key[0] == '.' || key[len - 1] == '.' || strstr (key, "..");
}

/* An empty map stays one entry, so that its name is checked too. */
static esp_err flatten (struct source *s, const char *key, const yaml_tree *node)
{
    if (dots_are_odd (key))
        return fault_at (s, node, key, "a name is missing beside a '.'");
    if (strlen (key) > YAML_TREE_MAX_KEY_BYTES) /* so that what is written dotted can be read */
        return fault_at (s, node, key, "a key that is longer than 128 bytes, with its groups");
    if (node->kind != YAML_TREE_MAP || node->count == 0)
        return add_entry (s, key, node);
    for (const yaml_tree *child = node->first; child; child = child->next) {
        const char *joined = join_keys (s->c, key, child->key);
        esp_err err = joined ? flatten (s, joined, child) : ESP_ENOMEM;
        if (err != ESP_OK)
            return err;
    }
    return ESP_OK;
}

static esp_err flatten_children (struct source *s, const yaml_tree *map)
{
    esp_err err = ESP_OK;
    for (const yaml_tree *child = map->first; err == ESP_OK && child; child = child->next)
        err = flatten (s, child->key, child);
    return err;
}

/* An older file's section gives way to a list, and so does an older list to anything that says something. */
static void forget_section (struct source *s, config_section *section)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->c->entry_count; i++)
        if (s->c->entries[i].section != section)
            s->c->entries[kept++] = s->c->entries[i];
    s->start -= s->c->entry_count - kept; /* all of them were older */
    s->c->entry_count = kept;
    section->present = false;
    section->tree = NULL;
}

/* The section as this file begins to speak of it. */
static esp_err enter_section (struct source *s, const yaml_tree *node, bool dotted)
{
    config_section *section = s->section;
    bool list = !dotted && node->kind == YAML_TREE_LIST;
    bool was_list = config_section_is_list (section);
    bool older = section->present && section->file != s->file;
    if (section->present && !older && (was_list || list))
        return fault_at (s, node, node->key,
                         "the section is a list, so its keys belong to the items");
    if (older && (list || was_list) && !node->null)
        forget_section (s, section);
    if (!section->present || older) {
        section->line = node->line;
        section->file = s->file;
    }
    section->present = true;
    return ESP_OK;
}

/* A child of the root: "search: {...}", "samples: [...]" or "search.keep: 8". */
static esp_err flatten_section (struct source *s, const yaml_tree *node)
{
    const char *dot = strchr (node->key, '.');
    esp_err err;
    if (dots_are_odd (node->key))
        return fault_at (s, node, node->key, "a name is missing beside a '.'");
    s->index = 0;
    s->section = config_section_make (
        s->c, span_make (node->key, dot ? (size_t)(dot - node->key) : strlen (node->key)));
    if (!s->section)
        return ESP_ENOMEM;
    if ((err = enter_section (s, node, dot != NULL)) != ESP_OK)
        return err;
    if (dot)
        return flatten (s, dot + 1, node);
    if (!s->section->tree || !node->null) /* an empty section leaves what an older file said */
        s->section->tree = node;
    if (node->kind == YAML_TREE_MAP)
        return flatten_children (s, node);
    for (const yaml_tree *item = node->first; err == ESP_OK && item; item = item->next, s->index++)
        if (item->kind == YAML_TREE_MAP) /* anything else is a mistake of the binding */
            err = flatten_children (s, item);
    return err;
}

/* Does key stand for `above` itself or for something inside it? */
bool config_is_inside (const char *key, const char *above)
{
    size_t len = strlen (above);
    return strncmp (key, above, len) == 0 && (key[len] == 0 || key[len] == '.');
}

static bool is_replaced (const config *c, const config_entry *old, size_t start)
{
    for (size_t i = start; i < c->entry_count; i++)
        if (c->entries[i].section == old->section && config_is_inside (old->key, c->entries[i].key))
            return true;
    return false;
}

bool config_is_null (const yaml_tree *node)
{
    return node->kind == YAML_TREE_TEXT && node->null;
}

/* "keep: ~" where an older file says keep: then neither is left, so that no table needs to know the key. */
static bool only_takes_away (const config *c, const config_entry *made, size_t start)
{
    for (size_t i = 0; i < start && config_is_null (made->node); i++)
        if (c->entries[i].section == made->section &&
            config_is_inside (c->entries[i].key, made->key))
            return true;
    return false;
}

/* Entries from `start` on are new: they replace the older ones of their keys. */
static void replace_older (config *c, size_t start)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->entry_count; i++)
        c->entries[i].gone = i < start ? is_replaced (c, &c->entries[i], start)
                                       : only_takes_away (c, &c->entries[i], start);
    for (size_t i = 0; i < c->entry_count; i++)
        if (!c->entries[i].gone)
            c->entries[kept++] = c->entries[i];
    c->entry_count = kept;
}

esp_err config_flatten (config *c, const yaml_tree *root, const char *file, yaml_fault *fault)
{
    struct source s = {.c = c, .file = file, .start = c->entry_count, .fault = fault};
    esp_err err = ESP_OK;
    fault->line = root->line;
    fault->column = root->column;
    if (root->kind == YAML_TREE_TEXT && root->null)
        return esp_error_set (&fault->why, ESP_EFORMAT, "the run file is empty");
    if (root->kind != YAML_TREE_MAP)
        return esp_error_set (&fault->why, ESP_EFORMAT,
                              "a run file is a map of sections, such as 'search: {keep: 4}'");
    for (const yaml_tree *node = root->first; err == ESP_OK && node; node = node->next)
        if (strcmp (node->key, CONFIG_EXTENDS) != 0)
            err = flatten_section (&s, node);
    if (err == ESP_OK && s.start > 0)
        replace_older (c, s.start);
    return err;
}

esp_err
config_flatten_key (config *c, const config_entry *like, const yaml_tree *node, yaml_fault *fault)
{
    struct source s = {.c = c,
                       .section = like->section,
                       .index = like->index,
                       .label = like->label,
                       .start = c->entry_count,
                       .fault = fault};
    esp_err err = flatten (&s, like->key, node);
    if (err != ESP_OK)
        c->entry_count = s.start;
    return err;
}

/* --- looking without binding --- */

size_t config_section_count (const config *c, const char *section)
{
    return c ? config_section_items (config_section_find (c, span_of (section))) : 0;
}

static const char *peek (const config *c, span section, size_t index, const char *key)
{
    const config_entry *entry = config_entry_find (c, config_section_find (c, section), index, key);
    bool text = entry && entry->node->kind == YAML_TREE_TEXT && !entry->node->null;
    return text ? entry->node->text : NULL;
}

const char *config_peek_at (const config *c, const char *section, size_t index, const char *key)
{
    return c && section && key ? peek (c, span_of (section), index, key) : NULL;
}

const char *config_peek (const config *c, const char *dotted)
{
    const char *dot = dotted ? strchr (dotted, '.') : NULL;
    return c && dot ? peek (c, span_make (dotted, (size_t)(dot - dotted)), 0, dot + 1) : NULL;
}
