/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_CONFORMANCE_GOLDEN_H
#define ESP_TESTS_CONFORMANCE_GOLDEN_H

/* golden.h - one case of a golden file, and what became of it
 *
 * Files are hostile: a field of the wrong type fails the case with a sentence and gives the fallback, an absent
 * (or null) one gives the fallback alone.  Every getter accepts a NULL object: all fields absent.
 *
 * Ownership: everything is borrowed from the file's JSON.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "tests/conformance/driver.h"

typedef struct outcome { /* zero-initialise; passed unless something fails it */
    bool failed;
    char why[600];       /* the first difference */
    char tolerated[300]; /* quirk keys that were used, with ", " between */
} outcome;

/* The first sentence is kept. */
void outcome_fail (outcome *o, const char *format, ...) ESP_PRINTF (2, 3);
void outcome_tolerate (outcome *o, const char *quirk_key);

typedef struct golden_case {
    const json_t *body; /* the case; for conf_row.run_file: the whole file */
    const char *id;
    enum driver_order order; /* how the driver answers, from --shuffle */
    uint64_t seed;
} golden_case;

int64_t golden_int (outcome *o, const json_t *object, const char *key, int64_t fallback);
double golden_number (outcome *o, const json_t *object, const char *key, double fallback);
bool golden_bool (outcome *o, const json_t *object, const char *key, bool fallback);
const char *golden_text (outcome *o, const json_t *object, const char *key, const char *fallback);
const json_t *golden_array (outcome *o, const json_t *object, const char *key);  /* NULL = absent */
const json_t *golden_object (outcome *o, const json_t *object, const char *key); /* NULL = absent */
bool golden_has (const json_t *object, const char *key); /* there and not null */

/* Must be there, too. */
int64_t golden_need_int (outcome *o, const json_t *object, const char *key);
const char *
golden_need_text (outcome *o, const json_t *object, const char *key); /* "" when it is not */
const json_t *golden_need_array (outcome *o, const json_t *object, const char *key);

/* Entry i of a list, an object; NULL when the list is absent, or when it is none (which fails the case). */
const json_t *golden_entry (outcome *o, const json_t *list, size_t i);
const json_t *golden_params (const golden_case *c, outcome *o); /* fails without it */
const json_t *golden_trace (const golden_case *c, outcome *o);  /* array, fails without it */

/* Is the quirk noted for the case?  As true, a list or an object. */
bool golden_quirk (const golden_case *c, const char *key);
/* ... for this iteration (depth, step): the list holds `at`. */
bool golden_quirk_at (const golden_case *c, const char *key, int64_t at);

/* The case's `lm`, README 1.2; fails on numbers that no run could finish with. */
fake_lm golden_lm (const golden_case *c, outcome *o);

/* Run the case's question through the search core: `section` is what stands in the run file's section
 * `search` ("strategy: beam, keep: 2").  hook may be NULL (driver.h).  NULL: the outcome says why. */
driver *golden_search (const golden_case *c, outcome *o, const driver_hook *hook,
                       const char *section, ...) ESP_PRINTF (4, 5);

#endif
