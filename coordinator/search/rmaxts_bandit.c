/* SPDX-License-Identifier: Apache-2.0 */
/* rmaxts_bandit.c - see rmaxts_bandit.h */

#include "coordinator/search/rmaxts_bandit.h"
#include <assert.h>
#include <math.h>
#include "proto/base/fmath.h"

static const double LEAST_VISITS = 0.01; /* the reference's guard against dividing by nothing */

static double discount (const rmaxts_arm *a, double gamma)
{
    return a->running ? esp_pow (gamma, a->running) : 1.0;
}

double rmaxts_visits (const rmaxts_arm *a, double gamma)
{
    double g = discount (a, gamma);
    double jobs = gamma < 1.0 ? (1.0 - g) / (1.0 - gamma) : a->running;
    return a->visits * g + jobs;
}

double rmaxts_value (const rmaxts_arm *a, double gamma)
{
    return a->reward * discount (a, gamma) / fmax (rmaxts_visits (a, gamma), LEAST_VISITS);
}

void rmaxts_add (rmaxts_node *nodes, uint32_t index, uint32_t parent, uint32_t tag)
{
    assert (parent < index || (parent == RMAXTS_NONE && index == 0));
    nodes[index] = (rmaxts_node){.parent = parent,
                                 .first_child = RMAXTS_NONE,
                                 .last_child = RMAXTS_NONE,
                                 .next_sibling = RMAXTS_NONE,
                                 .tag = tag};
    if (parent == RMAXTS_NONE)
        return;
    if (nodes[parent].first_child == RMAXTS_NONE)
        nodes[parent].first_child = index;
    else
        nodes[nodes[parent].last_child].next_sibling = index;
    nodes[parent].last_child = index;
}

static double total_visits (const rmaxts_node *nodes, uint32_t at, double gamma)
{
    double total = rmaxts_visits (&nodes[at].own, gamma);
    for (uint32_t c = nodes[at].first_child; c != RMAXTS_NONE; c = nodes[c].next_sibling)
        total += rmaxts_visits (&nodes[c].subtree, gamma);
    return total;
}

/* ln_total: ln (max (total, 2)). */
static double upper_bound (const rmaxts_arm *a, double gamma, double ln_total)
{
    return rmaxts_value (a, gamma) +
           sqrt (2.0 * ln_total / fmax (rmaxts_visits (a, gamma), LEAST_VISITS));
}

/* `at` itself or one of its children; the smallest lead goes into *margin. */
static uint32_t best_arm (const rmaxts_node *nodes, uint32_t at, double gamma, double *margin)
{
    double ln_total = esp_ln (fmax (total_visits (nodes, at, gamma), 2.0));
    double most = upper_bound (&nodes[at].own, gamma, ln_total), second = -INFINITY;
    uint32_t best = at;
    for (uint32_t c = nodes[at].first_child; c != RMAXTS_NONE; c = nodes[c].next_sibling) {
        double bound;
        if (nodes[c].closed)
            continue;
        bound = upper_bound (&nodes[c].subtree, gamma, ln_total);
        second = fmax (second, fmin (bound, most));
        if (bound > most) {
            most = bound;
            best = c;
        }
    }
    *margin = fmin (*margin, most - second);
    return best;
}

uint32_t rmaxts_select (const rmaxts_node *nodes, double gamma, double *margin)
{
    double least = 1.0;
    uint32_t at = 0, before = RMAXTS_NONE;
    if (nodes[0].closed)
        return RMAXTS_NONE;
    while (at != before && nodes[at].first_child != RMAXTS_NONE) {
        before = at;
        at = best_arm (nodes, at, gamma, &least);
    }
    if (margin)
        *margin = least;
    return at;
}

void rmaxts_start (rmaxts_node *nodes, uint32_t index)
{
    nodes[index].own.running++;
    for (uint32_t i = index; i != RMAXTS_NONE; i = nodes[i].parent)
        nodes[i].subtree.running++;
}

void rmaxts_undo (rmaxts_node *nodes, uint32_t index)
{
    assert (nodes[index].own.running > 0);
    nodes[index].own.running--;
    for (uint32_t i = index; i != RMAXTS_NONE; i = nodes[i].parent)
        nodes[i].subtree.running--;
}

static void add_reward (rmaxts_arm *a, double reward, double gamma)
{
    a->reward = a->reward * gamma + reward;
    a->visits = a->visits * gamma + 1.0;
}

void rmaxts_finish (rmaxts_node *nodes, uint32_t index, double reward, double gamma)
{
    add_reward (&nodes[index].own, reward, gamma);
    for (uint32_t i = index; i != RMAXTS_NONE; i = nodes[i].parent)
        add_reward (&nodes[i].subtree, reward, gamma);
    rmaxts_undo (nodes, index);
}
