/* SPDX-License-Identifier: Apache-2.0 */

/* launched.c - reads the environment; MPI is not needed (and not started) for that */

#include "proto/link/launched.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

static int number_in (const char *name)
{
    const char *text = getenv (name);
    long value = text ? strtol (text, NULL, 10) : 0;
    return value > 0 && value <= 1 << 24 ? (int)value : 0;
}

int launched_ranks (void)
{
    static const char *const sizes[] = {"OMPI_COMM_WORLD_SIZE",
                                        "PMI_SIZE"}; /* Open MPI's mpirun; MPICH's, srun */
    bool plug_in = getenv ("PMIX_RANK") || getenv ("PMI_RANK") || getenv ("PMI_FD");
    int ranks;
    for (int i = 0; i < 2; i++)
        if ((ranks = number_in (sizes[i])) > 0)
            return ranks;
    if (!plug_in) /* a batch script has SLURM_NTASKS too, but no MPI plug-in */
        return 0;
    if (getenv ("SLURM_PROCID") && ((ranks = number_in ("SLURM_STEP_NUM_TASKS")) > 0 ||
                                    (ranks = number_in ("SLURM_NTASKS")) > 0))
        return ranks;
    return -1;
}

double launched_grace_s (void)
{
    static const char key[] = "OMPI_MCA_odls_base_sigkill_timeout";
    if (getenv ("PRTE_LAUNCHED"))
        return 0.25;
    if (!getenv ("OMPI_MCA_orte_launch"))
        return INFINITY;
    return getenv (key) ? number_in (key) : 1;
}
