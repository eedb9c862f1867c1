/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SEARCH_SPENT_H
#define ESP_COORDINATOR_SEARCH_SPENT_H

/* spent.h - what servers did for one problem: sums over the results that it took
 *
 * No part of the search's state: they steer nothing, are not in its digest, and depend on what caches held.  budget.h counts
 * what was asked (cancelled asks in full), this what came.  A replay gives the same sums, since a journaled result has its counts.
 */

#include <stdint.h>

typedef struct generator_costs { /* of one generator, or of all */
    uint64_t generations;        /* samples that came, lookahead too */
    uint64_t generated_tokens;
    uint64_t prompt_tokens; /* read by servers; siblings of one request: once */
    uint64_t cached_tokens; /* of them found in a prefix cache */
} generator_costs;

typedef struct search_costs {
    generator_costs all;
    uint64_t read_tokens; /* by PRM servers; budget.scored_tokens is a function of the tree */
    uint64_t verdicts;
} search_costs;

#endif
