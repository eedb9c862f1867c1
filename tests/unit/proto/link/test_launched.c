/* SPDX-License-Identifier: Apache-2.0 */
// LINK: esp_link_mpi
/* test_launched.c - how link_mpi_launched reads the environment */

#include "proto/link/launched.h"
#include <math.h>
#include <stdlib.h>
#include "proto/link/link_mpi.h"
#include "tests/support/suite.h"

static const char *const NAMES[] = {"OMPI_COMM_WORLD_SIZE",
                                    "PMI_SIZE",
                                    "PMI_RANK",
                                    "PMI_FD",
                                    "PMIX_RANK",
                                    "SLURM_STEP_NUM_TASKS",
                                    "SLURM_NTASKS",
                                    "SLURM_PROCID",
                                    "PRTE_LAUNCHED",
                                    "OMPI_MCA_orte_launch",
                                    "OMPI_MCA_odls_base_sigkill_timeout",
                                    NULL};

static void given_nothing (void)
{
    for (int i = 0; NAMES[i]; i++)
        unsetenv (NAMES[i]);
}

static void a_plain_start_is_no_launch (void)
{
    given_nothing ();
    CHECK (launched_ranks () == 0 && !link_mpi_launched ());
}

static void mpirun_says_how_many (void)
{
    given_nothing ();
    setenv ("PMIX_RANK", "0", 1);
    setenv ("OMPI_COMM_WORLD_SIZE", "4", 1);
    CHECK (launched_ranks () == 4 && link_mpi_launched ());
    setenv ("OMPI_COMM_WORLD_SIZE", "1", 1);
    CHECK (launched_ranks () == 1 && !link_mpi_launched ());
    given_nothing ();
    setenv ("PMI_SIZE", "2", 1);
    CHECK (launched_ranks () == 2 && link_mpi_launched ());
}

static void srun_counts_only_with_an_mpi_plug_in (void)
{
    given_nothing ();
    setenv ("SLURM_NTASKS", "8", 1);
    setenv ("SLURM_PROCID", "0", 1);
    CHECK (!link_mpi_launched ()); /* a batch script */
    setenv ("PMIX_RANK", "0", 1);
    CHECK (launched_ranks () == 8);
    setenv ("SLURM_STEP_NUM_TASKS", "1", 1);
    CHECK (launched_ranks () == 1 && !link_mpi_launched ());
}

static void an_unknown_launcher_may_have_many (void)
{
    given_nothing ();
    setenv ("PMIX_RANK", "0", 1);
    CHECK (launched_ranks () == -1 && link_mpi_launched ());
}

static void how_long_a_rank_lives_after_the_signal_depends_on_the_launcher (void)
{
    given_nothing ();
    CHECK (isinf (link_mpi_grace_s ()));
    setenv ("PMI_SIZE", "2", 1); /* MPICH */
    CHECK (isinf (link_mpi_grace_s ()));
    setenv ("OMPI_MCA_orte_launch", "1", 1);
    CHECK (link_mpi_grace_s () == 1.0);
    setenv ("OMPI_MCA_odls_base_sigkill_timeout", "5", 1);
    CHECK (link_mpi_grace_s () == 5.0);
    setenv ("OMPI_MCA_odls_base_sigkill_timeout", "x", 1);
    CHECK (link_mpi_grace_s () == 0.0);
    setenv ("PRTE_LAUNCHED", "1", 1);
    CHECK (link_mpi_grace_s () == 0.25);
}

static void nonsense_is_no_number (void)
{
    static const char *const bad[] = {"", "x", "-3", "0", "99999999999999999999", NULL};
    given_nothing ();
    for (int i = 0; bad[i]; i++) {
        setenv ("OMPI_COMM_WORLD_SIZE", bad[i], 1);
        CHECK (launched_ranks () == 0);
    }
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"a plain start is no launch", a_plain_start_is_no_launch},
        {"mpirun says how many", mpirun_says_how_many},
        {"srun counts only with an MPI plug-in", srun_counts_only_with_an_mpi_plug_in},
        {"an unknown launcher may have many", an_unknown_launcher_may_have_many},
        {"how long a rank lives after the signal depends on the launcher",
         how_long_a_rank_lives_after_the_signal_depends_on_the_launcher},
        {"nonsense is no number", nonsense_is_no_number},
        {NULL, NULL},
    };
    return suite_main ("launched", cases);
}
