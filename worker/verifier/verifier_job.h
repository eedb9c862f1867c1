/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_VERIFIER_VERIFIER_JOB_H
#define ESP_WORKER_VERIFIER_VERIFIER_JOB_H

/* verifier_job.h - the frame of a verifier that judges inside start()
 *
 * Such a verifier is one function; state, texts, other kinds of task and memory errors are done here.
 */

#include "worker/engine/engine.h"

/* Judge `text`, the whole branch.  *r comes with verdict unknown; set verdict, reason (static) and answer,
 * which may point into text or into *scratch (empty at the start).  Errors: those of this task; ESP_ENOMEM. */
typedef esp_err (*verifier_judge) (span json, span text, esp_buf *scratch, result *r);

ESP_MUST_CHECK esp_err verifier_job_open (const engine_setup *setup, void **state,
                                          esp_error *error);
void verifier_job_close (void *state); /* accepts NULL */
/* The job ends with this error; any verifier. */
void verifier_fail (const engine_setup *setup, const job *j, esp_err err);

/* Append a JSON value on one line: outside of strings an end of line is mere space. */
ESP_MUST_CHECK esp_err verifier_put_json (esp_buf *out, span json);

void verifier_job_start (void *state, verifier_judge judge, const job *const *jobs, size_t n);

#endif
