/* SPDX-License-Identifier: Apache-2.0 */
/* test_verifier_math_verify_real.c - the verifier math-verify with the real package
 *
 * Needs a Python with math-verify: ESP_MATH_VERIFY_PYTHON=/venv/bin/python; without it all is skipped.
 */

// LINK: esp_engine_table esp_config PkgConfig::JANSSON

#include <jansson.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/unit/worker/verifier/math_verify_kit.h"

static const char *given_real (const char *more)
{
    const char *python = getenv ("ESP_MATH_VERIFY_PYTHON");
    esp_error error = {0};
    if (!python || !python[0]) {
        printf ("    skipped: ESP_MATH_VERIFY_PYTHON names no Python with math-verify\n");
        return NULL;
    }
    if (open_with (python, more, &error) != ESP_OK)
        printf ("    %s\n", error.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL (b.k.state);
    return python;
}

static void the_real_package_judges (void)
{
    static const struct {
        const char *gold, *answer;
        enum verdict verdict;
        const char *reason;
    } rows[] = {
        {"{\"answer\": \"\\\\frac{1}{2}\"}", "0.5", VERDICT_PASS, "right-answer"},
        {"{\"answer\": \"x\\n#### 18\"}", "\\$18", VERDICT_PASS, "right-answer"},
        {"{\"answer\": 18}", "17", VERDICT_FAIL, "wrong-answer"},
        {"{\"answer\": \"\\\\{1,2,3\\\\}\"}", "\\{3,2,1\\}", VERDICT_PASS, "right-answer"},
        {"{\"answer\": \"(1,2)\"}", "(2,1)", VERDICT_FAIL, "wrong-answer"},
        {"{\"answer\": \"5\"}", "x=5", VERDICT_PASS, "right-answer"},
    };
    if (!given_real (""))
        return;
    for (unsigned i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        ask_of (rows[i].gold, rows[i].answer);
        until (i + 1);
        CHECK (b.k.r.verdict == rows[i].verdict);
        CU_ASSERT_STRING_EQUAL (b.k.reason, rows[i].reason);
    }
    kit_close (&b.k);
}

/* The package's own alarms or our kill: one of them ends it, whatever the machine. */
static void big_integers_end_as_timeouts_and_the_next_job_is_answered (void)
{
    if (!given_real (", processes: 1, timeout_s: 1"))
        return;
    ask ("9^{9^{9^9}}");
    for (time_t since = 0; b.k.calls < 1 && patience (&since);) {
        sleep_and_poll (100);
        pass_time (0.1);
    }
    CHECK (b.k.calls == 1);
    CU_ASSERT_STRING_EQUAL (b.k.reason, "timeout");
    ask ("7");
    until (2);
    CHECK (b.k.r.verdict == VERDICT_PASS);
    kit_close (&b.k);
}

/* Solutions of MATH-500 against their answers, by the package and by the built-in kind. */
static void agreement_with_the_built_in_verifier_is_printed (void)
{
    static struct kit own;
    const char *path = kit_shared ("data/math500-dev.jsonl");
    unsigned table[4][4] = {{0}}, rows = 0;
    esp_buf file = {0};
    if (!path || !given_real (""))
        return;
    PASS (kit_open (&own, "answer", ENGINE_VERIFIER, NULL, NULL));
    PASS (esp_file_read (path, 1 << 24, &file, NULL));
    for (char *line = strtok (file.data, "\n"); line; line = strtok (NULL, "\n"), rows++) {
        json_t *root = json_loads (line, 0, NULL);
        const char *text = json_string_value (json_object_get (root, "solution"));
        kit_do (&own, verify, line, text);
        ask_text (line, text);
        until (rows + 1);
        table[own.r.verdict][b.k.r.verdict]++;
        json_decref (root);
    }
    printf ("    %u solutions: math-verify passes %u and fails %u of %u that the built-in kind "
            "passes, and passes %u others\n",
            rows, table[VERDICT_PASS][VERDICT_PASS], table[VERDICT_PASS][VERDICT_FAIL],
            table[VERDICT_PASS][VERDICT_PASS] + table[VERDICT_PASS][VERDICT_FAIL] +
                table[VERDICT_PASS][VERDICT_UNKNOWN],
            table[VERDICT_FAIL][VERDICT_PASS] + table[VERDICT_UNKNOWN][VERDICT_PASS]);
    CHECK (table[VERDICT_PASS][VERDICT_PASS] * 100 > rows * 90);
    esp_buf_free (&file);
    kit_close (&own);
    kit_close (&b.k);
}

/* A worker that is killed leaves no process behind, not even a busy one. */
static void nothing_survives_its_worker (void)
{
    int talk[2];
    pid_t worker, python = 0;
    if (!getenv ("ESP_MATH_VERIFY_PYTHON")) {
        printf ("    skipped: ESP_MATH_VERIFY_PYTHON names no Python with math-verify\n");
        return;
    }
    CU_ASSERT_EQUAL_FATAL (pipe (talk), 0);
    if ((worker = fork ()) == 0) {
        close (talk[0]);
        if (!given_real (", processes: 1, timeout_s: 1000"))
            _exit (1);
        ask ("9^{9^{9^{9}}}");
        {
            char path[64];
            FILE *f;
            snprintf (path, sizeof (path), "/proc/%d/task/%d/children", getpid (), getpid ());
            if ((f = fopen (path, "r")) && fscanf (f, "%d", &python) == 1 &&
                write (talk[1], &python, sizeof (python)) == sizeof (python))
                pause ();
        }
        _exit (1);
    }
    close (talk[1]);
    CU_ASSERT_EQUAL_FATAL (read (talk[0], &python, sizeof (python)), sizeof (python));
    kill (worker, SIGKILL);
    waitpid (worker, NULL, 0);
    CHECK (python > 1 && dies (python));
    close (talk[0]);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"the real package judges", the_real_package_judges},
        {"big integers end as timeouts and the next job is answered",
         big_integers_end_as_timeouts_and_the_next_job_is_answered},
        {"agreement with the built-in verifier is printed",
         agreement_with_the_built_in_verifier_is_printed},
        {"nothing survives its worker", nothing_survives_its_worker},
        {NULL, NULL},
    };
    return suite_main ("verifier_math_verify_real", cases);
}
