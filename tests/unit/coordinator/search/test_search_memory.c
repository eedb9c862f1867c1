/* SPDX-License-Identifier: Apache-2.0 */
// LINK: esp_config
/* test_search_memory.c - every failing allocation of a whole problem: a code, no crash, no leak */

#include "coordinator/search/search.h"
#include "tests/unit/coordinator/search/probe.h"
#include "tests/unit/coordinator/search/strategies.h"

enum { TRIES = 4000 };

/* Fail the 1st, 2nd, 3rd ... allocation until the problem gets through. */
static void survives_with (const char *section)
{
    player p;
    esp_err err = ESP_ENOMEM;
    PASS (player_read (&p, section));
    long before = esp_alloc_live (), n;
    for (n = 0; err != ESP_OK && n < TRIES; n++) {
        search_setup setup = p.w.setup;
        esp_alloc_fail_after (n);
        world_open (&p.w);
        if (p.w.err == ESP_OK)
            world_play (&p.w, 3);
        err = p.w.err;
        esp_alloc_fail_after (-1);
        if (err == ESP_OK && !search_finished (p.w.s))
            err = ESP_EEMPTY;
        if (err != ESP_OK && err != ESP_ENOMEM)
            printf ("    %s: allocation %ld: %s\n", section, n, esp_err_text (err));
        CHECK (err == ESP_OK || err == ESP_ENOMEM);
        world_close (&p.w);
        p.w.setup = setup;
        if (esp_alloc_live () != before)
            printf ("    %s: allocation %ld leaks %ld blocks\n", section, n,
                    esp_alloc_live () - before);
        CU_ASSERT_EQUAL_FATAL (esp_alloc_live (), before);
    }
    CHECK (err == ESP_OK && n > 5);
    player_close (&p);
}

static void best_of_n_survives_every_failure (void)
{
    survives_with ("strategy: best_of_n, n: 6");
}

static void beams_survive_every_failure (void)
{
    survives_with ("strategy: beam, keep: 2, expand: 2, max_steps: 5");
    survives_with ("strategy: beam, rule: fixed, keep: 2, expand: 2, max_steps: 5");
    survives_with ("strategy: beam, rule: heap, keep: 2, expand: 2, max_steps: 5");
}

static void every_strategy_survives_every_failure (void)
{
    char section[200];
    for (size_t i = 0; strategy_at (i); i++) {
        snprintf (section, sizeof (section),
                  "strategy: %s, max_steps: 4, in_flight: 2, budget.generations: 24",
                  strategy_at (i)->name);
        survives_with (section);
    }
}

static void every_stage_of_an_ask_survives_every_failure (void)
{
    esp_err err = ESP_ENOMEM;
    for (long n = 0; err != ESP_OK && n < TRIES; n++) {
        probe p = {.lanes = 2,
                   .joins = 2,
                   .asks = 3,
                   .rounds = 2,
                   .enough = 2,
                   .like = {.mode = ASK_STEP, .lookahead = 1, .scores = 2, .verifier = 1}};
        world w = given_probe (&p);
        w.setup.has_verifier = true;
        w.setup.options.grade = 1;
        esp_alloc_fail_after (n);
        world_open (&w);
        if (w.err == ESP_OK)
            world_play (&w, 3);
        err = w.err;
        esp_alloc_fail_after (-1);
        CHECK (err == ESP_OK || err == ESP_ENOMEM);
        world_close (&w);
        CU_ASSERT_EQUAL_FATAL (esp_alloc_live (), 0);
    }
    CHECK (err == ESP_OK);
}

static void commands_survive_every_failure (void)
{
    esp_err err = ESP_ENOMEM;
    for (long n = 0; err != ESP_OK && n < TRIES; n++) {
        probe p = {.joins = 2, .asks = 3, .adopt = true, .like = {.mode = ASK_STEP, .scores = 1}};
        world w = given_probe (&p);
        effects again = {0};
        world_open (&w);
        world_answer (&w, 0);
        esp_alloc_fail_after (n);
        world_command (&w, COMMAND_ADD_STEP, p.adopted, "a step\n\n");
        if (w.err == ESP_OK)
            world_command (&w, COMMAND_PRUNE, 2, "");
        if (w.err == ESP_OK && (err = search_pending_tasks (w.s, &again)) == ESP_OK)
            world_input (&w, INPUT_STOP);
        err = w.err != ESP_OK ? w.err : err;
        esp_alloc_fail_after (-1);
        effects_free (&again);
        world_close (&w);
        CU_ASSERT_EQUAL_FATAL (esp_alloc_live (), 0);
    }
    CHECK (err == ESP_OK);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"best_of_n survives every failure", best_of_n_survives_every_failure},
        {"beams survive every failure", beams_survive_every_failure},
        {"every strategy survives every failure", every_strategy_survives_every_failure},
        {"every stage of an ask survives every failure",
         every_stage_of_an_ask_survives_every_failure},
        {"commands survive every failure", commands_survive_every_failure},
        {NULL, NULL},
    };
    return suite_main ("search memory", cases);
}
