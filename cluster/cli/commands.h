/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CLI_COMMANDS_H
#define ESP_CLUSTER_CLI_COMMANDS_H

/* commands.h - the subcommands that live in cluster/cli; each returns the exit status of the program
 *
 * Exit status (design.md, section 9): 0 done; 1 done, but a problem ended in an error; 2 wrong usage, run file or
 * input, nothing started; 3 stopped before the end, resumable; 4 cannot go on.
 */

enum exit_status {
    EXIT_DONE = 0,
    EXIT_WITH_ERRORS = 1,
    EXIT_USAGE = 2,
    EXIT_RESUMABLE = 3,
    EXIT_BROKEN = 4
};

int run_main (int argc, char **argv);         /* run RUN.yaml [key=value ...] [--resume] */
int resume_main (int argc, char **argv);      /* resume OUTPUT [key=value ...] */
int check_main (int argc, char **argv);       /* check RUN.yaml [key=value ...] */
int try_main (int argc, char **argv);         /* try RUN.yaml [key=value ...] [--problem ID] */
int samples_main (int argc, char **argv);     /* samples OUTPUT [key=value ...] */
int fingerprint_main (int argc, char **argv); /* fingerprint NAME FILE ... */
int import_main (int argc, char **argv);      /* import sal|samples FILE ... [-o FILE] */
int options_main (int argc, char **argv);     /* options [SECTION] [--markdown] */

#endif
