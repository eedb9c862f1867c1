/* SPDX-License-Identifier: Apache-2.0 */
/* test_costs.c - what coordinator/dispatch/costs.h promises, alone and fed by dispatch */

#include "coordinator/dispatch/costs.h"
#include "tests/unit/coordinator/dispatch/dispatch_kit.h"

#define FIRST  "http://a:8000"
#define SECOND "http://b:8000"

static costs *given_book (void)
{
    costs *book = NULL;
    PASS (costs_create (&book));
    return book;
}

static wire_result given_result (const char *server, uint32_t prompt, uint32_t tokens)
{
    return (wire_result){.result = {.server = span_of (server),
                                    .prompt_tokens = prompt,
                                    .cached_tokens = prompt / 2,
                                    .tokens = tokens,
                                    .logprob = NAN,
                                    .mean_logprob = NAN,
                                    .share = NAN},
                         .busy_us = 1000};
}

static const cost_row *
find_row (const costs *book, const char *server, int kind, uint16_t generator)
{
    for (size_t i = 0; i < costs_count (book); i++) {
        const cost_row *row = costs_at (book, i);
        if (strcmp (row->server, server) == 0 && row->kind == kind && row->generator == generator)
            return row;
    }
    return NULL;
}

static void sums_are_kept_by_server_kind_and_generator (void)
{
    costs *book = given_book ();
    const task small = {.kind = TASK_GENERATE, .engine = 0}, large = {.engine = 1},
               scored = {.kind = TASK_SCORE};
    wire_result r = given_result (FIRST, 10, 3), s = given_result (SECOND, 0, 0);
    s.result.scored_tokens = 50;
    costs_add (book, &small, &r);
    costs_add (book, &small, &r);
    costs_add (book, &large, &r);
    costs_add (book, &scored, &s);
    CHECK (costs_count (book) == 3 && costs_at (book, 3) == NULL);
    CHECK (find_row (book, FIRST, TASK_GENERATE, 0)->sum.prompt_tokens == 20);
    CHECK (find_row (book, FIRST, TASK_GENERATE, 1)->sum.generated_tokens == 3);
    CHECK (find_row (book, SECOND, TASK_SCORE, 0)->sum.read_tokens == 50);
    CHECK (costs_all (book).results == 4 && costs_all (book).cached_tokens == 15 &&
           costs_all (book).busy_us == 4000);
    costs_destroy (book);
    CHECK (esp_alloc_live () == 0);
}

static void errors_are_no_results_and_what_is_handed_back_is_neither (void)
{
    costs *book = given_book ();
    const task t = {.kind = TASK_GENERATE};
    wire_result r = given_result (FIRST, 10, 0);
    r.result.error = ESP_EPEER;
    costs_add (book, &t, &r);
    r.result.error = ESP_ECANCELED;
    costs_add (book, &t, &r);
    CHECK (costs_all (book).results == 0 && costs_all (book).errors == 1 &&
           costs_all (book).prompt_tokens == 20);
    costs_destroy (book);
}

static void a_result_that_nobody_knows_is_told_by_what_it_brings (void)
{
    costs *book = given_book ();
    const task t = {.kind = TASK_GENERATE, .engine = 3};
    double score = 0.5;
    wire_result text = given_result (FIRST, 10, 3), scored = given_result ("", 0, 0),
                verdict = given_result ("", 0, 0);
    scored.result.scores = &score;
    scored.result.score_count = 1;
    verdict.result.verdict = VERDICT_PASS;
    costs_add (book, &t, &text);
    costs_add (book, NULL, &text); /* of the same generator, then */
    costs_add (book, NULL, &scored);
    costs_add (book, NULL, &verdict);
    CHECK (find_row (book, FIRST, TASK_GENERATE, 3)->sum.results == 2);
    CHECK (find_row (book, "", TASK_SCORE, 0)->sum.results == 1);
    CHECK (find_row (book, "", TASK_VERIFY, 0)->sum.results == 1);
    costs_destroy (book);
}

static void names_beyond_the_most_are_counted_as_other (void)
{
    costs *book = given_book ();
    const task t = {.kind = TASK_GENERATE};
    for (int i = 0; i < 3 * COSTS_SERVERS; i++) {
        char name[40];
        snprintf (name, sizeof (name), "http://node-%d:8000", i);
        wire_result r = given_result (name, 2, 1);
        costs_add (book, &t, &r);
        costs_add (book, &t, &r);
    }
    CHECK (costs_count (book) == COSTS_SERVERS + 1);
    CHECK (find_row (book, COSTS_OTHER, TASK_GENERATE, 0)->sum.results == 4 * COSTS_SERVERS);
    CHECK (find_row (book, "http://node-7:8000", TASK_GENERATE, 0)->sum.results == 2);
    CHECK (costs_all (book).results == 6 * COSTS_SERVERS);
    costs_destroy (book);
}

static void without_memory_everything_is_counted_still (void)
{
    const task t = {.kind = TASK_GENERATE};
    for (long n = 0; n < 60; n++) {
        costs *book = given_book ();
        esp_alloc_fail_after (n);
        for (int i = 0; i < 40; i++) {
            char name[40];
            snprintf (name, sizeof (name), "http://node-%d:8000", i);
            wire_result r = given_result (name, 2, 1);
            costs_add (book, &t, &r);
        }
        esp_alloc_fail_after (-1);
        CHECK (costs_all (book).results == 40 && costs_all (book).prompt_tokens == 80);
        costs_destroy (book);
        CHECK (esp_alloc_live () == 0);
    }
}

/* ---- fed by dispatch ---- */

static void
answer_paid (struct kit *k, uint32_t number, uint64_t lease, const char *server, uint32_t tokens)
{
    wire_result r = given_result (server, 10, tokens);
    wire_message m = {.kind = WIRE_RESULTS, .u.results = {&r, 1}};
    r.lease = lease;
    r.result.id = (task_id){1, number};
    r.result.text = span_of ("text");
    r.result.steps = 1;
    PASS (kit_say (k, 1, &m));
    kit_pass (k);
}

static uint64_t lease_of (struct kit *k, uint32_t number)
{
    kit_give (k, number, 0);
    kit_pass (k);
    return kit_hear (k, 1)->tasks[0].lease;
}

static void every_result_that_arrives_is_counted_duplicates_as_wasted_too (void)
{
    struct kit *k = given_workers (1, 4);
    uint64_t lease = lease_of (k, 0);
    const costs *book = dispatch_costs (k->d);
    answer_paid (k, 0, lease, FIRST, 3);
    CHECK (costs_wasted (book).results == 0);
    answer_paid (k, 0, lease, FIRST, 3);
    CHECK (costs_count (book) == 1 && costs_at (book, 0)->sum.results == 2);
    CHECK (costs_wasted (book).results == 1 && costs_wasted (book).prompt_tokens == 10);
    kit_close (k);
}

static void a_result_that_came_too_late_is_wasted (void)
{
    struct kit *k = given_workers (1, 4);
    uint64_t lease = lease_of (k, 0);
    k->unwanted[0] = true;
    answer_paid (k, 0, lease, FIRST, 3);
    CHECK (k->result_count == 0 && costs_wasted (dispatch_costs (k->d)).generated_tokens == 3);
    CHECK (costs_all (dispatch_costs (k->d)).generated_tokens == 3);
    kit_close (k);
}

/* kit_task asks for 9 tokens at most. */
static void more_tokens_than_asked_are_not_taken_and_asked_again (void)
{
    struct kit *k = given_workers (1, 4);
    uint64_t lease = lease_of (k, 0);
    answer_paid (k, 0, lease, FIRST, 10);
    CHECK (k->result_count == 0 && k->again_count == 1 && kit_stats (k)->errors == 1);
    CHECK (costs_wasted (dispatch_costs (k->d)).generated_tokens == 10);
    lease = lease_of (k, 0);
    answer_paid (k, 0, lease, FIRST, 9);
    CHECK (k->result_count == 1 && k->results[0].error == ESP_OK);
    kit_close (k);
}

static void a_server_that_always_gives_more_makes_its_tasks_fail (void)
{
    struct kit *k = given_workers (1, 4);
    for (int i = 0; i < 3; i++)
        answer_paid (k, 0, lease_of (k, 0), FIRST, 1000);
    CHECK (k->again_count == 2 && k->result_count == 1 && k->results[0].error == ESP_EENGINE);
    CHECK (costs_wasted (dispatch_costs (k->d)).generated_tokens == 3000);
    CHECK (kit_stats (k)->wasted_tokens == 3000);
    kit_close (k);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"sums are kept by server, kind and generator", sums_are_kept_by_server_kind_and_generator},
        {"errors are no results, and what is handed back is neither",
         errors_are_no_results_and_what_is_handed_back_is_neither},
        {"a result that nobody knows is told by what it brings",
         a_result_that_nobody_knows_is_told_by_what_it_brings},
        {"names beyond the most are counted as other", names_beyond_the_most_are_counted_as_other},
        {"without memory everything is counted still", without_memory_everything_is_counted_still},
        {"every result that arrives is counted, duplicates as wasted too",
         every_result_that_arrives_is_counted_duplicates_as_wasted_too},
        {"a result that came too late is wasted", a_result_that_came_too_late_is_wasted},
        {"more tokens than asked are not taken, and asked again",
         more_tokens_than_asked_are_not_taken_and_asked_again},
        {"a server that always gives more makes its tasks fail",
         a_server_that_always_gives_more_makes_its_tasks_fail},
        {NULL, NULL},
    };
    (void)kit_missing, (void)kit_pong, (void)kit_progress;
    return suite_main ("costs", cases);
}
