/* SPDX-License-Identifier: Apache-2.0 */
/* test_lean_text.c - what worker/verifier/lean_text.h promises: our statement, the branch's proof, and what is refused */

// LINK: esp_engine_table

#include "worker/verifier/lean_text.h"
#include <stdio.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "tests/support/suite.h"

#define ROW                                                                                        \
    "{\"header\": \"import A\", \"formal_statement\": \"theorem t (n : Nat) : n = n := by "        \
    "sorry\"}"
#define HEAD "theorem t (n : Nat) : n = n\n  := by\n"
#define TAIL "\n\n#print axioms t\n"

struct body {
    esp_buf header, body;
    lean_case c;
    const char *reason, *word;
};

static esp_err write_body (const char *row, const char *text, struct body *b)
{
    *b = (struct body){0};
    return lean_body (span_of (row), span_of (text), &b->header, &b->body, &b->c, &b->reason,
                      &b->word);
}

static void drop (struct body *b)
{
    esp_buf_free (&b->header);
    esp_buf_free (&b->body);
}

static void the_proof_stands_behind_our_statement (void)
{
    static const struct {
        const char *text, *body;
    } rows[] = {
        {"rfl", HEAD "  rfl" TAIL},
        {"  rfl", HEAD "  rfl" TAIL},
        {"by rfl", HEAD " rfl" TAIL},
        {"by\n  intro\n  rfl\n", HEAD "  intro\n  rfl" TAIL},
        {"intro\nrfl\n\n", HEAD "  intro\n  rfl" TAIL},
        {"```lean4\nrfl\n```", HEAD "  rfl" TAIL},
        {"theorem t (n : Nat) : n = n := by\n  rfl", HEAD "  rfl" TAIL},
        {"import A\n\ntheorem t (n:Nat) :\n  n = n -- easy\n  := by rfl", HEAD " rfl" TAIL},
        {"", HEAD TAIL},
    };
    struct body b;
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        PASS (write_body (ROW, rows[i].text, &b));
        CHECK (b.reason == NULL && b.c.by_line == 2);
        CU_ASSERT_STRING_EQUAL (esp_buf_text (&b.body), rows[i].body);
        CU_ASSERT_STRING_EQUAL (esp_buf_text (&b.header), "import A");
        CU_ASSERT_STRING_EQUAL (b.c.name, "t");
        drop (&b);
    }
}

static void statements_end_in_several_ways (void)
{
    static const char *const ends[] = {"",          " :=",          " := by",
                                       " := sorry", " := by sorry", " := by\\n  sorry\\n"};
    struct body b;
    for (size_t i = 0; i < sizeof (ends) / sizeof (ends[0]); i++) {
        char row[256];
        snprintf (row, sizeof (row), "{\"theorem\": \"def d := 1\\nlemma A.b' : d = 1%s\"}",
                  ends[i]);
        PASS (write_body (row, "rfl", &b));
        CU_ASSERT_STRING_EQUAL (esp_buf_text (&b.body),
                                "def d := 1\nlemma A.b' : d = 1\n  := by\n  rfl\n\n"
                                "#print axioms A.b'\n");
        CHECK (b.c.by_line == 3);
        drop (&b);
    }
    PASS (write_body ("{\"theorem\": \"theorem t : standby\"}", "rfl", &b));
    CHECK (strstr (esp_buf_text (&b.body), "standby\n") != NULL);
    drop (&b);
}

static void another_statement_is_refused (void)
{
    struct body b;
    PASS (write_body (ROW, "theorem t : True := by trivial", &b));
    CU_ASSERT_STRING_EQUAL (b.reason, "statement-changed");
    drop (&b);
    PASS (write_body (ROW, "theorem t (n : Nat) : n = n ∨ True := by simp", &b));
    CU_ASSERT_STRING_EQUAL (b.reason, "statement-changed");
    drop (&b);
    PASS (write_body (ROW, "rfl\ntheorem t (n : Nat) : n = n", &b));
    CU_ASSERT_STRING_EQUAL (b.reason, "statement-changed");
    drop (&b);
}

static void words_are_refused_outside_comments (void)
{
    static const char *const bad[] = {
        "axiom a : False",
        "rfl\n#eval 1",
        "rfl\n\n#exit",
        "have := 1 -- x\nnative_decide",
        "/- a /- b -/ c -/ run_cmd x",
        "end A",
        "exact '\"'.x; native_decide --\"",
        "exact \"--\".x; native_decide",
        "exact ('\"', \"--\"); native_decide",
        "exact \"\\\"--\".x; native_decide",
        "exact s!\"{by native_decide}\".x",
        "exact r\"\\\".x; native_decide --\"",
        "exact r#\"x\"#",
        "exact \xc2\xab\"\xc2\xbb; native_decide",
        "@[implemented_by f] def g := 1",
        "decide +native",
        "set_option debug.skipKernelTC true in rfl",
        "exact '\\''; macro",
    };
    static const char *const good[] = {
        "-- axiom and end\nrfl",
        "/- import /- section -/ end -/ rfl",
        "exact axiom_free.end'",
        "exact fun x' => x'",
        "rw [h] at h'; simp [prefix_sum]",
        "exact 'e'.n",
        "",
        "/- end",
        "-- #eval 1",
    };
    for (size_t i = 0; i < sizeof (bad) / sizeof (bad[0]); i++) {
        if (!lean_forbidden (span_of (bad[i])))
            printf ("    taken: %s\n", bad[i]);
        CHECK (lean_forbidden (span_of (bad[i])) != NULL);
    }
    for (size_t i = 0; i < sizeof (good) / sizeof (good[0]); i++) {
        const char *word = lean_forbidden (span_of (good[i]));
        if (word)
            printf ("    %s: %s\n", good[i], word);
        CHECK (word == NULL);
    }
}

static void what_cannot_be_run_has_a_reason (void)
{
    static char large[300 * 1024];
    static const struct {
        const char *row, *reason;
    } rows[] = {
        {"{}", "no-theorem"},
        {"{\"theorem\": \"def d := 1\"}", "no-theorem"},
        {"{\"theorem\": \"theorem\"}", "no-theorem"},
        {"{\"theorem\": \"-- theorem t\"}", "no-theorem"},
        {"7", "bad-problem"},
    };
    struct body b;
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        PASS (write_body (rows[i].row, "rfl", &b));
        CU_ASSERT_PTR_NOT_NULL_FATAL (b.reason);
        CU_ASSERT_STRING_EQUAL (b.reason, rows[i].reason);
        drop (&b);
    }
    memset (large, ' ', sizeof (large) - 1);
    PASS (write_body (ROW, large, &b));
    CU_ASSERT_STRING_EQUAL (b.reason, "proof-too-long");
    drop (&b);
    PASS (write_body (ROW, "axiom a : False", &b));
    CU_ASSERT_STRING_EQUAL (b.reason, "forbidden-command");
    CU_ASSERT_STRING_EQUAL (b.word, "axiom");
    drop (&b);
}

static void survives_failure_of_every_allocation (void)
{
    esp_err err = ESP_ENOMEM;
    for (long n = 0; err != ESP_OK && n < 200; n++) {
        struct body b;
        esp_alloc_fail_after (n);
        err = write_body (ROW, "rfl", &b);
        esp_alloc_fail_after (-1);
        CHECK (err == ESP_OK || err == ESP_ENOMEM);
        drop (&b);
        CU_ASSERT_EQUAL (esp_alloc_live (), 0);
    }
    CU_ASSERT_EQUAL (err, ESP_OK);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"the proof stands behind our statement", the_proof_stands_behind_our_statement},
        {"statements end in several ways", statements_end_in_several_ways},
        {"another statement is refused", another_statement_is_refused},
        {"words are refused outside comments", words_are_refused_outside_comments},
        {"what cannot be run has a reason", what_cannot_be_run_has_a_reason},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("lean_text", cases);
}
