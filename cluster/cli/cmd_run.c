/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_run.c - espalier run and resume: SPMD, rank 0 coordinates, the others work */

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "cluster/cli/commands.h"
#include "cluster/cli/run_harvest.h"
#include "cluster/cli/run_progress.h"
#include "cluster/cli/run_start.h"
#include "cluster/cli/run_workers.h"
#include "proto/base/alloc.h"
#include "proto/base/log.h"
#include "proto/link/link_mpi.h"

enum {
    IDLE_NS = 100000000,   /* longest sleep of the coordinator */
    BUSY_WAIT_NS = 1000000 /* while the worker inside this process has jobs with timers */
};
#define DRAIN_S        2.0 /* Ctrl-C and SIGTERM; less where mpirun kills before */
#define CLOSE_S        0.5 /* of what mpirun leaves is for the journal, the rows and summary.json */
#define DRAIN_NOTICE_S 60.0 /* SIGUSR1: a notice before the time limit */

static const char *const run_help =
    "usage: espalier run RUN.yaml [key=value ...] [--resume]\n"
    "       espalier resume OUTPUT [key=value ...]\n\n"
    "Searches every problem of the run file.  Under mpirun or srun rank 0 coordinates and the "
    "other ranks work;\n"
    "alone, both ends run in this process.  key=value replaces a key of the run file: "
    "search.keep=8\n(search.keep= : its default again).\n\n"
    "  --resume   start, or go on if run.output holds this run already (for batch jobs)\n\n"
    "Ctrl-C or SIGTERM once: stops cleanly, 'espalier resume' goes on; twice: at once.  SIGUSR1: "
    "as once, but waits\n"
    "up to 60 s for what is out.  'espalier options' lists every key.\n\n"
    "Exit status: 0 done; 1 done, some problem ended in an error; 2 wrong usage, run file or "
    "input; 3 stopped\n"
    "before the end, resumable; 4 cannot go on.  A finished run leaves OUTPUT/done.\n";

/* ---- arguments ---- */

static int parse (int argc, char **argv, bool resume, run_arguments *a)
{
    *a = (run_arguments){.overrides = argv};
    for (int i = 1; i < argc; i++) {
        const char **first = resume ? &a->output : &a->run_file;
        if (strcmp (argv[i], "--help") == 0 || strcmp (argv[i], "-h") == 0) {
            printf ("%s", run_help);
            return -1;
        }
        if (strcmp (argv[i], "--resume") == 0)
            a->may_resume = true;
        else if (argv[i][0] == '-') {
            fprintf (stderr, "espalier: there is no option '%s'; try 'espalier run --help'\n",
                     argv[i]);
            return EXIT_USAGE;
        } else if (!*first)
            *first = argv[i];
        else
            a->overrides[a->override_count++] = argv[i];
    }
    if (resume ? !a->output : !a->run_file) {
        fprintf (stderr, "espalier: which %s?\n\n%s", resume ? "output folder" : "run file",
                 run_help);
        return EXIT_USAGE;
    }
    return 0;
}

/* ---- signals: read from a descriptor in the loop, so no handler touches anything ---- */

/* Blocked in this thread and in all that come from it; so it is called before MPI_Init, whose threads would take a signal
 * with its default action, death.  Returns the descriptor, or -1. */
static int open_signals (void)
{
    sigset_t set;
    sigemptyset (&set);
    sigaddset (&set, SIGINT);
    sigaddset (&set, SIGTERM);
    sigaddset (&set, SIGHUP);
    sigaddset (&set, SIGUSR1);
    if (sigprocmask (SIG_BLOCK, &set, NULL) != 0)
        return -1;
    signal (SIGPIPE, SIG_IGN);
    signal (SIGXFSZ, SIG_IGN); /* a file size limit is an error of write, not a death */
    return signalfd (-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* What is out may come so long: the rest of the time before mpirun kills is needed to close.  What does not come is done again. */
static double drain_s (bool notice)
{
    double grace = link_mpi_grace_s () - CLOSE_S;
    if (notice)
        return DRAIN_NOTICE_S;
    return grace < 0 ? 0 : grace / 2 < DRAIN_S ? grace / 2 : DRAIN_S;
}

/* Returns true when the user wants to leave at once. */
static bool take_signals (int fd, coordinator *c, int *count)
{
    struct signalfd_siginfo got;
    while (fd >= 0 && read (fd, &got, sizeof (got)) == (ssize_t)sizeof (got)) {
        bool notice = got.ssi_signo == SIGUSR1;
        if (++*count > 1 && !notice)
            return true;
        coordinator_stop (c, drain_s (notice),
                          notice                    ? "SIGUSR1"
                          : got.ssi_signo == SIGINT ? "Ctrl-C"
                                                    : "a signal");
        esp_log (LOG_WARN, "RUN-STOPPING", "%s; waiting for what is out (once more: leave at once)",
                 coordinator_why (c));
    }
    return false;
}

/* ---- rank 0 ---- */

static void say_start (const run_parts *p, const ranks *r)
{
    esp_buf meaning = {0}, split = {0};
    if (run_config_meaning (p->config, &meaning) == ESP_OK)
        fprintf (stderr, "espalier %s: %u problems x %" PRId64 "; %s; %s; output %s\n",
                 p->resumed ? "goes on" : "starts", problem_source_count (p->source),
                 p->config->run.repeats, esp_buf_text (&meaning),
                 r->mpi ? r->end->description : "one process", p->config->run.output);
    if (r->mpi && run_workers_meaning (p->config, &split) == ESP_OK)
        fprintf (stderr, "espalier: %d ranks: 1 coordinator, %d workers%s\n", r->end->size,
                 r->end->size - 1, split.len ? esp_buf_text (&split) : "");
    esp_buf_free (&meaning);
    esp_buf_free (&split);
}

static void wait_a_little (run_parts *p, ranks *r, int signals)
{
    int fds[3] = {journal_fd (p->journal), signals, p->observe ? observe_fd (p->observe) : -1};
    bool inside =
        r->worker && (worker_loop_in_flight (r->worker) > 0 || worker_loop_prepares (r->worker));
    if (inside)
        worker_loop_wait (r->worker, BUSY_WAIT_NS);
    else
        link_wait (r->end, IDLE_NS, fds, p->observe ? 3 : 2);
}

/* For summary.json: what the loop costs from the first task on. */
static void note_cost (run_parts *p, uint64_t now)
{
    if (p->first_task_ns == 0 &&
        dispatch_statistics (coordinator_dispatch (p->coordinator))->sent > 0) {
        p->first_task_ns = now;
        p->loop_cpu_ns = esp_thread_cpu_ns ();
    }
}

static esp_err work_to_the_end (run_parts *p, ranks *r, int signals, bool *at_once)
{
    run_progress progress;
    run_status status;
    int count = 0;
    esp_err err = ESP_OK;
    run_progress_start (&progress, p->config->search.has_verifier);
    while (err == ESP_OK && coordinator_state (p->coordinator) == COORDINATOR_RUNNING &&
           !*at_once) {
        bool busy;
        uint64_t now;
        err = coordinator_pass (p->coordinator, &busy);
        if (err == ESP_OK)
            err = ranks_pass_inside (r, &busy);
        if (p->observe)
            observe_pass (p->observe);
        coordinator_watched (p->coordinator, observe_watched (p->observe));
        *at_once = take_signals (signals, p->coordinator, &count);
        now = esp_clock_ns (&r->clock);
        note_cost (p, now);
        if (run_progress_due (&progress, now)) {
            coordinator_status (p->coordinator, &status);
            run_progress_draw (&progress, now, &status);
        }
        if (!busy && err == ESP_OK)
            wait_a_little (p, r, signals);
    }
    p->ended_ns = esp_clock_ns (&r->clock);
    p->loop_cpu_ns = esp_thread_cpu_ns () - p->loop_cpu_ns;
    run_progress_end (&progress);
    return err;
}

/* ", 1234 tokens generated": in this start, also what was of no use; nothing if there are none. */
static const char *say_tokens (const run_parts *p, char *out, size_t size)
{
    cost_sum all = costs_all (dispatch_costs (coordinator_dispatch (p->coordinator)));
    out[0] = 0;
    if (all.generated_tokens > 0)
        snprintf (out, size, ", %" PRIu64 " tokens generated", all.generated_tokens);
    return out;
}

static int say_end (run_parts *p, esp_err err, bool at_once, const run_status *s)
{
    const char *output = p->config->run.output;
    char took[32], solved[40], tokens[48];
    if (err == ESP_OK && coordinator_state (p->coordinator) == COORDINATOR_DONE) {
        fprintf (stderr, "espalier: done: %" PRIu64 " problems%s in %s%s; %s/answers.jsonl\n",
                 s->problems_total,
                 run_progress_solved (p->config->search.has_verifier, s->problems_solved, solved,
                                      sizeof (solved)),
                 run_progress_time (s->seconds, took, sizeof (took)),
                 say_tokens (p, tokens, sizeof (tokens)), output);
        return s->problems_failed > 0 ? EXIT_WITH_ERRORS : EXIT_DONE;
    }
    if (err == ESP_OK && !at_once && coordinator_unstarted (p->coordinator)) {
        fprintf (stderr, "espalier: no worker can start, nothing was generated: %s\n",
                 coordinator_why (p->coordinator));
        if (p->resumed)
            fprintf (stderr,
                     "espalier: correct that and go on by: espalier resume %s (with key=value "
                     "where the run file changes)\n",
                     output);
        else
            fprintf (stderr, "espalier: correct that and run again: nothing is left in %s\n",
                     output);
        run_parts_forget (p);
        return EXIT_USAGE;
    }
    if (err == ESP_OK || at_once) {
        fprintf (stderr,
                 "espalier: stopped (%s) with %" PRIu64 " of %" PRIu64
                 " problems done; go on by: espalier "
                 "resume %s\n",
                 at_once ? "at once" : coordinator_why (p->coordinator), s->problems_done,
                 s->problems_total, output);
        return EXIT_RESUMABLE;
    }
    fprintf (stderr, "espalier: %s\n", coordinator_error (p->coordinator)->text);
    if (err == ESP_EIO || err == ESP_ENOSPC || err == ESP_ENOMEM || err == ESP_EPERMISSION) {
        fprintf (stderr,
                 "espalier: what was written is whole; when there is room again go on by: espalier "
                 "resume %s\n",
                 output);
        return EXIT_RESUMABLE;
    }
    return EXIT_BROKEN;
}

static int coordinate (run_parts *p, ranks *r, int signals, bool *clean)
{
    run_status figures;
    esp_error error = {0};
    bool at_once = false, done, told = true;
    int outcome;
    esp_err err = ranks_start_inside (r);
    say_start (p, r);
    if (err == ESP_OK)
        err = work_to_the_end (p, r, signals, &at_once);
    coordinator_status (p->coordinator, &figures);
    if (err == ESP_OK && !at_once && (err = journal_sync (p->journal)) != ESP_OK)
        journal_failure (p->journal, &error);
    done = err == ESP_OK && coordinator_state (p->coordinator) == COORDINATOR_DONE;
    *clean = !at_once && !dispatch_saw_death (coordinator_dispatch (p->coordinator));
    if (done && p->config->samples.count > 0) {
        ranks_dismiss (r, p->setup.run_id); /* nothing is left for them */
        p->harvest_ns = esp_clock_ns (&r->clock);
        told = run_harvest (p->config, dispatch_models (coordinator_dispatch (p->coordinator)),
                            &error) == ESP_OK;
        p->harvest_ns = esp_clock_ns (&r->clock) - p->harvest_ns;
    }
    if (!at_once && told)
        told = run_write_summary (p, r->mpi ? r->end->description : "one process", done, &error) ==
               ESP_OK;
    outcome = say_end (p, err, at_once, &figures);
    if (!told) {
        fprintf (stderr, "espalier: %s\n", error.text);
        outcome = done ? EXIT_RESUMABLE : outcome;
    }
    return outcome;
}

static int rank_zero (const run_arguments *a, ranks *r, int signals)
{
    run_parts parts;
    bool clean = true;
    int outcome;
    if (r->mpi && r->end->size == 1) {
        fprintf (stderr, "espalier: mpirun started one rank: at least 2 are needed (1 coordinator, "
                         "1 worker), or start "
                         "without mpirun\n");
        ranks_close (r, true);
        return EXIT_USAGE;
    }
    outcome = run_parts_open (&parts, a, r);
    if (outcome == 0)
        outcome = coordinate (&parts, r, signals, &clean);
    ranks_leave_status (outcome); /* now: an mpirun that was told to end gives its ranks seconds */
    ranks_dismiss (r, parts.setup.run_id);
    run_parts_close (&parts);
    ranks_close (r, clean);
    if (signals >= 0)
        close (signals);
    if (!clean)
        _exit (outcome);
    return outcome;
}

static int run (int argc, char **argv, bool resume)
{
    run_arguments a;
    ranks r;
    esp_error error = {0};
    int status = parse (argc, argv, resume, &a), signals;
    if (status != 0)
        return status < 0 ? EXIT_DONE : status;
    if ((signals = open_signals ()) < 0)
        esp_log (LOG_WARN, "RUN-SIGNALS", "signals could not be blocked: %s", strerror (errno));
    if (ranks_open (&argc, &argv, &r, &error) != ESP_OK) {
        fprintf (stderr, "espalier: %s\n", error.text);
        return ranks_leave_status (EXIT_USAGE);
    }
    if (r.end->rank == 0)
        return rank_zero (&a, &r, signals);
    /* A worker reads no signals: it leaves when it is told to, or when the coordinator is gone. */
    if (esp_log_open (r.end->rank, LOG_WARN, NULL, LOG_WARN) != ESP_OK)
        return EXIT_BROKEN;
    return ranks_work (&r);
}

int run_main (int argc, char **argv)
{
    return run (argc, argv, false);
}

int resume_main (int argc, char **argv)
{
    return run (argc, argv, true);
}
