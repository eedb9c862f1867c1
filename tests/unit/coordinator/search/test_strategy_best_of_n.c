/* SPDX-License-Identifier: Apache-2.0 */
/* test_strategy_best_of_n.c - who is asked for which completion (strategy_best_of_n.c) */

#include "coordinator/search/strategies.h"
#include "tests/unit/coordinator/search/world.h"

typedef struct best_options { /* as in strategy_best_of_n.c */
    int64_t n, actions;
} best_options;

static void with_two_actions_the_first_gives_the_first_completion_only (void)
{
    for (int64_t actions = 1; actions <= 2; actions++) {
        const best_options o = {.n = 4, .actions = actions};
        search_setup setup = given_setup (&strategy_best_of_n, &o);
        world w = given_world (&setup);
        world_open (&w);
        CHECK (w.queued == 4);
        for (size_t i = 0; i < w.queued; i++)
            CHECK (w.queue[i].ordinal == i && w.queue[i].action == (actions == 2 && i > 0));
        world_close (&w);
    }
}

static void what_is_asked_later_is_not_the_first_again (void)
{
    const best_options o = {.n = 4, .actions = 2};
    search_setup setup = given_setup (&strategy_best_of_n, &o);
    setup.options.budget_steps = 2; /* pays for two completions of a step */
    world w = given_world (&setup);
    world_open (&w);
    CHECK (w.queued == 2 && w.queue[0].action == 0 && w.queue[1].action == 1);
    result none = {.id = w.queue[0].id, .finish = FINISH_EOS, .mean_logprob = NAN, .steps = 0};
    world_send (&w, &none); /* gives its step back */
    none.id = w.queue[0].id;
    world_send (&w, &none);
    CHECK (w.queued > 0);
    for (size_t i = 0; i < w.queued; i++)
        CHECK (w.queue[i].kind == TASK_GENERATE && w.queue[i].action == 1);
    world_play (&w, WORLD_PLAN);
    world_close (&w);
}

static void greedy_has_one_action (void)
{
    search_setup setup = given_setup (&strategy_greedy, NULL);
    world w = given_world (&setup);
    world_open (&w);
    CHECK (w.queued == 1 && w.queue[0].action == 0);
    world_close (&w);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"with two actions the first gives the first completion only",
         with_two_actions_the_first_gives_the_first_completion_only},
        {"what is asked later is not the first again", what_is_asked_later_is_not_the_first_again},
        {"greedy has one action", greedy_has_one_action},
        {NULL, NULL},
    };
    return suite_main ("strategy_best_of_n", cases);
}
