/* SPDX-License-Identifier: Apache-2.0 */
/* file.c - read, replace, make; every failure names the path */

#include "proto/base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 65536 }; /* a read(2); the buffer doubles anyway */

esp_err esp_err_of_errno (int number)
{
    switch (number) {
    case 0:
        return ESP_OK;
    case ENOENT:
    case ENOTDIR:
        return ESP_ENOENT;
    case EACCES:
    case EPERM:
    case EROFS:
        return ESP_EPERMISSION;
    case ENOSPC:
    case EDQUOT:
        return ESP_ENOSPC;
    case EEXIST:
        return ESP_EEXIST;
    case EFBIG:
    case ENAMETOOLONG:
        return ESP_ETOOBIG;
    case ENOMEM:
        return ESP_ENOMEM;
    case EINVAL:
        return ESP_EINVAL;
    default:
        return ESP_EIO;
    }
}

/* "PATH: cannot VERB: No such file or directory" from errno */
static esp_err failed (esp_error *error, const char *path, const char *verb)
{
    int number = errno;
    char reason[128];
    /* the GNU variant: may return a static text instead of filling reason */
    return esp_error_set (error, esp_err_of_errno (number), "%s: cannot %s: %s", path, verb,
                          strerror_r (number, reason, sizeof (reason)));
}

static esp_err read_all (int file, const char *path, size_t limit, esp_buf *out, esp_error *error)
{
    size_t got = 0;
    for (;;) {
        size_t want = limit - got < READ_BYTES ? limit - got + 1 : READ_BYTES;
        ssize_t n;
        if (esp_buf_reserve (out, want) != ESP_OK)
            return esp_error_set (error, ESP_ENOMEM, "%s: out of memory", path);
        n = read (file, out->data + out->len, want);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed (error, path, "read");
        if (n == 0)
            return ESP_OK;
        got += (size_t)n;
        out->len += (size_t)n;
        out->data[out->len] = 0;
        if (got > limit)
            return esp_error_set (error, ESP_ETOOBIG, "%s: is over %zu bytes", path, limit);
    }
}

esp_err esp_file_read (const char *path, size_t limit, esp_buf *out, esp_error *error)
{
    size_t start;
    esp_err err;
    int file;
    if (!path || !out)
        return esp_error_set (error, ESP_EINVAL, "no path or no buffer to read into");
    if ((file = open (path, O_RDONLY | O_CLOEXEC)) < 0)
        return failed (error, path, "open");
    start = out->len;
    err = read_all (file, path, limit, out, error);
    close (file);
    if (err != ESP_OK && out->data) {
        out->len = start;
        out->data[start] = 0;
    }
    return err;
}

static int write_all (int file, span bytes)
{
    while (bytes.len > 0) {
        ssize_t n = write (file, bytes.ptr, bytes.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        bytes = span_make (bytes.ptr + n, bytes.len - (size_t)n);
    }
    return fsync (file);
}

/* The part before the last slash: "." for "name", "/" for "/name". */
static void folder_of (const char *path, char *out)
{
    const char *slash = strrchr (path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    if (slash && len == 0)
        len = 1;
    memcpy (out, slash ? path : ".", slash ? len : 1);
    out[slash ? len : 1] = 0;
}

esp_err esp_file_write (const char *path, span bytes, unsigned mode, esp_error *error)
{
    char temp[PATH_MAX], folder[PATH_MAX];
    esp_err err = ESP_OK;
    int file;
    if (!path || !*path)
        return esp_error_set (error, ESP_EINVAL, "no path to write to");
    if (snprintf (temp, sizeof (temp), "%s.tmp", path) >= (int)sizeof (temp))
        return esp_error_set (error, ESP_ETOOBIG, "%s: the path is too long", path);
    folder_of (path, folder);
    unlink (temp); /* left by a crash; O_EXCL below also refuses a link set by someone else */
    file = open (temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)mode);
    if (file < 0)
        return failed (error, temp, "create");
    if (write_all (file, bytes) != 0)
        err = failed (error, temp, "write");
    if (close (file) != 0 && err == ESP_OK)
        err = failed (error, temp, "close");
    if (err == ESP_OK && rename (temp, path) != 0)
        err = failed (error, path, "replace");
    if (err != ESP_OK) {
        unlink (temp);
        return err;
    }
    return esp_folder_sync (folder, error);
}

static int is_folder (const char *path)
{
    struct stat info;
    return stat (path, &info) == 0 && S_ISDIR (info.st_mode);
}

/* mkdir first and look after: two ranks may make the same folder at the same time. */
static esp_err make_one (const char *path, esp_error *error)
{
    int number;
    if (mkdir (path, 0777) == 0)
        return ESP_OK;
    number = errno;
    if (is_folder (path))
        return ESP_OK;
    errno = number;
    if (number == EEXIST)
        return esp_error_set (error, ESP_EEXIST, "%s: is in the way and not a folder", path);
    return failed (error, path, "make the folder");
}

esp_err esp_folder_make (const char *path, esp_error *error)
{
    char part[PATH_MAX];
    esp_err err;
    if (!path || !*path)
        return esp_error_set (error, ESP_EINVAL, "no folder to make");
    if (strlen (path) >= sizeof (part))
        return esp_error_set (error, ESP_ETOOBIG, "%s: the path is too long", path);
    for (size_t i = 1; path[i - 1]; i++) {
        if ((path[i] != '/' && path[i] != 0) || path[i - 1] == '/')
            continue;
        memcpy (part, path, i);
        part[i] = 0;
        if ((err = make_one (part, error)) != ESP_OK)
            return err;
    }
    return ESP_OK;
}

esp_err esp_folder_sync (const char *path, esp_error *error)
{
    esp_err err = ESP_OK;
    int folder;
    if (!path)
        return esp_error_set (error, ESP_EINVAL, "no folder to sync");
    if ((folder = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        return failed (error, path, "open the folder");
    /* EINVAL: the file system cannot sync folders, so names are as durable as it makes them */
    if (fsync (folder) != 0 && errno != EINVAL)
        err = failed (error, path, "sync the folder");
    close (folder);
    return err;
}

esp_err esp_path_join (char *out, size_t size, const char *folder, const char *name)
{
    span head = span_of (folder), tail = span_of (name);
    size_t slash = head.len > 0 && folder[head.len - 1] != '/';
    if (!out || !folder || !name)
        return ESP_EINVAL;
    if (head.len >= size || slash + tail.len >= size - head.len)
        return ESP_ETOOBIG;
    memcpy (out, folder, head.len);
    if (slash)
        out[head.len] = '/';
    memcpy (out + head.len + slash, name, tail.len + 1);
    return ESP_OK;
}
