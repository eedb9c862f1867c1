/* SPDX-License-Identifier: Apache-2.0 */
/* test_search.c - joins, order, drops, failures: what coordinator/search/search.h and strategy.h promise */

#include "coordinator/search/search.h"
#include "coordinator/search/strategies.h"
#include "tests/unit/coordinator/search/probe.h"

/* ---- calls ---- */

static void bad_calls_change_nothing (void)
{
    probe p = {.joins = 1, .asks = 1, .like = {.mode = ASK_STEP}};
    search_setup setup = given_setup (&probe_strategy, &p);
    problem row = {.id = span_of ("x")};
    search *s = NULL;
    FAILS (search_create (NULL, &row, &s), ESP_EINVAL);
    FAILS (search_create (&setup, NULL, &s), ESP_EINVAL);
    FAILS (search_create (&setup, &row, NULL), ESP_EINVAL);
    setup.strategy = NULL;
    FAILS (search_create (&setup, &row, &s), ESP_EINVAL);
    CHECK (s == NULL);
    search_destroy (NULL);
    world w = given_probe (&p);
    world_open (&w);
    effects out = {0};
    input in = {.kind = INPUT_KINDS};
    FAILS (search_apply (NULL, &in, &out), ESP_EINVAL);
    FAILS (search_apply (w.s, NULL, &out), ESP_EINVAL);
    FAILS (search_apply (w.s, &in, NULL), ESP_EINVAL);
    FAILS (search_apply (w.s, &in, &out), ESP_EINVAL); /* no such input */
    CHECK (!search_finished (w.s) && search_pending (w.s) == 1);
    world_close (&w);
}

static void a_search_waits_until_it_is_opened (void)
{
    probe p = {.joins = 1, .asks = 2, .like = {.mode = ASK_STEP}};
    world w = given_probe (&p);
    problem row = {.id = span_of ("problem-3")};
    PASS (search_create (&w.setup, &row, &w.s));
    world_input (&w, INPUT_STOP);
    world_input (&w, INPUT_DEADLINE);
    world_command (&w, COMMAND_PRUNE, NODE_ROOT, "");
    CHECK (w.out.task_count == 0 && !search_finished (w.s) && search_answers (w.s, NULL, 0) == 0);
    world_input (&w, INPUT_OPEN);
    CHECK (w.out.task_count == 2);
    world_input (&w, INPUT_OPEN); /* only once */
    CHECK (w.out.task_count == 0 && p.opened_count == 1);
    world_close (&w);
}

/* ---- order ---- */

static void joins_are_delivered_in_the_order_opened (void)
{
    probe p = {.joins = 4, .asks = 3, .like = {.mode = ASK_STEP, .scores = 1}};
    world w = given_probe (&p);
    world_open (&w);
    world_play (&w, WORLD_REVERSE);
    CHECK (search_finished (w.s) && p.seen_count == 4);
    for (size_t i = 0; i < 4; i++)
        CHECK (p.seen[i].id == p.opened[i]);
    world_close (&w);
}

static void without_deterministic_they_are_delivered_as_they_complete (void)
{
    probe p = {.joins = 3, .asks = 2, .like = {.mode = ASK_STEP}};
    world w = given_probe (&p);
    w.setup.options.deterministic = false;
    world_open (&w);
    world_play (&w, WORLD_REVERSE);
    CHECK (search_finished (w.s) && p.seen_count == 3);
    for (size_t i = 0; i < 3; i++)
        CHECK (p.seen[i].id == p.opened[2 - i]);
    world_close (&w);
}

static void items_stand_in_the_order_asked (void)
{
    for (uint64_t seed = WORLD_REVERSE; seed < 20; seed++) {
        probe p = {.joins = 1, .asks = 12, .like = {.mode = ASK_STEP, .scores = 1}};
        world w = given_probe (&p);
        world_open (&w);
        world_play (&w, seed);
        CHECK (p.seen_count == 1 && p.seen[0].n == 12);
        for (size_t i = 0; i < 12; i++) {
            const item *it = &p.seen[0].items[i];
            CHECK (it->tag == 100 + i && search_node (w.s, it->node)->ordinal == i &&
                   it->from == NODE_ROOT);
            CHECK (it->generated && it->scored && !it->failed && !it->dropped && !it->missing);
        }
        world_close (&w);
    }
}

static void an_ask_does_not_wait_for_another (void)
{
    probe p = {.joins = 1, .asks = 3, .like = {.mode = ASK_STEP, .scores = 1}};
    world w = given_probe (&p);
    world_open (&w);
    CHECK (w.out.task_count == 3);
    world_answer (&w, 1);
    CHECK (w.out.task_count == 1 && w.out.tasks[0].kind == TASK_SCORE && p.seen_count == 0);
    world_close (&w);
}

static void more_is_asked_while_fewer_than_in_flight_joins_are_open (void)
{
    probe p = {.asks = 2, .more = 9, .like = {.mode = ASK_STEP}};
    world w = given_probe (&p);
    w.setup.options.in_flight = 4;
    world_open (&w);
    CHECK (p.opened_count == 4 && search_open_joins (w.s, 0) == 4);
    world_answer (&w, 3); /* half of the second join */
    CHECK (p.opened_count == 4);
    world_answer (&w, 0);
    world_answer (&w, 0);
    CHECK (p.seen_count == 1 && p.opened_count == 5);
    world_play (&w, 99);
    CHECK (search_finished (w.s) && p.opened_count == 9 && p.seen_count == 9);
    world_close (&w);
}

/* ---- enough, drop, finish ---- */

static void enough_drops_the_rest_in_plan_order_whatever_came_first (void)
{
    uint64_t rows = 0;
    for (uint64_t seed = WORLD_PLAN; seed < 60; seed++) {
        probe p = {.joins = 2,
                   .asks = 8,
                   .enough = 3,
                   .rounds = 3,
                   .like = {.mode = ASK_STEP, .lookahead = 1, .scores = 1, .verifier = 1}};
        world w = given_probe (&p);
        w.setup.has_verifier = true;
        world_open (&w);
        world_play (&w, seed);
        CHECK (search_finished (w.s) && p.seen_count == 5);
        for (size_t j = 0; j < p.seen_count; j++)
            for (size_t i = 0; i < 8; i++) {
                const item *it = &p.seen[j].items[i];
                CHECK (it->dropped == (i >= 3) && it->generated == (i < 3) &&
                       (i < 3 || isnan (it->score)));
            }
        rows = rows ? rows : world_rows (&w);
        CHECK (rows == world_rows (&w));
        world_close (&w);
    }
}

static void what_is_dropped_is_cancelled_in_the_effects (void)
{
    probe p = {.joins = 1, .asks = 4, .enough = 2, .like = {.mode = ASK_STEP}};
    world w = given_probe (&p);
    world_open (&w);
    world_answer (&w, 3); /* known, but not its turn */
    world_answer (&w, 0);
    CHECK (w.out.cancel_count == 0);
    world_answer (&w, 0); /* item 1: enough; item 2 is out, item 3 came already */
    CHECK (w.out.cancel_count == 1 && p.seen_count == 1);
    CHECK (p.seen[0].items[2].dropped && p.seen[0].items[3].dropped &&
           !p.seen[0].items[3].generated);
    CHECK (search_node (w.s, p.seen[0].items[3].node)->text_len == 0);
    CHECK (search_finished (w.s) && search_used (w.s).generations == 4); /* asked is asked */
    world_close (&w);
}

static void a_dropped_join_comes_back_in_its_turn_and_empty (void)
{
    for (uint64_t seed = WORLD_PLAN; seed < 20; seed++) {
        probe p = {
            .joins = 3, .asks = 2, .drop_second = true, .like = {.mode = ASK_STEP, .scores = 1}};
        world w = given_probe (&p);
        world_open (&w);
        world_play (&w, seed);
        CHECK (p.seen_count == 3 && p.seen[1].id == p.opened[1]);
        for (size_t i = 0; i < 2; i++)
            CHECK (p.seen[1].items[i].dropped && !p.seen[1].items[i].generated &&
                   !p.seen[1].items[i].scored);
        CHECK (p.seen[2].items[1].generated && search_finished (w.s));
        world_close (&w);
    }
}

static void a_finish_ends_the_problem_and_forgets_open_joins (void)
{
    uint64_t rows = 0;
    for (uint64_t seed = WORLD_PLAN; seed < 20; seed++) {
        probe p = {
            .joins = 3, .asks = 2, .finish_first = true, .like = {.mode = ASK_TO_END, .scores = 1}};
        world w = given_probe (&p);
        world_open (&w);
        world_play (&w, seed);
        CHECK (search_finished (w.s) && p.seen_count == 1 && search_answers (w.s, NULL, 0) <= 2);
        CHECK (search_used (w.s).generations == 6);
        rows = rows ? rows : world_rows (&w);
        CHECK (rows == world_rows (&w));
        world_close (&w);
    }
}

/* ---- results that change nothing ---- */

static void unknown_and_duplicate_results_change_nothing (void)
{
    probe p = {.joins = 1, .asks = 3, .enough = 1, .like = {.mode = ASK_STEP, .scores = 1}};
    world w = given_probe (&p);
    world_open (&w);
    task first = w.queue[0];
    result r = {
        .id = first.id, .text = span_of ("s1\n\n"), .tokens = 1, .steps = 1, .finish = FINISH_STOP};
    CHECK (search_wants (w.s, first.id.number));
    world_send (&w, &r);
    CHECK (!search_wants (w.s, first.id.number));
    uint64_t rows = world_rows (&w), digest = search_digest (w.s);
    const uint32_t numbers[] = {0, first.id.number, 999, UINT32_MAX};
    for (size_t i = 0; i < 4; i++) {
        r.id.number = numbers[i];
        r.text = span_of ("something else");
        CHECK (!search_wants (w.s, numbers[i]));
        world_send (&w, &r);
        CHECK (w.err == ESP_OK && w.out.task_count == 0 && w.out.event_count == 0 &&
               w.out.cancel_count == 0);
    }
    CHECK (rows == world_rows (&w) && digest == search_digest (w.s));
    world_close (&w);
}

static void results_of_cancelled_tasks_change_nothing (void)
{
    probe p = {.joins = 2, .asks = 2, .enough = 1, .like = {.mode = ASK_STEP}};
    world w = given_probe (&p);
    world_open (&w);
    result late = {.id = w.queue[1].id, .text = span_of ("late"), .finish = FINISH_STOP};
    world_answer (&w, 0);
    CHECK (w.cancelled == 1);
    uint64_t rows = world_rows (&w);
    world_send (&w, &late);
    CHECK (rows == world_rows (&w) && p.seen_count == 1);
    world_close (&w);
}

static void nothing_changes_after_the_end (void)
{
    probe p = {.joins = 1, .asks = 1, .like = {.mode = ASK_TO_END, .scores = 1}};
    world w = given_probe (&p);
    world_open (&w);
    world_play (&w, WORLD_PLAN);
    uint64_t rows = world_rows (&w), digest = search_digest (w.s);
    world_input (&w, INPUT_STOP);
    world_input (&w, INPUT_OPEN);
    world_command (&w, COMMAND_FINISH, NODE_NONE, "");
    CHECK (!w.out.finished && w.out.event_count == 0);
    CHECK (rows == world_rows (&w) && digest == search_digest (w.s) &&
           search_reason (w.s) == REASON_ANSWERED);
    world_close (&w);
}

/* ---- failures ---- */

static void a_failed_generation_is_delivered_as_failed (void)
{
    probe p = {.joins = 1, .asks = 3, .like = {.mode = ASK_TO_END, .scores = 1}};
    world w = given_probe (&p);
    w.fail_every = 2;
    w.failing = ESP_EENGINE;
    world_open (&w);
    world_answer (&w, 0);
    world_answer (&w, 0); /* number 2 */
    w.fail_every = 0;
    world_play (&w, WORLD_PLAN);
    const item *it = &p.seen[0].items[1];
    CHECK (it->failed && !it->generated && !it->scored && isnan (it->score));
    CHECK (search_node (w.s, it->node)->state == NODE_FAILED &&
           search_node (w.s, it->node)->mark == MARK_FAILED);
    CHECK (node_ended (search_node (w.s, it->node)));
    CHECK (p.seen[0].items[0].scored && search_reason (w.s) == REASON_ANSWERED &&
           search_error (w.s) == ESP_EENGINE);
    CHECK (search_used (w.s).generations == 3);
    world_close (&w);
}

static void when_all_fail_the_problem_ends_in_an_error (void)
{
    probe p = {.joins = 1, .asks = 3, .like = {.mode = ASK_TO_END, .scores = 1}};
    world w = given_probe (&p);
    w.fail_every = 1;
    w.failing = ESP_EFORMAT;
    world_open (&w);
    world_play (&w, WORLD_REVERSE);
    CHECK (search_finished (w.s) && search_reason (w.s) == REASON_ERROR &&
           search_error (w.s) == ESP_EFORMAT);
    world_close (&w);
}

static void a_score_that_is_no_number_is_a_failure (void)
{
    const double bad[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 4; i++) {
        probe p = {.joins = 1, .asks = 1, .like = {.mode = ASK_STEP, .scores = 1}};
        world w = given_probe (&p);
        world_open (&w);
        world_answer (&w, 0);
        result r = {
            .id = w.queue[0].id, .scores = bad + i % 3, .score_count = i < 3, .score_own = i < 3};
        world_send (&w, &r);
        const item *it = &p.seen[0].items[0];
        CHECK (it->generated && it->failed && !it->scored && isnan (it->score));
        CHECK (search_error (w.s) == ESP_EFORMAT && search_node (w.s, it->node)->score_count == 0);
        world_close (&w);
    }
}

static void poison_ends_the_problem (void)
{
    probe p = {.joins = 2, .asks = 2, .like = {.mode = ASK_TO_END, .scores = 1}};
    world w = given_probe (&p);
    world_open (&w);
    world_answer (&w, 0);
    result r = {.id = w.queue[0].id, .error = ESP_EPOISONED, .finish = FINISH_ERROR};
    world_send (&w, &r);
    CHECK (w.out.finished && search_reason (w.s) == REASON_ERROR &&
           search_error (w.s) == ESP_EPOISONED);
    CHECK (w.cancelled == 3 && search_pending (w.s) == 0);
    world_close (&w);
}

static void a_strategy_that_cannot_go_on_ends_its_problem_only (void)
{
    probe p = {.wrong = "the tree is full"};
    world w = given_probe (&p);
    world_open (&w);
    CHECK (w.err == ESP_OK && w.out.finished && search_reason (w.s) == REASON_ERROR &&
           search_error (w.s) == ESP_ETOOBIG);
    world_close (&w);
}

static void a_strategy_that_asks_nothing_ends_without_an_answer (void)
{
    probe p = {.asks = 1};
    world w = given_probe (&p);
    world_open (&w);
    CHECK (w.out.finished && search_reason (w.s) == REASON_NO_ANSWER &&
           search_error (w.s) == ESP_OK);
    world_close (&w);
}

/* ---- lanes and draws ---- */

static void lanes_are_delivered_on_their_own (void)
{
    uint64_t rows = 0;
    double drawn[2][3] = {{0}};
    for (uint64_t seed = WORLD_PLAN; seed < 40; seed++) {
        probe p = {.lanes = 3,
                   .joins = 1,
                   .asks = 2,
                   .rounds = 2,
                   .draw = true,
                   .like = {.mode = ASK_STEP, .scores = 1}};
        double first[3] = {-1, -1, -1};
        world w = given_probe (&p);
        w.setup.options.budget_generations = 20; /* shares 7, 7, 6 */
        world_open (&w);
        CHECK (search_lane_count (w.s) == 3);
        world_play (&w, seed);
        for (size_t i = 0; i < p.seen_count; i++)
            if (first[p.seen[i].lane] < 0)
                first[p.seen[i].lane] = p.drawn[i];
        CHECK (first[0] >= 0 && first[1] >= 0 && first[2] >= 0 && first[0] != first[1] &&
               first[1] != first[2]);
        memcpy (drawn[seed > 0], first, sizeof (first));
        CHECK (memcmp (drawn[0], drawn[seed > 0], sizeof (first)) == 0);
        rows = rows ? rows : world_rows (&w);
        CHECK (rows == world_rows (&w));
        world_close (&w);
    }
}

static void draws_can_be_looked_at_ahead_and_follow_the_golden_rule (void)
{
    probe p = {.joins = 2, .asks = 1, .draw = true, .like = {.mode = ASK_STEP}};
    world w = given_probe (&p);
    w.setup.options.draws = "u|pf-Q1-16";
    world_open (&w);
    double next = search_draw_at (w.s, 0, 1);
    CHECK (search_draw_at (w.s, 0, 0) == 0.368514318825166); /* golden README 1.1 */
    world_play (&w, WORLD_PLAN);
    CHECK (p.drawn[0] == 0.368514318825166 && p.drawn[1] == next);
    world_close (&w);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"bad calls change nothing", bad_calls_change_nothing},
        {"a search waits until it is opened", a_search_waits_until_it_is_opened},
        {"joins are delivered in the order opened", joins_are_delivered_in_the_order_opened},
        {"without deterministic they are delivered as they complete",
         without_deterministic_they_are_delivered_as_they_complete},
        {"items stand in the order asked", items_stand_in_the_order_asked},
        {"an ask does not wait for another", an_ask_does_not_wait_for_another},
        {"more is asked while fewer than in_flight joins are open",
         more_is_asked_while_fewer_than_in_flight_joins_are_open},
        {"enough drops the rest in plan order, whatever came first",
         enough_drops_the_rest_in_plan_order_whatever_came_first},
        {"what is dropped is cancelled in the effects",
         what_is_dropped_is_cancelled_in_the_effects},
        {"a dropped join comes back in its turn and empty",
         a_dropped_join_comes_back_in_its_turn_and_empty},
        {"a finish ends the problem and forgets open joins",
         a_finish_ends_the_problem_and_forgets_open_joins},
        {"unknown and duplicate results change nothing",
         unknown_and_duplicate_results_change_nothing},
        {"results of cancelled tasks change nothing", results_of_cancelled_tasks_change_nothing},
        {"nothing changes after the end", nothing_changes_after_the_end},
        {"a failed generation is delivered as failed", a_failed_generation_is_delivered_as_failed},
        {"when all fail the problem ends in an error", when_all_fail_the_problem_ends_in_an_error},
        {"a score that is no number is a failure", a_score_that_is_no_number_is_a_failure},
        {"poison ends the problem", poison_ends_the_problem},
        {"a strategy that cannot go on ends its problem only",
         a_strategy_that_cannot_go_on_ends_its_problem_only},
        {"a strategy that asks nothing ends without an answer",
         a_strategy_that_asks_nothing_ends_without_an_answer},
        {"lanes are delivered on their own, each with its account and draws",
         lanes_are_delivered_on_their_own},
        {"draws can be looked at ahead and follow the golden rule",
         draws_can_be_looked_at_ahead_and_follow_the_golden_rule},
        {NULL, NULL},
    };
    return suite_main ("search", cases);
}
