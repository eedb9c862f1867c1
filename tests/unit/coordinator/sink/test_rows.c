/* SPDX-License-Identifier: Apache-2.0 */
// LINK: esp_config esp_search
/* test_rows.c - equal answers, and costs, in the rows of coordinator/sink/rows.h */

#include "coordinator/sink/rows.h"
#include "coordinator/merge/answer_key.h"
#include "tests/unit/coordinator/search/plays.h"

/* A best_of_n whose generations say these texts, in plan order; nothing scores or verifies them. */
static void given_said (player *p, const char *const *texts, uint32_t n)
{
    char section[60];
    snprintf (section, sizeof (section), "strategy: best_of_n, n: %u", n);
    PASS (player_read (p, section));
    p->w.setup.has_prm = p->w.setup.has_verifier = false;
    world_open (&p->w);
    for (uint32_t i = 0; i < n && p->w.queued > 0; i++) {
        result r = {.id = p->w.queue[0].id,
                    .text = span_of (texts[i]),
                    .tokens = 1,
                    .steps = 1,
                    .finish = FINISH_EOS,
                    .logprob = NAN,
                    .mean_logprob = NAN,
                    .share = NAN};
        world_send (&p->w, &r);
    }
    CHECK (p->w.err == ESP_OK && search_finished (p->w.s));
}

static void free_rows (esp_buf rows[ROW_FILES])
{
    for (int i = 0; i < ROW_FILES; i++)
        esp_buf_free (&rows[i]);
}

static void
check_rows (const char *const *texts, uint32_t n, int equal, const char *answer, const char *vote)
{
    player p;
    vote_options options = {VOTE_MAJORITY, 1.0, equal};
    esp_buf rows[ROW_FILES] = {{0}};
    given_said (&p, texts, n);
    PASS (rows_of_search (p.w.s, &options, NULL, rows, NULL));
    CHECK (strstr (esp_buf_text (&rows[ROW_ANSWERS]), answer) &&
           strstr (esp_buf_text (&rows[ROW_ANSWERS]), vote));
    CHECK (span_count (esp_buf_span (&rows[ROW_CANDIDATES]), span_of ("\n")) == n);
    free_rows (rows);
    player_close (&p);
}

static void equal_values_are_one_answer_in_its_first_spelling (void)
{
    static const char *const texts[] = {"\\boxed{7}", "\\boxed{\\frac{1}{2}}", "#### 0.5",
                                        "The answer is 1/2.", "\\boxed{7}"};
    check_rows (texts, 5, ANSWER_BY_VALUE, "\"answer\":\"\\\\frac{1}{2}\"", "\"vote\":3");
    check_rows (texts, 5, ANSWER_BY_TEXT, "\"answer\":\"7\"", "\"vote\":2");
}

static void a_text_that_states_no_answer_has_none (void)
{
    static const char *const texts[] = {"nothing", "\\boxed{"};
    check_rows (texts, 2, ANSWER_BY_VALUE, "\"answer\":null", "\"vote\":2");
}

/* 10 tokens were read for each sample, 4 of them from a cache. */
static void given_costs (player *p, size_t generators)
{
    static const action_means means[2] = {{.max_tokens = 64, .generator = 0},
                                          {.max_tokens = 64, .generator = 1}};
    PASS (player_read (p, "strategy: best_of_n, n: 2"));
    p->w.setup.has_verifier = false;
    p->w.setup.actions = means + generators - 1; /* action 0 is of the last generator */
    p->w.setup.action_count = 1;
    p->w.setup.generator_count = generators;
    world_open (&p->w);
    while (p->w.err == ESP_OK && p->w.queued > 0) {
        char text[200];
        double scores[64];
        task t = p->w.queue[0];
        result r = world_result (&p->w, &t, text, scores);
        r.prompt_tokens = t.kind == TASK_GENERATE ? 10 : 0;
        r.cached_tokens = t.kind == TASK_GENERATE ? 4 : 0;
        r.tokens = t.kind == TASK_GENERATE ? 3 : 0;
        r.scored_tokens = t.kind == TASK_SCORE ? 100 : 0;
        world_send (&p->w, &r);
    }
    CHECK (p->w.err == ESP_OK && search_finished (p->w.s));
}

static void costs_tell_what_servers_read_and_generated (void)
{
    player p;
    vote_options options = {VOTE_BEST, 1.0, ANSWER_BY_VALUE};
    esp_buf rows[ROW_FILES] = {{0}};
    given_costs (&p, 1);
    PASS (rows_of_search (p.w.s, &options, NULL, rows, NULL));
    CHECK (span_is (esp_buf_span (&rows[ROW_COSTS]),
                    "{\"id\":\"problem-3\",\"repeat\":0,\"generations\":2,\"generated_tokens\":6,"
                    "\"prompt_tokens\":20,\"cached_tokens\":8,\"scored_tokens\":6,"
                    "\"read_tokens\":200,\"verdicts\":0}\n"));
    free_rows (rows);
    player_close (&p);
}

static void costs_of_several_generators_stand_side_by_side (void)
{
    player p;
    vote_options options = {VOTE_BEST, 1.0, ANSWER_BY_VALUE};
    esp_buf rows[ROW_FILES] = {{0}};
    given_costs (&p, 2);
    PASS (rows_of_search (p.w.s, &options, NULL, rows, NULL));
    CHECK (
        strstr (esp_buf_text (&rows[ROW_COSTS]),
                "\"verdicts\":0,\"generators\":[{\"generations\":0,\"generated_tokens\":0,"
                "\"prompt_tokens\":0,\"cached_tokens\":0},{\"generations\":2,\"generated_tokens\""
                ":6,\"prompt_tokens\":20,\"cached_tokens\":8}]}\n") != NULL);
    free_rows (rows);
    player_close (&p);
}

static void survives_failure_of_every_allocation (void)
{
    static const char *const texts[] = {"\\boxed{1}", "\\boxed{1.0}"};
    const vote_options options = {VOTE_MAJORITY, 1.0, ANSWER_BY_VALUE};
    player p;
    esp_err err = ESP_ENOMEM;
    given_said (&p, texts, 2);
    for (long n = 0; err != ESP_OK && n < 500; n++) {
        long live = esp_alloc_live ();
        esp_buf rows[ROW_FILES] = {{0}};
        esp_alloc_fail_after (n);
        err = rows_of_search (p.w.s, &options, NULL, rows, NULL);
        esp_alloc_fail_after (-1);
        free_rows (rows);
        CHECK (esp_alloc_live () == live && (err == ESP_OK || err == ESP_ENOMEM));
    }
    CU_ASSERT_EQUAL (err, ESP_OK);
    player_close (&p);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"equal values are one answer, in its first spelling",
         equal_values_are_one_answer_in_its_first_spelling},
        {"a text that states no answer has none", a_text_that_states_no_answer_has_none},
        {"costs tell what servers read and generated", costs_tell_what_servers_read_and_generated},
        {"costs of several generators stand side by side",
         costs_of_several_generators_stand_side_by_side},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("rows", cases);
}
