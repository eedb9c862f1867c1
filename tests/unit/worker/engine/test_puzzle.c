/* SPDX-License-Identifier: Apache-2.0 */
/* test_puzzle.c - what worker/engine/puzzle.h promises */

#include "worker/engine/puzzle.h"
#include <stdio.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/rng.h"
#include "tests/support/suite.h"

static puzzle *given (const char *json)
{
    puzzle *p = NULL;
    PASS (puzzle_create (span_of (json), &p, NULL));
    return p;
}

static puzzle *given_4_9_10_13 (void)
{
    return given ("{\"numbers\": [13, 4, 9, 10], \"target\": 24}");
}

static void what_is_no_puzzle_is_refused_with_a_reason (void)
{
    static const char *const bad[] = {"",
                                      "[]",
                                      "{}",
                                      "{\"numbers\": 3, \"target\": 1}",
                                      "{\"numbers\": [1, 2], \"target\": 3}",
                                      "{\"numbers\": [1, 2, 3, 4, 5, 6, 7], \"target\": 3}",
                                      "{\"numbers\": [1, 2, 3.0], \"target\": 3}",
                                      "{\"numbers\": [1, 2, \"3\"], \"target\": 3}",
                                      "{\"numbers\": [1, 2, 1000000000], \"target\": 3}",
                                      "{\"numbers\": [1, 2, 3]}",
                                      "{\"numbers\": [1, 2, 3], \"target\": 2.5}",
                                      "{\"numbers\": [1, 2, 3], \"target\": \"\"}",
                                      "{\"numbers\": [1, 2, 3], \"target\": \"1/0\"}",
                                      "{\"numbers\": [1, 2, 3], \"target\": \"1/2/3\"}",
                                      "{\"numbers\": [1, 2, 3], \"target\": \" 1\"}",
                                      "{\"numbers\": [1, 2, 3], \"target\": \"1/-2\"}",
                                      "{\"numbers\": [1, 2, 3], \"target\": \"1234567890\"}"};
    puzzle *p = NULL;
    for (size_t i = 0; i < sizeof (bad) / sizeof (bad[0]); i++) {
        esp_error error = {0};
        FAILS (puzzle_create (span_of (bad[i]), &p, &error), ESP_EFORMAT);
        CHECK (p == NULL && strstr (error.text, "not a puzzle"));
        FAILS (puzzle_check (span_of (bad[i]), NULL), ESP_EFORMAT);
    }
    FAILS (puzzle_create ((span){0}, &p, NULL), ESP_EFORMAT);
    FAILS (puzzle_create (span_of ("{}"), NULL, NULL), ESP_EINVAL);
    puzzle_destroy (NULL);
}

static void numbers_stand_ascending_and_are_seen_from_the_target (void)
{
    puzzle *p = given ("{\"numbers\": [48, -4, 5], \"target\": 24}");
    puzzle_number n = puzzle_at (p, 0);
    CHECK (puzzle_left (p) == 3 && puzzle_target (p) == 24 && !puzzle_solved (p));
    CHECK (n.value == -4 && n.even && n.divides && !n.multiple && n.denominator == 1);
    n = puzzle_at (p, 1);
    CHECK (n.value == 5 && !n.even && !n.divides && !n.multiple);
    n = puzzle_at (p, 2);
    CHECK (n.value == 48 && n.even && !n.divides && n.multiple);
    CHECK (puzzle_target_divisible (p, 8) && !puzzle_target_divisible (p, 7));
    puzzle_destroy (p);
    p = given ("{\"numbers\": [0, 2, 5], \"target\": \"-6/4\"}");
    CHECK (puzzle_target (p) == -1.5 && !puzzle_target_divisible (p, 1));
    CHECK (!puzzle_at (p, 0).divides && puzzle_at (p, 0).multiple);
    puzzle_destroy (p);
}

static size_t moves_of (const char *json)
{
    puzzle_move moves[PUZZLE_MOST_MOVES];
    puzzle *p = given (json);
    size_t count = puzzle_moves (p, moves);
    puzzle_destroy (p);
    return count;
}

static void equal_moves_count_once (void)
{
    CU_ASSERT_EQUAL (moves_of ("{\"numbers\": [1, 2, 3], \"target\": 1}"), 18);
    CU_ASSERT_EQUAL (moves_of ("{\"numbers\": [4, 10, 4], \"target\": 1}"), 4 + 6);
    CU_ASSERT_EQUAL (moves_of ("{\"numbers\": [4, 4, 4, 4, 4, 4], \"target\": 1}"), 4);
    CU_ASSERT_EQUAL (moves_of ("{\"numbers\": [0, 0, 5], \"target\": 1}"), 3 + 5);
    CU_ASSERT_EQUAL (moves_of ("{\"numbers\": [1, 2, 3, 5, 7, 11], \"target\": 1}"),
                     PUZZLE_MOST_MOVES);
}

/* Play a random game; each step is read back by a second puzzle, which must then look the same. */
static void random_game (const char *json, uint64_t seed)
{
    puzzle *p = given (json), *q = given (json);
    esp_buf text = {0}, a = {0}, b = {0};
    while (puzzle_left (p) > 1) {
        puzzle_move moves[PUZZLE_MOST_MOVES];
        size_t count = puzzle_moves (p, moves), left = puzzle_left (p);
        esp_buf_clear (&text);
        PASS (puzzle_play (p, &moves[esp_draw_below (seed, left, (uint32_t)count)], &text));
        CHECK (puzzle_left (p) == left - 1 && text.data[text.len - 1] == '\n');
        CU_ASSERT_EQUAL (puzzle_read (q, span_make (text.data, text.len - 1)), PUZZLE_FINE);
        for (size_t i = 0; i < left - 1; i++)
            CHECK (puzzle_at (p, i).value == puzzle_at (q, i).value);
    }
    PASS (puzzle_expression (p, &a));
    PASS (puzzle_expression (q, &b));
    CHECK (span_equal (esp_buf_span (&a), esp_buf_span (&b)));
    esp_buf_free (&a);
    esp_buf_free (&b);
    esp_buf_free (&text);
    puzzle_destroy (p);
    puzzle_destroy (q);
}

static void every_played_step_is_read_back (void)
{
    for (uint64_t seed = 0; seed < 100; seed++) {
        random_game ("{\"numbers\": [1, 5, 5, 5], \"target\": 24}", seed);
        random_game ("{\"numbers\": [3, -7, 0, 8, 25, 100], \"target\": 937}", seed);
        random_game ("{\"numbers\": [999999999, 999999998, 999999997, 999999996, 999999995, "
                     "-999999994], \"target\": 1}",
                     seed);
    }
}

static void a_played_step_reads_well (void)
{
    puzzle *p = given ("{\"numbers\": [3, 8, 8], \"target\": 24}");
    puzzle_move third = {.left = 1, .right = 0, .op = '/'},
                over = {.left = 0, .right = 1, .op = '-'};
    esp_buf text = {0};
    PASS (puzzle_play (p, &third, &text));
    PASS (puzzle_play (p, &over, &text));
    CU_ASSERT_STRING_EQUAL (esp_buf_text (&text),
                            "8 / 3 = 8/3 (left: 8/3 8)\n8/3 - 8 = -16/3 (left: -16/3)\n");
    FAILS (puzzle_play (p, &over, &text), ESP_EINVAL);
    esp_buf_free (&text);
    puzzle_destroy (p);
}

static void bad_moves_are_refused (void)
{
    static const puzzle_move bad[] = {{.left = 0, .right = 0, .op = '+'},
                                      {.left = 4, .right = 0, .op = '+'},
                                      {.left = 0, .right = 4, .op = '+'},
                                      {.left = 0, .right = 1, .op = '^'}};
    puzzle *p = given_4_9_10_13 ();
    esp_buf text = {0};
    for (size_t i = 0; i < sizeof (bad) / sizeof (bad[0]); i++)
        FAILS (puzzle_play (p, &bad[i], &text), ESP_EINVAL);
    FAILS (puzzle_expression (p, &text), ESP_EINVAL);
    CHECK (text.len == 0 && puzzle_left (p) == 4);
    esp_buf_free (&text);
    puzzle_destroy (p);
}

static void a_wrong_step_is_named_and_changes_nothing (void)
{
    static const struct {
        const char *line;
        enum puzzle_fault fault;
    } rows[] = {
        {"", PUZZLE_NOT_A_STEP},
        {"13", PUZZLE_NOT_A_STEP},
        {"13 - 9 = 4", PUZZLE_NOT_A_STEP},
        {"13 -  9 = 4 (left: 4 4 10)", PUZZLE_NOT_A_STEP},
        {"13 - 9 = 4 (left: 4 4 10) ", PUZZLE_NOT_A_STEP},
        {" 13 - 9 = 4 (left: 4 4 10)", PUZZLE_NOT_A_STEP},
        {"13 - 9 = 4 (left: 4 4 10", PUZZLE_NOT_A_STEP},
        {"13 - 9 = 4 (left: 4 4 x)", PUZZLE_NOT_A_STEP},
        {"13 ^ 9 = 4 (left: 4 4 10)", PUZZLE_NOT_A_STEP},
        {"13 - 9 = 4/0 (left: 4 4 10)", PUZZLE_NOT_A_STEP},
        {"9 - 9 = 0 (left: 0 4 10 13)", PUZZLE_NUMBER_NOT_THERE},
        {"12 - 9 = 3 (left: 3 4 10)", PUZZLE_NUMBER_NOT_THERE},
        {"13 - 9 = 5 (left: 4 5 10)", PUZZLE_WRONG_ARITHMETIC},
        {"9 - 13 = 4 (left: 4 4 10)", PUZZLE_WRONG_ARITHMETIC},
        {"13 - 9 = 4 (left: 4 10)", PUZZLE_WRONG_LEFT},
        {"13 - 9 = 4 (left: 4 4 4 10)", PUZZLE_WRONG_LEFT},
        {"13 - 9 = 4 (left: 4 4 11)", PUZZLE_WRONG_LEFT},
        {"13 - 9 = 4 (left:)", PUZZLE_WRONG_LEFT},
    };
    puzzle *p = given_4_9_10_13 ();
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        CU_ASSERT_EQUAL (puzzle_read (p, span_of (rows[i].line)), rows[i].fault);
        CHECK (puzzle_left (p) == 4 && puzzle_at (p, 3).value == 13);
    }
    CU_ASSERT_EQUAL (puzzle_read (p, span_of ("13 - 9 = 4 (left: 10 4 4)")), PUZZLE_FINE);
    CU_ASSERT_EQUAL (puzzle_left (p), 3);
    puzzle_destroy (p);
}

static void division_by_zero_is_no_step (void)
{
    puzzle *p = given ("{\"numbers\": [0, 2, 5], \"target\": 1}");
    CU_ASSERT_EQUAL (puzzle_read (p, span_of ("5 / 0 = 0 (left: 0 2)")), PUZZLE_NOT_A_STEP);
    CU_ASSERT_EQUAL (puzzle_read (p, span_of ("0 / 5 = 0 (left: 0 2)")), PUZZLE_FINE);
    puzzle_destroy (p);
}

static bool expression_is (const char *json, const char *steps, const char *text)
{
    puzzle *p = given (json);
    esp_buf out = {0};
    bool same;
    for (span rest = span_of (steps); rest.len > 0;) {
        size_t end = span_find (rest, span_of (";"));
        CU_ASSERT_EQUAL (puzzle_read (p, span_make (rest.ptr, end)), PUZZLE_FINE);
        rest =
            end < rest.len ? span_make (rest.ptr + end + 1, rest.len - end - 1) : span_make ("", 0);
    }
    PASS (puzzle_expression (p, &out));
    same = span_is (esp_buf_span (&out), text);
    if (!same)
        printf ("    %s\n", esp_buf_text (&out));
    esp_buf_free (&out);
    puzzle_destroy (p);
    return same;
}

static void equal_ways_give_equal_expressions (void)
{
    const char *four = "{\"numbers\": [13, 4, 9, 10], \"target\": 24}",
               *three = "{\"numbers\": [7, 2, 3], \"target\": 1}";
    CHECK (expression_is (four,
                          "13 - 9 = 4 (left: 4 4 10);10 - 4 = 6 (left: 4 6);4 * 6 = 24 (left: 24)",
                          "(13-9)*(10-4)"));
    CHECK (expression_is (four,
                          "10 - 4 = 6 (left: 6 9 13);13 - 9 = 4 (left: 4 6);6 * 4 = 24 (left: 24)",
                          "(13-9)*(10-4)"));
    CHECK (expression_is (three, "2 + 3 = 5 (left: 5 7);7 - 5 = 2 (left: 2)", "7-3-2"));
    CHECK (expression_is (three, "7 - 2 = 5 (left: 3 5);5 - 3 = 2 (left: 2)", "7-3-2"));
    CHECK (expression_is (three, "2 / 7 = 2/7 (left: 2/7 3);3 / 2/7 = 21/2 (left: 21/2)", "7*3/2"));
    CHECK (expression_is (three, "7 * 3 = 21 (left: 2 21);2 - 21 = -19 (left: -19)", "2-7*3"));
    CHECK (expression_is (three, "2 - 7 = -5 (left: -5 3);3 - -5 = 8 (left: 8)", "7+3-2"));
    CHECK (expression_is ("{\"numbers\": [-7, 2, 3], \"target\": 1}",
                          "2 - -7 = 9 (left: 3 9);3 * 9 = 27 (left: 27)", "3*(2-(-7))"));
}

static void survives_failure_of_every_allocation (void)
{
    esp_err err = ESP_ENOMEM;
    for (long n = 0; err != ESP_OK && n < 100; n++) {
        puzzle *p = NULL;
        puzzle_move m = {.left = 1, .right = 0, .op = '-'};
        esp_buf text = {0};
        esp_alloc_fail_after (n);
        err = puzzle_create (span_of ("{\"numbers\": [1, 2, 3], \"target\": 0}"), &p, NULL);
        if (err == ESP_OK)
            err = puzzle_play (p, &m, &text);
        if (err == ESP_OK)
            err = puzzle_play (p, &m, &text);
        if (err == ESP_OK)
            err = puzzle_expression (p, &text);
        puzzle_destroy (p);
        esp_buf_free (&text);
        esp_alloc_fail_after (-1);
        CU_ASSERT_EQUAL (esp_alloc_live (), 0);
    }
    CU_ASSERT_EQUAL (err, ESP_OK);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"what is no puzzle is refused with a reason", what_is_no_puzzle_is_refused_with_a_reason},
        {"numbers stand ascending and are seen from the target",
         numbers_stand_ascending_and_are_seen_from_the_target},
        {"equal moves count once", equal_moves_count_once},
        {"every played step is read back", every_played_step_is_read_back},
        {"a played step reads well", a_played_step_reads_well},
        {"bad moves are refused", bad_moves_are_refused},
        {"a wrong step is named and changes nothing", a_wrong_step_is_named_and_changes_nothing},
        {"division by zero is no step", division_by_zero_is_no_step},
        {"equal ways give equal expressions", equal_ways_give_equal_expressions},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("puzzle", cases);
}
