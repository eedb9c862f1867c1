/* SPDX-License-Identifier: Apache-2.0 */
/* budget.c - four columns, one rule
 *
 * The columns are handled as an array so that no rule can be forgotten for one of them.
 */

#include "coordinator/search/budget.h"
#include <assert.h>

enum { COLUMNS = sizeof (budget) / sizeof (uint64_t) };

static uint64_t *column (budget *b, int i)
{
    uint64_t *const all[COLUMNS] = {&b->generations, &b->steps, &b->generated_tokens,
                                    &b->scored_tokens};
    return all[i];
}

static uint64_t value (const budget *b, int i)
{
    const uint64_t all[COLUMNS] = {b->generations, b->steps, b->generated_tokens, b->scored_tokens};
    return all[i];
}

budget account_left (const account *a)
{
    budget left = {0, 0, 0, 0};
    for (int i = 0; i < COLUMNS; i++) {
        uint64_t cap = value (&a->cap, i), gone = value (&a->held, i) + value (&a->used, i);
        *column (&left, i) = cap == BUDGET_UNLIMITED ? cap : cap > gone ? cap - gone : 0;
    }
    return left;
}

esp_err account_hold (account *a, const budget *amount)
{
    budget left = account_left (a);
    for (int i = 0; i < COLUMNS; i++)
        if (value (amount, i) > value (&left, i))
            return ESP_EBUDGET;
    a->held = budget_sum (&a->held, amount);
    return ESP_OK;
}

void account_settle (account *a, const budget *held, const budget *used)
{
    for (int i = 0; i < COLUMNS; i++) {
        uint64_t charge = value (used, i);
        assert (value (held, i) <= value (&a->held, i));
        if (value (&a->cap, i) != BUDGET_UNLIMITED && charge > value (held, i))
            charge =
                value (held, i); /* a server that gave more than was asked does not break the cap */
        *column (&a->held, i) -= value (held, i);
        *column (&a->used, i) += charge;
    }
}

budget budget_share (const budget *cap, uint32_t i, uint32_t n)
{
    budget share = {0, 0, 0, 0};
    for (int c = 0; c < COLUMNS; c++) {
        uint64_t all = value (cap, c);
        *column (&share, c) = all == BUDGET_UNLIMITED ? all : all / n + (i < all % n);
    }
    return share;
}

budget budget_sum (const budget *a, const budget *b)
{
    budget sum = {0, 0, 0, 0};
    for (int i = 0; i < COLUMNS; i++)
        *column (&sum, i) = value (a, i) + value (b, i);
    return sum;
}
