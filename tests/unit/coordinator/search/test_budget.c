/* SPDX-License-Identifier: Apache-2.0 */
/* test_budget.c - what coordinator/search/budget.h promises */

#include "coordinator/search/budget.h"
#include "proto/base/rng.h"
#include "tests/support/suite.h"

static const budget none = {0, 0, 0, 0};
static const budget unlimited = {BUDGET_UNLIMITED, BUDGET_UNLIMITED, BUDGET_UNLIMITED,
                                 BUDGET_UNLIMITED};

static void an_account_without_caps_holds_anything (void)
{
    account a = {.cap = unlimited};
    budget most = {1ULL << 60, 1ULL << 60, 1ULL << 60, 1ULL << 60};
    PASS (account_hold (&a, &most));
    CHECK (account_left (&a).generations == BUDGET_UNLIMITED &&
           account_left (&a).scored_tokens == BUDGET_UNLIMITED);
    account_settle (&a, &most, &(budget){5, 6, 7, 8});
    CHECK (a.held.steps == 0 && a.used.generations == 5 && a.used.scored_tokens == 8);
}

static void a_hold_is_all_or_nothing (void)
{
    account a = {.cap = {10, 10, 10, 10}};
    for (int column = 0; column < 4; column++) {
        budget amount = {1, 1, 1, 1};
        *(column == 0   ? &amount.generations
          : column == 1 ? &amount.steps
          : column == 2 ? &amount.generated_tokens
                        : &amount.scored_tokens) = 11;
        FAILS (account_hold (&a, &amount), ESP_EBUDGET);
        CHECK (a.held.generations == 0 && a.held.steps == 0 && a.held.generated_tokens == 0 &&
               a.held.scored_tokens == 0);
    }
    PASS (account_hold (&a, &(budget){10, 10, 10, 10}));
    FAILS (account_hold (&a, &(budget){1, 0, 0, 0}), ESP_EBUDGET);
    PASS (account_hold (&a, &none));
}

static void what_was_not_used_comes_back (void)
{
    account a = {.cap = {10, 100, 1000, BUDGET_UNLIMITED}};
    budget held = {4, 40, 400, 0};
    PASS (account_hold (&a, &held));
    CHECK (account_left (&a).generations == 6 && account_left (&a).generated_tokens == 600);
    account_settle (&a, &held, &(budget){4, 10, 123, 50});
    CHECK (account_left (&a).generations == 6 && account_left (&a).steps == 90);
    CHECK (account_left (&a).generated_tokens == 877 && a.used.scored_tokens == 50);
}

static void a_charge_over_the_hold_never_breaks_a_cap (void)
{
    account a = {.cap = {10, 10, 10, BUDGET_UNLIMITED}};
    budget held = {1, 2, 3, 0};
    PASS (account_hold (&a, &held));
    account_settle (&a, &held, &(budget){9, 9, 9, 9});
    CHECK (a.used.generations == 1 && a.used.steps == 2 && a.used.generated_tokens == 3 &&
           a.used.scored_tokens == 9);
}

static void shares_are_even_and_add_up (void)
{
    budget cap = {10, 3, BUDGET_UNLIMITED, 0}, sum = {0, 0, 0, 0};
    for (uint32_t i = 0; i < 4; i++) {
        budget share = budget_share (&cap, i, 4);
        CHECK (share.generations == (i < 2 ? 3U : 2U) && share.steps == (i < 3 ? 1U : 0U));
        CHECK (share.generated_tokens == BUDGET_UNLIMITED && share.scored_tokens == 0);
        sum.generations += share.generations;
        sum.steps += share.steps;
    }
    CHECK (sum.generations == 10 && sum.steps == 3);
    CHECK (budget_share (&cap, 0, 1).generations == 10);
}

static uint64_t draw (uint64_t *i, uint32_t n)
{
    return esp_draw_below (7, (*i)++, n);
}

static void no_sequence_of_holds_and_charges_exceeds_a_cap (void)
{
    uint64_t i = 0;
    for (int run = 0; run < 500; run++) {
        account a = {.cap = {draw (&i, 50), draw (&i, 50), draw (&i, 50),
                             draw (&i, 2) ? BUDGET_UNLIMITED : draw (&i, 50)}};
        budget open[8];
        size_t count = 0;
        for (int step = 0; step < 60; step++) {
            budget amount = {draw (&i, 9), draw (&i, 9), draw (&i, 9), draw (&i, 9)};
            if (count < 8 && account_hold (&a, &amount) == ESP_OK)
                open[count++] = amount;
            if (count > 0 && draw (&i, 2)) {
                budget used = {draw (&i, 12), draw (&i, 12), draw (&i, 12), draw (&i, 12)};
                account_settle (&a, &open[--count], &used);
            }
            budget gone = budget_sum (&a.held, &a.used);
            CHECK (gone.generations <= a.cap.generations && gone.steps <= a.cap.steps);
            CHECK (gone.generated_tokens <= a.cap.generated_tokens);
            CHECK (gone.scored_tokens <= a.cap.scored_tokens);
        }
    }
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"an account without caps holds anything", an_account_without_caps_holds_anything},
        {"a hold is all or nothing, in every column", a_hold_is_all_or_nothing},
        {"what was not used comes back", what_was_not_used_comes_back},
        {"a charge over the hold never breaks a cap", a_charge_over_the_hold_never_breaks_a_cap},
        {"shares are even and add up", shares_are_even_and_add_up},
        {"no sequence of holds and charges exceeds a cap",
         no_sequence_of_holds_and_charges_exceeds_a_cap},
        {NULL, NULL},
    };
    return suite_main ("budget", cases);
}
