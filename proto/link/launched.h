/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_LINK_LAUNCHED_H
#define ESP_PROTO_LINK_LAUNCHED_H

/* launched.h - what mpirun or srun wrote into the environment.  Private to proto/link. */

/* Ranks that the launcher started; 0: no launcher, -1: a launcher that does not say how many. */
int launched_ranks (void);

/* As link_mpi_grace_s. */
double launched_grace_s (void);

#endif
