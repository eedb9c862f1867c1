/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SEARCH_RMAXTS_BANDIT_H
#define ESP_COORDINATOR_SEARCH_RMAXTS_BANDIT_H

/* rmaxts_bandit.h - the bandit of RMaxTS: which prefix to continue next; pure
 *
 * Every node keeps a discounted reward R, discounted visits V and running jobs J, for the jobs
 * started at it ("own") and for all at or below it ("subtree").  With g = gamma:
 *
 *     visits = V g^J + (1 - g^J) / (1 - g)         running jobs count as zero-reward visits
 *     value  = R g^J / max (visits, 0.01)
 *     select: at a node compare itself (own) with each child (subtree) by
 *             value + sqrt (2 ln (max (total, 2)) / max (visits, 0.01)),
 *             total = own visits + the children's subtree visits;
 *             the first maximum wins: itself, then children by age; itself: stop here
 *     start:  J + 1      on the node, and in the subtree triple of it and all above
 *     finish: R = R g + r, V = V g + 1, J - 1      likewise
 *
 * Source: Xin et al. 2024, DeepSeek-Prover-V1.5 (arXiv:2408.08152), section 3.3, eq. 7 to 9
 * (discounted UCB, virtual loss); deepseek-ai/DeepSeek-Prover-V1.5,
 * prover/algorithms/rmax_tree_search.py.  Deviations: the reference sorts equal values in the
 * order itself, children, too; gamma = 1 (not allowed there) is plain UCB with visits V + J; a
 * closed node (pruned by an observer) and what is below it is never selected.
 *
 * Ownership: nodes are an array of the caller's; node 0 is the root, parents stand before their children.
 * Errors: none; an index that is not there is the caller's bug and asserts.
 * Cost of a selection: the children of the nodes on its way; start, finish: the depth.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RMAXTS_NONE UINT32_MAX

typedef struct rmaxts_arm {
    double reward, visits; /* R, V */
    uint32_t running;      /* J */
} rmaxts_arm;

typedef struct rmaxts_node {
    rmaxts_arm own, subtree;
    uint32_t parent, first_child, last_child, next_sibling; /* RMAXTS_NONE = none */
    uint32_t tag;                                           /* the caller's own mark */
    bool closed;
} rmaxts_node;

double rmaxts_visits (const rmaxts_arm *a, double gamma);
double rmaxts_value (const rmaxts_arm *a, double gamma);

/* Make nodes[index] a fresh child of `parent` (RMAXTS_NONE for index 0), the youngest one. */
void rmaxts_add (rmaxts_node *nodes, uint32_t index, uint32_t parent, uint32_t tag);

/* The node whose prefix is to be continued; RMAXTS_NONE when everything is closed.  *margin (may be
 * NULL): the smallest lead of a winner on the way, at most 1; 1 if there was nothing to compare. */
uint32_t rmaxts_select (const rmaxts_node *nodes, double gamma, double *margin);

void rmaxts_start (rmaxts_node *nodes, uint32_t index);
/* The job came back with reward r. */
void rmaxts_finish (rmaxts_node *nodes, uint32_t index, double reward, double gamma);
/* The job was lost: as if it had never started. */
void rmaxts_undo (rmaxts_node *nodes, uint32_t index);

#endif
