/* SPDX-License-Identifier: Apache-2.0 */
/* test_coq_reply.c - what worker/verifier/coq_reply.h promises: pass only where every assumption was read and is allowed */

// LINK: esp_engine_table

#include "worker/verifier/coq_reply.h"
#include <string.h>
#include "proto/base/alloc.h"
#include "tests/support/suite.h"

static const coq_case the_case = {
    .name = "t", .first_line = 5, .last_line = 9, .require_line = 6, .chk_line = 7};
static const char *const allowed[] = {"Coq.Logic.FunctionalExtensionality.fun_ext", "Coq.R.dec"};

#define CLOSED  "Closed under the global context\n"
#define FUN_EXT "FunctionalExtensionality.fun_ext\n  : forall (A : Type),\n    A = A\n"

struct expected {
    bool check;
    int status;
    const char *output;
    enum verdict verdict;
    const char *reason, *seen;
};

static void judge_all (const struct expected *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const coq_outcome o = {COQ_SAID, rows[i].check, rows[i].status, span_of (rows[i].output)};
        coq_verdict got;
        esp_buf seen = {0};
        PASS (coq_judge (&the_case, &o, allowed, 2, &got, &seen));
        if (got.verdict != rows[i].verdict || strcmp (got.reason, rows[i].reason) != 0 ||
            strcmp (esp_buf_text (&seen), rows[i].seen) != 0)
            printf ("    %s: %s (%s)\n", rows[i].output, got.reason, esp_buf_text (&seen));
        CHECK (got.verdict == rows[i].verdict);
        CU_ASSERT_STRING_EQUAL (got.reason, rows[i].reason);
        CU_ASSERT_STRING_EQUAL (esp_buf_text (&seen), rows[i].seen);
        esp_buf_free (&seen);
    }
}

static void only_allowed_assumptions_pass (void)
{
    static const struct expected rows[] = {
        {true, 0, CLOSED CLOSED, VERDICT_PASS, "proof-checked", ""},
        {true, 0, CLOSED "Axioms:\n" FUN_EXT, VERDICT_PASS, "proof-checked", ""},
        {true, 0, CLOSED "Axioms:\nR.dec : nat\nfun_ext : x\n", VERDICT_PASS, "proof-checked", ""},
        {true, 0, CLOSED "Axioms:\nclassic : forall P, P\n", VERDICT_FAIL, "axiom-not-allowed",
         "not proved from what is allowed: classic : forall P, P"},
        {true, 0, CLOSED "Axioms:\nEspalier_candidate.t : 1 = 2\n", VERDICT_FAIL, "admitted",
         "not proved from what is allowed: Espalier_candidate.t : 1 = 2"},
        {true, 0, CLOSED "Axioms:\nEspalier_candidate.t_2 : 1 = 2\n", VERDICT_FAIL,
         "axiom-not-allowed", "not proved from what is allowed: Espalier_candidate.t_2 : 1 = 2"},
        {true, 0, CLOSED "Axioms:\n" FUN_EXT "Espalier_candidate.fun_ext : False\n", VERDICT_FAIL,
         "axiom-not-allowed",
         "not proved from what is allowed: Espalier_candidate.fun_ext : False"},
        {true, 0, CLOSED "Axioms:\nEspalier_candidate.f is assumed to be guarded.\n", VERDICT_FAIL,
         "axiom-not-allowed",
         "not proved from what is allowed: Espalier_candidate.f is assumed to be guarded."},
        {true, 0, CLOSED "Axioms:\nfun_ext relies on an unsafe hierarchy.\n", VERDICT_FAIL,
         "axiom-not-allowed",
         "not proved from what is allowed: fun_ext relies on an unsafe hierarchy."},
        {true, 0, CLOSED "Axioms:\nother_fun_ext : P\n", VERDICT_FAIL, "axiom-not-allowed",
         "not proved from what is allowed: other_fun_ext : P"},
        {true, 0, CLOSED "fun_ext : P\n", VERDICT_UNKNOWN, "verifier-crashed", ""},
        {true, 0, CLOSED, VERDICT_UNKNOWN, "verifier-crashed", ""},
        {true, 0, CLOSED CLOSED CLOSED, VERDICT_UNKNOWN, "verifier-crashed", ""},
        {true, 0, "", VERDICT_UNKNOWN, "verifier-crashed", ""},
        {true, 0, "anything\n", VERDICT_UNKNOWN, "verifier-crashed", ""},
        {false, 0, CLOSED CLOSED, VERDICT_UNKNOWN, "verifier-crashed", ""},
    };
    judge_all (rows, sizeof (rows) / sizeof (rows[0]));
}

static void the_statements_own_axioms_are_allowed_to_its_proof (void)
{
    static const struct expected rows[] = {
        {true, 0, "Axioms:\nC.classic : P\nAxioms:\nC.classic : P\n", VERDICT_PASS, "proof-checked",
         ""},
        {true, 0, "Axioms:\nC.classic : P\nAxioms:\nclassic : P\n", VERDICT_FAIL,
         "axiom-not-allowed", "not proved from what is allowed: classic : P"},
        {true, 0, "Axioms:\nC.classic : P\nAxioms:\nC.classic : P\nEspalier_candidate.t : P\n",
         VERDICT_FAIL, "admitted", "not proved from what is allowed: Espalier_candidate.t : P"},
        {true, 0, "Axioms:\nEspalier_candidate.t : P\nAxioms:\nEspalier_candidate.t : P\n",
         VERDICT_UNKNOWN, "verifier-crashed", ""},
    };
    judge_all (rows, sizeof (rows) / sizeof (rows[0]));
}

static void errors_name_the_line_of_the_proof (void)
{
    static const struct expected rows[] = {
        {false, 1, "File \"./M.v\", line 6, characters 7-18:\nError: No such goal.\n\n",
         VERDICT_FAIL, "coq-error", "line 2, characters 7-18:\nError: No such goal."},
        {false, 1,
         "File \"./M.v\", line 5, characters 0-1:\nWarning: x\nFile \"./M.v\", line 7, characters "
         "0-4:\nError:\nFile \"./M.v\", line 1, characters 0-0:\nError: mine\n",
         VERDICT_FAIL, "coq-error",
         "line 3, characters 0-4:\nError:\nFile \"./M.v\", line 1, characters 0-0:\nError: mine"},
        {false, 1, "File \"./M.v\", line 10, characters 0-4:\nError: incomplete\n", VERDICT_FAIL,
         "coq-error", "at the end, characters 0-4:\nError: incomplete"},
        {false, 1, "Error: There are pending proofs\n", VERDICT_FAIL, "coq-error",
         "Error: There are pending proofs"},
        {false, 1, "File \"./M.v\", line 5, characters 0-1:\nError: \xff\xc3\n", VERDICT_FAIL,
         "coq-error", "line 1, characters 0-1:\nError: ??"},
        {false, 1, "File \"./M.v\", line 2, characters 0-4:\nError: no Reals\n", VERDICT_UNKNOWN,
         "bad-problem", ""},
        {false, 127, "", VERDICT_UNKNOWN, "verifier-crashed", ""},
        {false, 1, "", VERDICT_UNKNOWN, "verifier-crashed", ""},
        {true, 1, "File \"./C.v\", line 2, characters 0-4:\nError: x\n", VERDICT_UNKNOWN,
         "bad-problem", ""},
        {true, 1, "File \"./C.v\", line 6, characters 0-4:\nError: Cannot find\n", VERDICT_FAIL,
         "coq-error", "the finished proof cannot be used, characters 0-4:\nError: Cannot find"},
        {true, 1, "File \"./C.v\", line 7, characters 0-4:\nError: The term\n", VERDICT_FAIL,
         "statement-changed", "t is proved of something else, characters 0-4:\nError: The term"},
        {true, 1,
         "File \"./C.v\", line 7, characters 0-4:\nError: The reference was not found in\nthe\n",
         VERDICT_FAIL, "theorem-missing",
         "t is proved of something else, characters 0-4:\nError: The reference was not found "
         "in\nthe"},
    };
    judge_all (rows, sizeof (rows) / sizeof (rows[0]));
}

static void limits_have_their_reasons (void)
{
    static const struct expected rows[] = {
        {false, 152, "", VERDICT_FAIL, "cpu-limit", ""},
        {false, 153, "", VERDICT_FAIL, "output-limit", ""},
        {true, 152, "", VERDICT_FAIL, "cpu-limit", "the finished proof cannot be used"},
        {false, 137, "", VERDICT_UNKNOWN, "killed", ""},
        {false, 139, "", VERDICT_FAIL, "crashed", ""},
        {false, 134, "Fatal error: not enough memory\n", VERDICT_FAIL, "memory-limit",
         "Fatal error: not enough memory"},
        {false, 1, "File \"./M.v\", line 6, characters 0-1:\nError: Out of memory.\n", VERDICT_FAIL,
         "memory-limit", "line 2, characters 0-1:\nError: Out of memory."},
    };
    const coq_outcome late = {.end = COQ_TIMEOUT}, gone = {.end = COQ_CRASHED};
    coq_verdict got;
    esp_buf seen = {0};
    judge_all (rows, sizeof (rows) / sizeof (rows[0]));
    PASS (coq_judge (&the_case, &late, allowed, 2, &got, &seen));
    CHECK (got.verdict == VERDICT_UNKNOWN && strcmp (got.reason, "timeout") == 0);
    PASS (coq_judge (&the_case, &gone, allowed, 2, &got, &seen));
    CHECK (got.verdict == VERDICT_UNKNOWN && strcmp (got.reason, "verifier-crashed") == 0);
    CHECK (seen.len == 0);
}

static void a_long_error_is_cut_between_characters (void)
{
    static char text[20000] = "File \"./M.v\", line 5, characters 0-1:\nError: ";
    coq_outcome o = {.end = COQ_SAID, .status = 1};
    coq_verdict got;
    esp_buf seen = {0};
    for (size_t i = strlen (text); i + 2 < sizeof (text); i += 2)
        memcpy (text + i, "\xc3\xa9", 2);
    o.output = span_of (text);
    PASS (coq_judge (&the_case, &o, allowed, 2, &got, &seen));
    CHECK (seen.len <= COQ_OBSERVATION_MOST && seen.len > COQ_OBSERVATION_MOST / 2);
    CHECK (esp_utf8_valid (esp_buf_span (&seen)) && !strchr (esp_buf_text (&seen), '?'));
    esp_buf_free (&seen);
}

static void types_of_the_header_leave_it_open (void)
{
    static const coq_case types = {.name = "t",
                                   .first_line = 5,
                                   .last_line = 9,
                                   .require_line = 6,
                                   .chk_line = 7,
                                   .new_types = true};
    const coq_outcome o = {COQ_SAID, true, 1,
                           span_of ("File \"./C.v\", line 7, characters 0-4:\nError: The term\n")};
    coq_verdict got;
    esp_buf seen = {0};
    PASS (coq_judge (&types, &o, allowed, 2, &got, &seen));
    CHECK (got.verdict == VERDICT_UNKNOWN && strcmp (got.reason, "header-types") == 0);
    CHECK (seen.len == 0);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"only allowed assumptions pass", only_allowed_assumptions_pass},
        {"the statement's own axioms are allowed to its proof",
         the_statements_own_axioms_are_allowed_to_its_proof},
        {"errors name the line of the proof", errors_name_the_line_of_the_proof},
        {"types of the header leave it open", types_of_the_header_leave_it_open},
        {"limits have their reasons", limits_have_their_reasons},
        {"a long error is cut between characters", a_long_error_is_cut_between_characters},
        {NULL, NULL},
    };
    return suite_main ("coq_reply", cases);
}
