/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_COORDINATOR_SEARCH_PLAYS_H
#define ESP_TESTS_UNIT_COORDINATOR_SEARCH_PLAYS_H

/* plays.h - what every variant of a strategy must promise: order, caps, failures, memory */

#include "coordinator/search/strategies.h"
#include "tests/unit/coordinator/search/strategies.h"

enum { PLAY_ORDERS = 12, PLAY_ALLOCATIONS = 4000 };

/* A problem that was played to its end; p must not move after this. */
static inline void given_played (player *p, const char *section, uint64_t order)
{
    PASS (player_read (p, section));
    world_open (&p->w);
    world_play (&p->w, order);
    if (p->w.err != ESP_OK || !search_finished (p->w.s))
        printf ("    %s: did not end\n", section);
    CHECK (p->w.err == ESP_OK && search_finished (p->w.s));
}

static inline void same_rows_in_any_order (const char *section)
{
    uint64_t rows[PLAY_ORDERS];
    for (uint64_t order = WORLD_PLAN; order < PLAY_ORDERS; order++) {
        player p;
        given_played (&p, section, order);
        rows[order] = world_rows (&p.w);
        player_close (&p);
        if (rows[order] != rows[0])
            printf ("    %s: order %llu gives other rows\n", section, (unsigned long long)order);
        CHECK (rows[order] == rows[0]);
    }
}

/* Caps in every column; workers that give more than they were asked for. */
static inline void never_over_any_cap (const char *section)
{
    for (uint64_t cap = 1; cap < 60; cap += 1 + cap / 4) {
        player p;
        char capped[500];
        budget used;
        snprintf (capped, sizeof (capped),
                  "%s, budget.generations: %d, budget.steps: %d, budget.generated_tokens: %d, "
                  "budget.scored_tokens: %d",
                  section, (int)cap, (int)(2 * cap), (int)(9 * cap), (int)(11 * cap));
        PASS (player_read (&p, capped));
        p.w.greedy_worker = true;
        world_open (&p.w);
        world_play (&p.w, cap);
        used = search_used (p.w.s);
        CHECK (search_finished (p.w.s) && used.generations <= cap && used.steps <= 2 * cap);
        CHECK (used.generated_tokens <= 9 * cap && used.scored_tokens <= 11 * cap);
        player_close (&p);
    }
}

static inline void ends_when_tasks_fail (const char *section)
{
    for (uint32_t every = 1; every <= 7; every++) {
        player p;
        PASS (player_read (&p, section));
        p.w.failing = ESP_EENGINE;
        p.w.fail_every = every;
        world_open (&p.w);
        world_play (&p.w, every);
        CHECK (p.w.err == ESP_OK && search_finished (p.w.s));
        CHECK (every > 1 || search_answers (p.w.s, NULL, 0) == 0);
        player_close (&p);
    }
}

/* p: read, not open; closed at the end. */
static inline void survive_allocations (player *p)
{
    esp_err err = ESP_ENOMEM;
    long before = esp_alloc_live ();
    for (long n = 0; err == ESP_ENOMEM && n < PLAY_ALLOCATIONS; n++) {
        search_setup setup = p->w.setup;
        esp_alloc_fail_after (n);
        world_open (&p->w);
        if (p->w.err == ESP_OK)
            world_play (&p->w, 3);
        err = p->w.err;
        esp_alloc_fail_after (-1);
        world_close (&p->w);
        p->w.setup = setup;
        CHECK (esp_alloc_live () == before);
    }
    CHECK (err == ESP_OK);
    player_close (p);
}

static inline void survives_every_failed_allocation (const char *section)
{
    player p;
    PASS (player_read (&p, section));
    survive_allocations (&p);
}

static inline void keeps_all_promises (const char *const *sections)
{
    for (; *sections; sections++) {
        char small[500];
        same_rows_in_any_order (*sections);
        never_over_any_cap (*sections);
        ends_when_tasks_fail (*sections);
        snprintf (small, sizeof (small), "%s, budget.generations: 20", *sections);
        survives_every_failed_allocation (small);
    }
}

/* Prune node `ref` after `inputs` answers, then play on; p is closed by the caller. */
static inline void given_pruned (player *p, const char *section, size_t inputs, node_ref ref)
{
    PASS (player_read (p, section));
    world_open (&p->w);
    while (p->w.inputs < inputs && p->w.queued > 0)
        world_answer (&p->w, 0);
    CHECK (!search_finished (p->w.s) && ref < tree_size (search_tree (p->w.s)));
    world_command (&p->w, COMMAND_PRUNE, ref, "");
}

#endif
