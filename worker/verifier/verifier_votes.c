/* SPDX-License-Identifier: Apache-2.0 */
/* verifier_votes.c - kind `votes`: no reference answer at all; the branches of a problem vote
 *
 * unknown  votes (there is an answer), no-answer
 *
 * A majority is no proof, so no verdict decides.  The answer that stands in the branch is what the coordinator groups by (vote.rule: majority); the
 * part of the branches with the same answer goes into each unverified sample as its agreement, with what such an agreement
 * was worth on the problems of the run that have gold (verifier.calibrate): stack it behind a verifier that decides those.
 */

#include "proto/answer/answer.h"
#include "worker/verifier/verifier_job.h"
#include "worker/verifier/verifiers.h"

static esp_err judge (span json, span text, esp_buf *scratch, result *r)
{
    span answer;
    (void)json;
    (void)scratch;
    r->verdict = VERDICT_UNKNOWN;
    r->reason = span_of ("no-answer");
    if (answer_find (text, &answer)) {
        r->answer = answer;
        r->reason = span_of ("votes");
    }
    return ESP_OK;
}

static void start (void *state, const job *const *jobs, size_t n)
{
    verifier_job_start (state, judge, jobs, n);
}

const engine_kind verifier_votes = {.name = "votes",
                                    .roles = ENGINE_VERIFIER,
                                    .open = verifier_job_open,
                                    .start = start,
                                    .close = verifier_job_close};
