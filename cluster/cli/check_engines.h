/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CLI_CHECK_ENGINES_H
#define ESP_CLUSTER_CLI_CHECK_ENGINES_H

/* check_engines.h - the part of `espalier check` that talks to engines: who is there, what it can do; and the disk
 *
 * In one process all engines are tried; of a rank those that section `workers` gives to it.
 */

#include "cluster/cli/check_cost.h"
#include "cluster/cli/check_report.h"
#include "cluster/cli/lab.h"
#include "cluster/cli/run_config.h"

typedef struct engine_check {
    const run_config *config;
    const lab_place *at; /* NULL: this process does everything */
    bool problems;       /* they can be read: verifiers and generators are tried with them */
    bool generates;      /* generators are: whether seeds repeat, whether the longest prompt fits */
    check_prompt told;   /* out; zero before */
    bool serves[TASK_KINDS];    /* out */
    uint32_t slots[TASK_KINDS]; /* out: at once */
    esp_buf
        models; /* out, owned by the caller: [[kind, "entry", "model", "URL"], ...], where the run file says auto */
} engine_check;

/* Open the engines, wait for them and all their servers, try them, and say what was found.  What is wrong goes to the report. */
void check_engines (engine_check *e, check_report *r);
/* Warns of budgets of tokens that do not fit each other, of a vote without scores, of priors without log-probabilities. */
void check_budgets (const run_config *c, check_report *r);
/* Free space. */
void check_disk (const run_config *c, check_report *r);

#endif
