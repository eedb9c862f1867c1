/* SPDX-License-Identifier: Apache-2.0 */
/* test_prm.c - what the machine of worker/engine/prm.h promises: jobs in, batches, scores out */

// LINK: esp_engine_table esp_test_servers PkgConfig::JANSSON

#include "tests/unit/worker/engine/prm_kit.h"
#include "worker/engine/prm_inner.h"

static void siblings_share_one_request (void)
{
    struct kit *k = given_ready (HONEST);
    int before = k->play.poolings;
    for (unsigned i = 0; i < 16; i++)
        given_job (k, i, NODES ("first", i % 2 ? "bad" : "good"), "");
    start (k, 0, 16);
    wait_done (k, 16);
    CU_ASSERT_EQUAL (k->play.poolings - before, 1);
    for (unsigned i = 0; i < 16; i++) {
        CU_ASSERT_EQUAL (k->seen[i].r.error, ESP_OK);
        CU_ASSERT_EQUAL (k->seen[i].r.score_count, 1);
        CU_ASSERT_EQUAL (k->seen[i].r.score_own, 1);
        CHECK (near (k->seen[i].scores[0], i % 2 ? 0.1 : 0.9));
        CHECK (k->seen[i].calls == 1 && k->seen[i].r.scored_tokens >= 9);
        CHECK (k->seen[i].r.server.len > 0); /* for the costs */
    }
    end_engine (k);
}

static void only_new_steps_are_returned_own_ones_first (void)
{
    struct kit *k = given_ready (HONEST);
    given_job (k, 0, NODES ("bad", "good\n\nbad\n\n", "x\n\nbad\n\ny"), "bad\n\nz");
    start (k, 0, 1);
    wait_done (k, 1);
    CU_ASSERT_EQUAL (k->seen[0].r.score_count, 5);
    CU_ASSERT_EQUAL (k->seen[0].r.score_own, 3);
    CHECK (near (k->seen[0].scores[0], 0.9) && near (k->seen[0].scores[1], 0.1));
    CHECK (near (k->seen[0].scores[2], 0.9) && near (k->seen[0].scores[3], 0.1));
    CHECK (strstr (k->traced, "assistant\nbad<extra_0>good<extra_0>bad<extra_0>x<extra_0>"));
    end_engine (k);
}

static void an_empty_step_is_one_step (void)
{
    struct kit *k = given_ready (HONEST);
    given_job (k, 0, NODES ("good", " \n"), "");
    given_job (k, 1, NODES (NULL), "");
    given_job (k, 2, NODES ("good", ""), "bad");
    start (k, 0, 3);
    wait_done (k, 3);
    CHECK (k->seen[0].r.score_count == 1 && k->seen[0].r.score_own == 1);
    CHECK (k->seen[1].r.score_count == 1 && k->seen[1].r.score_own == 1);
    CHECK (k->seen[2].r.score_count == 1 && k->seen[2].r.score_own == 0);
    CHECK (near (k->seen[2].scores[0], 0.1));
    end_engine (k);
}

static int most_texts_of (struct kit *k, unsigned first, unsigned count)
{
    unsigned done = k->done;
    k->play.most_texts = 0;
    for (unsigned i = first; i < first + count; i++)
        given_job (k, i, NODES ("good"), "");
    start (k, first, count);
    wait_done (k, done + count);
    return k->play.most_texts;
}

static void requests_keep_to_their_limits (void)
{
    struct kit *k = given_ready (HONEST);
    k->options.batch_texts = 5;
    CU_ASSERT_EQUAL (most_texts_of (k, 0, 12), 5);
    k->options.batch_bytes = 4 * (int64_t)strlen (k->traced) + 1;
    CU_ASSERT_EQUAL (most_texts_of (k, 12, 12), 4);
    k->options.batch_bytes = 1; /* a text goes in any case */
    CU_ASSERT_EQUAL (most_texts_of (k, 24, 3), 1);
    end_engine (k);
}

static void a_text_that_is_too_long_fails_alone (void)
{
    struct kit *k = given_ready (HONEST);
    for (unsigned i = 0; i < 8; i++)
        given_job (k, i, NODES (i == 5 ? "LONG" : "good"), "");
    start (k, 0, 8);
    wait_done (k, 8);
    for (unsigned i = 0; i < 8; i++)
        CU_ASSERT_EQUAL (k->seen[i].r.error, i == 5 ? ESP_ETOOBIG : ESP_OK);
    CHECK (k->play.poolings < 12);
    end_engine (k);
}

static void a_missing_row_is_asked_for_once_more (void)
{
    struct kit *k = given_ready (FORGETS_ONCE);
    given_job (k, 0, NODES ("ONCE"), "");
    start (k, 0, 1);
    wait_done (k, 1);
    CU_ASSERT_EQUAL (k->seen[0].r.error, ESP_OK);
    CHECK (near (k->seen[0].scores[0], 0.9));
    end_engine (k);
}

static void a_row_that_stays_missing_is_the_end_of_that_task_only (void)
{
    struct kit *k = given_ready (FORGETS_ODD);
    for (unsigned i = 0; i < 4; i++)
        given_job (k, i, NODES (i == 2 ? "ODD" : "good"), "");
    start (k, 0, 4);
    wait_done (k, 4);
    for (unsigned i = 0; i < 4; i++)
        CU_ASSERT_EQUAL (k->seen[i].r.error, i == 2 ? ESP_EFORMAT : ESP_OK);
    end_engine (k);
}

static void cancelled_jobs_are_forgotten (void)
{
    struct kit *k = given_ready (HONEST);
    for (unsigned i = 0; i < 6; i++)
        given_job (k, i, NODES ("good"), "");
    start (k, 0, 3); /* one batch */
    start (k, 3, 3); /* another, or waiting */
    k->kind->cancel (k->state, &k->jobs[1]);
    k->kind->cancel (k->state, &k->jobs[3]);
    k->kind->cancel (k->state, &k->jobs[4]);
    k->kind->cancel (k->state, &k->jobs[5]);
    k->kind->cancel (k->state, &k->jobs[5]);
    wait_done (k, 2);
    for (unsigned i = 0; i < 3; i++)
        turn (k);
    CHECK (k->seen[0].calls == 1 && k->seen[2].calls == 1 && k->done == 2);
    end_engine (k);
}

static void many_are_cancelled_in_any_order (void)
{
    struct kit *k = given_ready (HONEST);
    const prm *p = k->state;
    k->options.batch_texts = 4;
    for (unsigned round = 0; round < 2; round++) { /* every third stays; none */
        k->done = 0;
        memset (k->seen, 0, sizeof (k->seen));
        for (unsigned i = 0; i < JOBS; i++)
            given_job (k, i, NODES ("good", "bad"), "");
        for (unsigned i = 0; i < JOBS; i += 8)
            start (k, i, 8);
        for (unsigned i = 0; i < JOBS; i++)
            if (round == 1 || i * 37 % JOBS % 3 > 0)
                k->kind->cancel (k->state, &k->jobs[i * 37 % JOBS]);
        CHECK (round == 0 || (p->batch_count == 0 && p->busy_texts == 0 && !p->batches));
        CHECK (round == 0 || (p->queued == 0 && !p->head && !p->tail));
        wait_done (k, round == 0 ? (JOBS + 2) / 3 : 0);
        for (unsigned i = 0; i < 3; i++)
            turn (k);
        for (unsigned i = 0; i < JOBS; i++)
            CU_ASSERT_EQUAL (k->seen[i].calls, round == 0 && i % 3 == 0);
        CHECK (p->batch_count == 0 && p->busy_texts == 0 && p->queued == 0);
    }
    end_engine (k);
}

static void a_close_with_work_in_flight_frees_everything (void)
{
    struct kit *k = given_ready (HONEST);
    for (unsigned i = 0; i < 40; i++)
        given_job (k, i, NODES ("good"), "");
    start (k, 0, 40);
    end_engine (k);
    CU_ASSERT_EQUAL (k->done, 0);
    CU_ASSERT_EQUAL (esp_alloc_live (), 0);
}

/* The PRM sees the answer only; prefill: what the generator's answer begins with. */
static struct kit *given_view (const char *prefill)
{
    static struct kit room;
    static const char *const separator[] = {"\n\n"};
    step_options o = {.think_open = "<think>", .think_close = "</think>"};
    prompt_options words = {.prefill = prefill};
    esp_error why = {0};
    struct kit *k = &room;
    memset (k, 0, sizeof (*k));
    o.answer.separator = (esp_strings){separator, 1};
    PASS (step_rule_create (&o, &k->rule, &why));
    k->view = VIEW_ANSWER;
    if (prefill)
        PASS (chat_create (&words, &k->prompts, &why));
    PASS (given_engine (k, "vllm-pooling", HONEST, &why));
    PASS (wait_ready (k, &why));
    return k;
}

static void thinking_can_be_hidden_from_the_prm (void)
{
    struct kit *k = given_view (NULL);
    given_job (k, 0, NODES ("<think>bad bad\n\n"), "");
    given_job (k, 1, NODES ("<think>bad\n\nbad</think>good\n\n", "good"), "");
    start (k, 0, 2);
    wait_done (k, 2);
    CU_ASSERT_EQUAL (k->seen[0].r.score_count, 1);
    CHECK (near (k->seen[0].scores[0], 0.5));
    CHECK (near (k->seen[1].scores[0], 0.9));
    CHECK (strstr (k->traced, "assistant\ngood<extra_0>good<extra_0>"));
    end_engine (k);
}

static void a_thinking_that_the_prefill_opens_is_hidden_too (void)
{
    struct kit *k = given_view ("<think>");
    given_job (k, 0, NODES ("bad\n\nbad</think>good"), "");
    given_job (k, 1, NODES ("bad bad\n\n"), "");
    start (k, 0, 2);
    wait_done (k, 2);
    CHECK (k->seen[0].r.score_count == 1 && near (k->seen[0].scores[0], 0.9));
    CHECK (near (k->seen[1].scores[0], 0.5));
    end_engine (k);
}

/* Where prefixes are cached: job i is about question i % 4. */
static void given_questions (struct kit *k)
{
    static const char *const rows[] = {"{\"question\":\"Q0?\"}", "{\"question\":\"Q1?\"}",
                                       "{\"question\":\"Q2?\"}", "{\"question\":\"Q3?\"}"};
    for (unsigned i = 0; i < 32; i++) {
        given_job (k, i, NODES (i % 3 ? "good" : "bad"), "");
        k->jobs[i].problem = span_of (rows[i % 4]);
        k->jobs[i].task.id.problem = i % 4;
    }
}

static void a_problem_stays_on_its_server (void)
{
    static struct kit room;
    struct kit *k = &room;
    esp_error why = {0};
    memset (k, 0, sizeof (*k));
    k->two = true;
    k->options = (prm_options){.cache_prompt = true,
                               .layout = {.tag_id = -1, .good_id = 10, .bad_id = 12, .column = -1},
                               .batch_texts = 32,
                               .batch_bytes = 1000000,
                               .top_logprobs = 20,
                               .samples = 1};
    PASS (given_engine (k, "vllm-logprobs", HONEST, &why));
    PASS (wait_ready (k, &why));
    for (int i = 0; i < 5; i++)
        turn (k); /* the other one too */
    given_questions (k);
    start (k, 0, 16);
    wait_done (k, 16);
    start (k, 16, 16);
    wait_done (k, 32);
    CU_ASSERT_EQUAL (k->play.questions & k->other.questions, 0);
    CU_ASSERT_EQUAL (k->play.questions | k->other.questions, 15);
    for (unsigned i = 0; i < 32; i++)
        CHECK (near (k->seen[i].scores[0], 1 / (1 + exp (i % 3 ? -3 : 3))));
    end_engine (k);
}

/* A text per step: those of one job stand in several requests. */
static void jobs_of_many_texts_end_once (void)
{
    static struct kit room;
    struct kit *k = &room;
    esp_error why = {0};
    memset (k, 0, sizeof (*k));
    k->options = (prm_options){
        .layout = {.tag_id = -1, .good_id = 10, .bad_id = 12, .column = -1, .split = "\n\n"},
        .batch_texts = 2,
        .batch_bytes = 1000000,
        .top_logprobs = 20,
        .samples = 1,
        .cache_prompt = true};
    PASS (given_engine (k, "vllm-logprobs", HONEST, &why));
    PASS (wait_ready (k, &why));
    given_job (k, 0, NODES ("a\n\nb\n\nc\n\nd\n\nbad"), "");
    given_job (k, 1, NODES ("a\n\nb\n\nc\n\nLONG\n\ne\n\nf"), "");
    given_job (k, 2, NODES ("x", "a\n\nb\n\nc"), "d");
    given_job (k, 3, NODES ("a\n\nb\n\nc"), "");
    start (k, 0, 4);
    k->kind->cancel (k->state, &k->jobs[3]);
    wait_done (k, 3);
    CU_ASSERT_EQUAL (k->seen[0].r.score_count, 5);
    CHECK (near (k->seen[0].scores[3], 1 / (1 + exp (-3))) &&
           near (k->seen[0].scores[4], 1 / (1 + exp (3))));
    CU_ASSERT_EQUAL (k->seen[1].r.error, ESP_ETOOBIG);
    CHECK (k->seen[2].r.score_count == 4 && k->seen[2].r.score_own == 3);
    CHECK (k->seen[0].calls == 1 && k->seen[1].calls == 1 && k->seen[2].calls == 1);
    for (int i = 0; i < 5; i++)
        turn (k);
    CU_ASSERT_EQUAL (k->seen[3].calls, 0);
    end_engine (k);
    CU_ASSERT_EQUAL (esp_alloc_live (), 0);
}

static void tasks_of_other_kinds_are_refused (void)
{
    struct kit *k = given_ready (HONEST);
    given_job (k, 0, NODES ("good"), "");
    k->jobs[0].task.kind = TASK_GENERATE;
    start (k, 0, 1);
    CU_ASSERT_EQUAL (k->done, 1);
    CU_ASSERT_EQUAL (k->seen[0].r.error, ESP_EUNSUPPORTED);
    given_job (k, 1, NODES ("good"), "");
    k->jobs[1].problem = span_of ("not JSON");
    start (k, 1, 1);
    CU_ASSERT_EQUAL (k->seen[1].r.error, ESP_EFORMAT);
    end_engine (k);
}

static void jobs_of_too_many_steps_are_refused (void)
{
    struct kit *k = given_ready (HONEST);
    esp_buf text = {0};
    for (int i = 0; i < 5000; i++)
        PASS (esp_buf_puts (&text, "a\n\n"));
    given_job (k, 0, NODES (esp_buf_text (&text)), "");
    start (k, 0, 1);
    wait_done (k, 1);
    CU_ASSERT_EQUAL (k->seen[0].r.error, ESP_ETOOBIG);
    esp_buf_free (&text);
    end_engine (k);
}

/* Fail the n-th allocation behind the start of a job, until nothing fails: the job ends, nothing leaks. */
static void survives_failure_of_every_allocation (void)
{
    for (long n = 0; n < 60; n++) {
        struct kit *k = given_ready (HONEST);
        given_job (k, 0, NODES ("good", "bad\n\ngood"), "more");
        given_job (k, 1, NODES ("good"), "");
        esp_alloc_fail_after (n);
        start (k, 0, 2);
        for (int i = 0; i < 3 && k->done < 2; i++)
            k->kind->poll (k->state);
        esp_alloc_fail_after (-1);
        wait_done (k, 2);
        CHECK (k->seen[0].calls == 1 && k->seen[1].calls == 1);
        CHECK (k->seen[1].r.error == ESP_OK || k->seen[1].r.error == ESP_ENOMEM);
        end_engine (k);
        CU_ASSERT_EQUAL (esp_alloc_live (), 0);
    }
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"siblings share one request", siblings_share_one_request},
        {"only new steps are returned, own ones first", only_new_steps_are_returned_own_ones_first},
        {"an empty step is one step", an_empty_step_is_one_step},
        {"requests keep to their limits", requests_keep_to_their_limits},
        {"a text that is too long fails alone", a_text_that_is_too_long_fails_alone},
        {"a missing row is asked for once more", a_missing_row_is_asked_for_once_more},
        {"a row that stays missing is the end of that task only",
         a_row_that_stays_missing_is_the_end_of_that_task_only},
        {"cancelled jobs are forgotten", cancelled_jobs_are_forgotten},
        {"many are cancelled in any order", many_are_cancelled_in_any_order},
        {"a close with work in flight frees everything",
         a_close_with_work_in_flight_frees_everything},
        {"thinking can be hidden from the PRM", thinking_can_be_hidden_from_the_prm},
        {"a thinking that the prefill opens is hidden too",
         a_thinking_that_the_prefill_opens_is_hidden_too},
        {"a problem stays on its server", a_problem_stays_on_its_server},
        {"jobs of many texts end once", jobs_of_many_texts_end_once},
        {"tasks of other kinds are refused", tasks_of_other_kinds_are_refused},
        {"jobs of too many steps are refused", jobs_of_too_many_steps_are_refused},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return run_cases ("prm", cases);
}
