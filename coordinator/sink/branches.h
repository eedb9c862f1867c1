/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SINK_BRANCHES_H
#define ESP_COORDINATOR_SINK_BRANCHES_H

/* branches.h - the finished branches of one problem with what its rows need
 *
 * Threads: none.  Errors: ESP_ENOMEM.
 */

#include "coordinator/merge/answer_key.h"
#include "coordinator/search/search.h"

typedef struct branch {
    node_ref node;
    esp_buf text;   /* owned: of the whole path */
    double *scores; /* owned: along the path */
    size_t score_count;
    span answer; /* as spelled; borrowed from text or the tree; empty = none */
    esp_buf key; /* owned: equal for equal answers */
    bool again;  /* the same node stands earlier in the list */
    double
        agreement; /* part of the distinct branches that have this answer, in (0, 1]; NaN = no answer */
} branch;

typedef struct branches {
    branch *items; /* owned; in the strategy's order */
    size_t count;
    uint32_t distinct;        /* nodes */
    uint32_t passed, decided; /* distinct nodes whose verdict is pass; pass or fail */
} branches;

/* Zero *out first; branches_free it also after an error. */
ESP_MUST_CHECK esp_err branches_of_search (const search *s, enum answer_equality equality,
                                           branches *out);
/* Fill in agreement. */
ESP_MUST_CHECK esp_err branches_agree (branches *b);
void branches_free (branches *b); /* accepts a zeroed struct */

#endif
