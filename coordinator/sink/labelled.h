/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SINK_LABELLED_H
#define ESP_COORDINATOR_SINK_LABELLED_H

/* labelled.h - the steps of a finished branch and their labels, for formats that write them
 *
 * The labelled steps are those from the first one on whose labels are decided (label_steps.h), by the opinion that option `source`
 * names (label_consensus.h).  A text of several steps is cut: where it passed, it is itself the completion that shows every one of
 * its steps to be good; else they have the labels of the nodes beside it (omegaprm), and a step that nobody looked at ends them.
 *
 *     labelled l = {.v = v, .options = options};
 *     err = labelled_rows (&l, write_row, w);
 *     labelled_free (&l);
 *
 * Threads: none.  Errors: ESP_ENOMEM.
 */

#include "coordinator/sink/label_consensus.h"
#include "coordinator/sink/sample.h"

typedef struct labelled_options {
    int rule, until, source;
    double threshold, judge_threshold;
    int64_t min_rollouts;
} labelled_options;
extern const esp_option labelled_option_rows[];

typedef struct labelled {
    const sample_view *v; /* borrowed, with labels */
    const labelled_options *options;
    label_step *steps;  /* owned: of the branch at hand, all of them */
    step_label *chosen; /* owned: what `source` says of each */
    size_t count;       /* all */
    size_t done;        /* the first ones, whose labels are decided */
    node_ref end;       /* the node of their last one, or the leaf; NODE_NONE = there are none */
    size_t chosen_cap;
} labelled;

ESP_MUST_CHECK esp_err labelled_of (labelled *l, node_ref leaf);
void labelled_free (labelled *l); /* what it owns */

/* Call write for every finished branch that has labelled steps, but once for those that end in the same step, and not where
 * they are only the beginning of others. */
ESP_MUST_CHECK esp_err labelled_rows (labelled *l,
                                      esp_err (*write) (const labelled *l, sample_writer *w),
                                      sample_writer *w);

/* Step i < count without white space at its end: readers put their separator there. */
span labelled_text (const labelled *l, size_t i);
static inline bool labelled_good (const labelled *l, size_t i) /* i < done */
{
    return l->chosen[i].hard == LABEL_GOOD;
}
int labelled_first_error (const labelled *l); /* index among the labelled steps, or -1 */
/* Verified: rollouts with a verdict stand behind every label; a person's word, or the PRM's, is no verdict. */
enum sample_set labelled_set (const labelled *l);

#endif
