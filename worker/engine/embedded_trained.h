/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_ENGINE_EMBEDDED_TRAINED_H
#define ESP_WORKER_ENGINE_EMBEDDED_TRAINED_H

/* embedded_trained.h - a value model with trained weights, read from their file (docs/embedded.md: the format)
 *
 * cluster/local/train-prm writes such files; the one in embedded_trained.json is part of the program.  Files are
 * hostile: sizes, counts and every number are checked, and a value is a number in its range whatever they say.
 *
 * Same doubles on every machine: sums in a fixed order, esp_exp.
 * Threads: one object may be used by several at once; nothing is written after reading.
 */

#include "proto/base/err.h"
#include "proto/base/text.h"
#include "worker/engine/puzzle.h"

enum {
    EMBEDDED_TRAINED_BYTES = 2 << 20
}; /* of a file of weights; the built-in one has a tenth of a megabyte */

typedef struct embedded_trained embedded_trained; /* private to embedded_trained.c */

/* From the bytes of a file; `name` is for messages.  Errors: ESP_EFORMAT, ESP_EVERSION (another version of format or
 * features), ESP_ETOOBIG, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err embedded_trained_read (span json, const char *name, embedded_trained **out,
                                              esp_error *error);
/* The weights that are part of the program.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err embedded_trained_built_in (embedded_trained **out, esp_error *error);
void embedded_trained_destroy (embedded_trained *t); /* accepts NULL */

/* How likely the target can still be reached, in [0.001, 0.999].  One number left: the ends of that range.  States for
 * which the file has no network get the value of embedded_model.h. */
double embedded_trained_value (const embedded_trained *t, const puzzle *p);

#endif
