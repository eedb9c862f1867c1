/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SINK_LABEL_H
#define ESP_COORDINATOR_SINK_LABEL_H

/* label.h - what the verified rollouts below a node say of it
 *
 * Two sources.  A strategy that labels steps (math_shepherd, omegaprm) counts the rollouts that it asked from a node
 * (strategy.value).  All other nodes, of any strategy, get the verdicts of the verified nodes below them, their own
 * included: what stands under a draft says nothing of what the draft replaced, only of the problem (the root).
 *
 * A verdict counts when it is pass or fail; unknown counts nowhere.  A truncated rollout (length) counts as no pass, whatever
 * its verdict (coordinator/search/rollout.h: rollout_decided, rollout_passed).
 *
 * good   some rollout below passed
 * bad    none passed, and enough were tried: as the strategy says; in the tree of a strategy that does not label,
 *        LABEL_ENOUGH verified nodes below; a finished text whose own verdict is fail
 *
 * Backed-up counts are those of a search that prefers likely branches: no fair sample of what the model would do.
 * Ownership: said per function.  Threads: none.  Errors: ESP_ENOMEM.
 */

#include "coordinator/search/search.h"

enum label_hard { LABEL_UNDECIDED, LABEL_BAD, LABEL_GOOD };

/* Verified nodes below a node, none passed, that make it bad in a tree without labels of its own.  Too small: a good step
 * is called bad for want of luck; too large: bad steps stay undecided. */
enum { LABEL_ENOUGH = 8 };

typedef struct label {
    uint32_t rollouts,
        passed; /* decided verdicts (pass or fail; unknown counts nowhere) counted for
                                  this node */
    double
        value; /* passed / rollouts, or the strategy's own Q where that is what it has; NaN = nothing
                     known */
    double low, high;     /* Wilson interval of passed / rollouts, 95 %; NaN without rollouts */
    enum label_hard hard; /* good: some rollout passed; bad: enough were tried (as the strategy's k
                             says) and none passed */
    bool strategy; /* counted by the strategy (math_shepherd, omegaprm); else backed up from the
                      verdicts of the leaves below */
} label;

/* *out: owned array, one per node of the tree, in the order of its nodes; freed by esp_free. */
ESP_MUST_CHECK esp_err labels_of_search (const search *s, label **out);

#endif
