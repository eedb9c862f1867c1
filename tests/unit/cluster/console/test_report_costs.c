/* SPDX-License-Identifier: Apache-2.0 */
/* test_report_costs.c - costs.jsonl as figures, and what they are worth */
// LINK: esp_report

#include "cluster/console/report_costs.h"
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/file.h"
#include "tests/support/suite.h"

#define ROW(prompt, cached, generated, read)                                                       \
    "{\"id\":\"a\",\"repeat\":0,\"generations\":2,\"generated_tokens\":" generated                 \
    ",\"prompt_tokens\":" prompt ",\"cached_tokens\":" cached                                      \
    ",\"scored_tokens\":5,\"read_tokens\":" read ",\"verdicts\":1"

static const char *given_folder (const char *run_file, const char *rows)
{
    static char folder[PATH_MAX];
    char path[PATH_MAX];
    esp_error error = {0};
    snprintf (folder, sizeof (folder), "%s", suite_folder ());
    if (run_file) {
        PASS (esp_path_join (path, sizeof (path), folder, "run.yaml"));
        PASS (esp_file_write (path, span_of (run_file), 0644, &error));
    }
    if (rows) {
        PASS (esp_path_join (path, sizeof (path), folder, "costs.jsonl"));
        PASS (esp_file_write (path, span_of (rows), 0644, &error));
    }
    return folder;
}

static report_costs read_costs (const char *run_file, const char *rows)
{
    report_costs c = {0};
    esp_error error = {0};
    esp_err err = report_costs_read (given_folder (run_file, rows), &c, &error);
    if (err != ESP_OK)
        printf ("    %s\n", error.text);
    PASS (err);
    return c;
}

static bool is (double value, double wanted)
{
    return fabs (value - wanted) <= 1e-12 * fabs (wanted);
}

static void figures_are_over_the_rows (void)
{
    report_costs c =
        read_costs (NULL, ROW ("10", "5", "1", "0") "}\n" ROW ("30", "5", "2", "0") "}\n" ROW (
                              "20", "5", "9", "0") "}\n");
    const cost_figure *prompt = &c.columns[COST_PROMPT], *made = &c.columns[COST_GENERATED];
    CHECK (c.rows == 3 && is (prompt->mean, 20) && is (prompt->p50, 20) && is (prompt->p95, 30));
    CHECK (is (prompt->total, 60) && is (made->mean, 4) && is (made->p50, 2) && is (made->p95, 9));
    CHECK (is (c.cache_hits, 0.25) && is (c.columns[COST_VERDICTS].total, 3));
    CHECK (isnan (c.money) && isnan (c.generator_flops) && isnan (c.prm_flops));
}

static void a_run_without_answers_has_no_figures (void)
{
    report_costs c = read_costs (NULL, "");
    CHECK (c.rows == 0 && isnan (c.columns[0].mean) && c.columns[0].total == 0);
    CHECK (isnan (c.cache_hits));
}

static void money_is_price_times_tokens_per_million (void)
{
    static const char rows[] = ROW ("1000000", "400000", "50000", "2000000") "}\n";
    report_costs c = read_costs ("generator: {price.prompt: 1.0, price.generated: 10.0}\n", rows);
    CHECK (is (c.money, 1.0 + 0.5)); /* cached tokens at the price of others */
    c = read_costs ("generator: {price.prompt: 1.0, price.cached: 0.0, price.generated: 10.0}\n",
                    rows);
    CHECK (is (c.money, 0.6 + 0.5));
    c = read_costs ("generator: {price.generated: 10.0}\nprm: {engine: fake, price.prompt: 0.25}\n",
                    rows);
    CHECK (is (c.money, 0.5 + 0.5)); /* what is not said adds nothing */
}

static void flops_are_2_for_each_parameter_and_token_not_cached (void)
{
    static const char rows[] = ROW ("1000", "400", "50", "2000") "}\n";
    report_costs c = read_costs (
        "generator: {parameters: 7000000000.0}\nprm: {engine: fake, parameters: 1000000000.0}\n",
        rows);
    CHECK (is (c.generator_flops, 2 * 7e9 * 650) && is (c.prm_flops, 2 * 1e9 * 2000));
}

static void each_generator_has_its_own_price (void)
{
    static const char rows[] = ROW (
        "30", "0", "3", "0") ",\"generators\":[{\"generations\":1,\"generated_tokens\":1,"
                             "\"prompt_tokens\":10,\"cached_tokens\":0},{\"generations\":1,"
                             "\"generated_tokens\":2,\"prompt_tokens\":20,\"cached_tokens\":0}]}\n";
    static const char two[] = "generator:\n- {name: a, price.generated: 1e6, parameters: 1.0}\n"
                              "- {name: b, price.generated: 2e6, parameters: 10.0}\n";
    report_costs c = read_costs (two, rows);
    CHECK (is (c.money, 1 + 4) && is (c.generator_flops, 2 * 11 + 20 * 22));
}

static void a_list_of_prms_is_counted_at_their_mean (void)
{
    static const char rows[] = ROW ("0", "0", "0", "100") "}\n";
    report_costs c =
        read_costs ("prm:\n- {name: a, parameters: 1.0}\n- {name: b, parameters: 3.0}\n", rows);
    CHECK (is (c.prm_flops, 2 * 2 * 100));
    c = read_costs ("prm:\n- {name: a, parameters: 1.0}\n- {name: b}\n", rows);
    CHECK (isnan (c.prm_flops)); /* half of a sum is no sum */
}

static void more_cached_than_read_costs_nothing_less (void)
{
    static const char rows[] = ROW ("10", "400", "0", "0") "}\n";
    report_costs c = read_costs ("generator: {parameters: 1.0, price.prompt: 1.0}\n", rows);
    CHECK (c.generator_flops == 0 && c.money > 0);
}

static void broken_rows_are_named_by_line (void)
{
    static const char *const broken[] = {"7\n",
                                         "[]\n",
                                         "{}\n",
                                         "{\"id\":\"a\"",
                                         "{\n",
                                         ROW ("-1", "0", "0", "0") "}\n",
                                         ROW ("1.5", "0", "0", "0") "}\n",
                                         ROW ("\"1\"", "0", "0", "0") "}\n",
                                         "\xff\n"};
    char text[600];
    for (size_t i = 0; i < sizeof (broken) / sizeof (broken[0]); i++) {
        report_costs c = {.rows = 77};
        esp_error error = {0};
        snprintf (text, sizeof (text), "%s%s", ROW ("1", "1", "1", "1") "}\n", broken[i]);
        FAILS (report_costs_read (given_folder (NULL, text), &c, &error), ESP_EFORMAT);
        CHECK (strstr (error.text, "costs.jsonl:2: ") != NULL && c.rows == 77);
    }
}

static void a_list_of_another_length_than_that_of_the_run_file_is_refused (void)
{
    report_costs c;
    esp_error error = {0};
    const char *folder =
        given_folder ("generator:\n- {name: a}\n- {name: b}\n", ROW ("1", "1", "1", "1") "}\n");
    FAILS (report_costs_read (folder, &c, &error), ESP_EFORMAT);
    CHECK (strstr (error.text, "`generators`") != NULL);
}

static void a_run_of_an_older_program_has_none (void)
{
    report_costs c;
    esp_error error = {0};
    FAILS (report_costs_read (given_folder (NULL, NULL), &c, &error), ESP_ENOENT);
}

static void survives_failure_of_every_allocation (void)
{
    static const char rows[] = ROW ("1", "1", "1", "1") "}\n" ROW ("1", "1", "1", "1") "}\n";
    const char *folder = given_folder ("generator: {parameters: 1.0}\n", rows);
    esp_err err = ESP_ENOMEM;
    for (long n = 0; err != ESP_OK && n < 500; n++) {
        long live = esp_alloc_live ();
        report_costs c;
        esp_error error = {0};
        esp_alloc_fail_after (n);
        err = report_costs_read (folder, &c, &error);
        esp_alloc_fail_after (-1);
        CHECK (esp_alloc_live () == live && (err == ESP_OK || err == ESP_ENOMEM));
    }
    CU_ASSERT_EQUAL (err, ESP_OK);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"figures are over the rows", figures_are_over_the_rows},
        {"a run without answers has no figures", a_run_without_answers_has_no_figures},
        {"money is price times tokens, per million", money_is_price_times_tokens_per_million},
        {"FLOPs are 2 for each parameter and token not cached",
         flops_are_2_for_each_parameter_and_token_not_cached},
        {"each generator has its own price", each_generator_has_its_own_price},
        {"a list of PRMs is counted at their mean", a_list_of_prms_is_counted_at_their_mean},
        {"more cached than read costs nothing less", more_cached_than_read_costs_nothing_less},
        {"broken rows are named by line", broken_rows_are_named_by_line},
        {"a list of another length than that of the run file is refused",
         a_list_of_another_length_than_that_of_the_run_file_is_refused},
        {"a run of an older program has none", a_run_of_an_older_program_has_none},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("report_costs", cases);
}
