/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_HARVEST_CALIBRATE_H
#define ESP_COORDINATOR_HARVEST_CALIBRATE_H

/* calibrate.h - how often an agreement was right, where a verifier decided
 *
 * A verdict by majority (of votes, or of programs that behave alike) is no proof.  On the problems of the same run that have gold or tests
 * it can be counted what it was worth: of the branches with an agreement between 0.6 and 0.7, how many passed?
 * That precision, with its Wilson interval, is written into every unverified sample of that level.
 *
 * Threads: none.
 */

#include "coordinator/merge/answer_key.h"
#include "proto/base/err.h"

enum { CALIBRATION_LEVELS = 10 };

typedef struct calibration { /* level i: agreement in (i / 10, (i + 1) / 10] */
    uint64_t decided[CALIBRATION_LEVELS], passed[CALIBRATION_LEVELS];
} calibration;

/* Count the rows of OUTPUT/candidates.jsonl.  Errors: those of line_reader_open, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err calibrate_read (const char *output, enum answer_equality equality,
                                       calibration *out, esp_error *error);

/* {"level":"0.6-0.7","precision":0.8,"low":..,"high":..,"n":20}; null where nothing of this level was decided.  Appends.
 * Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err calibration_json (const calibration *c, double agreement, esp_buf *out);

#endif
