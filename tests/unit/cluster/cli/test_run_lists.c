/* SPDX-License-Identifier: Apache-2.0 */
/* test_run_lists.c - what cluster/cli/run_lists.h promises */

#include "cluster/cli/run_lists.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "tests/support/suite.h"

#define HEAD "run: {output: out}\nproblems: {file: p.jsonl}\nprm: {engine: fake}\n"
#define TWO                                                                                        \
    "generator:\n- {name: small, engine: fake, temperature: 0.5, max_tokens: 99}\n"                \
    "- {name: large, engine: fake, temperature: 0.25}\n"

static run_config *given (const char *text)
{
    run_config *c = NULL;
    esp_buf mistakes = {0};
    esp_error error = {0};
    esp_err err = run_config_parse (span_of (text), NULL, 0, &c, &mistakes, &error);
    if (err != ESP_OK)
        printf ("    %s%s", error.text, esp_buf_text (&mistakes));
    esp_buf_free (&mistakes);
    CU_ASSERT_EQUAL_FATAL (err, ESP_OK);
    return c;
}

static int64_t actions_of (const run_config *c)
{
    const char *text = config_peek (c->yaml, "search.actions");
    return text ? atoll (text) : -1;
}

static void refused (const char *text, const char *sentence)
{
    run_config *c = NULL;
    esp_buf mistakes = {0};
    esp_error error = {0};
    FAILS (run_config_parse (span_of (text), NULL, 0, &c, &mistakes, &error), ESP_EFORMAT);
    if (!strstr (esp_buf_text (&mistakes), sentence))
        printf ("    not there: %s\n    in: %s", sentence, esp_buf_text (&mistakes));
    CHECK (strstr (esp_buf_text (&mistakes), sentence) != NULL);
    esp_buf_free (&mistakes);
}

static bool hides (const char *verifier)
{
    char text[400];
    snprintf (text, sizeof (text), HEAD TWO "search: {strategy: ab_mcts}\n%s\n", verifier);
    run_config *c = given (text);
    bool hidden = c->search.hidden_tests;
    run_config_destroy (c);
    return hidden;
}

static void only_a_verifier_with_hidden_tests_hides_them (void)
{
    CHECK (hides ("verifier: {kind: code}"));
    CHECK (!hides ("verifier: {kind: code, visible: false}"));
    CHECK (!hides ("verifier: {kind: answer}") && !hides ("# none"));
}

static void a_list_of_generators_makes_as_many_actions (void)
{
    run_config *c = given (HEAD TWO "search: {strategy: ab_mcts}\n");
    engine_setup setup = {.rank = 1};
    CHECK (actions_of (c) == 2 && c->action_count == 2 && c->search.action_count == 2);
    CHECK (c->actions[1].generator == 1);
    CHECK (c->search.actions[0].how.temperature == 0.5 && c->search.actions[0].max_tokens == 99);
    CHECK (c->search.actions[1].how.temperature == 0.25 && c->search.actions[1].max_tokens == 2048);
    CHECK (run_lists_engine (c, TASK_GENERATE, &setup) == &engine_choice);
    CHECK (((const engine_list *)setup.options)->count == 2 && setup.action_count == 2);
    CHECK (strcmp (((const engine_list *)setup.options)->parts[1].name, "large") == 0);
    run_config_destroy (c);
    CHECK (esp_alloc_live () == 0);
}

static void texts_of_a_file_are_given (void)
{
    run_config *c =
        given ("run: {output: out}\nproblems: {file: p.jsonl}\nverifier: {kind: answer}\n"
               "search: {strategy: math_shepherd}\ngenerator:\n- {name: given, engine: file}\n"
               "- {name: model, engine: fake}\n");
    CHECK (actions_of (c) == 2 && c->search.actions[0].given && !c->search.actions[1].given);
    run_config_destroy (c);
    c = given (HEAD "generator: {engine: file}\n");
    CHECK (c->search.given && c->search.action_count == 0);
    run_config_destroy (c);
    c = given (HEAD "generator: {engine: fake}\n");
    CHECK (!c->search.given);
    run_config_destroy (c);
    CHECK (esp_alloc_live () == 0);
}

static void actions_name_generator_temperature_and_system (void)
{
    run_config *c = given (HEAD TWO "search: {strategy: ab_mcts, actions: 2}\n"
                                    "actions:\n- {generator: large, temperature: 0}\n- {}\n"
                                    "- {system: Be brief.}\n");
    CHECK (actions_of (c) == 2 && c->action_count == 3); /* fewer than listed: the first ones */
    CHECK (c->actions[0].generator == 1 && c->search.actions[0].how.temperature == 0.0);
    CHECK (c->actions[1].generator == 0 && c->search.actions[1].how.temperature == 0.5);
    CHECK (c->actions[1].system == NULL && strcmp (c->actions[2].system, "Be brief.") == 0);
    run_config_destroy (c);
}

static void tasks_of_two_actions_have_two_temperatures (void)
{
    run_config *c = given (HEAD TWO "search: {strategy: best_first, actions: 2, expand: 1}\n"
                                    "actions: [{temperature: 0.125}, {temperature: 1.5}]\n");
    problem p = {.id = span_of ("p"), .json = span_of ("{\"id\":\"p\"}")};
    input in = {.kind = INPUT_OPEN};
    effects out = {.finished = false};
    search *s = NULL;
    PASS (search_create (&c->search, &p, &s));
    PASS (search_apply (s, &in, &out));
    CU_ASSERT_EQUAL_FATAL (out.task_count, 2);
    for (size_t i = 0; i < 2; i++)
        CHECK (out.tasks[i].how.temperature == (out.tasks[i].action == 0 ? 0.125 : 1.5));
    CHECK (out.tasks[0].action != out.tasks[1].action);
    effects_free (&out);
    search_destroy (s);
    run_config_destroy (c);
    CHECK (esp_alloc_live () == 0);
}

static void the_resolved_file_says_the_same (void)
{
    run_config *c = given (HEAD TWO "search: {strategy: ab_mcts}\n"
                                    "actions:\n- {generator: large}\n- {temperature: 0.1}\n"),
               *again;
    esp_buf text = {0}, other = {0};
    uint64_t a = 0, b = 1;
    PASS (config_resolved (c->yaml, &text));
    again = given (esp_buf_text (&text));
    PASS (config_resolved (again->yaml, &other));
    CHECK (span_equal (esp_buf_span (&text), esp_buf_span (&other)));
    PASS (config_identity (c->yaml, &a));
    PASS (config_identity (again->yaml, &b));
    CHECK (a == b && again->actions[0].generator == 1 && actions_of (again) == 2);
    CHECK (again->search.actions[1].how.temperature == 0.1);
    run_config_destroy (c);
    run_config_destroy (again);
    esp_buf_free (&text);
    esp_buf_free (&other);
    CHECK (esp_alloc_live () == 0);
}

static void prms_of_a_list_are_one_engine_with_weights (void)
{
    run_config *c = given ("run: {output: out}\nproblems: {file: p.jsonl}\n"
                           "prm:\n- {name: a, engine: fake, weight: 2}\n- {name: b, engine: "
                           "embedded, slots: 3}\n");
    engine_setup setup = {.rank = 1};
    const engine_list *list;
    CHECK (run_lists_engine (c, TASK_SCORE, &setup) == &engine_ensemble && c->search.has_prm);
    list = setup.options;
    CHECK (list->count == 2 && list->parts[0].weight == 2.0 && list->parts[1].weight == 1.0);
    CHECK (list->parts[1].slots == 3 && strcmp (list->parts[1].kind->name, "embedded") == 0);
    CHECK (run_lists_engine (c, TASK_GENERATE, &setup) == c->engines[TASK_GENERATE]->kind);
    run_config_destroy (c);
}

static void mistakes_name_the_item_and_its_line (void)
{
    refused (HEAD TWO "search: {strategy: ab_mcts, actions: 3}\n",
             "run.yaml:7: search.actions: 3, but there are 2 generators");
    refused (HEAD TWO "search: {strategy: beam}\n", "would only use the first of 2 generators");
    refused (HEAD "generator:\n- {name: a, engine: fake}\n- {name: a, engine: fake}\nsearch: "
                  "{strategy: ab_mcts}\n",
             "run.yaml:6: generator[1].name: generator[0] has the name 'a' already");
    refused (HEAD "generator:\n- {engine: fake}\n- {name: a, engine: fake}\nsearch: {strategy: "
                  "ab_mcts}\n",
             "run.yaml:5: generator[0]: has no name");
    refused (
        HEAD TWO "search: {strategy: ab_mcts}\nactions: [{generator: smal}]\n",
        "actions[0].generator: there is no generator with the name 'smal'; did you mean small?");
    refused (HEAD "generator:\n- {name: a, engine: fake}\n- {name: b, engine: none}\nsearch: "
                  "{strategy: ab_mcts}\n",
             "generator[1].engine: there is no generator 'none'");
    refused ("run: {output: out}\nproblems: {file: p.jsonl}\nprm:\n- {name: a, engine: fake}\n- "
             "{name: b, weight: 0, engine: fake}\n",
             "prm[1].weight");
    CHECK (esp_alloc_live () == 0);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"only a verifier with hidden tests hides them",
         only_a_verifier_with_hidden_tests_hides_them},
        {"a list of generators makes as many actions", a_list_of_generators_makes_as_many_actions},
        {"texts of a file are given", texts_of_a_file_are_given},
        {"actions name generator, temperature and system",
         actions_name_generator_temperature_and_system},
        {"tasks of two actions have two temperatures", tasks_of_two_actions_have_two_temperatures},
        {"the resolved file says the same", the_resolved_file_says_the_same},
        {"PRMs of a list are one engine with weights", prms_of_a_list_are_one_engine_with_weights},
        {"mistakes name the item and its line", mistakes_name_the_item_and_its_line},
        {NULL, NULL},
    };
    return suite_main ("run_lists", cases);
}
