/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_ENGINE_MUTATE_LINE_H
#define ESP_WORKER_ENGINE_MUTATE_LINE_H

/* mutate_line.h - the JSON lines between engine_mutate.c and mutate/mutate_server.py
 *
 * Threads: pure.  What the process says is not trusted: a line that is not exactly as expected is ESP_EFORMAT.
 */

#include <stdbool.h>
#include "proto/base/err.h"
#include "proto/base/text.h"

enum { MUTATE_NAME = 64 }; /* bytes of an operator's name, with its 0 */

/* The script, for python -c; generated from mutate/ by CMake. */
extern const char mutate_script[];

typedef struct mutate_options { /* what the script is told at its start */
    const char *language;       /* auto, python, reasoning */
    double controls;
    const char *const *operators; /* operator_count of them; none = all */
    size_t operator_count;
    bool cut;
} mutate_options;

/* Append them as one JSON object.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err mutate_tell (const mutate_options *o, esp_buf *out);

/* Append the line that asks for a mutant of a problem (valid JSON).  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err mutate_ask (uint64_t number, span json, uint32_t ordinal, uint32_t seed,
                                   esp_buf *out);

typedef struct mutate_reply {
    uint64_t number;
    bool given, whole;      /* there is a text; it is not cut behind the changed step */
    char name[MUTATE_NAME]; /* of the operator; or why there is no text */
} mutate_reply;

/* text: the mutant is put there.  Errors: ESP_EFORMAT, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err mutate_read (span line, mutate_reply *reply, esp_buf *text);

/* The first line.  Errors: ESP_EFORMAT (not such a line); ESP_EINVAL: not ready, *why (0-terminated) says what is wrong. */
ESP_MUST_CHECK esp_err mutate_read_ready (span line, char why[1024]);

#endif
