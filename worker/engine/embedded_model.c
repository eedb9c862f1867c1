/* SPDX-License-Identifier: Apache-2.0 */
/* embedded_model.c - features and sums; fit/fit_embedded.py holds the same features
 *
 * Policy: weights . features, one weight vector for all counts of numbers left.
 * Value:  1 / (1 + exp (-(b + sum_u v_u max (0, b_u + w_u . features)))), one set of weights by count.
 */

#include "worker/engine/embedded_model.h"
#include <math.h>
#include "proto/base/fmath.h"
#include "worker/engine/embedded_weights.h"

/* A value that is no more than an estimate must stay below that of a solved puzzle. */
static const double least_value = 0.001, most_value = 0.999;

static double clip (double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

/* Sizes are seen relative to the target. */
static double scale_of (const puzzle *p)
{
    double target = fabs (puzzle_target (p));
    return target > 0 ? target : 1;
}

static double log_ratio (double value, double scale)
{
    return esp_ln (fmax (fabs (value), 1e-9) / scale);
}

/* ---- policy ---- */

static double move_logit (const puzzle *p, const puzzle_move *m, double scale)
{
    double r = m->result.value, size = fabs (r);
    size_t lo = m->left < m->right ? m->left : m->right;
    bool small_first = m->left < m->right;
    bool integer = m->result.denominator <= 1;
    bool proper = integer && size > 1 && size < scale && m->result.divides && puzzle_left (p) > 2;
    bool by_one = (m->op == '*' || (m->op == '/' && !small_first)) && puzzle_at (p, lo).value == 1;
    const double features[EMBEDDED_POLICY_FEATURES] = {
        m->op == '+',
        m->op == '-' && !small_first,
        m->op == '*',
        m->op == '/' && !small_first,
        m->op == '/' && small_first,
        r<0, r == 0, !integer, size> scale ? clip (log_ratio (r, scale), 0, 4) : 0,
        by_one,
        proper};
    double logit = 0;
    for (size_t i = 0; i < EMBEDDED_POLICY_FEATURES; i++)
        logit += embedded_policy[i] * features[i];
    return logit;
}

size_t embedded_policy_logits (const puzzle *p, puzzle_move moves[PUZZLE_MOST_MOVES],
                               double logits[PUZZLE_MOST_MOVES])
{
    size_t count = puzzle_moves (p, moves);
    double scale = scale_of (p);
    for (size_t i = 0; i < count; i++)
        logits[i] = move_logit (p, &moves[i], scale);
    return count;
}

/* ---- value ---- */

static void number_features (puzzle_number n, double scale, double f[EMBEDDED_NUMBER_FEATURES])
{
    double size = fabs (n.value);
    f[0] = clip (n.value / scale, -3, 3);
    f[1] = clip (log_ratio (n.value, scale), -4, 2);
    f[2] = esp_ln (1 + fmin (size, 255));
    f[3] = n.denominator <= 1;
    f[4] = n.divides;
    f[5] = n.multiple;
    f[6] = n.even;
    f[7] = n.value == 1;
    f[8] = n.value == 0;
    f[9] = n.denominator <= 1 ? 0 : esp_ln (n.denominator);
}

static void target_features (const puzzle *p, double scale, double f[EMBEDDED_TARGET_FEATURES])
{
    static const unsigned long factors[EMBEDDED_TARGET_FEATURES - 1] = {2, 3, 4, 5, 7, 8, 9};
    f[0] = esp_ln (1 + fmin (scale, 255));
    for (size_t i = 1; i < EMBEDDED_TARGET_FEATURES; i++)
        f[i] = puzzle_target_divisible (p, factors[i - 1]);
}

static double network (const struct embedded_value *net, const double *features, size_t count)
{
    const double *w = net->weights;
    double z = 0;
    for (size_t u = 0; u < net->units; u++, w += count + 2) {
        double sum = 0;
        for (size_t i = 0; i < count; i++)
            sum += w[i] * features[i];
        sum += w[count];
        z += w[count + 1] * fmax (sum, 0);
    }
    z += w[0];
    return 1 / (1 + esp_exp (-z));
}

double embedded_value_clip (double value)
{
    return clip (value, least_value, most_value);
}

double embedded_value_of (const puzzle *p)
{
    double features[EMBEDDED_MOST_LEFT * EMBEDDED_NUMBER_FEATURES + EMBEDDED_TARGET_FEATURES];
    size_t left = puzzle_left (p), count = 0;
    double scale = scale_of (p);
    if (left < EMBEDDED_LEAST_LEFT)
        return puzzle_solved (p) ? most_value : least_value;
    if (left > EMBEDDED_MOST_LEFT)
        return 0.5;
    for (size_t i = 0; i < left; i++, count += EMBEDDED_NUMBER_FEATURES)
        number_features (puzzle_at (p, i), scale, features + count);
    target_features (p, scale, features + count);
    count += EMBEDDED_TARGET_FEATURES;
    return embedded_value_clip (network (&embedded_values[left], features, count));
}
