/* SPDX-License-Identifier: Apache-2.0 */
/* test_config_bind.c - values, fallbacks, and the list of mistakes */

#include "proto/config/config.h"
#include <math.h>
#include "tests/unit/proto/config/table.h"

struct one {
    bool flag;
    int64_t whole;
    double number;
    const char *text;
    int choice;
    esp_strings texts;
};

static const esp_option one_table[] = {
    {.key = "flag", .type = ESP_OPT_BOOL, .offset = offsetof (struct one, flag)},
    {.key = "whole", .type = ESP_OPT_INT, .offset = offsetof (struct one, whole)},
    {.key = "number", .type = ESP_OPT_DOUBLE, .offset = offsetof (struct one, number)},
    {.key = "text", .type = ESP_OPT_STRING, .offset = offsetof (struct one, text)},
    {.key = "choice",
     .type = ESP_OPT_CHOICE,
     .offset = offsetof (struct one, choice),
     .choices = "a|bb|ccc"},
    {.key = "texts", .type = ESP_OPT_STRINGS, .offset = offsetof (struct one, texts)},
    ESP_OPTION_END};

/* Bind "x: {KEY: VALUE}"; the mistakes stay in *c. */
static struct one bind_one (const char *key, const char *value, config **c)
{
    char yaml[1024];
    struct one o;
    memset (&o, 0x55, sizeof (o));
    (void)snprintf (yaml, sizeof (yaml), "x:\n  %s: %s\n", key, value);
    *c = given (yaml);
    PASS (config_bind (*c, "x", (const esp_option *const[]){one_table}, (void *const[]){&o}, 1));
    return o;
}

static void whole_numbers_in_all_their_forms (void)
{
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"64", 64},
                {"-64", -64},
                {"+7", 7},
                {"0", 0},
                {"1_000_000", 1000000},
                {"64k", 64000},
                {"2M", 2000000},
                {"1G", 1000000000},
                {"1_0k", 10000},
                {"\"12\"", 12},
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775808", INT64_MIN}};
    static const char *const bad[] = {"1.5", "abc",  "1e3",  "64K", "64kk", "k",   "+",   "_1",
                                      "1_",  "1__0", "0x10", "1 2", "\"\"", "1k5", "--1", "true"};
    static const char *const large[] = {"9223372036854775808", "-9223372036854775809",
                                        "99999999999999999999", "9223372036854776k",
                                        "10_000_000_000G"};
    config *c;
    for (size_t i = 0; i < sizeof (good) / sizeof (*good); i++) {
        CU_ASSERT_EQUAL (bind_one ("whole", good[i].text, &c).whole, good[i].value);
        expect_mistakes (c, 0, "");
        config_destroy (c);
    }
    for (size_t i = 0; i < sizeof (bad) / sizeof (*bad); i++) {
        const char *text = NULL;
        CU_ASSERT_EQUAL (bind_one ("whole", bad[i], &c).whole, 0);
        CHECK (config_mistakes (c, &text) == 1 &&
               strstr (text, "run.yaml:2: x.whole: expected a whole number"));
        config_destroy (c);
    }
    for (size_t i = 0; i < sizeof (large) / sizeof (*large); i++) {
        const char *text = NULL;
        CU_ASSERT_EQUAL (bind_one ("whole", large[i], &c).whole, 0);
        CHECK (config_mistakes (c, &text) == 1 &&
               strstr (text, "is too large for a whole number of 64 bits"));
        config_destroy (c);
    }
}

static void numbers_in_all_their_forms (void)
{
    static const struct {
        const char *text;
        double value;
    } good[] = {{"0.5", 0.5}, {"1e-3", 1e-3},  {"-2", -2},         {"64k", 64000}, {".5", 0.5},
                {"1E5", 1e5}, {"1_000", 1000}, {"5e-324", 5e-324}, {"1e18", 1e18}};
    static const char *const bad[] = {"nan", "inf", "-.inf", ".nan", "0x1p3", "1e",
                                      "e5",  "1,5", "1.5k",  "abc",  "1e999", "-1e999"};
    config *c;
    for (size_t i = 0; i < sizeof (good) / sizeof (*good); i++) {
        CHECK (bind_one ("number", good[i].text, &c).number == good[i].value);
        expect_mistakes (c, 0, "");
        config_destroy (c);
    }
    for (size_t i = 0; i < sizeof (bad) / sizeof (*bad); i++) {
        CHECK (bind_one ("number", bad[i], &c).number == 0);
        CHECK (config_mistakes (c, NULL) == 1);
        config_destroy (c);
    }
}

static void truth_values_in_all_their_forms (void)
{
    static const char *const yes[] = {"true", "yes", "on", "True", "YES"};
    static const char *const no[] = {"false", "no", "off", "False", "OFF"};
    config *c;
    for (size_t i = 0; i < 5; i++) {
        CHECK (bind_one ("flag", yes[i], &c).flag);
        expect_mistakes (c, 0, "");
        config_destroy (c);
        CHECK (!bind_one ("flag", no[i], &c).flag);
        expect_mistakes (c, 0, "");
        config_destroy (c);
    }
    CHECK (!bind_one ("flag", "1", &c).flag);
    expect_mistakes (c, 1, "run.yaml:2: x.flag: expected true or false, found '1'\n");
    config_destroy (c);
}

static void any_scalar_is_text (void)
{
    static const struct {
        const char *yaml, *value;
    } cases[] = {{"1e3", "1e3"},
                 {"true", "true"},
                 {"'null'", "null"},
                 {"\"a\\nb\"", "a\nb"},
                 {"a b c", "a b c"},
                 {"\"\"", ""},
                 {"|-\n    two\n    lines", "two\nlines"},
                 {"\xc3\xa9", "\xc3\xa9"},
                 {"\"\\u20AC\"", "\xe2\x82\xac"}};
    config *c;
    for (size_t i = 0; i < sizeof (cases) / sizeof (*cases); i++) {
        CU_ASSERT_STRING_EQUAL (bind_one ("text", cases[i].yaml, &c).text, cases[i].value);
        expect_mistakes (c, 0, "");
        config_destroy (c);
    }
    CHECK (bind_one ("text", "~", &c).text == NULL);
    config_destroy (c);
}

static void one_scalar_is_a_list_of_one (void)
{
    config *c;
    struct one o = bind_one ("texts", "a", &c);
    CHECK (o.texts.count == 1 && strcmp (o.texts.items[0], "a") == 0);
    config_destroy (c);
    o = bind_one ("texts", "[a, 2, \"\"]", &c);
    CHECK (o.texts.count == 3 && strcmp (o.texts.items[1], "2") == 0 && o.texts.items[2][0] == 0);
    config_destroy (c);
    CHECK (bind_one ("texts", "[]", &c).texts.count == 0);
    expect_mistakes (c, 0, "");
    config_destroy (c);
    (void)bind_one ("texts", "[a, [b]]", &c);
    expect_mistakes (c, 1, "run.yaml:2: x.texts: expected a list of texts, but item 2 is a list\n");
    config_destroy (c);
    (void)bind_one ("texts", "[a, ~]", &c);
    expect_mistakes (c, 1,
                     "run.yaml:2: x.texts: expected a list of texts, but item 2 is empty; write "
                     "\"\" for no text\n");
    config_destroy (c);
}

static void absent_keys_and_sections_take_their_fallbacks (void)
{
    static const char *const files[] = {"other: {}\n", "search:\n", "search: {}\n",
                                        "search: {keep: ~}\n"};
    for (size_t i = 0; i < 4; i++) {
        config *c = given (files[i]);
        struct search_options o = bind_search (c);
        CU_ASSERT_STRING_EQUAL (o.strategy, "beam");
        CHECK (o.keep == 4 && o.weight == 0.5 && o.aggregate == 0 && o.generations == 640 &&
               o.deterministic);
        expect_mistakes (c, 0, "");
        config_destroy (c);
    }
}

static void fallbacks_of_text_are_yaml_or_stand_as_they_are (void)
{
    static const esp_option rows[] = {
        {.key = "a", .type = ESP_OPT_STRING, .fallback = "{host}:80", .offset = 0},
        {.key = "b", .type = ESP_OPT_STRING, .fallback = "\"\\n\"", .offset = sizeof (char *)},
        {.key = "c", .type = ESP_OPT_STRING, .fallback = "", .offset = 2 * sizeof (char *)},
        {.key = "d", .type = ESP_OPT_STRINGS, .fallback = "", .offset = 3 * sizeof (char *)},
        ESP_OPTION_END};
    struct {
        const char *a, *b, *c;
        esp_strings d;
    } o = {0};
    config *c = given ("{}");
    PASS (config_bind (c, "x", (const esp_option *const[]){rows}, (void *const[]){&o}, 1));
    CU_ASSERT_STRING_EQUAL (o.a, "{host}:80");
    CU_ASSERT_STRING_EQUAL (o.b, "\n");
    CU_ASSERT_STRING_EQUAL (o.c, "");
    CHECK (o.d.count == 0);
    config_destroy (c);
}

static void nested_and_dotted_keys_are_the_same_row (void)
{
    static const char *const files[] = {
        "search: {budget: {generations: 9}}\n", "search: {budget.generations: 9}\n",
        "search.budget.generations: 9\n", "search.budget: {generations: 9}\n"};
    for (size_t i = 0; i < 4; i++) {
        config *c = given (files[i]);
        CHECK (bind_search (c).generations == 9);
        PASS (config_check_unknown (c));
        expect_mistakes (c, 0, "");
        config_destroy (c);
    }
}

static void every_mistake_is_collected_with_its_line (void)
{
    config *c = given ("search:\n"
                       "  keep: 900\n"
                       "  weight: heavy\n"
                       "  aggregate: pord\n"
                       "  deterministic: [a]\n"
                       "  strategy: {a: 1}\n"
                       "  budget:\n"
                       "    generations: -1\n"
                       "    generatoins: 3\n"
                       "  generations: 3\n"
                       "  kepe: 3\n"
                       "  nothinglikeit: 3\n"
                       "serch: {keep: 1}\n"
                       "generator: {}\n");
    PASS (config_override (c, "search.keep=0", NULL));
    PASS (config_override (c, "serach.keep=8", NULL));
    PASS (config_override (c, "generator.stpo=8", NULL));
    struct search_options o = bind_search (c);
    CHECK (o.keep == 4 && o.weight == 0.5 && o.aggregate == 0 && o.generations == 640 &&
           o.deterministic);
    (void)bind_generator (c);
    PASS (config_check_unknown (c));
    PASS (config_check_unknown (c)); /* says nothing twice */
    expect_mistakes (
        c, 14,
        "override 1 'search.keep=0': search.keep: 0 is out of range: 1 to 512 branches\n"
        "run.yaml:3: search.weight: expected a number, found 'heavy'\n"
        "run.yaml:4: search.aggregate: unknown choice 'pord'; did you mean prod?; there are: last, "
        "min, prod, mean, "
        "max\n"
        "run.yaml:8: search.budget.generations: -1 is out of range: at least 0\n"
        "run.yaml:5: search.deterministic: expected true or false, found a list\n"
        "run.yaml:14: generator.url: is required, but not given: where the server is\n"
        "run.yaml:13: serch: unknown section; did you mean search?\n"
        "override 2 'serach.keep=8': serach: unknown section; did you mean search?\n"
        "run.yaml:6: search.strategy.a: unknown key; strategy is a single value and has no keys "
        "inside\n"
        "run.yaml:9: search.budget.generatoins: unknown key; did you mean budget.generations?\n"
        "run.yaml:10: search.generations: unknown key; did you mean budget.generations?\n"
        "run.yaml:11: search.kepe: unknown key; did you mean keep?\n"
        "run.yaml:12: search.nothinglikeit: unknown key\n"
        "override 3 'generator.stpo=8': generator.stpo: unknown key; did you mean stop?\n");
    config_destroy (c);
}

static void an_unknown_section_unlike_any_lists_them (void)
{
    config *c =
        given ("watermelon: {a: 1}\nsearch: {budget: 4}\ngenerator: {url: x, stop: {a: 1}}\n");
    (void)bind_search (c);
    (void)bind_generator (c);
    PASS (config_check_unknown (c));
    expect_mistakes (
        c, 3,
        "run.yaml:1: watermelon: unknown section; there are search, generator\n"
        "run.yaml:2: search.budget: a map is expected here, such as {generations: ...}\n"
        "run.yaml:3: generator.stop.a: unknown key; stop is a single value and has no keys "
        "inside\n");
    config_destroy (c);
}

static void extends_is_known_though_it_is_no_section (void)
{
    config *c = given ("extend: base.yaml\n");
    (void)bind_search (c);
    PASS (config_check_unknown (c));
    expect_mistakes (c, 1, "run.yaml:1: extend: unknown section; did you mean extends?\n");
    config_destroy (c);
}

static void empty_groups_are_fine_where_rows_live_inside (void)
{
    config *c = given ("search:\n  budget:\n  nogroup: {}\nnone: []\n");
    (void)bind_search (c);
    PASS (config_check_unknown (c));
    expect_mistakes (c, 1, "run.yaml:3: search.nogroup: unknown key\n");
    config_destroy (c);
}

static void a_section_of_a_wrong_shape_is_one_mistake (void)
{
    config *c = given ("search: 8\n");
    CHECK (bind_search (c).keep == 4);
    (void)bind_search (c);
    PASS (config_check_unknown (c));
    expect_mistakes (c, 1, "run.yaml:1: search: expected a map of keys, such as {key: value}\n");
    config_destroy (c);
    c = given ("search:\n- {keep: 1}\n- {keep: 2}\n");
    CHECK (bind_search (c).keep == 1);
    PASS (config_check_unknown (c));
    expect_mistakes (c, 1, "run.yaml:2: search[0]: expected one map of keys, found a list\n");
    config_destroy (c);
}

static void two_tables_fill_two_structs_from_one_section (void)
{
    static const esp_option more[] = {
        {.key = "lambda", .type = ESP_OPT_DOUBLE, .offset = 0, .fallback = "1.5"},
        {.key = "keep",
         .type = ESP_OPT_INT,
         .offset = sizeof (double),
         .fallback = "4",
         .min = 1,
         .max = 512},
        ESP_OPTION_END};
    struct {
        double lambda;
        int64_t keep;
    } own = {0};
    struct search_options o = {0};
    config *c = given ("search: {keep: 900, lambda: 2}\n");
    PASS (config_bind (c, "search", (const esp_option *const[]){search_table, more},
                       (void *const[]){&o, &own}, 2));
    CHECK (own.lambda == 2 && own.keep == 4 && o.keep == 4);
    PASS (config_check_unknown (c));
    expect_mistakes (c, 1, "run.yaml:1: search.keep: 900 is out of range: 1 to 512 branches\n");
    config_destroy (c);
}

static void accepted_sections_have_no_unknown_keys (void)
{
    config *c = given ("prm: {url: x, anything: [1]}\n");
    PASS (config_accept_section (c, "prm"));
    PASS (config_accept_section (c, "absent"));
    PASS (config_check_unknown (c));
    expect_mistakes (c, 0, "");
    config_destroy (c);
}

static void mistakes_of_callers_get_their_place (void)
{
    config *c =
        given ("search:\n  keep: 3\nsamples:\n- {format: stepwise}\n- {format: preference}\n");
    PASS (config_override (c, "search.weight=1", NULL));
    PASS (config_mistake (c, "search.keep", "must divide %d", 8));
    PASS (config_mistake (c, "search.weight", "is 1"));
    PASS (config_mistake (c, "search.absent", "is absent"));
    PASS (config_mistake (c, "samples[1].format", "no"));
    PASS (config_mistake (c, "samples[1].none", "no"));
    PASS (config_mistake (c, "samples[99]", "no"));
    PASS (config_mistake (c, "nowhere.a", "line\nend\x1b[1m"));
    PASS (config_mistake (c, "", "odd"));
    PASS (config_mistake (c, "samples[", "odd"));
    expect_mistakes (c, 9,
                     "run.yaml:2: search.keep: must divide 8\n"
                     "override 1 'search.weight=1': search.weight: is 1\n"
                     "run.yaml:1: search.absent: is absent\n"
                     "run.yaml:5: samples[1].format: no\n"
                     "run.yaml:5: samples[1].none: no\n"
                     "run.yaml:3: samples[99]: no\n"
                     "run.yaml: nowhere.a: line?end?[1m\n"
                     "run.yaml: : odd\n"
                     "run.yaml:4: samples[: odd\n");
    config_destroy (c);
}

static void sentences_that_name_a_key_become_its_mistake (void)
{
    config *c = given ("search:\n  keep: 3\n");
    esp_error error = {0};
    esp_error_set (&error, ESP_EINVAL, "search.keep: is odd: 3");
    PASS (config_mistake_of (c, "search", &error));
    esp_error_set (&error, ESP_EINVAL, "it cannot be");
    PASS (config_mistake_of (c, "search", &error));
    expect_mistakes (c, 2,
                     "run.yaml:2: search.keep: is odd: 3\n"
                     "run.yaml:1: search: it cannot be\n");
    FAILS (config_mistake_of (c, "search", NULL), ESP_EINVAL);
    config_destroy (c);
}

static void long_and_strange_values_stay_short_in_mistakes (void)
{
    char value[600];
    config *c;
    const char *text = NULL;
    memset (value, 'v', sizeof (value) - 1);
    value[sizeof (value) - 1] = 0;
    (void)bind_one ("choice", value, &c);
    CHECK (config_mistakes (c, &text) == 1 && strlen (text) < 160 &&
           strstr (text, "there are: a, bb, ccc"));
    config_destroy (c);
    (void)bind_one ("whole", "\"a\\n\\e[0mb\"", &c);
    expect_mistakes (
        c, 1,
        "run.yaml:2: x.whole: expected a whole number (such as 64, 64k or 2M), found 'a??[0mb'\n");
    config_destroy (c);
}

static void survives_failure_of_every_allocation (void)
{
    esp_err err = ESP_ENOMEM;
    for (long n = 0; err != ESP_OK && n < 500; n++) {
        config *c = given ("search: {keep: 900, aggregate: lst, kepe: 1}\nserch: {a: "
                           "1}\ngenerator: {stop: [a]}\n");
        struct search_options s = {.keep = 77};
        struct generator_options g = {0};
        esp_alloc_fail_after (n);
        err = config_bind (c, "search", (const esp_option *const[]){search_table},
                           (void *const[]){&s}, 1);
        CHECK (err == ESP_OK || (s.keep == 77 && config_mistakes (c, NULL) == 0));
        if (err == ESP_OK)
            err = config_bind (c, "generator", (const esp_option *const[]){generator_table},
                               (void *const[]){&g}, 1);
        if (err == ESP_OK)
            err = config_check_unknown (c);
        if (err == ESP_OK)
            err = config_mistake (c, "search.keep", "x");
        CHECK (err == ESP_OK || err == ESP_ENOMEM);
        esp_alloc_fail_after (-1);
        config_destroy (c);
        CU_ASSERT_EQUAL (esp_alloc_live (), 0);
    }
    CU_ASSERT_EQUAL (err, ESP_OK);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"whole numbers in all their forms", whole_numbers_in_all_their_forms},
        {"numbers in all their forms", numbers_in_all_their_forms},
        {"truth values in all their forms", truth_values_in_all_their_forms},
        {"any scalar is text", any_scalar_is_text},
        {"one scalar is a list of one", one_scalar_is_a_list_of_one},
        {"absent keys and sections take their fallbacks",
         absent_keys_and_sections_take_their_fallbacks},
        {"fallbacks of text are YAML, or stand as they are",
         fallbacks_of_text_are_yaml_or_stand_as_they_are},
        {"nested and dotted keys are the same row", nested_and_dotted_keys_are_the_same_row},
        {"every mistake is collected with its line", every_mistake_is_collected_with_its_line},
        {"an unknown section unlike any lists them", an_unknown_section_unlike_any_lists_them},
        {"extends is known though it is no section", extends_is_known_though_it_is_no_section},
        {"empty groups are fine where rows live inside",
         empty_groups_are_fine_where_rows_live_inside},
        {"a section of a wrong shape is one mistake", a_section_of_a_wrong_shape_is_one_mistake},
        {"two tables fill two structs from one section",
         two_tables_fill_two_structs_from_one_section},
        {"accepted sections have no unknown keys", accepted_sections_have_no_unknown_keys},
        {"mistakes of callers get their place", mistakes_of_callers_get_their_place},
        {"sentences that name a key become its mistake",
         sentences_that_name_a_key_become_its_mistake},
        {"long and strange values stay short in mistakes",
         long_and_strange_values_stay_short_in_mistakes},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("config_bind", cases);
}
