/* SPDX-License-Identifier: Apache-2.0 */
/* harvest.c - see harvest.h: one run over all items; the files take their places at the end */

#include "coordinator/harvest/harvest.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "coordinator/harvest/harvest_private.h"
#include "proto/base/alloc.h"
#include "proto/base/file.h"

enum { PATH_MOST = 4096 };

/* ---- files ---- */

static esp_err failed (const char *path, const char *verb, esp_error *error)
{
    return esp_error_set (error, esp_err_of_errno (errno), "%s: cannot %s: %s", path, verb,
                          strerror (errno));
}

/* "sft-00012.jsonl.zst", "sft-unverified-00000.jsonl", "refused-00000.jsonl": what a harvest writes. */
static bool is_shard (const char *name)
{
    size_t len = strlen (name), end;
    if (span_ends (span_of (name), ".zst"))
        len -= 4;
    end = len;
    if (end < 13 || strncmp (name + end - 6, ".jsonl", 6) != 0 || name[end - 12] != '-')
        return false;
    return strspn (name + end - 11, "0123456789") >= 5;
}

static esp_err remove_shards (const char *folder, esp_error *error)
{
    char path[PATH_MOST];
    DIR *d = opendir (folder);
    const struct dirent *entry;
    esp_err err = ESP_OK;
    if (!d)
        return errno == ENOENT ? ESP_OK : failed (folder, "list", error);
    while (err == ESP_OK && (entry = readdir (d)))
        if (is_shard (entry->d_name) &&
            esp_path_join (path, sizeof (path), folder, entry->d_name) == ESP_OK &&
            unlink (path) != 0)
            err = failed (path, "remove", error);
    closedir (d);
    return err;
}

static esp_err place_shards (const harvest_work *w, const shards *s, esp_error *error)
{
    char from[PATH_MOST + 300], to[PATH_MOST + 300];
    size_t n;
    const shard *list = shards_list (s, &n);
    for (size_t i = 0; i < n; i++) {
        snprintf (from, sizeof (from), "%s/%s", w->part, list[i].name);
        snprintf (to, sizeof (to), "%s/%s", w->folder, list[i].name);
        if (rename (from, to) != 0)
            return failed (to, "put in place", error);
    }
    return ESP_OK;
}

/* The manifest goes first and comes last; the old one waits in part: only it knows the models. */
static esp_err take_places (const harvest_work *w, esp_error *error)
{
    char manifest[PATH_MOST], old[PATH_MOST];
    esp_err err;
    if (esp_path_join (manifest, sizeof (manifest), w->folder, "manifest.json") != ESP_OK ||
        esp_path_join (old, sizeof (old), w->part, "manifest.json") != ESP_OK)
        return esp_error_set (error, ESP_ETOOBIG, "%s: the path is too long", w->folder);
    if (rename (manifest, old) != 0 && errno != ENOENT)
        return failed (manifest, "move", error);
    err = remove_shards (w->folder, error);
    for (size_t i = 0; i < w->setup->plan->count; i++)
        for (int set = 0; set < SAMPLE_SETS && err == ESP_OK; set++)
            err = place_shards (w, w->results[i].files[set], error);
    if (err == ESP_OK)
        err = place_shards (w, w->refused, error);
    if (err == ESP_OK)
        err = esp_folder_sync (w->folder, error);
    if (err != ESP_OK || (err = harvest_say (w, error)) != ESP_OK)
        return err;
    (void)unlink (old);
    (void)rmdir (w->part);
    return ESP_OK;
}

/* ---- a run ---- */

static esp_err open_evals (harvest_work *w, esp_error *error)
{
    esp_err err = eval_sets_create (&w->evals);
    if (err != ESP_OK)
        return esp_error_set (error, err, "out of memory");
    for (size_t i = 0; i < w->setup->plan->count; i++) {
        const esp_strings *files = &w->setup->plan->items[i].options.eval_files;
        for (size_t f = 0; f < files->count && err == ESP_OK; f++)
            err = eval_sets_add (w->evals, files->items[f], error);
    }
    return err;
}

static json_t *models_in (const char *folder)
{
    char path[PATH_MOST];
    json_t *manifest, *found;
    if (esp_path_join (path, sizeof (path), folder, "manifest.json") != ESP_OK)
        return NULL;
    manifest = json_load_file (path, 0, NULL);
    found = json_incref (json_object_get (manifest, "models"));
    json_decref (manifest);
    return found;
}

/* What the servers said; a harvest that is made again knows it from the one before, which may have been cut off. */
static json_t *read_models (const harvest_work *w)
{
    json_t *found;
    if (w->setup->models.len > 0)
        return json_loadb (w->setup->models.ptr, w->setup->models.len, 0, NULL);
    found = models_in (w->folder);
    return found ? found : models_in (w->part);
}

static esp_err prepare (harvest_work *w, esp_error *error)
{
    const harvest_setup *s = w->setup;
    esp_err err;
    if (esp_path_join (w->folder, sizeof (w->folder), s->output, "samples") != ESP_OK ||
        esp_path_join (w->part, sizeof (w->part), w->folder, "part") != ESP_OK)
        return esp_error_set (error, ESP_ETOOBIG, "%s: the path is too long", s->output);
    if (!(w->results = esp_calloc (s->plan->count + 1, sizeof (*w->results))) ||
        shards_open (w->part, "refused", "", UINT64_MAX, false, &w->refused) != ESP_OK)
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    w->models = read_models (w);
    if ((err = open_evals (w, error)) != ESP_OK ||
        (err = esp_folder_make (w->part, error)) != ESP_OK ||
        (err = remove_shards (w->part, error)) != ESP_OK)
        return err;
    return s->calibrate ? calibrate_read (s->output, (enum answer_equality)s->equality,
                                          &w->calibration, error)
                        : ESP_OK;
}

static void close_work (harvest_work *w)
{
    for (size_t i = 0; w->results && i < w->setup->plan->count; i++)
        for (int set = 0; set < SAMPLE_SETS; set++)
            shards_close (w->results[i].files[set]);
    esp_free (w->results);
    shards_close (w->refused);
    json_decref (w->models);
    eval_sets_destroy (w->evals);
    esp_free (w);
}

esp_err harvest_run (const harvest_setup *setup, harvest_counts *counts, esp_error *error)
{
    harvest_work *w = esp_calloc (1, sizeof (*w));
    esp_err err;
    if (!w)
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    w->setup = setup;
    err = prepare (w, error);
    for (size_t i = 0; i < setup->plan->count && err == ESP_OK; i++)
        err = harvest_one (w, i, error);
    if (err == ESP_OK)
        err = shards_end (w->refused, error);
    if (err == ESP_OK)
        err = take_places (w, error);
    for (size_t i = 0; counts && err == ESP_OK && i < setup->plan->count; i++)
        counts[i] = w->results[i].counts;
    close_work (w);
    return err;
}
