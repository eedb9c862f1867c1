/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_MODEL_PROBLEM_H
#define ESP_PROTO_MODEL_PROBLEM_H

/* problem.h - what is searched for, and how it is named
 *
 * The problem itself is an opaque JSON object: the row of the problems file.  The
 * coordinator reads only its id; engines, verifiers and reports read the rest.
 */

#include <stdint.h>
#include "proto/base/text.h"

/* One search = one repeat of one problem.  Repeat-major, so that more repeats or more
 * problems only add keys: repeat << 32 | number of the problem in the file (from 0). */
typedef uint64_t problem_key;

static inline problem_key problem_key_make (uint32_t repeat, uint32_t number)
{
    return ((uint64_t)repeat << 32) | number;
}
static inline uint32_t problem_number (problem_key key)
{
    return (uint32_t)key;
}
static inline uint32_t problem_repeat (problem_key key)
{
    return (uint32_t)(key >> 32);
}

typedef struct problem {
    problem_key key;
    span id;         /* UTF-8, <= 256 bytes */
    span json;       /* the row, compact JSON, <= problems.max_bytes */
    double priority; /* larger is served first; 0 by default (D5) */
} problem;

#endif
