/* SPDX-License-Identifier: Apache-2.0 */
// LINK: esp_config
/* test_spent.c - what coordinator/search/spent.h promises: sums over the results that were taken */

#include "coordinator/search/spent.h"
#include "tests/unit/coordinator/search/probe.h"

enum { PROMPT = 7, CACHED = 5, READ = 11 };

/* Every result says what it cost, if `paid`. */
static void play (world *w, bool paid)
{
    while (w->err == ESP_OK && !search_finished (w->s) && w->queued > 0) {
        char text[200];
        double scores[64];
        task t = w->queue[0];
        result r = world_result (w, &t, text, scores);
        r.prompt_tokens = paid && t.kind == TASK_GENERATE ? PROMPT : 0;
        r.cached_tokens = paid && t.kind == TASK_GENERATE ? CACHED : 0;
        r.scored_tokens = paid && t.kind == TASK_SCORE ? READ : 0;
        world_send (w, &r);
    }
    CHECK (w->err == ESP_OK && search_finished (w->s));
}

static world given_asks (probe *p, const action_means *means, size_t actions)
{
    search_setup setup = given_setup (&probe_strategy, p);
    p->joins = 2;
    p->asks = 3;
    p->like.mode = ASK_STEP;
    p->like.scores = 1;
    setup.has_verifier = true;
    setup.actions = means;
    setup.action_count = setup.generator_count = actions;
    return given_world (&setup);
}

static void every_result_that_is_taken_counts_once (void)
{
    probe p = {.like.verifier = 1};
    world w = given_asks (&p, NULL, 0);
    const search_costs *spent;
    result again;
    world_open (&w);
    again = (result){.id = w.queue[0].id,
                     .steps = 1,
                     .tokens = 2,
                     .prompt_tokens = PROMPT,
                     .cached_tokens = CACHED,
                     .logprob = NAN,
                     .mean_logprob = NAN,
                     .share = NAN};
    world_send (&w, &again);
    world_send (&w, &again); /* nobody waits for it any more */
    spent = search_spent (w.s);
    CHECK (spent->all.generations == 1 && spent->all.generated_tokens == 2 &&
           spent->all.prompt_tokens == PROMPT && spent->all.cached_tokens == CACHED);
    play (&w, true);
    spent = search_spent (w.s);
    CHECK (spent->all.generations == 6 && spent->all.prompt_tokens == 6 * PROMPT &&
           spent->all.cached_tokens == 6 * CACHED);
    CHECK (spent->all.generated_tokens == search_used (w.s).generated_tokens);
    CHECK (spent->read_tokens % READ == 0 && spent->read_tokens > 0 && spent->verdicts == 6);
    CHECK (search_spent_on (w.s, 0) == &spent->all); /* there is one generator */
    world_close (&w);
}

static void costs_are_no_part_of_the_state (void)
{
    uint64_t digests[2], rows[2];
    for (int paid = 0; paid < 2; paid++) {
        probe p = {.like.verifier = 1};
        world w = given_asks (&p, NULL, 0);
        world_open (&w);
        play (&w, paid);
        digests[paid] = search_digest (w.s);
        rows[paid] = world_rows (&w);
        world_close (&w);
    }
    CHECK (digests[0] == digests[1] && rows[0] == rows[1]);
}

static void each_generator_has_its_own_sums (void)
{
    static const action_means means[] = {
        {.how = {.max_step_tokens = 8}, .max_tokens = 64, .generator = 1},
        {.how = {.max_step_tokens = 8}, .max_tokens = 64, .generator = 0},
    };
    probe p = {.like.action = 0};
    world w = given_asks (&p, means, 2);
    world_open (&w);
    CHECK (w.queued > 0 && w.queue[0].engine == 1); /* dispatch counts by it */
    play (&w, true);
    CHECK (search_spent_on (w.s, 0)->generations == 0);
    CHECK (search_spent_on (w.s, 1)->generations == 6 &&
           search_spent_on (w.s, 1)->prompt_tokens == 6 * PROMPT);
    CHECK (search_spent (w.s)->all.generations == 6);
    world_close (&w);
}

static void what_failed_was_paid_but_is_no_generation (void)
{
    probe p = {.like.verifier = 0};
    world w = given_asks (&p, NULL, 0);
    result failed;
    world_open (&w);
    failed = (result){.id = w.queue[0].id,
                      .error = ESP_EENGINE,
                      .finish = FINISH_ERROR,
                      .prompt_tokens = PROMPT,
                      .logprob = NAN,
                      .mean_logprob = NAN,
                      .share = NAN};
    world_send (&w, &failed);
    CHECK (search_spent (w.s)->all.generations == 0);
    CHECK (search_spent (w.s)->all.prompt_tokens == PROMPT);
    world_close (&w);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"every result that is taken counts once", every_result_that_is_taken_counts_once},
        {"costs are no part of the state", costs_are_no_part_of_the_state},
        {"each generator has its own sums", each_generator_has_its_own_sums},
        {"what failed was paid but is no generation", what_failed_was_paid_but_is_no_generation},
        {NULL, NULL},
    };
    return suite_main ("spent", cases);
}
