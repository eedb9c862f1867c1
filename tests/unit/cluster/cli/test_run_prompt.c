/* SPDX-License-Identifier: Apache-2.0 */
/* test_run_prompt.c - what cluster/cli/run_prompt.h promises, and run_config.h of it */

#include "cluster/cli/run_prompt.h"
#include <stdio.h>
#include <string.h>
#include "cluster/cli/run_config.h"
#include "proto/base/alloc.h"
#include "proto/base/file.h"
#include "tests/support/suite.h"

#define RUN                                                                                        \
    "run: {output: out}\nproblems: {file: p.jsonl}\ngenerator: {engine: fake}\nprm: {engine: "     \
    "fake}\n"
#define VIEW(of) "prm: [{name: a, engine: fake, view: answer}, {name: b, engine: fake" of "}]\n"

static char run_path[4096];

static void given_run_file (const char *text)
{
    esp_error error = {0};
    PASS (esp_path_join (run_path, sizeof (run_path), suite_folder (), "run.yaml"));
    PASS (esp_file_write (run_path, span_of (text), 0644, &error));
}

static void has_mistakes (const char *text, const char *first, const char *second)
{
    esp_buf mistakes = {0};
    esp_error error = {0};
    run_config *c = NULL;
    given_run_file (text);
    FAILS (run_config_load (run_path, NULL, 0, &c, &mistakes, &error), ESP_EFORMAT);
    CHECK (strstr (esp_buf_text (&mistakes), first) != NULL);
    CHECK (strstr (esp_buf_text (&mistakes), second) != NULL);
    esp_buf_free (&mistakes);
}

static void mistakes_are_found_with_their_line (void)
{
    has_mistakes (RUN "step: {regex: \"a(\"}\nprompt:\n  template: no\n",
                  "run.yaml:5: step.regex: column 3: ", "run.yaml:7: prompt.template: ");
    has_mistakes (RUN "step:\n  think: {separator: [\"a\", \"ab\"]}\nprompt:\n  chat: file\n",
                  "run.yaml:6: step.think.separator: ", "run.yaml:8: prompt.chat: ");
    has_mistakes (RUN "step: {sepatator: a}\nprompt: {examples: /nowhere/x}\n", "separator",
                  "run.yaml:6: prompt.examples: /nowhere/x");
}

static void a_message_is_no_switch (void)
{
    has_mistakes (RUN "prompt:\n  improve: true\n", ":6: prompt.improve: 'true' would be the whole",
                  "leave it out");
    has_mistakes (RUN "prompt: {improve: No}\n", "prompt.improve: 'No' would be", "{observation}");
}

static void a_view_without_thinking_is_a_mistake (void)
{
    has_mistakes ("run: {output: out}\nproblems: {file: p.jsonl}\n" VIEW (
                      ", view: thinking") "step: {separator: a}\n",
                  "run.yaml:3: prm[0].view: there is no thinking",
                  "run.yaml:3: prm[1].view: there is no thinking");
}

static void what_is_right_is_compiled (void)
{
    esp_buf mistakes = {0};
    esp_error error = {0};
    run_config *c = NULL;
    given_run_file ("run: {output: out}\nproblems: {file: p.jsonl}\n" VIEW (
        "") "step: {think: {max_tokens: 4k, tokens: 512}}\nprompt: {preset: math}\n");
    PASS (run_config_load (run_path, NULL, 0, &c, &mistakes, &error));
    CHECK (c->prompt.step != NULL && c->prompt.chat != NULL);
    CHECK (c->lists[TASK_SCORE].parts[0].view == VIEW_ANSWER); /* each has its own */
    CHECK (c->lists[TASK_SCORE].parts[1].view == VIEW_BOTH);
    CHECK (step_rule_thinks (c->prompt.step, false, span_of ("<think>")));
    run_config_destroy (c);
    esp_buf_free (&mistakes);
}

/* The steps of a rollout behind a path, as the search of this run file cuts them. */
static void
rollouts_split (const char *section, const char *path, const char *rollout, const char *expected)
{
    esp_buf mistakes = {0}, got = {0}, all = {0};
    esp_error error = {0};
    run_config *c = NULL;
    span rest = span_of (rollout), step;
    const step_split *split;
    bool thinking;
    given_run_file (section);
    PASS (run_config_load (run_path, NULL, 0, &c, &mistakes, &error));
    split = &c->search.split;
    PASS (esp_buf_puts (&all, path));
    PASS (esp_buf_puts (&all, rollout));
    thinking = split->thinks (split->rule, esp_buf_span (&all), strlen (path));
    while (split->next (split->rule, &thinking, &rest, &step)) {
        PASS (esp_buf_puts (&got, got.len ? "|" : ""));
        PASS (esp_buf_add (&got, step));
    }
    CHECK (strcmp (esp_buf_text (&got), expected) == 0);
    esp_buf_free (&got);
    esp_buf_free (&all);
    esp_buf_free (&mistakes);
    run_config_destroy (c);
}

static void rollouts_are_cut_by_the_rule_of_the_run (void)
{
    rollouts_split (RUN, "", "a\n\nb\n\nc", "a\n\n|b\n\n|c");
    rollouts_split (RUN "step: {regex: \"\\n(?=Step)\"}\n", "", "a\n\nStep 1\nb\nStep 2",
                    "a\n\n|Step 1\nb\n|Step 2");
    rollouts_split (RUN "step: {think: {separator: \"; \"}}\n", "a\n\n", "b; c\n\nd", "b; c\n\n|d");
    rollouts_split (RUN "step: {think: {separator: \"; \"}}\n", "<think>a; ", "b; c</think>d; e",
                    "b; |c</think>|d; e");
    rollouts_split (RUN "step: {think: {separator: \"; \"}}\n", "a; ", "b; c</think>d; e",
                    "b; |c</think>|d; e"); /* the template opened it */
}

static void looking_back_needs_no_files (void)
{
    esp_buf mistakes = {0};
    esp_error error = {0};
    run_config *c = NULL;
    given_run_file (RUN "prompt: {examples: /nowhere/x}\n");
    PASS (run_config_recall (run_path, NULL, 0, &c, &mistakes, &error));
    CHECK (c->prompt.step != NULL && c->prompt.chat == NULL);
    PASS (run_config_check_problem (c, span_of ("{\"id\":\"a\"}"), &error));
    run_config_destroy (c);
    esp_buf_free (&mistakes);
}

/* A resume reads the resolved file, and so does every rank. */
static esp_err load_again (const esp_buf *resolved, bool files, esp_buf *mistakes)
{
    esp_error error = {0};
    run_config *c = NULL;
    esp_err err;
    given_run_file (esp_buf_text (resolved));
    esp_buf_clear (mistakes);
    err = files ? run_config_load (run_path, NULL, 0, &c, mistakes, &error)
                : run_config_recall (run_path, NULL, 0, &c, mistakes, &error);
    run_config_destroy (err == ESP_OK ? c : NULL);
    return err;
}

static void files_whose_content_changed_are_refused (void)
{
    static const char example[] = "{\"problem\": \"1 + 1?\", \"solution\": \"2\"}\n";
    char path[4096], text[8192];
    esp_buf mistakes = {0}, resolved = {0};
    esp_error error = {0};
    run_config *c = NULL, *before = NULL;
    PASS (esp_path_join (path, sizeof (path), suite_folder (), "shots.jsonl"));
    PASS (esp_file_write (path, span_of (example), 0644, &error));
    snprintf (text, sizeof (text), RUN "prompt: {examples: %s}\n", path);
    given_run_file (text);
    PASS (run_config_load (run_path, NULL, 0, &before, &mistakes, &error));
    PASS (config_resolved (before->yaml, &resolved));
    CHECK (strstr (esp_buf_text (&resolved), "examples_hash: xxh3-") != NULL);
    PASS (load_again (&resolved, true, &mistakes));
    PASS (esp_file_write (path, span_of ("{\"problem\": \"1 + 2?\", \"solution\": \"3\"}\n"), 0644,
                          &error));
    FAILS (load_again (&resolved, true, &mistakes), ESP_EFORMAT);
    CHECK (
        strstr (esp_buf_text (&mistakes), "prompt.examples: ") &&
        strstr (esp_buf_text (&mistakes), "shots.jsonl is another file than the run was started"));
    PASS (load_again (&resolved, false, &mistakes)); /* looking back */
    given_run_file (text); /* the user's own file once more: run --resume */
    PASS (run_config_load (run_path, NULL, 0, &c, &mistakes, &error));
    FAILS (config_may_resume (before->yaml, c->yaml, &error), ESP_ECONFLICT);
    CHECK (strstr (error.text, "prompt.examples_hash: the run was started with") != NULL);
    run_config_destroy (before);
    run_config_destroy (c);
    esp_buf_free (&mistakes);
    esp_buf_free (&resolved);
}

/* Without the lines of the vLLM engine where this program has none. */
static void recipe (const char *name, esp_buf *out)
{
    char path[4096];
    esp_buf text = {0};
    esp_error error = {0};
    span rest;
    snprintf (path, sizeof (path), "%s/../../cluster/recipes/%s", ESP_TESTS_UNIT, name);
    PASS (esp_file_read (path, 1 << 20, &text, &error));
    rest = esp_buf_span (&text);
    while (rest.len > 0) {
        size_t end = span_find (rest, span_of ("\n")) + 1;
        span line = span_make (rest.ptr, end < rest.len ? end : rest.len);
        rest = span_make (rest.ptr + line.len, rest.len - line.len);
        if (engine_find ("vllm", ENGINE_GENERATOR) ||
            (!span_starts (line, "  engine: vllm") && !span_starts (line, "  url:")))
            PASS (esp_buf_add (out, line));
    }
    esp_buf_free (&text);
}

static void the_recipe_for_thinking_models_is_right (void)
{
    esp_buf text = {0}, mistakes = {0};
    esp_error error = {0};
    run_config *c = NULL;
    step_plan plan;
    recipe ("think-chunks.yaml", &text);
    given_run_file (esp_buf_text (&text));
    PASS (run_config_load (run_path, NULL, 0, &c, &mistakes, &error));
    step_rule_plan (c->prompt.step, &(step_place){.thinking = true, .think_tokens = 8000}, &plan);
    CHECK (plan.most_tokens == 192 && plan.stop_count == 1);
    CHECK (step_rule_begins (c->prompt.step, span_of ("<|im_start|>assistant\n"),
                             span_of (c->prompt.chat_how.prefill)));
    run_config_destroy (c);
    esp_buf_free (&mistakes);
    esp_buf_free (&text);
}

static void finished (void *ctx, const job *j, const result *r)
{
    (void)ctx, (void)j, (void)r;
}

static void a_worker_reads_the_files_itself (void)
{
    worker_engines engines = {.owner = NULL};
    engine_setup base = {.rank = 1, .done = finished};
    esp_error error = {0};
    FAILS (run_config_open_engines (NULL, span_of (RUN "prompt: {examples: /nowhere/x}\n"), &base,
                                    &engines, &error),
           ESP_EFORMAT);
    CHECK (strstr (error.text, "rank 0") && strstr (error.text, "prompt.examples: /nowhere/x"));
    PASS (run_config_open_engines (NULL, span_of (RUN), &base, &engines, &error));
    run_config_close_engines (NULL, &engines);
    CHECK (esp_alloc_live () == 0);
}

static void a_problem_without_text_makes_no_prompt (void)
{
    run_prompt p = {.step = NULL};
    prompt_options o = {.chat = TEMPLATE_CHATML};
    esp_error error = {0};
    PASS (run_prompt_check_problem (&p, span_of ("{}"), &error));
    PASS (chat_create (&o, &p.chat, &error));
    PASS (run_prompt_check_problem (&p, span_of ("{\"problem\":\"2+2?\"}"), &error));
    FAILS (run_prompt_check_problem (&p, span_of ("{\"id\":\"7\"}"), &error), ESP_EFORMAT);
    run_prompt_free (&p);
    CHECK (esp_alloc_live () == 0);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"mistakes are found with their line", mistakes_are_found_with_their_line},
        {"a message is no switch", a_message_is_no_switch},
        {"a view without thinking is a mistake", a_view_without_thinking_is_a_mistake},
        {"what is right is compiled", what_is_right_is_compiled},
        {"the recipe for thinking models is right", the_recipe_for_thinking_models_is_right},
        {"rollouts are cut by the rule of the run", rollouts_are_cut_by_the_rule_of_the_run},
        {"files whose content changed are refused", files_whose_content_changed_are_refused},
        {"looking back needs no files", looking_back_needs_no_files},
        {"a worker reads the files itself", a_worker_reads_the_files_itself},
        {"a problem without text makes no prompt", a_problem_without_text_makes_no_prompt},
        {NULL, NULL},
    };
    return suite_main ("run_prompt", cases);
}
