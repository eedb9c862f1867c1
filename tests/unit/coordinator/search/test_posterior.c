/* SPDX-License-Identifier: Apache-2.0 */
/* test_posterior.c - what coordinator/search/posterior.h promises; the updates are also golden (tq_posteriors) */

#include "coordinator/search/posterior.h"
#include <math.h>
#include <stdbool.h>
#include "proto/base/rng.h"
#include "tests/support/suite.h"

enum { DRAWS = 20000 };

typedef struct stream {
    uint64_t key, at;
} stream;

static double next_of (void *ctx)
{
    stream *s = ctx;
    return esp_draw_unit (s->key, s->at++);
}

static double constant (void *ctx)
{
    return *(double *)ctx;
}

static bool near (double a, double b, double most)
{
    return fabs (a - b) <= most;
}

static const gaussian_belief prior = {0.0, 1.0, 1.0, 0.1};

static void moments_are_mean_and_squared_deviations (void)
{
    static const double x[] = {0.5, 0.25, 1.0, 0.75};
    moments m = {0};
    for (int i = 0; i < 4; i++)
        moments_add (&m, x[i]);
    CHECK (m.count == 4 && near (m.mean, 0.625, 1e-15) && near (m.deviations, 0.3125, 1e-15));
}

static void joined_moments_are_those_of_all (void)
{
    for (uint64_t run = 0; run < 200; run++) {
        moments all = {0}, parts[3] = {{0}}, joined = {0};
        for (uint64_t i = 0; i < 30; i++) {
            double x = esp_draw_unit (run, i);
            moments_add (&all, x);
            moments_add (&parts[esp_draw_below (run, 100 + i, 3)], x);
        }
        for (int i = 0; i < 3; i++)
            moments_join (&joined, &parts[i]);
        moments_join (&joined, &(moments){0});
        CHECK (joined.count == all.count && near (joined.mean, all.mean, 1e-14) &&
               near (joined.deviations, all.deviations, 1e-13));
    }
}

static void equal_rewards_have_no_deviation (void)
{
    moments m = {0};
    for (int i = 0; i < 100000; i++)
        moments_add (&m, 1e6 + 0.1);
    CHECK (m.mean == 1e6 + 0.1 && m.deviations == 0.0);
}

static void without_rewards_the_belief_is_the_prior (void)
{
    gaussian_belief g = gaussian_update (prior, &(moments){0});
    beta_belief b = beta_update ((beta_belief){0.5, 0.5}, &(moments){0});
    CHECK (g.m == 0.0 && g.kappa == 1.0 && g.nu == 1.0 && g.tau_square == 0.1 && b.a == 0.5 &&
           b.b == 0.5);
}

static void one_reward_moves_both_beliefs (void)
{
    moments m = {0};
    double sd;
    moments_add (&m, 0.8);
    gaussian_belief g = gaussian_update (prior, &m);
    beta_belief b = beta_update ((beta_belief){0.5, 0.5}, &m);
    CHECK (near (g.m, 0.4, 1e-15) && g.kappa == 2.0 && g.nu == 2.0 &&
           near (g.tau_square, 0.21, 1e-15));
    CHECK (near (b.a, 1.3, 1e-15) && near (b.b, 0.7, 1e-15));
    CHECK (near (gaussian_mean_sd (g, &sd), 0.4, 1e-15) && near (sd, sqrt (0.105), 1e-15));
    CHECK (near (beta_mean_sd (b, &sd), 0.65, 1e-15) &&
           near (sd, sqrt (1.3 * 0.7 / (4.0 * 3.0)), 1e-15));
}

static void gammas_have_the_mean_and_variance_of_their_shape (void)
{
    static const double shapes[] = {0.1, 0.5, 1.0, 2.5, 40.0};
    for (uint64_t i = 0; i < 5; i++) {
        stream s = {.key = 100 + i};
        moments m = {0};
        for (int d = 0; d < DRAWS; d++)
            moments_add (&m, draw_gamma (shapes[i], (uniforms){next_of, &s}));
        CHECK (near (m.mean, shapes[i], 5.0 * sqrt (shapes[i] / DRAWS)));
        CHECK (near (m.deviations / DRAWS, shapes[i], 0.15 * shapes[i]));
    }
}

static void normals_are_standard (void)
{
    stream s = {.key = 7};
    moments m = {0};
    int within = 0;
    for (int d = 0; d < DRAWS; d++) {
        double x = draw_normal ((uniforms){next_of, &s});
        within += fabs (x) < 1.0;
        moments_add (&m, x);
    }
    CHECK (s.at == 2 * DRAWS);
    CHECK (near (m.mean, 0.0, 0.03) && near (m.deviations / DRAWS, 1.0, 0.05));
    CHECK (near (within / (double)DRAWS, 0.6827, 0.015));
}

static void gaussian_draws_follow_student (void)
{
    /* mu is m + sqrt (tau2 / kappa) t with nu degrees of freedom: variance tau2 / kappa nu / (nu - 2) */
    gaussian_belief g = {0.6, 4.0, 10.0, 0.2};
    stream s = {.key = 8};
    moments m = {0};
    for (int d = 0; d < DRAWS; d++)
        moments_add (&m, draw_gaussian_belief (g, (uniforms){next_of, &s}));
    CHECK (near (m.mean, 0.6, 0.01) && near (m.deviations / DRAWS, 0.05 * 10.0 / 8.0, 0.006));
}

static void beta_draws_follow_beta (void)
{
    static const beta_belief beliefs[] = {{0.5, 0.5}, {3.0, 1.5}, {40.0, 60.0}};
    for (uint64_t i = 0; i < 3; i++) {
        stream s = {.key = 20 + i};
        moments m = {0};
        double sd, mean = beta_mean_sd (beliefs[i], &sd);
        bool inside = true;
        for (int d = 0; d < DRAWS; d++) {
            double x = draw_beta_belief (beliefs[i], (uniforms){next_of, &s});
            inside = inside && x >= 0.0 && x <= 1.0;
            moments_add (&m, x);
        }
        CHECK (inside && near (m.mean, mean, 5.0 * sd / sqrt (DRAWS)));
        CHECK (near (m.deviations / DRAWS, sd * sd, 0.05 * sd * sd));
    }
}

static void equal_uniforms_give_equal_draws (void)
{
    stream a = {.key = 3}, b = {.key = 3};
    for (int d = 0; d < 1000; d++)
        CHECK (draw_gaussian_belief (prior, (uniforms){next_of, &a}) ==
               draw_gaussian_belief (prior, (uniforms){next_of, &b}));
    CHECK (a.at == b.at);
}

static void the_edges_of_the_uniforms_give_numbers (void)
{
    double zero = 0.0, tiny = 0x1p-53, most = 1.0 - 0x1p-53;
    gaussian_belief wide = {0.0, 1e-3, 0.1, 1e6};
    CHECK (draw_normal ((uniforms){constant, &zero}) == 0.0);
    CHECK (isfinite (draw_normal ((uniforms){constant, &tiny})));
    CHECK (isfinite (draw_gaussian_belief (wide, (uniforms){constant, &most})));
    for (uint64_t i = 0; i < 3000; i++) {
        stream s = {.key = i};
        CHECK (isfinite (draw_gaussian_belief (wide, (uniforms){next_of, &s})));
        double x = draw_beta_belief ((beta_belief){1e-3, 1e-3}, (uniforms){next_of, &s});
        CHECK (x >= 0.0 && x <= 1.0);
    }
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"moments are mean and squared deviations", moments_are_mean_and_squared_deviations},
        {"joined moments are those of all", joined_moments_are_those_of_all},
        {"equal rewards have no deviation", equal_rewards_have_no_deviation},
        {"without rewards the belief is the prior", without_rewards_the_belief_is_the_prior},
        {"one reward moves both beliefs", one_reward_moves_both_beliefs},
        {"gammas have the mean and variance of their shape",
         gammas_have_the_mean_and_variance_of_their_shape},
        {"normals are standard", normals_are_standard},
        {"gaussian draws follow Student", gaussian_draws_follow_student},
        {"beta draws follow beta", beta_draws_follow_beta},
        {"equal uniforms give equal draws", equal_uniforms_give_equal_draws},
        {"the edges of the uniforms give numbers", the_edges_of_the_uniforms_give_numbers},
        {NULL, NULL},
    };
    return suite_main ("posterior", cases);
}
