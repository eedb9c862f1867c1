/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_CONFIG_CONFIG_INTERNAL_H
#define ESP_PROTO_CONFIG_CONFIG_INTERNAL_H

/* config_internal.h - what the config_*.c files share; nobody else includes it
 *
 * The tree of the file is flattened into entries: one per leaf, named by its
 * section, index (0 unless the section is a list) and dotted key.  So nested and
 * dotted keys are the same thing everywhere behind config.c.  Binding adds one
 * bound value per option row; writing, identity and resume read only those.
 *
 * Ownership: the arena owns sections, keys, labels and texts; the arrays are freed by config_destroy.
 */

#include "proto/base/arena.h"
#include "proto/config/config.h"
#include "proto/config/yaml_tree.h"

/* A min or max of a row beyond this stands for "none": no run has so many of anything. */
#define CONFIG_NO_BOUND 1e15

typedef struct config_section config_section;
struct config_section {
    const char *name;
    const yaml_tree
        *tree;     /* as it stands in the file; NULL when only dotted keys or overrides name it */
    uint32_t line; /* first one that names it, in the last file that does; 0 = none */
    const char *file;
    const char *label;  /* of the override that made it, or NULL */
    bool present;       /* the file or an override has it */
    bool accepted;      /* kept as it stands: no unknown keys */
    bool reported;      /* as unknown */
    size_t known;       /* 1 for the first section bound or accepted, 2 ...; 0 = not yet */
    size_t items_bound; /* highest index bound + 1 */
    config_section *next;
};

typedef struct config_entry {
    config_section *section;
    size_t index;
    const char *key;
    uint64_t hash; /* of section, index and key: finds duplicates fast */
    const yaml_tree *node;
    const char *file;  /* where the node stands; NULL = an override */
    const char *label; /* "override 3 'search.keep=8'"; NULL = the file */
    bool claimed;      /* by a row, or reported already */
    bool gone;         /* a later file replaces it, or it only took others away: not for long */
} config_entry;

typedef struct config_value {
    bool set; /* false: no fallback and not given; the field is zero */
    union {
        bool flag;
        int64_t whole;
        double number;
        const char *text;
        int choice;
        esp_strings texts;
    } as;
} config_value;

typedef struct config_bound {
    config_section *section;
    size_t index;
    const esp_option *row;
    config_value value;
    bool again; /* an earlier row has this key already: filled, not written */
} config_bound;

struct config {
    esp_arena *arena;
    const char *name; /* of the file, in messages */
    config_section *sections;
    size_t sections_known;
    config_entry *entries;
    size_t entry_count, entry_capacity;
    config_bound *bounds;
    size_t bound_count, bound_capacity;
    esp_buf mistakes; /* one line each */
    size_t mistake_count;
    unsigned overrides;
    unsigned file_count; /* read for `extends` */
};

/* config.c */
enum { CONFIG_FILE_BYTES = 1 << 20 };
#define CONFIG_EXTENDS "extends" /* the key that is no section */
ESP_MUST_CHECK esp_err config_create (const char *name, config **out);
/* Add the entries of one file; what is there already is of files that it extends, and gives way.  file outlives c's arena
 * or is in it.  Errors: ESP_EFORMAT, ESP_ENOMEM; *fault says where. */
ESP_MUST_CHECK esp_err config_flatten (config *c, const yaml_tree *root, const char *file,
                                       yaml_fault *fault);
/* One more entry, or several where the node is a map: section, index, label and key are those of `like`.  Errors change nothing;
 * ESP_EFORMAT (*fault), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err config_flatten_key (config *c, const config_entry *like,
                                           const yaml_tree *node, yaml_fault *fault);
bool config_is_inside (const char *key,
                       const char *above); /* "budget.steps" in "budget", or that itself */
bool config_is_null (const yaml_tree *node);
const config_section *config_section_find (const config *c, span name);
config_section *config_section_make (config *c, span name); /* NULL: out of memory */
bool config_section_is_list (const config_section *section);
size_t config_section_items (const config_section *section); /* NULL: 0 */
const config_entry *
config_entry_find (const config *c, const config_section *section, size_t index, const char *key);

/* config_mistakes.c */
typedef struct config_place {
    const char *label; /* an override, or NULL */
    const char *file;  /* NULL: the run file */
    uint32_t line;     /* in the file; 0 = the whole file */
} config_place;
config_place config_entry_place (const config_entry *entry);
config_place
config_section_place (const config_section *section, size_t index); /* section NULL: the file */

/* "search.keep", "samples[1].format" (key NULL: "samples[1]") into out, cut to size. */
enum { CONFIG_NAME_BYTES = 160 };
void config_entry_name (const config_section *section, size_t index, const char *key, char *out,
                        size_t size);

/* Add "place: name: sentence"; on ESP_ENOMEM nothing is added. */
ESP_MUST_CHECK esp_err config_note (config *c, config_place place, const char *name,
                                    const char *sentence);

/* config_value.c: text of a run file <-> values */
/* Errors: ESP_EFORMAT (why has the sentence), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err config_value_read (const esp_option *row, const yaml_tree *node,
                                          esp_arena *arena, config_value *out, esp_error *why);
/* The row's fallback, which must be valid for the row; not set when there is none. */
ESP_MUST_CHECK esp_err config_value_fallback (const esp_option *row, esp_arena *arena,
                                              config_value *out);
/* The value as one text: what is written, hashed and compared. */
ESP_MUST_CHECK esp_err config_value_text (const esp_option *row, const config_value *value,
                                          esp_buf *out);
void config_value_store (const esp_option *row, const config_value *value, void *target);
span config_choice (const char *choices,
                    size_t i); /* the i-th of "a|b|c"; ptr NULL behind the last */

#endif
