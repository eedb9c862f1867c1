/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CLI_RUN_UNDO_H
#define ESP_CLUSTER_CLI_RUN_UNDO_H

/* run_undo.h - what a start made in the output folder, taken away again when nothing came of it
 *
 * So that after a wrong URL the same command is simply typed again.  Only names that were not there before are removed, and
 * folders only when they are empty: what others put there stays.  The journal and the row files are journal_discard()'s.
 */

#include <limits.h>
#include <stdbool.h>

enum { RUN_UNDO_NAMES = 5 };

typedef struct run_undo {
    char folder[PATH_MAX]; /* "" = nothing was noted */
    bool had[RUN_UNDO_NAMES];
    unsigned made; /* how many folders of the path, from its end, were not there */
} run_undo;

/* Look at the folder before anything is made there. */
void run_undo_note (run_undo *u, const char *output);
/* Remove.  Does nothing while somebody's journal is locked there. */
void run_undo_take (const run_undo *u);

#endif
