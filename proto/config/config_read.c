/* SPDX-License-Identifier: Apache-2.0 */
/* config_read.c - a run file, and the files that it extends
 *
 * A file's bases are read before it, in the order given, each with bases of its own; so whatever comes later wins.  All
 * trees stay in one arena, and every entry keeps the name of its file: a mistake is told where the key stands.
 */

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/file.h"
#include "proto/config/config.h"
#include "proto/config/config_internal.h"

enum {
    EXTENDS_DEPTH = 8,  /* files above each other; bounds our recursion */
    EXTENDS_FILES = 64, /* in all: two bases each, eight deep, would be 256 */
    NAME_BYTES = 1024   /* of a base */
};

/* The files that are being read, from the run file down. */
struct reading {
    const struct reading *above;
    const char *path;
    char real[PATH_MAX]; /* "" = not known: the read says why */
    unsigned depth;
};

static esp_err told (const char *file, const yaml_fault *fault, esp_err err, esp_error *error)
{
    if (err == ESP_ENOMEM)
        return esp_error_set (error, err, "%s: out of memory", file);
    return esp_error_set (error, err, "%s:%u:%u: %s", file, fault->line, fault->column,
                          fault->why.text);
}

static esp_err told_at (const char *file, const yaml_tree *at, const char *what, esp_error *error)
{
    return esp_error_set (error, ESP_EFORMAT, "%s:%u:%u: %s: %s", file, at->line, at->column,
                          CONFIG_EXTENDS, what);
}

static const yaml_tree *find_extends (const yaml_tree *root)
{
    if (root->kind != YAML_TREE_MAP)
        return NULL;
    for (const yaml_tree *node = root->first; node; node = node->next)
        if (strcmp (node->key, CONFIG_EXTENDS) == 0)
            return node;
    return NULL;
}

/* ---- files ---- */

static esp_err read_file (config *c, struct reading *at, esp_error *error);

/* Of the file that says it, unless it begins at the root.  NULL: out of memory. */
static const char *path_of (config *c, const char *says, const char *base)
{
    const char *slash = strrchr (says, '/');
    size_t folder = slash && base[0] != '/' ? (size_t)(slash - says) + 1 : 0, len = strlen (base);
    char *path = esp_arena_alloc (c->arena, folder + len + 1);
    if (path) {
        memcpy (path, says, folder);
        memcpy (path + folder, base, len + 1);
    }
    return path;
}

static bool is_being_read (const struct reading *at)
{
    for (const struct reading *up = at->above; up; up = up->above)
        if (at->real[0] && strcmp (at->real, up->real) == 0)
            return true;
    return false;
}

static esp_err
read_base (config *c, const struct reading *above, const yaml_tree *name, esp_error *error)
{
    struct reading at = {.above = above, .depth = above->depth + 1};
    esp_error why = {0};
    esp_err err;
    if (name->kind != YAML_TREE_TEXT || name->null || !name->text[0])
        return told_at (above->path, name, "expected the name of a file, or a list of names",
                        error);
    if (strlen (name->text) > NAME_BYTES)
        return told_at (above->path, name, "a name that is longer than 1024 bytes", error);
    if (!(at.path = path_of (c, above->path, name->text)))
        return esp_error_set (error, ESP_ENOMEM, "%s: out of memory", above->path);
    if (at.depth >= EXTENDS_DEPTH)
        return told_at (above->path, name, "more than 8 files above each other", error);
    if (++c->file_count > EXTENDS_FILES)
        return told_at (above->path, name, "more than 64 files in all", error);
    if (!realpath (at.path, at.real))
        at.real[0] = 0;
    if (is_being_read (&at))
        return told_at (above->path, name, "the file would extend itself", error);
    err = read_file (c, &at, &why);
    if (err == ESP_ENOENT || err == ESP_EPERMISSION || err == ESP_EIO) /* it knows no line */
        return esp_error_set (error, err, "%s:%u:%u: %s: %s", above->path, name->line, name->column,
                              CONFIG_EXTENDS, why.text);
    return err == ESP_OK ? ESP_OK : esp_error_set (error, err, "%s", why.text);
}

static esp_err
read_bases (config *c, const struct reading *at, const yaml_tree *extends, esp_error *error)
{
    esp_err err = ESP_OK;
    if (extends->kind != YAML_TREE_LIST)
        return read_base (c, at, extends, error);
    for (const yaml_tree *name = extends->first; name && err == ESP_OK; name = name->next)
        err = read_base (c, at, name, error);
    return err;
}

static esp_err read_file (config *c, struct reading *at, esp_error *error)
{
    esp_buf text = {0};
    yaml_fault fault = {.line = 1, .column = 1};
    yaml_tree *root = NULL;
    const yaml_tree *extends;
    esp_err err = esp_file_read (at->path, CONFIG_FILE_BYTES, &text, error);
    if (err == ESP_OK) {
        err = yaml_tree_parse (c->arena, esp_buf_span (&text), &root, &fault);
        if (err != ESP_OK)
            told (at->path, &fault, err, error);
    }
    esp_buf_free (&text);
    if (err != ESP_OK)
        return err;
    if ((extends = find_extends (root)) && (err = read_bases (c, at, extends, error)) != ESP_OK)
        return err;
    if ((err = config_flatten (c, root, at->path, &fault)) != ESP_OK)
        told (at->path, &fault, err, error);
    return err;
}

/* ---- the two ways in ---- */

esp_err config_read (const char *path, config **out, esp_error *error)
{
    struct reading at = {.above = NULL};
    config *c = NULL;
    esp_err err;
    if (!path || !out)
        return esp_error_set (error, ESP_EINVAL, "a run file needs a path");
    if ((err = config_create (path, &c)) != ESP_OK)
        return esp_error_set (error, err, "%s: out of memory", path);
    at.path = c->name;
    if (!realpath (path, at.real))
        at.real[0] = 0;
    if ((err = read_file (c, &at, error)) != ESP_OK) {
        config_destroy (c);
        return err;
    }
    *out = c;
    return ESP_OK;
}

esp_err config_parse (span yaml, const char *name, config **out, esp_error *error)
{
    config *c = NULL;
    yaml_fault fault = {.line = 1, .column = 1};
    yaml_tree *root = NULL;
    const yaml_tree *extends;
    esp_err err;
    if (!name || !out || (!yaml.ptr && yaml.len > 0))
        return esp_error_set (error, ESP_EINVAL, "a run file needs a text and a name");
    if (yaml.len > CONFIG_FILE_BYTES)
        return esp_error_set (error, ESP_ETOOBIG, "%s: larger than 1 MiB; is it a run file?", name);
    if ((err = config_create (name, &c)) != ESP_OK)
        return esp_error_set (error, err, "%s: out of memory", name);
    if ((err = yaml_tree_parse (c->arena, yaml, &root, &fault)) == ESP_OK &&
        (extends = find_extends (root)))
        err =
            told_at (name, extends, "only a run file that is read from a disk can have it", error);
    else if (err != ESP_OK || (err = config_flatten (c, root, c->name, &fault)) != ESP_OK)
        told (name, &fault, err, error);
    if (err != ESP_OK) {
        config_destroy (c);
        return err;
    }
    *out = c;
    return ESP_OK;
}
