/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CONSOLE_REPORT_PLOT_H
#define ESP_CLUSTER_CONSOLE_REPORT_PLOT_H

/* report_plot.h - accuracy against compute as SVG, drawn by gnuplot
 *
 * Leaves FILE.dat (the numbers) and FILE.gp (the commands) next to FILE, so that the looks can be
 * changed by hand: gnuplot FILE.gp.
 */

#include "cluster/console/report_print.h"

/* Errors: ESP_EUNSUPPORTED (no gnuplot in PATH), ESP_EIO (it failed, with its status), ESP_EINVAL (a file
 * name with control characters), those of esp_file_write, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err report_plot (const report *r, const char *file, esp_error *error);

#endif
