/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CLI_CHECK_REPORT_H
#define ESP_CLUSTER_CLI_CHECK_REPORT_H

/* check_report.h - what `espalier check` says, in an order that a tired reader can use
 *
 * The table is printed as it is found, since servers may take minutes; what needs a person is kept and printed last: first the
 * warnings, then the mistakes, then one line that counts both and names the exit status.  All of it goes to standard error; a rank
 * that checks for another one keeps its part of the table instead.
 *
 * Ownership: a report owns its texts; all zero is empty; check_report_end() frees them.
 */

#include <stdbool.h>
#include "proto/base/err.h"
#include "proto/base/text.h"

typedef struct check_report {
    esp_buf warnings, mistakes; /* whole lines */
    unsigned warning_count, mistake_count;
    bool quiet; /* keep the table in `table`; for others to print */
    esp_buf table;
} check_report;

/* A piece of the table, printed now. */
void check_show (check_report *r, const char *text);
void check_print (check_report *r, const char *format, ...) ESP_PRINTF (2, 3); /* 1,023 bytes */
/* Lines of the table, likewise.  A line that holds "WARNING: " comes again at the end. */
void check_say (check_report *r, const char *text);
/* A sentence for the end alone. */
void check_warn (check_report *r, const char *format, ...) ESP_PRINTF (2, 3);
void check_mistake (check_report *r, const char *sentence);
/* Lines for the end, each a mistake ("run.yaml:7: search.kepe: unknown key"). */
void check_mistakes (check_report *r, const char *lines);

void check_report_free (check_report *r);
/* Print what was kept, and free it.  Returns an exit status of commands.h: EXIT_USAGE after a mistake, else EXIT_DONE. */
int check_report_end (check_report *r);

#endif
