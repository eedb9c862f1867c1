/* SPDX-License-Identifier: Apache-2.0 */
/* test_given.c - what worker/engine/given.h promises */

#include "worker/engine/given.h"
#include <stdio.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "tests/support/suite.h"
#include "worker/prompt/step_rule.h"

static given *read (const char *json)
{
    given *g = NULL;
    esp_error why = {0};
    esp_err err = given_read (span_of (json), "\n\n", NULL, &g, &why);
    if (err != ESP_OK)
        printf ("    %s\n", why.text);
    CU_ASSERT_EQUAL_FATAL (err, ESP_OK);
    return g;
}

/* Steps between bars, solutions between new lines. */
static void brings (const char *json, const char *expected)
{
    given *g = read (json);
    esp_buf got = {0};
    for (size_t i = 0; i < given_count (g); i++) {
        size_t from = 0;
        PASS (esp_buf_puts (&got, i ? "\n" : ""));
        for (size_t k = 0; k < given_steps (g, i); k++) {
            size_t end = given_step_end (g, i, k);
            span text = given_text (g, i), step = span_make (text.ptr + from, end - from);
            PASS (esp_buf_puts (&got, k ? "|" : ""));
            for (size_t c = 0; c < step.len; c++)
                PASS (esp_buf_append (&got, step.ptr[c] == '\n' ? "_" : step.ptr + c, 1));
            from = end;
        }
        CHECK (from == given_text (g, i).len); /* the steps are the text */
    }
    CU_ASSERT_STRING_EQUAL (esp_buf_text (&got), expected);
    esp_buf_free (&got);
    given_destroy (g);
    CHECK (esp_alloc_live () == 0);
}

static void every_shape_is_read (void)
{
    /* search-and-learn */
    brings ("{\"problem\":\"P\",\"solution\":\"ref\",\"completions\":[\"a\\n\\nb\",\"c\"],"
            "\"scores\":[[0.5],"
            "[1]]}",
            "a__|b\nc");
    /* lists of steps; an object; a sample that failed */
    brings (
        "{\"completions\":[[\"a\",\"b\\n\\n\",\"c\"],{\"text\":\"d\"},{\"steps\":[\"e\"]},null]}",
        "a__|b__|c\nd\ne\n");
    brings ("{\"samples\":[{\"generation\":\"x\"}]}", "x");
    /* TRL stepwise */
    brings ("{\"prompt\":\"P\",\"completions\":[\"a\",\"b\"],\"labels\":[true,false]}", "a__|b");
    /* ProcessBench */
    brings ("{\"id\":\"gsm8k-0\",\"problem\":\"P\",\"steps\":[\"a\",\"b\",\"c\"],\"label\":1}",
            "a__|b__|c");
    /* NeMo-Skills, HumanEval, EvalPlus */
    brings ("{\"problem\":\"P\",\"generation\":\"a\\n\\n\\n\\nb\",\"expected_answer\":\"2\"}",
            "a____|b");
    brings ("{\"task_id\":\"HumanEval/0\",\"completion\":\"    return 1\"}", "    return 1");
    brings ("{\"task_id\":\"HumanEval/0\",\"solution\":\"def f (): pass\"}", "def f (): pass");
    /* PRM800K: chosen, the human's, the first; before a labeler came */
    brings ("{\"question\":{\"problem\":\"P\"},\"label\":{\"steps\":[{\"completions\":[{\"text\":"
            "\"x\",\"rating\":-1},"
            "{\"text\":\"a\",\"rating\":1}],\"chosen_completion\":1,\"human_completion\":null},"
            "{\"completions\":[{\"text\":\"x\",\"rating\":-1}],\"human_completion\":{\"text\":"
            "\"b\",\"rating\":1},"
            "\"chosen_completion\":null},"
            "{\"completions\":[{\"text\":\"c\",\"rating\":-1}],\"human_completion\":null,\"chosen_"
            "completion\":null}]}}",
            "a__|b__|c");
    brings ("{\"question\":{\"problem\":\"P\",\"pre_generated_steps\":[\"a\",\"b\"]},\"label\":{}}",
            "a__|b");
}

/* Two steps: the second of three was chosen, then nothing; one completion has no text. */
static const char rated[] =
    "{\"label\":{\"steps\":[{\"completions\":[{\"text\":\"x\",\"rating\":-1},{\"text\":\"a\","
    "\"rating\":1},{\"text\":\"y\",\"rating\":0}],\"chosen_completion\":1},{\"completions\":["
    "{\"text\":\"b\",\"rating\":-1},{\"rating\":1},{\"text\":\"c\",\"rating\":0}],"
    "\"chosen_completion\":null,\"human_completion\":null}]}}";

static void what_a_labeler_did_not_choose_can_be_had_too (void)
{
    static const char *const texts[] = {"a\n\nb", "x", "y", "a\n\nc"};
    given *g = read (rated);
    CHECK (given_count (g) == 1);
    PASS (given_add_alternatives (g, span_of (rated)));
    CHECK (given_count (g) == 4);
    for (size_t i = 0; i < 4 && i < given_count (g); i++)
        CHECK (span_is (given_text (g, i), texts[i]));
    given_destroy (g);
    g = read ("{\"completions\":[\"a\"]}"); /* another row has none */
    PASS (given_add_alternatives (g, span_of ("{\"completions\":[\"a\"]}")));
    FAILS (given_add_alternatives (g, span_of ("nonsense")), ESP_EFORMAT);
    CHECK (given_count (g) == 1);
    given_destroy (g);
    CHECK (esp_alloc_live () == 0);
}

/* 3,000 steps of 30 bytes with an alternative each: their beginnings together are 135 MB. */
static void alternatives_of_a_hostile_row_are_refused_whole (void)
{
    esp_buf row = {0};
    given *g;
    PASS (esp_buf_puts (&row, "{\"label\":{\"steps\":["));
    for (int i = 0; i < 3000; i++)
        PASS (esp_buf_printf (&row,
                              "%s{\"completions\":[{\"text\":\"012345678901234567890123456789\"},"
                              "{\"text\":\"x\"}]}",
                              i ? "," : ""));
    PASS (esp_buf_puts (&row, "]}}"));
    g = read (esp_buf_text (&row));
    FAILS (given_add_alternatives (g, esp_buf_span (&row)), ESP_ETOOBIG);
    CHECK (given_count (g) == 1 && given_steps (g, 0) == 3000);
    given_destroy (g);
    esp_buf_free (&row);
    CHECK (esp_alloc_live () == 0);
}

static void alternatives_survive_failed_allocations (void)
{
    esp_err err = ESP_ENOMEM;
    given *g = read (rated);
    for (long n = 0; err == ESP_ENOMEM && n < 1000; n++) {
        esp_alloc_fail_after (n);
        err = given_add_alternatives (g, span_of (rated));
        esp_alloc_fail_after (-1);
        CHECK (given_count (g) == (err == ESP_OK ? 4 : 1));
    }
    CHECK (err == ESP_OK);
    given_destroy (g);
    CHECK (esp_alloc_live () == 0);
}

static void white_space_is_no_step (void)
{
    brings ("{\"generation\":\"\\n\\n  \\n\\na\\n\\n\\n\\n \\n\\nb\\n\\n\"}", "__  __a____ __|b__");
    brings ("{\"generation\":\"\"}", "");
    brings ("{\"completions\":[]}", "");
    brings ("{\"steps\":[]}", "");
}

static void other_shapes_are_refused (void)
{
    static const struct {
        const char *json;
        esp_err code;
    } bad[] = {{"{}", ESP_ENOENT},
               {"{\"completions\":null,\"problem\":\"P\"}", ESP_ENOENT},
               {"[]", ESP_EFORMAT},
               {"nonsense", ESP_EFORMAT},
               {"", ESP_EFORMAT},
               {"{\"completions\":[7]}", ESP_EFORMAT},
               {"{\"completions\":[[\"a\",1]]}", ESP_EFORMAT},
               {"{\"completions\":[{}]}", ESP_EFORMAT},
               {"{\"samples\":[{\"output\":{\"output\":{\"output\":{\"output\":{\"output\":"
                "\"deep\"}}}}}]}",
                ESP_EFORMAT},
               {"{\"steps\":[\"a\",null]}", ESP_EFORMAT}};
    for (size_t i = 0; i < sizeof (bad) / sizeof (bad[0]); i++) {
        given *g = NULL;
        esp_error why = {0};
        FAILS (given_read (span_of (bad[i].json), "\n\n", NULL, &g, &why), bad[i].code);
        CHECK (g == NULL && why.text[0] != 0);
    }
    CHECK (esp_alloc_live () == 0);
}

static void first_error (const char *json, esp_err code, int64_t expected)
{
    int64_t got = -7;
    FAILS (given_first_error (span_of (json), &got), code);
    CHECK (got == (code == ESP_OK ? expected : -7));
}

static void the_first_error_is_what_the_row_says (void)
{
    bool right = false;
    first_error ("{\"label\":2,\"steps\":[]}", ESP_OK, 2);
    first_error ("{\"label\":-1}", ESP_OK, -1);
    first_error ("{\"label\":-2}", ESP_ENOENT, 0);
    first_error ("{\"labels\":[true,true,false,false]}", ESP_OK, 2);
    first_error ("{\"labels\":[1,1]}", ESP_OK, -1);
    first_error ("{\"labels\":[\"+\"]}", ESP_EFORMAT, 0);
    first_error ("{\"label\":{\"steps\":[{\"completions\":[{\"text\":\"a\",\"rating\":0}],\"chosen_"
                 "completion\":0},"
                 "{\"completions\":[{\"text\":\"b\",\"rating\":-1}],\"chosen_completion\":null}]}}",
                 ESP_OK, 1);
    first_error ("{}", ESP_ENOENT, 0);
    first_error ("7", ESP_EFORMAT, 0);
    PASS (given_correct (span_of ("{\"final_answer_correct\":true}"), &right));
    CHECK (right);
    FAILS (given_correct (span_of ("{\"correct\":\"yes\"}"), &right), ESP_ENOENT);
}

static void a_rule_cuts_texts_and_not_lists (void)
{
    const char *lines[] = {"\n"};
    step_options o = {.answer = {.separator = {lines, 1}, .every = 1}, .think = {.every = 1}};
    step_rule *rule = NULL;
    given *g = NULL;
    esp_error error = {0};
    PASS (step_rule_create (&o, &rule, &error));
    PASS (given_read (span_of ("{\"completions\":[\"a\\nb\\n\\n\",[\"c\\nd\",\"e\"],\" \"]}"),
                      "\n\n", rule, &g, &error));
    CHECK (given_count (g) == 3 && given_steps (g, 0) == 2 && given_steps (g, 1) == 2);
    CHECK (given_step_end (g, 0, 0) == 2 && given_step_end (g, 0, 1) == 5); /* all of the text */
    CHECK (given_is_list (g, 1) && !given_is_list (g, 0) && given_steps (g, 2) == 1);
    given_destroy (g);
    step_rule_destroy (rule);
    CHECK (esp_alloc_live () == 0);
}

static void survives_failure_of_every_allocation (void)
{
    esp_err err = ESP_ENOMEM;
    for (long n = 0; err != ESP_OK && n < 60; n++) {
        given *g = NULL;
        esp_alloc_fail_after (n);
        err = given_read (span_of ("{\"completions\":[\"a\\n\\nb\",[\"c\",\"d\"]]}"), "\n\n", NULL,
                          &g, NULL);
        esp_alloc_fail_after (-1);
        CHECK (err == ESP_OK || err == ESP_ENOMEM);
        given_destroy (g);
        CU_ASSERT_EQUAL (esp_alloc_live (), 0);
    }
    CU_ASSERT_EQUAL (err, ESP_OK);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"every shape is read", every_shape_is_read},
        {"what a labeler did not choose can be had too",
         what_a_labeler_did_not_choose_can_be_had_too},
        {"alternatives of a hostile row are refused whole",
         alternatives_of_a_hostile_row_are_refused_whole},
        {"alternatives survive failed allocations", alternatives_survive_failed_allocations},
        {"white space is no step", white_space_is_no_step},
        {"other shapes are refused", other_shapes_are_refused},
        {"the first error is what the row says", the_first_error_is_what_the_row_says},
        {"a rule cuts texts and not lists", a_rule_cuts_texts_and_not_lists},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("given", cases);
}
