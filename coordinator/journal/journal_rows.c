/* SPDX-License-Identifier: Apache-2.0 */
/* journal_rows.c - row files: appended by one writer, cut back to what was committed
 *
 * Before every append the file must be as long as we left it: should an old process that lost its
 * lock still write there, both would notice instead of mixing their rows.
 *
 * A file whose name ends in .zst gets a zstd frame for every append: so it can be cut at any commit.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>
#include "coordinator/journal/journal_private.h"
#include "proto/base/file.h"
#include "proto/base/log.h"

static esp_err row_path (const char *folder, const journal_file *f, char *path, esp_error *error)
{
    if (esp_path_join (path, JOURNAL_PATH_MAX, folder, f->name) != ESP_OK)
        return esp_error_set (error, ESP_ETOOBIG, "%s/%s: the path is too long", folder, f->name);
    return ESP_OK;
}

/* "samples/math.jsonl": make FOLDER/samples, and make its name durable when the file is new. */
static esp_err
row_open (const char *folder, journal_file *f, bool sync, char *path, esp_error *error)
{
    esp_err err = row_path (folder, f, path, error);
    char *slash;
    if (err != ESP_OK)
        return err;
    slash = strrchr (path, '/');
    *slash = 0;
    err = esp_folder_make (path, error);
    *slash = '/';
    if (err != ESP_OK)
        return err;
    if ((f->fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0644)) < 0)
        return journal_io_failed (error, path, "open");
    *slash = 0;
    err = sync ? esp_folder_sync (path, error) : ESP_OK;
    *slash = '/';
    return err;
}

static esp_err row_size (const char *path, int fd, uint64_t *bytes, esp_error *error)
{
    struct stat info;
    if (fstat (fd, &info) != 0)
        return journal_io_failed (error, path, "look at");
    *bytes = (uint64_t)info.st_size;
    return ESP_OK;
}

static esp_err too_short (esp_error *error, const char *path, uint64_t bytes, uint64_t committed)
{
    return esp_error_set (error, ESP_EDAMAGE,
                          "%s: is %" PRIu64 " bytes long, but the journal knows that %" PRIu64
                          " bytes were on disk; bring the file back",
                          path, bytes, committed);
}

esp_err journal_file_create (const char *folder, journal_file *f, bool sync, esp_error *error)
{
    char path[JOURNAL_PATH_MAX];
    uint64_t bytes = 0;
    esp_err err = row_open (folder, f, sync, path, error);
    if (err == ESP_OK)
        err = row_size (path, f->fd, &bytes, error);
    if (err == ESP_OK && bytes > 0)
        err =
            esp_error_set (error, ESP_EEXIST,
                           "%s: holds rows of an earlier run; choose another output folder", path);
    return err;
}

esp_err journal_file_check (const char *folder, const journal_file *f, esp_error *error)
{
    char path[JOURNAL_PATH_MAX];
    struct stat info = {0};
    esp_err err = row_path (folder, f, path, error);
    if (err != ESP_OK)
        return err;
    if (stat (path, &info) != 0 && errno != ENOENT)
        return journal_io_failed (error, path, "look at");
    if ((uint64_t)info.st_size < f->committed)
        return too_short (error, path, (uint64_t)info.st_size, f->committed);
    return ESP_OK;
}

esp_err journal_file_resume (const char *folder, journal_file *f, bool sync, esp_error *error)
{
    char path[JOURNAL_PATH_MAX];
    uint64_t bytes = 0;
    esp_err err = row_open (folder, f, sync, path, error);
    if (err == ESP_OK)
        err = row_size (path, f->fd, &bytes, error);
    if (err != ESP_OK)
        return err;
    if (bytes < f->committed)
        return too_short (error, path, bytes, f->committed);
    f->bytes = f->committed;
    if (bytes == f->committed)
        return ESP_OK;
    if (ftruncate (f->fd, (off_t)f->committed) != 0)
        return journal_io_failed (error, path, "cut");
    if (sync && fsync (f->fd) != 0)
        return journal_io_failed (error, path, "sync");
    esp_log (LOG_WARN, "JOURNAL-ROWS-CUT",
             "%s: %" PRIu64 " bytes after the last commit are cut; their rows are made again", path,
             bytes - f->committed);
    return ESP_OK;
}

static esp_err pack (const char *path, journal_file *f, span *rows, esp_error *error)
{
    size_t most = ZSTD_compressBound (rows->len), len;
    if (rows->len == 0 || !span_ends (span_of (f->name), ".zst"))
        return ESP_OK;
    esp_buf_clear (&f->packed);
    if (esp_buf_reserve (&f->packed, most) != ESP_OK)
        return esp_error_set (error, ESP_ENOMEM, "%s: out of memory", path);
    len = ZSTD_compress (f->packed.data, most, rows->ptr, rows->len, 3);
    if (ZSTD_isError (len))
        return esp_error_set (error, ESP_ENOMEM, "%s: %s", path, ZSTD_getErrorName (len));
    *rows = span_make (f->packed.data, len);
    return ESP_OK;
}

esp_err
journal_file_append (const char *folder, journal_file *f, span rows, bool sync, esp_error *error)
{
    char path[JOURNAL_PATH_MAX];
    uint64_t bytes = 0;
    esp_err err = row_path (folder, f, path, error);
    if (err == ESP_OK)
        err = row_size (path, f->fd, &bytes, error);
    if (err != ESP_OK)
        return err;
    if ((err = pack (path, f, &rows, error)) != ESP_OK)
        return err;
    if (bytes != f->bytes)
        return esp_error_set (error, ESP_ECONFLICT,
                              "%s: is %" PRIu64 " bytes long instead of %" PRIu64
                              ": something else writes into it",
                              path, bytes, f->bytes);
    if (journal_write_at (f->fd, rows, f->bytes) != 0) {
        err = journal_io_failed (error, path, "write");
        if (ftruncate (f->fd, (off_t)f->bytes) != 0)
            esp_log (LOG_WARN, "JOURNAL-ROWS-CUT",
                     "%s: rows may end inside a line; resume will cut them", path);
        return err;
    }
    if (sync && fdatasync (f->fd) != 0)
        return journal_io_failed (error, path, "sync");
    f->bytes += rows.len;
    return ESP_OK;
}
