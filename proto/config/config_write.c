/* SPDX-License-Identifier: Apache-2.0 */
/* config_write.c - the resolved run file, by libyaml's emitter
 *
 * The emitter knows how to quote; we only ask for quotes where a word could be
 * taken for a number, a truth value or nothing.
 */

#include "proto/config/config.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>
#include "proto/config/config_internal.h"

struct writer {
    yaml_emitter_t emitter;
    const config *c;
    esp_buf *out;
    esp_buf text; /* of the value at hand */
    bool ok;      /* false: memory ran out; everything later does nothing */
};

static int take_bytes (void *ctx, unsigned char *bytes, size_t len)
{
    struct writer *w = ctx;
    return esp_buf_append (w->out, bytes, len) == ESP_OK;
}

/* made: what a yaml_..._event_initialize returned. */
static void emit (struct writer *w, yaml_event_t *event, int made)
{
    w->ok = w->ok && made && yaml_emitter_emit (&w->emitter, event);
}

static void put_scalar (struct writer *w, const char *text, yaml_scalar_style_t style)
{
    yaml_event_t event;
    if (w->ok)
        emit (w, &event,
              yaml_scalar_event_initialize (&event, NULL, NULL, (const yaml_char_t *)text,
                                            (int)strlen (text), 1, 1, style));
}

static void open_map (struct writer *w)
{
    yaml_event_t event;
    if (w->ok)
        emit (
            w, &event,
            yaml_mapping_start_event_initialize (&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE));
}

static void close_map (struct writer *w)
{
    yaml_event_t event;
    if (w->ok)
        emit (w, &event, yaml_mapping_end_event_initialize (&event));
}

static void open_list (struct writer *w, yaml_sequence_style_t style)
{
    yaml_event_t event;
    if (w->ok)
        emit (w, &event, yaml_sequence_start_event_initialize (&event, NULL, NULL, 1, style));
}

static void close_list (struct writer *w)
{
    yaml_event_t event;
    if (w->ok)
        emit (w, &event, yaml_sequence_end_event_initialize (&event));
}

/* --- values --- */

/* A plain word that no YAML reader takes for anything but text. */
static bool is_safe_word (const char *text)
{
    static const char *const taken[] = {"true", "false", "yes", "no",   "on",  "off",
                                        "y",    "n",     "nan", "null", "inf", NULL};
    if (!isalpha ((unsigned char)text[0]) && text[0] != '/')
        return false;
    for (const char *p = text; *p; p++)
        if (!isalnum ((unsigned char)*p) && !strchr ("_-./:", *p))
            return false;
    for (size_t i = 0; taken[i]; i++)
        if (strcasecmp (text, taken[i]) == 0)
            return false;
    return text[strlen (text) - 1] != ':';
}

static void put_text (struct writer *w, const char *text)
{
    put_scalar (w, text,
                is_safe_word (text) ? YAML_PLAIN_SCALAR_STYLE : YAML_DOUBLE_QUOTED_SCALAR_STYLE);
}

static void put_value (struct writer *w, const config_bound *b)
{
    if (b->row->type == ESP_OPT_STRINGS) {
        open_list (w, YAML_FLOW_SEQUENCE_STYLE);
        for (size_t i = 0; i < b->value.as.texts.count; i++)
            put_text (w, b->value.as.texts.items[i]);
        close_list (w);
        return;
    }
    esp_buf_clear (&w->text);
    if (config_value_text (b->row, &b->value, &w->text) != ESP_OK)
        w->ok = false;
    else if (b->row->type == ESP_OPT_STRING || b->row->type == ESP_OPT_CHOICE)
        put_text (w, esp_buf_text (&w->text));
    else
        put_scalar (w, esp_buf_text (&w->text), YAML_PLAIN_SCALAR_STYLE);
}

/* An accepted scalar, as it stands: quoted if it was, so that a number stays one. */
static void put_as_is (struct writer *w, const yaml_tree *node)
{
    yaml_scalar_style_t style =
        node->plain ? YAML_PLAIN_SCALAR_STYLE : YAML_SINGLE_QUOTED_SCALAR_STYLE;
    if (strchr (node->text, '\n'))
        style = YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    put_scalar (w, node->null ? "null" : node->text, style);
}

static void put_tree (struct writer *w, const yaml_tree *node)
{
    if (node->kind == YAML_TREE_TEXT) {
        put_as_is (w, node);
        return;
    }
    if (node->kind == YAML_TREE_LIST)
        open_list (w, YAML_FLOW_SEQUENCE_STYLE);
    else
        open_map (w);
    for (const yaml_tree *child = node->first; child; child = child->next) {
        if (child->key)
            put_text (w, child->key);
        put_tree (w, child);
    }
    if (node->kind == YAML_TREE_LIST)
        close_list (w);
    else
        close_map (w);
}

/* --- sections --- */

static void put_item (struct writer *w, const config_section *section, size_t index)
{
    const config *c = w->c;
    open_map (w);
    for (size_t i = 0; w->ok && i < c->bound_count; i++) {
        const config_bound *b = &c->bounds[i];
        if (b->section == section && b->index == index && !b->again && b->value.set) {
            put_text (w, b->row->key);
            put_value (w, b);
        }
    }
    for (size_t i = 0; w->ok && section->accepted && i < c->entry_count; i++) {
        const config_entry *e = &c->entries[i];
        if (e->section == section && e->index == index && !e->claimed) {
            put_text (w, e->key);
            put_tree (w, e->node);
        }
    }
    close_map (w);
}

static void put_section (struct writer *w, const config_section *section)
{
    size_t in_file = config_section_items (section);
    size_t items = in_file > section->items_bound ? in_file : section->items_bound;
    bool list = config_section_is_list (section) || items > 1;
    if (items == 0) /* accepted, and not in the file */
        return;
    put_text (w, section->name);
    if (list)
        open_list (w, YAML_BLOCK_SEQUENCE_STYLE);
    for (size_t i = 0; w->ok && i < items; i++)
        put_item (w, section, i);
    if (list)
        close_list (w);
}

static void put_document (struct writer *w)
{
    yaml_event_t event;
    emit (w, &event, yaml_stream_start_event_initialize (&event, YAML_UTF8_ENCODING));
    if (w->ok)
        emit (w, &event, yaml_document_start_event_initialize (&event, NULL, NULL, NULL, 1));
    open_map (w);
    for (size_t order = 1; w->ok && order <= w->c->sections_known; order++)
        for (const config_section *s = w->c->sections; s; s = s->next)
            if (s->known == order)
                put_section (w, s);
    close_map (w);
    if (w->ok)
        emit (w, &event, yaml_document_end_event_initialize (&event, 1));
    if (w->ok)
        emit (w, &event, yaml_stream_end_event_initialize (&event));
}

esp_err config_resolved (const config *c, esp_buf *out)
{
    struct writer w = {.c = c, .out = out, .ok = true};
    size_t before;
    if (!c || !out)
        return ESP_EINVAL;
    before = out->len;
    if (!yaml_emitter_initialize (&w.emitter))
        return ESP_ENOMEM;
    yaml_emitter_set_output (&w.emitter, take_bytes, &w);
    yaml_emitter_set_unicode (&w.emitter, 1);
    yaml_emitter_set_width (&w.emitter, -1); /* one key, one line */
    put_document (&w);
    yaml_emitter_delete (&w.emitter);
    esp_buf_free (&w.text);
    if (!w.ok && out->data)
        out->data[out->len = before] = 0;
    return w.ok ? ESP_OK : ESP_ENOMEM;
}
