/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_VERIFIER_MATH_VERIFY_LINE_H
#define ESP_WORKER_VERIFIER_MATH_VERIFY_LINE_H

/* math_verify_line.h - the JSON lines between verifier_math_verify.c and math_verify_server.py
 *
 * Threads: pure.  What the server says is not trusted: a line that is not exactly as expected is ESP_EFORMAT.
 */

#include <stdbool.h>
#include "proto/base/text.h"
#include "proto/model/task.h"

enum { MATH_VERIFY_TEXT = 8192 }; /* bytes of a text without a box that are sent: its end */

/* The script, for python -c; generated from math_verify_server.py by CMake. */
extern const char math_verify_script[];

/* Append the line for one job.  json: the problem; text: the branch.  The last box, or what follows "####", is sent if
 * there is one, else the end of the text.  Errors: ESP_ENOENT (no reference answer), ESP_EFORMAT (the problem is no object), ESP_ETOOBIG (an answer
 * over ANSWER_BYTES), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err math_verify_ask (uint64_t number, span json, span text, esp_buf *out);

typedef struct math_verify_reply {
    uint64_t number;
    enum verdict verdict;
    const char *reason; /* static */
} math_verify_reply;

/* answer: what the script took for the answer is put there.  Errors: ESP_EFORMAT, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err math_verify_read (span line, math_verify_reply *reply, esp_buf *answer);

/* The first line.  version: 0-terminated, cut.  Errors: ESP_EFORMAT (not such a line); ESP_EUNSUPPORTED: not ready, and *why
 * (0-terminated) is the script's sentence. */
ESP_MUST_CHECK esp_err math_verify_read_ready (span line, char version[32], char why[256]);

#endif
