/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CLI_RUN_START_H
#define ESP_CLUSTER_CLI_RUN_START_H

/* run_start.h - everything rank 0 opens before the first pass, and closes after the last one */

#include "cluster/cli/ranks.h"
#include "cluster/cli/run_undo.h"
#include "coordinator/observe/observe.h"

typedef struct run_parts {
    run_config *config;       /* owned */
    problem_source *source;   /* owned */
    journal *journal;         /* owned */
    coordinator *coordinator; /* owned */
    observe *observe;         /* owned; NULL = nobody can watch */
    coordinator_setup setup;
    esp_buf run_file;      /* resolved */
    esp_buf header_memory; /* what the old header's spans point into */
    bool resumed;
    bool forget; /* at the close: nothing came of this start, and nothing of it is to be left */
    run_undo undo;
    uint32_t epoch;
    uint64_t opened_ns, first_task_ns, ended_ns; /* clock of the ranks; 0 = not yet */
    uint64_t harvest_ns;                         /* that the samples took at the end */
    uint64_t loop_cpu_ns; /* of rank 0's loop thread, from the first task on */
} run_parts;

typedef struct run_arguments {
    const char *run_file; /* run: the file; NULL for resume */
    const char *output;   /* resume: the folder; NULL for run */
    char **overrides;
    size_t override_count;
    bool may_resume; /* --resume */
} run_arguments;

/* Read, check and open.  Returns an exit status of commands.h, 0 when all is open; every sentence was printed. */
int run_parts_open (run_parts *p, const run_arguments *a, ranks *r);
void run_parts_close (run_parts *p);
/* Nothing was generated: let run_parts_close() remove what this start made in the output folder; not where a run went on. */
void run_parts_forget (run_parts *p);

/* What the finished problems of earlier starts were and have spent: summary.json tells it if it is of just as many, else
 * answers.jsonl is read. */
coordinator_before run_rows_before (const char *output, const key_range *finished, size_t count);

/* summary.json from the rows and the figures of this start; with done also the `done` marker.  Errors: sentence. */
ESP_MUST_CHECK esp_err run_write_summary (const run_parts *p, const char *mpi, bool done,
                                          esp_error *error);

#endif
