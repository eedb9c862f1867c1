/* SPDX-License-Identifier: Apache-2.0 */
/* test_import.c - what cluster/cli/import.h promises */
// LINK: esp_import esp_config

#include "cluster/cli/import.h"
#include <stdio.h>
#include <string.h>
#include "cluster/cli/run_config.h"
#include "proto/base/alloc.h"
#include "proto/base/file.h"
#include "tests/support/suite.h"

static const char bon[] = "# best of n, as their recipes look\n"
                          "approach: best_of_n\n"
                          "n: 256\n"
                          "model_path: Qwen/Qwen2.5-1.5B-Instruct\n"
                          "prm_path: Qwen/Qwen2.5-Math-PRM-7B\n"
                          "custom_chat_template: null\n"
                          "search_batch_size: 25\n"
                          "num_samples: 100\n"
                          "temprature: 0.7\n"
                          "temperature: 0.6\n"
                          "seed: 0\n"
                          "agg_strategy: prod\n"
                          "push_to_hub: false\n"
                          "system_prompt: \"Say \\\"why\\\".\\n# then answer\"\n";
static const char beam[] = "filter_duplicates: true\n"
                           "approach: beam_search\n"
                           "n: 18\n"
                           "num_iterations: 20\n"
                           "search_batch_size: 1\n"
                           "dataset_start: 0\n"
                           "dataset_end: 10\n";

static esp_buf out, notes;

static config *imported (const char *recipe)
{
    config *c = NULL;
    esp_error error = {0};
    esp_buf_clear (&out);
    esp_buf_clear (&notes);
    CU_ASSERT_EQUAL_FATAL (import_sal (span_of (recipe), "recipe.yaml", &out, &notes, &error),
                           ESP_OK);
    if (config_parse (esp_buf_span (&out), "run.yaml", &c, &error) != ESP_OK)
        printf ("    %s\n%s", error.text, esp_buf_text (&out));
    CU_ASSERT_PTR_NOT_NULL_FATAL (c);
    return c;
}

static void says (const config *c, const char *key, const char *value)
{
    const char *got = config_peek (c, key);
    if (!got || strcmp (got, value) != 0)
        printf ("    %s: %s, not %s\n", key, got ? got : "nothing", value);
    CHECK (got && strcmp (got, value) == 0);
}

/* Every key is known, every value is right. */
static void binds (void)
{
    run_config *c = NULL;
    esp_buf mistakes = {0};
    esp_error error = {0};
    esp_err err = run_config_parse (esp_buf_span (&out), NULL, 0, &c, &mistakes, &error);
    if (err != ESP_OK)
        printf ("    %s%s", error.text, esp_buf_text (&mistakes));
    CHECK (err == ESP_OK);
    esp_buf_free (&mistakes);
    run_config_destroy (c);
}

static void a_best_of_n_recipe_becomes_a_run_file (void)
{
    config *c = imported (bon);
    binds ();
    says (c, "run.seed", "0");
    says (c, "problems.limit", "100");
    says (c, "problems.file", "MATH-500.jsonl");
    says (c, "search.strategy", "best_of_n");
    says (c, "search.n", "256");
    says (c, "search.aggregate", "prod");
    CHECK (config_peek (c, "search.keep") == NULL && config_peek (c, "search.max_steps") == NULL);
    says (c, "prompt.system", "Say \"why\".\n# then answer");
    says (c, "generator.model", "Qwen/Qwen2.5-1.5B-Instruct");
    says (c, "generator.temperature", "0.6");
    says (c, "generator.max_tokens", "2048");
    says (c, "prm.layout", "qwen-extra0");
    CHECK (strstr (esp_buf_text (&notes),
                   "recipe.yaml:9: temprature: no key of search-and-learn; did "
                   "you mean temperature?") != NULL);
    CHECK (strstr (esp_buf_text (&out), "# temprature: no key") != NULL);
    CHECK (strstr (esp_buf_text (&out), "# push_to_hub: the output folder") != NULL);
    CHECK (strstr (esp_buf_text (&out), "custom_chat_template") == NULL);
    config_destroy (c);
}

static void a_beam_recipe_keeps_its_defaults_and_quirks (void)
{
    config *c = imported (beam);
    binds ();
    says (c, "run.seed", "42");
    says (c, "problems.limit", "10");
    says (c, "search.strategy", "beam");
    says (c, "search.rule", "tiled");
    says (c, "search.keep", "4"); /* floor (18 / 4) survive, 18 are asked */
    says (c, "search.expand", "4");
    says (c, "search.width", "18");
    says (c, "search.max_steps", "20");
    says (c, "search.filter_duplicates", "true");
    says (c, "search.sort_completed", "false"); /* theirs; ours is true */
    says (c, "search.aggregate", "last");
    says (c, "generator.model", "meta-llama/Llama-3.2-1B-Instruct");
    says (c, "prm.layout", "rlhflow-deepseek");
    says (c, "prompt.preset", "numbered");
    CHECK (config_peek (c, "search.lookahead") == NULL && notes.len == 0);
    config_destroy (c);
    c = imported ("approach: beam_search\nn: 2\n"); /* less than beam_width: all survive */
    says (c, "search.keep", "2");
    says (c, "search.expand", "1");
    config_destroy (c);
}

static void a_dvts_recipe_keeps_its_lookahead (void)
{
    config *c = imported ("approach: dvts\nn: 8\nprm_path: me/my-prm\n");
    binds ();
    says (c, "search.strategy", "dvts");
    says (c, "search.keep", "2");
    says (c, "search.expand", "4");
    says (c, "search.lookahead", "1");
    CHECK (config_peek (c, "prm.layout") == NULL);
    CHECK (strstr (esp_buf_text (&out), "# layout: not known for this PRM") != NULL);
    CHECK (strstr (esp_buf_text (&notes), "recipe.yaml:3: prm_path: what this PRM was trained to "
                                          "read is not known here; say prm.layout") != NULL);
    config_destroy (c);
}

/* Their rows [dataset_start, dataset_end) count only when both are given, and num_samples cuts them once more. */
static void the_rows_of_a_dataset_are_those_of_the_recipe (void)
{
    static const char *const cases[][2] = {
        {"dataset_start: 0\ndataset_end: 10\n", "10"},
        {"dataset_end: 10\n", NULL},
        {"num_samples: 5\n", "5"},
        {"dataset_start: 0\ndataset_end: 10\nnum_samples: 50\n", "10"},
        {"dataset_start: 0\ndataset_end: 10\nnum_samples: 5\n", "5"},
        {"dataset_start: 20\ndataset_end: 30\n", NULL}};
    for (size_t i = 0; i < sizeof (cases) / sizeof (cases[0]); i++) {
        config *c = imported (cases[i][0]);
        if (cases[i][1])
            says (c, "problems.limit", cases[i][1]);
        else
            CHECK (config_peek (c, "problems.limit") == NULL);
        CHECK ((strstr (esp_buf_text (&out),
                        "# dataset_start: 20, dataset_end: 30: cut the file") != NULL) == (i == 5));
        config_destroy (c);
    }
}

static void keys_of_beam_search_alone_are_told_elsewhere (void)
{
    config_destroy (
        imported ("approach: best_of_n\nn: 32\nsort_completed: true\nfilter_duplicates: true\n"));
    binds ();
    CHECK (strstr (esp_buf_text (&out),
                   "# filter_duplicates, sort_completed: of their beam search only") != NULL);
}

static void wrong_recipes_are_told_with_their_line (void)
{
    static const char *const bad[][2] = {
        {"approach: mcts\n", "recipe.yaml:1: approach: must be best_of_n, beam_search or dvts"},
        {"n: 6\napproach: dvts\n", "recipe.yaml:1: n: 6 is no multiple of beam_width, 4 (dvts)"},
        {"seed: 1\nn: many\n", "recipe.yaml:2: n: must be a number"},
        {"n: 2.5\n", "recipe.yaml:1: n: must be a whole number"},
        {"n: 0\n", "recipe.yaml:1: n: must be a number, not too small"},
        {"n: [1]\n", "recipe.yaml:1: n: must be one value"},
        {"sort_completed: maybe\n", "recipe.yaml:1: sort_completed: must be true or false"},
        {"agg_strategy: mean\n", "recipe.yaml:1: agg_strategy: must be last, min or prod"},
        {"model_path: null\n", "cannot be null"},
        {"- a\n", "recipe.yaml:1: no recipe"},
        {"a: b: c\n", "recipe.yaml:1:5: not YAML"},
    };
    for (size_t i = 0; i < sizeof (bad) / sizeof (bad[0]); i++) {
        esp_error error = {0};
        esp_buf_clear (&out);
        FAILS (import_sal (span_of (bad[i][0]), "recipe.yaml", &out, &notes, &error), ESP_EFORMAT);
        if (!strstr (error.text, bad[i][1]))
            printf ("    %s\n    not: %s\n", error.text, bad[i][1]);
        CHECK (strstr (error.text, bad[i][1]) != NULL && out.len == 0);
    }
}

/* ---- samples ---- */

static const char *put (const char *name, const char *text)
{
    static char paths[4][600];
    static int turn;
    char *path = paths[turn++ % 4];
    esp_error error = {0};
    PASS (esp_path_join (path, sizeof (paths[0]), suite_folder (), name));
    PASS (esp_file_write (path, span_of (text), 0644, &error));
    return path;
}

static void gathers (const char *const *files, size_t count, const char *problems, const char *rows)
{
    import_counts counts = {0};
    esp_error error = {0};
    esp_buf_clear (&out);
    PASS (import_samples (files, count, problems, &out, &counts, &error));
    CU_ASSERT_STRING_EQUAL (esp_buf_text (&out), rows);
}

static void samples_of_one_problem_become_one_row (void)
{
    const char *files[2];
    import_counts counts = {0};
    esp_error error = {0};
    const char *problems =
        put ("he.jsonl", "{\"task_id\":\"H/0\",\"prompt\":\"def f ():\",\"test\":\"t\"}\n");
    files[0] = put ("samples.jsonl", "{\"task_id\":\"H/0\",\"solution\":\"a\\n\\nb\"}\n"
                                     "{\"task_id\":\"H/9\",\"solution\":\"x\"}\n\n"
                                     "{\"task_id\":\"H/0\",\"solution\":\"c\"}\n");
    gathers (files, 1, problems,
             "{\"task_id\":\"H/0\",\"prompt\":\"def f ():\",\"test\":\"t\",\"id\":\"H/0\","
             "\"completions\":[\"a\\n\\nb\",\"c\"]}\n"
             "{\"task_id\":\"H/9\",\"id\":\"H/9\",\"completions\":[\"x\"]}\n");
    esp_buf_clear (&out);
    PASS (import_samples (files, 1, problems, &out, &counts, &error));
    CHECK (counts.rows == 3 && counts.problems == 2 && counts.unknown == 1);
    files[0] = put ("rs0.jsonl", "{\"id\":\"p\",\"problem\":\"P\",\"generation\":\"a\"}\n");
    files[1] =
        put ("rs1.jsonl",
             "{\"id\":\"p\",\"problem\":\"P\",\"steps\":[\"b\",\"c\"],\"solution\":\"ref\"}");
    gathers (files, 2, NULL,
             "{\"id\":\"p\",\"problem\":\"P\",\"completions\":[\"a\",[\"b\\n\\n\",\"c\"]]}\n");
}

static void bad_samples_are_named (void)
{
    import_counts counts = {0};
    esp_error error = {0};
    const char *file = put ("bad.jsonl", "{\"id\":\"a\",\"generation\":\"x\"}\n{\"id\":\"b\"}\n");
    esp_buf_clear (&out);
    FAILS (import_samples (&file, 1, NULL, &out, &counts, &error), ESP_EFORMAT);
    CHECK (strstr (error.text, "bad.jsonl:2: brings no solution") != NULL && out.len == 0);
    file = put ("bad.jsonl", "nonsense\n");
    FAILS (import_samples (&file, 1, NULL, &out, &counts, &error), ESP_EFORMAT);
    file = put ("bad.jsonl", "\n");
    FAILS (import_samples (&file, 1, NULL, &out, &counts, &error), ESP_EFORMAT);
    CHECK (strstr (error.text, "no row") != NULL);
    file = "/nowhere/at/all";
    FAILS (import_samples (&file, 1, NULL, &out, &counts, &error), ESP_ENOENT);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"a best-of-n recipe becomes a run file", a_best_of_n_recipe_becomes_a_run_file},
        {"a beam recipe keeps its defaults and quirks",
         a_beam_recipe_keeps_its_defaults_and_quirks},
        {"a DVTS recipe keeps its lookahead", a_dvts_recipe_keeps_its_lookahead},
        {"the rows of a dataset are those of the recipe",
         the_rows_of_a_dataset_are_those_of_the_recipe},
        {"keys of beam search alone are told elsewhere",
         keys_of_beam_search_alone_are_told_elsewhere},
        {"wrong recipes are told with their line", wrong_recipes_are_told_with_their_line},
        {"samples of one problem become one row", samples_of_one_problem_become_one_row},
        {"bad samples are named", bad_samples_are_named},
        {NULL, NULL},
    };
    int status = suite_main ("import", cases);
    esp_buf_free (&out);
    esp_buf_free (&notes);
    return status;
}
