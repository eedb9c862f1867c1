/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CLI_RANKS_H
#define ESP_CLUSTER_CLI_RANKS_H

/* ranks.h - the ends of the link, over MPI or inside this process, and the worker's main loop */

#include "cluster/cli/run_config.h"

typedef struct ranks {
    link_end *end;       /* of this rank */
    link_end *inside;    /* one process: the worker's end; else NULL */
    worker_loop *worker; /* one process: the worker, made by ranks_start_inside */
    esp_clock clock;
    bool mpi;
    bool dismissed; /* ranks_dismiss was called */
} ranks;

uint64_t ranks_version (void); /* hash of program and wire version */

/* Over MPI when this process was started by mpirun or srun, else two ends in this process.  Errors: those of link_mpi_open. */
ESP_MUST_CHECK esp_err ranks_open (int *argc, char ***argv, ranks *out, esp_error *error);
/* One process: start the worker beside the coordinator. */
ESP_MUST_CHECK esp_err ranks_start_inside (ranks *r);
/* One pass of the worker inside, if there is one. */
ESP_MUST_CHECK esp_err ranks_pass_inside (ranks *r, bool *busy);
/* Rank >= 1: work until told to leave; returns the exit status. */
int ranks_work (ranks *r);
/* Tell every rank to leave (run_id 0: before the run began) and wait (at most 2 s) until the words are out. */
void ranks_dismiss (ranks *r, uint64_t run_id);
/* mpirun --enable-recovery ends with 0 whatever the ranks end with: batch files read the status of rank 0 from the file that
 * ESP_STATUS_FILE names.  Returns it. */
int ranks_leave_status (int status);
/* clean: no rank died; else MPI is left without Finalize and the caller must end by _exit. */
void ranks_close (ranks *r, bool clean);

#endif
