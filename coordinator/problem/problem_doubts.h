/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_PROBLEM_PROBLEM_DOUBTS_H
#define ESP_COORDINATOR_PROBLEM_PROBLEM_DOUBTS_H

/* problem_doubts.h - good lines of which somebody expects nothing good, by what is said of them
 *
 * Zero-initialised it is empty.  It holds no memory of its own.  Threads: none.
 */

#include <stdint.h>
#include "proto/base/text.h"

enum { DOUBT_KINDS = 6, DOUBT_LINES = 3, DOUBT_BYTES = 160 };

typedef struct problem_doubt {
    char what[DOUBT_BYTES];      /* "have no tests (no-tests)" */
    uint32_t count;              /* lines */
    uint64_t lines[DOUBT_LINES]; /* the first of them */
} problem_doubt;

typedef struct problem_doubts {
    problem_doubt
        kinds[DOUBT_KINDS]; /* in the order met; what comes when it is full joins the last */
    size_t count;
} problem_doubts;

void problem_doubts_add (problem_doubts *d, const char *what, uint64_t line);

/* Append "p.jsonl:3: 12 of 400 problems have no tests (no-tests); the first in lines 3, 9, 12". */
ESP_MUST_CHECK esp_err problem_doubt_text (const problem_doubt *d, const char *file,
                                           uint32_t problems, esp_buf *out);

#endif
