/* SPDX-License-Identifier: Apache-2.0 */
/* lean_options.c - see lean_options.h */

#include "worker/verifier/lean_options.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

void lean_finish (const engine_setup *setup, const job *j, enum verdict verdict, const char *reason,
                  span observation)
{
    const result r = {.id = j->task.id,
                      .logprob = NAN,
                      .mean_logprob = NAN,
                      .share = NAN,
                      .verdict = (uint8_t)verdict,
                      .reason = span_of (reason),
                      .observation = observation};
    setup->done (setup->ctx, j, &r);
}

void lean_finish_unsent (const engine_setup *setup, const job *j, const char *reason,
                         const char *word)
{
    bool unknown = strcmp (reason, "no-theorem") == 0 || strcmp (reason, "bad-problem") == 0;
    char text[96] = "";
    if (word)
        snprintf (text, sizeof (text), "%s is not allowed in a proof", word);
    lean_finish (setup, j, unknown ? VERDICT_UNKNOWN : VERDICT_FAIL, reason, span_of (text));
}
