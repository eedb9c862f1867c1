/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SEARCH_BUDGET_H
#define ESP_COORDINATOR_SEARCH_BUDGET_H

/* budget.h - hard accounts (design.md, D13)
 *
 * A generation is one sample asked of the generator, whatever its length.  A join
 * reserves the worst case of all its asks or nothing; what was not used comes back when the join is delivered.  So a cap is never exceeded, and what is
 * left does not depend on the order in which results came.
 */

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/err.h"

#define BUDGET_UNLIMITED UINT64_MAX

typedef struct budget {
    uint64_t generations, steps, generated_tokens, scored_tokens;
} budget;

typedef struct account {
    budget cap;  /* BUDGET_UNLIMITED = no cap */
    budget held; /* reserved by open joins */
    budget used; /* charged for good */
} account;

budget account_left (const account *a); /* cap - held - used, per column; BUDGET_UNLIMITED stays */
/* Errors: ESP_EBUDGET (nothing changes). */
ESP_MUST_CHECK esp_err account_hold (account *a, const budget *amount);
/* Take a hold back and charge `used`; in a column with a cap at most what was held. */
void account_settle (account *a, const budget *held, const budget *used);
/* Share i of n: cap / n, the first cap %% n shares get one more. */
budget budget_share (const budget *cap, uint32_t i, uint32_t n);
budget budget_sum (const budget *a, const budget *b);

#endif
