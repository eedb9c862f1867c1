/* SPDX-License-Identifier: Apache-2.0 */
/* test_engine_file.c - solutions of the problem row instead of a model (worker/engine/engine_file.c) */
// LINK: esp_engine_table esp_config

#include "tests/unit/worker/engine_kit.h"
#include "proto/base/log.h"

static const char three[] =
    "{\"problem\":\"P\",\"completions\":[\"a\\n\\nb c\\n\\nd\",\"x\\n\\ny\",\"a\\n\\nz\"]}";

static void open_kit (struct kit *k)
{
    esp_error error = {0};
    PASS (kit_open (k, "file", ENGINE_GENERATOR, NULL, &error));
}

static task step (uint32_t ordinal)
{
    return (task){.id = {7, ordinal + 1},
                  .kind = TASK_GENERATE,
                  .mode = TASK_STEP,
                  .child = 1,
                  .ordinal = ordinal,
                  .max_tokens = 100,
                  .max_steps = 1};
}

static task to_end (uint32_t ordinal, uint32_t max_steps)
{
    task t = step (ordinal);
    t.mode = TASK_TO_END;
    t.max_steps = max_steps;
    return t;
}

static void got (const struct kit *k, const char *text, uint32_t steps, uint32_t tokens, int finish)
{
    CU_ASSERT_EQUAL (k->r.error, ESP_OK);
    CU_ASSERT_STRING_EQUAL (k->text, text);
    CHECK (k->r.steps == steps && k->r.tokens == tokens && k->r.finish == finish);
}

static void child_i_is_solution_i (void)
{
    struct kit k;
    task few = to_end (0, 100);
    open_kit (&k);
    kit_do (&k, to_end (0, 100), three, NULL);
    got (&k, "a\n\nb c\n\nd", 3, 4, FINISH_EOS); /* words */
    few.max_tokens = 2;
    kit_do (&k, few, three, NULL);
    got (&k, "a\n\nb c\n\nd", 3, 2, FINISH_EOS); /* max_tokens cuts the count, not what is given */
    kit_do (&k, to_end (1, 100), three, NULL);
    got (&k, "x\n\ny", 2, 2, FINISH_EOS);
    kit_do (&k, to_end (0, 2), three, NULL);
    got (&k, "a\n\nb c\n\n", 2, 3, FINISH_LENGTH); /* budget.steps does */
    kit_do (&k, step (1), three, NULL);
    got (&k, "x\n\n", 1, 1, FINISH_STOP);
    kit_close (&k);
}

static void as_many_tokens_as_were_asked_for_are_counted_and_the_text_stays (void)
{
    struct kit k;
    task t = to_end (0, 100);
    t.max_tokens = 3;
    open_kit (&k);
    kit_do (&k, t, three, NULL);
    got (&k, "a\n\nb c\n\nd", 3, 3, FINISH_EOS);
    kit_close (&k);
}

static void a_branch_goes_on_where_solutions_begin_with_it (void)
{
    struct kit k;
    task look = step (0);
    open_kit (&k);
    kit_do (&k, step (0), three, "a\n\n");
    got (&k, "b c\n\n", 1, 2, FINISH_STOP);
    kit_do (&k, step (1), three, "a\n\n"); /* the third solution begins so too */
    got (&k, "z", 1, 1, FINISH_EOS);
    kit_do (&k, step (0), three, "a\n\nb c\n\n");
    got (&k, "d", 1, 1, FINISH_EOS);
    kit_do (&k, to_end (0, 100), three, "x\n\n");
    got (&k, "y", 1, 1, FINISH_EOS);
    look.extra = span_of ("b c\n\n");
    kit_do (&k, look, three, "a\n\n");
    got (&k, "d", 1, 1, FINISH_EOS);
    kit_close (&k);
}

static void beyond_the_list_there_is_nothing (void)
{
    static const char *const ends[] = {"a\n\nb", "a\n\nb c\n\nd", "q", "a\n\nb c\n\nd and more"};
    struct kit k;
    open_kit (&k);
    kit_do (&k, to_end (3, 100), three, NULL);
    CHECK (k.r.error == ESP_EEMPTY && k.r.finish == FINISH_ERROR && k.r.text.len == 0);
    kit_do (&k, step (2), three, "a\n\n");
    CHECK (k.r.error == ESP_EEMPTY);
    for (size_t i = 0; i < sizeof (ends) / sizeof (ends[0]);
         i++) { /* no boundary, the end, another text */
        kit_do (&k, step (0), three, ends[i]);
        CHECK (k.r.error == ESP_EEMPTY);
    }
    kit_close (&k);
}

static void drafts_are_whole_solutions_at_the_root (void)
{
    struct kit k;
    task t = to_end (1, 100);
    open_kit (&k);
    t.mode = TASK_DRAFT;
    kit_do (&k, t, three, NULL);
    got (&k, "x\n\ny", 2, 2, FINISH_EOS);
    t.node = 3;
    kit_do (&k, t, three, "a draft");
    CHECK (k.r.error == ESP_EEMPTY);
    kit_close (&k);
}

static void many_problems_and_bad_rows (void)
{
    struct kit k;
    char json[64], text[16];
    open_kit (&k);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 40; i++) {
            snprintf (json, sizeof (json), "{\"generation\":\"s%d\"}", i);
            snprintf (text, sizeof (text), "s%d", i);
            kit_do (&k, to_end (0, 100), json, NULL);
            got (&k, text, 1, 1, FINISH_EOS);
        }
    kit_do (&k, to_end (0, 100), "{}", NULL);
    CHECK (k.r.error == ESP_ENOENT);
    kit_close (&k);
}

static void a_row_that_brings_nothing_is_named_before_the_run (void)
{
    const engine_kind *kind = engine_find ("file", ENGINE_GENERATOR);
    esp_error error = {0};
    PASS (kind->check_problem (span_of (three), &error));
    FAILS (kind->check_problem (span_of ("{\"problem\":\"P\"}"), &error), ESP_ENOENT);
    CHECK (strstr (error.text, "brings no solution") != NULL);
    CHECK (engine_find ("file", ENGINE_PRM) == NULL);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"child i is solution i", child_i_is_solution_i},
        {"as many tokens as were asked for are counted, and the text stays",
         as_many_tokens_as_were_asked_for_are_counted_and_the_text_stays},
        {"a branch goes on where solutions begin with it",
         a_branch_goes_on_where_solutions_begin_with_it},
        {"beyond the list there is nothing", beyond_the_list_there_is_nothing},
        {"drafts are whole solutions at the root", drafts_are_whole_solutions_at_the_root},
        {"many problems and bad rows", many_problems_and_bad_rows},
        {"a row that brings nothing is named before the run",
         a_row_that_brings_nothing_is_named_before_the_run},
        {NULL, NULL},
    };
    if (esp_log_open (-1, LOG_ERROR, NULL, LOG_ERROR) != ESP_OK)
        return 1;
    return suite_main ("engine_file", cases);
}
