/* SPDX-License-Identifier: Apache-2.0 */
/* journal_segment.c - frames, names and files of segments
 *
 * A segment looks like this:
 *
 *     HEADER SYNCED | batch SYNCED | batch SYNCED | ... | FOOTER
 *
 * Invariants:
 *   S1  a SYNCED frame at byte p says `offset = p`, and is written only after everything before p is
 *       on disk; so what stands before any SYNCED frame that can be read was promised
 *   S2  a name NNNNNN.log appears with its header whole and on disk (made aside, then linked), and
 *       only if nobody has that name; so two processes never write one segment
 *   S3  only the newest segment grows; all others end with a footer and are never written again
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "coordinator/journal/journal_private.h"
#include "proto/base/alloc.h"
#include "proto/base/file.h"
#include "proto/base/hash.h"
#include "proto/base/log.h"

static void put_u32 (char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (char)(value >> (8 * i));
}

esp_err journal_frame_add (wire_codec *codec, const record *r, esp_buf *out)
{
    size_t start = out->len, body;
    esp_err err = esp_buf_reserve (out, JOURNAL_FRAME_HEAD);
    if (err != ESP_OK)
        return err;
    out->len += JOURNAL_FRAME_HEAD; /* filled in below: the body goes straight where it stays */
    err = wire_record_encode (codec, r, out);
    body = out->len - start - JOURNAL_FRAME_HEAD;
    if (err == ESP_OK && body > JOURNAL_FRAME_MAX)
        err = ESP_ETOOBIG;
    if (err != ESP_OK) {
        out->len = start;
        return err;
    }
    put_u32 (out->data + start, (uint32_t)body);
    put_u32 (out->data + start + 4, esp_crc32c (0, out->data + start + JOURNAL_FRAME_HEAD, body));
    return ESP_OK;
}

esp_err journal_frame_synced (wire_codec *codec, uint64_t offset, uint64_t last, esp_buf *out)
{
    record r = {.kind = RECORD_SYNCED, .number = last};
    r.u.synced.offset = offset;
    return journal_frame_add (codec, &r, out);
}

esp_err journal_frame_footer (wire_codec *codec, const journal_state *s, esp_buf *out)
{
    record r = {.kind = RECORD_FOOTER, .number = s->last};
    r.u.footer.problems = s->problems.list;
    r.u.footer.problem_count = s->problems.count;
    return journal_frame_add (codec, &r, out);
}

static esp_err frame_header (wire_codec *codec, const journal_state *s, esp_buf *out)
{
    record r = {.kind = RECORD_HEADER, .number = s->last};
    file_offset *files = esp_calloc (s->file_count, sizeof (*files));
    esp_err err;
    if (!files)
        return ESP_ENOMEM;
    for (size_t i = 0; i < s->file_count; i++)
        files[i] = (file_offset){span_of (s->files[i].name), s->files[i].committed};
    r.u.header = (record_header){.format = RECORD_FORMAT,
                                 .run_id = s->run_id,
                                 .epoch = s->epoch,
                                 .segment = s->segment,
                                 .first = s->last + 1,
                                 .identity = s->identity,
                                 .semantics = s->semantics,
                                 .strategy = span_of (s->strategy),
                                 .program = span_of (s->program),
                                 .run_file = esp_buf_span (&s->run_file),
                                 .finished = s->finished.items,
                                 .finished_count = s->finished.count,
                                 .closed = s->closed.items,
                                 .closed_count = s->closed.count,
                                 .files = files,
                                 .file_count = s->file_count};
    err = journal_frame_add (codec, &r, out);
    esp_free (files);
    return err;
}

int journal_write_at (int fd, span bytes, uint64_t offset)
{
    while (bytes.len > 0) {
        ssize_t n = pwrite (fd, bytes.ptr, bytes.len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        bytes = span_make (bytes.ptr + n, bytes.len - (size_t)n);
        offset += (uint64_t)n;
    }
    return 0;
}

/* Write the new file aside, whole and on disk. */
static esp_err write_aside (const char *path, span bytes, bool sync, int *fd, esp_error *error)
{
    unlink (path); /* left by a crash */
    if ((*fd = open (path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644)) < 0)
        return journal_io_failed (error, path, "create");
    if (journal_write_at (*fd, bytes, 0) != 0)
        return journal_io_failed (error, path, "write");
    if (sync && fsync (*fd) != 0)
        return journal_io_failed (error, path, "sync");
    return ESP_OK;
}

static esp_err taken (esp_error *error, const char *path)
{
    return esp_error_set (
        error, ESP_ECONFLICT,
        "%s: is there already: another process goes on with this run; end it first", path);
}

/* Give it its name if nobody has it.  link(2) decides that also over NFS, where rename cannot. */
static esp_err appear (const char *aside, const char *path, int fd, esp_error *error)
{
    struct stat info = {0};
    if (link (aside, path) == 0 ||
        (errno == EEXIST && fstat (fd, &info) == 0 && info.st_nlink == 2)) {
        unlink (aside); /* nlink was 2: over NFS the answer to a link that worked may be lost */
        return ESP_OK;
    }
    if (errno == EEXIST)
        return taken (error, path);
    if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS)
        return journal_io_failed (error, path, "create");
    if (access (path, F_OK) == 0)
        return taken (error, path);
    if (rename (aside, path) != 0)
        return journal_io_failed (error, path, "create");
    return ESP_OK;
}

static esp_err sync_folder (const char *folder, esp_error *error)
{
    char path[JOURNAL_PATH_MAX];
    esp_err err = journal_path (folder, "00", path, error);
    return err == ESP_OK ? esp_folder_sync (path, error) : err;
}

esp_err journal_segment_create (const char *folder, const journal_state *s, wire_codec *codec,
                                bool sync, journal_segment *out, esp_error *error)
{
    char aside[JOURNAL_PATH_MAX];
    esp_buf start = {0};
    int fd = -1;
    esp_err err = frame_header (codec, s, &start);
    if (err == ESP_OK)
        err = journal_frame_synced (codec, start.len, s->last, &start);
    if (err != ESP_OK)
        esp_error_set (error, err, "%s: no header for a new segment: %s", folder,
                       esp_err_text (err));
    if (err == ESP_OK)
        err = journal_segment_path (folder, s->segment, JOURNAL_OPEN_TEMP, aside, error);
    if (err == ESP_OK)
        err = journal_segment_path (folder, s->segment, JOURNAL_OPEN, out->path, error);
    if (err == ESP_OK &&
        (err = write_aside (aside, esp_buf_span (&start), sync, &fd, error)) == ESP_OK)
        err = appear (aside, out->path, fd, error);
    if (err == ESP_OK && sync)
        err = sync_folder (folder, error);
    if (err == ESP_OK) {
        out->fd = fd;
        out->bytes = start.len;
    } else if (fd >= 0) {
        close (fd);
        unlink (aside);
    }
    esp_buf_free (&start);
    return err;
}

esp_err journal_segment_append (journal_segment *g, span frames, bool sync, esp_error *error)
{
    struct stat info;
    if (journal_write_at (g->fd, frames, g->bytes) != 0) {
        esp_err err = journal_io_failed (error, g->path, "write");
        if (ftruncate (g->fd, (off_t)g->bytes) != 0)
            esp_log (LOG_WARN, "JOURNAL-TORN-TAIL", "%s: ends inside a frame; resume will cut it",
                     g->path);
        return err;
    }
    if (sync && fdatasync (g->fd) != 0) /* never again: the kernel may have dropped the pages */
        return journal_io_failed (error, g->path, "sync");
    if (fstat (g->fd, &info) != 0 || info.st_nlink == 0)
        return esp_error_set (error, ESP_ECONFLICT,
                              "%s: was replaced or deleted: another process went on with this run",
                              g->path);
    g->bytes += frames.len;
    return ESP_OK;
}

esp_err journal_segment_mark (journal_segment *g, wire_codec *codec, uint64_t last,
                              esp_buf *scratch, esp_error *error)
{
    esp_err err;
    esp_buf_clear (scratch);
    if ((err = journal_frame_synced (codec, g->bytes, last, scratch)) != ESP_OK)
        return esp_error_set (error, err, "%s: %s", g->path, esp_err_text (err));
    return journal_segment_append (g, esp_buf_span (scratch), false, error);
}

static esp_err copy_bytes (const char *path, int to, uint64_t bytes, esp_error *error)
{
    char piece[65536];
    uint64_t at = 0;
    esp_err err = ESP_OK;
    int from = open (path, O_RDONLY | O_CLOEXEC);
    if (from < 0)
        return journal_io_failed (error, path, "open");
    while (at < bytes && err == ESP_OK) {
        size_t want = bytes - at < sizeof (piece) ? (size_t)(bytes - at) : sizeof (piece);
        ssize_t n = pread (from, piece, want, (off_t)at);
        if (n == 0)
            err = esp_error_set (error, ESP_EIO, "%s: became shorter while it was read", path);
        else if (n < 0 && errno != EINTR)
            err = journal_io_failed (error, path, "read");
        else if (n > 0 && journal_write_at (to, span_make (piece, (size_t)n), at) != 0)
            err = journal_io_failed (error, path, "copy");
        at += n > 0 ? (uint64_t)n : 0;
    }
    close (from);
    return err;
}

static esp_err write_sealed (const char *folder, const char *path, const char *aside,
                             uint64_t bytes, span end, bool sync, esp_error *error)
{
    int fd = -1;
    esp_err err = write_aside (aside, span_make ("", 0), false, &fd, error);
    if (err == ESP_OK)
        err = copy_bytes (path, fd, bytes, error);
    if (err == ESP_OK && journal_write_at (fd, end, bytes) != 0)
        err = journal_io_failed (error, aside, "write");
    if (err == ESP_OK && sync && fsync (fd) != 0)
        err = journal_io_failed (error, aside, "sync");
    if (err == ESP_OK && rename (aside, path) != 0)
        err = journal_io_failed (error, path, "replace");
    if (fd >= 0)
        close (fd);
    if (err != ESP_OK)
        unlink (aside);
    else if (sync)
        err = sync_folder (folder, error);
    return err;
}

esp_err journal_segment_seal (const char *folder, const journal_state *s, uint64_t bytes,
                              wire_codec *codec, bool sync, esp_error *error)
{
    char path[JOURNAL_PATH_MAX], aside[JOURNAL_PATH_MAX];
    esp_buf end = {0};
    esp_err err = journal_segment_path (folder, s->segment, JOURNAL_OPEN, path, error);
    if (err == ESP_OK)
        err = journal_segment_path (folder, s->segment, JOURNAL_OPEN_TEMP, aside, error);
    if (err == ESP_OK && ((err = journal_frame_synced (codec, bytes, s->last, &end)) != ESP_OK ||
                          (err = journal_frame_footer (codec, s, &end)) != ESP_OK))
        esp_error_set (error, err, "%s: no footer: %s", path, esp_err_text (err));
    if (err == ESP_OK)
        err = write_sealed (folder, path, aside, bytes, esp_buf_span (&end), sync, error);
    esp_buf_free (&end);
    return err;
}
