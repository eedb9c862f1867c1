/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_SUPPORT_MODEL_SERVER_DAMAGE_H
#define ESP_TESTS_SUPPORT_MODEL_SERVER_DAMAGE_H

/* damage.h - the faults that are wrong contents: they change an answer's JSON, whatever kind it is of */

#include <jansson.h>
#include "proto/base/text.h"
#include "tests/support/model_server/fault.h"

void damage_json (json_t *answer, const fault *f);

/* What JSON cannot say is marked in the tree by damage_json and put in here: NaN, half a character. */
void damage_text (char *text, size_t *len);

#endif
