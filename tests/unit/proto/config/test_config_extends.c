/* SPDX-License-Identifier: Apache-2.0 */
/* test_config_extends.c - run files that extend others: who wins, and where mistakes are told */

#include "proto/base/file.h"
#include "tests/unit/proto/config/table.h"

static const char *path_of (const char *name)
{
    static char folder[400], paths[4][512]; /* one folder for all cases */
    static unsigned next;
    char *path = paths[next++ % 4];
    if (!folder[0])
        snprintf (folder, sizeof (folder), "%s", suite_folder ());
    PASS (esp_path_join (path, sizeof (paths[0]), folder, name));
    return path;
}

static void given_file (const char *name, const char *text)
{
    esp_error error = {0};
    PASS (esp_file_write (path_of (name), span_of (text), 0644, &error));
}

static config *given_config (const char *name)
{
    config *c = NULL;
    esp_error error = {0};
    esp_err err = config_read (path_of (name), &c, &error);
    if (err != ESP_OK)
        printf ("    %s\n", error.text);
    CU_ASSERT_EQUAL_FATAL (err, ESP_OK);
    return c;
}

static void says (const config *c, const char *key, const char *value)
{
    const char *got = config_peek (c, key);
    CHECK (value ? got && strcmp (got, value) == 0 : !got);
}

static void refused_with (const char *name, esp_err code, const char *sentence)
{
    config *c = NULL;
    esp_error error = {0};
    FAILS (config_read (path_of (name), &c, &error), code);
    if (!strstr (error.text, sentence))
        printf ("    not there: %s\n    in: %s\n", sentence, error.text);
    CHECK (strstr (error.text, sentence) != NULL);
}

static void what_comes_later_wins_key_by_key (void)
{
    config *c;
    given_file ("base.yaml", "search: {keep: 2, weight: 0.25, budget: {generations: 7, steps: 3}}\n"
                             "generator: {url: a}\n");
    given_file ("middle.yaml", "extends: base.yaml\nsearch: {keep: 3, budget: {generations: 8}}\n");
    given_file ("run.yaml", "search.keep: 4\nextends: middle.yaml\nprm: {url: b}\n");
    c = given_config ("run.yaml");
    says (c, "search.keep", "4");
    says (c, "search.weight", "0.25");
    says (c, "search.budget.generations", "8");
    says (c, "search.budget.steps", "3");
    says (c, "generator.url", "a");
    says (c, "prm.url", "b");
    config_destroy (c);
    given_file ("two.yaml", "extends: [base.yaml, other.yaml]\nsearch: {}\ngenerator:\n");
    given_file ("other.yaml", "search: {keep: 9}\ngenerator: {note: x}\n");
    c = given_config ("two.yaml"); /* sections that say nothing change nothing */
    says (c, "search.keep", "9");
    says (c, "search.weight", "0.25");
    says (c, "generator.url", "a");
    says (c, "generator.note", "x");
    config_destroy (c);
    CHECK (esp_alloc_live () == 0);
}

static void a_key_without_a_value_takes_its_default_again (void)
{
    config *c;
    given_file ("run.yaml", "extends: base.yaml\nsearch: {weight: , budget: }\n");
    given_file ("base.yaml", "search: {keep: 2, weight: 0.25, budget: {generations: 7}}\n");
    c = given_config ("run.yaml");
    says (c, "search.keep", "2");
    says (c, "search.weight", NULL);
    says (c, "search.budget.generations", NULL);
    config_destroy (c);
}

static void a_key_without_a_value_takes_away_what_no_table_knows (void)
{
    static const char *const ways[] = {"~", "null", ""};
    char text[200];
    const char *mistakes;
    config *c;
    given_file ("base.yaml", "search: {keep: 2, other: 1, odd: {one: 1, two: [2]}}\n");
    for (size_t i = 0; i < 3; i++) {
        snprintf (text, sizeof (text), "extends: base.yaml\nsearch: {other: %s, odd: %s}\n",
                  ways[i], ways[i]);
        given_file ("run.yaml", text);
        c = given_config ("run.yaml");
        bind_search (c);
        PASS (config_check_unknown (c));
        CHECK (config_mistakes (c, &mistakes) == 0);
        says (c, "search.keep", "2");
        config_destroy (c);
    }
    given_file ("run.yaml", "extends: base.yaml\nsearch: {other: ~, odd: ~, ohter: ~}\n");
    c = given_config ("run.yaml"); /* a slip is none the less one */
    bind_search (c);
    PASS (config_check_unknown (c));
    CHECK (config_mistakes (c, &mistakes) == 1);
    CHECK (strstr (mistakes, "run.yaml:2: search.ohter: unknown key"));
    config_destroy (c);
}

static void what_is_left_of_a_base_is_told_with_its_way_out (void)
{
    const char *mistakes;
    char sentence[700];
    config *c;
    esp_error error = {0};
    given_file ("base.yaml", "search:\n  keep: 2\n  other: 1\n");
    given_file ("run.yaml", "extends: base.yaml\nsearch: {keep: 3}\n");
    c = given_config ("run.yaml");
    bind_search (c);
    PASS (config_check_unknown (c));
    CHECK (config_mistakes (c, &mistakes) == 1);
    snprintf (sentence, sizeof (sentence),
              "base.yaml:3: search.other: unknown key; it comes to %s by extends: there 'other: ~' "
              "in section search takes it away\n",
              path_of ("run.yaml"));
    CHECK (strstr (mistakes, sentence));
    config_destroy (c);
    c = given_config ("run.yaml");
    PASS (config_override (c, "search.other=", &error));
    bind_search (c);
    PASS (config_check_unknown (c));
    CHECK (config_mistakes (c, &mistakes) == 0);
    config_destroy (c);
}

static void a_list_replaces_the_section_and_is_replaced_whole (void)
{
    config *c;
    given_file ("base.yaml", "generator: {url: a, note: b}\nprm: [{url: p}, {url: q}]\n");
    given_file ("run.yaml",
                "extends: base.yaml\ngenerator: [{url: c}, {url: d}]\nprm: {note: x}\n");
    c = given_config ("run.yaml");
    CHECK (config_section_count (c, "generator") == 2 && config_section_count (c, "prm") == 1);
    CHECK (strcmp (config_peek_at (c, "generator", 1, "url"), "d") == 0);
    CHECK (config_peek_at (c, "generator", 0, "note") == NULL);
    says (c, "prm.url", NULL);
    says (c, "prm.note", "x");
    config_destroy (c);
    given_file ("run.yaml", "extends: base.yaml\ngenerator: [{url: c}]\n");
    c = given_config ("run.yaml");
    says (c, "generator.url", "c");
    says (c, "generator.note", NULL);
    CHECK (config_section_count (c, "prm") == 2);
    config_destroy (c);
}

static void items_of_lists_are_overridden_by_number (void)
{
    static const char *const bad[] = {
        "prm[2].url=x", "prm[].url=x",      "prm[x].url=x", "prm[1]x.url=x",
        "[1].url=x",    "search[1].keep=2", "prm[1.url=x",  "prm[99999999999999999999].url=x",
        "prm[-1].url=x"};
    config *c;
    esp_error error = {0};
    given_file ("run.yaml", "search: {keep: 1}\nprm: [{url: p, note: n}, {url: q}]\n");
    c = given_config ("run.yaml");
    for (size_t i = 0; i < sizeof (bad) / sizeof (bad[0]); i++)
        FAILS (config_override (c, bad[i], &error), ESP_EFORMAT);
    PASS (config_override (c, "prm[1].url=z", &error));
    PASS (config_override (c, "prm[1].note=m", &error));
    PASS (config_override (c, "search[0].keep=3", &error)); /* a map is a list of one */
    CHECK (strcmp (config_peek_at (c, "prm", 0, "url"), "p") == 0);
    CHECK (strcmp (config_peek_at (c, "prm", 0, "note"), "n") == 0);
    CHECK (strcmp (config_peek_at (c, "prm", 1, "url"), "z") == 0);
    CHECK (strcmp (config_peek_at (c, "prm", 1, "note"), "m") == 0);
    says (c, "search.keep", "3");
    CHECK (config_section_count (c, "prm") == 2);
    config_destroy (c);
    CHECK (esp_alloc_live () == 0);
}

static void names_are_relative_to_the_file_that_says_them (void)
{
    config *c;
    esp_error error = {0};
    char text[700];
    PASS (esp_folder_make (path_of ("sub/deep"), &error));
    given_file ("sub/deep/a.yaml", "extends: ../b.yaml\nsearch: {keep: 1}\n");
    given_file ("sub/b.yaml", "extends: ../base.yaml\n");
    given_file ("base.yaml", "search: {weight: 0.5}\n");
    given_file ("run.yaml", "extends: sub/deep/a.yaml\n");
    c = given_config ("run.yaml");
    says (c, "search.keep", "1");
    says (c, "search.weight", "0.5");
    config_destroy (c);
    snprintf (text, sizeof (text), "extends: %s\n", path_of ("base.yaml"));
    given_file ("sub/run.yaml", text);
    c = given_config ("sub/run.yaml");
    says (c, "search.weight", "0.5");
    config_destroy (c);
}

static void mistakes_are_told_where_the_key_stands (void)
{
    struct search_options o;
    const esp_option *tables[] = {search_table};
    void *structs[] = {&o};
    const char *text;
    char expected[1200];
    config *c;
    esp_error error = {0};
    given_file ("base.yaml", "search:\n  keep: 0\n  wieght: 0.5\n  aggregate: sum\n");
    given_file ("run.yaml", "extends: base.yaml\n\nsearch: {aggregate: avg}\nlog: {}\n");
    c = given_config ("run.yaml");
    PASS (config_override (c, "search.budget.generations=-1", &error));
    PASS (config_bind (c, "search", tables, structs, 1));
    PASS (config_mistake (c, "search.keep", "too few"));
    PASS (config_check_unknown (c));
    CHECK (config_mistakes (c, &text) == 6);
    snprintf (expected, sizeof (expected), "%s:2: search.keep: ", path_of ("base.yaml"));
    CHECK (strstr (text, expected) != NULL);
    snprintf (expected, sizeof (expected), "%s:2: search.keep: too few", path_of ("base.yaml"));
    CHECK (strstr (text, expected) != NULL);
    snprintf (expected, sizeof (expected), "%s:3: search.wieght: unknown key; did you mean weight?",
              path_of ("base.yaml"));
    CHECK (strstr (text, expected) != NULL);
    snprintf (expected, sizeof (expected), "%s:3: search.aggregate: ", path_of ("run.yaml"));
    CHECK (strstr (text, expected) != NULL);
    snprintf (expected, sizeof (expected), "%s:4: log: unknown section", path_of ("run.yaml"));
    CHECK (strstr (text, expected) != NULL);
    CHECK (strstr (text, "override 1 'search.budget.generations=-1': ") != NULL);
    config_destroy (c);
}

static void the_resolved_file_has_none (void)
{
    struct search_options o;
    const esp_option *tables[] = {search_table};
    void *structs[] = {&o};
    esp_buf out = {0};
    config *c;
    given_file ("base.yaml", "search: {keep: 7}\n");
    given_file ("run.yaml", "extends: base.yaml\nsearch: {weight: 0.75}\n");
    c = given_config ("run.yaml");
    PASS (config_bind (c, "search", tables, structs, 1));
    PASS (config_check_unknown (c));
    CHECK (config_mistakes (c, NULL) == 0 && o.keep == 7 && o.weight == 0.75);
    PASS (config_resolved (c, &out));
    CHECK (strstr (esp_buf_text (&out), "extends") == NULL);
    CHECK (strstr (esp_buf_text (&out), "keep: 7") != NULL);
    esp_buf_free (&out);
    config_destroy (c);
}

static void bad_files_are_named_with_the_line_that_wants_them (void)
{
    char sentence[1200];
    given_file ("run.yaml", "search: {}\nextends: gone.yaml\n");
    snprintf (sentence, sizeof (sentence), "%s:2:1: extends: ", path_of ("run.yaml"));
    refused_with ("run.yaml", ESP_ENOENT, sentence);
    refused_with ("run.yaml", ESP_ENOENT, path_of ("gone.yaml"));
    given_file ("run.yaml", "extends: base.yaml\n");
    given_file ("base.yaml", "search: {keep: 1\n");
    snprintf (sentence, sizeof (sentence), "%s:2:1: not YAML", path_of ("base.yaml"));
    refused_with ("run.yaml", ESP_EFORMAT, sentence);
    given_file ("base.yaml", "");
    refused_with ("run.yaml", ESP_EFORMAT, "base.yaml:1:1: the run file is empty");
    given_file ("base.yaml", "generator: [{url: a}]\ngenerator.url: b\n");
    refused_with ("run.yaml", ESP_EFORMAT, "base.yaml:2:1: generator.url: the section is a list");
    given_file ("run.yaml", "extends: {file: base.yaml}\n");
    refused_with ("run.yaml", ESP_EFORMAT,
                  "extends: expected the name of a file, or a list of names");
    given_file ("run.yaml", "extends:\n");
    refused_with ("run.yaml", ESP_EFORMAT, "extends: expected the name of a file");
    given_file ("run.yaml", "extends: [base.yaml, [x]]\n");
    given_file ("base.yaml", "search: {}\n");
    refused_with ("run.yaml", ESP_EFORMAT, "run.yaml:1:22: extends: expected");
    CHECK (esp_alloc_live () == 0);
}

static void circles_and_towers_are_refused (void)
{
    given_file ("a.yaml", "extends: b.yaml\n");
    given_file ("b.yaml", "extends: ./a.yaml\n");
    refused_with ("a.yaml", ESP_EFORMAT, "b.yaml:1:1: extends: the file would extend itself");
    given_file ("a.yaml", "extends: a.yaml\n");
    refused_with ("a.yaml", ESP_EFORMAT, "a.yaml:1:1: extends: the file would extend itself");
    for (char i = 0; i < 9; i++) {
        char name[] = "t0.yaml", text[] = "extends: t0.yaml\n";
        name[1] = (char)('0' + i);
        text[10] = (char)('1' + i);
        given_file (name, i < 8 ? text : "search: {}\n");
    }
    refused_with ("t0.yaml", ESP_EFORMAT,
                  "t7.yaml:1:1: extends: more than 8 files above each other");
    config_destroy (given_config ("t1.yaml"));
    given_file ("w2.yaml", "search: {}\n"); /* the same file twice is no circle */
    given_file ("w1.yaml", "extends: [w2.yaml, w2.yaml]\n");
    config_destroy (given_config ("w1.yaml"));
    given_file ("w0.yaml",
                "extends: [w2.yaml, w2.yaml, w2.yaml, w2.yaml, w2.yaml, w2.yaml, w2.yaml, "
                "w2.yaml, w2.yaml]\n");
    given_file ("w1.yaml", "extends: [w0.yaml, w0.yaml, w0.yaml, w0.yaml, w0.yaml, w0.yaml, "
                           "w0.yaml]\n");
    refused_with ("w1.yaml", ESP_EFORMAT, "extends: more than 64 files in all");
    CHECK (esp_alloc_live () == 0);
}

static void only_a_file_on_a_disk_can_extend (void)
{
    config *c = NULL;
    esp_error error = {0};
    FAILS (config_parse (span_of ("search: {}\nextends: base.yaml\n"), "run.yaml", &c, &error),
           ESP_EFORMAT);
    CU_ASSERT_STRING_EQUAL (error.text, "run.yaml:2:1: extends: only a run file that is read from "
                                        "a disk can have it");
}

static void survives_failure_of_every_allocation (void)
{
    esp_err err = ESP_ENOMEM;
    given_file ("base.yaml", "search: {keep: 7, weight: 0.5}\ngenerator: [{url: a}]\n");
    given_file ("run.yaml", "extends: base.yaml\nsearch: {keep: 8}\ngenerator: {url: b}\n");
    for (long n = 0; err != ESP_OK && n < 100; n++) {
        config *c = NULL;
        esp_error error = {0};
        const char *path = path_of ("run.yaml");
        esp_alloc_fail_after (n);
        err = config_read (path, &c, &error);
        esp_alloc_fail_after (-1);
        CHECK (err == ESP_OK || err == ESP_ENOMEM);
        config_destroy (c);
        CU_ASSERT_EQUAL (esp_alloc_live (), 0);
    }
    CU_ASSERT_EQUAL (err, ESP_OK);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"what comes later wins, key by key", what_comes_later_wins_key_by_key},
        {"a key without a value takes its default again",
         a_key_without_a_value_takes_its_default_again},
        {"a key without a value takes away what no table knows",
         a_key_without_a_value_takes_away_what_no_table_knows},
        {"what is left of a base is told with its way out",
         what_is_left_of_a_base_is_told_with_its_way_out},
        {"a list replaces the section and is replaced whole",
         a_list_replaces_the_section_and_is_replaced_whole},
        {"items of lists are overridden by number", items_of_lists_are_overridden_by_number},
        {"names are relative to the file that says them",
         names_are_relative_to_the_file_that_says_them},
        {"mistakes are told where the key stands", mistakes_are_told_where_the_key_stands},
        {"the resolved file has none", the_resolved_file_has_none},
        {"bad files are named with the line that wants them",
         bad_files_are_named_with_the_line_that_wants_them},
        {"circles and towers are refused", circles_and_towers_are_refused},
        {"only a file on a disk can extend", only_a_file_on_a_disk_can_extend},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("config_extends", cases);
}
