/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_SUPPORT_MODEL_SERVER_FAULT_H
#define ESP_TESTS_SUPPORT_MODEL_SERVER_FAULT_H

/* fault.h - what goes wrong, and at which request
 *
 * A spec is words: WHAT[=VALUE] [path=PREFIX] [n=N | n=FROM-TO | every=K | p=SHARE [seed=S]].  It counts the requests
 * whose path begins with PREFIX (default: every POST); n counts from 1.  Without any of n, every, p: each of them.
 * The first spec that fires decides.  Threads: all functions but the first may be called by several.
 */

#include <stdbool.h>
#include <stdio.h>
#include "proto/base/text.h"

/* Where a fault works: on the connection, before the answer, on its JSON, on its bytes. */
enum fault_stage { FAULT_CONNECTION, FAULT_REQUEST, FAULT_JSON, FAULT_BYTES };

enum fault_what {
    FAULT_NONE,
    FAULT_STATUS_429,
    FAULT_STATUS_500,
    FAULT_STATUS_503,
    FAULT_401_STRING,
    FAULT_HTML,
    FAULT_REDIRECT,
    FAULT_RESTART,
    FAULT_TOO_MANY_TOKENS,
    FAULT_STALL,
    FAULT_CLOSE,
    FAULT_CLOSE_REUSED,
    FAULT_SLOW_HEADERS,
    FAULT_WRONG_LENGTH,
    FAULT_STALL_BODY,
    FAULT_HALF_BODY,
    FAULT_BROKEN_JSON,
    FAULT_HUGE,
    FAULT_TLS_PLAIN,
    FAULT_TOO_FEW,
    FAULT_TOO_MANY,
    FAULT_ORDER,
    FAULT_TWICE,
    FAULT_NAN,
    FAULT_OUT_OF_RANGE,
    FAULT_NO_LOGPROBS,
    FAULT_CUT_UTF8,
    FAULT_CUT_CHARACTER,
    FAULT_ROWS_MISSING,
    FAULT_ABORT,
    FAULT_ERROR_INSIDE
};

typedef struct fault {
    enum fault_what what;
    enum fault_stage stage;
    char value[128]; /* of WHAT=VALUE */
} fault;

typedef struct faults faults;

faults *faults_make (void);
bool faults_add (faults *all, const char *spec, char *why,
                 size_t why_size); /* false: why tells what is wrong */
bool faults_read (faults *all, const char *file, char *why,
                  size_t why_size); /* one spec a line; # begins a comment */
void faults_free (faults *all);

/* Count this request; the fault that fires, if any.  connection: it is a new connection, with no path yet. */
bool faults_next (faults *all, const char *method, const char *path, fault *out);
bool faults_next_connection (faults *all, fault *out);
unsigned faults_fired (faults *all);
void faults_help (FILE *out);

#endif
