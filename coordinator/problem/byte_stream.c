/* SPDX-License-Identifier: Apache-2.0 */
/* byte_stream.c - one fd, one input buffer, and at most one decoder
 *
 * Reads use pread with an own position, so fingerprints do not disturb a running decode.
 *
 * Invariants:
 *   I1  raw bytes [raw - (in_len - in_at), raw) are in `in` and not decoded yet (packed only)
 *   I2  text = bytes given to the caller since the start; for a plain file raw == text
 *   I3  open_frame: the decoder stands inside a member or frame, so an end here is a cut file
 */

#include "coordinator/problem/byte_stream.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#include "proto/base/alloc.h"
#include "proto/base/file.h"
#include "proto/base/hash.h"
#include "proto/base/text.h"

enum {
    IN_BYTES = 128 << 10,  /* raw bytes per read: large enough for network file systems */
    PRINT_BYTES = 64 << 10 /* head and tail that a fingerprint covers; more costs time at resume */
};

enum packing { PLAIN, GZIP, ZSTD };

struct byte_stream {
    int fd;
    enum packing packing;
    uint64_t raw, text;
    bool open_frame;
    char *in; /* owned; NULL for a plain file */
    size_t in_at, in_len;
    bool z_ready; /* inflateInit was done */
    z_stream z;
    ZSTD_DStream *zstd; /* owned */
};

static void *z_alloc (void *ctx, unsigned count, unsigned size)
{
    (void)ctx;
    return esp_calloc (count, size);
}

static void z_free (void *ctx, void *ptr)
{
    (void)ctx;
    esp_free (ptr);
}

/* pread that goes on after signals and short reads; *got < max only at the end. */
static esp_err
read_at (int fd, void *bytes, size_t max, uint64_t offset, size_t *got, esp_error *error)
{
    size_t done = 0;
    while (done < max) {
        ssize_t n = pread (fd, (char *)bytes + done, max - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return esp_error_set (error, ESP_EIO, "cannot be read: %s", strerror (errno));
        if (n == 0)
            break;
        done += (size_t)n;
    }
    *got = done;
    return ESP_OK;
}

static bool is_gzip (const unsigned char *b, size_t n)
{
    return n >= 2 && b[0] == 0x1f && b[1] == 0x8b;
}

/* A zstd frame, or a skippable one (RFC 8878, 3.1.2). */
static bool is_zstd (const unsigned char *b, size_t n)
{
    return n >= 4 && ((b[0] == 0x28 && b[1] == 0xb5 && b[2] == 0x2f && b[3] == 0xfd) ||
                      ((b[0] & 0xf0) == 0x50 && b[1] == 0x2a && b[2] == 0x4d && b[3] == 0x18));
}

static esp_err find_packing (byte_stream *s, const char *path, esp_error *error)
{
    unsigned char magic[4];
    size_t n;
    esp_error reason = {0};
    span name = span_of (path);
    esp_err err = read_at (s->fd, magic, sizeof (magic), 0, &n, &reason);
    if (err != ESP_OK)
        return esp_error_set (error, err, "%s: %s", path, reason.text);
    s->packing = is_gzip (magic, n) ? GZIP : is_zstd (magic, n) ? ZSTD : PLAIN;
    if (n > 0 && s->packing == PLAIN && (span_ends (name, ".gz") || span_ends (name, ".zst")))
        return esp_error_set (error, ESP_EFORMAT,
                              "%s:1: the name says compressed, the content is not; rename it or "
                              "compress it again",
                              path);
    return ESP_OK;
}

static esp_err open_decoder (byte_stream *s)
{
    if (s->packing == PLAIN)
        return ESP_OK;
    if (!(s->in = esp_malloc (IN_BYTES)))
        return ESP_ENOMEM;
    if (s->packing == ZSTD)
        return (s->zstd = ZSTD_createDStream ()) ? ESP_OK : ESP_ENOMEM;
    s->z.zalloc = z_alloc;
    s->z.zfree = z_free;
    if (inflateInit2 (&s->z, 15 + 16) != Z_OK) /* 15: largest window; 16: gzip wrapper */
        return ESP_ENOMEM;
    s->z_ready = true;
    return ESP_OK;
}

static esp_err open_file (byte_stream *s, const char *path, esp_error *error)
{
    struct stat st;
    s->fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not block us here */
    if (s->fd < 0)
        return esp_error_set (error, esp_err_of_errno (errno), "%s: %s", path, strerror (errno));
    if (fstat (s->fd, &st) != 0)
        return esp_error_set (error, ESP_EIO, "%s: %s", path, strerror (errno));
    if (!S_ISREG (st.st_mode))
        return esp_error_set (error, ESP_EINVAL, "%s: is %s, not a file; name a .jsonl file", path,
                              S_ISDIR (st.st_mode) ? "a folder" : "a pipe or device");
    return find_packing (s, path, error);
}

esp_err byte_stream_open (const char *path, byte_stream **out, esp_error *error)
{
    esp_err err = ESP_ENOMEM;
    byte_stream *s;
    if (!path || !out)
        return esp_error_set (error, ESP_EINVAL, "no file was named");
    if (!(s = esp_calloc (1, sizeof (*s))))
        return esp_error_set (error, ESP_ENOMEM, "%s: out of memory", path);
    s->fd = -1;
    if ((err = open_file (s, path, error)) != ESP_OK)
        goto fail;
    if ((err = open_decoder (s)) != ESP_OK) {
        esp_error_set (error, err, "%s: out of memory", path);
        goto fail;
    }
    *out = s;
    return ESP_OK;
fail:
    byte_stream_close (s);
    return err;
}

void byte_stream_close (byte_stream *s)
{
    if (!s)
        return;
    if (s->z_ready)
        inflateEnd (&s->z);
    ZSTD_freeDStream (s->zstd); /* accepts NULL */
    if (s->fd >= 0)
        close (s->fd);
    esp_free (s->in);
    esp_free (s);
}

static esp_err refill (byte_stream *s, esp_error *error)
{
    size_t got;
    esp_err err = read_at (s->fd, s->in, IN_BYTES, s->raw, &got, error);
    if (err != ESP_OK)
        return err;
    s->raw += got;
    s->in_at = 0;
    s->in_len = got;
    return ESP_OK;
}

static esp_err damaged (esp_error *error, const char *format, const char *why)
{
    return esp_error_set (error, ESP_EFORMAT,
                          "the %s data is damaged (%s); copy or compress the file again", format,
                          why ? why : "unknown reason");
}

/* One call of the decoder; *got may be 0 although more follows. */
static esp_err inflate_some (byte_stream *s, char *bytes, size_t max, size_t *got, esp_error *error)
{
    int rc;
    s->open_frame = true;
    s->z.next_in = (unsigned char *)s->in + s->in_at;
    s->z.avail_in = (unsigned)(s->in_len - s->in_at);
    s->z.next_out = (unsigned char *)bytes;
    s->z.avail_out = (unsigned)max;
    rc = inflate (&s->z, Z_NO_FLUSH);
    s->in_at = s->in_len - s->z.avail_in;
    *got = max - s->z.avail_out;
    if (rc == Z_MEM_ERROR)
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    if (rc == Z_STREAM_END) {
        s->open_frame = false;
        rc = inflateReset (&s->z);
    }
    return rc == Z_OK || rc == Z_BUF_ERROR ? ESP_OK : damaged (error, "gzip", s->z.msg);
}

static esp_err unzstd_some (byte_stream *s, char *bytes, size_t max, size_t *got, esp_error *error)
{
    ZSTD_inBuffer in = {s->in, s->in_len, s->in_at};
    ZSTD_outBuffer out = {bytes, max, 0};
    size_t rc = ZSTD_decompressStream (s->zstd, &out, &in);
    if (ZSTD_isError (rc))
        return damaged (error, "zstd", ZSTD_getErrorName (rc));
    s->in_at = in.pos;
    s->open_frame = rc != 0;
    *got = out.pos;
    return ESP_OK;
}

static esp_err read_packed (byte_stream *s, char *bytes, size_t max, size_t *got, esp_error *error)
{
    esp_err err = ESP_OK;
    bool full = false; /* the decoder may hold more text although its input is used up */
    for (*got = 0; err == ESP_OK && *got == 0;) {
        if (s->in_at == s->in_len && !full) {
            if ((err = refill (s, error)) != ESP_OK)
                return err;
            if (s->in_len == 0 && !s->open_frame)
                return ESP_OK;
            if (s->in_len == 0)
                full = true; /* one more call without input: the rest of the text, or nothing */
        } else if (full && s->in_at == s->in_len)
            return esp_error_set (error, ESP_EFORMAT,
                                  "the %s data ends early; copy or compress the file again",
                                  s->packing == GZIP ? "gzip" : "zstd");
        err = s->packing == GZIP ? inflate_some (s, bytes, max, got, error)
                                 : unzstd_some (s, bytes, max, got, error);
    }
    return err;
}

esp_err byte_stream_read (byte_stream *s, char *bytes, size_t max, size_t *got, esp_error *error)
{
    esp_err err;
    if (!s || !bytes || !got || max == 0)
        return esp_error_set (error, ESP_EINVAL, "nothing to read into");
    if (max > IN_BYTES)
        max = IN_BYTES; /* keeps zlib's 32-bit counts safe */
    if (s->packing == PLAIN) {
        err = read_at (s->fd, bytes, max, s->raw, got, error);
        s->raw += err == ESP_OK ? *got : 0;
    } else
        err = read_packed (s, bytes, max, got, error);
    s->text += err == ESP_OK ? *got : 0;
    return err;
}

static esp_err rewind_stream (byte_stream *s)
{
    s->raw = s->text = 0;
    s->in_at = s->in_len = 0;
    s->open_frame = false;
    if (s->packing == ZSTD)
        return ZSTD_isError (ZSTD_DCtx_reset (s->zstd, ZSTD_reset_session_only)) ? ESP_EIO : ESP_OK;
    return inflateReset (&s->z) == Z_OK ? ESP_OK : ESP_EIO;
}

esp_err byte_stream_seek (byte_stream *s, uint64_t offset, esp_error *error)
{
    esp_err err = ESP_OK;
    char skipped[16 << 10];
    if (!s)
        return esp_error_set (error, ESP_EINVAL, "no stream");
    if (s->packing == PLAIN) {
        s->raw = s->text = offset;
        return ESP_OK;
    }
    if (offset < s->text && (err = rewind_stream (s)) != ESP_OK)
        return esp_error_set (error, err, "the decoder cannot start again");
    while (s->text < offset) {
        uint64_t left = offset - s->text;
        size_t got;
        err = byte_stream_read (
            s, skipped, left < sizeof (skipped) ? (size_t)left : sizeof (skipped), &got, error);
        if (err != ESP_OK || got == 0)
            break;
    }
    return err;
}

bool byte_stream_packed (const byte_stream *s)
{
    return s && s->packing != PLAIN;
}

uint64_t byte_stream_raw (const byte_stream *s)
{
    return s ? s->raw : 0;
}

esp_err byte_stream_size (const byte_stream *s, uint64_t *out, esp_error *error)
{
    struct stat st;
    if (!s || !out)
        return esp_error_set (error, ESP_EINVAL, "no stream");
    if (fstat (s->fd, &st) != 0)
        return esp_error_set (error, ESP_EIO, "cannot be read: %s", strerror (errno));
    *out = (uint64_t)st.st_size;
    return ESP_OK;
}

esp_err
byte_stream_fingerprint (const byte_stream *s, uint64_t raw_bytes, uint64_t *out, esp_error *error)
{
    esp_err err;
    size_t part = raw_bytes < PRINT_BYTES ? (size_t)raw_bytes : PRINT_BYTES;
    size_t head, tail;
    char *bytes;
    if (!s || !out)
        return esp_error_set (error, ESP_EINVAL, "no stream");
    if (!(bytes = esp_malloc (2 * (size_t)PRINT_BYTES)))
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    if ((err = read_at (s->fd, bytes, part, 0, &head, error)) == ESP_OK)
        err = read_at (s->fd, bytes + part, part, raw_bytes - part, &tail, error);
    if (err == ESP_OK && (head < part || tail < part))
        err = esp_error_set (error, ESP_ECONFLICT, "is shorter than it was");
    if (err == ESP_OK)
        *out = esp_hash64 (bytes, 2 * part, raw_bytes);
    esp_free (bytes);
    return err;
}
