/* SPDX-License-Identifier: Apache-2.0 */
/* shards.c - see shards.h */

#include "coordinator/harvest/shards.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>
#include "proto/base/alloc.h"
#include "proto/base/file.h"

enum { LEVEL = 6, GATHERED = 1 << 20, SHARDS_MOST = 100000 /* five digits */ };

struct shards {
    const char *folder, *name, *tail;
    uint64_t shard_bytes;
    ZSTD_CCtx *zstd; /* NULL: plain */
    esp_sha256_stream *sha;
    shard *list; /* owned; the last one is being written while fd >= 0 */
    size_t count, cap;
    int fd;
    esp_buf text, packed;
};

esp_err shards_open (const char *folder, const char *name, const char *tail, uint64_t shard_bytes,
                     bool compress, shards **out)
{
    shards *s = esp_calloc (1, sizeof (*s));
    if (!s)
        return ESP_ENOMEM;
    s->folder = folder;
    s->name = name;
    s->tail = tail;
    s->shard_bytes = shard_bytes;
    s->fd = -1;
    s->sha = esp_sha256_stream_create ();
    if (!s->sha || (compress && !(s->zstd = ZSTD_createCCtx ()))) {
        shards_close (s);
        return ESP_ENOMEM;
    }
    if (s->zstd) {
        (void)ZSTD_CCtx_setParameter (s->zstd, ZSTD_c_compressionLevel, LEVEL);
        (void)ZSTD_CCtx_setParameter (s->zstd, ZSTD_c_checksumFlag, 1);
    }
    *out = s;
    return ESP_OK;
}

static esp_err failed (const shards *s, const char *verb, esp_error *error)
{
    return esp_error_set (error, esp_err_of_errno (errno), "%s/%s: cannot %s: %s", s->folder,
                          s->list[s->count - 1].name, verb, strerror (errno));
}

static esp_err begin (shards *s, esp_error *error)
{
    char path[PATH_MAX];
    esp_buf name = {0};
    esp_err err;
    if (s->count == SHARDS_MOST)
        return esp_error_set (error, ESP_ETOOBIG, "%s/%s%s: more than %d files; raise shard_bytes",
                              s->folder, s->name, s->tail, SHARDS_MOST);
    err = esp_buf_printf (&name, "%s%s-%05zu.jsonl%s", s->name, s->tail, s->count,
                          s->zstd ? ".zst" : "");
    if (err != ESP_OK || esp_grow (&s->list, &s->cap, s->count + 1, sizeof (*s->list)) != 0) {
        esp_buf_free (&name);
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    }
    s->list[s->count++] = (shard){.name = name.data};
    if (esp_path_join (path, sizeof (path), s->folder, name.data) != ESP_OK)
        return esp_error_set (error, ESP_ETOOBIG, "%s/%s: the path is too long", s->folder,
                              name.data);
    if ((s->fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) < 0)
        return failed (s, "write", error);
    return ESP_OK;
}

static esp_err write_out (shards *s, span bytes, esp_error *error)
{
    esp_sha256_stream_add (s->sha, bytes);
    s->list[s->count - 1].bytes += bytes.len;
    while (bytes.len > 0) {
        ssize_t n = write (s->fd, bytes.ptr, bytes.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed (s, "write", error);
        bytes = span_make (bytes.ptr + n, bytes.len - (size_t)n);
    }
    return ESP_OK;
}

/* Pack what has gathered; last: the frame ends. */
static esp_err flush (shards *s, bool last, esp_error *error)
{
    ZSTD_inBuffer in = {s->text.data, s->text.len, 0};
    size_t left = 1;
    esp_err err = ESP_OK;
    if (!s->zstd)
        err = write_out (s, esp_buf_span (&s->text), error);
    while (s->zstd && err == ESP_OK && (in.pos < in.size || (last && left > 0))) {
        ZSTD_outBuffer out;
        esp_buf_clear (&s->packed);
        if (esp_buf_reserve (&s->packed, GATHERED) != ESP_OK)
            return esp_error_set (error, ESP_ENOMEM, "out of memory");
        out = (ZSTD_outBuffer){s->packed.data, GATHERED, 0};
        left = ZSTD_compressStream2 (s->zstd, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError (left))
            return esp_error_set (error, ESP_ENOMEM, "%s: %s", s->name, ZSTD_getErrorName (left));
        err = write_out (s, span_make (s->packed.data, out.pos), error);
    }
    esp_buf_clear (&s->text);
    return err;
}

static esp_err finish (shards *s, esp_error *error)
{
    shard *now = &s->list[s->count - 1];
    uint8_t digest[ESP_SHA256_BYTES];
    esp_err err = flush (s, true, error);
    if (err == ESP_OK && fsync (s->fd) != 0)
        err = failed (s, "sync", error);
    if (close (s->fd) != 0 && err == ESP_OK)
        err = failed (s, "close", error);
    s->fd = -1;
    esp_sha256_stream_end (s->sha, digest);
    esp_hex (digest, sizeof (digest), now->sha256);
    return err;
}

esp_err shards_add (shards *s, span first, span second, esp_error *error)
{
    uint64_t len = first.len + second.len + 1;
    esp_err err = ESP_OK;
    if (s->fd >= 0 && s->list[s->count - 1].text_bytes + len > s->shard_bytes)
        err = finish (s, error);
    if (err == ESP_OK && s->fd < 0)
        err = begin (s, error);
    if (err != ESP_OK)
        return err;
    if (esp_buf_add (&s->text, first) != ESP_OK || esp_buf_add (&s->text, second) != ESP_OK ||
        esp_buf_puts (&s->text, "\n") != ESP_OK)
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    s->list[s->count - 1].rows++;
    s->list[s->count - 1].text_bytes += len;
    return s->text.len >= GATHERED ? flush (s, false, error) : ESP_OK;
}

esp_err shards_end (shards *s, esp_error *error)
{
    return s->fd >= 0 ? finish (s, error) : ESP_OK;
}

const shard *shards_list (const shards *s, size_t *count)
{
    *count = s->count;
    return s->list;
}

void shards_close (shards *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++)
        esp_free (s->list[i].name);
    esp_free (s->list);
    if (s->fd >= 0)
        close (s->fd);
    ZSTD_freeCCtx (s->zstd);
    esp_sha256_stream_free (s->sha);
    esp_buf_free (&s->text);
    esp_buf_free (&s->packed);
    esp_free (s);
}
