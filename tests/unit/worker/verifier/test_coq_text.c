/* SPDX-License-Identifier: Apache-2.0 */
/* test_coq_text.c - what worker/verifier/coq_text.h and coq_lex.h promise: the two files, and what is refused */

// LINK: esp_engine_table

#include "worker/verifier/coq_text.h"
#include <string.h>
#include "proto/base/alloc.h"
#include "tests/support/suite.h"
#include "worker/verifier/coq_lex.h"

#define ROW "{\"header\": \"Require Import Arith.\", \"formal_statement\": \"Theorem t : 1 = 1.\"}"

struct files {
    esp_buf candidate, check;
    coq_case c;
    const char *reason, *word;
};

static esp_err write_files (const char *row, const char *text, struct files *f)
{
    *f = (struct files){0};
    return coq_files (span_of (row), span_of (text), &f->candidate, &f->check, &f->c, &f->reason,
                      &f->word);
}

static void drop (struct files *f)
{
    esp_buf_free (&f->candidate);
    esp_buf_free (&f->check);
}

static bool holds (const esp_buf *b, const char *text)
{
    return b->len > 0 && span_find (esp_buf_span (b), span_of (text)) < b->len;
}

static void a_proof_stands_behind_our_statement (void)
{
    struct files f;
    PASS (write_files (ROW, "reflexivity.", &f));
    CHECK (f.reason == NULL);
    CU_ASSERT_STRING_EQUAL (esp_buf_text (&f.candidate),
                            "Require Import Arith.\n\nTheorem t : 1 = 1.\n"
                            "Proof.\nreflexivity.\nQed.\n");
    CHECK (f.c.first_line == 5 && f.c.last_line == 5);
    CU_ASSERT_STRING_EQUAL (f.c.name, "t");
    drop (&f);
    PASS (write_files (ROW, "```coq\nProof.\nreflexivity.\nQed.\n```", &f));
    CU_ASSERT_STRING_EQUAL (esp_buf_text (&f.candidate),
                            "Require Import Arith.\n\nTheorem t : 1 = 1.\n"
                            "Proof.\nreflexivity.\nQed.\n\n");
    CHECK (f.c.first_line == 4 && f.c.last_line == 7);
    drop (&f);
}

static void the_check_states_the_theorem_before_it_requires_the_candidate (void)
{
    struct files f;
    const char *text, *stated, *required;
    PASS (write_files (ROW, "Theorem t : True. exact I. Qed.", &f));
    text = esp_buf_text (&f.check);
    stated = strstr (text, "Theorem t : 1 = 1.\nProof. Admitted.");
    required = strstr (text, "Require " COQ_CANDIDATE ".");
    CHECK (stated && required && stated < required);
    CHECK (!holds (&f.check, "True") && !holds (&f.check, "Import " COQ_CANDIDATE));
    CHECK (holds (&f.check, "exact (" COQ_CANDIDATE ".t : T)"));
    CHECK (f.c.require_line + 1 == f.c.chk_line);
    drop (&f);
}

static void what_stands_around_the_statement_is_sorted (void)
{
    struct files f;
    PASS (write_files ("{\"formal_statement\": \"Definition d := 1. (* Theorem x. *)\\n#[local] "
                       "Lemma a_b' (n : nat) : d = \\\". \\\".\\nProof.\\nAdmitted.\"}",
                       "auto.", &f));
    CU_ASSERT_STRING_EQUAL (f.c.name, "a_b'");
    CHECK (!holds (&f.candidate, "Admitted") && holds (&f.candidate, "Definition d := 1."));
    drop (&f);
    PASS (write_files ("{\"theorem\": \"Theorem t : 1 = 1\"}", "auto.", &f)); /* without a point */
    CHECK (holds (&f.candidate, "Theorem t : 1 = 1.\n") &&
           holds (&f.check, "Theorem t : 1 = 1.\n"));
    drop (&f);
}

static void a_whole_file_is_taken_as_it_is (void)
{
    struct files f;
    PASS (write_files (ROW, "Lemma h : True. exact I. Qed.\nTheorem t : 1 = 1. reflexivity. Qed.",
                       &f));
    CHECK (span_count (esp_buf_span (&f.candidate), span_of ("Theorem t")) == 1);
    drop (&f);
    PASS (write_files (ROW, "Abort.\nTheorem t : True. exact I. Qed.", &f));
    CHECK (span_count (esp_buf_span (&f.candidate), span_of ("Theorem t")) == 2);
    drop (&f);
    PASS (write_files (ROW, "Require Import Lia. lia.", &f)); /* a proof that requires */
    CHECK (span_count (esp_buf_span (&f.candidate), span_of ("Theorem t")) == 1);
    CHECK (span_ends (esp_buf_span (&f.candidate), "lia.\nQed.\n"));
    drop (&f);
}

static void commands_are_refused_wherever_they_stand (void)
{
    static const struct {
        const char *text, *word;
    } rows[] = {
        {"Load \"x\".", "Load"},
        {"auto. (* \" *) *) \" *)Load x", "Load"},
        {"Time Fail Redirect \"f\" Print t.", "Redirect"},
        {"Declare ML (* *) Module \"x\".", "ML"},
        {"Unset Guard\n Checking.", "Guard"},
        {"#[bypass_check(guard)] Fixpoint f.", "bypass_check"},
        {"Print Universes.", "Print"},
        {"Print t. Check universes.", NULL},
        {"(* Load (* Load *) Load *) auto.", NULL},
        {"idtac \"Load \"\" Load\".", NULL},
        {"(* Load", NULL},
        {"Loaded. a.Load_x. Module ML.", NULL},
        {"", NULL},
    };
    struct files f;
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        const char *word = coq_forbidden (span_of (rows[i].text));
        CHECK (word == rows[i].word || (word && rows[i].word && strcmp (word, rows[i].word) == 0));
    }
    PASS (write_files (ROW, "Load \"x\".", &f));
    CU_ASSERT_STRING_EQUAL (f.reason, "forbidden-command");
    CU_ASSERT_STRING_EQUAL (f.word, "Load");
    drop (&f);
}

static void what_cannot_be_run_has_a_reason (void)
{
    static char large[300 * 1024];
    char name[COQ_NAME_MOST + 64] = "{\"theorem\": \"Theorem ";
    struct files f;
    static const struct {
        const char *row, *reason;
    } rows[] = {
        {"{}", "no-theorem"},
        {"{\"formal_statement\": \"Definition d := 1.\"}", "no-theorem"},
        {"{\"formal_statement\": \"Theorem\"}", "no-theorem"},
        {"{\"formal_statement\": \"(* Theorem t : True.\"}", "no-theorem"},
        {"[1]", "bad-problem"},
        {"", "bad-problem"},
    };
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        PASS (write_files (rows[i].row, "auto.", &f));
        CU_ASSERT_PTR_NOT_NULL_FATAL (f.reason);
        CU_ASSERT_STRING_EQUAL (f.reason, rows[i].reason);
        drop (&f);
    }
    memset (name + strlen (name), 'n', COQ_NAME_MOST);
    strcat (name, " : True.\"}");
    PASS (write_files (name, "auto.", &f));
    CU_ASSERT_STRING_EQUAL (f.reason, "bad-problem");
    drop (&f);
    memset (large, ' ', sizeof (large) - 1);
    PASS (write_files (ROW, large, &f));
    CU_ASSERT_STRING_EQUAL (f.reason, "proof-too-long");
    drop (&f);
}

static void sentences_end_where_coq_ends_them (void)
{
    static const char *const expected[] = {"Check a.b.", "Notation \"x .. y\" := (f x .. y).",
                                           "auto...", "idtac \". \".", "last"};
    span rest = span_of (" Check a.b. (* . *) Notation \"x .. y\" := (f x .. y).\nauto...\n"
                         "idtac \". \". last"),
         sentence;
    size_t n = 0;
    while (coq_sentence (&rest, &sentence) && n < 5) {
        CHECK (span_is (sentence, expected[n]));
        n++;
    }
    CHECK (n == 5);
}

static void survives_failure_of_every_allocation (void)
{
    esp_err err = ESP_ENOMEM;
    for (long n = 0; err != ESP_OK && n < 200; n++) {
        struct files f;
        esp_alloc_fail_after (n);
        err = write_files (ROW, "reflexivity.", &f);
        esp_alloc_fail_after (-1);
        CHECK (err == ESP_OK || err == ESP_ENOMEM || f.reason); /* jansson has no words for it */
        err = f.reason ? ESP_ENOMEM : err;
        drop (&f);
        CU_ASSERT_EQUAL (esp_alloc_live (), 0);
    }
    CU_ASSERT_EQUAL (err, ESP_OK);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"a proof stands behind our statement", a_proof_stands_behind_our_statement},
        {"the check states the theorem before it requires the candidate",
         the_check_states_the_theorem_before_it_requires_the_candidate},
        {"what stands around the statement is sorted", what_stands_around_the_statement_is_sorted},
        {"a whole file is taken as it is", a_whole_file_is_taken_as_it_is},
        {"commands are refused wherever they stand", commands_are_refused_wherever_they_stand},
        {"what cannot be run has a reason", what_cannot_be_run_has_a_reason},
        {"sentences end where Coq ends them", sentences_end_where_coq_ends_them},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("coq_text", cases);
}
