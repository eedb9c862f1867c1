/* SPDX-License-Identifier: Apache-2.0 */
/* test_config_write.c - the resolved run file, identity, resume rule, help */

#include "proto/config/config.h"
#include <math.h>
#include "proto/base/rng.h"
#include "tests/unit/proto/config/table.h"

static config *given_bound (const char *yaml)
{
    config *c = given (yaml);
    (void)bind_search (c);
    (void)bind_generator (c);
    return c;
}

static void the_resolved_file_has_every_key_at_its_value (void)
{
    esp_buf out = {0};
    config *c = given_bound (
        "generator: {url: 'http://{host}:8000', note: 'yes', hosts: [a, '1', \"x\\u2028y\"]}\n"
        "search: {keep: 64k, weight: 1e-3, budget: {generations: 1G}}\n");
    PASS (config_resolved (c, &out));
    CU_ASSERT_STRING_EQUAL (esp_buf_text (&out), "search:\n"
                                                 "  strategy: beam\n"
                                                 "  keep: 4\n"
                                                 "  weight: 0.001\n"
                                                 "  aggregate: last\n"
                                                 "  budget.generations: 1000000000\n"
                                                 "  deterministic: true\n"
                                                 "generator:\n"
                                                 "  url: \"http://{host}:8000\"\n"
                                                 "  note: \"yes\"\n"
                                                 "  stop: [\"\\n\\n\"]\n"
                                                 "  hosts: [a, \"1\", \"x\\Ly\"]\n");
    config_destroy (c);
    esp_buf_free (&out);
}

static void absent_texts_without_fallback_are_left_out (void)
{
    esp_buf out = {0};
    config *c = given ("generator: {url: x, stop: []}\n");
    (void)bind_generator (c);
    PASS (esp_buf_puts (&out, "# before\n"));
    PASS (config_resolved (c, &out));
    CU_ASSERT_STRING_EQUAL (esp_buf_text (&out), "# before\ngenerator:\n  url: x\n  stop: []\n");
    config_destroy (c);
    c = given ("a: {b: 1}\n");
    esp_buf_clear (&out);
    PASS (config_resolved (c, &out));
    CU_ASSERT_STRING_EQUAL (esp_buf_text (&out), "{}\n");
    config_destroy (c);
    esp_buf_free (&out);
}

static void lists_and_accepted_sections_are_written (void)
{
    static const esp_option rows[] = {{.key = "most", .type = ESP_OPT_INT, .fallback = "10"},
                                      ESP_OPTION_END};
    int64_t most = 0;
    esp_buf out = {0};
    config *c = given ("prm: {url: x, nested: {a: 1, b: [1, {c: ~}]}, text: '8', lines: "
                       "\"a\\nb\"}\nsamples: [{most: 1}, {}]\n");
    PASS (config_accept_section (c, "prm"));
    for (size_t i = 0; i < 2; i++)
        PASS (config_bind_at (c, "samples", i, (const esp_option *const[]){rows},
                              (void *const[]){&most}, 1));
    PASS (config_resolved (c, &out));
    CU_ASSERT_STRING_EQUAL (esp_buf_text (&out), "prm:\n  url: x\n  nested.a: 1\n  nested.b: [1, "
                                                 "{c: null}]\n  text: '8'\n  lines: \"a\\nb\"\n"
                                                 "samples:\n- most: 1\n- most: 10\n");
    config_destroy (c);
    esp_buf_free (&out);
}

/* --- random tables and values: written, read, equal --- */

enum { ROWS = 12, FIELD = 16 };

struct random_table {
    esp_option rows[ROWS + 1];
    char keys[ROWS][32];
};

static uint64_t next (uint64_t *i)
{
    return esp_draw_bits (7, (*i)++);
}

static void make_table (struct random_table *t, uint64_t *i)
{
    size_t count = next (i) % ROWS + 1;
    memset (t, 0, sizeof (*t));
    for (size_t r = 0; r < count; r++) {
        switch (next (i) % 5) {
        case 0:
            (void)snprintf (t->keys[r], sizeof (t->keys[r]), "key%zu", r);
            break;
        case 1:
            (void)snprintf (t->keys[r], sizeof (t->keys[r]), "group.key%zu", r);
            break;
        case 2:
            (void)snprintf (t->keys[r], sizeof (t->keys[r]), "a.b.c%zu", r);
            break;
        case 3:
            (void)snprintf (t->keys[r], sizeof (t->keys[r]), "null.%zu", r);
            break;
        default:
            (void)snprintf (t->keys[r], sizeof (t->keys[r]), "%zu", r);
        }
        t->rows[r] = (esp_option){.key = t->keys[r],
                                  .type = (enum esp_option_type) (next (i) % 6),
                                  .offset = r * FIELD,
                                  .choices = "null|yes|a b|0|[x"};
    }
}

/* A text from the corners of Unicode and YAML, as a double-quoted scalar of escapes. */
static void add_text (esp_buf *out, uint64_t *i)
{
    static const uint32_t corners[] = {
        1,      7,      9,      10,     13,      0x1b,    ' ',     '"',    '\'',   '\\',
        ':',    '#',    '-',    '[',    '{',     '&',     '*',     '!',    '%',    '@',
        '`',    '~',    0x7f,   0x85,   0xa0,    0xe9,    0x2028,  0x2029, 0xd7ff, 0xe000,
        0xfeff, 0xfffd, 0xfffe, 0xffff, 0x10000, 0x1f600, 0x10ffff};
    size_t len = next (i) % 12;
    PASS (esp_buf_puts (out, "\""));
    for (size_t k = 0; k < len; k++) {
        uint32_t c = next (i) % 3 ? corners[next (i) % (sizeof (corners) / sizeof (*corners))]
                                  : (uint32_t)('a' + next (i) % 26);
        PASS (esp_buf_printf (out, "\\U%08x", (unsigned)c));
    }
    PASS (esp_buf_puts (out, "\""));
}

static void add_value (const esp_option *row, esp_buf *out, uint64_t *i)
{
    static const char *const words[] = {"yes", "off"}, *const choices[] = {"'null'", "yes", "a b",
                                                                           "0", "'[x'"};
    double number;
    uint64_t bits = next (i);
    switch (row->type) {
    case ESP_OPT_BOOL:
        PASS (esp_buf_puts (out, words[bits % 2]));
        break;
    case ESP_OPT_INT:
        PASS (esp_buf_printf (out, "%lld", (long long)(int64_t)(bits >> (next (i) % 64))));
        break;
    case ESP_OPT_DOUBLE:
        memcpy (&number, &bits, sizeof (number));
        PASS (esp_buf_printf (out, "%.17g", isfinite (number) ? number : 0.1));
        break;
    case ESP_OPT_STRING:
        add_text (out, i);
        break;
    case ESP_OPT_CHOICE:
        PASS (esp_buf_puts (out, choices[bits % 5]));
        break;
    case ESP_OPT_STRINGS:
        PASS (esp_buf_puts (out, "["));
        for (size_t k = 0; k < bits % 4; k++) {
            PASS (esp_buf_puts (out, k ? ", " : ""));
            add_text (out, i);
        }
        PASS (esp_buf_puts (out, "]"));
    }
}

static bool same_field (const esp_option *row, const char *a, const char *b)
{
    const esp_strings *x, *y;
    a += row->offset;
    b += row->offset;
    switch (row->type) {
    case ESP_OPT_BOOL:
        return memcmp (a, b, sizeof (bool)) == 0;
    case ESP_OPT_INT:
    case ESP_OPT_DOUBLE: /* bit by bit */
        return memcmp (a, b, 8) == 0;
    case ESP_OPT_CHOICE:
        return memcmp (a, b, sizeof (int)) == 0;
    case ESP_OPT_STRING: {
        const char *s = *(const char *const *)(const void *)a,
                   *t = *(const char *const *)(const void *)b;
        return s && t ? strcmp (s, t) == 0 : s == t;
    }
    case ESP_OPT_STRINGS:
        x = (const void *)a;
        y = (const void *)b;
        for (size_t k = 0; x->count == y->count && k < x->count; k++)
            if (strcmp (x->items[k], y->items[k]) != 0)
                return false;
        return x->count == y->count;
    }
    return false;
}

static config *bind_random (const char *yaml, const struct random_table *t, size_t items,
                            char (*fields)[ROWS * FIELD])
{
    config *c = given (yaml);
    for (size_t k = 0; k < items; k++) {
        memset (fields[k], 0, sizeof (fields[k]));
        PASS (config_bind_at (c, "x", k, (const esp_option *const[]){t->rows},
                              (void *const[]){fields[k]}, 1));
    }
    PASS (config_check_unknown (c));
    expect_mistakes (c, 0, "");
    return c;
}

static void round_trip (uint64_t *i)
{
    struct random_table t;
    _Alignas(16) char before[3][ROWS * FIELD], after[3][ROWS * FIELD];
    size_t items = next (i) % 3 + 1;
    esp_buf yaml = {0}, resolved = {0}, again = {0};
    uint64_t id = 0, id_again = 1;
    make_table (&t, i);
    PASS (esp_buf_puts (&yaml, "x:\n"));
    for (size_t k = 0; k < items; k++) {
        PASS (esp_buf_puts (&yaml, "- {"));
        for (const esp_option *row = t.rows; row->key; row++)
            if (next (i) % 4) {
                PASS (esp_buf_printf (&yaml, "%s: ", row->key));
                add_value (row, &yaml, i);
                PASS (esp_buf_puts (&yaml, ", "));
            }
        PASS (esp_buf_puts (&yaml, "}\n"));
    }
    config *c = bind_random (esp_buf_text (&yaml), &t, items, before);
    PASS (config_resolved (c, &resolved));
    config *d = bind_random (esp_buf_text (&resolved), &t, items, after);
    PASS (config_resolved (d, &again));
    CHECK (span_equal (esp_buf_span (&resolved), esp_buf_span (&again)));
    for (size_t k = 0; k < items; k++)
        for (const esp_option *row = t.rows; row->key; row++)
            CHECK (same_field (row, before[k], after[k]));
    PASS (config_identity (c, &id));
    PASS (config_identity (d, &id_again));
    CHECK (id == id_again);
    PASS (config_may_resume (c, d, NULL));
    config_destroy (c);
    config_destroy (d);
    esp_buf_free (&yaml);
    esp_buf_free (&resolved);
    esp_buf_free (&again);
}

static void reading_the_resolved_file_gives_the_same_values (void)
{
    uint64_t i = 0;
    for (int trial = 0; trial < 500; trial++)
        round_trip (&i);
}

/* --- identity and resume --- */

static uint64_t identity_of (const char *yaml)
{
    uint64_t id = 0;
    config *c = given_bound (yaml);
    PASS (config_identity (c, &id));
    config_destroy (c);
    return id;
}

static void identity_follows_fixed_keys_only (void)
{
    uint64_t base = identity_of ("search: {keep: 8}\ngenerator: {url: a}\n");
    CHECK (
        base ==
        identity_of (
            "generator: {url: b, hosts: [h]}\nsearch: {keep: 8, weight: 1, budget: {generations: "
            "1}}\n"));
    CHECK (base == identity_of ("search: {keep: '8', strategy: beam}\ngenerator: {url: a}\n"));
    CHECK (base != identity_of ("search: {keep: 9}\ngenerator: {url: a}\n"));
    CHECK (base != identity_of ("search: {keep: 8}\ngenerator: {url: a, note: x}\n"));
    CHECK (base != identity_of ("search: {keep: 8}\ngenerator: {url: a, note: ''}\n"));
    CHECK (base != identity_of ("search: {keep: 8}\ngenerator: {url: a, stop: [\"\\n\"]}\n"));
}

static void resume (const char *before, const char *now, const char *sentence)
{
    config *a = given_bound (before), *b = given_bound (now);
    esp_error error = {0};
    esp_err err = config_may_resume (a, b, &error);
    CU_ASSERT_EQUAL (err, *sentence ? ESP_ECONFLICT : ESP_OK);
    CU_ASSERT_STRING_EQUAL (error.text, sentence);
    if (strcmp (error.text, sentence) != 0)
        printf ("  got: %s\n", error.text);
    config_destroy (a);
    config_destroy (b);
}

static void resume_keeps_fixed_keys_and_lets_growing_ones_grow (void)
{
    static const char fixed[] =
        "search.keep: the run was started with 4 and cannot go on with 8: this key stays as it "
        "is for the life of a run; start a new one";
    static const char small[] =
        "search.budget.generations: the run was started with 640 and cannot go on with 64: this "
        "key may only become larger (0 = no limit is the largest)";
    static const char limit[] =
        "search.budget.generations: the run was started with 0 and cannot go on with 64: this "
        "key may only become larger (0 = no limit is the largest)";
    static const char host[] =
        "generator.hosts: the run was started with [\"a\", \"b\"] and cannot go on with [\"b\", "
        "\"a\"]: this key may only become larger (0 = no limit is the largest)";
    static const char note[] =
        "generator.note: the run was started with nothing and cannot go on with x: this key "
        "stays as it is for the life of a run; start a new one";
    resume ("search: {}\n", "search: {keep: 4}\n", "");
    resume ("search: {}\n", "search: {keep: 8}\n", fixed);
    resume ("search: {}\n", "search: {weight: 1}\n", "");
    resume ("search: {}\n", "search.budget.generations: 641\n", "");
    resume ("search: {}\n", "search.budget.generations: 0\n", "");
    resume ("search: {}\n", "search.budget.generations: 64\n", small);
    resume ("search.budget.generations: 0\n", "search.budget.generations: 64\n", limit);
    resume ("generator.hosts: [a, b]\n", "generator.hosts: [a, b, c]\n", "");
    resume ("generator.hosts: [a, b]\n", "generator.hosts: [b, a]\n", host);
    resume ("generator: {url: a}\n", "generator: {url: b}\n", "");
    resume ("generator: {url: a}\n", "generator: {url: b, note: x}\n", note);
}

static void resume_sees_keys_that_come_and_go (void)
{
    config *a = given_bound ("{}"), *b = given ("{}");
    esp_error error = {0};
    (void)bind_search (b);
    FAILS (config_may_resume (a, b, &error), ESP_ECONFLICT);
    CHECK (strstr (error.text, "generator.note: the run was started with nothing") != NULL ||
           strstr (error.text, "generator.stop") != NULL);
    FAILS (config_may_resume (b, a, &error), ESP_ECONFLICT);
    config_destroy (a);
    config_destroy (b);
}

struct growing {
    double seconds;
    const char *file;
};

static const esp_option growing_table[] = {{.key = "seconds",
                                            .type = ESP_OPT_DOUBLE,
                                            .offset = offsetof (struct growing, seconds),
                                            .fallback = "1.5",
                                            .min = -1e18,
                                            .max = 9,
                                            .change = ESP_OPT_GROWS},
                                           {.key = "file",
                                            .type = ESP_OPT_STRING,
                                            .offset = offsetof (struct growing, file),
                                            .change = ESP_OPT_GROWS},
                                           ESP_OPTION_END};

static esp_err resume_growing (const char *before, const char *now)
{
    struct growing a, b;
    config *c = given (before), *d = given (now);
    PASS (config_bind (c, "x", (const esp_option *const[]){growing_table}, (void *const[]){&a}, 1));
    PASS (config_bind (d, "x", (const esp_option *const[]){growing_table}, (void *const[]){&b}, 1));
    esp_err err = config_may_resume (c, d, NULL);
    config_destroy (c);
    config_destroy (d);
    return err;
}

static void growing_numbers_and_texts_follow_their_rule (void)
{
    PASS (resume_growing ("x.seconds: 2", "x.seconds: 2.5"));
    PASS (resume_growing ("x.seconds: 2", "x.seconds: 0"));
    PASS (resume_growing ("x.file: a", "x.file: b"));
    FAILS (resume_growing ("x.seconds: 2", "{}"), ESP_ECONFLICT);
    FAILS (resume_growing ("x.seconds: 0", "x.seconds: 2"), ESP_ECONFLICT);
}

static void a_range_may_have_one_end (void)
{
    struct growing o;
    config *c = given ("x.seconds: 10");
    PASS (config_bind (c, "x", (const esp_option *const[]){growing_table}, (void *const[]){&o}, 1));
    expect_mistakes (c, 1, "run.yaml:1: x.seconds: 10 is out of range: at most 9\n");
    CHECK (o.seconds == 1.5 && !o.file);
    config_destroy (c);
}

static void help_and_markdown_come_from_the_table (void)
{
    static const esp_option rows[] = {
        {.key = "url",
         .type = ESP_OPT_STRING,
         .help = "where",
         .required = true,
         .change = ESP_OPT_FREE},
        {.key = "max_tokens",
         .type = ESP_OPT_INT,
         .fallback = "64k",
         .min = 1,
         .max = 1e18,
         .unit = "tokens",
         .help = "a | b",
         .change = ESP_OPT_GROWS},
        {.key = "how", .type = ESP_OPT_CHOICE, .fallback = "x", .choices = "x|y"},
        {.key = "stop", .type = ESP_OPT_STRINGS, .fallback = "\n"},
        ESP_OPTION_END};
    esp_buf out = {0};
    PASS (config_help ("gen", "asks a model", rows, &out));
    CU_ASSERT_STRING_EQUAL (
        esp_buf_text (&out),
        "gen: asks a model\n"
        "  gen.url         where\n"
        "                  (text; required; may change on resume)\n"
        "  gen.max_tokens  a | b\n"
        "                  (whole number, at least 1 tokens; default 64k; may grow on resume)\n"
        "  gen.how         \n"
        "                  (x, y; default x)\n"
        "  gen.stop        \n"
        "                  (list of texts; default \"\\n\")\n");
    esp_buf_clear (&out);
    PASS (config_markdown ("gen", NULL, rows, &out));
    CU_ASSERT_STRING_EQUAL (
        esp_buf_text (&out),
        "## gen\n\n"
        "| key | type and range | default | on resume | what it is |\n"
        "|---|---|---|---|---|\n"
        "| `gen.url` | text | required | may change | where |\n"
        "| `gen.max_tokens` | whole number, at least 1 tokens | 64k | may grow | a \\| b |\n"
        "| `gen.how` | x, y | x | fixed |  |\n"
        "| `gen.stop` | list of texts | \"\\n\" | fixed |  |\n");
    esp_buf_free (&out);
}

static esp_err write_all (const config *c, const config *d, esp_buf *out)
{
    uint64_t id;
    esp_error error = {0};
    esp_err err = config_resolved (c, out);
    if (err != ESP_OK)
        CHECK (out->len == 0);
    if (err == ESP_OK)
        err = config_identity (c, &id);
    if (err == ESP_OK && (err = config_may_resume (c, d, &error)) == ESP_ECONFLICT)
        err = ESP_OK;
    if (err == ESP_OK)
        err = config_help ("search", "x", search_table, out);
    return err == ESP_OK ? config_markdown ("search", "x", search_table, out) : err;
}

static void survives_failure_of_every_allocation (void)
{
    esp_err err = ESP_ENOMEM;
    config *c = given_bound ("{}"), *d = given_bound ("search.strategy: other\n");
    long before = esp_alloc_live ();
    for (long n = 0; err != ESP_OK && n < 500; n++) {
        esp_buf out = {0};
        esp_alloc_fail_after (n);
        err = write_all (c, d, &out);
        CHECK (err == ESP_OK || err == ESP_ENOMEM);
        esp_buf_free (&out);
        esp_alloc_fail_after (-1);
        CU_ASSERT_EQUAL (esp_alloc_live (), before);
    }
    CU_ASSERT_EQUAL (err, ESP_OK);
    config_destroy (c);
    config_destroy (d);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"the resolved file has every key at its value",
         the_resolved_file_has_every_key_at_its_value},
        {"absent texts without fallback are left out", absent_texts_without_fallback_are_left_out},
        {"lists and accepted sections are written", lists_and_accepted_sections_are_written},
        {"reading the resolved file gives the same values",
         reading_the_resolved_file_gives_the_same_values},
        {"identity follows fixed keys only", identity_follows_fixed_keys_only},
        {"resume keeps fixed keys and lets growing ones grow",
         resume_keeps_fixed_keys_and_lets_growing_ones_grow},
        {"resume sees keys that come and go", resume_sees_keys_that_come_and_go},
        {"growing numbers and texts follow their rule",
         growing_numbers_and_texts_follow_their_rule},
        {"a range may have one end", a_range_may_have_one_end},
        {"help and Markdown come from the table", help_and_markdown_come_from_the_table},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("config_write", cases);
}
