/* SPDX-License-Identifier: Apache-2.0 */
/* rebase_allocate.c - see rebase_allocate.h
 *
 * Every e is divided by that of the largest weight: the quotients stay the same, and a small
 * temperature cannot overflow.
 */

#include "coordinator/search/rebase_allocate.h"
#include <math.h>
#include "coordinator/search/strategy_help.h"
#include "proto/base/alloc.h"
#include "proto/base/fmath.h"

static const double ROUNDING = 1e-12; /* relative; larger would bend real quotients */

static void largest_first (const double *weights, size_t n, uint32_t *order)
{
    order_ascending (weights, n, order);
    for (size_t i = 0; i < n / 2; i++) {
        uint32_t swap = order[i];
        order[i] = order[n - 1 - i];
        order[n - 1 - i] = swap;
    }
}

esp_err rebase_allocate (const double *weights, size_t n, double temperature, uint32_t places,
                         uint32_t *counts, uint32_t *order)
{
    double *e = esp_reallocarray (NULL, n + 1, sizeof (*e));       /* in the order of allocation */
    double *rest = esp_reallocarray (NULL, n + 1, sizeof (*rest)); /* S at each turn */
    esp_err err = e && rest ? ESP_OK : ESP_ENOMEM;
    if (err == ESP_OK) {
        largest_first (weights, n, order);
        rest[n] = 0.0;
        for (size_t i = n; i-- > 0;) {
            e[i] = esp_exp ((weights[order[i]] - weights[order[0]]) / temperature);
            rest[i] = rest[i + 1] + e[i];
        }
        for (size_t i = 0; i < n; i++) {
            double share = ceil ((double)places * e[i] / rest[i] * (1.0 - ROUNDING));
            uint32_t got = share < (double)places ? (uint32_t)share : places; /* 0 / 0: all */
            counts[order[i]] = got;
            places -= got;
        }
    }
    esp_free (e);
    esp_free (rest);
    return err;
}
