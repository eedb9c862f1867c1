/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SINK_DEFECT_H
#define ESP_COORDINATOR_SINK_DEFECT_H

/* defect.h - where two texts differ: the label of a bug, and its repair
 *
 * Texts are cut into pieces (lines of a program, steps of a solution).  What stands before the first and behind the last piece
 * that differs is common, so
 *
 *     original = common + before + common,   mutated = common + after + common
 *
 * and the repair is to put `before` where `after` stands.  Nothing is known, or asked, of how the text came about.
 *
 * Threads: pure.  Ownership: spans point into the texts.  Input is hostile; time is linear but for the step rule.
 */

#include "coordinator/search/search.h"

enum defect_unit { DEFECT_LINE, DEFECT_STEP };

typedef struct defect {
    bool differs;                 /* false: equal texts, nothing below is set */
    size_t begin;                 /* first piece that differs, from 0, in both texts */
    size_t before_end, after_end; /* behind the last one: in the original, in the mutated text */
    span before, after;           /* those pieces, whole; "" = none */
} defect;

/* split: how steps are cut; for DEFECT_STEP only.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err defect_between (span original, span mutated, enum defect_unit unit,
                                       const step_split *split, defect *out);

/* The last block of code ("```python") in a text that a model wrote; the text itself if there is none. */
span defect_program (span text);

#endif
