/* SPDX-License-Identifier: Apache-2.0 */
/* ordered_lines.c - see ordered_lines.h */

#include "cluster/console/ordered_lines.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "proto/base/alloc.h"
#include "proto/base/file.h"

enum { PATH_MOST = 4096 };

typedef struct entry {
    problem_key key;
    uint64_t offset; /* in the file */
    uint32_t number; /* of equal keys the one put last counts */
    bool is_void;
    size_t len;
} entry;

struct ordered_lines {
    FILE *file;     /* owned */
    entry *entries; /* owned */
    size_t count, cap;
    uint64_t bytes;
    char path[PATH_MOST]; /* for sentences; the file has no name any more */
};

static esp_err failed (const ordered_lines *o, const char *what, esp_error *error)
{
    return esp_error_set (error, esp_err_of_errno (errno), "%s: cannot be %s: %s", o->path, what,
                          strerror (errno));
}

esp_err ordered_lines_create (const char *folder, ordered_lines **out, esp_error *error)
{
    const char *tmp = getenv ("TMPDIR");
    ordered_lines *o = esp_calloc (1, sizeof (*o));
    int fd = -1;
    esp_err err;
    if (!o)
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    folder = folder ? folder : tmp && *tmp ? tmp : "/tmp";
    if (esp_path_join (o->path, sizeof (o->path), folder, ".espalier-export-XXXXXX") != ESP_OK)
        err = esp_error_set (error, ESP_ETOOBIG, "%s: the path is too long", folder);
    else if ((fd = mkstemp (o->path)) < 0 || !(o->file = fdopen (fd, "w+")))
        err = failed (o, "made", error);
    else
        err = ESP_OK;
    if (fd >= 0)
        unlink (o->path);
    if (fd >= 0 && !o->file)
        close (fd);
    if (err == ESP_OK)
        *out = o;
    else
        ordered_lines_destroy (o);
    return err;
}

void ordered_lines_destroy (ordered_lines *o)
{
    if (!o)
        return;
    if (o->file)
        fclose (o->file);
    esp_free (o->entries);
    esp_free (o);
}

esp_err ordered_lines_put (ordered_lines *o, problem_key key, span lines, esp_error *error)
{
    if (esp_grow (&o->entries, &o->cap, o->count + 1, sizeof (*o->entries)) != 0)
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    if (lines.len > 0 && fwrite (lines.ptr, 1, lines.len, o->file) != lines.len)
        return failed (o, "written", error);
    o->entries[o->count] = (entry){key, o->bytes, (uint32_t)o->count, false, lines.len};
    o->count++;
    o->bytes += lines.len;
    return ESP_OK;
}

esp_err ordered_lines_void (ordered_lines *o, problem_key key, esp_error *error)
{
    esp_err err = ordered_lines_put (o, key, span_make ("", 0), error);
    if (err == ESP_OK)
        o->entries[o->count - 1].is_void = true;
    return err;
}

/* The order of the problems file; the last one of a key behind the others. */
static int by_number (const void *a, const void *b)
{
    const entry *x = a, *y = b;
    uint32_t n = problem_number (x->key), m = problem_number (y->key);
    if (n != m)
        return (n > m) - (n < m);
    if (x->key != y->key)
        return (x->key > y->key) - (x->key < y->key);
    return (x->number > y->number) - (x->number < y->number);
}

static esp_err
hand_on (ordered_lines *o, const entry *one, ordered_lines_write write, void *ctx, esp_error *error)
{
    char *lines = esp_malloc (one->len + 1);
    esp_err err = ESP_OK;
    if (!lines)
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    if (fseeko (o->file, (off_t)one->offset, SEEK_SET) != 0 ||
        fread (lines, 1, one->len, o->file) != one->len)
        err = failed (o, "read", error);
    if (err == ESP_OK)
        err = write (ctx, span_make (lines, one->len), error);
    esp_free (lines);
    return err;
}

esp_err ordered_lines_all (ordered_lines *o, ordered_lines_write write, void *ctx,
                           uint64_t *problems, esp_error *error)
{
    esp_err err = ESP_OK;
    *problems = 0;
    if (fflush (o->file) != 0)
        return failed (o, "written", error);
    if (o->count > 0)
        qsort (o->entries, o->count, sizeof (entry), by_number);
    for (size_t i = 0; i < o->count && err == ESP_OK; i++) {
        const entry *one = &o->entries[i];
        if (one->is_void || (i + 1 < o->count && one[1].key == one->key))
            continue;
        ++*problems;
        if (one->len > 0)
            err = hand_on (o, one, write, ctx, error);
    }
    return err;
}
