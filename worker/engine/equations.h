/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_ENGINE_EQUATIONS_H
#define ESP_WORKER_ENGINE_EQUATIONS_H

/* equations.h - the equations that are written in a text, each recomputed exactly
 *
 * Reads "12 * 3 = 36", "$5 + $3.50 = $8.50", "20% of 50 = 10", "5 apples + 3 apples = 8 apples", chains a = b = c,
 * GSM8K's <<48/2=24>>, LaTeX (\frac, \times, \cdot, \div, \sqrt, \boxed, \text), and the signs of Unicode.
 *
 * wrong      every reading of the equation that we know is false
 * right      it holds: exactly, or rounded or cut off to the decimals written
 * unchecked  not understood, nothing to compute, or true in some other reading: units that convert, a rounded
 *            integer, running chains (5 + 3 = 8 + 2 = 10).  Never wrong because of a doubt.
 *
 * Texts are hostile: time is linear in the text, memory is that of the object, numbers over 40 characters and values over
 * 4,096 bits are not understood.  A sentence of more than EQUATIONS_TOKENS marks and words is left unread.
 * Threads: none; an object serves one thread.  What a text gives depends on the text alone.
 */

#include <stdint.h>
#include "proto/base/err.h"
#include "proto/base/text.h"

enum { EQUATIONS_TOKENS = 2048 };

enum equation_mark { EQUATION_UNCHECKED, EQUATION_RIGHT, EQUATION_WRONG };

typedef struct equation_counts { /* of one text, by mark */
    uint32_t of[3];
} equation_counts;

typedef struct equations equations; /* scratch memory, private to equations_side.h */

/* Errors: ESP_EINVAL, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err equations_create (equations **out);
void equations_destroy (equations *e); /* accepts NULL */

/* Called for each equals sign, in the order of the text but those in <<...>> first; `equation` points into the text and spans
 * what was understood of both sides. */
typedef void (*equation_found) (void *ctx, span equation, enum equation_mark mark);

/* found may be NULL. */
equation_counts equations_check (equations *e, span text, equation_found found, void *ctx);

/* One mark for a whole step: wrong if any equation is, else right if any is. */
enum equation_mark equations_mark (const equation_counts *counts);

#endif
