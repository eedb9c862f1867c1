/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CLI_LAB_H
#define ESP_CLUSTER_CLI_LAB_H

/* lab.h - the engines of a run file in this process, one job at a time: for check and try
 *
 * No coordinator, no ranks: jobs go straight into the engines, and the caller waits.
 * Threads: none.  Ctrl-C ends the program as usual: nothing is kept.
 */

#include "cluster/cli/run_config.h"

typedef struct lab lab;

typedef struct lab_result { /* a result that owns what it holds */
    result r;
    char *memory; /* texts and scores of r */
    double seconds;
} lab_result;

typedef struct lab_place { /* of which rank */
    int rank, local_rank;
} lab_place;

/* Open all engines; at: those that section `workers` gives to this rank, NULL: of all.  config: borrowed.  trace: as
 * engine_setup.trace, may be NULL.  Errors: with a sentence. */
ESP_MUST_CHECK esp_err lab_open (const run_config *c, const lab_place *at,
                                 void (*trace) (void *ctx, const char *what, span text), void *ctx,
                                 lab **out, esp_error *error);
void lab_close (lab *l); /* accepts NULL */

bool lab_has (const lab *l, enum task_kind kind);
/* Wait until jobs of this kind may come; what is waited for is logged from time to time: a folder of servers may stay empty
 * for ever.  Errors: the engine's, with a sentence. */
ESP_MUST_CHECK esp_err lab_ready (lab *l, enum task_kind kind, esp_error *why);
/* After that: until every one of its servers has shown what it is, or its time is over. */
void lab_settle (lab *l, enum task_kind kind);
/* What its describe() says; nothing for engines without. */
ESP_MUST_CHECK esp_err lab_describe (lab *l, enum task_kind kind, esp_buf *out);

/* Which models its servers chose; as engine_kind.models. */
size_t lab_models (const lab *l, enum task_kind kind, engine_model *out, size_t max);

uint32_t
lab_slots (const lab *l, enum task_kind kind); /* at once; 0 = no such engine, or out of service */
/* Of the generator that jobs with this action go to, in tokens; 0 = not known. */
uint32_t lab_context (const lab *l, uint16_t action);

/* Start these jobs of one kind together and wait for all; out: room for n.  Task ids are given here.
 * Errors: ESP_ENOMEM; a job's own error is in out[i].r.error. */
ESP_MUST_CHECK esp_err lab_do (lab *l, enum task_kind kind, job *jobs, size_t n, lab_result *out);
void lab_result_free (lab_result *r);

#endif
