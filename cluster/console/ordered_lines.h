/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CONSOLE_ORDERED_LINES_H
#define ESP_CLUSTER_CONSOLE_ORDERED_LINES_H

/* ordered_lines.h - lines of problems that come in any order and leave in that of the problems
 *
 * They wait in an unlinked file, so that memory is 32 bytes a problem whatever it says.
 * Threads: none.  Errors: those of files, with a sentence; ESP_ENOMEM.
 */

#include "proto/base/err.h"
#include "proto/base/text.h"
#include "proto/model/problem.h"

typedef struct ordered_lines ordered_lines;

/* folder: where the file may stand for a while: that of the output; NULL: $TMPDIR, else /tmp. */
ESP_MUST_CHECK esp_err ordered_lines_create (const char *folder, ordered_lines **out,
                                             esp_error *error);
void ordered_lines_destroy (ordered_lines *o); /* accepts NULL */

/* The lines of a problem; what was put for it before is void. */
ESP_MUST_CHECK esp_err ordered_lines_put (ordered_lines *o, problem_key key, span lines,
                                          esp_error *error);
/* What was put for it is void, until it is put again. */
ESP_MUST_CHECK esp_err ordered_lines_void (ordered_lines *o, problem_key key, esp_error *error);

typedef esp_err (*ordered_lines_write) (void *ctx, span lines, esp_error *error);
/* All of them, by number, the repeats of a problem one behind the other; *problems: how many were put, also without a line.  Stops with the
 * first error of write. */
ESP_MUST_CHECK esp_err ordered_lines_all (ordered_lines *o, ordered_lines_write write, void *ctx,
                                          uint64_t *problems, esp_error *error);

#endif
