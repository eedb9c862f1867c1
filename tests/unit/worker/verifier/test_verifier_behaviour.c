/* SPDX-License-Identifier: Apache-2.0 */
/* test_verifier_behaviour.c - what programs do, as words; where the host allows no sandbox the cases say that they were skipped */

// LINK: esp_engine_table esp_config

#include <math.h>
#include "tests/unit/worker/verifier/verifier_kit.h"

#define SQUARE                                                                                     \
    "{\"problem\": \"Square.\", \"tests\": [{\"call\": \"f\", \"args\": [3], \"result\": 9}]}"
#define LISTS "{\"problem\": \"Do it.\", \"entry_point\": \"f\", \"inputs\": [[[3, 1, 2]], [[1]]]}"
#define STDIN "{\"problem\": \"Add.\", \"inputs\": [\"1 2\", \"5 5\"]}"

static bool opened (const char *yaml)
{
    esp_error error = {0};
    esp_err err;
    b.count = 0;
    err = kit_open (&b.k, "behaviour", ENGINE_VERIFIER, yaml, &error);
    if (err == ESP_OK)
        return true;
    printf ("    skipped: %s\n", error.text);
    CHECK (err == ESP_ENOENT || err == ESP_EUNSUPPORTED);
    config_destroy (b.k.options);
    return false;
}

static void judge (const char *json, const char *text)
{
    ask_text (json, text);
    until (b.k.calls + 1);
}

/* The word of a program; "" after a failed check. */
static const char *word (const char *json, const char *text)
{
    static char words[8][64];
    static unsigned at;
    char *kept = words[at++ % 8];
    judge (json, text);
    CHECK (b.k.r.error == ESP_OK && b.k.r.verdict == VERDICT_UNKNOWN);
    CU_ASSERT_STRING_EQUAL (b.k.reason, "behaviour");
    CHECK (strncmp (b.k.answer, "behaviour:", 10) == 0 && strlen (b.k.answer) == 26);
    snprintf (kept, 64, "%s", b.k.answer);
    return kept;
}

static void programs_that_do_the_same_have_the_same_word (void)
{
    static const struct {
        const char *json, *one, *other;
        bool same;
    } rows[] = {
        {SQUARE, "def f(x): return x * x", "def f(x):\n    return x ** 2", true},
        {SQUARE, "def f(x): return x * x", "def f(x): return float(x * x)", true},
        {SQUARE, "def f(x): return x * x", "def f(x): return abs(x) * x", false},
        {SQUARE, "def f(x): return x * x", "def f(x): return 9", false},
        {SQUARE, "def f(x): return x * x", "def f(x): return str(x * x)", false},
        {SQUARE, "def f(x): return x * x",
         "def f(x):\n    if x < 0: raise ValueError\n    return x * x", false},
        {LISTS, "def f(l): return sorted(l)", "def f(l): return sorted(l[::-1])", true},
        {LISTS, "def f(l): return sorted(l)", "def f(l):\n    l.sort()\n    return l",
         false}, /* it changes what it was given */
        {LISTS, "def f(l): return set(l)", "def f(l): return set(reversed(l))", true},
        {LISTS, "def f(l): return {i: i for i in l}", "def f(l): return {i: i for i in l[::-1]}",
         true},
        {STDIN, "print(sum(map(int, input().split())))",
         "a = input().split()\nprint(int(a[0]) + int(a[1]), end=' \\n\\n')",
         false}, /* made: one number */
        {STDIN, "print(sum(map(int, input().split())))",
         "s = 0\nfor w in input().split(): s += int(w)\nprint(s, '')", true},
    };
    if (!opened ("{processes: 2}"))
        return;
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        bool same =
            strcmp (word (rows[i].json, rows[i].one), word (rows[i].json, rows[i].other)) == 0;
        if (same != rows[i].same)
            printf ("    %s | %s\n", rows[i].one, rows[i].other);
        CHECK (same == rows[i].same);
    }
    kit_close (&b.k);
}

static void a_word_is_the_same_in_every_run (void)
{
    char first[64];
    if (!opened ("{processes: 1}"))
        return;
    snprintf (first, sizeof (first), "%s", word (SQUARE, "def f(x): return x * x"));
    CHECK (b.k.r.share == 1);
    kit_close (&b.k);
    if (!opened ("{processes: 2}"))
        return;
    CU_ASSERT_STRING_EQUAL (word (SQUARE, "def f(x): return x * x"), first);
    kit_close (&b.k);
    if (!opened ("{processes: 1, inputs: 1}")) /* the given one only: they cannot be told apart */
        return;
    CU_ASSERT_STRING_EQUAL (word (SQUARE, "def f(x): return 9"),
                            word (SQUARE, "def f(x): return x * x"));
    CHECK (strcmp (word (SQUARE, "def f(x): return 9"), first) != 0);
    kit_close (&b.k);
}

static void what_has_no_word (void)
{
    static const struct {
        const char *json, *text;
        enum verdict verdict;
        const char *reason;
    } rows[] = {
        {SQUARE, "def f(x): return x / 0", VERDICT_FAIL, "crashed-everywhere"},
        {SQUARE, "def g(x): return x", VERDICT_FAIL, "crashed-everywhere"},
        {SQUARE, "def f(x): return", VERDICT_UNKNOWN, "behaviour"},
        {SQUARE, "def f(x) return", VERDICT_FAIL, "program-raised"},
        {SQUARE, "import os\nos._exit(0)", VERDICT_FAIL, "exited"},
        {SQUARE, "import os\ndef f(x): os._exit(0)", VERDICT_FAIL, "crashed-everywhere"},
        {SQUARE, "def f(x): return (i for i in range(x))", VERDICT_UNKNOWN, "cannot-compare"},
        {STDIN, "raise SystemExit(1)", VERDICT_FAIL, "crashed-everywhere"},
        {"{\"problem\": \"x\"}", "def f(x): return x", VERDICT_UNKNOWN, "no-inputs"},
        {"{\"problem\": \"x\", \"inputs\": []}", "def f(x): return x", VERDICT_UNKNOWN,
         "no-inputs"},
        {"{\"problem\": \"x\", \"inputs\": [[1]]}", "def f(x): return x", VERDICT_UNKNOWN,
         "no-inputs"}, /* of which function? */
        {"{\"problem\": \"x\", \"inputs\": 7}", "print(1)", VERDICT_UNKNOWN, "bad-problem"},
        {"{\"problem\": \"x\", \"inputs\": [\"1\", [1]]}", "print(1)", VERDICT_UNKNOWN,
         "bad-problem"},
        {"{\"problem\": \"x\", \"inputs\": [{\"arg\": 1}]}", "print(1)", VERDICT_UNKNOWN,
         "bad-problem"},
    };
    if (!opened ("{processes: 1}"))
        return;
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        judge (rows[i].json, rows[i].text);
        if (strcmp (b.k.reason, rows[i].reason) != 0)
            printf ("    %s: %s\n", rows[i].text, b.k.reason);
        CHECK (b.k.r.error == ESP_OK && b.k.r.verdict == rows[i].verdict);
        CU_ASSERT_STRING_EQUAL (b.k.reason, rows[i].reason);
        CHECK ((b.k.answer[0] != 0) == (strcmp (rows[i].reason, "behaviour") == 0));
    }
    kit_close (&b.k);
}

/* A made input may lie outside of what the problem means. */
static void a_program_that_dies_on_a_made_input_keeps_what_it_did_before (void)
{
    if (!opened ("{processes: 1, cpu_s: 1}"))
        return;
    const char *hangs = word (SQUARE, "def f(x):\n    while x != 3: pass\n    return 9");
    CHECK (b.k.r.share > 0 && b.k.r.share < 1);
    CU_ASSERT_STRING_EQUAL (
        word (SQUARE, "def f(x):\n    for _ in iter(int, int(x != 3)): pass\n    return x * x"),
        hangs);
    CHECK (strcmp (word (SQUARE, "def f(x): return x * x"), hangs) != 0);
    kit_close (&b.k);
}

static void examples_of_docstrings_are_inputs (void)
{
    static const char row[] =
        "{\"prompt\": \"def f(x, k=1):\\n    \\\"\\\"\\\"Do.\\n    >>> f(2, k=3)\\n    6\\n    "
        "\\\"\\\"\\\"\\n\", \"entry_point\": \"f\", \"test\": \"def check(candidate):\\n    assert "
        "candidate(1) == 1\\n\"}";
    if (!opened ("{processes: 1, inputs: 4}"))
        return;
    CU_ASSERT_STRING_EQUAL (word (row, "    return x * k\n"), word (row, "    return k * x\n"));
    CHECK (strcmp (word (row, "    return x * k\n"), word (row, "    return x + k\n")) != 0);
    CHECK (strcmp (word (row, "    return x * k\n"), word (row, "    return 6\n")) != 0);
    kit_close (&b.k);
}

/* Where nothing can judge there are no tests either; a model goes on from the prompt all the same. */
static void a_program_may_go_on_from_a_prompt_without_tests (void)
{
    static const char head[] =
        "{\"prompt\": \"def f(x):\\n    \\\"\\\"\\\"Say f(2).\\\"\\\"\\\"\\n\", "
        "\"entry_point\": \"f\"}",
                      words[] = "{\"prompt\": \"Write f, as in f(2).\", \"entry_point\": \"f\", "
                                "\"inputs\": [[2]]}";
    if (!opened ("{processes: 1, inputs: 4}"))
        return;
    CU_ASSERT_STRING_EQUAL (word (head, "    return x * 3\n"),
                            word (head, "```python\ndef f(y):\n    return 3 * y\n```"));
    CHECK (strcmp (word (head, "    return x\n"), word (head, "    return x * 3\n")) != 0);
    (void)word (words, "def f(x): return x");
    judge (words, "    return x\n");
    CHECK (b.k.r.verdict == VERDICT_FAIL);
    kit_close (&b.k);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"programs that do the same have the same word",
         programs_that_do_the_same_have_the_same_word},
        {"a word is the same in every run", a_word_is_the_same_in_every_run},
        {"what has no word", what_has_no_word},
        {"a program that dies on a made input keeps what it did before",
         a_program_that_dies_on_a_made_input_keeps_what_it_did_before},
        {"examples of docstrings are inputs", examples_of_docstrings_are_inputs},
        {"a program may go on from a prompt without tests",
         a_program_may_go_on_from_a_prompt_without_tests},
        {NULL, NULL},
    };
    return suite_main ("verifier_behaviour", cases);
}
