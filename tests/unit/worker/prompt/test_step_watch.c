/* SPDX-License-Identifier: Apache-2.0 */
/* test_step_watch.c - what worker/prompt/step_watch.h promises: the same step as at each length, and a bounded look at it */

// LINK: esp_prompt

#include "worker/prompt/step_watch.h"
#include <string.h>
#include "proto/base/alloc.h"
#include "tests/unit/worker/prompt/step_kit.h"

enum { LONG_BYTES = 1 << 20, CHUNK_BYTES = 7 };

/* Chunk by chunk, as at each length; the last length tried. */
static size_t both (const step_rule *r, bool thinking, span text, size_t chunk)
{
    step_watch w = {0};
    size_t cut;
    for (size_t n = chunk;; n += chunk) {
        span so_far = span_make (text.ptr, n < text.len ? n : text.len);
        bool done = step_rule_complete (r, thinking, so_far, PIECE_STOPPED, &cut);
        bool seen = step_watch_look (&w, r, thinking, so_far);
        CHECK (done ? seen || so_far.len < w.next_bytes : !seen);
        if (seen || so_far.len == text.len)
            return so_far.len;
    }
}

static void a_watch_sees_what_is_complete_at_each_length (void)
{
    const step_options rules[] = {
        {.answer.regex = "\\n+(?=Step \\d+:)"},
        {.answer.regex = "(?<=[.!])\\s+(?=[A-Z])"},
        {.answer = {.regex = "\\n+", .every = 2, .min_chars = 12}},
        {.answer.regex = "\\n.*!\\n"},
        {.answer.regex = "é+\\s"},
        {.answer.regex = "\\G[^.]*?[.]\\s+"},
        {.answer.regex = "I(*COMMIT)t|[.]\\s+"},
        {.answer = {.separator = LIST ("\n"), .every = 3}},
        {.answer.regex = "\\n+", .think.regex = "[.] "},
    };
    static const char text[] = "It is. So it is.\nA line.\n\n<think>Hm. Yes.</think>\né\n"
                               "ééé\n\n\nStep 1: éa! B\nStep 2: the end.\n";
    for (size_t i = 0; i < sizeof (rules) / sizeof (*rules); i++) {
        step_rule *r = given_rule (&rules[i]);
        for (size_t from = 0; from + 1 < sizeof (text); from++)
            for (size_t chunk = 1; chunk < 9; chunk++) {
                (void)both (r, false, span_of (text + from), chunk);
                (void)both (r, true, span_of (text + from), chunk);
            }
        step_rule_destroy (r);
    }
}

static void a_match_that_may_still_grow_is_waited_for (void)
{
    step_rule *r = given_rule (&(step_options){.answer.regex = "\\n+"});
    step_watch w = {0};
    CHECK (!step_watch_look (&w, r, false, span_of ("a")));
    CHECK (!step_watch_look (&w, r, false, span_of ("a\n")));
    CHECK (!step_watch_look (&w, r, false, span_of ("a\n\n")));
    CHECK (step_watch_look (&w, r, false, span_of ("a\n\nb")));
    CHECK (step_watch_look (&w, r, false, span_of ("a\n\nbc")));
    step_rule_destroy (r);
}

static void a_character_that_comes_in_two_parts_is_not_passed_over (void)
{
    step_rule *r = given_rule (&(step_options){.answer.regex = "。"});
    const char *text = "对。";
    CHECK (both (r, false, span_of (text), 1) == strlen (text));
    step_rule_destroy (r);
}

/* `text` in small chunks; returns how often patterns read it, on the average. */
static double reads (const char *pattern, char *text, bool expected)
{
    step_rule *r = given_rule (&(step_options){.answer.regex = pattern});
    step_watch w = {0};
    bool done = false;
    for (size_t n = CHUNK_BYTES; n <= LONG_BYTES && !done; n += CHUNK_BYTES)
        done = step_watch_look (&w, r, false, span_make (text, n));
    CHECK (done == expected);
    step_rule_destroy (r);
    return (double)w.read_bytes / LONG_BYTES;
}

static void a_long_text_in_small_chunks_is_read_a_few_times (void)
{
    char *text = esp_malloc (LONG_BYTES);
    CU_ASSERT_PTR_NOT_NULL_FATAL (text);
    for (size_t i = 0; i < LONG_BYTES; i++)
        text[i] = "no step ends here, \n"[i % 20];
    CHECK (reads ("\\n(?=Step \\d+:)", text, false) < 2); /* two bytes a line are read twice */
    CHECK (reads ("[.] ", text, false) < 1.1);
    CHECK (reads ("\\G[^.]+[.]", text, false) < 28);       /* must begin at the begin each time */
    CHECK (reads ("n(*SKIP)o [.]|x", text, false) < 28);   /* a verb: may not be gone on with */
    CHECK (reads ("(?s)no .*[.]\\n", text, false) < 28);   /* may end at the end of all */
    CHECK (reads ("(?s)no ([^.]|,)*x", text, false) < 28); /* costs too much */
    memcpy (text + LONG_BYTES / 2, "\nStep 2:", 8);
    CHECK (reads ("\\n(?=Step \\d+:)", text, true) < 1);
    esp_free (text);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"a watch sees what is complete at each length",
         a_watch_sees_what_is_complete_at_each_length},
        {"a match that may still grow is waited for", a_match_that_may_still_grow_is_waited_for},
        {"a character that comes in two parts is not passed over",
         a_character_that_comes_in_two_parts_is_not_passed_over},
        {"a long text in small chunks is read a few times",
         a_long_text_in_small_chunks_is_read_a_few_times},
        {NULL, NULL},
    };
    return suite_main ("step_watch", cases);
}
