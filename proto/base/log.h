/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_BASE_LOG_H
#define ESP_PROTO_BASE_LOG_H

/* log.h - one line: time, level, stable id, rank, text
 *
 *     2026-11-24T20:15:01.123Z warn  DISPATCH-LEASE-EXPIRED rank=3 task 12.7 went to rank 2
 *
 * The id (upper case, dashes) can be searched in code, docs and logs alike.
 * Lines go to stderr and, when one was set, to a file; control bytes of the text
 * become '?'.  A line is one write(2), so ranks do not mix inside a line.
 * Threads: any.  Errors: a line that cannot be written is dropped and counted.
 */

#include "proto/base/err.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Once, before other threads start.  rank < 0: left out.  path NULL: stderr only.
 * stderr_level: least important level shown there; the file gets everything up to file_level.
 * Errors: ESP_EIO (path cannot be opened); logging to stderr works all the same. */
ESP_MUST_CHECK esp_err esp_log_open (int rank, enum log_level stderr_level, const char *path,
                                     enum log_level file_level);
void esp_log_close (void);
void esp_log (enum log_level level, const char *id, const char *format, ...) ESP_PRINTF (3, 4);

/* Called before and after each stderr line, so that a progress line can step aside; NULL: none.
 * They must not log: the log's lock is held. */
void esp_log_around (void (*before) (void *ctx), void (*after) (void *ctx), void *ctx);

unsigned long esp_log_dropped (void); /* lines that could not be written whole */

#endif
