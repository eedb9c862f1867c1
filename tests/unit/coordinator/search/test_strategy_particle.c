/* SPDX-License-Identifier: Apache-2.0 */
// LINK: esp_config
/* test_strategy_particle.c - weights and draws at their edges; references, budgets, lost steps */

#include "coordinator/search/particle_weight.h"
#include "tests/unit/coordinator/search/plays.h"

static void every_variant_keeps_order_caps_and_memory (void)
{
    static const char *const sections[] = {
        "strategy: particle, particles: 6, max_steps: 6",
        "strategy: particle, particles: 5, iterations: 3, references: 2, max_steps: 6",
        "strategy: particle, particles: 1, selection: sample, max_steps: 2, softmax_temperature: "
        "0.01",
        NULL};
    keeps_all_promises (sections);
}

static void weights_are_clipped_logits (void)
{
    CHECK (particle_log_weight (0.5, 1e-7) == 0.0);
    CHECK (particle_log_weight (1.0, 1e-7) == particle_log_weight (1.0 - 1e-7, 1e-7));
    CHECK (particle_log_weight (-3.0, 1e-7) == particle_log_weight (1e-7, 1e-7));
    CHECK (particle_log_weight (NAN, 1e-7) == particle_log_weight (0.0, 1e-7));
    CHECK (particle_log_weight (0.9, 0.5) == 0.0);
}

static void a_softmax_sums_to_one_whatever_its_range (void)
{
    double weights[3];
    particle_softmax ((double[]){-1e300, 0.0, 1e300}, 3, 1e-6, weights);
    CHECK (weights[0] == 0.0 && weights[1] == 0.0 && weights[2] == 1.0);
    particle_softmax ((double[]){2.0, 2.0, 2.0}, 3, 1.0, weights);
    CHECK (weights[0] == 1.0 / 3.0 && weights[2] == 1.0 / 3.0);
    particle_softmax ((double[]){5.0}, 1, 1e6, weights);
    CHECK (weights[0] == 1.0);
}

static void draws_follow_the_cumulative_sum (void)
{
    const double weights[] = {0.0, 0.25, 0.0, 0.75};
    CHECK (particle_draw (weights, 4, 0.0) == 1);
    CHECK (particle_draw (weights, 4, 0.24999) == 1);
    CHECK (particle_draw (weights, 4, 0.25) == 3); /* strictly greater */
    CHECK (particle_draw (weights, 4, 1.0 - 0x1p-53) == 3);
    CHECK (particle_draw ((double[]){0.0, 0.0}, 2, 0.5) == 1); /* none: the last */
}

static void bad_options_name_their_key (void)
{
    player p;
    FAILS (player_read (&p, "strategy: particle, particles: 4, iterations: 2, references: 4"),
           ESP_EINVAL);
    player_close (&p);
    PASS (player_read (&p, "strategy: particle, particles: 1")); /* no Gibbs: no references */
    player_close (&p);
}

static void a_particle_makes_at_most_max_steps_and_one (void)
{
    player p;
    uint32_t deepest = 0;
    given_played (&p, "strategy: particle, particles: 12, max_steps: 2", WORLD_PLAN);
    for (node_ref r = 1; r < tree_size (search_tree (p.w.s)); r++)
        deepest = search_node (p.w.s, r)->depth > deepest ? search_node (p.w.s, r)->depth : deepest;
    CHECK (deepest == 3);
    player_close (&p);
}

static size_t children_of_root (const player *p)
{
    return search_node (p->w.s, NODE_ROOT)->children;
}

/* each iteration starts all but its references at the root */
static void references_are_never_asked_again (void)
{
    player p;
    given_played (&p, "strategy: particle, particles: 6, iterations: 1, max_steps: 8", 3);
    CHECK (children_of_root (&p) == 6);
    player_close (&p);
    given_played (
        &p, "strategy: particle, particles: 6, iterations: 4, references: 2, max_steps: 8", 3);
    CHECK (children_of_root (&p) == 6 + 3 * 4);
    CHECK (search_reason (p.w.s) == REASON_ANSWERED && search_answers (p.w.s, NULL, 0) == 6);
    player_close (&p);
}

static void an_iteration_that_cannot_start_leaves_the_last_result (void)
{
    player p;
    uint64_t used;
    char section[200];
    given_played (&p, "strategy: particle, particles: 6, max_steps: 8", 3);
    used = search_used (p.w.s).generations;
    player_close (&p);
    snprintf (
        section, sizeof (section),
        "strategy: particle, particles: 6, iterations: 9, max_steps: 8, budget.generations: %d",
        (int)used);
    given_played (&p, section, 3);
    CHECK (search_used (p.w.s).generations == used && search_reason (p.w.s) == REASON_BUDGET);
    CHECK (search_answers (p.w.s, NULL, 0) == 6);
    player_close (&p);
}

static void steps_that_cannot_be_paid_end_their_particles (void)
{
    player p;
    given_played (&p, "strategy: particle, particles: 8, max_steps: 8, budget.generations: 5", 3);
    CHECK (search_used (p.w.s).generations == 5 && children_of_root (&p) == 5);
    player_close (&p);
}

static void the_chosen_particle_stands_first (void)
{
    for (uint64_t order = 0; order < 3; order++) {
        player p;
        node_ref refs[16];
        size_t n;
        given_played (&p, "strategy: particle, particles: 9, max_steps: 8", order);
        n = search_answers (p.w.s, refs, 16);
        CHECK (n == 9);
        for (size_t i = 1; i < n && i < 16; i++)
            CHECK (node_last_score (search_node (p.w.s, refs[0])) >=
                   node_last_score (search_node (p.w.s, refs[i])));
        CHECK (search_answers (p.w.s, refs, 2) == 9);
        player_close (&p);
    }
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"every variant keeps order, caps and memory", every_variant_keeps_order_caps_and_memory},
        {"weights are clipped logits", weights_are_clipped_logits},
        {"a softmax sums to one whatever its range", a_softmax_sums_to_one_whatever_its_range},
        {"draws follow the cumulative sum", draws_follow_the_cumulative_sum},
        {"bad options name their key", bad_options_name_their_key},
        {"a particle makes at most max_steps and one", a_particle_makes_at_most_max_steps_and_one},
        {"references are never asked again", references_are_never_asked_again},
        {"an iteration that cannot start leaves the last result",
         an_iteration_that_cannot_start_leaves_the_last_result},
        {"steps that cannot be paid end their particles",
         steps_that_cannot_be_paid_end_their_particles},
        {"the chosen particle stands first", the_chosen_particle_stands_first},
        {NULL, NULL},
    };
    return suite_main ("strategy_particle", cases);
}
