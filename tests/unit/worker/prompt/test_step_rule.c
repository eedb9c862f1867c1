/* SPDX-License-Identifier: Apache-2.0 */
/* test_step_rule.c - what worker/prompt/step_rule.h promises about texts: where steps end, and phases */

#include "worker/prompt/step_rule.h"
#include <stdio.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "tests/unit/worker/prompt/step_kit.h"

static void an_empty_line_ends_a_step_unless_said_otherwise (void)
{
    step_rule *r = given_rule (&(step_options){.think_open = NULL});
    splits (r, "First.\n\nSecond.\nStill.\n\nThird.", "First.\n\n|Second.\nStill.\n\n|Third.");
    splits (r, "One step", "One step");
    step_rule_destroy (r);
}

static void text_without_content_is_no_step (void)
{
    step_rule *r = given_rule (&(step_options){.think_open = NULL});
    splits (r, "", "");
    splits (r, " \n\n\t\r\n\n\n", "");
    splits (r, "\n\nA\n\n", "\n\nA\n\n");
    splits (r, "A\n\n\n\nB", "A\n\n|\n\nB");
    splits (r, "A\n\n \n\n\n\n", "A\n\n \n\n\n\n");
    splits (r, "A\n\n   \n\nB", "A\n\n|   \n\nB");
    step_rule_destroy (r);
}

static void separators_that_are_words_are_no_content (void)
{
    step_rule *r = given_rule (&(step_options){.answer.separator = LIST ("ки")});
    splits (r, "One ки\nTwo ки\n", "One ки|\nTwo ки\n");
    splits (r, "ки ки One ки ки", "ки ки One ки ки");
    step_rule_destroy (r);
}

static void a_step_ends_at_whichever_separator_comes_first (void)
{
    step_rule *r =
        given_rule (&(step_options){.answer.separator = LIST ("\n\n", "\r\n\r\n", ". ")});
    splits (r, "a. b\r\n\r\nc\n\nd", "a. |b\r\n\r\n|c\n\n|d");
    step_rule_destroy (r);
}

static void a_carriage_return_stays_with_its_line (void)
{
    step_rule *r = given_rule (&(step_options){.answer.separator = LIST ("\n")});
    splits (r, "a\r\n\r\nb\r\n", "a\r\n|\r\nb\r\n");
    step_rule_destroy (r);
}

static void several_separators_may_make_one_step (void)
{
    step_rule *r = given_rule (&(step_options){.answer = {.separator = LIST ("\n"), .every = 3}});
    splits (r, "a\nb\nc\nd\ne\nf\ng", "a\nb\nc\n|d\ne\nf\n|g");
    splits (r, "a\n\n\n\nb\nc\nd", "a\n\n\n\nb\nc\n|d"); /* empty lines do not count */
    step_rule_destroy (r);
}

static void tiny_steps_are_joined_with_what_follows (void)
{
    step_rule *r = given_rule (&(step_options){.answer.min_chars = 6});
    splits (r, "Hi.\n\nLet us see.\n\nOk.\n\nSo 1+1=2.\n\nEnd",
            "Hi.\n\nLet us see.\n\n|Ok.\n\nSo 1+1=2.\n\n|End");
    splits (r, "äöüäöü\n\näöüä\n\nx", "äöüäöü\n\n|äöüä\n\nx"); /* characters, not bytes */
    step_rule_destroy (r);
}

static void a_pattern_ends_steps_where_its_match_ends (void)
{
    step_rule *r = given_rule (&(step_options){.answer.regex = "\\n(?=Step \\d+:)"});
    splits (r, "Intro\nStep 1: a\nb\nStep 2: c", "Intro\n|Step 1: a\nb\n|Step 2: c");
    splits (r, "no such thing", "no such thing");
    step_rule_destroy (r);
    r = given_rule (&(step_options){.answer.regex = "[.!?。！？]+\\s*"});
    splits (r, "Hm... So 1+1=2! 好。对！", "Hm... |So 1+1=2! |好。|对！");
    step_rule_destroy (r);
    r = given_rule (&(step_options){.answer = {.regex = "\\n", .every = 2, .min_chars = 4}});
    splits (r, "a\nb\nc\nd\ne",
            "a\nb\nc\nd\n|e"); /* a pattern's match is content, white space is none */
    step_rule_destroy (r);
}

static void patterns_find_what_lies_far_away (void)
{
    step_rule *r =
        given_rule (&(step_options){.answer.regex = "\\n+(?=#)", .think_open = "<think>"});
    char text[3000];
    span rest = span_make (text, sizeof (text)), step;
    bool thinking = false;
    memset (text, 'x', sizeof (text));
    memset (text + 200, '\n', 700); /* a match over the borders of several windows */
    memcpy (text + 900, "# <think>", 9);
    memcpy (text + 2500, "</think>", 8);
    CHECK (step_rule_next (r, &thinking, &rest, &step) && step.len == 900 && !thinking);
    CHECK (step_rule_next (r, &thinking, &rest, &step) && step.len == 9 && thinking);
    CHECK (step_rule_next (r, &thinking, &rest, &step) && step.len == 1599 && !thinking);
    CHECK (step_rule_next (r, &thinking, &rest, &step) && step.len == 492 && rest.len == 0);
    step_rule_destroy (r);
}

static void a_text_on_which_a_pattern_takes_too_long_is_one_step (void)
{
    step_rule *r = given_rule (&(step_options){.answer.regex = "(?:a+)+[bc]"});
    char text[5001];
    memset (text, 'a', 5000);
    text[5000] = 0;
    CHECK (step_rule_count (r, false, span_make (text, 5000)) == 1);
    step_rule_destroy (r);
}

static void bytes_that_are_no_characters_do_no_harm_to_patterns (void)
{
    step_rule *r = given_rule (&(step_options){.answer.regex = "\\n"});
    splits (r, "a\xFF\xC3\nb\xE2\x82\nc\xC3", "a\xFF\xC3\n|b\xE2\x82\n|c\xC3");
    step_rule_destroy (r);
}

static void chunks_are_cut_at_white_space_or_whole_characters (void)
{
    step_rule *r = given_rule (&(step_options){.answer.tokens = 2}); /* 8 bytes */
    splits (r, "abc defg hij", "abc |defg hij");
    splits (r, "abcdefghijklmnopq", "abcdefgh|ijklmnop|q");
    splits (r, "abcdefgä", "abcdefg|ä");
    splits (r, "                    a", "                    a");
    splits (r, "abcdefgh", "abcdefgh");
    step_rule_destroy (r);
    r = given_rule (&(step_options){.answer = {.tokens = 2, .separator = LIST ("\n")}});
    splits (r, "ab\nabcdefghij\nk", "ab\n|abcdefgh|ij\n|k");
    step_rule_destroy (r);
}

static void all_may_be_one_step (void)
{
    step_rule *r = given_rule (&(step_options){.answer.whole = true});
    splits (r, "a\n\nb\n\nc", "a\n\nb\n\nc");
    step_rule_destroy (r);
}

static void a_step_never_crosses_the_border_of_the_thinking (void)
{
    step_rule *r =
        given_rule (&(step_options){.answer.whole = true, .think.separator = LIST ("\n\n")});
    splits (r, "<think>\nHm.\n\nOh.\n</think>\n\nSo it\n\nis 4.",
            "<think>\nHm.\n\n|Oh.\n</think>|\n\nSo it\n\nis 4.");
    splits (r, "Wait. <think>Hm.</think>4", "Wait. <think>|Hm.</think>|4");
    splits (r, "<think>\n\n</think>\n\nSo.",
            "<think>\n\n</think>\n\nSo."); /* thinking was switched off */
    splits (r, "<think>Hm.\n\n</think>\n", "<think>Hm.\n\n</think>\n");
    splits (r, "</think> a <think> b <think> c", "</think> a <think>| b <think> c");
    step_rule_destroy (r);
}

static void a_text_may_begin_inside_the_thinking (void)
{
    step_rule *r = given_rule (
        &(step_options){.think.separator = LIST ("\n"), .answer.separator = LIST ("\n\n")});
    bool thinking = true;
    span rest = span_of ("a\nb</think>c\nd"), step;
    CHECK (step_rule_next (r, &thinking, &rest, &step) && span_is (step, "a\n") && thinking);
    CHECK (step_rule_next (r, &thinking, &rest, &step) && span_is (step, "b</think>") && !thinking);
    CHECK (step_rule_next (r, &thinking, &rest, &step) && span_is (step, "c\nd") && !thinking);
    CHECK (!step_rule_next (r, &thinking, &rest, &step));
    step_rule_destroy (r);
}

static void without_a_rule_of_its_own_thinking_has_that_of_the_answer (void)
{
    step_rule *r =
        given_rule (&(step_options){.answer.separator = LIST ("\n"), .think.min_chars = 3});
    splits (r, "<think>a\nb\nc\nd</think>e\nf", "<think>a\nb\nc\n|d</think>|e\n|f");
    step_rule_destroy (r);
}

static void without_phases_tags_are_text (void)
{
    step_rule *r = given_rule (&(step_options){.think_open = NULL});
    bool thinking = false;
    esp_buf out = {0};
    splits (r, "<think>\n\na</think>b", "<think>\n\n|a</think>b");
    CHECK (!step_rule_thinks (r, false, span_of ("<think>")));
    CHECK (!step_rule_begins (r, span_of ("<think>"), span_of ("<think>")));
    PASS (step_rule_show (r, VIEW_ANSWER, &thinking, span_of ("<think>a"), &out));
    CHECK (span_is (esp_buf_span (&out), "<think>a"));
    esp_buf_free (&out);
    step_rule_destroy (r);
}

static void the_last_tag_says_where_a_path_stands (void)
{
    step_rule *r = given_rule (&(step_options){.think_max_tokens = 10});
    bool thinking = false;
    CHECK (step_rule_thinks (r, false, span_of ("a <think> b")));
    CHECK (!step_rule_thinks (r, false, span_of ("<think> a </think> b")));
    CHECK (step_rule_thinks (r, true, span_of ("a")));
    CHECK (!step_rule_thinks (r, true, span_of ("a</think>")));
    CHECK (step_rule_walk (r, &thinking, span_of ("a<think>bcd</think>e<think>fg")) == 5);
    CHECK (thinking);
    step_rule_destroy (r);
}

static void a_tag_that_a_problem_quotes_opens_nothing (void)
{
    step_rule *r = given_rule (&(step_options){.think_max_tokens = 10});
    CHECK (step_rule_begins (r, span_of ("..<|im_start|>assistant\n<think>\n"), span_of ("")));
    CHECK (
        !step_rule_begins (r, span_of ("What is <think>?<|im_start|>assistant\n"), span_of ("")));
    CHECK (!step_rule_begins (r, span_of ("..assistant\n<think>\n\n</think>\n\n"), span_of ("")));
    CHECK (step_rule_begins (r, span_of ("..assistant\n"), span_of ("<think>\nOkay,")));
    CHECK (!step_rule_begins (r, span_of ("..<think>\n"), span_of ("</think>")));
    step_rule_destroy (r);
}

static void a_template_of_the_server_may_open_the_thinking (void)
{
    step_rule *r = given_rule (&(step_options){.think_opened = true});
    CHECK (step_rule_has_phases (r) && step_rule_opened (r));
    CHECK (step_rule_begins (r, span_of (""), span_of ("")));
    CHECK (!step_rule_begins (r, span_of (""), span_of ("</think>")));
    CHECK (!step_rule_begins (r, span_of ("..assistant\n"),
                              span_of (""))); /* what it ends with counts */
    CHECK (step_rule_begins (r, span_of ("..assistant\n<think>\n"), span_of ("")));
    CHECK (step_rule_began (r, span_of ("Hm")) && step_rule_began (r, span_of ("Hm</think>4")));
    CHECK (!step_rule_began (r, span_of ("<think>Hm</think>4")));
    step_rule_destroy (r);
    r = given_rule (&(step_options){.think_max_tokens = 10});
    CHECK (!step_rule_opened (r) && !step_rule_begins (r, span_of (""), span_of ("")));
    CHECK (!step_rule_began (r, span_of ("Hm")) && step_rule_began (r, span_of ("Hm</think>4")));
    step_rule_destroy (r);
}

static void shows (enum step_view view, const char *first, const char *second)
{
    step_rule *r = given_rule (&(step_options){.think_max_tokens = 10});
    bool thinking = false;
    esp_buf out = {0};
    PASS (step_rule_show (r, view, &thinking, span_of ("<think>Hm.</think>"), &out));
    CHECK (span_is (esp_buf_span (&out), first));
    esp_buf_clear (&out);
    PASS (step_rule_show (r, view, &thinking, span_of ("\n\n4"), &out));
    CHECK (span_is (esp_buf_span (&out), second));
    esp_buf_free (&out);
    step_rule_destroy (r);
}

static void a_prm_sees_the_phase_that_was_chosen (void)
{
    shows (VIEW_BOTH, "<think>Hm.</think>", "\n\n4");
    shows (VIEW_ANSWER, "", "\n\n4");
    shows (VIEW_THINKING, "Hm.", "");
}

/* Twice the text must not take much more than twice the work: here only that a large text ends at all. */
static void large_texts_are_cut_in_linear_time (void)
{
    enum { BYTES = 4000000 };
    static const char *const patterns[] = {NULL, "\\n(?=z)|\\n", "[qQ]"};
    char *text = esp_malloc (BYTES);
    for (size_t i = 0; i < BYTES; i++)
        text[i] = i % 20 == 19 ? '\n' : 'x';
    for (int i = 0; i < 3; i++) {
        esp_strings lines = LIST ("\n", "never"), none = {NULL, 0};
        step_options o = {
            .think_max_tokens = 9,
            .answer = {.regex = patterns[i], .separator = patterns[i] ? none : lines}};
        step_rule *r = given_rule (&o);
        CHECK (step_rule_count (r, false, span_make (text, BYTES)) == (i < 2 ? BYTES / 20 : 1));
        step_rule_destroy (r);
    }
    esp_free (text);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"an empty line ends a step unless said otherwise",
         an_empty_line_ends_a_step_unless_said_otherwise},
        {"text without content is no step", text_without_content_is_no_step},
        {"separators that are words are no content", separators_that_are_words_are_no_content},
        {"a step ends at whichever separator comes first",
         a_step_ends_at_whichever_separator_comes_first},
        {"a carriage return stays with its line", a_carriage_return_stays_with_its_line},
        {"several separators may make one step", several_separators_may_make_one_step},
        {"tiny steps are joined with what follows", tiny_steps_are_joined_with_what_follows},
        {"a pattern ends steps where its match ends", a_pattern_ends_steps_where_its_match_ends},
        {"patterns find what lies far away", patterns_find_what_lies_far_away},
        {"a text on which a pattern takes too long is one step",
         a_text_on_which_a_pattern_takes_too_long_is_one_step},
        {"bytes that are no characters do no harm to patterns",
         bytes_that_are_no_characters_do_no_harm_to_patterns},
        {"chunks are cut at white space or whole characters",
         chunks_are_cut_at_white_space_or_whole_characters},
        {"all may be one step", all_may_be_one_step},
        {"a step never crosses the border of the thinking",
         a_step_never_crosses_the_border_of_the_thinking},
        {"a text may begin inside the thinking", a_text_may_begin_inside_the_thinking},
        {"without a rule of its own thinking has that of the answer",
         without_a_rule_of_its_own_thinking_has_that_of_the_answer},
        {"without phases tags are text", without_phases_tags_are_text},
        {"the last tag says where a path stands", the_last_tag_says_where_a_path_stands},
        {"a tag that a problem quotes opens nothing", a_tag_that_a_problem_quotes_opens_nothing},
        {"a template of the server may open the thinking",
         a_template_of_the_server_may_open_the_thinking},
        {"a PRM sees the phase that was chosen", a_prm_sees_the_phase_that_was_chosen},
        {"large texts are cut in linear time", large_texts_are_cut_in_linear_time},
        {NULL, NULL},
    };
    return suite_main ("step_rule", cases);
}
