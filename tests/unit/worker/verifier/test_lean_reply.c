/* SPDX-License-Identifier: Apache-2.0 */
/* test_lean_reply.c - what worker/verifier/lean_reply.h promises: pass only where the axioms were told, and all of them are allowed */

// LINK: esp_engine_table PkgConfig::JANSSON

#include "worker/verifier/lean_reply.h"
#include <string.h>
#include "tests/support/suite.h"

static const lean_case the_case = {.name = "A.t", .by_line = 3};
static const char *const allowed[] = {"propext", "Quot.sound"};
static const lean_rules rules = {allowed, 2, 0}, behind_header = {allowed, 2, 4};

#define NONE       "{\"severity\": \"info\", \"data\": \"'A.t' does not depend on any axioms\"}"
#define SOME(list) "{\"severity\": \"info\", \"data\": \"'A.t' depends on axioms: [" list "]\"}"
#define ERROR(line)                                                                                \
    "{\"severity\": \"error\", \"pos\": {\"line\": " line ", \"column\": 0}, \"data\": \"no\"}"
#define SAID(messages) "{\"env\": 1, \"messages\": [" messages "]}"

struct expected {
    const char *said;
    enum verdict verdict;
    const char *reason, *seen;
};

static void judge_all (const struct expected *rows, size_t n, const lean_rules *r)
{
    for (size_t i = 0; i < n; i++) {
        json_t *said = json_loads (rows[i].said, 0, NULL);
        lean_verdict got = {0};
        esp_buf seen = {0};
        CU_ASSERT_PTR_NOT_NULL_FATAL (said);
        PASS (lean_judge (&the_case, said, r, &got, &seen));
        if (got.verdict != rows[i].verdict || strcmp (got.reason, rows[i].reason) != 0)
            printf ("    %s: %s\n", rows[i].said, got.reason);
        CHECK (got.verdict == rows[i].verdict);
        CU_ASSERT_STRING_EQUAL (got.reason, rows[i].reason);
        CU_ASSERT_STRING_EQUAL (esp_buf_text (&seen), rows[i].seen);
        esp_buf_free (&seen);
        json_decref (said);
    }
}

static void only_allowed_axioms_pass (void)
{
    static const struct expected rows[] = {
        {SAID (NONE), VERDICT_PASS, "proof-checked", ""},
        {SAID (SOME ("propext")), VERDICT_PASS, "proof-checked", ""},
        {SAID (SOME ("propext,\\n Quot.sound")), VERDICT_PASS, "proof-checked", ""},
        {SAID (SOME ("propext, x")), VERDICT_FAIL, "axiom-not-allowed",
         "not proved from what is allowed: x"},
        {SAID (SOME ("Lean.ofReduceBool")), VERDICT_FAIL, "axiom-not-allowed",
         "not proved from what is allowed: Lean.ofReduceBool"},
        {SAID (SOME ("sorryAx")), VERDICT_FAIL, "admitted",
         "not proved from what is allowed: sorryAx"},
        {SAID (NONE ", " SOME ("sorryAx")), VERDICT_FAIL, "admitted",
         "not proved from what is allowed: sorryAx"},
        {SAID (SOME ("sorryAx") ", " NONE), VERDICT_FAIL, "admitted",
         "not proved from what is allowed: sorryAx"},
        {"{\"env\": 1, \"sorries\": [{}], \"messages\": [" NONE "]}", VERDICT_FAIL, "admitted", ""},
        {SAID (NONE ", {\"severity\": \"warning\", \"data\": \"declaration uses 'sorry'\"}"),
         VERDICT_FAIL, "admitted", ""},
    };
    judge_all (rows, sizeof (rows) / sizeof (rows[0]), &rules);
}

static void errors_name_the_line_of_the_proof (void)
{
    static const struct expected rows[] = {
        {SAID (ERROR ("5")), VERDICT_FAIL, "lean-error", "line 2: no"},
        {SAID (ERROR ("3")), VERDICT_FAIL, "lean-error", "no"},
        {SAID (ERROR ("2")), VERDICT_UNKNOWN, "bad-problem", ""},
        {SAID (NONE ", " ERROR ("4")), VERDICT_FAIL, "lean-error", "line 1: no"}};
    static const struct expected behind[] = {
        {SAID (ERROR ("9")), VERDICT_FAIL, "lean-error", "line 2: no"},
        {SAID (ERROR ("4")), VERDICT_UNKNOWN, "bad-problem", ""}};
    judge_all (rows, sizeof (rows) / sizeof (rows[0]), &rules);
    judge_all (behind, sizeof (behind) / sizeof (behind[0]), &behind_header);
}

static void what_is_no_answer_is_refused (void)
{
    static const char *const rows[] = {
        "{}",
        "[]",
        "{\"env\": \"1\"}",
        "{\"message\": \"unknown environment\"}",
        "{\"env\": 1}",
        "{\"env\": 1, \"messages\": {}}",
        "{\"env\": 1, \"messages\": [7, null, {\"data\": 3}]}",
        SAID ("{\"data\": \"'A.t' depends on axioms\"}"),
        SAID ("{\"data\": \"'A.t' depends on axioms: [propext\"}"),
        SAID ("{\"data\": \"'A.t' depends on axioms: [propext] and more\"}"),
        SAID ("{\"data\": \"'t' does not depend on any axioms\"}"),
        SAID ("{\"data\": \"'A.t' does not depend on any axioms at all\"}"),
    };
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        json_t *said = json_loads (rows[i], 0, NULL);
        lean_verdict got = {0};
        esp_buf seen = {0};
        FAILS (lean_judge (&the_case, said, &rules, &got, &seen), ESP_EFORMAT);
        CHECK (got.verdict == VERDICT_NONE && seen.len == 0);
        esp_buf_free (&seen);
        json_decref (said);
    }
}

static void a_header_gives_its_environment (void)
{
    static const struct {
        const char *said;
        esp_err err;
    } rows[] = {
        {"{\"env\": 7}", ESP_OK},
        {"{\"env\": 7, \"messages\": [{\"severity\": \"warning\", \"data\": \"x\"}]}", ESP_OK},
        {SAID (ERROR ("1")), ESP_EINVAL},
        {"{\"message\": \"unknown module\"}", ESP_EINVAL},
        {"{\"env\": -1}", ESP_EFORMAT},
        {"{}", ESP_EFORMAT}};
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        json_t *said = json_loads (rows[i].said, 0, NULL);
        int64_t env = 3;
        CHECK (lean_env (said, &env) == rows[i].err);
        CHECK (env == (rows[i].err == ESP_OK ? 7 : 3));
        json_decref (said);
    }
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"only allowed axioms pass", only_allowed_axioms_pass},
        {"errors name the line of the proof", errors_name_the_line_of_the_proof},
        {"what is no answer is refused", what_is_no_answer_is_refused},
        {"a header gives its environment", a_header_gives_its_environment},
        {NULL, NULL},
    };
    return suite_main ("lean_reply", cases);
}
