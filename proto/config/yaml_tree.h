/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_CONFIG_YAML_TREE_H
#define ESP_PROTO_CONFIG_YAML_TREE_H

/* yaml_tree.h - one YAML document as a tree that knows its lines
 *
 * A small part of YAML: maps with text keys, lists and scalars.  Anchors,
 * aliases, tags and further documents are refused, so a tree is never larger
 * than its text.  Only yaml_tree.c and config_write.c know libyaml.
 *
 * Ownership: the arena owns the whole tree.  Threads: none.
 */

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/arena.h"
#include "proto/base/err.h"
#include "proto/base/text.h"

enum {
    YAML_TREE_MAX_DEPTH = 16,      /* maps and lists inside each other; bounds our recursion */
    YAML_TREE_MAX_NODES = 10000,   /* keys and list items together */
    YAML_TREE_MAX_KEY_BYTES = 128, /* a longer one is a mistake; bounds messages */
};

enum yaml_tree_kind { YAML_TREE_TEXT, YAML_TREE_MAP, YAML_TREE_LIST };

typedef struct yaml_tree yaml_tree;
struct yaml_tree {
    enum yaml_tree_kind kind;
    uint32_t line, column; /* from 1; of the key for a value in a map */
    const char *key;       /* 0-terminated; NULL outside a map */
    uint64_t key_hash;
    const char *text; /* scalars: 0-terminated, no 0 inside; else NULL */
    bool plain;       /* a scalar without quotes */
    bool null;        /* a plain scalar that is empty, ~ or null */
    size_t count;     /* children */
    yaml_tree *first; /* children, in the order of the text */
    yaml_tree *next;
};

/* Where and why a text was refused; why.text has no place in it. */
typedef struct yaml_fault {
    uint32_t line, column;
    esp_error why;
} yaml_fault;

/* An empty document is a null scalar.  Errors (in fault->why too): ESP_EFORMAT, ESP_ETOOBIG, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err yaml_tree_parse (esp_arena *arena, span yaml, yaml_tree **out,
                                        yaml_fault *fault);

#endif
