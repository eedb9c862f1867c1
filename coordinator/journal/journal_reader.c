/* SPDX-License-Identifier: Apache-2.0 */
/* journal_reader.c - frames back from a file, plain or zstd
 *
 * Trusts nothing: memory grows with the bytes that are really there, never with what a length
 * field claims.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>
#include "coordinator/journal/journal_private.h"
#include "proto/base/alloc.h"
#include "proto/base/hash.h"

enum {
    READ_BYTES = 256 * 1024, /* one read(2): a few hundred frames */
    SCAN_BYTES = 1024 * 1024 /* window of the scan after a bad frame */
};

static uint32_t get_u32 (const char *at)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++)
        value |= (uint32_t)(unsigned char)at[i] << (8 * i);
    return value;
}

static esp_err out_of_memory (const journal_reader *r, esp_error *error)
{
    return esp_error_set (error, ESP_ENOMEM, "%s: out of memory", r->path);
}

esp_err journal_reader_open (journal_reader *r, const char *path, bool packed, esp_error *error)
{
    *r = (journal_reader){.fd = -1};
    (void)strncpy (r->path, path, sizeof (r->path) - 1);
    if ((r->fd = open (path, O_RDONLY | O_CLOEXEC)) < 0)
        return journal_io_failed (error, path, "open");
    if ((packed && !(r->zstd = ZSTD_createDStream ())) || wire_codec_create (&r->codec) != ESP_OK) {
        journal_reader_close (r);
        return out_of_memory (r, error);
    }
    return ESP_OK;
}

void journal_reader_close (journal_reader *r)
{
    if (r->fd >= 0)
        close (r->fd);
    ZSTD_freeDStream (r->zstd);
    wire_codec_destroy (r->codec);
    esp_buf_free (&r->packed);
    esp_buf_free (&r->data);
    r->fd = -1;
    r->zstd = NULL;
    r->codec = NULL;
}

/* Append what one read(2) gives; end is set when it gives nothing. */
static esp_err read_some (journal_reader *r, esp_buf *into, bool *end, esp_error *error)
{
    ssize_t n;
    if (esp_buf_reserve (into, READ_BYTES) != ESP_OK)
        return out_of_memory (r, error);
    do
        n = read (r->fd, into->data + into->len, READ_BYTES);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return journal_io_failed (error, r->path, "read");
    into->len += (size_t)n;
    *end = n == 0;
    return ESP_OK;
}

/* One step of unpacking; a damaged or cut stream ends as broken. */
static esp_err unpack_some (journal_reader *r, esp_error *error)
{
    ZSTD_inBuffer in;
    ZSTD_outBuffer out;
    size_t left;
    bool end = false;
    esp_err err = ESP_OK;
    if (r->packed_at == r->packed.len) {
        r->packed.len = r->packed_at = 0;
        if ((err = read_some (r, &r->packed, &end, error)) != ESP_OK)
            return err;
    }
    if (esp_buf_reserve (&r->data, READ_BYTES) != ESP_OK)
        return out_of_memory (r, error);
    in = (ZSTD_inBuffer){r->packed.data, r->packed.len, r->packed_at};
    out = (ZSTD_outBuffer){r->data.data + r->data.len, READ_BYTES, 0};
    left = ZSTD_decompressStream (r->zstd, &out, &in);
    r->packed_at = in.pos;
    r->data.len += out.pos;
    if (left == 0 || !end)
        r->frame_end = left == 0;
    r->broken = ZSTD_isError (left) || (end && out.pos == 0 && !r->frame_end);
    r->end = r->broken || (end && out.pos == 0);
    return ESP_OK;
}

/* Have `need` unread bytes, or all there are. */
static esp_err fill (journal_reader *r, size_t need, esp_error *error)
{
    esp_err err = ESP_OK;
    if (r->data.len - r->at >= need)
        return ESP_OK;
    if (r->at > 0) {
        r->data.len -= r->at;
        memmove (r->data.data, r->data.data + r->at, r->data.len);
        r->at = 0;
    }
    while (err == ESP_OK && !r->end && r->data.len < need)
        err = r->zstd ? unpack_some (r, error) : read_some (r, &r->data, &r->end, error);
    return err;
}

/* A length that points behind the file: nothing need be read to know. */
static bool beyond_file (const journal_reader *r, size_t body)
{
    struct stat info;
    return !r->zstd && body > READ_BYTES && fstat (r->fd, &info) == 0 &&
           r->offset + JOURNAL_FRAME_HEAD + body > (uint64_t)info.st_size;
}

void journal_reader_again (journal_reader *r)
{
    r->data.len = r->at = 0;
    r->end = lseek (r->fd, (off_t)r->offset, SEEK_SET) < 0;
}

esp_err
journal_reader_damage (const journal_reader *r, uint64_t start, const char *what, esp_error *error)
{
    return esp_error_set (error, ESP_EDAMAGE, "%s: damaged at byte %" PRIu64 ": %s", r->path, start,
                          what);
}

/* Whole and valid; does it also belong here? */
static esp_err
check_order (journal_reader *r, const record *found, uint64_t start, esp_error *error)
{
    if (found->kind == RECORD_INPUT)
        r->last++;
    if (found->kind == RECORD_HEADER)
        return journal_reader_damage (r, start, "a second header", error);
    if (found->number != r->last)
        return journal_reader_damage (r, start, "numbers are not in order", error);
    if (found->kind == RECORD_SYNCED && found->u.synced.offset != start)
        return journal_reader_damage (r, start, "a mark of another place", error);
    return ESP_OK;
}

esp_err journal_reader_next (journal_reader *r, record *out, uint64_t *start, esp_error *error)
{
    size_t body;
    uint32_t crc;
    span bytes;
    esp_err err = fill (r, JOURNAL_FRAME_HEAD, error);
    *start = r->offset;
    if (err != ESP_OK)
        return err;
    if (r->data.len == r->at && !r->broken)
        return ESP_EEMPTY;
    if (r->data.len - r->at < JOURNAL_FRAME_HEAD)
        return ESP_EFORMAT;
    body = get_u32 (r->data.data + r->at);
    if (body == 0 || body > JOURNAL_FRAME_MAX || beyond_file (r, body))
        return ESP_EFORMAT;
    if ((err = fill (r, JOURNAL_FRAME_HEAD + body, error)) != ESP_OK)
        return err;
    if (r->data.len - r->at < JOURNAL_FRAME_HEAD + body)
        return ESP_EFORMAT;
    crc = get_u32 (r->data.data + r->at + 4);
    bytes = span_make (r->data.data + r->at + JOURNAL_FRAME_HEAD, body);
    if (esp_crc32c (0, bytes.ptr, bytes.len) != crc)
        return ESP_EFORMAT;
    if ((err = wire_record_decode (r->codec, bytes, out)) == ESP_ENOMEM)
        return out_of_memory (r, error);
    if (err == ESP_EVERSION && !r->has_header)
        return err;
    if (err != ESP_OK) /* the checksum is right: no accident, and never a torn tail */
        return journal_reader_damage (r, *start, "a record that this program does not know", error);
    r->at += JOURNAL_FRAME_HEAD + body;
    r->offset += JOURNAL_FRAME_HEAD + body;
    return r->has_header ? check_order (r, out, *start, error) : ESP_OK;
}

/* The header at r->at is of another format. */
static esp_err foreign (const journal_reader *r, esp_error *error)
{
    const char *frame = r->data.data + r->at;
    span bytes = span_make (frame + JOURNAL_FRAME_HEAD, get_u32 (frame)), program;
    uint32_t format;
    esp_err err = wire_record_writer (r->codec, bytes, &format, &program);
    if (err != ESP_OK)
        return esp_error_set (error, err, "%s: %s", r->path, esp_err_text (err));
    if (program.len == 0)
        program = span_of ("another version");
    return esp_error_set (error, ESP_EVERSION,
                          "%s: written by %.*s (journal format %" PRIu32
                          "); this is espalier " ESP_VERSION
                          " (format %d): use that version%s to resume",
                          r->path, (int)program.len, program.ptr, format, RECORD_FORMAT,
                          format > RECORD_FORMAT ? " or newer" : "");
}

esp_err journal_reader_header (journal_reader *r, uint32_t segment, record *out, esp_error *error)
{
    uint64_t start;
    esp_err err = journal_reader_next (r, out, &start, error);
    if (err == ESP_EVERSION)
        return foreign (r, error);
    if (err == ESP_EEMPTY || err == ESP_EFORMAT || (err == ESP_OK && out->kind != RECORD_HEADER))
        return journal_reader_damage (r, 0, "no header", error);
    if (err != ESP_OK)
        return err;
    if (out->u.header.segment != segment || out->u.header.first == 0)
        return journal_reader_damage (r, 0, "the header of another segment", error);
    r->has_header = true;
    r->last = out->u.header.first - 1;
    return ESP_OK;
}

esp_err journal_reader_size (const journal_reader *r, uint64_t *bytes, esp_error *error)
{
    struct stat info;
    if (fstat (r->fd, &info) != 0)
        return journal_io_failed (error, r->path, "look at");
    *bytes = (uint64_t)info.st_size;
    return ESP_OK;
}

/* Does a SYNCED frame that tells its own position begin at `at`? */
static bool is_synced (journal_reader *r, const char *at, size_t left, uint64_t offset)
{
    record found;
    size_t body;
    if (left < JOURNAL_FRAME_HEAD)
        return false;
    body = get_u32 (at);
    return body > 0 && body <= JOURNAL_SYNCED_MAX && body <= left - JOURNAL_FRAME_HEAD &&
           esp_crc32c (0, at + JOURNAL_FRAME_HEAD, body) == get_u32 (at + 4) &&
           wire_record_decode (r->codec, span_make (at + JOURNAL_FRAME_HEAD, body), &found) ==
               ESP_OK &&
           found.kind == RECORD_SYNCED && found.u.synced.offset == offset;
}

esp_err journal_reader_scan (journal_reader *r, uint64_t from, uint64_t *found, esp_error *error)
{
    enum { OVERLAP = JOURNAL_FRAME_HEAD + JOURNAL_SYNCED_MAX };
    char *window = esp_malloc (SCAN_BYTES);
    ssize_t got = SCAN_BYTES;
    esp_err err = ESP_OK;
    if (!window)
        return out_of_memory (r, error);
    *found = UINT64_MAX;
    while (got > OVERLAP && *found == UINT64_MAX && err == ESP_OK) {
        got = pread (r->fd, window, SCAN_BYTES, (off_t)from);
        if (got < 0)
            err = journal_io_failed (error, r->path, "read");
        for (ssize_t i = 0; i < got && *found == UINT64_MAX; i++)
            if (is_synced (r, window + i, (size_t)(got - i), from + (uint64_t)i))
                *found = from + (uint64_t)i;
        from += (uint64_t)(got > OVERLAP ? got - OVERLAP : 0);
    }
    esp_free (window);
    return err;
}
