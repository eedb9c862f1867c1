/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_PROBLEM_BYTE_STREAM_H
#define ESP_COORDINATOR_PROBLEM_BYTE_STREAM_H

/* byte_stream.h - the text of a file: plain, gzip or zstd, told apart by its first bytes
 *
 * "Raw" bytes are those of the file, "text" bytes those that come out.  Members (gzip) and frames
 * (zstd) may follow one another, so a packed file can grow by appending.
 *
 * Threads: none.  Errors: read and seek give a reason without the path ("the gzip data ends early
 * ..."), because the caller knows the line; open names the path.
 */

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/err.h"

typedef struct byte_stream byte_stream; /* private to byte_stream.c */

/* Errors: ESP_ENOENT, ESP_EPERMISSION, ESP_EINVAL (not a regular file), ESP_EFORMAT (named .gz or
 * .zst and is not), ESP_EIO, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err byte_stream_open (const char *path, byte_stream **out, esp_error *error);
void byte_stream_close (byte_stream *s); /* accepts NULL */

/* At most max (>= 1) bytes of text.  *got = 0 at the end, and only there.
 * Errors: ESP_EFORMAT (packed data cut or damaged), ESP_EIO, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err byte_stream_read (byte_stream *s, char *bytes, size_t max, size_t *got,
                                         esp_error *error);

/* Next read starts at text byte `offset` (the end if there are fewer).  A packed file is decoded up to there, from
 * its start when that lies before the present place.  Errors: as byte_stream_read. */
ESP_MUST_CHECK esp_err byte_stream_seek (byte_stream *s, uint64_t offset, esp_error *error);

bool byte_stream_packed (const byte_stream *s);
uint64_t byte_stream_raw (const byte_stream *s); /* raw bytes taken from the file so far */

/* Raw size of the file now.  Errors: ESP_EIO. */
ESP_MUST_CHECK esp_err byte_stream_size (const byte_stream *s, uint64_t *out, esp_error *error);

/* Hash of the first and last 64 KiB of the raw bytes [0, raw_bytes).  Errors: ESP_ECONFLICT (the
 * file is shorter), ESP_EIO, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err byte_stream_fingerprint (const byte_stream *s, uint64_t raw_bytes,
                                                uint64_t *out, esp_error *error);

#endif
