/* SPDX-License-Identifier: Apache-2.0 */
// LINK: esp_config
/* test_search_order.c - same rows whatever the order of answers (design.md, D4), for the real strategies */

#include "coordinator/search/search.h"
#include "tests/unit/coordinator/search/strategies.h"

enum { SHUFFLES = 200, FEW = 25 };

static uint64_t rows_of (const char *section, uint64_t order)
{
    player p;
    uint64_t rows = 0;
    PASS (player_read (&p, section));
    world_open (&p.w);
    world_play (&p.w, order);
    CHECK (p.w.err == ESP_OK);
    if (search_finished (p.w.s))
        rows = world_rows (&p.w);
    else
        printf ("    %s: did not end after %zu inputs, %zu tasks wait\n", section, p.w.inputs,
                p.w.queued);
    CHECK (search_finished (p.w.s));
    player_close (&p);
    return rows;
}

static void any_order_gives_the_same_rows (const char *section, uint64_t shuffles)
{
    uint64_t rows = rows_of (section, WORLD_PLAN), others = rows;
    for (uint64_t order = WORLD_REVERSE; order <= shuffles && others == rows; order++) {
        others = rows_of (section, order);
        if (others != rows)
            printf ("    %s: order %llu gives other rows\n", section, (unsigned long long)order);
    }
    CHECK (others == rows);
}

static void best_of_n_gives_the_same_rows_for_200_orders (void)
{
    any_order_gives_the_same_rows ("strategy: best_of_n, n: 12, aggregate: mean", SHUFFLES);
}

static void tiled_beam_gives_the_same_rows_for_200_orders (void)
{
    any_order_gives_the_same_rows (
        "strategy: beam, keep: 3, expand: 4, max_steps: 6, aggregate: min", SHUFFLES);
}

static void fixed_beam_gives_the_same_rows_for_200_orders (void)
{
    any_order_gives_the_same_rows ("strategy: beam, rule: fixed, keep: 3, expand: 4, max_steps: 6",
                                   SHUFFLES);
}

static void heap_beam_gives_the_same_rows_for_200_orders (void)
{
    any_order_gives_the_same_rows ("strategy: beam, rule: heap, keep: 3, expand: 4, max_steps: 6",
                                   SHUFFLES);
}

static void budgets_do_not_make_the_order_matter (void)
{
    static const char *const caps[] = {"budget.generations: 23", "budget.steps: 31",
                                       "budget.generated_tokens: 150", "budget.scored_tokens: 120"};
    static const char *const hows[] = {
        "strategy: best_of_n, n: 12", "strategy: beam, keep: 3, expand: 4, max_steps: 6",
        "strategy: beam, rule: fixed, keep: 3, expand: 4, max_steps: 6",
        "strategy: beam, rule: heap, keep: 3, expand: 4, max_steps: 6"};
    char section[300];
    for (size_t c = 0; c < 4; c++)
        for (size_t h = 0; h < 4; h++) {
            snprintf (section, sizeof (section), "%s, %s", hows[h], caps[c]);
            any_order_gives_the_same_rows (section, FEW);
        }
}

/* Every row of the table, as the run file's defaults have it and with several joins open. */
static void every_strategy_gives_the_same_rows_in_any_order (void)
{
    char section[300];
    for (size_t i = 0; strategy_at (i); i++)
        for (int in_flight = 1; in_flight <= 4; in_flight += 3) {
            snprintf (section, sizeof (section),
                      "strategy: %s, max_steps: 6, in_flight: %d, budget.generations: 200",
                      strategy_at (i)->name, in_flight);
            any_order_gives_the_same_rows (section, FEW);
        }
}

static void another_seed_gives_other_rows (void)
{
    player p;
    uint64_t rows[2];
    for (uint64_t i = 0; i < 2; i++) {
        PASS (player_read (&p, "strategy: beam"));
        p.w.setup.run_seed += i;
        world_open (&p.w);
        world_play (&p.w, WORLD_PLAN);
        rows[i] = world_rows (&p.w);
        player_close (&p);
    }
    CHECK (rows[0] != rows[1]);
}

static void names_find_their_strategy (void)
{
    for (size_t i = 0; strategy_at (i); i++)
        CHECK (strategy_find (strategy_at (i)->name) == strategy_at (i) &&
               strategy_at (i)->semantics > 0);
    CHECK (!strategy_find ("none") && !strategy_find (NULL) && !strategy_find (""));
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"best_of_n gives the same rows for 200 orders",
         best_of_n_gives_the_same_rows_for_200_orders},
        {"tiled beam gives the same rows for 200 orders",
         tiled_beam_gives_the_same_rows_for_200_orders},
        {"fixed beam gives the same rows for 200 orders",
         fixed_beam_gives_the_same_rows_for_200_orders},
        {"heap beam gives the same rows for 200 orders",
         heap_beam_gives_the_same_rows_for_200_orders},
        {"budgets do not make the order matter", budgets_do_not_make_the_order_matter},
        {"every strategy gives the same rows in any order",
         every_strategy_gives_the_same_rows_in_any_order},
        {"another seed gives other rows", another_seed_gives_other_rows},
        {"names find their strategy", names_find_their_strategy},
        {NULL, NULL},
    };
    return suite_main ("search order", cases);
}
