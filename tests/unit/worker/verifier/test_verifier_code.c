/* SPDX-License-Identifier: Apache-2.0 */
/* test_verifier_code.c - programs against tests, in the real sandbox; where the host allows none the cases say that they were skipped */

// LINK: esp_engine_table esp_config

#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tests/unit/worker/verifier/verifier_kit.h"

/* False: no sandbox here, or none of the Debian's Python. */
static bool opened (const char *yaml)
{
    esp_error error = {0};
    esp_err err;
    b.count = 0;
    err = kit_open (&b.k, "code", ENGINE_VERIFIER, yaml, &error);
    if (err == ESP_OK)
        return true;
    printf ("    skipped: %s\n", error.text);
    CHECK (err == ESP_ENOENT || err == ESP_EUNSUPPORTED);
    config_destroy (b.k.options);
    return false;
}

struct expected {
    const char *json, *text;
    enum verdict verdict;
    const char *reason;
    double share; /* < 0: none */
};

static void judge_by (const struct expected *rows, size_t n, enum verify_reading reading)
{
    for (size_t i = 0; i < n; i++) {
        ask_reading (rows[i].json, rows[i].text, reading);
        until (b.k.calls + 1);
        if (b.k.r.verdict != rows[i].verdict || strcmp (b.k.reason, rows[i].reason) != 0)
            printf ("    %s: %s %s\n", rows[i].text, verdict_names[b.k.r.verdict], b.k.reason);
        CHECK (b.k.r.error == ESP_OK && b.k.r.verdict == rows[i].verdict);
        CU_ASSERT_STRING_EQUAL (b.k.reason, rows[i].reason);
        CHECK (rows[i].share < 0 ? isnan (b.k.r.share) : b.k.r.share == rows[i].share);
    }
}

static void judge_all (const struct expected *rows, size_t n)
{
    judge_by (rows, n, VERIFY_ALL);
}

#define HUMANEVAL                                                                                  \
    "{\"prompt\": \"def f(x):\\n    \\\"\\\"\\\"Square.\\n    >>> f(2)\\n    4\\n    "             \
    "\\\"\\\"\\\"\\n\", \"entry_point\": \"f\", \"test\": \"def check(candidate):\\n    assert "   \
    "candidate(3) == 9\\n    assert candidate(4) == 16\\n\"}"
#define MBPP                                                                                       \
    "{\"prompt\": \"Write f.\", \"test_list\": [\"assert f([1, 2]) == (1, 2)\", \"assert f([]) "   \
    "== "                                                                                          \
    "()\"], \"test_setup_code\": \"\"}"
#define STDIN                                                                                      \
    "{\"problem\": \"add\", \"tests\": [{\"stdin\": \"1 2\", \"stdout\": \"3\\n\"}, {\"stdin\": "  \
    "\"5 5\\n\", \"stdout\": \"10\"}]}"
#define CALLS                                                                                      \
    "{\"problem\": \"pair\", \"tests\": [{\"call\": \"f\", \"args\": [3], \"result\": [3, 9]}]}"
#define APPS                                                                                       \
    "{\"problem\": \"add\", \"input_output\": \"{\\\"inputs\\\": [\\\"1 2\\\"], \\\"outputs\\\": " \
    "[\\\"3\\\"]}\"}"

static void formats_of_problems (void)
{
    static const struct expected rows[] = {
        {HUMANEVAL, "    return x * x\n", VERDICT_PASS, "tests-passed", 1},
        {HUMANEVAL, "    return 9\n", VERDICT_FAIL, "tests-failed", 0.5},
        {HUMANEVAL, "def f(x):\n    return x ** 2\n", VERDICT_PASS, "tests-passed", 1},
        {HUMANEVAL, "Look:\n```python\ndef f(x):\n    return x * x\n```\nDone.", VERDICT_PASS,
         "tests-passed", 1},
        {HUMANEVAL, "```\nold\n```\n```py\n    return x * x\n```", VERDICT_PASS, "tests-passed", 1},
        {HUMANEVAL, "    return x *\n", VERDICT_FAIL, "program-raised", -1},
        {HUMANEVAL, "    raise ValueError(x)\n", VERDICT_FAIL, "tests-failed", 0},
        {MBPP, "def f(x): return tuple(x)", VERDICT_PASS, "tests-passed", 1},
        {MBPP, "def f(x): return list(x)", VERDICT_FAIL, "tests-failed", 0},
        {MBPP, "def g(x): return tuple(x)", VERDICT_FAIL, "tests-failed", 0},
        {STDIN, "print(sum(map(int, input().split())))", VERDICT_PASS, "tests-passed", 1},
        {STDIN, "print(3)", VERDICT_FAIL, "tests-failed", 0.5},
        {STDIN, "print(sum(map(int, input().split())))\nraise SystemExit(1)", VERDICT_FAIL,
         "tests-failed", 0},
        {CALLS, "def f(x): return (x, x * x)", VERDICT_PASS, "tests-passed", 1},
        {CALLS, "def f(x): return {x: x}", VERDICT_FAIL, "tests-failed", 0},
        {APPS, "a, b = input().split()\nprint(int(a) + int(b))", VERDICT_PASS, "tests-passed", 1},
    };
    if (!opened ("{processes: 1}"))
        return;
    judge_all (rows, sizeof (rows) / sizeof (rows[0]));
    kit_close (&b.k);
}

#define NO_EXAMPLE                                                                                 \
    "{\"prompt\": \"def f(x):\\n    \\\"\\\"\\\"Square. >>> is no example.\\n    >>> y = 3\\n    " \
    ">>> f(-1)\\n    "                                                                             \
    "Traceback (most recent call last):\\n    ValueError\\n    \\\"\\\"\\\"\\n\", "                \
    "\"entry_point\": \"f\", \"test\": "                                                           \
    "\"def check(candidate):\\n    assert candidate(3) == 9\\n    assert candidate(4) == 16\\n\"}"

static void visible_tests_are_the_examples_else_the_first (void)
{
    static const struct expected first[] = {
        {HUMANEVAL, "    return 4\n", VERDICT_PASS, "tests-passed", 1},
        {HUMANEVAL, "    return 9\n", VERDICT_FAIL, "tests-failed", 0},
        {HUMANEVAL, "    raise ValueError\n", VERDICT_FAIL, "tests-failed", 0},
        {NO_EXAMPLE, "    return 9\n", VERDICT_PASS, "tests-passed", 1},
        {NO_EXAMPLE, "    return 16\n", VERDICT_FAIL, "tests-failed", 0},
        {MBPP, "def f(x): return (1, 2)", VERDICT_PASS, "tests-passed", 1},
        {STDIN, "print(3)", VERDICT_PASS, "tests-passed", 1},
        {STDIN, "print(10)", VERDICT_FAIL, "tests-failed", 0},
        {"{\"problem\": \"no tests\"}", "def f(x): return x", VERDICT_UNKNOWN, "no-tests", -1},
    };
    static const struct expected two[] = {
        {HUMANEVAL, "    return 4\n", VERDICT_PASS, "tests-passed", 1}, /* it has examples */
        {NO_EXAMPLE, "    return 9\n", VERDICT_FAIL, "tests-failed", 0.5},
        {STDIN, "print(3)", VERDICT_FAIL, "tests-failed", 0.5},
        {CALLS, "def f(x): return (x, x * x)", VERDICT_PASS, "tests-passed", 1},
    };
    if (!opened ("{processes: 1}"))
        return;
    judge_by (first, sizeof (first) / sizeof (first[0]), VERIFY_VISIBLE);
    kit_close (&b.k);
    if (!opened ("{processes: 1, visible_tests: 2}"))
        return;
    judge_by (two, sizeof (two) / sizeof (two[0]), VERIFY_VISIBLE);
    kit_close (&b.k);
}

static void what_is_not_decided (void)
{
    static const struct expected rows[] = {
        {"{\"problem\": \"no tests\"}", "def f(x): return x", VERDICT_UNKNOWN, "no-tests", -1},
        {"{\"tests\": []}", "def f(x): return x", VERDICT_UNKNOWN, "no-tests", -1},
        {"{\"test_list\": [\"assert f(\"]}", "def f(x): return x", VERDICT_UNKNOWN,
         "tests-do-not-parse", -1},
        {"{\"tests\": 7}", "def f(x): return x", VERDICT_UNKNOWN, "bad-problem", -1},
        {"{\"tests\": \"[\"}", "def f(x): return x", VERDICT_UNKNOWN, "bad-problem", -1},
        {"{\"tests\": \"[]\"}", "def f(x): return x", VERDICT_UNKNOWN, "no-tests", -1},
        {"{\"input_output\": {\"inputs\": []}}", "def f(x): return x", VERDICT_UNKNOWN,
         "bad-problem", -1},
        {"{\"input_output\": {\"inputs\": [], \"outputs\": []}}", "def f(x): return x",
         VERDICT_UNKNOWN, "no-tests", -1},
        {"{\"test\": \"\", \"test_list\": []}", "def f(x): return x", VERDICT_UNKNOWN, "no-tests",
         -1},
        {"{\"tests\": [{\"args\": []}]}", "def f(x): return x", VERDICT_UNKNOWN, "bad-problem", -1},
        {CALLS, "def f(x): return object()", VERDICT_UNKNOWN, "cannot-compare", -1},
        {"{\"test_list\": [\"import os; os.kill(os.getpid(), 9); f(1)\"]}", "def f(x): return x",
         VERDICT_UNKNOWN, "tests-crashed", -1},
        {"{\"test_list\": [\"import shutil; shutil.rmtree('/tmp', True); print('x' * 10**7); "
         "assert f(1) == 1\"]}",
         "def f(x): return x", VERDICT_PASS, "tests-passed", 1},
    };
    if (!opened ("{processes: 1}"))
        return;
    judge_all (rows, sizeof (rows) / sizeof (rows[0]));
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) { /* said before a run, too */
        bool seen =
            strcmp (rows[i].reason, "no-tests") == 0 || strcmp (rows[i].reason, "bad-problem") == 0;
        const char *what = b.k.kind->doubt (span_of (rows[i].json));
        CHECK (seen ? what && strstr (what, rows[i].reason) : !what);
    }
    kit_close (&b.k);
}

static void how_programs_end (void)
{
    static const struct expected rows[] = {
        {CALLS, "import os\nos._exit(0)", VERDICT_FAIL, "exited", -1},
        {CALLS, "import os\ndef f(x): os.abort()", VERDICT_FAIL, "crashed", -1},
        {CALLS, "import os\ndef f(x): os.kill(os.getpid(), 9)", VERDICT_FAIL, "killed", -1},
        {CALLS, "while True: pass", VERDICT_FAIL, "cpu-limit", -1},
        {CALLS, "a = 'x' * (1 << 40)", VERDICT_FAIL, "program-raised", -1},
        {CALLS, "def f(x): return [3, 9]", VERDICT_PASS, "tests-passed", 1},
    };
    if (!opened ("{processes: 1, cpu_s: 1}"))
        return;
    judge_all (rows, sizeof (rows) / sizeof (rows[0]));
    kit_close (&b.k);
}

static void time_runs_out (void)
{
    if (!opened ("{processes: 1, timeout_s: 5}"))
        return;
    ask_text (CALLS, "import time\ntime.sleep(1000)");
    for (int i = 0; i < 40; i++)
        sleep_and_poll (50);
    CHECK (b.k.calls == 0);
    b.k.now_ns += 6000000000ULL;
    until (1);
    CHECK (b.k.r.verdict == VERDICT_UNKNOWN);
    CU_ASSERT_STRING_EQUAL (b.k.reason, "timeout");
    ask_text ("{\"test_list\": [\"while True: pass\"]}",
              "def f(x): return x"); /* the tests, not the program */
    for (int i = 0; i < 40; i++)
        sleep_and_poll (50);
    b.k.now_ns += 6000000000ULL;
    until (2);
    CU_ASSERT_STRING_EQUAL (b.k.reason, "tests-timeout");
    ask_text (CALLS, "def f(x): return [3, 9]"); /* another judge is there */
    b.k.now_ns += 1000000000ULL;
    until (3);
    CHECK (b.k.r.verdict == VERDICT_PASS);
    kit_close (&b.k);
}

static void many_at_once_and_cancelled (void)
{
    const job *gone;
    if (!opened ("{processes: 3}"))
        return;
    for (int i = 0; i < 10; i++)
        ask_text (CALLS, "def f(x): return [x, x * x]");
    gone = ask_text (CALLS, "import time\ntime.sleep(1000)");
    b.k.kind->cancel (b.k.state, gone); /* waits */
    for (int i = 0; i < 10; i++)
        ask_text (CALLS, "def f(x): return [x, x * x]");
    until (20);
    CHECK (b.k.r.verdict == VERDICT_PASS);
    gone = ask_text (CALLS, "def f(x): return [x, x * x]");
    b.k.kind->cancel (b.k.state, gone); /* at a desk */
    ask_text (CALLS, "def f(x): return [x, x * x]");
    until (21);
    for (int i = 0; i < 5; i++)
        sleep_and_poll (20);
    CHECK (b.k.calls == 21);
    kit_close (&b.k);
}

static void other_kinds_of_task_are_refused (void)
{
    if (!opened ("{processes: 1}"))
        return;
    kit_do (&b.k, (task){.id = {1, 0}, .kind = TASK_SCORE}, CALLS, "def f(x): return x");
    CHECK (b.k.r.error == ESP_EUNSUPPORTED);
    kit_close (&b.k);
}

static void a_python_that_is_none (void)
{
    esp_error error = {0};
    if (!opened ("{processes: 1}"))
        return;
    kit_close (&b.k);
    CHECK (kit_open (&b.k, "code", ENGINE_VERIFIER, "{python: /usr/bin/true}", &error) ==
           ESP_EENGINE);
    CHECK (strstr (error.text, "verifier.python: /usr/bin/true") != NULL);
    config_destroy (b.k.options);
    CHECK (kit_open (&b.k, "code", ENGINE_VERIFIER, "{python: /nowhere/python3}", &error) ==
           ESP_EENGINE);
    config_destroy (b.k.options);
}

static void without_a_sandbox_when_told (void)
{
    static const struct expected rows[] = {
        {CALLS, "def f(x): return [x, 9]", VERDICT_PASS, "tests-passed", 1},
        {CALLS, "def f(x): return 1", VERDICT_FAIL, "tests-failed", 0}};
    if (!opened ("{processes: 1, sandbox: none}"))
        return;
    judge_all (rows, 2);
    kit_close (&b.k);
}

/* Its Python runs the judge (one argument behind the script) but no candidate (five). */
static void candidates_that_never_start (void)
{
    char folder[] = "/tmp/esp-code-XXXXXX", path[64], yaml[128];
    FILE *f;
    CHECK (mkdtemp (folder) != NULL);
    snprintf (path, sizeof (path), "%s/python", folder);
    CU_ASSERT_PTR_NOT_NULL_FATAL ((f = fopen (path, "w")));
    fputs ("#!/bin/sh\n[ $# -gt 6 ] && exit 1\nexec /usr/bin/python3 \"$@\"\n", f);
    fclose (f);
    CHECK (chmod (path, 0700) == 0);
    snprintf (yaml, sizeof (yaml), "{processes: 2, sandbox: none, python: %s}", path);
    if (opened (yaml)) {
        ask_text (CALLS, "def f(x): return [3, 9]");
        for (time_t since = 0; b.k.calls == 0 && patience (&since);) {
            b.k.now_ns += 500000000ULL; /* past the pauses between two starts */
            sleep_and_poll (50);
        }
        CHECK (b.k.calls == 1 && b.k.r.verdict == VERDICT_UNKNOWN);
        CU_ASSERT_STRING_EQUAL (b.k.reason, "verifier-crashed");
        kit_close (&b.k);
    }
    CHECK (unlink (path) == 0 && rmdir (folder) == 0);
}

static void no_bubblewrap (void)
{
    char *path = strdup (getenv ("PATH"));
    esp_error error = {0};
    setenv ("PATH", "/nowhere", 1);
    CHECK (kit_open (&b.k, "code", ENGINE_VERIFIER, "{}", &error) == ESP_ENOENT);
    CHECK (strstr (error.text, "verifier.sandbox") && strstr (error.text, "bubblewrap") &&
           strstr (error.text, "sandbox: none"));
    config_destroy (b.k.options);
    setenv ("PATH", path, 1);
    free (path);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"formats of problems", formats_of_problems},
        {"visible tests are the examples, else the first",
         visible_tests_are_the_examples_else_the_first},
        {"what is not decided", what_is_not_decided},
        {"how programs end", how_programs_end},
        {"time runs out", time_runs_out},
        {"many at once, and cancelled", many_at_once_and_cancelled},
        {"other kinds of task are refused", other_kinds_of_task_are_refused},
        {"a Python that is none", a_python_that_is_none},
        {"without a sandbox when told", without_a_sandbox_when_told},
        {"candidates that never start", candidates_that_never_start},
        {"no bubblewrap", no_bubblewrap},
        {NULL, NULL},
    };
    return suite_main ("verifier_code", cases);
}
