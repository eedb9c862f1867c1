/* SPDX-License-Identifier: Apache-2.0 */
// LINK: esp_config
/* test_search_budget.c - budgets are hard (design.md, D13); search_check asserts the caps after every input */

#include "coordinator/search/search.h"
#include "tests/unit/coordinator/search/probe.h"
#include "tests/unit/coordinator/search/strategies.h"

static bool within (budget used, const search_options *o)
{
    return (!o->budget_generations || used.generations <= (uint64_t)o->budget_generations) &&
           (!o->budget_steps || used.steps <= (uint64_t)o->budget_steps) &&
           (!o->budget_generated_tokens ||
            used.generated_tokens <= (uint64_t)o->budget_generated_tokens) &&
           (!o->budget_scored_tokens || used.scored_tokens <= (uint64_t)o->budget_scored_tokens);
}

static const char *const hows[] = {
    "strategy: best_of_n, n: 9",
    "strategy: beam, keep: 2, expand: 4, max_steps: 6",
    "strategy: beam, rule: fixed, keep: 2, expand: 4, max_steps: 6",
    "strategy: beam, rule: heap, keep: 2, expand: 4, max_steps: 6",
};
enum { HOWS = sizeof (hows) / sizeof (hows[0]) };

/* Also when workers give more than they were asked for. */
static void play_under (const char *how, const char *caps, bool greedy_worker)
{
    player p;
    char section[400];
    snprintf (section, sizeof (section), "%s, %s", how, caps);
    PASS (player_read (&p, section));
    p.w.greedy_worker = greedy_worker;
    world_open (&p.w);
    world_play (&p.w, 5);
    CHECK (p.w.err == ESP_OK && search_finished (p.w.s));
    if (!within (search_used (p.w.s), &p.w.setup.options))
        printf ("    %s\n", section);
    CHECK (within (search_used (p.w.s), &p.w.setup.options));
    player_close (&p);
}

static void no_cap_is_ever_exceeded (void)
{
    static const char *const columns[] = {"generations", "steps", "generated_tokens",
                                          "scored_tokens"};
    char caps[100];
    for (size_t h = 0; h < HOWS; h++)
        for (size_t c = 0; c < 4; c++)
            for (int cap = 1; cap <= 130; cap += cap < 20 ? 1 : 11) {
                snprintf (caps, sizeof (caps), "budget.%s: %d", columns[c], cap);
                play_under (hows[h], caps, false);
                play_under (hows[h], caps, true);
            }
}

static void no_set_of_caps_is_exceeded_by_any_strategy (void)
{
    char caps[200], how[100];
    for (size_t i = 0; strategy_at (i); i++)
        for (uint64_t run = 0; run < 60; run++) {
            snprintf (how, sizeof (how), "strategy: %s, max_steps: 6, in_flight: 3",
                      strategy_at (i)->name);
            snprintf (caps, sizeof (caps),
                      "budget.generations: %u, budget.steps: %u, budget.generated_tokens: %u, "
                      "budget.scored_tokens: %u",
                      1 + esp_draw_below (run, 0, 100), 1 + esp_draw_below (run, 1, 100),
                      1 + esp_draw_below (run, 2, 800), 1 + esp_draw_below (run, 3, 800));
            play_under (how, caps, run % 2);
        }
}

static void a_join_is_paid_whole_or_refused (void)
{
    probe p = {.joins = 2, .asks = 3, .like = {.mode = ASK_STEP}};
    world w = given_probe (&p);
    w.setup.options.budget_generations = 5;
    world_open (&w);
    CHECK (w.queued == 3 && p.opened_count == 1 && p.refused == ESP_EBUDGET);
    CHECK (tree_size (search_tree (w.s)) == 4 && search_left (w.s, 0).generations == 2);
    world_play (&w, WORLD_PLAN);
    CHECK (search_finished (w.s) && search_reason (w.s) == REASON_BUDGET &&
           search_used (w.s).generations == 3);
    world_close (&w);
}

static void the_first_asks_that_can_be_paid_are_asked (void)
{
    player p;
    PASS (player_read (&p, "strategy: best_of_n, n: 9, budget.generations: 4"));
    world_open (&p.w);
    CHECK (p.w.queued == 4);
    world_play (&p.w, WORLD_PLAN);
    CHECK (search_answers (p.w.s, NULL, 0) > 0 && search_reason (p.w.s) == REASON_BUDGET);
    CHECK (search_used (p.w.s).generations == 4);
    player_close (&p);
}

static void last_requests_get_fewer_tokens (void)
{
    probe p = {.joins = 2, .asks = 2, .like = {.mode = ASK_TO_END}};
    world w = given_probe (&p);
    w.setup.options.budget_generated_tokens = 2 * WORLD_MAX_TOKENS + 21;
    world_open (&w);
    CHECK (w.queued == 4);
    for (size_t i = 0; i < 4; i++)
        CHECK (w.queue[i].max_tokens == (i < 2 ? (uint32_t)WORLD_MAX_TOKENS : 10));
    world_close (&w);
}

static void lookahead_is_paid_for_in_advance (void)
{
    probe p = {.joins = 1, .asks = 2, .like = {.mode = ASK_STEP, .lookahead = 2, .scores = 1}};
    world w = given_probe (&p);
    w.setup.options.budget_generations = w.setup.options.budget_steps = 10;
    w.setup.options.budget_generated_tokens = w.setup.options.budget_scored_tokens = 100;
    world_open (&w);
    budget left = search_left (w.s, 0);
    CHECK (left.generations == 4 && left.steps == 4);
    CHECK (left.generated_tokens == 100 - 6 * WORLD_STEP_TOKENS &&
           left.scored_tokens == left.generated_tokens);
    world_close (&w);
}

static void tokens_beyond_what_was_asked_are_not_counted (void)
{
    probe p = {.joins = 1, .asks = 1, .like = {.mode = ASK_TO_END, .scores = 1}};
    world w = given_probe (&p);
    w.setup.options.rollout_steps = 3;
    world_open (&w);
    result r = {.id = w.queue[0].id,
                .text = span_of ("x"),
                .tokens = 1000,
                .steps = 50,
                .finish = FINISH_LENGTH};
    world_send (&w, &r);
    CHECK (search_node (w.s, 1)->tokens == WORLD_MAX_TOKENS && search_node (w.s, 1)->steps == 3);
    world_play (&w, WORLD_PLAN);
    CHECK (search_used (w.s).generated_tokens == WORLD_MAX_TOKENS && search_used (w.s).steps == 3);
    world_close (&w);
}

static void a_text_is_paid_once_however_often_it_is_read (void)
{
    probe p = {.joins = 1, .asks = 1, .like = {.mode = ASK_STEP, .scores = 4}};
    world w = given_probe (&p);
    world_open (&w);
    world_play (&w, WORLD_REVERSE);
    CHECK (search_used (w.s).scored_tokens == search_node (w.s, 1)->tokens);
    world_close (&w);
}

static void scored_tokens_limit_what_is_generated_to_be_scored (void)
{
    probe p = {.joins = 1, .asks = 2, .like = {.mode = ASK_TO_END, .scores = 1}};
    world w = given_probe (&p);
    w.setup.options.budget_scored_tokens = 15;
    world_open (&w);
    CHECK (w.queued == 2 && w.queue[0].max_tokens == 7);
    world_play (&w, WORLD_PLAN);
    CHECK (search_used (w.s).scored_tokens <= 14 && search_finished (w.s));
    world_close (&w);
}

static void last_rollouts_get_fewer_steps (void)
{
    probe p = {.joins = 2, .asks = 2, .like = {.mode = ASK_TO_END}};
    world w = given_probe (&p);
    w.setup.options.budget_steps = 25;
    w.setup.options.rollout_steps = 10;
    world_open (&w);
    CHECK (w.queued == 4);
    for (size_t i = 0; i < 4; i++)
        CHECK (w.queue[i].max_steps == (i < 2 ? 10U : 2U));
    world_close (&w);
}

static void unused_tokens_return_when_the_join_is_delivered (void)
{
    probe p = {.joins = 1, .asks = 2, .like = {.mode = ASK_STEP}};
    world w = given_probe (&p);
    w.setup.options.budget_generated_tokens = 100;
    world_open (&w);
    result r = {.id = w.queue[0].id,
                .text = span_of ("s\n\n"),
                .tokens = 1,
                .steps = 1,
                .finish = FINISH_STOP};
    world_send (&w, &r);
    CHECK (search_left (w.s, 0).generated_tokens == 100 - 2 * WORLD_STEP_TOKENS); /* not yet */
    r.id = w.queue[0].id;
    world_send (&w, &r);
    CHECK (p.seen[0].left.generated_tokens == 98 && search_used (w.s).generated_tokens == 2);
    world_close (&w);
}

static void cancelled_asks_stay_charged_in_full (void)
{
    for (uint64_t order = WORLD_PLAN; order < 10; order++) {
        probe p = {.joins = 1, .asks = 4, .enough = 1, .like = {.mode = ASK_STEP, .scores = 1}};
        world w = given_probe (&p);
        w.setup.options.budget_generated_tokens = w.setup.options.budget_scored_tokens = 100;
        world_open (&w);
        world_play (&w, order);
        uint32_t tokens = search_node (w.s, p.seen[0].items[0].node)->tokens;
        CHECK (search_used (w.s).generated_tokens == tokens + 3 * WORLD_STEP_TOKENS);
        CHECK (search_used (w.s).scored_tokens == tokens + 3 * WORLD_STEP_TOKENS);
        CHECK (search_used (w.s).generations == 4);
        world_close (&w);
    }
}

static void failed_asks_are_charged_as_asked (void)
{
    probe p = {.joins = 1, .asks = 3, .like = {.mode = ASK_STEP, .scores = 1}};
    world w = given_probe (&p);
    w.fail_every = 1;
    w.failing = ESP_EENGINE;
    w.setup.options.budget_generated_tokens = 100;
    world_open (&w);
    world_play (&w, WORLD_PLAN);
    budget used = search_used (w.s);
    CHECK (used.generations == 3 && used.generated_tokens == 0 && used.steps == 0 &&
           used.scored_tokens == 0);
    world_close (&w);
}

static void lanes_share_evenly_and_keep_to_their_share (void)
{
    probe p = {.lanes = 3, .joins = 1, .asks = 2, .rounds = 9, .like = {.mode = ASK_STEP}};
    world w = given_probe (&p);
    w.setup.options.budget_generations = 14; /* 5, 5, 4: two joins each */
    world_open (&w);
    CHECK (search_left (w.s, 0).generations == 3 && search_left (w.s, 2).generations == 2);
    world_play (&w, 9);
    CHECK (search_finished (w.s) && search_reason (w.s) == REASON_BUDGET &&
           search_used (w.s).generations == 12);
    world_close (&w);
}

static void affordable_counts_from_the_first_ask (void)
{
    probe p = {.joins = 1, .asks = 1, .like = {.mode = ASK_STEP}};
    world w = given_probe (&p);
    ask asks[10] = {{.mode = ASK_STEP},
                    {.mode = ASK_STEP, .lookahead = 3},
                    {.mode = ASK_STEP},
                    {.mode = ASK_NOTHING}};
    w.setup.options.budget_generations = 7;
    w.setup.options.budget_steps = 7;
    world_open (&w);
    CHECK (search_affordable (w.s, 0, asks, 4) == 4 && search_affordable (w.s, 0, asks, 2) == 2);
    CHECK (search_affordable (w.s, 0, asks, 0) == 0);
    for (int i = 0; i < 10; i++)
        asks[i] = (ask){.mode = ASK_STEP, .lookahead = 1};
    CHECK (search_affordable (w.s, 0, asks, 10) == 3);
    world_close (&w);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"no cap is ever exceeded", no_cap_is_ever_exceeded},
        {"no set of caps is exceeded by any strategy", no_set_of_caps_is_exceeded_by_any_strategy},
        {"a join is paid whole or refused", a_join_is_paid_whole_or_refused},
        {"the first asks that can be paid are asked", the_first_asks_that_can_be_paid_are_asked},
        {"last requests get fewer tokens", last_requests_get_fewer_tokens},
        {"lookahead is paid for in advance", lookahead_is_paid_for_in_advance},
        {"tokens beyond what was asked are not counted",
         tokens_beyond_what_was_asked_are_not_counted},
        {"a text is paid once, however often it is read",
         a_text_is_paid_once_however_often_it_is_read},
        {"scored tokens limit what is generated to be scored",
         scored_tokens_limit_what_is_generated_to_be_scored},
        {"last rollouts get fewer steps", last_rollouts_get_fewer_steps},
        {"unused tokens return when the join is delivered",
         unused_tokens_return_when_the_join_is_delivered},
        {"cancelled asks stay charged in full", cancelled_asks_stay_charged_in_full},
        {"failed asks are charged as asked", failed_asks_are_charged_as_asked},
        {"lanes share evenly and keep to their share", lanes_share_evenly_and_keep_to_their_share},
        {"affordable counts from the first ask", affordable_counts_from_the_first_ask},
        {NULL, NULL},
    };
    return suite_main ("search budget", cases);
}
