/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_VERIFIER_VERDICT_LINE_H
#define ESP_WORKER_VERIFIER_VERDICT_LINE_H

/* verdict_line.h - the JSON lines between us and a user's verifier (docs/verifiers.md, command)
 *
 *     to it    {"id": 7, "problem": {..}, "text": "..", "answer": "18" | null, "reference": "18" | null}
 *     from it  {"id": 7, "verdict": "pass" | "fail" | "unknown", "reason": "..", "share": 0.5, "answer": "..", "observation": ".."}
 *
 * Only id and verdict must be there.  Threads: pure.  What comes is not trusted.
 */

#include "worker/engine/engine.h"

enum {
    VERDICT_REASON_BYTES = 64,          /* a reason is letters, digits, - _ . */
    VERDICT_ANSWER_BYTES = 4096,        /* a longer answer is cut */
    VERDICT_OBSERVATION_BYTES = 1 << 14 /* likewise */
};

/* Append the job's line.  text: the branch.  Errors: ESP_EFORMAT (the problem is no JSON object), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err verdict_line_write (uint64_t number, span json, span text, esp_buf *out);

typedef struct verdict_line {
    bool numbered;
    uint64_t number; /* when numbered */
    enum verdict verdict;
    double share;                     /* NaN: not said */
    bool answered;                    /* it said an answer, which may be empty */
    span reason, answer, observation; /* in `own`; "" when not said */
    void *own;                        /* owned */
} verdict_line;

/* *v is to be freed on success.  Errors: ESP_EFORMAT, with what is wrong in *why (static). */
ESP_MUST_CHECK esp_err verdict_line_read (span line, verdict_line *v, const char **why);
void verdict_line_free (verdict_line *v);

#endif
