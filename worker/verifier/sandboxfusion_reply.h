/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_VERIFIER_SANDBOXFUSION_REPLY_H
#define ESP_WORKER_VERIFIER_SANDBOXFUSION_REPLY_H

/* sandboxfusion_reply.h - what POST /run_code of SandboxFusion is asked and answers
 *
 *     {"code": .., "language": "python", "stdin": .., "run_timeout": s, "memory_limit_MB": n}
 *     {"status": "Success" | "Failed" | "SandboxError", "message": .., "run_result": {"status": "Finished" | "Error" |
 *      "TimeLimitExceeded", "return_code": n, "stdout": ..}}
 *
 * Source: bytedance/SandboxFusion, sandbox/server/sandbox_api.py.  Threads: pure.  What comes is not trusted.
 */

#include "proto/base/text.h"

/* Append the request. */
ESP_MUST_CHECK esp_err sandboxfusion_ask (span code, span input, double timeout_s,
                                          int64_t memory_mb, esp_buf *out);

/* Append {"stdout": .., "ended": how} or {"stdout": .., "undecided": "timeout"}, for the judge.  how: exited, crashed, killed, cpu-limit, file-limit.
 * Errors, with a sentence: ESP_EPEER (the server could not run it: SandboxError), ESP_EFORMAT, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err sandboxfusion_read (span body, esp_buf *said, esp_error *why);

/* How a process ended, by what shells and wait say: -9 and 137 are "killed". */
const char *sandboxfusion_end (long long code);

#endif
