/* SPDX-License-Identifier: Apache-2.0 */
/* test_report.c - espalier report on small output folders, from the command line to what it prints */
// LINK: esp_report PkgConfig::JANSSON

#include "cluster/console/report.h"
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cluster/console/report_read.h"
#include "proto/base/alloc.h"
#include "proto/base/file.h"
#include "proto/base/text.h"
#include "tests/support/suite.h"

static esp_buf said, complained; /* what the last report wrote to stdout and stderr */

static const char *put (const char *folder, const char *name, const char *text)
{
    static char path[4][PATH_MAX];
    static int turn;
    char *p = path[turn++ % 4];
    esp_error error = {0};
    PASS (esp_path_join (p, PATH_MAX, folder, name));
    PASS (esp_file_write (p, span_of (text), 0644, &error));
    return p;
}

static int redirect (int fd, const char *path)
{
    int kept = dup (fd), file = open (path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CU_ASSERT_FATAL (kept >= 0 && file >= 0);
    dup2 (file, fd);
    close (file);
    return kept;
}

/* Run "report WORDS", up to 12 words split at spaces; returns its exit status. */
static int report (const char *format, const char *a, const char *b)
{
    const char *folder = suite_folder ();
    char line[3 * PATH_MAX], name[] = "report", *argv[16] = {name}, out[PATH_MAX], err[PATH_MAX];
    int argc = 1, status, kept_out, kept_err;
    snprintf (line, sizeof (line), "%s %s %s", format, a ? a : "", b ? b : "");
    for (char *word = strtok (line, " "); word && argc < 15; word = strtok (NULL, " "))
        argv[argc++] = word;
    PASS (esp_path_join (out, sizeof (out), folder, "out"));
    PASS (esp_path_join (err, sizeof (err), folder, "err"));
    fflush (stdout);
    kept_out = redirect (1, out);
    kept_err = redirect (2, err);
    status = report_main (argc, argv);
    fflush (stdout);
    dup2 (kept_out, 1);
    dup2 (kept_err, 2);
    close (kept_out);
    close (kept_err);
    esp_buf_clear (&said);
    esp_buf_clear (&complained);
    PASS (esp_file_read (out, 1 << 20, &said, NULL));
    PASS (esp_file_read (err, 1 << 20, &complained, NULL));
    return status;
}

static void expect_said (const esp_buf *where, const char *text)
{
    bool there = strstr (esp_buf_text (where), text) != NULL;
    CHECK (there);
    if (!there)
        printf ("\n  not said: %s\n  but: %s\n", text, esp_buf_text (where));
}

/* Three problems.  a: right, wrong, right; b: wrong twice and one cut without an answer; c: right, and a tie. */
static const char answers[] = "{\"id\":\"b\",\"repeat\":0,\"answer\":\"5\",\"correct\":false,"
                              "\"text\":\"t\",\"score\":0.9,\"vote\":2,\"candidates\":3,"
                              "\"generations\":3,\"steps\":6,\"generated_tokens\":60,\"scored_"
                              "tokens\":66,\"finish_reason\":\"answered\",\"error\":null}\n"
                              "{\"id\":\"a\",\"repeat\":0,\"answer\":\"1\",\"correct\":true,"
                              "\"text\":\"t\",\"score\":0.9,\"vote\":2,\"candidates\":3,"
                              "\"generations\":3,\"steps\":9,\"generated_tokens\":90,\"scored_"
                              "tokens\":99,\"finish_reason\":\"answered\",\"error\":null}\n"
                              "{\"id\":\"c\",\"repeat\":0,\"answer\":\"7\",\"correct\":true,"
                              "\"text\":\"t\",\"score\":0.9,\"vote\":1,\"candidates\":2,"
                              "\"generations\":3,\"steps\":3,\"generated_tokens\":30,\"scored_"
                              "tokens\":33,\"finish_reason\":\"budget\",\"error\":null}\n";

#define CANDIDATE(id, path, answer, correct, score, steps, finish)                                 \
    "{\"id\":\"" id "\",\"repeat\":0,\"candidate\":\"" path "\",\"text\":\"t\",\"answer\":" answer \
    ",\"correct\":" correct ",\"score\":" score ",\"step_scores\":" steps                          \
    ",\"tokens\":9,\"finish_reason\":\"" finish "\"}\n"

static const char candidates[] = CANDIDATE ("a", "0", "\"1\"", "true", "0.4", "[0.9,0.4]", "eos")
    CANDIDATE ("b", "0", "\"4\"", "false", "0.3", "[0.3]", "eos")
        CANDIDATE ("a", "1", "\"2\"", "false", "0.6", "[0.1,0.6]", "eos")
            CANDIDATE ("c", "0", "\"7\"", "true", "0.5", "[0.5]", "eos")
                CANDIDATE ("a", "2", "\"1\"", "true", "0.3", "[0.3]", "eos")
                    CANDIDATE ("b", "1", "null", "false", "null", "[]", "length")
                        CANDIDATE ("b", "2", "\"5\"", "false", "0.9", "[0.9]", "eos")
                            CANDIDATE ("c", "1", "\"8\"", "false", "0.5", "[0.5]", "eos");

static const char *given_run (const char *strategy)
{
    static char kept[4][PATH_MAX]; /* suite_folder keeps four, and report () asks for more */
    static int turn;
    char *folder = kept[turn++ % 4];
    char run_file[PATH_MAX + 200];
    const char *problems;
    snprintf (folder, PATH_MAX, "%s", suite_folder ());
    problems = put (folder, "p.jsonl",
                    "{\"id\":\"a\",\"level\":1}\n{\"id\":\"b\",\"level\":\"2, hard\"}\n"
                    "{\"id\":\"c\",\"level\":1}\n{\"id\":\"d\",\"level\":9}\n");
    snprintf (run_file, sizeof (run_file), "problems:\n  file: \"%s\"\nsearch:\n  strategy: %s\n",
              problems, strategy);
    put (folder, "run.yaml", run_file);
    put (folder, "answers.jsonl", answers);
    put (folder, "candidates.jsonl", candidates);
    return folder;
}

static void costs_stand_below_the_table_when_there_are_some (void)
{
    const char *run = given_run ("best_of_n");
    CU_ASSERT_EQUAL (report ("", run, NULL), 0);
    CHECK (strstr (esp_buf_text (&said), "cache hits") == NULL);
    put (run, "costs.jsonl",
         "{\"id\":\"b\",\"repeat\":0,\"generations\":3,\"generated_tokens\":60,\"prompt_tokens\":"
         "200,"
         "\"cached_tokens\":50,\"scored_tokens\":66,\"read_tokens\":70,\"verdicts\":0}\n");
    CU_ASSERT_EQUAL (report ("", run, NULL), 0);
    expect_said (&said, "per answer");
    expect_said (&said, "cache hits        25.0 % of the prompt tokens");
    CU_ASSERT_EQUAL (report ("--format json", run, NULL), 0);
    expect_said (&said,
                 "\"prompt_tokens\":{\"mean\":200.0,\"p50\":200.0,\"p95\":200.0,\"total\":200.0}");
    expect_said (&said, "\"money\":null");
    put (run, "costs.jsonl", "{}\n");
    CU_ASSERT_EQUAL (report ("", run, NULL), 2);
    expect_said (&complained, "costs.jsonl:1: `generations` is not a whole number");
}

static void csv_has_the_costs_of_each_run (void)
{
    static const char row[] =
        "{\"id\":\"b\",\"repeat\":0,\"generations\":3,\"generated_tokens\":123456789012,"
        "\"prompt_tokens\":200,\"cached_tokens\":50,\"scored_tokens\":66,\"read_tokens\":70,"
        "\"verdicts\":0}\n";
    const char *run = given_run ("best_of_n");
    char twice[1000];
    CU_ASSERT_EQUAL (report ("-f csv", run, NULL), 0);
    CHECK (strstr (esp_buf_text (&said), "cost_") == NULL);
    snprintf (twice, sizeof (twice), "%s%s", row, row);
    put (run, "costs.jsonl", twice);
    CU_ASSERT_EQUAL (report ("-f csv", run, NULL), 0);
    expect_said (&said, "\",,cost_generations,,,6,,,2\r\n");
    expect_said (&said, ",,cost_generated_tokens,,,246913578024,,,2\r\n");
    expect_said (&said, ",,cost_prompt_tokens,,,400,,,2\r\n");
    expect_said (&said, ",,cost_cached_tokens,,,100,,,2\r\n");
    expect_said (&said, ",,cost_scored_tokens,,,132,,,2\r\n");
    expect_said (&said, ",,cost_cache_hits,,,0.25,,,2\r\n");
    expect_said (&said, ",,cost_money,,,,,,2\r\n"); /* nobody said a price */
    put (run, "run.yaml", "generator: {price.prompt: 1.0, price.generated: 0.5}\n");
    CU_ASSERT_EQUAL (report ("-f csv", run, NULL), 0);
    expect_said (&said, ",,cost_money,,,123456.7894,,,2\r\n"); /* 400 / 1e6 + 123456.789012 */
}

static void wrong_usage_is_2 (void)
{
    CU_ASSERT_EQUAL (report ("", NULL, NULL), 2);
    expect_said (&complained, "espalier report: name the output folder");
    CU_ASSERT_EQUAL (report ("a b c", NULL, NULL), 2);
    CU_ASSERT_EQUAL (report ("--nonsense x", NULL, NULL), 2);
    CU_ASSERT_EQUAL (report ("--power=-1 x", NULL, NULL), 2);
    CU_ASSERT_EQUAL (report ("--power=nan x", NULL, NULL), 2);
    CU_ASSERT_EQUAL (report ("--bootstrap=-3 x", NULL, NULL), 2);
    CU_ASSERT_EQUAL (report ("--bootstrap=99999999999 x", NULL, NULL), 2);
    CU_ASSERT_EQUAL (report ("--seed=x x", NULL, NULL), 2);
    CU_ASSERT_EQUAL (report ("--format=tabel x", NULL, NULL), 2);
    expect_said (&complained, "did you mean table?");
    CU_ASSERT_EQUAL (report ("--x=seconds x", NULL, NULL), 2);
    CU_ASSERT_EQUAL (report ("--aggregate=median x", NULL, NULL), 2);
    CU_ASSERT_EQUAL (said.len, 0);
    CU_ASSERT_EQUAL (report ("--help", NULL, NULL), 0);
    expect_said (&said, "--aggregate");
    CU_ASSERT_EQUAL (report ("--usage", NULL, NULL), 0);
    expect_said (&said, "OUTPUT [OUTPUT2]");
}

static void the_table_has_the_numbers (void)
{
    const char *run = given_run ("best_of_n");
    CU_ASSERT_EQUAL (report ("--bootstrap 0", run, NULL), 0);
    CU_ASSERT_EQUAL (complained.len, 0);
    expect_said (&said, "(best_of_n): 3 problems, 3 answers, 8 candidates\n");
    expect_said (&said,
                 "accuracy     66.7 %  of the answers given; 3 of 3 graded, 0 ended in an error\n");
    expect_said (&said, "3.0 generations, 6.0 steps, 60.0 generated tokens, 66.0 scored tokens\n");
    expect_said (&said, "2.7 per answer, 12.5 % truncated, 12.5 % without an answer\n");
    /* pass@1: (2/3 + 0 + 1/2) / 3; majority@2: a ties, first seen; weighted@2: a goes to the wrong 0.6 */
    expect_said (&said, "\n       1  38.9                  66.7                  66.7              "
                        "    66.7                  3\n");
    expect_said (&said, "\n       2  66.7                  66.7                  33.3              "
                        "    33.3                  3\n");
    /* pass@3 over the two problems that have 3 candidates */
    expect_said (&said, "\n       3  50.0                  66.7                  66.7              "
                        "    33.3                  2\n");
    CHECK (!strstr (said.data, "not a smaller run"));
}

static void a_tree_is_marked (void)
{
    const char *run = given_run ("beam");
    CU_ASSERT_EQUAL (report ("", run, NULL), 0);
    expect_said (&said, "\n       1* 38.9 [");
    expect_said (&said, "\n       3  50.0 [");
    expect_said (&said, "not a smaller run");
}

static void any_aggregate_works_without_a_rerun (void)
{
    const char *run = given_run ("best_of_n");
    /* a, k = 2: min 0.4 against 0.1, so the right one is the best; mean 0.65 against 0.35 too */
    CU_ASSERT_EQUAL (report ("-b 0 --aggregate min", run, NULL), 0);
    expect_said (&said, "\n       2  66.7                  66.7                  66.7              "
                        "    66.7                  3\n");
    CU_ASSERT_EQUAL (report ("-b 0 --aggregate last", run, NULL), 0);
    expect_said (&said, "\n       2  66.7                  66.7                  33.3              "
                        "    33.3                  3\n");
    CU_ASSERT_EQUAL (report ("-b 0 --aggregate max --power 9", run, NULL), 0);
    expect_said (&said, "\n       3  50.0                  66.7                  66.7              "
                        "    66.7                  2\n");
}

static void groups_come_from_the_problems_file (void)
{
    const char *run = given_run ("best_of_n");
    CU_ASSERT_EQUAL (report ("-b 0 --by level", run, NULL), 0);
    expect_said (&said, "\nlevel = 1\n  accuracy     100.0 %");
    expect_said (&said, "\nlevel = 2, hard\n  accuracy     0.0 %");
    CHECK (!strstr (said.data, "level = 9") && !strstr (said.data, "(none)"));
    CU_ASSERT_EQUAL (report ("-f csv --by level", run, NULL), 0);
    expect_said (&said, "\",\"2, hard\",accuracy,,,0,0,0,1\r\n");
    CU_ASSERT_EQUAL (report ("--by nothing", run, NULL), 2);
    expect_said (&complained, "--by nothing: no problem of the run has this field");
    put (run, "run.yaml", "problems: {file: /nowhere/p.jsonl}\n");
    CU_ASSERT_EQUAL (report ("", run, NULL), 0);
    CU_ASSERT_EQUAL (report ("--by level", run, NULL), 2);
    expect_said (&complained, "--by level: /nowhere/p.jsonl");
}

static void compute_can_be_the_axis (void)
{
    const char *run = given_run ("best_of_n");
    CU_ASSERT_EQUAL (report ("-b 0 -x tokens", run, NULL), 0);
    /* k = 1: 90 / 3, 60 / 3, 30 / 2 */
    expect_said (&said, "\n       1          21.7  38.9");
    expect_said (&said, "\n       3          60.0  50.0");
    CU_ASSERT_EQUAL (report ("-b 0 -f csv -x generations", run, NULL), 0);
    expect_said (&said, ",pass,3,3,0.5,,,2\r\n");
}

static void json_is_json (void)
{
    const char *run = given_run ("beam");
    json_t *root;
    double p = -1;
    CU_ASSERT_EQUAL (report ("-f json --by level", run, run), 0);
    root = json_loadb (said.data, said.len, 0, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL (root);
    CU_ASSERT_EQUAL (json_array_size (json_object_get (root, "runs")), 2);
    CHECK (json_unpack (root, "{s:{s:f}}", "versus", "mcnemar_p", &p) == 0);
    CU_ASSERT_EQUAL (p, 1);
    json_decref (root);
}

static void two_runs_are_compared_pair_by_pair (void)
{
    const char *first = given_run ("best_of_n"), *second = given_run ("beam");
    put (second, "answers.jsonl",
         "{\"id\":\"a\",\"repeat\":0,\"answer\":\"2\",\"correct\":false,\"candidates\":0}\n"
         "{\"id\":\"b\",\"repeat\":0,\"answer\":\"2\",\"correct\":false,\"candidates\":0}\n"
         "{\"id\":\"c\",\"repeat\":1,\"answer\":\"7\",\"correct\":true,\"candidates\":0}\n"
         "{\"id\":\"z\",\"repeat\":0,\"answer\":null,\"correct\":null,\"candidates\":0,\"finish_"
         "reason\":\"error\"}\n");
    put (second, "candidates.jsonl", "");
    CU_ASSERT_EQUAL (report ("", first, second), 0);
    expect_said (&said, "4 problems, 4 answers, 0 candidates");
    expect_said (&said, "4 of 4 graded, 1 ended in an error");
    expect_said (&said, ": 2 pairs (same id and repeat, graded in both); 1 only in the first, 2 "
                        "only in the second");
    expect_said (&said, "accuracy     50.0 % against 0.0 %");
    expect_said (&said, "difference   +50.0 [");
    expect_said (&said, "1 wins, 0 losses, 1 ties; exact McNemar p = 1\n");
    CU_ASSERT_EQUAL (report ("-f csv", first, second), 0);
    expect_said (&said, "\"first-second\",,mcnemar_p,,,1,,,2\r\n");
}

static void a_run_without_verdicts_says_so (void)
{
    const char *run = given_run ("greedy");
    put (run, "answers.jsonl", "{\"id\":\"a\",\"answer\":\"1\",\"correct\":null}\n");
    put (run, "candidates.jsonl", CANDIDATE ("a", "0", "\"1\"", "null", "null", "[]", "eos"));
    CU_ASSERT_EQUAL (report ("", run, NULL), 0);
    expect_said (&said, "accuracy     - %");
    expect_said (&said, "no answer has a verdict");
    CU_ASSERT_EQUAL (report ("--plot /nowhere/x.svg", run, NULL), 2);
    expect_said (&complained, "nothing to draw");
}

static void candidates_of_problems_without_an_answer_are_left_out (void)
{
    const char *run = given_run ("best_of_n");
    put (run, "answers.jsonl",
         "{\"id\":\"a\",\"answer\":\"1\",\"correct\":true,\"candidates\":3}\n\n");
    CU_ASSERT_EQUAL (report ("", run, NULL), 0);
    expect_said (&complained, "5 candidates of problems without an answer (yet) were left out");
    expect_said (&said, "1 problems, 1 answers, 3 candidates");
}

static void expect_broken (const char *file, const char *text, const char *sentence)
{
    const char *run = given_run ("best_of_n");
    put (run, file, text);
    CU_ASSERT_EQUAL (report ("", run, NULL), 2);
    expect_said (&complained, sentence);
    CU_ASSERT_EQUAL (said.len, 0);
}

static void broken_files_are_named_with_their_line (void)
{
    expect_broken ("answers.jsonl", "", "answers.jsonl:1: no row");
    expect_broken ("answers.jsonl", "{\"id\":\"a\"}\n{\"id\":\n", "answers.jsonl:2: column ");
    expect_broken ("answers.jsonl", "{\"id\":\"a\"}\n{\"id\":\"b",
                   "answers.jsonl:2: the last line is cut");
    expect_broken ("answers.jsonl", "7\n", "answers.jsonl:1: ");
    expect_broken ("answers.jsonl", "[]\n", "answers.jsonl:1: not a JSON object");
    expect_broken ("answers.jsonl", "{\"answer\":1}\n", "answers.jsonl:1: no `id`");
    expect_broken ("answers.jsonl", "{\"id\":\"a\",\"repeat\":-1}\n",
                   "`repeat` is not a whole number");
    expect_broken ("answers.jsonl", "{\"id\":\"a\",\"correct\":1}\n",
                   "`correct` is not true, false or null");
    expect_broken ("answers.jsonl", "{\"id\":\"a\",\"steps\":\"1\"}\n", "`steps` is not a number");
    expect_broken ("answers.jsonl", "{\"id\":\"a\"}\n{\"id\":\"b\"}\n{\"id\":\"a\"}\n",
                   "answers.jsonl:3: the id and repeat of line 1 again");
    expect_broken ("candidates.jsonl", "", "candidates.jsonl:1: no row");
    expect_broken ("candidates.jsonl", "\n{\"id\":\"a\",\"score\":[]}\n",
                   "candidates.jsonl:2: `score` is not a number");
    expect_broken ("candidates.jsonl", "\xff\n", "candidates.jsonl:1: column ");
    expect_broken ("run.yaml", "search: [\n", "run.yaml:");
}

static void missing_files_are_named (void)
{
    const char *run = given_run ("best_of_n");
    char path[PATH_MAX];
    CU_ASSERT_EQUAL (report ("", "/nowhere", NULL), 2);
    expect_said (&complained, "/nowhere/answers.jsonl: no such file");
    PASS (esp_path_join (path, sizeof (path), run, "candidates.jsonl"));
    unlink (path);
    CU_ASSERT_EQUAL (report ("", run, NULL), 2);
    expect_said (&complained, "candidates.jsonl: no such file");
    run = given_run ("best_of_n");
    PASS (esp_path_join (path, sizeof (path), run, "run.yaml"));
    unlink (path);
    CU_ASSERT_EQUAL (report ("", run, NULL), 0);
    CU_ASSERT_EQUAL (report ("--by level", run, NULL), 2);
}

static void a_plot_needs_gnuplot_and_leaves_its_data (void)
{
    const char *run = given_run ("best_of_n");
    char words[PATH_MAX], path[PATH_MAX], *kept = strdup (getenv ("PATH"));
    esp_buf data = {0};
    CU_ASSERT_PTR_NOT_NULL_FATAL (kept);
    snprintf (words, sizeof (words), "--plot %s/it's.svg", run);
    setenv ("PATH", "/nowhere", 1);
    CU_ASSERT_EQUAL (report (words, run, run), 2);
    setenv ("PATH", kept, 1);
    expect_said (&complained, "gnuplot does not start");
    PASS (esp_path_join (path, sizeof (path), run, "it's.svg.dat"));
    PASS (esp_file_read (path, 1 << 20, &data, NULL));
    expect_said (&data, "1 0.3888888889 ");
    if (system ("command -v gnuplot > /dev/null") == 0) {
        CU_ASSERT_EQUAL (report (words, run, run), 0);
        PASS (esp_path_join (path, sizeof (path), run, "it's.svg"));
        PASS (esp_file_read (path, 1 << 24, &data, NULL));
        expect_said (&data, "<svg");
    }
    esp_buf_free (&data);
    free (kept);
}

static void the_order_of_rows_does_not_matter (void)
{
    const char *run = given_run ("best_of_n");
    esp_buf first = {0}, turned = {0};
    const char *end = answers + strlen (answers);
    PASS (esp_buf_puts (&turned, ""));
    for (const char *line = end; line > answers;) { /* last line first */
        const char *start = line - 1;
        while (start > answers && start[-1] != '\n')
            start--;
        PASS (esp_buf_append (&turned, start, (size_t)(line - start)));
        line = start;
    }
    CU_ASSERT_EQUAL (report ("-f csv", run, NULL), 0);
    PASS (esp_buf_add (&first, esp_buf_span (&said)));
    put (run, "answers.jsonl", turned.data);
    CU_ASSERT_EQUAL (report ("-f csv", run, NULL), 0);
    CHECK (span_equal (esp_buf_span (&first), esp_buf_span (&said)));
    esp_buf_free (&first);
    esp_buf_free (&turned);
}

static void the_prm_has_a_report_of_its_own (void)
{
    const char *run = given_run ("best_of_n");
    CHECK (report ("--prm", run, NULL) == 0);
    expect_said (&said, ": 8 solutions, 9 step scores\n");
    expect_said (&said, "ProcessBench no labelled solution");
    /* right 0.4 0.5 0.3, wrong 0.6 0.3 0.9 0.5: of 12 pairs 0.4 > 0.3, 0.5 > 0.3, and two ties */
    expect_said (&said, "solutions 0.250 (3 right, 4 wrong)");
    CHECK (report ("--prm --format=json", run, run) == 0);
    expect_said (&said, "\"over_optimised\": ");
    CHECK (report ("--prm --format=csv", run, NULL) == 2);
    expect_said (&complained, "no csv");
    CHECK (report ("--prm --threshold=x", run, NULL) == 2);
}

static void survives_failure_of_every_allocation (void)
{
    const char *run = given_run ("beam");
    report_reading how = {.aggregate = AGGREGATE_PROD, .by = "level"};
    esp_err err = ESP_ENOMEM;
    long live = esp_alloc_live ();
    for (long n = 0; err != ESP_OK && n < 3000; n++) {
        report_run r = {0};
        esp_error error = {0};
        esp_alloc_fail_after (n);
        err = report_read (run, &how, &r, &error);
        esp_alloc_fail_after (-1);
        CHECK (err == ESP_OK || error.text[0]);
        report_run_free (&r);
        CU_ASSERT_EQUAL (esp_alloc_live (), live);
    }
    CU_ASSERT_EQUAL (err, ESP_OK);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"csv has the costs of each run", csv_has_the_costs_of_each_run},
        {"costs stand below the table when there are some",
         costs_stand_below_the_table_when_there_are_some},
        {"wrong usage is 2", wrong_usage_is_2},
        {"the table has the numbers", the_table_has_the_numbers},
        {"a tree is marked", a_tree_is_marked},
        {"any aggregate works without a rerun", any_aggregate_works_without_a_rerun},
        {"groups come from the problems file", groups_come_from_the_problems_file},
        {"compute can be the axis", compute_can_be_the_axis},
        {"JSON is JSON", json_is_json},
        {"two runs are compared pair by pair", two_runs_are_compared_pair_by_pair},
        {"a run without verdicts says so", a_run_without_verdicts_says_so},
        {"candidates of problems without an answer are left out",
         candidates_of_problems_without_an_answer_are_left_out},
        {"broken files are named with their line", broken_files_are_named_with_their_line},
        {"missing files are named", missing_files_are_named},
        {"a plot needs gnuplot and leaves its data", a_plot_needs_gnuplot_and_leaves_its_data},
        {"the order of rows does not matter", the_order_of_rows_does_not_matter},
        {"the PRM has a report of its own", the_prm_has_a_report_of_its_own},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    int status = suite_main ("report", cases);
    esp_buf_free (&said);
    esp_buf_free (&complained);
    return status;
}
