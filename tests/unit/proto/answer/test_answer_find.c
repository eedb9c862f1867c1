/* SPDX-License-Identifier: Apache-2.0 */
/* test_answer_find.c - where proto/answer/answer.h finds the answer of a text */

#include <string.h>
#include "proto/answer/answer.h"
#include "proto/base/rng.h"
#include "tests/support/suite.h"

static void finds (const char *text, const char *answer)
{
    span got = span_make ("", 0);
    bool found = answer_find (span_of (text), &got);
    if (found != (answer != NULL) || (found && !span_is (got, answer)))
        printf ("    %s: found \"%.*s\"\n", text, (int)got.len, got.ptr);
    CHECK (found == (answer != NULL) && (!found || span_is (got, answer)));
}

static void a_text_without_an_answer_has_none (void)
{
    span untouched = span_of ("kept");
    finds ("", NULL);
    finds ("\\boxed", NULL);
    finds ("a box {5} and 7", NULL);
    finds ("18", NULL);
    CHECK (!answer_find (span_make (NULL, 0), &untouched) && span_is (untouched, "kept"));
}

static void the_last_box_counts (void)
{
    finds ("ans \\boxed{3}", "3");
    finds ("\\boxed{1} and then \\boxed{ 2 }.", "2");
    finds ("\\boxed{1} and then $\\fbox{2}$.", "2");
    finds ("\\fbox{1} and then \\boxed {2}", "2");
    finds ("\\boxed{\\boxed{3}}", "3");
    finds ("so $\\boxed 5$.", "5");
    finds ("so \\boxed 5.\nMore", "5");
}

static void braces_inside_a_box_are_balanced (void)
{
    finds ("\\boxed{\\frac{1}{2}} }", "\\frac{1}{2}");
    finds ("\\boxed{{}}", "{}");
    finds ("\\boxed{a \\} b}", "a \\} b");
    finds ("\\boxed{\\left\\{1, 2\\right\\}}", "\\left\\{1, 2\\right\\}");
}

static void a_box_that_never_closes_is_passed_over (void)
{
    finds ("\\boxed{1", NULL);
    finds ("\\boxed{", NULL);
    finds ("\\boxed{a\\", NULL);
    finds ("\\boxed{1} \\boxed{\\frac{2}", "1");
    finds ("\\boxed{7\n#### 8", "8");
    finds ("\\boxed{1 \\boxed{2}", "2");
}

static void an_empty_box_is_no_answer (void)
{
    finds ("\\boxed{}", NULL);
    finds ("\\boxed{1} \\boxed{ }", NULL);
}

static void a_box_is_stronger_than_hashes_and_hashes_than_words (void)
{
    finds ("\\boxed{1}\n#### 9", "1");
    finds ("#### 9\nThe answer is 3", "9");
    finds ("The answer is 3, so \\boxed{4}", "4");
}

static void hashes_are_read_to_the_end_of_their_line (void)
{
    finds ("so\n#### 18", "18");
    finds ("####18", "18");
    finds ("#### 1\n####  70,000 \nmore", "70,000");
    finds ("#### ", NULL);
}

static void what_stands_below_the_heading_answer_is_one (void)
{
    finds ("so x is 2\n\n# Answer\n\n2", "2");
    finds ("# Answer\n\n\\frac{1}{2}\n", "\\frac{1}{2}");
    finds ("## Answer\n7\n", "7");
    finds ("# Answer\n1\n# Answer\n\n3\nor 4", "3\nor 4"); /* never half of it */
    finds ("# Answer\n\n2 is what I get, \\boxed{3}", "3");
    finds ("The answer is 5\n# Answer\n\n6", "6");
    finds ("# Answer\n\n", NULL);
    finds ("# Answer", NULL);
    finds ("see # Answer\n2", NULL);
    finds ("# Answers\n2", NULL);
}

static void an_answer_may_be_told_in_words (void)
{
    finds ("The answer is 7", "7");
    finds ("So the answer is 7.5. I hope it helps.", "7.5");
    finds ("Final Answer: The final answer is $\\frac{1}{2}$. I hope it is correct.",
           "\\frac{1}{2}");
    finds ("**Answer:** 42", "42");
    finds ("**Answer**: **42**", "42");
    finds ("final answer: \\(x = 5\\)\nbye", "x = 5");
    finds ("The answer is: (B).", "(B)");
    finds ("the answer is 3\nno, the answer is 4", "4");
    finds ("answer = $18", "$18");
    finds ("no answerable question", NULL);
    finds ("the answer island", NULL);
    finds ("The answer is", NULL);
}

static void what_is_too_long_is_no_answer (void)
{
    char text[400] = "The answer is ";
    memset (text + 14, 'x', 300);
    finds (text, NULL);
}

static void a_choice_at_the_very_end_is_an_answer (void)
{
    finds ("so it must be (B).", "(B)");
    finds ("(C)", "(C)");
    finds ("so it must be (B), as said", NULL);
    finds ("f(A)", NULL);
    finds ("(b)", NULL);
}

/* 512 kB of each would take minutes if an opening looked through all that follows. */
static void hostile_texts_cost_linear_time (void)
{
    static const char *const parts[] = {
        "\\boxed{",    "\\boxed", "\\fbox{\\boxed{",   "####",       "answer is ", "\\boxed 1",
        "answer is $", "a",       "\\boxed{}\\boxed{", "# Answer\n", "#"};
    static char text[512 << 10];
    for (size_t i = 0; i < sizeof (parts) / sizeof (parts[0]); i++) {
        size_t len = strlen (parts[i]), used = 0;
        span got;
        for (; used + len <= sizeof (text); used += len)
            memcpy (text + used, parts[i], len);
        (void)answer_find (span_make (text, used), &got);
    }
    CHECK (true);
}

static void what_is_found_lies_in_the_text (void)
{
    static const char *const parts[] = {"\\boxed{", "}",       "{",    "#### ",       "\n",
                                        "x",        "\\boxed", "\xff", " answer is ", "\\fbox",
                                        "$",        "(B)",     " ",    "# Answer"};
    char text[300];
    for (uint64_t run = 0; run < 5000; run++) {
        size_t len = 0;
        span got;
        for (uint64_t i = 0; i < 12; i++) {
            const char *part = parts[esp_draw_below (run, i, sizeof (parts) / sizeof (parts[0]))];
            memcpy (text + len, part, strlen (part));
            len += strlen (part);
        }
        if (answer_find (span_make (text, len), &got))
            CHECK (got.len > 0 && got.ptr >= text && got.ptr + got.len <= text + len);
    }
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"a text without an answer has none", a_text_without_an_answer_has_none},
        {"the last box counts", the_last_box_counts},
        {"braces inside a box are balanced", braces_inside_a_box_are_balanced},
        {"a box that never closes is passed over", a_box_that_never_closes_is_passed_over},
        {"an empty box is no answer", an_empty_box_is_no_answer},
        {"a box is stronger than hashes, and hashes than words",
         a_box_is_stronger_than_hashes_and_hashes_than_words},
        {"hashes are read to the end of their line", hashes_are_read_to_the_end_of_their_line},
        {"what stands below the heading Answer is one",
         what_stands_below_the_heading_answer_is_one},
        {"an answer may be told in words", an_answer_may_be_told_in_words},
        {"what is too long is no answer", what_is_too_long_is_no_answer},
        {"a choice at the very end is an answer", a_choice_at_the_very_end_is_an_answer},
        {"hostile texts cost linear time", hostile_texts_cost_linear_time},
        {"what is found lies in the text", what_is_found_lies_in_the_text},
        {NULL, NULL},
    };
    return suite_main ("answer_find", cases);
}
