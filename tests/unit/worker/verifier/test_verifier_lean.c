/* SPDX-License-Identifier: Apache-2.0 */
/* test_verifier_lean.c - the verifier `lean` against a stand-in for Lean's REPL (tests/support/fake_lean.py), which also fails in many ways */

// LINK: esp_engine_table esp_config

#include <stdlib.h>
#include <unistd.h>
#include "tests/unit/worker/verifier/verifier_kit.h"

static char log_file[512];

#define ROW(statement)                                                                             \
    "{\"header\": \"import A\", \"formal_statement\": \"theorem t : " statement "\"}"
#define TWO ROW ("1 + 1 = 2 := by sorry")

/* False: no Python here. */
static bool opened (const char *options)
{
    char yaml[2048];
    esp_error error = {0};
    esp_err err;
    if (system ("command -v python3 >/dev/null 2>&1") != 0) {
        printf ("    skipped: no python3 here\n");
        return false;
    }
    snprintf (log_file, sizeof (log_file), "%s/log", suite_folder ());
    snprintf (yaml, sizeof (yaml),
              "{sandbox: none, command: python3 %s/../support/fake_lean.py %s%s}", ESP_TESTS_UNIT,
              log_file, options);
    b.count = 0;
    err = kit_open (&b.k, "lean", ENGINE_VERIFIER, yaml, &error);
    if (err != ESP_OK)
        printf ("    %s\n", error.text);
    CU_ASSERT_EQUAL_FATAL (err, ESP_OK);
    return true;
}

static unsigned logged (const char *word)
{
    char line[64];
    unsigned n = 0;
    FILE *f = fopen (log_file, "r");
    while (f && fgets (line, sizeof (line), f))
        n += strncmp (line, word, strlen (word)) == 0;
    if (f)
        fclose (f);
    return n;
}

static void judge (const char *json, const char *text, enum verdict verdict, const char *reason)
{
    unsigned before = b.k.calls;
    ask_text (json, text);
    for (time_t since = 0; b.k.calls == before && patience (&since);)
        sleep_and_poll (50);
    CU_ASSERT_EQUAL (b.k.calls, before + 1);
    if (b.k.r.verdict != verdict || strcmp (b.k.reason, reason) != 0)
        printf ("    %s: %s %s\n", text, verdict_names[b.k.r.verdict], b.k.reason);
    CHECK (b.k.r.error == ESP_OK && b.k.r.verdict == verdict);
    CU_ASSERT_STRING_EQUAL (b.k.reason, reason);
}

static void proofs_are_judged (void)
{
    if (!opened (""))
        return;
    judge (TWO, "rfl", VERDICT_PASS, "proof-checked");
    judge (TWO, "```lean\nclassical\n```", VERDICT_PASS, "proof-checked");
    judge (TWO, "theorem t : 1 + 1 = 2 := by\n  rfl", VERDICT_PASS, "proof-checked");
    judge (TWO, "nonsense", VERDICT_FAIL, "lean-error");
    judge (TWO, "use_axiom", VERDICT_FAIL, "axiom-not-allowed");
    judge (TWO, "admit_it", VERDICT_FAIL, "admitted");
    judge (TWO, "warned", VERDICT_FAIL, "admitted");
    judge (TWO, "lies", VERDICT_FAIL, "admitted");
    judge (TWO, "native_decide", VERDICT_FAIL, "forbidden-command");
    judge (TWO, "theorem t : True := trivial", VERDICT_FAIL, "statement-changed");
    judge (TWO, "silent", VERDICT_UNKNOWN, "bad-reply");
    judge (ROW ("no_such_thing := by sorry"), "rfl", VERDICT_UNKNOWN, "bad-problem");
    judge ("{\"header\": \"import bad_header\", \"theorem\": \"theorem t : True\"}", "fine",
           VERDICT_UNKNOWN, "bad-problem");
    judge ("{\"problem\": \"1 + 1\"}", "rfl", VERDICT_UNKNOWN, "no-theorem");
    CHECK (logged ("start") == 1);
    kit_close (&b.k);
}

static void headers_are_compiled_once_in_each_process (void)
{
    if (!opened (""))
        return;
    for (int i = 0; i < 5; i++) {
        judge (TWO, "rfl", VERDICT_PASS, "proof-checked");
        judge ("{\"theorem\": \"theorem t : True\"}", "fine", VERDICT_PASS, "proof-checked");
    }
    CHECK (logged ("start") == 1 && logged ("header") == 2); /* the row's, the default */
    for (int i = 0; i < 12; i++) {
        char row[128];
        snprintf (row, sizeof (row),
                  "{\"header\": \"import H%d\", \"theorem\": \"theorem t : True\"}", i);
        judge (row, "fine", VERDICT_PASS, "proof-checked");
    }
    CHECK (logged ("start") == 2 && logged ("header") == 14); /* another one took over */
    kit_close (&b.k);
}

static void a_process_is_used_so_often_and_no_more (void)
{
    if (!opened (", uses: 3"))
        return;
    for (int i = 0; i < 7; i++) /* the probes count too */
        judge (TWO, "rfl", VERDICT_PASS, "proof-checked");
    CHECK (logged ("start") == 3);
    kit_close (&b.k);
}

static void time_runs_out (void)
{
    static const char *const texts[] = {"sleep", "half"};
    if (!opened (", timeout_s: 50"))
        return;
    for (size_t i = 0; i < 2; i++) {
        unsigned before = b.k.calls;
        ask_text (TWO, texts[i]);
        for (int k = 0; k < 20; k++)
            sleep_and_poll (20);
        CHECK (b.k.calls == before);
        b.k.now_ns += 51000000000ULL;
        until (before + 1);
        CHECK (b.k.r.verdict == VERDICT_UNKNOWN);
        CU_ASSERT_STRING_EQUAL (b.k.reason, "timeout");
        judge (TWO, "rfl", VERDICT_PASS, "proof-checked");
    }
    CHECK (logged ("start") == 3);
    kit_close (&b.k);
}

static void processes_that_fail_are_started_again (void)
{
    static const char *const texts[] = {"die", "garbage", "flood", "list"};
    if (!opened (""))
        return;
    for (size_t i = 0; i < 4; i++) {
        judge (TWO, texts[i], VERDICT_UNKNOWN, "verifier-crashed");
        judge (TWO, "rfl", VERDICT_PASS, "proof-checked");
    }
    CHECK (logged ("start") == 5);
    for (int i = 0; i < 8; i++)
        ask_text (TWO, "die");
    for (time_t since = 0; b.k.calls < 16 && patience (&since);) {
        b.k.now_ns += 20000000ULL; /* through the pauses, and sometimes not */
        sleep_and_poll (20);
    }
    CHECK (b.k.calls == 16 && logged ("start") < 16);
    b.k.now_ns += 60000000000ULL;
    judge (TWO, "rfl", VERDICT_PASS, "proof-checked");
    kit_close (&b.k);
}

static void many_at_once_and_cancelled (void)
{
    const job *gone;
    if (!opened (", processes: 3"))
        return;
    for (int i = 0; i < 6; i++)
        ask_text (TWO, "rfl");
    gone = ask_text (TWO, "nonsense");
    b.k.kind->cancel (b.k.state, gone); /* waits */
    until (6);
    gone = ask_text (TWO, "nonsense");
    b.k.kind->cancel (b.k.state, gone); /* at work */
    for (int i = 0; i < 6; i++)
        ask_text (TWO, "rfl");
    until (12);
    CHECK (b.k.r.verdict == VERDICT_PASS && b.k.kind->slots (b.k.state) >= 3);
    kit_do (&b.k, (task){.id = {1, 0}, .kind = TASK_SCORE}, TWO, "rfl");
    CHECK (b.k.r.error == ESP_EUNSUPPORTED);
    kit_close (&b.k);
}

static void refused (const char *yaml, esp_err err, const char *words)
{
    esp_error error = {0};
    CHECK (kit_open (&b.k, "lean", ENGINE_VERIFIER, yaml, &error) == err);
    if (!strstr (error.text, words))
        printf ("    %s\n", error.text);
    CHECK (strstr (error.text, words) != NULL);
    config_destroy (b.k.options);
}

static void a_wrong_command_is_found_before_the_run (void)
{
    refused ("{sandbox: none, command: /nowhere/repl}", ESP_EENGINE,
             "verifier.command: /nowhere/repl (in /) does not answer as a Lean 4 REPL does");
    refused ("{sandbox: none, command: 'true'}", ESP_EENGINE, "does not answer");
    refused ("{sandbox: none, command: cat}", ESP_EENGINE, "does not answer");
    refused ("{sandbox: none, command: 'true', folder: /nowhere/at/all}", ESP_ENOENT,
             "verifier.folder: there is no folder /nowhere/at/all");
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"proofs are judged", proofs_are_judged},
        {"headers are compiled once in each process", headers_are_compiled_once_in_each_process},
        {"a process is used so often and no more", a_process_is_used_so_often_and_no_more},
        {"time runs out", time_runs_out},
        {"processes that fail are started again", processes_that_fail_are_started_again},
        {"many at once, and cancelled", many_at_once_and_cancelled},
        {"a wrong command is found before the run", a_wrong_command_is_found_before_the_run},
        {NULL, NULL},
    };
    return suite_main ("verifier_lean", cases);
}
