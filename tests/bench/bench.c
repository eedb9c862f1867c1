/* SPDX-License-Identifier: Apache-2.0 */
/* bench.c - bench [NAME...] [--quick]: every figure of docs/performance.md
 *
 * Without a name: all rows.  Started by mpirun with @link or @farm it is one rank of such a row.
 */

#include "tests/bench/bench.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct row {
    const char *name;
    bench_row *run;
    const char *help;
} rows[] = {
    {"whole", bench_whole,
     "whole coordinator over MPI, null engine; beside it the same messages without it; journal "
     "off"},
    {"scale", bench_scale,
     "coordinator CPU per result with 10^3 to 10^6 open nodes, with 10 to 10,000 workers"},
    {"mcts", bench_mcts, "mcts: CPU per simulation at 10^3, 10^5, 10^6 nodes of one tree"},
    {"memory", bench_memory, "bytes per tree node beyond its text"},
    {"simulator", bench_simulator,
     "how near to the best possible wall time beam comes on 64 slots; lock-step beside it"},
    {"resume", bench_resume, "seconds to the first task with 10^6 finished and 100 open problems"},
    {"journal", bench_journal, "the journal alone: what it costs the loop, reading it again"},
    {"link", bench_link, "the link between two ranks: idle CPU, wake-up, messages"},
    {"wire", bench_wire, "encoding and decoding"},
    {"shape", bench_shape, "a request of 4 samples to a vLLM server, and its answer"},
    {"labels", bench_labels,
     "Math-Shepherd labels for 100 puzzles: generations and labels against plain k per step"},
};
enum { ROWS = sizeof (rows) / sizeof (rows[0]) };

static int usage (void)
{
    printf ("usage: bench [NAME...] [--quick]\n\n");
    for (int i = 0; i < ROWS; i++)
        printf ("  %-10s %s\n", rows[i].name, rows[i].help);
    return 2;
}

static void run_row (bench *b, const struct row *row)
{
    char load[64] = "?";
    bench_command (load, sizeof (load), "cut -d' ' -f1-3 /proc/loadavg");
    load[strcspn (load, "\n")] = 0;
    printf ("# %s: %s (load %s)\n", row->name, row->help, load);
    snprintf (b->folder, sizeof (b->folder), "%s/espalier-bench-XXXXXX",
              getenv ("TMPDIR") ? getenv ("TMPDIR") : "/tmp");
    if (!mkdtemp (b->folder))
        bench_fail ("cannot make a temporary folder");
    row->run (b);
    fflush (stdout);
    bench_command (NULL, 0, "rm -rf '%s'", b->folder);
}

static bool is_wanted (const char *name, int argc, char **argv)
{
    bool any = false;
    for (int i = 1; i < argc; i++) {
        any = any || argv[i][0] != '-';
        if (strcmp (argv[i], name) == 0)
            return true;
    }
    return !any;
}

static bool is_known (const char *word)
{
    bool known = strcmp (word, "--quick") == 0;
    for (int i = 0; i < ROWS; i++)
        known = known || strcmp (word, rows[i].name) == 0;
    return known;
}

int main (int argc, char **argv)
{
    bench b = {.self = argv[0]};
    setvbuf (stdout, NULL, _IOLBF, 0);
    if (argc > 1 && strcmp (argv[1], "@link") == 0)
        return bench_link_rank (argc - 1, argv + 1);
    if (argc > 1 && strcmp (argv[1], "@farm") == 0)
        return bench_farm_rank (argc - 1, argv + 1);
    for (int i = 1; i < argc; i++) {
        if (!is_known (argv[i]))
            return usage ();
        b.quick = b.quick || strcmp (argv[i], "--quick") == 0;
    }
    for (int i = 0; i < ROWS; i++)
        if (is_wanted (rows[i].name, argc, argv))
            run_row (&b, &rows[i]);
    return 0;
}
