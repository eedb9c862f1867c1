/* SPDX-License-Identifier: Apache-2.0 */
/* test_engine_mutate.c - bugs put into the row's solution (worker/engine/engine_mutate.c); tests/python/test_mutate.py has the operators */
// LINK: esp_engine_table esp_config

#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "tests/unit/worker/engine_kit.h"

enum { JOBS = 64, SECONDS_MOST = 60, TEXT = 512 };

static const char program[] =
    "{\"prompt\":\"def f(a, b):\\n\",\"entry_point\":\"f\",\"canonical_solution\":"
    "\"    if a < b:\\n        return a + 1\\n    return b\\n\",\"test\":\"x\"}";
static const char reasoning[] =
    "{\"question\":\"5 and 7\",\"answer\":\"5+7=<<5+7=12>>12\\n12*2=<<12*2=24>>24\\n#### 24\"}";

static struct bench {
    struct kit k;
    job jobs[JOBS];
    struct {
        esp_err error;
        int finish;
        uint32_t tokens, steps;
        char text[TEXT], reason[64];
    } got[JOBS];
} b;

static void keep (void *ctx, const job *j, const result *r)
{
    size_t i = (size_t)(j - b.jobs);
    kit_done (ctx, j, r);
    b.got[i].error = r->error;
    b.got[i].finish = r->finish;
    b.got[i].tokens = r->tokens;
    b.got[i].steps = r->steps;
    kit_copy (b.got[i].text, TEXT, r->text);
    kit_copy (b.got[i].reason, 64, r->reason);
}

static esp_err open_kit (const char *yaml, esp_error *error)
{
    esp_err err;
    memset (&b, 0, sizeof (b));
    err = kit_open (&b.k, "mutate", ENGINE_GENERATOR, yaml, error);
    if (err == ESP_OK) { /* once more, for the results of many jobs */
        b.k.kind->close (b.k.state);
        b.k.setup.done = keep;
        err = b.k.kind->open (&b.k.setup, &b.k.state, error);
    }
    return err;
}

/* Siblings: base seed 1000. */
static void ask (uint32_t ordinal, const char *json)
{
    job *j = &b.jobs[ordinal];
    const job *const jobs[] = {j};
    *j = (job){.task = {.id = {7, ordinal + 1},
                        .kind = TASK_GENERATE,
                        .mode = TASK_TO_END,
                        .child = ordinal + 1,
                        .ordinal = ordinal,
                        .seed = 1000 + ordinal,
                        .max_tokens = 5,
                        .max_steps = 100},
               .problem = span_of (json)};
    b.k.kind->start (b.k.state, jobs, 1);
}

static void until (unsigned calls)
{
    struct timespec at;
    time_t since = 0;
    do {
        struct pollfd fd = {.events = POLLIN};
        CHECK (b.k.kind->fds (b.k.state, &fd.fd, 1) == 1);
        (void)poll (&fd, 1, 100);
        b.k.kind->poll (b.k.state);
        clock_gettime (CLOCK_MONOTONIC, &at);
        since = since ? since : at.tv_sec;
    } while (b.k.calls < calls && at.tv_sec - since < SECONDS_MOST);
    CU_ASSERT_EQUAL (b.k.calls, calls);
}

static void the_first_child_is_the_solution_and_others_have_a_bug (void)
{
    esp_error error = {0};
    PASS (open_kit (NULL, &error));
    for (uint32_t i = 0; i < 5; i++)
        ask (i, program);
    until (5);
    CU_ASSERT_STRING_EQUAL (b.got[0].text, "    if a < b:\n        return a + 1\n    return b\n");
    CU_ASSERT_STRING_EQUAL (b.got[0].reason, "same");
    for (uint32_t i = 0; i < 5; i++) {
        CHECK (b.got[i].error == ESP_OK && b.got[i].finish == FINISH_EOS);
        CHECK (b.got[i].tokens == 5 && b.got[i].steps == 1);
        CHECK (i == 0 || (strcmp (b.got[i].text, b.got[0].text) != 0 && b.got[i].reason[0]));
        for (uint32_t j = 0; j < i; j++)
            CHECK (strcmp (b.got[i].text, b.got[j].text) != 0);
    }
    kit_close (&b.k);
}

static void the_same_child_has_the_same_bug_in_any_order (void)
{
    static char first[20][TEXT];
    esp_error error = {0};
    PASS (open_kit ("{controls: 0.5}", &error));
    for (uint32_t i = 0; i < 20; i++)
        ask (i, i % 2 ? program : reasoning);
    until (20);
    for (uint32_t i = 0; i < 20; i++)
        memcpy (first[i], b.got[i].text, TEXT);
    kit_close (&b.k);
    PASS (open_kit ("{controls: 0.5}", &error));
    for (uint32_t i = 20; i-- > 0;)
        ask (i, i % 2 ? program : reasoning);
    until (20);
    for (uint32_t i = 0; i < 20; i++)
        CU_ASSERT_STRING_EQUAL (b.got[i].text, first[i]);
    kit_close (&b.k);
}

static void beyond_the_last_one_there_is_nothing_and_it_is_named (void)
{
    esp_error error = {0};
    PASS (open_kit ("{operators: [boundary]}", &error));
    for (uint32_t i = 0; i < 4; i++)
        ask (i, program);
    until (4);
    CU_ASSERT_STRING_EQUAL (b.got[1].text, "    if a <= b:\n        return a + 1\n    return b\n");
    CU_ASSERT_STRING_EQUAL (b.got[1].reason, "boundary");
    for (uint32_t i = 2; i < 4; i++) {
        CHECK (b.got[i].error == ESP_EEMPTY && b.got[i].finish == FINISH_ERROR);
        CU_ASSERT_STRING_EQUAL (b.got[i].reason, "no-more-mutants");
    }
    kit_close (&b.k);
}

static void what_cannot_be_done_is_named (void)
{
    static char big[(1 << 20) + 100];
    const job *const other[] = {&b.jobs[9]}, *const below[] = {&b.jobs[8]};
    esp_error error = {0};
    span step = span_of ("x");
    memset (big, ' ', sizeof (big) - 1);
    memcpy (big, "{\"code\":\"x\"}", 12);
    PASS (open_kit (NULL, &error));
    ask (0, big);
    ask (1, "{\"code\":\"def f(:\",\"test\":\"x\"}");
    ask (2, "{\"code\":\"x = '\\u0000'\",\"test\":\"x\"}");
    ask (3, "{}");
    b.jobs[9] = (job){.task = {.id = {7, 10}, .kind = TASK_SCORE}, .problem = span_of (program)};
    b.k.kind->start (b.k.state, other, 1);
    b.jobs[8] = (job){.task = {.id = {7, 9}, .kind = TASK_GENERATE, .node = 3},
                      .problem = span_of (program),
                      .steps = &step,
                      .step_count = 1};
    b.k.kind->start (b.k.state, below, 1);
    until (6);
    CU_ASSERT_STRING_EQUAL (b.got[0].reason, "too-big");
    CU_ASSERT_STRING_EQUAL (b.got[1].reason, "bad-source");
    CU_ASSERT_STRING_EQUAL (b.got[2].reason, "bad-source");
    CU_ASSERT_STRING_EQUAL (b.got[3].reason, "no-solution");
    CU_ASSERT_STRING_EQUAL (b.got[8].reason, "not-at-the-root");
    CHECK (b.got[0].error == ESP_EEMPTY && b.got[9].error == ESP_EUNSUPPORTED);
    kit_close (&b.k);
}

static void a_row_without_a_right_solution_is_a_bad_line (void)
{
    static const char *const bad[] = {"{}", "[]", "", "{\"answer\":\"18\"}", "{\"code\":5}"};
    const engine_kind *kind = engine_find ("mutate", ENGINE_GENERATOR);
    esp_error error = {0};
    PASS (kind->check_problem (span_of (program), &error));
    PASS (kind->check_problem (span_of (reasoning), &error));
    for (size_t i = 0; i < sizeof (bad) / sizeof (bad[0]); i++)
        FAILS (kind->check_problem (span_of (bad[i]), &error), ESP_ENOENT);
    CHECK (strstr (error.text, "canonical_solution") != NULL);
}

static void a_cancelled_job_is_not_answered (void)
{
    esp_error error = {0};
    PASS (open_kit (NULL, &error));
    for (uint32_t i = 0; i < 3; i++)
        ask (i, program);
    b.k.kind->cancel (b.k.state, &b.jobs[0]); /* with the process */
    b.k.kind->cancel (b.k.state, &b.jobs[1]); /* waiting */
    until (1);
    CHECK (b.got[2].text[0] && !b.got[0].text[0] && !b.got[1].text[0]);
    kit_close (&b.k);
}

static void what_is_missing_is_said_at_the_start (void)
{
    esp_error error = {0};
    FAILS (open_kit ("{python: no-such-python}", &error), ESP_ENOENT);
    CHECK (strstr (error.text, "generator.python: no-such-python") != NULL);
    kit_close (&b.k);
    FAILS (open_kit ("{python: /bin/false}", &error), ESP_EENGINE);
    CHECK (strstr (error.text, "Python 3.9") != NULL);
    kit_close (&b.k);
    FAILS (open_kit ("{operators: [sings]}", &error), ESP_EINVAL);
    CHECK (strstr (error.text, "generator.operators: there is no operator 'sings'") != NULL);
    kit_close (&b.k);
}

static char folder[200];

/* An interpreter that does `first` the first two times (this kit opens twice), then is Python. */
static void open_over (const char *first)
{
    static char path[300], yaml[400];
    const char *tmp = getenv ("TMPDIR");
    esp_error error = {0};
    FILE *f;
    snprintf (folder, sizeof (folder), "%s/esp-mutate.XXXXXX", tmp ? tmp : "/tmp");
    CU_ASSERT_PTR_NOT_NULL_FATAL (mkdtemp (folder));
    snprintf (path, sizeof (path), "%s/python", folder);
    CU_ASSERT_PTR_NOT_NULL_FATAL ((f = fopen (path, "w")));
    fprintf (f,
             "#!/bin/sh\ncd %s\n[ -e b ] && exec python3 \"$@\"\n[ -e a ] && : > b\n: > a\n"
             "echo '{\"ready\": true}'\nread line\n%s\n",
             folder, first);
    fclose (f);
    CHECK (chmod (path, 0700) == 0);
    snprintf (yaml, sizeof (yaml), "{python: \"%s\", timeout_s: 5}", path);
    PASS (open_kit (yaml, &error));
}

static void close_over (void)
{
    static const char *const names[] = {"a", "b", "python"};
    char path[300];
    kit_close (&b.k);
    for (size_t i = 0; i < sizeof (names) / sizeof (names[0]); i++) {
        snprintf (path, sizeof (path), "%s/%s", folder, names[i]);
        CHECK (unlink (path) == 0);
    }
    CHECK (rmdir (folder) == 0);
}

static void a_process_that_fails_is_started_again_and_its_job_is_sent_again (void)
{
    static const char *const ways[] = {"exit 1", "kill -9 $$", "echo nonsense; sleep 100",
                                       "echo '{\"id\": 99, \"none\": \"x\"}'; sleep 100",
                                       "exec cat /dev/zero"};
    for (size_t i = 0; i < sizeof (ways) / sizeof (ways[0]); i++) {
        open_over (ways[i]);
        ask (0, program);
        ask (1, program);
        until (1);
        CHECK (b.got[0].error == ESP_EIO); /* dispatch sends it again */
        CU_ASSERT_STRING_EQUAL (b.got[0].reason, "helper-crashed");
        b.k.now_ns += 1000000000;
        until (2);
        CHECK (b.got[1].error == ESP_OK && b.got[1].text[0]);
        ask (0, program);
        until (3);
        CU_ASSERT_STRING_EQUAL (b.got[0].reason, "same");
        close_over ();
    }
}

static void a_process_that_hangs_is_killed (void)
{
    open_over ("sleep 1000");
    ask (0, program);
    ask (1, program);
    b.k.kind->poll (b.k.state);
    CU_ASSERT_EQUAL (b.k.calls, 0);
    b.k.now_ns += 6000000000;
    until (1);
    CHECK (b.got[0].error == ESP_EIO);
    until (2);
    CHECK (b.got[1].error == ESP_OK);
    close_over ();
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"the first child is the solution and others have a bug",
         the_first_child_is_the_solution_and_others_have_a_bug},
        {"the same child has the same bug in any order",
         the_same_child_has_the_same_bug_in_any_order},
        {"beyond the last one there is nothing, and it is named",
         beyond_the_last_one_there_is_nothing_and_it_is_named},
        {"what cannot be done is named", what_cannot_be_done_is_named},
        {"a row without a right solution is a bad line",
         a_row_without_a_right_solution_is_a_bad_line},
        {"a cancelled job is not answered", a_cancelled_job_is_not_answered},
        {"what is missing is said at the start", what_is_missing_is_said_at_the_start},
        {"a process that fails is started again and its job is sent again",
         a_process_that_fails_is_started_again_and_its_job_is_sent_again},
        {"a process that hangs is killed", a_process_that_hangs_is_killed},
        {NULL, NULL},
    };
    return suite_main ("engine_mutate", cases);
}
