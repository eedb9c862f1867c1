/* SPDX-License-Identifier: Apache-2.0 */
/* test_external_message.c - what the external engine writes and reads; hostile answers are in test_engine_external and the fuzzer */

// LINK: PkgConfig::JANSSON

#include "worker/engine/external_message.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "tests/support/suite.h"

/* A task as the peer gets it; the caller lets it go. */
static json_t *
written (const job *const *jobs, uint32_t n, const char *separator, external_asked *asked)
{
    esp_buf out = {0};
    json_t *root, *first;
    PASS (external_write_begin (&out, 5));
    PASS (external_write_task (&out, 9, jobs, n, separator, true, asked));
    PASS (external_write_end (&out));
    root = json_loadb (out.data, out.len, 0, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL (root);
    CHECK (json_integer_value (json_object_get (root, "session")) == 5);
    first = json_incref (json_array_get (json_object_get (root, "tasks"), 0));
    json_decref (root);
    esp_buf_free (&out);
    return first;
}

/* The steps of a PRM's task, joined by '|'. */
static void check_steps (const span *steps, size_t count, const char *extra, const char *separator,
                         const char *expected, uint32_t from, uint32_t own)
{
    const job j = {.task = {.kind = TASK_SCORE, .extra = span_of (extra)},
                   .problem = span_of ("{}"),
                   .steps = steps,
                   .step_count = count};
    const job *jobs[] = {&j};
    external_asked asked = {0};
    json_t *t = written (jobs, 1, separator, &asked);
    const json_t *step;
    size_t i;
    char joined[512] = "";
    json_array_foreach (json_object_get (t, "steps"), i, step)
    {
        strcat (joined, i ? "|" : "");
        strcat (joined, json_string_value (step));
    }
    CHECK (strcmp (joined, expected) == 0);
    if (strcmp (joined, expected) != 0)
        printf ("    %s\n", joined);
    CHECK (asked.from == from && asked.own == own &&
           asked.steps == json_array_size (json_object_get (t, "steps")));
    json_decref (t);
}

static void a_prm_gets_steps_that_joined_are_the_text (void)
{
    const span two[] = {span_of ("a;"), span_of ("b;c;")};
    check_steps (two, 2, "", ";", "a;|b;|c;", 1, 2);
    check_steps (two, 2, "d;e", ";", "a;|b;|c;|d;|e", 1, 2);
    check_steps (two, 2, "", "", "a;|b;c;", 1, 1);
    check_steps (two, 1, "", "no such", "a;", 0, 1);
}

static void white_space_is_no_step_of_its_own (void)
{
    const span odd[] = {span_of ("\n\n\n\na\n\n \n\nb\n\n\n\n \n")};
    const span blank[] = {span_of (" \n\n \n\n")};
    check_steps (odd, 1, "", "\n\n", "\n\n\n\na\n\n| \n\nb\n\n\n\n \n", 0, 2);
    check_steps (blank, 1, "", "\n\n", " \n\n \n\n", 0, 1);
}

static void an_empty_step_is_scored_too (void)
{
    const span last[] = {span_of ("a\n\n"), span_of ("")};
    const span first[] = {span_of (""), span_of ("a")};
    check_steps (last, 2, "", "\n\n", "a\n\n|", 1, 1);
    check_steps (first, 2, "", "\n\n", "a", 0, 1);
}

static void a_text_of_separators_alone_costs_linear_time (void)
{
    enum { BYTES = 4 << 20 };
    char *text = malloc (BYTES);
    const span one[] = {span_make (text, BYTES)};
    const job j = {
        .task = {.kind = TASK_SCORE}, .problem = span_of ("{}"), .steps = one, .step_count = 1};
    const job *jobs[] = {&j};
    external_asked asked = {0};
    memset (text, '\n', BYTES);
    json_decref (written (jobs, 1, "\n\n", &asked)); /* a square of it would be hours */
    CHECK (asked.steps == 1);
    free (text);
}

static void a_generator_gets_the_lookahead_as_the_last_step (void)
{
    const span one[] = {span_of ("a")};
    job js[2];
    const job *jobs[] = {&js[0], &js[1]};
    external_asked asked = {0};
    json_t *t;
    js[0] = (job){.task = {.kind = TASK_GENERATE,
                           .mode = TASK_STEP,
                           .seed = 3,
                           .extra = span_of ("b"),
                           .how = {.temperature = 0.25, .top_p = 1}},
                  .problem = span_of ("{\"id\":\"p\"}"),
                  .steps = one,
                  .step_count = 1};
    js[1] = js[0];
    js[1].task.seed = 4;
    t = written (jobs, 2, "\n\n", &asked);
    CHECK (json_array_size (json_object_get (t, "steps")) == 2);
    CHECK (json_array_size (json_object_get (t, "seeds")) == 2);
    CHECK (json_integer_value (json_array_get (json_object_get (t, "seeds"), 1)) == 4);
    CHECK (strcmp (json_string_value (json_object_get (t, "mode")), "step") == 0);
    CHECK (!json_object_get (t, "observation"));
    CHECK (json_real_value (json_object_get (t, "temperature")) > 0.24);
    CHECK (json_integer_value (json_object_get (t, "n")) == 2);
    json_decref (t);
}

static void a_draft_brings_what_was_said_of_the_one_before (void)
{
    const span one[] = {span_of ("a")};
    job j = {
        .task = {.kind = TASK_GENERATE, .mode = TASK_DRAFT, .extra = span_of ("1 of 3 failed")},
        .problem = span_of ("{\"id\":\"p\"}"),
        .steps = one,
        .step_count = 1};
    const job *jobs[] = {&j};
    external_asked asked = {0};
    json_t *t = written (jobs, 1, "\n\n", &asked);
    CHECK (json_array_size (json_object_get (t, "steps")) == 1);
    CHECK (strcmp (json_string_value (json_object_get (t, "mode")), "draft") == 0);
    CHECK (strcmp (json_string_value (json_object_get (t, "observation")), "1 of 3 failed") == 0);
    json_decref (t);
    j.task.extra = span_of ("");
    t = written (jobs, 1, "\n\n", &asked);
    CHECK (!json_object_get (t, "observation"));
    json_decref (t);
}

static void texts_that_are_no_utf8_are_sent_as_such (void)
{
    const span one[] = {span_of ("a\xff\"b")};
    const job j = {
        .task = {.kind = TASK_VERIFY}, .problem = span_of ("{}"), .steps = one, .step_count = 1};
    const job *jobs[] = {&j};
    external_asked asked = {0};
    json_t *t = written (jobs, 1, "\n\n", &asked);
    CHECK (strcmp (json_string_value (json_array_get (json_object_get (t, "steps"), 0)),
                   "a\xef\xbf\xbd\"b") == 0);
    json_decref (t);
}

static void refused (const char *text, const char *words)
{
    external_message m = {.root = NULL};
    esp_error error = {0};
    FAILS (external_read (span_of (text), &m, &error), ESP_EFORMAT);
    CHECK (strstr (error.text, words) != NULL);
    if (!strstr (error.text, words))
        printf ("    %s\n", error.text);
}

static void what_is_no_message_is_refused_with_a_sentence (void)
{
    refused ("", "byte");
    refused ("{\"type\":\"hello\"", "byte");
    refused ("[]", "not a JSON object");
    refused ("{\"type\":\"hi\"}", "type is none of");
    refused ("{\"type\":7}", "type is none of");
    refused ("{\"type\":\"bye\",\"session\":\"5\"}", "session");
    refused ("{\"type\":\"results\",\"results\":{}}", "not a list");
    refused ("{\"type\":\"hello\",\"roles\":[\"prm\"]}", "version");
    refused ("{\"type\":\"hello\",\"version\":1,\"roles\":[\"judge\"]}", "roles");
    refused ("{\"type\":\"hello\",\"version\":1,\"roles\":[\"prm\"],\"credits\":0}", "credits");
    refused ("{\"type\":\"hello\",\"version\":1,\"roles\":[\"prm\"],\"n\":2.5}", "n is not");
    refused ("{\"type\":\"heartbeat\",\"session\":1e999}", "byte");
}

static void what_a_hello_does_not_say_has_a_default_and_too_much_is_cut (void)
{
    external_message m = {.root = NULL};
    esp_error error = {0};
    PASS (external_read (
        span_of ("{\"type\":\"hello\",\"version\":1,\"roles\":[\"prm\",9],\"credits\":"
                 "99999999,\"name\":\"a\\u001b[31m\\u0000b\",\"more\":[[]]}"),
        &m, &error));
    CHECK (m.hello.roles == ENGINE_PRM && m.hello.credits == EXTERNAL_CREDITS_MAX);
    CHECK (m.hello.batch == m.hello.credits && m.hello.n == 1);
    CHECK (strcmp (m.hello.name, "a?[31m?b") == 0); /* fit for a terminal */
    external_done (&m);
    PASS (external_read (span_of ("{\"type\":\"hello\",\"version\":1,\"roles\":[\"verifier\"]}"),
                         &m, &error));
    CHECK (m.hello.credits == 1 && m.hello.batch == 1 && m.hello.name[0] == 0);
    external_done (&m);
}

static void read_result (const char *text, esp_err wanted, result *r)
{
    const job j = {
        .task = {.kind = TASK_GENERATE, .mode = TASK_TO_END, .max_tokens = 5, .max_steps = 2}};
    const external_asked asked = {.job = &j, .n = 1};
    external_message m = {.root = NULL};
    external_scores room = {0};
    esp_error error = {0};
    PASS (external_read (span_of (text), &m, &error));
    CU_ASSERT_EQUAL (external_result_read (&m, 0, &asked, &room, r, &error), wanted);
    CHECK ((wanted == ESP_OK) == (strstr (error.text, "max_tokens") == NULL));
    external_done (&m);
}

#define RESULT(fields) "{\"type\":\"results\",\"results\":[{\"id\":1,\"text\":\"a\"" fields "}]}"

static void more_tokens_than_asked_are_an_error_more_steps_are_cut (void)
{
    result r;
    read_result (RESULT (",\"tokens\":6"), ESP_EFORMAT, &r);
    read_result (RESULT (",\"tokens\":4294967299"), ESP_EFORMAT, &r);
    read_result (RESULT (",\"tokens\":5,\"steps\":9"), ESP_OK, &r);
    CHECK (r.tokens == 5 && r.steps == 2);
}

static void a_generator_may_say_what_it_read (void)
{
    result r;
    read_result (RESULT (",\"prompt_tokens\":40,\"cached_tokens\":30"), ESP_OK, &r);
    CHECK (r.prompt_tokens == 40 && r.cached_tokens == 30);
    read_result (RESULT (""), ESP_OK, &r);
    CHECK (r.prompt_tokens == 0 && r.cached_tokens == 0);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"a PRM gets steps that, joined, are the text", a_prm_gets_steps_that_joined_are_the_text},
        {"white space is no step of its own", white_space_is_no_step_of_its_own},
        {"an empty step is scored too", an_empty_step_is_scored_too},
        {"a text of separators alone costs linear time",
         a_text_of_separators_alone_costs_linear_time},
        {"a generator gets the lookahead as the last step",
         a_generator_gets_the_lookahead_as_the_last_step},
        {"a draft brings what was said of the one before",
         a_draft_brings_what_was_said_of_the_one_before},
        {"texts that are no UTF-8 are sent as such", texts_that_are_no_utf8_are_sent_as_such},
        {"what is no message is refused with a sentence",
         what_is_no_message_is_refused_with_a_sentence},
        {"what a hello does not say has a default, and too much is cut",
         what_a_hello_does_not_say_has_a_default_and_too_much_is_cut},
        {"more tokens than asked are an error, more steps are cut",
         more_tokens_than_asked_are_an_error_more_steps_are_cut},
        {"a generator may say what it read", a_generator_may_say_what_it_read},
        {NULL, NULL},
    };
    return suite_main ("external_message", cases);
}
