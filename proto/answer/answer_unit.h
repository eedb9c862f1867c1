/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_ANSWER_ANSWER_UNIT_H
#define ESP_PROTO_ANSWER_ANSWER_UNIT_H

/* answer_unit.h - the words behind a number that only say what is counted
 *
 * Known units, "5 cm", "12 square inches", "30 miles per hour", "145^\circ", "50\%", and plurals, "3 bolts".  Any other word is never
 * dropped: it may be "million".
 * Threads: pure.
 */

#include <stdbool.h>
#include "proto/answer/answer_token.h"

enum { ANSWER_UNIT_BYTES = 64 };

typedef struct answer_unit {
    char name[ANSWER_UNIT_BYTES]; /* "cm^2", "mile/hour"; "" = none */
    bool percent;                 /* of 100; it has no name */
    bool degrees;                 /* of an angle */
} answer_unit;

bool answer_unit_known (const answer_token *t);

/* Read the unit that stands at the end of the part (and the currency at its beginning), cut both from *part.
 * Something always remains. */
void answer_unit_cut (answer_part *part, answer_unit *out);

#endif
