/* SPDX-License-Identifier: Apache-2.0 */
/* bench_resume.c - how long until a large run goes on
 *
 * A run folder as it stands after a kill: many problems are finished, 100 are open with half of their results.  The
 * journal is written through its own interface; then `espalier resume` runs, and says in summary.json how long it took from its
 * first look at the run file to the first task.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "cluster/cli/run_config.h"
#include "tests/bench/bench.h"

enum { OPEN = 100, N = 16, ROUNDS = 3, SYNC_EVERY = 20000 };

static void must (esp_err err, const esp_error *error)
{
    if (err != ESP_OK)
        bench_fail (error->text[0] ? error->text : esp_err_text (err));
}

static input result_of (problem_key key, uint32_t number)
{
    static char text[200];
    input in = {.kind = INPUT_RESULT, .problem = key};
    memset (text, 'x', sizeof (text));
    in.u.result = (result){.id = {key, number},
                           .text = span_make (text, sizeof (text)),
                           .tokens = 50,
                           .steps = 1,
                           .finish = FINISH_EOS,
                           .logprob = NAN,
                           .mean_logprob = NAN,
                           .share = NAN};
    return in;
}

/* One result each: what counts here is how many there were. */
static void finish_problem (journal *j, uint32_t number)
{
    char row[256];
    span rows[2];
    uint64_t last;
    esp_error error = {0};
    input open = {.kind = INPUT_OPEN, .problem = number}, one = result_of (number, 1);
    int len = snprintf (
        row, sizeof (row),
        "{\"id\":\"p%07u\",\"repeat\":0,\"answer\":null,\"correct\":null,\"candidates\":1,"
        "\"generations\":1,\"steps\":1,\"finish_reason\":\"answered\",\"error\":null}\n",
        number);
    must (journal_input (j, &open, NULL), &error);
    must (journal_input (j, &one, &last), &error);
    rows[0] = rows[1] = span_make (row, (size_t)len);
    must (journal_rows (j, number, last, rows, 2), &error);
    if (number % SYNC_EVERY == 0)
        must (journal_sync (j), &error);
}

static void open_problem (journal *j, uint32_t number)
{
    esp_error error = {0};
    input open = {.kind = INPUT_OPEN, .problem = number};
    must (journal_input (j, &open, NULL), &error);
    for (uint32_t i = 1; i <= N / 2; i++) {
        input in = result_of (number, i);
        must (journal_input (j, &in, NULL), &error);
    }
}

static void make_run (const bench *b, const char *output, uint32_t finished)
{
    char problems[512], yaml[1024], path[512];
    journal_run run = {.semantics = 1,
                       .strategy = span_of ("best_of_n"),
                       .program = span_of ("espalier " ESP_VERSION)};
    run_config *c = NULL;
    esp_buf mistakes = {0}, text = {0};
    esp_error error = {0};
    journal *j = NULL;
    bench_problems (b, finished + OPEN, problems);
    snprintf (
        yaml, sizeof (yaml),
        "run: {output: %s, seed: 1}\nproblems: {file: %s}\nsearch: {strategy: best_of_n, n: %d}\n"
        "generator: {engine: \"null\"}\n",
        output, problems, N);
    must (run_config_parse (span_of (yaml), NULL, 0, &c, &mistakes, &error), &error);
    must (config_resolved (c->yaml, &text), &error);
    must (config_identity (c->yaml, &run.identity), &error);
    run.run_file = esp_buf_span (&text);
    bench_command (NULL, 0, "mkdir -p '%s'", output);
    must (journal_create (output, &c->journal, &run, row_file_names, ROW_FILES, &j, &error),
          &error);
    snprintf (path, sizeof (path), "out/run.yaml");
    bench_write (b, "out/run.yaml", esp_buf_text (&text), path);
    for (uint32_t i = 0; i < finished; i++)
        finish_problem (j, i);
    for (uint32_t i = 0; i < OPEN; i++)
        open_problem (j, finished + i);
    must (journal_sync (j), &error);
    journal_close (j);
    run_config_destroy (c);
    esp_buf_free (&text);
}

/* The problems file was indexed when the run started: the first resume here makes the index, and is not counted. */
void bench_resume (const bench *b)
{
    uint32_t finished = b->quick ? 20000 : 1000000;
    int rounds = b->quick ? 1 : ROUNDS;
    char output[300];
    double seconds[ROUNDS];
    snprintf (output, sizeof (output), "%s/out", b->folder);
    make_run (b, output, finished);
    for (int i = -1; i < rounds; i++) {
        bench_command (NULL, 0, "rm -rf '%s.copy'; cp -r '%s' '%s.copy'", output, output, output);
        if (bench_command (NULL, 0, "%s resume '%s.copy' observe.enabled=false 2>'%s/err.txt'",
                           bench_espalier (), output, b->folder) != 0)
            bench_command (NULL, 0, "tail -3 '%s/err.txt' >&2", b->folder);
        snprintf (output + strlen (output), 6, ".copy");
        if (i < 0)
            bench_value ("resume_first_task_without_index",
                         bench_summary (output, "coordinator", "first_task_s"), "s");
        else
            seconds[i] = bench_summary (output, "coordinator", "first_task_s");
        output[strlen (output) - 5] = 0;
        bench_command (NULL, 0, "cp '%s.copy/journal/problems.idx' '%s/journal/' 2>/dev/null",
                       output, output);
    }
    bench_value ("resume_finished_problems", finished, "problems");
    bench_ratio ("resume_seconds_to_first_task", bench_median (seconds, (size_t)rounds), false, 2,
                 true);
}
