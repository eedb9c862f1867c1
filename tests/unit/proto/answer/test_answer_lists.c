/* SPDX-License-Identifier: Apache-2.0 */
/* test_answer_lists.c - tuples, sets, intervals, unions and matrices of proto/answer/answer.h */

#include "tests/unit/proto/answer/answer_kit.h"

static void tuples_are_compared_item_by_item (void)
{
    static const struct pair rows[] = {
        {"\\left( 3, \\frac{\\pi}{2} \\right)", "(3,\\dfrac{\\pi}{2})", SAME},
        {"(6,31,-1)", "( 6, 31, -1 )", SAME},
        {"(6,31,-1)", "(31,6,-1)", OTHER},
        {"(6,31,-1)", "(6,31)", OTHER},
        {"(6,31,-1)", "(6,31,1)", OTHER},
        {"(0.5, 2)", "(\\frac12, 2)", SAME},
        {"(\\cos t, 2)", "(\\cos t, 3)", OTHER},
        {"(\\cos t, 2)", "(\\sin t, 2)", UNKNOWN},
        {"(1, (2, 3))", "(1, (2, 3.0))", SAME},
        {"(3,4)", "34", OTHER},
        {"(1,234)", "(1, 234)", UNKNOWN},
    };
    COMPARE (rows);
}

static void sets_have_no_order (void)
{
    static const struct pair rows[] = {
        {"3, 5, 7", "7, 3, 5", SAME},
        {"3, 5, 7", "\\{3,5,7\\}", SAME},
        {"{1,2,3}", "3 and 2, 1", SAME},
        {"\\{1,1,2\\}", "\\{1,2\\}", SAME},
        {"1, 1, 2", "1, 2", UNKNOWN}, /* a double root? */
        {"3, 5, 7", "3, 5", OTHER},
        {"3, 5, 7", "3, 5, 8", OTHER},
        {"3, 5, 7", "3", OTHER},
        {"-2,1", "1,-2", SAME},
        {"1,000, 2,000", "2000 and 1000", SAME},
        {"1 \\pm \\sqrt{19}", "1+\\sqrt{19}, 1-\\sqrt{19}", SAME},
        {"\\{1\\pm\\sqrt{5},-2\\}", "\\{-2, 1-\\sqrt5, 1+\\sqrt5\\}", SAME},
        {"\\{1\\pm\\sqrt{5},-2\\}", "\\{1\\pm\\sqrt{5},2\\}", OTHER},
        {"\\{5\\}", "5", UNKNOWN},
        {"\\{1,2\\}", "(1,2)", UNKNOWN},
        {"\\{1,2\\}", "(1,3)", OTHER},
        {"1, 2", "(1,2)", UNKNOWN},
        {"\\{\\}", "\\{0\\}", OTHER},
        {"\\emptyset", "\\{\\}", SAME},
        {"\\{\\cot x, 1\\}", "\\{\\tan x, 1\\}", UNKNOWN},
    };
    COMPARE (rows);
}

static void the_brackets_of_an_interval_count (void)
{
    static const struct pair rows[] = {
        {"(2,\\infty)", "(2, \\infty)", SAME},
        {"(2,\\infty)", "[2,\\infty)", OTHER},
        {"[0,1)", "[0,1]", OTHER},
        {"[0,1)", "[0,2)", OTHER},
        {"(-\\infty, 3]", "(-\\infty,3]", SAME},
        {"(2,\\infty)", "(2,-\\infty)", OTHER},
        {"(2,\\infty)", "x > 2", UNKNOWN},
        {"(2,\\infty)", "2", OTHER},
    };
    COMPARE (rows);
}

static void unions_have_no_order (void)
{
    static const struct pair rows[] = {
        {"(0,9) \\cup (9,36)", "(9,36)\\cup(0,9)", SAME},
        {"(0,9) \\cup (9,36)", "(0,9) \\cup (9,37)", OTHER},
        {"(0,9) \\cup (9,36)", "(0,36)", OTHER},
        {"(0,9) \\cup [9,36)", "(0,36)", UNKNOWN},
        {"(0,9) \\cup (5,36)", "(0,36)", UNKNOWN},
        {"(-\\infty,0) \\cup [1,\\infty)", "(-\\infty,0] \\cup [1,\\infty)", OTHER},
        {"(0,\\pi) \\cup (4,5)", "(0,\\pi) \\cup (4,6)", UNKNOWN},
        {"(0,9) \\cup (y)", "(0,9)\\cup(y)", SAME},
        {"[0,1) \\cup \\{2\\}", "\\{2\\} \\cup [0, 1)", SAME},
    };
    COMPARE (rows);
}

static void matrices_are_compared_cell_by_cell (void)
{
    static const struct pair rows[] = {
        {"\\begin{pmatrix} 1/5 \\\\ -18/5 \\end{pmatrix}",
         "\\begin{bmatrix}0.2\\\\-3.6\\end{bmatrix}", SAME},
        {"\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}",
         "\\begin{pmatrix}1&2\\\\3&4\\\\\\end{pmatrix}", SAME},
        {"\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}",
         "\\begin{pmatrix}1&3\\\\2&4\\end{pmatrix}", OTHER},
        {"\\begin{pmatrix} 1 & 2 \\end{pmatrix}", "\\begin{pmatrix}1\\\\2\\end{pmatrix}", OTHER},
        {"\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}", "(1,2)", UNKNOWN},
        {"\\begin{pmatrix} 1 & 2 \\\\ 3 \\end{pmatrix}",
         "\\begin{pmatrix} 1 & 2 \\\\ 4 \\end{pmatrix}", UNKNOWN},
    };
    COMPARE (rows);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"tuples are compared item by item", tuples_are_compared_item_by_item},
        {"sets have no order", sets_have_no_order},
        {"the brackets of an interval count", the_brackets_of_an_interval_count},
        {"unions have no order", unions_have_no_order},
        {"matrices are compared cell by cell", matrices_are_compared_cell_by_cell},
        {NULL, NULL},
    };
    return suite_main ("answer_lists", cases);
}
