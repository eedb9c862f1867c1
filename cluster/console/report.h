/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CONSOLE_REPORT_H
#define ESP_CLUSTER_CONSOLE_REPORT_H

/* report.h - espalier report OUTPUT [OUTPUT2]: accuracy against compute, two runs compared
 *
 * Reads answers.jsonl, candidates.jsonl, costs.jsonl and run.yaml of the output folders; needs no MPI and no
 * running coordinator.  See docs/report.md.
 */

/* argv[0] is the name for messages.  Returns the exit status: 0; 2 (wrong usage or input, said on
 * stderr); 4 (stdout cannot be written, or memory is out). */
int report_main (int argc, char **argv);

#endif
