/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_PROBLEM_PROBLEM_ROW_H
#define ESP_COORDINATOR_PROBLEM_PROBLEM_ROW_H

/* problem_row.h - one line of a problems file: its id, and the row as the engines get it
 *
 * The rules (aliases, ids made from the text, answers) stand in docs/problems.md.  Pure: no files.
 * Threads: none.
 */

#include "proto/base/text.h"

enum { PROBLEM_ID_BYTES = 256 }; /* longest id */

typedef struct problem_names { /* problems.fields.*; NULL = the aliases */
    const char *id, *problem, *answer;
} problem_names;

typedef struct problem_row {
    char id[PROBLEM_ID_BYTES + 1]; /* UTF-8, 0-terminated, no 0 inside */
    size_t id_len;                 /* >= 1 */
    double priority;               /* field `priority`, else 0 */
} problem_row;

/* json (NULL: not wanted) gets the compact row appended.
 * Errors: ESP_EFORMAT ("column 5: ...", "is not a JSON object ...", without file and line),
 * ESP_ENOMEM. */
ESP_MUST_CHECK esp_err problem_row_read (span line, const problem_names *names, problem_row *out,
                                         esp_buf *json, esp_error *error);

#endif
