/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_VERIFIER_COQ_LEX_H
#define ESP_WORKER_VERIFIER_COQ_LEX_H

/* coq_lex.h - tokens of a text in Coq's language, comments left out
 *
 * Enough to find sentences and words; what Coq makes of them is Coq's affair, and no verdict of "pass" rests on it.
 * Threads: pure.  Ownership: spans point into the text.  Any bytes may stand in it.
 */

#include "proto/base/text.h"

enum coq_kind {
    COQ_NOTHING, /* the end */
    COQ_WORD,    /* letters, digits, _, ', bytes above 127 */
    COQ_STRING,
    COQ_STOP, /* the point (or ...) that ends a sentence */
    COQ_SIGN, /* any other byte */
    COQ_OPEN  /* a comment or string without an end: nothing follows */
};

typedef struct coq_token {
    enum coq_kind kind;
    span text;
} coq_token;

coq_token coq_next (span *rest);

/* The next sentence, with its point, from its first token on; the last may have none.  False: only space and comments are left. */
bool coq_sentence (span *rest, span *sentence);

#endif
