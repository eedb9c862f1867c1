/* SPDX-License-Identifier: Apache-2.0 */
/* test_verifier_math_verify.c - a pool of processes that hang, crash and talk nonsense
 *
 * The interpreter is a shell script that does what a job's answer tells it.
 */

// LINK: esp_engine_table esp_config

#include <sys/stat.h>
#include "proto/base/alloc.h"
#include "tests/unit/worker/verifier/math_verify_kit.h"
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

static void write_fake (const char *script)
{
    FILE *f;
    snprintf (mv.folder, sizeof (mv.folder), "%s", suite_folder ());
    snprintf (mv.path, sizeof (mv.path), "%s/python", mv.folder);
    CU_ASSERT_PTR_NOT_NULL_FATAL (f = fopen (mv.path, "w"));
    fputs (script, f);
    fclose (f);
    chmod (mv.path, 0755);
    b.count = 0;
}

static void given_fake (const char *more)
{
    write_fake (fake);
    PASS (open_with (mv.path, more, NULL));
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
    for (time_t since = 0; b.k.calls < 200 && patience (&since);) {
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

static void read_pids (int *shell, int *child)
{
    char path[PATH_MAX + 16];
    FILE *f = NULL;
    snprintf (path, sizeof (path), "%s/pids", mv.folder);
    for (time_t since = 0; !f && patience (&since);)
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
    snprintf (path, sizeof (path), "%s/dead", mv.folder);
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
    for (time_t since = 0; b.k.calls < 3 && patience (&since);) {
        pass_time (1);
        sleep_and_poll (10);
    }
    CHECK (b.k.calls == 3);
    last_was (VERDICT_UNKNOWN, "verifier-crashed", "18");
    ask ("18"); /* hopeless: at once */
    CHECK (b.k.calls == 4);
    mark_dead (false);
    pass_time (31);
    for (time_t since = 0; b.k.r.verdict != VERDICT_PASS && patience (&since);) {
        unsigned calls = b.k.calls;
        pass_time (
            1); /* the end of one that was started dead may be heard of only now, and makes a pause */
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
        FAILS (open_with (mv.path, "", &error), rows[i].err);
        CHECK (strstr (error.text, rows[i].says) && strstr (error.text, mv.path));
        config_destroy (b.k.options);
    }
    FAILS (verifier_math_verify.open (NULL, &b.k.state, &error), ESP_EINVAL);
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
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("verifier_math_verify", cases);
}
