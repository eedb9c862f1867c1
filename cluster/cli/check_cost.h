/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CLI_CHECK_COST_H
#define ESP_CLUSTER_CLI_CHECK_COST_H

/* check_cost.h - the part of `espalier check` that says what a run costs at most
 *
 * The least of the budgets, the limits of the run and what the strategy can ask at all (strategy.most).  Prompts are counted as
 * if no server kept any, one for each generation, each as long as the longest one with the longest branch behind it, so the true
 * cost is mostly far below.  Not in it: the prompts of a step's further pieces, which is said where the rule makes some; what
 * a verifier says of a draft; what a PRM reads, which depends on how its server is asked.
 */

#include "cluster/cli/check_report.h"
#include "cluster/cli/run_config.h"

typedef struct check_prompt { /* what servers told */
    uint32_t longest,
        context; /* tokens, the most of all generators; 0 = not known; UINT32_MAX: one does not say */
} check_prompt;

typedef struct cost_most { /* UINT64_MAX: nothing caps it */
    uint64_t searches, generations, generated_tokens;
    uint64_t prompt_tokens; /* UINT64_MAX: not known either */
    double money, flops;    /* of the generators; NaN: no prices, no parameters, or no end */
} cost_most;

/* Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err cost_most_of (const run_config *c, uint64_t problems, const check_prompt *p,
                                     cost_most *out);

/* The last lines of the table. */
void check_cost (const run_config *c, uint64_t problems, const check_prompt *p, check_report *r);

#endif
