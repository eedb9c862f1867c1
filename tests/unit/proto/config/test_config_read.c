/* SPDX-License-Identifier: Apache-2.0 */
/* test_config_read.c - what is a run file, and what is refused at once */

#include "proto/config/config.h"
#include "proto/base/file.h"
#include "tests/unit/proto/config/table.h"

static void bad_calls_are_refused (void)
{
    config *c = NULL;
    esp_error error = {0};
    FAILS (config_parse (span_of ("a: 1"), NULL, &c, &error), ESP_EINVAL);
    FAILS (config_parse (span_of ("a: 1"), "x", NULL, &error), ESP_EINVAL);
    FAILS (config_parse (span_make (NULL, 3), "x", &c, NULL), ESP_EINVAL);
    FAILS (config_read (NULL, &c, &error), ESP_EINVAL);
    FAILS (config_read ("x", NULL, &error), ESP_EINVAL);
    FAILS (config_override (NULL, "a.b=1", &error), ESP_EINVAL);
    FAILS (config_bind (NULL, "a", NULL, NULL, 0), ESP_EINVAL);
    FAILS (config_accept_section (NULL, "a"), ESP_EINVAL);
    FAILS (config_check_unknown (NULL), ESP_EINVAL);
    FAILS (config_mistake (NULL, "a.b", "x"), ESP_EINVAL);
    FAILS (config_resolved (NULL, NULL), ESP_EINVAL);
    FAILS (config_identity (NULL, NULL), ESP_EINVAL);
    FAILS (config_may_resume (NULL, NULL, &error), ESP_EINVAL);
    FAILS (config_help (NULL, NULL, NULL, NULL), ESP_EINVAL);
    CHECK (config_section_count (NULL, "a") == 0);
    CHECK (config_peek (NULL, "a.b") == NULL);
    CHECK (config_mistakes (NULL, NULL) == 0);
    config_destroy (NULL);
}

static void a_file_is_read_and_a_missing_one_is_named (void)
{
    char path[512];
    config *c = NULL;
    esp_error error = {0};
    PASS (esp_path_join (path, sizeof (path), suite_folder (), "run.yaml"));
    FAILS (config_read (path, &c, &error), ESP_ENOENT);
    CHECK (strstr (error.text, path) != NULL);
    PASS (esp_file_write (path, span_of ("search: {keep: 8}\n"), 0644, &error));
    PASS (config_read (path, &c, &error));
    CU_ASSERT_STRING_EQUAL (config_peek (c, "search.keep"), "8");
    config_destroy (c);
}

static void every_refusal_names_line_and_column (void)
{
    static const struct {
        const char *yaml, *sentence;
        esp_err code;
    } cases[] = {
        {"", "run.yaml:1:1: the run file is empty", ESP_EFORMAT},
        {"# only this\n", "run.yaml:1:1: the run file is empty", ESP_EFORMAT},
        {"--- ~\n", "run.yaml:1:5: the run file is empty", ESP_EFORMAT},
        {"just text", "run.yaml:1:1: a run file is a map of sections, such as 'search: {keep: 4}'",
         ESP_EFORMAT},
        {"- a\n", "run.yaml:1:1: a run file is a map of sections, such as 'search: {keep: 4}'",
         ESP_EFORMAT},
        {"search:\n\tkeep: 4\n", "run.yaml:2:1: a tab in the indentation; YAML wants spaces there",
         ESP_EFORMAT},
        {"search:\n  keep: 4\n  \tweight: 1\n",
         "run.yaml:3:3: a tab in the indentation; YAML wants spaces there", ESP_EFORMAT},
        {"a: @x\n",
         "run.yaml:1:4: not YAML: a value cannot begin with this character; put it in quotes",
         ESP_EFORMAT},
        {"a: {b: 1\n",
         "run.yaml:2:1: not YAML: while parsing a flow mapping: did not find expected ',' or '}'",
         ESP_EFORMAT},
        {"a: b: c\n", "run.yaml:1:5: not YAML: mapping values are not allowed in this context",
         ESP_EFORMAT},
        {"a: &x 1\n",
         "run.yaml:1:4: an anchor (&x); write the value out, or put it in quotes if it is text",
         ESP_EFORMAT},
        {"a: &x {b: 1}\n",
         "run.yaml:1:4: an anchor (&x); write the value out, or put it in quotes if it is text",
         ESP_EFORMAT},
        {"a:\n  b: *x\n",
         "run.yaml:2:6: an alias (*x); write the value out, or put it in quotes if it is text",
         ESP_EFORMAT},
        {"a: !int 1\n", "run.yaml:1:4: a tag (!int); remove it, or put it in quotes if it is text",
         ESP_EFORMAT},
        {"a: !!seq [1]\n",
         "run.yaml:1:4: a tag (tag:yaml.org,2002:seq); remove it, or put it in quotes if it is "
         "text",
         ESP_EFORMAT},
        {"%TAG ! tag:x,2000:\n---\na: 1\n", "run.yaml:1:1: a %TAG line; a run file has no tags",
         ESP_EFORMAT},
        {"a: {b: 1}\n---\nc: {d: 2}\n", "run.yaml:2:1: a second document (---); one is allowed",
         ESP_EFORMAT},
        {"a: {b: 1}\n...\nc: {d: 2}\n",
         "run.yaml:3:1: not YAML: did not find expected <document start>", ESP_EFORMAT},
        {"? [a]\n: 1\n", "run.yaml:1:3: a map or list as a key; a key is a word", ESP_EFORMAT},
        {"a:\n  \"\": 1\n", "run.yaml:2:3: a key is missing before the ':'", ESP_EFORMAT},
        {"a: {.b: 1}\n", "run.yaml:1:5: .b: a name is missing beside a '.'", ESP_EFORMAT},
        {"a: {b..c: 1}\n", "run.yaml:1:5: b..c: a name is missing beside a '.'", ESP_EFORMAT},
        {"a.: 1\n", "run.yaml:1:1: a.: a name is missing beside a '.'", ESP_EFORMAT},
        {"a: {b: \"x\\0y\"}\n", "run.yaml:1:8: a zero byte (\\0) in a text", ESP_EFORMAT},
        {"a: \"\x01\"\n", "run.yaml:1:5: not YAML: control characters are not allowed (0x01)",
         ESP_EFORMAT},
        {"ok: {}\na: \xff\xfe\n", "run.yaml:2:1: not UTF-8; save the file in that encoding",
         ESP_EFORMAT},
        {"\xff\xfe\x61", "run.yaml:1:1: not UTF-8; save the file in that encoding", ESP_EFORMAT},
    };
    for (size_t i = 0; i < sizeof (cases) / sizeof (*cases); i++)
        refused (span_of (cases[i].yaml), cases[i].code, cases[i].sentence);
}

static void a_key_given_twice_names_both_lines (void)
{
    refused (span_of ("search:\n  keep: 1\n  keep: 2\n"), ESP_EFORMAT,
             "run.yaml:3:3: keep: given twice; it is on line 2 already");
    refused (span_of ("search: {keep: 1}\n\nsearch: {weight: 1}\n"), ESP_EFORMAT,
             "run.yaml:3:1: search: given twice; it is on line 1 already");
    refused (span_of ("search:\n  budget: {generations: 1}\n  budget.generations: 2\n"),
             ESP_EFORMAT,
             "run.yaml:3:3: search.budget.generations: given twice; it is on line 2 already");
    refused (span_of ("search.keep: 1\nsearch:\n  keep: 2\n"), ESP_EFORMAT,
             "run.yaml:3:3: search.keep: given twice; it is on line 1 already");
    refused (span_of ("samples:\n- {a: {b: 1}}\n- {a: {b: 1}, a.b: 2}\n"), ESP_EFORMAT,
             "run.yaml:3:15: samples[1].a.b: given twice; it is on line 3 already");
    refused (span_of ("samples: [{a: 1}]\nsamples.a: 2\n"), ESP_EFORMAT,
             "run.yaml:2:1: samples.a: the section is a list, so its keys belong to the items");
}

static void limits_hold (void)
{
    esp_buf text = {0};
    PASS (esp_buf_puts (&text, "a: "));
    for (int i = 0; i < 100000; i++)
        PASS (esp_buf_puts (&text, "["));
    refused (esp_buf_span (&text), ESP_ETOOBIG,
             "run.yaml:1:20: more than 16 maps or lists inside each other");
    esp_buf_clear (&text);
    for (int i = 0; i < 10001; i++)
        PASS (esp_buf_printf (&text, "k%d: {}\n", i));
    refused (esp_buf_span (&text), ESP_ETOOBIG,
             "run.yaml:9999:8: more than 10000 keys and list items");
    esp_buf_clear (&text);
    PASS (esp_buf_puts (&text, "a: {"));
    for (int i = 0; i < 129; i++)
        PASS (esp_buf_puts (&text, "k"));
    PASS (esp_buf_puts (&text, ": 1}"));
    refused (esp_buf_span (&text), ESP_EFORMAT,
             "run.yaml:1:5: a key that is longer than 128 bytes");
    esp_buf_clear (&text);
    PASS (esp_buf_puts (&text, "a: {"));
    for (int level = 0; level < 4; level++)
        PASS (esp_buf_puts (&text, "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz: {"));
    PASS (esp_buf_puts (&text, "}}}}}"));
    refused (esp_buf_span (&text), ESP_EFORMAT,
             "run.yaml:1:115: abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz."
             "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz."
             "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz: a key that is longer than 128 "
             "bytes, "
             "with its groups");
    esp_buf_clear (&text);
    PASS (esp_buf_reserve (&text, (1 << 20) + 1));
    memset (text.data, ' ', (1 << 20) + 1);
    refused (span_make (text.data, (1 << 20) + 1), ESP_ETOOBIG,
             "run.yaml: larger than 1 MiB; is it a run file?");
    esp_buf_free (&text);
}

static void line_ends_of_windows_and_a_byte_order_mark_are_fine (void)
{
    config *c = given ("\xEF\xBB\xBFsearch:\r\n  keep: 8\r\n  strategy:\tbeam\r\n  kepe: 1\r\n");
    struct search_options o = bind_search (c);
    CHECK (o.keep == 8);
    CU_ASSERT_STRING_EQUAL (o.strategy, "beam");
    PASS (config_check_unknown (c));
    expect_mistakes (c, 1, "run.yaml:4: search.kepe: unknown key; did you mean keep?\n");
    config_destroy (c);
}

static void sections_are_counted (void)
{
    config *c = given (
        "search: {keep: 1}\nlog:\nsamples: [{format: a}, {format: b}]\nnone: []\nprm.url: x\n");
    CHECK (config_section_count (c, "search") == 1);
    CHECK (config_section_count (c, "log") == 1);
    CHECK (config_section_count (c, "samples") == 2);
    CHECK (config_section_count (c, "none") == 0);
    CHECK (config_section_count (c, "prm") == 1);
    CHECK (config_section_count (c, "vote") == 0);
    CU_ASSERT_STRING_EQUAL (config_peek_at (c, "samples", 1, "format"), "b");
    CHECK (config_peek_at (c, "samples", 2, "format") == NULL);
    CU_ASSERT_STRING_EQUAL (config_peek (c, "prm.url"), "x");
    CHECK (config_peek (c, "prm.none") == NULL);
    CHECK (config_peek (c, "nodot") == NULL);
    config_destroy (c);
}

static void peek_sees_scalars_only (void)
{
    config *c = given ("a: {list: [1], map: {}, null: ~, empty: \"\", nested: {deep: 1}}\n");
    CHECK (config_peek (c, "a.list") == NULL);
    CHECK (config_peek (c, "a.map") == NULL);
    CHECK (config_peek (c, "a.null") == NULL);
    CU_ASSERT_STRING_EQUAL (config_peek (c, "a.empty"), "");
    CU_ASSERT_STRING_EQUAL (config_peek (c, "a.nested.deep"), "1");
    config_destroy (c);
}

static void overrides_replace_what_the_file_says (void)
{
    config *c = given ("search: {keep: 4, budget: {generations: 9, steps: 3}}\n");
    PASS (config_override (c, "search.keep=8", NULL));
    PASS (config_override (c, "search.keep=16", NULL));
    PASS (config_override (c, "search.budget={generations: 7}", NULL));
    PASS (config_override (c, "generator.url=http://{host}:8000/a=b", NULL));
    PASS (config_override (c, "generator.stop=[\"\\n\", b]", NULL));
    CU_ASSERT_STRING_EQUAL (config_peek (c, "search.keep"), "16");
    CU_ASSERT_STRING_EQUAL (config_peek (c, "search.budget.generations"), "7");
    CHECK (config_peek (c, "search.budget.steps") == NULL);
    struct generator_options o = bind_generator (c);
    CU_ASSERT_STRING_EQUAL (o.url, "http://{host}:8000/a=b");
    CHECK (o.stop.count == 2 && strcmp (o.stop.items[0], "\n") == 0);
    (void)bind_search (c);
    PASS (config_check_unknown (c));
    expect_mistakes (c, 0, "");
    config_destroy (c);
}

static void an_override_without_value_means_the_fallback (void)
{
    config *c = given ("search: {keep: 8, strategy: mcts}\n");
    PASS (config_override (c, "search.keep=", NULL));
    PASS (config_override (c, "search.strategy=\"\"", NULL));
    struct search_options o = bind_search (c);
    CHECK (o.keep == 4);
    CU_ASSERT_STRING_EQUAL (o.strategy, "");
    expect_mistakes (c, 0, "");
    config_destroy (c);
}

static void refused_overrides_say_why_and_change_nothing (void)
{
    static const struct {
        const char *assignment, *sentence;
    } cases[] = {
        {"search.keep", "override 1 'search.keep': no '='; write section.key=value"},
        {"=8", "override 2 '=8': no key before the '='; write section.key=value"},
        {"keep=8", "override 3 'keep=8': no section before the key; write section.key=value"},
        {".keep=8", "override 4 '.keep=8': a name is missing beside a '.'"},
        {"search.=8", "override 5 'search.=8': a name is missing beside a '.'"},
        {"search..keep=8", "override 6 'search..keep=8': a name is missing beside a '.'"},
        {"search.keep=[",
         "override 7 'search.keep=[': not YAML: while parsing a flow node: did not find expected "
         "node content; text is quoted for YAML and for the shell: 'search.keep=\"[\"'"},
        {"search.keep=*a",
         "override 8 'search.keep=*a': an alias (*a); write the value out, or put it in "
         "quotes if it is text; text is quoted for YAML and for the shell: 'search.keep=\"*a\"'"},
        {"search.keep=@",
         "override 9 'search.keep=@': not YAML: a value cannot begin with this character; "
         "put it in quotes; text is quoted for YAML and for the shell: 'search.keep=\"@\"'"},
        {"samples.format=x",
         "override 10 'samples.format=x': samples is a list in run.yaml (line 2); say "
         "which of its items: samples[0].format=..."},
        {"samples.0.format=x",
         "override 11 'samples.0.format=x': samples is a list in run.yaml (line 2); "
         "say which of its items: samples[0].0.format=..."},
        {"search.stop.0=x", "override 12 'search.stop.0=x': search.stop is a list; give it whole: "
                            "search.stop=[first, second]"},
        {"search.b={a: {b: 1}, a.b: 2}",
         "override 13 'search.b={a: {b: 1}, a.b: 2}': search.b.a.b: given "
         "twice; it is on line 1 already"},
        {"search.keep=\xff", "override 14 'search.keep=?': not UTF-8"},
        {"new.a={x: 1, x: 2}",
         "override 15 'new.a={x: 1, x: 2}': x: given twice; it is on line 1 already"},
        {"search.a={problem} 'x'",
         "override 16 'search.a={problem} 'x'': not YAML: did not find expected <document start>; "
         "text is quoted for YAML and for the shell: 'search.a=\"{problem} '\\''x'\\''\"'"},
        {"search.a=# x", "override 17 'search.a=# x': a '#' begins a comment; text is quoted for "
                         "YAML and for the shell: 'search.a=\"# x\"'"},
        {"--porblem", "override 18 '--porblem': no option of this command (--help lists them), and "
                      "a key does not begin with --"},
        {"--keep=3", "override 19 '--keep=3': no option of this command (--help lists them), and a "
                     "key does not begin with --"},
    };
    config *c = given ("search: {keep: 4, stop: [a]}\nsamples: [{format: a}]\n");
    for (size_t i = 0; i < sizeof (cases) / sizeof (*cases); i++) {
        esp_error error = {0};
        FAILS (config_override (c, cases[i].assignment, &error), ESP_EFORMAT);
        CU_ASSERT_STRING_EQUAL (error.text, cases[i].sentence);
        if (strcmp (error.text, cases[i].sentence) != 0)
            printf ("  got: %s\n", error.text);
    }
    CU_ASSERT_STRING_EQUAL (config_peek (c, "search.keep"), "4");
    CHECK (config_section_count (c, "new") == 0);
    CHECK (config_section_count (c, "search") == 1);
    config_destroy (c);
}

static void a_long_override_is_cut_in_its_sentence (void)
{
    config *c = given ("a: {}\n");
    esp_error error = {0};
    char assignment[1000];
    memset (assignment, 'x', sizeof (assignment) - 1);
    assignment[sizeof (assignment) - 1] = 0;
    FAILS (config_override (c, assignment, &error), ESP_EFORMAT);
    CHECK (strlen (error.text) < 160);
    CHECK (strstr (error.text, "xxx...': no '='") != NULL);
    config_destroy (c);
}

/* Texts that need more than the first chunk of the arena, and more sections than that too. */
static esp_err read_large (const char *large, config **c, esp_error *error)
{
    char yaml[20100];
    (void)snprintf (yaml, sizeof (yaml),
                    "search: {keep: '%s', b: {c: 2}}\nsamples: [{a: [1, 2]}]\n", large);
    esp_err err = config_parse (span_of (yaml), "run.yaml", c, error);
    return err == ESP_OK ? config_override (*c, "search.budget={a: 1, b: 2}", error) : err;
}

static void survives_failure_of_every_allocation (void)
{
    char large[20001];
    for (size_t len = 15000; len < 17000;
         len += 7) { /* the arena grows at another place each time */
        esp_err err = ESP_ENOMEM;
        memset (large, 'x', len);
        large[len] = 0;
        for (long n = 0; err != ESP_OK && n < 100; n++) {
            config *c = NULL;
            esp_error error = {0};
            esp_alloc_fail_after (n);
            err = read_large (large, &c, &error);
            CHECK (err == ESP_OK || (err == ESP_ENOMEM && strstr (error.text, "out of memory")));
            config_destroy (c);
            esp_alloc_fail_after (-1);
            CU_ASSERT_EQUAL (esp_alloc_live (), 0);
        }
        CU_ASSERT_EQUAL (err, ESP_OK);
    }
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"bad calls are refused", bad_calls_are_refused},
        {"a file is read and a missing one is named", a_file_is_read_and_a_missing_one_is_named},
        {"every refusal names line and column", every_refusal_names_line_and_column},
        {"a key given twice names both lines", a_key_given_twice_names_both_lines},
        {"limits hold", limits_hold},
        {"line ends of Windows and a byte order mark are fine",
         line_ends_of_windows_and_a_byte_order_mark_are_fine},
        {"sections are counted", sections_are_counted},
        {"peek sees scalars only", peek_sees_scalars_only},
        {"overrides replace what the file says", overrides_replace_what_the_file_says},
        {"an override without value means the fallback",
         an_override_without_value_means_the_fallback},
        {"refused overrides say why and change nothing",
         refused_overrides_say_why_and_change_nothing},
        {"a long override is cut in its sentence", a_long_override_is_cut_in_its_sentence},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("config_read", cases);
}
