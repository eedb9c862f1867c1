/* SPDX-License-Identifier: Apache-2.0 */
/* test_answer_form.c - canonical forms, and which numbers, words and expressions are the same */

#include <stdlib.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/rng.h"
#include "tests/unit/proto/answer/answer_kit.h"

static void forms_have_one_text (void)
{
    static const char *const rows[][2] = {
        {"1,234.50", "2469/2"},
        {"-\\frac{6}{4}", "-3/2"},
        {"007", "7"},
        {"50\\%", "1/2"},
        {"0.0", "0"},
        {" $x + 1$ ", "x+1"},
        {"\\frac{\\sqrt{12}}{4}", "1/2*\\sqrt{3}"},
        {"\\frac{1}{\\sqrt{2}-1}", "1+\\sqrt{2}"},
        {"(a+5)(b+2)", "a*b+2*a+5*b+10"},
        {"\\{3, 1, 2, 1\\}", "\\{1, 2, 3\\}"},
        {"3, 1 and 2", "\\{1, 2, 3\\}"},
        {"(0,9) \\cup (y)", "(0,9)\\cup(y)"},
        {"(9,36) \\cup (0,9)", "(0, 9)\\cup (9, 36)"},
        {"x = 5", "5"},
        {"y = 2x", "y=2*x"},
        {"2x = 0", "0"},
        {"x = 1A", "A"},
        {"x^2 + y^2 = 1", "x^{2}+y^{2}-1=0"},
        {"\\text{The Even}", "even"},
        {"\\text{(B)}", "B"},
        {"\\cot x", "\\cot x"},
    };
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        answer_form *a = form_of (rows[i][0]);
        if (!span_is (answer_form_text (a), rows[i][1]))
            printf ("    \"%s\": \"%.*s\"\n", rows[i][0], (int)answer_form_text (a).len,
                    answer_form_text (a).ptr);
        CHECK (span_is (answer_form_text (a), rows[i][1]));
        answer_form_destroy (a);
    }
}

static void only_what_is_understood_says_so (void)
{
    static const char *const known[] = {"1", "x", "even", "(1,2)", "\\{\\}", "\\infty", "52_8"},
                             *const unknown[] = {"\\cot x", "x > 5",    "(0,9) \\cup (y)",
                                                 "1/2x",    "\\sqrt13", "a^n",
                                                 "3:2",     "5!",       "|x|"};
    for (size_t i = 0; i < sizeof (known) / sizeof (known[0]); i++) {
        answer_form *a = form_of (known[i]);
        CHECK (answer_form_understood (a));
        answer_form_destroy (a);
    }
    for (size_t i = 0; i < sizeof (unknown) / sizeof (unknown[0]); i++) {
        answer_form *a = form_of (unknown[i]);
        CHECK (!answer_form_understood (a));
        answer_form_destroy (a);
    }
}

static void numbers_are_equal_by_value (void)
{
    static const struct pair rows[] = {
        {"18", "18", SAME},
        {"18", "19", OTHER},
        {"-18", "18", OTHER},
        {"+18", "18", SAME},
        {"018", "18", SAME},
        {"18.", "18", SAME},
        {"18.00", "18", SAME},
        {".5", "1/2", SAME},
        {"0.5", "\\frac{1}{2}", SAME},
        {"\\dfrac{2}{4}", "\\frac12", SAME},
        {"-\\frac{24}{25}", "\\frac{-24}{25}", SAME},
        {"\\frac{1}{3}", "0.333333", OTHER},
        {"1,234,567", "1234567", SAME},
        {"1{,}234.5", "1234.5", SAME},
        {"10,\\!000", "10000", SAME},
        {"10\\,000", "10000", SAME},
        {"6.72 \\times 10^{-5}", ".0000672", SAME},
        {"6.72e-5", ".0000672", SAME},
        {"1e3", "1000", SAME},
        {"11,\\! 111,\\! 100", "11111100", SAME},
        {"3.\\overline{6}", "\\frac{11}{3}", SAME},
        {"0.1\\overline{6}", "1/6", SAME},
        {"0.\\overline{9}", "1", SAME},
        {"0.\\overline{12}", "0.12", OTHER},
        {"1e2\\overline{6}", "100", UNKNOWN},
        {"2^{10}", "1024", SAME},
        {"2^10", "1024", SAME},
        {"-2^2", "-4", SAME},
        {"2**3", "8", SAME},
        {"\\frac{9}{4}^{1/2}", "3/2", SAME},
        {"\\sqrt[3]{27}", "3", SAME},
        {"3 \\cdot 4 - 5", "7", SAME},
        {"123456789012345678901234567890", "123456789012345678901234567891", OTHER},
    };
    COMPARE (rows);
}

static void mixed_numbers_are_sums (void)
{
    static const struct pair rows[] = {
        {"4\\frac{2}{3}", "\\frac{14}{3}", SAME},
        {"137 \\frac{1}{2}", "137.5", SAME},
        {"1\\frac45", "9/5", SAME},
        {"1 1/2", "3/2", SAME},
        {"-1\\frac{1}{2}", "-1.5", SAME},
        {"1 1/2", "11/2", OTHER},
        {"3\\frac{5}{2}", "5.5", UNKNOWN},
        {"1\\frac{1}2", "3/2", SAME},
        {"1\\frac1{2}", "3/2", SAME},
        {"2\\dfrac{1}2", "1", OTHER},
        {"1\\frac{270}7", "270/7", UNKNOWN}, /* nobody writes this product */
        {"1\\frac{{1}}{2}", "1/2", UNKNOWN},
        {"1\\frac{1}22", "1/2", UNKNOWN},
        {"3\\frac{\\sqrt{3}}{2}", "\\frac{3\\sqrt{3}}{2}", SAME},
        {"2\\frac{x}{3}", "\\frac{2x}{3}", SAME},
        {"1\\frac{1}{2}x", "1.5x", UNKNOWN},
        {"2\\frac{\\sqrt{3}}{2}", "\\sqrt3", SAME},
    };
    COMPARE (rows);
}

static void money_units_and_degrees_are_read (void)
{
    static const struct pair rows[] = {
        {"$36", "36", SAME},
        {"\\$36", "36.0", SAME},
        {"\\$32,\\!348", "32348", SAME},
        {"18 dollars", "\\$18", SAME},
        {"$\\frac{3}{4}$", "0.75", SAME},
        {"5 cm", "5", SAME},
        {"5\\text{ cm}", "5 centimeters", SAME},
        {"5 cm", "5 m", UNKNOWN},
        {"5 cm", "5 inches", UNKNOWN},
        {"5 cm", "50 mm", UNKNOWN},
        {"5 cm", "6 cm", OTHER},
        {"12 square inches", "12\\text{ in}^2", SAME},
        {"30 miles per hour", "30", SAME},
        {"5 million", "5", UNKNOWN},
        {"5 apricots", "5", SAME},
        {"5 apricots", "5 plums", UNKNOWN},
        {"5\\text{ bolts}", "6", OTHER},
        {"5 plum", "5", UNKNOWN},
        {"5 millions", "5", UNKNOWN},
        {"5 tenths", "5", UNKNOWN},
        {"5 times", "5", UNKNOWN},
        {"2 radians", "2", SAME},
        {"2 radians", "2 degrees", UNKNOWN},
        {"145^\\circ", "145", SAME},
        {"145^{\\circ}", "145 degrees", SAME},
        {"\\frac{270}7\\text{ degrees}", "270/7", SAME},
        {"90^\\circ", "\\pi/2", UNKNOWN},
        {"5 m", "5", UNKNOWN}, /* metres, or 5 times m? */
        {"5 m", "6", OTHER},
    };
    COMPARE (rows);
}

static void a_percent_sign_counts (void)
{
    static const struct pair rows[] = {
        {"50\\%", "1/2", SAME},
        {"50%", "0.50", SAME},
        {"50%", "50", UNKNOWN},
        {"50%", "60", OTHER},
        {"50%", "50\\%", SAME},
        {"50 percent", "50%", SAME},
        {"12\\frac{1}{2}\\%", "1/8", SAME},
    };
    COMPARE (rows);
}

static void surds_pi_and_i_are_exact (void)
{
    static const struct pair rows[] = {
        {"\\frac{\\sqrt{3}}{3}", "\\frac{1}{\\sqrt{3}}", SAME},
        {"3\\sqrt{13}", "\\sqrt{117}", SAME},
        {"\\sqrt{2}\\sqrt{6}", "2\\sqrt3", SAME},
        {"11 \\sqrt{5} + 11", "11(1+\\sqrt{5})", SAME},
        {"\\sqrt{2}", "1.41421356", OTHER},
        {"288 \\pi", "288\\pi", SAME},
        {"\\pi", "3.14159", OTHER},
        {"\\frac{20000}{\\pi}", "20000/pi", SAME},
        {"18+2\\pi", "2(9+\\pi)", SAME},
        {"6+9i", "9i+6", SAME},
        {"6+9i", "6-9i", OTHER},
        {"\\sqrt{-4}", "2i", SAME},
        {"\\frac{1}{1+i}", "\\frac{1-i}{2}", SAME},
        {"2\xcf\x80", "2\\pi", SAME},
        {"\xe2\x88\x9a"
         "2",
         "\\sqrt{2}", SAME},
        {"\\sqrt[3]{2}", "\\sqrt{2}", UNKNOWN},
    };
    COMPARE (rows);
}

static void letters_are_free_and_sums_have_one_order (void)
{
    static const struct pair rows[] = {
        {"x+1", "1+x", SAME},
        {"2k+2", "2(k+1)", SAME},
        {"(a+5)(b+2)", "(b+2)(a+5)", SAME},
        {"(a+5)(b+2)", "(a+5)(b+3)", OTHER},
        {"x^3+3x-6", "x^3+3x+6", OTHER},
        {"\\frac{11+9a}{20}", "0.45a+0.55", SAME},
        {"2k+2", "12", OTHER},
        {"xy", "yx", UNKNOWN}, /* letters alone may be a word */
        {"2xy", "2yx", SAME},
        {"x^{2}y", "yx^2", SAME},
        {"\\frac{1}{x+1}", "\\frac{1}{1+x}", UNKNOWN},
        {"\\cot x", "\\cot x", SAME},
        {"\\cot x", "\\tan x", UNKNOWN},
    };
    COMPARE (rows);
}

static void the_name_of_a_value_may_stand_or_not (void)
{
    static const struct pair rows[] = {
        {"x=5", "5", SAME},
        {"x = 5", "y = 5", UNKNOWN},
        {"x=5", "6", OTHER},
        {"y = 2x + 3", "2x+3", SAME},
        {"y = 2x + 3", "x = 2x+3", UNKNOWN},
        {"f(x) = 2x+3", "2x+3", SAME},
        {"x = 2x", "2x", UNKNOWN},
        {"x=1, x=2", "\\{1,2\\}", SAME},
        {"x=1, y=2", "\\{1,2\\}", UNKNOWN},
        {"x \\in [0,1)", "[0,1)", SAME},
        {"a = b = 2", "2", UNKNOWN},
    };
    COMPARE (rows);
}

static void equations_have_one_side (void)
{
    static const struct pair rows[] = {
        {"x^2+y^2=1", "y^2 + x^2 - 1 = 0", SAME},
        {"2x + 4y = 6", "x+2y=3", SAME},
        {"x + y = 3", "3 = y + x", SAME},
        {"x + y = 3", "x + y = 4", UNKNOWN},
        {"x + y = 3", "3", UNKNOWN},
        {"1 = 1", "2 = 2", UNKNOWN},
    };
    COMPARE (rows);
}

static void numbers_in_a_base_are_not_decimal (void)
{
    static const struct pair rows[] = {
        {"4210_5", "4210_{5}", SAME}, {"4210_5", "4210", UNKNOWN}, {"4210_5", "555", UNKNOWN},
        {"4210_5", "4211_5", OTHER},  {"52_8", "52_9", OTHER},     {"52_8", "42", UNKNOWN},
        {"52_8", "43", OTHER},        {"58_8", "58", UNKNOWN},
    };
    COMPARE (rows);
}

static void words_and_choices_are_compared_as_such (void)
{
    static const struct pair rows[] = {
        {"\\text{Evelyn}", "Evelyn", SAME},
        {"Evelyn", "Evelina", OTHER},
        {"\\text{even}", "Even", SAME},
        {"even", "odd", OTHER},
        {"New  York", "new york", SAME},
        {"ellipse", "an ellipse", SAME},
        {"ellipse", "upright ellipse", UNKNOWN},
        {"yes", "true", UNKNOWN},
        {"five", "5", UNKNOWN},
        {"(A)", "A", SAME},
        {"\\text{(B)}", "B", SAME},
        {"A", "B", OTHER},
        {"a", "A", UNKNOWN},
        {"(B)", "5", UNKNOWN},
        {"AB", "ab", UNKNOWN},
    };
    COMPARE (rows);
}

static void what_can_be_read_in_two_ways_is_not_guessed (void)
{
    static const struct pair rows[] = {
        {"1,23", "123", UNKNOWN},
        {"1,234,5", "12345", UNKNOWN},
        {"1/0", "0", UNKNOWN},
        {"\\frac{1}{0}", "0", UNKNOWN},
        {"\\frac{1}{2", "1/2", UNKNOWN},
        {"--1", "1", UNKNOWN},
        {"1.2.3", "1.23", UNKNOWN},
        {"1/2x", "\\frac{x}{2}", UNKNOWN},
        {"1/2/3", "1/6", SAME},
        {"1/3\\sqrt{2}", "\\frac{\\sqrt{2}}{3}", UNKNOWN},
        {"\\sqrt13", "\\sqrt{13}", UNKNOWN},
        {"2 3", "23", UNKNOWN},
        {"\\pi x", "\\pix", UNKNOWN},
        {"\\leftarrow", "arrow", UNKNOWN},
        {"3:2", "1.5", UNKNOWN},
        {"(1,234)", "1234", UNKNOWN},
        {"5 or more", "5", UNKNOWN},
        {"\\approx 3", "3", UNKNOWN},
        {"2^{3^2}", "512", SAME},
        {"2^3^2", "512", UNKNOWN},
    };
    COMPARE (rows);
}

static void empty_and_endless_answers_are_none (void)
{
    static char text[ANSWER_BYTES + 1];
    answer_form *a = NULL;
    FAILS (answer_form_create (span_of (""), &a), ESP_EFORMAT);
    FAILS (answer_form_create (span_of (" $$ "), &a), ESP_EFORMAT);
    FAILS (answer_form_create (span_of ("1"), NULL), ESP_EINVAL);
    memset (text, '7', sizeof (text));
    FAILS (answer_form_create (span_make (text, sizeof (text)), &a), ESP_EFORMAT);
    CHECK (a == NULL);
    PASS (answer_form_create (span_make (text, ANSWER_BYTES), &a));
    CU_ASSERT_EQUAL (answer_form_text (a).len, ANSWER_BYTES);
    answer_form_destroy (a);
    answer_form_destroy (NULL);
}

static void what_is_too_large_or_too_deep_is_a_text (void)
{
    static const char *const rows[] = {
        "9^{9^{9^9}}",
        "2^{100000}",
        "1e99999",
        "x^{1000}",
        "(x+1)^{99}",
        "\\sqrt{123456789123456789}",
        "(a+b+c+d+e+f+g)^{9}",
        "1000000!",
        "{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{"};
    char deep[401];
    answer_form *a;
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        a = form_of (rows[i]);
        if (answer_form_understood (a))
            printf ("    \"%s\" is understood\n", rows[i]);
        CHECK (!answer_form_understood (a));
        answer_form_destroy (a);
    }
    snprintf (deep, sizeof (deep), "%0400d", 0);
    memset (deep, '(', 200);
    memset (deep + 200, ')', 200);
    deep[199] = '1';
    a = form_of (deep);
    CHECK (!answer_form_understood (a));
    answer_form_destroy (a);
}

static void check_settled (const char *text)
{
    answer_form *a = NULL, *again = NULL;
    enum answer_match match = ANSWER_UNKNOWN;
    if (answer_form_create (span_of (text), &a) != ESP_OK)
        return;
    PASS (answer_form_create (answer_form_text (a), &again));
    CHECK (span_equal (answer_form_text (a), answer_form_text (again)));
    PASS (answer_form_compare (a, again, &match));
    CHECK (match == ANSWER_SAME);
    answer_form_destroy (a);
    answer_form_destroy (again);
}

static void the_form_of_a_form_is_that_form (void)
{
    static const char *const pieces[] = {"\\frac",
                                         "{",
                                         "}",
                                         "(",
                                         ")",
                                         "[",
                                         "]",
                                         ",",
                                         ", ",
                                         "1",
                                         "2",
                                         "12",
                                         "1,000",
                                         "0.5",
                                         "x",
                                         "y",
                                         "ab",
                                         "A",
                                         "-",
                                         "+",
                                         "*",
                                         "/",
                                         "^",
                                         "_",
                                         "\\sqrt",
                                         "\\pi",
                                         "i",
                                         "\\pm",
                                         "\\cup ",
                                         "\\{",
                                         "\\}",
                                         "\\text{",
                                         "\\text{ cm}",
                                         " ",
                                         "$",
                                         "%",
                                         "\\$",
                                         "\\circ",
                                         "^\\circ",
                                         "=",
                                         "x=",
                                         " and ",
                                         "even",
                                         "\\infty",
                                         "\\left",
                                         "\\begin{pmatrix}",
                                         "\\end{pmatrix}",
                                         "&",
                                         "\\\\",
                                         ".",
                                         "\\",
                                         "\xff",
                                         "\xc2\xb0",
                                         "the ",
                                         "e",
                                         "\\in "};
    for (uint64_t run = 0; run < 30000; run++) {
        char text[256] = "";
        uint32_t n = 1 + esp_draw_below (run, 99, 12);
        for (uint64_t i = 0; i < n; i++)
            strcat (text, pieces[esp_draw_below (run, i, sizeof (pieces) / sizeof (pieces[0]))]);
        check_settled (text);
    }
}

static esp_err scenario (long n)
{
    static const char text[] =
        "x = \\frac{1}{\\sqrt{2}-1}, (1, 52_8), \\{5\\text{ cm}, a \\pm b\\}",
                      other[] = "\\begin{pmatrix} 50\\% & \\cot x \\\\ 1 & 2^{-1/2} \\end{pmatrix}";
    answer_form *a = NULL, *b = NULL;
    enum answer_match match;
    esp_err err;
    esp_alloc_fail_after (n);
    err = answer_form_create (span_of (text), &a);
    if (err == ESP_OK)
        err = answer_form_create (span_of (other), &b);
    if (err == ESP_OK)
        err = answer_form_compare (a, b, &match);
    answer_form_destroy (a);
    answer_form_destroy (b);
    esp_alloc_fail_after (-1);
    CU_ASSERT_EQUAL (esp_alloc_live (), 0);
    return err;
}

static void survives_failure_of_every_allocation (void)
{
    esp_err err = ESP_ENOMEM;
    for (long n = 0; err != ESP_OK && n < 3000; n++) {
        err = scenario (n);
        CHECK (err == ESP_OK || err == ESP_ENOMEM);
    }
    CU_ASSERT_EQUAL (err, ESP_OK);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"forms have one text", forms_have_one_text},
        {"only what is understood says so", only_what_is_understood_says_so},
        {"numbers are equal by value", numbers_are_equal_by_value},
        {"mixed numbers are sums", mixed_numbers_are_sums},
        {"money, units and degrees are read", money_units_and_degrees_are_read},
        {"a percent sign counts", a_percent_sign_counts},
        {"surds, pi and i are exact", surds_pi_and_i_are_exact},
        {"letters are free, and sums have one order", letters_are_free_and_sums_have_one_order},
        {"the name of a value may stand or not", the_name_of_a_value_may_stand_or_not},
        {"equations have one side", equations_have_one_side},
        {"numbers in a base are not decimal", numbers_in_a_base_are_not_decimal},
        {"words and choices are compared as such", words_and_choices_are_compared_as_such},
        {"what can be read in two ways is not guessed",
         what_can_be_read_in_two_ways_is_not_guessed},
        {"empty and endless answers are none", empty_and_endless_answers_are_none},
        {"what is too large or too deep is a text", what_is_too_large_or_too_deep_is_a_text},
        {"the form of a form is that form", the_form_of_a_form_is_that_form},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("answer_form", cases);
}
