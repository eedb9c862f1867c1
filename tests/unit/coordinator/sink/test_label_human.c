/* SPDX-License-Identifier: Apache-2.0 */
/* test_label_human.c - what coordinator/sink/label_human.h promises */

#include "coordinator/sink/label_human.h"
#include <string.h>
#include "proto/base/alloc.h"
#include "tests/support/suite.h"

enum { MOST = 8 };

/* As openai/prm800k has them: three steps; of the first two were rated, of the second a person wrote one, at the third an error was found. */
static const char row_text[] =
    "{\"labeler\":\"e90a38f3\",\"timestamp\":\"2023-01-22T07:46:18.899276\",\"generation\":9,"
    "\"is_quality_control_question\":false,\"is_initial_screening_question\":false,"
    "\"question\":{\"problem\":\"What is 1 + 2 * 3?\",\"ground_truth_answer\":\"7\"},"
    "\"label\":{\"steps\":["
    "{\"completions\":[{\"text\":\"Add first: 1 + 2 = 3.\",\"rating\":-1,\"flagged\":false},"
    "{\"text\":\"Multiply first: 2 * 3 = 6.\",\"rating\":1,\"flagged\":false},"
    "{\"text\":\"Let us see.\",\"rating\":0,\"flagged\":null}],"
    "\"human_completion\":null,\"chosen_completion\":1},"
    "{\"completions\":[{\"text\":\"So 6 + 1 = 8.\",\"rating\":-1,\"flagged\":false}],"
    "\"human_completion\":{\"text\":\"Then 1 + 6 = 7.\\n\\nThat is all.\",\"rating\":1,"
    "\"source\":\"human\",\"flagged\":false},\"chosen_completion\":null},"
    "{\"completions\":[{\"text\":\"The answer is 9.\",\"rating\":-1,\"flagged\":false},"
    "{\"text\":\"The answer is 7.\",\"rating\":null,\"flagged\":false}],"
    "\"human_completion\":null,\"chosen_completion\":null}],"
    "\"total_time\":88,\"finish_reason\":\"found_error\"}}";

static void check_row (const char *row, const char *const *texts, const char *expected)
{
    label_step steps[MOST] = {{.node = 0}};
    json_t *json = json_loads (row, 0, NULL);
    size_t n = strlen (expected);
    CU_ASSERT_PTR_NOT_NULL_FATAL (json);
    for (size_t i = 0; i < n; i++)
        steps[i].text = span_of (texts[i]);
    PASS (labels_add_human (json, steps, n));
    for (size_t i = 0; i < n; i++)
        CHECK (steps[i].human == (expected[i] == '+'   ? LABEL_GOOD
                                  : expected[i] == '-' ? LABEL_BAD
                                                       : LABEL_UNDECIDED));
    json_decref (json);
    CHECK (esp_alloc_live () == 0);
}

static void the_chosen_steps_have_their_ratings (void)
{
    static const char *const texts[] = {"Multiply first: 2 * 3 = 6.\n\n",
                                        "Then 1 + 6 = 7.\n\nThat is all.\n\n", "The answer is 9."};
    check_row (row_text, texts, "++-");
}

static void what_was_not_chosen_is_rated_too_and_nothing_behind_it (void)
{
    static const char *const wrong[] = {"Add first: 1 + 2 = 3.\n\n",
                                        "Then 1 + 6 = 7.\n\nThat is all.\n\n"};
    static const char *const neutral[] = {" Let us see.", "The answer is 9."};
    static const char *const second[] = {"Multiply first: 2 * 3 = 6.", "So 6 + 1 = 8.",
                                         "The answer is 9."};
    static const char *const unrated[] = {"Multiply first: 2 * 3 = 6.",
                                          "Then 1 + 6 = 7.\n\nThat is all.", "The answer is 7."};
    check_row (row_text, wrong, "-?");
    check_row (row_text, neutral, "+?");
    check_row (row_text, second, "+-?");
    check_row (row_text, unrated, "++?");
}

static void a_rated_step_may_be_several_steps_here (void)
{
    static const char *const good[] = {"Multiply first: 2 * 3 = 6.\n\n", "Then 1 + 6 = 7.\n\n",
                                       "That is all.\n\n", "The answer is 9."};
    static const char row[] = "{\"label\":{\"steps\":[{\"completions\":[{\"text\":\"a\\n\\nb\","
                              "\"rating\":-1}]}]}}";
    static const char *const bad[] = {"a\n\n", "b"};
    check_row (row_text, good, "+++-");
    check_row (row, bad, "?-");
}

static void other_texts_have_no_ratings (void)
{
    static const char *const texts[] = {"Multiply", "The answer is 9."};
    static const char *const empty[] = {"", "The answer is 9."};
    check_row (row_text, texts, "??");
    check_row (row_text, empty, "??");
    check_row (row_text, texts, "");
}

static void rows_of_other_shapes_say_nothing (void)
{
    static const char *const texts[] = {"a", "b"};
    static const char *const rows[] = {
        "{}",
        "{\"label\":1}",
        "{\"label\":{\"steps\":{}}}",
        "{\"label\":{\"steps\":[1,2]}}",
        "{\"label\":{\"steps\":[{\"completions\":7,\"human_completion\":\"a\"}]}}",
        "{\"label\":{\"steps\":[{\"completions\":[{\"text\":[\"a\"],\"rating\":1}]}]}}",
        "{\"label\":{\"steps\":[{\"completions\":[{\"text\":\"a\",\"rating\":\"1\"}]}]}}",
        "{\"label\":{\"steps\":[{\"completions\":[],\"chosen_completion\":-4}]}}",
        "{\"label\":{\"steps\":[{\"completions\":[],\"chosen_completion\":99999999999}]}}"};
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++)
        check_row (rows[i], texts, "??");
}

static void a_failed_allocation_is_said (void)
{
    label_step steps[1] = {{.text = span_of ("a")}};
    json_t *json = json_loads (
        "{\"label\":{\"steps\":[{\"completions\":[{\"text\":\"a\",\"rating\":1}]}]}}", 0, NULL);
    esp_alloc_fail_after (0);
    FAILS (labels_add_human (json, steps, 1), ESP_ENOMEM);
    esp_alloc_fail_after (-1);
    CHECK (esp_alloc_live () == 0);
    json_decref (json);
}

int main (void)
{
    return suite_main (
        "coordinator/sink/label_human",
        (const struct suite_case[]){
            {"the chosen steps have their ratings", the_chosen_steps_have_their_ratings},
            {"what was not chosen is rated too, and nothing behind it",
             what_was_not_chosen_is_rated_too_and_nothing_behind_it},
            {"a rated step may be several steps here", a_rated_step_may_be_several_steps_here},
            {"other texts have no ratings", other_texts_have_no_ratings},
            {"rows of other shapes say nothing", rows_of_other_shapes_say_nothing},
            {"a failed allocation is said", a_failed_allocation_is_said},
            {NULL, NULL}});
}
