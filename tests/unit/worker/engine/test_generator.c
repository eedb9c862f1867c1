/* SPDX-License-Identifier: Apache-2.0 */
/* test_generator.c - jobs, requests and ends of a generator over HTTP (worker/engine/generator.h) */

// LINK: esp_engine_table esp_config esp_test_servers

#include "tests/unit/worker/engine/generator_kit.h"

static struct gen g;

static uint64_t requests_for (uint32_t n)
{
    uint64_t before = kit_requests (&g);
    kit_do (&g, n);
    for (uint32_t i = 0; i < n; i++)
        CHECK (g.got[i].calls == 1 && g.got[i].r.error == ESP_OK);
    return kit_requests (&g) - before;
}

/* ---- siblings ---- */

static void siblings_are_one_request_and_each_has_its_own_seed (void)
{
    char texts[4][KIT_TEXT];
    for (int k = 0; k < KIT_KINDS; k++) {
        kit_serve (&g, kit_kinds[k], NULL, NULL);
        kit_siblings (&g, 1);
        (void)requests_for (1); /* the prompt is rendered */
        kit_siblings (&g, 4);
        CHECK (requests_for (4) == 1);
        for (int i = 0; i < 4; i++)
            snprintf (texts[i], KIT_TEXT, "%s", g.got[i].text);
        CHECK (strcmp (texts[0], texts[1]) || strcmp (texts[0], texts[2]) ||
               strcmp (texts[0], texts[3]));
        for (uint32_t i = 0; i < 4; i++) { /* alone it is the same */
            kit_job (&g, 0, SUM, NULL, 0)->task.seed = 100 + i;
            kit_do (&g, 1);
            kit_same (g.got[0].text, texts[i]);
        }
        kit_end (&g);
    }
}

static void what_is_no_sibling_is_asked_alone (void)
{
    kit_serve (&g, "vllm", NULL, NULL);
    kit_siblings (&g, 1);
    (void)requests_for (1);
    kit_siblings (&g, 2);
    g.jobs[1].task.max_tokens = 50;
    CHECK (requests_for (2) == 2);
    kit_siblings (&g, 2);
    g.jobs[1].task.seed = 7;
    CHECK (requests_for (2) == 2);
    kit_siblings (&g, 2);
    g.jobs[1].task.how.top_p = 0.5;
    CHECK (requests_for (2) == 2);
    kit_siblings (&g, 2);
    g.jobs[1].task.mode = TASK_TO_END;
    CHECK (requests_for (2) == 2);
    kit_siblings (&g, 2);
    for (int i = 0; i < 2; i++)
        g.jobs[i].task.extra = span_of ("Step 1: 12 + 7 = 19.\n\n");
    CHECK (requests_for (2) == 2);
    kit_siblings (&g, 2);
    for (int i = 0; i < 2; i++)
        g.jobs[i].task.how.temperature = 0;
    CHECK (requests_for (2) == 2);
    kit_same (g.got[1].text, g.got[0].text);
    kit_end (&g);
}

static void a_request_has_no_more_samples_than_fit (void)
{
    static const char *const slots[] = {"--slots", "3", NULL};
    kit_serve (&g, "llamacpp", NULL, slots);
    CHECK (g.kind->slots (g.state) == 6);
    kit_siblings (&g, 1);
    (void)requests_for (1);
    kit_siblings (&g, 7);
    CHECK (requests_for (7) == 3);
    kit_end (&g);
    kit_serve (&g, "vllm", "generator: {most_n: 2}\n", NULL);
    kit_siblings (&g, 1);
    (void)requests_for (1);
    kit_siblings (&g, 6);
    CHECK (requests_for (6) == 3);
    kit_end (&g);
    kit_serve (&g, "vllm", "generator: {in_flight: 4}\n", NULL);
    CHECK (g.kind->slots (g.state) == 4);
    kit_siblings (&g, 1);
    (void)requests_for (1);
    kit_siblings (&g, 8);
    CHECK (requests_for (8) == 2);
    kit_end (&g);
}

static uint32_t flying (void)
{
    return servers_at (g.state->servers, 0)->in_flight;
}

/* Requests on their way that name slot 0, where a model server says that the first of siblings is. */
static uint32_t in_slot_0 (void)
{
    uint32_t count = 0;
    for (const struct request *r = g.state->requests; r; r = r->next)
        count += r->ask.slot == 0;
    return count;
}

/* One step behind each of `n` nodes from `first`; their children are 10 above. */
static void branches (uint32_t n, node_ref first)
{
    static span steps[1];
    steps[0] = span_of ("Step 1: We start with 12.\n\n");
    for (uint32_t i = 0; i < n; i++) {
        kit_job (&g, i, SUM, steps, 1)->task.node = first + i;
        g.jobs[i].task.child = first + i + 10;
    }
}

static void a_branch_goes_on_in_the_slot_that_holds_it (void)
{
    static const char *const slow[] = {"--slots", "4", "--token-ms", "20", NULL};
    for (int vllm = 0; vllm < 2; vllm++) {
        kit_serve (&g, vllm ? "vllm" : "llamacpp", NULL, slow);
        kit_siblings (&g, 2);
        (void)requests_for (2);
        branches (2, 10); /* one slot holds both: the second does not wait for it */
        kit_start (&g, 2);
        UNTIL (&g, flying () == 2);
        CHECK (in_slot_0 () == (vllm ? 0 : 1));
        UNTIL (&g, g.done == 2);
        branches (1, 20); /* the slot is nobody's again */
        kit_start (&g, 1);
        UNTIL (&g, flying () == 1);
        CHECK (in_slot_0 () == (vllm ? 0 : 1));
        UNTIL (&g, g.done == 1);
        branches (1, 20);
        kit_start (&g, 1);
        UNTIL (&g, flying () == 1);
        g.kind->cancel (g.state, &g.jobs[0]); /* and after a cancel, too */
        branches (1, 20);
        kit_start (&g, 1);
        UNTIL (&g, flying () == 1);
        CHECK (in_slot_0 () == (vllm ? 0 : 1));
        UNTIL (&g, g.done == 1);
        branches (1, 20);
        g.jobs[0].task.id.problem = 9;
        kit_start (&g, 1);
        UNTIL (&g, g.done == 1);
        branches (1, 20); /* another problem was in that slot since */
        kit_start (&g, 1);
        UNTIL (&g, flying () == 1);
        CHECK (in_slot_0 () == 0);
        UNTIL (&g, g.done == 1);
        branches (1, 40); /* a place that nobody has been at */
        kit_start (&g, 1);
        UNTIL (&g, flying () == 1);
        CHECK (in_slot_0 () == 0);
        UNTIL (&g, g.done == 1);
        kit_end (&g);
    }
}

/* Started anew with fewer slots: a name of one that is gone is waited for for ever. */
static void a_slot_that_the_server_has_no_more_is_not_named (void)
{
    server *s;
    kit_serve (&g, "llamacpp", NULL, NULL); /* 8 slots */
    s = servers_at (g.state->servers, 0);
    for (int few = 0; few < 2; few++) {
        servers_set_home (g.state->servers, generator_home_key (kit_job (&g, 0, SUM, NULL, 0), 10),
                          s, 5);
        ((struct generator_facts *)server_data (s))->holds[5] =
            generator_home_key (&g.jobs[0], NODE_ROOT);
        branches (1, 10);
        s->facts.slots = few ? 5 : 6;
        kit_start (&g, 1);
        UNTIL (&g, g.state->requests && g.state->requests->ask.model);
        CHECK (g.state->requests->ask.slot == (few ? -1 : 5));
        UNTIL (&g, g.done == 1);
    }
    kit_end (&g);
}

/* 8 samples were a request when it had 8 slots; now it refuses them. */
static void siblings_that_are_more_than_the_slots_left_go_one_by_one (void)
{
    static const char *const few[] = {"--slots", "2", NULL};
    char texts[4][KIT_TEXT];
    kit_serve (&g, "llamacpp", NULL, NULL);
    kit_siblings (&g, 4);
    kit_do (&g, 4);
    for (int i = 0; i < 4; i++)
        memcpy (texts[i], g.got[i].text, KIT_TEXT);
    kit_end (&g);
    kit_serve (&g, "llamacpp", NULL, few);
    servers_at (g.state->servers, 0)->facts.slots = 8;
    kit_siblings (&g, 4);
    CHECK (requests_for (4) == 6); /* of them the prompt and the refused one */
    for (int i = 0; i < 4; i++) {
        CHECK (g.got[i].r.error == ESP_OK);
        kit_same (g.got[i].text, texts[i]);
    }
    kit_end (&g);
}

static void a_server_without_n_gets_single_requests (void)
{
    /* the probe's first request, of two samples, is answered with one of them too few: again, and again at n = 1 */
    static const char *const none[] = {"--fault", "too-few path=/v1/completions n=1", NULL};
    kit_serve (&g, "vllm", NULL, none);
    kit_siblings (&g, 1);
    (void)requests_for (1);
    kit_siblings (&g, 3);
    CHECK (requests_for (3) == 3);
    kit_end (&g);
}

/* ---- costs ---- */

static void the_prompt_is_counted_once_per_request (void)
{
    for (int k = 0; k < KIT_KINDS; k++) {
        uint64_t generated = 0;
        kit_serve (&g, kit_kinds[k], NULL, NULL);
        kit_siblings (&g, 4);
        kit_do (&g, 4);
        CHECK (g.got[0].r.prompt_tokens > 5);
        for (int i = 0; i < 4; i++) {
            CHECK (i == 0 || (g.got[i].r.prompt_tokens == 0 && g.got[i].r.cached_tokens == 0));
            CHECK (g.got[i].r.tokens > 3);
            kit_same (g.got[i].server, model_server_url (g.m));
            generated += g.got[i].r.tokens;
        }
        CHECK (server_counts_of (servers_at (g.state->servers, 0))->generated_tokens == generated);
        kit_end (&g);
    }
}

static uint32_t cached_of_the_same_again (const char *sections)
{
    uint32_t cached;
    kit_serve (&g, "llamacpp", sections, NULL);
    kit_siblings (&g, 1);
    kit_do (&g, 1);
    kit_siblings (&g, 1);
    kit_do (&g, 1);
    CHECK (g.got[0].calls == 1 && g.got[0].r.error == ESP_OK && g.got[0].r.prompt_tokens > 16);
    cached = g.got[0].r.cached_tokens;
    kit_end (&g);
    return cached;
}

static void a_cache_that_is_not_wanted_is_not_used (void)
{
    const generator_options off = {.cache_prompt = false}, on = {.cache_prompt = true};
    CHECK (cached_of_the_same_again (NULL) > 0);
    CHECK (cached_of_the_same_again ("generator: {cache_prompt: false}\n") == 0);
    for (int k = 0; k < KIT_KINDS; k++) {
        const engine_kind *kind = engine_find (kit_kinds[k], ENGINE_GENERATOR);
        PASS (kind->check_options (kind, &on, NULL, &g.error));
        if (strcmp (kit_kinds[k], "llamacpp") == 0) {
            PASS (kind->check_options (kind, &off, NULL, &g.error));
        } else {
            FAILS (kind->check_options (kind, &off, NULL, &g.error), ESP_EINVAL);
            CHECK (strstr (g.error.text, "only llamacpp"));
        }
    }
}

static void logprobs_are_summed_and_kept (void)
{
    for (int k = 0; k < KIT_KINDS; k++)
        for (int streamed = 0; streamed < 2; streamed++) {
            kit_serve (&g, kit_kinds[k],
                       streamed ? "step: {separator: \"\\n\\n\", every: 2}\n"
                                  "generator: {logprobs: top, top_logprobs: 3, stream: always}\n"
                                : "step: {separator: \"\\n\\n\", every: 2}\n"
                                  "generator: {logprobs: top, top_logprobs: 3, stream: never}\n",
                       NULL);
            kit_siblings (&g, 2);
            kit_do (&g, 2);
            for (int i = 0; i < 2; i++) {
                const struct got *at = &g.got[i];
                double sum = 0;
                CHECK (at->r.error == ESP_OK && at->tokens.top == 3);
                CHECK (at->tokens.count == at->r.tokens);
                for (uint32_t t = 0; t < at->tokens.count; t++) {
                    token_logprob one = token_data_at (&at->tokens, t);
                    sum += isnan (one.logprob) ? 0 : (double)one.logprob;
                    CHECK (isnan (one.logprob) || one.logprob <= 0);
                    CHECK (k == 3 || one.id != TOKEN_ID_NONE);
                }
                CHECK (fabs (sum - at->r.logprob) < 0.01 && at->r.logprob < 0);
                CHECK (fabs (at->r.mean_logprob * at->r.tokens - at->r.logprob) < 0.01);
            }
            kit_end (&g);
        }
}

static void without_logprobs_none_are_given (void)
{
    kit_serve (&g, "vllm", NULL, NULL);
    kit_siblings (&g, 1);
    kit_do (&g, 1);
    CHECK (isnan (g.got[0].r.logprob) && isnan (g.got[0].r.mean_logprob));
    CHECK (g.got[0].r.token_data.len == 0);
    kit_end (&g);
}

/* The first of the list is down: what is known comes from those that answered. */
static void a_dead_first_server_changes_nothing (void)
{
    for (int k = 0; k < KIT_KINDS; k++) {
        char sections[300];
        memset (&g, 0, sizeof (g));
        g.m = model_server_start ((const char *[]){"--kind", kit_kinds[k], NULL});
        snprintf (sections, sizeof (sections),
                  "generator: {urls: [\"http://127.0.0.1:1\", \"%s\"]}\n", model_server_url (g.m));
        kit_open (&g, kit_kinds[k], NULL, sections);
        kit_siblings (&g, 3);
        kit_do (&g, 3);
        for (int i = 0; i < 3; i++) {
            CHECK (g.got[i].r.error == ESP_OK && has (g.got[i].text, "Step 1: "));
            kit_same (g.got[i].server, model_server_url (g.m));
        }
        kit_same (g.what, k == 3 ? "messages sent" : "prompt sent");
        kit_end (&g);
    }
}

/* ---- ends ---- */

static void one_of_several_siblings_may_be_cancelled (void)
{
    static const char *const slow[] = {"--token-ms", "5", NULL};
    for (int k = 0; k < KIT_KINDS; k++) {
        kit_serve (&g, kit_kinds[k], NULL, slow);
        kit_siblings (&g, 4);
        kit_start (&g, 4);
        for (int i = 0; i < 8; i++)
            kit_pass (&g);
        g.kind->cancel (g.state, &g.jobs[2]);
        UNTIL (&g, g.done == 3);
        CHECK (g.got[2].calls == 0 && g.got[3].calls == 1 && g.got[3].r.error == ESP_OK);
        kit_siblings (&g, 3);
        kit_start (&g, 3);
        for (int i = 0; i < 3; i++)
            g.kind->cancel (g.state, &g.jobs[i]);
        g.kind->cancel (g.state, &g.jobs[0]); /* gone already */
        for (int i = 0; i < 5; i++)
            kit_pass (&g);
        CHECK (g.done == 0 && !g.state->requests);
        CHECK (servers_at (g.state->servers, 0)->in_flight == 0);
        kit_end (&g);
    }
}

static void a_cancel_while_the_prompt_is_rendered_is_fine (void)
{
    static const char *const slow[] = {"--delay-ms", "30", NULL};
    kit_serve (&g, "vllm", NULL, slow);
    kit_siblings (&g, 3);
    kit_start (&g, 3);
    g.kind->cancel (g.state, &g.jobs[0]);
    UNTIL (&g, g.done == 2);
    CHECK (g.got[0].calls == 0 && g.got[1].r.error == ESP_OK);
    kit_job (&g, 0, SUM, NULL, 0)->task.id.problem = 8;
    kit_start (&g, 1);
    g.kind->cancel (g.state, &g.jobs[0]); /* nobody waits for that prompt now */
    kit_siblings (&g, 1);
    g.jobs[0].task.id.problem = 8;
    kit_do (&g, 1);
    CHECK (g.got[0].r.error == ESP_OK);
    kit_end (&g);
}

static void close_may_come_at_any_moment (void)
{
    static const char *const slow[] = {"--delay-ms", "3", "--token-ms", "1", NULL};
    for (int passes = 0; passes < 24; passes++) {
        kit_serve (&g, kit_kinds[passes % KIT_KINDS], "step: {separator: \"\\n\\n\", every: 2}\n",
                   slow);
        kit_siblings (&g, 6);
        g.jobs[3].task.id.problem = 9;
        kit_start (&g, 6);
        for (int i = 0; i < passes; i++)
            kit_pass (&g);
        kit_end (&g);
    }
}

/* What a fault at every generation does to a job. */
static void ends_with (const char *fault, bool streamed, esp_err code)
{
    char spec[100];
    const char *more[] = {"--fault", spec, NULL};
    snprintf (spec, sizeof (spec), "%s path=/v1/completions n=2-99", fault);
    kit_serve (&g, "vllm",
               streamed ? "generator: {tries: 2, stream: always}\n"
                        : "generator: {tries: 2, stream: never}\n",
               more);
    kit_siblings (&g, 1);
    kit_start (&g, 1);
    for (int i = 0; i < 400 && g.done == 0; i++) {
        g.ahead_ns += 30000000; /* pauses pass */
        kit_pass (&g);
    }
    CHECK (g.done == 1 && g.got[0].r.error == code && g.got[0].text[0] == 0);
    if (g.got[0].r.error != code)
        printf ("    %s: %d\n", fault, g.got[0].r.error);
    kit_end (&g);
}

static void failures_end_a_sample_with_their_code (void)
{
    for (int streamed = 0; streamed < 2; streamed++) {
        ends_with ("500", streamed, ESP_EPEER);
        ends_with ("broken-json", streamed, ESP_EPEER);
        ends_with ("huge=4", streamed, ESP_EPEER);
        ends_with ("401", streamed,
                   ESP_ECANCELED); /* the probe that follows is refused: nobody is in service */
    }
    ends_with ("too-many-tokens", false, ESP_EPEER);
}

static void a_row_that_is_no_problem_ends_its_jobs (void)
{
    kit_serve (&g, "vllm", NULL, NULL);
    kit_job (&g, 0, "{\"x\":1}", NULL, 0);
    kit_do (&g, 1);
    CHECK (g.got[0].r.error == ESP_EFORMAT);
    kit_end (&g);
}

static void survives_failure_of_every_allocation (void)
{
    static const char *const none[] = {NULL};
    for (long n = 0; n < 160; n++) {
        kit_serve (&g, n % 2 ? "llamacpp" : "vllm", "step: {separator: \"\\n\\n\", every: 2}\n",
                   none);
        kit_siblings (&g, 3);
        g.jobs[2].task.id.problem = 9;
        esp_alloc_fail_after (n / 2);
        kit_start (&g, 3);
        for (int i = 0; i < 6 && g.done < 3; i++)
            kit_pass (&g);
        esp_alloc_fail_after (-1);
        for (int i = 0; i < 2000 && g.done < 3; i++) {
            g.ahead_ns += 10000000;
            kit_pass (&g);
        }
        CHECK (g.done == 3 && (g.traces == 0 || strcmp (g.what, "prompt sent") == 0));
        for (int i = 0; i < 3; i++)
            CHECK (g.got[i].r.error == ESP_OK || g.got[i].r.error == ESP_ENOMEM);
        kit_end (&g);
    }
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"siblings are one request, and each has its own seed",
         siblings_are_one_request_and_each_has_its_own_seed},
        {"what is no sibling is asked alone", what_is_no_sibling_is_asked_alone},
        {"a request has no more samples than fit", a_request_has_no_more_samples_than_fit},
        {"a branch goes on in the slot that holds it", a_branch_goes_on_in_the_slot_that_holds_it},
        {"siblings that are more than the slots left go one by one",
         siblings_that_are_more_than_the_slots_left_go_one_by_one},
        {"a slot that the server has no more is not named",
         a_slot_that_the_server_has_no_more_is_not_named},
        {"a server without n gets single requests", a_server_without_n_gets_single_requests},
        {"the prompt is counted once per request", the_prompt_is_counted_once_per_request},
        {"a cache that is not wanted is not used", a_cache_that_is_not_wanted_is_not_used},
        {"logprobs are summed and kept", logprobs_are_summed_and_kept},
        {"without logprobs none are given", without_logprobs_none_are_given},
        {"a dead first server changes nothing", a_dead_first_server_changes_nothing},
        {"one of several siblings may be cancelled", one_of_several_siblings_may_be_cancelled},
        {"a cancel while the prompt is rendered is fine",
         a_cancel_while_the_prompt_is_rendered_is_fine},
        {"close may come at any moment", close_may_come_at_any_moment},
        {"failures end a sample with their code", failures_end_a_sample_with_their_code},
        {"a row that is no problem ends its jobs", a_row_that_is_no_problem_ends_its_jobs},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("generator", cases);
}
