/* SPDX-License-Identifier: Apache-2.0 */
/* test_search_early.c - what certainly follows begins before its level ends, and changes nothing */

// LINK: esp_search esp_config

#include "tests/unit/coordinator/search/plays.h"

enum { ORDERS = 60 };

static const char *const beams[] = {
    "strategy: beam, keep: 4, expand: 4, max_steps: 6",
    "strategy: beam, keep: 4, expand: 4, max_steps: 3",
    "strategy: beam, keep: 3, width: 14, max_steps: 6",
    "strategy: beam, keep: 4, expand: 3, max_steps: 6, filter_duplicates: false",
    "strategy: beam, keep: 2, expand: 6, max_steps: 6, aggregate: min",
    "strategy: beam, rule: fixed, keep: 4, expand: 4, max_steps: 6",
    "strategy: beam, rule: fixed, keep: 3, expand: 5, max_steps: 4",
    "strategy: beam, rule: heap, keep: 3, expand: 4, max_steps: 6",
};
enum {
    BEAMS = sizeof (beams) / sizeof (beams[0]),
    CERTAIN = 7 /* of them have certain survivors */
};

/* early: may asks begin early?  (Where prompts are counted they may not.) */
static void open_one (player *p, const char *section, bool early)
{
    PASS (player_read (p, section));
    p->w.setup.count_prompts = !early;
    world_open (&p->w);
}

/* Is something out below a level that is not complete? */
static bool is_early (const world *w)
{
    uint32_t least = UINT32_MAX, most = 0;
    for (size_t i = 0; i < w->queued; i++) {
        const task *t = &w->queue[i];
        node_ref n = t->kind == TASK_GENERATE ? t->child : t->node;
        uint32_t depth = search_node (w->s, n)->depth;
        if (t->kind == TASK_VERIFY) /* candidates of all depths */
            continue;
        least = depth < least ? depth : least;
        most = depth > most ? depth : most;
    }
    return most > least && least != UINT32_MAX;
}

static uint64_t rows_of (const char *section, bool early, uint64_t order, size_t *seen)
{
    player p;
    uint64_t rows;
    open_one (&p, section, early);
    for (uint64_t i = 0; p.w.err == ESP_OK && !search_finished (p.w.s) && p.w.queued > 0; i++) {
        *seen += is_early (&p.w);
        world_answer (&p.w, esp_draw_below (order, i, (uint32_t)p.w.queued));
    }
    CHECK (p.w.err == ESP_OK && search_finished (p.w.s));
    rows = world_rows (&p.w);
    player_close (&p);
    return rows;
}

static void rows_are_those_without (void)
{
    for (size_t b = 0; b < BEAMS; b++) {
        size_t never = 0, seen = 0;
        uint64_t without = rows_of (beams[b], false, 1, &never);
        for (uint64_t order = 0; order < ORDERS; order++)
            CHECK (rows_of (beams[b], true, order, &seen) == without);
        CHECK (never == 0 && (seen > 0) == (b < CERTAIN));
    }
}

static void the_slowest_branch_holds_up_only_what_needs_it (void)
{
    player p;
    size_t answered = 0;
    open_one (&p, beams[3], true); /* duplicates may stay: a missing text says nothing of others */
    while (p.w.queued > 1 && answered < 1000) { /* all but one: its first one is never answered */
        world_answer (&p.w, p.w.queued - 1);
        answered++;
    }
    CHECK (!search_finished (p.w.s) && p.w.queued == 1);
    CHECK (answered >
           2 * 15); /* its 15 sisters with their scores, and children of three survivors */
    world_play (&p.w, WORLD_PLAN);
    CHECK (search_finished (p.w.s));
    player_close (&p);
}

static void a_cap_of_generations_is_never_passed (void)
{
    for (uint64_t cap = 1; cap < 80; cap++)
        for (size_t b = 0; b < BEAMS; b++) {
            char capped[300];
            size_t never = 0, seen = 0;
            player p;
            snprintf (capped, sizeof (capped), "%s, budget.generations: %d", beams[b], (int)cap);
            uint64_t without = rows_of (capped, false, 1, &never);
            CHECK (rows_of (capped, true, cap, &seen) == without);
            open_one (&p, capped, true);
            world_play (&p.w, cap);
            CHECK (search_used (p.w.s).generations <= cap);
            player_close (&p);
        }
}

static void caps_on_tokens_and_steps_begin_nothing_early (void)
{
    size_t seen = 0;
    rows_of ("strategy: beam, keep: 4, expand: 4, max_steps: 6, budget.steps: 90", true, 3, &seen);
    rows_of ("strategy: beam, keep: 4, expand: 4, max_steps: 6, budget.generated_tokens: 900", true,
             3, &seen);
    rows_of ("strategy: beam, keep: 4, expand: 4, max_steps: 6, budget.scored_tokens: 900", true, 3,
             &seen);
    CHECK (seen == 0);
}

/* Pruned in the middle: the search ends, and nothing below is answered any more. */
static void an_observer_prunes (void)
{
    for (uint64_t order = 0; order < ORDERS; order++)
        for (size_t b = 0; b < BEAMS; b++) {
            player p;
            open_one (&p, beams[b], true);
            for (uint64_t i = 0; p.w.err == ESP_OK && !search_finished (p.w.s) && p.w.queued; i++) {
                world_answer (&p.w, esp_draw_below (order, i, (uint32_t)p.w.queued));
                if (i % 9 == 5 && !search_finished (p.w.s))
                    world_command (&p.w, COMMAND_PRUNE,
                                   (node_ref)(1 + esp_draw_below (order, 1000 + i, 20)), "");
            }
            CHECK (p.w.err == ESP_OK && search_finished (p.w.s));
            player_close (&p);
        }
}

static void stopped_at_any_time (void)
{
    for (uint64_t after = 1; after < 100; after += 3)
        for (size_t b = 0; b < BEAMS; b++) {
            player p;
            open_one (&p, beams[b], true);
            for (uint64_t i = 0; i < after && !search_finished (p.w.s) && p.w.queued; i++)
                world_answer (&p.w, esp_draw_below (after, i, (uint32_t)p.w.queued));
            world_input (&p.w, INPUT_STOP);
            CHECK (p.w.err == ESP_OK && (search_finished (p.w.s) || p.w.queued > 0));
            player_close (&p);
        }
}

static void tasks_that_fail (void)
{
    for (uint32_t every = 1; every <= 9; every++)
        for (size_t b = 0; b < BEAMS; b++) {
            player p;
            PASS (player_read (&p, beams[b]));
            p.w.setup.count_prompts = false;
            p.w.failing = ESP_EENGINE;
            p.w.fail_every = every;
            world_open (&p.w);
            world_play (&p.w, every + 2);
            CHECK (p.w.err == ESP_OK && search_finished (p.w.s));
            player_close (&p);
        }
}

static void survives_every_failed_allocation_early (void)
{
    for (size_t i = 0; i < CERTAIN; i += 5) {
        player p;
        PASS (player_read (&p, beams[i]));
        p.w.setup.count_prompts = false;
        survive_allocations (&p);
    }
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"rows are those without", rows_are_those_without},
        {"the slowest branch holds up only what needs it",
         the_slowest_branch_holds_up_only_what_needs_it},
        {"a cap of generations is never passed", a_cap_of_generations_is_never_passed},
        {"caps on tokens and steps begin nothing early",
         caps_on_tokens_and_steps_begin_nothing_early},
        {"an observer prunes", an_observer_prunes},
        {"stopped at any time", stopped_at_any_time},
        {"tasks that fail", tasks_that_fail},
        {"survives every failed allocation", survives_every_failed_allocation_early},
        {NULL, NULL},
    };
    return suite_main ("search_early", cases);
}
