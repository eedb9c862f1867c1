/* SPDX-License-Identifier: Apache-2.0 */
/* test_generator_prompts.c - what a generator over HTTP sends, and what is shown of it (worker/engine/generator_root.c, generator_ask.c) */

// LINK: esp_engine_table esp_config esp_test_servers

#include "proto/base/file.h"
#include "tests/unit/worker/engine/generator_kit.h"

static struct gen g;

/* ---- looks ---- */

static void partial_texts_are_shown_whole (void)
{
    for (int k = 0; k < KIT_KINDS; k++) {
        kit_serve (&g, kit_kinds[k],
                   "step: {separator: \"\\n\\n\", every: 2}\ngenerator: {stream: always}\n", NULL);
        kit_siblings (&g, 1);
        kit_do (&g, 1);
        CHECK (g.progress > 0 && has (g.part, "Step 1") && has (g.part, "Step 2"));
        CHECK (strncmp (g.got[0].text, g.part, strlen (g.part)) == 0);
        kit_end (&g);
    }
}

static void what_is_sent_is_traced_as_it_is_sent (void)
{
    span path = span_of ("Step 1: 12 + 7 = 19.\n\n");
    for (int k = 0; k < KIT_KINDS; k++) {
        kit_serve (&g, kit_kinds[k], "prompt: {system: Be brief.}\n", NULL);
        kit_job (&g, 0, SUM, &path, 1);
        kit_do (&g, 1);
        CHECK (g.traces == 1 && has (g.trace, "Be brief.") &&
               has (g.trace, "What is 12 + 7 + 30?"));
        kit_same (g.what, k == 3 ? "messages sent" : "prompt sent");
        if (k < 3)
            CHECK (has (g.trace, "<|im_start|>assistant\nStep 1: 12 + 7 = 19.\n\n"));
        else
            CHECK (has (g.trace,
                        "{\"role\":\"assistant\",\"content\":\"Step 1: 12 + 7 = 19.\\n\\n\"}]"));
        CHECK (has (g.got[0].text, "Step 2"));
        kit_end (&g);
    }
}

/* ---- prompts ---- */

static void an_action_has_its_own_system_prompt (void)
{
    const engine_action actions[] = {{0, NULL}, {0, "Speak Latin."}};
    kit_serve (&g, "vllm", "prompt: {system: Be brief.}\n", NULL);
    g.state->setup.actions = actions;
    g.state->setup.action_count = 2;
    for (uint16_t a = 0; a < 2; a++) {
        kit_job (&g, 0, SUM, NULL, 0)->task.action = a;
        kit_do (&g, 1);
        CHECK (has (g.trace, a ? "Speak Latin." : "Be brief."));
        CHECK (!has (g.trace, a ? "Be brief." : "Speak Latin."));
    }
    kit_end (&g);
}

/* A temperature comes with the task, also where siblings of two actions start together. */
static void actions_send_their_own_temperatures (void)
{
    const engine_action actions[] = {{0, NULL}, {0, NULL}};
    const double temperatures[] = {0.25, 1.5};
    double sum = 0;
    kit_serve (&g, "vllm", NULL, NULL);
    g.state->setup.actions = actions;
    g.state->setup.action_count = 2;
    for (int round = 0; round < 2; round++) { /* the second finds prompts that are rendered */
        for (uint16_t a = 0; a < 2; a++) {
            task *t = &kit_job (&g, a, SUM, NULL, 0)->task;
            t->action = a;
            t->how.temperature = temperatures[a];
        }
        kit_start (&g, 2);
        for (const struct request *r = g.state->requests; r; r = r->next)
            sum += round * r->ask.temperature;
        UNTIL (&g, g.done == 2);
    }
    CHECK (sum == 0.25 + 1.5);
    kit_end (&g);
}

static void a_problem_brings_messages_and_first_words (void)
{
    static const char turns[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"What is 1 + 1 + 1?\"},"
        "{\"role\":\"assistant\",\"content\":\"3\"},{\"role\":\"user\",\"content\":\"What is 12 + "
        "7 + 30?\"},"
        "{\"role\":\"assistant\",\"content\":\"Step 1: 12 + 7 = 19.\\n\\n\"}]}";
    for (int k = 0; k < KIT_KINDS; k++) {
        kit_serve (&g, kit_kinds[k], NULL, NULL);
        kit_job (&g, 0, turns, NULL, 0);
        kit_do (&g, 1);
        CHECK (g.got[0].r.error == ESP_OK && has (g.trace, "What is 1 + 1 + 1?"));
        CHECK (has (g.trace, "Step 1: 12 + 7 = 19.")); /* chat too */
        CHECK (strncmp (g.got[0].text, "Step 2: ", 8) == 0);
        kit_end (&g);
    }
}

static void prompts_may_be_rendered_here (void)
{
    char path[400], sections[600];
    kit_serve (&g, "openai", "prompt: {chat: chatml, prefill: \"Step 1: 12 + 7 = 19.\\n\\n\"}\n",
               NULL);
    kit_siblings (&g, 1);
    kit_do (&g, 1);
    kit_same (g.what, "prompt sent");
    CHECK (has (g.trace, "<|im_start|>user\n") &&
           has (g.trace, "<|im_start|>assistant\nStep 1: 12 + 7 = 19.\n\n"));
    CHECK (strncmp (g.got[0].text, "Step 2: ", 8) == 0);
    kit_end (&g);
    kit_serve (&g, "vllm", "prompt: {chat: raw, preset: plain}\n", NULL);
    kit_siblings (&g, 1);
    kit_do (&g, 1);
    CHECK (has (g.trace, "What is 12 + 7 + 30?") && !has (g.trace, "im_start"));
    kit_end (&g);
    snprintf (path, sizeof (path), "%s/turns.yaml", suite_folder ());
    PASS (esp_file_write (
        path, span_of ("turns: {user: \"[U]{user}[/U]\", assistant: \"{assistant}\"}\n"), 0600,
        NULL));
    snprintf (sections, sizeof (sections), "prompt: {chat: file, chat_file: %s}\n", path);
    kit_serve (&g, "llamacpp", sections, NULL);
    kit_siblings (&g, 1);
    kit_do (&g, 1);
    CHECK (g.got[0].r.error == ESP_OK && has (g.trace, "[U]") && has (g.trace, "?[/U]"));
    kit_end (&g);
}

static void a_doubled_bos_is_taken_off (void)
{
    static const char *const bos[] = {"--bos", NULL};
    for (int k = 0; k < 3; k++) {
        kit_serve (&g, kit_kinds[k], NULL, bos);
        kit_siblings (&g, 1);
        kit_do (&g, 1);
        CHECK (g.got[0].r.error == ESP_OK && has (g.trace, "<|im_start|>user"));
        CHECK (has (g.trace, "<s>") == (k == 0)); /* vLLM is told to put none there */
        kit_end (&g);
    }
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"partial texts are shown whole", partial_texts_are_shown_whole},
        {"what is sent is traced as it is sent", what_is_sent_is_traced_as_it_is_sent},
        {"an action has its own system prompt", an_action_has_its_own_system_prompt},
        {"actions send their own temperatures", actions_send_their_own_temperatures},
        {"a problem brings messages and first words", a_problem_brings_messages_and_first_words},
        {"prompts may be rendered here", prompts_may_be_rendered_here},
        {"a doubled BOS is taken off", a_doubled_bos_is_taken_off},
        {NULL, NULL},
    };
    return suite_main ("generator_prompts", cases);
}
