/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CONSOLE_REPORT_PRICES_H
#define ESP_CLUSTER_CONSOLE_REPORT_PRICES_H

/* report_prices.h - what tokens cost: money and FLOPs, from the keys price.* and parameters of a run file
 *
 * NaN stands for "not said".  Money is in whatever currency the user's prices are; cached prompt tokens cost price.cached,
 * where that is not said price.prompt.  FLOPs: 2 x parameters for each token that is read or generated and was not in a cache
 * (Kaplan et al. 2020, "Scaling Laws for Neural Language Models", section 2.1: forward pass C = 2 N + 2 n_layer n_ctx d_attn;
 * we leave out the second term, attention over the context).
 *
 * A list of PRMs reads every text once each, and results tell the sum: it is counted at the mean of their prices and parameters.
 *
 * Threads: none.
 */

#include <stddef.h>
#include <stdint.h>
#include "proto/base/err.h"

struct config; /* proto/config/config.h */

typedef struct model_price {
    double prompt, cached, generated; /* per million tokens */
    double parameters;                /* count */
} model_price;

typedef struct model_tokens { /* cached: part of prompt */
    uint64_t prompt, cached, generated;
} model_tokens;

typedef struct price_list {
    model_price *generators; /* owned; as the run file lists them, one at least */
    size_t generator_count;
    model_price prm; /* its price.prompt is for tokens read */
} price_list;

/* From a resolved run file; NULL: nothing is said.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err price_list_of (const struct config *c, price_list *out);
/* From OUTPUT/run.yaml; without that file, or with one that cannot be read, nothing is said.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err price_list_read (const char *output, price_list *out);
void price_list_free (price_list *list); /* accepts a zeroed one */

double
price_money (const model_price *model, const model_tokens *tokens); /* NaN: no price is said */
double price_flops (const model_price *model, const model_tokens *tokens); /* NaN: no parameters */
double price_sum (double a, double b); /* what is not said adds nothing; NaN if both are not */

#endif
