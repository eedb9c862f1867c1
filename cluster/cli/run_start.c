/* SPDX-License-Identifier: Apache-2.0 */
/* run_start.c - see run_start.h
 *
 * Order matters: what a user can mistype is looked at first (run file, output folder, problems), so that nothing is
 * made or changed before everything is known to be right.
 */

#include "cluster/cli/run_start.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cluster/cli/commands.h"
#include "cluster/cli/run_harvest.h"
#include "cluster/cli/run_workers.h"
#include "coordinator/loop_observe.h"
#include "proto/base/file.h"
#include "proto/base/log.h"

enum { PATH_MOST = 4096 };

static int complain (int status, const esp_error *error)
{
    fprintf (stderr, "espalier: %s\n", error->text);
    return status;
}

static int mistakes_said (esp_err err, const esp_buf *mistakes, const esp_error *error)
{
    if (err == ESP_EFORMAT && mistakes->len > 0)
        fprintf (stderr, "%s%s", esp_buf_text (mistakes),
                 mistakes->data[mistakes->len - 1] == '\n' ? "" : "\n");
    else
        fprintf (stderr, "espalier: %s\n", error->text);
    return EXIT_USAGE;
}

/* ---- the run file ---- */

static int load_run_file (run_parts *p, const run_arguments *a)
{
    esp_buf mistakes = {0};
    esp_error error = {0};
    esp_err err = run_config_load (a->run_file, a->overrides, a->override_count, &p->config,
                                   &mistakes, &error);
    int status = err == ESP_OK ? 0 : mistakes_said (err, &mistakes, &error);
    esp_buf_free (&mistakes);
    return status;
}

/* OUTPUT/run.yaml; where that was lost, the copy in the journal.  ESP_ENOENT: neither. */
static esp_err load_kept (run_parts *p, const char *folder, char *const *overrides, size_t count,
                          esp_buf *mistakes, esp_error *error)
{
    char path[PATH_MOST];
    esp_buf memory = {0};
    record_header header;
    esp_err err = esp_path_join (path, sizeof (path), folder, "run.yaml");
    if (err != ESP_OK)
        return esp_error_set (error, err, "the path of the output folder is too long");
    err = run_config_load (path, overrides, count, &p->config, mistakes, error);
    if (err == ESP_ENOENT && journal_peek (folder, &header, &memory, error) == ESP_OK)
        err = run_config_parse (header.run_file, overrides, count, &p->config, mistakes, error);
    esp_buf_free (&memory);
    return err;
}

/* resume OUTPUT */
static int load_resolved (run_parts *p, const run_arguments *a)
{
    char *overrides[a->override_count + 1];
    esp_buf mistakes = {0}, output = {0};
    esp_error error = {0};
    esp_err err;
    int status;
    if ((err = run_config_output_override (a->output, &output)) != ESP_OK) {
        fprintf (stderr, "espalier: the path of the output folder: %s\n", esp_err_text (err));
        return EXIT_USAGE;
    }
    overrides[0] = output.data;
    for (size_t i = 0; i < a->override_count; i++)
        overrides[i + 1] = a->overrides[i];
    err = load_kept (p, a->output, overrides, a->override_count + 1, &mistakes, &error);
    esp_buf_free (&output);
    status = err == ESP_OK ? 0 : EXIT_USAGE;
    if (err != ESP_OK && err != ESP_ENOENT)
        status = mistakes_said (err, &mistakes, &error);
    esp_buf_free (&mistakes);
    if (err == ESP_EFORMAT && a->override_count > 0)
        fprintf (stderr,
                 "espalier: %s/run.yaml holds every key of this run; what decides them "
                 "(search.strategy, an engine, "
                 "verifier.kind) stays as it is for the life of a run: start a new one\n",
                 a->output);
    if (err == ESP_ENOENT)
        fprintf (stderr, "espalier: %s holds no run; start one with 'espalier run RUN.yaml'\n",
                 a->output);
    return status;
}

/* Section `workers` names ranks: only now is known how many there are. */
static int fit_ranks (run_parts *p, const ranks *r)
{
    esp_error error = {0};
    if (!r->mpi || run_workers_fit (p->config, r->end->size, &error) == ESP_OK)
        return 0;
    fprintf (stderr, "%s\n", error.text);
    return EXIT_USAGE;
}

/* ---- the output folder ---- */

static int refuse (const char *output, const char *why)
{
    fprintf (stderr, "espalier: %s %s\n", output, why);
    return EXIT_USAGE;
}

/* Is what the folder holds this run, and may it go on with this run file?  0: yes. */
static int may_go_on (const run_parts *p, const record_header *header)
{
    const strategy *how = p->config->search.strategy;
    const char *output = p->config->run.output;
    esp_buf mistakes = {0};
    esp_error error = {0};
    run_config *before;
    esp_err err = run_config_parse (header->run_file, NULL, 0, &before, &mistakes, &error);
    if (err != ESP_OK)
        fprintf (stderr,
                 "espalier: %s was started by another version of the program, whose run file this "
                 "one cannot read: %s\n",
                 output, mistakes.len ? esp_buf_text (&mistakes) : error.text);
    esp_buf_free (&mistakes);
    if (err != ESP_OK)
        return EXIT_USAGE;
    err = config_may_resume (before->yaml, p->config->yaml, &error);
    run_config_destroy (before);
    if (err != ESP_OK)
        return complain (EXIT_USAGE, &error);
    if (header->semantics == how->semantics)
        return 0;
    fprintf (
        stderr,
        "espalier: %s was started with semantics %u of strategy %s, this program has %u; resume "
        "with the program that started it\n",
        output, header->semantics, how->name, how->semantics);
    return EXIT_USAGE;
}

/* 0: ready; *old: the folder holds this run already, its header is in *header. */
static int look_at_output (run_parts *p, const run_arguments *a, record_header *header, bool *old)
{
    const char *output = p->config->run.output;
    esp_error error = {0};
    esp_err err = journal_peek (output, header, &p->header_memory, &error);
    *old = err == ESP_OK;
    if (err == ESP_ENOENT)
        return a->run_file ? 0
                           : refuse (output, "holds no run to go on with; start one with 'espalier "
                                             "run RUN.yaml'");
    if (err != ESP_OK)
        return complain (err == ESP_EVERSION || err == ESP_ETOOBIG ? EXIT_USAGE : EXIT_BROKEN,
                         &error);
    if (a->run_file && !a->may_resume)
        return refuse (output, "holds a run already; go on with it by 'espalier resume OUTPUT', or "
                               "choose another run.output");
    return may_go_on (p, header);
}

static int open_output (run_parts *p)
{
    char path[PATH_MOST];
    esp_error error = {0};
    const char *output = p->config->run.output;
    if (esp_path_join (path, sizeof (path), output, "journal") != ESP_OK) {
        fprintf (stderr, "espalier: run.output: the path is too long\n");
        return EXIT_USAGE;
    }
    run_undo_note (&p->undo, output);
    if (esp_folder_make (path, &error) != ESP_OK)
        return complain (EXIT_USAGE, &error);
    if (esp_path_join (path, sizeof (path), output, "log.txt") == ESP_OK &&
        esp_log_open (0, (enum log_level)p->config->log.level, path,
                      (enum log_level)p->config->log.file_level) != ESP_OK)
        fprintf (stderr, "espalier: %s: cannot be written; the log goes to stderr only\n", path);
    return 0;
}

/* In the log too: whoever wonders later about so many unknown verdicts looks there. */
static void say_doubts (const problem_source *source, const char *file)
{
    const problem_doubts *d = problem_source_doubts (source);
    esp_buf text = {0};
    for (size_t i = 0; i < d->count; i++) {
        esp_buf_clear (&text);
        if (problem_doubt_text (&d->kinds[i], file, problem_source_count (source), &text) == ESP_OK)
            esp_log (LOG_WARN, "PROBLEM-DOUBTFUL", "%s", esp_buf_text (&text));
    }
    esp_buf_free (&text);
}

static int open_problems (run_parts *p)
{
    char index[PATH_MOST];
    esp_error error = {0};
    if (esp_path_join (index, sizeof (index), p->config->run.output, "journal/problems.idx") !=
        ESP_OK)
        return EXIT_USAGE;
    if (problem_source_open (&p->config->problems, index, run_config_check_problem, p->config,
                             &p->source, &error) != ESP_OK)
        return complain (EXIT_USAGE, &error);
    if (problem_source_skipped (p->source) > 0)
        fprintf (stderr,
                 "espalier: %u lines of %s were left out (problems.on_error: skip); see log.txt\n",
                 problem_source_skipped (p->source), p->config->problems.file);
    say_doubts (p->source, p->config->problems.file);
    if (run_harvest_check (p->config, p->source, &error) != ESP_OK)
        return complain (EXIT_USAGE, &error);
    return 0;
}

/* ---- coordinator and journal ---- */

/* The observer is opened after the coordinator, and may never be: ctx is where it will stand. */
static void give_events (void *ctx, const event *events, size_t count)
{
    observe *const *o = ctx;
    if (*o)
        observe_events (*o, events, count);
}

static void give_progress (void *ctx, problem_key key, node_ref n, span text)
{
    observe *const *o = ctx;
    if (*o)
        observe_progress (*o, key, n, text);
}

static int open_coordinator (run_parts *p, ranks *r, const record_header *old)
{
    esp_error error = {0};
    run_config *c = p->config;
    uint64_t run_id = old->run_id;
    if (!p->resumed && getrandom (&run_id, sizeof (run_id), 0) != (ssize_t)sizeof (run_id))
        run_id = (uint64_t)getpid ();
    run_id = run_id ? run_id : 1;
    p->epoch = p->resumed ? old->epoch + 1 : 1;
    p->setup = (coordinator_setup){.run = &c->run,
                                   .search = &c->search,
                                   .vote = &c->vote,
                                   .samples = &c->samples,
                                   .dispatch = &c->dispatch,
                                   .problems = &c->problems,
                                   .source = p->source,
                                   .link = r->end,
                                   .clock = &r->clock,
                                   .run_id = run_id,
                                   .version = ranks_version (),
                                   .epoch = p->epoch,
                                   .run_file = esp_buf_span (&p->run_file),
                                   .replays = run_config_replays,
                                   .replays_ctx = c};
    p->setup.observer = (coordinator_observer){&p->observe, give_events, give_progress};
    return coordinator_create (&p->setup, &p->coordinator, &error) == ESP_OK
               ? 0
               : complain (EXIT_BROKEN, &error);
}

static int status_of (esp_err err)
{
    switch (err) {
    case ESP_EEXIST:
    case ESP_ELOCKED:
    case ESP_EPERMISSION:
    case ESP_EVERSION:
    case ESP_ECONFLICT:
        return EXIT_USAGE;
    case ESP_ENOSPC:
        return EXIT_RESUMABLE;
    default:
        return EXIT_BROKEN;
    }
}

static int open_journal (run_parts *p)
{
    const run_config *c = p->config;
    journal_run run = {.semantics = c->search.strategy->semantics,
                       .strategy = span_of (c->search.strategy->name),
                       .program = span_of ("espalier " ESP_VERSION),
                       .run_file = esp_buf_span (&p->run_file)};
    const key_range *finished = NULL;
    size_t finished_count = 0;
    esp_error error = {0};
    esp_err err = config_identity (c->yaml, &run.identity);
    if (err == ESP_OK && p->resumed)
        err = journal_resume (c->run.output, &c->journal, &run, c->samples.row_files,
                              c->samples.row_file_count, coordinator_visit, p->coordinator,
                              &finished, &finished_count, &p->journal, &error);
    else if (err == ESP_OK)
        err = journal_create (c->run.output, &c->journal, &run, c->samples.row_files,
                              c->samples.row_file_count, &p->journal, &error);
    if (err != ESP_OK)
        return complain (status_of (err), coordinator_error (p->coordinator)->code != ESP_OK
                                              ? coordinator_error (p->coordinator)
                                              : &error);
    if (finished_count > 0) {
        coordinator_before before = run_rows_before (c->run.output, finished, finished_count);
        coordinator_count_before (p->coordinator, &before);
    }
    if (coordinator_attach (p->coordinator, p->journal, finished, finished_count, &error) != ESP_OK)
        return complain (EXIT_BROKEN, &error);
    return 0;
}

/* Whoever waits for `done` must not find the one of an earlier start, that had fewer problems. */
static void remove_done (const run_parts *p)
{
    char path[PATH_MOST];
    if (esp_path_join (path, sizeof (path), p->config->run.output, "done") == ESP_OK)
        (void)unlink (path);
}

static int write_run_file (const run_parts *p)
{
    char path[PATH_MOST];
    esp_error error = {0};
    remove_done (p);
    if (esp_path_join (path, sizeof (path), p->config->run.output, "run.yaml") != ESP_OK)
        return EXIT_USAGE;
    return esp_file_write (path, esp_buf_span (&p->run_file), 0644, &error) == ESP_OK
               ? 0
               : complain (EXIT_USAGE, &error);
}

static void open_observers (run_parts *p, ranks *r)
{
    observe_world world;
    esp_error error = {0};
    if (!p->config->observe.enabled)
        return;
    loop_observe_world (p->coordinator, p->journal, &world);
    if (observe_open (p->config->run.output, p->config->observe.listen, &r->clock, &world,
                      &p->observe, &error) != ESP_OK)
        esp_log (LOG_WARN, "OBSERVE-OFF", "nobody can watch this run: %s", error.text);
}

int run_parts_open (run_parts *p, const run_arguments *a, ranks *r)
{
    record_header old = {0};
    int status;
    *p = (run_parts){.opened_ns = esp_clock_ns (&r->clock)};
    if ((status = a->run_file ? load_run_file (p, a) : load_resolved (p, a)) != 0 ||
        (status = fit_ranks (p, r)) != 0 ||
        (status = look_at_output (p, a, &old, &p->resumed)) != 0)
        return status;
    if (config_resolved (p->config->yaml, &p->run_file) != ESP_OK)
        return EXIT_BROKEN;
    if ((status = open_output (p)) != 0 || (status = open_problems (p)) != 0 ||
        (status = open_coordinator (p, r, &old)) != 0 || (status = open_journal (p)) != 0 ||
        (status = write_run_file (p)) != 0) {
        if (status == EXIT_USAGE)
            run_parts_forget (p);
        return status;
    }
    open_observers (p, r);
    return 0;
}

void run_parts_forget (run_parts *p)
{
    p->forget = !p->resumed;
}

void run_parts_close (run_parts *p)
{
    observe_close (p->observe);
    if (p->forget)
        journal_discard (p->journal, p->config->samples.row_files,
                         p->config->samples.row_file_count);
    else
        journal_close (p->journal);
    if (p->forget)
        run_undo_take (&p->undo);
    coordinator_destroy (p->coordinator);
    problem_source_close (p->source);
    run_config_destroy (p->config);
    esp_buf_free (&p->run_file);
    esp_buf_free (&p->header_memory);
    *p = (run_parts){.config = NULL};
}
