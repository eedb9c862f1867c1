/* SPDX-License-Identifier: Apache-2.0 */
// LINK: esp_config
/* test_harvest.c - raw rows written by hand become samples */

#include "coordinator/harvest/harvest.h"
#include <fnmatch.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "coordinator/harvest/harvest_private.h"
#include "coordinator/sink/rows.h"
#include "proto/base/file.h"
#include "tests/support/suite.h"

static struct bench {
    char folder[PATH_MAX - 300];
    sample_item one;
    const char *names[ROW_FILES + 1];
    sample_plan plan;
    harvest_setup setup;
    harvest_counts counts;
    esp_error error;
} b;

static void path_of (const char *name, char *out)
{
    PASS (esp_path_join (out, PATH_MAX, b.folder, name));
}

static void write_text (const char *name, const char *text)
{
    char path[PATH_MAX];
    path_of (name, path);
    PASS (esp_file_write (path, span_of (text), 0644, &b.error));
}

/* A raw row: problem number, repeat, set, passes of 4, prompt, completion. */
static void add_row (esp_buf *raw, unsigned number, unsigned repeat, unsigned set, unsigned pass,
                     const char *prompt, const char *completion)
{
    PASS (esp_buf_printf (
        raw,
        "{\"key\":%llu,\"set\":%u,\"pass\":%u,\"of\":4,\"sample\":{\"id\":\"%u/%u/%zu\","
        "\"problem_id\":\"%u\",\"prompt\":\"%s\",\"completion\":\"%s\",\"meta\":{"
        "\"verdict\":\"%s\",\"reason\":null,\"agreement\":0.5}}}\n",
        (unsigned long long)problem_key_make (repeat, number), set, pass, number, repeat, raw->len,
        number, prompt, completion, set ? "unknown" : "pass"));
}

static void given (void)
{
    char path[PATH_MAX];
    memset (&b, 0, sizeof (b));
    snprintf (b.folder, sizeof (b.folder), "%s", suite_folder ());
    path_of ("samples/raw", path);
    PASS (esp_folder_make (path, &b.error));
    write_text ("candidates.jsonl", "");
    b.one = (sample_item){
        .format = sample_format_find ("sft"),
        .options = {
            .format = "sft", .dedupe = true, .near = -1, .pass_high = 1, .shard_bytes = 1 << 20}};
    b.names[ROW_FILES] = "samples/raw/sft.jsonl";
    b.plan = (sample_plan){.items = &b.one, .count = 1, .row_files = b.names, .row_file_count = 4};
    b.setup = (harvest_setup){.output = b.folder, .plan = &b.plan, .name = "t", .calibrate = true};
}

static void when_harvested (esp_buf *raw)
{
    write_text ("samples/raw/sft.jsonl", esp_buf_text (raw));
    PASS (harvest_run (&b.setup, &b.counts, &b.error));
}

/* Its text; "" when it is not there. */
static const char *read_text (const char *name)
{
    static esp_buf text;
    char path[PATH_MAX];
    esp_error none = {0};
    esp_buf_free (&text);
    path_of (name, path);
    return esp_file_read (path, 1 << 24, &text, &none) == ESP_OK ? esp_buf_text (&text) : "";
}

static uint64_t left (enum sample_set set, enum harvest_left why)
{
    return b.counts.left[set][why];
}

static void equal_content_is_kept_of_the_first_problem_whatever_came_first (void)
{
    esp_buf raw = {0};
    given ();
    add_row (&raw, 9, 0, 0, 1, "q", "same");
    add_row (&raw, 2, 1, 0, 1, "q", "same");
    add_row (&raw, 2, 0, 0, 1, "q", "same");
    add_row (&raw, 3, 0, 0, 1, "q", "other");
    when_harvested (&raw);
    CU_ASSERT_EQUAL (left (SAMPLE_VERIFIED, LEFT_KEPT), 2);
    CU_ASSERT_EQUAL (left (SAMPLE_VERIFIED, LEFT_EQUAL), 2);
    CHECK (strstr (read_text ("samples/sft-00000.jsonl"), "\"id\":\"2/0/") != NULL);
    CHECK (strstr (read_text ("samples/sft-00000.jsonl"), "\"id\":\"3/0/") != NULL);
    esp_buf_free (&raw);
}

/* Servers under load give one text several scores. */
static void what_was_measured_makes_no_other_content (void)
{
    static const char *const rows[][3] = {
        {"sft", "\"completion\":\"a\",\"score\":0.5,\"tokens\":7",
         "\"completion\":\"a\",\"score\":0.5000001,\"tokens\":8"},
        {"stepwise", "\"completions\":[\"a\"],\"labels\":[true],\"values\":[1.0],\"rollouts\":[1]",
         "\"completions\":[\"a\"],\"labels\":[true],\"values\":[0.5],\"rollouts\":[2]"},
        {"preference", "\"chosen\":\"a\",\"rejected\":\"b\",\"margin\":1.0",
         "\"chosen\":\"a\",\"rejected\":\"b\",\"margin\":0.5"},
        {"distill", "\"messages\":[\"a\"],\"logprobs\":[[-0.1]]",
         "\"messages\":[\"a\"],\"logprobs\":[[-0.2]]"},
    };
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        esp_buf raw = {0};
        given ();
        b.one.format = sample_format_find (rows[i][0]);
        for (unsigned k = 0; k < 2; k++)
            PASS (esp_buf_printf (&raw,
                                  "{\"key\":%u,\"set\":0,\"pass\":1,\"of\":4,\"sample\":{\"id\":\"%"
                                  "u\",%s,\"meta\":{}}}\n",
                                  k, k, rows[i][1 + k]));
        when_harvested (&raw);
        CU_ASSERT_EQUAL (left (SAMPLE_VERIFIED, LEFT_KEPT), 1);
        CU_ASSERT_EQUAL (left (SAMPLE_VERIFIED, LEFT_EQUAL), 1);
        esp_buf_free (&raw);
    }
}

static void want_counts_distinct_samples_of_all_repeats (void)
{
    esp_buf raw = {0};
    given ();
    b.one.options.want = 2;
    add_row (&raw, 1, 0, 0, 1, "q", "a");
    add_row (&raw, 1, 0, 0, 1, "q", "a");
    add_row (&raw, 1, 1, 0, 1, "q", "b");
    add_row (&raw, 1, 1, 0, 1, "q", "c");
    add_row (&raw, 0, 0, 0, 1, "p", "d");
    when_harvested (&raw);
    CU_ASSERT_EQUAL (left (SAMPLE_VERIFIED, LEFT_KEPT), 3);
    CU_ASSERT_EQUAL (left (SAMPLE_VERIFIED, LEFT_EQUAL), 1);
    CU_ASSERT_EQUAL (left (SAMPLE_VERIFIED, LEFT_WANT), 1);
    CHECK (strstr (read_text ("samples/sft-00000.jsonl"), "\"c\"") == NULL);
    esp_buf_free (&raw);
}

static void near_duplicates_fall_at_the_threshold_of_the_user (void)
{
    static const char long_text[] =
        "first we add one and two which makes three then we take the three times four to have "
        "twelve and from there we go on to the end where the answer waits";
    char other[sizeof (long_text) + 16];
    esp_buf raw = {0};
    given ();
    snprintf (other, sizeof (other), "%s, indeed!", long_text);
    add_row (&raw, 0, 0, 0, 1, "q", long_text);
    add_row (&raw, 0, 0, 0, 1, "q", other);
    add_row (&raw, 1, 0, 0, 1, "q", "something else that is short");
    when_harvested (&raw);
    CU_ASSERT_EQUAL (left (SAMPLE_VERIFIED, LEFT_NEAR), 0);
    b.one.options.near = 7;
    when_harvested (&raw);
    CU_ASSERT_EQUAL (left (SAMPLE_VERIFIED, LEFT_NEAR), 1);
    CU_ASSERT_EQUAL (left (SAMPLE_VERIFIED, LEFT_KEPT), 2);
    esp_buf_free (&raw);
}

static void pass_rates_and_balance (void)
{
    esp_buf raw = {0};
    char text[8];
    given ();
    for (unsigned i = 0; i < 20; i++) { /* 2 of rate 1/4, 18 of rate 1 */
        snprintf (text, sizeof (text), "t%u", i);
        add_row (&raw, i, 0, 0, i < 2 ? 1 : 4, "q", text);
    }
    b.one.options.balance = 3;
    when_harvested (&raw);
    CU_ASSERT_EQUAL (left (SAMPLE_VERIFIED, LEFT_KEPT), 8);
    CU_ASSERT_EQUAL (left (SAMPLE_VERIFIED, LEFT_BALANCE), 12);
    CHECK (strstr (read_text ("samples/sft-00000.jsonl"), "\"t7\"") != NULL);
    CHECK (strstr (read_text ("samples/sft-00000.jsonl"), "\"t8\"") == NULL);
    b.one.options.balance = 0;
    b.one.options.pass_high = 0.5;
    when_harvested (&raw);
    CU_ASSERT_EQUAL (left (SAMPLE_VERIFIED, LEFT_KEPT), 2);
    CU_ASSERT_EQUAL (left (SAMPLE_VERIFIED, LEFT_PASS_RATE), 18);
    esp_buf_free (&raw);
}

static void evaluation_problems_are_refused_and_listed (void)
{
    const char *const duck =
        "Janet\\u2019s ducks lay 16 eggs per day. She eats three for breakfast every morning and "
        "bakes "
        "muffins for her friends every day with four. She sells the remainder at the farmers' "
        "market "
        "daily for $2 per fresh duck egg. How much in dollars does she make every day?";
    esp_buf raw = {0};
    given ();
    add_row (&raw, 0, 0, 0, 1, duck, "16 - 7 = 9, 9 * 2 = 18");
    add_row (&raw, 1, 0, 0, 1, "q", "a");
    when_harvested (&raw);
    CU_ASSERT_EQUAL (left (SAMPLE_VERIFIED, LEFT_EVAL), 1);
    CHECK (strstr (read_text ("samples/refused-00000.jsonl"), "\"set\":\"GSM8K-test\"") != NULL);
    CHECK (strstr (read_text ("samples/sft-00000.jsonl"), "duck") == NULL);
    CHECK (strstr (read_text ("samples/README.md"), "ot for training") == NULL);
    b.one.options.allow_eval = true;
    when_harvested (&raw);
    CU_ASSERT_EQUAL (left (SAMPLE_VERIFIED, LEFT_KEPT), 2);
    CU_ASSERT_STRING_EQUAL (read_text ("samples/refused-00000.jsonl"), "");
    CHECK (strstr (read_text ("samples/README.md"), "Not for training") != NULL);
    CHECK (strstr (read_text ("samples/manifest.json"), "\"for_training\": false") != NULL);
    esp_buf_free (&raw);
}

static void unverified_samples_go_to_their_own_file_with_what_agreement_was_worth (void)
{
    esp_buf raw = {0};
    given ();
    write_text ("candidates.jsonl",
                "{\"id\":\"a\",\"repeat\":0,\"answer\":\"1\",\"correct\":true}\n"
                "{\"id\":\"a\",\"repeat\":0,\"answer\":\"2\",\"correct\":false}\n"
                "{\"id\":\"b\",\"repeat\":0,\"answer\":\"5\",\"correct\":false}\n"
                "{\"id\":\"b\",\"repeat\":0,\"answer\":\"6\",\"correct\":true}\n"
                "{\"id\":\"c\",\"repeat\":0,\"answer\":\"6\",\"correct\":null}\n");
    add_row (&raw, 0, 0, 1, 0, "q", "a");
    add_row (&raw, 1, 0, 0, 1, "q", "b");
    when_harvested (&raw);
    CU_ASSERT_EQUAL (left (SAMPLE_UNVERIFIED, LEFT_KEPT), 1);
    CHECK (strstr (read_text ("samples/sft-unverified-00000.jsonl"),
                   "\"calibration\":{\"level\":\"0.4-0.5\",\"precision\":0.5000,") != NULL);
    CHECK (strstr (read_text ("samples/sft-unverified-00000.jsonl"), "\"n\":4}}}\n") != NULL);
    CHECK (strstr (read_text ("samples/sft-00000.jsonl"), "calibration") == NULL);
    esp_buf_free (&raw);
}

/* An item sft-2 may stand beside it, with shards sft-2-00000. */
static void the_card_names_the_files_of_an_item_and_no_others (void)
{
    esp_buf raw = {0};
    char pattern[64] = "";
    const char *at;
    given ();
    add_row (&raw, 1, 0, 0, 1, "q", "a");
    when_harvested (&raw);
    at = strstr (read_text ("samples/README.md"), "data_files: \"");
    CHECK (at && sscanf (at, "data_files: \"%63[^\"]", pattern) == 1);
    CU_ASSERT_EQUAL (fnmatch (pattern, "sft-00000.jsonl", 0), 0);
    CU_ASSERT_EQUAL (fnmatch (pattern, "sft-00012.jsonl", 0), 0);
    CHECK (fnmatch (pattern, "sft-2-00000.jsonl", 0) != 0);
    CHECK (fnmatch (pattern, "sft-24-long-00000.jsonl", 0) != 0);
    CHECK (fnmatch (pattern, "sft-unverified-00000.jsonl", 0) != 0);
    esp_buf_free (&raw);
}

static void shards_end_where_they_should_and_old_ones_go (void)
{
    char text[80], path[PATH_MAX];
    esp_buf raw = {0};
    struct stat info;
    given ();
    b.one.options.shard_bytes = 2000;
    b.one.options.compress = true;
    for (unsigned i = 0; i < 50; i++) {
        snprintf (text, sizeof (text), "text number %u", i);
        add_row (&raw, i, 0, 0, 1, "q", text);
    }
    when_harvested (&raw);
    path_of ("samples/sft-00003.jsonl.zst", path);
    CHECK (stat (path, &info) == 0);
    b.one.options.shard_bytes = 1 << 20;
    when_harvested (&raw);
    CHECK (stat (path, &info) != 0);
    path_of ("samples/sft-00000.jsonl.zst", path);
    CHECK (stat (path, &info) == 0);
    path_of ("samples/part", path);
    CHECK (stat (path, &info) != 0);
    esp_buf_free (&raw);
}

static void damaged_raw_rows_are_named_and_nothing_is_replaced (void)
{
    static const char *const bad[] = {
        "{\"key\":1}\n", "nonsense\n", "{\"key\":1,\"set\":7,\"pass\":0,\"of\":0,\"sample\":{}}\n",
        "{\"key\":1,\"set\":0,\"pass\":2,\"of\":1,\"sample\":{}}\n",
        "{\"key\":1,\"set\":0,\"pass\":0,\"of\":0,\"sample\":{\"a\":}}\n"};
    esp_buf raw = {0};
    given ();
    add_row (&raw, 1, 0, 0, 1, "q", "a");
    when_harvested (&raw);
    for (size_t i = 0; i < sizeof (bad) / sizeof (bad[0]); i++) {
        esp_error error = {0};
        write_text ("samples/raw/sft.jsonl", bad[i]);
        FAILS (harvest_run (&b.setup, NULL, &error), ESP_EFORMAT);
        CHECK (strstr (error.text, "sft.jsonl:1:") != NULL);
    }
    CHECK (strstr (read_text ("samples/manifest.json"), "sft-00000.jsonl") != NULL);
    esp_buf_free (&raw);
}

static void half_a_line_at_the_end_waits_for_its_other_half (void)
{
    esp_buf raw = {0};
    given ();
    add_row (&raw, 1, 0, 0, 1, "q", "a");
    PASS (esp_buf_puts (&raw, "{\"key\":2,\"set\":0,\"pa"));
    when_harvested (&raw);
    CU_ASSERT_EQUAL (b.counts.raw, 1);
    esp_buf_free (&raw);
}

static void models_outlive_a_harvest_that_was_cut_off (void)
{
    esp_buf raw = {0};
    char part[PATH_MAX], manifest[PATH_MAX], old[PATH_MAX];
    given ();
    add_row (&raw, 1, 0, SAMPLE_VERIFIED, 1, "1 + 1?", "2");
    b.setup.models = span_of ("[{\"name\":\"m-1\"}]");
    when_harvested (&raw);
    CHECK (strstr (read_text ("samples/manifest.json"), "m-1") != NULL);
    path_of ("samples/part", part);
    path_of ("samples/manifest.json", manifest);
    path_of ("samples/part/manifest.json", old);
    CHECK (access (part, F_OK) != 0);
    PASS (esp_folder_make (part, &b.error)); /* as a kill behind the first step leaves it */
    CHECK (rename (manifest, old) == 0);
    b.setup.models = span_of ("");
    when_harvested (&raw);
    CHECK (strstr (read_text ("samples/manifest.json"), "m-1") != NULL);
    CHECK (access (part, F_OK) != 0);
    esp_buf_free (&raw);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"equal content is kept of the first problem, whatever came first",
         equal_content_is_kept_of_the_first_problem_whatever_came_first},
        {"what was measured makes no other content", what_was_measured_makes_no_other_content},
        {"want counts distinct samples of all repeats",
         want_counts_distinct_samples_of_all_repeats},
        {"near-duplicates fall at the threshold of the user",
         near_duplicates_fall_at_the_threshold_of_the_user},
        {"pass rates and balance", pass_rates_and_balance},
        {"evaluation problems are refused and listed", evaluation_problems_are_refused_and_listed},
        {"unverified samples go to their own file, with what agreement was worth",
         unverified_samples_go_to_their_own_file_with_what_agreement_was_worth},
        {"the card names the files of an item and no others",
         the_card_names_the_files_of_an_item_and_no_others},
        {"shards end where they should, and old ones go",
         shards_end_where_they_should_and_old_ones_go},
        {"damaged raw rows are named, and nothing is replaced",
         damaged_raw_rows_are_named_and_nothing_is_replaced},
        {"half a line at the end waits for its other half",
         half_a_line_at_the_end_waits_for_its_other_half},
        {"models outlive a harvest that was cut off", models_outlive_a_harvest_that_was_cut_off},
        {NULL, NULL},
    };
    return suite_main ("harvest", cases);
}
