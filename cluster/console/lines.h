/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CONSOLE_LINES_H
#define ESP_CLUSTER_CONSOLE_LINES_H

/* lines.h - a run as lines for a terminal: pure
 *
 * Texts come from models and problem files and are hostile: nothing but printable characters leaves here; control
 * bytes, bytes that are not UTF-8, and characters without width (marks that turn the writing direction) are
 * replaced.  Set the locale (LC_CTYPE) to a UTF-8 one first, or all that is not ASCII becomes '?'.
 *
 * Lines have no newline and are not wider than `columns`.  Threads: none.  Errors: ESP_ENOMEM.
 */

#include "cluster/console/view.h"
#include "proto/wire/wire.h"

/* Append the beginning of text: "\n" for a newline, a space for a tab, '?' for what may not be shown. */
ESP_MUST_CHECK esp_err lines_text (span text, size_t columns, esp_buf *out);

/* "12/100 problems done, 8 solved, 1 failed, 4 open  ETA 1m20s" */
ESP_MUST_CHECK esp_err lines_progress (const run_status *s, size_t columns, esp_buf *out);
/* "1234 generations, 56.7/s  4 workers, 87% busy  128 in flight, 64 queued" */
ESP_MUST_CHECK esp_err lines_work (const run_status *s, size_t columns, esp_buf *out);

ESP_MUST_CHECK esp_err lines_problem (const view_problem *p, size_t columns, esp_buf *out);
/* Indented by depth: ordinal, score, mark, verdict, tokens, at most 60 columns of text. */
ESP_MUST_CHECK esp_err lines_node (const view_problem *p, node_ref ref, size_t columns,
                                   esp_buf *out);
/* One event for --plain --events: "problem #3 2.0.7 scored 0.813". */
ESP_MUST_CHECK esp_err lines_event (const view *v, const event *e, size_t columns, esp_buf *out);

/* "1h02m", "3m05s", "12s"; "?" for NaN. */
const char *lines_time (double seconds, char *out, size_t size);

#endif
