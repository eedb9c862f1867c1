/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SINK_LABELLED_H
#define ESP_COORDINATOR_SINK_LABELLED_H

/* labelled.h - the steps of a branch and their labels, for formats that write them
 *
 * The labelled steps are those from the first one on whose labels are decided (label.h).  A text of several steps has one verdict: where
 * it is pass, it is itself the completion that shows every one of its steps to be good; any other ends them.
 *
 *     labelled l = {.v = v, .options = options};
 *     err = labelled_rows (&l, write_row, w);
 *     labelled_free (&l);
 *
 * Threads: none.  Errors: ESP_ENOMEM.
 */

#include "coordinator/sink/sample.h"

typedef struct labelled_options {
    int rule, until;
    double threshold;
    int64_t min_rollouts;
} labelled_options;
extern const esp_option labelled_option_rows[];

typedef struct labelled_step {
    span text; /* without white space at its end; borrowed from the tree */
    const label *known;
    bool good;
    double score; /* the PRM's; NaN = none */
} labelled_step;

typedef struct labelled {
    const sample_view *v; /* borrowed, with labels */
    const labelled_options *options;
    labelled_step *steps; /* owned: of the branch at hand, all of them */
    size_t count;         /* all */
    size_t done;          /* the first ones, whose labels are decided */
    node_ref end;         /* their last node; NODE_NONE = none */
    size_t cap;
    node_ref *path; /* owned */
    size_t path_cap;
} labelled;

ESP_MUST_CHECK esp_err labelled_of (labelled *l, node_ref leaf);
void labelled_free (labelled *l); /* what it owns */

/* Call write for every finished branch that has labelled steps, but once for those that end in the same step, and not where
 * they are only the beginning of others. */
ESP_MUST_CHECK esp_err labelled_rows (labelled *l,
                                      esp_err (*write) (const labelled *l, sample_writer *w),
                                      sample_writer *w);

int labelled_first_error (const labelled *l); /* index among the labelled steps, or -1 */
/* Verified: each of them has rollouts with a verdict. */
enum sample_set labelled_set (const labelled *l);

#endif
