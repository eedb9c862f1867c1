/* SPDX-License-Identifier: Apache-2.0 */
/* test_worker_loop.c - what worker/loop.h promises */

#include "tests/unit/worker/worker_kit.h"

static void bad_calls_change_nothing (void)
{
    struct toy *t = given_loop (false);
    worker_setup setup = {NULL, &t->clock, 5, 10.0, toy_open, toy_close, t, 0};
    worker_loop *loop = NULL;
    FAILS (worker_loop_create (&setup, &loop), ESP_EINVAL);
    setup.link = t->ends[1];
    FAILS (worker_loop_create (&setup, NULL), ESP_EINVAL);
    FAILS (worker_loop_create (NULL, &loop), ESP_EINVAL);
    setup.open = NULL;
    FAILS (worker_loop_create (&setup, &loop), ESP_EINVAL);
    CHECK (loop == NULL);
    worker_loop_destroy (NULL);
    end (t);
}

static void it_says_hello_and_then_ready_with_its_slots (void)
{
    struct toy *t = given_loop (false);
    pass (t);
    CHECK (t->kinds[WIRE_HELLO] == 1 && t->kinds[WIRE_READY] == 0);
    PASS (welcome (t));
    CHECK (pass (t));
    CHECK (t->kinds[WIRE_READY] == 1 && t->slots == 7 && t->opened == 1);
    PASS (welcome (t)); /* again: said again, not opened again */
    pass (t);
    CHECK (t->kinds[WIRE_READY] == 2 && t->opened == 1);
    CHECK (!pass (t)); /* nothing to do: it may sleep */
    end (t);
}

static void a_batch_becomes_jobs_with_their_prefix_and_results_come_back (void)
{
    struct toy *t = given_open_loop ();
    PASS (give (t, 0, 3, TASK_GENERATE, true));
    pass (t);
    CHECK (t->count == 3 && t->largest_start == 3 && worker_loop_in_flight (t->loop) == 3);
    finish (t, 1);
    CHECK (pass (t));
    CHECK (t->result_count == 1 && t->results[0].number == 1 && t->results[0].lease == 101);
    CHECK (strcmp (t->results[0].text, "ab+") == 0 && worker_loop_in_flight (t->loop) == 2);
    PASS (give (t, 3, 1, TASK_SCORE, false)); /* texts are known now; this engine is quick */
    pass (t);
    CHECK (t->result_count == 2 && t->results[1].number == 3 && t->results[1].error == ESP_OK);
    end (t);
}

static void what_it_lacks_is_missing (void)
{
    struct toy *t = given_open_loop ();
    PASS (give (t, 4, 2, TASK_GENERATE, false));
    pass (t);
    CHECK (t->missing_count == 2 && t->missing[0] == 4 && t->missing[1] == 5 && t->count == 0);
    CHECK (worker_loop_in_flight (t->loop) == 0);
    PASS (give (t, 4, 2, TASK_GENERATE, true));
    pass (t);
    CHECK (t->missing_count == 2 && t->count == 2);
    end (t);
}

static void a_cancelled_job_gives_no_result (void)
{
    struct toy *t = given_open_loop ();
    PASS (give (t, 0, 2, TASK_GENERATE, true));
    pass (t);
    cancel (t, 0);
    cancel (t, 44); /* never heard of */
    pass (t);
    CHECK (t->count == 1 && worker_loop_in_flight (t->loop) == 1);
    finish (t, 1);
    pass (t);
    CHECK (t->result_count == 1 && t->results[0].number == 1);
    cancel (t, 1); /* too late */
    pass (t);
    CHECK (t->result_count == 1);
    end (t);
}

static void a_task_that_is_sent_again_while_it_runs_runs_once (void)
{
    struct toy *t = given_open_loop ();
    PASS (give (t, 0, 1, TASK_GENERATE, true));
    t->lease_base = 1000;
    PASS (give (t, 0, 1, TASK_GENERATE, true));
    pass (t);
    CHECK (t->count == 1 && worker_loop_in_flight (t->loop) == 1);
    finish (t, 0);
    pass (t);
    CHECK (t->result_count == 1 && t->results[0].lease == 1100); /* the newer lease is answered */
    end (t);
}

static void a_kind_without_an_engine_is_answered_with_an_error (void)
{
    struct toy *t = given_open_loop ();
    PASS (give (t, 0, 1, TASK_VERIFY, true));
    pass (t);
    CHECK (t->result_count == 1 && t->results[0].error == ESP_EUNSUPPORTED &&
           t->results[0].lease == 100);
    end (t);
}

static void a_result_the_wire_refuses_becomes_an_error_of_that_task (void)
{
    struct toy *t = given_open_loop ();
    t->infinite = true;
    PASS (give (t, 0, 1, TASK_SCORE, true));
    PASS (give (t, 1, 1, TASK_GENERATE, true));
    PASS (give (t, 2, 1, TASK_SCORE, true));
    CHECK (t->result_count == 0);
    pass (t);
    CHECK (t->result_count == 2);
    CHECK (t->results[0].number == 0 && t->results[0].error == ESP_EENGINE &&
           t->results[0].lease == 100);
    CHECK (t->results[1].number == 2 && t->results[1].error == ESP_EENGINE);
    t->infinite = false;
    finish (t, 1);
    PASS (give (t, 3, 1, TASK_SCORE, true));
    pass (t);
    CHECK (t->result_count == 4 && t->results[2].error == ESP_OK && t->results[3].error == ESP_OK);
    end (t);
}

static void a_ping_is_answered_with_the_load (void)
{
    struct toy *t = given_open_loop ();
    PASS (give (t, 0, 3, TASK_GENERATE, true));
    tell_kind (t, WIRE_PING);
    pass (t);
    CHECK (t->kinds[WIRE_PONG] == 1 && t->in_flight == 3);
    end (t);
}

static void drain_finishes_what_is_there (void)
{
    struct toy *t = given_open_loop ();
    PASS (give (t, 0, 1, TASK_GENERATE, true));
    tell_kind (t, WIRE_DRAIN);
    pass (t);
    CHECK (worker_loop_end (t->loop) == WORKER_RUNS);
    finish (t, 0);
    pass (t);
    CHECK (worker_loop_end (t->loop) == WORKER_TOLD && t->result_count == 1);
    end (t);
}

static void stop_ends_at_once (void)
{
    struct toy *t = given_open_loop ();
    PASS (give (t, 0, 2, TASK_GENERATE, true));
    tell_kind (t, WIRE_STOP);
    pass (t);
    CHECK (worker_loop_end (t->loop) == WORKER_TOLD && t->count == 2);
    end (t); /* jobs in flight are freed, after the engines */
}

static void it_leaves_when_the_coordinator_is_silent (void)
{
    struct toy *t = given_open_loop ();
    t->now_ns += 59000000000;
    pass (t);
    tell_kind (t, WIRE_PING);
    pass (t);
    t->now_ns += 59000000000;
    pass (t);
    CHECK (worker_loop_end (t->loop) == WORKER_RUNS);
    t->now_ns += 2000000000;
    pass (t);
    CHECK (worker_loop_end (t->loop) == WORKER_ALONE);
    end (t);
    t = given_loop (false); /* before the first word: patience_s, 10 s */
    t->now_ns += 11000000000;
    pass (t);
    CHECK (worker_loop_end (t->loop) == WORKER_ALONE);
    end (t);
}

static void it_leaves_when_the_coordinator_is_gone (void)
{
    struct toy *t = given_open_loop ();
    bool busy;
    link_close (t->ends[0], false);
    t->ends[0] = NULL;
    PASS (worker_loop_pass (t->loop, &busy));
    CHECK (worker_loop_end (t->loop) == WORKER_ALONE);
    end (t);
}

static void engines_that_cannot_be_opened_are_told (void)
{
    struct toy *t = given_loop (true);
    PASS (welcome (t));
    pass (t);
    CHECK (t->kinds[WIRE_REFUSED] == 1 && t->kinds[WIRE_READY] == 0);
    CHECK (strcmp (t->refused, "no model here") == 0 && t->opened == 0);
    pass (t); /* said once; it stays until it is told to leave */
    CHECK (t->kinds[WIRE_REFUSED] == 1 && worker_loop_end (t->loop) == WORKER_RUNS);
    PASS (give (t, 0, 1, TASK_GENERATE, true));
    tell_kind (t, WIRE_PING);
    pass (t);
    CHECK (t->starts == 0 && t->kinds[WIRE_PONG] == 1);
    tell_kind (t, WIRE_STOP);
    pass (t);
    CHECK (worker_loop_end (t->loop) == WORKER_TOLD);
    end (t);
}

static void ready_is_said_when_every_engine_is_ready (void)
{
    struct toy *t = given_loop (false);
    t->ready = ESP_EEMPTY;
    PASS (welcome (t));
    pass (t);
    pass (t);
    CHECK (t->opened == 1 && t->polls == 2 && t->kinds[WIRE_READY] == 0);
    PASS (give (t, 0, 1, TASK_GENERATE, true)); /* a confused coordinator */
    pass (t);
    CHECK (t->starts == 0);
    t->ready = ESP_OK;
    pass (t);
    pass (t);
    CHECK (t->kinds[WIRE_READY] == 1 && t->slots == 7);
    end (t);
}

static void an_engine_that_never_will_be_ready_is_a_refusal (void)
{
    struct toy *t = given_loop (false);
    t->ready = ESP_EEMPTY;
    PASS (welcome (t));
    pass (t);
    t->ready = ESP_EPERMISSION;
    pass (t);
    pass (t);
    CHECK (t->kinds[WIRE_READY] == 0 && t->kinds[WIRE_REFUSED] == 1);
    CHECK (strcmp (t->refused, "the toy is broken") == 0);
    CHECK (worker_loop_end (t->loop) == WORKER_RUNS);
    end (t);
}

static void credits_are_said_again_when_they_change (void)
{
    struct toy *t = given_open_loop ();
    CHECK (t->kinds[WIRE_READY] == 1 && t->slots == 7);
    t->own_slots = 0; /* its servers are out: the run file's number does not help */
    t->ready = ESP_EEMPTY;
    pass (t);
    CHECK (t->kinds[WIRE_READY] == 2 && t->slots == 0);
    CHECK (strcmp (t->line, "the toy is broken") == 0);
    pass (t);
    CHECK (t->kinds[WIRE_READY] == 2);
    t->own_slots = 3;
    t->ready = ESP_OK;
    pass (t);
    CHECK (t->kinds[WIRE_READY] == 3 && t->slots == 7);
    t->own_slots = 5; /* the run file's number holds */
    pass (t);
    CHECK (t->kinds[WIRE_READY] == 3);
    end (t);
}

static void ready_says_which_models_the_servers_chose (void)
{
    struct toy *t = given_loop (false);
    t->chosen = "llama";
    PASS (welcome (t));
    pass (t);
    CHECK (t->kinds[WIRE_READY] == 1 && strcmp (t->models, "0 small llama http://here;") == 0);
    t->chosen = NULL; /* the servers are out */
    t->own_slots = 0;
    t->ready = ESP_EEMPTY;
    pass (t);
    CHECK (t->kinds[WIRE_READY] == 2 && t->models[0] == 0);
    end (t);
}

static void the_line_of_ready_is_about_the_engine_that_went_out (void)
{
    struct toy *t = given_open_loop ();
    t->own_slots = 0;
    t->ready = ESP_EEMPTY;
    pass (t);
    CHECK (strcmp (t->line, "the toy is broken") == 0);
    t->score_out = true; /* the generator's servers are still out */
    pass (t);
    CHECK (t->kinds[WIRE_READY] == 3 && strcmp (t->line, "the toy scorer is out") == 0);
    end (t);
}

static void news_of_credits_comes_before_what_is_handed_back (void)
{
    struct toy *t = given_open_loop ();
    result r = {.error = ESP_ECANCELED, .logprob = NAN, .mean_logprob = NAN, .share = NAN};
    link_event got;
    wire_message m;
    bool busy;
    PASS (give (t, 0, 1, TASK_GENERATE, true));
    pass (t);
    r.id = t->jobs[0]->task.id;
    t->setup.done (t->setup.ctx, t->jobs[0], &r);
    t->count = 0;
    t->own_slots = 0;
    PASS (worker_loop_pass (t->loop, &busy));
    PASS (link_poll (t->ends[0], &got));
    PASS (wire_decode (t->in, got.bytes, &m));
    CHECK (m.kind == WIRE_READY && m.u.ready.slots[TASK_GENERATE] == 0);
    PASS (link_poll (t->ends[0], &got));
    PASS (wire_decode (t->in, got.bytes, &m));
    CHECK (m.kind == WIRE_RESULTS && m.u.results.results[0].result.error == ESP_ECANCELED);
    end (t);
}

static void say_part (struct toy *t, size_t i, const char *text)
{
    t->setup.progress (t->setup.ctx, t->jobs[i], span_of (text));
}

static void partial_texts_go_out_while_somebody_watches (void)
{
    struct toy *t = given_open_loop ();
    wire_message ping = {.kind = WIRE_PING, .u.ping.watched = true};
    char large[2000];
    PASS (give (t, 4, 2, TASK_GENERATE, true));
    pass (t);
    say_part (t, 0, "unseen");
    pass (t);
    CHECK (t->kinds[WIRE_PROGRESS] == 0);
    PASS (tell (t, &ping));
    pass (t);
    say_part (t, 0, "so");
    say_part (t, 1, "other");
    say_part (t, 0, "so far"); /* too soon */
    pass (t);
    CHECK (t->kinds[WIRE_PROGRESS] == 2 && strcmp (t->part, "5:other") == 0);
    t->now_ns += 300000000;
    memset (large, 'x', sizeof (large));
    memcpy (large + sizeof (large) - 5, " end", 5);
    say_part (t, 0, large);
    pass (t);
    CHECK (t->kinds[WIRE_PROGRESS] == 3 && strlen (t->part) == 2 + 1000);
    CHECK (strcmp (t->part + strlen (t->part) - 4, " end") == 0);
    ping.u.ping.watched = false;
    PASS (tell (t, &ping));
    pass (t);
    t->now_ns += 300000000;
    say_part (t, 0, "unseen");
    pass (t);
    CHECK (t->kinds[WIRE_PROGRESS] == 3);
    end (t);
}

static void what_the_link_does_not_take_is_said_later (void)
{
    struct toy *t = given_loop (true);
    bool busy;
    PASS (welcome (t));
    while (link_send (t->ends[1], 0, span_make ("x", 1)) == ESP_OK)
        continue;
    PASS (worker_loop_pass (t->loop, &busy));
    CHECK (t->kinds[WIRE_REFUSED] == 0);
    hear (t);
    pass (t);
    CHECK (t->kinds[WIRE_REFUSED] == 1);
    end (t);
}

static void results_are_kept_while_the_link_is_full (void)
{
    struct toy *t = given_open_loop ();
    bool busy;
    PASS (give (t, 0, 2, TASK_GENERATE, true));
    pass (t);
    while (link_send (t->ends[1], 0, span_make ("x", 1)) == ESP_OK)
        continue;
    finish (t, 0);
    PASS (worker_loop_pass (t->loop, &busy));
    finish (t, 1);
    PASS (give (t, 9, 1, TASK_GENERATE, true));
    tell_kind (t, WIRE_PING); /* its answer is lost: the next ping asks again */
    PASS (worker_loop_pass (t->loop, &busy));
    CHECK (t->result_count == 0);
    hear (t);
    pass (t);
    CHECK (t->result_count == 2 && t->results[0].number == 0 && t->results[1].number == 1);
    CHECK (strcmp (t->results[0].text, "ab+") == 0 && t->kinds[WIRE_RESULTS] == 1);
    end (t);
}

static void garbage_and_strays_are_dropped (void)
{
    struct toy *t = given_open_loop ();
    wire_message stray = {.kind = WIRE_STOP, .run_id = RUN + 1};
    PASS (tell (t, &stray));
    PASS (link_send (t->ends[0], 1, span_make ("\xff\xff\xff", 3)));
    PASS (link_send (t->ends[0], 1, span_make ("", 0)));
    tell_kind (t, WIRE_PONG); /* a worker's kind */
    tell_kind (t, WIRE_PING);
    pass (t);
    CHECK (worker_loop_end (t->loop) == WORKER_RUNS && t->kinds[WIRE_PONG] == 1);
    end (t);
}

static void a_batch_before_the_welcome_is_dropped (void)
{
    struct toy *t = given_loop (false);
    PASS (give (t, 0, 1, TASK_GENERATE, true));
    pass (t);
    CHECK (worker_loop_in_flight (t->loop) == 0 && t->missing_count == 0 && t->result_count == 0);
    end (t);
}

static esp_err whole_story (struct toy *t)
{
    bool busy;
    esp_err err;
    if ((err = toy_create (t)) != ESP_OK || (err = welcome (t)) != ESP_OK ||
        (err = worker_loop_pass (t->loop, &busy)) != ESP_OK ||
        (err = give (t, 0, 3, TASK_SCORE, true)) != ESP_OK ||
        (err = give (t, 9, 2, TASK_GENERATE, false)) != ESP_OK)
        return err;
    return worker_loop_pass (t->loop, &busy);
}

static void survives_failure_of_every_allocation (void)
{
    esp_err err = ESP_ENOMEM;
    for (long n = 0; err != ESP_OK && n < 300; n++) {
        struct toy *t = calloc (1, sizeof (*t));
        CU_ASSERT_FATAL (t != NULL);
        esp_alloc_fail_after (n);
        err = whole_story (t);
        esp_alloc_fail_after (-1);
        CHECK (err == ESP_OK || err == ESP_ENOMEM);
        end (t); /* looks for leaks */
    }
    CHECK (err == ESP_OK);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"bad calls change nothing", bad_calls_change_nothing},
        {"it says hello, and then ready with its slots",
         it_says_hello_and_then_ready_with_its_slots},
        {"a batch becomes jobs with their prefix, and results come back",
         a_batch_becomes_jobs_with_their_prefix_and_results_come_back},
        {"what it lacks is missing", what_it_lacks_is_missing},
        {"a cancelled job gives no result", a_cancelled_job_gives_no_result},
        {"a task that is sent again while it runs, runs once",
         a_task_that_is_sent_again_while_it_runs_runs_once},
        {"a kind without an engine is answered with an error",
         a_kind_without_an_engine_is_answered_with_an_error},
        {"a result the wire refuses becomes an error of that task",
         a_result_the_wire_refuses_becomes_an_error_of_that_task},
        {"a ping is answered with the load", a_ping_is_answered_with_the_load},
        {"drain finishes what is there", drain_finishes_what_is_there},
        {"stop ends at once", stop_ends_at_once},
        {"it leaves when the coordinator is silent", it_leaves_when_the_coordinator_is_silent},
        {"it leaves when the coordinator is gone", it_leaves_when_the_coordinator_is_gone},
        {"engines that cannot be opened are told", engines_that_cannot_be_opened_are_told},
        {"ready is said when every engine is ready", ready_is_said_when_every_engine_is_ready},
        {"an engine that never will be ready is a refusal",
         an_engine_that_never_will_be_ready_is_a_refusal},
        {"credits are said again when they change", credits_are_said_again_when_they_change},
        {"ready says which models the servers chose", ready_says_which_models_the_servers_chose},
        {"the line of READY is about the engine that went out",
         the_line_of_ready_is_about_the_engine_that_went_out},
        {"news of credits comes before what is handed back",
         news_of_credits_comes_before_what_is_handed_back},
        {"partial texts go out while somebody watches",
         partial_texts_go_out_while_somebody_watches},
        {"what the link does not take is said later", what_the_link_does_not_take_is_said_later},
        {"results are kept while the link is full", results_are_kept_while_the_link_is_full},
        {"garbage and strays are dropped", garbage_and_strays_are_dropped},
        {"a batch before the welcome is dropped", a_batch_before_the_welcome_is_dropped},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    if (esp_log_open (-1, LOG_ERROR, NULL, LOG_ERROR) != ESP_OK)
        return 1;
    return suite_main ("worker_loop", cases);
}
