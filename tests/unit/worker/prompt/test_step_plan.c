/* SPDX-License-Identifier: Apache-2.0 */
/* test_step_plan.c - what worker/prompt/step_rule.h promises to those who write run files, and to generators */

#include "worker/prompt/step_rule.h"
#include <stdio.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "tests/unit/worker/prompt/step_kit.h"

/* ---- options ---- */

static void refused (const step_options *o, const char *begin, const char *word)
{
    step_rule *r = NULL;
    esp_error error = {0};
    FAILS (step_rule_create (o, &r, &error), ESP_EINVAL);
    CHECK (r == NULL);
    CHECK (strncmp (error.text, begin, strlen (begin)) == 0);
    CHECK (strstr (error.text, word) != NULL);
}

static void bad_calls_change_nothing (void)
{
    step_rule *r = NULL;
    FAILS (step_rule_create (NULL, &r, NULL), ESP_EINVAL);
    FAILS (step_rule_create (&(step_options){.think_max_tokens = 0}, NULL, NULL), ESP_EINVAL);
    step_rule_destroy (NULL);
}

static void bad_patterns_are_refused_with_their_place (void)
{
    refused (&(step_options){.answer.regex = "a(b"}, "step.regex: column 4: ", "parenthesis");
    refused (&(step_options){.think.regex = "[z-a]"}, "step.think.regex: column ", "order");
    refused (&(step_options){.answer.regex = "\\n*"}, "step.regex: ", "empty text");
    refused (&(step_options){.answer.regex = "(?=Step)"}, "step.regex: ", "empty text");
    refused (&(step_options){.answer.regex = "a\\Cb"}, "step.regex: ", "\\C");
    refused (&(step_options){.answer.regex = "\xFF"}, "step.regex: ", "UTF-8");
}

static void rules_that_exclude_each_other_are_refused (void)
{
    refused (&(step_options){.answer = {.whole = true, .tokens = 5}},
             "step.whole: ", "step.tokens");
    refused (&(step_options){.think = {.whole = true, .separator = LIST ("\n")}},
             "step.think.whole: ", "step.think.separator");
    refused (&(step_options){.answer = {.regex = "a", .separator = LIST ("\n")}},
             "step.regex: ", "step.separator");
    refused (&(step_options){.answer = {.regex = "a", .tokens = 5}}, "step.regex: ", "step.tokens");
    refused (&(step_options){.answer = {.every = 2, .tokens = 5}}, "step.every: ", "separator");
}

static void separators_must_be_few_and_none_inside_another (void)
{
    refused (&(step_options){.answer.separator = LIST ("a", "b", "c", "d", "e")},
             "step.separator: ", "5 texts");
    refused (&(step_options){.answer.separator = LIST ("a", "b", "c", "d"), .think_open = "<t>"},
             "step.separator: ", "takes 3");
    refused (&(step_options){.answer.separator = LIST ("\n\n", "\n")},
             "step.separator: ", "\"\\n\\n\" holds \"\\n\"");
    refused (&(step_options){.answer.separator = LIST (".", "\n.")}, "step.separator: ", "holds");
    refused (&(step_options){.answer.separator = LIST ("x", "x")}, "step.separator: ", "holds");
    refused (&(step_options){.answer.separator = LIST ("")}, "step.separator: ", "1 to 64");
    refused (&(step_options){.think.separator = LIST ("think")},
             "step.think.separator: ", "</think>");
    refused (&(step_options){.answer.separator = LIST (">"), .think_max_tokens = 1},
             "step.separator: ", "<think>");
}

static void tags_must_be_two_and_the_forced_text_must_close (void)
{
    refused (&(step_options){.think_open = ""}, "step.think.open: ", "1 to 64");
    refused (&(step_options){.think_open = "<t>", .think_close = "<t>"},
             "step.think.open: ", "differ");
    refused (&(step_options){.think_open = "<think>\n"}, "step.think.open: ", "white space");
    refused (&(step_options){.think_force = "Enough."}, "step.think.force: ", "</think>");
    refused (&(step_options){.think_force = "</think></think>"}, "step.think.force: ", "once");
}

static void survives_failure_of_every_allocation (void)
{
    const step_options o = {.answer.regex = "\\n(?=Step \\d+)",
                            .think.separator = LIST ("\n"),
                            .think_force = "Stop.</think>"};
    esp_err err = ESP_ENOMEM;
    for (long n = 0; err != ESP_OK && n < 100; n++) {
        step_rule *r = NULL;
        esp_error error = {0};
        esp_alloc_fail_after (n);
        err = step_rule_create (&o, &r, &error);
        if (err == ESP_OK)
            (void)step_rule_count (r, false, span_of ("a\nStep 1\nStep 2"));
        esp_alloc_fail_after (-1);
        CHECK (err == ESP_OK || err == ESP_ENOMEM);
        step_rule_destroy (r);
        CHECK (esp_alloc_live () == 0);
    }
    CHECK (err == ESP_OK);
}

/* ---- plans ---- */

static step_plan plan_at (const step_rule *r, step_place at)
{
    step_plan plan = {.stop = NULL};
    step_rule_plan (r, &at, &plan);
    CHECK (plan.stop_count <= STEP_STOPS_MOST);
    return plan;
}

static void separators_are_the_stop_texts (void)
{
    step_rule *r = given_rule (&(step_options){.answer.separator = LIST ("\n\n", "ки")});
    step_plan plan = plan_at (r, (step_place){.step_tokens = 900});
    CHECK (plan.stop_count == 2 && strcmp (plan.stop[0], "\n\n") == 0 &&
           strcmp (plan.stop[1], "ки") == 0);
    CHECK (plan.most_tokens == UINT32_MAX && !plan.length_ends && !plan.force_close);
    plan = plan_at (r, (step_place){.to_end = true, .thinking = true});
    CHECK (plan.stop_count == 0 && plan.most_tokens == UINT32_MAX);
    step_rule_destroy (r);
}

static void patterns_and_whole_texts_have_no_stop_texts (void)
{
    step_rule *r = given_rule (&(step_options){.answer.regex = "\\n"});
    CHECK (plan_at (r, (step_place){.to_end = false}).stop_count == 0);
    step_rule_destroy (r);
    r = given_rule (&(step_options){.answer.whole = true});
    CHECK (plan_at (r, (step_place){.to_end = false}).stop_count == 0);
    step_rule_destroy (r);
}

static void each_phase_stops_at_the_tag_that_leaves_it (void)
{
    step_rule *r = given_rule (&(step_options){
        .answer.whole = true, .think.separator = LIST ("\n\n"), .think_max_tokens = 100});
    step_plan plan = plan_at (r, (step_place){.thinking = false});
    CHECK (plan.stop_count == 1 && strcmp (plan.stop[0], "<think>") == 0 &&
           plan.most_tokens == UINT32_MAX);
    plan = plan_at (r, (step_place){.thinking = true});
    CHECK (plan.stop_count == 2 && strcmp (plan.stop[1], "</think>") == 0);
    CHECK (plan.most_tokens == 100 && !plan.length_ends);
    plan = plan_at (r, (step_place){.thinking = true, .to_end = true, .think_tokens = 40});
    CHECK (plan.stop_count == 1 && strcmp (plan.stop[0], "</think>") == 0 &&
           plan.most_tokens == 60);
    step_rule_destroy (r);
}

static void chunks_and_the_budget_of_thinking_limit_a_piece (void)
{
    step_rule *r = given_rule (&(step_options){.think.tokens = 512, .think_max_tokens = 1000});
    step_plan plan = plan_at (r, (step_place){.thinking = true});
    CHECK (plan.most_tokens == 512 && plan.length_ends);
    plan = plan_at (r, (step_place){.thinking = true, .step_tokens = 100, .think_tokens = 400});
    CHECK (plan.most_tokens == 412 && plan.length_ends);
    plan = plan_at (r, (step_place){.thinking = true, .think_tokens = 512});
    CHECK (plan.most_tokens == 488 && !plan.length_ends && !plan.force_close);
    plan = plan_at (r, (step_place){.thinking = true, .think_tokens = 1001});
    CHECK (plan.force_close);
    plan = plan_at (r, (step_place){.thinking = false, .think_tokens = 1001});
    CHECK (!plan.force_close && plan.most_tokens == UINT32_MAX);
    CHECK (span_is (step_rule_force (r), "\n</think>\n\n"));
    step_rule_destroy (r);
}

/* ---- complete ---- */

static void
completes (const step_rule *r, bool thinking, const char *so_far, enum piece_end how, long cut)
{
    size_t got = 999;
    bool done = step_rule_complete (r, thinking, span_of (so_far), how, &got);
    CHECK (done == (cut >= 0));
    CHECK (!done || got == (size_t)cut);
}

static void a_step_is_complete_at_a_stop_text_behind_content (void)
{
    step_rule *r = given_rule (&(step_options){.answer.min_chars = 3});
    completes (r, false, "abc\n\n", PIECE_STOPPED, 5);
    completes (r, false, "ab\n\n", PIECE_STOPPED, -1);
    completes (r, false, "ab\n\nc\n\n", PIECE_STOPPED, 7);
    completes (r, false, "\n\n", PIECE_STOPPED, -1);
    completes (r, false, "abc", PIECE_STOPPED, -1);
    completes (r, false, "abc\n\n\n\n", PIECE_STOPPED, 5); /* the stop text twice */
    completes (r, false, "abc\n\ndef", PIECE_STOPPED, 5);  /* a server that does not stop */
    step_rule_destroy (r);
}

static void the_end_of_the_sequence_completes_whatever_is_there (void)
{
    step_rule *r = given_rule (&(step_options){.answer.regex = "\\n(?=Step)"});
    completes (r, false, "", PIECE_ENDED, 0);
    completes (r, false, " ", PIECE_ENDED, 1);
    completes (r, false, "a\n", PIECE_ENDED, 2);
    completes (r, false, "a\nStep 1", PIECE_ENDED, 2); /* more than a step came */
    step_rule_destroy (r);
    r = given_rule (&(step_options){.answer.tokens = 1});
    completes (r, false, "a long text of more bytes than its tokens", PIECE_ENDED, 41);
    step_rule_destroy (r);
}

static void a_pattern_waits_until_more_text_cannot_change_it (void)
{
    step_rule *r = given_rule (&(step_options){.answer.regex = "\\n+(?=Step)"});
    completes (r, false, "a\n", PIECE_STOPPED, -1);
    completes (r, false, "a\n\nSte", PIECE_STOPPED, -1);
    completes (r, false, "a\n\nStep", PIECE_STOPPED, 3);
    step_rule_destroy (r);
    r = given_rule (&(step_options){.answer.regex = "\\n+"});
    completes (r, false, "a\n", PIECE_STOPPED, -1);
    completes (r, false, "a\n\n", PIECE_STOPPED, -1);
    completes (r, false, "a\n\nb", PIECE_STOPPED, 3);
    step_rule_destroy (r);
}

static void a_chunk_is_complete_at_its_length_unless_it_cuts_a_tag (void)
{
    step_rule *r = given_rule (&(step_options){.think.tokens = 8});
    completes (r, true, "some eight tokens", PIECE_AT_MOST, 17);
    completes (r, true, " \n", PIECE_AT_MOST, -1);
    completes (r, true, "and so</th", PIECE_AT_MOST, -1);
    completes (r, true, "and so</think>", PIECE_STOPPED, 14);
    step_rule_destroy (r);
}

static void forced_text_ends_the_step_with_all_of_it (void)
{
    step_rule *r = given_rule (&(step_options){
        .think_max_tokens = 8, .think_force = "\nTime is up.\n</think>\n\nFinal answer:"});
    completes (r, true, "Let me see\nTime is up.\n</think>\n\nFinal answer:", PIECE_FORCED, 46);
    completes (r, false, "<think>Let me see\nTime is up.\n</think>\n\nFinal answer:", PIECE_FORCED,
               53);
    /* nothing was thought: the answer goes on behind it */
    completes (r, true, "\nTime is up.\n</think>\n\nFinal answer:", PIECE_FORCED, -1);
    completes (r, true, "\nTime is up.\n</think>\n\nFinal answer: 4\n\n", PIECE_STOPPED, 40);
    step_rule_destroy (r);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"bad calls change nothing", bad_calls_change_nothing},
        {"bad patterns are refused with their place", bad_patterns_are_refused_with_their_place},
        {"rules that exclude each other are refused", rules_that_exclude_each_other_are_refused},
        {"separators must be few and none inside another",
         separators_must_be_few_and_none_inside_another},
        {"tags must be two and the forced text must close",
         tags_must_be_two_and_the_forced_text_must_close},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {"separators are the stop texts", separators_are_the_stop_texts},
        {"patterns and whole texts have no stop texts",
         patterns_and_whole_texts_have_no_stop_texts},
        {"each phase stops at the tag that leaves it", each_phase_stops_at_the_tag_that_leaves_it},
        {"chunks and the budget of thinking limit a piece",
         chunks_and_the_budget_of_thinking_limit_a_piece},
        {"a step is complete at a stop text behind content",
         a_step_is_complete_at_a_stop_text_behind_content},
        {"the end of the sequence completes whatever is there",
         the_end_of_the_sequence_completes_whatever_is_there},
        {"a pattern waits until more text cannot change it",
         a_pattern_waits_until_more_text_cannot_change_it},
        {"a chunk is complete at its length unless it cuts a tag",
         a_chunk_is_complete_at_its_length_unless_it_cuts_a_tag},
        {"forced text ends the step with all of it", forced_text_ends_the_step_with_all_of_it},
        {NULL, NULL},
    };
    return suite_main ("step_plan", cases);
}
