/* SPDX-License-Identifier: Apache-2.0 */
/* test_sim.c - same answers whatever the workers, the network and the power supply do
 *
 * Every seed is one run with other faults; its rows, sorted, must be those of one worker without faults.
 *     test_sim [SEEDS]        (default 500)
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "proto/base/alloc.h"
#include "proto/base/file.h"
#include "proto/base/log.h"
#include "proto/base/rng.h"
#include "tests/sim/sim.h"
#include "tests/support/suite.h"

static int seeds = 500;

static const struct plan {
    const char *name, *search;
} plans[] = {
    {"best_of_n", "strategy: best_of_n, n: 16"},
    {"best_of_n", "strategy: best_of_n, n: 24, budget.generations: 17"},
    {"beam", "strategy: beam, keep: 4, expand: 4, max_steps: 10"},
    {"beam", "strategy: beam, keep: 3, expand: 4, max_steps: 5, rule: fixed"},
    {"beam", "strategy: beam, keep: 4, expand: 4, max_steps: 10, rule: heap"},
    {"beam", "strategy: beam, keep: 4, expand: 4, max_steps: 10, budget.generated_tokens: 70"},
    {"dvts", "strategy: dvts, keep: 4, expand: 4, max_steps: 10"},
    {"dvts", "strategy: dvts, keep: 3, expand: 2, max_steps: 10, lookahead: 2"},
    {"rebase", "strategy: rebase, width: 16, max_steps: 10"},
    {"particle", "strategy: particle, particles: 8, max_steps: 10"},
    {"particle", "strategy: particle, particles: 6, iterations: 3, references: 2, max_steps: 10"},
    {"mcts", "strategy: mcts, in_flight: 4, max_steps: 10, budget.generations: 120"},
    {"mcts",
     "strategy: mcts, selection: uct_prior, actions: 2, expand: 2, in_flight: 5, max_steps: 10"},
    {"rmaxts", "strategy: rmaxts, in_flight: 4, budget.generations: 60"},
    {"rmaxts", "strategy: rmaxts, in_flight: 6, samples: 40, max_steps: 10, stop_at_pass: true"},
    {"best_first",
     "strategy: best_first, in_flight: 2, max_steps: 10, expansions: 0, budget.generations: 60"},
    {"ab_mcts", "strategy: ab_mcts, in_flight: 4, max_steps: 10, budget.generations: 60"},
    {"ab_mcts",
     "strategy: ab_mcts, selection: stack, actions: 2, in_flight: 3, max_steps: 10, samples: 50"},
    {"tot", "strategy: tot, keep: 3, expand: 4, max_steps: 8, readings: 2, select: sample"},
    {"tot", "strategy: tot, keep: 2, expand: 3, max_steps: 4, generate: propose"},
    {"tot", "strategy: tot, rule: dfs, expand: 3, max_steps: 8, threshold: 0.3, max_visits: 25"},
    {"tot", "strategy: tot, rule: treequest, keep: 3, expand: 4, max_steps: 8"},
    {"omegaprm", "strategy: omegaprm, k: 6, max_searches: 5"},
    {"omegaprm", "strategy: omegaprm, k: 6, max_searches: 8, in_flight: 3, label: hard"},
    {"math_shepherd", "strategy: math_shepherd, solutions: 6, completions: 6"},
    {"math_shepherd", "strategy: math_shepherd, solutions: 4, completions: 8, label: soft"},
};
enum { PLANS = sizeof (plans) / sizeof (plans[0]) };

static const struct plan *plan_at (int i)
{
    int n = 0;
    for (int round = 0; round < 2; round++)
        for (int k = 0; k < PLANS; k++)
            if (strategy_find (plans[k].name) && n++ == i)
                return &plans[k];
    return NULL;
}

static int plan_count (void)
{
    int n = 0;
    for (int k = 0; k < PLANS; k++)
        n += strategy_find (plans[k].name) != NULL;
    return n;
}

static void write_problems (const char *path, int count)
{
    esp_buf text = {0};
    esp_error error = {0};
    for (int i = 0; i < count; i++)
        PASS (esp_buf_printf (&text,
                              "{\"id\":\"p%d\",\"question\":\"Question %d\",\"answer\":\"%d\"}\n",
                              i, i, i % 5));
    PASS (esp_file_write (path, esp_buf_span (&text), 0644, &error));
    esp_buf_free (&text);
}

static const char *yaml_of (const struct plan *p, const char *problems, char *out, size_t size)
{
    snprintf (out, size,
              "run: {output: unused, seed: 42}\nproblems: {file: %s}\nsearch: {%s}\ngenerator: "
              "{engine: fake}\n"
              "prm: {engine: fake}\nverifier: {kind: fake}\njournal: {sync: false}\nobserve: "
              "{enabled: false}\n"
              "dispatch: {silence_s: 20, heartbeat_s: 2, lease_s: 40, no_worker_s: 1000}\n",
              problems, p->search);
    return out;
}

static int by_line (const void *a, const void *b)
{
    return strcmp (*(char *const *)a, *(char *const *)b);
}

/* The lines of a file, sorted. */
static void read_sorted (const char *folder, const char *name, esp_buf *out)
{
    char path[600], *lines[20000], *save = NULL;
    size_t n = 0;
    esp_buf text = {0};
    esp_error error = {0};
    snprintf (path, sizeof (path), "%s/%s", folder, name);
    PASS (esp_file_read (path, (size_t)64 << 20, &text, &error));
    for (char *line = text.data ? strtok_r (text.data, "\n", &save) : NULL; line && n < 20000;
         line = strtok_r (NULL, "\n", &save))
        lines[n++] = line;
    qsort (lines, n, sizeof (lines[0]), by_line);
    for (size_t i = 0; i < n; i++)
        PASS (esp_buf_printf (out, "%s\n", lines[i]));
    esp_buf_free (&text);
}

static void sorted_rows (const char *folder, esp_buf *out)
{
    esp_buf_clear (out);
    read_sorted (folder, "answers.jsonl", out);
    read_sorted (folder, "candidates.jsonl", out);
}

static void remove_folder (const char *folder)
{
    char order[700];
    snprintf (order, sizeof (order), "rm -rf '%s'", folder);
    CHECK (system (order) == 0);
}

static sim_faults faults_of (uint64_t seed)
{
    static const int workers[] = {1, 2, 3, 7, 20};
    double level = esp_draw_unit (seed, 9);
    return (sim_faults){.seed = seed,
                        .workers = workers[esp_draw_below (seed, 1, 5)],
                        .median_s = 1.0,
                        .sigma = 0.7,
                        .reverse = seed % 3 != 0,
                        .duplicate = level < 0.5 ? 0.1 : 0.0,
                        .death = level > 0.3 && level < 0.8 ? 0.02 : 0.0,
                        .deaths_reported = seed % 2 == 0,
                        .amnesia = level > 0.6 ? 0.03 : 0.0,
                        .retry = level > 0.8 ? 0.02 : 0.0,
                        .credits = 1 + (int)esp_draw_below (seed, 2, 16)};
}

static void check_outcome (const sim_outcome *o)
{
    CHECK (o->state == COORDINATOR_DONE);
    CHECK (o->status.in_flight == 0);
    CHECK (o->status.problems_done == o->status.problems_total);
}

static void every_seed_gives_the_rows_of_one_worker (void)
{
    char base[512], folder[600], yaml[2000], problems[600];
    esp_buf want[2 * PLANS] = {{0}}, got = {0};
    snprintf (base, sizeof (base), "%s", suite_folder ());
    snprintf (problems, sizeof (problems), "%s/problems.jsonl", base);
    write_problems (problems, 6);
    for (int i = 0; i < plan_count (); i++) {
        sim_faults calm = {.seed = 1, .workers = 1, .median_s = 1.0};
        sim_outcome o;
        snprintf (folder, sizeof (folder), "%s/ref%d", base, i);
        CHECK (sim_run (yaml_of (plan_at (i), problems, yaml, sizeof (yaml)), folder, &calm, &o) ==
               0);
        check_outcome (&o);
        sorted_rows (folder, &want[i]);
    }
    for (int seed = 1; seed <= seeds; seed++) {
        int i = seed % plan_count ();
        sim_faults f = faults_of ((uint64_t)seed);
        sim_outcome o;
        snprintf (folder, sizeof (folder), "%s/s%d", base, seed);
        CHECK (sim_run (yaml_of (plan_at (i), problems, yaml, sizeof (yaml)), folder, &f, &o) == 0);
        check_outcome (&o);
        sorted_rows (folder, &got);
        if (!span_equal (esp_buf_span (&got), esp_buf_span (&want[i]))) {
            printf ("seed %d, %s: rows differ\n", seed, plan_at (i)->search);
            CU_FAIL ("rows differ");
        }
        remove_folder (folder);
    }
    for (int i = 0; i < 2 * PLANS; i++)
        esp_buf_free (&want[i]);
    esp_buf_free (&got);
}

/* Run in a child that is gone after `crash_after` inputs; true when it finished instead. */
static bool run_child (const char *yaml, const char *folder, const sim_faults *f)
{
    int status = 0;
    pid_t child;
    fflush (stdout); /* else the child prints it too */
    child = fork ();
    if (child == 0) {
        sim_outcome o;
        int failed = sim_run (yaml, folder, f, &o);
        fflush (stdout);
        _exit (failed ? 1 : o.state == COORDINATOR_DONE ? 0 : 2);
    }
    CHECK (child > 0 && waitpid (child, &status, 0) == child);
    CHECK (WIFEXITED (status) && (WEXITSTATUS (status) == 0 || WEXITSTATUS (status) == 9));
    return WIFEXITED (status) && WEXITSTATUS (status) == 0;
}

static void killed_again_and_again_the_rows_are_the_same (void)
{
    char base[512], folder[600], yaml[2000], problems[600];
    esp_buf want = {0}, got = {0};
    snprintf (base, sizeof (base), "%s", suite_folder ());
    snprintf (problems, sizeof (problems), "%s/problems.jsonl", base);
    write_problems (problems, 8);
    for (int round = 0; round < (seeds >= 500 ? 60 : 12); round++) {
        const struct plan *p = plan_at (round % plan_count ());
        sim_faults calm = {.seed = 1, .workers = 1, .median_s = 1.0},
                   f = faults_of ((uint64_t)round + 5000);
        sim_outcome o;
        int starts = 0;
        snprintf (folder, sizeof (folder), "%s/calm%d", base, round);
        CHECK (sim_run (yaml_of (p, problems, yaml, sizeof (yaml)), folder, &calm, &o) == 0);
        sorted_rows (folder, &want);
        remove_folder (folder);
        snprintf (folder, sizeof (folder), "%s/killed%d", base, round);
        do {
            uint64_t gone = o.inputs / 6 + 1;
            f.seed += 1;
            f.crash_after = (uint64_t)starts * gone + 1 +
                            esp_draw_below ((uint64_t)round, (uint64_t)starts, (uint32_t)gone);
            if (starts > 12)
                f.crash_after = 0;
        } while (!run_child (yaml, folder, &f) && ++starts < 20);
        sorted_rows (folder, &got);
        if (!span_equal (esp_buf_span (&got), esp_buf_span (&want))) {
            printf ("round %d, %s, %d starts: rows differ\n", round, p->search, starts + 1);
            CU_FAIL ("rows differ after kills");
        }
        remove_folder (folder);
    }
    esp_buf_free (&want);
    esp_buf_free (&got);
}

static void ten_thousand_workers_give_the_same_rows (void)
{
    char base[512], folder[600], yaml[2000], problems[600];
    esp_buf want = {0}, got = {0};
    sim_faults one = {.seed = 1, .workers = 1, .median_s = 1.0, .credits = 64};
    sim_faults many = {.seed = 2, .workers = 10000, .median_s = 1.0, .sigma = 0.7, .credits = 4};
    sim_outcome o;
    snprintf (base, sizeof (base), "%s", suite_folder ());
    snprintf (problems, sizeof (problems), "%s/problems.jsonl", base);
    write_problems (problems, 200);
    yaml_of (&plans[2], problems, yaml, sizeof (yaml));
    snprintf (folder, sizeof (folder), "%s/one", base);
    CHECK (sim_run (yaml, folder, &one, &o) == 0);
    sorted_rows (folder, &want);
    snprintf (folder, sizeof (folder), "%s/many", base);
    CHECK (sim_run (yaml, folder, &many, &o) == 0);
    check_outcome (&o);
    sorted_rows (folder, &got);
    CHECK (span_equal (esp_buf_span (&got), esp_buf_span (&want)));
    esp_buf_free (&want);
    esp_buf_free (&got);
}

/* A run file whose budget does not pay for one level is refused: below 16 these plans cannot be run. */
static bool is_refused (const struct plan *p, int cap)
{
    static const char *const by_level[] = {"beam", "dvts", "rebase", "particle"};
    for (size_t i = 0; i < sizeof (by_level) / sizeof (by_level[0]); i++)
        if (strcmp (p->name, by_level[i]) == 0)
            return cap < 16;
    return false;
}

static void a_budget_is_never_exceeded (void)
{
    char base[512], folder[600], yaml[2000], problems[600];
    snprintf (base, sizeof (base), "%s", suite_folder ());
    snprintf (problems, sizeof (problems), "%s/problems.jsonl", base);
    write_problems (problems, 1);
    for (int cap = 1; cap <= 60; cap += 3)
        for (int i = 0; i < plan_count (); i++) {
            char keys[300];
            struct plan p = {"", keys};
            sim_faults f = {.seed = (uint64_t)cap,
                            .workers = 3,
                            .median_s = 1.0,
                            .sigma = 0.7,
                            .reverse = true};
            sim_outcome o;
            if (strstr (plan_at (i)->search, "budget") || is_refused (plan_at (i), cap))
                continue;
            snprintf (keys, sizeof (keys), "%s, budget.generations: %d", plan_at (i)->search, cap);
            snprintf (folder, sizeof (folder), "%s/b%d-%d", base, cap, i);
            CHECK (sim_run (yaml_of (&p, problems, yaml, sizeof (yaml)), folder, &f, &o) == 0);
            check_outcome (&o);
            CHECK (o.generations_done <= (uint64_t)cap);
            CHECK (o.status.generations <= (uint64_t)cap);
            remove_folder (folder);
        }
}

int main (int argc, char **argv)
{
    static const struct suite_case cases[] = {
        {"every seed gives the rows of one worker", every_seed_gives_the_rows_of_one_worker},
        {"killed again and again, the rows are the same",
         killed_again_and_again_the_rows_are_the_same},
        {"ten thousand workers give the same rows", ten_thousand_workers_give_the_same_rows},
        {"a budget is never exceeded", a_budget_is_never_exceeded},
        {NULL, NULL},
    };
    if (argc > 1)
        seeds = atoi (argv[1]);
    if (esp_log_open (-1, LOG_ERROR, NULL, LOG_ERROR) !=
        ESP_OK) /* thousands of planned faults need no lines */
        return 1;
    return suite_main ("sim", cases);
}
