/* SPDX-License-Identifier: Apache-2.0 */
/* run_summary.c - summary.json and the done marker
 *
 * Counts come from answers.jsonl, so they are right after any number of resumes; times, ranks and faults are those
 * of this start.
 */

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cluster/cli/run_costs.h"
#include "proto/base/file.h"

enum { PATH_MOST = 4096 };

typedef struct tally {
    uint64_t problems, solved, wrong, ungraded, with_answer, errors, candidates;
    uint64_t generations, steps, generated_tokens, scored_tokens;
    uint64_t reasons[FINISH_REASONS];
} tally;

static uint64_t count_of (const json_t *row, const char *key)
{
    json_int_t value = json_integer_value (json_object_get (row, key));
    return value > 0 ? (uint64_t)value : 0;
}

static void add_row (tally *t, const json_t *row)
{
    const json_t *correct = json_object_get (row, "correct");
    const char *reason = json_string_value (json_object_get (row, "finish_reason"));
    t->problems++;
    t->solved += json_is_true (correct);
    t->wrong += json_is_false (correct);
    t->ungraded += json_is_null (correct);
    t->with_answer += json_is_string (json_object_get (row, "answer"));
    t->errors += json_is_string (json_object_get (row, "error"));
    t->candidates += count_of (row, "candidates");
    t->generations += count_of (row, "generations");
    t->steps += count_of (row, "steps");
    t->generated_tokens += count_of (row, "generated_tokens");
    t->scored_tokens += count_of (row, "scored_tokens");
    for (int i = 0; reason && i < FINISH_REASONS; i++)
        t->reasons[i] += strcmp (reason, finish_reason_names[i]) == 0;
}

static void read_rows (const char *output, tally *t)
{
    char path[PATH_MOST], *line = NULL;
    size_t cap = 0;
    FILE *in;
    if (esp_path_join (path, sizeof (path), output, "answers.jsonl") != ESP_OK ||
        !(in = fopen (path, "r")))
        return;
    while (getline (&line, &cap, in) > 0) {
        json_t *row = json_loads (line, 0, NULL);
        if (row)
            add_row (t, row);
        json_decref (row);
    }
    free (line);
    fclose (in);
}

/* The rows as the end of an earlier start counted them; zeros where it could not (it was killed). */
static void read_summary (const char *output, tally *t)
{
    char path[PATH_MOST];
    json_t *all = NULL;
    const json_t *rows;
    if (esp_path_join (path, sizeof (path), output, "summary.json") == ESP_OK)
        all = json_load_file (path, 0, NULL);
    rows = json_object_get (all, "rows");
    *t = (tally){.problems = count_of (rows, "problems"),
                 .solved = count_of (rows, "solved"),
                 .errors = count_of (rows, "errors"),
                 .generations = count_of (rows, "generations"),
                 .steps = count_of (rows, "steps"),
                 .generated_tokens = count_of (rows, "generated_tokens"),
                 .scored_tokens = count_of (rows, "scored_tokens")};
    json_decref (all);
}

coordinator_before run_rows_before (const char *output, const key_range *finished, size_t count)
{
    tally t;
    uint64_t problems = 0;
    for (size_t i = 0; i < count; i++)
        problems += finished[i].count;
    read_summary (output, &t);
    if (t.problems != problems) {
        t = (tally){0};
        read_rows (output, &t);
    }
    return (coordinator_before){
        {t.generations, t.steps, t.generated_tokens, t.scored_tokens}, t.solved, t.errors};
}

static json_t *rows_part (const tally *t)
{
    json_t *reasons = json_object ();
    for (int i = REASON_ANSWERED; i < FINISH_REASONS; i++)
        json_object_set_new (reasons, finish_reason_names[i],
                             json_integer ((json_int_t)t->reasons[i]));
    return json_pack ("{sI sI sI sI sI sI sI sI sI sI sI so}", "problems", (json_int_t)t->problems,
                      "solved", (json_int_t)t->solved, "wrong", (json_int_t)t->wrong, "ungraded",
                      (json_int_t)t->ungraded, "with_answer", (json_int_t)t->with_answer, "errors",
                      (json_int_t)t->errors, "candidates", (json_int_t)t->candidates, "generations",
                      (json_int_t)t->generations, "steps", (json_int_t)t->steps, "generated_tokens",
                      (json_int_t)t->generated_tokens, "scored_tokens",
                      (json_int_t)t->scored_tokens, "finish_reasons", reasons);
}

static double seconds_between (uint64_t from_ns, uint64_t to_ns)
{
    return to_ns > from_ns ? (double)(to_ns - from_ns) / 1e9 : 0.0;
}

/* What the coordinator cost, from the first task on. */
static json_t *cost_part (const run_parts *p, uint64_t results)
{
    double seconds = seconds_between (p->first_task_ns, p->ended_ns),
           n = results ? (double)results : 1.0;
    return json_pack ("{sf sf sf sf}", "first_task_s",
                      seconds_between (p->opened_ns, p->first_task_ns), "results_per_s",
                      seconds > 0.0 ? (double)results / seconds : 0.0, "cpu_us_per_result",
                      (double)p->loop_cpu_ns / 1e3 / n, "journal_thread_cpu_us_per_result",
                      (double)journal_writer_cpu_ns (p->journal) / 1e3 / n);
}

static json_t *start_part (const run_parts *p, const char *mpi)
{
    const dispatch_stats *d = dispatch_statistics (coordinator_dispatch (p->coordinator));
    run_status s;
    json_t *workers, *part;
    coordinator_status (p->coordinator, &s);
    workers = json_pack ("{sI sI sI sI sI sI sI sI sI sI sI}", "sent", (json_int_t)d->sent,
                         "resent", (json_int_t)d->resent, "results", (json_int_t)d->results, "late",
                         (json_int_t)d->late, "duplicates", (json_int_t)d->duplicates, "deaths",
                         (json_int_t)d->deaths, "expired", (json_int_t)d->expired, "poisoned",
                         (json_int_t)d->poisoned, "errors", (json_int_t)d->errors, "returned",
                         (json_int_t)d->returned, "wasted_tokens", (json_int_t)d->wasted_tokens);
    part = json_pack ("{sI ss sf sf sI sI so so}", "epoch", (json_int_t)p->epoch, "mpi", mpi,
                      "seconds", s.seconds - (double)p->harvest_ns / 1e9, "harvest_seconds",
                      (double)p->harvest_ns / 1e9, "scored_steps", (json_int_t)s.scored_steps,
                      "inputs", (json_int_t)s.inputs, "dispatch", workers, "coordinator",
                      cost_part (p, d->results));
    return part;
}

esp_err run_write_summary (const run_parts *p, const char *mpi, bool done, esp_error *error)
{
    const run_config *c = p->config;
    char path[PATH_MOST], *text;
    tally t = {0};
    json_t *all;
    esp_err err;
    read_rows (c->run.output, &t);
    all = json_pack ("{ss ss sb so so so}", "name", c->run.name ? c->run.name : "run", "strategy",
                     c->search.strategy->name, "done", done, "rows", rows_part (&t), "costs",
                     run_costs_json (p), "this_start", start_part (p, mpi));
    text = all ? json_dumps (all, JSON_INDENT (2)) : NULL;
    json_decref (all);
    if (!text)
        return esp_error_set (error, ESP_ENOMEM, "summary.json: out of memory");
    err = esp_path_join (path, sizeof (path), c->run.output, "summary.json");
    if (err == ESP_OK)
        err = esp_file_write (path, span_of (text), 0644, error);
    free (text);
    if (err == ESP_OK && done &&
        (err = esp_path_join (path, sizeof (path), c->run.output, "done")) == ESP_OK)
        err = esp_file_write (path, span_of ("done\n"), 0644, error);
    return err;
}
