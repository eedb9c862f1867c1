/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_VERIFIER_COQ_REPLY_H
#define ESP_WORKER_VERIFIER_COQ_REPLY_H

/* coq_reply.h - a verdict from what coqc said
 *
 * Pass only on a check that ended well and whose assumptions could be read to the last line, every one of them allowed.
 * Threads: pure.  What coqc said is hostile: the candidate has a hand in it.
 */

#include "proto/model/task.h"
#include "worker/verifier/coq_pool.h"

typedef struct coq_verdict {
    uint8_t verdict;    /* enum verdict */
    const char *reason; /* static */
} coq_verdict;

/* allowed: whole names, such as "Coq.Logic.FunctionalExtensionality.functional_extensionality_dep".  Append to *observation what helps
 * to repair the proof (empty on pass): UTF-8, at most COQ_OBSERVATION_MOST bytes.  Errors: ESP_ENOMEM. */
enum { COQ_OBSERVATION_MOST = 2000 };
ESP_MUST_CHECK esp_err coq_judge (const coq_case *c, const coq_outcome *o,
                                  const char *const *allowed, size_t allowed_count,
                                  coq_verdict *out, esp_buf *observation);

#endif
