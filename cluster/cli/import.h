/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CLI_IMPORT_H
#define ESP_CLUSTER_CLI_IMPORT_H

/* import.h - files of other programs become ours: `espalier import`
 *
 * sal      a recipe of huggingface/search-and-learn (src/sal/config.py) becomes a run file
 * samples  rows of samples become problem rows with their solutions, for generator.engine file (docs/offline.md)
 *
 * Threads: none.  Input is hostile.
 */

#include "proto/base/err.h"
#include "proto/base/text.h"

/* Append a run file with comments on what has no counterpart.  notes: lines for people ("recipe.yaml:3: temprature: ...").
 * name: of the recipe, for sentences.  Errors (sentence names the line): ESP_EFORMAT (no YAML map, a wrong value), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err import_sal (span recipe, const char *name, esp_buf *out, esp_buf *notes,
                                   esp_error *error);

typedef struct import_counts {
    size_t rows, problems, unknown; /* unknown: rows whose id the problems file does not have */
} import_counts;
/* Rows of all files, by id in the order in which they first come, as one row each with `completions`.  problems: where the other
 * fields of a row come from, or NULL (then from its first row).  Files may be gzip or zstd.
 * Errors (sentence names file and line): ESP_ENOENT, ESP_EFORMAT, ESP_EPERMISSION, ESP_EIO, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err import_samples (const char *const *files, size_t count, const char *problems,
                                       esp_buf *out, import_counts *counts, esp_error *error);

#endif
