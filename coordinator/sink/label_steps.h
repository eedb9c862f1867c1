/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SINK_LABEL_STEPS_H
#define ESP_COORDINATOR_SINK_LABEL_STEPS_H

/* label_steps.h - a finished branch as the steps that a reader sees, each with its label
 *
 * Most branches are a path of step nodes: each has its own label.  A rollout is one node with several steps: it is cut by the run's step rule,
 * and each step gets the labels of all nodes beside it that have the same text from there on (omegaprm puts the steps it
 * looked at there, maybe more than once): their counts are added.  A step that nobody looked at knows the rollout alone.
 *
 * A branch that passed makes all its steps good.  Threads: none.  Errors: ESP_ENOMEM.
 */

#include "coordinator/sink/label.h"

typedef struct label_step {
    span text; /* borrowed from the tree */
    node_ref
        node; /* of the step; for a piece of a rollout the first one with its text, NODE_NONE = none */
    label label;
    double score;          /* the PRM's, of this step alone; NaN = not scored */
    enum label_hard human; /* what a person said of it (label_human.h); undecided = nothing */
} label_step;

/* all: labels_of_search.  *out: owned array of *count steps, freed by esp_free; the texts together are that of the branch. */
ESP_MUST_CHECK esp_err labels_of_steps (const search *s, const label *all, node_ref leaf,
                                        label_step **out, size_t *count);

#endif
