/* SPDX-License-Identifier: Apache-2.0 */
/* test_verifier_coq.c - proofs by the real coqc in the real sandbox, and a stand-in for coqc that fails in other ways; where there is no
 * coqc, or no sandbox, the cases that need them say that they were skipped */

// LINK: esp_engine_table esp_config

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tests/unit/worker/verifier/verifier_kit.h"

static char observation[4096];
static void (*plain_done) (void *ctx, const job *j, const result *r);

static void keep_observation (void *ctx, const job *j, const result *r)
{
    kit_copy (observation, sizeof (observation), r->observation);
    plain_done (ctx, j, r);
}

/* False: no coqc, or no sandbox here. */
static bool opened (const char *yaml)
{
    esp_error error = {0};
    esp_err err;
    b.count = 0;
    err = kit_open (&b.k, "coq", ENGINE_VERIFIER, yaml, &error);
    if (err == ESP_OK)
        return true;
    printf ("    skipped: %s\n", error.text);
    CHECK (err == ESP_ENOENT || err == ESP_EUNSUPPORTED);
    config_destroy (b.k.options);
    return false;
}

static void judge (const char *json, const char *text, enum verdict verdict, const char *reason)
{
    unsigned before = b.k.calls;
    ask_text (json, text);
    until (before + 1);
    if (b.k.r.verdict != verdict || strcmp (b.k.reason, reason) != 0)
        printf ("    %s: %s %s\n", text, verdict_names[b.k.r.verdict], b.k.reason);
    CHECK (b.k.r.error == ESP_OK && b.k.r.verdict == verdict);
    CU_ASSERT_STRING_EQUAL (b.k.reason, reason);
}

#define ROW(statement)                                                                             \
    "{\"header\": \"Require Import Arith.\", \"formal_statement\": \"" statement "\"}"
#define PLUS  ROW ("Theorem t : forall n : nat, n + 0 = n.")
#define WRONG ROW ("Theorem t : forall n : nat, n = S n.")
#define EM                                                                                         \
    "{\"header\": \"Require Import Classical.\", \"formal_statement\": \"Theorem t : forall P : "  \
    "Prop, P \\\\/ ~ P.\"}"

/* ---- the real one ---- */

static void proofs_are_checked (void)
{
    if (!opened ("{processes: 1}"))
        return;
    judge (PLUS, "induction n; simpl; congruence.", VERDICT_PASS, "proof-checked");
    judge (PLUS, "```coq\nProof.\n  auto.\nQed.\n```", VERDICT_PASS, "proof-checked");
    judge (PLUS, "Require Import Lia. intros. lia.", VERDICT_PASS, "proof-checked");
    judge (PLUS, "reflexivity.", VERDICT_FAIL, "coq-error");
    judge (WRONG, "Admitted.", VERDICT_FAIL, "admitted");
    judge (WRONG, "Axiom a : False. destruct a.", VERDICT_FAIL, "axiom-not-allowed");
    judge (WRONG, "Theorem t : True.\nProof. exact I. Qed.", VERDICT_FAIL, "statement-changed");
    judge (WRONG, "intros n. Abort.", VERDICT_FAIL, "theorem-missing");
    judge (WRONG, "Load \"x\".", VERDICT_FAIL, "forbidden-command");
    judge (EM, "exact classic.", VERDICT_FAIL, "axiom-not-allowed");
    kit_close (&b.k);
}

static void what_is_not_decided (void)
{
    if (!opened ("{processes: 1}"))
        return;
    judge ("{\"problem\": \"1 + 1?\"}", "auto.", VERDICT_UNKNOWN, "no-theorem");
    judge ("{\"theorem\": 7}", "auto.", VERDICT_UNKNOWN, "no-theorem");
    judge (ROW ("Theorem t : no_such_thing."), "auto.", VERDICT_UNKNOWN, "bad-problem");
    judge ("{\"header\": \"Require Import Nowhere.\", \"statement\": \"Theorem t : True.\"}",
           "exact I.", VERDICT_UNKNOWN, "bad-problem");
    judge ("{\"header\": \"Inductive two := a | b.\", \"statement\": \"Theorem t : a <> b.\"}",
           "discriminate.", VERDICT_UNKNOWN, "header-types");
    judge ("{\"header\": \"Inductive two := a | b.\", \"statement\": \"Theorem t : 1 = 1.\"}",
           "reflexivity.", VERDICT_PASS, "proof-checked");
    kit_close (&b.k);
}

static void the_first_error_is_shown_for_repair (void)
{
    if (!opened ("{processes: 1}"))
        return;
    plain_done = b.k.setup.done;
    b.k.kind->close (b.k.state);
    b.k.setup.done = keep_observation;
    PASS (b.k.kind->open (&b.k.setup, &b.k.state, NULL));
    judge (PLUS, "intros n.\nrewrite nothing.", VERDICT_FAIL, "coq-error");
    CHECK (strncmp (observation, "line 2, characters 8-15:\nError:", 30) == 0);
    CHECK (strstr (observation, "nothing was not found") != NULL);
    judge (PLUS, "intros n.", VERDICT_FAIL, "coq-error");
    CHECK (strncmp (observation, "at the end, characters 0-4:", 26) == 0);
    judge (PLUS, "auto.", VERDICT_PASS, "proof-checked");
    CU_ASSERT_STRING_EQUAL (observation, "");
    judge (PLUS, "Cd \"/\".", VERDICT_FAIL, "forbidden-command");
    CU_ASSERT_STRING_EQUAL (observation, "the command Cd is not allowed in a proof");
    kit_close (&b.k);
}

static void axioms_are_the_users_choice (void)
{
    if (!opened ("{processes: 1, classic: true}"))
        return;
    judge (EM, "exact classic.", VERDICT_PASS, "proof-checked");
    kit_close (&b.k);
    if (!opened ("{processes: 1, axioms: [Coq.Logic.Classical_Prop.classic]}"))
        return;
    judge (EM, "exact classic.", VERDICT_PASS, "proof-checked");
    kit_close (&b.k);
}

static void limits_hold (void)
{
    static const char endless[] =
        "Require Import NArith. assert (N.iter 1000000000000000 negb true "
        "= true) by (vm_compute; reflexivity).";
    if (!opened ("{processes: 1, cpu_s: 1, timeout_s: 50}"))
        return;
    judge (WRONG, endless, VERDICT_FAIL, "cpu-limit");
    kit_close (&b.k);
    if (!opened ("{processes: 1, timeout_s: 50, cpu_s: 1000, output_mb: 1}"))
        return;
    judge (WRONG,
           "do 100000000 idtac \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\".",
           VERDICT_FAIL, "output-limit");
    ask_text (WRONG, endless);
    for (int i = 0; i < 10; i++)
        sleep_and_poll (20);
    CHECK (b.k.calls == 1);
    b.k.now_ns += 51000000000ULL;
    until (2);
    CHECK (b.k.r.verdict == VERDICT_UNKNOWN);
    CU_ASSERT_STRING_EQUAL (b.k.reason, "timeout");
    judge (PLUS, "auto.", VERDICT_PASS, "proof-checked"); /* the place is free again */
    kit_close (&b.k);
}

static void many_at_once_and_cancelled (void)
{
    const job *gone;
    if (!opened ("{processes: 3}"))
        return;
    CHECK (b.k.kind->slots (b.k.state) >= 3);
    gone = ask_text (PLUS, "auto.");
    b.k.kind->cancel (b.k.state, gone); /* at work */
    for (int i = 0; i < 8; i++)
        ask_text (PLUS, "auto.");
    gone = ask_text (PLUS, "reflexivity.");
    b.k.kind->cancel (b.k.state, gone); /* waits */
    until (8);
    for (int i = 0; i < 5; i++)
        sleep_and_poll (20);
    CHECK (b.k.calls == 8 && b.k.r.verdict == VERDICT_PASS);
    kit_do (&b.k, (task){.id = {1, 0}, .kind = TASK_SCORE}, PLUS, "auto.");
    CHECK (b.k.r.error == ESP_EUNSUPPORTED);
    kit_close (&b.k);
}

/* ---- programs that are none ---- */

static void refused (const char *yaml, esp_err err, const char *words)
{
    esp_error error = {0};
    CHECK (kit_open (&b.k, "coq", ENGINE_VERIFIER, yaml, &error) == err);
    if (!strstr (error.text, words))
        printf ("    %s\n", error.text);
    CHECK (strstr (error.text, words) != NULL);
    config_destroy (b.k.options);
}

static void a_missing_program_is_named_with_its_package (void)
{
    refused (
        "{sandbox: none, program: /nowhere/coqc}", ESP_ENOENT,
        "verifier.program: there is no program /nowhere/coqc here; install Coq (Debian: apt-get "
        "install coq)");
}

static void a_wrong_program_is_found_before_the_run (void)
{
    refused ("{sandbox: none, program: /bin/true}", ESP_EENGINE,
             "verifier.program: /bin/true does not judge as coqc does");
    refused ("{sandbox: none, program: /bin/false}", ESP_EENGINE, "/bin/false does not judge");
    refused ("{sandbox: none, program: /bin/echo}", ESP_EENGINE, "/bin/echo does not judge");
}

/* ---- a stand-in ---- */

static const char script[] =
    "#!/bin/sh\n"
    "[ \"$1\" = --version ] && { echo 'Stand-in 1.0'; exit; }\n"
    "for file; do :; done\n"
    "case $file in Espalier_check.v) end='Closed under the global context'\n"
    "  case $(cat Espalier_candidate.vo) in *short*) exit 0;; esac\n"
    "  printf '%s\\n%s\\n' 'Closed under the global context' \"$end\"; exit;; esac\n"
    "case $(cat \"$file\") in\n"
    "*induction*|*right*) cat \"$file\" >\"${file%.v}.vo\";;\n"
    "*death*) kill -9 $PPID;;\n"
    "*sleep*) exec sleep 1000;;\n"
    "*flood*) head -c 9000000 /dev/zero >&2; exit 1;;\n"
    "*) echo 'Error: no' >&2; exit 1;;\n"
    "esac\n";

/* In a folder that is removed at the end, with what those leave there that are killed. */
static bool stand_in (const char *options)
{
    const char *folder = suite_folder ();
    char path[512], yaml[1024];
    FILE *f;
    snprintf (path, sizeof (path), "%s/coqc", folder);
    CU_ASSERT_PTR_NOT_NULL_FATAL ((f = fopen (path, "w")));
    fputs (script, f);
    fclose (f);
    CHECK (chmod (path, 0700) == 0);
    setenv ("TMPDIR", folder, 1);
    snprintf (yaml, sizeof (yaml), "{sandbox: none, program: %s%s}", path, options);
    return opened (yaml);
}

static void a_program_that_says_odd_things_passes_nothing (void)
{
    if (stand_in (", processes: 2")) {
        esp_buf lines = {0};
        PASS (b.k.kind->describe (b.k.state, &lines));
        CHECK (strstr (esp_buf_text (&lines), "2 at once, Stand-in 1.0") != NULL);
        esp_buf_free (&lines);
        judge (PLUS, "right", VERDICT_PASS, "proof-checked");
        judge (PLUS, "wrong", VERDICT_FAIL, "coq-error");
        judge (PLUS, "right short", VERDICT_UNKNOWN, "verifier-crashed");
        judge (PLUS, "flood", VERDICT_UNKNOWN, "verifier-crashed");
        kit_close (&b.k);
    }
}

static void a_program_that_dies_holds_nobody_up (void)
{
    if (stand_in (", processes: 1")) {
        judge (PLUS, "death", VERDICT_UNKNOWN, "verifier-crashed");
        judge (PLUS, "right", VERDICT_PASS, "proof-checked");
        for (int i = 0; i < 8; i++)
            ask_text (PLUS, "death");
        for (time_t since = 0; b.k.calls < 10 && patience (&since);) {
            b.k.now_ns += 20000000ULL; /* through the pauses, and sometimes not */
            sleep_and_poll (20);
        }
        CHECK (b.k.calls == 10 && b.k.r.verdict == VERDICT_UNKNOWN);
        b.k.now_ns += 60000000000ULL;
        judge (PLUS, "right", VERDICT_PASS, "proof-checked");
        kit_close (&b.k);
    }
}

static void closing_kills_what_runs (void)
{
    if (stand_in (", processes: 2")) {
        ask_text (PLUS, "sleep");
        ask_text (PLUS, "sleep");
        for (int i = 0; i < 5; i++)
            sleep_and_poll (20);
        kit_close (&b.k); /* does not wait for them */
    }
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"proofs are checked", proofs_are_checked},
        {"what is not decided", what_is_not_decided},
        {"the first error is shown, for repair", the_first_error_is_shown_for_repair},
        {"axioms are the user's choice", axioms_are_the_users_choice},
        {"limits hold", limits_hold},
        {"many at once, and cancelled", many_at_once_and_cancelled},
        {"a missing program is named with its package",
         a_missing_program_is_named_with_its_package},
        {"a wrong program is found before the run", a_wrong_program_is_found_before_the_run},
        {"a program that says odd things passes nothing",
         a_program_that_says_odd_things_passes_nothing},
        {"a program that dies holds nobody up", a_program_that_dies_holds_nobody_up},
        {"closing kills what runs", closing_kills_what_runs},
        {NULL, NULL},
    };
    return suite_main ("verifier_coq", cases);
}
