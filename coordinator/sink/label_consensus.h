/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SINK_LABEL_CONSENSUS_H
#define ESP_COORDINATOR_SINK_LABEL_CONSENSUS_H

/* label_consensus.h - which of several opinions become the labels of a branch's steps; pure
 *
 *     monte_carlo   what the verified rollouts say (label.h)
 *     judge         the PRM's score of the step: good from a threshold on, bad below
 *     consensus     where both say the same; the branch is kept only if both find the same first error, or none
 *     human         what a person said (label_human.h)
 *     mixed         the person's word where there is one, else monte_carlo
 *
 * Source of consensus: Zhang et al. 2025, "The Lessons of Developing Process Reward Models in Mathematical Reasoning",
 * arXiv:2501.07301, section 3: Monte Carlo calls steps good that only happen to lead to the answer; instances are kept where it and an LLM as a
 * judge agree on where the first error is.
 *
 * Threads: none.
 */

#include "coordinator/sink/label_steps.h"

enum label_source {
    LABEL_FROM_MONTE_CARLO,
    LABEL_FROM_JUDGE,
    LABEL_FROM_CONSENSUS,
    LABEL_FROM_HUMAN,
    LABEL_FROM_MIXED,
    LABEL_SOURCES
};
#define LABEL_SOURCE_CHOICES "monte_carlo|judge|consensus|human|mixed"
extern const char *const label_source_names[LABEL_SOURCES];

/* Index of the first bad step when all before it are good; */
enum {
    FIRST_ERROR_NONE = -1 /* all are good */,
    FIRST_ERROR_UNKNOWN = -2 /* an undecided one is before it */
};
int64_t labels_first_error (const enum label_hard *hard, size_t count);

typedef struct step_label {
    enum label_hard hard;
    enum label_source source; /* who said it; never `mixed` */
} step_label;

/* Write one label a step; threshold is the judge's.  True: the branch is worth keeping: consensus, as above; else some step has a label. */
bool labels_choose (enum label_source source, const label_step *steps, size_t count,
                    double threshold, step_label *out);

#endif
