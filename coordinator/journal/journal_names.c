/* SPDX-License-Identifier: Apache-2.0 */
/* journal_names.c - where segments are, and what the system says about them */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "coordinator/journal/journal_private.h"
#include "proto/base/alloc.h"
#include "proto/base/file.h"

static const struct place {
    const char *folder, *suffix;
} places[] = {
    [JOURNAL_OPEN] = {"00", ".log"},
    [JOURNAL_OPEN_TEMP] = {"00", ".log.tmp"},
    [JOURNAL_CLOSED] = {"00/closed", ".log.zst"},
    [JOURNAL_CLOSED_TEMP] = {"00/closed", ".log.zst.tmp"},
};

esp_err journal_io_failed (esp_error *error, const char *path, const char *verb)
{
    int number = errno;
    char reason[128];
    esp_err code = esp_err_of_errno (number);
    if (number == EFBIG) /* the limit of the file system or of ulimit -f: no room either way */
        code = ESP_ENOSPC;
    if (number == EINVAL)
        code = ESP_EIO;
    return esp_error_set (error, code, "%s: cannot %s: %s%s", path, verb,
                          strerror_r (number, reason, sizeof (reason)),
                          code == ESP_ENOSPC ? "; make room and resume" : "");
}

esp_err journal_path (const char *folder, const char *name, char *out, esp_error *error)
{
    int len = snprintf (out, JOURNAL_PATH_MAX, "%s/journal/%s", folder, name);
    if (len < 0 || len >= JOURNAL_PATH_MAX)
        return esp_error_set (error, ESP_ETOOBIG, "%s: the path is too long", folder);
    return ESP_OK;
}

esp_err journal_segment_path (const char *folder, uint32_t segment, enum journal_place place,
                              char *out, esp_error *error)
{
    char name[64];
    (void)snprintf (name, sizeof (name), "%s/%06u%s", places[place].folder, segment,
                    places[place].suffix);
    return journal_path (folder, name, out, error);
}

/* "000012.log" -> 12; 0 if it is no such name */
static uint32_t number_of (const char *name, const char *suffix)
{
    char again[64];
    unsigned long long value = strtoull (name, NULL, 10);
    if (value == 0 || value >= UINT32_MAX)
        return 0;
    (void)snprintf (again, sizeof (again), "%06llu%s", value, suffix);
    return strcmp (name, again) == 0 ? (uint32_t)value : 0;
}

static int compare_numbers (const void *a, const void *b)
{
    uint32_t x, y;
    memcpy (&x, a, sizeof (x));
    memcpy (&y, b, sizeof (y));
    return (x > y) - (x < y);
}

static esp_err read_names (DIR *dir, const char *suffix, uint32_t **numbers, size_t *count)
{
    size_t capacity = 0;
    for (struct dirent *entry; (entry = readdir (dir));) {
        uint32_t number = number_of (entry->d_name, suffix);
        if (number == 0)
            continue;
        if (esp_grow (numbers, &capacity, *count + 1, sizeof (**numbers)) != 0)
            return ESP_ENOMEM;
        (*numbers)[(*count)++] = number;
    }
    return ESP_OK;
}

esp_err journal_segment_list (const char *folder, enum journal_place place, uint32_t **numbers,
                              size_t *count, esp_error *error)
{
    char path[JOURNAL_PATH_MAX];
    uint32_t *found = NULL;
    size_t found_count = 0;
    DIR *dir;
    esp_err err = journal_path (folder, places[place].folder, path, error);
    if (err != ESP_OK)
        return err;
    if (!(dir = opendir (path)))
        return journal_io_failed (error, path, "open");
    err = read_names (dir, places[place].suffix, &found, &found_count);
    closedir (dir);
    if (err != ESP_OK) {
        esp_free (found);
        return esp_error_set (error, err, "%s: %s", path, esp_err_text (err));
    }
    if (found_count)
        qsort (found, found_count, sizeof (*found), compare_numbers);
    *numbers = found;
    *count = found_count;
    return ESP_OK;
}
