/* SPDX-License-Identifier: Apache-2.0 */
/* test_generator_steps.c - where the steps of a generator over HTTP end (worker/engine/generator.h), by each rule and server
 *
 * The model server's text is a function of prompt and seed: a step is the beginning of the rollout with the same seed.
 */

// LINK: esp_engine_table esp_config esp_test_servers

#include "tests/unit/worker/engine/generator_kit.h"

static struct gen g;

/* The whole solution of the first job, as a rollout. */
static void rollout (char *out)
{
    kit_job (&g, 0, SUM, NULL, 0)->task.mode = TASK_TO_END;
    g.jobs[0].task.max_steps = 100;
    kit_do (&g, 1);
    CHECK (g.got[0].r.error == ESP_OK && g.got[0].r.finish == FINISH_EOS);
    snprintf (out, KIT_TEXT, "%s", g.got[0].text);
}

static void step_of (const char *asked, const span *steps, size_t n)
{
    kit_job (&g, 0, asked, steps, n);
    kit_do (&g, 1);
    CHECK (g.got[0].r.error == ESP_OK && g.got[0].r.steps == 1);
}

/* Step by step until the end; returns how many steps, their texts in all. */
static size_t walk (char *all, const char *asked)
{
    static char texts[32][KIT_TEXT];
    span steps[32];
    size_t n = 0;
    all[0] = 0;
    while (n < 32) {
        step_of (asked, steps, n);
        if (g.got[0].r.error != ESP_OK)
            break;
        snprintf (texts[n], KIT_TEXT, "%s", g.got[0].text);
        steps[n] = span_of (texts[n]);
        n++;
        strncat (all, g.got[0].text, KIT_TEXT - strlen (all) - 1);
        if (g.got[0].r.finish != FINISH_STOP)
            break;
    }
    return n;
}

static void a_step_ends_with_its_separator (void)
{
    char whole[KIT_TEXT], all[KIT_TEXT], *end;
    for (int i = 0; i < KIT_KINDS; i++) {
        kit_serve (&g, kit_kinds[i], NULL, NULL);
        rollout (whole);
        CHECK (g.got[0].r.steps == 3);
        step_of (SUM, NULL, 0);
        end = strstr (whole, "\n\n");
        CU_ASSERT_PTR_NOT_NULL_FATAL (end);
        end[2] = 0;
        kit_same (g.got[0].text, whole);
        CHECK (g.got[0].r.finish == FINISH_STOP);
        CHECK (walk (all, SUM) == 3);
        CHECK (has (all, "\\boxed{") && g.got[0].r.finish == FINISH_EOS);
        kit_end (&g);
    }
}

static void several_separators_make_a_step_of_several_pieces (void)
{
    char all[KIT_TEXT];
    for (int i = 0; i < KIT_KINDS; i++) {
        const char *first;
        kit_serve (&g, kit_kinds[i], "step: {separator: \"\\n\\n\", every: 2}\n", NULL);
        step_of (SUM, NULL, 0);
        first = strstr (g.got[0].text, "\n\n");
        CHECK (first && strstr (first + 2, "\n\n") &&
               !strstr (strstr (first + 2, "\n\n") + 2, "\n"));
        CHECK (kit_requests (&g) >= 2 && g.got[0].r.tokens > 5);
        CHECK (walk (all, SUM) == 2 && has (all, "\\boxed{"));
        kit_end (&g);
    }
}

static void a_pattern_is_found_in_the_stream_and_the_rest_is_cut (void)
{
    char whole[KIT_TEXT], *end;
    for (int i = 0; i < KIT_KINDS; i++) {
        kit_serve (&g, kit_kinds[i], "step: {regex: \"= [0-9]+\\\\.\\n\"}\n", NULL);
        rollout (whole);
        step_of (SUM, NULL, 0);
        end = strstr (whole, ".\n");
        CU_ASSERT_PTR_NOT_NULL_FATAL (end);
        end[2] = 0;
        kit_same (g.got[0].text, whole);
        CHECK (g.got[0].r.finish == FINISH_STOP && g.got[0].r.tokens > 0);
        CHECK (g.state->servers->items[0]->in_flight == 0);
        kit_end (&g);
    }
}

static void a_sample_that_the_server_gave_up_is_no_step (void)
{
    static const char *const paths[] = {"/v1/completions", "/generate", "/completion"};
    for (int i = 0; i < KIT_KINDS - 1; i++) {
        char spec[60], first[KIT_TEXT];
        const char *more[] = {"--fault", spec, NULL};
        for (int gone = 0; gone < 2; gone++) {
            snprintf (spec, sizeof (spec), "%s path=%s n=2", gone ? "abort" : "429=0", paths[i]);
            kit_serve (&g, kit_kinds[i], "step: {regex: \"[0-9]\\\\}\"}\n", more);
            step_of (SUM, NULL, 0);
            if (!gone)
                memcpy (first, g.got[0].text, sizeof (first));
            kit_same (g.got[0].text, first);
            CHECK (g.got[0].r.error == ESP_OK && has (first, "\\boxed{"));
            kit_end (&g);
        }
    }
}

/* Events that bring no text have tokens all the same: what the server counts is believed. */
static void tokens_of_a_stream_that_is_cut_are_those_that_the_server_counts (void)
{
    for (int i = 0; i < KIT_KINDS - 1; i++) {
        uint32_t exact[8];
        for (int sums = 1; sums >= 0; sums--) {
            kit_serve (&g, kit_kinds[i],
                       sums ? "step: {regex: \"= [0-9]+\\\\.\n\"}\ngenerator: {logprobs: sum}\n"
                            : "step: {regex: \"= [0-9]+\\\\.\n\"}\n",
                       NULL);
            for (uint32_t j = 0; j < 8; j++)
                kit_job (&g, j, SUM, NULL, 0)->task.seed = 10 * j; /* a request each */
            kit_do (&g, 8);
            for (uint32_t j = 0; j < 8; j++) {
                exact[j] = sums ? g.got[j].r.tokens : exact[j];
                CHECK (g.got[j].r.tokens == exact[j]);
            }
            kit_end (&g);
        }
    }
}

static void chunks_have_so_many_tokens (void)
{
    char all[KIT_TEXT];
    for (int i = 0; i < KIT_KINDS; i++) {
        size_t n;
        kit_serve (&g, kit_kinds[i], "step: {tokens: 14}\n", NULL);
        for (uint32_t j = 0; j < 4; j++)
            kit_job (&g, j, SUM, NULL, 0);
        kit_do (&g, 4);
        for (uint32_t j = 0; j < 4; j++)
            CHECK (g.got[j].r.finish == FINISH_STOP && g.got[j].r.tokens == 14);
        n = walk (all, SUM);
        CHECK (n >= 3 && has (all, "\\boxed{") && g.got[0].r.finish == FINISH_EOS);
        kit_end (&g);
    }
}

static void whole_is_one_step (void)
{
    char whole[KIT_TEXT];
    for (int i = 0; i < KIT_KINDS; i++) {
        kit_serve (&g, kit_kinds[i], "step: {whole: true}\n", NULL);
        rollout (whole);
        step_of (SUM, NULL, 0);
        kit_same (g.got[0].text, whole);
        CHECK (g.got[0].r.finish == FINISH_EOS);
        kit_end (&g);
    }
}

static void a_step_that_is_too_short_takes_what_follows (void)
{
    char all[KIT_TEXT];
    for (int i = 0; i < KIT_KINDS; i++) {
        kit_serve (&g, kit_kinds[i], "step: {min_chars: 30}\n", NULL);
        CHECK (walk (all, SUM) == 2 && has (all, "\\boxed{"));
        kit_end (&g);
    }
}

static void thinking_is_closed_by_force_when_its_tokens_are_used_up (void)
{
    static const char *const think[] = {"--think", NULL};
    char all[KIT_TEXT], *open, *close;
    for (int i = 0; i < 3; i++) { /* openai's chat cannot go on inside its thinking everywhere */
        kit_serve (&g, kit_kinds[i], "step: {think: {max_tokens: 12, tokens: 5}}\n", think);
        CHECK (walk (all, SUM) > 3);
        open = strstr (all, "<think>");
        close = strstr (all, "</think>");
        CHECK (open && close && open < close && !strstr (close + 1, "</think>"));
        CHECK (close && has (close, "\\boxed{"));
        CHECK (close - open < 120);
        kit_end (&g);
        kit_serve (&g, kit_kinds[i], "step: {think: {max_tokens: 12}}\n", think);
        rollout (all);
        close = strstr (all, "</think>");
        CHECK (close && !strstr (close + 1, "</think>") && has (close, "\\boxed{"));
        kit_end (&g);
    }
}

static void thinking_is_looked_up_in_a_lookahead_too (void)
{
    static const char *const think[] = {"--think", NULL};
    span path = span_of ("<think>\nLet me see.\n\n");
    kit_serve (&g, "vllm", "step: {think: {max_tokens: 12, tokens: 5}}\n", think);
    kit_job (&g, 0, SUM, &path, 1);
    g.jobs[0].task.extra = span_of ("More.\n\n</think>\n\n");
    kit_do (&g, 1);
    CHECK (g.got[0].r.finish == FINISH_STOP && !has (g.got[0].text, "think"));
    CHECK (has (g.got[0].text, "Step 1:") && has (g.got[0].text, "\n\n")); /* no chunk */
    kit_end (&g);
}

/* ---- rollouts ---- */

static void a_rollout_has_at_most_max_steps_steps (void)
{
    char whole[KIT_TEXT];
    for (int i = 0; i < KIT_KINDS; i++) {
        kit_serve (&g, kit_kinds[i], NULL, NULL);
        rollout (whole);
        kit_job (&g, 0, SUM, NULL, 0)->task.mode = TASK_TO_END;
        g.jobs[0].task.max_steps = 2;
        kit_do (&g, 1);
        CHECK (g.got[0].r.finish == FINISH_LENGTH && g.got[0].r.steps == 2);
        CHECK (strncmp (whole, g.got[0].text, strlen (g.got[0].text)) == 0);
        CHECK (!has (g.got[0].text, "boxed"));
        kit_end (&g);
    }
}

static void max_tokens_ends_a_step_by_length (void)
{
    for (int i = 0; i < KIT_KINDS; i++) {
        kit_serve (&g, kit_kinds[i], NULL, NULL);
        kit_job (&g, 0, SUM, NULL, 0)->task.max_tokens = 3;
        kit_do (&g, 1);
        CHECK (g.got[0].r.finish == FINISH_LENGTH && g.got[0].r.tokens == 3);
        kit_end (&g);
    }
}

static void max_tokens_holds_over_all_pieces (void)
{
    for (int i = 0; i < KIT_KINDS; i++) {
        kit_serve (&g, kit_kinds[i], "step: {separator: \"\\n\\n\", every: 3}\n", NULL);
        for (uint32_t most = 1; most < 40; most += i == 3 ? 1 : 6) { /* openai: ends are guessed */
            kit_job (&g, 0, SUM, NULL, 0)->task.max_tokens = most;
            kit_do (&g, 1);
            CHECK (g.got[0].r.error == ESP_OK && g.got[0].r.tokens <= most);
        }
        kit_end (&g);
    }
}

static void a_full_context_ends_the_branch (void)
{
    static const char *const short_one[] = {"--max-model-len", "70", NULL};
    static char lengthy[2000];
    span path;
    memset (lengthy, 'x', sizeof (lengthy) - 1);
    for (size_t i = 3; i < sizeof (lengthy) - 1; i += 4)
        lengthy[i] = ' ';
    path = span_of (lengthy);
    for (int i = 0; i < KIT_KINDS; i++) {
        kit_serve (&g, kit_kinds[i], "step: {whole: true}\ngenerator: {logprobs: sum}\n",
                   short_one);
        kit_job (&g, 0, SUM, &path, 1);
        kit_do (&g, 1); /* the prompt does not fit */
        CHECK (g.got[0].r.error == ESP_OK && g.got[0].r.finish == FINISH_LENGTH);
        CHECK (g.got[0].r.tokens == 0 && g.got[0].text[0] == 0 && isnan (g.got[0].r.logprob));
        kit_end (&g);
    }
}

/* The text of one sample, and whether it ended by itself. */
static unsigned
whole_of (const char *kind, const char *context, uint32_t max_tokens, char *text, uint32_t *tokens)
{
    const char *const options[] = {"--max-model-len", context, NULL};
    kit_serve (&g, kind, "step: {whole: true}\n", options);
    kit_job (&g, 0, SUM, NULL, 0)->task.max_tokens = max_tokens;
    g.jobs[0].task.mode = TASK_TO_END;
    kit_do (&g, 1);
    CHECK (g.got[0].calls == 1 && g.got[0].r.error == ESP_OK);
    snprintf (text, KIT_TEXT, "%s", g.got[0].text);
    *tokens = g.got[0].r.tokens;
    kit_end (&g);
    return g.got[0].r.finish;
}

static void more_tokens_than_the_context_has_are_no_error (void)
{
    for (int i = 0; i < KIT_KINDS; i++) {
        char whole[KIT_TEXT], same[KIT_TEXT], cut[KIT_TEXT];
        uint32_t whole_tokens, tokens;
        CHECK (whole_of (kit_kinds[i], "4096", 500, whole, &whole_tokens) == FINISH_EOS);
        CHECK (whole_tokens > 20 && whole_tokens < 200);
        CHECK (whole_of (kit_kinds[i], "300", 8000, same, &tokens) == FINISH_EOS);
        CHECK (tokens == whole_tokens && strcmp (whole, same) == 0);
        CHECK (whole_of (kit_kinds[i], "48", 8000, cut, &tokens) == FINISH_LENGTH);
        CHECK (tokens > 5 && tokens < whole_tokens && cut[0]);
        if (strcmp (kit_kinds[i], "openai") !=
            0) /* one that is refused goes on in pieces, each with its own seed */
            CHECK (strncmp (whole, cut, strlen (cut)) == 0);
    }
}

static void a_prompt_longer_than_the_context_is_an_error (void)
{
    static const char *const short_one[] = {"--max-model-len", "70", NULL};
    static char lengthy[2000];
    int len = snprintf (lengthy, sizeof (lengthy), "{\"problem\": \"What is");
    while (len < 1800)
        len += snprintf (lengthy + len, sizeof (lengthy) - (size_t)len, " 1 +");
    snprintf (lengthy + len, sizeof (lengthy) - (size_t)len, " 1?\"}");
    for (int i = 0; i < KIT_KINDS; i++) {
        unsigned tokens = 0, context = 0;
        kit_serve (&g, kit_kinds[i], "step: {whole: true}\n", short_one);
        kit_job (&g, 0, lengthy, NULL, 0);
        kit_job (&g, 1, lengthy, NULL, 0);
        kit_do (&g, 2);
        CHECK (g.got[0].r.error == ESP_ECONTEXT && g.got[1].r.error == ESP_ECONTEXT);
        CHECK (g.got[0].r.tokens == 0 && g.got[0].r.prompt_tokens == 0);
        if (strcmp (kit_kinds[i], "vllm") == 0) /* it counted them */
            CHECK (sscanf (g.got[0].reason, "prompt of %u tokens, context of %u", &tokens,
                           &context) == 2 &&
                   tokens > 70 && context == 70);
        kit_end (&g);
    }
}

/* ---- drafts ---- */

static void draft_of (const span *steps, size_t n, const char *said)
{
    static node_ref parent;
    job *j = kit_job (&g, 0, SUM, steps, n);
    j->task.node = n > 0 ? ++parent : NODE_ROOT;
    j->task.mode = TASK_DRAFT;
    j->task.max_steps = 60;
    j->task.extra = span_of (said);
    kit_do (&g, 1);
    CHECK (g.got[0].r.error == ESP_OK && g.got[0].r.finish == FINISH_EOS);
    CHECK (has (g.got[0].text, "Step 1") && has (g.got[0].text, "\\boxed{"));
}

static void a_draft_is_a_whole_text_that_improves_the_one_before (void)
{
    char first[KIT_TEXT];
    for (int i = 0; i < KIT_KINDS; i++) {
        kit_serve (&g, kit_kinds[i], "prompt: {improve: \"Better: {observation}\"}\n", NULL);
        rollout (first);
        draft_of (NULL, 0, "");
        kit_same (g.got[0].text, first); /* as a rollout from the root */
        CHECK (!has (g.trace, "Better"));
        draft_of (&(span){"Step 1: no\n\nNo.", 15}, 1, "1 of 3 failed");
        CHECK (has (g.trace, "What is 12 + 7 + 30?") && has (g.trace, "No.") &&
               has (g.trace, "Better: 1 of 3 failed"));
        CHECK (!has (g.got[0].text, "No."));
        kit_end (&g);
    }
}

static void thinking_of_the_draft_before_is_not_shown (void)
{
    span before = span_of ("<think>Secret</think>The answer.");
    kit_serve (&g, "vllm", "step: {think: {open: \"<think>\"}}\n", NULL);
    draft_of (&before, 1, "");
    CHECK (has (g.trace, "assistant\nThe answer.<|im_end|>") && !has (g.trace, "Secret"));
    before = span_of ("<think>All of it");
    draft_of (&before, 1, "");
    CHECK (has (g.trace, "assistant\n<think>All of it<|im_end|>"));
    kit_end (&g);
}

/* ---- texts that end an answer ---- */

static void a_final_stop_text_ends_the_sample_and_is_left_out (void)
{
    for (int i = 0; i < 3; i++) {
        kit_serve (&g, kit_kinds[i], "generator: {stop: [\"7 =\"]}\n", NULL);
        step_of (SUM, NULL, 0);
        CHECK (g.got[0].r.finish == FINISH_EOS && !has (g.got[0].text, "=") &&
               has (g.got[0].text, "12 + "));
        kit_end (&g);
    }
}

static void a_final_stop_text_is_seen_across_two_steps (void)
{
    span path = span_of ("Step 1: 12 + 7 = 19.\n\n");
    for (int i = 0; i < KIT_KINDS; i++) {
        kit_serve (&g, kit_kinds[i], "generator: {stop: [\"\\n\\nStep 2\"]}\n", NULL);
        step_of (SUM, &path, 1);
        CHECK (g.got[0].r.finish == FINISH_EOS && g.got[0].text[0] == 0 && g.got[0].r.tokens > 0);
        kit_end (&g);
    }
}

static void stop_texts_that_are_too_many_are_refused_at_once (void)
{
    memset (&g, 0, sizeof (g));
    FAILS (
        kit_try_open (&g, "vllm", "http://127.0.0.1:1",
                      "step: {separator: [\"\\n\\n\", \"###\"]}\ngenerator: {stop: [a, b, c]}\n"),
        ESP_EINVAL);
    CHECK (has (g.error.text,
                "generator.stop: 3 texts, and 2 of the step rule: this kind of server "
                "takes 4 together"));
    step_rule_destroy (g.step);
    chat_destroy (g.chat);
    config_destroy (g.yaml);
    CHECK (esp_alloc_live () == 0);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"a step ends with its separator", a_step_ends_with_its_separator},
        {"several separators make a step of several pieces",
         several_separators_make_a_step_of_several_pieces},
        {"a pattern is found in the stream, and the rest is cut",
         a_pattern_is_found_in_the_stream_and_the_rest_is_cut},
        {"a sample that the server gave up is no step",
         a_sample_that_the_server_gave_up_is_no_step},
        {"tokens of a stream that is cut are those that the server counts",
         tokens_of_a_stream_that_is_cut_are_those_that_the_server_counts},
        {"chunks have so many tokens", chunks_have_so_many_tokens},
        {"whole is one step", whole_is_one_step},
        {"a step that is too short takes what follows",
         a_step_that_is_too_short_takes_what_follows},
        {"thinking is closed by force when its tokens are used up",
         thinking_is_closed_by_force_when_its_tokens_are_used_up},
        {"thinking is looked up in a lookahead too", thinking_is_looked_up_in_a_lookahead_too},
        {"a rollout has at most max_steps steps", a_rollout_has_at_most_max_steps_steps},
        {"max_tokens ends a step by length", max_tokens_ends_a_step_by_length},
        {"max_tokens holds over all pieces", max_tokens_holds_over_all_pieces},
        {"a full context ends the branch", a_full_context_ends_the_branch},
        {"more tokens than the context has are no error",
         more_tokens_than_the_context_has_are_no_error},
        {"a prompt longer than the context is an error",
         a_prompt_longer_than_the_context_is_an_error},
        {"a draft is a whole text that improves the one before",
         a_draft_is_a_whole_text_that_improves_the_one_before},
        {"thinking of the draft before is not shown", thinking_of_the_draft_before_is_not_shown},
        {"a final stop text ends the sample and is left out",
         a_final_stop_text_ends_the_sample_and_is_left_out},
        {"a final stop text is seen across two steps", a_final_stop_text_is_seen_across_two_steps},
        {"stop texts that are too many are refused at once",
         stop_texts_that_are_too_many_are_refused_at_once},
        {NULL, NULL},
    };
    return suite_main ("generator_steps", cases);
}
