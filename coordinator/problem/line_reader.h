/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_PROBLEM_LINE_READER_H
#define ESP_COORDINATOR_PROBLEM_LINE_READER_H

/* line_reader.h - the lines of a plain, gzip or zstd file, however long they are
 *
 * A line longer than the limit is read over and told as such; memory stays at the limit.  A byte
 * order mark at the start of the file is not part of the first line; a carriage return at the end of a line is.
 *
 * Threads: none.  Errors: sentences start with "path:line: "; ESP_EFORMAT (packed data cut or
 * damaged), ESP_EIO, ESP_ENOMEM.  After an error other than ESP_EEMPTY only seek and close make sense.
 */

#include <stdbool.h>
#include "coordinator/problem/byte_stream.h"
#include "proto/base/text.h"

typedef struct line_reader line_reader; /* private to line_reader.c */

typedef struct line {
    span text;       /* without its newline; borrowed until the next call; empty when too_long */
    uint64_t number; /* from 1 */
    uint64_t offset; /* of its first byte in the text */
    uint64_t end;    /* of the byte behind its newline */
    bool too_long;   /* over max_line_bytes */
    bool cut;        /* the file ends without a newline */
} line;

/* Errors: as byte_stream_open. */
ESP_MUST_CHECK esp_err line_reader_open (const char *path, size_t max_line_bytes, line_reader **out,
                                         esp_error *error);
void line_reader_close (line_reader *r); /* accepts NULL */

/* Errors: ESP_EEMPTY at the end of the file (*error untouched), else as above. */
ESP_MUST_CHECK esp_err line_reader_next (line_reader *r, line *out, esp_error *error);

/* The next line starts at `offset` and has this number (0: unknown, messages name no line); cheap when that is near where the reader stands. */
ESP_MUST_CHECK esp_err line_reader_seek (line_reader *r, uint64_t offset, uint64_t number,
                                         esp_error *error);

const byte_stream *line_reader_stream (const line_reader *r); /* borrowed */

#endif
