/* SPDX-License-Identifier: Apache-2.0 */
/* journal_closer.c - finished segments go to closed/, a small piece at a time
 *
 * The writer does one piece between two batches, so that a commit waits for at most PIECE_BYTES of
 * packing.  A header that says "closed" is on disk before a segment comes here; so whatever is
 * left half done is done again by the next start.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>
#include "coordinator/journal/journal_private.h"
#include "proto/base/alloc.h"
#include "proto/base/file.h"
#include "proto/base/log.h"

enum {
    PIECE_BYTES =
        512 * 1024, /* about 2 ms of packing; larger delays commits, smaller costs syscalls */
    LEVEL = 3       /* zstd's default: fast enough to keep up with any journal */
};

struct journal_closer {
    const char *folder; /* borrowed */
    bool keep, sync;
    uint32_t *queue; /* owned; segments from `next` on */
    size_t count, capacity, next;
    /* the one being packed */
    int from, to;
    ZSTD_CCtx *zstd;
    uint64_t packed; /* bytes written */
    char *in, *out;  /* owned, PIECE_BYTES and the bound for it */
    char from_path[JOURNAL_PATH_MAX], aside[JOURNAL_PATH_MAX], to_path[JOURNAL_PATH_MAX];
};

esp_err journal_closer_create (const char *folder, bool keep, bool sync, journal_closer **out)
{
    journal_closer *c = esp_calloc (1, sizeof (*c));
    if (!c)
        return ESP_ENOMEM;
    c->folder = folder;
    c->keep = keep;
    c->sync = sync;
    c->from = c->to = -1;
    c->in = esp_malloc (PIECE_BYTES);
    c->out = esp_malloc (ZSTD_compressBound (PIECE_BYTES));
    c->zstd = ZSTD_createCCtx ();
    if (!c->in || !c->out || !c->zstd) {
        journal_closer_destroy (c);
        return ESP_ENOMEM;
    }
    (void)ZSTD_CCtx_setParameter (c->zstd, ZSTD_c_compressionLevel, LEVEL);
    (void)ZSTD_CCtx_setParameter (c->zstd, ZSTD_c_checksumFlag, 1);
    *out = c;
    return ESP_OK;
}

static void drop_files (journal_closer *c)
{
    if (c->from >= 0)
        close (c->from);
    if (c->to >= 0) {
        close (c->to);
        unlink (c->aside);
    }
    c->from = c->to = -1;
}

void journal_closer_destroy (journal_closer *c)
{
    if (!c)
        return;
    drop_files (c);
    ZSTD_freeCCtx (c->zstd);
    esp_free (c->in);
    esp_free (c->out);
    esp_free (c->queue);
    esp_free (c);
}

esp_err journal_closer_add (journal_closer *c, uint32_t segment)
{
    if (esp_grow (&c->queue, &c->capacity, c->count + 1, sizeof (*c->queue)) != 0)
        return ESP_ENOMEM;
    c->queue[c->count++] = segment;
    return ESP_OK;
}

static esp_err begin (journal_closer *c, esp_error *error)
{
    uint32_t segment = c->queue[c->next];
    esp_err err = journal_segment_path (c->folder, segment, JOURNAL_OPEN, c->from_path, error);
    if (err == ESP_OK)
        err = journal_segment_path (c->folder, segment, JOURNAL_CLOSED_TEMP, c->aside, error);
    if (err == ESP_OK)
        err = journal_segment_path (c->folder, segment, JOURNAL_CLOSED, c->to_path, error);
    if (err != ESP_OK)
        return err;
    if ((c->from = open (c->from_path, O_RDONLY | O_CLOEXEC)) < 0)
        return journal_io_failed (error, c->from_path, "open");
    unlink (c->aside);
    if ((c->to = open (c->aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644)) < 0)
        return journal_io_failed (error, c->aside, "create");
    c->packed = 0;
    (void)ZSTD_CCtx_reset (c->zstd, ZSTD_reset_session_only);
    return ESP_OK;
}

static esp_err put_away (journal_closer *c, esp_error *error)
{
    char path[JOURNAL_PATH_MAX];
    esp_err err = journal_path (c->folder, "00/closed", path, error);
    if (err != ESP_OK)
        return err;
    if (c->sync && fsync (c->to) != 0)
        return journal_io_failed (error, c->aside, "sync");
    if (rename (c->aside, c->to_path) != 0)
        return journal_io_failed (error, c->to_path, "create");
    close (c->to);
    c->to = -1;
    if (c->sync && (err = esp_folder_sync (path, error)) != ESP_OK)
        return err;
    if (unlink (c->from_path) != 0)
        return journal_io_failed (error, c->from_path, "remove");
    close (c->from);
    c->from = -1;
    c->next++;
    return ESP_OK;
}

/* Pack one piece; each is synced alone, so that no sync takes long. */
static esp_err pack_piece (journal_closer *c, esp_error *error)
{
    ssize_t n = read (c->from, c->in, PIECE_BYTES);
    ZSTD_inBuffer in = {c->in, n > 0 ? (size_t)n : 0, 0};
    size_t left;
    if (n < 0)
        return errno == EINTR ? ESP_OK : journal_io_failed (error, c->from_path, "read");
    do {
        ZSTD_outBuffer out = {c->out, ZSTD_compressBound (PIECE_BYTES), 0};
        left = ZSTD_compressStream2 (c->zstd, &out, &in, n == 0 ? ZSTD_e_end : ZSTD_e_flush);
        if (ZSTD_isError (left))
            return esp_error_set (error, ESP_EIO, "%s: cannot pack: %s", c->from_path,
                                  ZSTD_getErrorName (left));
        if (journal_write_at (c->to, span_make (c->out, out.pos), c->packed) != 0)
            return journal_io_failed (error, c->aside, "write");
        c->packed += out.pos;
    } while (left > 0 || in.pos < in.size);
    if (n > 0 && c->sync && fdatasync (c->to) != 0)
        return journal_io_failed (error, c->aside, "sync");
    return n == 0 ? put_away (c, error) : ESP_OK;
}

static esp_err remove_segment (journal_closer *c, esp_error *error)
{
    esp_err err =
        journal_segment_path (c->folder, c->queue[c->next], JOURNAL_OPEN, c->from_path, error);
    if (err == ESP_OK && unlink (c->from_path) != 0 && errno != ENOENT)
        err = journal_io_failed (error, c->from_path, "remove");
    c->next++;
    return err;
}

bool journal_closer_waiting (const journal_closer *c)
{
    return c->next < c->count;
}

void journal_closer_step (journal_closer *c)
{
    esp_error error = {0};
    esp_err err;
    if (c->next == c->count)
        return;
    if (!c->keep)
        err = remove_segment (c, &error);
    else if (c->from < 0)
        err = begin (c, &error);
    else
        err = pack_piece (c, &error);
    if (err != ESP_OK) {
        drop_files (c);
        c->next = c->count;
        esp_log (LOG_WARN, "JOURNAL-CLOSE-FAILED",
                 "%s; the segment stays where it is, the next start tries again", error.text);
    }
}
