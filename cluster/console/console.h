/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CONSOLE_CONSOLE_H
#define ESP_CLUSTER_CONSOLE_CONSOLE_H

/* console.h - the subcommands that look at a run; each returns the exit status of the program (cluster/cli/commands.h) */

int report_main (int argc, char **argv);
int show_main (int argc, char **argv);
int watch_main (int argc, char **argv);
int steer_main (int argc, char **argv);
int export_main (int argc, char **argv);
int replay_main (int argc, char **argv);
int journal_main (int argc, char **argv);

#endif
