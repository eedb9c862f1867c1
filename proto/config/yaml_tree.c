/* SPDX-License-Identifier: Apache-2.0 */
/* yaml_tree.c - libyaml's events, one after the other, into our tree
 *
 * Events and not libyaml's document: a document has lost its anchors, and
 * follows aliases (a small file could then be a huge tree).
 */

#include "proto/config/yaml_tree.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>
#include "proto/base/hash.h"

struct builder {
    yaml_parser_t parser;
    esp_arena *arena;
    span yaml;
    size_t nodes; /* built so far */
    yaml_fault *fault;
};

static esp_err refuse (struct builder *b, yaml_mark_t at, esp_err code, const char *format, ...)
    ESP_PRINTF (4, 5);

static esp_err refuse (struct builder *b, yaml_mark_t at, esp_err code, const char *format, ...)
{
    char text[sizeof (b->fault->why.text)];
    va_list args;
    va_start (args, format);
    (void)vsnprintf (text, sizeof (text), format, args);
    va_end (args);
    b->fault->line = (uint32_t)at.line + 1;
    b->fault->column = (uint32_t)at.column + 1;
    return esp_error_set (&b->fault->why, code, "%s", text);
}

static esp_err no_memory (struct builder *b)
{
    return refuse (b, b->parser.mark, ESP_ENOMEM, "out of memory");
}

/* The reader of libyaml gives a byte offset only. */
static yaml_mark_t mark_of_offset (span yaml, size_t offset)
{
    yaml_mark_t mark = {0};
    for (size_t i = 0; i < offset && i < yaml.len; i++) {
        mark.column++;
        if (yaml.ptr[i] == '\n') {
            mark.line++;
            mark.column = 0;
        }
    }
    return mark;
}

/* The first tab in the white space that a line begins with, among the lines first to last. */
static bool find_tab (span yaml, size_t first, size_t last, yaml_mark_t *at)
{
    bool blank = true; /* only white space so far in this line */
    *at = (yaml_mark_t){0};
    for (size_t i = 0; i < yaml.len && at->line <= last; i++, at->column++) {
        char c = yaml.ptr[i];
        if (c == '\t' && blank && at->line >= first)
            return true;
        blank = c == '\n' || (blank && c == ' ');
        if (c == '\n') {
            at->line++;
            at->column = (size_t)-1; /* the loop makes it 0 */
        }
    }
    return false;
}

/* What libyaml found, in words that say what to do where we know it. */
static esp_err parser_failed (struct builder *b)
{
    const yaml_parser_t *p = &b->parser;
    const char *problem = p->problem ? p->problem : "cannot be parsed";
    const char *context = p->context ? p->context : "";
    yaml_mark_t at;
    if (p->error == YAML_MEMORY_ERROR)
        return no_memory (b);
    if (p->error == YAML_READER_ERROR)
        return refuse (b, mark_of_offset (b->yaml, p->problem_offset), ESP_EFORMAT,
                       "not YAML: %s (0x%02x)", problem, (unsigned)p->problem_value);
    if (find_tab (b->yaml, p->problem_mark.line, p->mark.line, &at)) /* libyaml often looks back */
        return refuse (b, at, ESP_EFORMAT, "a tab in the indentation; YAML wants spaces there");
    if (strstr (problem, "cannot start any token"))
        return refuse (b, p->problem_mark, ESP_EFORMAT,
                       "not YAML: a value cannot begin with this character; put it in quotes");
    return refuse (b, p->problem_mark, ESP_EFORMAT, "not YAML: %s%s%s", context,
                   *context ? ": " : "", problem);
}

static esp_err next_event (struct builder *b, yaml_event_t *event)
{
    return yaml_parser_parse (&b->parser, event) ? ESP_OK : parser_failed (b);
}

static const yaml_char_t *anchor_of (const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return event->data.scalar.anchor;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.anchor;
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.anchor;
    default:
        return NULL;
    }
}

static const yaml_char_t *tag_of (const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return event->data.scalar.tag;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.tag;
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.tag;
    default:
        return NULL;
    }
}

/* What YAML can do and a run file may not. */
static esp_err check_event (struct builder *b, const yaml_event_t *event, unsigned depth)
{
    if (event->type == YAML_ALIAS_EVENT)
        return refuse (b, event->start_mark, ESP_EFORMAT,
                       "an alias (*%.40s); write the value out, or put it in quotes if it is text",
                       (const char *)event->data.alias.anchor);
    if (anchor_of (event))
        return refuse (b, event->start_mark, ESP_EFORMAT,
                       "an anchor (&%.40s); write the value out, or put it in quotes if it is text",
                       (const char *)anchor_of (event));
    if (tag_of (event))
        return refuse (b, event->start_mark, ESP_EFORMAT,
                       "a tag (%.40s); remove it, or put it in quotes if it is text",
                       (const char *)tag_of (event));
    if (depth > YAML_TREE_MAX_DEPTH)
        return refuse (b, event->start_mark, ESP_ETOOBIG,
                       "more than %d maps or lists inside each other", YAML_TREE_MAX_DEPTH);
    if (++b->nodes > YAML_TREE_MAX_NODES)
        return refuse (b, event->start_mark, ESP_ETOOBIG, "more than %d keys and list items",
                       YAML_TREE_MAX_NODES);
    return ESP_OK;
}

static bool is_null (const yaml_tree *node)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; node->plain && i < sizeof (words) / sizeof (*words); i++)
        if (strcmp (node->text, words[i]) == 0)
            return true;
    return false;
}

static esp_err build_text (struct builder *b, const yaml_event_t *event, yaml_tree *node)
{
    const char *value = (const char *)event->data.scalar.value;
    if (memchr (value, 0, event->data.scalar.length))
        return refuse (b, event->start_mark, ESP_EFORMAT, "a zero byte (\\0) in a text");
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (!(node->text = esp_arena_string (b->arena, span_make (value, event->data.scalar.length))))
        return no_memory (b);
    node->null = is_null (node);
    return ESP_OK;
}

static esp_err build_children (struct builder *b, unsigned depth, yaml_tree *parent);

static esp_err build (struct builder *b, const yaml_event_t *event, unsigned depth, yaml_tree **out)
{
    yaml_tree *node;
    esp_err err = check_event (b, event, depth);
    if (err != ESP_OK)
        return err;
    if (!(node = esp_arena_calloc (b->arena, sizeof (*node))))
        return no_memory (b);
    node->line = (uint32_t)event->start_mark.line + 1;
    node->column = (uint32_t)event->start_mark.column + 1;
    if (event->type == YAML_SCALAR_EVENT) {
        node->kind = YAML_TREE_TEXT;
        err = build_text (b, event, node);
    } else {
        node->kind = event->type == YAML_MAPPING_START_EVENT ? YAML_TREE_MAP : YAML_TREE_LIST;
        err = build_children (b, depth + 1, node);
    }
    *out = node;
    return err;
}

/* The node that begins with the next event; NULL when that event ends the parent. */
static esp_err build_next (struct builder *b, unsigned depth, yaml_tree **out)
{
    yaml_event_t event;
    esp_err err = next_event (b, &event);
    *out = NULL;
    if (err != ESP_OK)
        return err;
    if (event.type != YAML_MAPPING_END_EVENT && event.type != YAML_SEQUENCE_END_EVENT)
        err = build (b, &event, depth, out);
    yaml_event_delete (&event);
    return err;
}

static esp_err refuse_key (struct builder *b, const yaml_tree *key, const char *sentence)
{
    yaml_mark_t at = {0, key->line - 1, key->column - 1};
    return refuse (b, at, ESP_EFORMAT, "%s", sentence);
}

/* Make `value` the value of `key` in parent. */
static esp_err
set_key (struct builder *b, const yaml_tree *parent, const yaml_tree *key, yaml_tree *value)
{
    size_t len = key->kind == YAML_TREE_TEXT ? strlen (key->text) : 0;
    yaml_mark_t at = {0, key->line - 1, key->column - 1};
    if (key->kind != YAML_TREE_TEXT)
        return refuse_key (b, key, "a map or list as a key; a key is a word");
    if (len == 0)
        return refuse_key (b, key, "a key is missing before the ':'");
    if (len > YAML_TREE_MAX_KEY_BYTES)
        return refuse_key (b, key, "a key that is longer than 128 bytes");
    value->key = key->text;
    value->key_hash = esp_hash64 (key->text, len, 0);
    value->line = key->line;
    value->column = key->column;
    for (const yaml_tree *other = parent->first; other; other = other->next)
        if (other->key_hash == value->key_hash && strcmp (other->key, value->key) == 0)
            return refuse (b, at, ESP_EFORMAT, "%s: given twice; it is on line %u already",
                           value->key, other->line);
    return ESP_OK;
}

static esp_err build_children (struct builder *b, unsigned depth, yaml_tree *parent)
{
    yaml_tree **end = &parent->first;
    for (;;) {
        yaml_tree *child = NULL, *key = NULL;
        esp_err err = build_next (b, depth, &child);
        if (err != ESP_OK || !child)
            return err;
        if (parent->kind == YAML_TREE_MAP) {
            key = child;
            if ((err = build_next (b, depth, &child)) != ESP_OK)
                return err;
            b->nodes--; /* a key and its value count once */
            if ((err = set_key (b, parent, key, child)) != ESP_OK)
                return err;
        }
        *end = child;
        end = &child->next;
        parent->count++;
    }
}

/* The one document of the stream; none at all is a null scalar. */
static esp_err build_document (struct builder *b, yaml_tree **out)
{
    yaml_event_t event;
    esp_err err = next_event (b, &event);
    if (err != ESP_OK)
        return err;
    if (event.type == YAML_STREAM_END_EVENT) { /* nothing but comments */
        static const yaml_tree nothing = {
            .line = 1, .column = 1, .text = "", .plain = true, .null = true};
        if (!(*out = esp_arena_alloc (b->arena, sizeof (nothing))))
            err = no_memory (b);
        else
            **out = nothing;
    } else if (event.data.document_start.tag_directives.start !=
               event.data.document_start.tag_directives.end) {
        err = refuse (b, event.start_mark, ESP_EFORMAT, "a %%TAG line; a run file has no tags");
    } else {
        err = build_next (b, 0, out);
    }
    yaml_event_delete (&event);
    return err;
}

/* Behind the document only the end may come. */
static esp_err check_end (struct builder *b)
{
    for (;;) {
        yaml_event_t event;
        esp_err err = next_event (b, &event);
        yaml_event_type_t type = err == ESP_OK ? event.type : YAML_NO_EVENT;
        if (err != ESP_OK)
            return err;
        if (type == YAML_DOCUMENT_START_EVENT)
            err = refuse (b, event.start_mark, ESP_EFORMAT,
                          "a second document (---); one is allowed");
        yaml_event_delete (&event);
        if (err != ESP_OK || type != YAML_DOCUMENT_END_EVENT)
            return err;
    }
}

static esp_err check_utf8 (struct builder *b)
{
    size_t start = 0;
    if (esp_utf8_valid (b->yaml))
        return ESP_OK;
    for (size_t i = 0; i < b->yaml.len; i++) {
        if (b->yaml.ptr[i] != '\n')
            continue;
        if (!esp_utf8_valid (span_make (b->yaml.ptr + start, i - start)))
            break;
        start = i + 1;
    }
    return refuse (b, mark_of_offset (b->yaml, start), ESP_EFORMAT,
                   "not UTF-8; save the file in that encoding");
}

static esp_err build_stream (struct builder *b, yaml_tree **out)
{
    yaml_event_t event;
    esp_err err = next_event (b, &event); /* always the start of the stream */
    if (err != ESP_OK)
        return err;
    yaml_event_delete (&event);
    if ((err = build_document (b, out)) != ESP_OK)
        return err;
    return check_end (b);
}

esp_err yaml_tree_parse (esp_arena *arena, span yaml, yaml_tree **out, yaml_fault *fault)
{
    struct builder b = {.arena = arena, .yaml = yaml, .fault = fault};
    yaml_tree *root = NULL;
    esp_err err;
    if (span_starts (b.yaml, "\xEF\xBB\xBF")) /* editors on Windows write it */
        b.yaml = span_make (b.yaml.ptr + 3, b.yaml.len - 3);
    if ((err = check_utf8 (&b)) != ESP_OK)
        return err;
    if (!yaml_parser_initialize (&b.parser))
        return no_memory (&b);
    yaml_parser_set_encoding (&b.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string (&b.parser, (const unsigned char *)(b.yaml.len ? b.yaml.ptr : ""),
                                  b.yaml.len);
    err = build_stream (&b, &root);
    yaml_parser_delete (&b.parser);
    if (err == ESP_OK)
        *out = root;
    return err;
}
