/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_LINK_LINK_MPI_H
#define ESP_PROTO_LINK_LINK_MPI_H

/* link_mpi.h - the link over MPI: the only file of the project that calls it
 *
 * MPI_Init_thread (FUNNELED), communicators of our own with MPI_ERRORS_RETURN,
 * pre-posted receives and MPI_Test (ULFM reports deaths there, not in Iprobe on
 * 5.0.10), Isend only.  An idle rank sleeps in ppoll and is rung by a UDP byte
 * (ringer.h).  Open MPI 5 under mpirun --with-ft ulfm reports deaths; all others do not.
 *
 * Environment: ESP_DOORBELL_IF names the interface for the rings when ranks are on
 * several hosts (default: the first one that leads out of the host).  ESP_RANK_START_S: seconds until all ranks
 * must have come up (300); MPI itself would wait for ever.
 */

#include "proto/link/link.h"

/* Start MPI and open the end of this rank; collective over all ranks, once in a process.  When they do
 * not all come up in time, the process says so and ends with status 4.  Every rank states `version` (a hash of
 * program and wire version); when ranks differ, all get ESP_EVERSION, and the sentence names the first rank that
 * differs from rank 0 and both values.
 * Errors: ESP_EINVAL, ESP_EIO (MPI fails, or mpirun belongs to another MPI), ESP_EVERSION, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err link_mpi_open (int *argc, char ***argv, uint64_t version, link_end **out,
                                      esp_error *error);

/* Was this process started by mpirun or srun with more than one rank?  Looks at the environment only
 * (OMPI_COMM_WORLD_SIZE, PMI_SIZE, PMIX_RANK, SLURM_NTASKS with an MPI plug-in); MPI is not started. */
bool link_mpi_launched (void);

/* A launcher that is told to end (Ctrl-C, SIGTERM) passes SIGTERM on and kills its ranks so many seconds later, as measured:
 * Open MPI 4 odls_base_sigkill_timeout (1), Open MPI 5 a quarter of a second, whatever it is told.  Infinite: others do not. */
double link_mpi_grace_s (void);

#endif
