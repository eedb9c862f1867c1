/* SPDX-License-Identifier: Apache-2.0 */
/* test_run_workers.c - what cluster/cli/run_workers.h promises */

#include "cluster/cli/run_workers.h"
#include <stdio.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "tests/support/suite.h"

#define HEAD                                                                                       \
    "run: {output: out}\nproblems: {file: p.jsonl}\ngenerator: {engine: fake}\n"                   \
    "prm: {engine: fake}\n"

static run_config *given (const char *workers)
{
    run_config *c = NULL;
    esp_buf text = {0}, mistakes = {0};
    esp_error error = {0};
    esp_err err;
    PASS (esp_buf_printf (&text, HEAD "workers: {%s}\n", workers));
    err = run_config_parse (esp_buf_span (&text), NULL, 0, &c, &mistakes, &error);
    if (err != ESP_OK)
        printf ("    %s%s", error.text, esp_buf_text (&mistakes));
    esp_buf_free (&mistakes);
    esp_buf_free (&text);
    CU_ASSERT_EQUAL_FATAL (err, ESP_OK);
    return c;
}

/* Which of the ranks 1 to 9 score: "1.3......" */
static void serves (const char *list, const char *wanted)
{
    char workers[128], got[10] = "";
    run_config *c;
    snprintf (workers, sizeof (workers), "score: \"%s\"", list);
    c = given (workers);
    for (int rank = 1; rank <= 9; rank++)
        got[rank - 1] = run_workers_serves (c, TASK_SCORE, rank) ? (char)('0' + rank) : (char)'.';
    if (strcmp (got, wanted) != 0)
        printf ("    %s: %s, not %s\n", list, got, wanted);
    CHECK (strcmp (got, wanted) == 0);
    CHECK (run_workers_serves (c, TASK_GENERATE, 1) && run_workers_serves (c, TASK_VERIFY, 9));
    run_config_destroy (c);
}

static void refused (const char *list)
{
    run_config *c = NULL;
    esp_buf text = {0}, mistakes = {0};
    esp_error error = {0};
    PASS (esp_buf_printf (&text, HEAD "workers: {verify: \"%s\"}\n", list));
    FAILS (run_config_parse (esp_buf_span (&text), NULL, 0, &c, &mistakes, &error), ESP_EFORMAT);
    CHECK (strstr (esp_buf_text (&mistakes), "run.yaml:5: workers.verify: '") != NULL);
    CHECK (strstr (esp_buf_text (&mistakes), "no list of ranks") != NULL);
    esp_buf_free (&mistakes);
    esp_buf_free (&text);
}

static void does_not_fit (const char *workers, int size, const char *sentence)
{
    run_config *c = given (workers);
    esp_error error = {0};
    FAILS (run_workers_fit (c, size, &error), ESP_EINVAL);
    if (!strstr (error.text, sentence))
        printf ("    not there: %s\n    in: %s\n", sentence, error.text);
    CHECK (strstr (error.text, sentence) != NULL);
    CHECK (strchr (error.text, '\n') == NULL);
    run_config_destroy (c);
}

static void lists_name_ranks_ranges_and_every_nth (void)
{
    serves ("all", "123456789");
    serves ("5", "....5....");
    serves ("2-4", ".234.....");
    serves ("8-", ".......89");
    serves ("1-8/4", "1...5....");
    serves ("2-/3", ".2..5..8.");
    serves ("all/2", "1.3.5.7.9");
    serves (" 1 , 3 - 4,9-", "1.34....9");
    serves ("1000000", ".........");
    CHECK (esp_alloc_live () == 0);
}

static void what_is_no_list_is_a_mistake_with_its_line (void)
{
    static const char *const bad[] = {"",
                                      ",",
                                      "0",
                                      "0-3",
                                      "-3",
                                      "4-2",
                                      "x",
                                      "1,,2",
                                      "1,",
                                      "allx",
                                      "1-2-3",
                                      "1/0",
                                      "1/",
                                      "1.5",
                                      "1 2",
                                      "1-4x",
                                      "1e3",
                                      "99999999",
                                      "1-99999999999999999999"};
    for (size_t i = 0; i < sizeof (bad) / sizeof (*bad); i++)
        refused (bad[i]);
    CHECK (esp_alloc_live () == 0);
}

static void without_the_section_everybody_does_everything (void)
{
    run_config *c = given ("");
    esp_buf meaning = {0};
    esp_error error = {0};
    for (int k = 0; k < TASK_KINDS; k++)
        CHECK (run_workers_serves (c, k, 1) && run_workers_serves (c, k, 1000));
    PASS (run_workers_fit (c, 2, &error));
    PASS (run_workers_meaning (c, &meaning));
    CHECK (meaning.len == 0 && run_workers_least (c) == 2);
    run_config_destroy (c);
}

static void a_run_must_have_the_ranks_and_somebody_for_all_work (void)
{
    run_config *c = given ("generate: 1-3, score: 4-");
    esp_buf meaning = {0};
    esp_error error = {0};
    PASS (run_workers_fit (c, 5, &error));
    PASS (run_workers_meaning (c, &meaning));
    CHECK (strcmp (esp_buf_text (&meaning), ": generate 1-3, score 4-") == 0);
    CHECK (run_workers_least (c) == 5);
    esp_buf_free (&meaning);
    run_config_destroy (c);
    does_not_fit ("generate: 1-4, score: 2", 4,
                  "run.yaml:5: workers.generate: '1-4': there is no rank 4 in this run of 4 ranks");
    does_not_fit ("score: 5-", 3, "workers.score: '5-': there is no rank 5 in this run of 3");
    does_not_fit ("verify: \"1, 7\"", 4, "workers.verify: '1, 7': there is no rank 7");
    CHECK (esp_alloc_live () == 0);
}

static void nothing_done (void *ctx, const job *j, const result *r)
{
    (void)ctx;
    (void)j;
    (void)r;
}

/* Which kinds rank 2 opens: 'g', 's'. */
static void opens (void *ctx, const char *workers, const char *wanted)
{
    run_config *c = given (workers);
    esp_clock clock = esp_clock_monotonic ();
    engine_setup base = {.rank = 2, .clock = &clock, .done = nothing_done};
    worker_engines engines;
    esp_buf text = {0};
    esp_error error = {0};
    PASS (config_resolved (c->yaml, &text));
    PASS (run_config_open_engines (ctx, esp_buf_span (&text), &base, &engines, &error));
    CHECK ((engines.of[TASK_GENERATE].kind != NULL) == (strchr (wanted, 'g') != NULL));
    CHECK ((engines.of[TASK_SCORE].kind != NULL) == (strchr (wanted, 's') != NULL));
    run_config_close_engines (ctx, &engines);
    esp_buf_free (&text);
    run_config_destroy (c);
}

static void a_worker_opens_only_what_it_serves (void)
{
    int ranks = 1;
    opens (&ranks, "generate: 1, score: 2", "s");
    opens (&ranks, "generate: 2-, score: 1", "g");
    opens (&ranks, "generate: 1, score: 1", "");
    opens (&ranks, "", "gs");
    opens (NULL, "generate: 1, score: 1", "gs"); /* one process */
    CHECK (esp_alloc_live () == 0);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"lists name ranks, ranges and every nth", lists_name_ranks_ranges_and_every_nth},
        {"what is no list is a mistake with its line", what_is_no_list_is_a_mistake_with_its_line},
        {"without the section everybody does everything",
         without_the_section_everybody_does_everything},
        {"a run must have the ranks, and somebody for all work",
         a_run_must_have_the_ranks_and_somebody_for_all_work},
        {"a worker opens only what it serves", a_worker_opens_only_what_it_serves},
        {NULL, NULL},
    };
    return suite_main ("run_workers", cases);
}
