/* SPDX-License-Identifier: Apache-2.0 */
/* test_verifier_command.c - the user's own program: one that works, hangs, crashes, talks nonsense, is not there
 *
 * It is a shell script that does what the candidate's text tells it.
 */

// LINK: esp_engine_table esp_config

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "proto/base/alloc.h"
#include "tests/unit/worker/verifier/verifier_kit.h"
#include "worker/verifier/verifiers.h"

static char folder[PATH_MAX], script[PATH_MAX + 16];

/* $id: the question's number. */
static const char words[] =
    "say() { echo \"{\\\"id\\\": $1, \\\"verdict\\\": \\\"$2\\\", \\\"reason\\\": \\\"$3\\\"}\"; "
    "}\n"
    "answer() {\n"
    "  id=${1#*\\\"id\\\": } id=${id%%,*}\n"
    "  case $1 in\n"
    "  *hang*) sleep 1000 & echo $$ $! > \"$here/pids.new\"; mv \"$here/pids.new\" \"$here/pids\"; "
    "wait ;;\n"
    "  *crash*) exit 3 ;;\n"
    "  *garbage*) echo 'debug: here'; say $id pass late ;;\n"
    "  *nameless*) echo '{\"verdict\": \"pass\"}' ;;\n"
    "  *late*) say 999 pass late; say $id fail mine ;;\n"
    "  *flood*) while :; do say 999 pass late; done ;;\n"
    "  *endless*) yes | tr -d '\\n' ;;\n"
    "  *full*) echo \"{\\\"id\\\": $id, \\\"verdict\\\": \\\"fail\\\", \\\"share\\\": 0.5, "
    "\\\"answer\\\": \\\"17\\\", \\\"observation\\\": \\\"look\\\"}\" ;;\n"
    "  *slow*) sleep 0.3; say $id pass slow ;;\n"
    "  *) say $id pass good ;;\n"
    "  esac\n"
    "}\n";

static void write_script (const char *name, const char *body)
{
    FILE *f;
    snprintf (folder, sizeof (folder), "%s", suite_folder ());
    snprintf (script, sizeof (script), "%s/%s", folder, name);
    CU_ASSERT_PTR_NOT_NULL_FATAL (f = fopen (script, "w"));
    fprintf (f, "#!/bin/sh\nhere=%s\n[ -e \"$here/dead\" ] && exit 1\n%s%s\n", folder, words, body);
    fclose (f);
    chmod (script, 0755);
    b.count = 0;
}

static esp_err open_it (const char *more, esp_error *error)
{
    char yaml[2 * PATH_MAX + 128];
    snprintf (yaml, sizeof (yaml), "{program: [\"%s\"]%s}", script, more);
    return kit_open (&b.k, "command", ENGINE_VERIFIER, yaml, error);
}

static void given (const char *more)
{
    char all[256];
    snprintf (all, sizeof (all), ", sandbox: none%s", more);
    write_script ("verify", "while read -r line; do answer \"$line\"; done");
    PASS (open_it (all, NULL));
}

static void given_one_shot (const char *more)
{
    char all[256];
    snprintf (all, sizeof (all), ", sandbox: none, mode: one-shot%s", more);
    write_script ("verify", "line=$(cat); answer \"$line\"; sleep 1000"); /* reads to the end */
    PASS (open_it (all, NULL));
}

static const job *ask (const char *text)
{
    return ask_text ("{\"answer\": \"7\"}", text);
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

static bool dies (pid_t pid)
{
    for (time_t since = 0; kill (pid, 0) == 0 && patience (&since);)
        usleep (10000);
    return kill (pid, 0) != 0 && errno == ESRCH;
}

/* ---- verdicts ---- */

static void what_it_says_is_the_verdict (void)
{
    given ("");
    ask ("so \\boxed{18}");
    until (1);
    last_was (VERDICT_PASS, "good", "18"); /* the branch's own answer votes */
    CHECK (isnan (b.k.r.share));
    ask ("full \\boxed{18}");
    until (2);
    last_was (VERDICT_FAIL, "command", "17"); /* or what it said */
    CHECK (b.k.r.share == 0.5);
    kit_do (&b.k, (task){.id = {1, 0}, .kind = TASK_SCORE}, "{}", "x");
    CHECK (b.k.r.error == ESP_EUNSUPPORTED);
    ask_text ("[", "x");
    last_was (VERDICT_UNKNOWN, "bad-problem", "");
    kit_close (&b.k);
}

static void a_program_for_each_candidate (void)
{
    given_one_shot (", processes: 3");
    for (int i = 0; i < 20; i++)
        ask (i % 5 == 4 ? "slow" : "x");
    until (20);
    ask ("x");
    until (21);
    last_was (VERDICT_PASS, "good", "");
    ask ("nameless"); /* there is but one question */
    until (22);
    last_was (VERDICT_PASS, "command", "");
    ask ("garbage");
    until (23);
    last_was (VERDICT_UNKNOWN, "bad-answer", "");
    ask ("crash");
    until (24);
    last_was (VERDICT_UNKNOWN, "verifier-crashed", "");
    kit_close (&b.k);
}

/* ---- what goes wrong ---- */

static void what_is_no_verdict_costs_its_own_candidate_only (void)
{
    given (", processes: 1");
    ask ("garbage"); /* its true answer comes behind, while the next one is asked */
    ask ("late");
    ask ("nameless");
    ask ("x");
    until (1);
    last_was (VERDICT_UNKNOWN, "bad-answer", "");
    until (2);
    last_was (VERDICT_FAIL, "mine", "");
    until (3);
    last_was (VERDICT_UNKNOWN, "bad-answer", "");
    until (4);
    last_was (VERDICT_PASS, "good", "");
    kit_close (&b.k);
}

static void a_process_that_ends_or_never_stops_talking_makes_its_job_unknown (void)
{
    static const char *const ways[] = {"crash", "flood", "endless"};
    given (", processes: 1, line_kb: 64");
    for (unsigned i = 0; i < sizeof (ways) / sizeof (ways[0]); i++) {
        unsigned before = b.k.calls;
        ask (ways[i]);
        ask ("x");
        until (before + 1);
        last_was (VERDICT_UNKNOWN, "verifier-crashed", "");
        until (before + 2);
        last_was (VERDICT_PASS, "good", "");
    }
    kit_close (&b.k);
}

static void read_pids (int *shell, int *child)
{
    char path[PATH_MAX + 16];
    FILE *f = NULL;
    snprintf (path, sizeof (path), "%s/pids", folder);
    for (time_t since = 0; !f && patience (&since);)
        if (!(f = fopen (path, "r")))
            usleep (10000);
    CU_ASSERT_PTR_NOT_NULL_FATAL (f);
    CU_ASSERT_EQUAL_FATAL (fscanf (f, "%d %d", shell, child), 2);
    fclose (f);
    unlink (path);
}

static void one_that_hangs_is_killed_with_all_it_started (void)
{
    int shell, child;
    for (int one_shot = 0; one_shot < 2; one_shot++) {
        if (one_shot)
            given_one_shot (", processes: 1, timeout_s: 5");
        else
            given (", processes: 1, timeout_s: 5");
        ask ("hang");
        ask ("x");
        read_pids (&shell, &child);
        pass_time (4.9);
        sleep_and_poll (50);
        CHECK (b.k.calls == 0);
        pass_time (0.2);
        sleep_and_poll (0);
        CHECK (b.k.calls == 1);
        last_was (VERDICT_UNKNOWN, "timeout", "");
        until (2);
        last_was (VERDICT_PASS, "good", "");
        CHECK (dies (shell) && dies (child));
        kit_close (&b.k);
    }
}

static void nobody_waits_for_a_program_that_never_stays_up (void)
{
    char dead[PATH_MAX + 16];
    given_one_shot (", processes: 2");
    snprintf (dead, sizeof (dead), "%s/dead", folder);
    fclose (fopen (dead, "w"));
    for (int i = 0; i < 12; i++)
        ask ("x");
    for (time_t since = 0; b.k.calls < 5 && patience (&since);) {
        pass_time (1); /* past the pauses */
        sleep_and_poll (10);
    }
    sleep_and_poll (10);
    CHECK (b.k.calls == 12); /* after five all the others at once */
    last_was (VERDICT_UNKNOWN, "verifier-crashed", "");
    unlink (dead);
    pass_time (31);
    ask ("x");
    until (13);
    last_was (VERDICT_PASS, "good", "");
    kit_close (&b.k);
}

static void a_cancelled_job_is_not_heard_of_again (void)
{
    const job *waits, *runs;
    given (", processes: 1");
    runs = ask ("slow");
    waits = ask ("slow");
    ask ("x");
    b.k.kind->cancel (b.k.state, waits);
    b.k.kind->cancel (b.k.state, runs);
    until (1);
    CHECK (b.k.r.id.number == 2);
    kit_close (&b.k);
}

/* ---- opening ---- */

static void opening_says_what_is_missing (void)
{
    static const struct {
        const char *yaml;
        esp_err err;
        const char *says;
    } rows[] = {
        {"{}", ESP_EINVAL, "verifier.program: name the program"},
        {"{program: []}", ESP_EINVAL, "verifier.program: name the program"},
        {"{program: no-such-program-here}", ESP_ENOENT, "no-such-program-here"},
        {"{program: ./no/such/file}", ESP_ENOENT, "./no/such/file"},
        {"{program: [/nowhere/at/all, x]}", ESP_ENOENT, "/nowhere/at/all"},
        {"{program: /usr}", ESP_ENOENT, "/usr"},
        {"{program: /usr/include/stdio.h}", ESP_EPERMISSION, "chmod +x"},
    };
    esp_error error = {0};
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        FAILS (kit_open (&b.k, "command", ENGINE_VERIFIER, rows[i].yaml, &error), rows[i].err);
        CHECK (strstr (error.text, rows[i].says) && strstr (error.text, "verifier.program"));
        config_destroy (b.k.options);
    }
    FAILS (verifier_command.open (NULL, &b.k.state, &error), ESP_EINVAL);
    verifier_command.close (NULL);
}

static void the_sandbox_holds_the_program_and_its_files_and_nothing_else (void)
{
    esp_error error = {0};
    char more[2 * PATH_MAX + 64], data[] = "/tmp/esp-command-XXXXXX", secret[64], yaml[2 * PATH_MAX];
    esp_err err;
    CHECK (mkdtemp (data) != NULL && chmod (data, 0755) == 0);
    snprintf (secret, sizeof (secret), "%s/secret", data);
    snprintf (script, sizeof (script), "%s/verify.sh", data);
    FILE *f = fopen (script, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL (f);
    fprintf (f,
             "read -r line\n[ -e %s ] && verdict=fail || verdict=pass\n"
             "echo \"{\\\"verdict\\\": \\\"$verdict\\\"}\"\n",
             secret);
    fclose (f);
    fclose (fopen (secret, "w"));
    snprintf (yaml, sizeof (yaml), "{program: [sh, %s], mode: one-shot}", script);
    err = kit_open (&b.k, "command", ENGINE_VERIFIER, yaml, &error);
    if (err == ESP_OK) {
        esp_buf said = {0};
        b.count = 0;
        ask ("x");
        until (1);
        last_was (VERDICT_PASS, "command", "");
        PASS (b.k.kind->describe (b.k.state, &said));
        CHECK (strstr (esp_buf_text (&said), "sandbox bwrap") != NULL);
        esp_buf_free (&said);
        kit_close (&b.k);
        snprintf (more, sizeof (more), "{program: [sh, %s], mode: one-shot, binds: [%s]}", script,
                  secret);
        PASS (kit_open (&b.k, "command", ENGINE_VERIFIER, more, &error));
        ask ("x");
        until (1);
        last_was (VERDICT_FAIL, "command", "");
        kit_close (&b.k);
        snprintf (more, sizeof (more), "{program: [sh, %s], binds: [%s/nothing]}", script, data);
        FAILS (kit_open (&b.k, "command", ENGINE_VERIFIER, more, &error), ESP_EUNSUPPORTED);
        CHECK (strstr (error.text, "nothing") != NULL);
    } else {
        printf ("    skipped: %s\n", error.text);
        CHECK (err == ESP_ENOENT || err == ESP_EUNSUPPORTED);
    }
    config_destroy (b.k.options);
    CHECK (unlink (secret) == 0 && unlink (script) == 0 && rmdir (data) == 0);
}

static esp_err scenario (long n)
{
    unsigned before = b.k.calls;
    esp_err err;
    esp_alloc_fail_after (n);
    err = b.k.kind->open (&b.k.setup, &b.k.state, NULL);
    if (err == ESP_OK) {
        b.count = 0;
        ask ("full \\boxed{18}");
        until (before + 1);
        err = b.k.r.error == ESP_OK && b.k.r.verdict != VERDICT_FAIL ? ESP_ENOMEM : b.k.r.error;
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
    given (", processes: 1");
    b.k.kind->close (b.k.state);
    live = esp_alloc_live ();
    for (long n = 0; err != ESP_OK && n < 80; n++) {
        err = scenario (n);
        CU_ASSERT_EQUAL (esp_alloc_live (), live);
    }
    CU_ASSERT_EQUAL (err, ESP_OK);
    config_destroy (b.k.options);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"what it says is the verdict", what_it_says_is_the_verdict},
        {"a program for each candidate", a_program_for_each_candidate},
        {"what is no verdict costs its own candidate only",
         what_is_no_verdict_costs_its_own_candidate_only},
        {"a process that ends, or never stops talking, makes its job unknown",
         a_process_that_ends_or_never_stops_talking_makes_its_job_unknown},
        {"one that hangs is killed, with all it started",
         one_that_hangs_is_killed_with_all_it_started},
        {"nobody waits for a program that never stays up",
         nobody_waits_for_a_program_that_never_stays_up},
        {"a cancelled job is not heard of again", a_cancelled_job_is_not_heard_of_again},
        {"opening says what is missing", opening_says_what_is_missing},
        {"the sandbox holds the program and its files, and nothing else",
         the_sandbox_holds_the_program_and_its_files_and_nothing_else},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("verifier_command", cases);
}
