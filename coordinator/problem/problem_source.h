/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_PROBLEM_PROBLEM_SOURCE_H
#define ESP_COORDINATOR_PROBLEM_PROBLEM_SOURCE_H

/* problem_source.h - the problems file: JSONL, plain, .gz or .zst
 *
 * Opening scans the whole file once: every line is checked, ids are found (aliases: id, unique_id, task_id, name;
 * else the first 16 hex digits of SHA-256 of the problem text), equal ids refused.  Then any problem can
 * be had by its number, in any order, at a cost that does not depend on the number (plain files: by
 * offset; compressed ones: cheap in rising order).  Numbers count the good lines, from 0.
 *
 * On resume the index that the first scan left in the output folder saves the scan of what was there: only lines that were
 * added since are read (the file may grow, problems.limit may grow).  The file must otherwise be as it was: its indexed part is
 * compared by length and a hash of its head and tail.
 *
 * Threads: none.  Limits: a line of at most problems.max_line_bytes (8 MiB default), 2^31 problems.
 */

#include "coordinator/problem/problem_doubts.h"
#include "proto/base/option.h"
#include "proto/model/problem.h"

typedef struct problem_options {
    const char *file; /* required */
    int64_t limit;    /* first n good lines; 0 = all */
    int on_error;     /* refuse | skip: what a bad line does */
    int64_t max_line_bytes;
    int64_t open; /* problems.open: admitted at once; 0 = until twice the slots are queued */
    const char *field_id, *field_problem,
        *field_answer; /* problems.fields.*: own names; NULL = the aliases */
} problem_options;
extern const esp_option problem_option_rows[]; /* section `problems` */

typedef struct problem_source problem_source;

/* index_path: where the index is kept (OUTPUT/journal/problems.idx), or NULL for none.  A bad line with on_error refuse:
 * ESP_EFORMAT, "problems.jsonl:17: column 5: ...; set problems.on_error: skip to leave such lines out".
 * check (may be NULL): the engine's own look at a problem ("no numbers"); its sentence is used for the line.  ESP_OK with a sentence
 * ("have no tests"): the line is good, and counts as doubtful.
 * Errors: ESP_ENOENT, ESP_EPERMISSION, ESP_EFORMAT (also: no problem in the file, truncated gz or zst), ESP_EEXIST
 * (equal ids: names both lines), ESP_ETOOBIG, ESP_ECONFLICT (the indexed part changed), ESP_EIO, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err problem_source_open (const problem_options *options, const char *index_path,
                                            esp_err (*check) (void *ctx, span json,
                                                              esp_error *error),
                                            void *ctx, problem_source **out, esp_error *error);
void problem_source_close (problem_source *source); /* accepts NULL */

uint32_t problem_source_count (const problem_source *source); /* good lines, at most limit */
uint32_t problem_source_skipped (
    const problem_source *source); /* bad lines left out; each was logged with its line */

/* Of the lines that this start has read: those that the index of an earlier start knows were told then. */
const problem_doubts *problem_source_doubts (const problem_source *source);

/* Problem `number` of `repeat`.  Spans are owned by *memory (cleared first).  json is the row as compact JSON with at least
 * `id` (string) set, and, where field_problem / field_answer name own fields, `problem` / `answer` added.
 * Errors: ESP_ERANGE, ESP_EIO, ESP_ECONFLICT (the file changed under us: names it), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err problem_source_get (problem_source *source, uint32_t repeat, uint32_t number,
                                           esp_buf *memory, problem *out, esp_error *error);

#endif
