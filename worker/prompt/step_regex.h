/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_PROMPT_STEP_REGEX_H
#define ESP_WORKER_PROMPT_STEP_REGEX_H

/* step_regex.h - a pattern of the run file on the text of a model; the only user of PCRE2
 *
 * Patterns are UTF-8; "." and classes mean characters.  The pattern is the user's, the text is hostile: what a match may
 * cost is limited, and a text on which it costs more has no match.
 *
 * Threads: one for each regex.
 */

#include <stdbool.h>
#include "proto/base/text.h"

typedef struct step_regex step_regex;

/* Errors: ESP_EINVAL with a sentence (bad pattern with its column, a pattern that matches the empty text), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err step_regex_create (const char *pattern, step_regex **out, esp_error *error);
void step_regex_destroy (step_regex *x); /* accepts NULL */

enum regex_found {
    REGEX_NONE,
    REGEX_MATCH, /* the first one from `from` on; the same whatever follows the text */
    REGEX_OPEN   /* more text decides; only if `more` */
};
/* more: the text may go on.  *start, *end: of a match, in bytes of text; *end > from.
 * *from: moved on to where the next look at the same text, grown, may begin: no match begins before it.  It stays after a
 * match, and where the pattern or its cost forbid to say so. */
enum regex_found step_regex_find (const step_regex *x, span text, size_t *from, bool more,
                                  size_t *start, size_t *end);

#endif
