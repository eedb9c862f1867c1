/* SPDX-License-Identifier: Apache-2.0 */
/* test_rmaxts_bandit.c - what coordinator/search/rmaxts_bandit.h promises; numbers of the reference are in tests/conformance */

#include "coordinator/search/rmaxts_bandit.h"
#include <math.h>
#include <string.h>
#include "proto/base/rng.h"
#include "tests/support/suite.h"

enum { ROOM = 300 };

static void running_jobs_are_visits_without_reward (void)
{
    rmaxts_arm idle = {.reward = 2.0, .visits = 3.0}, busy = {2.0, 3.0, 2};
    CHECK (rmaxts_visits (&idle, 0.9) == 3.0 && rmaxts_value (&idle, 0.9) == 2.0 / 3.0);
    CHECK (fabs (rmaxts_visits (&busy, 0.9) - (3.0 * 0.81 + 1.9)) < 1e-12);
    CHECK (fabs (rmaxts_value (&busy, 0.9) - 2.0 * 0.81 / (3.0 * 0.81 + 1.9)) < 1e-12);
}

static void without_discount_visits_are_counted (void)
{
    rmaxts_arm busy = {2.0, 3.0, 2};
    CHECK (rmaxts_visits (&busy, 1.0) == 5.0 && rmaxts_value (&busy, 1.0) == 0.4);
}

static void an_untried_arm_divides_by_nothing_safely (void)
{
    rmaxts_arm fresh = {0};
    CHECK (rmaxts_visits (&fresh, 0.99) == 0.0 && rmaxts_value (&fresh, 0.99) == 0.0);
}

static void given_root (rmaxts_node *nodes)
{
    rmaxts_add (nodes, 0, RMAXTS_NONE, 7);
}

static void a_leaf_is_its_own_choice (void)
{
    rmaxts_node nodes[2];
    double margin = 0.0;
    given_root (nodes);
    CHECK (nodes[0].tag == 7 && rmaxts_select (nodes, 0.99, &margin) == 0 && margin == 1.0);
    CHECK (rmaxts_select (nodes, 0.99, NULL) == 0);
}

static void a_new_child_is_tried_before_its_visited_parent (void)
{
    rmaxts_node nodes[3];
    given_root (nodes);
    rmaxts_start (nodes, 0);
    rmaxts_add (nodes, 1, 0, 0);
    rmaxts_add (nodes, 2, 0, 0);
    rmaxts_finish (nodes, 0, 1.0, 0.99);
    CHECK (rmaxts_select (nodes, 0.99, NULL) == 1); /* the older of two equal ones */
    rmaxts_start (nodes, 1);
    CHECK (rmaxts_select (nodes, 0.99, NULL) == 2); /* a running job counts as a visit */
}

static void closed_nodes_are_never_chosen (void)
{
    rmaxts_node nodes[3];
    given_root (nodes);
    rmaxts_add (nodes, 1, 0, 0);
    rmaxts_add (nodes, 2, 1, 0);
    nodes[1].closed = true;
    for (int i = 0; i < 50; i++) {
        CHECK (rmaxts_select (nodes, 0.99, NULL) == 0);
        rmaxts_start (nodes, 0);
        rmaxts_finish (nodes, 0, 0.0, 0.99);
    }
    nodes[0].closed = true;
    CHECK (rmaxts_select (nodes, 0.99, NULL) == RMAXTS_NONE);
}

static void an_undone_job_leaves_no_trace (void)
{
    rmaxts_node nodes[4], before[4];
    memset (nodes, 0, sizeof (nodes));
    given_root (nodes);
    rmaxts_add (nodes, 1, 0, 0);
    rmaxts_add (nodes, 2, 1, 0);
    rmaxts_add (nodes, 3, 0, 0);
    memcpy (before, nodes, sizeof (nodes));
    rmaxts_start (nodes, 2);
    CHECK (nodes[2].own.running == 1 && nodes[0].own.running == 0);
    CHECK (nodes[0].subtree.running == 1 && nodes[1].subtree.running == 1);
    CHECK (nodes[3].subtree.running == 0);
    rmaxts_undo (nodes, 2);
    CHECK (memcmp (before, nodes, sizeof (nodes)) == 0);
}

/* Random jobs: what runs is counted once at every node above, and what came is never lost. */
static void counts_stay_sums (void)
{
    static rmaxts_node nodes[ROOM];
    uint32_t running[8], jobs = 0, count = 1, done = 0;
    given_root (nodes);
    for (uint64_t step = 0; step < 2000; step++) {
        if (jobs < 8 && esp_draw_below (3, step, 2)) {
            running[jobs] = rmaxts_select (nodes, 1.0, NULL);
            rmaxts_start (nodes, running[jobs++]);
        } else if (jobs > 0) {
            uint32_t at = esp_draw_below (4, step, jobs), where = running[at];
            bool fresh = count < ROOM && esp_draw_below (5, step, 3) == 0;
            if (fresh)
                rmaxts_add (nodes, count++, where, 0);
            rmaxts_finish (nodes, where, fresh ? 1.0 : 0.0, 1.0);
            running[at] = running[--jobs];
            done++;
        }
        CHECK (nodes[0].subtree.running == jobs && nodes[0].subtree.visits == done);
        CHECK (nodes[0].subtree.reward == count - 1);
    }
    for (uint32_t i = 0; i < count; i++) {
        double visits = nodes[i].own.visits;
        uint32_t jobs_below = nodes[i].own.running;
        for (uint32_t c = nodes[i].first_child; c != RMAXTS_NONE; c = nodes[c].next_sibling) {
            visits += nodes[c].subtree.visits;
            jobs_below += nodes[c].subtree.running;
        }
        CHECK (nodes[i].subtree.visits == visits && nodes[i].subtree.running == jobs_below);
    }
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"running jobs are visits without reward", running_jobs_are_visits_without_reward},
        {"without discount visits are counted", without_discount_visits_are_counted},
        {"an untried arm divides by nothing safely", an_untried_arm_divides_by_nothing_safely},
        {"a leaf is its own choice", a_leaf_is_its_own_choice},
        {"a new child is tried before its visited parent",
         a_new_child_is_tried_before_its_visited_parent},
        {"closed nodes are never chosen", closed_nodes_are_never_chosen},
        {"an undone job leaves no trace", an_undone_job_leaves_no_trace},
        {"counts stay sums", counts_stay_sums},
        {NULL, NULL},
    };
    return suite_main ("rmaxts_bandit", cases);
}
