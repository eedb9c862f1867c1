/* SPDX-License-Identifier: Apache-2.0 */
/* test_verifier_puzzle.c - what the puzzle verifier lets through, and what not */

// LINK: esp_engine_table esp_config PkgConfig::JANSSON

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include "proto/base/alloc.h"
#include "proto/base/rng.h"
#include "tests/unit/worker/engine_kit.h"

#define S1 "13 - 9 = 4 (left: 4 4 10)\n"
#define S2 "10 - 4 = 6 (left: 4 6)\n"
#define S3 "4 * 6 = 24 (left: 24)\n"

static const char game[] = "{\"numbers\": [4, 9, 10, 13], \"target\": 24}";
static const task verify = {.id = {1, 2}, .kind = TASK_VERIFY};

static void right_chains_pass_with_their_expression (void)
{
    struct kit k;
    PASS (kit_open (&k, "puzzle", ENGINE_VERIFIER, NULL, NULL));
    kit_do (&k, verify, game, S1 S2 S3);
    CHECK (k.r.error == ESP_OK && k.r.verdict == VERDICT_PASS && isnan (k.r.share));
    CU_ASSERT_STRING_EQUAL (k.reason, "solved");
    CU_ASSERT_STRING_EQUAL (k.answer, "(13-9)*(10-4)");
    kit_do (&k, verify, "{\"numbers\": [3, 3, 8, 8], \"target\": \"24\"}",
            "8 / 3 = 8/3 (left: 8/3 3 8)\n3 - 8/3 = 1/3 (left: 1/3 8)\n8 / 1/3 = 24 (left: 24)\n");
    CHECK (k.r.verdict == VERDICT_PASS);
    CU_ASSERT_STRING_EQUAL (k.answer, "8/(3-8/3)");
    kit_do (&k, verify, "{\"numbers\": [1, 2, 3], \"target\": \"-2/6\"}",
            "2 - 3 = -1 (left: -1 1)\n\n1 + -1 = 0 (left: 0)\n");
    CHECK (k.r.verdict == VERDICT_FAIL);
    CU_ASSERT_STRING_EQUAL (k.reason, "wrong-result");
    CU_ASSERT_STRING_EQUAL (k.answer, "2+1-3");
    kit_close (&k);
}

static void mutated_chains_never_pass (void)
{
    static const struct {
        const char *text;
        enum verdict verdict;
        const char *reason;
    } rows[] = {
        {"", VERDICT_UNKNOWN, "unfinished"},
        {S1, VERDICT_UNKNOWN, "unfinished"},
        {S1 S2, VERDICT_UNKNOWN, "unfinished"},
        {S2 S1 S3, VERDICT_FAIL, "wrong-left"},
        {S1 S2 S3 S3, VERDICT_FAIL, "number-not-there"},
        {S1 S2 S2 S3, VERDICT_FAIL, "number-not-there"},
        {S1 S1 S2 S3, VERDICT_FAIL, "number-not-there"},
        {S2 S3, VERDICT_FAIL, "wrong-left"},
        {S3, VERDICT_FAIL, "number-not-there"},
        {S1 S3, VERDICT_FAIL, "number-not-there"},
        {S1 S2 "4 * 6 = 25 (left: 25)\n", VERDICT_FAIL, "wrong-arithmetic"},
        {S1 S2 "4 * 6 = 24 (left: 25)\n", VERDICT_FAIL, "wrong-left"},
        {S1 S2 "4 * 6 = 24 (left: 24 24)\n", VERDICT_FAIL, "wrong-left"},
        {S1 S2 "4 * 6 = 24 (left:)\n", VERDICT_FAIL, "wrong-left"},
        {S1 S2 "6 / 4 = 3/2 (left: 3/2)\n", VERDICT_FAIL, "wrong-result"},
        {S1 S2 "4 - 6 = -2 (left: -2)\n", VERDICT_FAIL, "wrong-result"},
        {S1 S2 "4 - 6 = 2 (left: 2)\n", VERDICT_FAIL, "wrong-arithmetic"},
        {S1 S2 "6 / 4 = 1 (left: 1)\n", VERDICT_FAIL, "wrong-arithmetic"},
        {S1 S2 "8 * 3 = 24 (left: 24)\n", VERDICT_FAIL, "number-not-there"},
        {S1 S2 "4 * 6 = 24.0 (left: 24)\n", VERDICT_UNKNOWN, "not-a-step"},
        {S1 S2 "4 * 6 = 24\n", VERDICT_UNKNOWN, "not-a-step"},
        {S1 S2 "4 x 6 = 24 (left: 24)\n", VERDICT_UNKNOWN, "not-a-step"},
        {S1 S2 "4*6=24 (left: 24)\n", VERDICT_UNKNOWN, "not-a-step"},
        {S1 S2 "4 * 6 = 24 (left: 24)!\n", VERDICT_UNKNOWN, "not-a-step"},
        {S1 S2 "4 * 6 = 24 (LEFT: 24)\n", VERDICT_UNKNOWN, "not-a-step"},
        {S1 S2 "4 * 6 = 24 (left: 24) (left: 24)\n", VERDICT_UNKNOWN, "not-a-step"},
        {S1 S2 "4 * 6 = 24 (left: 24)\r\n", VERDICT_UNKNOWN, "not-a-step"},
        {S1 S2 S3 "the answer is 24\n", VERDICT_UNKNOWN, "not-a-step"},
        {"\\boxed{24}", VERDICT_UNKNOWN, "not-a-step"},
        {"13 - 9 = 4 (left: 4 10)\n" S2 S3, VERDICT_FAIL, "wrong-left"},
        {"13 - 9 = 4 (left: 4 4 6)\n" S3, VERDICT_FAIL, "wrong-left"},
        {"12 + 12 = 24 (left: 24)\n", VERDICT_FAIL, "number-not-there"},
        {"4 * 4 = 16 (left: 9 10 13 16)\n", VERDICT_FAIL, "number-not-there"},
        {"4 + 9 = 4294967309 (left: 10 13 13)\n", VERDICT_FAIL, "wrong-arithmetic"},
        {"4 + 9 = 18446744073709551629 (left: 10 13 13)\n", VERDICT_FAIL, "wrong-arithmetic"},
    };
    struct kit k;
    PASS (kit_open (&k, "puzzle", ENGINE_VERIFIER, NULL, NULL));
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        kit_do (&k, verify, game, rows[i].text);
        CHECK (k.r.error == ESP_OK && k.r.verdict == rows[i].verdict);
        CU_ASSERT_STRING_EQUAL (k.reason, rows[i].reason);
        if (k.r.verdict != rows[i].verdict || strcmp (k.reason, rows[i].reason) != 0)
            printf ("    row %zu: %s\n", i, k.reason);
    }
    kit_close (&k);
}

static void a_bad_problem_has_no_verdict (void)
{
    struct kit k;
    PASS (kit_open (&k, "puzzle", ENGINE_VERIFIER, NULL, NULL));
    kit_do (&k, verify, "{\"numbers\": [24], \"target\": 24}", S3);
    CHECK (k.r.error == ESP_OK && k.r.verdict == VERDICT_UNKNOWN);
    CU_ASSERT_STRING_EQUAL (k.reason, "bad-problem");
    kit_do (&k, verify, "not json", S3);
    CHECK (k.r.verdict == VERDICT_UNKNOWN);
    kit_do (&k, (task){.kind = TASK_SCORE}, game, S1);
    CHECK (k.r.error == ESP_EUNSUPPORTED && k.r.verdict == VERDICT_NONE);
    kit_close (&k);
}

/* ---- every solution of the data, found by a search of its own with 64-bit fractions ---- */

struct fraction {
    int64_t up, down; /* down > 0, reduced */
};

struct finder {
    struct kit *kit;
    const char *json;
    unsigned most, found;
};

static struct fraction reduced (int64_t up, int64_t down)
{
    int64_t a = up < 0 ? -up : up, b = down < 0 ? -down : down;
    while (b) {
        int64_t r = a % b;
        a = b, b = r;
    }
    if (down < 0)
        a = -a;
    return (struct fraction){up / a, down / a};
}

static bool compute (struct fraction a, char op, struct fraction b, struct fraction *r)
{
    if (op == '/' && b.up == 0)
        return false;
    *r = op == '+'   ? reduced (a.up * b.down + b.up * a.down, a.down * b.down)
         : op == '-' ? reduced (a.up * b.down - b.up * a.down, a.down * b.down)
         : op == '*' ? reduced (a.up * b.up, a.down * b.down)
                     : reduced (a.up * b.down, a.down * b.up);
    return true;
}

static int print_fraction (char *out, struct fraction f)
{
    return f.down == 1 ? sprintf (out, "%lld", (long long)f.up)
                       : sprintf (out, "%lld/%lld", (long long)f.up, (long long)f.down);
}

static size_t print_step (char *out, struct fraction a, char op, struct fraction b,
                          const struct fraction *left, size_t n)
{
    char *at = out;
    at += print_fraction (at, a);
    at += sprintf (at, " %c ", op);
    at += print_fraction (at, b);
    at += sprintf (at, " = ");
    at += print_fraction (at, left[n - 1]);
    at += sprintf (at, " (left:");
    for (size_t i = 0; i < n; i++) {
        *at++ = ' ';
        at += print_fraction (at, left[i]);
    }
    at += sprintf (at, ")\n");
    return (size_t)(at - out);
}

static void find (struct finder *f, const struct fraction *x, size_t n, char *text, size_t len)
{
    if (n == 1) {
        if (x[0].up != 24 || x[0].down != 1)
            return;
        f->found++;
        kit_do (f->kit, verify, f->json, text);
        CHECK (f->kit->r.verdict == VERDICT_PASS);
        return;
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            for (const char *op = "+-*/"; *op && i != j && f->found < f->most; op++) {
                struct fraction left[4];
                size_t count = 0;
                for (size_t m = 0; m < n; m++)
                    if (m != i && m != j)
                        left[count++] = x[m];
                if (compute (x[i], *op, x[j], &left[count]))
                    find (f, left, count + 1, text,
                          len + print_step (text + len, x[i], *op, x[j], left, count + 1));
                text[len] = 0;
            }
}

static void every_solution_in_the_data_passes (void)
{
    const char *path = kit_shared ("data/game24.jsonl");
    static struct kit k;
    esp_buf file = {0};
    unsigned rows = 0;
    if (!path)
        return;
    PASS (kit_open (&k, "puzzle", ENGINE_VERIFIER, NULL, NULL));
    PASS (esp_file_read (path, 1 << 24, &file, NULL));
    for (char *line = strtok (file.data, "\n"); line; line = strtok (NULL, "\n"), rows++) {
        json_t *root = json_loads (line, 0, NULL), *numbers = json_object_get (root, "numbers");
        struct finder f = {&k, line, rows % 50 == 0 ? 1000000 : 3,
                           0}; /* all of them for some rows */
        struct fraction x[4];
        char text[512] = "";
        CU_ASSERT_EQUAL_FATAL (json_array_size (numbers), 4);
        for (size_t i = 0; i < 4; i++)
            x[i] = (struct fraction){json_integer_value (json_array_get (numbers, i)), 1};
        find (&f, x, 4, text, 0);
        CHECK (f.found > 0);
        json_decref (root);
    }
    CU_ASSERT_EQUAL (rows, 1362);
    esp_buf_free (&file);
    kit_close (&k);
}

/* Bytes of a right chain are changed, doubled or dropped; whatever comes, a pass has a whole expression. */
static void garbage_does_no_harm (void)
{
    enum { TIMES = 30000 };
    static const char alphabet[] = "0123456789+-*/=():left \n";
    static struct kit k;
    uint64_t draw = 0;
    PASS (kit_open (&k, "puzzle", ENGINE_VERIFIER, NULL, NULL));
    for (int i = 0; i < TIMES; i++) {
        char text[256] = S1 S2 S3;
        uint32_t changes = 1 + esp_draw_below (3, draw++, 4), len = (uint32_t)strlen (text);
        for (uint32_t c = 0; c < changes; c++) {
            uint32_t at = esp_draw_below (3, draw++, len), letter = esp_draw_below (3, draw++, 255);
            text[at] = i % 2 ? alphabet[letter % (sizeof (alphabet) - 1)] : (char)(1 + letter);
        }
        kit_do (&k, verify, game, text);
        CHECK (k.r.error == ESP_OK && k.r.verdict != VERDICT_NONE);
        CHECK (k.r.verdict != VERDICT_PASS || strcmp (k.answer, "(13-9)*(10-4)") == 0);
    }
    kit_close (&k);
}

static esp_err scenario (struct kit *k, long n)
{
    esp_err err;
    esp_alloc_fail_after (n);
    err = k->kind->open (&k->setup, &k->state, NULL);
    if (err == ESP_OK) {
        kit_do (k, verify, game, S1 S2 S3);
        err = k->r.error;
        CHECK (err == ESP_OK ? k->r.verdict == VERDICT_PASS : k->r.verdict == VERDICT_NONE);
        k->kind->close (k->state);
        k->state = NULL;
    }
    esp_alloc_fail_after (-1);
    return err;
}

static void survives_failure_of_every_allocation (void)
{
    struct kit k;
    long live;
    esp_err err = ESP_ENOMEM;
    PASS (kit_open (&k, "puzzle", ENGINE_VERIFIER, NULL, NULL));
    k.kind->close (k.state);
    k.state = NULL;
    live = esp_alloc_live ();
    for (long n = 0; err != ESP_OK && n < 100; n++) {
        err = scenario (&k, n);
        CHECK (err == ESP_OK || err == ESP_ENOMEM);
        CU_ASSERT_EQUAL (esp_alloc_live (), live);
    }
    CU_ASSERT_EQUAL (err, ESP_OK);
    kit_close (&k);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"right chains pass with their expression", right_chains_pass_with_their_expression},
        {"mutated chains never pass", mutated_chains_never_pass},
        {"a bad problem has no verdict", a_bad_problem_has_no_verdict},
        {"every solution in the data passes", every_solution_in_the_data_passes},
        {"garbage does no harm", garbage_does_no_harm},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("verifier_puzzle", cases);
}
