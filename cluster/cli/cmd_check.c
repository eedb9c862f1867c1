/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_check.c - espalier check and options: what a run file says, before anything is started */

#include <stdio.h>
#include <string.h>
#include "cluster/cli/check_problems.h"
#include "cluster/cli/check_ranks.h"
#include "cluster/cli/check_report.h"
#include "cluster/cli/commands.h"
#include "cluster/cli/run_config.h"
#include "cluster/cli/run_harvest.h"
#include "cluster/cli/run_workers.h"
#include "proto/base/log.h"
#include "proto/link/link_mpi.h"

static const char *const check_help =
    "usage: espalier check RUN.yaml [key=value ...] [--print-output]\n\n"
    "Prints every mistake of the run file with file and line, looks at the problems file, and "
    "tries the engines (who is\n"
    "there, what it can do, whether seeds repeat), and prints the resolved run file (every key at "
    "its value) and what the\n"
    "run costs at most.  Warnings and mistakes come last, with their number.  Under mpirun each "
    "rank tries its own\nservers.  --no-servers: opens no engine.\n--print-output: only "
    "run.output, for scripts.  Exit status 0, or 2 after a "
    "mistake.\n";

/* False: it has a mistake, or cannot be read. */
static bool problems_said (run_config *c, check_report *r, uint64_t *count)
{
    problem_source *source;
    esp_error error = {0};
    if (problem_source_open (&c->problems, NULL, run_config_check_problem, c, &source, &error) !=
        ESP_OK) {
        check_mistake (r, error.text);
        return false;
    }
    *count = problem_source_count (source);
    fprintf (stderr, "%s: %u problems", c->problems.file, problem_source_count (source));
    if (problem_source_skipped (source) > 0)
        fprintf (stderr, ", %u bad lines left out", problem_source_skipped (source));
    fprintf (stderr, "\n");
    check_doubts (source, c->problems.file, r);
    if (run_harvest_check (c, source, &error) != ESP_OK)
        check_mistake (r, error.text);
    problem_source_close (source);
    return true;
}

static int print_resolved (run_config *c)
{
    esp_buf text = {0}, meaning = {0}, split = {0};
    int status = EXIT_BROKEN;
    if (config_resolved (c->yaml, &text) == ESP_OK && run_config_meaning (c, &meaning) == ESP_OK &&
        run_workers_meaning (c, &split) == ESP_OK) {
        fprintf (stderr, "%s\n", esp_buf_text (&meaning));
        if (split.len > 0)
            fprintf (stderr, "workers%s; at least %d ranks (mpirun -n)\n", esp_buf_text (&split),
                     run_workers_least (c));
        fputs (esp_buf_text (&text), stdout);
        status = EXIT_DONE;
    }
    esp_buf_free (&text);
    esp_buf_free (&meaning);
    esp_buf_free (&split);
    return status;
}

/* The problems, the resolved file, the engines, the cost; then what is wrong with them.  all: NULL in one process, and where no
 * engine is to be looked at. */
static int check_all (run_config *c, bool engines, ranks *all)
{
    check_report report = {.mistake_count = 0};
    engine_check e = {.config = c, .generates = true};
    uint64_t problems = 0;
    int status, end;
    e.problems = problems_said (c, &report, &problems);
    status = print_resolved (c);
    fflush (stdout);
    if (all)
        check_ranks_gather (all, c, &e.told, &report);
    else if (engines)
        check_engines (&e, &report);
    check_budgets (c, &report);
    check_disk (c, &report);
    if (e.problems)
        check_cost (c, problems, &e.told, &report);
    end = check_report_end (&report);
    return status == EXIT_DONE ? end : status;
}

/* *out NULL: the run file cannot be used, and the report says why. */
static void
load (const char *path, char **overrides, size_t count, run_config **out, check_report *r)
{
    esp_buf mistakes = {0};
    esp_error error = {0};
    *out = NULL;
    if (run_config_load (path, overrides, count, out, &mistakes, &error) == ESP_OK)
        return;
    *out = NULL;
    if (mistakes.len > 0)
        check_mistakes (r, esp_buf_text (&mistakes));
    else
        check_mistake (r, error.text);
    esp_buf_free (&mistakes);
}

struct words { /* of the command line */
    const char *path;
    char **overrides;
    size_t count;
    bool only_output, engines;
};

static int check_here (const struct words *w, ranks *all)
{
    check_report report = {.mistake_count = 0};
    run_config *c;
    int status = EXIT_DONE;
    load (w->path, w->overrides, w->count, &c, &report);
    if (!c && all) /* the others find the same, and wait to be heard */
        check_ranks_gather (all, NULL, NULL, &report);
    if (!c)
        return check_report_end (&report);
    if (w->only_output)
        puts (c->run.output);
    else
        status = check_all (c, w->engines, all);
    run_config_destroy (c);
    return status;
}

static void check_of_rank (const struct words *w, ranks *all)
{
    check_report report = {.quiet = true};
    run_config *c;
    load (w->path, w->overrides, w->count, &c, &report);
    check_ranks_work (all, c, &report);
    run_config_destroy (c);
}

static int check_on_ranks (const struct words *w, int argc, char **argv)
{
    esp_error error = {0};
    int status = EXIT_DONE;
    ranks all;
    if (ranks_open (&argc, &argv, &all, &error) != ESP_OK) {
        fprintf (stderr, "espalier: %s\n", error.text);
        return ranks_leave_status (EXIT_USAGE);
    }
    if (all.end->rank == 0)
        status = ranks_leave_status (check_here (w, w->engines && all.end->size > 1 ? &all : NULL));
    else if (w->engines && esp_log_open (all.end->rank, LOG_WARN, NULL, LOG_WARN) == ESP_OK)
        check_of_rank (w, &all);
    ranks_close (&all, true);
    return status;
}

int check_main (int argc, char **argv)
{
    struct words w = {.overrides = argv, .engines = true};
    for (int i = 1; i < argc; i++) {
        if (strcmp (argv[i], "--help") == 0 || strcmp (argv[i], "-h") == 0) {
            fputs (check_help, stdout);
            return EXIT_DONE;
        }
        if (strcmp (argv[i], "--print-output") == 0)
            w.only_output = true;
        else if (strcmp (argv[i], "--no-servers") == 0)
            w.engines = false;
        else if (!w.path)
            w.path = argv[i];
        else
            argv[w.count++] = argv[i];
    }
    if (!w.path) {
        fputs (check_help, stderr);
        return EXIT_USAGE;
    }
    return !w.only_output && link_mpi_launched () ? check_on_ranks (&w, argc, argv)
                                                  : check_here (&w, NULL);
}

/* ---- options ---- */

struct printing {
    const char *only; /* section, or NULL for all */
    bool markdown, any;
};

/* The sections by name, each once: their tables stand together. */
static void name_section (void *ctx, const char *section, const char *title, const esp_option *rows)
{
    const char **last = ctx;
    (void)title, (void)rows;
    if (!*last || strcmp (*last, section) != 0)
        fprintf (stderr, " %s", section);
    *last = section;
}

static int no_section (const char *name)
{
    const char *last = NULL;
    fprintf (stderr, "espalier: there is no section '%s'; there are:", name);
    run_config_tables (name_section, &last);
    fprintf (stderr, "\n");
    return EXIT_USAGE;
}

static void print_table (void *ctx, const char *section, const char *title, const esp_option *rows)
{
    struct printing *p = ctx;
    esp_buf text = {0};
    if (p->only && strcmp (p->only, section) != 0)
        return;
    p->any = true;
    if ((p->markdown ? config_markdown (section, title, rows, &text)
                     : config_help (section, title, rows, &text)) == ESP_OK)
        fputs (esp_buf_text (&text), stdout);
    fputs ("\n", stdout);
    esp_buf_free (&text);
}

int options_main (int argc, char **argv)
{
    struct printing p = {NULL, false, false};
    for (int i = 1; i < argc; i++) {
        if (strcmp (argv[i], "--help") == 0 || strcmp (argv[i], "-h") == 0) {
            printf ("usage: espalier options [SECTION] [--markdown]\n\nEvery key of the run file "
                    "with default, range and "
                    "meaning; --markdown is what docs/runfile.md holds.\n");
            return EXIT_DONE;
        }
        if (strcmp (argv[i], "--markdown") == 0)
            p.markdown = true;
        else
            p.only = argv[i];
    }
    if (p.markdown)
        fputs ("# The run file\n\nGenerated by `espalier options --markdown`; do not edit.  YAML; "
               "unknown keys are errors "
               "with their line.\nOn the command line: `section.key=value`; `section.key=` is the "
               "default again.  `extends: FILE` at the top takes the keys of another "
               "file\n(docs/composing.md).  "
               "*resume* says what "
               "`espalier resume` may do "
               "with the key.\n\n",
               stdout);
    run_config_tables (print_table, &p);
    return p.any ? EXIT_DONE : no_section (p.only);
}
