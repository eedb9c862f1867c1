/* SPDX-License-Identifier: Apache-2.0 */
/* test_verifier_math_verify.c - a pool of processes that hang, crash and talk nonsense; and the real package
 *
 * The interpreter of most cases is a shell script that does what a job's answer tells it.  The last cases need a Python
 * with math-verify: ESP_MATH_VERIFY_PYTHON=/venv/bin/python; without it they are skipped.
 */

// LINK: esp_engine_table esp_config PkgConfig::JANSSON

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "proto/base/alloc.h"
#include "tests/unit/worker/engine_kit.h"
#include "worker/verifier/line_process.h"
#include "worker/verifier/math_verify_line.h"
#include "worker/verifier/verifiers.h"

/* One line of the fake interpreter for each answer; $id is the job's number. */
static const char fake[] =
    "#!/bin/sh\n"
    "here=$(dirname \"$0\")\n"
    "[ -e \"$here/dead\" ] && exit 1\n"
    "echo '{\"ready\": true, \"version\": \"0\"}'\n"
    "say() { echo \"{\\\"id\\\": $1, \\\"verdict\\\": \\\"$2\\\", \\\"reason\\\": \\\"$3\\\", "
    "\\\"answer\\\": \\\"$4\\\"}\"; }\n"
    "while read -r line; do\n"
    "  id=${line#*\\\"id\\\": } id=${id%%,*}\n"
    "  case $line in\n"
    "  *hang*) sleep 1000 & echo $$ $! > \"$here/pids.new\"; mv \"$here/pids.new\" \"$here/pids\"; "
    "wait ;;\n"
    "  *crash*) exit 3 ;;\n"
    "  *garbage*) echo 'Traceback (most recent call last):' ;;\n"
    "  *wrongid*) say 999 pass right-answer 1 ;;\n"
    "  *twice*) say $id pass right-answer 1; say $id pass right-answer 1 ;;\n"
    "  *mismatch*) say $id pass wrong-answer 1 ;;\n"
    "  *endless*) yes | tr -d '\\n' ;;\n"
    "  *slow*) sleep 0.3; say $id pass right-answer 1,000 ;;\n"
    "  *wrong*) say $id fail wrong-answer 17 ;;\n"
    "  *) say $id pass right-answer 1,000 ;;\n"
    "  esac\n"
    "done\n";

static const task verify = {.id = {1, 0}, .kind = TASK_VERIFY};
enum { JOBS = 256, SECONDS_MOST = 60 };

static struct bench {
    struct kit k;
    job jobs[JOBS];
    span texts[JOBS];
    char memory[JOBS][64];
    unsigned count;
    char folder[PATH_MAX], path[PATH_MAX + 16];
} b;

static void write_fake (const char *script)
{
    FILE *f;
    snprintf (b.folder, sizeof (b.folder), "%s", suite_folder ());
    snprintf (b.path, sizeof (b.path), "%s/python", b.folder);
    CU_ASSERT_PTR_NOT_NULL_FATAL (f = fopen (b.path, "w"));
    fputs (script, f);
    fclose (f);
    chmod (b.path, 0755);
    b.count = 0;
}

static esp_err open_with (const char *python, const char *more, esp_error *error)
{
    char yaml[PATH_MAX + 128];
    snprintf (yaml, sizeof (yaml), "{python: \"%s\"%s}", python, more);
    b.count = 0;
    return kit_open (&b.k, "math-verify", ENGINE_VERIFIER, yaml, error);
}

static void given_fake (const char *more)
{
    write_fake (fake);
    PASS (open_with (b.path, more, NULL));
}

/* Start a job; both texts stay the caller's. */
static const job *ask_text (const char *json, const char *text)
{
    unsigned i = b.count++ % JOBS;
    const job *const jobs[] = {&b.jobs[i]};
    b.texts[i] = span_of (text);
    b.jobs[i] =
        (job){.task = verify, .problem = span_of (json), .steps = &b.texts[i], .step_count = 1};
    b.jobs[i].task.id.number = i;
    b.k.kind->start (b.k.state, jobs, 1);
    return &b.jobs[i];
}

/* The branch ends with this answer. */
static const job *ask_of (const char *json, const char *answer)
{
    char *text = b.memory[b.count % JOBS];
    snprintf (text, sizeof (b.memory[0]), "so \\boxed{%s}", answer);
    return ask_text (json, text);
}

static const job *ask (const char *answer)
{
    return ask_of ("{\"answer\": \"7\"}", answer);
}

static void sleep_and_poll (int ms)
{
    struct pollfd fd = {.events = POLLIN};
    CHECK (b.k.kind->fds (b.k.state, &fd.fd, 1) == 1);
    (void)poll (&fd, 1, ms);
    b.k.kind->poll (b.k.state);
}

/* Until so many results came. */
static void until (unsigned calls)
{
    for (int i = 0; b.k.calls < calls && i < SECONDS_MOST * 10; i++)
        sleep_and_poll (100);
    CU_ASSERT_EQUAL (b.k.calls, calls);
}

static void last_was (enum verdict verdict, const char *reason, const char *answer)
{
    CHECK (b.k.r.error == ESP_OK && b.k.r.verdict == verdict);
    CU_ASSERT_STRING_EQUAL (b.k.reason, reason);
    CU_ASSERT_STRING_EQUAL (b.k.answer, answer);
}

static void pass_time (double seconds)
{
    b.k.now_ns += (uint64_t)(seconds * 1e9);
}

/* ---- verdicts ---- */

static void verdicts_come_back_with_the_answer_for_votes (void)
{
    given_fake ("");
    ask ("18");
    until (1);
    last_was (VERDICT_PASS, "right-answer",
              "1000"); /* 1,000, as math-verify read it, in its one form */
    ask ("wrong");
    until (2);
    last_was (VERDICT_FAIL, "wrong-answer", "17");
    kit_close (&b.k);
}

static void what_needs_no_process_is_judged_at_once (void)
{
    given_fake ("");
    ask_of ("{}", "18.0");
    CHECK (b.k.calls == 1);
    last_was (VERDICT_UNKNOWN, "no-reference", "18");
    ask_of ("[", "18");
    last_was (VERDICT_UNKNOWN, "bad-problem", "18");
    ask_of ("{\"answer\": \" \"}", "18");
    last_was (VERDICT_UNKNOWN, "no-reference", "18");
    {
        job j = {.task = {.id = {1, 9}, .kind = TASK_SCORE}};
        const job *const jobs[] = {&j};
        b.k.kind->start (b.k.state, jobs, 1);
        CHECK (b.k.r.error == ESP_EUNSUPPORTED);
    }
    kit_close (&b.k);
}

static void many_jobs_share_a_few_processes (void)
{
    given_fake (", processes: 3");
    CHECK (b.k.kind->slots (b.k.state) == 12);
    for (int i = 0; i < 200; i++)
        ask (i % 40 == 3 ? "slow" : i % 7 == 2 ? "crash" : "18");
    for (int i = 0; b.k.calls < 200 && i < SECONDS_MOST * 10; i++) {
        pass_time (0.1); /* crashes in a row make a pause */
        sleep_and_poll (20);
    }
    until (200);
    ask ("18");
    until (201);
    last_was (VERDICT_PASS, "right-answer", "1000");
    kit_close (&b.k);
}

/* ---- what goes wrong ---- */

static bool dies (pid_t pid)
{
    for (int i = 0; i < SECONDS_MOST * 100 && kill (pid, 0) == 0; i++)
        usleep (10000);
    return kill (pid, 0) != 0 && errno == ESRCH;
}

static void read_pids (int *shell, int *child)
{
    char path[PATH_MAX + 16];
    FILE *f = NULL;
    snprintf (path, sizeof (path), "%s/pids", b.folder);
    for (int i = 0; !f && i < SECONDS_MOST * 100; i++)
        if (!(f = fopen (path, "r")))
            usleep (10000);
    CU_ASSERT_PTR_NOT_NULL_FATAL (f);
    CU_ASSERT_EQUAL_FATAL (fscanf (f, "%d %d", shell, child), 2);
    fclose (f);
}

static void a_job_that_hangs_is_killed_and_the_next_one_is_answered (void)
{
    int shell, child;
    given_fake (", processes: 1, timeout_s: 5");
    ask ("hang");
    ask ("18");
    read_pids (&shell, &child);
    pass_time (4.9);
    sleep_and_poll (50);
    CHECK (b.k.calls == 0);
    pass_time (0.2);
    sleep_and_poll (0);
    CHECK (b.k.calls == 1);
    last_was (VERDICT_UNKNOWN, "timeout", "hang"); /* its answer still has a vote */
    until (2);
    last_was (VERDICT_PASS, "right-answer", "1000");
    CHECK (dies (shell) && dies (child)); /* the whole group */
    kit_close (&b.k);
}

static void a_process_that_ends_or_talks_nonsense_makes_its_job_unknown (void)
{
    static const char *const ways[] = {"crash", "garbage", "wrongid", "mismatch", "endless"};
    given_fake (", processes: 1");
    for (unsigned i = 0; i < sizeof (ways) / sizeof (ways[0]); i++) {
        unsigned before = b.k.calls;
        ask (ways[i]);
        ask ("18");
        until (before + 1);
        last_was (VERDICT_UNKNOWN, "verifier-crashed", ways[i]);
        until (before + 2);
        last_was (VERDICT_PASS, "right-answer", "1000");
    }
    kit_close (&b.k);
}

static void a_reply_that_was_not_asked_for_is_nobodys (void)
{
    given_fake (", processes: 1");
    ask ("twice");
    until (1);
    last_was (VERDICT_PASS, "right-answer", "1");
    ask ("wrong");
    until (2);
    CHECK (b.k.r.verdict == VERDICT_FAIL ||
           b.k.r.verdict == VERDICT_UNKNOWN); /* never the stray pass */
    kit_close (&b.k);
}

static void mark_dead (bool dead)
{
    char path[PATH_MAX + 16];
    snprintf (path, sizeof (path), "%s/dead", b.folder);
    if (dead)
        fclose (fopen (path, "w"));
    else
        unlink (path);
}

static void when_no_process_stays_up_jobs_do_not_wait_and_later_they_do_again (void)
{
    given_fake (", processes: 2");
    mark_dead (true);
    ask ("crash");
    ask ("crash");
    ask ("18");
    for (int i = 0; b.k.calls < 3 && i < SECONDS_MOST * 10; i++) {
        pass_time (1);
        sleep_and_poll (10);
    }
    CHECK (b.k.calls == 3);
    last_was (VERDICT_UNKNOWN, "verifier-crashed", "18");
    ask ("18"); /* hopeless: at once */
    CHECK (b.k.calls == 4);
    mark_dead (false);
    pass_time (31);
    for (int i = 0; i < SECONDS_MOST * 10 && b.k.r.verdict != VERDICT_PASS; i++) {
        unsigned calls = b.k.calls;
        sleep_and_poll (20);
        ask ("18");
        until (calls + 1);
        usleep (20000);
    }
    last_was (VERDICT_PASS, "right-answer", "1000");
    kit_close (&b.k);
}

static void a_cancelled_job_is_not_heard_of_again (void)
{
    const job *waits, *runs;
    given_fake (", processes: 1");
    runs = ask ("slow");
    waits = ask ("slow");
    ask ("18");
    b.k.kind->cancel (b.k.state, waits);
    b.k.kind->cancel (b.k.state, runs);
    until (1);
    CHECK (b.k.r.id.number == 2);
    ask ("hang");
    b.k.kind->cancel (b.k.state, &b.jobs[3]);
    pass_time (6);
    ask ("18");
    until (2);
    CHECK (b.k.r.id.number == 4);
    kit_close (&b.k);
}

static void closing_ends_what_hangs (void)
{
    int shell, child;
    given_fake (", processes: 2");
    ask ("hang");
    read_pids (&shell, &child);
    kit_close (&b.k);
    CHECK (dies (shell) && dies (child));
    CHECK (b.k.calls == 0);
    verifier_math_verify.close (NULL);
}

/* ---- opening ---- */

static void opening_says_what_is_missing (void)
{
    static const struct {
        const char *script;
        esp_err err;
        const char *says;
    } rows[] = {
        {"#!/bin/sh\necho '{\"ready\": false, \"error\": \"ModuleNotFoundError: no "
         "math_verify\"}'\n",
         ESP_EENGINE, "ModuleNotFoundError: no math_verify"},
        {"#!/bin/sh\necho nonsense\n", ESP_EENGINE, "pip install math-verify"},
        {"#!/bin/sh\n", ESP_EENGINE, "ended without a word"},
        {"#!/no/such/interpreter\n", ESP_ENOENT, "cannot be started"},
    };
    esp_error error = {0};
    FAILS (open_with ("/no/such/python", "", &error), ESP_ENOENT);
    CHECK (strstr (error.text, "verifier.python: /no/such/python") &&
           strstr (error.text, "pip install math-verify"));
    config_destroy (b.k.options);
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        write_fake (rows[i].script);
        FAILS (open_with (b.path, "", &error), rows[i].err);
        CHECK (strstr (error.text, rows[i].says) && strstr (error.text, b.path));
        config_destroy (b.k.options);
    }
    FAILS (verifier_math_verify.open (NULL, &b.k.state, &error), ESP_EINVAL);
}

/* ---- lines ---- */

static void a_line_holds_the_boxes_or_the_end_of_the_text (void)
{
    static char text[3 * MATH_VERIFY_TEXT];
    esp_buf out = {0};
    PASS (math_verify_ask (7, span_of ("{\"answer\": \"a\\n#### 1,000\"}"),
                           span_of ("\\boxed{1} or \\boxed{\"2\"}"), &out));
    CU_ASSERT_STRING_EQUAL (esp_buf_text (&out),
                            "{\"id\": 7, \"gold\": \"\\\\boxed{1,000}\", \"answer\": "
                            "\"\\\\boxed{\\\"2\\\"}\"}");
    esp_buf_clear (&out);
    PASS (math_verify_ask (7, span_of ("{\"answer\": 5}"), span_of ("so it is 5 then."), &out));
    CHECK (span_find (esp_buf_span (&out), span_of ("\"answer\": \"so it is 5 then.\"")) < out.len);
    esp_buf_clear (&out);
    for (size_t i = 0; i + 2 <= sizeof (text); i += 2)
        memcpy (text + i, "\xc3\xa9", 2);
    PASS (math_verify_ask (7, span_of ("{\"answer\": 5}"), span_make (text, sizeof (text) - 1),
                           &out));
    CHECK (out.len < 2 * MATH_VERIFY_TEXT && !strchr (esp_buf_text (&out), '\n'));
    memset (text, '9', sizeof (text));
    memcpy (text, "####", 4);
    FAILS (math_verify_ask (7, span_of ("{\"answer\": 5}"), span_make (text, sizeof (text)), &out),
           ESP_ETOOBIG);
    esp_buf_free (&out);
}

static void only_the_exact_reply_is_taken (void)
{
    static const char *const good =
        "{\"id\": 3, \"verdict\": \"unknown\", \"reason\": \"timeout\", \"answer\": \"x\\u0000\"}";
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "null",
        "{\"id\": 3}",
        "{\"id\": -3, \"verdict\": \"pass\", \"reason\": \"right-answer\", \"answer\": \"\"}",
        "{\"id\": 3.0, \"verdict\": \"pass\", \"reason\": \"right-answer\", \"answer\": \"\"}",
        "{\"id\": 3, \"verdict\": \"none\", \"reason\": \"right-answer\", \"answer\": \"\"}",
        "{\"id\": 3, \"verdict\": \"pass\", \"reason\": \"timeout\", \"answer\": \"\"}",
        "{\"id\": 3, \"verdict\": \"pass\", \"reason\": \"right-answer\"}",
        "{\"id\": 3, \"verdict\": \"pass\", \"reason\": \"right-answer\", \"answer\": 5}"};
    math_verify_reply reply = {0};
    esp_buf answer = {0};
    char version[32], why[256];
    PASS (math_verify_read (span_of (good), &reply, &answer));
    CHECK (reply.number == 3 && reply.verdict == VERDICT_UNKNOWN && answer.len == 2);
    CU_ASSERT_STRING_EQUAL (reply.reason, "timeout");
    for (size_t i = 0; i < sizeof (bad) / sizeof (bad[0]); i++) {
        FAILS (math_verify_read (span_of (bad[i]), &reply, &answer), ESP_EFORMAT);
        FAILS (math_verify_read_ready (span_of (bad[i]), version, why), ESP_EFORMAT);
    }
    esp_buf_free (&answer);
}

static esp_err scenario (long n)
{
    unsigned before = b.k.calls;
    esp_err err;
    esp_alloc_fail_after (n);
    err = b.k.kind->open (&b.k.setup, &b.k.state, NULL);
    if (err == ESP_OK) {
        b.count = 0;
        ask ("18");
        until (before + 1);
        err = b.k.r.error == ESP_OK && b.k.r.verdict != VERDICT_PASS ? ESP_ENOMEM : b.k.r.error;
        if (b.k.r.error == ESP_OK && b.k.answer[0] == 0)
            err = ESP_ENOMEM; /* there was no room for the answer */
        b.k.kind->close (b.k.state);
        b.k.state = NULL;
    }
    esp_alloc_fail_after (-1);
    return err;
}

static void survives_failure_of_every_allocation (void)
{
    esp_err err = ESP_ENOMEM;
    long live;
    given_fake (", processes: 1");
    b.k.kind->close (b.k.state);
    live = esp_alloc_live ();
    for (long n = 0; err != ESP_OK && n < 60; n++) {
        err = scenario (n);
        CU_ASSERT_EQUAL (esp_alloc_live (), live);
    }
    CU_ASSERT_EQUAL (err, ESP_OK);
    config_destroy (b.k.options);
}

/* ---- the real package ---- */

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
    for (int i = 0; b.k.calls < 1 && i < SECONDS_MOST * 10; i++) {
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
        {"verdicts come back with the answer for votes",
         verdicts_come_back_with_the_answer_for_votes},
        {"what needs no process is judged at once", what_needs_no_process_is_judged_at_once},
        {"many jobs share a few processes", many_jobs_share_a_few_processes},
        {"a job that hangs is killed and the next one is answered",
         a_job_that_hangs_is_killed_and_the_next_one_is_answered},
        {"a process that ends or talks nonsense makes its job unknown",
         a_process_that_ends_or_talks_nonsense_makes_its_job_unknown},
        {"a reply that was not asked for is nobody's", a_reply_that_was_not_asked_for_is_nobodys},
        {"when no process stays up jobs do not wait, and later they do again",
         when_no_process_stays_up_jobs_do_not_wait_and_later_they_do_again},
        {"a cancelled job is not heard of again", a_cancelled_job_is_not_heard_of_again},
        {"closing ends what hangs", closing_ends_what_hangs},
        {"opening says what is missing", opening_says_what_is_missing},
        {"a line holds the boxes or the end of the text",
         a_line_holds_the_boxes_or_the_end_of_the_text},
        {"only the exact reply is taken", only_the_exact_reply_is_taken},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {"the real package judges", the_real_package_judges},
        {"big integers end as timeouts and the next job is answered",
         big_integers_end_as_timeouts_and_the_next_job_is_answered},
        {"agreement with the built-in verifier is printed",
         agreement_with_the_built_in_verifier_is_printed},
        {"nothing survives its worker", nothing_survives_its_worker},
        {NULL, NULL},
    };
    return suite_main ("verifier_math_verify", cases);
}
