/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_BASE_WILSON_H
#define ESP_PROTO_BASE_WILSON_H

/* wilson.h - what k passes of n trials say of a rate; pure, the same double on every machine
 *
 * Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference", JASA 22: the score interval
 *
 *     (k + z^2 / 2 -+ z sqrt (k (n - k) / n + z^2 / 4)) / (n + z^2)
 *
 * with z = 1.959963984540054, the double next to the 97.5 % point of the normal distribution: 95 %.  Computed with 256 bits and rounded once.
 */

#include <stdint.h>

/* The interval in [0, 1]; passed <= trials.  Without trials both are NaN. */
void esp_wilson (uint64_t passed, uint64_t trials, double *low, double *high);

#endif
