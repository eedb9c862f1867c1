/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SEARCH_ROLLOUT_H
#define ESP_COORDINATOR_SEARCH_ROLLOUT_H

/* rollout.h - what a verified text says of the prefixes that it goes through; pure */

#include "coordinator/search/tree.h"

/* Does it count?  Pass and fail do, unknown does not; but a text that was cut before it came to an end counts, whatever its verdict: it
 * did not get there. */
static inline bool rollout_decided (const node *n)
{
    return n->verdict == VERDICT_PASS || n->verdict == VERDICT_FAIL ||
           (n->verdict == VERDICT_UNKNOWN && n->finish == FINISH_LENGTH);
}

static inline bool rollout_passed (const node *n)
{
    return n->verdict == VERDICT_PASS && n->finish != FINISH_LENGTH;
}

#endif
