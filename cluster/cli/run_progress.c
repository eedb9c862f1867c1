/* SPDX-License-Identifier: Apache-2.0 */
/* run_progress.c - see run_progress.h */

#include "cluster/cli/run_progress.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>
#include "proto/base/log.h"

static void step_aside (void *ctx)
{
    run_progress *p = ctx;
    if (p->terminal && p->drawn && write (STDERR_FILENO, "\r\033[K", 4) < 0)
        return;
    p->drawn = false;
}

void run_progress_start (run_progress *p, bool graded)
{
    *p = (run_progress){.terminal = isatty (STDERR_FILENO) == 1, .graded = graded};
    esp_log_around (step_aside, NULL, p);
}

bool run_progress_due (const run_progress *p, uint64_t now_ns)
{
    return now_ns >= p->next_ns;
}

const char *run_progress_solved (bool graded, uint64_t solved, char *out, size_t size)
{
    out[0] = 0;
    if (graded)
        snprintf (out, size, ", %" PRIu64 " solved", solved);
    return out;
}

const char *run_progress_time (double seconds, char *out, size_t size)
{
    if (isnan (seconds) || seconds > 1e9)
        return "?";
    if (seconds >= 3600)
        snprintf (out, size, "%.0fh%02.0fm", floor (seconds / 3600),
                  floor (fmod (seconds, 3600) / 60));
    else if (seconds >= 60)
        snprintf (out, size, "%.0fm%02.0fs", floor (seconds / 60), floor (fmod (seconds, 60)));
    else
        snprintf (out, size, "%.0fs", seconds);
    return out;
}

void run_progress_draw (run_progress *p, uint64_t now_ns, const run_status *s)
{
    char eta[32], solved[40], line[256];
    double rate = isnan (s->generations_per_s) ? 0.0 : s->generations_per_s;
    int n;
    p->next_ns = now_ns + (p->terminal ? 500000000ULL : 10000000000ULL);
    n = snprintf (line, sizeof (line),
                  "%s%" PRIu64 "/%" PRIu64 " problems%s, %" PRIu64
                  " open; %.*f generations/s; %u workers %u%% busy; ETA %s%s",
                  p->terminal ? "\r\033[K" : "", s->problems_done, s->problems_total,
                  run_progress_solved (p->graded, s->problems_solved, solved, sizeof (solved)),
                  s->problems_open, rate < 10.0 ? 1 : 0, rate, s->workers, s->workers_busy_percent,
                  run_progress_time (s->eta_s, eta, sizeof (eta)), p->terminal ? "" : "\n");
    if (n > 0 &&
        write (STDERR_FILENO, line, (size_t)n < sizeof (line) ? (size_t)n : sizeof (line) - 1) > 0)
        p->drawn = true;
}

void run_progress_end (run_progress *p)
{
    step_aside (p);
    esp_log_around (NULL, NULL, NULL);
}
