/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_ENGINE_EMBEDDED_FEATURES_H
#define ESP_WORKER_ENGINE_EMBEDDED_FEATURES_H

/* embedded_features.h - what a trained value model sees of a puzzle's state (docs/embedded.md has the list)
 *
 * Two views.  `numbers`: each number left and the target, one at a time.  `pairs`: also what one operation
 * would make of each pair of numbers left.  No feature knows more than two numbers left and the target, so
 * with three or more left none of them plays the puzzle to its end; with two left a pair would be all that is
 * left, so there is no view `pairs` of them.
 *
 * The same list is in cluster/local/prm/features.py: change both, and raise the version in the weights.
 *
 * Same doubles on every machine: + - * / and comparisons in a fixed order; logarithms are a series of those.
 * Threads: pure.
 */

#include <stddef.h>

enum {
    EMBEDDED_VIEW_LEAST = 2,     /* numbers left */
    EMBEDDED_VIEW_LARGEST = 5,   /* a step of the largest puzzle leaves five */
    EMBEDDED_FEATURES_MOST = 303 /* 5 numbers, the target, 10 pairs */
};

enum embedded_view { EMBEDDED_VIEW_NUMBERS, EMBEDDED_VIEW_PAIRS };

/* How many features a state with `left` numbers has; 0 if there is no such view of it. */
size_t embedded_features_count (enum embedded_view view, size_t left);

/* Fill out.  numbers: ascending, `left` of them; left and view as for a count that is not 0.  Returns that count. */
size_t embedded_features (enum embedded_view view, const double *numbers, size_t left,
                          double target, double out[EMBEDDED_FEATURES_MOST]);

#endif
