/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_PROBLEM_PROBLEM_INDEX_H
#define ESP_COORDINATOR_PROBLEM_PROBLEM_INDEX_H

/* problem_index.h - where each problem stands in its file: 16 bytes a problem, 8 more while scanning
 *
 * Holds a 64-bit hash of the id and the offset of the line, by problem number, and the mark: how far
 * the file was read.  Kept in the output folder, so that a resumed run does not scan again.
 *
 * Threads: none.  Errors: a call that fails changes nothing.
 */

#include <stdbool.h>
#include "proto/base/err.h"
#include "proto/base/text.h"

typedef struct problem_index problem_index; /* private to problem_index.c */

typedef struct index_mark {
    uint64_t settings;    /* hash of the options that decide which lines are good, and ids */
    uint64_t text_bytes;  /* text up to here was read */
    uint64_t raw_bytes;   /* bytes of the file that were read for that; the same in a plain file */
    uint64_t fingerprint; /* of those */
    uint64_t lines;       /* in that text */
    uint64_t skipped;     /* bad ones among them */
    uint64_t ended;       /* 1: the file ended there, 0: the limit came first */
    uint64_t cut;         /* 1: the last line had no newline */
} index_mark;

ESP_MUST_CHECK esp_err problem_index_create (problem_index **out);
void problem_index_destroy (problem_index *x); /* accepts NULL */

/* The next problem.  Errors: ESP_ENOMEM, ESP_ETOOBIG (2^31 problems). */
ESP_MUST_CHECK esp_err problem_index_add (problem_index *x, uint64_t id_hash, uint64_t offset);

/* Build the table that find needs; add keeps it.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err problem_index_prepare (problem_index *x);
/* Problems with this id hash, one a call: start with *cursor = 0.  False: no more. */
bool problem_index_find (const problem_index *x, uint64_t id_hash, uint64_t *cursor,
                         uint32_t *number);
void problem_index_scanned (problem_index *x); /* drop what only find needs */

uint32_t problem_index_count (const problem_index *x);
uint64_t problem_index_offset (const problem_index *x, uint32_t number); /* number < count */
uint64_t problem_index_hash (const problem_index *x, uint32_t number);
index_mark *problem_index_mark (problem_index *x); /* borrowed; the caller keeps it up to date */

/* Errors: those of esp_file_write. */
ESP_MUST_CHECK esp_err problem_index_save (const problem_index *x, const char *path,
                                           esp_error *error);

/* Errors: ESP_ENOENT, ESP_EDAMAGE (not ours, cut or changed: scan again), those of esp_file_read. */
ESP_MUST_CHECK esp_err problem_index_load (const char *path, problem_index **out, esp_error *error);

#endif
