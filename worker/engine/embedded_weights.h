/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_ENGINE_EMBEDDED_WEIGHTS_H
#define ESP_WORKER_ENGINE_EMBEDDED_WEIGHTS_H

/* embedded_weights.h - the numbers of the two small models, fitted by fit/fit_embedded.py */

#include <stddef.h>

enum {
    EMBEDDED_POLICY_FEATURES = 11,
    EMBEDDED_NUMBER_FEATURES = 10, /* of each number left */
    EMBEDDED_TARGET_FEATURES = 8,
    EMBEDDED_LEAST_LEFT = 2,
    EMBEDDED_MOST_LEFT = 5 /* a step of the largest puzzle leaves five */
};

extern const double embedded_policy[EMBEDDED_POLICY_FEATURES];

/* One hidden layer.  weights: for each unit the weights of the features, its bias, and its weight in the
 * value; then the bias of the value. */
struct embedded_value {
    size_t units;
    const double *weights;
};
extern const struct embedded_value
    embedded_values[EMBEDDED_MOST_LEFT + 1]; /* by count of numbers left */

#endif
