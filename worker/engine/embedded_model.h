/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_ENGINE_EMBEDDED_MODEL_H
#define ESP_WORKER_ENGINE_EMBEDDED_MODEL_H

/* embedded_model.h - the policy of the embedded engine, and its value by hand-made features (prm.model: hand)
 *
 * The value looks at each number left and at the target, never at what two numbers left would make: no
 * operation is applied, nothing is searched, no table of states exists.  The policy looks at the one
 * operation it rates: operands, sign, size and divisibility of its result.
 *
 * Same doubles on every machine: + - * / in a fixed order, and esp_exp, esp_ln.  Threads: pure.
 */

#include "worker/engine/puzzle.h"

/* Legal moves and the natural-log weight of each; returns how many. */
size_t embedded_policy_logits (const puzzle *p, puzzle_move moves[PUZZLE_MOST_MOVES],
                               double logits[PUZZLE_MOST_MOVES]);

/* How likely the target can still be reached, in [0.001, 0.999].  One number left: the ends of that range.
 * More numbers left than a step can leave (6): 0.5. */
double embedded_value_of (const puzzle *p);

/* An estimate, cut to [0.001, 0.999]: it must stay below the value of a solved puzzle. */
double embedded_value_clip (double value);

#endif
